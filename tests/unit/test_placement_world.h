/* SPDX-License-Identifier: Apache-2.0 */
/* A cluster as somebody outside sees it, for tests of placement: what its members are, what they own, and cores that know all that. */
#ifndef MLB_TESTS_UNIT_TEST_PLACEMENT_WORLD_H
#define MLB_TESTS_UNIT_TEST_PLACEMENT_WORLD_H

#include "base/rng.h"
#include "tests/unit/test_election_core.h"

#define NODE_CAP 1000
#define ADDRESS_CAP 10000

/* A cluster as somebody outside sees it: node i is "m<i>" with instance 5000 + i. */
static struct {
	size_t node_n;
	struct meta metas[NODE_CAP];
	char names[NODE_CAP][24];
	size_t service_n;
	struct election_service services[ADDRESS_CAP];
	char service_names[ADDRESS_CAP][24];
	struct ip ips[ADDRESS_CAP];
	size_t ip_n;
	uint64_t owners[ADDRESS_CAP]; /* by address: instance; 0: none */
} w;

static inline uint64_t member(size_t i)
{
	return 5000 + i;
}

static inline size_t index_of(const char *name)
{
	return (size_t)atoi(name + 1);
}

static inline void world(size_t nodes)
{
	memset(&w, 0, sizeof(w));
	w.node_n = nodes;
	for (size_t i = 0; i < nodes; i++) {
		snprintf(w.names[i], sizeof(w.names[i]), "m%zu", i);
		w.metas[i] = good_meta();
	}
}

/* One more service with so many addresses of each family; the caller may change it until a core is made. */
static inline struct election_service *service(size_t v4, size_t v6)
{
	struct election_service *s = &w.services[w.service_n];

	MUST(w.ip_n + v4 + v6 <= ADDRESS_CAP);
	snprintf(w.service_names[w.service_n], sizeof(w.service_names[0]), "s%zu", w.service_n);
	*s = (struct election_service){ .name = w.service_names[w.service_n], .addresses = &w.ips[w.ip_n] };
	for (size_t i = 0; i < v4 + v6; i++, w.ip_n++) {
		uint8_t high = (uint8_t)(w.ip_n >> 8), low = (uint8_t)w.ip_n;

		w.ips[w.ip_n] = i < v4 ? ip_from_v4((uint8_t[]){ 10, 1, high, low })
				       : ip_from_v6((uint8_t[16]){ 0xfd, [14] = high, low });
	}
	s->address_n = v4 + v6;
	w.service_n++;
	return s;
}

static inline void member_event(size_t i, bool alive, const struct meta *meta)
{
	struct election_event event = { .kind = ELECTION_EVENT_NODE };

	event.node.name = w.names[i];
	event.node.instance = member(i);
	event.node.alive = alive;
	event.node.meta = meta;
	event.node.released = !alive; /* no fencing here: it has let go */
	step(event);
}

static inline void hear_owner(size_t address)
{
	if (w.owners[address] != 0)
		heard(w.owners[address], w.ips[address], held(1, true));
}

static inline void core_new_as(const char *name, uint64_t instance, enum rebalance_policy policy)
{
	struct election_config config = { .instance = instance };
	struct election_event lease = { .kind = ELECTION_EVENT_LEASE, .lease = { 2, INSTANT_NEVER, 0 } };

	election_free(e);
	election_config_defaults(&config);
	strcpy(config.self, name);
	config.node_max = NODE_CAP;
	config.address_max = ADDRESS_CAP;
	config.rebalance = policy;
	ck_assert_int_eq(config.rebalance_delay.us, 60000000);
	ck_assert_uint_eq(config.rebalance_rate, 10);
	now_us = 1000000;
	e = election_new(&config, (struct instant){ now_us });
	ck_assert_ptr_nonnull(e);
	step(lease);
}

/* All nodes and services, in an order of its own. */
static inline void learn(struct rng *rng)
{
	static struct election_service services[ADDRESS_CAP];
	static size_t order[NODE_CAP];

	for (size_t i = 0; i < w.node_n; i++)
		order[i] = i;
	rng_shuffle(rng, order, w.node_n, sizeof(order[0]));
	for (size_t i = 0; i < w.node_n; i++)
		member_event(order[i], true, &w.metas[order[i]]);
	memcpy(services, w.services, w.service_n * sizeof(services[0]));
	for (size_t i = w.service_n; i > 1; i--) {
		size_t other = (size_t)rng_below(rng, i);
		struct election_service swap = services[other];

		services[other] = services[i - 1];
		services[i - 1] = swap;
	}
	configure(services, w.service_n);
}

/* One that looks on: it plans as all others do, and owns nothing. */
static inline void observer(uint64_t seed)
{
	static size_t order[ADDRESS_CAP];
	struct rng rng = rng_of(seed);

	core_new_as("observer", 1, REBALANCE_NEVER);
	learn(&rng);
	for (size_t i = 0; i < w.ip_n; i++)
		order[i] = i;
	rng_shuffle(&rng, order, w.ip_n, sizeof(order[0]));
	for (size_t i = 0; i < w.ip_n; i++)
		hear_owner(order[i]);
}

/* A member that holds what it owns: the one that is to die handed it over. Every address has an owner. */
static inline void participant(size_t self, size_t dying)
{
	struct rng rng = rng_of(self);

	core_new_as(w.names[self], member(self), REBALANCE_NEVER);
	learn(&rng);
	for (size_t i = 0; i < w.ip_n; i++)
		heard(w.owners[i] == member(self) ? member(dying) : w.owners[i], w.ips[i], held(1, true));
	plain(ELECTION_EVENT_START);
	for (size_t i = 0; i < w.ip_n; i++) {
		if (w.owners[i] != member(self))
			continue;
		heard(member(dying), w.ips[i], offered(1, member(self)));
		MUST(see(w.ips[i]).held);
	}
}

/* Who owns the address next; SIZE_MAX: nobody can. */
static inline size_t planned(size_t address)
{
	static struct election_candidate rows[NODE_CAP];
	size_t n = election_explain(e, w.ips[address], rows, NODE_CAP);

	MUST(n == w.node_n);
	if (!rows[0].candidate)
		return SIZE_MAX;
	MUST(rows[0].planned && rows[0].rank == 0 && rows[0].why_not == NULL);
	return index_of(rows[0].name);
}

static inline const struct election_candidate *explained(size_t address, size_t node)
{
	static struct election_candidate rows[NODE_CAP];
	size_t n = election_explain(e, w.ips[address], rows, NODE_CAP);

	for (size_t i = 0; i < n; i++) {
		if (index_of(rows[i].name) == node)
			return &rows[i];
	}
	ck_abort_msg("node %zu is not explained", node);
	return NULL;
}

/* All that is planned is claimed by those who are to have it. */
static inline void carry_out(void)
{
	static size_t plan[ADDRESS_CAP];

	for (size_t i = 0; i < w.ip_n; i++)
		plan[i] = w.owners[i] == 0 ? planned(i) : SIZE_MAX;
	for (size_t i = 0; i < w.ip_n; i++) {
		if (plan[i] != SIZE_MAX)
			w.owners[i] = member(plan[i]);
		hear_owner(i);
	}
}

static inline size_t load(size_t node)
{
	size_t n = 0;

	for (size_t i = 0; i < w.ip_n; i++)
		n += w.owners[i] == member(node);
	return n;
}

static char rack_key[] = "rack";
static char rack_a[] = "a", rack_b[] = "b";
static char *values_a[] = { rack_a }, *values_b[] = { rack_b };
static struct label_requirement in_a = { .key = rack_key, .operator= LABEL_IN, .values = values_a, .value_n = 1 };
static struct label_requirement in_b = { .key = rack_key, .operator= LABEL_IN, .values = values_b, .value_n = 1 };
static const struct label_selector select_a = { &in_a, 1 };
static const struct election_preference likes[] = { { 50, { &in_a, 1 } }, { 20, { &in_b, 1 } } };

static inline void put_rack(size_t node, const char *rack)
{
	ck_assert_int_eq(label_set_put(&w.metas[node].labels, "rack", rack), 0);
}

#endif
