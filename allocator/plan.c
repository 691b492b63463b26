/* SPDX-License-Identifier: Apache-2.0 */
/* From pools as configured to segments: which pools an address belongs to, found in O(log n). */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "allocator/internal.h"

/* Neighbouring CIDRs of a pool's list in one; a range of addresses is cut into CIDRs and grows together again here. */
struct stretch {
	u128 first;
	u128 last;
	uint8_t family;
	uint32_t pool;
};

/* What plan_make works with. */
struct draft {
	const struct alloc_pool **by_name;
	struct stretch *stretches; /* pool by pool, each in its order */
	size_t stretch_n;
	u128 *cuts[FAMILY_N]; /* where a segment may start, ascending */
	size_t cut_n[FAMILY_N];
	uint32_t *segment_of[FAMILY_N]; /* by cut; NONE: in no pool */
};

/* --- copies --------------------------------------------------------------------------------------------------------------- */

static void selector_free(struct label_selector *selector)
{
	for (size_t i = 0; i < selector->requirement_n; i++) {
		struct label_requirement *requirement = &selector->requirements[i];

		for (size_t j = 0; j < requirement->value_n && requirement->values != NULL; j++)
			store_free(requirement->values[j]);
		store_free(requirement->values);
		store_free(requirement->key);
	}
	store_free(selector->requirements);
}

static bool requirement_copy(const struct label_requirement *from, struct label_requirement *to)
{
	to->operator= from->operator;
	to->key = store_text(from->key);
	to->values = store_new(from->value_n, sizeof(*to->values));
	if (to->key == NULL || to->values == NULL)
		return false;
	for (size_t i = 0; i < from->value_n; i++) {
		to->value_n = i + 1;
		to->values[i] = store_text(from->values[i]);
		if (to->values[i] == NULL)
			return false;
	}
	return true;
}

static bool selector_copy(const struct label_selector *from, struct label_selector *to)
{
	to->requirements = store_new(from->requirement_n, sizeof(*to->requirements));
	if (to->requirements == NULL)
		return false;
	for (size_t i = 0; i < from->requirement_n; i++) {
		to->requirement_n = i + 1;
		if (!requirement_copy(&from->requirements[i], &to->requirements[i]))
			return false;
	}
	return true;
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Rules and flags. False: no memory; pool_free copes with what there is. */
static bool pool_copy(const struct alloc_pool *from, struct pool *to)
{
	to->auto_assign = from->auto_assign;
	to->avoid = from->avoid_buggy_ips;
	to->pinned = from->pinned;
	to->has_namespaces = from->pinned && from->has_namespaces;
	to->priority = from->pinned ? from->priority : 0;
	to->full[0] = NONE;
	to->full[1] = NONE;
	to->name = store_text(from->name);
	to->namespaces = store_new(from->namespace_n, sizeof(*to->namespaces));
	to->selectors = store_new(from->selector_n, sizeof(*to->selectors));
	if (to->name == NULL || to->namespaces == NULL || to->selectors == NULL)
		return false;
	for (size_t i = 0; from->pinned && i < from->namespace_n; i++) {
		to->namespace_n = i + 1;
		to->namespaces[i] = store_text(from->namespaces[i]);
		if (to->namespaces[i] == NULL)
			return false;
	}
	for (size_t i = 0; from->pinned && i < from->selector_n; i++) {
		to->selector_n = i + 1;
		if (!selector_copy(&from->selectors[i], &to->selectors[i]))
			return false;
	}
	qsort(to->namespaces, to->namespace_n, sizeof(*to->namespaces), compare_texts);
	for (size_t i = 0; i < from->cidr_n; i++) {
		int64_t n = alloc_cidr_capacity(from->cidrs[i], from->avoid_buggy_ips);
		int64_t *sum = &to->capacity[family_index(from->cidrs[i].ip.family)];

		*sum = n > INT64_MAX - *sum ? INT64_MAX : *sum + n;
	}
	return true;
}

static void pool_free(struct pool *pool)
{
	for (size_t i = 0; i < pool->namespace_n; i++)
		store_free(pool->namespaces[i]);
	for (size_t i = 0; i < pool->selector_n; i++)
		selector_free(&pool->selectors[i]);
	store_free(pool->namespaces);
	store_free(pool->selectors);
	store_free(pool->segments[0]);
	store_free(pool->segments[1]);
	store_free(pool->name);
}

void plan_free(struct plan *plan)
{
	for (size_t i = 0; i < plan->pool_n; i++)
		pool_free(&plan->pools[i]);
	store_free(plan->pools);
	store_free(plan->segments);
	store_free(plan->covers);
	store_free(plan->pinned);
	store_free(plan->open);
	*plan = (struct plan){ 0 };
}

/* --- cutting up ------------------------------------------------------------------------------------------------------------ */

static int compare_names(const void *a, const void *b)
{
	const struct alloc_pool *const *pool_a = a;
	const struct alloc_pool *const *pool_b = b;

	return strcmp((*pool_a)->name, (*pool_b)->name);
}

static bool cidr_is_good(struct subnet cidr)
{
	return (cidr.ip.family == IP_V4 || cidr.ip.family == IP_V6) && cidr.prefix_len <= ip_bits(cidr.ip);
}

static int draft_stretches(struct draft *draft, size_t pool_n)
{
	for (size_t i = 0; i < pool_n; i++) {
		const struct alloc_pool *pool = draft->by_name[i];
		size_t from = draft->stretch_n;

		if (pool->name[0] == '\0' || (i > 0 && strcmp(draft->by_name[i - 1]->name, pool->name) == 0))
			return -EINVAL;
		for (size_t j = 0; j < pool->cidr_n; j++) {
			struct subnet cidr = pool->cidrs[j];
			struct stretch *before =
				draft->stretch_n > from ? &draft->stretches[draft->stretch_n - 1] : NULL;

			if (!cidr_is_good(cidr))
				return -EINVAL;
			if (before != NULL && before->family == cidr.ip.family && before->last != U128_MAX &&
			    before->last + 1 == number_first(cidr))
				before->last = number_last(cidr);
			else
				draft->stretches[draft->stretch_n++] =
					(struct stretch){ number_first(cidr), number_last(cidr), cidr.ip.family,
							  (uint32_t)i };
		}
	}
	return 0;
}

static int compare_stretches(const void *a, const void *b)
{
	const struct stretch *stretch_a = a;
	const struct stretch *stretch_b = b;

	if (stretch_a->pool != stretch_b->pool)
		return stretch_a->pool < stretch_b->pool ? -1 : 1;
	if (stretch_a->family != stretch_b->family)
		return stretch_a->family < stretch_b->family ? -1 : 1;
	return stretch_a->first < stretch_b->first ? -1 : stretch_a->first > stretch_b->first;
}

/* Does a pool overlap itself? -ENOMEM, -EINVAL or 0. */
static int draft_overlaps(const struct draft *draft)
{
	struct stretch *sorted = store_new(draft->stretch_n, sizeof(*sorted));
	int r = 0;

	if (sorted == NULL)
		return -ENOMEM;
	memcpy(sorted, draft->stretches, draft->stretch_n * sizeof(*sorted));
	qsort(sorted, draft->stretch_n, sizeof(*sorted), compare_stretches);
	for (size_t i = 1; i < draft->stretch_n; i++) {
		const struct stretch *a = &sorted[i - 1];
		const struct stretch *b = &sorted[i];

		if (a->pool == b->pool && a->family == b->family && b->first <= a->last)
			r = -EINVAL;
	}
	store_free(sorted);
	return r;
}

static int compare_numbers(const void *a, const void *b)
{
	u128 x = *(const u128 *)a;
	u128 y = *(const u128 *)b;

	return x < y ? -1 : x > y;
}

/* The index of the last cut at or before a number that is in some stretch. */
static size_t cut_at(const struct draft *draft, size_t family, u128 number)
{
	size_t low = 0;
	size_t high = draft->cut_n[family];

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (draft->cuts[family][middle] <= number)
			low = middle;
		else
			high = middle;
	}
	return low;
}

static bool draft_cuts(struct draft *draft, size_t family)
{
	u128 *cuts = store_new(2 * draft->stretch_n, sizeof(*cuts));
	size_t n = 0;
	size_t kept = 0;

	draft->cuts[family] = cuts;
	draft->segment_of[family] = store_new(2 * draft->stretch_n, sizeof(*draft->segment_of[family]));
	if (cuts == NULL || draft->segment_of[family] == NULL)
		return false;
	for (size_t i = 0; i < draft->stretch_n; i++) {
		if (family_index(draft->stretches[i].family) != family)
			continue;
		cuts[n++] = draft->stretches[i].first;
		if (draft->stretches[i].last != U128_MAX)
			cuts[n++] = draft->stretches[i].last + 1;
	}
	qsort(cuts, n, sizeof(*cuts), compare_numbers);
	for (size_t i = 0; i < n; i++) {
		if (kept == 0 || cuts[kept - 1] != cuts[i])
			cuts[kept++] = cuts[i];
	}
	draft->cut_n[family] = kept;
	memset(draft->segment_of[family], 0xff, kept * sizeof(*draft->segment_of[family]));
	return true;
}

/* One past the last cut of a stretch. */
static size_t cut_end(const struct draft *draft, const struct stretch *stretch)
{
	return cut_at(draft, family_index(stretch->family), stretch->last) + 1;
}

/* Count the pieces of each pool and of each segment. */
static size_t count_pieces(struct draft *draft, struct plan *plan)
{
	size_t piece_n = 0;

	for (size_t i = 0; i < draft->stretch_n; i++) {
		const struct stretch *stretch = &draft->stretches[i];
		size_t family = family_index(stretch->family);

		for (size_t j = cut_at(draft, family, stretch->first); j < cut_end(draft, stretch); j++) {
			draft->segment_of[family][j] = 0;
			plan->pools[stretch->pool].segment_n[family]++;
			piece_n++;
		}
	}
	return piece_n;
}

static void make_segments(struct draft *draft, struct plan *plan)
{
	uint32_t n = 0;

	for (size_t family = 0; family < FAMILY_N; family++) {
		for (size_t i = 0; i < draft->cut_n[family]; i++) {
			u128 top = family == 0 ? UINT32_MAX : U128_MAX;

			if (draft->segment_of[family][i] == NONE)
				continue;
			if (i + 1 < draft->cut_n[family])
				top = draft->cuts[family][i + 1] - 1;
			plan->segments[n] = (struct segment){ .first = draft->cuts[family][i],
							      .last = top,
							      .family = family == 0 ? IP_V4 : IP_V6,
							      .compact = family == 0,
							      .used = NONE };
			draft->segment_of[family][i] = n++;
			plan->segment_n[family]++;
		}
	}
}

/* Tell pools their segments, and segments their pools. */
static void make_covers(const struct draft *draft, struct plan *plan)
{
	size_t segment_n = plan->segment_n[0] + plan->segment_n[1];
	uint32_t at = 0;

	for (size_t i = 0; i < plan->pool_n; i++)
		plan->pools[i].segment_n[0] = plan->pools[i].segment_n[1] = 0;
	for (size_t i = 0; i < draft->stretch_n; i++) {
		const struct stretch *stretch = &draft->stretches[i];
		size_t family = family_index(stretch->family);
		struct pool *pool = &plan->pools[stretch->pool];

		for (size_t j = cut_at(draft, family, stretch->first); j < cut_end(draft, stretch); j++) {
			struct segment *segment = &plan->segments[draft->segment_of[family][j]];

			pool->segments[family][pool->segment_n[family]++] = draft->segment_of[family][j];
			segment->cover_n++;
			segment->compact = segment->compact && pool->avoid;
		}
	}
	for (size_t i = 0; i < segment_n; i++) {
		plan->segments[i].cover_first = at;
		at += plan->segments[i].cover_n;
		plan->segments[i].cover_n = 0;
	}
	for (uint32_t i = 0; i < plan->pool_n; i++) {
		for (size_t family = 0; family < FAMILY_N; family++) {
			for (uint32_t seq = 0; seq < plan->pools[i].segment_n[family]; seq++) {
				struct segment *segment = &plan->segments[plan->pools[i].segments[family][seq]];

				plan->covers[segment->cover_first + segment->cover_n++] = (struct cover){ i, seq };
			}
		}
	}
}

static void number_segments(struct plan *plan)
{
	for (size_t i = 0; i < plan->segment_n[0] + plan->segment_n[1]; i++) {
		struct segment *segment = &plan->segments[i];

		segment->top = segment->last - segment->first;
		if (segment->compact) {
			uint64_t n = number_rank(segment->last + 1) - number_rank(segment->first);

			segment->empty = n == 0;
			segment->top = n - !segment->empty;
		}
	}
}

static int by_priority(const struct pool *a, const struct pool *b)
{
	if ((a->priority == 0) != (b->priority == 0))
		return a->priority == 0 ? 1 : -1;
	return a->priority < b->priority ? -1 : a->priority > b->priority;
}

/* Pools that serve whoever names none, in the order in which they are tried. Few, so an insertion sort, which is stable. */
static void make_order(struct plan *plan)
{
	for (uint32_t i = 0; i < plan->pool_n; i++) {
		const struct pool *pool = &plan->pools[i];
		size_t at;

		if (!pool->auto_assign)
			continue;
		if (!pool->pinned) {
			plan->open[plan->open_n++] = i;
			continue;
		}
		for (at = plan->pinned_n++; at > 0 && by_priority(pool, &plan->pools[plan->pinned[at - 1]]) < 0; at--)
			plan->pinned[at] = plan->pinned[at - 1];
		plan->pinned[at] = i;
	}
}

static int plan_fill(struct draft *draft, struct plan *plan)
{
	size_t piece_n;

	for (size_t i = 0; i < plan->pool_n; i++) {
		if (!pool_copy(draft->by_name[i], &plan->pools[i]))
			return -ENOMEM;
	}
	if (!draft_cuts(draft, 0) || !draft_cuts(draft, 1))
		return -ENOMEM;
	piece_n = count_pieces(draft, plan);
	plan->cover_n = piece_n;
	plan->segments = store_new(piece_n, sizeof(*plan->segments));
	plan->covers = store_new(piece_n, sizeof(*plan->covers));
	plan->pinned = store_new(plan->pool_n, sizeof(*plan->pinned));
	plan->open = store_new(plan->pool_n, sizeof(*plan->open));
	if (plan->segments == NULL || plan->covers == NULL || plan->pinned == NULL || plan->open == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < plan->pool_n; i++) {
		for (size_t family = 0; family < FAMILY_N; family++) {
			struct pool *pool = &plan->pools[i];

			pool->segments[family] = store_new(pool->segment_n[family], sizeof(*pool->segments[family]));
			if (pool->segments[family] == NULL)
				return -ENOMEM;
		}
	}
	make_segments(draft, plan);
	make_covers(draft, plan);
	number_segments(plan);
	make_order(plan);
	return 0;
}

int plan_make(const struct alloc_pool *pools, size_t pool_n, struct plan *ret)
{
	struct draft draft = { 0 };
	size_t cidr_n = 0;
	int r = -ENOMEM;

	*ret = (struct plan){ .pool_n = pool_n };
	for (size_t i = 0; i < pool_n; i++)
		cidr_n += pools[i].cidr_n;
	ret->pools = store_new(pool_n, sizeof(*ret->pools));
	draft.by_name = store_new(pool_n, sizeof(struct alloc_pool *));
	draft.stretches = store_new(cidr_n, sizeof(*draft.stretches));
	if (ret->pools == NULL)
		ret->pool_n = 0;
	if (ret->pools == NULL || draft.by_name == NULL || draft.stretches == NULL)
		goto out;
	for (size_t i = 0; i < pool_n; i++)
		draft.by_name[i] = &pools[i];
	qsort(draft.by_name, pool_n, sizeof(struct alloc_pool *), compare_names);
	r = draft_stretches(&draft, pool_n);
	if (r == 0)
		r = draft_overlaps(&draft);
	if (r == 0)
		r = plan_fill(&draft, ret);
out:
	if (r != 0)
		plan_free(ret);
	store_free(draft.by_name);
	store_free(draft.stretches);
	for (size_t family = 0; family < FAMILY_N; family++) {
		store_free(draft.cuts[family]);
		store_free(draft.segment_of[family]);
	}
	return r;
}

/* --- questions ------------------------------------------------------------------------------------------------------------- */

struct segment *plan_segment(const struct plan *plan, struct ip ip)
{
	size_t family = family_index(ip.family);
	struct segment *segments = plan->segments + (family == 0 ? 0 : plan->segment_n[0]);
	size_t low = 0;
	size_t high = plan->segment_n[family];
	u128 number = number_of(ip);

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (segments[middle].last < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low < plan->segment_n[family] && segments[low].first <= number ? &segments[low] : NULL;
}

bool plan_owns(const struct plan *plan, uint32_t pool, struct ip ip)
{
	const struct segment *segment = plan_segment(plan, ip);

	if (segment == NULL || (plan->pools[pool].avoid && ip.family == IP_V4 && number_is_buggy(number_of(ip))))
		return false;
	for (uint32_t i = 0; i < segment->cover_n; i++) {
		if (plan->covers[segment->cover_first + i].pool == pool)
			return true;
	}
	return false;
}

uint32_t plan_named(const struct plan *plan, const char *name)
{
	size_t low = 0;
	size_t high = plan->pool_n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(plan->pools[middle].name, name);

		if (order == 0)
			return (uint32_t)middle;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NONE;
}

static bool owns_all(const struct plan *plan, uint32_t pool, const struct ip *addresses, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!plan_owns(plan, pool, addresses[i]))
			return false;
	}
	return true;
}

uint32_t plan_pool_of(const struct plan *plan, const struct ip *addresses, size_t n)
{
	const struct segment *segment = n > 0 && ip_len(addresses[0]) > 0 ? plan_segment(plan, addresses[0]) : NULL;

	/* covers are in the order of pools, which is that of their names */
	for (uint32_t i = 0; segment != NULL && i < segment->cover_n; i++) {
		uint32_t pool = plan->covers[segment->cover_first + i].pool;

		if (owns_all(plan, pool, addresses, n))
			return pool;
	}
	return NONE;
}

bool plan_admits(const struct plan *plan, uint32_t pool, const struct alloc_request *request)
{
	const struct pool *p = &plan->pools[pool];
	const char *namespace = request->namespace != NULL ? request->namespace : "";

	if (p->has_namespaces &&
	    bsearch(&namespace, p->namespaces, p->namespace_n, sizeof(*p->namespaces), compare_texts) == NULL)
		return false;
	return label_selectors_match_pairs(p->selectors, p->selector_n, request->labels, request->label_n);
}

u128 segment_number(const struct segment *segment, struct ip ip)
{
	u128 number = number_of(ip);

	return segment->compact ? number_rank(number) - number_rank(segment->first) : number - segment->first;
}

struct ip segment_ip(const struct segment *segment, u128 number)
{
	if (segment->compact)
		return number_ip(number_unrank(number_rank(segment->first) + (uint64_t)number), IP_V4);
	return number_ip(segment->first + number, segment->family);
}

bool segment_is_full(const struct segment *segment)
{
	return segment->empty || (segment->used_n > 0 && (u128)segment->used_n - 1 == segment->top);
}
