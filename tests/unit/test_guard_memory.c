/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What daemon/guard.c writes into the memory that the guard reads. Needs root, for no guard starts that may not change addresses;
 * without it the test is skipped (exit status 77). Runs in a network namespace of its own.
 */
#include <check.h>
#include <errno.h>
#include <sched.h>
#include <sodium.h>

#include "daemon/guard_process.h"
#include "tests/unit/test_guard_memory.h"

/* The exit status that means "skipped". */
#define EXIT_SKIPPED 77

#define INDEX 7

static uv_loop_t loop;
static struct guard *g;
static struct guard_shared *memory;

static void on_died(void *arg)
{
	(void)arg;
}

static void set_up(void)
{
	const struct guard_config config = { NULL, { 0 } };
	const struct guard_handler handler = { on_died, NULL };

	uv_loop_init(&loop);
	ck_assert_int_eq(guard_open(&loop, &config, &handler, &g), 0);
	memory = memory_of_guard();
	ck_assert_ptr_nonnull(memory);
}

static void tear_down(void)
{
	guard_dismiss(g);
	guard_close(g);
	uv_run(&loop, UV_RUN_DEFAULT);
	ck_assert_int_eq(uv_loop_close(&loop), 0);
}

static struct ip nth_ip(uint32_t i)
{
	const uint8_t bytes[4] = { 10, 1, (uint8_t)(i >> 8), (uint8_t)i };

	return ip_from_v4(bytes);
}

static size_t held_n(void)
{
	size_t held = 0;

	for (size_t i = 0; i < ADDRESS_MAX; i++)
		held += memory->slots[i].state == GUARD_SLOT_HELD;
	return held;
}

START_TEST(every_slot_can_be_used_again)
{
	for (int round = 0; round < 3; round++) {
		for (uint32_t i = 0; i < ADDRESS_MAX; i++)
			ck_assert_int_eq(guard_hold(g, nth_ip(i), INDEX, (i & 1) != 0), 0);
		ck_assert_int_eq(guard_hold(g, nth_ip(ADDRESS_MAX - 1), INDEX, true), 0); /* known already */
		ck_assert_int_eq(guard_hold(g, nth_ip(ADDRESS_MAX), INDEX, false), -ENOSPC);
		ck_assert_uint_eq(held_n(), ADDRESS_MAX);
		guard_unhold(g, nth_ip(ADDRESS_MAX));
		for (uint32_t i = 0; i < ADDRESS_MAX; i += round == 2 ? 2 : 1)
			guard_unhold(g, nth_ip(i));
		ck_assert_uint_eq(held_n(), round == 2 ? ADDRESS_MAX / 2 : 0);
	}
	ck_assert_uint_eq(memory->slot_n, ADDRESS_MAX);
	for (size_t i = 0; i < ADDRESS_MAX; i++) {
		const struct guard_slot *slot = &memory->slots[i];

		ck_assert(slot->state == GUARD_SLOT_FREE ||
			  ((slot->ip.bytes[3] & 1) != 0 && slot->kind == GUARD_SLOT_ROUTE));
	}
}
END_TEST

START_TEST(one_address_on_two_interfaces_and_as_a_route)
{
	ck_assert_int_eq(guard_hold(g, nth_ip(0), INDEX, false), 0);
	ck_assert_int_eq(guard_hold(g, nth_ip(0), INDEX + 1, false), 0);
	ck_assert_int_eq(guard_hold(g, nth_ip(0), INDEX, true), 0);
	ck_assert_int_eq(guard_hold(g, nth_ip(0), INDEX + 1, true), 0); /* the same route */
	ck_assert_int_eq(guard_hold(g, nth_ip(1), INDEX, false), 0);
	ck_assert_uint_eq(held_n(), 4);
	guard_unhold(g, nth_ip(0));
	ck_assert_uint_eq(held_n(), 1);
}
END_TEST

/* What counted before a call is whole until its last instruction. */
START_TEST(books_take_turns)
{
	const struct endpoint own = { nth_ip(1), 7946 };
	struct guard_peer peers[GUARD_PEER_MAX + 1] = { 0 };
	const struct guard_book *books = memory->books;
	struct guard_book before;
	struct seal_ring ring;
	uint32_t book = memory->book;

	for (size_t i = 0; i <= GUARD_PEER_MAX; i++)
		peers[i] = (struct guard_peer){ .instance = 100 + i, .endpoint_n = 1, .endpoints = { own } };
	seal_ring_insecure(&ring);
	before = books[book];
	guard_identity(g, 99, &own, 1, &ring);
	ck_assert_uint_eq(memory->book, book ^ 1);
	ck_assert_mem_eq(&books[book], &before, sizeof(before));
	before = books[book ^ 1];
	guard_peers(g, peers, GUARD_PEER_MAX + 1);
	ck_assert_uint_eq(memory->book, book);
	ck_assert_mem_eq(&books[book ^ 1], &before, sizeof(before));
	ck_assert_uint_eq(books[book].instance, 99);
	ck_assert_mem_eq(&books[book].ring, &ring, sizeof(ring));
	ck_assert_uint_eq(books[book].own_n, 1);
	ck_assert_uint_eq(books[book].peer_n, GUARD_PEER_MAX);
	ck_assert_uint_eq(books[book].peers[GUARD_PEER_MAX - 1].instance, 100 + GUARD_PEER_MAX - 1);
	guard_peers(g, peers, 0);
	ck_assert_uint_eq(books[memory->book].peer_n, 0);
	ck_assert_uint_eq(books[memory->book].instance, 99);
}
END_TEST

static Suite *suite_of_all(void)
{
	Suite *suite = suite_create("guard_memory");
	TCase *tcase = tcase_create("guard_memory");

	suite_add_tcase(suite, tcase);
	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, every_slot_can_be_used_again);
	tcase_add_test(tcase, one_address_on_two_interfaces_and_as_a_route);
	tcase_add_test(tcase, books_take_turns);
	return suite;
}

int main(int argc, char **argv)
{
	SRunner *runner;
	int failed;

	if (guard_main_wanted(argc, argv))
		return guard_main(argc, argv);
	if (geteuid() != 0 || unshare(CLONE_NEWNET) != 0) {
		puts("test_guard_memory: needs root and network namespaces: skipped");
		return EXIT_SKIPPED;
	}
	if (sodium_init() < 0)
		return 1;
	runner = srunner_create(suite_of_all());
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
