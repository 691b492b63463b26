/* SPDX-License-Identifier: Apache-2.0 */
/* election/claim.c: golden bytes of docs/PROTOCOL.md "Claims", round trip, every truncation, values that make no sense. */
#include "election/election.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

static const struct key {
	const char *ip;
	size_t len;
	uint8_t bytes[CLAIM_KEY_LEN_MAX];
} keys[] = {
	{ "10.0.0.1", 6, { 'c', 4, 10, 0, 0, 1 } },
	{ "255.255.255.255", 6, { 'c', 4, 255, 255, 255, 255 } },
	{ "fd00:100::1", 18, { 'c', 6, 0xfd, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 } },
};

START_TEST(key_golden)
{
	const struct key *row = &keys[_i];
	uint8_t out[CLAIM_KEY_LEN_MAX];
	struct ip ip, decoded;

	ck_assert_int_eq(ip_parse(row->ip, &ip), 0);
	ck_assert_uint_eq(claim_key_encode(ip, out), row->len);
	ck_assert_mem_eq(out, row->bytes, row->len);
	ck_assert_int_eq(claim_key_decode(row->bytes, row->len, &decoded), 0);
	ck_assert(ip_equal(ip, decoded));
}
END_TEST

/* Each prefix of a key and each longer one is refused, and leaves the result alone. */
START_TEST(key_lengths)
{
	const struct key *row = &keys[_i];
	uint8_t longer[CLAIM_KEY_LEN_MAX + 1] = { 0 };
	struct ip ip = { .family = 99 };

	for (size_t len = 0; len < row->len; len++) {
		uint8_t *copy = malloc(len > 0 ? len : 1); /* so that a sanitizer sees a byte too far */

		ck_assert_ptr_nonnull(copy);
		memcpy(copy, row->bytes, len);
		ck_assert_int_eq(claim_key_decode(copy, len, &ip), len == 0 ? -ENOENT : -EBADMSG);
		free(copy);
	}
	memcpy(longer, row->bytes, row->len);
	ck_assert_int_eq(claim_key_decode(longer, row->len + 1, &ip), -EBADMSG);
	ck_assert_uint_eq(ip.family, 99);
}
END_TEST

static const struct {
	uint8_t bytes[6];
	size_t len;
	int error;
} bad_keys[] = {
	{ { 'd', 4, 10, 0, 0, 1 }, 6, -ENOENT },
	{ { 0, 4, 10, 0, 0, 1 }, 6, -ENOENT },
	{ { 'c', 5, 10, 0, 0, 1 }, 6, -EBADMSG },
	{ { 'c', 6, 10, 0, 0, 1 }, 6, -EBADMSG },
	{ { 'c', 0 }, 2, -EBADMSG },
};

START_TEST(key_refused)
{
	struct ip ip = { .family = 99 };

	ck_assert_int_eq(claim_key_decode(bad_keys[_i].bytes, bad_keys[_i].len, &ip), bad_keys[_i].error);
	ck_assert_uint_eq(ip.family, 99);
}
END_TEST

static const struct value {
	struct claim claim;
	uint8_t bytes[CLAIM_VALUE_LEN];
} values[] = {
	{ { .epoch = 1, .majority = true, .state = CLAIM_HELD }, { 1, 1, 0, 0, 0, 0, 0, 0, 0, 1 } },
	{ { .epoch = 0x0102030405060708, .state = CLAIM_HELD }, { 1, 0, 1, 2, 3, 4, 5, 6, 7, 8 } },
	{ { .epoch = 258, .majority = true, .state = CLAIM_HANDOVER, .successor = 0x1122334455667788 },
	  { 2, 1, 0, 0, 0, 0, 0, 0, 1, 2, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88 } },
	{ { .epoch = UINT64_MAX / 2, .state = CLAIM_HANDOVER, .successor = UINT64_MAX },
	  { 2, 0, 127, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255 } },
};

static void assert_same(const struct claim *a, const struct claim *b)
{
	ck_assert_uint_eq(a->epoch, b->epoch);
	ck_assert_int_eq(a->majority, b->majority);
	ck_assert_int_eq((int)a->state, (int)b->state);
	ck_assert_uint_eq(a->successor, b->successor);
}

START_TEST(value_golden)
{
	uint8_t out[CLAIM_VALUE_LEN];
	struct claim decoded;

	memset(out, 0xaa, sizeof(out));
	claim_value_encode(&values[_i].claim, out);
	ck_assert_mem_eq(out, values[_i].bytes, sizeof(out));
	ck_assert_int_eq(claim_value_decode(out, sizeof(out), &decoded), 0);
	assert_same(&decoded, &values[_i].claim);
}
END_TEST

START_TEST(value_truncated)
{
	for (size_t len = 0; len < CLAIM_VALUE_LEN; len++) {
		struct claim claim = { .epoch = 99 };
		uint8_t *copy = malloc(len > 0 ? len : 1);

		ck_assert_ptr_nonnull(copy);
		memcpy(copy, values[_i].bytes, len);
		ck_assert_int_eq(claim_value_decode(copy, len, &claim), -EBADMSG);
		ck_assert_uint_eq(claim.epoch, 99);
		free(copy);
	}
}
END_TEST

/* Of a newer version: flags and fields that we do not know are skipped. A state that we do not know is refused. */
START_TEST(value_newer)
{
	uint8_t newer[CLAIM_VALUE_LEN + 8] = { 0 };
	struct claim claim = { 0 };

	memcpy(newer, values[2].bytes, CLAIM_VALUE_LEN);
	newer[1] = 0xff;
	ck_assert_int_eq(claim_value_decode(newer, sizeof(newer), &claim), 0);
	assert_same(&claim, &values[2].claim);
	newer[1] = 0xfe;
	ck_assert_int_eq(claim_value_decode(newer, sizeof(newer), &claim), 0);
	ck_assert(!claim.majority);
	for (int state = 0; state < 256; state++) {
		newer[0] = (uint8_t)state;
		ck_assert_int_eq(claim_value_decode(newer, sizeof(newer), &claim),
				 state >= CLAIM_HELD && state <= CLAIM_GIVEN_UP ? 0 : -EBADMSG);
	}
}
END_TEST

static Suite *claim_suite(void)
{
	Suite *s = suite_create("claim");
	TCase *tc = tcase_create("codec");

	tcase_add_loop_test(tc, key_golden, 0, (int)ARRAY_LEN(keys));
	tcase_add_loop_test(tc, key_lengths, 0, (int)ARRAY_LEN(keys));
	tcase_add_loop_test(tc, key_refused, 0, (int)ARRAY_LEN(bad_keys));
	tcase_add_loop_test(tc, value_golden, 0, (int)ARRAY_LEN(values));
	tcase_add_loop_test(tc, value_truncated, 0, (int)ARRAY_LEN(values));
	tcase_add_test(tc, value_newer);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	SRunner *sr = srunner_create(claim_suite());
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed > 0;
}
