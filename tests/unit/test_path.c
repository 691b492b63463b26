/* SPDX-License-Identifier: Apache-2.0 */
/* Is a segment alive? In virtual time, a millisecond at a time. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/path.h"

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

static struct path *path;

static struct instant at(int64_t ms)
{
	return (struct instant){ ms * 1000 };
}

static struct ip ip_number(unsigned int i)
{
	const uint8_t bytes[4] = { 10, 0, 0, (uint8_t)i };

	return ip_from_v4(bytes);
}

/* n targets 10.0.0.1 and so on. */
static void targets(const char *iface, size_t n, int64_t ms)
{
	struct ip ips[PATH_TARGET_MAX + 4];

	for (unsigned int i = 0; i < n; i++)
		ips[i] = ip_number(i + 1);
	path_targets(path, iface, ips, n, at(ms));
}

static void setup(void)
{
	const struct path_config config = { 0 };

	path = path_new(&config);
	ck_assert_ptr_nonnull(path);
}

static void teardown(void)
{
	path_free(path);
}

/* The questions of the moment, as "iface:last byte of the address" with blanks between. */
static const char *ask(int64_t ms)
{
	static char text[1024];
	struct path_question question;
	char one[32];

	text[0] = '\0';
	for (int i = 0; path_ask(path, at(ms), &question); i++) {
		ck_assert_int_lt(i, SEGMENT_MAX * PATH_TARGET_MAX);
		snprintf(one, sizeof(one), "%s%s:%u", i > 0 ? " " : "", question.iface, question.ip.bytes[3]);
		strcat(text, one);
	}
	return text;
}

/*
 * One interface "a" with n targets from 0 on. Frames come every heard_every ms from heard_from to heard_to (heard_every 0: none);
 * the hurry lasts from hurry_from to hurry_to. What path_state_of says at `when`, and how many questions there were by then.
 */
static const struct {
	const char *name;
	size_t n;
	int64_t heard_every, heard_from, heard_to;
	int64_t hurry_from, hurry_to;
	int64_t when;
	enum path_state want;
	unsigned int least, most; /* questions */
} cases[] = {
	{ "too early to tell", 1, 0, 0, 0, 0, 0, 1499, PATH_UNKNOWN, 20, 30 },
	{ "never a frame", 1, 0, 0, 0, 0, 0, 1500, PATH_SILENT, 20, 31 },
	{ "no targets", 0, 0, 0, 0, 0, 0, 9000, PATH_UNKNOWN, 0, 0 },
	{ "no targets, frames", 0, 100, 0, 9000, 0, 0, 9000, PATH_UNKNOWN, 0, 0 },
	{ "frames all the time: nobody is asked", 3, 499, 0, 9000, 0, 0, 9000, PATH_ALIVE, 0, 0 },
	{ "last frame 1 s ago: at least a question", 1, 10, 0, 1000, 0, 0, 2000, PATH_ALIVE, 1, 11 },
	{ "last frame 1499 ms ago", 1, 10, 0, 1000, 0, 0, 2499, PATH_ALIVE, 10, 20 },
	{ "last frame 1500 ms ago", 1, 10, 0, 1000, 0, 0, 2500, PATH_SILENT, 10, 21 },
	{ "16 targets: not before each was asked twice", 16, 10, 0, 1000, 0, 0, 2500, PATH_SILENT, 32, 81 },
	{ "silent: a tenth of the questions", 1, 10, 0, 1000, 0, 0, 12500, PATH_SILENT, 30, 42 },
	{ "heard again after silence", 1, 10000, 0, 10000, 0, 0, 10001, PATH_ALIVE, 20, 40 },
	{ "hurry: alive as before, until 80 ms", 3, 10, 0, 1000, 1000, 2000, 1079, PATH_ALIVE, 5, 8 },
	{ "hurry: frames from before it do not count", 3, 10, 0, 999, 1000, 2000, 1080, PATH_SILENT, 5, 9 },
	{ "hurry: all 16 were asked in time", 16, 10, 0, 999, 1000, 2000, 1080, PATH_SILENT, 16, 33 },
	{ "hurry: an answer ends the questions", 3, 30, 0, 1020, 1000, 2000, 1519, PATH_ALIVE, 0, 3 },
	{ "hurry: silent goes on", 3, 10, 0, 999, 1000, 2000, 1999, PATH_SILENT, 10, 20 },
	{ "the hurry is over", 3, 10, 0, 999, 1000, 1100, 1100, PATH_ALIVE, 5, 9 },
	{ "the hurry is over, and nothing came", 1, 10, 0, 999, 1000, 1100, 2600, PATH_SILENT, 20, 45 },
};

#define SEED_N 20

START_TEST(states)
{
	const struct path_config config = { .seed = (uint64_t)_i % SEED_N };
	size_t k = (size_t)_i / SEED_N;
	unsigned int questions = 0;
	enum path_state state;

	path_free(path);
	path = path_new(&config);
	targets("a", cases[k].n, 0);
	for (int64_t ms = 0; ms <= cases[k].when; ms++) {
		struct path_question question;

		if (cases[k].heard_every > 0 && ms >= cases[k].heard_from && ms <= cases[k].heard_to &&
		    ms % cases[k].heard_every == 0)
			path_heard(path, "a", at(ms));
		if (cases[k].hurry_to > 0)
			path_hurry(path, ms >= cases[k].hurry_from && ms < cases[k].hurry_to, at(ms));
		while (path_ask(path, at(ms), &question))
			questions++;
	}
	state = path_state_of(path, "a", at(cases[k].when));
	ck_assert_msg(state == cases[k].want && questions >= cases[k].least && questions <= cases[k].most,
		      "%s, seed %d: state %d, %u questions", cases[k].name, (int)config.seed, (int)state, questions);
}
END_TEST

/* Until the next question, from ms on: its time, or -1 after 5 s. */
static int64_t next_question(int64_t ms, const char **ret)
{
	for (int64_t end = ms + 5000; ms < end; ms++) {
		*ret = ask(ms);
		if ((*ret)[0] != '\0')
			return ms;
	}
	return -1;
}

START_TEST(whom_to_ask)
{
	const char *asked;
	int64_t ms;

	targets("a", 6, 0);
	ms = next_question(0, &asked);
	ck_assert_int_le(ms, 500);
	ck_assert_str_eq(asked, "a:1");
	ck_assert_str_eq(ask(ms + 49), "");
	ck_assert_str_eq(ask(ms + 50), "a:2 a:3");
	ck_assert_str_eq(ask(ms + 100), "a:4 a:5");
	ck_assert_str_eq(ask(ms + 400), "a:6 a:1"); /* nothing is made up for */
	ck_assert_str_eq(ask(ms + 449), "");
	path_hurry(path, true, at(ms + 449));
	ms = next_question(ms + 449, &asked);
	ck_assert_str_eq(asked, "a:2");
	path_hurry(path, true, at(ms + 5)); /* it is on already */
	ck_assert_str_eq(ask(ms + 9), "");
	ck_assert_str_eq(ask(ms + 10), "a:3 a:4");
	path_heard(path, "a", at(ms + 11));
	ck_assert_str_eq(ask(ms + 500), "");
	path_hurry(path, false, at(ms + 500));
	ck_assert_int_ge(next_question(ms + 500, &asked), ms + 511);
	ck_assert_str_eq(asked, "a:5");
}
END_TEST

START_TEST(other_targets)
{
	const struct ip six[] = { ip_number(6), ip_number(7) };
	const char *asked;
	int64_t ms;

	targets("a", 2, 0);
	ms = next_question(0, &asked);
	ck_assert_str_eq(asked, "a:1");
	targets("a", 2, ms + 10); /* the same ones */
	ck_assert_str_eq(ask(ms + 49), "");
	path_targets(path, "a", six, 2, at(ms + 49));
	ck_assert_str_eq(ask(ms + 49), "");
	ck_assert_str_eq(ask(ms + 50), "a:6");
	ck_assert_str_eq(ask(ms + 100), "a:7");
	/* questions to those of before do not count, and neither does the silence begin anew */
	ck_assert_int_eq(path_state_of(path, "a", at(1600)), PATH_UNKNOWN);
	for (int64_t next = ms + 150; next <= 1600; next += 50)
		(void)ask(next);
	ck_assert_int_eq(path_state_of(path, "a", at(1600)), PATH_SILENT);
	path_targets(path, "a", NULL, 0, at(1600));
	ck_assert_int_eq(path_state_of(path, "a", at(1600)), PATH_UNKNOWN);
	ck_assert_int_eq(path_deadline(path).us, INSTANT_NEVER.us);
	path_heard(path, "a", at(1601)); /* of no use, and no harm */
	path_targets(path, "b", NULL, 0, at(1600));
	ck_assert_str_eq(ask(1700), "");
}
END_TEST

START_TEST(several)
{
	targets("a", 1, 0);
	targets("b", 1, 0);
	for (int64_t ms = 0; ms <= 3000; ms += 10) {
		if (ms <= 1000)
			path_heard(path, "b", at(ms));
		(void)ask(ms);
		ck_assert_int_eq(path_state_of(path, "a", at(ms)), ms < 1500 ? PATH_UNKNOWN : PATH_SILENT);
		ck_assert_int_eq(path_state_of(path, "b", at(ms)), ms < 2500 ? PATH_ALIVE : PATH_SILENT);
	}
	/* one goes away, the other one keeps its state; a new one is unknown */
	path_targets(path, "a", NULL, 0, at(3001));
	ck_assert_int_eq(path_state_of(path, "b", at(3001)), PATH_SILENT);
	targets("c", 1, 3002);
	ck_assert_int_eq(path_state_of(path, "c", at(3002)), PATH_UNKNOWN);
}
END_TEST

/* All hear a question of one of them, a millisecond later: they do not all ask. */
START_TEST(crowd)
{
	enum { CROWD = 200 };
	struct path *paths[CROWD];
	struct path_question question;
	bool heard = false;
	size_t n = 0;

	for (size_t i = 0; i < CROWD; i++) {
		const struct path_config config = { .seed = i };
		const struct ip ip = ip_number(1);

		paths[i] = path_new(&config);
		path_targets(paths[i], "a", &ip, 1, at(0));
	}
	for (int64_t ms = 0; ms < 10000; ms++) {
		bool asked = false;

		if (ms == 5000 || ms == 5200) {
			for (size_t i = 0; i < CROWD; i++)
				path_hurry(paths[i], ms == 5000, at(ms));
		}
		for (size_t i = 0; i < CROWD; i++) {
			if (heard)
				path_heard(paths[i], "a", at(ms));
			while (path_ask(paths[i], at(ms), &question)) {
				n++;
				asked = true;
			}
		}
		heard = asked;
	}
	/* twenty rounds and one hurry; 200 that ask each second would be 2000 and more */
	ck_assert_uint_ge(n, 11);
	ck_assert_uint_le(n, 120);
	for (size_t i = 0; i < CROWD; i++)
		path_free(paths[i]);
}
END_TEST

START_TEST(limits)
{
	const char *const names[SEGMENT_MAX] = { "i0", "i1", "i2", "i3", "i4", "i5", "i6", "i7" };
	struct path_question question;
	unsigned int last = 0;
	size_t n = 0;

	for (size_t i = 0; i < SEGMENT_MAX; i++)
		targets(names[i], PATH_TARGET_MAX + 4, 0);
	targets("one-more", 1, 0);
	targets("a-name-of-16-byt", 1, 0);
	path_heard(path, "one-more", at(0));
	ck_assert_int_eq(path_state_of(path, "one-more", at(0)), PATH_UNKNOWN);
	for (int64_t ms = 0; ms <= 1500; ms++) {
		while (path_ask(path, at(ms), &question)) {
			n++;
			last = question.ip.bytes[3] > last ? question.ip.bytes[3] : last;
		}
	}
	ck_assert_uint_ge(n, (size_t)SEGMENT_MAX * PATH_TARGET_MAX * 2);
	ck_assert_uint_eq(last, PATH_TARGET_MAX);
	targets("i0", 1, 1600); /* a known one finds its place in a full table */
	ck_assert_int_eq(path_state_of(path, "i0", at(1600)), PATH_UNKNOWN);
	path_targets(path, "i0", NULL, 0, at(1600));
	targets("one-more", 1, 1600);
	path_heard(path, "one-more", at(1600));
	ck_assert_int_eq(path_state_of(path, "one-more", at(1600)), PATH_ALIVE);
	path_free(NULL);
}
END_TEST

/* Who wakes at the deadlines alone sees the same as who looks every millisecond. */
START_TEST(deadlines)
{
	int64_t us = 0;
	size_t turns = 0;

	targets("a", 2, 0);
	path_heard(path, "a", at(0));
	while (path_state_of(path, "a", (struct instant){ us }) != PATH_SILENT && turns++ < 1000) {
		struct instant deadline = path_deadline(path);
		struct path_question question;

		ck_assert_int_ge(deadline.us, us);
		us = deadline.us;
		while (path_ask(path, deadline, &question))
			;
		ck_assert_int_gt(path_deadline(path).us, us);
	}
	ck_assert_int_eq(us, at(1500).us);
	ck_assert_uint_le(turns, 22);
	path_heard(path, "a", at(1600));
	path_hurry(path, true, at(1605));
	for (us = at(1605).us; path_state_of(path, "a", (struct instant){ us }) != PATH_SILENT && turns++ < 1000;) {
		struct path_question question;

		us = path_deadline(path).us;
		while (path_ask(path, (struct instant){ us }, &question))
			;
	}
	ck_assert_int_eq(us, at(1685).us);
}
END_TEST

START_TEST(configured)
{
	const struct path_config config = { .fresh = span_ms(20),
					    .ask_interval = span_ms(2),
					    .limit = span_ms(40),
					    .hurry_interval = span_ms(1),
					    .hurry_limit = span_ms(8) };

	path_free(path);
	path = path_new(&config);
	targets("a", 1, 0);
	path_heard(path, "a", at(0));
	ck_assert_str_eq(ask(9), "");
	for (int64_t ms = 10; ms <= 40; ms++) {
		(void)ask(ms);
		ck_assert_int_eq(path_state_of(path, "a", at(ms)), ms < 40 ? PATH_ALIVE : PATH_SILENT);
	}
	path_heard(path, "a", at(50));
	path_hurry(path, true, at(51));
	for (int64_t ms = 51; ms <= 59; ms++) {
		(void)ask(ms);
		ck_assert_int_eq(path_state_of(path, "a", at(ms)), ms < 59 ? PATH_ALIVE : PATH_SILENT);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("path");
	TCase *tcase = tcase_create("path");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, states, 0, (int)ARRAY_LEN(cases) * SEED_N);
	tcase_add_test(tcase, whom_to_ask);
	tcase_add_test(tcase, other_targets);
	tcase_add_test(tcase, several);
	tcase_add_test(tcase, crowd);
	tcase_add_test(tcase, limits);
	tcase_add_test(tcase, deadlines);
	tcase_add_test(tcase, configured);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
