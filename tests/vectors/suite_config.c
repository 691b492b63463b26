/* SPDX-License-Identifier: Apache-2.0 */
/* Suites of config.json: resources are given the shape of the API's objects, and go through the real decoders. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kube/agent_rules.h"
#include "kube/selector.h"
#include "tests/vectors/vectors.h"

#define OBJECT_MAX 256

/* Decoded resources. */
struct resources {
	struct kube_pool *pools[OBJECT_MAX];
	struct kube_advert *adverts[OBJECT_MAX];
	struct kube_namespace *namespaces[OBJECT_MAX];
	struct kube_node *nodes[OBJECT_MAX];
	size_t pool_n;
	size_t advert_n;
	size_t namespace_n;
	size_t node_n;
	bool refused; /* one could not be decoded */
};

/* { kind, name, labels, spec } as the API writes it. */
static cJSON *api_object(const cJSON *resource)
{
	cJSON *object = cJSON_CreateObject();
	cJSON *meta = cJSON_AddObjectToObject(object, "metadata");

	if (get(resource, "name") != NULL)
		cJSON_AddItemToObject(meta, "name", cJSON_Duplicate(get(resource, "name"), true));
	if (get(resource, "labels") != NULL)
		cJSON_AddItemToObject(meta, "labels", cJSON_Duplicate(get(resource, "labels"), true));
	if (get(resource, "spec") != NULL)
		cJSON_AddItemToObject(object, "spec", cJSON_Duplicate(get(resource, "spec"), true));
	return object;
}

static void read_resource(struct resources *all, const char *kind, const cJSON *resource)
{
	cJSON *object = api_object(resource);
	struct kube_error error;
	int r = 0;

	must(all->pool_n < OBJECT_MAX && all->advert_n < OBJECT_MAX && all->namespace_n < OBJECT_MAX &&
		     all->node_n < OBJECT_MAX,
	     "too many resources");
	/* kinds of BGP are not served */
	if (kind != NULL && strcmp(kind, "IPAddressPool") == 0)
		r = kube_pool_decode(object, &all->pools[all->pool_n], &error), all->pool_n += r == 0;
	else if (kind != NULL && strcmp(kind, "L2Advertisement") == 0)
		r = kube_advert_decode(object, &all->adverts[all->advert_n], &error), all->advert_n += r == 0;
	else if (kind != NULL && strcmp(kind, "Namespace") == 0)
		r = kube_namespace_decode(object, &all->namespaces[all->namespace_n], &error),
		all->namespace_n += r == 0;
	else if (kind != NULL && strcmp(kind, "Node") == 0)
		r = kube_node_decode(object, &all->nodes[all->node_n], &error), all->node_n += r == 0;
	all->refused = all->refused || r != 0;
	cJSON_Delete(object);
}

static struct resources *read_resources(const cJSON *list, const cJSON *nodes)
{
	struct resources *all = calloc(1, sizeof(*all));
	const cJSON *item;

	must(all != NULL, "out of memory");
	cJSON_ArrayForEach(item, list) read_resource(all, get_text(item, "kind"), item);
	cJSON_ArrayForEach(item, nodes) read_resource(all, "Node", item);
	return all;
}

static void resources_free(struct resources *all)
{
	for (size_t i = 0; i < OBJECT_MAX; i++) {
		kube_object_free(all->pools[i]);
		kube_object_free(all->adverts[i]);
		kube_object_free(all->namespaces[i]);
		kube_object_free(all->nodes[i]);
	}
	free(all);
}

/* NULL: refused. */
static struct kube_pools *make(const struct resources *all)
{
	const struct kube_objects objects = { .pools = (const struct kube_pool *const *)all->pools,
					      .pool_n = all->pool_n,
					      .adverts = (const struct kube_advert *const *)all->adverts,
					      .advert_n = all->advert_n,
					      .namespaces = (const struct kube_namespace *const *)all->namespaces,
					      .namespace_n = all->namespace_n,
					      .nodes = (const struct kube_node *const *)all->nodes,
					      .node_n = all->node_n };
	struct kube_refusals refusals;
	struct kube_pools *pools = NULL;
	int r = all->refused ? -EINVAL : kube_pools_make(&objects, &pools, &refusals);

	must(r == 0 || r == -EINVAL, "out of memory");
	return pools;
}

/* --- the model as JSON --------------------------------------------------------------------------------------------------------- */

static cJSON *text_list(const char *const *texts, size_t n)
{
	cJSON *list = cJSON_CreateArray();

	for (size_t i = 0; i < n; i++)
		cJSON_AddItemToArray(list, cJSON_CreateString(texts[i]));
	return list;
}

static cJSON *selector_list(const struct label_selector *selectors, size_t n)
{
	cJSON *list = cJSON_CreateArray();
	struct arena arena = { 0 };

	for (size_t i = 0; i < n; i++)
		cJSON_AddItemToArray(list, cJSON_CreateString(kube_selector_text(&arena, &selectors[i])));
	arena_free(&arena);
	return list;
}

static cJSON *node_list(const struct kube_ad *ad, const char *const *nodes, size_t node_n)
{
	cJSON *list = cJSON_CreateArray();

	for (size_t i = 0; i < node_n; i++) {
		if (node_set_has(ad->nodes, i))
			cJSON_AddItemToArray(list, cJSON_CreateString(nodes[i]));
	}
	return list;
}

static cJSON *score_map(const uint32_t *scores, const char *const *nodes, size_t node_n)
{
	cJSON *map = cJSON_CreateObject();

	for (size_t i = 0; scores != NULL && i < node_n; i++) {
		if (scores[i] != 0)
			cJSON_AddNumberToObject(map, nodes[i], scores[i]);
	}
	return map;
}

static cJSON *ad_model(const struct kube_ad *ad, const struct kube_pools *pools)
{
	cJSON *got = cJSON_CreateObject();
	cJSON *scores = score_map(ad->scores, pools->nodes, pools->node_n);

	cJSON_AddItemToObject(got, "nodes", node_list(ad, pools->nodes, pools->node_n));
	cJSON_AddItemToObject(got, "interfaces",
			      ad->interface_n == 0 ? cJSON_CreateString("all")
						   : text_list(ad->interfaces, ad->interface_n));
	if (ad->selector_n > 0)
		cJSON_AddItemToObject(got, "serviceSelectors", selector_list(ad->selectors, ad->selector_n));
	if (scores->child != NULL)
		cJSON_AddItemToObject(got, "preferred", scores);
	else
		cJSON_Delete(scores);
	return got;
}

static cJSON *pool_model(const struct kube_pool_rules *rules, const struct kube_pools *pools)
{
	const struct alloc_pool *alloc = rules->alloc;
	cJSON *got = cJSON_CreateObject();
	cJSON *cidrs = cJSON_AddArrayToObject(got, "cidrs");
	char text[SUBNET_TEXT_MAX];

	for (size_t i = 0; i < alloc->cidr_n; i++)
		cJSON_AddItemToArray(cidrs, cJSON_CreateString(subnet_format(alloc->cidrs[i], text)));
	cJSON_AddBoolToObject(got, "autoAssign", alloc->auto_assign);
	cJSON_AddBoolToObject(got, "avoidBuggyIPs", alloc->avoid_buggy_ips);
	if (alloc->pinned) {
		cJSON *allocation = cJSON_AddObjectToObject(got, "allocation");

		cJSON_AddNumberToObject(allocation, "priority", alloc->priority);
		cJSON_AddItemToObject(allocation, "namespaces", text_list(alloc->namespaces, alloc->namespace_n));
		cJSON_AddItemToObject(allocation, "serviceSelectors",
				      selector_list(alloc->selectors, alloc->selector_n));
	}
	if (rules->ad_n > 0) {
		cJSON *ads = cJSON_AddArrayToObject(got, "l2");

		for (size_t i = 0; i < rules->ad_n; i++)
			cJSON_AddItemToArray(ads, ad_model(rules->ads[i], pools));
	}
	return got;
}

static void add_indexes(cJSON *got, const struct kube_pools *pools)
{
	cJSON *by_namespace = cJSON_CreateObject();
	cJSON *by_selector = cJSON_CreateArray();

	for (size_t i = 0; i < pools->pool_n; i++) {
		const struct alloc_pool *pool = &pools->allocs[i];

		for (size_t j = 0; j < pool->namespace_n; j++) {
			if (get(by_namespace, pool->namespaces[j]) == NULL)
				cJSON_AddArrayToObject(by_namespace, pool->namespaces[j]);
			cJSON_AddItemToArray(cJSON_GetObjectItemCaseSensitive(by_namespace, pool->namespaces[j]),
					     cJSON_CreateString(pool->name));
		}
		if (pool->selector_n > 0)
			cJSON_AddItemToArray(by_selector, cJSON_CreateString(pool->name));
	}
	cJSON_AddItemToObject(got, "poolsByNamespace", by_namespace);
	cJSON_AddItemToObject(got, "poolsByServiceSelector", by_selector);
}

/* --- what is expected, in one form ----------------------------------------------------------------------------------------------- */

/* Selectors in their common text, everywhere; what is empty is absent. */
static void normalise(cJSON *json)
{
	struct arena arena = { 0 };

	for (cJSON *item = json->child, *next; item != NULL; item = next) {
		bool optional = item->string != NULL && (strcmp(item->string, "preferred") == 0 ||
							 strcmp(item->string, "serviceSelectors") == 0);

		next = item->next;
		if (item->string != NULL && strcmp(item->string, "serviceSelectors") == 0) {
			for (cJSON *text = item->child; text != NULL; text = text->next)
				cJSON_SetValuestring(text, selector_same(&arena, text->valuestring));
		}
		if (optional && item->child == NULL && get(json, "interfaces") != NULL)
			cJSON_Delete(cJSON_DetachItemViaPointer(json, item));
		else
			normalise(item);
	}
	arena_free(&arena);
}

static void run_parse_case(struct run *run, const cJSON *item)
{
	const char *id = id_of(run, item);
	cJSON *expected = cJSON_Duplicate(get(item, "expect"), true);
	cJSON *got = cJSON_CreateObject();
	struct resources *all = read_resources(get(item, "resources"), get(item, "nodes"));
	struct kube_pools *pools = make(all);

	must(expected != NULL, "a case that expects nothing");
	normalise(expected);
	cJSON_AddBoolToObject(got, "accept", pools != NULL);
	if (pools != NULL && get(expected, "accept") != NULL && get_bool(expected, "accept", false)) {
		cJSON *map = cJSON_AddObjectToObject(got, "pools");

		for (size_t i = 0; i < pools->pool_n; i++)
			cJSON_AddItemToObject(map, pools->allocs[i].name, pool_model(&pools->pools[i], pools));
		add_indexes(got, pools);
		for (size_t i = 0; i < 2; i++) {
			const char *name = i == 0 ? "poolsByNamespace" : "poolsByServiceSelector";

			if (get(expected, name) == NULL)
				cJSON_DeleteItemFromObject(got, name);
		}
	}
	if (keys_known(run, id, expected, "accept pools poolsByNamespace poolsByServiceSelector"))
		judge(run, id, got, expected);
	else
		cJSON_Delete(got);
	cJSON_Delete(expected);
	kube_pools_free(pools);
	resources_free(all);
}

static void run_parse(struct run *run, const cJSON *suite)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, get(suite, "cases"))
	{
		/* docs/adr/0011-metallb-rules.md */
		if (get_bool(item, "l2Relevant", true))
			run_parse_case(run, item);
		else
			skip(run, id_of(run, item), "about BGP, which is not served");
	}
}

/* --- advertisements ---------------------------------------------------------------------------------------------------------------- */

/* Preferences through the decoder of an advertisement, nodes through theirs. */
static void run_scores(struct run *run, const cJSON *suite)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, get(suite, "cases"))
	{
		cJSON *ad = cJSON_CreateObject();
		cJSON *spec = cJSON_AddObjectToObject(ad, "spec");
		struct resources *all = read_resources(NULL, get(item, "nodes"));
		uint64_t set[NODE_SET_WORDS(OBJECT_MAX)] = { 0 };
		uint32_t scores[OBJECT_MAX];
		const char *names[OBJECT_MAX];
		cJSON *got = cJSON_CreateObject();
		const cJSON *eligible;

		cJSON_AddStringToObject(ad, "name", "ad");
		cJSON_AddItemToObject(spec, "preferredNodeSelectors", cJSON_Duplicate(get(item, "preferences"), true));
		read_resource(all, "L2Advertisement", ad);
		must(!all->refused, "preferences that are refused");
		for (size_t i = 0; i < all->node_n; i++) {
			names[i] = all->nodes[i]->meta.name;
			cJSON_ArrayForEach(eligible, get(item, "eligible"))
			{
				if (strcmp(eligible->valuestring, names[i]) == 0)
					node_set_put(set, i);
			}
		}
		kube_advert_scores(all->adverts[0]->preferences, all->adverts[0]->preference_n,
				   (const struct kube_node *const *)all->nodes, all->node_n, set, scores);
		cJSON_AddItemToObject(got, "scores", score_map(scores, names, all->node_n));
		judge(run, id_of(run, item), got, get(item, "expect"));
		cJSON_Delete(ad);
		resources_free(all);
	}
}

/* A pool that every advertisement of the case reaches stands for all. */
static void run_ad_model(struct run *run, const cJSON *suite)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, get(suite, "cases"))
	{
		cJSON *pool = cJSON_Parse("{\"name\":\"pool\",\"spec\":{\"addresses\":[\"10.0.0.0/24\"]}}");
		cJSON *expected = cJSON_Duplicate(get(item, "expect"), true);
		struct resources *all = read_resources(NULL, get(item, "nodes"));
		cJSON *got = cJSON_CreateObject();
		struct kube_pools *pools;

		normalise(expected);
		read_resource(all, "IPAddressPool", pool);
		read_resource(all, get_text(get(item, "ad"), "kind"), get(item, "ad"));
		pools = make(all);
		if (pools != NULL && pools->pools[0].ad_n == 1) {
			const struct kube_ad *ad = pools->pools[0].ads[0];

			cJSON_AddItemToObject(got, "nodes", node_list(ad, pools->nodes, pools->node_n));
			cJSON_AddItemToObject(got, "preferred", score_map(ad->scores, pools->nodes, pools->node_n));
			cJSON_AddItemToObject(got, "serviceSelectors", selector_list(ad->selectors, ad->selector_n));
			if (get(expected, "interfaces") != NULL)
				cJSON_AddItemToObject(got, "interfaces",
						      ad->interface_n == 0
							      ? cJSON_CreateString("all")
							      : text_list(ad->interfaces, ad->interface_n));
		}
		if (get(expected, "accept") != NULL)
			cJSON_AddBoolToObject(got, "accept", pools != NULL);
		judge(run, id_of(run, item), got, expected);
		cJSON_Delete(expected);
		cJSON_Delete(pool);
		kube_pools_free(pools);
		resources_free(all);
	}
}

static void run_attach(struct run *run, const cJSON *suite)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, get(suite, "cases"))
	{
		const cJSON *expected = get(item, "expect");
		const char *name = get_text(expected, "pool");
		struct resources *all = read_resources(get(item, "resources"), get(item, "nodes"));
		struct kube_pools *pools = make(all);
		const struct kube_pool_rules *rules =
			pools == NULL || name == NULL ? NULL : kube_pools_find(pools, name);
		cJSON *got = cJSON_CreateObject();
		cJSON *scores = cJSON_AddArrayToObject(got, "scoresOfAttachedAds");

		cJSON_AddStringToObject(got, "pool", rules == NULL ? "none" : rules->alloc->name);
		if (get(expected, "order") != NULL)
			cJSON_AddStringToObject(got, "order", "ignored");
		for (size_t i = 0; rules != NULL && i < rules->ad_n; i++)
			cJSON_AddItemToArray(scores, score_map(rules->ads[i]->scores, pools->nodes, pools->node_n));
		judge(run, id_of(run, item), got, expected);
		kube_pools_free(pools);
		resources_free(all);
	}
}

static void run_syntax(struct run *run, const cJSON *suite)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, get(suite, "cases"))
	{
		struct subnet cidrs[ALLOC_RANGE_CIDR_MAX];
		const char *address = get_text(item, "address");
		cJSON *got = cJSON_CreateObject();
		char text[SUBNET_TEXT_MAX];
		size_t n = 0;
		int r;

		must(address != NULL, "a case without an address");
		r = alloc_range_parse(address, cidrs, &n);
		cJSON_AddBoolToObject(got, "accept", r == 0);
		if (r == 0) {
			cJSON *list = cJSON_AddArrayToObject(got, "cidrs");

			for (size_t i = 0; i < n; i++)
				cJSON_AddItemToArray(list, cJSON_CreateString(subnet_format(cidrs[i], text)));
		}
		judge(run, id_of(run, item), got, get(item, "expect"));
	}
}

const struct suite config_suites[] = {
	{ "parse", run_parse },
	{ "service-selectors", run_parse },
	{ "preference-scores", run_scores },
	{ "l2-ad-model", run_ad_model },
	{ "l2-ad-attach", run_attach },
	{ "address-syntax", run_syntax },
	{ NULL, NULL },
};
