/* SPDX-License-Identifier: Apache-2.0 */
/* daemon/announcer.c: what is due when, against a plain model; links that come back; 10,000 addresses. */
#include "daemon/announcer.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/repeat.h"
#include "base/rng.h"

#define START_US INT64_C(1000000)
#define MANY_N 10000

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
	MUST(announcer_start(a, ip_at(i), ifindex, at_us(us)) == 0);
}

/* How many are due at that time. */
static size_t due_n(int64_t us)
{
	struct ip ip;
	uint32_t ifindex;
	size_t n = 0;

	while (announcer_due(a, at_us(us), &ip, &ifindex))
		MUST(n++ <= ADDRESS_MAX);
	return n;
}

static void setup(void)
{
	a = announcer_new(7);
	ck_assert_ptr_nonnull(a);
}

static void teardown(void)
{
	announcer_free(a);
}

START_TEST(empty)
{
	struct ip ip;
	uint32_t ifindex;

	ck_assert_uint_eq(announcer_n(a), 0);
	ck_assert_int_eq(announcer_deadline(a).us, INSTANT_NEVER.us);
	ck_assert(!announcer_due(a, at_us(INT64_MAX), &ip, &ifindex));
	announcer_stop(a, ip_at(1));
	announcer_restart_link(a, 1, at_us(0));
	ck_assert_uint_eq(announcer_n(a), 0);
	announcer_free(NULL);
}
END_TEST

/* One address: the burst of base/repeat.h, with its link. */
START_TEST(one)
{
	static const int64_t burst_ms[] = REPEAT_BURST_MS;
	struct ip ip;
	uint32_t ifindex;

	start(1, 3, START_US);
	ck_assert_uint_eq(announcer_n(a), 1);
	for (size_t i = 0; i < sizeof(burst_ms) / sizeof(burst_ms[0]); i++) {
		int64_t due_us = START_US + burst_ms[i] * 1000;

		ck_assert_int_eq(announcer_deadline(a).us, due_us);
		ck_assert(!announcer_due(a, at_us(due_us - 1), &ip, &ifindex));
		ck_assert(announcer_due(a, at_us(due_us), &ip, &ifindex));
		ck_assert(ip_equal(ip, ip_at(1)));
		ck_assert_uint_eq(ifindex, 3);
		ck_assert(!announcer_due(a, at_us(due_us), &ip, &ifindex));
	}
	ck_assert_int_gt(announcer_deadline(a).us, START_US + 5000000 + 50000000);
}
END_TEST

/* Started again it moves to the new link and begins anew; it is still one. */
START_TEST(start_again)
{
	struct ip ip;
	uint32_t ifindex;

	start(1, 3, START_US);
	ck_assert_uint_eq(due_n(START_US), 1);
	start(1, 4, START_US + 10);
	ck_assert_uint_eq(announcer_n(a), 1);
	ck_assert_int_eq(announcer_deadline(a).us, START_US + 10);
	ck_assert(announcer_due(a, at_us(START_US + 10), &ip, &ifindex));
	ck_assert_uint_eq(ifindex, 4);
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

	ck_assert_int_eq(announcer_start(a, v4, 1, at_us(START_US)), 0);
	ck_assert_int_eq(announcer_start(a, v6, 1, at_us(START_US)), 0);
	ck_assert_uint_eq(announcer_n(a), 2);
	announcer_stop(a, v4);
	ck_assert_uint_eq(announcer_n(a), 1);
	ck_assert_uint_eq(due_n(START_US), 1);
}
END_TEST

START_TEST(restart_link)
{
	struct ip ip;
	uint32_t ifindex;
	size_t n = 0;

	for (size_t i = 0; i < 30; i++)
		start(i, (uint32_t)(i % 3), START_US);
	ck_assert_uint_eq(due_n(START_US), 30);
	ck_assert_uint_eq(due_n(START_US + 60000), 30);
	announcer_restart_link(a, 1, at_us(START_US + 70000));
	ck_assert_int_eq(announcer_deadline(a).us, START_US + 70000);
	while (announcer_due(a, at_us(START_US + 70000), &ip, &ifindex)) {
		ck_assert_uint_eq(ifindex, 1);
		ck_assert_uint_eq(index_of(ip) % 3, 1);
		n++;
	}
	ck_assert_uint_eq(n, 10);
	ck_assert_int_eq(announcer_deadline(a).us, START_US + 70000 + 50000);
}
END_TEST

/* The table has an end. A known address may start again even then. */
START_TEST(full)
{
	for (size_t i = 0; i < ADDRESS_MAX; i++)
		start(i, 1, START_US);
	ck_assert_int_eq(announcer_start(a, ip_at(ADDRESS_MAX), 1, at_us(START_US)), -ENOSPC);
	start(5, 1, START_US);
	ck_assert_uint_eq(announcer_n(a), ADDRESS_MAX);
	announcer_stop(a, ip_at(5));
	start(ADDRESS_MAX, 1, START_US);
	ck_assert_uint_eq(due_n(START_US), ADDRESS_MAX);
}
END_TEST

/* 10,000 addresses through a minute: each shot of each comes, none twice, and the refreshes do not come in one wave. */
START_TEST(many)
{
	size_t shots = 0, largest = 0;

	for (size_t i = 0; i < MANY_N; i++)
		start(i, 1, START_US);
	while (announcer_deadline(a).us < START_US + 50000000) {
		ck_assert_uint_eq(due_n(announcer_deadline(a).us), MANY_N);
		shots++;
	}
	ck_assert_uint_eq(shots, 6);
	for (int64_t us = START_US + 58000000; us <= START_US + 72000000; us += 100000) {
		size_t n = due_n(us);

		largest = n > largest ? n : largest;
	}
	ck_assert_uint_gt(largest, 0);
	ck_assert_uint_lt(largest, MANY_N / 50); /* 10,000 over 12 s, looked at every 100 ms: 83 on average */
}
END_TEST

/* Addresses whose hashes collide stay findable when others of the run go: starting them again adds none. */
START_TEST(churn)
{
	for (size_t i = 0; i < MANY_N; i++)
		start(i, 1, START_US);
	for (size_t i = 0; i < MANY_N; i += 3)
		announcer_stop(a, ip_at(i));
	ck_assert_uint_eq(announcer_n(a), MANY_N * 2 / 3);
	for (size_t i = 0; i < MANY_N; i++) {
		if (i % 3 != 0)
			start(i, 2, START_US + 1);
	}
	ck_assert_uint_eq(announcer_n(a), MANY_N * 2 / 3);
	ck_assert_uint_eq(due_n(START_US + 1), MANY_N * 2 / 3);
	for (size_t i = 0; i < MANY_N; i++)
		announcer_stop(a, ip_at(i));
	ck_assert_uint_eq(announcer_n(a), 0);
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
	struct ip ip;
	uint32_t ifindex;

	while (announcer_due(a, at_us(now_us), &ip, &ifindex)) {
		struct model *m = &model[index_of(ip)];

		MUST(m->on);
		MUST(ifindex == m->ifindex);
		MUST(repeat_due(&m->repeat, at_us(now_us), rng));
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
		now_us += rng_between(&rng, 0, 20000);
		if (rng_chance(&rng, 500000))
			change(&rng, now_us);
		take_due(now_us, &rng);
		for (size_t j = 0; j < MODEL_N; j++) { /* before a burst ends */
			if (model[j].on && model[j].repeat.sent >= 5) {
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
	tcase_add_test(tc, start_again);
	tcase_add_test(tc, families);
	tcase_add_test(tc, restart_link);
	tcase_add_test(tc, full);
	tcase_add_test(tc, many);
	tcase_add_test(tc, churn);
	tcase_add_loop_test(tc, against_model, 0, 8);
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
