/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Classes of addresses that have the same candidates: 10,000 addresses ask a handful of questions, so the answers are kept by class
 * and node, and one node's change costs one look for each class. A class is what a service asks of nodes, and the longest known
 * subnet that holds the address: subnets nest, so that one decides which others hold it too.
 */
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "election/placement.h"

/* --- subnets --------------------------------------------------------------------------------------------------------- */

/* By address, the wider first: a subnet comes after all that hold it. */
static int compare_known(const void *a, const void *b)
{
	const struct known_subnet *x = a;
	const struct known_subnet *y = b;

	return subnet_compare(x->subnet, y->subnet);
}

static bool known_equal(const struct known_subnet *a, const struct known_subnet *b)
{
	return compare_known(a, b) == 0;
}

static void add_subnets(struct placement *p, const struct node *node)
{
	for (size_t i = 0; i < node->meta.segment_n && p->subnet_n < p->subnet_max; i++) {
		struct subnet subnet = node->meta.segments[i].subnet;

		if (subnet.ip.family != IP_NONE)
			p->subnets[p->subnet_n++] =
				(struct known_subnet){ .subnet = subnet_network(subnet), .parent = SLOT_NONE };
	}
}

/* The next wider one of each that is sorted: the one before it, or one of those around that. */
static void find_parents(struct placement *p)
{
	for (size_t i = 1; i < p->subnet_n; i++) {
		uint32_t parent = (uint32_t)(i - 1);

		while (parent != SLOT_NONE && !subnet_contains(p->subnets[parent].subnet, p->subnets[i].subnet.ip))
			parent = p->subnets[parent].parent;
		p->subnets[i].parent = parent;
	}
}

static void make_subnets(const struct election *e)
{
	struct placement *p = e->placement;
	size_t kept = 0;

	p->subnet_n = 0;
	for (size_t i = 0; i < e->node_n; i++) {
		if (e->nodes[i].used)
			add_subnets(p, &e->nodes[i]);
	}
	qsort(p->subnets, p->subnet_n, sizeof(*p->subnets), compare_known);
	for (size_t i = 0; i < p->subnet_n; i++) {
		if (kept == 0 || !known_equal(&p->subnets[kept - 1], &p->subnets[i]))
			p->subnets[kept++] = p->subnets[i];
	}
	p->subnet_n = kept;
	find_parents(p);
	p->subnets_stale = false;
	p->classes_stale = true;
}

/* How many of the sorted ones come before it, or are it. */
static size_t subnets_up_to(const struct placement *p, const struct known_subnet *known)
{
	size_t low = 0;
	size_t high = p->subnet_n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_known(&p->subnets[middle], known) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The longest that holds the address; SLOT_NONE: none. */
static uint32_t subnet_of(const struct placement *p, struct ip ip)
{
	struct known_subnet host = { .subnet = { .ip = ip, .prefix_len = ip_bits(ip) } };
	uint32_t at = (uint32_t)subnets_up_to(p, &host) - 1; /* SLOT_NONE where it is 0 */

	while (at != SLOT_NONE && !subnet_contains(p->subnets[at].subnet, ip))
		at = p->subnets[at].parent;
	return at;
}

static bool subnets_known(const struct placement *p, const struct node *node)
{
	for (size_t i = 0; i < node->meta.segment_n; i++) {
		struct known_subnet known = { .subnet = subnet_network(node->meta.segments[i].subnet) };
		size_t n = subnets_up_to(p, &known);

		if (known.subnet.ip.family != IP_NONE && (n == 0 || !known_equal(&p->subnets[n - 1], &known)))
			return false;
	}
	return true;
}

/* --- classes --------------------------------------------------------------------------------------------------------- */

struct sought_class {
	const struct election *e;
	uint32_t profile;
	uint32_t subnet;
	uint64_t unfit;
};

/* Interfaces that a service names carry its addresses whatever their subnets. */
static uint32_t subnet_asked(const struct election *e, uint32_t address)
{
	return e->addresses[address].service->interface_n > 0 ? SLOT_NONE
							      : subnet_of(e->placement, e->addresses[address].ip);
}

static bool same_class(const void *ctx, uint32_t value)
{
	const struct sought_class *sought = ctx;
	const struct placement *p = sought->e->placement;
	uint32_t example = p->classes[value].example;

	return p->services[p->service[example]].profile == sought->profile &&
	       p->classes[value].subnet == sought->subnet && p->classes[value].unfit == sought->unfit;
}

static uint32_t class_get(const struct election *e, uint32_t address)
{
	struct placement *p = e->placement;
	const struct placed_service *service = &p->services[p->service[address]];
	struct sought_class sought = { e, service->profile, subnet_asked(e, address), service->unfit };
	uint64_t hash = hash_mix(((uint64_t)sought.profile << 32 | sought.subnet) + sought.unfit);
	uint32_t *place = table_place(p, hash, same_class, &sought);

	if (*place == SLOT_NONE) {
		*place = (uint32_t)p->class_n;
		p->classes[p->class_n++] = (struct class){
			.example = address, .subnet = sought.subnet, .unfit = sought.unfit, .row = CLASS_ROW_MAX
		};
	}
	return *place;
}

struct sought_kind {
	const struct placement *p;
	uint64_t hash;
};

static bool same_kind(const void *ctx, uint32_t value)
{
	const struct sought_kind *sought = ctx;

	return sought->p->units[value].kind_hash == sought->hash;
}

/* The set of its classes, whatever their order; sets are told apart by 64 bits. */
static uint64_t hash_classes(const struct placement *p, size_t unit)
{
	const struct unit *u = &p->units[unit];
	uint64_t hash = 0;

	for (uint32_t i = u->first; i < u->first + u->n; i++) {
		uint32_t class = p->class[p->members[i]];

		if (p->marks[class] != unit)
			hash += hash_mix(class + 1u);
		p->marks[class] = (uint32_t)unit;
	}
	return hash;
}

/* The kind of a unit is the first unit of that kind. */
static void make_kinds(struct placement *p)
{
	memset(p->marks, 0xff, p->class_n * sizeof(*p->marks));
	table_clear(p);
	for (size_t i = 0; i < p->unit_n; i++) {
		struct sought_kind sought = { p, hash_classes(p, i) };
		uint32_t *place;

		p->units[i].kind_hash = sought.hash;
		place = table_place(p, sought.hash, same_kind, &sought);
		if (*place == SLOT_NONE)
			*place = (uint32_t)i;
		p->units[i].kind = *place;
	}
}

static bool same_service(const void *ctx, uint32_t value)
{
	const struct sought_kind *sought = ctx;

	return fitness_service(sought->p->services[value].service->name) == sought->hash;
}

/* The nodes that cannot serve each; sets are told apart by 64 bits. */
static void find_unfit(const struct election *e)
{
	struct placement *p = e->placement;

	for (size_t i = 0; i < p->service_n; i++)
		p->services[i].unfit = 0;
	if (e->unfit_n == 0)
		return;
	table_clear(p);
	for (size_t i = 0; i < p->service_n; i++) {
		struct sought_kind sought = { p, fitness_service(p->services[i].service->name) };

		*table_place(p, sought.hash, same_service, &sought) = (uint32_t)i;
	}
	for (size_t i = 0; i < e->unfit_max; i++) {
		struct sought_kind sought = { p, e->unfits[i].service };
		uint32_t service;

		if (e->unfits[i].origin == 0)
			continue;
		service = *table_place(p, sought.hash, same_service, &sought);
		if (service != SLOT_NONE)
			p->services[service].unfit += hash_mix(e->unfits[i].origin);
	}
}

void classes_refresh(const struct election *e)
{
	struct placement *p = e->placement;

	if (p->subnets_stale)
		make_subnets(e);
	if (!p->classes_stale)
		return;
	p->class_n = 0;
	find_unfit(e);
	table_clear(p);
	for (size_t i = 0; i < e->list_n; i++)
		p->class[e->list[i]] = class_get(e, e->list[i]);
	for (size_t i = 0; i < CLASS_ROW_MAX; i++)
		p->row_class[i] = SLOT_NONE;
	make_kinds(p);
	p->classes_stale = false;
	p->stale = true;
}

/* --- candidates ------------------------------------------------------------------------------------------------------ */

unsigned int service_score(const struct election_service *service, const struct node *node)
{
	const struct election_place *place = service->placed ? election_place_find(service, node->name) : NULL;
	unsigned int score = place != NULL ? place->score : 0;

	for (size_t i = 0; i < service->preference_n && !service->placed; i++) {
		const struct election_preference *preference = &service->preferences[i];

		if (label_selector_matches(&preference->selector, &node->meta.labels))
			score += preference->weight;
	}
	return score;
}

static uint16_t value_of(const struct election *e, uint32_t class, const struct node *node)
{
	const struct address *address = &e->addresses[e->placement->classes[class].example];

	if (!node->used || !is_candidate(e, node, address))
		return 0;
	if (is_isolated(node, address))
		return VALUE_ISOLATED;
	return (uint16_t)(VALUE_ISOLATED + 1 + service_score(address->service, node));
}

const uint16_t *class_row(const struct election *e, uint32_t class)
{
	struct placement *p = e->placement;
	struct class *c = &p->classes[class];
	uint16_t *row;

	if (c->row < CLASS_ROW_MAX && p->row_class[c->row] == class)
		return &p->rows[c->row * e->config.node_max];
	c->row = (uint32_t)(p->row_next++ % CLASS_ROW_MAX);
	p->row_class[c->row] = class;
	row = &p->rows[c->row * e->config.node_max];
	for (size_t i = 0; i < e->node_n; i++)
		row[i] = value_of(e, class, &e->nodes[i]);
	p->work += 32 * e->node_n; /* a look at labels and interfaces costs so much more */
	return row;
}

void class_node_changed(const struct election *e, const struct node *node)
{
	struct placement *p = e->placement;
	size_t slot = (size_t)(node - e->nodes);

	p->node_hash[slot] = hash_text(0, node->name);
	if (!p->subnets_stale && node->used && !subnets_known(p, node))
		p->subnets_stale = true;
	if (p->subnets_stale || p->classes_stale)
		return;
	for (size_t i = 0; i < CLASS_ROW_MAX; i++) {
		if (p->row_class[i] != SLOT_NONE)
			p->rows[i * e->config.node_max + slot] = value_of(e, p->row_class[i], node);
	}
}
