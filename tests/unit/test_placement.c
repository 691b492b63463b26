/* SPDX-License-Identifier: Apache-2.0 */
/*
 * election/: where addresses are placed. Rules one by one on small clusters; then what must hold whatever the cluster, on random
 * ones from a seed: the bound, one plan on all nodes, a plan that stays the same while it is carried out; and what it costs.
 */
#include <time.h>

#include "tests/unit/test_placement_world.h"

/* --- rules -------------------------------------------------------------------------------------------------------------- */

/* Loads in proportion to weights, none above 11/10 of its share, rounded up. */
static const struct {
	uint16_t weights[5];
	size_t addresses;
	size_t bounds[5];
} shares[] = {
	{ { 100, 100, 100, 100, 100 }, 1000, { 220, 220, 220, 220, 220 } },
	{ { 0, 0, 0, 0, 0 }, 7, { 2, 2, 2, 2, 2 } }, /* 1.54 */
	{ { 100, 100, 100, 100, 100 }, 1, { 1, 1, 1, 1, 1 } },
	{ { 100, 200, 300, 400, 1000 }, 1000, { 55, 110, 165, 220, 550 } },
	{ { 1, 1, 1, 1, 1000 }, 500, { 1, 1, 1, 1, 548 } },
};

START_TEST(bounds)
{
	world(5);
	for (size_t i = 0; i < 5; i++)
		w.metas[i].weight = shares[_i].weights[i];
	for (size_t i = 0; i < shares[_i].addresses; i++)
		(void)service(1, 0);
	observer(1);
	for (size_t i = 0; i < 5; i++)
		ck_assert_uint_eq(explained(0, i)->bound, shares[_i].bounds[i]);
	carry_out();
	for (size_t i = 0; i < 5; i++) {
		ck_assert_uint_le(load(i), shares[_i].bounds[i]);
		ck_assert_uint_eq(explained(0, i)->load, load(i));
	}
}
END_TEST

/* The higher score before all else but eligibility: however full its nodes are; among equals the bound holds. */
START_TEST(preferences)
{
	world(5);
	put_rack(0, "a");
	put_rack(1, "a");
	put_rack(2, "b");
	for (size_t i = 0; i < 100; i++) {
		struct election_service *s = service(1, 0);

		s->preferences = likes;
		s->preference_n = 2;
	}
	observer(1);
	ck_assert_uint_eq(explained(0, 0)->score, 50);
	ck_assert_uint_eq(explained(0, 2)->score, 20);
	ck_assert_uint_eq(explained(0, 3)->score, 0);
	carry_out();
	ck_assert_uint_eq(load(0) + load(1), 100);
	ck_assert_uint_le(load(0), 55);
	ck_assert_uint_le(load(1), 55);
	member_event(0, false, NULL);
	member_event(1, false, NULL);
	memset(w.owners, 0, sizeof(w.owners));
	for (size_t i = 0; i < w.ip_n; i++)
		ck_assert_uint_eq(planned(i), 2);
}
END_TEST

/* Addresses of a service, and services of a group, meet on one node; those of a service that is spread do not. */
START_TEST(together)
{
	bool met[9] = { false };
	size_t nodes = 0;

	world(9);
	for (size_t i = 0; i < 20; i++)
		(void)service(1, 1);
	for (size_t i = 0; i < 5; i++)
		service(1, 1)->group = "mail";
	service(60, 0)->spread = true;
	observer(1);
	carry_out();
	for (size_t i = 0; i < 20; i++)
		ck_assert_uint_eq(w.owners[2 * i], w.owners[2 * i + 1]);
	for (size_t i = 40; i < 50; i++)
		ck_assert_uint_eq(w.owners[i], w.owners[40]);
	for (size_t i = 50; i < 110; i++)
		met[w.owners[i] - member(0)] = true;
	for (size_t i = 0; i < 9; i++)
		nodes += met[i];
	ck_assert_uint_ge(nodes, 7);
}
END_TEST

/* A group and a service of the same name have nothing to do with each other: nodes rank differently for them. */
START_TEST(group_is_no_service)
{
	const char *of_service[40], *of_group[40];
	size_t same = 0;

	world(40);
	(void)service(1, 0); /* s0 */
	service(1, 0)->group = "s0";
	observer(1);
	ck_assert_uint_eq(election_candidates(e, w.ips[0], of_service, 40), 40);
	ck_assert_uint_eq(election_candidates(e, w.ips[1], of_group, 40), 40);
	for (size_t i = 0; i < 40; i++)
		same += strcmp(of_service[i], of_group[i]) == 0;
	ck_assert_uint_lt(same, 10);
}
END_TEST

/* Units for which no node has room go to the least loaded: five of ten addresses on three nodes that should hold 19 each. */
START_TEST(large_units)
{
	size_t most = 0;

	world(3);
	for (size_t i = 0; i < 5; i++)
		(void)service(10, 0);
	observer(1);
	carry_out();
	for (size_t i = 0; i < 3; i++)
		most = load(i) > most ? load(i) : most;
	ck_assert_uint_eq(most, 20);
}
END_TEST

/* Subnets within subnets: each address goes to nodes whose subnet holds it, and all of those get some. */
START_TEST(nested_subnets)
{
	static const struct {
		const char *first;
		unsigned int nodes; /* as bits */
	} rows[] = { { "10.1.2.0", 7 }, { "10.1.1.0", 3 }, { "10.1.3.0", 3 }, { "10.20.0.0", 1 }, { "10.9.0.0", 9 } };
	static const char *const subnets[] = { "10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.9.0.0/16" };
	unsigned int got[ARRAY_LEN(rows)] = { 0 };

	world(4);
	for (size_t i = 0; i < 4; i++) {
		w.metas[i].segment_n = 1;
		w.metas[i].segments[0] = segment_of("eth0", subnets[i]);
	}
	for (size_t i = 0; i < 60 * ARRAY_LEN(rows); i++) {
		(void)service(1, 0);
		w.ips[i] = ip_of(rows[i % ARRAY_LEN(rows)].first);
		w.ips[i].bytes[3] = (uint8_t)(i / ARRAY_LEN(rows));
	}
	observer(1);
	for (size_t i = 0; i < w.ip_n; i++)
		got[i % ARRAY_LEN(rows)] |= 1u << planned(i);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		ck_assert_uint_eq(got[i], rows[i].nodes);
}
END_TEST

/* What no node can hold together is split; what is left of a unit goes to its others. */
START_TEST(split_and_joined)
{
	world(4);
	for (size_t i = 0; i < 4; i++) {
		w.metas[i].segment_n = 1;
		if (i >= 2)
			w.metas[i].segments[0] = segment_of("eth0", "fd00::/16");
	}
	(void)service(2, 2);
	observer(1);
	ck_assert_uint_lt(planned(0), 2);
	ck_assert_uint_eq(planned(0), planned(1));
	ck_assert_uint_ge(planned(2), 2);
	ck_assert_uint_eq(planned(2), planned(3));

	world(6);
	(void)service(4, 0);
	for (size_t holder = 0; holder < 6; holder++) {
		for (size_t i = 0; i < 3; i++)
			w.owners[i] = member(i == 1 ? (holder + 1) % 6 : holder);
		observer(holder);
		ck_assert_uint_eq(planned(3), holder);
	}
}
END_TEST

/* Services that are to be apart share no node while there is another, and do when there is none. Not scores, not room go before. */
static const struct {
	size_t nodes;
	size_t services;
	bool by_name;
	bool prefer;
} aparts[] = {
	{ 5, 5, false, false }, { 2, 2, true, false },	{ 7, 3, true, false },
	{ 5, 5, false, true },	{ 3, 7, false, false }, { 1, 3, true, false },
};

START_TEST(apart)
{
	static const char *const names[] = { "s0", "s1", "s2" };
	size_t most = 0;

	world(aparts[_i].nodes);
	put_rack(0, "a");
	for (size_t i = 0; i < aparts[_i].services; i++) {
		struct election_service *s = service(1, 1);

		s->apart = aparts[_i].by_name ? NULL : "tag";
		s->avoids = names;
		s->avoid_n = aparts[_i].by_name ? i : 0; /* each one those before it */
		s->preferences = likes;
		s->preference_n = aparts[_i].prefer ? 2 : 0;
	}
	observer(1);
	carry_out();
	for (size_t i = 0; i < aparts[_i].nodes; i++)
		most = load(i) > most ? load(i) : most;
	if (aparts[_i].services <= aparts[_i].nodes)
		ck_assert_uint_eq(most, 2);
	else
		ck_assert_uint_eq(load(0) + load(1) + load(2), aparts[_i].services * 2); /* all are served */
}
END_TEST

/* Addresses of one service that is spread do not avoid each other, whatever it is apart from; group mates neither. */
START_TEST(apart_from_others_only)
{
	struct election_service *s;

	world(3);
	s = service(30, 0);
	s->spread = true;
	s->apart = "tag";
	s = service(1, 0);
	s->group = "g";
	s->apart = "other";
	s = service(1, 0);
	s->group = "g";
	s->apart = "other";
	observer(1);
	carry_out();
	for (size_t i = 0; i < 3; i++)
		ck_assert_uint_le(load(i), 12 + 2);
	ck_assert_uint_eq(w.owners[30], w.owners[31]);
}
END_TEST

static const struct {
	const char *why;
	bool dead;
	bool draining;
	bool not_ready;
	bool no_segment;
	bool wrong_rack;
} refusals[] = {
	{ .why = "dead", .dead = true, .draining = true },
	{ .why = "draining", .draining = true, .not_ready = true },
	{ .why = "not ready", .not_ready = true, .no_segment = true },
	{ .why = "node selector", .wrong_rack = true, .no_segment = true },
	{ .why = "no usable interface", .no_segment = true },
};

START_TEST(explain)
{
	const struct election_candidate *row;
	struct election_candidate first;
	struct election_service *s;

	world(3);
	for (size_t i = 0; i < 3; i++)
		put_rack(i, "a");
	s = service(1, 0);
	s->selectors = &select_a;
	s->selector_n = 1;
	put_rack(2, refusals[_i].wrong_rack ? "b" : "a");
	w.metas[2].draining = refusals[_i].draining;
	w.metas[2].ready = !refusals[_i].not_ready;
	w.metas[2].segment_n = refusals[_i].no_segment ? 0 : 2;
	w.metas[1].weight = 400;
	w.owners[0] = member(1);
	observer(1);
	if (refusals[_i].dead)
		member_event(2, false, NULL);
	row = explained(0, 2);
	ck_assert(!row->candidate && !row->planned && !row->owner);
	ck_assert_str_eq(row->why_not, refusals[_i].why);
	ck_assert_uint_eq(row->rank, SIZE_MAX);
	ck_assert_uint_eq(row->bound, 0);
	row = explained(0, 1);
	ck_assert(row->owner && row->candidate && !row->planned);
	ck_assert_uint_eq(row->rank, 1);
	ck_assert_uint_eq(row->load, 1);
	ck_assert_uint_eq(row->bound, 1);
	ck_assert_uint_eq(row->weight, 400);
	row = explained(0, 0);
	ck_assert(!row->owner && row->planned && row->rank == 0);
	ck_assert_uint_eq(election_explain(e, w.ips[0], &first, 1), 3);
	ck_assert_str_eq(first.name, "m0");
	ck_assert_uint_eq(election_explain(e, ip_of("10.9.9.9"), &first, 1), 0);
}
END_TEST

/* --- whatever the cluster ----------------------------------------------------------------------------------------------- */

static const char *const tags[] = { "x", "y", "z" };

static void random_services(struct rng *rng, bool simple)
{
	size_t n = 1 + (size_t)rng_below(rng, 120);

	for (size_t i = 0; i < n; i++) {
		bool pair = !simple && rng_chance(rng, 300000);
		struct election_service *s = service(1, pair);

		if (simple)
			continue;
		s->selectors = &select_a;
		s->selector_n = rng_chance(rng, 200000);
		s->preferences = likes;
		s->preference_n = rng_chance(rng, 200000) ? 2 : 0;
		s->group = rng_chance(rng, 100000) ? tags[rng_below(rng, 3)] : NULL;
		s->apart = rng_chance(rng, 50000) ? tags[rng_below(rng, 3)] : NULL;
	}
	if (!simple && rng_chance(rng, 500000))
		service(20, 0)->spread = true;
}

static void random_world(struct rng *rng, bool simple)
{
	world(2 + (size_t)rng_below(rng, 20));
	for (size_t i = 0; i < w.node_n; i++) {
		w.metas[i].weight = (uint16_t)rng_between(rng, 50, 200);
		put_rack(i, rng_chance(rng, 500000) ? "a" : "b");
	}
	random_services(rng, simple);
}

/* Forget the owner of each address with probability half: their plans must not change because others were carried out. */
static void carry_out_some(struct rng *rng)
{
	static size_t plan[ADDRESS_CAP];

	for (size_t i = 0; i < w.ip_n; i++)
		plan[i] = w.owners[i] == 0 ? planned(i) : SIZE_MAX;
	for (size_t i = 0; i < w.ip_n; i++) {
		if (plan[i] != SIZE_MAX && rng_chance(rng, 500000))
			w.owners[i] = member(plan[i]);
	}
}

/* Asked for from the first address on, or from the last: it must not matter. */
static void plans_of(size_t *plan, bool backwards)
{
	for (size_t i = 0; i < w.ip_n; i++) {
		size_t address = backwards ? w.ip_n - 1 - i : i;

		plan[address] = w.owners[address] == 0 ? planned(address) : SIZE_MAX;
	}
}

static void assert_bounds(void)
{
	uint64_t weights = 0;

	for (size_t i = 0; i < w.node_n; i++)
		weights += w.metas[i].ready ? w.metas[i].weight : 0;
	for (size_t i = 0; i < w.node_n; i++) {
		size_t bound = (size_t)((11 * w.metas[i].weight * w.ip_n + 10 * weights - 1) / (10 * weights));

		ck_assert_msg(!w.metas[i].ready || load(i) <= bound, "m%zu holds %zu of %zu at most", i, load(i),
			      bound);
	}
}

/* Kill a node: what it held is nobody's, in the view and for all cores that are made from now on. */
static void kill(size_t node)
{
	w.metas[node].ready = false;
	for (size_t i = 0; i < w.ip_n; i++) {
		if (w.owners[i] == member(node))
			w.owners[i] = 0;
	}
}

/*
 * Single addresses and equal candidates: within the bound at the start and after each of several deaths; only the dead one's
 * addresses move; and the plan for the rest is the same before and after a part of it is carried out.
 */
START_TEST(bounded)
{
	static size_t before[ADDRESS_CAP], after[ADDRESS_CAP];
	struct rng rng = rng_of((uint64_t)_i);

	random_world(&rng, true);
	observer(1);
	carry_out();
	assert_bounds();
	for (size_t i = 1; i < w.node_n && i < 4; i++) {
		kill(i);
		observer(i);
		plans_of(before, false);
		carry_out_some(&rng);
		observer(100 + i);
		plans_of(after, true);
		for (size_t j = 0; j < w.ip_n; j++)
			ck_assert(w.owners[j] != 0 ? w.owners[j] != member(i) : after[j] == before[j]);
		carry_out();
		assert_bounds();
	}
}
END_TEST

/* All members, whatever order they learnt things in, plan the same for every address, with all rules at work. */
START_TEST(one_plan)
{
	static size_t first[ADDRESS_CAP], other[ADDRESS_CAP];
	struct rng rng = rng_of(1000 + (uint64_t)_i);

	random_world(&rng, false);
	observer(1);
	carry_out();
	kill(1);
	observer(2);
	plans_of(first, false);
	for (size_t i = 2; i < w.node_n; i++) {
		observer(1000 * (uint64_t)_i + i);
		plans_of(other, i % 2 == 0);
		for (size_t j = 0; j < w.ip_n; j++)
			ck_assert_msg(first[j] == other[j], "s%zu: m0 plans m%zu, m%zu plans m%zu", j, first[j], i,
				      other[j]);
	}
}
END_TEST

/* Of all members exactly the one that the observer names claims an orphan at once. */
START_TEST(claimed_once)
{
	static size_t plan[ADDRESS_CAP], claims[ADDRESS_CAP];
	struct rng rng = rng_of(2000 + (uint64_t)_i);

	memset(claims, 0, sizeof(claims));
	random_world(&rng, false);
	observer(1);
	carry_out();
	member_event(1, false, NULL);
	for (size_t i = 0; i < w.ip_n; i++)
		plan[i] = w.owners[i] == member(1) ? planned(i) : SIZE_MAX;
	for (size_t i = 0; i < w.node_n; i++) {
		if (i == 1)
			continue;
		participant(i, 1);
		now_us += 10000000; /* how it came to its own is history */
		member_event(1, false, NULL);
		for (size_t j = 0; j < w.ip_n; j++) {
			bool claimed = false;

			for (size_t k = 0; k < out.action_n; k++)
				claimed = claimed || (out.actions[k].kind == ELECTION_ACTION_CLAIM &&
						      ip_equal(out.actions[k].ip, w.ips[j]));
			ck_assert_int_eq(claimed, plan[j] == i);
			claims[j] += claimed;
		}
	}
	for (size_t i = 0; i < w.ip_n; i++)
		ck_assert_uint_eq(claims[i], plan[i] != SIZE_MAX);
}
END_TEST

/* --- cost --------------------------------------------------------------------------------------------------------------- */

static double ms_since(const struct timespec *start)
{
	struct timespec end;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
	return (double)(end.tv_sec - start->tv_sec) * 1e3 + (double)(end.tv_nsec - start->tv_nsec) / 1e6;
}

/* One of 1,000 nodes dies with 10,000 addresses: what m0 does until it waits. */
static const struct {
	const char *what;
	bool pairs;
	bool scored;
} costs[] = {
	{ "10,000 services of one address", false, false },
	{ "3,333 pairs and 3,334 single ones, by turns", true, false },
	{ "10,000 services, half with preferences", false, true },
};

START_TEST(cost)
{
	struct timespec start;
	size_t claimed = 0;

	world(NODE_CAP);
	for (size_t i = 0; i < NODE_CAP; i++)
		put_rack(i, i % 2 ? "a" : "b");
	while (w.ip_n < ADDRESS_CAP) {
		struct election_service *s =
			service(1, costs[_i].pairs && w.service_n % 2 == 0 && w.ip_n + 2 <= ADDRESS_CAP);

		s->preferences = likes;
		s->preference_n = costs[_i].scored && w.service_n % 2 ? 2 : 0;
		w.owners[w.ip_n - 1] = w.owners[w.ip_n - s->address_n] = member(NODE_CAP - 1);
	}
	participant(0, NODE_CAP - 1);
	ck_assert_uint_eq(count(ELECTION_ACTION_CLAIM), 0);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
	member_event(NODE_CAP - 1, false, NULL);
	for (claimed = count(ELECTION_ACTION_CLAIM); election_deadline(e).us <= now_us;) {
		tick_at(now_us);
		claimed += count(ELECTION_ACTION_CLAIM);
	}
	fprintf(stderr, "%s, 1,000 nodes: %.1f ms after one death, %zu claimed\n", costs[_i].what, ms_since(&start),
		claimed);
	ck_assert_uint_gt(claimed, 0);
	ck_assert_uint_le(claimed, 24);
}
END_TEST

static Suite *placement_suite(void)
{
	Suite *s = suite_create("placement");
	TCase *rules = tcase_create("rules");
	TCase *random = tcase_create("random");

	tcase_add_checked_fixture(rules, NULL, teardown);
	tcase_add_loop_test(rules, bounds, 0, (int)ARRAY_LEN(shares));
	tcase_add_test(rules, preferences);
	tcase_add_test(rules, together);
	tcase_add_test(rules, group_is_no_service);
	tcase_add_test(rules, large_units);
	tcase_add_test(rules, nested_subnets);
	tcase_add_test(rules, split_and_joined);
	tcase_add_loop_test(rules, apart, 0, (int)ARRAY_LEN(aparts));
	tcase_add_test(rules, apart_from_others_only);
	tcase_add_loop_test(rules, explain, 0, (int)ARRAY_LEN(refusals));
	suite_add_tcase(s, rules);

	tcase_add_checked_fixture(random, NULL, teardown);
	tcase_set_timeout(random, 60);
	tcase_add_loop_test(random, bounded, 0, 20);
	tcase_add_loop_test(random, one_plan, 0, 20);
	tcase_add_loop_test(random, claimed_once, 0, 10);
	tcase_add_loop_test(random, cost, 0, (int)ARRAY_LEN(costs));
	suite_add_tcase(s, random);

	return s;
}

int main(void)
{
	SRunner *sr = srunner_create(placement_suite());
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed > 0;
}
