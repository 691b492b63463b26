/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: hold-down
 *
 * Each node counts the changes of owner that it sees of an address, as the switches of the segment do (election/damping.h has the
 * numbers, docs/adr/0009-conflicts.md the reasons), and three decisions wait for the count:
 *
 *   a move that would be better (rebalance)                  by choice: at most three in 180 s, the first after 1 s, then 2 s
 *   an address that was given up to a stranger, claimed again   by choice, and not before the stranger's own time is over
 *   an address that nobody owns, or that its owner cannot      by need: from the fifth move in 180 s on 1, 2, 4, then 8 s after
 *   serve any more (check failed, no longer meant to)          the last one
 *
 * Not held down: whoever drains, stops or is told to hand over by a person; the loser of two claims, for both serve; the node that
 * had the address last and takes it again, for the switches have it there. All nodes that hear each other see the same changes, so
 * the wait ends for all at once, and their turns by rank begin then. A process that has just started has seen nothing.
 */
#include "election/internal.h"

#include "base/rng.h"

/* Never 0, which stands for nobody: where the address would be, for a switch. A node that restarts stays in its place. */
static uint64_t place_of(const struct election *e, uint64_t instance)
{
	const struct node *node = node_find(e, instance);

	return (node != NULL ? hash_text(0, node->name) : instance) | 1;
}

void holddown_owner(struct election *e, struct address *address, uint64_t owner)
{
	uint64_t place = place_of(e, owner);

	if (address->place != 0 && (address->place != place || address->taken))
		damping_moved(&address->moves, e->now);
	address->place = place;
	address->taken = false;
	if (address->said_taken && owner != e->config.instance) /* else our claim takes the place of that word */
		act(e, ELECTION_ACTION_PUBLISH, address->ip)->publish = (struct claim){ 0 };
	address->said_taken = false;
}

void holddown_rival(struct election *e, struct address *address, const struct rival *claim)
{
	const struct claim *best;
	uint64_t owner;

	if (claim->claim.state != CLAIM_HELD || address->place == 0 || address->place == place_of(e, claim->origin))
		return;
	best = holder(e, address, &owner);
	/* an older claim is one that has been handed over, and heard late */
	if (best == NULL || owner == claim->origin || owner != address->owner || claim->claim.epoch < best->epoch)
		return;
	damping_moved(&address->moves, e->now);
	damping_moved(&address->moves, e->now);
}

/* For switches it has moved to the stranger. */
static void mark_taken(struct election *e, struct address *address)
{
	if (address->place != 0 && !address->taken)
		damping_moved(&address->moves, e->now);
	address->taken = true;
}

void holddown_given_up(struct election *e, struct address *address, uint64_t origin)
{
	if (address->own.state == 0 && (address->owner == 0 || address->owner == origin))
		mark_taken(e, address);
}

void holddown_taken(struct election *e, const struct election_event *event)
{
	struct address *address = address_find(e, event->taken.ip);

	if (address == NULL || !address->configured || (address->own.state == 0 && address->owner != 0))
		return;
	mark_taken(e, address);
	address->taken_by = event->taken.mac;
	address->taken_until = instant_add(e->now, event->taken.hold);
	address->asked = INSTANT_NEVER;
	if (address->own.state == 0)
		return;
	let_go(e, address, 0, ELECTION_REASON_TAKEN);
	act(e, ELECTION_ACTION_PUBLISH, address->ip)->publish =
		(struct claim){ .epoch = address->epoch_max, .state = CLAIM_GIVEN_UP };
	address->said_taken = true;
}

/* A member that we did not know by then is no stranger: its claim, or its death, tells more than a time. */
static bool is_members(const struct election *e, struct mac mac)
{
	for (size_t i = 0; i < e->node_n; i++) {
		const struct node *node = &e->nodes[i];

		for (size_t j = 0; node->used && j < node->meta.segment_n; j++) {
			if (mac_equal(node->meta.segments[j].mac, mac))
				return true;
		}
	}
	return false;
}

struct instant holddown_until(const struct election *e, const struct address *address, enum damping_cause cause)
{
	return e->config.hold_down ? instant_add(e->now, damping_hold_down(&address->moves, cause, e->now)) : e->now;
}

struct instant holddown_orphan(const struct election *e, const struct address *address, const struct node *self)
{
	struct instant until;

	if (!address->taken)
		return self != NULL && address->place == place_of(e, self->instance)
			       ? e->now
			       : holddown_until(e, address, DAMPING_NEED);
	until = holddown_until(e, address, DAMPING_CHOICE);
	if (instant_before(until, address->taken_until) && !is_members(e, address->taken_by))
		until = address->taken_until;
	return until;
}
