/* SPDX-License-Identifier: Apache-2.0 */
/* election/fitness.c: who fails its health check is no candidate, hands over what it holds, and the word about it travels. */
#include <errno.h>

#include "tests/unit/test_election_core.h"

#define WEB "web34"

/* n1 to n3 with one service, before the start. */
static void setup_web(void)
{
	setup();
	for (size_t i = 1; i <= 3; i++)
		node_up(i);
	configure_web(1);
}

static void fitness(uint64_t origin, const char *service, bool fit)
{
	struct election_event event = { .kind = ELECTION_EVENT_FITNESS };

	event.fitness.origin = origin;
	event.fitness.service = fitness_service(service);
	event.fitness.fit = fit;
	step(event);
}

static size_t said(bool fit)
{
	size_t n = 0;

	for (size_t i = 0; i < out.action_n; i++)
		n += out.actions[i].kind == ELECTION_ACTION_FITNESS && out.actions[i].fitness.fit == fit &&
		     out.actions[i].fitness.service == fitness_service(WEB);
	return n;
}

static const char *why_not(size_t node)
{
	struct election_candidate candidates[8];
	size_t n = election_explain(e, web_ip[0], candidates, ARRAY_LEN(candidates));

	for (size_t i = 0; i < n; i++) {
		if (strcmp(candidates[i].name, name_of(node)) == 0)
			return candidates[i].why_not;
	}
	ck_abort_msg("%s is not listed", name_of(node));
	return NULL;
}

static bool held_here(void)
{
	return see(web_ip[0]).held;
}

/* We own it: whoever else might is unfit until then. */
static void own_it(void)
{
	fitness(instance_of(2), WEB, false);
	fitness(instance_of(3), WEB, false);
	plain(ELECTION_EVENT_START);
	ck_assert(held_here());
	about_address(ELECTION_EVENT_CLAIMED, web_ip[0]);
}

START_TEST(unfit_is_no_candidate)
{
	fitness(instance_of(2), WEB, false);
	ck_assert_uint_eq(said(false), 0); /* it is for node 2 to say so */
	ck_assert_str_eq(why_not(2), "its health check fails");
	ck_assert_ptr_null(why_not(3));
	fitness(instance_of(2), "mail", false); /* another service */
	fitness(instance_of(2), WEB, true);
	ck_assert_ptr_null(why_not(2));
}
END_TEST

START_TEST(our_word_is_published_once)
{
	fitness(instance_of(1), WEB, false);
	ck_assert_uint_eq(said(false), 1);
	fitness(instance_of(1), WEB, false);
	ck_assert_uint_eq(said(false), 0);
	fitness(instance_of(1), WEB, true);
	ck_assert_uint_eq(said(true), 1);
	fitness(instance_of(1), WEB, true);
	ck_assert_uint_eq(out.action_n, 0);
}
END_TEST

START_TEST(a_new_instance_says_it_again)
{
	struct election_event event = { .kind = ELECTION_EVENT_INSTANCE };

	fitness(instance_of(1), WEB, false);
	event.instance.instance = 777;
	step(event);
	ck_assert_uint_eq(said(false), 1);
	ck_assert_int_gt(election_deadline(e).us, now_us); /* and no more */
	fitness(777, WEB, true);
	ck_assert_uint_eq(said(true), 1);
}
END_TEST

START_TEST(all_unfit_then_nobody)
{
	for (size_t i = 1; i <= 3; i++)
		fitness(instance_of(i), WEB, false);
	plain(ELECTION_EVENT_START);
	tick_at(now_us + 10000000);
	ck_assert(!held_here());
	fitness(instance_of(1), WEB, true);
	ck_assert(held_here());
}
END_TEST

/* The owner serves on until a fit one has taken over. */
START_TEST(owner_hands_over)
{
	const struct election_action *action;
	struct claim theirs = { .epoch = 2, .state = CLAIM_HELD, .majority = true };

	own_it();
	fitness(instance_of(3), WEB, true);
	fitness(instance_of(1), WEB, false);
	action = the(ELECTION_ACTION_PUBLISH);
	ck_assert_int_eq(action->publish.state, CLAIM_HANDOVER);
	ck_assert_uint_eq(action->publish.successor, instance_of(3));
	ck_assert_uint_eq(count(ELECTION_ACTION_RELEASE), 0);
	heard(instance_of(3), web_ip[0], theirs);
	tick_at(now_us + LINGER_US);
	ck_assert_uint_eq(count(ELECTION_ACTION_RELEASE), 1);
	assert_owner(instance_of(1), instance_of(3), ELECTION_REASON_UNFIT);
}
END_TEST

START_TEST(owner_without_successor_lets_go)
{
	own_it();
	fitness(instance_of(1), WEB, false);
	ck_assert_uint_eq(count(ELECTION_ACTION_RELEASE), 1);
	ck_assert_int_eq(the(ELECTION_ACTION_OWNER)->owner.reason, ELECTION_REASON_UNFIT);
	ck_assert(!held_here());
}
END_TEST

/* It recovers before anybody took over: all stays, and the next time it has its full patience again. */
START_TEST(owner_recovers)
{
	own_it();
	fitness(instance_of(3), WEB, true);
	for (int i = 0; i < 3; i++) {
		fitness(instance_of(1), WEB, false);
		ck_assert_int_eq(the(ELECTION_ACTION_PUBLISH)->publish.state, CLAIM_HANDOVER);
		fitness(instance_of(1), WEB, true);
		tick_at(now_us + HANDOVER_US); /* the offer ends */
		ck_assert(held_here());
		ck_assert_int_eq(the(ELECTION_ACTION_PUBLISH)->publish.state, CLAIM_HELD);
	}
}
END_TEST

/* The successor names the cause, not only that it was a planned move. */
START_TEST(successor_knows_why)
{
	struct claim theirs = { .epoch = 1, .state = CLAIM_HELD, .majority = true };

	heard(instance_of(2), web_ip[0], theirs);
	plain(ELECTION_EVENT_START);
	fitness(instance_of(2), WEB, false);
	ck_assert(!held_here());
	theirs.state = CLAIM_HANDOVER;
	theirs.successor = instance_of(1);
	heard(instance_of(2), web_ip[0], theirs);
	ck_assert(held_here());
	ck_assert_uint_eq(count(ELECTION_ACTION_PUBLISH), 0); /* not before the kernel has it */
	assert_owner(instance_of(2), instance_of(1), ELECTION_REASON_UNFIT);
}
END_TEST

START_TEST(gone_is_forgotten)
{
	struct meta meta = good_meta();

	fitness(instance_of(2), WEB, false);
	node_gone(instance_of(2));
	node_event(2, true, false, &meta);
	ck_assert_ptr_null(why_not(2));
}
END_TEST

/* Others may say more than there is room for; what we have to say fits all the same. */
START_TEST(room_for_ourselves)
{
	char name[16];

	for (size_t i = 0; i < 64 + CHECK_MAX + 10; i++) {
		snprintf(name, sizeof(name), "x%zu", i);
		fitness(instance_of(2), name, false);
	}
	fitness(instance_of(3), WEB, false);
	ck_assert_ptr_null(why_not(3));
	fitness(instance_of(1), WEB, false);
	ck_assert_str_eq(why_not(1), "its health check fails");
	for (size_t i = 0; i < 64 + CHECK_MAX + 10; i++) {
		snprintf(name, sizeof(name), "x%zu", i);
		fitness(instance_of(2), name, true);
	}
	fitness(instance_of(3), WEB, false);
	ck_assert_str_eq(why_not(3), "its health check fails");
}
END_TEST

START_TEST(key_codec)
{
	static const uint8_t golden[FITNESS_KEY_LEN] = { 'u', 1, 2, 3, 4, 5, 6, 7, 8 };
	uint8_t key[FITNESS_KEY_LEN];
	uint64_t service = 0;

	ck_assert_uint_eq(fitness_key_encode(0x0102030405060708u, key), sizeof(golden));
	ck_assert_mem_eq(key, golden, sizeof(golden));
	ck_assert_int_eq(fitness_key_decode(key, sizeof(key), &service), 0);
	ck_assert_uint_eq(service, 0x0102030405060708u);
	ck_assert_int_eq(fitness_key_decode(key, sizeof(key) - 1, &service), -EBADMSG);
	ck_assert_int_eq(fitness_key_decode(key, 0, &service), -ENOENT);
	key[0] = 'c';
	ck_assert_int_eq(fitness_key_decode(key, sizeof(key), &service), -ENOENT);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("election_fitness");
	TCase *tcase = tcase_create("election_fitness");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_checked_fixture(tcase, setup_web, teardown);
	tcase_add_test(tcase, unfit_is_no_candidate);
	tcase_add_test(tcase, our_word_is_published_once);
	tcase_add_test(tcase, a_new_instance_says_it_again);
	tcase_add_test(tcase, all_unfit_then_nobody);
	tcase_add_test(tcase, owner_hands_over);
	tcase_add_test(tcase, owner_without_successor_lets_go);
	tcase_add_test(tcase, owner_recovers);
	tcase_add_test(tcase, successor_knows_why);
	tcase_add_test(tcase, gone_is_forgotten);
	tcase_add_test(tcase, room_for_ourselves);
	tcase_add_test(tcase, key_codec);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
