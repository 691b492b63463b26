/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: placement
 *
 * Who is to own what nobody owns. All survivors of a death must come to the same answer without a word, so the plan is a function
 * of what they all know: nodes, claims, services. The units that have no owner are taken in the order of their hashes, and each
 * goes to the first node that
 *
 *   1. holds other addresses of the unit already, if it can hold these too
 *   2. else can hold them, and nothing that they are to be apart from, if there is such a node
 *   3. of those, has the highest score for them
 *   4. of those, has room: its load stays at or below ceil(1.1 * weight * addresses / weights), over the nodes that 3. leaves
 *   5. of those, has the highest hash with the unit (rendezvous, Thaler and Ravishankar 1998)
 *
 * Where no node has room for a large unit, it goes to the one that is least loaded for its weight. A unit that no single node can
 * hold is split: its addresses of one class stay together.
 *
 * A plan outlives the claims that carry it out: a planned address counts as load of its node before and after. Making it again
 * when half of it is done gives the same for the rest (docs/adr/0008-placement.md), so a claim as planned changes nothing here.
 * For that, what has been claimed in the wave that is under way counts from its own turn on, and not from the beginning.
 * For an address that has an owner, and for one whose living owner has just given it up, the plan supposes that owner gone.
 *
 * A plan of 10,000 addresses and 1,000 nodes costs tens of milliseconds. When causes for another of that size come in a burst, only
 * what has no place yet is planned until a rest in proportion to the last cost is over.
 */
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "election/placement.h"

/* After a plan that looked at so many nodes, the next one in full comes no sooner than 1 us later: it takes 1/10 of a core. */
#define WORK_PER_US 32

/* A wave of claims after a death is over by then, if not before because every address has an owner: the k-th candidate has waited
 * k back-offs. */
#define FRESH_MS 2000

/* Plans that cost less than some milliseconds are always made in full, so that they depend on nothing but what is known. */
#define WORK_SMALL (1u << 20)

/* --- life ------------------------------------------------------------------------------------------------------------ */

static bool allocate(struct placement *p, size_t addresses, size_t nodes)
{
	p->link_max = addresses * (1 + 2 * SERVICE_AVOID_MAX);
	p->subnet_max = nodes * SEGMENT_MAX;
	for (p->table_len = 16; p->table_len < 2 * addresses; p->table_len *= 2)
		;
	p->unit = calloc(addresses, sizeof(*p->unit));
	p->service = calloc(addresses, sizeof(*p->service));
	p->units = calloc(addresses, sizeof(*p->units));
	p->members = calloc(addresses, sizeof(*p->members));
	p->services = calloc(addresses, sizeof(*p->services));
	p->links = calloc(p->link_max, sizeof(*p->links));
	p->subnets = calloc(p->subnet_max, sizeof(*p->subnets));
	p->class = calloc(addresses, sizeof(*p->class));
	p->classes = calloc(addresses, sizeof(*p->classes));
	p->rows = calloc(CLASS_ROW_MAX * nodes, sizeof(*p->rows));
	p->node_hash = calloc(nodes, sizeof(*p->node_hash));
	p->planned = calloc(addresses, sizeof(*p->planned));
	p->load = calloc(nodes, sizeof(*p->load));
	p->bound = calloc(nodes, sizeof(*p->bound));
	p->pending = calloc(addresses, sizeof(*p->pending));
	p->tier.nodes = calloc(nodes, sizeof(*p->tier.nodes));
	p->values = calloc(nodes, sizeof(*p->values));
	p->avoided = calloc(nodes, sizeof(*p->avoided));
	p->class_seen = calloc(addresses, sizeof(*p->class_seen));
	p->votes = calloc(nodes, sizeof(*p->votes));
	p->joined = calloc(nodes, sizeof(*p->joined));
	p->table = calloc(p->table_len, sizeof(*p->table));
	p->marks = calloc(addresses, sizeof(*p->marks));
	return p->unit != NULL && p->service != NULL && p->units != NULL && p->members != NULL && p->services != NULL &&
	       p->links != NULL && p->subnets != NULL && p->class != NULL && p->classes != NULL && p->rows != NULL &&
	       p->node_hash != NULL && p->planned != NULL && p->load != NULL && p->bound != NULL &&
	       p->pending != NULL && p->tier.nodes != NULL && p->values != NULL && p->avoided != NULL &&
	       p->class_seen != NULL && p->votes != NULL && p->joined != NULL && p->table != NULL && p->marks != NULL;
}

struct placement *placement_new(const struct election *e)
{
	struct placement *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->subnets_stale = true;
	p->stale = true;
	p->gone = SLOT_NONE;
	p->rebalance.moving = SLOT_NONE;
	p->rebalance.next = INSTANT_NEVER;
	p->rebalance.join_at = INSTANT_NEVER;
	if (!allocate(p, e->config.address_max, e->config.node_max)) {
		placement_free(p);
		return NULL;
	}
	for (size_t i = 0; i < e->config.node_max; i++)
		p->joined[i] = INSTANT_NEVER;
	return p;
}

void placement_free(struct placement *p)
{
	if (p == NULL)
		return;
	free(p->unit);
	free(p->service);
	free(p->units);
	free(p->members);
	free(p->services);
	free(p->links);
	free(p->subnets);
	free(p->class);
	free(p->classes);
	free(p->rows);
	free(p->node_hash);
	free(p->planned);
	free(p->load);
	free(p->bound);
	free(p->pending);
	free(p->tier.nodes);
	free(p->values);
	free(p->avoided);
	free(p->class_seen);
	free(p->votes);
	free(p->joined);
	free(p->table);
	free(p->marks);
	free(p);
}

/* --- what changes it --------------------------------------------------------------------------------------------------- */

void placement_invalidate(struct election *e)
{
	e->placement->stale = true;
}

void placement_services(struct election *e)
{
	struct placement *p = e->placement;

	units_make(e);
	memset(p->planned, 0xff, e->config.address_max * sizeof(*p->planned));
	p->classes_stale = true;
	p->stale = true;
	p->whole_at = e->now;
	p->rebalance.at = 0;
	p->rebalance.idle = 0;
	p->rebalance.moving = SLOT_NONE;
}

void placement_node(struct election *e, const struct node *node)
{
	class_node_changed(e, node);
	rebalance_see_node(e, node);
	e->placement->stale = true;
}

void placement_fitness(struct election *e)
{
	e->placement->classes_stale = true;
}

static uint32_t node_slot(const struct election *e, const struct node *node)
{
	return node != NULL ? (uint32_t)(node - e->nodes) : SLOT_NONE;
}

static uint32_t live_slot(const struct election *e, uint64_t instance)
{
	const struct node *node = instance != 0 ? node_find(e, instance) : NULL;

	return node != NULL && node_live(node) ? node_slot(e, node) : SLOT_NONE;
}

uint32_t address_place(const struct election *e, const struct address *address)
{
	return live_slot(e, address->owner);
}

/* Where the plan counts it: an owner that it supposes gone is none. */
static uint32_t counted_place(const struct placement *p, uint32_t place)
{
	return place == p->gone ? SLOT_NONE : place;
}

void placement_owner(struct election *e, const struct address *address, uint64_t owner)
{
	struct placement *p = e->placement;
	uint32_t slot = (uint32_t)(address - e->addresses);
	uint32_t from = counted_place(p, address_place(e, address));
	uint32_t to = counted_place(p, live_slot(e, owner));

	/* it stays where it was counted: with its owner, with nobody, or where it was planned */
	if (p->stale || from == to || (from == SLOT_NONE && to == p->planned[slot]))
		return;
	p->stale = true;
}

/* --- the nodes with the best score ---------------------------------------------------------------------------------------- */

static uint64_t weight_of(const struct node *node)
{
	return node->meta.weight != 0 ? node->meta.weight : NODE_WEIGHT_DEFAULT;
}

/* What a choice among nodes is made by. */
struct choice {
	const uint16_t *values; /* by node: as placement.rows */
	uint32_t gone;		/* not this one, if there is another */
	bool avoid;		/* nor one that is marked in `avoided`, if there is another */
	uint64_t extra;		/* addresses that are to be placed and that are counted nowhere yet */
};

static bool allowed(const struct placement *p, const struct choice *choice, uint32_t slot)
{
	return slot != choice->gone && !(choice->avoid && p->avoided[slot] == p->avoid_stamp);
}

static uint16_t best_value(const struct election *e, const struct choice *choice)
{
	uint16_t best = 0;

	for (uint32_t i = 0; i < e->node_n; i++) {
		if (choice->values[i] > best && allowed(e->placement, choice, i))
			best = choice->values[i];
	}
	return best;
}

/* How much each node of the tier may hold. */
static void set_bounds(const struct election *e, uint64_t addresses, uint64_t weights)
{
	struct placement *p = e->placement;

	for (size_t i = 0; i < p->tier.n; i++) {
		uint32_t slot = p->tier.nodes[i];
		uint64_t share = BOUND_NUMERATOR * weight_of(&e->nodes[slot]) * addresses;

		p->bound[slot] = (uint32_t)((share + BOUND_DENOMINATOR * weights - 1) / (BOUND_DENOMINATOR * weights));
	}
}

/* Find the candidates of the best score. False: there are none. */
static bool make_tier(const struct election *e, struct choice choice)
{
	struct placement *p = e->placement;
	uint16_t best = best_value(e, &choice);
	uint64_t addresses = choice.extra;
	uint64_t weights = 0;

	p->work += 4 * e->node_n;
	p->tier.kind = SLOT_NONE;
	p->tier.n = 0;
	if (best == 0 && choice.avoid) {
		choice.avoid = false;
		best = best_value(e, &choice);
	}
	if (best == 0) {
		choice.gone = SLOT_NONE;
		best = best_value(e, &choice);
	}
	if (best == 0)
		return false;
	for (uint32_t i = 0; i < e->node_n; i++) {
		if (choice.values[i] != best || !allowed(p, &choice, i))
			continue;
		p->tier.nodes[p->tier.n++] = i;
		addresses += p->load[i];
		weights += weight_of(&e->nodes[i]);
	}
	p->tier.open_n = p->tier.n;
	set_bounds(e, addresses, weights);
	return true;
}

static bool hash_before(const struct election *e, uint64_t unit, uint32_t a, uint32_t b)
{
	uint64_t hash_a = hash_mix(unit ^ e->placement->node_hash[a]);
	uint64_t hash_b = hash_mix(unit ^ e->placement->node_hash[b]);

	return hash_a != hash_b ? hash_a > hash_b : strcmp(e->nodes[a].name, e->nodes[b].name) < 0;
}

/* No node has room for all of it: the one that is least loaded for its weight with it. */
static uint32_t least_loaded(const struct election *e, uint64_t hash, uint32_t n)
{
	const struct placement *p = e->placement;
	uint32_t best = p->tier.nodes[0];

	for (size_t i = 1; i < p->tier.n; i++) {
		uint32_t slot = p->tier.nodes[i];
		uint64_t load = (p->load[slot] + n) * weight_of(&e->nodes[best]);
		uint64_t best_load = (p->load[best] + n) * weight_of(&e->nodes[slot]);

		if (load < best_load || (load == best_load && hash_before(e, hash, slot, best)))
			best = slot;
	}
	return best;
}

/* The best node of the tier with room for n more but `not`; SLOT_NONE: none. Full ones are put behind the others for the next time. */
static uint32_t best_with_room(const struct election *e, uint64_t hash, uint32_t n, uint32_t not )
{
	struct placement *p = e->placement;
	struct tier *tier = &p->tier;
	uint32_t best = SLOT_NONE;
	uint64_t best_hash = 0;

	p->work += tier->open_n;
	for (size_t i = 0; i < tier->open_n; i++) {
		uint32_t slot = tier->nodes[i];
		uint64_t slot_hash = hash_mix(hash ^ p->node_hash[slot]);

		if (slot_hash < best_hash || slot == not )
			continue;
		if (p->load[slot] >= p->bound[slot]) {
			tier->nodes[i--] = tier->nodes[--tier->open_n];
			tier->nodes[tier->open_n] = slot;
			continue;
		}
		if (p->load[slot] + n > p->bound[slot])
			continue;
		if (best != SLOT_NONE && slot_hash == best_hash && !hash_before(e, hash, slot, best))
			continue;
		best = slot;
		best_hash = slot_hash;
	}
	return best;
}

/* --- one unit ------------------------------------------------------------------------------------------------------------- */

/*
 * Has it changed hands in the wave that is under way? Then it was still to be placed in the plan that others act by. It is placed once more,
 * where it is, when its turn comes: counted before, it would make a node fuller for the units before it than it was in that plan.
 */
static bool is_fresh(const struct election *e, const struct address *address)
{
	return address->owner != 0 && address->moved.us != 0 && !instant_before(address->moved, e->lost_since) &&
	       instant_since(e->now, address->moved).us < span_ms(FRESH_MS).us;
}

static bool has_fresh(const struct election *e, const struct unit *unit)
{
	for (uint32_t i = unit->first; i < unit->first + unit->n; i++) {
		if (is_fresh(e, &e->addresses[e->placement->members[i]]))
			return true;
	}
	return false;
}

/* Which addresses of a unit are meant. */
struct part {
	const struct unit *unit;
	uint32_t place; /* those that are counted there; SLOT_NONE: that have no place */
	uint32_t class; /* those of this class; SLOT_NONE: of all */
};

static bool in_part(const struct election *e, const struct part *part, uint32_t address)
{
	const struct placement *p = e->placement;
	uint32_t place = p->planned[address];

	if (part->class != SLOT_NONE && p->class[address] != part->class)
		return false;
	if (place == SLOT_NONE && !is_fresh(e, &e->addresses[address]))
		place = counted_place(p, address_place(e, &e->addresses[address]));
	return place == part->place;
}

static uint32_t part_n(const struct election *e, const struct part *part)
{
	uint32_t n = 0;

	for (uint32_t i = part->unit->first; i < part->unit->first + part->unit->n; i++)
		n += in_part(e, part, e->placement->members[i]);
	return n;
}

/* A candidate for both, and the sum of its scores; or 0. */
static uint16_t add_values(uint16_t a, uint16_t b)
{
	unsigned int sum = (unsigned int)a + b - (VALUE_ISOLATED + 1);

	if (a <= VALUE_ISOLATED || b <= VALUE_ISOLATED)
		return a < b ? a : b;
	return sum < UINT16_MAX ? (uint16_t)sum : UINT16_MAX;
}

/* By node, as placement.rows: 0 if it cannot hold all of the part. */
static const uint16_t *part_values(const struct election *e, const struct part *part)
{
	struct placement *p = e->placement;

	if (part->class != SLOT_NONE)
		return class_row(e, part->class);
	if (part->unit->n == 1)
		return class_row(e, p->class[p->members[part->unit->first]]);
	for (size_t i = 0; i < e->node_n; i++)
		p->values[i] = VALUE_ISOLATED + 1;
	p->class_stamp++;
	for (uint32_t i = part->unit->first; i < part->unit->first + part->unit->n; i++) {
		uint32_t class = p->class[p->members[i]];
		const uint16_t *row;

		if (p->class_seen[class] == p->class_stamp || !in_part(e, part, p->members[i]))
			continue;
		p->class_seen[class] = p->class_stamp;
		row = class_row(e, class);
		for (size_t j = 0; j < e->node_n; j++)
			p->values[j] = add_values(p->values[j], row[j]);
	}
	return p->values;
}

/* The node that holds most of the unit, and that can hold the part too; SLOT_NONE: none. */
static uint32_t most_of(const struct election *e, const struct unit *unit, const uint16_t *values)
{
	struct placement *p = e->placement;
	uint32_t best = SLOT_NONE;

	for (int pass = 0; pass < 2; pass++) {
		for (uint32_t i = unit->first; i < unit->first + unit->n; i++) {
			uint32_t address = p->members[i];
			uint32_t place = p->planned[address];

			if (place == SLOT_NONE)
				place = counted_place(p, address_place(e, &e->addresses[address]));
			if (place == SLOT_NONE)
				continue;
			if (pass == 1) {
				p->votes[place] = 0;
				continue;
			}
			p->votes[place]++;
			if (values[place] == 0 || place == best)
				continue;
			if (best == SLOT_NONE || p->votes[place] > p->votes[best] ||
			    (p->votes[place] == p->votes[best] && hash_before(e, unit->hash, place, best)))
				best = place;
		}
	}
	return best;
}

static void assign(const struct election *e, const struct part *part, uint32_t place)
{
	struct placement *p = e->placement;

	for (uint32_t i = part->unit->first; i < part->unit->first + part->unit->n; i++) {
		uint32_t address = p->members[i];

		if (!in_part(e, part, address))
			continue;
		p->planned[address] = place;
		p->load[place]++;
		p->pending[part->unit->kind]--;
	}
}

/* Place n addresses of a unit together. False: no node can hold them all. */
static bool place_part(const struct election *e, const struct part *part, uint32_t n)
{
	struct placement *p = e->placement;
	const struct unit *unit = part->unit;
	bool plain = n == unit->n && !unit->apart;
	uint32_t place = SLOT_NONE;

	if (!plain || p->tier.kind != unit->kind) {
		struct choice choice = { part_values(e, part), p->gone, unit->apart, p->pending[unit->kind] };

		if (n < unit->n)
			place = most_of(e, unit, choice.values);
		if (unit->apart)
			unit_avoid(e, unit);
		if (place == SLOT_NONE && !make_tier(e, choice))
			return false;
		p->tier.kind = plain ? unit->kind : SLOT_NONE;
	}
	if (place == SLOT_NONE && has_fresh(e, unit))
		place = most_of(e, unit, part_values(e, part));
	if (place == SLOT_NONE)
		place = best_with_room(e, unit->hash, n, SLOT_NONE);
	if (place == SLOT_NONE)
		place = least_loaded(e, unit->hash, n);
	assign(e, part, place);
	return true;
}

/* Where addresses of a unit stay without a place, no node can hold them. */
static void place_unit(const struct election *e, const struct unit *unit)
{
	struct placement *p = e->placement;
	struct part part = { unit, SLOT_NONE, SLOT_NONE };
	uint32_t n = part_n(e, &part);

	if (n == 0 || place_part(e, &part, n))
		return;
	for (uint32_t i = unit->first; i < unit->first + unit->n && unit->n > 1; i++) {
		if (p->planned[p->members[i]] != SLOT_NONE)
			continue;
		part.class = p->class[p->members[i]];
		if (in_part(e, &part, p->members[i]))
			(void)place_part(e, &part, part_n(e, &part));
	}
}

/* --- the plan --------------------------------------------------------------------------------------------------------------- */

/* Is what was planned for an address without an owner still possible? */
static bool keeps(const struct election *e, uint32_t address)
{
	struct placement *p = e->placement;
	uint32_t place = p->planned[address];

	return place != SLOT_NONE && place != p->gone && class_row(e, p->class[address])[place] != 0;
}

/* Count what has a place; the rest is pending. */
static void count_loads(const struct election *e, bool whole)
{
	struct placement *p = e->placement;

	memset(p->load, 0, e->node_n * sizeof(*p->load));
	memset(p->pending, 0, p->unit_n * sizeof(*p->pending));
	for (size_t i = 0; i < e->list_n; i++) {
		uint32_t address = e->list[i];
		uint32_t place = counted_place(p, address_place(e, &e->addresses[address]));

		if (place == SLOT_NONE && !whole && keeps(e, address))
			place = p->planned[address];
		else
			p->planned[address] = SLOT_NONE;
		if (place != SLOT_NONE && !is_fresh(e, &e->addresses[address]))
			p->load[place]++;
		else
			p->pending[p->units[p->unit[address]].kind]++;
	}
	p->work += 4 * e->list_n;
}

/* Bring the plan up to date, supposing that a node is gone. */
static void plan(const struct election *e, uint32_t gone)
{
	struct placement *p = e->placement;
	bool whole;

	classes_refresh(e);
	if (!p->stale && p->gone == gone)
		return;
	whole = instant_reached(p->whole_at, e->now);
	p->gone = gone;
	p->stale = false;
	p->work = 0;
	p->tier.kind = SLOT_NONE;
	count_loads(e, whole);
	for (size_t i = 0; i < p->unit_n; i++) {
		if (p->pending[p->units[i].kind] > 0)
			place_unit(e, &p->units[i]);
	}
	if (whole && p->work > WORK_SMALL)
		p->whole_at = instant_add(e->now, span_us((int64_t)(p->work / WORK_PER_US)));
}

/* The plan that names who is next for an address: without the one that owns it, or that gave it up. */
static uint32_t next_for(const struct election *e, const struct address *address)
{
	plan(e, live_slot(e, address->owner != 0 ? address->owner : address->last_owner));
	return e->placement->planned[address - e->addresses];
}

/* --- ranks -------------------------------------------------------------------------------------------------------------------- */

bool ranks_before(const struct address *address, const struct node *a, const struct node *b)
{
	uint64_t unit = unit_hash(address->service, address->ip);
	uint64_t hash_a = hash_mix(unit ^ hash_text(0, a->name));
	uint64_t hash_b = hash_mix(unit ^ hash_text(0, b->name));

	return hash_a != hash_b ? hash_a > hash_b : strcmp(a->name, b->name) < 0;
}

/* Plain order: by score for the address, then by hash with its unit. */
static bool scores_before(const struct election *e, uint64_t unit, const uint16_t *row, uint32_t a, uint32_t b)
{
	return row[a] != row[b] ? row[a] > row[b] : hash_before(e, unit, a, b);
}

/* Without branches, which nothing could predict: a large cluster's survivor does this for each orphan. */
static size_t plain_rank(const struct election *e, uint64_t unit, const uint16_t *row, uint32_t slot)
{
	const uint64_t *node_hash = e->placement->node_hash;
	uint64_t hash = hash_mix(unit ^ node_hash[slot]);
	unsigned int value = row[slot] > 0 ? row[slot] : 1;
	size_t before = 0;
	size_t same = 0;

	for (size_t i = 0; i < e->node_n; i++) {
		uint64_t other = hash_mix(unit ^ node_hash[i]);

		before += (size_t)((row[i] > value) | ((row[i] == value) & (other > hash)));
		same += (size_t)((row[i] == value) & (other == hash));
	}
	for (uint32_t i = 0; i < e->node_n && same > 1; i++)
		before += i != slot && row[i] == value && node_hash[i] == node_hash[slot] &&
			  hash_before(e, unit, i, slot);
	return before;
}

size_t rank_of(const struct election *e, const struct address *address, const struct node *node)
{
	const struct placement *p = e->placement;
	uint32_t next = next_for(e, address);
	const uint16_t *row = class_row(e, p->class[address - e->addresses]);
	uint64_t unit = p->units[p->unit[address - e->addresses]].hash;
	uint32_t slot = node_slot(e, node);

	if (slot == next)
		return 0;
	/* the planned one comes first, wherever it would come else */
	return plain_rank(e, unit, row, slot) + (next != SLOT_NONE && !scores_before(e, unit, row, next, slot));
}

struct node *best_candidate(const struct election *e, const struct address *address, uint64_t not, uint64_t nor)
{
	uint32_t best = next_for(e, address);
	const uint16_t *row = class_row(e, e->placement->class[address - e->addresses]);
	uint64_t unit = e->placement->units[e->placement->unit[address - e->addresses]].hash;

	if (best != SLOT_NONE && e->nodes[best].instance != not &&e->nodes[best].instance != nor)
		return &e->nodes[best];
	best = SLOT_NONE;
	for (uint32_t i = 0; i < e->node_n; i++) {
		if (row[i] == 0 || e->nodes[i].instance == not || e->nodes[i].instance == nor)
			continue;
		if (best == SLOT_NONE || scores_before(e, unit, row, i, best))
			best = i;
	}
	return best != SLOT_NONE ? &e->nodes[best] : NULL;
}

/* --- what would be better ------------------------------------------------------------------------------------------------------- */

static bool in_tier(const struct placement *p, uint32_t slot)
{
	for (size_t i = 0; i < p->tier.n; i++) {
		if (p->tier.nodes[i] == slot)
			return true;
	}
	return false;
}

/* Where should the part go that its owner holds? SLOT_NONE: it may stay. */
static uint32_t better_place(const struct election *e, const struct part *part)
{
	struct placement *p = e->placement;
	const struct unit *unit = part->unit;
	uint32_t n = part_n(e, part);
	struct choice choice = { part_values(e, part), SLOT_NONE, unit->apart, p->pending[unit->kind] + n };
	uint32_t better = n < unit->n ? most_of(e, unit, choice.values) : SLOT_NONE;

	if (better != SLOT_NONE && better != part->place)
		return better;
	if (unit->apart)
		unit_avoid(e, unit);
	p->load[part->place] -= n;
	better = SLOT_NONE;
	if (make_tier(e, choice) && (!in_tier(p, part->place) || p->load[part->place] + n > p->bound[part->place]))
		better = best_with_room(e, unit->hash, n, part->place);
	p->load[part->place] += n;
	return better;
}

bool is_outdone(const struct election *e, const struct node *node, const struct address *address, bool for_sure)
{
	bool outdone = false;

	for (size_t i = 0; i < e->node_n && !outdone && is_isolated(node, address); i++)
		outdone = e->nodes[i].used && !(for_sure && e->nodes[i].doubted) &&
			  is_candidate(e, &e->nodes[i], address) && !is_isolated(&e->nodes[i], address);
	return outdone;
}

bool placement_misplaced(const struct election *e, const struct address *address, const struct node **better)
{
	struct placement *p = e->placement;
	struct part part = { NULL, address_place(e, address), SLOT_NONE };
	uint32_t place;

	if (!address->configured || part.place == SLOT_NONE)
		return false;
	plan(e, SLOT_NONE);
	part.unit = &p->units[p->unit[address - e->addresses]];
	place = better_place(e, &part);
	if (place == SLOT_NONE)
		return false;
	*better = &e->nodes[place];
	return true;
}

/* --- why ------------------------------------------------------------------------------------------------------------------------ */

static struct election_candidate explain_node(const struct election *e, const struct address *address,
					      const struct node *node)
{
	const char *why_not = why_no_candidate(e, node, address);
	bool candidate = why_not == NULL;

	if (is_outdone(e, node, address, false))
		why_not = "its segment is silent";

	return (struct election_candidate){ .name = node->name,
					    .instance = node->instance,
					    .owner = address->owner == node->instance,
					    .candidate = candidate,
					    .why_not = why_not,
					    .score = service_score(address->service, node),
					    .weight = (unsigned int)weight_of(node),
					    .rank = candidate ? rank_of(e, address, node) : SIZE_MAX,
					    .planned = node_slot(e, node) == next_for(e, address) };
}

/* Loads as they are, and bounds among those that are equal for the address's unit. */
static void explain_loads(const struct election *e, const struct address *address, struct election_candidate *out,
			  size_t n)
{
	struct placement *p = e->placement;
	struct part part = { &p->units[p->unit[address - e->addresses]], SLOT_NONE, p->class[address - e->addresses] };
	struct choice choice = { NULL, SLOT_NONE, part.unit->apart, 0 };
	bool some;

	plan(e, SLOT_NONE);
	choice.values = part_values(e, &part);
	choice.extra = p->pending[part.unit->kind];
	if (part.unit->apart)
		unit_avoid(e, part.unit);
	some = make_tier(e, choice);
	for (size_t i = 0; i < n; i++) {
		uint32_t slot = node_slot(e, node_find(e, out[i].instance));

		out[i].load = p->load[slot];
		out[i].bound = some && in_tier(p, slot) ? p->bound[slot] : 0;
	}
}

size_t election_explain(const struct election *e, struct ip ip, struct election_candidate *out, size_t cap)
{
	const struct address *address = address_find(e, ip);
	size_t candidates = 0;
	size_t others = 0;

	if (address == NULL || !address->configured)
		return 0;
	for (size_t i = 0; i < e->node_n; i++)
		candidates += e->nodes[i].used && is_candidate(e, &e->nodes[i], address);
	for (size_t i = 0; i < e->node_n; i++) {
		struct election_candidate candidate;
		size_t at;

		if (!e->nodes[i].used)
			continue;
		candidate = explain_node(e, address, &e->nodes[i]);
		at = candidate.candidate ? candidate.rank : candidates + others++;
		if (at < cap)
			out[at] = candidate;
	}
	explain_loads(e, address, out, candidates + others < cap ? candidates + others : cap);
	return candidates + others;
}
