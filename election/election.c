/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: ownership
 *
 * Every instance publishes its own claims and nobody else's. All nodes see the same claims sooner or later, and `holder` reads
 * the owner out of them: the claim with the greatest merge key among those of living nodes. Each address is then in one of these
 * positions, and `look` does what it asks for:
 *
 *   ours, and nobody beats us        keep it; hand it over when draining or told to; let go when our interface is gone
 *   ours, and another claim beats us let go at once, withdraw (after a hand-over, or after a partition)
 *   another's, handed over to us     claim with the next epoch; the former owner lets go when it hears of that
 *   another's                        nothing: ownership is sticky, whoever returns takes nothing
 *   nobody's                         the best-ranked candidate claims at once, the k-th after k * claim_backoff, in which
 *                                    nothing was heard of the best-ranked one's claims: it may have thousands to make
 *
 * Nothing is claimed before START: a starting node first hears what others own. A claim of a dead node holds nothing, but its
 * epoch is remembered, so that the next one is higher.
 *
 * A live owner that is no longer eligible withdraws by itself; nobody takes an address that a living node says it holds.
 */
#include "election/election.h"

#include <assert.h>
#include <string.h>

#include "base/rng.h"
#include "election/internal.h"

/* So many looks at one's rank in the time that one place in it costs. */
#define RANK_LOOKS 6

/* Actions that one look at one address can cause. */
#define LOOK_ACTION_MAX 6

/* --- addresses ------------------------------------------------------------------------------------------------------ */

static uint32_t *ip_bucket(const struct election *e, struct ip ip)
{
	size_t i = (size_t)hash_bytes(ip.family, ip.bytes, sizeof(ip.bytes)) & (e->by_ip_len - 1);

	while (e->by_ip[i] != SLOT_NONE && !ip_equal(e->addresses[e->by_ip[i]].ip, ip))
		i = (i + 1) & (e->by_ip_len - 1);
	return &e->by_ip[i];
}

struct address *address_find(const struct election *e, struct ip ip)
{
	uint32_t slot = *ip_bucket(e, ip);

	return slot == SLOT_NONE ? NULL : &e->addresses[slot];
}

/* Find or add; NULL when the table is full. Addresses are never removed: a later reload may name them again. */
static struct address *address_get(struct election *e, struct ip ip)
{
	uint32_t *bucket = ip_bucket(e, ip);
	struct address *address;

	assert(e->addresses != NULL);
	if (*bucket != SLOT_NONE)
		return &e->addresses[*bucket];
	if (e->address_n == e->config.address_max)
		return NULL;
	*bucket = (uint32_t)e->address_n;
	address = &e->addresses[e->address_n++];
	address->ip = ip;
	address->since = e->now;
	address->orphan_since = e->now;
	address->handover_until = INSTANT_NEVER;
	address->stop_until = INSTANT_NEVER;
	address->linger_until = INSTANT_NEVER;
	address->outdone_at = INSTANT_NEVER;
	address->wake = INSTANT_NEVER;
	address->asked = INSTANT_NEVER;
	return address;
}

static void wake_at(struct election *e, struct address *address, struct instant at)
{
	address->wake = instant_min(address->wake, at);
	e->wake = instant_min(e->wake, at);
}

/* --- actions -------------------------------------------------------------------------------------------------------- */

struct election_action *act(struct election *e, enum election_action_kind kind, struct ip ip)
{
	struct election_action *action;

	assert(e->out->action_n < ELECTION_ACTION_MAX);
	action = &e->out->actions[e->out->action_n++];
	action->kind = kind;
	action->ip = ip;
	return action;
}

static struct election_action *add(struct election *e, enum election_action_kind kind, const struct address *address)
{
	return act(e, kind, address->ip);
}

static void publish(struct election *e, const struct address *address)
{
	add(e, ELECTION_ACTION_PUBLISH, address)->publish = address->own;
}

static bool is_lost(const struct address *address)
{
	return address->configured && address->owner == 0 && address->last_owner != 0;
}

/* The one place where the effective owner changes. */
static void set_owner(struct election *e, struct address *address, uint64_t owner, enum election_reason reason)
{
	struct election_action *action;

	if (address->owner == owner)
		return;
	if (is_lost(address))
		e->lost_n--;
	if (owner == 0) {
		address->last_owner = address->owner;
		address->orphan_since = e->now;
	}
	placement_owner(e, address, owner);
	if (owner != 0 && (address->owner != 0 || address->last_owner != 0))
		address->moved = e->now;
	if (owner != 0) {
		holddown_owner(e, address, owner);
		address->yielded_until = e->now;
		address->promised = 0;
	}
	address->why = reason;
	address->since = e->now;
	action = add(e, ELECTION_ACTION_OWNER, address);
	/* the line that names a new owner names the former one too, also when nobody owned it in between */
	action->owner.from = address->owner != 0 ? address->owner : address->last_owner;
	action->owner.to = owner;
	action->owner.epoch = address->epoch_max;
	action->owner.reason = reason;
	address->owner = owner;
	if (is_lost(address) && e->lost_n++ == 0)
		e->lost_since = e->now;
}

void let_go(struct election *e, struct address *address, uint64_t to, enum election_reason reason)
{
	add(e, ELECTION_ACTION_RELEASE, address);
	memset(&address->own, 0, sizeof(address->own));
	address->iface[0] = '\0';
	address->handover_until = INSTANT_NEVER;
	address->stop_until = INSTANT_NEVER;
	address->linger_until = INSTANT_NEVER;
	address->outdone_at = INSTANT_NEVER;
	address->tried = 0;
	e->held_n--;
	address->unpublished = false;
	publish(e, address);
	set_owner(e, address, to, reason);
	if (to == 0)
		wake_at(e, address,
			e->now); /* another may claim it already, or another interface of ours may carry it */
}

/* `agreed`: the owner serves until we say that we do, so not before the kernel has the address. */
static void take(struct election *e, struct address *address, enum election_reason reason, bool agreed)
{
	const struct node *self = node_find(e, e->config.instance);
	const struct segment *segment = usable_segment(self, address);
	struct election_action *action = add(e, ELECTION_ACTION_CLAIM, address);

	assert(segment != NULL && address->own.state == 0);
	memcpy(address->iface, segment->iface, sizeof(address->iface));
	memcpy(action->claim.iface, segment->iface, sizeof(action->claim.iface));
	action->claim.mode = address->service->mode;
	action->claim.priority = address->service->priority;
	address->epoch_max++;
	address->own = (struct claim){ .epoch = address->epoch_max, .majority = e->majority, .state = CLAIM_HELD };
	address->lost = false;
	e->held_n++;
	address->unpublished = agreed;
	if (!address->unpublished)
		publish(e, address);
	set_owner(e, address, e->config.instance, reason);
}

/* --- what a position asks for --------------------------------------------------------------------------------------- */

void offer(struct election *e, struct address *address, uint64_t successor, struct span patience)
{
	address->own.state = CLAIM_HANDOVER;
	address->own.successor = successor;
	address->handover_until = instant_add(e->now, patience);
	wake_at(e, address, address->handover_until);
	publish(e, address);
}

/* We want to go, or cannot serve: find a successor, then another; let go when nobody takes it. */
static void look_stopping(struct election *e, struct address *address, enum election_reason reason)
{
	const struct node *next;
	struct instant held_down = holddown_until(e, address, DAMPING_NEED);

	if (!e->draining && address->stop_until.us == INSTANT_NEVER.us && instant_before(e->now, held_down)) {
		wake_at(e, address, held_down);
		return;
	}
	if (address->stop_until.us == INSTANT_NEVER.us)
		address->stop_until = instant_add(e->now, e->config.handover_timeout);
	wake_at(e, address, address->stop_until);
	if (address->handover_until.us != INSTANT_NEVER.us && !instant_reached(address->handover_until, e->now)) {
		const struct node *successor = node_find(e, address->own.successor);

		if (successor != NULL && is_candidate(e, successor, address)) {
			wake_at(e, address, address->handover_until);
			if (!instant_reached(address->stop_until, e->now))
				return;
		}
	}
	if (address->own.successor != 0)
		address->tried = address->own.successor;
	next = best_candidate(e, address, e->config.instance, address->tried);
	if (next == NULL)
		next = best_candidate(e, address, e->config.instance, 0); /* the only one: it has all of the time */
	if (next == NULL || instant_reached(address->stop_until, e->now))
		let_go(e, address, 0, reason);
	else
		offer(e, address, next->instance, span_us(e->config.handover_timeout.us / 2));
}

/* A hand-over that was asked for, and that nobody took: keep the address. */
static void look_offered(struct election *e, struct address *address)
{
	const struct node *successor = node_find(e, address->own.successor);

	if (!instant_reached(address->handover_until, e->now) && successor != NULL &&
	    is_candidate(e, successor, address)) {
		wake_at(e, address, address->handover_until);
		return;
	}
	address->own.state = CLAIM_HELD;
	address->own.successor = 0;
	address->handover_until = INSTANT_NEVER;
	address->stop_until = INSTANT_NEVER;
	address->tried = 0;
	publish(e, address);
}

/* Can our interface still carry it? */
static bool self_carries(const struct election *e, const struct address *address)
{
	const struct node *self = node_find(e, e->config.instance);

	return self != NULL && usable_on(self, address, address->iface);
}

static bool self_passes(const struct election *e, const struct address *address)
{
	const struct node *self = node_find(e, e->config.instance);

	return self != NULL && fit_for(e, self, address->service);
}

/* Are we meant to serve it: ready, selected, and fit? Where not, our kernel serves on until somebody else does. */
static bool self_serves(const struct election *e, const struct address *address)
{
	const struct node *self = node_find(e, e->config.instance);
	const struct election_service *service = address->service;

	return self != NULL && self->meta.ready && self_passes(e, address) &&
	       (!service->placed || election_place_find(service, self->name) != NULL) &&
	       label_selectors_match(service->selectors, service->selector_n, &self->meta.labels);
}

/*
 * A claim counts as a majority's only while its owner sees one. It loses that at once, so that after a heal the side that kept the
 * majority wins; it gains it back only after a while of peace, or a loner would take everything in the moment of its return.
 */
static void follow_majority(struct election *e, struct address *address)
{
	struct instant stable = instant_add(e->majority_since, e->config.majority_stable);

	if (address->own.majority && !e->majority) {
		address->own.majority = false;
	} else if (!address->own.majority && instant_reached(stable, e->now)) {
		address->own.majority = true;
	} else {
		if (!address->own.majority)
			wake_at(e, address, stable);
		return;
	}
	if (!address->unpublished)
		publish(e, address);
}

/* The successor serves. Packets that were sent before its announcement arrived still come to us for a moment. */
static void look_handed_over(struct election *e, struct address *address, uint64_t owner)
{
	if (address->linger_until.us == INSTANT_NEVER.us)
		address->linger_until = instant_add(e->now, e->config.handover_linger);
	if (instant_reached(address->linger_until, e->now))
		let_go(e, address, owner, self_passes(e, address) ? ELECTION_REASON_HANDOVER : ELECTION_REASON_UNFIT);
	else
		wake_at(e, address, address->linger_until);
}

/* Where the switch is dead for all, we may only be the first to know. */
static bool is_silent_for_long(struct election *e, struct address *address)
{
	const struct node *self = node_find(e, e->config.instance);

	if (!is_outdone(e, self, address, true)) {
		address->outdone_at = INSTANT_NEVER;
		if (is_isolated(self, address)) /* doubts may end without a word */
			wake_at(e, address, instant_add(e->now, e->config.isolation_grace));
		return false;
	}
	if (address->outdone_at.us == INSTANT_NEVER.us)
		address->outdone_at = instant_add(e->now, e->config.isolation_grace);
	wake_at(e, address, address->outdone_at);
	return instant_reached(address->outdone_at, e->now);
}

static void look_held(struct election *e, struct address *address)
{
	const struct claim *claim;
	uint64_t owner;

	if (!e->right && instant_reached(instant_add(e->right_since, e->config.right_grace), e->now)) {
		let_go(e, address, 0, ELECTION_REASON_ISOLATED);
		return;
	}
	if (!e->right)
		wake_at(e, address, instant_add(e->right_since, e->config.right_grace));
	follow_majority(e, address);
	claim = holder(e, address, &owner);
	if (owner != e->config.instance && claim->state == CLAIM_HANDOVER && claim->successor == e->config.instance &&
	    self_carries(e, address) && self_serves(e, address) && !e->draining) {
		/* a rival that gives it to us, who hold it already: go on, above its claim */
		address->own.epoch = ++address->epoch_max;
		publish(e, address);
		owner = e->config.instance;
	}
	if (owner == e->config.instance)
		address->linger_until = INSTANT_NEVER; /* the successor, if there was one, has gone again */
	if (owner != e->config.instance && address->own.state == CLAIM_HANDOVER)
		look_handed_over(e, address, owner);
	else if (owner != e->config.instance)
		let_go(e, address, owner, ELECTION_REASON_CONFLICT);
	else if (!self_carries(e, address))
		let_go(e, address, 0, ELECTION_REASON_INELIGIBLE);
	else if (is_silent_for_long(e, address))
		let_go(e, address, 0,
		       ELECTION_REASON_ISOLATED); /* nobody reaches us there: no hand-over could be seen */
	else if (!self_serves(e, address))
		look_stopping(e, address, self_passes(e, address) ? ELECTION_REASON_INELIGIBLE : ELECTION_REASON_UNFIT);
	else if (e->draining)
		look_stopping(e, address, ELECTION_REASON_STOPPED);
	else if (address->own.state == CLAIM_HANDOVER)
		look_offered(e, address);
}

/* Nobody owns it: our turn comes by rank. */
static void look_orphan(struct election *e, struct address *address)
{
	const struct node *self = node_find(e, e->config.instance);
	struct instant held_off;
	struct instant turn;
	struct instant look;

	if (!e->started || !e->right || e->draining || self == NULL || !is_candidate(e, self, address) ||
	    is_outdone(e, self, address, false))
		return;
	held_off = instant_before(address->failed_until, address->yielded_until) ? address->yielded_until
										 : address->failed_until;
	if (!instant_reached(held_off, e->now)) {
		wake_at(e, address, held_off);
		return;
	}
	if (in_doubt(e)) { /* our watchers are silent: either they die, or we are the one who is cut off */
		wake_at(e, address, instant_add(e->now, e->config.regain_delay));
		return;
	}
	held_off = holddown_orphan(e, address, self);
	if (instant_before(e->now, held_off)) {
		address->orphan_since = held_off; /* turns begin then, or all would come at once */
		wake_at(e, address, held_off);
		return;
	}
	turn = turn_of(e, address, self);
	if (!instant_reached(turn, e->now)) /* or sooner: the claims of others move the plan, and with it our rank */
		wake_at(e, address,
			instant_min(turn, instant_add(e->now, span_us(e->config.claim_backoff.us / RANK_LOOKS))));
	else if (!fence_open(e, address, &look)) {
		wake_at(e, address, look);
		if (fence_answered(e, address)) /* turns begin when it falls silent, or all would come at once */
			address->orphan_since = e->now;
	} else
		take(e, address, reason_of_loss(e, address, e->config.instance), false);
}

static void look_free(struct election *e, struct address *address)
{
	const struct node *self = node_find(e, e->config.instance);
	const struct claim *claim;
	uint64_t owner;

	claim = holder(e, address, &owner);
	if (claim != NULL && claim->state == CLAIM_HANDOVER && claim->successor == e->config.instance && e->started &&
	    e->right && !e->draining && self != NULL && is_candidate(e, self, address) &&
	    instant_reached(address->failed_until, e->now)) {
		set_owner(e, address, owner, reason_of_loss(e, address, owner));
		take(e, address, reason_of_loss(e, address, e->config.instance), true);
		return;
	}
	set_owner(e, address, owner, reason_of_loss(e, address, owner));
	if (owner == 0)
		look_orphan(e, address);
}

static void look(struct election *e, struct address *address)
{
	address->wake = INSTANT_NEVER;
	if (!address->configured)
		return;
	if (address->own.state != 0)
		look_held(e, address);
	else
		look_free(e, address);
}

bool act_room(const struct election *e)
{
	return e->out->action_n + LOOK_ACTION_MAX <= ELECTION_ACTION_MAX;
}

/* Look at everything from the beginning, now and, where the list of actions is full, in the next steps. */
void look_at_all(struct election *e)
{
	e->scan_at = 0;
}

static void scan(struct election *e)
{
	while (e->scan_at < e->list_n && act_room(e))
		look(e, &e->addresses[e->list[e->scan_at++]]);
}

/* Nothing is left to hand over: say so once for each time that we were asked to. */
static void say_drained(struct election *e)
{
	if (!e->draining || e->drained_said || e->held_n > 0 || e->scan_at < e->list_n || !act_room(e))
		return;
	e->drained_said = true;
	e->out->actions[e->out->action_n++] = (struct election_action){ .kind = ELECTION_ACTION_DRAINED };
}

/* Those whose time has come. */
static void scan_due(struct election *e)
{
	struct instant next = INSTANT_NEVER;

	if (!instant_reached(e->wake, e->now))
		return;
	e->wake = INSTANT_NEVER;
	for (size_t i = 0; i < e->list_n; i++) {
		struct address *address = &e->addresses[e->list[i]];

		if (instant_reached(address->wake, e->now) && act_room(e))
			look(e, address);
		next = instant_min(next, address->wake);
	}
	e->wake = next;
}

/* --- events --------------------------------------------------------------------------------------------------------- */

static void drop_services(struct election *e)
{
	for (size_t i = 0; i < e->list_n; i++) {
		e->addresses[e->list[i]].was_configured = true;
		e->addresses[e->list[i]].configured = false;
		e->addresses[e->list[i]].service = NULL;
	}
	e->list_n = 0;
}

static void take_services(struct election *e, const struct election_service *services, size_t n)
{
	for (size_t i = 0; i < e->address_n; i++)
		e->addresses[i].was_configured = false;
	drop_services(e);
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < services[i].address_n; j++) {
			struct address *address = address_get(e, services[i].addresses[j]);

			if (address == NULL || address->configured)
				continue; /* the configuration was checked against both */
			if (!address->was_configured)
				address->orphan_since =
					e->now; /* whatever it was before, it is ours to watch from now on */
			address->configured = true;
			address->service = &services[i];
			e->list[e->list_n++] = (uint32_t)(address - e->addresses);
		}
	}
	e->lost_n = 0;
	for (size_t i = 0; i < e->list_n; i++)
		e->lost_n += is_lost(&e->addresses[e->list[i]]);
	placement_services(e);
	e->removed_pending = true;
	look_at_all(e);
}

/* Held addresses that are no longer configured; bounded by the room, the rest at the next step. */
static bool release_removed(struct election *e)
{
	for (size_t i = 0; i < e->address_n; i++) {
		struct address *address = &e->addresses[i];

		if (address->configured || address->own.state == 0)
			continue;
		if (!act_room(e))
			return false;
		let_go(e, address, 0, ELECTION_REASON_REMOVED);
	}
	return true;
}

/* Announce what we hold once more, as room allows. */
static void announce_all(struct election *e)
{
	for (; e->announce_at < e->list_n && act_room(e); e->announce_at++) {
		const struct address *address = &e->addresses[e->list[e->announce_at]];

		if (address->own.state != 0)
			add(e, ELECTION_ACTION_ANNOUNCE, address);
	}
}

static const char *name_of(const struct election *e, uint64_t instance)
{
	const struct node *node = node_find(e, instance);

	return node != NULL ? node->name : "";
}

/* Where a claim goes: a free place, that of a node that is gone, or that of the weakest claim if this one is stronger. */
static struct rival *rival_slot(const struct election *e, struct address *address, const struct rival *claim)
{
	struct rival *weakest = &address->rivals[0];

	if (address->rival_n < RIVAL_MAX)
		return &address->rivals[address->rival_n++];
	for (size_t i = 0; i < address->rival_n; i++) {
		struct rival *rival = &address->rivals[i];
		const struct node *node = node_find(e, rival->origin);

		if (node == NULL || !node_live(node))
			return rival;
		if (claim_beats(address->ip, &weakest->claim, name_of(e, weakest->origin), &rival->claim, node->name))
			weakest = rival;
	}
	if (claim_beats(address->ip, &claim->claim, name_of(e, claim->origin), &weakest->claim,
			name_of(e, weakest->origin)))
		return weakest;
	return NULL;
}

static void take_claim(struct election *e, const struct election_event *event)
{
	const struct rival claim = { event->claim.origin, event->claim.claim };
	const struct rival *before;
	struct address *address;
	struct rival *slot;
	uint64_t owner;
	bool news;

	if (event->claim.origin == e->config.instance)
		return;
	address = address_get(e, event->claim.ip);
	if (address == NULL)
		return;
	if (event->claim.claim.epoch > address->epoch_max)
		address->epoch_max = event->claim.claim.epoch;
	before = rival_of(address, event->claim.origin);
	if (before != NULL && before->claim.state == CLAIM_HANDOVER && event->claim.claim.state == 0)
		address->promised = before->claim.successor;
	news = before == NULL || before->claim.epoch != claim.claim.epoch;
	drop_rival(address, event->claim.origin);
	if (event->claim.claim.state == CLAIM_GIVEN_UP)
		holddown_given_up(e, address, event->claim.origin);
	else if (event->claim.claim.state != 0 && (slot = rival_slot(e, address, &claim)) != NULL)
		*slot = claim;
	if (news)
		holddown_rival(e, address, &claim);
	if (news && event->claim.claim.state == CLAIM_HELD)
		turn_claimed(e, event->claim.origin);
	if (address->own.state != 0 && event->claim.claim.state != CLAIM_HANDOVER && address->configured) {
		/* Two of us, or there were, and we stay: neighbours may have learnt the other one, and it may not know of us. */
		(void)holder(e, address, &owner);
		if (owner == e->config.instance)
			add(e, ELECTION_ACTION_ANNOUNCE, address);
		if (owner == e->config.instance && event->claim.claim.state == CLAIM_HELD && !address->unpublished)
			publish(e, address);
	}
	look(e, address);
}

static void take_start(struct election *e)
{
	if (e->started)
		return;
	e->started = true;
	for (size_t i = 0; i < e->list_n; i++)
		e->addresses[e->list[i]].orphan_since = e->now;
	look_at_all(e);
}

static void take_drain(struct election *e, bool drain)
{
	e->draining = drain;
	e->drained_said = false;
	for (size_t i = 0; i < e->list_n && !drain; i++) {
		e->addresses[e->list[i]].stop_until = INSTANT_NEVER;
		e->addresses[e->list[i]].tried = 0;
	}
	look_at_all(e);
}

static void take_handover(struct election *e, struct ip ip, const char *name)
{
	struct address *address = address_find(e, ip);
	const struct node *to = node_named(e, name);

	if (address == NULL || address->own.state == 0 || !address->configured || to == NULL ||
	    to->instance == e->config.instance || !is_candidate(e, to, address))
		return;
	offer(e, address, to->instance, e->config.handover_timeout);
}

static void take_failure(struct election *e, struct ip ip, bool lost)
{
	struct address *address = address_find(e, ip);

	if (address == NULL || address->own.state == 0)
		return;
	address->failed_until = instant_add(e->now, e->config.failed_hold);
	address->lost = lost;
	let_go(e, address, 0, ELECTION_REASON_FAILED);
	look(e, address);
}

static void take_claimed(struct election *e, struct ip ip)
{
	struct address *address = address_find(e, ip);

	if (address == NULL || address->own.state == 0 || !address->unpublished)
		return;
	address->unpublished = false;
	publish(e, address);
}

/* Our claims of the former instance are gone with it: say them again, as room allows. */
static void publish_again(struct election *e)
{
	for (; e->publish_at < e->address_n && act_room(e); e->publish_at++) {
		const struct address *address = &e->addresses[e->publish_at];

		if (address->own.state != 0 && !address->unpublished)
			publish(e, address);
	}
}

static void take_instance(struct election *e, uint64_t instance)
{
	struct node *self = node_find(e, e->config.instance);

	if (self != NULL) {
		node_index_remove(e, self);
		self->instance = instance;
		node_index_add(e, self);
	}
	for (size_t i = 0; i < e->address_n; i++) {
		if (e->addresses[i].owner == e->config.instance)
			e->addresses[i].owner = instance;
	}
	fitness_rename(e, e->config.instance, instance);
	e->config.instance = instance;
	e->publish_at = 0;
}

static void dispatch(struct election *e, const struct election_event *event)
{
	switch (event->kind) {
	case ELECTION_EVENT_TICK:
		break;
	case ELECTION_EVENT_SERVICES:
		take_services(e, event->services.services, event->services.service_n);
		break;
	case ELECTION_EVENT_NODE:
		node_take(e, event);
		break;
	case ELECTION_EVENT_NODE_GONE:
		node_take_gone(e, event->node_gone.instance);
		break;
	case ELECTION_EVENT_CLAIM:
		take_claim(e, event);
		break;
	case ELECTION_EVENT_START:
		take_start(e);
		break;
	case ELECTION_EVENT_DRAIN:
		take_drain(e, true);
		break;
	case ELECTION_EVENT_UNDRAIN:
		take_drain(e, false);
		break;
	case ELECTION_EVENT_HANDOVER:
		take_handover(e, event->handover.ip, event->handover.node);
		break;
	case ELECTION_EVENT_CLAIMED:
		take_claimed(e, event->address.ip);
		break;
	case ELECTION_EVENT_CLAIM_FAILED:
	case ELECTION_EVENT_LOST:
		take_failure(e, event->address.ip, event->kind == ELECTION_EVENT_LOST);
		break;
	case ELECTION_EVENT_INSTANCE:
		take_instance(e, event->instance.instance);
		break;
	case ELECTION_EVENT_LEASE:
		right_take_lease(e, event->lease.watcher_n, event->lease.until, event->lease.incarnation);
		break;
	case ELECTION_EVENT_PATH:
		e->path_until = event->path.until;
		break;
	case ELECTION_EVENT_DOUBT:
		node_take_doubt(e, event->doubt.instance, event->doubt.doubted);
		break;
	case ELECTION_EVENT_REBALANCE:
		rebalance_start(e, event->rebalance.max_moves);
		break;
	case ELECTION_EVENT_FITNESS:
		fitness_take(e, event->fitness.origin, event->fitness.service, event->fitness.fit);
		break;
	case ELECTION_EVENT_TAKEN:
		holddown_taken(e, event);
		break;
	case ELECTION_EVENT_ANSWER:
		fence_answer(e, event->answer.ip, event->answer.mac);
		break;
	}
}

void election_step(struct election *e, const struct election_event *event, struct election_out *out)
{
	assert(event->now.us >= e->now.us);
	e->now = event->now;
	e->out = out;
	out->action_n = 0;
	dispatch(e, event);
	if (right_follow(e))
		look_at_all(e);
	if (e->removed_pending)
		e->removed_pending = !release_removed(e);
	scan(e);
	scan_due(e);
	fence_tick(e);
	rebalance_tick(e);
	announce_all(e);
	publish_again(e);
	fitness_say_again(e);
	say_drained(e);
	e->out = NULL;
}

struct instant election_deadline(const struct election *e)
{
	if (e->scan_at < e->list_n || e->announce_at < e->list_n || e->publish_at < e->address_n ||
	    e->removed_pending || e->unfit_say_at < e->unfit_max)
		return e->now;
	return instant_min(instant_min(e->wake, rebalance_deadline(e)), instant_min(e->ask_wake, right_deadline(e)));
}
