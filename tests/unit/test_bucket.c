/* SPDX-License-Identifier: Apache-2.0 */
/* base/bucket.c: bursts, the average, clocks that stand still, go back or leap. */
#include "base/bucket.h"

#include <check.h>
#include <stdlib.h>

#define START_US INT64_C(1000000)

static struct instant at_us(int64_t us)
{
	return (struct instant){ us };
}

/* How many single tokens can be had at that time. */
static unsigned int drain(struct bucket *b, int64_t us)
{
	unsigned int n = 0;

	for (; bucket_has(b, 1, at_us(us)); n++)
		bucket_take(b, 1);
	return n;
}

static const struct rate_case {
	uint32_t per_s, burst;
} rates[] = { { 1, 1 }, { 7, 3 }, { 1000, 10 }, { 20000, 512 }, { UINT32_MAX, 512 } };

/* Full at the start, and never fuller; then what the rate gives. */
START_TEST(burst_and_rate)
{
	struct rate_case c = rates[_i];
	struct bucket b = bucket_of(c.per_s, c.burst);
	uint64_t n = 0;

	ck_assert_uint_eq(drain(&b, START_US), c.burst);
	ck_assert_uint_eq(drain(&b, START_US), 0);
	ck_assert_uint_eq(drain(&b, START_US + 3600 * INT64_C(1000000)), c.burst);
	ck_assert_uint_eq(drain(&b, INT64_MAX / 2), c.burst);
	if (c.per_s > 20000)
		return;
	b = bucket_of(c.per_s, c.burst);
	for (int64_t us = START_US; us < START_US + 10000000; us += 777)
		n += drain(&b, us);
	ck_assert_uint_le(n, c.burst + 10 * (uint64_t)c.per_s);
	ck_assert_uint_ge(n + 20, c.burst + 10 * (uint64_t)c.per_s);
}
END_TEST

/* The announced time is when they are there, to the microsecond. */
START_TEST(ready)
{
	struct bucket b = bucket_of(1000, 10);
	struct instant when;

	(void)drain(&b, START_US);
	for (uint32_t n = 1; n <= 10; n++) {
		when = bucket_ready(&b, n);
		ck_assert_int_eq(when.us, START_US + n * 1000);
	}
	ck_assert(!bucket_has(&b, 3, at_us(START_US + 2999)));
	ck_assert(bucket_has(&b, 3, at_us(START_US + 3000)));
	when = bucket_ready(&b, 3);
	ck_assert_int_le(when.us, START_US + 3000);
}
END_TEST

START_TEST(clock_goes_back)
{
	struct bucket b = bucket_of(1000, 10);

	(void)drain(&b, START_US);
	ck_assert_uint_eq(drain(&b, START_US - 500000), 0);
	ck_assert_uint_eq(drain(&b, START_US), 0);
	ck_assert_uint_eq(drain(&b, START_US + 2000), 2);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("bucket");
	TCase *tcase = tcase_create("bucket");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_loop_test(tcase, burst_and_rate, 0, sizeof(rates) / sizeof(rates[0]));
	tcase_add_test(tcase, ready);
	tcase_add_test(tcase, clock_goes_back);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
