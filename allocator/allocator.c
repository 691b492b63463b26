/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The allocator: which address a service gets from which pool.
 *
 * The rules are those that users of MetalLB know, with what docs/adr/0011-metallb-rules.md lists changed; where MetalLB leaves an order
 * open, names decide here. Two users drive it: the Kubernetes controller, with services, namespaces and labels of the API, and services of a
 * configuration file that name a pool. It knows neither; a service is a name.
 *
 *   pool      what people configure: CIDRs in an order, and who may use them
 *   segment   a stretch of addresses that belongs to the same pools throughout (plan.c). Pools that do not overlap, which is what
 *             configuration lets through, have their own; where they do overlap they share, so an address is never free twice
 *   use       an address that somebody holds
 *   holding   a service and what it holds: one address, or one of each family, all from one pool
 *   group     the services of one sharing key and one backend key
 *
 * Nothing is ever scanned. A segment has the set of its used addresses as intervals in a balanced tree (tree.c), so the first free
 * one is behind the first interval, be it a /24 or a /64; a pool has the set of its full segments, kept in the same way. With
 * avoidBuggyIPs the addresses that end in .0 and .255 are not numbered at all, so they make no holes. Who may share an address is
 * found in two ordered sets: the addresses of a group, and those of them where a port is taken; the first address of the one that is not in
 * the other comes from a binary search over ranks (pick.c). Every operation is O(log n) expected in the number of addresses in use; in
 * the number of pools it is linear for a service that names none, since pools are tried one after the other.
 *
 * A call changes everything that it should, or nothing: memory is reserved first (book.c). New pools are a new plan; what is held is
 * entered into it again, and what no pool has any more is let go.
 */
#include "allocator/allocator.h"

#include <errno.h>
#include <string.h>

#include "allocator/internal.h"

const char *alloc_verdict_text(enum alloc_verdict verdict)
{
	switch (verdict) {
	case ALLOC_OK:
		return "assigned";
	case ALLOC_NOT_IN_POOL:
		return "the addresses are not in one pool";
	case ALLOC_NOT_FOR_IT:
		return "the pool is for other namespaces or services";
	case ALLOC_BAD_REQUEST:
		return "the addresses do not fit the IP families of the service";
	case ALLOC_IN_USE:
		return "the address is in use by another service";
	case ALLOC_OTHER_KEY:
		return "the address is shared under another key";
	case ALLOC_OTHER_BACKEND:
		return "the address is shared by services with other backends";
	case ALLOC_PORT_IN_USE:
		return "a port is in use by another service on the shared address";
	case ALLOC_NO_SUCH_POOL:
		return "there is no such pool";
	case ALLOC_EXHAUSTED:
		return "no address is available";
	case ALLOC_NO_MEMORY:
		return "out of memory";
	}
	return NULL;
}

static bool is_one_of(uint32_t index, const uint32_t *uses, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (uses[i] == index)
			return true;
	}
	return false;
}

/* Can the service have an address that is in use? */
static enum alloc_verdict judge_sharing(const struct allocator *a, uint32_t index, uint32_t me,
					const struct alloc_request *request)
{
	const struct use *use = use_at(a, index);
	bool mine = me != NONE && is_one_of(index, holding_at(a, me)->uses, holding_at(a, me)->use_n);
	const struct segment *segment = &a->plan.segments[use->segment];
	const struct cover *cover = &a->plan.covers[segment->cover_first];

	/* the only user may change keys and ports as it likes */
	if (mine && use->holder_n == 1)
		return ALLOC_OK;
	if (use->group == NONE || request->sharing_key == NULL || request->sharing_key[0] == '\0')
		return ALLOC_IN_USE;
	if (use->group != group_find(a, request))
		return strcmp(group_at(a, use->group)->key, request->sharing_key) == 0 ? ALLOC_OTHER_BACKEND
										       : ALLOC_OTHER_KEY;
	while (!plan_owns(&a->plan, cover->pool, use->ip))
		cover++; /* one does: somebody holds it */
	for (size_t i = 0; i < request->port_n; i++) {
		uint32_t set = port_set_find(a, use->group, request->ports[i]);
		struct tree_key place = place_of(cover->pool, cover->seq, number_of(use->ip));
		uint32_t node = set == NONE
					? NONE
					: tree_find(&a->forest,
						    port_set_at(a, set)->users[family_index(use->ip.family)], place);

		if (node != NONE && a->forest.nodes[node].value != me)
			return ALLOC_PORT_IN_USE;
	}
	return ALLOC_OK;
}

/* `me`: the service's holding, or NONE. */
static enum alloc_verdict assign_in(struct allocator *a, const struct alloc_request *request, uint32_t me,
				    uint32_t pool, const struct ip *addresses, size_t n)
{
	if (!plan_admits(&a->plan, pool, request))
		return ALLOC_NOT_FOR_IT;
	for (size_t i = 0; i < n; i++) {
		uint32_t use = use_find(a, addresses[i]);
		enum alloc_verdict verdict = use == NONE ? ALLOC_OK : judge_sharing(a, use, me, request);

		if (verdict != ALLOC_OK)
			return verdict;
	}
	return book_put(a, request, me, pool, addresses, n) ? ALLOC_OK : ALLOC_NO_MEMORY;
}

static bool owns_all(const struct allocator *a, uint32_t pool, const struct ip *addresses, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!plan_owns(&a->plan, pool, addresses[i]))
			return false;
	}
	return true;
}

enum alloc_verdict allocator_assign(struct allocator *a, const struct alloc_request *request)
{
	uint32_t me = holding_find(a, request->service);
	const struct ip *addresses = request->addresses;
	size_t n = request->address_n;
	unsigned int families = 0;
	uint32_t pool;

	if (n == 0 || n > ALLOC_ADDRESS_MAX || (n == 2 && addresses[0].family == addresses[1].family))
		return ALLOC_BAD_REQUEST;
	for (size_t i = 0; i < n; i++) {
		if (ip_len(addresses[i]) == 0)
			return ALLOC_BAD_REQUEST;
		families |= family_bit(addresses[i].family);
	}
	if (request->families != 0 && request->families != families)
		return ALLOC_BAD_REQUEST;
	if (request->pool != NULL) {
		pool = plan_named(&a->plan, request->pool);
		if (pool == NONE)
			return ALLOC_NO_SUCH_POOL;
	} else if (me != NONE && owns_all(a, holding_at(a, me)->pool, addresses, n)) {
		pool = holding_at(a, me)->pool;
	} else {
		pool = plan_pool_of(&a->plan, addresses, n);
	}
	if (pool == NONE || !owns_all(a, pool, addresses, n))
		return ALLOC_NOT_IN_POOL;
	return assign_in(a, request, me, pool, addresses, n);
}

/* --- choosing --------------------------------------------------------------------------------------------------------------- */

/* Addresses of exactly these families from one pool, IPv4 first, for a service that has none. */
static enum alloc_verdict take_from(struct allocator *a, const struct alloc_request *request, uint32_t pool,
				    unsigned int families)
{
	struct ip addresses[ALLOC_ADDRESS_MAX];
	size_t n = 0;

	if (!plan_admits(&a->plan, pool, request))
		return ALLOC_NOT_FOR_IT;
	for (size_t family = 0; family < FAMILY_N; family++) {
		if ((families & (family == 0 ? ALLOC_V4 : ALLOC_V6)) == 0)
			continue;
		if (!pick_address(a, pool, family, request, &addresses[n++]))
			return ALLOC_EXHAUSTED;
	}
	return assign_in(a, request, NONE, pool, addresses, n);
}

/* The first of these pools that has what is asked for. Which pools cannot serve it is told only where one was named. */
static enum alloc_verdict take_from_first(struct allocator *a, const struct alloc_request *request,
					  const uint32_t *pools, size_t pool_n, unsigned int families)
{
	enum alloc_verdict verdict = ALLOC_EXHAUSTED;

	for (size_t i = 0; i < pool_n; i++) {
		verdict = take_from(a, request, pools[i], families);
		if (verdict == ALLOC_OK || verdict == ALLOC_NO_MEMORY)
			return verdict;
	}
	return pool_n == 1 ? verdict : ALLOC_EXHAUSTED;
}

/* Both families if one of these pools has both; where one will do, the primary before the other. */
static enum alloc_verdict take_from_group(struct allocator *a, const struct alloc_request *request,
					  const uint32_t *pools, size_t pool_n)
{
	unsigned int primary = request->primary == IP_V6 ? ALLOC_V6 : ALLOC_V4;
	enum alloc_verdict verdict = take_from_first(a, request, pools, pool_n, request->families);

	if (request->families != ALLOC_DUAL || request->policy != ALLOC_PREFER_DUAL_STACK)
		return verdict;
	if (verdict == ALLOC_EXHAUSTED)
		verdict = take_from_first(a, request, pools, pool_n, primary);
	if (verdict == ALLOC_EXHAUSTED)
		verdict = take_from_first(a, request, pools, pool_n, ALLOC_DUAL & ~primary);
	return verdict;
}

/* Whoever has addresses of the right families keeps them. */
static enum alloc_verdict keep(struct allocator *a, const struct alloc_request *request, uint32_t me)
{
	const struct holding *holding = holding_at(a, me);
	struct ip addresses[ALLOC_ADDRESS_MAX];
	unsigned int families = 0;

	for (size_t i = 0; i < holding->use_n; i++) {
		addresses[i] = use_at(a, holding->uses[i])->ip;
		families |= family_bit(addresses[i].family);
	}
	if (families != request->families &&
	    (request->policy != ALLOC_PREFER_DUAL_STACK || request->families != ALLOC_DUAL))
		return ALLOC_BAD_REQUEST;
	return assign_in(a, request, me, holding->pool, addresses, holding->use_n);
}

enum alloc_verdict allocator_allocate(struct allocator *a, const struct alloc_request *request)
{
	uint32_t me = holding_find(a, request->service);
	enum alloc_verdict verdict;

	if (request->families == 0 || (request->families & ~ALLOC_DUAL) != 0)
		return ALLOC_BAD_REQUEST;
	if (request->policy == ALLOC_REQUIRE_DUAL_STACK && request->families != ALLOC_DUAL)
		return ALLOC_BAD_REQUEST;
	if (request->pool != NULL) {
		uint32_t pool = plan_named(&a->plan, request->pool);

		if (pool == NONE)
			return ALLOC_NO_SUCH_POOL;
		return me != NONE ? keep(a, request, me) : take_from_group(a, request, &pool, 1);
	}
	if (me != NONE)
		return keep(a, request, me);
	verdict = take_from_group(a, request, a->plan.pinned, a->plan.pinned_n);
	if (verdict == ALLOC_OK || verdict == ALLOC_NO_MEMORY)
		return verdict;
	verdict = take_from_group(a, request, a->plan.open, a->plan.open_n);
	return verdict == ALLOC_OK || verdict == ALLOC_NO_MEMORY ? verdict : ALLOC_EXHAUSTED;
}

enum alloc_verdict allocator_add_family(struct allocator *a, const struct alloc_request *request)
{
	uint32_t me = holding_find(a, request->service);
	struct ip addresses[ALLOC_ADDRESS_MAX];
	uint32_t pool;

	if (me == NONE || holding_at(a, me)->use_n != 1)
		return ALLOC_BAD_REQUEST;
	pool = holding_at(a, me)->pool;
	addresses[0] = use_at(a, holding_at(a, me)->uses[0])->ip;
	if (!pick_address(a, pool, addresses[0].family == IP_V4, request, &addresses[1]))
		return ALLOC_EXHAUSTED;
	return assign_in(a, request, me, pool, addresses, 2);
}

bool allocator_release(struct allocator *a, const char *service)
{
	uint32_t me = holding_find(a, service);

	if (me != NONE)
		book_remove(a, me);
	return me != NONE;
}

/* --- questions ---------------------------------------------------------------------------------------------------------------- */

static struct alloc_holding describe(const struct allocator *a, const struct holding *holding)
{
	struct alloc_holding ret = { .service = holding_name(holding),
				     .pool = a->plan.pools[holding->pool].name,
				     .sharing_key = holding->group == NONE ? "" : group_at(a, holding->group)->key,
				     .address_n = holding->use_n };

	for (size_t i = 0; i < holding->use_n; i++)
		ret.addresses[i] = use_at(a, holding->uses[i])->ip;
	return ret;
}

bool allocator_find(const struct allocator *a, const char *service, struct alloc_holding *ret)
{
	uint32_t index = holding_find(a, service);

	if (index != NONE)
		*ret = describe(a, holding_at(a, index));
	return index != NONE;
}

bool allocator_next(const struct allocator *a, size_t *cursor, struct alloc_holding *ret)
{
	while (*cursor < a->holdings.item_n) {
		const struct holding *holding = holding_at(a, (uint32_t)(*cursor)++);

		if (holding->link.live) {
			*ret = describe(a, holding);
			return true;
		}
	}
	return false;
}

size_t allocator_users(const struct allocator *a, struct ip ip)
{
	uint32_t index = use_find(a, ip);

	return index == NONE ? 0 : use_at(a, index)->holder_n;
}

const char *allocator_pool_of(const struct allocator *a, const struct ip *addresses, size_t address_n)
{
	uint32_t pool = plan_pool_of(&a->plan, addresses, address_n);

	return pool == NONE ? NULL : a->plan.pools[pool].name;
}

size_t allocator_pool_n(const struct allocator *a)
{
	return a->plan.pool_n;
}

const char *allocator_pool_name(const struct allocator *a, size_t index)
{
	return index < a->plan.pool_n ? a->plan.pools[index].name : NULL;
}

struct alloc_counters allocator_counters(const struct allocator *a, size_t index)
{
	const struct pool *pool = &a->plan.pools[index];

	return (struct alloc_counters){ .capacity_v4 = pool->capacity[0],
					.capacity_v6 = pool->capacity[1],
					.assigned_v4 = pool->assigned[0],
					.assigned_v6 = pool->assigned[1],
					.available_v4 = pool->capacity[0] - pool->assigned[0],
					.available_v6 = pool->capacity[1] - pool->assigned[1] };
}

size_t allocator_changed(struct allocator *a)
{
	for (; a->changed_at < a->plan.pool_n; a->changed_at++) {
		if (a->plan.pools[a->changed_at].changed) {
			a->plan.pools[a->changed_at].changed = false;
			return a->changed_at++;
		}
	}
	return SIZE_MAX;
}

uint64_t allocator_room(const struct allocator *a)
{
	return a->room;
}

int allocator_pools_set(struct allocator *a, const struct alloc_pool *pools, size_t pool_n)
{
	struct plan plan;
	int r = plan_make(pools, pool_n, &plan);

	if (r != 0)
		return r;
	if (!book_move(a, &plan)) {
		plan_free(&plan);
		return -ENOMEM;
	}
	return 0;
}

struct allocator *allocator_new(void)
{
	struct allocator *a = store_new(1, sizeof(*a));

	if (a == NULL)
		return NULL;
	forest_init(&a->forest);
	table_init(&a->holdings, sizeof(struct holding));
	table_init(&a->uses, sizeof(struct use));
	table_init(&a->groups, sizeof(struct group));
	table_init(&a->port_sets, sizeof(struct port_set));
	return a;
}

void allocator_free(struct allocator *a)
{
	if (a == NULL)
		return;
	for (uint32_t i = 0; i < a->holdings.item_n; i++) {
		if (holding_at(a, i)->link.live) {
			store_free(holding_at(a, i)->long_name);
			store_free(holding_at(a, i)->ports);
		}
	}
	for (uint32_t i = 0; i < a->groups.item_n; i++) {
		if (group_at(a, i)->link.live) {
			store_free(group_at(a, i)->key);
			store_free(group_at(a, i)->backend);
		}
	}
	forest_free(&a->forest);
	table_free(&a->holdings);
	table_free(&a->uses);
	table_free(&a->groups);
	table_free(&a->port_sets);
	plan_free(&a->plan);
	store_free(a);
}
