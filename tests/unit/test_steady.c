/* SPDX-License-Identifier: Apache-2.0 */
/* A link that comes and goes carries nothing until it has been up for a while. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/steady.h"

static struct steady steady;
static struct instant next;

/* The interfaces named in `up`, one letter each, as segments at that millisecond; returns those that are kept, as letters. */
static const char *filter(const char *up, int64_t ms)
{
	static char kept[SEGMENT_MAX + 1];
	struct segment segments[SEGMENT_MAX] = { 0 };
	size_t n = strlen(up);

	for (size_t i = 0; i < n; i++)
		segments[i].iface[0] = up[i];
	n = steady_filter(&steady, segments, n, (struct instant){ ms * 1000 }, &next);
	for (size_t i = 0; i < n; i++)
		kept[i] = segments[i].iface[0];
	kept[n] = '\0';
	return kept;
}

static void setup(void)
{
	memset(&steady, 0, sizeof(steady));
}

START_TEST(first_time)
{
	ck_assert_str_eq(filter("ab", 5000), "ab");
	ck_assert_int_eq(next.us, INSTANT_NEVER.us);
	ck_assert_str_eq(filter("aab", 5001), "aab"); /* two subnets on one */
}
END_TEST

START_TEST(back_after_a_second)
{
	(void)filter("ab", 0);
	ck_assert_str_eq(filter("b", 1000), "b");
	ck_assert_str_eq(filter("ab", 1200), "b");
	ck_assert_int_eq(next.us, 2200 * 1000);
	ck_assert_str_eq(filter("ab", 2199), "b");
	ck_assert_str_eq(filter("ab", 2200), "ab");
	ck_assert_int_eq(next.us, INSTANT_NEVER.us);
}
END_TEST

START_TEST(flapping_takes_longer)
{
	int64_t ms = 0;
	int64_t last_us = 0;

	(void)filter("a", ms);
	for (int i = 0; i < 5; i++) {
		ck_assert_str_eq(filter("", ms += 300), "");
		ck_assert_str_eq(filter("a", ms += 300), "");
		ck_assert_int_gt(next.us - ms * 1000, last_us);
		last_us = next.us - ms * 1000;
	}
	ck_assert_int_ge(last_us, 16 * 1000000);
	ck_assert_str_eq(filter("a", next.us / 1000), "a");
}
END_TEST

START_TEST(more_links_than_are_watched)
{
	char up[SEGMENT_MAX + 1] = "abcdefgh";

	(void)filter(up, 0);
	ck_assert_str_eq(filter("x", 1), "x");
	(void)filter("", 2);
	ck_assert_str_eq(filter("x", 3), "x");
	ck_assert_str_eq(filter("a", 4), "");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("steady");
	TCase *tcase = tcase_create("steady");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_test(tcase, first_time);
	tcase_add_test(tcase, back_after_a_second);
	tcase_add_test(tcase, flapping_takes_longer);
	tcase_add_test(tcase, more_links_than_are_watched);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
