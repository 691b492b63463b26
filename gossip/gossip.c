/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: membership
 *
 * A member is one run (instance) of a named node. What is known of it follows SWIM: alive, suspect, dead, left, ordered by an
 * incarnation that only the member itself raises. Around that, one file each:
 *
 *   member.c   the table and the precedence rules; the one place where a state changes
 *   probe.c    SWIM's probes and suspicion: the slow detector, always there
 *   watch.c    watchers, heartbeats, quorum: the fast one; edge.c carries its messages
 *   rumour.c   telling others, by piggyback, on its own, or at once to all
 *   item.c     the replicated items, each written by its origin alone
 *   sync.c     anti-entropy, and the full state for a newcomer
 *   join.c     the handshake for newcomers, restarts and healed partitions; tries the missing for ever
 *   packet.c   datagrams out of messages
 *   seal.c     encryption; stateless, called by the shell
 *
 * This file takes events apart and keeps the timers. A step first looks at its own lateness: a process that was stopped or
 * starved must not hold its own silence against others, so it forgives everybody before it judges.
 */
#include "gossip/gossip.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "gossip/internal.h"

const char *gossip_state_name(enum gossip_state state)
{
	static const char *const names[] = { "unknown", "alive", "suspect", "dead", "left" };

	return names[state];
}

const char *gossip_reason_name(enum gossip_reason reason)
{
	static const char *const names[] = { "joined",	 "probe-failed", "rumour",   "refuted", "timeout", "left",
					     "replaced", "reaped",	 "metadata", "quorum",	"verdict", "guard" };

	return names[reason];
}

/* --- packets -------------------------------------------------------------------------------------------------------- */

static void take_member(struct gossip *g, struct wire_reader *r)
{
	struct member_record record;

	if (member_record_read(r, &record))
		(void)member_take(g, &record, GOSSIP_REASON_RUMOUR);
}

static void take_state(struct gossip *g, struct wire_reader *r)
{
	uint64_t instance = wire_read_u64(r);
	uint32_t incarnation = wire_read_u32(r);
	enum gossip_state state = wire_read_u8(r);
	uint64_t accuser = wire_read_u64(r);
	struct member *member;

	if (state < GOSSIP_SUSPECT || state > GOSSIP_LEFT || incarnation > INCARNATION_MAX)
		wire_fail(r);
	member = r->failed ? NULL : member_find(g, instance);
	if (member != NULL && state == GOSSIP_SUSPECT)
		member_accuse(g, member, incarnation, accuser, GOSSIP_REASON_RUMOUR);
	else if (member != NULL && state == GOSSIP_DEAD && accuser >= GOSSIP_PROOF_HINTED &&
		 accuser <= GOSSIP_PROOF_RELEASED)
		member_die(g, member, incarnation, GOSSIP_REASON_VERDICT, (enum gossip_proof)accuser);
	else if (member != NULL)
		member_claim(g, member, state, incarnation,
			     state == GOSSIP_LEFT ? GOSSIP_REASON_LEFT : GOSSIP_REASON_RUMOUR);
}

/* The guard of a daemon speaks in its name: it is dead, and what it held is gone. */
static void take_last_word(struct gossip *g, struct member *from, struct wire_reader *r)
{
	uint64_t instance = wire_read_u64(r);

	if (!r->failed && instance == from->instance)
		member_die(g, from, from->incarnation, GOSSIP_REASON_GUARD, GOSSIP_PROOF_RELEASED);
}

static void take_item(struct gossip *g, struct wire_reader *r)
{
	struct gossip_item item = { 0 };
	struct member *origin;
	bool full;

	item.origin = wire_read_u64(r);
	item.version = wire_read_u32(r);
	item.key_len = wire_read_u8(r);
	if (item.key_len == 0 || item.key_len > ITEM_KEY_MAX)
		wire_fail(r);
	wire_read_bytes(r, item.key, item.key_len <= ITEM_KEY_MAX ? item.key_len : 0);
	item.value_len = wire_read_u8(r);
	if (item.value_len > ITEM_VALUE_MAX)
		wire_fail(r);
	wire_read_bytes(r, item.value, item.value_len <= ITEM_VALUE_MAX ? item.value_len : 0);
	origin = r->failed ? NULL : member_find(g, item.origin);
	/* an origin that we do not know yet: its items come by comparison once we do */
	if (origin == NULL || slot_of(g, origin) == g->self || !notify_room(g))
		return;
	if (item_put(g, &item, &full))
		action_add(g, GOSSIP_ACTION_ITEM)->item = item;
	else if (full)
		g->stats.drops[GOSSIP_DROP_FULL]++;
}

/* Messages of a member. */
static void take_message(struct gossip *g, struct member *from, const struct gossip_event *event,
			 enum message_type type, struct wire_reader *r)
{
	switch (type) {
	case MESSAGE_PING:
		probe_take_ping(g, from, r);
		break;
	case MESSAGE_ACK:
		probe_take_ack(g, from, r);
		break;
	case MESSAGE_PING_REQ:
		probe_take_ping_req(g, from, r);
		break;
	case MESSAGE_ACK_VIA:
		probe_take_ack_via(g, r);
		break;
	case MESSAGE_MEMBER:
		take_member(g, r);
		break;
	case MESSAGE_STATE:
		take_state(g, r);
		break;
	case MESSAGE_ITEM:
		take_item(g, r);
		break;
	case MESSAGE_STATE_END:
		sync_take_state_end(g, from, r);
		break;
	case MESSAGE_SYNC:
		sync_take_hash(g, from, r);
		break;
	case MESSAGE_SYNC_LIST:
		sync_take_list(g, from, r);
		break;
	case MESSAGE_PULL:
		sync_take_pull(g, from, r);
		break;
	case MESSAGE_ITEMS_END:
		sync_take_items_end(g, r);
		break;
	case MESSAGE_BEAT:
		edge_take_beat(g, from, event->packet.received, r);
		break;
	case MESSAGE_WATCH:
		edge_take_watch(g, from, r);
		break;
	case MESSAGE_NACK:
		probe_take_nack(g, r);
		break;
	case MESSAGE_LAST_WORD:
		take_last_word(g, from, r);
		break;
	case MESSAGE_HELLO:
	case MESSAGE_HELLO_ACK:
	case MESSAGE_JOIN:
	case MESSAGE_JOIN_ACK:
	case MESSAGE_REFUSED:
	case MESSAGE_RAISE:
	case MESSAGE_TYPE_N:
		break;
	}
}

/* Messages of the handshake, which may come from strangers. False: it is none. */
static bool take_handshake(struct gossip *g, enum message_type type, const struct gossip_event *event,
			   struct wire_reader *r)
{
	if (event->packet.to_anyone && type != MESSAGE_HELLO)
		return false;
	if (type == MESSAGE_HELLO)
		join_take_hello(g, event, r);
	else if (type == MESSAGE_HELLO_ACK)
		join_take_hello_ack(g, event, r);
	else if (type == MESSAGE_JOIN)
		join_take_join(g, event, r);
	else if (type == MESSAGE_JOIN_ACK)
		join_take_join_ack(g, event, r);
	else if (type == MESSAGE_REFUSED)
		join_take_refused(g, event, r);
	else if (type == MESSAGE_RAISE)
		join_take_raise(g, event, r);
	else
		return false;
	return true;
}

/* Do the lengths of the messages add up to the body? Checked before anything is applied. */
static bool framing_good(const uint8_t *body, size_t len)
{
	struct wire_reader r = wire_reader_of(body, len);

	while (wire_left(&r) > 0) {
		(void)wire_read_u8(&r);
		(void)wire_read_view(&r, wire_read_u16(&r));
	}
	return !r.failed && len > 0;
}

static void take_body(struct gossip *g, struct member *from, const struct gossip_event *event)
{
	struct wire_reader r = wire_reader_of(event->packet.body, event->packet.len);

	while (wire_left(&r) > 0) {
		enum message_type type = wire_read_u8(&r);
		struct wire_reader message = wire_read_sub(&r, wire_read_u16(&r));

		if (take_handshake(g, type, event, &message)) {
			g->stats.drops[GOSSIP_DROP_MALFORMED] += message.failed;
			return; /* a handshake's packet carries nothing else */
		}
		if (from == NULL) {
			g->stats.drops[GOSSIP_DROP_UNKNOWN]++;
			return;
		}
		take_message(g, from, event, type, &message); /* unknown types of a newer version are passed over */
		if (message.failed) {
			g->stats.drops[GOSSIP_DROP_MALFORMED]++;
			return;
		}
		if (!from->used || from->instance != event->packet.sender)
			return; /* what it said replaced it */
	}
}

/* A packet from one that we hold for dead: tell it, so that it refutes. */
static void nudge(struct gossip *g, struct member *member)
{
	struct packet packet;

	if (member->state != GOSSIP_DEAD ||
	    instant_since(g->now, member->nudged).us < g->config.timers.redial_interval.us ||
	    !packet_begin_member(g, &packet, member))
		return;
	member->nudged = g->now;
	message_state(&packet.w, member, g->now);
	packet_finish_plain(g, &packet);
}

static void take_packet(struct gossip *g, const struct gossip_event *event)
{
	struct member *from = event->packet.to_anyone ? NULL : member_find(g, event->packet.sender);

	g->stats.received_n++;
	g->reply_path = event->packet.path;
	if (event->packet.sender == self_of(g)->instance) {
		g->stats.drops[GOSSIP_DROP_UNKNOWN]++; /* our own, reflected */
		return;
	}
	if (!framing_good(event->packet.body, event->packet.len)) {
		g->stats.drops[GOSSIP_DROP_MALFORMED]++;
		return;
	}
	if (from != NULL && !replay_accept(&from->replay, event->packet.counter)) {
		g->stats.drops[GOSSIP_DROP_REPLAY]++;
		return;
	}
	if (from != NULL) {
		from->heard = event->packet.received;
		if (event->packet.path < PATH_MAX_N)
			from->path_heard[event->packet.path] = event->packet.received;
		watch_heard(&g->watch, from->instance, event->packet.received, g->now);
		nudge(g, from);
	}
	take_body(g, from, event);
	from = g->missed ? member_find(g, event->packet.sender) : NULL;
	if (from != NULL)
		sync_list(g, from, false);
	g->missed = g->missed && from == NULL;
}

/* --- our own changes ------------------------------------------------------------------------------------------------ */

static void take_meta(struct gossip *g, const struct gossip_event *event)
{
	struct member *self = self_of(g);

	assert(event->meta.len <= META_LEN_MAX);
	memcpy(self->meta, event->meta.bytes, event->meta.len);
	self->meta_len = (uint16_t)event->meta.len;
	if (!g->leaving)
		member_refresh_self(g, 0);
}

static void leave(struct gossip *g)
{
	struct member *self = self_of(g);

	if (g->leaving)
		return;
	g->leaving = true;
	self->state = GOSSIP_LEFT;
	g->live_n--;
	g->view_changed = true;
	rumour_member(g, self, true);
	/* three urgent rounds, then the grave */
	g->leave_at = instant_add(g->now, span_us(g->config.timers.gossip_interval.us * URGENT_ROUNDS));
	if (g->live_n == 0)
		g->leave_at = g->now;
}

/* After a goodbye: another instance of the same node, as after a restart. */
static void come_back(struct gossip *g)
{
	struct member *self = self_of(g);

	if (!g->left)
		return;
	g->left = false;
	g->leaving = false;
	g->joined = false;
	g->contacted = false;
	self->state = GOSSIP_ALIVE;
	g->live_n++;
	member_raise_self(g, self->instance + 1);
	g->join_at = instant_add(g->now, g->config.timers.join_timeout);
	g->redial_at = g->now;
	member_refresh_self(g, 0);
}

static void take_hint(struct gossip *g, struct endpoint endpoint)
{
	for (size_t i = 0; i < g->watch.edge_n; i++) {
		uint64_t instance = g->watch.edges[i].instance;
		const struct member *member = member_find(g, instance);

		if (member != NULL && endpoint_listed(member->endpoints, member->endpoint_n, endpoint))
			watch_hint(&g->watch, instance, g->now);
	}
}

/* --- time ----------------------------------------------------------------------------------------------------------- */

/* Our own lateness of the last seconds: limits are wider by it, until it is forgotten by halves. */
static void take_lag(struct gossip *g, struct span late)
{
	struct span *lag = &g->watch.lag;

	if (instant_reached(g->lag_at, g->now)) {
		*lag = span_us(lag->us / 2);
		g->lag_at = instant_add(g->now, span_s(1));
	}
	if (late.us > lag->us)
		*lag = late.us < g->config.timers.silence.us ? late : g->config.timers.silence;
}

/* We were late: whatever silence we measured may be our own. */
static void forgive(struct gossip *g)
{
	struct span late = instant_since(g->now, g->due);

	take_lag(g, late);
	if (late.us > g->config.timers.silence.us / 2) {
		watch_amnesty(&g->watch, g->now);
		g->stats.amnesties_n++;
		health_worse(g, 1);
	}
	if (late.us <= g->config.timers.probe_interval.us * 2)
		return;
	g->probe.target = SLOT_NONE;
	g->probe_at = g->now;
	for (size_t i = 0; i < g->probe_n; i++) {
		struct member *member = &g->members[g->probe_list[i]];

		if (member->state == GOSSIP_SUSPECT)
			member->dead_at = instant_add(g->now, g->config.timers.suspicion);
	}
}

/* The dead and the gone are forgotten after a day; seeds among them are dialled all the same. */
static void reap(struct gossip *g)
{
	if (!instant_reached(g->reap_at, g->now))
		return;
	g->reap_at = instant_add(g->now, span_s(10));
	for (size_t i = g->probe_n; i > 0; i--) {
		struct member *member = &g->members[g->probe_list[i - 1]];

		if (!member_live(member) && notify_room(g) &&
		    instant_since(g->now, member->since).us >= g->config.timers.reap_after.us)
			member_forget(g, member, GOSSIP_REASON_REAPED);
	}
}

static void tick(struct gossip *g)
{
	join_tick(g);
	if (!g->leaving) {
		probe_tick(g);
		if (instant_reached(watch_deadline(&g->watch), g->now))
			watch_tick(&g->watch, g->now, &g->watch_out);
		edge_settle(g);
		reap(g);
	}
	sync_tick(g);
	rumour_tick(g);
	if (instant_reached(g->leave_at, g->now) && g->out->action_n < GOSSIP_ACTION_MAX) {
		g->leave_at = INSTANT_NEVER;
		g->left = true;
		(void)action_add(g, GOSSIP_ACTION_LEFT);
	}
}

static struct instant next_deadline(const struct gossip *g)
{
	struct instant next = instant_min(join_deadline(g), sync_deadline(g));

	next = instant_min(next, instant_min(g->gossip_at, g->leave_at));
	if (g->leaving)
		return next;
	next = instant_min(next, instant_min(probe_deadline(g), watch_deadline(&g->watch)));
	if (g->view_changed)
		next = instant_min(next, g->refresh_at);
	return instant_min(next, g->reap_at);
}

/* Our own endpoint in the list of seeds is not a peer. */
static void drop_own_seed(struct gossip_config *config)
{
	size_t kept = 0;

	for (size_t i = 0; i < config->seed_n; i++) {
		if (!endpoint_listed(config->endpoints, config->endpoint_n, config->seeds[i]))
			config->seeds[kept++] = config->seeds[i];
	}
	config->seed_n = kept;
}

static void take_seeds(struct gossip *g, const struct gossip_event *event)
{
	g->config.seed_n = event->seeds.n < SEED_MAX ? event->seeds.n : SEED_MAX;
	memcpy(g->config.seeds, event->seeds.endpoints, g->config.seed_n * sizeof(g->config.seeds[0]));
	drop_own_seed(&g->config);
	g->redial_at = g->now;
	if (!g->joined && g->config.seeds_wait.us > 0)
		g->join_at = g->config.seed_n > 0 ? instant_add(g->now, g->config.timers.join_timeout) : g->now;
	g->config.seeds_wait = span_us(0); /* a second list puts nothing off */
}

/* Rumours that became urgent go out with the step that made them, or with the last of several that belong together. */
static void flush_fresh(struct gossip *g, const struct gossip_event *event)
{
	if (g->urgent_made == g->urgent_said || (event->kind == GOSSIP_EVENT_ITEM && event->item.more))
		return;
	g->urgent_said = g->urgent_made;
	rumour_flush_urgent(g);
}

void gossip_step(struct gossip *g, const struct gossip_event *event, struct gossip_out *out)
{
	assert(event->now.us >= g->now.us);
	out->action_n = 0;
	out->arena_len = 0;
	g->out = out;
	g->now = event->now;
	g->reply_path = PATH_MAX_N;
	forgive(g);
	switch (event->kind) {
	case GOSSIP_EVENT_TICK:
		tick(g);
		break;
	case GOSSIP_EVENT_PACKET:
		if (!g->left)
			take_packet(g, event);
		break;
	case GOSSIP_EVENT_META:
		take_meta(g, event);
		break;
	case GOSSIP_EVENT_ITEM:
		item_write_own(g, event->item.key, event->item.key_len, event->item.value, event->item.value_len);
		break;
	case GOSSIP_EVENT_LEAVE:
		leave(g);
		break;
	case GOSSIP_EVENT_RETURN:
		come_back(g);
		break;
	case GOSSIP_EVENT_HINT:
		take_hint(g, event->hint);
		break;
	case GOSSIP_EVENT_WITNESS:
		watch_witnessed(&g->watch, g->now);
		break;
	case GOSSIP_EVENT_SEEDS:
		take_seeds(g, event);
		break;
	}
	if (event->kind == GOSSIP_EVENT_TICK)
		edge_tell_doubts(g);
	flush_fresh(g, event);
	edge_refresh(g);
	g->due = next_deadline(g);
	if (g->due.us < g->now.us)
		g->due = g->now;
	g->out = NULL;
}

struct instant gossip_deadline(const struct gossip *g)
{
	return g->due;
}

/* --- life ----------------------------------------------------------------------------------------------------------- */

static size_t power_of_two(size_t at_least)
{
	size_t n = 16;

	while (n < at_least)
		n *= 2;
	return n;
}

static int allocate(struct gossip *g)
{
	size_t member_max = g->config.member_max;

	g->by_instance_len = power_of_two(2 * member_max);
	g->by_item_len = power_of_two(2 * g->config.item_max);
	g->members = calloc(member_max, sizeof(*g->members));
	g->order = calloc(member_max + 1, sizeof(*g->order));
	g->by_instance = calloc(g->by_instance_len, sizeof(*g->by_instance));
	g->items = calloc(g->config.item_max, sizeof(*g->items));
	g->by_item = calloc(g->by_item_len, sizeof(*g->by_item));
	g->probe_list = calloc(member_max, sizeof(*g->probe_list));
	g->ring_members = calloc(member_max, sizeof(*g->ring_members));
	if (g->members == NULL || g->order == NULL || g->by_instance == NULL || g->items == NULL ||
	    g->by_item == NULL || g->probe_list == NULL || g->ring_members == NULL)
		return -1;
	memset(g->by_instance, 0xff, g->by_instance_len * sizeof(*g->by_instance));
	memset(g->by_item, 0xff, g->by_item_len * sizeof(*g->by_item));
	return 0;
}

static void start_timers(struct gossip *g, struct instant now)
{
	const struct gossip_timers *timers = &g->config.timers;
	const struct watch_timers watch = { timers->beat_interval, timers->silence, timers->verify,
					    span_us(timers->verify.us / 10) };

	g->now = now;
	g->due = now;
	g->probe_at = now;
	g->gossip_at = INSTANT_NEVER;
	g->sync_at = instant_add(now, timers->sync_interval);
	g->redial_at = now;
	g->reap_at = instant_add(now, span_s(10));
	g->join_at = g->config.seed_n > 0 ? instant_add(now, timers->join_timeout) : now;
	if (g->config.seeds_wait.us > 0)
		g->join_at = instant_add(now, g->config.seeds_wait);
	g->leave_at = INSTANT_NEVER;
	g->refused_at = INSTANT_NEVER;
	g->relay_at = INSTANT_NEVER;
	g->lag_at = now;
	g->list_at = now;
	watch_init(&g->watch, &watch, g->config.instance, g->config.witness, now);
}

struct gossip *gossip_new(const struct gossip_config *config, uint64_t seed, struct instant now)
{
	struct gossip *g = calloc(1, sizeof(*g));

	if (g == NULL)
		return NULL;
	assert(config->endpoint_n > 0 && config->endpoint_n <= PATH_MAX_N);
	assert(config->instance != 0 && config->member_max > 1 && config->meta_len <= META_LEN_MAX);
	assert(config->packet_len_max >= PACKET_LEN_MIN && config->packet_len_max <= PACKET_LEN_MAX);
	g->config = *config;
	g->rng = rng_of(seed);
	/* a counter never repeats for one instance: a random start makes even equal instances unlikely to share one */
	g->counter = rng_u64(&g->rng) >> 2;
	for (size_t i = 0; i < sizeof(g->cookie_key); i++)
		g->cookie_key[i] = (uint8_t)rng_u64(&g->rng);
	g->probe.target = SLOT_NONE;
	g->item_free = SLOT_NONE;
	rumour_init(g);
	drop_own_seed(&g->config);
	start_timers(g, now);
	if (allocate(g) != 0) {
		gossip_free(g);
		return NULL;
	}
	member_add_self(g);
	return g;
}

void gossip_free(struct gossip *g)
{
	if (g == NULL)
		return;
	free(g->members);
	free(g->order);
	free(g->by_instance);
	free(g->items);
	free(g->by_item);
	free(g->probe_list);
	free(g->ring_members);
	free(g);
}

/* --- looking -------------------------------------------------------------------------------------------------------- */

uint32_t gossip_incarnation(const struct gossip *g)
{
	return self_of(g)->incarnation;
}

struct gossip_lease gossip_lease_of(const struct gossip *g)
{
	return (struct gossip_lease){ g->watch.watcher_n, g->watch.lease };
}

uint64_t gossip_counter(const struct gossip *g)
{
	return g->counter;
}

uint64_t gossip_instance(const struct gossip *g)
{
	return self_of(g)->instance;
}

bool gossip_joined(const struct gossip *g)
{
	return g->joined;
}

size_t gossip_member_n(const struct gossip *g)
{
	return g->member_n;
}

static void show(const struct gossip *g, const struct member *member, struct gossip_member *ret)
{
	*ret = (struct gossip_member){ .name = member->name,
				       .instance = member->instance,
				       .endpoint_n = member->endpoint_n,
				       .endpoints = member->endpoints,
				       .incarnation = member->incarnation,
				       .state = member->state,
				       .since = member->since,
				       .rtt = member->rtt,
				       .health = slot_of(g, member) == g->self ? g->health : member->health,
				       .meta = member->meta,
				       .meta_len = member->meta_len,
				       .self = slot_of(g, member) == g->self };
	edge_show(g, member, ret);
}

void gossip_member_at(const struct gossip *g, size_t index, struct gossip_member *ret)
{
	assert(index < g->member_n);
	show(g, &g->members[g->order[index]], ret);
}

void gossip_member_counts(const struct gossip *g, size_t ret[GOSSIP_LEFT + 1])
{
	memset(ret, 0, (GOSSIP_LEFT + 1) * sizeof(ret[0]));
	for (size_t i = 0; i < g->member_n; i++)
		ret[g->members[g->order[i]].state]++;
}

bool gossip_member_find(const struct gossip *g, uint64_t instance, struct gossip_member *ret)
{
	const struct member *member = member_find(g, instance);

	if (member == NULL)
		return false;
	show(g, member, ret);
	return true;
}

void gossip_stats_get(const struct gossip *g, struct gossip_stats *ret)
{
	*ret = g->stats;
	ret->verifications_n = g->watch.verification_n;
	ret->item_n = g->item_n;
}
