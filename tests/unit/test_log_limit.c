/* SPDX-License-Identifier: Apache-2.0 */
/* daemon/log_limit.c: a flood of lines of one event. */
#include "daemon/log_limit.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

static struct log_limit limit;
static struct instant now;

static void setup(void)
{
	limit = (struct log_limit){ 0 };
	now = (struct instant){ 1000000 };
}

/* How many of n lines, all at once, are written. */
static size_t flood(const char *message, size_t n)
{
	size_t written = 0;

	for (size_t i = 0; i < n; i++)
		written += log_limit_allows(&limit, message, now);
	return written;
}

START_TEST(a_flood_is_cut_and_counted)
{
	uint64_t n;

	ck_assert_uint_eq(flood("address-conflict ip=10.0.0.1", 1000), LOG_LIMIT_BURST);
	ck_assert_ptr_null(log_limit_due(&limit, now, &n));
	/* others are not touched */
	ck_assert_uint_eq(flood("control command=drain", 3), 3);
	now = instant_add(now, span_s(1));
	ck_assert_uint_eq(flood("address-conflict ip=10.0.0.2", 1000), LOG_LIMIT_PER_S);
	/* it goes on: said after ten seconds */
	now = instant_add(now, span_s(LOG_LIMIT_SAY_S - 1));
	ck_assert_str_eq(log_limit_due(&limit, now, &n), "address-conflict");
	ck_assert_uint_eq(n, 2000 - LOG_LIMIT_BURST - LOG_LIMIT_PER_S);
	ck_assert_ptr_null(log_limit_due(&limit, now, &n));
	ck_assert_uint_eq(limit.events[0].total, n);
	/* at an end: said once more, and no more */
	(void)flood("address-conflict ip=10.0.0.2", 60);
	now = instant_add(now, span_s(LOG_LIMIT_SAY_S));
	ck_assert_str_eq(log_limit_due(&limit, now, &n), "address-conflict");
	ck_assert_ptr_null(log_limit_due(&limit, now, &n));
	now = instant_add(now, span_s(3600));
	ck_assert_ptr_null(log_limit_due(&limit, now, &n));
	ck_assert_uint_eq(flood("address-conflict", 1000), LOG_LIMIT_BURST);
}
END_TEST

START_TEST(what_must_not_be_lost)
{
	static const char *const lines[] = { "owner ip=10.0.0.1 from=n1 to=n2", "member name=n1 to=dead",
					     "address-up ip=10.0.0.1",		"address-lost ip=10.0.0.1",
					     "right-to-hold state=lost",	"pools-given service=a" };

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		ck_assert_uint_eq(flood(lines[i], 20000), 20000);
	/* a longer name is another event */
	ck_assert_uint_lt(flood("owners of=all", 20000), 20000);
}
END_TEST

START_TEST(more_events_than_slots)
{
	char line[32];

	for (int i = 0; i < 2 * LOG_LIMIT_EVENT_MAX; i++) {
		snprintf(line, sizeof(line), "event-%d", i);
		ck_assert_uint_eq(flood(line, 2 * LOG_LIMIT_BURST),
				  i < LOG_LIMIT_EVENT_MAX ? LOG_LIMIT_BURST : 2 * LOG_LIMIT_BURST);
	}
	ck_assert(log_limit_allows(&limit, "", now));
	ck_assert(log_limit_allows(&limit, " x", now));
	ck_assert(log_limit_allows(&limit, "a-word-of-more-than-thirty-two-bytes-is-no-event x=1", now));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("log_limit");
	TCase *tcase = tcase_create("limit");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_test(tcase, a_flood_is_cut_and_counted);
	tcase_add_test(tcase, what_must_not_be_lost);
	tcase_add_test(tcase, more_events_than_slots);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
