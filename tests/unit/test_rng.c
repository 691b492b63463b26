/* SPDX-License-Identifier: Apache-2.0 */
/* base/rng.c: golden values (an independent implementation of the papers' algorithms), ranges, fairness. */
#include "base/rng.h"

#include <check.h>
#include <string.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

static const struct {
	uint64_t seed;
	uint64_t values[4];
} goldens[] = {
	{ 0u, { 0x99ec5f36cb75f2b4u, 0xbf6e1f784956452au, 0x1a5f849d4933e6e0u, 0x6aa594f1262d2d2cu } },
	{ 1u, { 0xb3f2af6d0fc710c5u, 0x853b559647364ceau, 0x92f89756082a4514u, 0x642e1c7bc266a3a7u } },
	{ 42u, { 0x15780b2e0c2ec716u, 0x6104d9866d113a7eu, 0xae17533239e499a1u, 0xecb8ad4703b360a1u } },
};

START_TEST(golden)
{
	struct rng rng = rng_of(goldens[_i].seed);

	for (size_t i = 0; i < 4; i++)
		ck_assert_uint_eq(rng_u64(&rng), goldens[_i].values[i]);
}
END_TEST

START_TEST(splitmix_seeding)
{
	/* The first outputs of splitmix64 from 0, as published with it. */
	static const uint64_t want[4] = { 0xe220a8397b1dcdafu, 0x6e789e6aa1b965f4u, 0x06c45d188009454fu,
					  0xf88bb8a8724c81ecu };
	struct rng rng = rng_of(0);

	ck_assert_mem_eq(rng.s, want, sizeof(want));
}
END_TEST

static const struct {
	uint64_t seed;
	const char *text;
	uint64_t hash;
} hashes[] = {
	{ 0u, "", 0xaebe53f85cdc3c4cu },
	{ 0u, "a", 0x66d7010a9a2ca88du },
	{ 1u, "a", 0x7fa5f2e1d98c59d3u },
	{ 0u, "10.0.0.1", 0x9610bf67dcfd04bfu },
};

START_TEST(hash_golden)
{
	const char *text = hashes[_i].text;

	/* Ownership rests on this hash: a new version must give the same. */
	ck_assert_uint_eq(hash_text(hashes[_i].seed, text), hashes[_i].hash);
	ck_assert_uint_eq(hash_bytes(hashes[_i].seed, text, strlen(text)), hashes[_i].hash);
}
END_TEST

START_TEST(below)
{
	struct rng rng = rng_of(7);
	unsigned int counts[6] = { 0 };

	for (int i = 0; i < 60000; i++)
		counts[rng_below(&rng, 6)]++;
	/* 10,000 each, standard deviation 91: seven of them either way. The seed is fixed, so this cannot flake. */
	for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
		ck_assert_uint_gt(counts[i], 9350);
		ck_assert_uint_lt(counts[i], 10650);
	}
	for (int i = 0; i < 100; i++)
		ck_assert_uint_eq(rng_below(&rng, 1), 0);
	for (int i = 0; i < 100; i++)
		ck_assert_uint_lt(rng_below(&rng, (UINT64_C(1) << 63) + 1), (UINT64_C(1) << 63) + 1);
}
END_TEST

START_TEST(between)
{
	struct rng rng = rng_of(8);
	unsigned int seen = 0;

	for (int i = 0; i < 1000; i++) {
		int64_t value = rng_between(&rng, -2, 2);

		ck_assert_int_ge(value, -2);
		ck_assert_int_le(value, 2);
		seen |= 1u << (value + 2);
	}
	ck_assert_uint_eq(seen, 0x1f);
	ck_assert_int_eq(rng_between(&rng, 5, 5), 5);
}
END_TEST

START_TEST(chance)
{
	struct rng rng = rng_of(9);
	unsigned int hits = 0;

	for (int i = 0; i < 1000; i++) {
		ck_assert(!rng_chance(&rng, 0));
		ck_assert(rng_chance(&rng, 1000000));
	}
	for (int i = 0; i < 100000; i++)
		hits += rng_chance(&rng, 100000);
	ck_assert_uint_gt(hits, 9300);
	ck_assert_uint_lt(hits, 10700);
}
END_TEST

START_TEST(shuffle)
{
	struct rng rng = rng_of(10);
	unsigned int orders[6] = { 0 };

	for (int round = 0; round < 6000; round++) {
		uint16_t a[3] = { 0, 1, 2 };

		rng_shuffle(&rng, a, 3, sizeof(a[0]));
		ck_assert_uint_eq((1u << a[0]) | (1u << a[1]) | (1u << a[2]), 7);
		orders[a[0] * 2 + (a[1] > a[2])]++;
	}
	for (size_t i = 0; i < ARRAY_LEN(orders); i++) {
		ck_assert_uint_gt(orders[i], 800);
		ck_assert_uint_lt(orders[i], 1200);
	}
	rng_shuffle(&rng, NULL, 0, 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("rng");
	TCase *tcase = tcase_create("rng");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_loop_test(tcase, golden, 0, ARRAY_LEN(goldens));
	tcase_add_test(tcase, splitmix_seeding);
	tcase_add_loop_test(tcase, hash_golden, 0, ARRAY_LEN(hashes));
	tcase_add_test(tcase, below);
	tcase_add_test(tcase, between);
	tcase_add_test(tcase, chance);
	tcase_add_test(tcase, shuffle);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
