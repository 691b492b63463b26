/* SPDX-License-Identifier: Apache-2.0 */
/* IPAddressPool, and the configuration as a whole. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocator/number.h"
#include "kube/pools.h"
#include "kube/selector.h"

#define KIND "IPAddressPool"

/* What kube_pools_make works with. `scratch` is thrown away. */
struct making {
	const struct kube_objects *objects;
	struct kube_pools *pools;
	struct arena scratch;
	const struct kube_pool **by_name;
	const struct kube_node **nodes;	    /* by name */
	const struct kube_advert **adverts; /* by name */
	struct kube_ad **ads;		    /* one for each advertisement */
	size_t *firsts;			    /* the first that says the same */
	size_t *attached;		    /* 1 + the last pool that it was given to, by the first one */
	struct kube_pool_rules *rules;
	struct kube_refusals *refusals;
};

void kube_refuse(struct kube_refusals *refusals, const char *kind, const char *name, const char *format, ...)
{
	struct kube_refusal *refusal;
	va_list args;

	if (refusals->n++ >= KUBE_REFUSAL_MAX)
		return;
	refusal = &refusals->items[refusals->n - 1];
	refusal->kind = kind;
	(void)snprintf(refusal->name, sizeof(refusal->name), "%s", name);
	va_start(args, format);
	(void)vsnprintf(refusal->text, sizeof(refusal->text), format, args);
	va_end(args);
}

/* --- one pool ------------------------------------------------------------------------------------------------------------------ */

static int read_cidrs(struct making *m, const struct kube_pool *pool, struct alloc_pool *alloc)
{
	struct subnet parts[ALLOC_RANGE_CIDR_MAX];
	struct subnet *cidrs;
	size_t n = 0;

	/* twice: to count, and to keep */
	for (int pass = 0; pass < 2; pass++) {
		cidrs = pass == 0 ? parts : arena_take(&m->pools->arena, n, sizeof(*cidrs));
		if (cidrs == NULL)
			return -ENOMEM;
		n = 0;
		for (size_t i = 0; i < pool->address_n; i++) {
			size_t part_n = 0;
			int r = alloc_range_parse(pool->addresses[i], parts, &part_n);

			if (r != 0 && pass == 0)
				kube_refuse(m->refusals, KIND, pool->meta.name, "\"%.100s\" %s", pool->addresses[i],
					    r == -ERANGE ? "starts after it ends" : "is neither a CIDR nor a range");
			if (r == 0 && pass == 1)
				memcpy(cidrs + n, parts, part_n * sizeof(*cidrs));
			n += part_n;
		}
	}
	alloc->cidrs = cidrs;
	alloc->cidr_n = n;
	return 0;
}

static bool selects_namespace(const struct kube_pool *pool, const struct kube_namespace *namespace)
{
	for (size_t i = 0; i < pool->namespace_n; i++) {
		if (strcmp(pool->namespaces[i], namespace->meta.name) == 0)
			return false; /* listed already */
	}
	return pool->namespace_selector_n > 0 &&
	       label_selectors_match_pairs(pool->namespace_selectors, pool->namespace_selector_n,
					   namespace->meta.labels, namespace->meta.label_n);
}

/* Those that are listed and those that are selected. */
static int read_namespaces(struct making *m, const struct kube_pool *pool, struct alloc_pool *alloc)
{
	size_t max = pool->namespace_n + m->objects->namespace_n;
	const char **names = arena_take(&m->scratch, max, sizeof(*names));
	const char **kept;
	size_t n = pool->namespace_n;

	if (names == NULL)
		return -ENOMEM;
	if (n > 0)
		memcpy(names, pool->namespaces, n * sizeof(*names));
	if (kube_repeated(names, n) != NULL)
		kube_refuse(m->refusals, KIND, pool->meta.name, "namespaces has \"%.128s\" twice",
			    kube_repeated(names, n));
	for (size_t i = 0; i < m->objects->namespace_n; i++) {
		if (selects_namespace(pool, m->objects->namespaces[i]))
			names[n++] = m->objects->namespaces[i]->meta.name;
	}
	(void)kube_repeated(names, n);
	kept = arena_take(&m->pools->arena, n, sizeof(*kept));
	for (size_t i = 0; kept != NULL && i < n; i++) {
		kept[i] = arena_text(&m->pools->arena, names[i]);
		if (kept[i] == NULL)
			return -ENOMEM;
	}
	alloc->namespaces = kept;
	alloc->namespace_n = n;
	alloc->has_namespaces = pool->namespace_n > 0 || pool->namespace_selector_n > 0;
	return kept == NULL ? -ENOMEM : 0;
}

static int read_selectors(struct making *m, const struct kube_pool *pool, struct alloc_pool *alloc)
{
	bool failed = false;
	const char *twice =
		kube_selectors_repeated(&m->scratch, pool->namespace_selectors, pool->namespace_selector_n, &failed);

	if (twice != NULL)
		kube_refuse(m->refusals, KIND, pool->meta.name, "namespaceSelectors has \"%.128s\" twice", twice);
	twice = kube_selectors_repeated(&m->scratch, pool->service_selectors, pool->service_selector_n, &failed);
	if (twice != NULL)
		kube_refuse(m->refusals, KIND, pool->meta.name, "serviceSelectors has \"%.128s\" twice", twice);
	alloc->selector_n = pool->service_selector_n;
	if (failed || !kube_selectors_copy(&m->pools->arena, pool->service_selectors, pool->service_selector_n,
					   &alloc->selectors))
		return -ENOMEM;
	return 0;
}

static int read_pool(struct making *m, const struct kube_pool *pool, struct alloc_pool *alloc)
{
	int r;

	if (pool->meta.name[0] == '\0')
		kube_refuse(m->refusals, KIND, "", "a pool without a name");
	if (pool->address_n == 0)
		kube_refuse(m->refusals, KIND, pool->meta.name, "no addresses");
	alloc->name = arena_text(&m->pools->arena, pool->meta.name);
	alloc->auto_assign = pool->auto_assign;
	alloc->avoid_buggy_ips = pool->avoid_buggy_ips;
	alloc->pinned = pool->pinned;
	alloc->priority = pool->priority;
	r = alloc->name == NULL ? -ENOMEM : read_cidrs(m, pool, alloc);
	if (r == 0)
		r = read_namespaces(m, pool, alloc);
	return r == 0 ? read_selectors(m, pool, alloc) : r;
}

/* --- all pools ------------------------------------------------------------------------------------------------------------------ */

/* A CIDR of some pool. */
struct stretch {
	u128 first;
	u128 last;
	struct subnet cidr;
	const char *pool;
};

static int compare_stretches(const void *a, const void *b)
{
	const struct stretch *x = a;
	const struct stretch *y = b;

	if (x->cidr.ip.family != y->cidr.ip.family)
		return x->cidr.ip.family < y->cidr.ip.family ? -1 : 1;
	if (x->first != y->first)
		return x->first < y->first ? -1 : 1;
	return strcmp(x->pool, y->pool);
}

/* Once for two pools, however many CIDRs their ranges were cut into. */
static void refuse_overlaps(const struct stretch *stretches, size_t n, struct kube_refusals *refusals)
{
	const struct stretch *reaches = n > 0 ? &stretches[0] : NULL; /* furthest, of those before */
	const struct stretch *said = NULL;
	const struct stretch *said_of = NULL;

	for (size_t i = 1; i < n; i++) {
		const struct stretch *stretch = &stretches[i];
		bool same_family = stretch->cidr.ip.family == reaches->cidr.ip.family;
		char text[SUBNET_TEXT_MAX];
		char other[SUBNET_TEXT_MAX];

		if (same_family && stretch->first <= reaches->last &&
		    (said == NULL || said->pool != stretch->pool || said_of->pool != reaches->pool)) {
			said = stretch;
			said_of = reaches;
			kube_refuse(refusals, KIND, stretch->pool, "%s overlaps %s of pool %.128s",
				    subnet_format(stretch->cidr, text), subnet_format(reaches->cidr, other),
				    reaches->pool);
		}
		if (!same_family || stretch->last > reaches->last)
			reaches = stretch;
	}
}

static int check_overlaps(struct making *m)
{
	struct stretch *stretches;
	size_t max = 0;
	size_t n = 0;

	for (size_t i = 0; i < m->pools->pool_n; i++)
		max += m->pools->allocs[i].cidr_n;
	stretches = arena_take(&m->scratch, max, sizeof(*stretches));
	if (stretches == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < m->pools->pool_n; i++) {
		const struct alloc_pool *pool = &m->pools->allocs[i];

		for (size_t j = 0; j < pool->cidr_n; j++)
			stretches[n++] = (struct stretch){ number_first(pool->cidrs[j]), number_last(pool->cidrs[j]),
							   pool->cidrs[j], pool->name };
	}
	if (n > 1)
		qsort(stretches, n, sizeof(*stretches), compare_stretches);
	refuse_overlaps(stretches, n, m->refusals);
	return 0;
}

/* --- putting it together --------------------------------------------------------------------------------------------------------- */

/* All kinds of objects start with their meta. */
static int compare_meta(const void *a, const void *b)
{
	const struct kube_meta *const *x = a;
	const struct kube_meta *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

static void *sorted(struct making *m, const void *list, size_t n)
{
	const struct kube_meta **copy = arena_take(&m->scratch, n, sizeof(struct kube_meta *));

	if (copy != NULL && n > 0) {
		memcpy(copy, list, n * sizeof(struct kube_meta *));
		qsort(copy, n, sizeof(struct kube_meta *), compare_meta);
	}
	return copy;
}

static int make_nodes(struct making *m)
{
	const char **names = arena_take(&m->pools->arena, m->objects->node_n, sizeof(*names));

	for (size_t i = 0; names != NULL && i < m->objects->node_n; i++) {
		names[i] = arena_text(&m->pools->arena, m->nodes[i]->meta.name);
		if (names[i] == NULL)
			return -ENOMEM;
	}
	m->pools->nodes = names;
	m->pools->node_n = m->objects->node_n;
	return names == NULL ? -ENOMEM : 0;
}

static int make_pools(struct making *m)
{
	struct kube_pool_rules *rules = arena_take(&m->pools->arena, m->objects->pool_n, sizeof(*rules));
	struct alloc_pool *allocs = arena_take(&m->pools->arena, m->objects->pool_n, sizeof(*allocs));
	int r = rules == NULL || allocs == NULL ? -ENOMEM : 0;

	for (size_t i = 0; r == 0 && i < m->objects->pool_n; i++) {
		const char *name = m->by_name[i]->meta.name;

		if (i > 0 && strcmp(m->by_name[i - 1]->meta.name, name) == 0)
			kube_refuse(m->refusals, KIND, name, "there are two pools of this name");
		rules[i].alloc = &allocs[i];
		r = read_pool(m, m->by_name[i], &allocs[i]);
	}
	m->rules = rules;
	m->pools->allocs = allocs;
	m->pools->pools = rules;
	m->pools->pool_n = r == 0 ? m->objects->pool_n : 0;
	return r == 0 ? check_overlaps(m) : r;
}

static int make_ads(struct making *m)
{
	for (size_t i = 0; i < m->objects->advert_n; i++) {
		if (!kube_advert_check(m->adverts[i], &m->scratch, m->refusals))
			continue;
		m->ads[i] = kube_advert_apply(m->adverts[i], m->nodes, m->objects->node_n, &m->pools->arena);
		if (m->ads[i] == NULL)
			return -ENOMEM;
	}
	return kube_ads_classify(m->ads, m->objects->advert_n, m->objects->node_n, &m->scratch, m->firsts) ? 0
													   : -ENOMEM;
}

/* Give a pool its advertisements; those that say the same count once. */
static int attach(struct making *m, size_t pool)
{
	const struct kube_ad **ads = arena_take(&m->pools->arena, m->objects->advert_n, sizeof(struct kube_ad *));
	size_t n = 0;

	if (ads == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < m->objects->advert_n; i++) {
		size_t *attached = &m->attached[m->firsts[i]];

		if (m->ads[i] == NULL || *attached == pool + 1 || !kube_advert_reaches(m->adverts[i], m->by_name[pool]))
			continue;
		*attached = pool + 1;
		ads[n++] = m->ads[i];
	}
	m->rules[pool].ads = ads;
	m->rules[pool].ad_n = n;
	return 0;
}

static int make_all(struct making *m)
{
	int r;

	m->by_name = sorted(m, m->objects->pools, m->objects->pool_n);
	m->nodes = sorted(m, m->objects->nodes, m->objects->node_n);
	m->adverts = sorted(m, m->objects->adverts, m->objects->advert_n);
	m->ads = arena_take(&m->scratch, m->objects->advert_n, sizeof(struct kube_ad *));
	m->firsts = arena_take(&m->scratch, m->objects->advert_n, sizeof(*m->firsts));
	m->attached = arena_take(&m->scratch, m->objects->advert_n, sizeof(*m->attached));
	if (m->by_name == NULL || m->nodes == NULL || m->adverts == NULL || m->ads == NULL || m->firsts == NULL ||
	    m->attached == NULL)
		return -ENOMEM;
	r = make_nodes(m);
	if (r == 0)
		r = make_pools(m);
	if (r == 0)
		r = make_ads(m);
	for (size_t i = 0; r == 0 && i < m->pools->pool_n; i++)
		r = attach(m, i);
	return r == 0 && m->refusals->n > 0 ? -EINVAL : r;
}

int kube_pools_make(const struct kube_objects *objects, struct kube_pools **ret, struct kube_refusals *refusals)
{
	struct arena arena = { 0 };
	struct kube_pools *pools = arena_take(&arena, 1, sizeof(*pools));
	struct making m = { .objects = objects, .pools = pools, .refusals = refusals };
	int r;

	refusals->n = 0;
	if (pools == NULL)
		return -ENOMEM;
	pools->arena = arena;
	r = make_all(&m);
	arena_free(&m.scratch);
	if (r != 0)
		kube_pools_free(pools);
	else
		*ret = pools;
	return r;
}

void kube_pools_free(struct kube_pools *pools)
{
	struct arena arena;

	if (pools == NULL)
		return;
	arena = pools->arena; /* which the struct lies in */
	arena_free(&arena);
}

const struct kube_pool_rules *kube_pools_find(const struct kube_pools *pools, const char *name)
{
	for (size_t low = 0, high = pools->pool_n; low < high;) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(pools->pools[middle].alloc->name, name);

		if (order == 0)
			return &pools->pools[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

size_t kube_pools_node(const struct kube_pools *pools, const char *name)
{
	for (size_t low = 0, high = pools->node_n; low < high;) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(pools->nodes[middle], name);

		if (order == 0)
			return middle;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return SIZE_MAX;
}
