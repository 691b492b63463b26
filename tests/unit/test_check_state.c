/* SPDX-License-Identifier: Apache-2.0 */
/* Rise, fall and the times of runs. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/check_state.h"

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/*
 * Runs of one check, each of 20 ms, begun when it is due. results: '+' passed, '-' failed, '~' late, one letter a run; passing: what
 * it is after each ('1', '0'); at: milliseconds at which each begins, to the first 0 behind the first.
 */
static const struct {
	int64_t interval_ms;
	unsigned int rise, fall;
	const char *results;
	const char *passing;
	int64_t at[10];
} runs[] = {
	/* a good start is confirmed at once, and then there is time */
	{ 1000, 2, 3, "+++", "011", { 0, 100, 1100 } },
	{ 1000, 3, 3, "++++", "0011", { 0, 100, 200, 1200 } },
	{ 1000, 1, 3, "++", "11", { 0, 1000 } },
	{ 50, 2, 3, "+++", "011", { 0, 50, 100 } },
	/* what does not work is not asked any faster, until it does for the first time */
	{ 1000, 2, 3, "--+++", "00011", { 0, 1000, 2000, 2100, 3100 } },
	{ 1000, 2, 3, "+-++", "0001", { 0, 100, 1100, 1200 } },
	/* it was found failing: from then on a success waits for its interval */
	{ 1000, 2, 3, "---++", "00001", { 0, 1000, 2000, 3000, 4000 } },
	{ 1000, 2, 1, "-++", "001", { 0, 1000, 2000 } },
	/* down after `fall` in a row, and up after `rise` in a row */
	{ 1000, 1, 3, "+--+---", "1111110", { 0, 1000, 2000, 3000, 4000, 5000, 6000 } },
	{ 1000, 2, 2, "++--+-++", "01100001", { 0, 100, 1100, 2100, 3100, 4100, 5100, 6100 } },
	{ 1000, 1, 1, "+-+-", "1010", { 0, 1000, 2000, 3000 } },
	/* late is neither: it neither counts nor begins the count anew */
	{ 1000, 2, 2, "+~+-~-", "001110", { 0, 100, 200, 1200, 2200, 3200 } },
	{ 1000, 2, 2, "~~~~", "0000", { 0, 1000, 2000, 3000 } },
	{ 1000, 1, 2, "+~~~~~~~-+", "1111111111", { 0, 1000, 2000, 3000, 4000, 5000, 6000, 7000, 8000, 9000 } },
};

static enum check_outcome outcome_of(char letter)
{
	if (letter == '~')
		return CHECK_LATE;
	return letter == '+' ? CHECK_PASSED : CHECK_FAILED;
}

START_TEST(sequences)
{
	const struct check_timing timing = { span_ms(runs[_i].interval_ms), span_ms(30), runs[_i].rise, runs[_i].fall };
	struct instant now = { 0 };
	struct check_state s;

	check_state_init(&s, &timing, now);
	ck_assert(!s.passing);
	for (size_t i = 0; runs[_i].results[i] != '\0'; i++) {
		bool before = s.passing;
		bool changed;

		ck_assert_msg(s.due.us == runs[_i].at[i] * 1000, "%s: run %zu is due at %lld us", runs[_i].results, i,
			      (long long)s.due.us);
		now = s.due;
		check_state_begin(&s, now);
		ck_assert_int_eq(s.due.us, INSTANT_NEVER.us);
		now = instant_add(now, span_ms(20));
		changed = check_state_end(&s, outcome_of(runs[_i].results[i]), now);
		ck_assert_msg(s.passing == (runs[_i].passing[i] == '1'), "%s: run %zu", runs[_i].results, i);
		ck_assert_int_eq(changed, s.passing != before);
		if (changed)
			ck_assert_int_eq(s.since.us, now.us);
	}
}
END_TEST

START_TEST(counters)
{
	const struct check_timing timing = { span_ms(1000), span_ms(500), 2, 3 };
	struct check_state s;

	check_state_init(&s, &timing, (struct instant){ 7 });
	ck_assert_int_eq(s.since.us, 7);
	for (const char *letter = "++++-~-+~~-"; *letter != '\0'; letter++) {
		check_state_begin(&s, s.due);
		(void)check_state_end(&s, outcome_of(*letter), s.began);
	}
	ck_assert_uint_eq(s.outcome_n[CHECK_PASSED], 5);
	ck_assert_uint_eq(s.outcome_n[CHECK_FAILED], 3);
	ck_assert_uint_eq(s.outcome_n[CHECK_LATE], 3);
	ck_assert_uint_eq(s.failures, 1);
	ck_assert_uint_eq(s.successes, 0);
}
END_TEST

/* A run that waited for its turn, or took long, moves the next one; nothing is made up for. */
START_TEST(late_runs)
{
	const struct check_timing timing = { span_ms(1000), span_ms(500), 1, 3 };
	struct check_state s;

	check_state_init(&s, &timing, (struct instant){ 0 });
	check_state_begin(&s, (struct instant){ 5300000 });
	(void)check_state_end(&s, CHECK_PASSED, (struct instant){ 5310000 });
	ck_assert_int_eq(s.due.us, 6300000);
	check_state_begin(&s, (struct instant){ 6300000 });
	(void)check_state_end(&s, CHECK_LATE, (struct instant){ 7800000 });
	ck_assert_int_eq(s.due.us, 7800000);
}
END_TEST

/* Other timers keep what is known, and begin to count anew. */
START_TEST(change)
{
	const struct check_timing timing = { span_ms(1000), span_ms(500), 1, 3 };
	const struct check_timing other = { span_ms(200), span_ms(100), 2, 2 };
	struct check_state s;

	check_state_init(&s, &timing, (struct instant){ 0 });
	for (const char *letter = "+--"; *letter != '\0'; letter++) {
		check_state_begin(&s, s.due);
		(void)check_state_end(&s, outcome_of(*letter), s.began);
	}
	check_state_change(&s, &other, (struct instant){ 2500000 });
	ck_assert(s.passing && s.decided);
	ck_assert_int_eq(s.due.us, 2500000);
	check_state_begin(&s, s.due);
	ck_assert(!check_state_end(&s, CHECK_FAILED, s.began));
	ck_assert_int_eq(s.due.us, 2700000);
	check_state_begin(&s, s.due);
	ck_assert(check_state_end(&s, CHECK_FAILED, s.began));
	ck_assert(!s.passing);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("check_state");
	TCase *tcase = tcase_create("check_state");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tcase, sequences, 0, ARRAY_LEN(runs));
	tcase_add_test(tcase, counters);
	tcase_add_test(tcase, late_runs);
	tcase_add_test(tcase, change);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
