/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first address of a pool that a service can have: the first that is free, or one before it that is shared under the same keys and
 * has all of the service's ports left.
 */
#include "allocator/internal.h"

/* An address as a pool orders them. */
struct spot {
	uint32_t seq;
	struct ip ip;
};

/* The first free address of the seq-th segment. A pool without buggy addresses may overlap one with them, and has to step over those. */
static bool free_in(const struct allocator *a, const struct pool *pool, const struct segment *segment, struct ip *ret)
{
	u128 number = 0;

	for (;; number++) {
		if (!ranges_gap(&a->forest, segment->used, number, &number) || number > segment->top)
			return false;
		*ret = segment_ip(segment, number);
		if (segment->compact || !pool->avoid || segment->family != IP_V4 || !number_is_buggy(number_of(*ret)))
			return true;
		if (number == segment->top)
			return false;
	}
}

static bool pick_free(const struct allocator *a, uint32_t pool, size_t family, struct spot *ret)
{
	const struct pool *p = &a->plan.pools[pool];
	u128 seq;

	for (seq = 0; ranges_gap(&a->forest, p->full[family], seq, &seq) && seq < p->segment_n[family]; seq++) {
		ret->seq = (uint32_t)seq;
		if (free_in(a, p, &a->plan.segments[p->segments[family][seq]], &ret->ip))
			return true;
	}
	return false;
}

/*
 * From a place on that is in both sets: the first place that is in `all` and not in its sub-set `part`. Up to there the i-th of the one
 * is the i-th of the other, and nowhere behind it: a binary search.
 */
static uint32_t first_missing(const struct forest *forest, uint32_t all, uint32_t part, struct tree_key from)
{
	uint32_t all_rank = tree_rank(forest, all, from);
	uint32_t part_rank = tree_rank(forest, part, from);
	uint32_t low = 0; /* so many places from `from` on are in both */
	uint32_t high = tree_size(forest, part) - part_rank;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		struct tree_key a = forest->nodes[tree_select(forest, all, all_rank + middle)].key;
		struct tree_key b = forest->nodes[tree_select(forest, part, part_rank + middle)].key;

		if (tree_key_compare(a, b) == 0)
			low = middle + 1;
		else
			high = middle;
	}
	return tree_select(forest, all, all_rank + low);
}

/* The set of one port's users that has this place; NONE: the port is free there. */
static uint32_t taken_by(const struct allocator *a, uint32_t group, size_t family, const struct alloc_request *request,
			 struct tree_key place)
{
	for (size_t i = 0; i < request->port_n; i++) {
		uint32_t index = port_set_find(a, group, request->ports[i]);

		if (index != NONE && tree_find(&a->forest, port_set_at(a, index)->users[family], place) != NONE)
			return port_set_at(a, index)->users[family];
	}
	return NONE;
}

static bool pick_shared(const struct allocator *a, uint32_t pool, size_t family, const struct alloc_request *request,
			struct spot *ret)
{
	uint32_t group = group_find(a, request);
	uint32_t all = group == NONE ? NONE : group_at(a, group)->uses[family];
	uint32_t at = tree_ceil(&a->forest, all, place_of(pool, 0, 0));

	while (at != NONE && a->forest.nodes[at].key.place >> 32 == pool) {
		struct tree_key place = a->forest.nodes[at].key;
		uint32_t part = taken_by(a, group, family, request, place);

		if (part == NONE) {
			ret->seq = (uint32_t)place.place;
			ret->ip = use_at(a, a->forest.nodes[at].value)->ip;
			return true;
		}
		at = first_missing(&a->forest, all, part, place);
	}
	return false;
}

bool pick_address(const struct allocator *a, uint32_t pool, size_t family, const struct alloc_request *request,
		  struct ip *ret)
{
	struct spot shared = { 0 };
	struct spot unused = { 0 };
	bool has_shared = pick_shared(a, pool, family, request, &shared);
	bool has_unused = pick_free(a, pool, family, &unused);

	if (has_shared && has_unused)
		has_shared = shared.seq != unused.seq ? shared.seq < unused.seq : ip_compare(shared.ip, unused.ip) < 0;
	*ret = has_shared ? shared.ip : unused.ip;
	return has_shared || has_unused;
}
