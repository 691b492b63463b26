/* SPDX-License-Identifier: Apache-2.0 */
#include "allocator/tree.h"

#include <assert.h>
#include <string.h>

#include "base/rng.h"

#define FIRST_LEN 64

void forest_init(struct forest *forest)
{
	*forest = (struct forest){ .free = NONE };
}

void forest_free(struct forest *forest)
{
	store_free(forest->nodes);
	forest_init(forest);
}

bool forest_reserve(struct forest *forest, size_t n)
{
	size_t len = forest->node_max == 0 ? FIRST_LEN : forest->node_max;
	struct tree_node *nodes;

	if (n <= forest->node_max)
		return true;
	while (len < n)
		len *= 2;
	nodes = len > NONE / 2 ? NULL : store_new(len, sizeof(*nodes));
	if (nodes == NULL)
		return false;
	if (forest->node_n > 0)
		memcpy(nodes, forest->nodes, forest->node_n * sizeof(*nodes));
	store_free(forest->nodes);
	forest->nodes = nodes;
	forest->node_max = (uint32_t)len;
	return true;
}

static struct tree_node *node_at(const struct forest *forest, uint32_t index)
{
	return &forest->nodes[index];
}

int tree_key_compare(struct tree_key a, struct tree_key b)
{
	if (a.place != b.place)
		return a.place < b.place ? -1 : 1;
	return a.number < b.number ? -1 : a.number > b.number;
}

uint32_t tree_size(const struct forest *forest, uint32_t root)
{
	return root == NONE ? 0 : node_at(forest, root)->size;
}

static void count(struct forest *forest, uint32_t index)
{
	struct tree_node *node = node_at(forest, index);

	node->size = tree_size(forest, node->left) + tree_size(forest, node->right) + 1;
}

static uint32_t node_take(struct forest *forest, struct tree_key key)
{
	uint32_t index = forest->free;

	if (index != NONE) {
		forest->free = node_at(forest, index)->left;
	} else {
		assert(forest->node_n < forest->node_max);
		index = forest->node_n++;
	}
	forest->live_n++;
	*node_at(forest, index) = (struct tree_node){ .key = key,
						      .last = key.number,
						      .left = NONE,
						      .right = NONE,
						      .size = 1,
						      .priority = (uint32_t)hash_mix(++forest->counter) };
	return index;
}

/* Cut a tree into what is before the key and what is after. As deep as the tree, which is O(log n). */
static void split(struct forest *forest, uint32_t root, struct tree_key key, uint32_t *before, uint32_t *after)
{
	struct tree_node *node;

	if (root == NONE) {
		*before = NONE;
		*after = NONE;
		return;
	}
	node = node_at(forest, root);
	if (tree_key_compare(node->key, key) < 0) {
		*before = root;
		split(forest, node->right, key, &node->right, after);
	} else {
		*after = root;
		split(forest, node->left, key, before, &node->left);
	}
	count(forest, root);
}

/* All of `before` is before all of `after`. */
static uint32_t join(struct forest *forest, uint32_t before, uint32_t after)
{
	if (before == NONE)
		return after;
	if (after == NONE)
		return before;
	if (node_at(forest, before)->priority > node_at(forest, after)->priority) {
		node_at(forest, before)->right = join(forest, node_at(forest, before)->right, after);
		count(forest, before);
		return before;
	}
	node_at(forest, after)->left = join(forest, before, node_at(forest, after)->left);
	count(forest, after);
	return after;
}

uint32_t tree_insert(struct forest *forest, uint32_t *root, struct tree_key key)
{
	uint32_t index = node_take(forest, key);
	struct tree_node *node = node_at(forest, index);
	uint32_t *at = root;

	while (*at != NONE && node_at(forest, *at)->priority >= node->priority) {
		struct tree_node *above = node_at(forest, *at);

		above->size++;
		at = tree_key_compare(key, above->key) < 0 ? &above->left : &above->right;
	}
	split(forest, *at, key, &node->left, &node->right);
	*at = index;
	count(forest, index);
	return index;
}

void tree_remove(struct forest *forest, uint32_t *root, struct tree_key key)
{
	uint32_t *at = root;
	uint32_t index;
	int order;

	while ((order = tree_key_compare(key, node_at(forest, *at)->key)) != 0) {
		struct tree_node *above = node_at(forest, *at);

		above->size--;
		at = order < 0 ? &above->left : &above->right;
		assert(*at != NONE);
	}
	index = *at;
	*at = join(forest, node_at(forest, index)->left, node_at(forest, index)->right);
	node_at(forest, index)->left = forest->free;
	forest->free = index;
	forest->live_n--;
}

uint32_t tree_floor(const struct forest *forest, uint32_t root, struct tree_key key)
{
	uint32_t best = NONE;

	while (root != NONE) {
		const struct tree_node *node = node_at(forest, root);

		if (tree_key_compare(node->key, key) <= 0) {
			best = root;
			root = node->right;
		} else {
			root = node->left;
		}
	}
	return best;
}

uint32_t tree_ceil(const struct forest *forest, uint32_t root, struct tree_key key)
{
	uint32_t best = NONE;

	while (root != NONE) {
		const struct tree_node *node = node_at(forest, root);

		if (tree_key_compare(node->key, key) >= 0) {
			best = root;
			root = node->left;
		} else {
			root = node->right;
		}
	}
	return best;
}

uint32_t tree_find(const struct forest *forest, uint32_t root, struct tree_key key)
{
	uint32_t index = tree_floor(forest, root, key);

	return index != NONE && tree_key_compare(node_at(forest, index)->key, key) == 0 ? index : NONE;
}

uint32_t tree_rank(const struct forest *forest, uint32_t root, struct tree_key key)
{
	uint32_t rank = 0;

	while (root != NONE) {
		const struct tree_node *node = node_at(forest, root);

		if (tree_key_compare(node->key, key) < 0) {
			rank += tree_size(forest, node->left) + 1;
			root = node->right;
		} else {
			root = node->left;
		}
	}
	return rank;
}

uint32_t tree_select(const struct forest *forest, uint32_t root, uint32_t index)
{
	while (root != NONE) {
		const struct tree_node *node = node_at(forest, root);
		uint32_t before = tree_size(forest, node->left);

		if (index == before)
			return root;
		root = index < before ? node->left : node->right;
		index -= index < before ? 0 : before + 1;
	}
	return NONE;
}

/* --- intervals ----------------------------------------------------------------------------------------------------------- */

static struct tree_key key_of(u128 number)
{
	return (struct tree_key){ .number = number };
}

bool ranges_gap(const struct forest *forest, uint32_t root, u128 from, u128 *ret)
{
	uint32_t index = tree_floor(forest, root, key_of(from));

	*ret = from;
	if (index == NONE || node_at(forest, index)->last < from)
		return true;
	if (node_at(forest, index)->last == U128_MAX)
		return false;
	*ret = node_at(forest, index)->last + 1; /* intervals never touch */
	return true;
}

bool ranges_contain(const struct forest *forest, uint32_t root, u128 number)
{
	uint32_t index = tree_floor(forest, root, key_of(number));

	return index != NONE && node_at(forest, index)->last >= number;
}

void ranges_add(struct forest *forest, uint32_t *root, u128 number)
{
	uint32_t before = tree_floor(forest, *root, key_of(number));
	uint32_t after = number == U128_MAX ? NONE : tree_find(forest, *root, key_of(number + 1));

	assert(before == NONE || node_at(forest, before)->last < number);
	if (before != NONE && node_at(forest, before)->last + 1 == number) {
		u128 last = after == NONE ? number : node_at(forest, after)->last;

		node_at(forest, before)->last = last;
		if (after != NONE)
			tree_remove(forest, root, key_of(number + 1));
	} else if (after != NONE) {
		node_at(forest, after)->key.number = number; /* the order stays */
	} else {
		(void)tree_insert(forest, root, key_of(number));
	}
}

void ranges_remove(struct forest *forest, uint32_t *root, u128 number)
{
	uint32_t index = tree_floor(forest, *root, key_of(number));
	struct tree_node *node = node_at(forest, index);
	u128 last;

	assert(index != NONE && node->last >= number);
	last = node->last;
	if (node->key.number == number && last == number) {
		tree_remove(forest, root, key_of(number));
	} else if (node->key.number == number) {
		node->key.number = number + 1; /* the order stays */
	} else {
		node->last = number - 1;
		if (last > number)
			node_at(forest, tree_insert(forest, root, key_of(number + 1)))->last = last;
	}
}
