/* SPDX-License-Identifier: Apache-2.0 */
/* election/: planned moves and conflicts among several cores that hear each other's claims. */
#include "tests/unit/test_election_core.h"

#include "base/rng.h"

/* --- several cores that exchange their claims ------------------------------------------------------------------------- */

#define CORE_N 4 /* cores 1 to 3 */

static struct election *cores[CORE_N];
static bool deaf[CORE_N];

/* Claims on their way, in order. */
static struct {
	size_t from;
	struct ip ip;
	struct claim claim;
} mail[1024];
static size_t mail_n;
static char trace[4096]; /* what all cores did, "2C " for core and action; without OWNER */

static size_t holders(struct ip ip)
{
	struct election_address address;
	size_t n = 0;

	for (size_t i = 1; i < CORE_N; i++)
		n += cores[i] != NULL && election_address_find(cores[i], ip, &address) && address.held;
	return n;
}

/* Take down what the core in `e` did. */
static void note(size_t core)
{
	for (size_t i = 0; i < out.action_n; i++) {
		char word[] = { (char)('0' + core), letters()[i], ' ', '\0' };

		if (out.actions[i].kind == ELECTION_ACTION_OWNER)
			continue;
		ck_assert_uint_lt(strlen(trace) + sizeof(word), sizeof(trace));
		strcat(trace, word);
		if (out.actions[i].kind != ELECTION_ACTION_PUBLISH)
			continue;
		ck_assert_uint_lt(mail_n, ARRAY_LEN(mail));
		mail[mail_n].from = core;
		mail[mail_n].ip = out.actions[i].ip;
		mail[mail_n++].claim = out.actions[i].publish;
	}
}

/* The kernel takes what is claimed at once, and the shell says so. */
static void react(size_t core)
{
	struct ip claimed[8];
	size_t claimed_n = 0;

	note(core);
	for (size_t i = 0; i < out.action_n; i++) {
		if (out.actions[i].kind == ELECTION_ACTION_CLAIM) {
			ck_assert_uint_lt(claimed_n, ARRAY_LEN(claimed));
			claimed[claimed_n++] = out.actions[i].ip;
		}
	}
	for (size_t i = 0; i < claimed_n; i++) {
		about_address(ELECTION_EVENT_CLAIMED, claimed[i]);
		note(core);
	}
}

static void on(size_t core)
{
	e = cores[core];
}

/* Deliver until nobody has anything to say. During a planned move each address has an owner all the time. */
static void deliver(bool planned)
{
	for (size_t i = 0; i < mail_n; i++) {
		for (size_t to = 1; to < CORE_N; to++) {
			if (cores[to] == NULL || deaf[to] || to == mail[i].from)
				continue;
			on(to);
			heard(instance_of(mail[i].from), mail[i].ip, mail[i].claim);
			react(to);
			if (planned)
				ck_assert_uint_ge(holders(mail[i].ip), 1);
		}
	}
	mail_n = 0;
}

/* The successor serves. n1 does so too for a moment, to the microsecond, and then lets go. */
static void linger(void)
{
	struct ip ip = web_ip[0];

	on(1);
	ck_assert(see(ip).held);
	ck_assert_uint_eq(holders(ip), 2);
	ck_assert_int_eq(election_deadline(e).us, now_us + LINGER_US);
	tick_at(now_us + LINGER_US - 1);
	ck_assert_uint_eq(out.action_n, 0);
	tick_at(now_us + 1);
	note(1);
	deliver(true);
}

/* Cores n1 to n<n> know each other; n1 owns "web". */
static void cluster(size_t n, size_t address_n)
{
	for (size_t i = 1; i <= n; i++) {
		cores[i] = e = core_new(i, 16, 64);
		for (size_t j = 1; j <= n; j++)
			node_up(j);
		configure_web(address_n);
		if (i > 1)
			plain(ELECTION_EVENT_START);
	}
	on(1);
	plain(ELECTION_EVENT_START);
	for (size_t i = 2; i <= n; i++) {
		on(1);
		node_dead(i); /* so that n1 is the first, whatever the rank; the others hear of its claim */
	}
	note(1);
	for (size_t i = 2; i <= n; i++)
		node_up(i);
	deliver(false);
	trace[0] = '\0';
	for (size_t i = 1; i <= n; i++) {
		on(i);
		for (size_t j = 0; j < address_n; j++)
			ck_assert_uint_eq(see(web_ip[j]).owner_instance, instance_of(1));
	}
}

static void cluster_setup(void)
{
	now_us = 1000000;
	memset(cores, 0, sizeof(cores));
	memset(deaf, 0, sizeof(deaf));
	mail_n = 0;
	trace[0] = '\0';
}

static void cluster_teardown(void)
{
	for (size_t i = 1; i < CORE_N; i++)
		election_free(cores[i]);
	e = NULL;
}

/* Offer, claim, let go, announce again: in this order, and never nobody. */
START_TEST(drain_two)
{
	cluster(2, 2);
	on(1);
	plain(ELECTION_EVENT_DRAIN);
	ck_assert_str_eq(letters(), "PP");
	ck_assert_int_eq(out.actions[0].publish.state, CLAIM_HANDOVER);
	ck_assert_uint_eq(out.actions[0].publish.successor, instance_of(2));
	ck_assert_uint_eq(out.actions[0].publish.epoch, see(web_ip[0]).epoch);
	ck_assert_str_eq(see(web_ip[0]).state, "handover");
	note(1);
	deliver(true);
	linger();
	ck_assert_str_eq(trace, "1P 1P 2C 2P 2C 2P 1R 1W 1R 1W 1D 2A 2A ");
	for (size_t i = 1; i <= 2; i++) {
		on(i);
		ck_assert_uint_eq(see(web_ip[0]).owner_instance, instance_of(2));
		ck_assert_uint_eq(see(web_ip[1]).owner_instance, instance_of(2));
	}
	ck_assert_uint_eq(see(web_ip[0]).epoch, 2);
}
END_TEST

/* n1 drains; of n2 and n3 the better one takes it ("web": n5, n1, n4, n3, n2), the other one sees that. */
START_TEST(drain_three)
{
	cluster(3, 1);
	on(1);
	plain(ELECTION_EVENT_DRAIN);
	note(1);
	deliver(true);
	linger();
	ck_assert_str_eq(trace, "1P 3C 3P 1R 1W 1D 3A ");
	on(2);
	ck_assert_uint_eq(see(web_ip[0]).owner_instance, instance_of(3));
}
END_TEST

/* The successor dies: the next one is asked at once. */
START_TEST(drain_dead_successor)
{
	cluster(3, 1);
	deaf[3] = true;
	on(1);
	plain(ELECTION_EVENT_DRAIN);
	note(1);
	deliver(true);
	now_us += 1000;
	on(1);
	node_dead(3);
	ck_assert_uint_eq(the(ELECTION_ACTION_PUBLISH)->publish.successor, instance_of(2));
	note(1);
	deliver(true);
	linger();
	ck_assert_str_eq(trace, "1P 1P 2C 2P 1R 1W 1D 2A ");
}
END_TEST

/* The successor is silent: after half of the time the next one is asked, after all of it we let go. */
START_TEST(drain_silent_successors)
{
	int64_t began_us;

	cluster(3, 1);
	deaf[2] = deaf[3] = true;
	began_us = now_us += 77;
	on(1);
	plain(ELECTION_EVENT_DRAIN);
	ck_assert_uint_eq(the(ELECTION_ACTION_PUBLISH)->publish.successor, instance_of(3));
	ck_assert_int_eq(election_deadline(e).us, began_us + HANDOVER_US / 2);
	tick_at(election_deadline(e).us - 1);
	ck_assert_uint_eq(out.action_n, 0);
	tick_at(election_deadline(e).us);
	ck_assert_uint_eq(the(ELECTION_ACTION_PUBLISH)->publish.successor, instance_of(2));
	tick_at(began_us + HANDOVER_US - 1);
	ck_assert_uint_eq(out.action_n, 0);
	ck_assert(see(web_ip[0]).held);
	tick_at(began_us + HANDOVER_US);
	ck_assert_uint_eq(count(ELECTION_ACTION_RELEASE), 1);
	assert_owner(instance_of(1), 0, ELECTION_REASON_STOPPED);
}
END_TEST

/* One that comes back to be what it was: undrained in time, the address stays. */
START_TEST(undrain)
{
	cluster(2, 1);
	deaf[2] = true;
	on(1);
	plain(ELECTION_EVENT_DRAIN);
	now_us += 100000;
	plain(ELECTION_EVENT_UNDRAIN);
	tick_at(now_us + 2 * HANDOVER_US);
	ck_assert(see(web_ip[0]).held);
	ck_assert_str_eq(see(web_ip[0]).state, "owned");
	ck_assert_uint_eq(see(web_ip[0]).epoch, 1);
}
END_TEST

START_TEST(handover_command)
{
	cluster(3, 1);
	on(1);
	hand_over(web_ip[0], "n2"); /* not the best */
	ck_assert_str_eq(letters(), "P");
	note(1);
	deliver(true);
	linger();
	ck_assert_str_eq(trace, "1P 2C 2P 1R 1W 2A ");
	on(3);
	ck_assert_uint_eq(see(web_ip[0]).owner_instance, instance_of(2));
	on(1); /* and it does not come back by itself */
	tick_at(now_us + 60000000);
	ck_assert_uint_eq(out.action_n, 0);
}
END_TEST

/* Nobody takes it: we keep it, and say so. */
START_TEST(handover_unanswered)
{
	cluster(2, 1);
	deaf[2] = true;
	on(1);
	hand_over(web_ip[0], "n2");
	ck_assert_int_eq(election_deadline(e).us, now_us + HANDOVER_US);
	if (_i == 0)
		tick_at(election_deadline(e).us);
	else
		node_dead(2);
	ck_assert_str_eq(letters(), "P");
	ck_assert_int_eq(the(ELECTION_ACTION_PUBLISH)->publish.state, CLAIM_HELD);
	ck_assert_uint_eq(the(ELECTION_ACTION_PUBLISH)->publish.successor, 0);
	ck_assert_str_eq(see(web_ip[0]).state, "owned");
}
END_TEST

START_TEST(handover_ignored)
{
	struct meta meta = { .ready = false };

	cluster(2, 1);
	on(1);
	node_event(2, true, false, &meta);
	hand_over(web_ip[0], "n2"); /* no candidate */
	ck_assert_uint_eq(out.action_n, 0);
	hand_over(web_ip[0], "n1"); /* we */
	ck_assert_uint_eq(out.action_n, 0);
	hand_over(web_ip[0], "nobody");
	ck_assert_uint_eq(out.action_n, 0);
	hand_over(ip_of("10.9.9.9"), "n2"); /* not an address of ours */
	ck_assert_uint_eq(out.action_n, 0);
	on(2);
	hand_over(web_ip[0], "n1"); /* not held by n2 */
	ck_assert_uint_eq(out.action_n, 0);
}
END_TEST

/* What it takes to be a successor: named by instance, started, not draining, eligible. */
static const struct {
	uint64_t successor;
	bool started, draining, ready;
	bool takes;
} successions[] = {
	{ 101, true, false, true, true }, { 103, true, false, true, false },  { 101, false, false, true, false },
	{ 101, true, true, true, false }, { 101, true, false, false, false },
};

START_TEST(succession)
{
	struct meta meta = good_meta();

	meta.ready = successions[_i].ready;
	node_event(1, true, false, &meta);
	node_up(2);
	configure_web(1);
	heard(instance_of(2), web_ip[0], held(6, true));
	if (successions[_i].started)
		plain(ELECTION_EVENT_START);
	if (successions[_i].draining)
		plain(ELECTION_EVENT_DRAIN);
	heard(instance_of(2), web_ip[0], offered(6, successions[_i].successor));
	ck_assert_str_eq(see(web_ip[0]).held ? "taken" : see(web_ip[0]).state,
			 successions[_i].takes ? "taken" : "handover");
	if (!successions[_i].takes) {
		ck_assert_uint_eq(out.action_n, 0);
		return;
	}
	ck_assert_str_eq(letters(),
			 "CO"); /* the former owner hears of it when our kernel has the address, not before */
	assert_owner(instance_of(2), instance_of(1), ELECTION_REASON_HANDOVER);
	about_address(ELECTION_EVENT_CLAIMED, web_ip[0]);
	ck_assert_str_eq(letters(), "P");
	ck_assert_uint_eq(the(ELECTION_ACTION_PUBLISH)->publish.epoch, 7);
	about_address(ELECTION_EVENT_CLAIMED, web_ip[0]);
	ck_assert_uint_eq(out.action_n, 0);
	withdrawn(instance_of(2), web_ip[0]);
	ck_assert_uint_eq(count(ELECTION_ACTION_RELEASE) + count(ELECTION_ACTION_OWNER), 0);
}
END_TEST

#define ROUND_N 200

/*
 * Three partitions claimed with whatever epoch and majority; then they hear each other, in any order. One stays, and all
 * agree on it: the merge key is antisymmetric and total.
 */
START_TEST(conflicts_converge)
{
	struct rng rng = rng_of(42);

	for (size_t round = 0; round < ROUND_N; round++) {
		uint64_t owner;

		cluster_setup();
		for (size_t i = 1; i < CORE_N; i++) {
			cores[i] = e = core_new(i, 16, 8);
			node_up(i);
			if (rng_chance(&rng, 500000))
				node_event(9, false, false, NULL);
			heard(777, ip_of("10.0.0.1"), held(rng_below(&rng, 3), true));
			configure_web(1);
			plain(ELECTION_EVENT_START);
			note(i);
			node_event(9, false, true, NULL);
		}
		ck_assert_uint_eq(holders(web_ip[0]), CORE_N - 1);
		for (size_t i = 1; i < CORE_N; i++) {
			on(i);
			for (size_t j = 1; j < CORE_N; j++)
				node_up(j);
		}
		rng_shuffle(&rng, mail, mail_n, sizeof(mail[0]));
		deliver(false);
		ck_assert_uint_eq(holders(web_ip[0]), 1);
		on(1);
		owner = see(web_ip[0]).owner_instance;
		ck_assert_uint_ne(owner, 0);
		for (size_t i = 1; i < CORE_N; i++) {
			on(i);
			ck_assert_uint_eq(see(web_ip[0]).owner_instance, owner);
		}
		if (round + 1 < ROUND_N)
			cluster_teardown();
	}
}
END_TEST

/* --- drain of one core ------------------------------------------------------------------------------------------------ */

START_TEST(drain_alone)
{
	own_web(1);
	plain(ELECTION_EVENT_DRAIN);
	ck_assert_str_eq(letters(), "RWOD");
	assert_owner(instance_of(1), 0, ELECTION_REASON_STOPPED);
	tick_at(now_us + 60000000);
	ck_assert_uint_eq(out.action_n, 0);
	plain(ELECTION_EVENT_UNDRAIN);
	ck_assert_str_eq(letters(), "CPO");
}
END_TEST

START_TEST(drain_nothing)
{
	join(2);
	plain(ELECTION_EVENT_DRAIN);
	ck_assert_str_eq(letters(), "D");
	tick_at(now_us + 1000);
	ck_assert_uint_eq(out.action_n, 0);
	plain(ELECTION_EVENT_DRAIN);
	ck_assert_str_eq(letters(), "D");
	configure_web(1); /* takes nothing */
	node_dead(2);
	tick_at(now_us + 60000000);
	ck_assert_uint_eq(out.action_n, 0);
}
END_TEST

static Suite *election_suite(void)
{
	Suite *s = suite_create("election_move");
	TCase *move = tcase_create("move");
	TCase *one = tcase_create("one");

	tcase_add_checked_fixture(move, cluster_setup, cluster_teardown);
	tcase_add_test(move, drain_two);
	tcase_add_test(move, drain_three);
	tcase_add_test(move, drain_dead_successor);
	tcase_add_test(move, drain_silent_successors);
	tcase_add_test(move, undrain);
	tcase_add_test(move, handover_command);
	tcase_add_loop_test(move, handover_unanswered, 0, 2);
	tcase_add_test(move, handover_ignored);
	tcase_add_test(move, conflicts_converge);
	suite_add_tcase(s, move);

	tcase_add_checked_fixture(one, setup, teardown);
	tcase_add_loop_test(one, succession, 0, (int)ARRAY_LEN(successions));
	tcase_add_test(one, drain_alone);
	tcase_add_test(one, drain_nothing);
	suite_add_tcase(s, one);
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
