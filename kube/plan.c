/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"

/* While a plan is made. */
struct making {
	const struct kube_store *store;
	const struct kube_pools *pools;
	const struct kube_plan_options *options;
	struct instant now;
	struct kube_plan *plan;
	struct arena scratch;
	struct kube_nodes nodes;
	/* of the Service that is looked at */
	uint64_t *serving, *reached, *set;
	uint32_t *scores;
	/* units */
	struct kube_unit *units;
	size_t unit_n;
	struct owner *owners; /* of addresses: open addressing */
	size_t owner_len;     /* a power of two */
	/* lists of places that were made */
	struct cached **cache;
	size_t cache_len; /* a power of two */
	const struct kube_places **lists;
	size_t list_n;
	bool failed; /* no memory */
};

/* Which unit has an address. */
struct owner {
	struct ip ip; /* family IP_NONE: free */
	size_t unit;
};

/* What a list of places was made of: equal ones give equal lists. */
struct cached {
	struct cached *next;
	uint64_t hash;
	const uint64_t *set;
	const uint32_t *scores;
	const struct kube_ad **ads;
	size_t ad_n;
	struct kube_places *places; /* of the plan */
};

static void *take(struct making *m, struct arena *arena, size_t n, size_t size)
{
	void *memory = arena_take(arena, n, size);

	m->failed = m->failed || memory == NULL;
	return memory;
}

static size_t table_len(size_t n)
{
	size_t len = 16;

	while (len < 2 * n)
		len *= 2;
	return len;
}

/* --- nodes --------------------------------------------------------------------------------------------------------------------- */

static bool unready_long(struct making *m, const struct kube_entry *entry)
{
	struct instant end;

	if (m->options->unready.us == 0 || entry->unready_since.us == INSTANT_NEVER.us)
		return false;
	end = instant_add(entry->unready_since, m->options->unready);
	if (instant_reached(end, m->now))
		return true;
	m->plan->again = instant_min(m->plan->again, end);
	return false;
}

static void read_nodes(struct making *m)
{
	size_t n = m->pools->node_n;
	size_t words = NODE_SET_WORDS(n);
	uint64_t *live = take(m, &m->scratch, words, sizeof(*live));
	uint64_t *barred = take(m, &m->scratch, words, sizeof(*barred));
	struct ip *peers = take(m, &m->plan->arena, n * KUBE_NODE_ADDRESS_MAX, sizeof(*peers));

	m->serving = take(m, &m->scratch, words, sizeof(*m->serving));
	m->reached = take(m, &m->scratch, words, sizeof(*m->reached));
	m->set = take(m, &m->scratch, words, sizeof(*m->set));
	m->scores = take(m, &m->scratch, n, sizeof(*m->scores));
	if (m->failed)
		return;
	memset(live, 0xff, words * sizeof(*live)); /* who lives, gossip knows and the election asks */
	for (size_t i = 0; i < n; i++) {
		const struct kube_entry *entry = kube_store_find(m->store, KUBE_NODES, m->pools->nodes[i]);
		const struct kube_node *node = entry != NULL ? entry->object : NULL;

		if (node == NULL || kube_node_barred(node, m->options->ignore_exclude_label, unready_long(m, entry)))
			node_set_put(barred, i);
		for (size_t j = 0; node != NULL && j < node->ip_n; j++)
			peers[m->plan->peer_n++] = node->ips[j];
	}
	m->plan->peers = peers;
	m->nodes = (struct kube_nodes){ m->pools->nodes, n, live, barred };
}

/* --- lists of places ------------------------------------------------------------------------------------------------------------ */

static uint64_t hash_of(const struct making *m, const struct kube_contest *contest)
{
	uint64_t hash = hash_bytes(1, m->set, NODE_SET_WORDS(m->nodes.n) * sizeof(*m->set));

	hash = hash_bytes(hash, m->scores, m->nodes.n * sizeof(*m->scores));
	for (size_t i = 0; i < contest->ad_n; i++) {
		if (kube_ad_applies(contest->ads[i], contest->labels, contest->label_n))
			hash = hash_mix(hash ^ (uintptr_t)contest->ads[i]);
	}
	return hash;
}

static bool is_same(const struct making *m, const struct cached *cached, const struct kube_contest *contest)
{
	size_t at = 0;

	for (size_t i = 0; i < contest->ad_n; i++) {
		if (!kube_ad_applies(contest->ads[i], contest->labels, contest->label_n))
			continue;
		if (at == cached->ad_n || cached->ads[at++] != contest->ads[i])
			return false;
	}
	return at == cached->ad_n && memcmp(cached->set, m->set, NODE_SET_WORDS(m->nodes.n) * sizeof(*m->set)) == 0 &&
	       memcmp(cached->scores, m->scores, m->nodes.n * sizeof(*m->scores)) == 0;
}

static size_t interfaces_max(const struct kube_contest *contest)
{
	size_t n = 0;

	for (size_t i = 0; i < contest->ad_n; i++)
		n += contest->ads[i]->interface_n;
	return n;
}

static bool same_names(const struct kube_place *place, const char **names, size_t n)
{
	for (size_t i = 0; i < n && place->interface_n == n; i++) {
		if (strcmp(place->interfaces[i], names[i]) != 0)
			return false;
	}
	return place->interface_n == n;
}

/* The names that nodes share are copied once. */
static void set_interfaces(struct making *m, const char **names, size_t n, const struct kube_place *before,
			   struct kube_place *place)
{
	const char **copied;

	if (n == 0)
		return;
	if (before != NULL && same_names(before, names, n)) {
		place->interfaces = before->interfaces;
		place->interface_n = n;
		return;
	}
	copied = take(m, &m->plan->arena, n, sizeof(*copied));
	for (size_t i = 0; !m->failed && i < n; i++)
		copied[i] = arena_text(&m->plan->arena, names[i]);
	place->interfaces = copied;
	place->interface_n = n;
}

static void fill_places(struct making *m, const struct kube_contest *contest, struct kube_places *ret)
{
	const char **names = take(m, &m->scratch, interfaces_max(contest), sizeof(*names));
	struct kube_place *items;
	size_t n = 0;

	for (size_t i = 0; i < m->nodes.n; i++)
		n += node_set_has(m->set, i);
	items = take(m, &m->plan->arena, n, sizeof(*items));
	ret->items = items;
	for (size_t i = 0; !m->failed && i < m->nodes.n; i++) {
		struct kube_place *place = &items[ret->n];

		if (!node_set_has(m->set, i))
			continue;
		place->node = arena_text(&m->plan->arena, m->nodes.names[i]);
		place->score = m->scores[i];
		set_interfaces(m, names, kube_interfaces(contest, i, names), ret->n > 0 ? place - 1 : NULL, place);
		m->failed = m->failed || place->node == NULL;
		ret->n++;
	}
}

static void *copy(struct making *m, const void *from, size_t len)
{
	void *to = take(m, &m->scratch, (len + 7) / 8, sizeof(uint64_t));

	return to == NULL ? NULL : memcpy(to, from, len);
}

static const struct kube_places *places_of(struct making *m, const struct kube_contest *contest)
{
	uint64_t hash = hash_of(m, contest);
	struct cached **at = &m->cache[hash & (m->cache_len - 1)];
	struct cached *cached;

	for (cached = *at; cached != NULL; cached = cached->next) {
		if (cached->hash == hash && is_same(m, cached, contest))
			return cached->places;
	}
	cached = take(m, &m->scratch, 1, sizeof(*cached));
	if (m->failed)
		return NULL;
	cached->places = take(m, &m->plan->arena, 1, sizeof(*cached->places));
	cached->hash = hash;
	cached->set = copy(m, m->set, NODE_SET_WORDS(m->nodes.n) * sizeof(*m->set));
	cached->scores = copy(m, m->scores, m->nodes.n * sizeof(*m->scores));
	cached->ads = take(m, &m->scratch, contest->ad_n, sizeof(const struct kube_ad *));
	for (size_t i = 0; !m->failed && i < contest->ad_n; i++) {
		if (kube_ad_applies(contest->ads[i], contest->labels, contest->label_n))
			cached->ads[cached->ad_n++] = contest->ads[i];
	}
	if (m->failed)
		return NULL;
	fill_places(m, contest, cached->places);
	cached->places->index = m->list_n;
	m->lists[m->list_n++] = cached->places;
	cached->next = *at;
	*at = cached;
	return cached->places;
}

/* --- units ---------------------------------------------------------------------------------------------------------------------- */

static struct owner *owner_of(const struct making *m, struct ip ip)
{
	size_t at = hash_bytes(ip.family, ip.bytes, sizeof(ip.bytes)) & (m->owner_len - 1);

	while (m->owners[at].ip.family != IP_NONE && !ip_equal(m->owners[at].ip, ip))
		at = (at + 1) & (m->owner_len - 1);
	return &m->owners[at];
}

static size_t bits(const struct kube_places *places)
{
	return places == NULL ? 0 : places->n;
}

/* A Service joins those that it shares an address with. */
static void join_unit(struct making *m, struct kube_unit *unit, const char *key, const struct kube_places *places)
{
	const char **names = take(m, &m->plan->arena, unit->service_n + 1, sizeof(*names));

	if (m->failed)
		return;
	memcpy(names, unit->services, unit->service_n * sizeof(*names));
	names[unit->service_n++] = key;
	unit->services = names;
	/* their nodes differ where one of them has no endpoints: an address is announced as long as somebody wants it */
	if (bits(places) > bits(unit->places))
		unit->places = places;
}

static void add_unit(struct making *m, const struct kube_service *service, const char *entry_key,
		     const struct kube_places *places)
{
	struct kube_unit *unit = &m->units[m->unit_n];
	const char *key = arena_text(&m->plan->arena, entry_key);
	struct ip *ips = take(m, &m->plan->arena, service->ingress.n, sizeof(*ips));
	struct kube_unit *joined = NULL;
	size_t n = 0;

	m->failed = m->failed || key == NULL;
	for (size_t i = 0; !m->failed && i < service->ingress.n; i++) {
		struct owner *owner = owner_of(m, service->ingress.ips[i]);

		if (owner->ip.family == IP_NONE) {
			*owner = (struct owner){ service->ingress.ips[i], m->unit_n };
			ips[n++] = service->ingress.ips[i];
		} else if (owner->unit != m->unit_n && joined != &m->units[owner->unit]) {
			joined = &m->units[owner->unit];
			join_unit(m, joined, key, places);
		}
	}
	if (n == 0 || m->failed)
		return;
	unit->name = key;
	unit->ips = ips;
	unit->ip_n = n;
	unit->places = places;
	unit->services = take(m, &m->plan->arena, 1, sizeof(*unit->services));
	unit->service_n = 1;
	if (!m->failed)
		memcpy((void *)(uintptr_t)unit->services, &key, sizeof(key));
	m->unit_n++;
}

/* The pool that has all its addresses; NULL: none. */
static const struct kube_pool_rules *pool_of(const struct making *m, const struct kube_service *service)
{
	for (size_t i = 0; i < m->pools->pool_n; i++) {
		const struct alloc_pool *pool = m->pools->pools[i].alloc;
		size_t found = 0;

		for (size_t j = 0; j < service->ingress.n; j++) {
			for (size_t k = 0; k < pool->cidr_n; k++) {
				if (subnet_contains(pool->cidrs[k], service->ingress.ips[j])) {
					found++;
					break;
				}
			}
		}
		if (found == service->ingress.n)
			return &m->pools->pools[i];
	}
	return NULL;
}

static bool read_slices(struct making *m, const struct kube_entry *entry)
{
	bool served = false;

	memset(m->serving, 0, NODE_SET_WORDS(m->nodes.n) * sizeof(*m->serving));
	for (const struct kube_entry *slice = entry->slices; slice != NULL; slice = slice->slice_next)
		served |= kube_slice_serving(slice->object, m->pools, m->serving);
	return served;
}

static bool is_ours(const struct making *m, const struct kube_service *service)
{
	const char *class = m->options->class;

	return class == NULL || service->load_balancer_class == NULL ? class == service->load_balancer_class
								     : strcmp(class, service->load_balancer_class) == 0;
}

static void look_at(struct making *m, const struct kube_entry *entry)
{
	const struct kube_service *service = entry->object;
	struct kube_candidates candidates = { .reached = m->reached, .set = m->set, .scores = m->scores };
	const struct kube_pool_rules *rules;
	struct kube_contest contest;

	if (kube_service_state(service) != KUBE_ANNOUNCE || !is_ours(m, service) ||
	    service->ingress.n > ALLOC_ADDRESS_MAX)
		return;
	rules = pool_of(m, service);
	if (rules == NULL)
		return;
	contest = (struct kube_contest){ .labels = service->meta.labels,
					 .label_n = service->meta.label_n,
					 .shares = service->sharing_key != NULL,
					 .local = service->local,
					 .ip = service->ingress.ips[0],
					 .ads = rules->ads,
					 .ad_n = rules->ad_n,
					 .serving = m->serving };
	contest.served = read_slices(m, entry);
	kube_judge(&m->nodes, &contest, &candidates);
	if (candidates.all != KUBE_ANNOUNCE)
		memset(m->set, 0, NODE_SET_WORDS(m->nodes.n) * sizeof(*m->set));
	add_unit(m, service, entry->item.key, places_of(m, &contest));
}

static void make(struct making *m)
{
	size_t n = 0;
	struct kube_entry **list = kube_store_list(m->store, KUBE_SERVICES, &m->scratch, &n);

	m->failed = list == NULL;
	m->units = take(m, &m->plan->arena, n, sizeof(*m->units));
	m->owner_len = table_len(n * ALLOC_ADDRESS_MAX);
	m->owners = take(m, &m->scratch, m->owner_len, sizeof(*m->owners));
	m->cache_len = table_len(n);
	m->cache = take(m, &m->scratch, m->cache_len, sizeof(struct cached *));
	m->lists = take(m, &m->plan->arena, n, sizeof(const struct kube_places *));
	if (!m->failed)
		read_nodes(m);
	for (size_t i = 0; !m->failed && i < n; i++)
		look_at(m, list[i]);
	m->plan->units = m->units;
	m->plan->unit_n = m->unit_n;
	m->plan->lists = m->lists;
	m->plan->list_n = m->list_n;
}

static int fill_plan(struct arena *arena, void *object, void *ctx)
{
	(void)arena;
	(void)object;
	(void)ctx;
	return 0;
}

struct kube_plan *kube_plan_make(const struct kube_store *store, const struct kube_pools *pools,
				 const struct kube_plan_options *options, struct instant now)
{
	struct making m = { .store = store, .pools = pools, .options = options, .now = now };
	void *block;

	if (arena_object(sizeof(struct kube_plan), fill_plan, NULL, &block) != 0)
		return NULL;
	m.plan = block;
	arena_init(&m.plan->arena);
	arena_init(&m.scratch);
	m.plan->again = INSTANT_NEVER;
	make(&m);
	arena_free(&m.scratch);
	if (!m.failed)
		return m.plan;
	kube_plan_free(m.plan);
	return NULL;
}

void kube_plan_free(struct kube_plan *plan)
{
	if (plan == NULL)
		return;
	arena_free(&plan->arena);
	arena_object_free(plan);
}

/* --- the configuration ----------------------------------------------------------------------------------------------------------- */

static bool has_problem(const struct kube_store *store, enum kube_kind kind, const char *name,
			struct kube_refusals *refusals)
{
	size_t n;
	const struct kube_entry *entry = kube_store_problem(store, kind, &n);

	if (entry != NULL)
		kube_refuse(refusals, name,
			    strrchr(entry->item.key, '/') != NULL ? strrchr(entry->item.key, '/') + 1 : entry->item.key,
			    "%s", entry->problem->text);
	return entry != NULL;
}

/* The objects of a kind as a list of pointers to them. False: no memory. */
static bool list_objects(const struct kube_store *store, enum kube_kind kind, struct arena *arena,
			 const void *const **ret, size_t *ret_n)
{
	struct kube_entry **entries = kube_store_list(store, kind, arena, ret_n);
	const void **objects = arena_take(arena, *ret_n, sizeof(*objects));

	if (entries == NULL || objects == NULL)
		return false;
	for (size_t i = 0; i < *ret_n; i++)
		objects[i] = entries[i]->object;
	*ret = objects;
	return true;
}

int kube_store_pools(const struct kube_store *store, struct kube_pools **ret, struct kube_refusals *refusals)
{
	const void *const *lists[KUBE_KIND_N];
	struct kube_objects objects;
	struct arena arena;
	int r = -ENOMEM;

	if (has_problem(store, KUBE_POOLS, "IPAddressPool", refusals) ||
	    has_problem(store, KUBE_ADVERTS, "L2Advertisement", refusals))
		return -EINVAL;
	arena_init(&arena);
	if (list_objects(store, KUBE_POOLS, &arena, &lists[KUBE_POOLS], &objects.pool_n) &&
	    list_objects(store, KUBE_ADVERTS, &arena, &lists[KUBE_ADVERTS], &objects.advert_n) &&
	    list_objects(store, KUBE_NAMESPACES, &arena, &lists[KUBE_NAMESPACES], &objects.namespace_n) &&
	    list_objects(store, KUBE_NODES, &arena, &lists[KUBE_NODES], &objects.node_n)) {
		objects.pools = (const struct kube_pool *const *)lists[KUBE_POOLS];
		objects.adverts = (const struct kube_advert *const *)lists[KUBE_ADVERTS];
		objects.namespaces = (const struct kube_namespace *const *)lists[KUBE_NAMESPACES];
		objects.nodes = (const struct kube_node *const *)lists[KUBE_NODES];
		r = kube_pools_make(&objects, ret, refusals);
	}
	arena_free(&arena);
	return r;
}
