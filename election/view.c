/* SPDX-License-Identifier: Apache-2.0 */
/* What an election shows of itself: for status, logs and tests. Changes nothing. */
#include <assert.h>

#include "election/internal.h"

const char *election_reason_name(enum election_reason reason)
{
	static const char *const names[] = { "first",	 "owner-dead", "owner-left", "owner-ineligible", "handover",
					     "conflict", "ineligible", "removed",    "failed",		 "stopped",
					     "isolated", "unfit",      "taken" };

	return names[reason];
}

size_t election_address_n(const struct election *e)
{
	return e->list_n;
}

static struct instant held_down_until(const struct election *e, const struct address *address)
{
	return address->owner == 0 ? holddown_orphan(e, address, node_find(e, e->config.instance)) : e->now;
}

static const char *state_of(const struct election *e, const struct address *address)
{
	const struct rival *rival = rival_of(address, address->owner);

	if (address->own.state == CLAIM_HANDOVER || (rival != NULL && rival->claim.state == CLAIM_HANDOVER))
		return "handover";
	if (address->owner != 0)
		return "owned";
	if (!e->started)
		return "starting";
	if (address->taken)
		return "taken";
	return instant_before(e->now, held_down_until(e, address)) ? "held-down" : "unowned";
}

static void show(const struct election *e, const struct address *address, struct election_address *ret)
{
	const struct node *owner = address->owner != 0 ? node_find(e, address->owner) : NULL;

	*ret = (struct election_address){ .ip = address->ip,
					  .service = address->service->name,
					  .owner = owner != NULL ? owner->name : NULL,
					  .owner_instance = address->owner,
					  .epoch = address->epoch_max,
					  .since = address->since,
					  .held = address->own.state != 0,
					  .iface = address->own.state != 0 ? address->iface : NULL,
					  .state = state_of(e, address),
					  .held_down_until = held_down_until(e, address),
					  .mode = address->service->mode };
}

void election_address_at(const struct election *e, size_t index, struct election_address *ret)
{
	assert(index < e->list_n);
	show(e, &e->addresses[e->list[index]], ret);
}

void election_address_counts(const struct election *e, size_t *ret_held, size_t *ret_unowned)
{
	struct election_address address;

	*ret_held = *ret_unowned = 0;
	for (size_t i = 0; i < e->list_n; i++) {
		election_address_at(e, i, &address);
		*ret_held += address.held;
		*ret_unowned += address.owner == NULL;
	}
}

bool election_address_find(const struct election *e, struct ip ip, struct election_address *ret)
{
	const struct address *address = address_find(e, ip);

	if (address == NULL || !address->configured)
		return false;
	show(e, address, ret);
	return true;
}

const char *election_node_name(const struct election *e, uint64_t instance)
{
	const struct node *node = node_find(e, instance);

	return node != NULL ? node->name : NULL;
}

bool election_is_candidate(const struct election *e, struct ip ip, const char *name)
{
	const struct address *address = address_find(e, ip);
	const struct node *node = node_named(e, name);

	return address != NULL && address->configured && node != NULL && is_candidate(e, node, address);
}

size_t election_candidates(const struct election *e, struct ip ip, const char **names, size_t cap)
{
	const struct address *address = address_find(e, ip);
	size_t n = 0;

	if (address == NULL || !address->configured)
		return 0;
	for (size_t i = 0; i < e->node_n; i++) {
		const struct node *node = &e->nodes[i];
		size_t rank;

		if (!node->used || !is_candidate(e, node, address))
			continue;
		n++;
		rank = rank_of(e, address, node);
		if (rank < cap)
			names[rank] = node->name;
	}
	return n;
}
