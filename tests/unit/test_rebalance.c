/* SPDX-License-Identifier: Apache-2.0 */
/* election/: owners that hand over what would be placed better elsewhere, on demand and by policy. */
#include "tests/unit/test_placement_world.h"

/* --- moves ---------------------------------------------------------------------------------------------------------- */

/* Let the core of m0 hand over what it wants; its successors take it at once. Returns the moves. */
static size_t let_move(int64_t until_us)
{
	size_t moves = 0;

	while (now_us < until_us) {
		for (size_t i = 0; i < out.action_n; i++) {
			if (out.actions[i].kind != ELECTION_ACTION_PUBLISH ||
			    out.actions[i].publish.state != CLAIM_HANDOVER)
				continue;
			for (size_t j = 0; j < w.ip_n; j++) {
				if (ip_equal(w.ips[j], out.actions[i].ip))
					w.owners[j] = out.actions[i].publish.successor;
			}
			moves++;
		}
		for (size_t j = 0; j < w.ip_n; j++) {
			struct election_address address = see(w.ips[j]);

			if (address.held && w.owners[j] != member(0))
				heard(w.owners[j], w.ips[j], held(address.epoch + 1, true));
		}
		now_us = election_deadline(e).us < until_us ? election_deadline(e).us : until_us;
		tick_at(now_us);
	}
	return moves;
}

static void start_alone(size_t nodes, size_t services)
{
	world(nodes);
	for (size_t i = 0; i < services; i++)
		(void)service(1, 0);
}

/* m0, at first alone, so that it claims everything. */
static void core_alone(enum rebalance_policy policy)
{
	core_new_as(w.names[0], member(0), policy);
	member_event(0, true, &w.metas[0]);
	configure(w.services, w.service_n);
	plain(ELECTION_EVENT_START);
	for (size_t i = 0; i < w.ip_n; i++) {
		w.owners[i] = member(0);
		MUST(see(w.ips[i]).held);
	}
}

/* On demand: so many moves as asked for, none twice, until nothing is above its bound; then none. */
START_TEST(rebalance_on_demand)
{
	struct election_event event = { .kind = ELECTION_EVENT_REBALANCE };

	start_alone(3, 60);
	core_alone(REBALANCE_NEVER);
	member_event(1, true, &w.metas[1]);
	member_event(2, true, &w.metas[2]);
	ck_assert_uint_eq(let_move(now_us + 200000000), 0); /* sticky */
	event.rebalance.max_moves = 3;
	step(event);
	ck_assert_uint_eq(let_move(now_us + 200000000), 3);
	event.rebalance.max_moves = 0;
	step(event);
	ck_assert_uint_eq(let_move(now_us + 200000000), 60 - 22 - 3);
	ck_assert_uint_eq(load(0), 22);
	ck_assert_uint_le(load(1), 22);
	ck_assert_uint_le(load(2), 22);
	step(event);
	ck_assert_uint_eq(let_move(now_us + 200000000), 0);
}
END_TEST

/* One at a time: while a successor has not answered there is no other, whatever the rate. */
START_TEST(rebalance_waits)
{
	struct election_event event = { .kind = ELECTION_EVENT_REBALANCE };
	size_t offers = 0;

	start_alone(2, 60);
	core_alone(REBALANCE_NEVER);
	member_event(1, true, &w.metas[1]);
	step(event);
	for (int64_t end_us = now_us + HANDOVER_US; now_us < end_us; tick_at(election_deadline(e).us)) {
		for (size_t i = 0; i < out.action_n; i++)
			offers += out.actions[i].kind == ELECTION_ACTION_PUBLISH &&
				  out.actions[i].publish.state == CLAIM_HANDOVER;
	}
	ck_assert_uint_eq(offers, 1);
}
END_TEST

/* By policy: a minute after a node came to stay, ten a second. One that comes and goes causes nothing. */
START_TEST(rebalance_on_join)
{
	int64_t joined_us;

	start_alone(2, 60);
	core_alone(REBALANCE_ON_JOIN);
	tick_at(now_us + 100000000);
	member_event(1, true, &w.metas[1]);
	tick_at(now_us + 59000000);
	member_event(1, false, NULL);
	member_event(1, true, &w.metas[1]);
	joined_us = now_us;
	ck_assert_uint_eq(let_move(joined_us + 59999999), 0);
	ck_assert_uint_eq(let_move(joined_us + 60999999), 10);
	ck_assert_uint_eq(let_move(joined_us + 90000000), 60 - 33 - 10);
	ck_assert_uint_eq(load(1), 27);
}
END_TEST

/* A node that is ready again after a drain is one that joins; so is one that lost its readiness. */
START_TEST(rebalance_after_undrain)
{
	struct meta meta;

	start_alone(2, 60);
	meta = w.metas[1];
	meta.draining = true;
	core_alone(REBALANCE_ON_JOIN);
	member_event(1, true, &meta);
	ck_assert_uint_eq(let_move(now_us + 200000000), 0);
	member_event(1, true, &w.metas[1]);
	ck_assert_uint_eq(let_move(now_us + 200000000), 27);
}
END_TEST

/* What moves besides what is too much: to a higher score, away from what it is to be apart from, all of a group at once. */
START_TEST(rebalance_reasons)
{
	struct election_event event = { .kind = ELECTION_EVENT_REBALANCE };
	struct election_service *s;

	start_alone(4, 0);
	put_rack(3, "a");
	s = service(1, 1);
	s->preferences = likes;
	s->preference_n = 2;
	service(1, 0)->apart = "tag";
	service(1, 0)->apart = "tag";
	core_alone(REBALANCE_NEVER);
	for (size_t i = 1; i < 4; i++)
		member_event(i, true, &w.metas[i]);
	step(event);
	ck_assert_uint_eq(let_move(now_us + 100000000), 3);
	ck_assert_uint_eq(w.owners[0], member(3));
	ck_assert_uint_eq(w.owners[1], member(3));
	ck_assert_uint_ne(w.owners[2], w.owners[3]);
}
END_TEST

/* A unit in two places comes together where most of it is. */
START_TEST(rebalance_joins_units)
{
	struct election_event event = { .kind = ELECTION_EVENT_REBALANCE };

	start_alone(3, 0);
	(void)service(3, 0);
	core_alone(REBALANCE_NEVER);
	member_event(1, true, &w.metas[1]);
	member_event(2, true, &w.metas[2]);
	for (size_t i = 0; i < 2; i++) {
		w.owners[i] = member(1);
		heard(member(1), w.ips[i], held(2, true));
	}
	step(event);
	ck_assert_uint_eq(let_move(now_us + 100000000), 1);
	ck_assert_uint_eq(w.owners[2], member(1));
}
END_TEST

static Suite *rebalance_suite(void)
{
	Suite *s = suite_create("rebalance");
	TCase *rebalance = tcase_create("rebalance");

	tcase_add_checked_fixture(rebalance, NULL, teardown);
	tcase_add_test(rebalance, rebalance_on_demand);
	tcase_add_test(rebalance, rebalance_waits);
	tcase_add_test(rebalance, rebalance_on_join);
	tcase_add_test(rebalance, rebalance_after_undrain);
	tcase_add_test(rebalance, rebalance_reasons);
	tcase_add_test(rebalance, rebalance_joins_units);
	suite_add_tcase(s, rebalance);
	return s;
}

int main(void)
{
	SRunner *sr = srunner_create(rebalance_suite());
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed > 0;
}
