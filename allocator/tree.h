/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Balanced trees in one array: treaps (Seidel and Aragon 1996) with the number of nodes below each, so that the i-th can be found. Many
 * trees, each known by its root, share the array. Expected cost of every operation is O(log n). Priorities come from a counter through
 * a mixer: deterministic, and not for users to choose. Pure.
 */
#ifndef MLB_ALLOCATOR_TREE_H
#define MLB_ALLOCATOR_TREE_H

#include "allocator/number.h"
#include "allocator/store.h"

/* Ordered by place, then number. */
struct tree_key {
	uint64_t place;
	u128 number;
};

struct tree_node {
	struct tree_key key;
	u128 last;	/* for intervals */
	uint32_t value; /* for the others */
	uint32_t left;
	uint32_t right;
	uint32_t size; /* of the subtree, this one included */
	uint32_t priority;
};

struct forest {
	struct tree_node *nodes; /* owned; moves when it grows */
	uint32_t node_max;
	uint32_t node_n; /* ever used */
	uint32_t live_n;
	uint32_t free;
	uint64_t counter;
};

void forest_init(struct forest *forest);
void forest_free(struct forest *forest);
/* Make room for n nodes in all. False: no memory. */
bool forest_reserve(struct forest *forest, size_t n);

/* *root NONE: an empty tree. The key must not be there; there must be room. Returns the node. */
uint32_t tree_insert(struct forest *forest, uint32_t *root, struct tree_key key);
/* The key must be there. */
void tree_remove(struct forest *forest, uint32_t *root, struct tree_key key);
/* The last node at or before, the first at or after the key; NONE: there is none. */
uint32_t tree_floor(const struct forest *forest, uint32_t root, struct tree_key key);
uint32_t tree_ceil(const struct forest *forest, uint32_t root, struct tree_key key);
uint32_t tree_find(const struct forest *forest, uint32_t root, struct tree_key key);
/* How many are before the key; and the index-th. */
uint32_t tree_rank(const struct forest *forest, uint32_t root, struct tree_key key);
uint32_t tree_select(const struct forest *forest, uint32_t root, uint32_t index);
uint32_t tree_size(const struct forest *forest, uint32_t root);
int tree_key_compare(struct tree_key a, struct tree_key b);

/*
 * Sets of numbers as intervals that never touch: a tree of them by their first numbers. The number of nodes is that of the gaps.
 */
/* The smallest number from `from` on that is not in the set. False: all up to U128_MAX are. */
bool ranges_gap(const struct forest *forest, uint32_t root, u128 from, u128 *ret);
bool ranges_contain(const struct forest *forest, uint32_t root, u128 number);
/* The number must not be in the set; room for one node. */
void ranges_add(struct forest *forest, uint32_t *root, u128 number);
/* The number must be in the set; room for one node. */
void ranges_remove(struct forest *forest, uint32_t *root, u128 number);

#endif
