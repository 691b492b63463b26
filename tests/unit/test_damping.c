/* SPDX-License-Identifier: Apache-2.0 */
/* election/damping.c: hold-down after moves, by choice and by need; steadiness of nodes that come and go. */
#include "election/damping.h"

#include <check.h>
#include <stdlib.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define MOVE_MAX 12

static struct instant at_s(int64_t s)
{
	return (struct instant){ 1000000 * s };
}

static const struct {
	int64_t moves_s[MOVE_MAX];
	size_t move_n;
	int64_t now_s, choice_s, need_s;
} holds[] = {
	{ { 0 }, 0, 5, 0, 0 },
	/* one move: a second by choice, none by need */
	{ { 100 }, 1, 100, 1, 0 },
	{ { 100 }, 1, 101, 0, 0 },
	/* two: two seconds */
	{ { 100, 110 }, 2, 110, 2, 0 },
	{ { 100, 110 }, 2, 112, 0, 0 },
	/* three in 180 s: by choice only when the first of them is that old */
	{ { 100, 110, 120 }, 3, 120, 160, 0 },
	{ { 100, 110, 120 }, 3, 279, 1, 0 },
	{ { 100, 110, 120 }, 3, 280, 0, 0 },
	/* four: by need one second, once */
	{ { 100, 110, 120, 130 }, 4, 130, 160, 1 },
	{ { 100, 110, 120, 130 }, 4, 131, 159, 0 },
	/* each further one doubles that, up to 8 s */
	{ { 100, 110, 120, 130, 131 }, 5, 131, 169, 2 },
	{ { 100, 110, 120, 130, 131, 133 }, 6, 133, 177, 4 },
	{ { 100, 110, 120, 130, 131, 133, 137 }, 7, 137, 174, 8 },
	{ { 100, 110, 120, 130, 131, 133, 137, 145 }, 8, 145, 168, 8 },
	/* four, but not within 180 s: by need at once, by choice after the doubled penalty */
	{ { 100, 200, 300, 400 }, 4, 400, 8, 0 },
	{ { 100, 200, 300, 400 }, 4, 407, 1, 0 },
	/* a long row: the penalty by choice ends at 60 s */
	{ { 0, 100, 200, 300, 400, 500, 600, 700, 800, 900, 1000, 1100 }, 12, 1100, 60, 0 },
	/* peace: all is forgotten */
	{ { 100, 110, 120, 130 }, 4, 289, 1, 0 },
	{ { 100, 110, 120, 130 }, 4, 310, 0, 0 },
	{ { 100, 110, 120, 130, 310 }, 5, 310, 1, 0 },
};

START_TEST(hold_down)
{
	struct damping_moves moves = { 0 };

	for (size_t i = 0; i < holds[_i].move_n; i++)
		damping_moved(&moves, at_s(holds[_i].moves_s[i]));
	ck_assert_int_eq(damping_hold_down(&moves, DAMPING_CHOICE, at_s(holds[_i].now_s)).us,
			 1000000 * holds[_i].choice_s);
	ck_assert_int_eq(damping_hold_down(&moves, DAMPING_NEED, at_s(holds[_i].now_s)).us, 1000000 * holds[_i].need_s);
}
END_TEST

/* Who wants to move at every moment, and does when it may: never more than `max` in any 180 s. */
static void expect_bound(enum damping_cause cause, size_t max)
{
	struct instant last[32] = { { 0 } };
	struct damping_moves moves = { 0 };
	size_t n = 0;

	for (int64_t ms = 0; ms < 3600 * INT64_C(1000); ms += 50) {
		struct instant now = { 1000 * ms };

		if (damping_hold_down(&moves, cause, now).us > 0)
			continue;
		if (n >= max)
			ck_assert_int_ge(instant_since(now, last[(n - max) % 32]).us, 180 * INT64_C(1000000));
		last[n++ % 32] = now;
		damping_moved(&moves, now);
	}
	ck_assert_uint_gt(n, 20);
}

START_TEST(bounds)
{
	expect_bound(DAMPING_CHOICE, DAMPING_CHOICE_MAX);
	/* four, 1, 2 and 4 s apart three, then one every 8 s: service comes first, but it does not run away */
	expect_bound(DAMPING_NEED, 28);
}
END_TEST

START_TEST(count_does_not_wrap)
{
	struct damping_moves moves = { 0 };

	for (int64_t s = 0; s < 1000; s++) {
		damping_moved(&moves, at_s(s));
		ck_assert_int_ge(damping_hold_down(&moves, DAMPING_CHOICE, at_s(s)).us, 1000000);
	}
	ck_assert_int_eq(damping_hold_down(&moves, DAMPING_NEED, at_s(999)).us, 8000000);
}
END_TEST

static const struct {
	int64_t flaps;		/* times that it went and came back */
	int64_t away_ms, up_ms; /* each time */
	int64_t want_s;		/* of steadiness after the last return */
} flaps[] = {
	{ 0, 0, 0, 0 },	       { 1, 300, 300, 1 },   { 2, 300, 300, 2 },   { 3, 300, 300, 4 },
	{ 6, 300, 300, 32 },   { 7, 300, 300, 60 },  { 50, 300, 300, 60 }, { 300, 300, 300, 60 },
	{ 3, 1000000, 10, 4 }, { 3, 10, 179000, 4 }, { 3, 10, 180000, 1 }, { 1, 3600000, 10, 1 },
};

START_TEST(steadiness)
{
	struct damping_flaps state = { 0 };
	struct instant now = at_s(1000);

	ck_assert_int_eq(damping_steady_at(&state).us, INSTANT_NEVER.us);
	damping_here(&state, true, now);
	ck_assert_int_eq(damping_steady_at(&state).us, now.us);
	for (int64_t i = 0; i < flaps[_i].flaps; i++) {
		now = instant_add(now, span_ms(flaps[_i].up_ms));
		damping_here(&state, false, now);
		ck_assert_int_eq(damping_steady_at(&state).us, INSTANT_NEVER.us);
		now = instant_add(now, span_ms(flaps[_i].away_ms));
		damping_here(&state, true, now);
		/* said twice: nothing new */
		damping_here(&state, true, instant_add(now, span_ms(1)));
	}
	ck_assert_int_eq(instant_since(damping_steady_at(&state), now).us, 1000000 * flaps[_i].want_s);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("damping");
	TCase *tcase = tcase_create("damping");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tcase, hold_down, 0, ARRAY_LEN(holds));
	tcase_add_test(tcase, bounds);
	tcase_add_test(tcase, count_does_not_wrap);
	tcase_add_loop_test(tcase, steadiness, 0, ARRAY_LEN(flaps));
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
