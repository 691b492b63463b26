/* SPDX-License-Identifier: Apache-2.0 */
/* gossip/keys_wish.c, gossip/keys_report.c: what is refused, what does not fit, and what others may send. */
#include "tests/unit/test_keys_cluster.h"

/* --- refusals ------------------------------------------------------------------------------------------------------- */

START_TEST(refused)
{
	struct keys_member members[NODE_MAX];

	cluster_start(2, RING(1));
	/* nobody has said anything yet */
	ck_assert_int_eq(wish(0, KEYS_EVENT_USE, 1, false, members), KEYS_REFUSED_ABSENT);
	ck_assert(members[0].objects);
	ck_assert_int_eq(wish(0, KEYS_EVENT_REMOVE, 1, false, NULL), KEYS_REFUSED_LAST);
	ck_assert_int_eq(wish(0, KEYS_EVENT_REMOVE, 1, true, NULL), KEYS_REFUSED_LAST);
	publish(0);
	publish(1);
	settle();
	ck_assert_int_eq(wish(0, KEYS_EVENT_USE, 9, false, NULL), KEYS_REFUSED_UNKNOWN);
	ck_assert_int_eq(wish(0, KEYS_EVENT_REMOVE, 9, true, NULL), KEYS_REFUSED_UNKNOWN);
	/* a node has not got it yet */
	ck_assert_int_eq(wish(0, KEYS_EVENT_ADD, 2, false, NULL), KEYS_GRANTED);
	ck_assert_int_eq(wish(0, KEYS_EVENT_USE, 2, false, members), KEYS_REFUSED_ABSENT);
	ck_assert(members[0].objects);
	ck_assert_int_eq(wish(1, KEYS_EVENT_USE, 2, true, NULL),
			 KEYS_REFUSED_UNKNOWN); /* it has not even heard of it */
	ck_assert_int_eq(wish(0, KEYS_EVENT_REMOVE, 1, false, members), KEYS_REFUSED_SEALING);
	settle();
	insist(0, KEYS_EVENT_USE, 2);
	/* this node seals with the new one, the other does not yet */
	ck_assert_int_eq(wish(0, KEYS_EVENT_REMOVE, 1, false, members), KEYS_REFUSED_SEALING);
	ck_assert(members[0].objects);
	EXPECT(0, 2, 1);
	EXPECT(1, 1, 2);
	settle();
	ck_assert_int_eq(wish(1, KEYS_EVENT_REMOVE, 2, false, members), KEYS_REFUSED_SEALING);
	ck_assert_int_eq(wish(1, KEYS_EVENT_REMOVE, 1, false, NULL), KEYS_GRANTED);
	settle();
	EXPECT_ALL(2);
}
END_TEST

/* The way out of dead ends. */
START_TEST(forced)
{
	cluster_start(2, RING(1));
	settle();
	ck_assert_int_eq(wish(0, KEYS_EVENT_ADD, 2, false, NULL), KEYS_GRANTED);
	lossless = false;
	ck_assert_int_eq(wish(0, KEYS_EVENT_USE, 2, true, NULL), KEYS_GRANTED);
	EXPECT(0, 2, 1);
	settle();
	EXPECT_ALL(2, 1);
	/* the sealing key: the one that was used before takes over, and nobody is left without any */
	ck_assert_int_eq(wish(1, KEYS_EVENT_REMOVE, 2, true, NULL), KEYS_GRANTED);
	settle();
	EXPECT_ALL(1);
}
END_TEST

/* `remove` of the only key that a node has waits there for another key. */
START_TEST(last_key_stays)
{
	lossless = false;
	nodes[0].file = RING(1, 2, 3);
	nodes[1].file = RING(1);
	node_up(0);
	node_up(1);
	settle();
	for (int number = 1; number <= 2; number++) {
		ck_assert_int_eq(wish(0, KEYS_EVENT_REMOVE, number, true, NULL), KEYS_GRANTED);
		settle();
		expect_report(1, (const int[]){ number, -1 });
		ck_assert_int_eq(wish(0, KEYS_EVENT_ADD, number + 1, true, NULL), KEYS_GRANTED);
		settle();
		expect_report(1, (const int[]){ number + 1, -1 });
	}
	EXPECT_ALL(3);
}
END_TEST

static const struct {
	const char *text;
	enum keys_refusal refusal;
} prefixes[] = {
	{ "", KEYS_REFUSED_FINGERPRINT },     { "f4", KEYS_REFUSED_FINGERPRINT },
	{ "000", KEYS_REFUSED_FINGERPRINT },  { "0000000000a", KEYS_REFUSED_FINGERPRINT },
	{ "00g0", KEYS_REFUSED_FINGERPRINT }, { "00 0", KEYS_REFUSED_FINGERPRINT },
	{ "0x00", KEYS_REFUSED_FINGERPRINT },
};

START_TEST(fingerprints)
{
	struct keys_event event = { .kind = KEYS_EVENT_USE };
	struct keys_fingerprint found;
	char text[KEYS_FINGERPRINT_TEXT_MAX];

	cluster_start(1, RING(1, 2));
	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
		event.fingerprint = prefixes[i].text;
		ck_assert_msg(keys_step(nodes[0].keys, &event) == prefixes[i].refusal, "'%s'", prefixes[i].text);
	}
	/* the beginning is enough, in capitals too */
	keys_fingerprint_format(fingerprint_of(2), text);
	for (size_t i = 0; text[i] != '\0'; i++)
		text[i] = text[i] >= 'a' ? (char)(text[i] - 'a' + 'A') : text[i];
	text[4] = '\0';
	event.fingerprint = text;
	ck_assert_int_eq(keys_fingerprint_resolve(nodes[0].keys, &event, &found), KEYS_GRANTED);
	ck_assert(keys_fingerprint_equal(found, fingerprint_of(2)));
	step(0, &event);
	publish(0);
	EXPECT(0, 2, 1);
}
END_TEST

/* Two keys of members that begin alike; a report makes them, no key has to be found. */
START_TEST(ambiguous)
{
	static const uint8_t value[] = { 0,    0,    0,	   0,	 5,    0xab, 0xcd, 0xef, 0x01, 0x02,
					 0xab, 0xcd, 0xef, 0x01, 0x03, 0xab, 0x00, 0x00, 0x00, 0x00 };
	struct gossip_item item = { .origin = 77, .key_len = 1, .key = { 'K' }, .value_len = sizeof(value) };
	struct keys_member member = { .instance = 77 };
	struct keys_event told = { .kind = KEYS_EVENT_ITEM, .item = &item };
	struct keys_event event = { .kind = KEYS_EVENT_REMOVE, .members = &member, .member_n = 1, .force = true };
	struct keys_report report;

	memcpy(item.value, value, sizeof(value));
	cluster_start(1, RING(1));
	step(0, &told);
	event.fingerprint = "abcdef01";
	ck_assert_int_eq(keys_step(nodes[0].keys, &event), KEYS_REFUSED_AMBIGUOUS);
	event.fingerprint = "abcdef0103";
	ck_assert_int_eq(keys_step(nodes[0].keys, &event), KEYS_GRANTED);
	event.fingerprint = "ab00";
	ck_assert_int_eq(keys_step(nodes[0].keys, &event), KEYS_GRANTED);
	/* one that only another node has can be removed, but not used */
	event.kind = KEYS_EVENT_USE;
	event.fingerprint = "abcdef0102";
	ck_assert_int_eq(keys_step(nodes[0].keys, &event), KEYS_REFUSED_ABSENT);
	/* the stamp in its report counts */
	keys_report_self(nodes[0].keys, &report);
	ck_assert_uint_eq(report.clock, 7);
}
END_TEST

/* --- limits --------------------------------------------------------------------------------------------------------- */

START_TEST(full)
{
	struct keys_member members[NODE_MAX];

	cluster_start(2, RING(1));
	settle();
	for (int number = 2; number <= KEY_MAX; number++)
		insist(number % 2, KEYS_EVENT_ADD, number);
	settle();
	ck_assert_int_eq(wish(0, KEYS_EVENT_ADD, 50, false, NULL), KEYS_REFUSED_FULL);
	EXPECT_ALL(1, 2, 3, 4, 5, 6, 7, 8);
	ck_assert_int_eq(wish(1, KEYS_EVENT_ADD, 8, false, NULL), KEYS_GRANTED); /* it is there */
	/* full at another node alone */
	nodes[3].file = RING(1, 2);
	node_down(0);
	node_up(3);
	publish(3);
	for (int t = 0; t < 400; t++) {
		struct gossip_item *store = nodes[1].store;
		struct keys_event event = { .kind = KEYS_EVENT_ITEM };

		for (size_t i = 0; i < nodes[1].store_n; i++) {
			event.item = &store[i];
			if (store[i].origin == nodes[1].instance && store[i].key[0] == 'K')
				step(3, &event);
		}
	}
	ck_assert_int_eq(wish(3, KEYS_EVENT_ADD, 50, false, members), KEYS_REFUSED_FULL);
	ck_assert(members[0].objects);
}
END_TEST

/* Concurrent adds may be more than fit: what was there first stays, and takes no harm. */
START_TEST(overfull)
{
	rng = rng_of((uint64_t)_i);
	cluster_start(2, RING(1, 2, 3, 4, 5, 6, 7));
	settle();
	ck_assert_int_eq(wish(0, KEYS_EVENT_ADD, 20, false, NULL), KEYS_GRANTED);
	ck_assert_int_eq(wish(1, KEYS_EVENT_ADD, 30, false, NULL), KEYS_GRANTED);
	settle();
	EXPECT(0, 1, 2, 3, 4, 5, 6, 7, 20);
	EXPECT(1, 1, 2, 3, 4, 5, 6, 7, 30);
	ck_assert_int_eq(wish(0, KEYS_EVENT_USE, 20, false, NULL), KEYS_REFUSED_ABSENT);
	/* room: both fit in at both */
	insist(0, KEYS_EVENT_REMOVE, 7);
	settle();
	insist(0, KEYS_EVENT_USE, 20);
	settle();
	insist(1, KEYS_EVENT_USE, 30);
	settle();
	EXPECT(0, 30, 1, 2, 3, 4, 5, 6, 20);
	EXPECT(1, 30, 1, 2, 3, 4, 5, 6, 20);
}
END_TEST

/* Tombstones are bounded, and the oldest ones give way here and in the store. */
START_TEST(many_rotations)
{
	size_t deleted = 0, live = 0;

	cluster_start(2, RING(1));
	settle();
	for (int number = 2; number < 60; number++) {
		insist(0, KEYS_EVENT_ADD, number);
		insist(1, KEYS_EVENT_USE, number);
		insist(0, KEYS_EVENT_REMOVE, number - 1);
	}
	settle();
	EXPECT_ALL(59);
	for (size_t i = 0; i < nodes[0].store_n; i++) {
		if (nodes[0].store[i].origin == nodes[0].instance && nodes[0].store[i].key[0] == 'k') {
			deleted += nodes[0].store[i].value_len == 0;
			live += nodes[0].store[i].value_len > 0;
		}
	}
	ck_assert_uint_eq(live, KEYS_ENTRY_MAX);
	ck_assert_uint_gt(deleted, 20);
}
END_TEST

/* --- what others send ----------------------------------------------------------------------------------------------- */

static const struct {
	const char *what;
	uint8_t key_len, key[8];
	uint8_t value_len, value[48];
} bad_items[] = {
	{ "claim", 5, { 'c', 4, 10, 0, 0 }, 9, { 2, 0, 0, 0, 9, 0, 0, 0, 9 } },
	{ "short key", 5, { 'k', 1, 2, 3, 4 }, 9, { 2, 0, 0, 0, 9, 0, 0, 0, 9 } },
	{ "long key", 7, { 'k', 1, 2, 3, 4, 5, 6 }, 9, { 2, 0, 0, 0, 9, 0, 0, 0, 9 } },
	{ "no op", 6, { 'k', 1, 2, 3, 4, 5 }, 9, { 0, 0, 0, 0, 9, 0, 0, 0, 9 } },
	{ "another op", 6, { 'k', 1, 2, 3, 4, 5 }, 9, { 4, 0, 0, 0, 9, 0, 0, 0, 9 } },
	{ "cut", 6, { 'k', 1, 2, 3, 4, 5 }, 8, { 3, 0, 0, 0, 9, 0, 0, 0 } },
	{ "longer", 6, { 'k', 1, 2, 3, 4, 5 }, 10, { 3, 0, 0, 0, 9, 0, 0, 0, 0, 0 } },
	{ "no bytes", 6, { 'k', 1, 2, 3, 4, 5 }, 9, { 1, 0, 0, 0, 9, 0, 0, 0, 0 } },
	{ "name of other bytes", 6, { 'k', 1, 2, 3, 4, 5 }, 41, { 1, 0, 0, 0, 9, 0, 0, 0, 0, 7, 7, 7 } },
	{ "stamp absurd", 6, { 'k', 1, 2, 3, 4, 5 }, 9, { 3, 0xff, 0, 0, 9, 0, 0, 0, 0 } },
	{ "use absurd", 6, { 'k', 1, 2, 3, 4, 5 }, 9, { 2, 0, 0, 0, 0, 0x80, 0, 0, 0 } },
	{ "removed never", 6, { 'k', 1, 2, 3, 4, 5 }, 9, { 3, 0, 0, 0, 0, 0, 0, 0, 9 } },
	{ "deleted", 6, { 'k', 1, 2, 3, 4, 5 }, 0, { 0 } },
	{ "report empty", 1, { 'K' }, 5, { 0, 0, 0, 0, 9 } },
	{ "report cut", 1, { 'K' }, 9, { 0, 0, 0, 0, 9, 1, 2, 3, 4 } },
	{ "report absurd", 1, { 'K' }, 10, { 0, 0xff, 0, 0, 9, 1, 2, 3, 4, 5 } },
	{ "report too long", 1, { 'K' }, 48, { 0, 0, 0, 0, 9 } },
	{ "report key long", 2, { 'K', 0 }, 10, { 0, 0, 0, 0, 9, 1, 2, 3, 4, 5 } },
};

START_TEST(bad_item)
{
	struct gossip_item item = { .origin = 77,
				    .key_len = bad_items[_i].key_len,
				    .value_len = bad_items[_i].value_len };
	struct keys_event event = { .kind = KEYS_EVENT_ITEM, .item = &item };
	struct gossip_item ours;
	struct keys_report report;

	memcpy(item.key, bad_items[_i].key, sizeof(bad_items[_i].key));
	memcpy(item.value, bad_items[_i].value, sizeof(bad_items[_i].value));
	cluster_start(1, RING(1));
	publish(0);
	step(0, &event);
	EXPECT(0, 1);
	ck_assert_msg(!keys_item_next(nodes[0].keys, &ours), "%s", bad_items[_i].what);
	ck_assert_msg(!keys_report_find(nodes[0].keys, 77, &report), "%s", bad_items[_i].what);
	keys_report_self(nodes[0].keys, &report);
	ck_assert_msg(report.clock == 0, "%s", bad_items[_i].what);
}
END_TEST

/* The bytes on the wire: docs/PROTOCOL.md, "Keys". */
START_TEST(golden)
{
	static const uint8_t accepted[] = { 1, 0, 0, 0, 1, 0, 0, 0, 2 };
	static const uint8_t removed[] = { 3, 0, 0, 0, 3, 0, 0, 0, 0 };
	static const uint8_t report[] = { 0, 0, 0, 0, 3 };
	struct keys_fingerprint one = fingerprint_of(1), two = fingerprint_of(2);
	struct seal_key key = key_of(2);
	struct gossip_item item;

	cluster_start(1, RING(1));
	ck_assert_int_eq(wish(0, KEYS_EVENT_ADD, 2, false, NULL), KEYS_GRANTED);
	ck_assert_int_eq(wish(0, KEYS_EVENT_USE, 2, false, NULL), KEYS_GRANTED);
	ck_assert_int_eq(wish(0, KEYS_EVENT_REMOVE, 1, false, NULL), KEYS_GRANTED);
	ck_assert_uint_eq(nodes[0].store_n, 3);
	for (size_t i = 0; i < 3; i++) {
		item = nodes[0].store[i];
		if (item.key[0] == 'K') {
			ck_assert_uint_eq(item.key_len, 1);
			ck_assert_uint_eq(item.value_len, sizeof(report) + KEYS_FINGERPRINT_LEN);
			ck_assert_mem_eq(item.value, report, sizeof(report));
			ck_assert_mem_eq(item.value + sizeof(report), two.bytes, KEYS_FINGERPRINT_LEN);
			continue;
		}
		ck_assert_uint_eq(item.key[0], 'k');
		ck_assert_uint_eq(item.key_len, 1 + KEYS_FINGERPRINT_LEN);
		if (memcmp(item.key + 1, one.bytes, KEYS_FINGERPRINT_LEN) == 0) {
			ck_assert_uint_eq(item.value_len, sizeof(removed));
			ck_assert_mem_eq(item.value, removed, sizeof(removed));
		} else {
			ck_assert_uint_eq(item.value_len, sizeof(accepted) + SEAL_KEY_LEN);
			ck_assert_mem_eq(item.value, accepted, sizeof(accepted));
			ck_assert_mem_eq(item.value + sizeof(accepted), key.bytes, SEAL_KEY_LEN);
		}
	}
}
END_TEST

/* A table of reports against a plain list; instances that fall on one place among them. */
START_TEST(reports)
{
	static const uint8_t value[] = { 1, 0, 0, 0, 1, 1, 2, 3, 4, 5 };
	struct gossip_item item = { .key_len = 1, .key = { 'K' }, .value_len = sizeof(value) };
	struct keys_event told = { .kind = KEYS_EVENT_ITEM, .item = &item };
	struct keys_event keep = { .kind = KEYS_EVENT_MEMBERS };
	struct keys_member members[16];
	bool known[64] = { false };
	struct keys_report report;
	size_t known_n = 0;

	memcpy(item.value, value, sizeof(value));
	rng = rng_of((uint64_t)_i);
	cluster_start(1, RING(1)); /* for 8 members: 32 places, 16 of them used at most */
	for (int round = 0; round < 300; round++) {
		uint32_t at = (uint32_t)rng_below(&rng, ARRAY_LEN(known));

		/* near the end of the table, so that runs of places go around it */
		item.origin = 28 + at % 8 + (uint64_t)at * 32;
		if (known_n < 16) {
			step(0, &told);
			known_n += !known[at];
			known[at] = true;
		} else {
			step(0, &told); /* full: ignored, or known */
		}
		if (rng_below(&rng, 8) == 0) {
			keep.members = members;
			keep.member_n = 0;
			for (uint32_t i = 0; i < ARRAY_LEN(known); i++) {
				known[i] = known[i] && rng_below(&rng, 2) == 0;
				if (known[i])
					members[keep.member_n++].instance = 28 + i % 8 + (uint64_t)i * 32;
			}
			known_n = keep.member_n;
			step(0, &keep);
		}
		ck_assert_uint_eq(keys_report_n(nodes[0].keys), known_n);
		for (uint32_t i = 0; i < ARRAY_LEN(known); i++)
			ck_assert_int_eq(keys_report_find(nodes[0].keys, 28 + i % 8 + (uint64_t)i * 32, &report),
					 known[i]);
	}
	ck_assert(report.not_stored || known_n == 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("keys_limits");
	TCase *tc = tcase_create("keys");
	SRunner *sr = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tc, cluster_setup, cluster_teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, refused);
	tcase_add_test(tc, forced);
	tcase_add_test(tc, last_key_stays);
	tcase_add_test(tc, fingerprints);
	tcase_add_test(tc, ambiguous);
	tcase_add_test(tc, full);
	tcase_add_loop_test(tc, overfull, 0, SEED_N);
	tcase_add_test(tc, many_rotations);
	tcase_add_loop_test(tc, bad_item, 0, (int)ARRAY_LEN(bad_items));
	tcase_add_test(tc, golden);
	tcase_add_loop_test(tc, reports, 0, SEED_N);
	suite_add_tcase(suite, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
