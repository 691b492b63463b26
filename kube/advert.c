/* SPDX-License-Identifier: Apache-2.0 */
/* L2Advertisement: which pools, nodes, interfaces and services, and which nodes rather than others. */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "kube/pools.h"
#include "kube/selector.h"

#define KIND "L2Advertisement"

/* --- selectors --------------------------------------------------------------------------------------------------------------- */

static bool selector_copy(struct arena *arena, const struct label_selector *from, struct label_selector *to)
{
	to->requirements = arena_take(arena, from->requirement_n, sizeof(*to->requirements));
	to->requirement_n = from->requirement_n;
	for (size_t i = 0; to->requirements != NULL && i < from->requirement_n; i++) {
		const struct label_requirement *old = &from->requirements[i];
		struct label_requirement *new = &to->requirements[i];

		new->key = arena_text(arena, old->key);
		new->operator= old->operator;
		new->value_n = old->value_n;
		new->values = arena_take(arena, old->value_n, sizeof(*new->values));
		if (new->key == NULL || new->values == NULL)
			return false;
		for (size_t j = 0; j < old->value_n; j++) {
			new->values[j] = arena_text(arena, old->values[j]);
			if (new->values[j] == NULL)
				return false;
		}
	}
	return to->requirements != NULL;
}

bool kube_selectors_copy(struct arena *arena, const struct label_selector *from, size_t n,
			 const struct label_selector **ret)
{
	struct label_selector *copies = arena_take(arena, n, sizeof(*copies));

	for (size_t i = 0; copies != NULL && i < n; i++) {
		if (!selector_copy(arena, &from[i], &copies[i]))
			return false;
	}
	*ret = copies;
	return copies != NULL;
}

const char *kube_selectors_repeated(struct arena *arena, const struct label_selector *selectors, size_t n, bool *failed)
{
	const char **texts = arena_take(arena, n, sizeof(*texts));

	for (size_t i = 0; texts != NULL && i < n; i++) {
		texts[i] = kube_selector_text(arena, &selectors[i]);
		if (texts[i] == NULL)
			texts = NULL;
	}
	*failed = *failed || texts == NULL;
	return texts == NULL ? NULL : kube_repeated(texts, n);
}

/* --- one advertisement --------------------------------------------------------------------------------------------------------- */

bool kube_advert_reaches(const struct kube_advert *advert, const struct kube_pool *pool)
{
	if (advert->pool_n == 0 && advert->pool_selector_n == 0)
		return true;
	for (size_t i = 0; i < advert->pool_n; i++) {
		if (strcmp(advert->pools[i], pool->meta.name) == 0)
			return true;
	}
	/* selectors that match nothing mean no pool, not all */
	return advert->pool_selector_n > 0 &&
	       label_selectors_match_pairs(advert->pool_selectors, advert->pool_selector_n, pool->meta.labels,
					   pool->meta.label_n);
}

bool kube_advert_check(const struct kube_advert *advert, struct arena *arena, struct kube_refusals *refusals)
{
	const struct {
		const char *field;
		const struct label_selector *selectors;
		size_t n;
	} lists[] = {
		{ "ipAddressPoolSelectors", advert->pool_selectors, advert->pool_selector_n },
		{ "nodeSelectors", advert->node_selectors, advert->node_selector_n },
		{ "serviceSelectors", advert->service_selectors, advert->service_selector_n },
	};
	const char **names = arena_take(arena, advert->pool_n, sizeof(*names));
	const char *twice;
	bool failed = names == NULL;
	size_t before = refusals->n;

	if (names != NULL && advert->pool_n > 0)
		memcpy(names, advert->pools, advert->pool_n * sizeof(*names));
	twice = failed ? NULL : kube_repeated(names, advert->pool_n);
	if (twice != NULL)
		kube_refuse(refusals, KIND, advert->meta.name, "ipAddressPools has \"%.128s\" twice", twice);
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]) && !failed; i++) {
		twice = kube_selectors_repeated(arena, lists[i].selectors, lists[i].n, &failed);
		if (twice != NULL)
			kube_refuse(refusals, KIND, advert->meta.name, "%s has \"%.128s\" twice", lists[i].field,
				    twice);
	}
	for (size_t i = 0; i < advert->preference_n; i++) {
		if (advert->preferences[i].weight < 1 || advert->preferences[i].weight > PREFERENCE_WEIGHT_MAX)
			kube_refuse(refusals, KIND, advert->meta.name,
				    "preferredNodeSelectors[%zu]: weight %d is not from 1 to %d", i,
				    (int)advert->preferences[i].weight, PREFERENCE_WEIGHT_MAX);
	}
	return !failed && refusals->n == before;
}

void kube_advert_scores(const struct kube_preference *preferences, size_t preference_n,
			const struct kube_node *const *nodes, size_t node_n, const uint64_t *set, uint32_t *scores)
{
	for (size_t i = 0; i < node_n; i++) {
		scores[i] = 0;
		for (size_t j = 0; node_set_has(set, i) && j < preference_n; j++) {
			if (label_selector_matches_pairs(&preferences[j].selector, nodes[i]->meta.labels,
							 nodes[i]->meta.label_n))
				scores[i] += (uint32_t)preferences[j].weight;
		}
	}
}

static bool copy_interfaces(struct arena *arena, const struct kube_advert *advert, struct kube_ad *ad)
{
	const char **interfaces = arena_take(arena, advert->interface_n, sizeof(*interfaces));

	for (size_t i = 0; interfaces != NULL && i < advert->interface_n; i++) {
		interfaces[i] = arena_text(arena, advert->interfaces[i]);
		if (interfaces[i] == NULL)
			return false;
	}
	(void)(interfaces == NULL ? NULL
				  : kube_repeated(interfaces, advert->interface_n)); /* sorted, to compare sets */
	ad->interfaces = interfaces;
	ad->interface_n = advert->interface_n;
	return interfaces != NULL;
}

struct kube_ad *kube_advert_apply(const struct kube_advert *advert, const struct kube_node *const *nodes, size_t node_n,
				  struct arena *arena)
{
	struct kube_ad *ad = arena_take(arena, 1, sizeof(*ad));
	uint64_t *set = arena_take(arena, NODE_SET_WORDS(node_n), sizeof(*set));
	uint32_t *scores = arena_take(arena, node_n, sizeof(*scores));

	if (ad == NULL || set == NULL || scores == NULL || !copy_interfaces(arena, advert, ad) ||
	    !kube_selectors_copy(arena, advert->service_selectors, advert->service_selector_n, &ad->selectors))
		return NULL;
	ad->name = arena_text(arena, advert->meta.name);
	if (ad->name == NULL)
		return NULL;
	ad->selector_n = advert->service_selector_n;
	for (size_t i = 0; i < node_n; i++) {
		if (label_selectors_match_pairs(advert->node_selectors, advert->node_selector_n, nodes[i]->meta.labels,
						nodes[i]->meta.label_n))
			node_set_put(set, i);
	}
	ad->nodes = set;
	if (advert->preference_n > 0) {
		kube_advert_scores(advert->preferences, advert->preference_n, nodes, node_n, set, scores);
		ad->scores = scores;
	}
	return ad;
}

/* The selectors of one as a sorted list of texts; NULL: no memory. */
static const char **selector_texts(const struct kube_ad *ad, struct arena *arena)
{
	const char **texts = arena_take(arena, ad->selector_n, sizeof(*texts));

	for (size_t i = 0; texts != NULL && i < ad->selector_n; i++) {
		texts[i] = kube_selector_text(arena, &ad->selectors[i]);
		if (texts[i] == NULL)
			return NULL;
	}
	(void)(texts == NULL ? NULL : kube_repeated(texts, ad->selector_n));
	return texts;
}

static bool same_texts(const char *const *a, const char *const *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(a[i], b[i]) != 0)
			return false;
	}
	return true;
}

static bool equal(const struct kube_ad *a, const char *const *texts_a, const struct kube_ad *b,
		  const char *const *texts_b, size_t node_n)
{
	return a->scores == NULL && b->scores == NULL && a->interface_n == b->interface_n &&
	       a->selector_n == b->selector_n &&
	       memcmp(a->nodes, b->nodes, NODE_SET_WORDS(node_n) * sizeof(*a->nodes)) == 0 &&
	       same_texts(a->interfaces, b->interfaces, a->interface_n) && same_texts(texts_a, texts_b, a->selector_n);
}

bool kube_ads_classify(struct kube_ad *const *ads, size_t n, size_t node_n, struct arena *arena, size_t *firsts)
{
	const char ***texts = arena_take(arena, n, sizeof(*texts));

	for (size_t i = 0; texts != NULL && i < n; i++) {
		firsts[i] = i;
		if (ads[i] == NULL)
			continue;
		texts[i] = selector_texts(ads[i], arena);
		if (texts[i] == NULL)
			return false;
		for (size_t j = 0; j < i && firsts[i] == i; j++) {
			if (firsts[j] == j && ads[j] != NULL && equal(ads[i], texts[i], ads[j], texts[j], node_n))
				firsts[i] = j;
		}
	}
	return texts != NULL;
}
