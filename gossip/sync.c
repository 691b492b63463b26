/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Anti-entropy by datagrams (docs/adr/0004): a hash of the whole view with a random member now and then; where it differs both
 * sides exchange lists of (instance, incarnation, state, items), and each asks for, or sends, what the other lacks. A newcomer is
 * pushed the full state, a burst at a time.
 */
#include "gossip/internal.h"

/* since of a PULL that asks for the member's record, not for items. */
#define PULL_RECORD UINT32_MAX

/* instance of a PULL that asks for everything; no instance is 0. */
#define PULL_STATE 0

#define LIST_ENTRY_LEN 25

static uint64_t view_hash(const struct gossip *g)
{
	uint64_t all = 0;

	for (size_t i = 0; i < g->member_n; i++) {
		const struct member *member = &g->members[g->order[i]];

		all ^= hash_mix(member->digest ^ hash_mix(member->item_digest));
	}
	return all;
}

static void send_hash(struct gossip *g, const struct member *to)
{
	struct packet packet;
	size_t at;

	if (!packet_begin_member(g, &packet, to))
		return;
	at = message_begin(&packet.w, MESSAGE_SYNC);
	wire_write_u64(&packet.w, view_hash(g));
	message_end(&packet.w, at);
	packet_finish(g, &packet);
}

void sync_take_hash(struct gossip *g, struct member *from, struct wire_reader *r)
{
	uint64_t hash = wire_read_u64(r);

	if (!r->failed && hash != view_hash(g))
		sync_list(g, from, false);
}

void sync_list(struct gossip *g, struct member *to, bool answer)
{
	size_t i = 0;

	while (i < g->member_n) {
		struct packet packet;
		size_t at;
		size_t last_at;

		if (!packet_begin_member(g, &packet, to))
			return;
		at = message_begin(&packet.w, MESSAGE_SYNC_LIST);
		wire_write_u8(&packet.w, answer);
		last_at = packet.w.len;
		wire_write_u8(&packet.w, 0);
		for (; i < g->member_n && wire_room(&packet.w) >= LIST_ENTRY_LEN; i++) {
			const struct member *member = &g->members[g->order[i]];

			wire_write_u64(&packet.w, member->instance);
			wire_write_u32(&packet.w, member->incarnation);
			wire_write_u8(&packet.w, (uint8_t)state_settled(member->state));
			wire_write_u32(&packet.w, member->item_complete);
			wire_write_u64(&packet.w, member->item_digest);
		}
		packet.w.data[last_at] = i == g->member_n;
		message_end(&packet.w, at);
		packet_finish_plain(g, &packet);
	}
}

static void ask(struct gossip *g, const struct member *peer, uint64_t instance, uint32_t since)
{
	struct packet packet;
	size_t at;

	if (!packet_begin_member(g, &packet, peer))
		return;
	at = message_begin(&packet.w, MESSAGE_PULL);
	wire_write_u64(&packet.w, instance);
	wire_write_u32(&packet.w, since);
	message_end(&packet.w, at);
	packet_finish_plain(g, &packet);
}

void sync_ask_record(struct gossip *g, const struct member *peer, uint64_t instance)
{
	ask(g, peer, instance, PULL_RECORD);
}

void sync_ask_state(struct gossip *g, const struct member *peer)
{
	ask(g, peer, PULL_STATE, 0);
}

static void send_record(struct gossip *g, const struct member *to, const struct member *about)
{
	struct packet packet;

	if (!packet_begin_member(g, &packet, to))
		return;
	message_member(&packet.w, about, g->now);
	packet_finish(g, &packet);
}

/* Greater: overrides the other claim about the same instance (SWIM 4.2). */
static uint64_t weight(enum gossip_state state, uint32_t incarnation)
{
	return state == GOSSIP_LEFT ? UINT64_MAX : (uint64_t)incarnation << 1 | (state_settled(state) == GOSSIP_DEAD);
}

/* Nothing of a bad list is used: look at all of it first. */
static bool list_good(struct wire_reader r)
{
	while (wire_left(&r) > 0) {
		uint32_t incarnation;
		uint8_t state;

		(void)wire_read_u64(&r);
		incarnation = wire_read_u32(&r);
		state = wire_read_u8(&r);
		(void)wire_read_view(&r, LIST_ENTRY_LEN - 13);
		if (incarnation > INCARNATION_MAX || state < GOSSIP_ALIVE || state > GOSSIP_LEFT)
			wire_fail(&r);
	}
	return !r.failed;
}

static void compare_entry(struct gossip *g, struct member *from, struct wire_reader *r)
{
	uint64_t instance = wire_read_u64(r);
	uint32_t incarnation = wire_read_u32(r);
	enum gossip_state state = wire_read_u8(r);
	uint32_t complete = wire_read_u32(r);
	uint64_t digest = wire_read_u64(r);
	struct member *member = member_find(g, instance);

	if (member == NULL || weight(state, incarnation) > weight(member->state, member->incarnation))
		sync_ask_record(g, from, instance);
	else if (weight(state, incarnation) < weight(member->state, member->incarnation))
		send_record(g, from, member);
	if (member != NULL && slot_of(g, member) == g->self)
		member_claim(g, member, state, incarnation, GOSSIP_REASON_RUMOUR);
	else if (member != NULL)
		item_compare(g, member, from, complete, digest);
}

void sync_take_list(struct gossip *g, struct member *from, struct wire_reader *r)
{
	bool answer = wire_read_u8(r);
	bool last = wire_read_u8(r);

	if (!list_good(*r))
		wire_fail(r);
	while (wire_left(r) > 0)
		compare_entry(g, from, r);
	if (!r->failed && last && !answer)
		sync_list(g, from, true);
}

/* Items of one origin with a version above `since`, oldest first, a burst of datagrams; then how far that went. */
static void send_items(struct gossip *g, const struct member *to, const struct member *origin, uint32_t since)
{
	uint32_t at = origin->item_tail;
	uint32_t upto = since;
	uint32_t next = SLOT_NONE;
	size_t end;

	while (at != SLOT_NONE && g->items[at].value.version > since) {
		next = at;
		at = g->items[at].previous;
	}
	for (unsigned int i = 0; i < PUSH_BURST; i++) {
		struct packet packet;
		struct wire_writer before;

		if (!packet_begin_member(g, &packet, to))
			return;
		while (next != SLOT_NONE && wire_room(&packet.w) > 128) {
			message_item(&packet.w, &g->items[next].value);
			upto = g->items[next].value.version;
			next = g->items[next].next;
		}
		if (next == SLOT_NONE && origin->item_complete > upto)
			upto = origin->item_complete;
		before = packet.w;
		end = message_begin(&packet.w, MESSAGE_ITEMS_END);
		wire_write_u64(&packet.w, origin->instance);
		wire_write_u32(&packet.w, since);
		wire_write_u32(&packet.w, upto);
		message_end(&packet.w, end);
		if (packet.w.failed)
			packet.w = before;
		packet_finish_plain(g, &packet);
		if (next == SLOT_NONE)
			return;
		since = upto;
	}
}

void sync_take_pull(struct gossip *g, struct member *from, struct wire_reader *r)
{
	uint64_t instance = wire_read_u64(r);
	uint32_t since = wire_read_u32(r);
	struct member *member = r->failed ? NULL : member_find(g, instance);

	if (!r->failed && instance == PULL_STATE) {
		struct packet way;

		packet_readdress(g, &way, from);
		sync_push(g, way.to, way.path, from->instance);
	}
	if (member == NULL)
		return;
	if (since == PULL_RECORD)
		send_record(g, from, member);
	else
		send_items(g, from, member, since);
}

void sync_take_items_end(struct gossip *g, struct wire_reader *r)
{
	struct member *origin = member_find(g, wire_read_u64(r));
	uint32_t since = wire_read_u32(r);
	uint32_t upto = wire_read_u32(r);

	/* an answer that begins beyond what we have leaves a gap: the next comparison asks again */
	if (r->failed || origin == NULL || since > origin->item_complete || upto <= origin->item_complete)
		return;
	origin->item_complete = upto;
}

/* --- full state for a newcomer -------------------------------------------------------------------------------------- */

void sync_push(struct gossip *g, struct endpoint to, uint8_t path, uint64_t receiver)
{
	struct push *push = NULL;

	for (size_t i = 0; i < PUSH_MAX; i++) {
		if (g->pushes[i].used && g->pushes[i].receiver == receiver)
			return; /* on its way */
		if (!g->pushes[i].used)
			push = &g->pushes[i];
	}
	if (push == NULL)
		return; /* the newcomer asks again */
	*push = (struct push){ .used = true, .to = to, .path = path, .receiver = receiver, .at = g->now };
}

/* One datagram of the transfer; true when it was the last. */
static bool push_packet(struct gossip *g, struct push *push, struct packet *packet)
{
	size_t at;

	while (push->member_at < g->member_n && wire_room(&packet->w) > META_LEN_MAX + 128)
		message_member(&packet->w, &g->members[g->order[push->member_at++]], g->now);
	while (push->member_at >= g->member_n && push->item_at < g->item_touched && wire_room(&packet->w) > 128) {
		const struct item *item = &g->items[push->item_at++];

		if (item->used)
			message_item(&packet->w, &item->value);
	}
	if (push->member_at < g->member_n || push->item_at < g->item_touched || wire_room(&packet->w) < 16)
		return false;
	at = message_begin(&packet->w, MESSAGE_STATE_END);
	wire_write_u8(&packet->w, g->joined);
	wire_write_u64(&packet->w, view_hash(g));
	message_end(&packet->w, at);
	return true;
}

static void tick_push(struct gossip *g, struct push *push)
{
	for (unsigned int i = 0; i < PUSH_BURST && push->used; i++) {
		struct packet packet;

		if (!packet_begin(g, &packet, push->to, push->path, push->receiver))
			break;
		push->used = !push_packet(g, push, &packet);
		packet_finish_plain(g, &packet);
	}
	push->at = instant_add(g->now, span_ms(1));
}

/* The transfer is over. Where a datagram of it was lost the lists repair it before we count ourselves as joined. */
void sync_take_state_end(struct gossip *g, struct member *from, struct wire_reader *r)
{
	bool joined = wire_read_u8(r);
	uint64_t hash = wire_read_u64(r);

	if (r->failed || g->joined)
		return;
	from->newcomer = !joined;
	if (!joined)
		return; /* it knows no more than we do */
	if (hash == view_hash(g)) {
		join_done(g, false);
		return;
	}
	sync_list(g, from, false);
	g->contacted = true; /* join.c asks again */
}

void sync_tick(struct gossip *g)
{
	const struct member *to;

	for (size_t i = 0; i < PUSH_MAX; i++) {
		if (g->pushes[i].used && instant_reached(g->pushes[i].at, g->now))
			tick_push(g, &g->pushes[i]);
	}
	if (!instant_reached(g->sync_at, g->now))
		return;
	/* jitter, so that a cluster that started together does not exchange together */
	g->sync_at = instant_add(g->now, span_us(rng_between(&g->rng, g->config.timers.sync_interval.us * 3 / 4,
							     g->config.timers.sync_interval.us * 5 / 4)));
	to = member_random(g, NULL);
	if (to != NULL)
		send_hash(g, to);
}

struct instant sync_deadline(const struct gossip *g)
{
	struct instant next = g->sync_at;

	for (size_t i = 0; i < PUSH_MAX; i++) {
		if (g->pushes[i].used)
			next = instant_min(next, g->pushes[i].at);
	}
	return next;
}
