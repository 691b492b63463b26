/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the pools and advertisements of a cluster mean together with its nodes and namespaces: the configuration, taken as a whole or
 * refused as a whole. Pure.
 */
#ifndef MLB_KUBE_POOLS_H
#define MLB_KUBE_POOLS_H

#include "kube/arena.h"
#include "kube/decode.h"
#include "kube/model.h"

/* A set of nodes, by their index in kube_pools.nodes. */
#define NODE_SET_WORDS(n) (((n) + 63) / 64)
static inline bool node_set_has(const uint64_t *set, size_t index)
{
	return (set[index / 64] >> (index % 64) & 1) != 0;
}
static inline void node_set_put(uint64_t *set, size_t index)
{
	set[index / 64] |= (uint64_t)1 << (index % 64);
}

/* How the addresses of a pool are announced. */
struct kube_ad {
	const char *name;      /* of the L2Advertisement */
	const uint64_t *nodes; /* a set: who may */
	const char *const *interfaces;
	size_t interface_n;			/* 0: all */
	const struct label_selector *selectors; /* of services: any must match; none: all do */
	size_t selector_n;
	const uint32_t *scores; /* by node: 0: not preferred; NULL: it has no preferences */
};

struct kube_pool_rules {
	const struct alloc_pool *alloc; /* in kube_pools.allocs */
	const struct kube_ad *const *ads;
	size_t ad_n;
};

struct kube_pools {
	struct arena arena;		     /* all of it */
	const struct alloc_pool *allocs;     /* by name, for the allocator */
	const struct kube_pool_rules *pools; /* in the same order */
	size_t pool_n;
	const char *const *nodes; /* sorted */
	size_t node_n;
};

/* Objects as they are now; borrowed for the call, in any order. */
struct kube_objects {
	const struct kube_pool *const *pools;
	size_t pool_n;
	const struct kube_advert *const *adverts;
	size_t advert_n;
	const struct kube_namespace *const *namespaces;
	size_t namespace_n;
	const struct kube_node *const *nodes;
	size_t node_n;
};

/* What is wrong, object by object. */
#define KUBE_REFUSAL_MAX 16
struct kube_refusal {
	const char *kind;
	char name[254];
	char text[KUBE_ERROR_MAX];
};
struct kube_refusals {
	size_t n; /* also beyond KUBE_REFUSAL_MAX */
	struct kube_refusal items[KUBE_REFUSAL_MAX];
};

/*
 * 0 and the configuration, which copies everything and is freed by kube_pools_free; -EINVAL: refused, *refusals says why; -ENOMEM. On
 * failure *ret is untouched.
 */
int kube_pools_make(const struct kube_objects *objects, struct kube_pools **ret, struct kube_refusals *refusals);
void kube_pools_free(struct kube_pools *pools);
/* By name; NULL: there is none. */
const struct kube_pool_rules *kube_pools_find(const struct kube_pools *pools, const char *name);
/* Index of a node; SIZE_MAX: not known. */
size_t kube_pools_node(const struct kube_pools *pools, const char *name);
__attribute__((format(printf, 4, 5))) void kube_refuse(struct kube_refusals *refusals, const char *kind,
						       const char *name, const char *format, ...);

/* --- advert.c: advertisements, for kube_pools_make --- */
/* Does the advertisement reach the pool? By name, by labels, or because it names none. */
bool kube_advert_reaches(const struct kube_advert *advert, const struct kube_pool *pool);
/* Sum of the weights whose preferences match each node of the set; scores has one entry for each of node_n nodes. */
void kube_advert_scores(const struct kube_preference *preferences, size_t preference_n,
			const struct kube_node *const *nodes, size_t node_n, const uint64_t *set, uint32_t *scores);
/* Check one; false: refused. */
bool kube_advert_check(const struct kube_advert *advert, struct arena *arena, struct kube_refusals *refusals);
/* Its rules against the nodes, which are sorted by name. NULL: no memory. */
struct kube_ad *kube_advert_apply(const struct kube_advert *advert, const struct kube_node *const *nodes, size_t node_n,
				  struct arena *arena);
/*
 * For each of the advertisements, some of which may be NULL, the first that says the same: to a pool they are one. One with preferences
 * is like no other, since scores add up. False: no memory.
 */
bool kube_ads_classify(struct kube_ad *const *ads, size_t n, size_t node_n, struct arena *arena, size_t *firsts);
/* A deep copy. False: no memory. */
bool kube_selectors_copy(struct arena *arena, const struct label_selector *from, size_t n,
			 const struct label_selector **ret);
/* A selector that is in the list twice, as text; NULL: none. -ENOMEM: *failed. */
const char *kube_selectors_repeated(struct arena *arena, const struct label_selector *selectors, size_t n,
				    bool *failed);

#endif
