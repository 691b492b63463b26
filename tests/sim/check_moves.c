/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How often addresses move, as each node saw it by its own OWNER actions:
 *
 *   by choice (an offer of a node that could go on): never the fourth move within 180 s, nor sooner than 1 s after the first and 2 s
 *     after the second;
 *   by need (a node takes what nobody owns): from the fifth in a row on not sooner than 1, 2, 4, then 8 s after the last one;
 *   and nobody holds an address down for longer than those 8 s after the last move, or what it takes for one by choice.
 *
 * Counted on its own, with none of election/damping.c. Nodes count moves more than these (claims that lost), so they may wait longer.
 */
#include "tests/sim/check.h"

#include <string.h>

#define WINDOW_US (180 * INT64_C(1000000))
#define NEED_MAX_US (8 * INT64_C(1000000))
#define SECOND_US INT64_C(1000000)

/* Clocks of nodes drift against the world's by 0.02 % at most, over the window. */
#define DRIFT_US 50000

/* After a hold-down: turns by rank, and what else a take-over needs. */
#define AFTER_US 1500000

static struct seen_address *seen_of(const struct world *world, size_t observer, size_t address)
{
	return &world->checks->seen[observer * SIM_ADDRESS_MAX + address];
}

static int64_t since_last_us(const struct world *world, const struct seen_address *seen)
{
	return seen->move_n > 0 ? world->now_us - seen->moved_us[0] : WINDOW_US;
}

/* Has it moved n times in the window? */
static bool moved_often(const struct world *world, const struct seen_address *seen, size_t n)
{
	return seen->move_n >= n && world->now_us - seen->moved_us[n - 1] < WINDOW_US - DRIFT_US;
}

/* 1 s, doubled for each of n. */
static int64_t doubled_us(size_t n)
{
	int64_t us = SECOND_US;

	while (n-- > 0 && us < NEED_MAX_US)
		us *= 2;
	return us < NEED_MAX_US ? us : NEED_MAX_US;
}

static void check_need(struct world *world, size_t observer, size_t address, const struct seen_address *seen)
{
	int64_t wait_us = doubled_us(seen->move_n - MOVES_KEPT);

	if (since_last_us(world, seen) < wait_us - DRIFT_US)
		world_fail(world, "moves: %s takes address %zu %lld ms after its %zuth move",
			   world->nodes[observer].name, address, (long long)since_last_us(world, seen) / 1000,
			   seen->move_n);
}

void check_moved(struct world *world, size_t observer, size_t address, const char *to)
{
	struct seen_address *seen = seen_of(world, observer, address);
	bool orphan = seen->owner[0] == '\0';

	if (to[0] == '\0' || seen->last[0] == '\0' || strcmp(seen->last, to) == 0)
		return;
	if (since_last_us(world, seen) >= WINDOW_US)
		seen->move_n = 0;
	if (orphan && strcmp(to, world->nodes[observer].name) == 0 && moved_often(world, seen, MOVES_KEPT))
		check_need(world, observer, address, seen);
	memmove(&seen->moved_us[1], &seen->moved_us[0], sizeof(seen->moved_us) - sizeof(seen->moved_us[0]));
	seen->moved_us[0] = world->now_us;
	seen->move_n++;
}

/* Does the node offer it because it must, or was told to? */
static bool must_go(const struct world *world, size_t node, size_t address)
{
	const struct sim_node *n = &world->nodes[node];

	/* what a pause has changed it is told a moment after it goes on */
	return n->draining || n->stop_us > 0 || n->unfit[world->addresses[address].service] ||
	       n->cause_us[CAUSE_PLANNED] == world->now_us || n->resumed_us == world->now_us;
}

/* An offer that stands is said again when anything else about the claim changes. */
static bool stands(const struct world *world, struct seen_address *seen)
{
	bool before = seen->offered_us > 0 && world->now_us - seen->offered_us <= world->election.handover_timeout.us;

	seen->offered_us = world->now_us;
	return before;
}

void check_resumed(struct world *world, size_t node, int64_t paused_us)
{
	for (size_t i = 0; i < world->address_n; i++) {
		struct seen_address *seen = seen_of(world, node, i);

		if (seen->offered_us > 0)
			seen->offered_us += paused_us;
	}
}

void check_offered(struct world *world, size_t node, struct ip ip)
{
	int address = world_find_address(world, ip);
	struct seen_address *seen;

	if (address < 0)
		return;
	seen = seen_of(world, node, (size_t)address);
	if (stands(world, seen) || must_go(world, node, (size_t)address))
		return;
	world_note(world, node, CAUSE_CHOICE);
	world->marks.n[MARK_BY_CHOICE]++;
	if (moved_often(world, seen, MOVES_KEPT - 1))
		world_fail(world, "moves: %s gives address %d away by choice, after three moves in 180 s",
			   world->nodes[node].name, address);
	else if (seen->move_n > 0 && since_last_us(world, seen) < WINDOW_US &&
		 since_last_us(world, seen) < doubled_us(seen->move_n - 1) - DRIFT_US)
		world_fail(world, "moves: %s gives address %d away by choice %lld ms after its %zuth move",
			   world->nodes[node].name, address, (long long)since_last_us(world, seen) / 1000,
			   seen->move_n);
}

/* Until when a node waits before it takes the address, by its own word. */
static void look_at(struct world *world, size_t node, size_t address)
{
	const struct sim_node *n = &world->nodes[node];
	struct election_address known;
	int64_t left_us;

	if (!election_address_find(node_election(n->core), world->addresses[address].ip, &known))
		return;
	/* what the core was told last is its now */
	left_us = instant_since(known.held_down_until, world_clock(world, n)).us;
	if (left_us > NEED_MAX_US + DRIFT_US)
		world_fail(world, "moves: %s holds address %zu down for %lld ms", n->name, address,
			   (long long)left_us / 1000);
	if (known.owner_instance == 0 && left_us > 0)
		world->checks->held_down_us[address] = world->now_us + left_us;
}

void check_hold_downs(struct world *world)
{
	for (size_t address = 0; address < world->address_n; address++) {
		for (size_t node = 0; node < world->node_n; node++) {
			if (world_runs(world, node))
				look_at(world, node, address);
		}
		world->marks.n[MARK_HELD_DOWN] += world->checks->held_down_us[address] > world->now_us;
	}
}

int64_t check_held_down_us(const struct world *world, size_t address)
{
	int64_t until_us = world->checks->held_down_us[address];

	return until_us > 0 ? until_us + AFTER_US : INT64_MIN;
}
