/* SPDX-License-Identifier: Apache-2.0 */
/* election/: nodes whose segment is silent, though their gossip is not. */
#include "tests/unit/test_election_core.h"

#define GRACE_US 300000

static void segment_silent(size_t i, bool silent)
{
	struct meta meta = good_meta();

	for (size_t k = 0; k < meta.segment_n; k++)
		meta.segments[k].isolated = silent;
	node_event(i, true, false, &meta);
}

static const char *why_not(size_t node)
{
	struct election_candidate rows[8];
	size_t n = election_explain(e, web_ip[0], rows, ARRAY_LEN(rows));

	for (size_t i = 0; i < n; i++) {
		if (strcmp(rows[i].name, name_of(node)) == 0)
			return rows[i].why_not;
	}
	ck_abort_msg("%s is not listed", name_of(node));
	return NULL;
}

START_TEST(owner_lets_go)
{
	own_web(3);
	segment_silent(1, true);
	ck_assert(see(web_ip[0]).held); /* the others look at theirs */
	tick_at(now_us + GRACE_US);
	ck_assert_uint_eq(count(ELECTION_ACTION_RELEASE), 1);
	assert_owner(instance_of(1), 0, ELECTION_REASON_ISOLATED);
	ck_assert_str_eq(why_not(1), "its segment is silent");
	ck_assert_ptr_null(why_not(2));
	tick_at(now_us + 100 * BACKOFF_US); /* not even when nobody else takes it */
	ck_assert(!see(web_ip[0]).held);
}
END_TEST

/* A switch or gateway that is dead for all moves nothing; nor does the first that is heard again take what another one has. */
START_TEST(all_alike)
{
	own_web(3);
	segment_silent(1, true);
	segment_silent(2, true);
	now_us += GRACE_US - 1;
	segment_silent(3, true);
	tick_at(now_us + 100 * GRACE_US);
	ck_assert(see(web_ip[0]).held);
	ck_assert_ptr_null(why_not(1));
	segment_silent(1, false);
	ck_assert(see(web_ip[0]).held);
	ck_assert_str_eq(why_not(2), "its segment is silent");
}
END_TEST

static void doubt(size_t i, bool doubted)
{
	step((struct election_event){ .kind = ELECTION_EVENT_DOUBT, .doubt = { instance_of(i), doubted } });
}

/* Both others die at once, and it takes a while until that is sure: whoever is left hears nobody, and keeps what it has. */
START_TEST(those_in_doubt_are_not_better)
{
	own_web(3);
	doubt(2, true);
	doubt(3, true);
	segment_silent(1, true);
	tick_at(now_us + 100 * BACKOFF_US);
	ck_assert(see(web_ip[0]).held);
	doubt(3, false);
	for (size_t i = 0; i < 100 && see(web_ip[0]).held; i++)
		tick_at(election_deadline(e).us);
	ck_assert(!see(web_ip[0]).held);
}
END_TEST

/* It hears neither its segment nor the others, who may serve for all that it knows: it takes nothing before they are dead. */
START_TEST(silent_and_in_doubt_takes_nothing)
{
	join(3);
	segment_silent(1, true);
	doubt(2, true);
	doubt(3, true);
	configure_web(1);
	tick_at(now_us + 100 * BACKOFF_US);
	ck_assert(!see(web_ip[0]).held);
	node_dead(2);
	tick_at(now_us + 100 * BACKOFF_US);
	ck_assert(!see(web_ip[0]).held);
	node_dead(3);
	for (size_t i = 0; i < 100 && !see(web_ip[0]).held; i++)
		tick_at(election_deadline(e).us);
	ck_assert(see(web_ip[0]).held);
}
END_TEST

/*
 * Without the watchers' lease, by the answers of the segment alone: another member speaks for the address. Those that we do not hear
 * are no majority of ours, though nobody could declare them dead.
 */
static const struct {
	bool doubted;
	bool held;
} rivals[] = { { false, true }, { true, false } };

START_TEST(gives_way_to_the_other_side)
{
	struct election_event answer = { .kind = ELECTION_EVENT_ANSWER };
	struct meta meta = good_meta();

	own_web(3);
	meta.segments[0].mac.bytes[5] = 2;
	node_event(2, true, false, &meta);
	step((struct election_event){ .kind = ELECTION_EVENT_PATH, .path = { { now_us + 3600000000 } } });
	step((struct election_event){ .kind = ELECTION_EVENT_LEASE, .lease = { 2, { now_us }, 0 } });
	doubt(2, rivals[_i].doubted);
	doubt(3, rivals[_i].doubted);
	answer.answer.ip = web_ip[0];
	answer.answer.mac = meta.segments[0].mac;
	step(answer);
	ck_assert_int_eq(see(web_ip[0]).held, rivals[_i].held);
}
END_TEST

/* The last one that is left may be silent: better than nobody. */
START_TEST(better_than_nobody)
{
	join(2);
	segment_silent(1, true);
	heard(instance_of(2), ip_of("10.0.0.1"), held(1, true));
	configure_web(1);
	node_dead(2);
	ck_assert(see(web_ip[0]).held);
}
END_TEST

/* Orphans go past the one that is silent, whatever its rank. */
START_TEST(ranks_last)
{
	const char *names[4];

	join(4);
	segment_silent(1, true);
	configure_web(1);
	ck_assert_uint_eq(election_candidates(e, web_ip[0], names, 4), 4);
	ck_assert_str_eq(names[3], "n1");
	tick_at(now_us + 100 * BACKOFF_US);
	ck_assert(!see(web_ip[0]).held);
}
END_TEST

/* Another interface of the owner reaches the same subnet: it takes that. */
START_TEST(other_interface)
{
	struct meta meta = good_meta();

	own_web(3);
	meta.segment_n = 3;
	meta.segments[2] = segment_of("eth1", "10.0.0.0/8");
	meta.segments[0].isolated = true;
	node_event(1, true, false, &meta);
	while (election_deadline(e).us < now_us + BACKOFF_US * 5 && !see(web_ip[0]).held)
		tick_at(election_deadline(e).us);
	ck_assert(see(web_ip[0]).held);
	ck_assert_str_eq(see(web_ip[0]).iface, "eth1");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("election_isolated");
	TCase *tcase = tcase_create("election_isolated");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, owner_lets_go);
	tcase_add_test(tcase, all_alike);
	tcase_add_test(tcase, those_in_doubt_are_not_better);
	tcase_add_test(tcase, silent_and_in_doubt_takes_nothing);
	tcase_add_loop_test(tcase, gives_way_to_the_other_side, 0, ARRAY_LEN(rivals));
	tcase_add_test(tcase, better_than_nobody);
	tcase_add_test(tcase, ranks_last);
	tcase_add_test(tcase, other_interface);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
