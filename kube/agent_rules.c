/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/agent_rules.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "kube/selector.h"

const char *kube_decision_name(enum kube_decision decision)
{
	static const char *const names[] = { "announce",
					     "notOwner",
					     "noMatchingAdvertisement",
					     "sharedIPWithServiceSelector",
					     "notLoadBalancer",
					     "noIPAllocated",
					     "invalidIP",
					     "ipNotAllowed" };

	return names[decision];
}

enum kube_decision kube_service_state(const struct kube_service *service)
{
	if (service->type != KUBE_LOAD_BALANCER)
		return KUBE_NOT_ANNOUNCEABLE;
	if (service->ingress.n == 0)
		return KUBE_NO_ADDRESS;
	return service->ingress.bad > 0 ? KUBE_INVALID_ADDRESS : KUBE_ANNOUNCE;
}

bool kube_ad_applies(const struct kube_ad *ad, const struct label_pair *labels, size_t label_n)
{
	return label_selectors_match_pairs(ad->selectors, ad->selector_n, labels, label_n);
}

void kube_scores_add(const struct kube_ad *ad, size_t node_n, uint32_t *scores)
{
	for (size_t i = 0; ad->scores != NULL && i < node_n; i++)
		scores[i] += ad->scores[i];
}

void kube_judge(const struct kube_nodes *nodes, const struct kube_contest *contest, struct kube_candidates *ret)
{
	size_t words = NODE_SET_WORDS(nodes->n);

	memset(ret->reached, 0, words * sizeof(*ret->reached));
	memset(ret->set, 0, words * sizeof(*ret->set));
	memset(ret->scores, 0, nodes->n * sizeof(*ret->scores));
	ret->all = contest->served ? KUBE_ANNOUNCE : KUBE_NOT_OWNER;
	if (!contest->served)
		return;
	for (size_t i = 0; i < contest->ad_n; i++) {
		const struct kube_ad *ad = contest->ads[i];

		if (!kube_ad_applies(ad, contest->labels, contest->label_n))
			continue;
		/* services that share an address may have other labels, and then other nodes would announce it */
		if (contest->shares && ad->selector_n > 0)
			ret->all = KUBE_SHARED_SELECTOR;
		for (size_t j = 0; j < words; j++)
			ret->reached[j] |= ad->nodes[j];
		kube_scores_add(ad, nodes->n, ret->scores);
	}
	for (size_t j = 0; j < words; j++)
		ret->set[j] = ret->reached[j] & nodes->live[j] & ~nodes->barred[j] &
			      (contest->local ? contest->serving[j] : UINT64_MAX);
}

static void placement_hash(const char *node, const char *ip, unsigned char ret[crypto_hash_sha256_BYTES])
{
	char text[256 + IP_TEXT_MAX];
	int len = snprintf(text, sizeof(text), "%.255s#%s", node, ip);

	(void)crypto_hash_sha256(ret, (const unsigned char *)text, (unsigned long long)len);
}

size_t kube_first_owner(const struct kube_nodes *nodes, const struct kube_contest *contest,
			const struct kube_candidates *candidates)
{
	unsigned char best_hash[crypto_hash_sha256_BYTES];
	char ip[IP_TEXT_MAX];
	size_t best = SIZE_MAX;

	if (candidates->all != KUBE_ANNOUNCE)
		return SIZE_MAX;
	ip_format(contest->ip, ip);
	for (size_t i = 0; i < nodes->n; i++) {
		unsigned char hash[crypto_hash_sha256_BYTES];

		if (!node_set_has(candidates->set, i) ||
		    (best != SIZE_MAX && candidates->scores[i] < candidates->scores[best]))
			continue;
		placement_hash(nodes->names[i], ip, hash);
		if (best == SIZE_MAX || candidates->scores[i] > candidates->scores[best] ||
		    memcmp(hash, best_hash, sizeof(hash)) < 0) {
			best = i;
			memcpy(best_hash, hash, sizeof(hash));
		}
	}
	return best;
}

enum kube_decision kube_decide(const struct kube_nodes *nodes, const struct kube_contest *contest,
			       const struct kube_candidates *candidates, size_t node)
{
	if (candidates->all != KUBE_ANNOUNCE)
		return candidates->all;
	if (node >= nodes->n || !node_set_has(candidates->reached, node))
		return KUBE_NO_MATCHING_AD;
	return kube_first_owner(nodes, contest, candidates) == node ? KUBE_ANNOUNCE : KUBE_NOT_OWNER;
}

size_t kube_interfaces(const struct kube_contest *contest, size_t node, const char **names)
{
	size_t n = 0;
	size_t kept = 0;

	for (size_t i = 0; i < contest->ad_n; i++) {
		const struct kube_ad *ad = contest->ads[i];

		if ((node != SIZE_MAX && !node_set_has(ad->nodes, node)) ||
		    !kube_ad_applies(ad, contest->labels, contest->label_n))
			continue;
		if (ad->interface_n == 0)
			return 0;
		memcpy(names + n, ad->interfaces, ad->interface_n * sizeof(*names));
		n += ad->interface_n;
	}
	(void)kube_repeated(names, n); /* for its order */
	for (size_t i = 0; i < n; i++) {
		if (kept == 0 || strcmp(names[kept - 1], names[i]) != 0)
			names[kept++] = names[i];
	}
	return kept;
}

bool kube_node_barred(const struct kube_node *node, bool ignore_exclude_label, bool unready_long)
{
	return node->network_unavailable || node->going || unready_long ||
	       (!ignore_exclude_label &&
		label_pairs_get(node->meta.labels, node->meta.label_n, KUBE_EXCLUDE_LABEL) != NULL);
}

bool kube_slice_serving(const struct kube_slice *slice, const struct kube_pools *pools, uint64_t *set)
{
	bool served = false;

	for (size_t i = 0; i < slice->endpoint_n; i++) {
		const struct kube_endpoint *endpoint = &slice->endpoints[i];
		size_t node;

		if (!endpoint->can_serve)
			continue;
		served = true;
		node = endpoint->node == NULL ? SIZE_MAX : kube_pools_node(pools, endpoint->node);
		if (node != SIZE_MAX)
			node_set_put(set, node);
	}
	return served;
}
