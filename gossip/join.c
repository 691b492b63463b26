/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Becoming a member, and finding each other again. One handshake serves the newcomer, the node that restarted, and the two halves
 * of a healed partition:
 *
 *   HELLO      to anyone at an endpoint: are you there? Padded, so that no answer is larger than what was asked.
 *   HELLO_ACK  to that instance, with a cookie. The one who answers keeps nothing.
 *   JOIN       to the instance that answered, with its cookie, our own record, and what we hold of it (it may have to refute).
 *   JOIN_ACK   its own record, what it holds of us; then the full state, or the lists where we know each other.
 *
 * Whoever answers is fresh: nonces and cookies die within seconds, and the packets are sealed for one instance.
 */
#include <string.h>

#include <sodium.h>

#include "gossip/internal.h"

/* A HELLO is as long as the longest answer that it may draw. */
#define HELLO_LEN 64

/* Turns in a million at which a member that left is dialled. */
#define LEFT_REDIAL_PPM 50000

/* How long the answer to a HELLO or JOIN may take. */
#define HELLO_TIMEOUT_S 3

static uint64_t cookie_of(const struct gossip *g, struct endpoint peer, uint64_t instance, int64_t bucket)
{
	uint8_t key[crypto_shorthash_KEYBYTES] = { 0 };
	uint8_t data[64];
	uint8_t hash[crypto_shorthash_BYTES];
	struct wire_writer w = wire_writer_of(data, sizeof(data));
	struct wire_reader r;

	memcpy(key, g->cookie_key, sizeof(key));
	wire_write_ip(&w, peer.ip);
	wire_write_u16(&w, peer.port);
	wire_write_u64(&w, instance);
	wire_write_u64(&w, (uint64_t)bucket);
	crypto_shorthash(hash, data, w.len, key);
	r = wire_reader_of(hash, sizeof(hash));
	return wire_read_u64(&r);
}

static int64_t bucket_now(const struct gossip *g)
{
	return g->now.us / span_s(COOKIE_BUCKET_S).us;
}

static void send_hello(struct gossip *g, struct endpoint to, uint8_t path)
{
	struct hello *hello = &g->hellos[g->hello_next++ % HELLO_MAX];
	static const uint8_t zero[HELLO_LEN];
	struct packet packet;
	size_t at;

	if (!packet_begin(g, &packet, to, path, 0))
		return;
	hello->nonce = rng_u64(&g->rng);
	hello->to = to;
	hello->until = instant_add(g->now, span_s(HELLO_TIMEOUT_S));
	at = message_begin(&packet.w, MESSAGE_HELLO);
	wire_write_u64(&packet.w, hello->nonce);
	wire_write_bytes(&packet.w, zero, HELLO_LEN - packet.w.len);
	message_end(&packet.w, at);
	packet_finish_plain(g, &packet);
}

static bool nonce_pending(const struct gossip *g, uint64_t nonce, struct endpoint from)
{
	for (size_t i = 0; i < HELLO_MAX; i++) {
		const struct hello *hello = &g->hellos[i];

		if (hello->nonce == nonce && nonce != 0 && !instant_reached(hello->until, g->now) &&
		    endpoint_compare(hello->to, from) == 0)
			return true;
	}
	return false;
}

void join_take_hello(struct gossip *g, const struct gossip_event *event, struct wire_reader *r)
{
	uint64_t nonce = wire_read_u64(r);
	struct packet packet;
	size_t at;

	if (event->packet.len < HELLO_LEN)
		wire_fail(r); /* would let a spoofed source draw more than was sent */
	if (r->failed || g->leaving ||
	    !packet_begin(g, &packet, event->packet.from, g->reply_path, event->packet.sender))
		return;
	at = message_begin(&packet.w, MESSAGE_HELLO_ACK);
	wire_write_u64(&packet.w, nonce);
	wire_write_u64(&packet.w, cookie_of(g, event->packet.from, event->packet.sender, bucket_now(g)));
	message_end(&packet.w, at);
	packet_finish_plain(g, &packet);
}

static void write_opinion(struct wire_writer *w, const struct member *member)
{
	wire_write_u8(w, member != NULL ? (uint8_t)member->state : 0);
	wire_write_u32(w, member != NULL ? member->incarnation : 0);
}

/* What the other side holds of us: refuted where it is wrong. */
static void read_opinion(struct gossip *g, struct wire_reader *r)
{
	uint8_t state = wire_read_u8(r);
	uint32_t incarnation = wire_read_u32(r);

	if (state > GOSSIP_LEFT || incarnation > INCARNATION_MAX)
		wire_fail(r);
	if (!r->failed && state != 0)
		member_claim(g, self_of(g), state, incarnation, GOSSIP_REASON_RUMOUR);
}

void join_take_hello_ack(struct gossip *g, const struct gossip_event *event, struct wire_reader *r)
{
	uint64_t nonce = wire_read_u64(r);
	uint64_t cookie = wire_read_u64(r);
	struct packet packet;
	size_t at;

	if (r->failed || g->leaving)
		return;
	if (!nonce_pending(g, nonce, event->packet.from)) {
		g->stats.drops[GOSSIP_DROP_COOKIE]++;
		return;
	}
	if (!packet_begin(g, &packet, event->packet.from, g->reply_path, event->packet.sender))
		return;
	at = message_begin(&packet.w, MESSAGE_JOIN);
	wire_write_u64(&packet.w, cookie);
	wire_write_u64(&packet.w, nonce);
	write_opinion(&packet.w, member_find(g, event->packet.sender));
	message_end(&packet.w, at);
	message_member(&packet.w, self_of(g), g->now);
	packet_finish_plain(g, &packet);
}

static void answer(struct gossip *g, const struct gossip_event *event, enum message_type type, uint64_t nonce,
		   const struct member *about)
{
	struct packet packet;
	size_t at;

	if (!packet_begin(g, &packet, event->packet.from, g->reply_path, event->packet.sender))
		return;
	at = message_begin(&packet.w, type);
	wire_write_u64(&packet.w, nonce);
	if (type == MESSAGE_REFUSED) {
		wire_write_ip(&packet.w, about->endpoints[0].ip);
		wire_write_u16(&packet.w, about->endpoints[0].port);
	} else if (type == MESSAGE_RAISE) {
		wire_write_u64(&packet.w, about->instance);
	} else {
		write_opinion(&packet.w, about);
	}
	message_end(&packet.w, at);
	if (type == MESSAGE_JOIN_ACK)
		message_member(&packet.w, self_of(g), g->now);
	packet_finish_plain(g, &packet);
}

static bool shares_endpoint(const struct member *holder, const struct member_record *record)
{
	for (size_t i = 0; i < record->endpoint_n; i++) {
		if (endpoint_listed(holder->endpoints, holder->endpoint_n, record->endpoints[i]))
			return true;
	}
	return false;
}

/* The newcomer's name is known already. May it have it? Says why not. */
static bool name_free(struct gossip *g, const struct gossip_event *event, const struct member_record *record,
		      uint64_t nonce)
{
	const struct member *holder = member_named(g, record->name);

	if (holder == NULL || holder->instance == record->instance)
		return true;
	if (slot_of(g, holder) == g->self || (member_live(holder) && !shares_endpoint(holder, record))) {
		answer(g, event, MESSAGE_REFUSED, nonce, holder);
		return false;
	}
	if (holder->instance > record->instance) {
		answer(g, event, MESSAGE_RAISE, nonce, holder); /* its clock went back */
		return false;
	}
	return true;
}

static bool read_own_record(struct wire_reader *r, struct member_record *record, uint64_t sender)
{
	if (wire_read_u8(r) != MESSAGE_MEMBER || wire_read_u16(r) != wire_left(r) || !member_record_read(r, record) ||
	    record->instance != sender)
		wire_fail(r);
	return !r->failed;
}

/* A JOIN is two messages: the handshake's part and the sender's record; both are read here, from the whole body. */
void join_take_join(struct gossip *g, const struct gossip_event *event, struct wire_reader *r)
{
	struct wire_reader whole = wire_reader_of(event->packet.body, event->packet.len);
	uint64_t cookie = wire_read_u64(r);
	uint64_t nonce = wire_read_u64(r);
	struct wire_reader opinion = wire_read_sub(r, 5);
	int64_t bucket = bucket_now(g);
	struct member_record record = { 0 };
	struct member *member;
	bool known;

	(void)wire_read_view(&whole, 3 + 21);
	if (r->failed || !read_own_record(&whole, &record, event->packet.sender) || record.state != GOSSIP_ALIVE) {
		wire_fail(r);
		return;
	}
	if (cookie != cookie_of(g, event->packet.from, event->packet.sender, bucket) &&
	    cookie != cookie_of(g, event->packet.from, event->packet.sender, bucket - 1)) {
		g->stats.drops[GOSSIP_DROP_COOKIE]++;
		return;
	}
	if (!name_free(g, event, &record, nonce))
		return;
	read_opinion(g, &opinion);
	known = member_find(g, record.instance) != NULL;
	member = member_take(g, &record, GOSSIP_REASON_JOINED);
	if (member == NULL)
		return;
	if (!member->replay.started)
		(void)replay_accept(&member->replay, event->packet.counter);
	answer(g, event, MESSAGE_JOIN_ACK, nonce, member);
	if (known)
		sync_list(g, member, false);
	else
		sync_push(g, event->packet.from, g->reply_path, event->packet.sender);
}

void join_take_join_ack(struct gossip *g, const struct gossip_event *event, struct wire_reader *r)
{
	struct wire_reader whole = wire_reader_of(event->packet.body, event->packet.len);
	uint64_t nonce = wire_read_u64(r);
	struct wire_reader opinion = wire_read_sub(r, 5);
	struct member_record record = { 0 };
	struct member *member;
	bool known;

	(void)wire_read_view(&whole, 3 + 13);
	if (r->failed || !read_own_record(&whole, &record, event->packet.sender)) {
		wire_fail(r);
		return;
	}
	if (!nonce_pending(g, nonce, event->packet.from)) {
		g->stats.drops[GOSSIP_DROP_COOKIE]++;
		return;
	}
	if (!name_free(g, event, &record, 0))
		return; /* we found it before it found us: its name is taken, or its clock went back */
	g->refused_at = INSTANT_NEVER;
	known = member_find(g, record.instance) != NULL;
	member = member_take(g, &record, GOSSIP_REASON_JOINED);
	if (member != NULL && !member->replay.started)
		(void)replay_accept(&member->replay, event->packet.counter);
	read_opinion(g, &opinion);
	/* It tells a newcomer all; where we are the cluster that it is new to, it is to hear of the others from us, and at once. */
	if (member != NULL && !known && g->joined)
		sync_list(g, member, false);
}

/* We asked it lately, or it is a member, whose packets cannot be recorded ones. */
static bool answer_expected(const struct gossip *g, const struct gossip_event *event, uint64_t nonce)
{
	return nonce_pending(g, nonce, event->packet.from) || member_find(g, event->packet.sender) != NULL;
}

void join_take_refused(struct gossip *g, const struct gossip_event *event, struct wire_reader *r)
{
	uint64_t nonce = wire_read_u64(r);
	struct endpoint holder = { 0 };

	holder.ip = wire_read_ip(r);
	holder.port = wire_read_u16(r);
	/* Who has joined keeps its name; of two that start together the later one goes. */
	if (r->failed || !answer_expected(g, event, nonce) || g->joined ||
	    (endpoint_compare(holder, event->packet.from) == 0 && event->packet.sender > self_of(g)->instance))
		return;
	g->refused_last = g->now;
	if (g->refused_at.us == INSTANT_NEVER.us)
		g->refused_at = g->now;
	else if (instant_since(g->now, g->refused_at).us >= span_ms(REFUSED_PATIENCE_MS).us)
		member_conflict(g, holder);
}

void join_take_raise(struct gossip *g, const struct gossip_event *event, struct wire_reader *r)
{
	uint64_t nonce = wire_read_u64(r);
	uint64_t known = wire_read_u64(r);

	if (r->failed || known < self_of(g)->instance || known == UINT64_MAX || !answer_expected(g, event, nonce))
		return;
	while (known + 1 < UINT64_MAX && member_find(g, known + 1) != NULL)
		known++; /* never another's */
	if (known + 1 == UINT64_MAX)
		return;
	member_raise_self(g, known + 1);
	send_hello(g, event->packet.from, g->reply_path); /* it tells the others who we are now */
}

void join_done(struct gossip *g, bool alone)
{
	if (g->joined || !notify_room(g))
		return;
	g->joined = true;
	g->join_at = INSTANT_NEVER;
	action_add(g, GOSSIP_ACTION_JOINED)->joined.alone = alone;
}

/* The live member at an endpoint; NULL: none. */
static const struct member *live_at(const struct gossip *g, struct endpoint seed)
{
	for (size_t i = 0; i < g->member_n; i++) {
		const struct member *member = &g->members[g->order[i]];

		if (member_live(member) && endpoint_listed(member->endpoints, member->endpoint_n, seed))
			return member;
	}
	return NULL;
}

/* Each time by another of its endpoints: one may be out of reach for ever. */
static void dial(struct gossip *g, const struct member *member)
{
	struct endpoint to = member->endpoints[rng_below(&g->rng, member->endpoint_n)];

	send_hello(g, to, path_towards(g, to));
}

/* Who is missing: seeds first, then dead members, round and round. */
static void redial(struct gossip *g)
{
	size_t seed_n = g->config.seed_n;
	size_t n = seed_n + (g->down_n > 0 ? g->probe_n : 0);

	for (size_t i = 0; i < n; i++) {
		size_t at = g->redial_index++ % n;
		const struct member *member = at < seed_n ? NULL : &g->members[g->probe_list[at - seed_n]];

		if (member == NULL && live_at(g, g->config.seeds[at]) == NULL) {
			send_hello(g, g->config.seeds[at], path_towards(g, g->config.seeds[at]));
			return;
		}
		/* who left may have been started again where we are out of its sight; it is asked now and then */
		if (member != NULL && (member->state == GOSSIP_DEAD ||
				       (member->state == GOSSIP_LEFT && rng_chance(&g->rng, LEFT_REDIAL_PPM)))) {
			dial(g, member);
			return;
		}
	}
}

/* Every seed has answered, and each is as new as we are: the cluster begins with us. */
static bool all_seeds_new(const struct gossip *g)
{
	for (size_t i = 0; i < g->config.seed_n; i++) {
		const struct member *member = live_at(g, g->config.seeds[i]);

		if (member == NULL || !member->newcomer)
			return false;
	}
	return g->config.seed_n > 0;
}

/* Not joined yet: a peer that we know gives us the state once more, in case a datagram of it was lost or overtaken. */
static void hurry(struct gossip *g)
{
	struct member *peer;

	if ((!g->contacted || g->hurry_n++ % 2 == 1) && (peer = member_random(g, NULL)) != NULL)
		sync_ask_state(g, peer);
	if (all_seeds_new(g))
		join_done(g, false);
}

void join_tick(struct gossip *g)
{
	/* who refused us has fallen silent: it has died, or its word no longer counts */
	if (g->refused_at.us != INSTANT_NEVER.us &&
	    instant_since(g->now, g->refused_last).us > span_ms(REFUSED_PATIENCE_MS).us)
		g->refused_at = INSTANT_NEVER;
	if (instant_reached(g->join_at, g->now) && g->refused_at.us == INSTANT_NEVER.us && !g->conflict)
		join_done(g, !g->contacted && g->live_n == 1 && g->config.seed_n > 0);
	if (g->leaving || !instant_reached(g->redial_at, g->now))
		return;
	g->redial_at = instant_add(g->now, g->config.timers.redial_interval);
	if (!g->joined)
		hurry(g);
	redial(g);
}

struct instant join_deadline(const struct gossip *g)
{
	struct instant join = g->refused_at.us == INSTANT_NEVER.us && !g->conflict ? g->join_at : INSTANT_NEVER;

	return g->leaving ? join : instant_min(join, g->redial_at);
}
