/* SPDX-License-Identifier: Apache-2.0 */
/* Placement units: which addresses go to one node together, and which services are to be apart. Made once for each reload. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "election/placement.h"

/* Groups and services have names of their own: seeds tell them apart. The first is in docs/PROTOCOL.md, and must stay. */
#define SEED_SERVICE 0
#define SEED_GROUP 1
#define SEED_APART 2
#define SEED_PROFILE 3

uint64_t unit_hash(const struct election_service *service, struct ip ip)
{
	uint64_t hash;

	if (service->group != NULL)
		return hash_text(SEED_GROUP, service->group);
	hash = hash_text(SEED_SERVICE, service->name);
	return service->spread ? hash_bytes(hash ^ ip.family, ip.bytes, sizeof(ip.bytes)) : hash;
}

void table_clear(struct placement *p)
{
	memset(p->table, 0xff, p->table_len * sizeof(*p->table));
}

uint32_t *table_place(struct placement *p, uint64_t hash, bool (*same)(const void *ctx, uint32_t value),
		      const void *ctx)
{
	size_t i = (size_t)hash & (p->table_len - 1);

	while (p->table[i] != SLOT_NONE && !same(ctx, p->table[i]))
		i = (i + 1) & (p->table_len - 1);
	return &p->table[i];
}

/* --- what services ask of nodes -------------------------------------------------------------------------------------- */

static uint64_t selector_hash(uint64_t hash, const struct label_selector *selector)
{
	hash = hash_mix(hash + selector->requirement_n);
	for (size_t i = 0; i < selector->requirement_n; i++) {
		const struct label_requirement *requirement = &selector->requirements[i];

		hash = hash_text(hash_mix(hash + requirement->operator), requirement->key);
		hash = hash_mix(hash + requirement->value_n);
		for (size_t j = 0; j < requirement->value_n; j++)
			hash = hash_text(hash, requirement->values[j]);
	}
	return hash;
}

static uint64_t profile_hash(const struct election_service *service)
{
	uint64_t hash = hash_mix(SEED_PROFILE + service->interface_n);

	for (size_t i = 0; i < service->interface_n; i++)
		hash = hash_text(hash, service->interfaces[i]);
	hash = hash_mix(hash + service->selector_n);
	for (size_t i = 0; i < service->selector_n; i++)
		hash = selector_hash(hash, &service->selectors[i]);
	if (service->placed)
		hash = hash_mix(hash + (uintptr_t)service->places);
	for (size_t i = 0; i < service->preference_n; i++)
		hash = selector_hash(hash_mix(hash + service->preferences[i].weight),
				     &service->preferences[i].selector);
	return hash;
}

static bool selector_equal(const struct label_selector *a, const struct label_selector *b)
{
	if (a->requirement_n != b->requirement_n)
		return false;
	for (size_t i = 0; i < a->requirement_n; i++) {
		const struct label_requirement *x = &a->requirements[i];
		const struct label_requirement *y = &b->requirements[i];

		if (x->operator!= y->operator|| strcmp(x->key, y->key) != 0 || x->value_n != y->value_n)
			return false;
		for (size_t j = 0; j < x->value_n; j++) {
			if (strcmp(x->values[j], y->values[j]) != 0)
				return false;
		}
	}
	return true;
}

static bool profile_equal(const struct election_service *a, const struct election_service *b)
{
	if (a->interface_n != b->interface_n || a->selector_n != b->selector_n || a->preference_n != b->preference_n ||
	    a->placed != b->placed || a->places != b->places)
		return false;
	for (size_t i = 0; i < a->interface_n; i++) {
		if (strcmp(a->interfaces[i], b->interfaces[i]) != 0)
			return false;
	}
	for (size_t i = 0; i < a->selector_n; i++) {
		if (!selector_equal(&a->selectors[i], &b->selectors[i]))
			return false;
	}
	for (size_t i = 0; i < a->preference_n; i++) {
		if (a->preferences[i].weight != b->preferences[i].weight ||
		    !selector_equal(&a->preferences[i].selector, &b->preferences[i].selector))
			return false;
	}
	return true;
}

/* One entry of a table, and what is sought in it. */
struct sought {
	const struct placement *p;
	const struct election_service *service;
	const char *text;
	struct ip ip;
};

static bool same_profile(const void *ctx, uint32_t value)
{
	const struct sought *sought = ctx;

	return profile_equal(sought->p->services[value].service, sought->service);
}

static void make_profiles(struct placement *p)
{
	table_clear(p);
	for (size_t i = 0; i < p->service_n; i++) {
		struct sought sought = { .p = p, .service = p->services[i].service };
		uint32_t *place = table_place(p, profile_hash(sought.service), same_profile, &sought);

		if (*place == SLOT_NONE)
			*place = (uint32_t)i;
		p->services[i].profile = *place;
	}
}

/* --- units ----------------------------------------------------------------------------------------------------------- */

static const char *unit_key(const struct election_service *service)
{
	return service->group != NULL ? service->group : service->name;
}

static bool same_unit(const void *ctx, uint32_t value)
{
	const struct sought *sought = ctx;
	const struct unit *unit = &sought->p->units[value];

	return unit->grouped == (sought->service->group != NULL) && ip_equal(unit->ip, sought->ip) &&
	       strcmp(unit->key, unit_key(sought->service)) == 0;
}

static uint32_t unit_get(struct placement *p, const struct address *address)
{
	const struct election_service *service = address->service;
	bool alone = service->spread && service->group == NULL;
	struct sought sought = { .p = p, .service = service, .ip = alone ? address->ip : (struct ip){ 0 } };
	uint64_t hash = unit_hash(service, address->ip);
	uint32_t *place = table_place(p, hash, same_unit, &sought);

	if (*place == SLOT_NONE) {
		*place = (uint32_t)p->unit_n;
		p->units[p->unit_n] = (struct unit){ .hash = hash,
						     .key = unit_key(service),
						     .grouped = service->group != NULL,
						     .ip = sought.ip,
						     .id = (uint32_t)p->unit_n };
		p->unit_n++;
	}
	return *place;
}

static int compare_units(const void *a, const void *b)
{
	const struct unit *x = a;
	const struct unit *y = b;
	int order;

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	if (x->grouped != y->grouped)
		return x->grouped ? 1 : -1;
	order = strcmp(x->key, y->key);
	return order != 0 ? order : ip_compare(x->ip, y->ip);
}

/* Sort them, and lay out the addresses of each side by side. */
static void sort_units(const struct election *e)
{
	struct placement *p = e->placement;
	uint32_t first = 0;

	qsort(p->units, p->unit_n, sizeof(*p->units), compare_units);
	for (size_t i = 0; i < p->unit_n; i++) {
		p->marks[p->units[i].id] = (uint32_t)i;
		p->units[i].first = first;
		first += p->units[i].n;
		p->units[i].n = 0;
	}
	for (size_t i = 0; i < e->list_n; i++) {
		uint32_t address = e->list[i];
		struct unit *unit = &p->units[p->marks[p->unit[address]]];

		p->unit[address] = (uint32_t)(unit - p->units);
		p->members[unit->first + unit->n++] = address;
	}
}

static void list_services(const struct election *e)
{
	struct placement *p = e->placement;

	p->service_n = 0;
	for (size_t i = 0; i < e->list_n; i++) {
		const struct address *address = &e->addresses[e->list[i]];
		struct placed_service *last = p->service_n > 0 ? &p->services[p->service_n - 1] : NULL;

		if (last == NULL || last->service != address->service) {
			last = &p->services[p->service_n++];
			*last = (struct placed_service){ .service = address->service,
							 .first = (uint32_t)i,
							 .links = SLOT_NONE };
		}
		last->n++;
		p->service[e->list[i]] = (uint32_t)(last - p->services);
	}
}

/* --- apart ----------------------------------------------------------------------------------------------------------- */

/* Link a service into the ring that `ring` is in; SLOT_NONE: begin one. Returns the new link. */
static uint32_t link_add(struct placement *p, uint32_t service, uint32_t ring)
{
	uint32_t link = (uint32_t)p->link_n++;

	assert(p->link_n <= p->link_max);
	p->links[link] = (struct apart_link){ service, link, p->services[service].links };
	p->services[service].links = link;
	if (ring != SLOT_NONE) {
		p->links[link].next = p->links[ring].next;
		p->links[ring].next = link;
	}
	return link;
}

static bool same_tag(const void *ctx, uint32_t value)
{
	const struct sought *sought = ctx;

	return strcmp(sought->p->services[sought->p->links[value].service].service->apart, sought->text) == 0;
}

static void link_tags(struct placement *p)
{
	table_clear(p);
	for (size_t i = 0; i < p->service_n; i++) {
		struct sought sought = { .p = p, .text = p->services[i].service->apart };
		uint32_t *place;

		if (sought.text == NULL)
			continue;
		place = table_place(p, hash_text(SEED_APART, sought.text), same_tag, &sought);
		if (*place == SLOT_NONE)
			*place = link_add(p, (uint32_t)i, SLOT_NONE);
		else
			(void)link_add(p, (uint32_t)i, *place);
	}
}

static bool same_name(const void *ctx, uint32_t value)
{
	const struct sought *sought = ctx;

	return strcmp(sought->p->services[value].service->name, sought->text) == 0;
}

static uint32_t *name_place(struct placement *p, const char *name)
{
	struct sought sought = { .p = p, .text = name };

	return table_place(p, hash_text(SEED_SERVICE, name), same_name, &sought);
}

/* Each pair of which one names the other is a ring of two. */
static void link_pairs(struct placement *p)
{
	table_clear(p);
	for (size_t i = 0; i < p->service_n; i++)
		*name_place(p, p->services[i].service->name) = (uint32_t)i;
	for (size_t i = 0; i < p->service_n; i++) {
		const struct election_service *service = p->services[i].service;

		for (size_t j = 0; j < service->avoid_n && j < SERVICE_AVOID_MAX; j++) {
			uint32_t other = *name_place(p, service->avoids[j]);

			if (other != SLOT_NONE && other != i)
				(void)link_add(p, other, link_add(p, (uint32_t)i, SLOT_NONE));
		}
	}
}

void units_make(const struct election *e)
{
	struct placement *p = e->placement;

	p->unit_n = 0;
	p->link_n = 0;
	list_services(e);
	make_profiles(p);
	table_clear(p);
	for (size_t i = 0; i < e->list_n; i++) {
		p->unit[e->list[i]] = unit_get(p, &e->addresses[e->list[i]]);
		p->units[p->unit[e->list[i]]].n++;
	}
	sort_units(e);
	link_tags(p);
	link_pairs(p);
	for (size_t i = 0; i < e->list_n; i++) {
		if (p->services[p->service[e->list[i]]].links != SLOT_NONE)
			p->units[p->unit[e->list[i]]].apart = true;
	}
}

static void avoid_service(const struct election *e, const struct unit *unit, uint32_t service)
{
	struct placement *p = e->placement;
	const struct placed_service *other = &p->services[service];

	for (uint32_t i = other->first; i < other->first + other->n; i++) {
		uint32_t address = e->list[i];
		uint32_t place = p->planned[address];

		if (&p->units[p->unit[address]] == unit)
			continue; /* of one group: that goes before */
		if (place == SLOT_NONE)
			place = address_place(e, &e->addresses[address]);
		if (place == SLOT_NONE || place == p->gone || p->avoided[place] == p->avoid_stamp)
			continue;
		p->avoided[place] = p->avoid_stamp;
		p->avoided_n++;
	}
	p->work += other->n;
}

/* Those that share a ring with the service, until there is no node left that is not avoided: then it avoids none. */
static void avoid_mates(const struct election *e, const struct unit *unit, uint32_t service)
{
	struct placement *p = e->placement;

	for (uint32_t link = p->services[service].links; link != SLOT_NONE; link = p->links[link].sibling) {
		for (uint32_t mate = p->links[link].next; mate != link; mate = p->links[mate].next) {
			avoid_service(e, unit, p->links[mate].service);
			if (p->avoided_n >= e->node_n)
				return;
		}
	}
}

void unit_avoid(const struct election *e, const struct unit *unit)
{
	struct placement *p = e->placement;
	uint32_t last = SLOT_NONE;

	p->avoid_stamp++;
	p->avoided_n = 0;
	for (uint32_t i = unit->first; i < unit->first + unit->n; i++) {
		uint32_t service = p->service[p->members[i]];

		if (service == last)
			continue;
		last = service;
		avoid_mates(e, unit, service);
	}
}
