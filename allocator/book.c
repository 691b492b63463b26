/* SPDX-License-Identifier: Apache-2.0 */
/* Who holds which address, and who shares: tables by name, address, keys and port, and the sets of each pool that follow from them. */
#include <assert.h>
#include <string.h>

#include "allocator/internal.h"
#include "base/rng.h"

/* Seeds of the tables. */
#define SEED_HOLDING 1
#define SEED_GROUP 2

static const char *text_or_empty(const char *text)
{
	return text != NULL ? text : "";
}

/* --- finding --------------------------------------------------------------------------------------------------------------- */

static uint64_t holding_hash(const char *service)
{
	return store_hash(SEED_HOLDING, service, strlen(service));
}

uint32_t holding_find(const struct allocator *a, const char *service)
{
	uint64_t hash = holding_hash(service);
	uint32_t index = table_first(&a->holdings, hash);

	while (index != NONE &&
	       (holding_at(a, index)->link.hash != hash || strcmp(holding_name(holding_at(a, index)), service) != 0))
		index = table_next(&a->holdings, index);
	return index;
}

static uint64_t use_hash(struct ip ip)
{
	u128 number = number_of(ip);

	return hash_mix((uint64_t)(number >> 64) ^ hash_mix((uint64_t)number + ip.family));
}

uint32_t use_find(const struct allocator *a, struct ip ip)
{
	uint32_t index = table_first(&a->uses, use_hash(ip));

	while (index != NONE && !ip_equal(use_at(a, index)->ip, ip))
		index = table_next(&a->uses, index);
	return index;
}

static uint64_t group_hash(const struct alloc_request *request)
{
	return hash_text(hash_text(SEED_GROUP, request->sharing_key), text_or_empty(request->backend_key));
}

uint32_t group_find(const struct allocator *a, const struct alloc_request *request)
{
	uint32_t index;

	if (text_or_empty(request->sharing_key)[0] == '\0')
		return NONE;
	for (index = table_first(&a->groups, group_hash(request)); index != NONE;
	     index = table_next(&a->groups, index)) {
		if (strcmp(group_at(a, index)->key, request->sharing_key) == 0 &&
		    strcmp(group_at(a, index)->backend, text_or_empty(request->backend_key)) == 0)
			break;
	}
	return index;
}

static uint64_t port_hash(uint32_t group, struct alloc_port port)
{
	return hash_mix((uint64_t)group << 24 | (uint64_t)port.protocol << 16 | port.port);
}

uint32_t port_set_find(const struct allocator *a, uint32_t group, struct alloc_port port)
{
	uint32_t index = table_first(&a->port_sets, port_hash(group, port));

	while (index != NONE &&
	       (port_set_at(a, index)->group != group || port_set_at(a, index)->port.port != port.port ||
		port_set_at(a, index)->port.protocol != port.protocol))
		index = table_next(&a->port_sets, index);
	return index;
}

struct tree_key place_of(uint32_t pool, uint32_t seq, u128 number)
{
	return (struct tree_key){ (uint64_t)pool << 32 | seq, number };
}

/* --- the sets of pools that follow from an address's use -------------------------------------------------------------------- */

static void mark_changed(struct allocator *a, uint32_t pool)
{
	a->plan.pools[pool].changed = true;
	if (pool < a->changed_at)
		a->changed_at = pool;
}

/* A segment has become full, or is full no longer. */
static void mark_full(struct allocator *a, const struct segment *segment, bool full)
{
	for (uint32_t i = 0; i < segment->cover_n; i++) {
		const struct cover *cover = &a->plan.covers[segment->cover_first + i];
		uint32_t *root = &a->plan.pools[cover->pool].full[family_index(segment->family)];

		if (full)
			ranges_add(&a->forest, root, cover->seq);
		else
			ranges_remove(&a->forest, root, cover->seq);
	}
}

static void occupy(struct allocator *a, const struct use *use)
{
	struct segment *segment = &a->plan.segments[use->segment];

	ranges_add(&a->forest, &segment->used, segment_number(segment, use->ip));
	segment->used_n++;
	if (segment_is_full(segment))
		mark_full(a, segment, true);
}

static void vacate(struct allocator *a, const struct use *use)
{
	struct segment *segment = &a->plan.segments[use->segment];

	if (segment_is_full(segment))
		mark_full(a, segment, false);
	ranges_remove(&a->forest, &segment->used, segment_number(segment, use->ip));
	segment->used_n--;
}

/* Put the address into a set that is ordered as pools are, or take it out: once for each pool that owns it. */
static void list_places(struct allocator *a, const struct use *use, uint32_t *root, uint32_t value, bool put)
{
	const struct segment *segment = &a->plan.segments[use->segment];

	for (uint32_t i = 0; i < segment->cover_n; i++) {
		const struct cover *cover = &a->plan.covers[segment->cover_first + i];
		struct tree_key key = place_of(cover->pool, cover->seq, number_of(use->ip));

		if (!plan_owns(&a->plan, cover->pool, use->ip))
			continue;
		if (put) {
			a->forest.nodes[tree_insert(&a->forest, root, key)].value = value;
			a->place_n++;
		} else {
			tree_remove(&a->forest, root, key);
			a->place_n--;
		}
	}
}

static void list_ports(struct allocator *a, const struct holding *holding, uint32_t value, const struct use *use,
		       bool put)
{
	size_t family = family_index(use->ip.family);

	for (size_t i = 0; i < holding->port_n; i++) {
		uint32_t index = port_set_find(a, holding->group, holding->ports[i]);
		struct port_set *set;

		if (index == NONE) {
			assert(put);
			index = table_add(&a->port_sets, port_hash(holding->group, holding->ports[i]));
			set = port_set_at(a, index);
			set->group = holding->group;
			set->port = holding->ports[i];
			set->users[0] = set->users[1] = NONE;
		}
		set = port_set_at(a, index);
		list_places(a, use, &set->users[family], value, put);
		if (put)
			set->user_n++;
		else if (--set->user_n == 0)
			table_remove(&a->port_sets, index);
	}
}

/* --- taking and giving back --------------------------------------------------------------------------------------------------- */

static void use_drop(struct allocator *a, uint32_t holding, uint32_t index)
{
	struct use *use = use_at(a, index);
	const struct holding *h = holding_at(a, holding);

	if (use->group != NONE)
		list_ports(a, h, holding, use, false);
	if (--use->holder_n > 0)
		return;
	if (use->group != NONE)
		list_places(a, use, &group_at(a, use->group)->uses[family_index(use->ip.family)], index, false);
	vacate(a, use);
	a->plan.pools[use->pool].assigned[family_index(use->ip.family)]--;
	table_remove(&a->uses, index);
}

static uint32_t use_take(struct allocator *a, uint32_t holding, struct ip ip)
{
	const struct holding *h = holding_at(a, holding);
	uint32_t index = use_find(a, ip);

	if (index == NONE) {
		struct use *use;

		index = table_add(&a->uses, use_hash(ip));
		use = use_at(a, index);
		use->ip = ip;
		use->group = h->group;
		use->pool = h->pool;
		use->segment = (uint32_t)(plan_segment(&a->plan, ip) - a->plan.segments);
		a->plan.pools[use->pool].assigned[family_index(ip.family)]++;
		occupy(a, use);
		if (use->group != NONE)
			list_places(a, use, &group_at(a, use->group)->uses[family_index(ip.family)], index, true);
	}
	assert(use_at(a, index)->group == h->group);
	use_at(a, index)->holder_n++;
	if (h->group != NONE)
		list_ports(a, h, holding, use_at(a, index), true);
	return index;
}

static void group_leave(struct allocator *a, uint32_t index)
{
	struct group *group;

	if (index == NONE)
		return;
	group = group_at(a, index);
	if (--group->holding_n > 0)
		return;
	store_free(group->key);
	store_free(group->backend);
	table_remove(&a->groups, index);
}

void book_remove(struct allocator *a, uint32_t index)
{
	struct holding *holding = holding_at(a, index);

	for (size_t i = 0; i < holding->use_n; i++)
		use_drop(a, index, holding->uses[i]);
	mark_changed(a, holding->pool);
	group_leave(a, holding->group);
	if (holding->short_name[0] == '\0')
		store_free(holding->long_name);
	if (holding->group != NONE)
		store_free(holding->ports);
	table_remove(&a->holdings, index);
	a->room++;
}

/* What a new holding owns, made before anything is changed. */
struct parts {
	char *long_name; /* NULL: it is short */
	char *key;
	char *backend;
	struct alloc_port *ports;
	size_t port_n;
};

static void parts_free(struct parts *parts)
{
	store_free(parts->long_name);
	store_free(parts->key);
	store_free(parts->backend);
	store_free(parts->ports);
}

static bool port_listed(const struct parts *parts, struct alloc_port port)
{
	for (size_t i = 0; i < parts->port_n; i++) {
		if (parts->ports[i].port == port.port && parts->ports[i].protocol == port.protocol)
			return true;
	}
	return false;
}

static bool parts_make(const struct alloc_request *request, bool shares, struct parts *parts)
{
	*parts = (struct parts){ 0 };
	if (strlen(request->service) > NAME_SHORT_MAX) {
		parts->long_name = store_text(request->service);
		if (parts->long_name == NULL)
			return false;
	}
	if (!shares)
		return true;
	parts->key = store_text(request->sharing_key);
	parts->backend = store_text(text_or_empty(request->backend_key));
	parts->ports = store_new(request->port_n, sizeof(*parts->ports));
	if (parts->key == NULL || parts->backend == NULL || parts->ports == NULL)
		return false;
	for (size_t i = 0; i < request->port_n && i < UINT16_MAX; i++) {
		if (!port_listed(parts, request->ports[i]))
			parts->ports[parts->port_n++] = request->ports[i];
	}
	return true;
}

/*
 * Nodes of trees that can be needed at once: intervals are never more than what is in them, addresses in use or full segments; so
 * giving back, which cuts intervals in two, needs no room of its own. `place_n`: nodes of the other sets.
 */
static size_t nodes_needed(const struct plan *plan, size_t use_n, size_t place_n)
{
	return plan->cover_n + use_n + place_n;
}

/* Room for the new holding beside the old one. */
static bool reserve(struct allocator *a, const struct parts *parts, bool shares, const struct ip *addresses, size_t n)
{
	size_t place_n = a->place_n;

	for (size_t i = 0; shares && i < n; i++)
		place_n += plan_segment(&a->plan, addresses[i])->cover_n * (1 + parts->port_n);
	return table_reserve(&a->holdings, 1) && table_reserve(&a->uses, n) && table_reserve(&a->groups, 1) &&
	       table_reserve(&a->port_sets, parts->port_n) &&
	       forest_reserve(&a->forest, nodes_needed(&a->plan, a->uses.live_n + n, place_n));
}

static bool same_ports(const struct holding *holding, const struct alloc_request *request)
{
	if (holding->group == NONE)
		return true;
	if (holding->port_n != request->port_n)
		return false;
	for (size_t i = 0; i < holding->port_n; i++) {
		if (holding->ports[i].port != request->ports[i].port ||
		    holding->ports[i].protocol != request->ports[i].protocol)
			return false;
	}
	return true;
}

/* Is it what the service has? Most calls of a controller say so. */
static bool is_the_same(const struct allocator *a, const struct holding *holding, const struct alloc_request *request,
			uint32_t pool, const struct ip *addresses, size_t n)
{
	bool shares = text_or_empty(request->sharing_key)[0] != '\0';

	if (holding->pool != pool || holding->use_n != n || shares != (holding->group != NONE) ||
	    holding->group != group_find(a, request) || !same_ports(holding, request))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!ip_equal(use_at(a, holding->uses[i])->ip, addresses[i]))
			return false;
	}
	return true;
}

static uint32_t group_join(struct allocator *a, const struct alloc_request *request, struct parts *parts)
{
	uint32_t index = group_find(a, request);

	if (parts->key == NULL)
		return NONE;
	if (index == NONE) {
		struct group *group;

		index = table_add(&a->groups, group_hash(request));
		group = group_at(a, index);
		group->key = parts->key;
		group->backend = parts->backend;
		group->uses[0] = group->uses[1] = NONE;
		parts->key = parts->backend = NULL;
	}
	group_at(a, index)->holding_n++;
	return index;
}

bool book_put(struct allocator *a, const struct alloc_request *request, uint32_t index, uint32_t pool,
	      const struct ip *addresses, size_t n)
{
	bool shares = text_or_empty(request->sharing_key)[0] != '\0';
	struct holding *holding;
	struct parts parts;

	if (index != NONE && is_the_same(a, holding_at(a, index), request, pool, addresses, n)) {
		mark_changed(a, pool);
		return true;
	}
	if (!parts_make(request, shares, &parts) || !reserve(a, &parts, shares, addresses, n)) {
		parts_free(&parts);
		return false;
	}
	if (index != NONE)
		book_remove(a, index);
	index = table_add(&a->holdings, holding_hash(request->service));
	holding = holding_at(a, index);
	if (parts.long_name == NULL)
		memcpy(holding->short_name, request->service, strlen(request->service) + 1);
	holding->long_name = parts.long_name;
	holding->ports = parts.ports;
	holding->port_n = (uint16_t)parts.port_n;
	holding->pool = pool;
	holding->group = group_join(a, request, &parts);
	for (size_t i = 0; i < n; i++)
		holding->uses[holding->use_n++] = use_take(a, index, addresses[i]);
	mark_changed(a, pool);
	store_free(parts.key);
	store_free(parts.backend);
	return true;
}

/* --- new pools ------------------------------------------------------------------------------------------------------------------ */

/* The pool that a holding belongs to from now on: its own by name if it can, else the first that has all. NONE: none. */
static uint32_t new_pool(const struct allocator *a, const struct plan *plan, const struct holding *holding)
{
	uint32_t same = plan_named(plan, a->plan.pools[holding->pool].name);
	struct ip addresses[ALLOC_ADDRESS_MAX];
	bool owns = same != NONE;

	for (size_t i = 0; i < holding->use_n; i++) {
		addresses[i] = use_at(a, holding->uses[i])->ip;
		owns = owns && plan_owns(plan, same, addresses[i]);
	}
	return owns ? same : plan_pool_of(plan, addresses, holding->use_n);
}

/* Nodes of sets for all that stays. */
static size_t places_of_all(const struct allocator *a, const struct plan *plan, const uint32_t *pools)
{
	size_t n = 0;

	for (uint32_t i = 0; i < a->holdings.item_n; i++) {
		const struct holding *holding = holding_at(a, i);

		if (!holding->link.live || pools[i] == NONE)
			continue;
		for (size_t j = 0; j < holding->use_n; j++) {
			size_t cover_n = plan_segment(plan, use_at(a, holding->uses[j])->ip)->cover_n;

			n += holding->group != NONE ? cover_n * (1 + holding->port_n) : 0;
		}
	}
	return n;
}

/* The trees are empty: make them again from the tables. */
static void refill(struct allocator *a)
{
	struct plan *plan = &a->plan;

	a->place_n = 0;
	for (uint32_t i = 0; i < a->groups.item_n; i++)
		group_at(a, i)->uses[0] = group_at(a, i)->uses[1] = NONE;
	for (uint32_t i = 0; i < a->port_sets.item_n; i++)
		port_set_at(a, i)->users[0] = port_set_at(a, i)->users[1] = NONE;
	for (size_t i = 0; i < plan->segment_n[0] + plan->segment_n[1]; i++) {
		if (plan->segments[i].empty)
			mark_full(a, &plan->segments[i], true);
	}
	for (uint32_t i = 0; i < a->uses.item_n; i++) {
		struct use *use = use_at(a, i);

		if (!use->link.live)
			continue;
		use->segment = (uint32_t)(plan_segment(plan, use->ip) - plan->segments);
		plan->pools[use->pool].assigned[family_index(use->ip.family)]++;
		occupy(a, use);
		if (use->group != NONE)
			list_places(a, use, &group_at(a, use->group)->uses[family_index(use->ip.family)], i, true);
	}
	for (uint32_t i = 0; i < a->holdings.item_n; i++) {
		const struct holding *holding = holding_at(a, i);

		for (size_t j = 0; holding->link.live && j < holding->use_n; j++) {
			const struct use *use = use_at(a, holding->uses[j]);

			for (size_t k = 0; k < holding->port_n; k++) {
				struct port_set *set =
					port_set_at(a, port_set_find(a, holding->group, holding->ports[k]));

				list_places(a, use, &set->users[family_index(use->ip.family)], i, true);
			}
		}
	}
}

bool book_move(struct allocator *a, struct plan *plan)
{
	uint32_t *pools = store_new(a->holdings.item_n, sizeof(*pools));
	struct forest forest;

	if (pools == NULL)
		return false;
	for (uint32_t i = 0; i < a->holdings.item_n; i++)
		pools[i] = holding_at(a, i)->link.live ? new_pool(a, plan, holding_at(a, i)) : NONE;
	forest_init(&forest);
	if (!forest_reserve(&forest, nodes_needed(plan, a->uses.live_n, places_of_all(a, plan, pools)))) {
		store_free(pools);
		return false;
	}
	for (uint32_t i = 0; i < a->holdings.item_n; i++) {
		if (holding_at(a, i)->link.live && pools[i] == NONE)
			book_remove(a, i);
	}
	for (uint32_t i = 0; i < a->holdings.item_n; i++) {
		struct holding *holding = holding_at(a, i);

		if (!holding->link.live)
			continue;
		holding->pool = pools[i];
		for (size_t j = 0; j < holding->use_n; j++)
			use_at(a, holding->uses[j])->pool = pools[i];
	}
	forest_free(&a->forest);
	a->forest = forest;
	plan_free(&a->plan);
	a->plan = *plan;
	*plan = (struct plan){ 0 };
	refill(a);
	for (uint32_t i = 0; i < a->plan.pool_n; i++)
		mark_changed(a, i);
	a->room++;
	store_free(pools);
	return true;
}
