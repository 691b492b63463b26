/* SPDX-License-Identifier: Apache-2.0 */
/* Whose turn it is to claim what nobody owns. */
#include "election/internal.h"

/* Has somebody else been asked to take it, who lives? Its claim comes, or else one more back-off is lost. */
static bool promised_away(const struct election *e, const struct address *address)
{
	const struct node *node = address->promised != 0 ? node_find(e, address->promised) : NULL;

	return node != NULL && node->instance != e->config.instance && is_candidate(e, node, address);
}

struct instant turn_of(const struct election *e, const struct address *address, const struct node *node)
{
	size_t rank = rank_of(e, address, node);
	const struct node *planned = rank > 0 ? best_candidate(e, address, 0, 0) : NULL;
	struct instant from = address->orphan_since;

	/* with thousands of addresses its claims are made, sent and heard one after the other, and this one is among them */
	if (planned != NULL && instant_before(from, planned->claimed))
		from = planned->claimed;
	return instant_add(from, span_mul(e->config.claim_backoff, (int64_t)rank + promised_away(e, address)));
}

void turn_claimed(const struct election *e, uint64_t instance)
{
	struct node *node = node_find(e, instance);

	if (node != NULL)
		node->claimed = e->now;
}
