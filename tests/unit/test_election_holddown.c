/* SPDX-License-Identifier: Apache-2.0 */
/* election/holddown.c: addresses that move often wait, by need and by choice; strangers keep what they have. */
#include "tests/unit/test_election_core.h"

#include "election/damping.h"

#define SECOND INT64_C(1000000)
#define ASK_US (8 * 5000) /* eight questions without an answer: fence.c */

static const struct mac stranger = { { 2, 0xff, 0, 0, 0, 9 } };

/* n1 (we) to n3, started, nothing configured. */
static void fresh(bool ask_first, bool hold_down)
{
	struct election_config config = { .instance = instance_of(1), .ask_first = ask_first };
	struct election_event lease = { .kind = ELECTION_EVENT_LEASE, .lease = { 2, INSTANT_NEVER, 0 } };

	election_free(e);
	election_config_defaults(&config);
	config.hold_down = hold_down;
	memcpy(config.self, name_of(1), strlen(name_of(1)) + 1);
	config.node_max = 16;
	config.address_max = 64;
	now_us = 1000 * SECOND;
	e = election_new(&config, (struct instant){ now_us });
	ck_assert_ptr_nonnull(e);
	step(lease);
	join(3);
}

static void taken(struct ip ip, int64_t hold_us)
{
	struct election_event event = { .kind = ELECTION_EVENT_TAKEN };

	event.taken.ip = ip;
	event.taken.mac = stranger;
	event.taken.hold = span_us(hold_us);
	step(event);
}

static bool held_here(void)
{
	return see(web_ip[0]).held;
}

/* Go on until something is held, or for so long; returns after how many microseconds. */
static int64_t run_until_held(int64_t at_most_us)
{
	int64_t begin_us = now_us;

	while (!held_here() && now_us - begin_us < at_most_us) {
		int64_t next_us = election_deadline(e).us;

		tick_at(next_us > now_us ? next_us : now_us + 1000);
	}
	return now_us - begin_us;
}

static uint64_t epoch; /* of the last claim that was heard */

static void configure_plain(void)
{
	configure_web(1);
}

/* n2 owns it; then it goes to and fro between n3 and n2, so many times, a second apart. */
static void move_often(void (*configured)(void), size_t moves)
{
	epoch = 1;
	heard(instance_of(2), ip_of("10.0.0.1"), held(epoch, true));
	configured();
	for (size_t i = 1; i <= moves; i++) {
		now_us += SECOND;
		heard(instance_of(2 + i % 2), web_ip[0], held(++epoch, true));
		withdrawn(instance_of(3 - i % 2), web_ip[0]);
	}
	ck_assert_uint_eq(see(web_ip[0]).owner_instance, instance_of(2 + moves % 2));
}

/* Both others die at once, and their guards say so. */
static void others_die(void)
{
	node_dead(2);
	node_dead(3);
}

static const struct {
	size_t moves;
	int64_t wait_s;
} needs[] = { { 0, 0 }, { 1, 0 }, { 3, 0 }, { 4, 1 }, { 5, 2 }, { 6, 4 }, { 7, 8 }, { 8, 8 }, { 20, 8 } };

/* From the fifth move on whoever takes it by need waits, ever longer, but no longer than 8 s after the last one. */
START_TEST(by_need)
{
	int64_t wait_us = needs[_i].wait_s * SECOND;
	int64_t waited;

	fresh(false, true);
	move_often(configure_plain, needs[_i].moves);
	others_die();
	ck_assert_str_eq(see(web_ip[0]).state, wait_us > 0 ? "held-down" : "owned");
	if (wait_us > 0)
		ck_assert_int_eq(see(web_ip[0]).held_down_until.us, now_us + wait_us);
	waited = run_until_held(20 * SECOND);
	ck_assert(held_here());
	ck_assert_int_ge(waited, wait_us);
	ck_assert_int_le(waited, wait_us + 1000);
}
END_TEST

/* After three minutes of peace all is forgotten. */
START_TEST(forgotten)
{
	fresh(false, true);
	move_often(configure_plain, 9);
	now_us += DAMPING_WINDOW_S * SECOND;
	others_die();
	ck_assert(held_here());
}
END_TEST

START_TEST(can_be_switched_off)
{
	fresh(false, false);
	move_often(configure_plain, 9);
	others_die();
	ck_assert(held_here());
}
END_TEST

/* Turns by rank begin when the wait ends: nobody's has passed by then. */
START_TEST(turns_begin_at_the_end)
{
	int64_t place, waited;

	fresh(false, true);
	node_up(5);
	move_often(configure_plain, 4);
	others_die();
	place = (int64_t)our_place(web_ip[0]);
	ck_assert_int_eq(place, 1); /* n5 is before us */
	waited = run_until_held(20 * SECOND);
	ck_assert_int_ge(waited, SECOND + BACKOFF_US);
	ck_assert_int_le(waited, SECOND + BACKOFF_US + 60000);
}
END_TEST

/* Who had it last takes it again at once: for switches it has not moved. */
START_TEST(back_where_it_was)
{
	fresh(false, true);
	move_often(configure_plain, 3);
	others_die();
	ck_assert(held_here()); /* the fourth */
	plain(ELECTION_EVENT_DRAIN);
	tick_at(now_us + HANDOVER_US);
	ck_assert(!held_here());
	plain(ELECTION_EVENT_UNDRAIN);
	ck_assert(held_here());
}
END_TEST

/* Two claims that met: the loser's has been on the wire, there and back. */
START_TEST(claims_that_lose_count)
{
	fresh(false, true);
	move_often(configure_plain, 0);
	heard(instance_of(2), web_ip[0], held(5, true));
	heard(instance_of(3), web_ip[0], held(7, false)); /* of a minority */
	heard(instance_of(3), web_ip[0], held(7, false)); /* no news */
	withdrawn(instance_of(3), web_ip[0]);
	heard(instance_of(3), web_ip[0], held(9, false));
	heard(instance_of(3), web_ip[0], held(3, false)); /* old, and heard late */
	withdrawn(instance_of(3), web_ip[0]);
	ck_assert_uint_eq(see(web_ip[0]).owner_instance, instance_of(2));
	others_die();
	ck_assert(!held_here());
	ck_assert_int_eq(see(web_ip[0]).held_down_until.us, now_us + SECOND);
}
END_TEST

/* An owner whose check fails serves on for as long as its successor would have to wait. */
START_TEST(unfit_waits)
{
	struct election_event unfit = { .kind = ELECTION_EVENT_FITNESS };
	fresh(false, true);
	move_often(configure_plain, 3);
	others_die();
	ck_assert(held_here());
	about_address(ELECTION_EVENT_CLAIMED, web_ip[0]);
	node_up(4);
	unfit.fitness.origin = instance_of(1);
	unfit.fitness.service = fitness_service("web34");
	step(unfit);
	ck_assert_uint_eq(count(ELECTION_ACTION_OWNER), 0);
	tick_at(now_us + SECOND - 1);
	ck_assert(held_here());
	ck_assert_str_eq(see(web_ip[0]).state, "owned");
	tick_at(now_us + 1);
	ck_assert_int_eq(the(ELECTION_ACTION_PUBLISH)->publish.state, CLAIM_HANDOVER);
	ck_assert_uint_eq(the(ELECTION_ACTION_PUBLISH)->publish.successor, instance_of(4));
}
END_TEST

/* A drain does not wait: the process ends in any case. */
START_TEST(drain_does_not_wait)
{
	fresh(false, true);
	move_often(configure_plain, 3);
	others_die();
	about_address(ELECTION_EVENT_CLAIMED, web_ip[0]);
	node_up(4);
	plain(ELECTION_EVENT_DRAIN);
	ck_assert_int_eq(the(ELECTION_ACTION_PUBLISH)->publish.state, CLAIM_HANDOVER);
}
END_TEST

/* --- by choice ------------------------------------------------------------------------------------------------------ */

static struct label_requirement in_rack_a;
static struct election_preference preferences[1];

/* As web, but preferred on nodes of rack a, where n4 is. */
static void configure_preferring(void)
{
	static char key[] = "rack", value[] = "a";
	static char *values[] = { value };

	in_rack_a = (struct label_requirement){ .operator= LABEL_IN, .key = key, .values = values, .value_n = 1 };
	preferences[0] = (struct election_preference){ .weight = 10, .selector = { &in_rack_a, 1 } };
	web_ip[0] = ip_of("10.0.0.1");
	web = (struct election_service){
		.name = "web34", .addresses = web_ip, .address_n = 1, .preferences = preferences, .preference_n = 1
	};
	configure(&web, 1);
}

static void n4_in_rack_a(void)
{
	struct meta meta = good_meta();

	meta.labels.label_n = 1;
	strcpy(meta.labels.labels[0].key, "rack");
	strcpy(meta.labels.labels[0].value, "a");
	node_event(4, true, false, &meta);
}

static bool offers(void)
{
	for (size_t i = 0; i < out.action_n; i++) {
		if (out.actions[i].kind == ELECTION_ACTION_PUBLISH && out.actions[i].publish.state == CLAIM_HANDOVER)
			return true;
	}
	return false;
}

static const struct {
	size_t moves; /* before we take it, which is one more */
	int64_t wait_s;
} choices[] = { { 0, 1 }, { 1, 2 }, { 2, 179 } };

/* A rebalance leaves alone what moved lately, and comes back to it by itself. The fourth move within 180 s is never its. */
START_TEST(by_choice)
{
	int64_t wait_us = choices[_i].wait_s * SECOND;
	int64_t begin_us;
	fresh(false, true);
	move_often(configure_preferring, choices[_i].moves);
	others_die();
	ck_assert(held_here());
	about_address(ELECTION_EVENT_CLAIMED, web_ip[0]);
	n4_in_rack_a();
	begin_us = now_us;
	plain(ELECTION_EVENT_REBALANCE);
	while (!offers() && now_us - begin_us < 400 * SECOND) {
		ck_assert_int_gt(election_deadline(e).us, now_us - 1);
		tick_at(election_deadline(e).us > now_us ? election_deadline(e).us : now_us + 1000);
	}
	ck_assert(offers());
	ck_assert_int_ge(now_us - begin_us, wait_us);
	ck_assert_int_le(now_us - begin_us, wait_us + 10000);
}
END_TEST

/* Nothing that moved: at once; and one who is told to by a person does not wait either. */
START_TEST(unmoved_is_free)
{
	fresh(false, true);
	node_dead(2);
	node_dead(3);
	configure_preferring();
	ck_assert(held_here());
	about_address(ELECTION_EVENT_CLAIMED, web_ip[0]);
	n4_in_rack_a();
	plain(ELECTION_EVENT_REBALANCE);
	ck_assert(offers());
	fresh(false, true);
	move_often(configure_preferring, 3);
	others_die();
	about_address(ELECTION_EVENT_CLAIMED, web_ip[0]);
	n4_in_rack_a();
	hand_over(web_ip[0], name_of(4));
	ck_assert(offers());
}
END_TEST

/* --- strangers ------------------------------------------------------------------------------------------------------ */

static void own_alone(void)
{
	fresh(false, true);
	others_die();
	configure_web(1);
	ck_assert(held_here());
	about_address(ELECTION_EVENT_CLAIMED, web_ip[0]);
}

/* Questions that a stranger may answer. */
static size_t asks(void)
{
	size_t n = 0;

	for (size_t i = 0; i < out.action_n; i++)
		n += out.actions[i].kind == ELECTION_ACTION_ASK && out.actions[i].claim.strangers;
	return n;
}

START_TEST(given_up)
{
	int64_t begin_us;

	own_alone();
	taken(web_ip[0], 10 * SECOND);
	ck_assert_str_eq(letters(), "RWOP");
	ck_assert_int_eq(out.actions[3].publish.state, CLAIM_GIVEN_UP);
	assert_owner(instance_of(1), 0, ELECTION_REASON_TAKEN);
	ck_assert_str_eq(see(web_ip[0]).state, "taken");
	begin_us = now_us;
	tick_at(now_us + 10 * SECOND - 1);
	ck_assert_uint_eq(out.action_n, 0);
	tick_at(now_us + 1);
	ck_assert_uint_eq(asks(), 1);
	(void)run_until_held(SECOND);
	ck_assert(held_here());
	ck_assert_int_eq(now_us - begin_us, 10 * SECOND + ASK_US);
	ck_assert_int_eq(the(ELECTION_ACTION_PUBLISH)->publish.state, CLAIM_HELD); /* in the place of the other word */
	assert_owner(instance_of(1), instance_of(1), ELECTION_REASON_TAKEN);
}
END_TEST

/* It is there still when we ask again: left to it again. Each time it is a move, and the third may not be by choice. */
START_TEST(given_up_again)
{
	own_alone();
	taken(web_ip[0], 10 * SECOND);
	tick_at(now_us + 10 * SECOND);
	ck_assert_uint_eq(asks(), 1);
	taken(web_ip[0], 20 * SECOND);
	ck_assert_uint_eq(out.action_n, 0);
	(void)run_until_held(15 * SECOND);
	ck_assert(!held_here());
	(void)run_until_held(10 * SECOND);
	ck_assert(held_here());
	taken(web_ip[0], 10 * SECOND); /* there, back, there: three */
	(void)run_until_held(300 * SECOND);
	ck_assert(held_here());
	ck_assert_int_ge(now_us, see(web_ip[0]).since.us);
	ck_assert_int_ge(now_us - 1000 * SECOND, DAMPING_WINDOW_S * SECOND);
}
END_TEST

/* Another member hears that it was given up: it asks before it takes it, though the owner lives and withdrew. */
START_TEST(others_ask_first)
{
	struct claim word = { .epoch = 4, .state = CLAIM_GIVEN_UP };

	fresh(false, true);
	move_often(configure_plain, 0);
	heard(instance_of(2), web_ip[0], held(4, true));
	heard(instance_of(2), web_ip[0], word);
	assert_owner(instance_of(2), 0, ELECTION_REASON_TAKEN);
	ck_assert_str_eq(see(web_ip[0]).state, "taken");
	while (asks() == 0)
		tick_at(election_deadline(e).us);
	ck_assert(!held_here());
	taken(web_ip[0], 10 * SECOND);
	(void)run_until_held(9 * SECOND);
	ck_assert(!held_here());
	/* somebody else has it: nothing is left of that */
	heard(instance_of(3), web_ip[0], held(5, true));
	ck_assert_str_eq(see(web_ip[0]).state, "owned");
	withdrawn(instance_of(3), web_ip[0]);
	ck_assert(held_here());
}
END_TEST

/* The word of one that did not own it says nothing. */
START_TEST(old_words_are_nothing)
{
	struct claim word = { .epoch = 4, .state = CLAIM_GIVEN_UP };

	fresh(false, true);
	move_often(configure_plain, 0);
	heard(instance_of(2), web_ip[0], held(5, true));
	heard(instance_of(3), web_ip[0], word);
	ck_assert_str_eq(see(web_ip[0]).state, "owned");
	own_alone();
	node_up(2);
	heard(instance_of(2), web_ip[0], word);
	ck_assert(held_here());
}
END_TEST

START_TEST(word_is_withdrawn)
{
	own_alone();
	node_up(2);
	taken(web_ip[0], 10 * SECOND);
	heard(instance_of(2), web_ip[0], held(9, true));
	ck_assert_int_eq(the(ELECTION_ACTION_PUBLISH)->publish.state, 0);
	heard(instance_of(2), web_ip[0], held(10, true));
	ck_assert_uint_eq(count(ELECTION_ACTION_PUBLISH), 0);
}
END_TEST

/* Asked for before its first claim. */
START_TEST(first_claim)
{
	int64_t begin_us;

	fresh(true, true);
	others_die();
	configure_web(1);
	begin_us = now_us;
	ck_assert(!held_here());
	ck_assert_uint_eq(asks(), 1);
	taken(web_ip[0], 10 * SECOND);
	ck_assert_str_eq(see(web_ip[0]).state, "taken");
	(void)run_until_held(100 * SECOND);
	ck_assert(held_here());
	ck_assert_int_eq(now_us - begin_us, 10 * SECOND + ASK_US);
	assert_owner(0, instance_of(1), ELECTION_REASON_FIRST);
	/* what another member owns by now is not ours to leave to anybody */
	fresh(true, true);
	move_often(configure_plain, 0);
	taken(web_ip[0], 10 * SECOND);
	ck_assert_str_eq(see(web_ip[0]).state, "owned");
}
END_TEST

/* Silence: a moment of asking, no more. */
START_TEST(first_claim_of_a_free_one)
{
	fresh(true, true);
	others_die();
	configure_web(1);
	ck_assert_int_eq(run_until_held(SECOND), ASK_US);
}
END_TEST

/* Who looked like a stranger was a member that we did not know yet. */
START_TEST(no_stranger_after_all)
{
	struct meta meta = good_meta();
	int64_t begin_us;

	own_alone();
	taken(web_ip[0], 60 * SECOND);
	begin_us = now_us;
	meta.segments[0].mac = stranger;
	node_event(2, true, false, &meta);
	node_event(2, false, false, NULL);
	(void)run_until_held(30 * SECOND);
	ck_assert(held_here());
	ck_assert_int_le(now_us - begin_us, 2 * SECOND);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("election_holddown");
	TCase *tcase = tcase_create("election_holddown");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, by_need, 0, ARRAY_LEN(needs));
	tcase_add_test(tcase, forgotten);
	tcase_add_test(tcase, can_be_switched_off);
	tcase_add_test(tcase, turns_begin_at_the_end);
	tcase_add_test(tcase, back_where_it_was);
	tcase_add_test(tcase, claims_that_lose_count);
	tcase_add_test(tcase, unfit_waits);
	tcase_add_test(tcase, drain_does_not_wait);
	tcase_add_loop_test(tcase, by_choice, 0, ARRAY_LEN(choices));
	tcase_add_test(tcase, unmoved_is_free);
	tcase_add_test(tcase, given_up);
	tcase_add_test(tcase, given_up_again);
	tcase_add_test(tcase, others_ask_first);
	tcase_add_test(tcase, old_words_are_nothing);
	tcase_add_test(tcase, word_is_withdrawn);
	tcase_add_test(tcase, first_claim);
	tcase_add_test(tcase, first_claim_of_a_free_one);
	tcase_add_test(tcase, no_stranger_after_all);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
