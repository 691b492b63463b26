/* SPDX-License-Identifier: Apache-2.0 */
/* election/: one test for each defect that was found by reading or by running the others; the comment says what went wrong. */
#include "tests/unit/test_election_core.h"

/* An owner that lets go when its time is over said so only at the next event, which may never come: the daemon never left. */
START_TEST(drained_after_timeout)
{
	own_web(2);
	plain(ELECTION_EVENT_DRAIN);
	for (size_t i = 0; i < 8 && see(web_ip[0]).held; i++)
		tick_at(election_deadline(e).us);
	ck_assert(!see(web_ip[0]).held);
	ck_assert_uint_eq(count(ELECTION_ACTION_DRAINED), 1);
}
END_TEST

/* The only candidate did not answer within half of the time: the owner let go then, and did not wait for the other half. */
START_TEST(drain_waits_for_the_only_one)
{
	own_web(2);
	plain(ELECTION_EVENT_DRAIN);
	tick_at(now_us + HANDOVER_US / 2);
	ck_assert(see(web_ip[0]).held);
	tick_at(now_us + HANDOVER_US / 2);
	ck_assert(!see(web_ip[0]).held);
}
END_TEST

static struct meta two_interfaces(bool first, bool second)
{
	struct meta meta = { .ready = true };

	if (first)
		meta.segments[meta.segment_n++] = segment_of("eth0", "10.0.0.0/8");
	if (second)
		meta.segments[meta.segment_n++] = segment_of("eth1", "10.0.0.0/8");
	return meta;
}

/* A second interface that comes up and stands before ours took the address away from a healthy owner. */
START_TEST(better_interface_appears)
{
	struct meta meta = two_interfaces(false, true);

	node_event(1, true, false, &meta);
	plain(ELECTION_EVENT_START);
	configure_web(1);
	ck_assert_str_eq(see(web_ip[0]).iface, "eth1");
	meta = two_interfaces(true, true);
	node_event(1, true, false, &meta);
	ck_assert_uint_eq(count(ELECTION_ACTION_RELEASE) + count(ELECTION_ACTION_OWNER), 0);
	ck_assert(see(web_ip[0]).held);
}
END_TEST

/* Our interface goes, another one could carry the address, and nobody else can have it: it stayed down until the next event. */
START_TEST(other_interface_takes_over)
{
	struct meta meta = two_interfaces(true, true);

	node_event(1, true, false, &meta);
	plain(ELECTION_EVENT_START);
	configure_web(1);
	ck_assert_str_eq(see(web_ip[0]).iface, "eth0");
	meta = two_interfaces(false, true);
	node_event(1, true, false, &meta);
	while (election_deadline(e).us < now_us + BACKOFF_US && !see(web_ip[0]).held)
		tick_at(election_deadline(e).us);
	ck_assert(see(web_ip[0]).held);
	ck_assert_str_eq(see(web_ip[0]).iface, "eth1");
}
END_TEST

/* Configured again after a while, an address kept the age of the first time: all candidates claimed it at once. */
START_TEST(configured_again)
{
	join(5);
	configure_web(1);
	ck_assert_uint_eq(our_place(web_ip[0]), 1);
	configure(NULL, 0);
	now_us += 60000000;
	configure_web(1);
	ck_assert_uint_eq(count(ELECTION_ACTION_CLAIM), 0);
	tick_at(now_us + BACKOFF_US - 1);
	ck_assert_uint_eq(count(ELECTION_ACTION_CLAIM), 0);
	tick_at(now_us + 1);
	ck_assert_uint_eq(count(ELECTION_ACTION_CLAIM), 1);
}
END_TEST

/* The same where the address was heard of before it was configured. */
START_TEST(configured_late)
{
	join(5);
	heard(instance_of(2), ip_of("10.0.0.1"), held(1, true));
	withdrawn(instance_of(2), ip_of("10.0.0.1"));
	now_us += 60000000;
	configure_web(1);
	ck_assert_uint_eq(count(ELECTION_ACTION_CLAIM), 0);
	tick_at(now_us + BACKOFF_US - 1);
	ck_assert_uint_eq(count(ELECTION_ACTION_CLAIM), 0);
	tick_at(now_us + 1);
	ck_assert_uint_eq(count(ELECTION_ACTION_CLAIM), 1);
}
END_TEST

/* The successor's claim was lost on its way, the former owner's withdrawal was not: the best-ranked node took it from under it. */
START_TEST(withdrawn_before_the_successor_claims)
{
	join(4);
	heard(instance_of(2), ip_of("10.0.0.1"), held(1, true));
	configure_web(1);
	heard(instance_of(2), web_ip[0], offered(1, instance_of(4)));
	withdrawn(instance_of(2), web_ip[0]);
	ck_assert_uint_eq(our_place_without(web_ip[0], name_of(2)), 0);
	tick_at(now_us + BACKOFF_US - 1);
	ck_assert(!see(web_ip[0]).held);
	if (_i == 0) {
		heard(instance_of(4), web_ip[0], held(2, true));
		tick_at(now_us + 10 * BACKOFF_US);
		ck_assert_uint_eq(see(web_ip[0]).owner_instance, instance_of(4));
	} else if (_i == 1) { /* it never comes */
		tick_at(now_us + 1);
		ck_assert(see(web_ip[0]).held);
	} else { /* it cannot come */
		node_dead(4);
		ck_assert(see(web_ip[0]).held);
	}
}
END_TEST

/* Ten nodes claimed, each alone, and meet: the strongest claim came when the list was full, and was forgotten. */
START_TEST(many_rivals)
{
	struct meta meta = { .ready = true };

	node_event(1, true, false, &meta);
	for (size_t i = 2; i <= 11; i++)
		node_up(i);
	configure_web(1);
	plain(ELECTION_EVENT_START);
	for (size_t i = 2; i <= 11; i++)
		heard(instance_of(i), web_ip[0], held(i, true));
	ck_assert_uint_eq(see(web_ip[0]).owner_instance, instance_of(11));
	for (size_t i = 2; i <= 10; i++)
		withdrawn(instance_of(i), web_ip[0]);
	ck_assert_uint_eq(see(web_ip[0]).owner_instance, instance_of(11));
}
END_TEST

/* The kernel refused what another one claims as well: it has an owner, the other one. */
START_TEST(failed_while_claimed)
{
	own_web(2);
	heard(instance_of(2), web_ip[0], held(0, true)); /* weaker than ours */
	ck_assert(see(web_ip[0]).held);
	about_address(ELECTION_EVENT_CLAIM_FAILED, web_ip[0]);
	ck_assert_uint_eq(see(web_ip[0]).owner_instance, instance_of(2));
}
END_TEST

/* The successor takes it, and sees fewer of the cluster than the former owner did: it yielded to the one that wanted to go. */
START_TEST(successor_without_majority)
{
	node_up(1);
	node_up(2);
	node_event(3, false, false, NULL);
	node_event(4, false, false, NULL);
	configure_web(1);
	plain(ELECTION_EVENT_START);
	heard(instance_of(2), web_ip[0], offered(1, instance_of(1)));
	ck_assert(see(web_ip[0]).held);
	about_address(ELECTION_EVENT_CLAIMED, web_ip[0]);
	node_event(5, false, true, NULL); /* any event that makes it look again */
	ck_assert(see(web_ip[0]).held);
}
END_TEST

/* The successor claimed, and died before we had let go: nobody was the owner, and we crashed. */
START_TEST(successor_dies_in_linger)
{
	own_web(2);
	hand_over(web_ip[0], "n2");
	heard(instance_of(2), web_ip[0], held(2, true));
	ck_assert(see(web_ip[0]).held);
	now_us += LINGER_US / 2;
	node_dead(2);
	for (size_t i = 0; i < 4 && election_deadline(e).us < now_us + BACKOFF_US; i++)
		tick_at(election_deadline(e).us);
	ck_assert(see(web_ip[0]).held);
	ck_assert_uint_eq(see(web_ip[0]).owner_instance, instance_of(1));
}
END_TEST

/* The first successor gave up; when the next one came, we let go without the moment of serving side by side. */
START_TEST(linger_for_each_successor)
{
	own_web(3);
	hand_over(web_ip[0], "n2");
	heard(instance_of(2), web_ip[0], held(2, true));
	now_us += LINGER_US / 2;
	withdrawn(instance_of(2), web_ip[0]);
	now_us += 100000;
	hand_over(web_ip[0], "n3");
	now_us += 100000;
	heard(instance_of(3), web_ip[0], held(3, true));
	ck_assert(see(web_ip[0]).held);
	tick_at(now_us + LINGER_US);
	ck_assert(!see(web_ip[0]).held);
}
END_TEST

static Suite *election_suite(void)
{
	Suite *s = suite_create("election_regress");
	TCase *tc = tcase_create("regress");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, drained_after_timeout);
	tcase_add_test(tc, drain_waits_for_the_only_one);
	tcase_add_test(tc, better_interface_appears);
	tcase_add_test(tc, other_interface_takes_over);
	tcase_add_test(tc, configured_again);
	tcase_add_test(tc, configured_late);
	tcase_add_loop_test(tc, withdrawn_before_the_successor_claims, 0, 3);
	tcase_add_test(tc, many_rivals);
	tcase_add_test(tc, failed_while_claimed);
	tcase_add_test(tc, successor_without_majority);
	tcase_add_test(tc, successor_dies_in_linger);
	tcase_add_test(tc, linger_for_each_successor);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	SRunner *sr = srunner_create(election_suite());
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed > 0;
}
