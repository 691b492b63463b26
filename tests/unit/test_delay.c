/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lab/delay.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct delay *delay;

static void setup(void)
{
	delay = malloc(sizeof(*delay));
	ck_assert_ptr_nonnull(delay);
	delay_init(delay);
}

static void teardown(void)
{
	free(delay);
}

/* Pushed in this order; popped by due time, equal ones as they came. */
START_TEST(test_order)
{
	static const int64_t due_us[] = { 30, 10, 20, 10, 30, 5, 20, 10 };
	static const uint8_t order[] = { 5, 1, 3, 7, 2, 6, 0, 4 };
	const uint8_t *frame;
	size_t len, port;

	ck_assert_int_eq(delay_due_us(delay), INT64_MAX);
	for (size_t i = 0; i < sizeof(order); i++) {
		const uint8_t byte = (uint8_t)i;

		ck_assert(delay_push(delay, due_us[i], 100U + i, &byte, 1));
	}
	for (size_t i = 0; i < sizeof(order); i++) {
		ck_assert_int_eq(delay_due_us(delay), due_us[order[i]]);
		frame = delay_pop(delay, &len, &port);
		ck_assert_uint_eq(len, 1);
		ck_assert_uint_eq(port, 100U + order[i]);
		ck_assert_uint_eq(frame[0], order[i]);
	}
	ck_assert_int_eq(delay_due_us(delay), INT64_MAX);
}
END_TEST

/* Every place can be used, more than once, and what does not fit changes nothing. */
START_TEST(test_full)
{
	uint8_t frame[DELAY_FRAME_LEN_MAX];
	const uint8_t *out;
	size_t len, port;

	for (int round = 0; round < 2; round++) {
		for (int64_t i = 0; i < DELAY_FRAME_MAX; i++) {
			memset(frame, (int)(i & 255), sizeof(frame));
			ck_assert(delay_push(delay, DELAY_FRAME_MAX - i, 0, frame, sizeof(frame)));
		}
		ck_assert(!delay_push(delay, 0, 0, frame, sizeof(frame)));
		ck_assert_int_eq(delay_due_us(delay), 1);
		for (int64_t i = DELAY_FRAME_MAX; i-- > 0;) {
			out = delay_pop(delay, &len, &port);
			ck_assert_uint_eq(len, sizeof(frame));
			ck_assert_uint_eq(out[0], (uint8_t)i);
			ck_assert_uint_eq(out[sizeof(frame) - 1], (uint8_t)i);
		}
	}
}
END_TEST

/* What still waits keeps its bytes while others come and go. */
START_TEST(test_come_and_go)
{
	const uint8_t *frame;
	size_t len, port;

	for (uint8_t i = 0; i < 3; i++)
		ck_assert(delay_push(delay, i, 0, &i, 1));
	for (uint8_t i = 0; i < 100; i++) {
		uint8_t next = (uint8_t)(i + 3);

		frame = delay_pop(delay, &len, &port);
		ck_assert_uint_eq(frame[0], i);
		ck_assert(delay_push(delay, next, 0, &next, 1));
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("delay");
	TCase *tcase = tcase_create("delay");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_order);
	tcase_add_test(tcase, test_full);
	tcase_add_test(tcase, test_come_and_go);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
