/* SPDX-License-Identifier: Apache-2.0 */
/* base/histogram.c: percentiles against sorted samples, windows that are dropped. */
#include <check.h>

#include "base/histogram.h"

static struct instant at_s(int64_t s)
{
	return (struct instant){ s * 1000000 };
}

static const struct {
	int64_t sample_us;
	int64_t least_us; /* what may be read back */
	int64_t most_us;
} samples[] = {
	{ -5, 0, 0 },
	{ 0, 0, 0 },
	{ 1, 1, 1 },
	{ 3, 3, 3 },
	{ 4, 4, 4 },
	{ 7, 7, 7 },
	{ 8, 8, 9 },
	{ 100, 100, 119 },
	{ 1000, 1000, 1190 },
	{ 20000, 20000, 23800 },
	{ 1023, 1023, 1023 },
	{ 1024, 1024, 1279 },
	{ 1000000, 1000000, 1190000 },
	{ INT64_C(3600000000), 3600000000, 4284000000 },
};

START_TEST(one_sample)
{
	struct histogram h;

	histogram_init(&h, span_s(60), at_s(1));
	ck_assert_int_eq(histogram_percentile(&h, 990).us, 0);
	histogram_add(&h, span_us(samples[_i].sample_us), at_s(1));
	ck_assert_int_ge(histogram_percentile(&h, 990).us, samples[_i].least_us);
	ck_assert_int_le(histogram_percentile(&h, 990).us, samples[_i].most_us);
}
END_TEST

/* 1 to 1,000 us, each once. */
START_TEST(percentiles)
{
	struct histogram h;

	histogram_init(&h, span_s(60), at_s(1));
	for (int64_t us = 1; us <= 1000; us++)
		histogram_add(&h, span_us(us), at_s(1));
	for (unsigned int per_mille = 100; per_mille <= 1000; per_mille += 100) {
		ck_assert_int_ge(histogram_percentile(&h, per_mille).us, per_mille);
		ck_assert_int_le(histogram_percentile(&h, per_mille).us, per_mille * 125 / 100 + 1);
	}
	ck_assert_int_eq(h.max.us, 1000);
}
END_TEST

START_TEST(windows)
{
	struct histogram h;

	histogram_init(&h, span_s(60), at_s(0));
	histogram_add(&h, span_ms(500), at_s(10));
	histogram_add(&h, span_us(1), at_s(61));
	ck_assert_int_gt(histogram_percentile(&h, 1000).us, 400000); /* the older window still counts */
	histogram_add(&h, span_us(1), at_s(122));
	ck_assert_int_eq(histogram_percentile(&h, 1000).us, 1);
	ck_assert_int_eq(h.max.us, 500000);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("histogram");
	TCase *tcase = tcase_create("histogram");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_loop_test(tcase, one_sample, 0, sizeof(samples) / sizeof(samples[0]));
	tcase_add_test(tcase, percentiles);
	tcase_add_test(tcase, windows);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
