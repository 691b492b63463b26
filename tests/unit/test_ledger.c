/* SPDX-License-Identifier: Apache-2.0 */
/* Who has which address of a pool: records that all nodes agree on, and the one node that writes them. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocator/ledger.h"
#include "base/rng.h"

static struct ledger *ledger;

/* What ledger_assign said of the last call. */
static size_t changes, refusals, removals;
static enum alloc_verdict last_refusal;

static void on_note(void *arg, uint64_t service, const struct ledger_record *before, const struct ledger_record *after,
		    enum alloc_verdict verdict)
{
	(void)arg;
	(void)service;
	(void)before;
	ck_assert(verdict == ALLOC_OK ? after != NULL : after == NULL);
	changes += verdict == ALLOC_OK && !after->removed;
	removals += verdict == ALLOC_OK && after->removed;
	if (verdict != ALLOC_OK) {
		refusals++;
		last_refusal = verdict;
	}
}

static struct ip ip_of(const char *text)
{
	struct ip ip;

	ck_assert_int_eq(ip_parse(text, &ip), 0);
	return ip;
}

#define POOLS_MAX 2

/* Pools public (and private), of one range each; NULL: none. */
static int assign(struct ledger *l, const char *public, const char *private, const struct ledger_wish *wishes,
		  size_t wish_n, const struct ip *taken, size_t taken_n)
{
	const char *ranges[POOLS_MAX] = { public, private };
	static const char *const names[POOLS_MAX] = { "public", "private" };
	static struct subnet cidrs[POOLS_MAX][ALLOC_RANGE_CIDR_MAX];
	struct alloc_pool pools[POOLS_MAX] = { 0 };
	struct ledger_rules rules = {
		.pools = pools, .wishes = wishes, .wish_n = wish_n, .taken = taken, .taken_n = taken_n
	};

	for (size_t i = 0; i < POOLS_MAX && ranges[i] != NULL; i++) {
		struct alloc_pool *pool = &pools[rules.pool_n++];

		pool->name = names[i];
		pool->cidrs = cidrs[i];
		pool->auto_assign = i == 0;
		ck_assert_int_eq(alloc_range_parse(ranges[i], cidrs[i], &pool->cidr_n), 0);
	}
	changes = refusals = removals = 0;
	return ledger_assign(l, &rules, on_note, NULL);
}

static const char *address(struct ledger *l, const char *service)
{
	static char text[IP_TEXT_MAX];
	const struct ledger_record *record = ledger_find(l, ledger_service(service));

	if (record == NULL || !ledger_holds(l, record))
		return "";
	return ip_format(record->v4.family != IP_NONE ? record->v4 : record->v6, text);
}

static struct ledger_record given(const char *service, uint64_t stamp, const char *ip)
{
	return (struct ledger_record){
		.service = ledger_service(service), .stamp = stamp, .families = ALLOC_V4, .given = true, .v4 = ip_of(ip)
	};
}

static void setup(void)
{
	ledger = ledger_new();
	ck_assert_ptr_nonnull(ledger);
}

static void teardown(void)
{
	ledger_free(ledger);
}

static const struct ledger_wish three[] = { { "a", "public", ALLOC_V4 },
					    { "b", NULL, ALLOC_V4 },
					    { "c", "private", ALLOC_V4 } };

START_TEST(each_gets_one_and_keeps_it)
{
	char former[3][IP_TEXT_MAX];

	ck_assert_int_eq(assign(ledger, "10.0.0.1-10.0.0.2", "10.0.1.0/30", three, 3, NULL, 0), 0);
	ck_assert_uint_eq(changes, 3);
	for (size_t i = 0; i < 3; i++)
		strcpy(former[i], address(ledger, three[i].name));
	ck_assert_int_eq(strncmp(former[0], "10.0.0.", 7), 0);
	ck_assert_int_eq(strncmp(former[1], "10.0.0.", 7), 0); /* the private pool is for those that name it */
	ck_assert_int_eq(strncmp(former[2], "10.0.1.", 7), 0);
	ck_assert_str_ne(former[0], former[1]);
	ck_assert_int_eq(assign(ledger, "10.0.0.0/24", "10.0.1.0/30", three, 3, NULL, 0), 0);
	ck_assert_uint_eq(changes + refusals, 0);
	for (size_t i = 0; i < 3; i++)
		ck_assert_str_eq(address(ledger, three[i].name), former[i]);
}
END_TEST

START_TEST(pool_that_shrinks)
{
	ck_assert_int_eq(assign(ledger, "10.0.0.1-10.0.0.2", "10.0.1.0/30", three, 3, NULL, 0), 0);
	ck_assert_int_eq(assign(ledger, "10.0.0.2-10.0.0.3", "10.0.1.0/30", three, 3, NULL, 0), 0);
	ck_assert_uint_eq(changes, 1); /* the one that had .1 */
	ck_assert_str_ne(address(ledger, "a"), "10.0.0.1");
	ck_assert_str_ne(address(ledger, "b"), "10.0.0.1");
	ck_assert_int_eq(assign(ledger, "10.0.0.2-10.0.0.3", NULL, three, 3, NULL, 0), 0);
	ck_assert_uint_eq(refusals, 1);
	ck_assert_int_eq(last_refusal, ALLOC_NO_SUCH_POOL);
}
END_TEST

START_TEST(used_otherwise)
{
	struct ip taken[] = { ip_of("10.0.0.0"), ip_of("192.0.2.1") };

	ck_assert_int_eq(assign(ledger, "10.0.0.0/31", NULL, three, 1, taken, 2), 0);
	ck_assert_str_eq(address(ledger, "a"), "10.0.0.1");
	/* an address that the configuration gives to somebody now is not kept */
	taken[0] = ip_of("10.0.0.1");
	ck_assert_int_eq(assign(ledger, "10.0.0.0/31", NULL, three, 1, taken, 2), 0);
	ck_assert_str_eq(address(ledger, "a"), "10.0.0.0");
}
END_TEST

START_TEST(exhausted_and_given_up)
{
	ck_assert_int_eq(assign(ledger, "10.0.0.1-10.0.0.1", NULL, three, 2, NULL, 0), 0);
	ck_assert_uint_eq(changes, 1);
	ck_assert_uint_eq(refusals, 1);
	ck_assert_int_eq(last_refusal, ALLOC_EXHAUSTED);
	/* whoever lacks one takes it from a service that nobody names any more, and only then */
	ck_assert_int_eq(assign(ledger, "10.0.0.1-10.0.0.1", NULL, NULL, 0, NULL, 0), 0);
	ck_assert_uint_eq(changes + removals, 0);
	ck_assert_int_eq(
		assign(ledger, "10.0.0.1-10.0.0.2", NULL, &(struct ledger_wish){ "d", NULL, ALLOC_V4 }, 1, NULL, 0), 0);
	ck_assert_uint_eq(removals, 0);
	ck_assert_str_eq(address(ledger, "d"), "10.0.0.2");
	ck_assert_int_eq(assign(ledger, "10.0.0.1-10.0.0.2", NULL,
				(struct ledger_wish[]){ { "d", NULL, ALLOC_V4 }, { "e", NULL, ALLOC_V4 } }, 2, NULL, 0),
			 0);
	ck_assert_uint_eq(removals, 1);
	ck_assert_str_eq(address(ledger, "e"), "10.0.0.1");
	ck_assert_str_eq(address(ledger, "d"), "10.0.0.2");
}
END_TEST

START_TEST(added_by_command)
{
	struct ledger_record wish = { .service = ledger_service("x"), .stamp = 1, .families = ALLOC_V4, .added = true };

	ck_assert_int_eq(ledger_merge(ledger, &wish), 1);
	ck_assert_str_eq(address(ledger, "x"), "");
	ck_assert_int_eq(assign(ledger, "10.0.0.1-10.0.0.1", NULL, NULL, 0, NULL, 0), 0);
	ck_assert_str_eq(address(ledger, "x"), "10.0.0.1");
	/* it is not one that nobody names */
	ck_assert_int_eq(assign(ledger, "10.0.0.1-10.0.0.1", NULL, three, 1, NULL, 0), 0);
	ck_assert_uint_eq(refusals, 1);
	wish = (struct ledger_record){
		.service = wish.service, .stamp = ledger_stamp(ledger), .families = ALLOC_V4, .removed = true
	};
	ck_assert_int_eq(ledger_merge(ledger, &wish), 1);
	ck_assert_int_eq(assign(ledger, "10.0.0.1-10.0.0.1", NULL, three, 1, NULL, 0), 0);
	ck_assert_str_eq(address(ledger, "a"), "10.0.0.1");
	/* the address that it asks for, or none */
	wish = (struct ledger_record){ .service = wish.service,
				       .stamp = ledger_stamp(ledger),
				       .families = ALLOC_V4,
				       .added = true,
				       .v4 = ip_of("10.0.0.1") };
	ck_assert_int_eq(ledger_merge(ledger, &wish), 1);
	ck_assert_int_eq(assign(ledger, "10.0.0.1-10.0.0.2", NULL, three, 1, NULL, 0), 0);
	ck_assert_int_eq(last_refusal, ALLOC_IN_USE);
	wish.stamp = ledger_stamp(ledger);
	wish.v4 = ip_of("10.0.0.2");
	ck_assert_int_eq(ledger_merge(ledger, &wish), 1);
	ck_assert_int_eq(assign(ledger, "10.0.0.1-10.0.0.2", NULL, three, 1, NULL, 0), 0);
	ck_assert_str_eq(address(ledger, "x"), "10.0.0.2");
}
END_TEST

START_TEST(another_family)
{
	struct ledger_wish wish = { "a", NULL, ALLOC_V4 };
	const struct ledger_record *record;

	ck_assert_int_eq(assign(ledger, "10.0.0.0/30", "fd00::/126", &wish, 1, NULL, 0), 0);
	ck_assert_str_eq(address(ledger, "a"), "10.0.0.0");
	wish = (struct ledger_wish){ "a", "private", ALLOC_V6 };
	ck_assert_int_eq(assign(ledger, "10.0.0.0/30", "fd00::/126", &wish, 1, NULL, 0), 0);
	record = ledger_find(ledger, ledger_service("a"));
	ck_assert_int_eq(record->v4.family, IP_NONE);
	ck_assert_str_eq(address(ledger, "a"), "fd00::");
}
END_TEST

START_TEST(older_one_keeps_the_address)
{
	struct ledger_record a = given("a", 7, "10.0.0.1"), b = given("b", 6, "10.0.0.1"),
			     c = given("c", 6, "10.0.0.2");

	ck_assert_int_eq(ledger_merge(ledger, &a), 1);
	ck_assert_str_eq(address(ledger, "a"), "10.0.0.1");
	ck_assert_int_eq(ledger_merge(ledger, &b), 1);
	ck_assert_int_eq(ledger_merge(ledger, &c), 1);
	ck_assert_str_eq(address(ledger, "a"), "");
	ck_assert_str_eq(address(ledger, "b"), "10.0.0.1");
	ck_assert_int_eq(assign(ledger, "10.0.0.0/24", NULL, three, 3, NULL, 0), 0);
	ck_assert_str_eq(address(ledger, "b"), "10.0.0.1");
	ck_assert_str_eq(address(ledger, "a"), "10.0.0.0");
	ck_assert_int_eq(ledger_merge(ledger, &a), 0); /* an echo of the past */
}
END_TEST

static bool same_record(const struct ledger_record *a, const struct ledger_record *b)
{
	uint8_t x[LEDGER_VALUE_LEN], y[LEDGER_VALUE_LEN];

	ledger_value_encode(a, x);
	ledger_value_encode(b, y);
	return a->service == b->service && memcmp(x, y, sizeof(x)) == 0;
}

START_TEST(items)
{
	struct ledger_record record = given("a", 7, "10.0.0.1"), copy;
	uint8_t key[LEDGER_KEY_LEN], value[LEDGER_VALUE_LEN];
	uint64_t service;

	record.added = true;
	record.v6 = ip_of("fd00::1");
	record.pool = 5;
	ledger_key_encode(LEDGER_ITEM_RECORD, record.service, key);
	ck_assert_int_eq(ledger_key_decode(key, sizeof(key), &service), LEDGER_ITEM_RECORD);
	ck_assert_uint_eq(service, record.service);
	ck_assert_int_eq(ledger_key_decode(key, sizeof(key) - 1, &service), LEDGER_ITEM_NONE);
	ledger_value_encode(&record, value);
	ck_assert_int_eq(ledger_value_decode(service, value, sizeof(value), &copy), 0);
	ck_assert(same_record(&record, &copy));
	for (size_t len = 0; len < sizeof(value); len++)
		ck_assert_int_eq(ledger_value_decode(service, value, len, &copy), -EBADMSG);
	value[0] |= 0x80;
	ck_assert_int_eq(ledger_value_decode(service, value, sizeof(value), &copy), -EBADMSG);
	record.stamp = LEDGER_STAMP_MAX + 1;
	ck_assert_int_eq(ledger_merge(ledger, &record), -EINVAL);
	ck_assert_int_eq(ledger_name_set(ledger, service, "b", 1), -EINVAL);
	ck_assert_int_eq(ledger_name_set(ledger, service, "a", 1), 1);
	ck_assert_int_eq(ledger_name_set(ledger, service, "a", 1), 0);
	ck_assert_str_eq(ledger_name(ledger, service), "a");
	ck_assert_ptr_null(ledger_find(ledger, service)); /* a name is no record */
}
END_TEST

START_TEST(bounds)
{
	struct ledger_record record = given("a", 1, "10.0.0.1");

	for (uint64_t i = 0; i < LEDGER_MAX; i++) {
		record.service = i;
		record.stamp = i + 1;
		ck_assert_int_eq(ledger_merge(ledger, &record), 1);
	}
	record.service = LEDGER_MAX;
	ck_assert_int_eq(ledger_merge(ledger, &record), -ENOSPC);
	for (uint64_t i = 0; i < LEDGER_GRAVE_MAX + 10; i++) {
		struct ledger_record grave = {
			.service = i, .stamp = LEDGER_MAX + 1 + i, .families = ALLOC_V4, .removed = true
		};

		ck_assert_int_eq(ledger_merge(ledger, &grave), 1);
	}
	ck_assert_uint_eq(ledger_n(ledger), LEDGER_MAX - 10);
	ck_assert_ptr_null(ledger_find(ledger, 9));
	ck_assert(ledger_find(ledger, 10)->removed);
	record.stamp = 1;
	ck_assert_int_eq(ledger_merge(ledger, &record), 1); /* there is room again */
}
END_TEST

#define SIDES 3
#define NAMES 12

static void merge_all(struct ledger *to, const struct ledger *from)
{
	for (size_t i = 0; i < ledger_n(from); i++)
		ck_assert_int_ge(ledger_merge(to, ledger_at(from, i)), 0);
}

static void check_distinct(struct ledger *l)
{
	for (size_t i = 0; i < ledger_n(l); i++) {
		const struct ledger_record *a = ledger_at(l, i);

		for (size_t j = i + 1; j < ledger_n(l) && ledger_holds(l, a); j++)
			ck_assert(!ledger_holds(l, ledger_at(l, j)) || !ip_equal(a->v4, ledger_at(l, j)->v4));
	}
}

/* Sides of a partition give, add and remove as they like, and meet in any order: then all agree, and no two have one address. */
START_TEST(any_order_ends_the_same)
{
	struct rng rng = rng_of((uint64_t)_i + 1);
	struct ledger *sides[SIDES];
	struct ledger_wish wishes[NAMES];
	char names[NAMES][8];

	for (size_t i = 0; i < NAMES; i++) {
		snprintf(names[i], sizeof(names[i]), "s%zu", i);
		wishes[i] = (struct ledger_wish){ names[i], NULL, ALLOC_V4 };
	}
	for (size_t i = 0; i < SIDES; i++)
		sides[i] = ledger_new();
	for (size_t round = 0; round < 30; round++) {
		struct ledger *side = sides[rng_below(&rng, SIDES)];
		struct ledger_record grave = { .service = ledger_service(names[rng_below(&rng, NAMES)]),
					       .stamp = ledger_stamp(side),
					       .families = ALLOC_V4,
					       .removed = true };

		if (rng_below(&rng, 4) == 0)
			merge_all(side, sides[rng_below(&rng, SIDES)]);
		else if (rng_below(&rng, 3) == 0)
			ck_assert_int_eq(ledger_merge(side, &grave), 1);
		else
			ck_assert_int_eq(assign(side, "10.0.0.0/28", NULL, wishes, rng_below(&rng, NAMES) + 1, NULL, 0),
					 0);
		check_distinct(side);
	}
	for (size_t i = 0; i < SIDES; i++) {
		for (size_t j = SIDES; j-- > 0;)
			merge_all(sides[(i + j) % SIDES], sides[i]);
	}
	merge_all(sides[0], sides[1]);
	merge_all(sides[0], sides[2]);
	for (size_t i = 1; i < SIDES; i++) {
		merge_all(sides[i], sides[0]);
		ck_assert_uint_eq(ledger_n(sides[i]), ledger_n(sides[0]));
		for (size_t j = 0; j < ledger_n(sides[i]); j++) {
			ck_assert(same_record(ledger_at(sides[i], j), ledger_at(sides[0], j)));
			ck_assert(ledger_holds(sides[i], ledger_at(sides[i], j)) ==
				  ledger_holds(sides[0], ledger_at(sides[0], j)));
		}
	}
	/* whoever has addresses that are good keeps them when the others get theirs */
	for (size_t i = 0; i < NAMES; i++) {
		char former[IP_TEXT_MAX];
		struct ledger *l = sides[1];

		strcpy(former, address(l, names[i]));
		if (former[0] == '\0')
			continue;
		ck_assert_int_eq(assign(l, "10.0.0.0/28", NULL, wishes, NAMES, NULL, 0), 0);
		ck_assert_str_eq(address(l, names[i]), former);
	}
	check_distinct(sides[1]);
	for (size_t i = 0; i < SIDES; i++)
		ledger_free(sides[i]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ledger");
	TCase *tcase = tcase_create("ledger");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, each_gets_one_and_keeps_it);
	tcase_add_test(tcase, pool_that_shrinks);
	tcase_add_test(tcase, used_otherwise);
	tcase_add_test(tcase, exhausted_and_given_up);
	tcase_add_test(tcase, added_by_command);
	tcase_add_test(tcase, another_family);
	tcase_add_test(tcase, older_one_keeps_the_address);
	tcase_add_test(tcase, items);
	tcase_add_test(tcase, bounds);
	tcase_add_loop_test(tcase, any_order_ends_the_same, 0, 200);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
