/* SPDX-License-Identifier: Apache-2.0 */
/* gossip/keys.c: how rings agree, over items and over the key file, with no packet lost. */
#include "tests/unit/test_keys_cluster.h"

/* --- agreement ------------------------------------------------------------------------------------------------------ */

/* Each wish at another node, as soon as it is granted; items in random order and twice. */
START_TEST(rotation)
{
	rng = rng_of((uint64_t)_i);
	cluster_start(3, RING(1));
	run(20);
	insist(0, KEYS_EVENT_ADD, 2);
	insist(1, KEYS_EVENT_USE, 2);
	insist(2, KEYS_EVENT_REMOVE, 1);
	settle();
	EXPECT_ALL(2);
	/* and again, back to a key that was removed */
	insist(2, KEYS_EVENT_ADD, 1);
	insist(0, KEYS_EVENT_USE, 1);
	insist(1, KEYS_EVENT_REMOVE, 2);
	settle();
	EXPECT_ALL(1);
}
END_TEST

START_TEST(concurrent)
{
	struct keys_report a, b;

	rng = rng_of((uint64_t)_i);
	cluster_start(3, RING(1));
	run(20);
	ck_assert_int_eq(wish(0, KEYS_EVENT_ADD, 2, false, NULL), KEYS_GRANTED);
	ck_assert_int_eq(wish(1, KEYS_EVENT_ADD, 3, false, NULL), KEYS_GRANTED);
	ck_assert_int_eq(wish(2, KEYS_EVENT_ADD, 2, false, NULL), KEYS_GRANTED);
	settle();
	ck_assert_int_eq(wish(0, KEYS_EVENT_USE, 2, false, NULL), KEYS_GRANTED);
	ck_assert_int_eq(wish(1, KEYS_EVENT_USE, 3, false, NULL), KEYS_GRANTED);
	settle();
	keys_report_self(nodes[0].keys, &a);
	for (int i = 1; i < 3; i++) {
		keys_report_self(nodes[i].keys, &b);
		ck_assert_uint_eq(b.key_n, 3);
		ck_assert(keys_fingerprint_equal(a.keys[0], b.keys[0]));
		ck_assert(keys_fingerprint_equal(a.keys[0], fingerprint_of(2)) ||
			  keys_fingerprint_equal(a.keys[0], fingerprint_of(3)));
	}
	/* used at one node, removed at another before they knew: it is gone, everywhere */
	insist(0, KEYS_EVENT_USE, 2);
	settle();
	ck_assert_int_eq(wish(0, KEYS_EVENT_USE, 3, false, NULL), KEYS_GRANTED);
	ck_assert_int_eq(wish(1, KEYS_EVENT_REMOVE, 3, false, NULL), KEYS_GRANTED);
	settle();
	for (int i = 0; i < 3; i++) {
		keys_report_self(nodes[i].keys, &a);
		ck_assert(keys_fingerprint_equal(a.keys[0], fingerprint_of(2)));
		ck_assert(!keys_report_has(&a, fingerprint_of(3)));
	}
}
END_TEST

/* Added and removed at once: removed, whoever hears what first. */
START_TEST(concurrent_add_and_remove)
{
	rng = rng_of((uint64_t)_i);
	cluster_start(3, RING(1, 2));
	settle();
	ck_assert_int_eq(wish(0, KEYS_EVENT_ADD, 2, false, NULL), KEYS_GRANTED);
	ck_assert_int_eq(wish(1, KEYS_EVENT_REMOVE, 2, false, NULL), KEYS_GRANTED);
	settle();
	EXPECT_ALL(1);
}
END_TEST

/* Who comes later learns everything, though the node that was asked has restarted and its items are gone. */
START_TEST(late_joiner)
{
	rng = rng_of((uint64_t)_i);
	cluster_start(3, RING(1));
	run(20);
	insist(0, KEYS_EVENT_ADD, 2);
	settle();
	node_down(0);
	node_up(0);
	nodes[3].file = RING(1);
	node_up(3);
	settle();
	for (int i = 0; i < 4; i++)
		EXPECT(i, 1, 2);
	/* this one was away meanwhile, and its file is older than the wishes */
	node_down(3);
	insist(0, KEYS_EVENT_USE, 2);
	insist(1, KEYS_EVENT_REMOVE, 1);
	settle();
	for (int i = 0; i < 3; i++) {
		node_down(i);
		node_up(i);
		settle();
	}
	lossless = false; /* until it has heard, it seals with the removed key */
	node_up(3);
	settle();
	EXPECT_ALL(2);
}
END_TEST

/* A restarted node has forgotten all stamps but gets them from others: its wishes count as the latest. */
START_TEST(restarted_operator)
{
	rng = rng_of((uint64_t)_i);
	cluster_start(3, RING(1));
	run(20);
	for (int round = 0; round < 3; round++) {
		insist(0, KEYS_EVENT_ADD, 2);
		insist(0, KEYS_EVENT_USE, 2);
		insist(0, KEYS_EVENT_USE, 1);
	}
	settle();
	node_down(0);
	node_up(0);
	settle();
	ck_assert_int_eq(wish(0, KEYS_EVENT_USE, 2, false, NULL), KEYS_GRANTED);
	settle();
	for (int i = 0; i < 3; i++) {
		struct keys_report report;

		keys_report_self(nodes[i].keys, &report);
		ck_assert(keys_fingerprint_equal(report.keys[0], fingerprint_of(2)));
	}
	insist(2, KEYS_EVENT_REMOVE, 1);
	settle();
	EXPECT_ALL(2);
}
END_TEST

/* A key that came by file stays off the wire, unless somebody adds it. */
START_TEST(file_keys_are_not_sent)
{
	cluster_start(3, RING(1, 2));
	secret = 2;
	settle();
	insist(0, KEYS_EVENT_USE, 2);
	settle();
	EXPECT_ALL(2, 1);
	insist(1, KEYS_EVENT_REMOVE, 1);
	settle();
	EXPECT_ALL(2);
	secret = -1;
	nodes[3].file = RING(1, 2);
	lossless = false;
	node_up(3);
	settle();
	EXPECT_ALL(2);
}
END_TEST

/* --- the file ------------------------------------------------------------------------------------------------------- */

static void reload(int i, struct seal_ring file)
{
	struct keys_event event = { .kind = KEYS_EVENT_FILE, .file = &file };

	nodes[i].file = file;
	step(i, &event);
	publish(i);
}

/* The operator's own way: append, first, remove, on one node after the other. */
START_TEST(rotation_by_file)
{
	static const int steps[][2] = { { 1, 2 }, { 2, 1 }, { 2, -1 } };

	rng = rng_of((uint64_t)_i);
	cluster_start(3, RING(1));
	secret = 2;
	run(20);
	for (size_t s = 0; s < ARRAY_LEN(steps); s++) {
		for (int i = 0; i < 3; i++) {
			reload(i, RING(steps[s][0], steps[s][1]));
			run((int)rng_below(&rng, 60));
		}
	}
	settle();
	EXPECT_ALL(2);
	/* after it the other way works as ever, and after that the file's again */
	secret = -1;
	insist(0, KEYS_EVENT_ADD, 3);
	insist(1, KEYS_EVENT_USE, 3);
	insist(2, KEYS_EVENT_REMOVE, 2);
	settle();
	EXPECT_ALL(3);
	for (int i = 0; i < 3; i++)
		reload(i, RING(3, 4));
	run(20);
	for (int i = 0; i < 3; i++)
		reload(i, RING(4, 3));
	run(20);
	for (int i = 0; i < 3; i++)
		reload(i, RING(4));
	settle();
	EXPECT_ALL(4);
	/* nothing of the former wishes is left to come back with a restart */
	for (int i = 0; i < 3; i++) {
		node_down(i);
		node_up(i);
		settle();
	}
	EXPECT_ALL(4);
}
END_TEST

/* A reload for other reasons, with the file as it was, changes nothing: also where the ring could not be stored. */
START_TEST(reload_unedited)
{
	struct keys_report report;

	cluster_start(2, RING(1));
	nodes[1].read_only = true;
	settle();
	insist(0, KEYS_EVENT_ADD, 2);
	settle();
	insist(0, KEYS_EVENT_USE, 2);
	settle();
	EXPECT_ALL(2, 1);
	keys_report_self(nodes[1].keys, &report);
	ck_assert(report.not_stored);
	ck_assert(keys_report_find(nodes[0].keys, nodes[1].instance, &report));
	ck_assert(report.not_stored);
	reload(0, nodes[0].file);
	reload(1, RING(1));
	EXPECT_ALL(2, 1);
	/* the operator writes by hand what could not be stored: not an edit either */
	reload(1, RING(2, 1));
	ck_assert(!keys_file_differs(nodes[1].keys));
	EXPECT_ALL(2, 1);
	insist(0, KEYS_EVENT_REMOVE, 1);
	settle();
	EXPECT_ALL(2);
}
END_TEST

/* An edit at one node is its own affair; later wishes count for it again. */
START_TEST(edit_at_one_node)
{
	cluster_start(3, RING(1));
	settle();
	insist(0, KEYS_EVENT_ADD, 2);
	settle();
	insist(0, KEYS_EVENT_ADD, 3);
	settle();
	reload(1, RING(1, 9, 2));
	ck_assert_uint_eq(keys_ring(nodes[1].keys)->key_n, 4); /* the removed one opens a while */
	settle();
	EXPECT(0, 1, 2, 3);
	EXPECT(1, 1, 9, 2);
	EXPECT(2, 1, 2, 3);
	node_down(2); /* its items come anew, with stamps from before the edit */
	node_up(2);
	settle();
	EXPECT(1, 1, 9, 2);
	insist(2, KEYS_EVENT_ADD, 3);
	settle();
	EXPECT(1, 1, 9, 2, 3);
	insist(2, KEYS_EVENT_REMOVE, 9);
	settle();
	EXPECT_ALL(1, 2, 3);
}
END_TEST

/* What one node's file lacks, others may still use. */
START_TEST(edit_does_not_remove_elsewhere)
{
	cluster_start(3, RING(1, 2));
	settle();
	reload(0, RING(1));
	lossless = false;
	ck_assert_int_eq(wish(1, KEYS_EVENT_USE, 2, true, NULL), KEYS_GRANTED);
	settle();
	EXPECT(0, 1);
	EXPECT(1, 2, 1);
	EXPECT(2, 2, 1);
}
END_TEST

/* A raised instance has published nothing yet. */
START_TEST(another_instance)
{
	struct keys_event event = { .kind = KEYS_EVENT_INSTANCE };
	struct gossip_item item;
	int entry_n = 0, report_n = 0;

	cluster_start(1, RING(1));
	ck_assert_int_eq(wish(0, KEYS_EVENT_ADD, 2, false, NULL), KEYS_GRANTED);
	ck_assert_int_eq(wish(0, KEYS_EVENT_REMOVE, 1, true, NULL), KEYS_GRANTED);
	ck_assert(!keys_item_next(nodes[0].keys, &item));
	step(0, &event);
	while (keys_item_next(nodes[0].keys, &item)) {
		ck_assert_uint_gt(item.value_len, 0);
		entry_n += item.key[0] == 'k';
		report_n += item.key[0] == 'K';
	}
	ck_assert_int_eq(entry_n, 2);
	ck_assert_int_eq(report_n, 1);
}
END_TEST

/* --- time ----------------------------------------------------------------------------------------------------------- */

START_TEST(removed_key_lingers)
{
	struct keys_event event = { .kind = KEYS_EVENT_TICK };

	cluster_start(1, RING(1, 2));
	ck_assert_int_eq(keys_deadline(nodes[0].keys).us, INSTANT_NEVER.us);
	ck_assert_int_eq(wish(0, KEYS_EVENT_REMOVE, 2, false, NULL), KEYS_GRANTED);
	ck_assert_uint_eq(keys_ring(nodes[0].keys)->key_n, 2);
	ck_assert_uint_eq(nodes[0].file.key_n, 1);
	ck_assert_int_eq(keys_deadline(nodes[0].keys).us, instant_add(now, span_s(KEYS_LINGER_S)).us);
	now = instant_add(now, span_us(KEYS_LINGER_S * 1000000 - 1));
	step(0, &event);
	ck_assert_uint_eq(keys_ring(nodes[0].keys)->key_n, 2);
	now = instant_add(now, span_us(1));
	step(0, &event);
	ck_assert_uint_eq(keys_ring(nodes[0].keys)->key_n, 1);
	ck_assert_int_eq(keys_deadline(nodes[0].keys).us, INSTANT_NEVER.us);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("keys");
	TCase *tc = tcase_create("keys");
	SRunner *sr = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tc, cluster_setup, cluster_teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, rotation, 0, SEED_N);
	tcase_add_loop_test(tc, concurrent, 0, SEED_N);
	tcase_add_loop_test(tc, concurrent_add_and_remove, 0, SEED_N);
	tcase_add_loop_test(tc, late_joiner, 0, SEED_N);
	tcase_add_loop_test(tc, restarted_operator, 0, SEED_N);
	tcase_add_test(tc, file_keys_are_not_sent);
	tcase_add_loop_test(tc, rotation_by_file, 0, SEED_N);
	tcase_add_test(tc, reload_unedited);
	tcase_add_test(tc, edit_at_one_node);
	tcase_add_test(tc, edit_does_not_remove_elsewhere);
	tcase_add_test(tc, another_instance);
	tcase_add_test(tc, removed_key_lingers);
	suite_add_tcase(suite, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
