/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rumours: what this node tells others of what changed (SWIM 4.1). A queue, newest and least told first: a rumour joins at the
 * head, moves to the tail each time it is told, and leaves after `limit` tellings. Every member and every item has one place,
 * so a newer rumour about the same thing replaces the older. References: member slot, or member_max + item slot.
 */
#include <assert.h>

#include "gossip/internal.h"

static struct rumour *rumour_of(struct gossip *g, uint32_t ref)
{
	if (ref < g->config.member_max)
		return &g->members[ref].rumour;
	return &g->items[ref - g->config.member_max].rumour;
}

void rumour_init(struct gossip *g)
{
	g->rumour_head = SLOT_NONE;
	g->rumour_tail = SLOT_NONE;
}

static void unlink_rumour(struct gossip *g, struct rumour *rumour)
{
	if (rumour->previous == SLOT_NONE)
		g->rumour_head = rumour->next;
	else
		rumour_of(g, rumour->previous)->next = rumour->next;
	if (rumour->next == SLOT_NONE)
		g->rumour_tail = rumour->previous;
	else
		rumour_of(g, rumour->next)->previous = rumour->previous;
}

static void link_head(struct gossip *g, struct rumour *rumour, uint32_t ref)
{
	rumour->previous = SLOT_NONE;
	rumour->next = g->rumour_head;
	if (g->rumour_head == SLOT_NONE)
		g->rumour_tail = ref;
	else
		rumour_of(g, g->rumour_head)->previous = ref;
	g->rumour_head = ref;
}

static void link_tail(struct gossip *g, struct rumour *rumour, uint32_t ref)
{
	rumour->next = SLOT_NONE;
	rumour->previous = g->rumour_tail;
	if (g->rumour_tail == SLOT_NONE)
		g->rumour_head = ref;
	else
		rumour_of(g, g->rumour_tail)->next = ref;
	g->rumour_tail = ref;
}

static void set_urgent(struct gossip *g, struct rumour *rumour, uint8_t rounds)
{
	g->urgent_n -= rumour->urgent > 0;
	rumour->urgent = rounds;
	g->urgent_n += rounds > 0;
}

static void rumour_drop(struct gossip *g, struct rumour *rumour)
{
	if (!rumour->queued)
		return;
	unlink_rumour(g, rumour);
	set_urgent(g, rumour, 0);
	rumour->queued = false;
	g->rumour_n--;
}

static void enqueue(struct gossip *g, struct rumour *rumour, uint32_t ref, bool urgent)
{
	rumour_drop(g, rumour);
	rumour->queued = true;
	rumour->sent = 0;
	rumour->urgent = 0;
	set_urgent(g, rumour, urgent ? URGENT_ROUNDS : 0);
	g->urgent_made += urgent;
	link_head(g, rumour, ref);
	g->rumour_n++;
	if (g->gossip_at.us == INSTANT_NEVER.us)
		g->gossip_at = instant_add(g->now, g->config.timers.gossip_interval);
}

void rumour_member(struct gossip *g, struct member *member, bool urgent)
{
	enqueue(g, &member->rumour, slot_of(g, member), urgent);
}

void rumour_item(struct gossip *g, struct item *item, bool urgent)
{
	enqueue(g, &item->rumour, (uint32_t)(g->config.member_max + (size_t)(item - g->items)), urgent);
}

void rumour_drop_member(struct gossip *g, struct member *member)
{
	rumour_drop(g, &member->rumour);
}

void rumour_drop_item(struct gossip *g, struct item *item)
{
	rumour_drop(g, &item->rumour);
}

/* SWIM 4.1: lambda * log(n) tellings reach everybody with high probability. */
static unsigned int limit(const struct gossip *g)
{
	unsigned int bits = 1;

	while (bits < 31 && (1u << bits) < g->live_n + 1)
		bits++;
	return g->config.timers.retransmit_mult * bits;
}

/* One rumour as a message; false when it does not fit. */
static bool write_rumour(struct gossip *g, struct wire_writer *w, uint32_t ref)
{
	struct wire_writer before = *w;

	if (ref >= g->config.member_max)
		message_item(w, &g->items[ref - g->config.member_max].value);
	else if (g->members[ref].state == GOSSIP_ALIVE)
		message_member(w, &g->members[ref], g->now);
	else
		message_state(w, &g->members[ref], g->now);
	if (!w->failed)
		return true;
	*w = before;
	return false;
}

void rumour_piggyback(struct gossip *g, struct wire_writer *w)
{
	uint32_t ref = g->rumour_head;
	size_t left = g->rumour_n;
	unsigned int misses = 0;

	for (; left > 0 && ref != SLOT_NONE && misses < 4; left--) {
		struct rumour *rumour = rumour_of(g, ref);
		uint32_t next = rumour->next;

		if (write_rumour(g, w, ref)) {
			rumour->sent++;
			unlink_rumour(g, rumour);
			link_tail(g, rumour, ref);
			if (rumour->sent >= limit(g) && rumour->urgent == 0)
				rumour_drop(g, rumour);
		} else {
			misses++; /* a smaller one behind it may fit */
		}
		ref = next;
	}
}

/* The urgent rumours from `ref` on, as many as fit; returns where to go on. */
static uint32_t write_urgent(struct gossip *g, struct wire_writer *w, uint32_t ref, uint16_t told)
{
	while (ref != SLOT_NONE) {
		struct rumour *rumour = rumour_of(g, ref);

		if (rumour->urgent > 0) {
			if (!write_rumour(g, w, ref))
				return ref;
			rumour->sent = (uint16_t)(rumour->sent + told > UINT16_MAX ? UINT16_MAX : rumour->sent + told);
			set_urgent(g, rumour, (uint8_t)(rumour->urgent - 1));
		}
		ref = rumour->next;
	}
	return SLOT_NONE;
}

/* One packet's bytes to each live member, or to `fanout` of them in a large cluster. */
static void send_to_all(struct gossip *g, const struct packet *first)
{
	bool all = g->live_n <= URGENT_MEMBER_MAX;
	size_t n = all ? g->member_n : URGENT_FANOUT;

	for (size_t i = 0; i < n && packet_room(g); i++) {
		const struct member *to = all ? &g->members[g->order[i]] : member_random(g, NULL);
		struct packet packet = *first;

		if (to == NULL || !member_live(to) || slot_of(g, to) == g->self)
			continue;
		packet_readdress(g, &packet, to);
		packet_finish_plain(g, &packet);
	}
}

void rumour_flush_urgent(struct gossip *g)
{
	uint32_t ref = g->rumour_head;
	uint16_t told = (uint16_t)(g->live_n <= URGENT_MEMBER_MAX ? 1 : URGENT_FANOUT);

	while (g->urgent_n > 0 && ref != SLOT_NONE && packet_room(g)) {
		struct packet packet;

		(void)packet_begin(g, &packet, (struct endpoint){ 0 }, 0, 0);
		ref = write_urgent(g, &packet.w, ref, told);
		if (packet.w.len == 0)
			break;
		send_to_all(g, &packet);
	}
}

/* The dedicated round: whatever waits goes to `fanout` random members; urgent ones to all once more. */
void rumour_tick(struct gossip *g)
{
	if (!instant_reached(g->gossip_at, g->now))
		return;
	rumour_flush_urgent(g);
	for (unsigned int i = 0; i < g->config.timers.fanout && g->rumour_n > 0; i++) {
		const struct member *to = member_random(g, NULL);
		struct packet packet;

		if (to == NULL || !packet_begin_member(g, &packet, to))
			break;
		packet_finish(g, &packet);
	}
	g->gossip_at = g->rumour_n > 0 ? instant_add(g->now, g->config.timers.gossip_interval) : INSTANT_NEVER;
}
