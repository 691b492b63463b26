/* SPDX-License-Identifier: Apache-2.0 */
/* base/repeat.c: the burst to the microsecond, the refresh within its jitter, late ticks, stop and restart. */
#include "base/repeat.h"

#include <check.h>
#include <stdlib.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define START_US INT64_C(5000000)

static const int64_t burst_ms[] = { 0, 100, 1000, 2000, 5000 };

static struct instant at_us(int64_t us)
{
	return (struct instant){ us };
}

/* Run the whole burst of a started schedule, each shot exactly on time. */
static void run_burst(struct repeat *r, int64_t start_us, struct rng *rng)
{
	for (size_t i = 0; i < ARRAY_LEN(burst_ms); i++) {
		int64_t due_us = start_us + burst_ms[i] * 1000;

		ck_assert_int_eq(r->next.us, due_us);
		ck_assert(!repeat_due(r, at_us(due_us - 1), rng));
		ck_assert(repeat_due(r, at_us(due_us), rng));
		ck_assert(!repeat_due(r, at_us(due_us), rng));
		ck_assert_uint_eq(r->sent, i + 1);
	}
}

START_TEST(burst)
{
	struct rng rng = rng_of(1);
	struct repeat r;

	repeat_start(&r, at_us(START_US));
	ck_assert_uint_eq(r.sent, 0);
	run_burst(&r, START_US, &rng);
}
END_TEST

/* For ever after: 60 to 100 s apart, and not always the same. */
START_TEST(refresh)
{
	struct rng rng = rng_of(2);
	int64_t low = INT64_MAX, high = 0;
	struct repeat r;
	int64_t now_us = START_US + 5000000;

	repeat_start(&r, at_us(START_US));
	run_burst(&r, START_US, &rng);
	for (size_t i = 0; i < 1000; i++) {
		int64_t gap_us = r.next.us - now_us;

		low = gap_us < low ? gap_us : low;
		high = gap_us > high ? gap_us : high;
		now_us = r.next.us;
		ck_assert(repeat_due(&r, at_us(now_us), &rng));
	}
	ck_assert_int_ge(low, 60000000);
	ck_assert_int_le(high, 100000000);
	ck_assert_int_lt(low, 61000000);
	ck_assert_int_gt(high, 99000000);
}
END_TEST

/* A late tick shoots once and keeps the distance to the next one: what was missed is not made up for. */
START_TEST(late)
{
	struct rng rng = rng_of(3);
	struct repeat r;

	repeat_start(&r, at_us(START_US));
	ck_assert(repeat_due(&r, at_us(START_US), &rng));
	ck_assert(repeat_due(&r, at_us(START_US + 900000), &rng)); /* due at 100 ms */
	ck_assert(!repeat_due(&r, at_us(START_US + 900000), &rng));
	ck_assert_int_eq(r.next.us, START_US + 900000 + 900000);
}
END_TEST

START_TEST(stop_and_restart)
{
	struct rng rng = rng_of(4);
	struct repeat r;

	repeat_start(&r, at_us(START_US));
	ck_assert(repeat_due(&r, at_us(START_US), &rng));
	repeat_stop(&r);
	ck_assert_int_eq(r.next.us, INSTANT_NEVER.us);
	ck_assert(!repeat_due(&r, at_us(INT64_MAX - 1), &rng));
	repeat_start(&r, at_us(2 * START_US));
	run_burst(&r, 2 * START_US, &rng);
	repeat_start(&r, at_us(9 * START_US)); /* from the refresh back to the burst */
	run_burst(&r, 9 * START_US, &rng);
}
END_TEST

static Suite *repeat_suite(void)
{
	Suite *s = suite_create("repeat");
	TCase *tc = tcase_create("schedule");

	tcase_add_test(tc, burst);
	tcase_add_test(tc, refresh);
	tcase_add_test(tc, late);
	tcase_add_test(tc, stop_and_restart);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	SRunner *sr = srunner_create(repeat_suite());
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed > 0;
}
