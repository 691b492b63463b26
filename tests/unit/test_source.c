/* SPDX-License-Identifier: Apache-2.0 */
/* gossip/source: what a flood costs, and whom it costs. In virtual time, with a fixed key. */
#include "gossip/source.h"

#include <check.h>
#include <sodium.h>
#include <stdlib.h>

static const uint8_t key[SOURCE_KEY_LEN] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };
static struct source *s;
static struct instant now;

static void set_up(void)
{
	ck_assert_int_ge(sodium_init(), 0);
	s = source_new(key);
	ck_assert_ptr_nonnull(s);
	now = (struct instant){ 5000000 };
}

static void tear_down(void)
{
	source_free(s);
}

static struct ip ip_of(uint32_t number)
{
	const uint8_t bytes[4] = { (uint8_t)(number >> 24), (uint8_t)(number >> 16), (uint8_t)(number >> 8),
				   (uint8_t)number };

	return ip_from_v4(bytes);
}

static void wait_us(int64_t us)
{
	now = instant_add(now, span_us(us));
}

/* A bad packet: was it opened? */
static bool bad(struct ip ip, bool known)
{
	if (!source_admit(s, ip, now, known))
		return false;
	source_failed(s, ip, now, known);
	return true;
}

static size_t bad_n(struct ip ip, bool known, size_t n)
{
	size_t opened_n = 0;

	for (size_t i = 0; i < n; i++)
		opened_n += bad(ip, known);
	return opened_n;
}

START_TEST(good_packets_are_free)
{
	for (int i = 0; i < 100000; i++) {
		ck_assert(source_admit(s, ip_of(1), now, false));
		ck_assert(source_admit(s, ip_of(2), now, true));
	}
}
END_TEST

START_TEST(one_unknown_source)
{
	size_t opened_n = 0;

	/* The burst: spread over time, so that no other bound has a part in it. 400 ms pay for 80 more. */
	for (int i = 0; i < 1000; i++, wait_us(400))
		opened_n += bad(ip_of(1), false);
	ck_assert_uint_ge(opened_n, SOURCE_BURST + 79);
	ck_assert_uint_le(opened_n, SOURCE_BURST + 80);
	(void)bad(ip_of(1), false);
	ck_assert(!source_admit(s, ip_of(1), now, false));
	/* Not its neighbours, and not the same address when it is known. */
	ck_assert(source_admit(s, ip_of(2), now, false));
	ck_assert(source_admit(s, ip_of(1), now, true));
	/* It may have SOURCE_RATE a second for ever ... */
	opened_n = 0;
	for (int i = 0; i < 100000; i++, wait_us(100))
		opened_n += bad(ip_of(1), false);
	ck_assert_uint_ge(opened_n, 10 * SOURCE_RATE - 1);
	ck_assert_uint_le(opened_n, 10 * SOURCE_RATE + 1);
	/* ... and after two seconds of silence its whole burst. */
	wait_us(2000000);
	opened_n = 0;
	for (int i = 0; i < 4 * SOURCE_BURST; i++, wait_us(100))
		opened_n += bad(ip_of(1), false);
	ck_assert_uint_ge(opened_n, SOURCE_BURST);
	ck_assert_uint_le(opened_n, SOURCE_BURST + 34);
}
END_TEST

START_TEST(ipv6_is_told_apart)
{
	struct ip a, b;

	ck_assert_int_eq(ip_parse("fd00::1", &a), 0);
	ck_assert_int_eq(ip_parse("fd00::2", &b), 0);
	for (int i = 0; i < 1000; i++, wait_us(100))
		(void)bad(a, false);
	(void)bad(a, false);
	ck_assert(!source_admit(s, a, now, false));
	ck_assert(source_admit(s, b, now, false));
}
END_TEST

/* 100 packets a ms for a second, each from another address. */
START_TEST(every_packet_from_another_address)
{
	size_t opened_n = 0, stranger_n = 0;
	uint32_t number = 1000;

	for (int ms = 0; ms < 1000; ms++, wait_us(1000)) {
		for (int i = 0; i < 100; i++)
			opened_n += bad(ip_of(number++), false);
		stranger_n += source_admit(s, ip_of(1), now, false);
		/* Members are not concerned. */
		ck_assert(source_admit(s, ip_of(2), now, true));
	}
	/* 200 in 10 ms, the first 10 ms twice that; the lottery is fair within a tenth. */
	ck_assert_uint_le(opened_n, 101 * SOURCE_UNKNOWN_MAX * 11 / 10);
	ck_assert_uint_ge(opened_n, 100 * SOURCE_UNKNOWN_MAX * 9 / 10);
	/* A node that wants to join has the odds of everybody else, 1 in 5; it asks again. */
	ck_assert_uint_ge(stranger_n, 150);
	ck_assert_uint_le(stranger_n, 260);
	/* And it is over when it is over. */
	wait_us(10000);
	(void)source_admit(s, ip_of(1), now, false);
	wait_us(10000);
	for (int i = 0; i < 100; i++)
		ck_assert(source_admit(s, ip_of(1), now, false));
}
END_TEST

/* Nobody gets more than the budget by flooding in every second window only. */
START_TEST(pulses)
{
	size_t opened_n = 0;
	uint32_t number = 1000;

	for (int window = 0; window < 100; window++, wait_us(10000)) {
		for (int i = 0; i < 5000 && window % 2 == 0; i++)
			opened_n += bad(ip_of(number++), false);
		(void)source_admit(s, ip_of(1), now, false);
	}
	ck_assert_uint_le(opened_n, 100 * SOURCE_UNKNOWN_MAX);
}
END_TEST

/* The address of a member is forged at 60,000/s: its own packets get through by half, wherever in the 10 ms they come. */
START_TEST(forged_member)
{
	size_t opened_n = 0, heard_n[2] = { 0 }, others_n = 0;
	struct ip member = ip_of(1);

	for (int ms = 0; ms < 10000; ms++, wait_us(1000)) {
		opened_n += bad_n(member, true, 60);
		if (ms % 10 == 0 || ms % 10 == 9)
			heard_n[ms % 10 == 9] += source_admit(s, member, now, true);
		for (uint32_t i = 2; i < 22; i++)
			others_n += source_admit(s, ip_of(i), now, true);
	}
	ck_assert_uint_ge(opened_n, 1000 * SOURCE_GROUP_MAX * 9 / 10);
	ck_assert_uint_le(opened_n, 1001 * SOURCE_GROUP_MAX * 11 / 10);
	for (int i = 0; i < 2; i++) {
		ck_assert_uint_ge(heard_n[i], 430);
		ck_assert_uint_le(heard_n[i], 570);
	}
	/* Of 20 others at most two share its group, with this key. */
	ck_assert_uint_ge(others_n, 10000 * 18 + 10000);
}
END_TEST

/* All members' addresses are forged: the work is bounded still, and none is silenced. */
START_TEST(forged_members)
{
	size_t opened_n = 0, heard_n[100] = { 0 };

	for (int ms = 0; ms < 2000; ms++, wait_us(1000)) {
		for (uint32_t i = 0; i < 100; i++) {
			opened_n += bad(ip_of(i), true);
			heard_n[i] += source_admit(s, ip_of(i), now, true);
		}
	}
	/* 1,000 in 10 ms were offered. */
	ck_assert_uint_le(opened_n, 201 * SOURCE_KNOWN_MAX * 11 / 10);
	ck_assert_uint_ge(opened_n, 200 * SOURCE_KNOWN_MAX * 9 / 10);
	for (int i = 0; i < 100; i++)
		ck_assert_uint_ge(heard_n[i], 600);
}
END_TEST

/* A flood of addresses does not make us forget one that has much to pay. */
START_TEST(debts_are_kept)
{
	uint32_t number = 1000;

	for (int i = 0; i < 1000; i++, wait_us(100))
		(void)bad(ip_of(1), false);
	(void)bad(ip_of(1), false);
	ck_assert(!source_admit(s, ip_of(1), now, false));
	for (int i = 0; i < 20 * SOURCE_N; i++) {
		source_failed(s, ip_of(number++), now, false);
		wait_us(i % 100 == 0);
	}
	ck_assert(!source_admit(s, ip_of(1), now, false));
}
END_TEST

/* A loop that was held up for long, or is called at odd times, changes nothing. */
START_TEST(late)
{
	ck_assert_uint_eq(bad_n(ip_of(1), true, 5000), 2 * SOURCE_GROUP_MAX);
	ck_assert_uint_eq(bad_n(ip_of(1), true, 5000), 0);
	/* 600 failures in ten minutes are nothing. */
	wait_us(600000000);
	ck_assert_uint_eq(bad_n(ip_of(1), true, 50), 50);
	source_free(NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("source");
	TCase *tcase = tcase_create("source");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, good_packets_are_free);
	tcase_add_test(tcase, one_unknown_source);
	tcase_add_test(tcase, ipv6_is_told_apart);
	tcase_add_test(tcase, every_packet_from_another_address);
	tcase_add_test(tcase, pulses);
	tcase_add_test(tcase, forged_member);
	tcase_add_test(tcase, forged_members);
	tcase_add_test(tcase, debts_are_kept);
	tcase_add_test(tcase, late);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
