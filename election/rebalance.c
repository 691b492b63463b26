/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Moving what would be placed better elsewhere: each owner hands over its own, a unit at a time, and looks at the next one only
 * when the last has arrived, so that what it compares is settled. On demand, or after a node has come to stay.
 */
#include <string.h>

#include "election/placement.h"

/* Units that are compared in one step; the others wait for the next one. */
#define LOOK_MAX 64
#define LOOK_INTERVAL_MS 1

/* How soon to see whether a hand-over is done. */
#define SETTLE_INTERVAL_MS 20

/* In `joined`: it has been able to own addresses for long, and that was acted upon. */
#define SETTLED ((struct instant){ 0 })

void rebalance_see_node(const struct election *e, const struct node *node)
{
	struct placement *p = e->placement;
	struct instant *joined = &p->joined[node - e->nodes];
	bool able = node->used && node_live(node) && node->meta.ready && !node->meta.draining;

	if (!able) {
		*joined = INSTANT_NEVER;
		return;
	}
	if (joined->us != INSTANT_NEVER.us)
		return;
	*joined = e->now;
	if (e->config.rebalance == REBALANCE_ON_JOIN)
		p->rebalance.join_at =
			instant_min(p->rebalance.join_at, instant_add(e->now, e->config.rebalance_delay));
}

void rebalance_start(struct election *e, size_t max_moves)
{
	struct placement *p = e->placement;

	p->rebalance.on = true;
	p->rebalance.left = max_moves > 0 ? max_moves : SIZE_MAX;
	p->rebalance.idle = 0;
	p->rebalance.at = 0;
	p->rebalance.moving = SLOT_NONE;
	p->rebalance.held_down = INSTANT_NEVER;
	p->rebalance.next = e->now;
}

/* Who came has stayed for long enough, has it? */
static void follow_joins(struct election *e)
{
	struct placement *p = e->placement;

	if (!instant_reached(p->rebalance.join_at, e->now))
		return;
	p->rebalance.join_at = INSTANT_NEVER;
	for (size_t i = 0; i < e->node_n; i++) {
		struct instant settled;

		if (p->joined[i].us == INSTANT_NEVER.us || p->joined[i].us == SETTLED.us)
			continue;
		settled = instant_add(p->joined[i], e->config.rebalance_delay);
		if (!instant_reached(settled, e->now)) {
			p->rebalance.join_at = instant_min(p->rebalance.join_at, settled);
			continue;
		}
		p->joined[i] = SETTLED;
		rebalance_start(e, 0);
	}
}

static bool is_ours(const struct election *e, const struct address *address)
{
	return address->own.state == CLAIM_HELD && address->owner == e->config.instance;
}

/* From when on all that we hold of the unit may move by choice. */
static struct instant held_down_until(const struct election *e, const struct unit *unit)
{
	const struct placement *p = e->placement;
	struct instant latest = e->now;

	for (uint32_t i = unit->first; i < unit->first + unit->n; i++) {
		const struct address *address = &e->addresses[p->members[i]];
		struct instant until = is_ours(e, address) ? holddown_until(e, address, DAMPING_CHOICE) : e->now;

		if (instant_before(latest, until))
			latest = until;
	}
	return latest;
}

/* Hand over all that we hold of the unit, to where its first address would be better. False: it is well where it is, or held down. */
static bool move_unit(struct election *e, const struct unit *unit)
{
	struct placement *p = e->placement;
	const struct node *better = NULL;
	struct instant held_down = held_down_until(e, unit);

	for (uint32_t i = unit->first; i < unit->first + unit->n && act_room(e); i++) {
		struct address *address = &e->addresses[p->members[i]];

		if (!is_ours(e, address))
			continue;
		if (better == NULL && !placement_misplaced(e, address, &better))
			return false;
		if (instant_before(e->now, held_down)) {
			p->rebalance.held_down = instant_min(p->rebalance.held_down, held_down);
			return false;
		}
		if (is_candidate(e, better, address))
			offer(e, address, better->instance, e->config.handover_timeout);
	}
	return better != NULL;
}

static bool holds_some(const struct election *e, const struct unit *unit)
{
	const struct placement *p = e->placement;

	for (uint32_t i = unit->first; i < unit->first + unit->n; i++) {
		if (is_ours(e, &e->addresses[p->members[i]]))
			return true;
	}
	return false;
}

static bool on_its_way(const struct election *e, uint32_t unit)
{
	const struct placement *p = e->placement;

	if (unit == SLOT_NONE)
		return false;
	for (uint32_t i = p->units[unit].first; i < p->units[unit].first + p->units[unit].n; i++) {
		if (e->addresses[p->members[i]].own.state == CLAIM_HANDOVER)
			return true;
	}
	return false;
}

/* Find the next unit to move. */
static void step_on(struct election *e)
{
	struct placement *p = e->placement;
	size_t looked = 0;

	p->rebalance.moving = SLOT_NONE;
	while (p->rebalance.idle < p->unit_n && looked < LOOK_MAX && act_room(e)) {
		uint32_t at = p->rebalance.at < p->unit_n ? p->rebalance.at : 0;

		p->rebalance.at = at + 1;
		p->rebalance.idle++;
		if (!holds_some(e, &p->units[at]))
			continue;
		looked++;
		if (!move_unit(e, &p->units[at]))
			continue;
		p->rebalance.moving = at;
		p->rebalance.idle = 0;
		p->rebalance.left -= p->rebalance.left != SIZE_MAX;
		p->rebalance.on = p->rebalance.left > 0;
		p->rebalance.next = instant_add(e->now, span_us(span_s(1).us / (int64_t)e->config.rebalance_rate));
		return;
	}
	p->rebalance.next = instant_add(e->now, span_ms(LOOK_INTERVAL_MS));
	if (p->rebalance.idle < p->unit_n)
		return;
	/* once around: what is held down is looked at again when it no longer is */
	p->rebalance.on = p->rebalance.held_down.us != INSTANT_NEVER.us;
	p->rebalance.next = p->rebalance.held_down;
	p->rebalance.held_down = INSTANT_NEVER;
	p->rebalance.idle = 0;
}

void rebalance_tick(struct election *e)
{
	struct placement *p = e->placement;

	follow_joins(e);
	if (!p->rebalance.on || !instant_reached(p->rebalance.next, e->now))
		return;
	if (!e->started || !e->right || e->draining)
		p->rebalance.on = false;
	else if (on_its_way(e, p->rebalance.moving))
		p->rebalance.next = instant_add(e->now, span_ms(SETTLE_INTERVAL_MS));
	else
		step_on(e);
}

struct instant rebalance_deadline(const struct election *e)
{
	const struct placement *p = e->placement;

	return p->rebalance.on ? instant_min(p->rebalance.next, p->rebalance.join_at) : p->rebalance.join_at;
}
