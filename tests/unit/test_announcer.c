/* SPDX-License-Identifier: Apache-2.0 */
/* daemon/announcer.c: what is due when, against a plain model; links that come back; order and pace of 10,000 addresses. */
#include "daemon/announcer.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/repeat.h"
#include "base/rng.h"

#define START_US INT64_C(1000000)
#define MANY_N 10000
#define RATE 20000 /* frames a second, as daemon/host.h has it */

/* As ck_assert, for hot loops: libcheck writes a line to its parent for each of its own. */
#define MUST(condition)                                 \
	do {                                            \
		if (!(condition))                       \
			ck_abort_msg("%s", #condition); \
	} while (0)

static struct announcer *a;

static struct instant at_us(int64_t us)
{
	return (struct instant){ us };
}

static struct ip ip_at(size_t i)
{
	return ip_from_v4((const uint8_t[]){ 10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i });
}

static size_t index_of(struct ip ip)
{
	return (size_t)ip.bytes[1] << 16 | (size_t)ip.bytes[2] << 8 | ip.bytes[3];
}

static void start(size_t i, uint32_t ifindex, int64_t us)
{
	MUST(announcer_start(a, ip_at(i), ifindex, 0, at_us(us)) == 0);
}

/* How many are due at that time, as far as the pace allows. The second half of a first announcement does not count. */
static size_t due_n(int64_t us)
{
	struct announcement due;
	size_t n = 0, calls = 0;

	while (announcer_due(a, at_us(us), &due)) {
		n += due.forms != ANNOUNCE_REPLY;
		MUST(calls++ <= 2 * ADDRESS_MAX);
	}
	return n;
}

/* The pace is of no matter up to a burst's worth. */
static void setup(void)
{
	a = announcer_new(7, 1000000);
	ck_assert_ptr_nonnull(a);
}

static void setup_default(void)
{
	a = announcer_new(7, RATE);
	ck_assert_ptr_nonnull(a);
}

static void teardown(void)
{
	announcer_free(a);
}

START_TEST(empty)
{
	struct announcement due;

	ck_assert_uint_eq(announcer_n(a), 0);
	ck_assert_int_eq(announcer_deadline(a).us, INSTANT_NEVER.us);
	ck_assert(!announcer_due(a, at_us(INT64_MAX), &due));
	announcer_stop(a, ip_at(1));
	announcer_restart_link(a, 1, at_us(0));
	ck_assert_uint_eq(announcer_n(a), 0);
	announcer_free(NULL);
}
END_TEST

static void expect(int64_t us, struct ip ip, uint32_t ifindex, unsigned int forms, bool repeated)
{
	struct announcement due;

	ck_assert(announcer_due(a, at_us(us), &due));
	ck_assert(ip_equal(due.ip, ip));
	ck_assert_uint_eq(due.ifindex, ifindex);
	ck_assert_uint_eq(due.forms, forms);
	ck_assert_int_eq(due.repeated, repeated);
}

/* One address: the burst of base/repeat.h, with its link, in both forms; the first of them one after the other. */
START_TEST(one)
{
	static const unsigned int refreshes[] = { ANNOUNCE_REPLY, ANNOUNCE_GATEWAY, ANNOUNCE_REQUEST };
	static const int64_t burst_ms[] = REPEAT_BURST_MS;
	struct announcement due;

	start(1, 3, START_US);
	ck_assert_uint_eq(announcer_n(a), 1);
	for (size_t i = 0; i < sizeof(burst_ms) / sizeof(burst_ms[0]); i++) {
		int64_t due_us = START_US + burst_ms[i] * 1000;

		ck_assert_int_eq(announcer_deadline(a).us, due_us);
		ck_assert(!announcer_due(a, at_us(due_us - 1), &due));
		if (i == 0) {
			expect(due_us, ip_at(1), 3, ANNOUNCE_REQUEST, false);
			expect(due_us, ip_at(1), 3, ANNOUNCE_REPLY, true);
		} else {
			expect(due_us, ip_at(1), 3, ANNOUNCE_REQUEST | ANNOUNCE_REPLY | (i > 1 ? ANNOUNCE_GATEWAY : 0u),
			       true);
		}
		ck_assert(!announcer_due(a, at_us(due_us), &due));
	}
	for (size_t i = 0; i < 3; i++) { /* then one form at a time */
		int64_t due_us = announcer_deadline(a).us;

		ck_assert_int_ge(due_us, START_US + 5000000 + (int64_t)(i + 1) * 60000000);
		expect(due_us, ip_at(1), 3, refreshes[i], true);
		ck_assert(!announcer_due(a, at_us(due_us), &due));
	}
}
END_TEST

/* IPv6 has one form. */
START_TEST(one_v6)
{
	static const int64_t burst_ms[] = REPEAT_BURST_MS;
	struct ip ip = ip_from_v6((const uint8_t[16]){ 0x20, 1, [15] = 1 });
	struct announcement due;

	ck_assert_int_eq(announcer_start(a, ip, 3, 0, at_us(START_US)), 0);
	for (size_t i = 0; i < sizeof(burst_ms) / sizeof(burst_ms[0]); i++) {
		int64_t due_us = START_US + burst_ms[i] * 1000;

		expect(due_us, ip, 3, ANNOUNCE_REQUEST | (i > 1 ? ANNOUNCE_GATEWAY : 0u), i > 0);
		ck_assert(!announcer_due(a, at_us(due_us), &due));
	}
}
END_TEST

/* Started again it moves to the new link and begins anew; it is still one. */
START_TEST(start_again)
{
	start(1, 3, START_US);
	ck_assert_uint_eq(due_n(START_US), 1);
	start(1, 4, START_US + 10);
	ck_assert_uint_eq(announcer_n(a), 1);
	ck_assert_int_eq(announcer_deadline(a).us, START_US + 10);
	expect(START_US + 10, ip_at(1), 4, ANNOUNCE_REQUEST, false);
	/* also while it owes its second form */
	start(1, 5, START_US + 20);
	expect(START_US + 20, ip_at(1), 5, ANNOUNCE_REQUEST, false);
	expect(START_US + 20, ip_at(1), 5, ANNOUNCE_REPLY, true);
	announcer_stop(a, ip_at(1));
	ck_assert_uint_eq(announcer_n(a), 0);
	ck_assert_int_eq(announcer_deadline(a).us, INSTANT_NEVER.us);
}
END_TEST

/* IPv4 and IPv6 addresses with the same first bytes are two. */
START_TEST(families)
{
	struct ip v4 = ip_from_v4((const uint8_t[]){ 1, 2, 3, 4 });
	struct ip v6 = ip_from_v6((const uint8_t[16]){ 1, 2, 3, 4 });

	ck_assert_int_eq(announcer_start(a, v4, 1, 0, at_us(START_US)), 0);
	ck_assert_int_eq(announcer_start(a, v6, 1, 0, at_us(START_US)), 0);
	ck_assert_uint_eq(announcer_n(a), 2);
	announcer_stop(a, v4);
	ck_assert_uint_eq(announcer_n(a), 1);
	ck_assert_uint_eq(due_n(START_US), 1);
}
END_TEST

START_TEST(restart_link)
{
	struct announcement due;
	size_t n = 0;

	for (size_t i = 0; i < 30; i++)
		start(i, (uint32_t)(i % 3), START_US);
	ck_assert_uint_eq(due_n(START_US), 30);
	ck_assert_uint_eq(due_n(START_US + 110000), 30);
	announcer_restart_link(a, 1, at_us(START_US + 120000));
	ck_assert_int_eq(announcer_deadline(a).us, START_US + 120000);
	while (announcer_due(a, at_us(START_US + 120000), &due)) {
		ck_assert_uint_eq(due.ifindex, 1);
		ck_assert_uint_eq(index_of(due.ip) % 3, 1);
		n += due.forms == ANNOUNCE_REQUEST && !due.repeated;
	}
	ck_assert_uint_eq(n, 10);
	ck_assert_int_eq(announcer_deadline(a).us, START_US + 120000 + 100000);
}
END_TEST

/* Lower priorities go first, all at the same time or not; then the second forms, by priority as well. */
START_TEST(priority)
{
	static const unsigned int priorities[] = { 7, 0, 9, 0, 3, 1000000 };
	static const size_t order[] = { 1, 3, 4, 0, 2, 5 };

	for (size_t i = 0; i < 6; i++)
		ck_assert_int_eq(announcer_start(a, ip_at(i), 1, priorities[i], at_us(START_US + (int64_t)i)), 0);
	for (size_t i = 0; i < 6; i++)
		expect(START_US + 10, ip_at(order[i]), 1, ANNOUNCE_REQUEST, false);
	expect(START_US + 10, ip_at(1), 1, ANNOUNCE_REPLY, true);
}
END_TEST

/* One that comes late, and with a low priority, is announced before any is announced again. */
START_TEST(first_before_repeats)
{
	struct announcement due;

	for (size_t i = 0; i < 2000; i++)
		start(i, 1, START_US);
	for (size_t i = 0; i < ANNOUNCER_BURST; i++) {
		ck_assert(announcer_due(a, at_us(START_US), &due));
		ck_assert(!due.repeated && due.forms == ANNOUNCE_REQUEST);
	}
	ck_assert(!announcer_due(a, at_us(START_US), &due));
	ck_assert_int_eq(announcer_start(a, ip_at(5000), 1, 99, at_us(START_US + 150000)), 0);
	/* by now the repeats of the first are due; yet none comes while one has not been announced at all */
	for (size_t i = ANNOUNCER_BURST; i < 2001; i++) {
		int64_t us = START_US + 150000 + (int64_t)(i - ANNOUNCER_BURST) * 50;

		ck_assert_msg(announcer_due(a, at_us(us), &due), "%zu", i);
		ck_assert(!due.repeated);
	}
	ck_assert_uint_eq(index_of(due.ip), 5000);
	ck_assert(announcer_due(a, at_us(START_US + 300000), &due));
	ck_assert(due.repeated);
}
END_TEST

/* The table has an end. A known address may start again even then. */
START_TEST(full)
{
	for (size_t i = 0; i < ADDRESS_MAX; i++)
		start(i, 1, START_US);
	ck_assert_int_eq(announcer_start(a, ip_at(ADDRESS_MAX), 1, 0, at_us(START_US)), -ENOSPC);
	start(5, 1, START_US);
	ck_assert_uint_eq(announcer_n(a), ADDRESS_MAX);
	announcer_stop(a, ip_at(5));
	start(ADDRESS_MAX, 1, START_US);
	ck_assert_uint_eq(announcer_n(a), ADDRESS_MAX);
}
END_TEST

struct count {
	unsigned int requests, replies;
	int64_t first_us;
};

static struct count counts[MANY_N];

/* Run from deadline to deadline as the daemon does, until then; frames that went out and calls that were needed. */
static void run_until(int64_t *now_us, int64_t end_us, size_t *frames, size_t *repeats, size_t *wakes)
{
	struct announcement due;

	*frames = *repeats = *wakes = 0;
	for (; *now_us < end_us; ++*wakes) {
		while (announcer_due(a, at_us(*now_us), &due)) {
			struct count *count = &counts[index_of(due.ip)];
			size_t n = (size_t)__builtin_popcount(due.forms);

			*frames += n;
			*repeats += due.repeated ? n : 0;
			count->first_us = count->requests == 0 ? *now_us : count->first_us;
			count->requests += (due.forms & ANNOUNCE_REQUEST) != 0;
			count->replies += (due.forms & ANNOUNCE_REPLY) != 0;
		}
		MUST(announcer_deadline(a).us > *now_us);
		*now_us = announcer_deadline(a).us < end_us ? announcer_deadline(a).us : end_us;
	}
}

/*
 * 10,000 addresses: all announced within half a second, in few wake-ups; never more than the pace allows; everything that the
 * schedule promises comes in the end; and the refreshes do not come in one wave.
 */
START_TEST(many)
{
	size_t frames, repeats, wakes, total = 0, largest = 0;
	int64_t now_us = START_US;

	memset(counts, 0, sizeof(counts));
	for (size_t i = 0; i < MANY_N; i++)
		start(i, 1, START_US);
	run_until(&now_us, START_US + 500000, &frames, &repeats, &wakes);
	ck_assert_uint_le(frames, RATE / 2 + ANNOUNCER_BURST);
	ck_assert_uint_le(wakes, 300);
	for (size_t i = 0; i < MANY_N; i++)
		MUST(counts[i].requests > 0 && counts[i].first_us < START_US + 500000);
	for (int64_t s = 0; s < 55; s++) {
		run_until(&now_us, now_us + 1000000, &frames, &repeats, &wakes);
		ck_assert_uint_le(repeats, RATE / ANNOUNCER_REPEAT_PART + ANNOUNCER_BURST / 2);
		ck_assert_uint_le(wakes, 700);
	}
	for (size_t i = 0; i < MANY_N; i++)
		MUST(counts[i].requests == 5 && (counts[i].replies == 4 || counts[i].replies == 5));
	for (int64_t s = 0; s < 100; s++) {
		run_until(&now_us, now_us + 1000000, &frames, &repeats, &wakes);
		total += frames;
		largest = frames > largest ? frames : largest;
	}
	ck_assert_uint_ge(total, MANY_N);
	ck_assert_uint_lt(largest, 600); /* 10,000 over 40 s: 250 a second on average */
}
END_TEST

/* Addresses whose hashes collide stay findable when others of the run go: starting them again adds none. */
START_TEST(churn)
{
	size_t announced = 0;

	for (size_t i = 0; i < MANY_N; i++)
		start(i, 1, START_US);
	(void)due_n(START_US); /* some are in the one heap, some in the other */
	for (size_t i = 0; i < MANY_N; i += 3)
		announcer_stop(a, ip_at(i));
	ck_assert_uint_eq(announcer_n(a), MANY_N * 2 / 3);
	for (size_t i = 0; i < MANY_N; i++) {
		if (i % 3 != 0)
			start(i, 2, START_US + 1);
	}
	ck_assert_uint_eq(announcer_n(a), MANY_N * 2 / 3);
	for (int64_t us = START_US + 1; us < START_US + 50000; us += 500)
		announced += due_n(us);
	ck_assert_uint_eq(announced, MANY_N * 2 / 3);
	for (size_t i = 0; i < MANY_N; i++)
		announcer_stop(a, ip_at(i));
	ck_assert_uint_eq(announcer_n(a), 0);
	ck_assert_int_eq(announcer_deadline(a).us, INSTANT_NEVER.us);
}
END_TEST

#define MODEL_N 40

/* The same without heap and hash: an array that is searched. */
struct model {
	bool on;
	uint32_t ifindex;
	struct repeat repeat;
};

static struct model model[MODEL_N];

static void check_model(void)
{
	struct instant first = INSTANT_NEVER;
	size_t n = 0;

	for (size_t i = 0; i < MODEL_N; i++) {
		n += model[i].on;
		if (model[i].on)
			first = instant_min(first, model[i].repeat.next);
	}
	MUST(announcer_n(a) == n);
	MUST(announcer_deadline(a).us == first.us);
}

/* Take what is due; the model is told of the next time, which may hang on the announcer's random numbers. */
static void take_due(int64_t now_us, struct rng *rng)
{
	struct announcement due;

	while (announcer_due(a, at_us(now_us), &due)) {
		struct model *m = &model[index_of(due.ip)];

		MUST(m->on);
		MUST(due.ifindex == m->ifindex);
		MUST(due.repeated == (m->repeat.sent > 0));
		if (due.forms != ANNOUNCE_REPLY)
			MUST(repeat_due(&m->repeat, at_us(now_us), rng));
		else
			MUST(m->repeat.sent == 1);
	}
	for (size_t i = 0; i < MODEL_N; i++)
		MUST(!model[i].on || !instant_reached(model[i].repeat.next, at_us(now_us)));
}

static void change(struct rng *rng, int64_t now_us)
{
	size_t i = (size_t)rng_below(rng, MODEL_N);
	uint32_t ifindex = (uint32_t)rng_below(rng, 3);

	switch (rng_below(rng, 8)) {
	case 0:
		announcer_restart_link(a, ifindex, at_us(now_us));
		for (size_t j = 0; j < MODEL_N; j++) {
			if (model[j].on && model[j].ifindex == ifindex)
				repeat_start(&model[j].repeat, at_us(now_us));
		}
		break;
	case 1:
	case 2:
	case 3:
		announcer_stop(a, ip_at(i));
		model[i].on = false;
		break;
	default:
		start(i, ifindex, now_us);
		model[i].on = true;
		model[i].ifindex = ifindex;
		repeat_start(&model[i].repeat, at_us(now_us));
		break;
	}
}

/* Random starts, stops and restarts within the burst (where nothing is random) agree with the model. */
START_TEST(against_model)
{
	struct rng rng = rng_of((uint64_t)_i);
	int64_t now_us = START_US;

	memset(model, 0, sizeof(model));
	for (size_t i = 0; i < 3000; i++) {
		now_us += rng_between(&rng, 0, 40000);
		if (rng_chance(&rng, 500000))
			change(&rng, now_us);
		take_due(now_us, &rng);
		for (size_t j = 0; j < MODEL_N; j++) { /* before a burst ends */
			if (model[j].on && model[j].repeat.sent >= 4) {
				announcer_stop(a, ip_at(j));
				model[j].on = false;
			}
		}
		check_model();
	}
}
END_TEST

static Suite *announcer_suite(void)
{
	Suite *s = suite_create("announcer");
	TCase *tc = tcase_create("announcer");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, empty);
	tcase_add_test(tc, one);
	tcase_add_test(tc, one_v6);
	tcase_add_test(tc, start_again);
	tcase_add_test(tc, families);
	tcase_add_test(tc, restart_link);
	tcase_add_test(tc, priority);
	tcase_add_test(tc, full);
	tcase_add_test(tc, churn);
	tcase_add_loop_test(tc, against_model, 0, 8);
	suite_add_tcase(s, tc);
	tc = tcase_create("pace");
	tcase_add_checked_fixture(tc, setup_default, teardown);
	tcase_add_test(tc, first_before_repeats);
	tcase_add_test(tc, many);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	SRunner *sr = srunner_create(announcer_suite());
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed > 0;
}
