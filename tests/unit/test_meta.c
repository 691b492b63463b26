/* SPDX-License-Identifier: Apache-2.0 */
/* base/meta.c: golden bytes, round trip, every truncation, values that make no sense. */
#include "base/meta.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

static const uint8_t golden[] = {
	0x03,				    /* ready, draining */
	2,				    /* segments */
	4,    'e',  't', 'h', '0',	    /* interface */
	2,    0,    0,	 0,   0,   1,	    /* MAC */
	4,    10,   0,	 0,   0,   24,	    /* 10.0.0.0/24 */
	2,    'b',  '1',		    /* interface */
	2,    0,    0,	 0,   0,   2,	    /* MAC */
	0,    0,			    /* no subnet */
	1,				    /* labels */
	4,    'r',  'a', 'c', 'k', 1,  'a', /* rack: a */
	0x01, 0x2c,			    /* weight 300 */
};

/* What the first version sent ends before the weight. */
#define WITHOUT_WEIGHT (sizeof(golden) - 2)

static struct meta example(void)
{
	struct meta meta = { .ready = true, .draining = true, .segment_n = 2, .weight = 300 };

	strcpy(meta.segments[0].iface, "eth0");
	meta.segments[0].mac = (struct mac){ { 2, 0, 0, 0, 0, 1 } };
	ck_assert_int_eq(subnet_parse("10.0.0.0/24", &meta.segments[0].subnet), 0);
	strcpy(meta.segments[1].iface, "b1");
	meta.segments[1].mac = (struct mac){ { 2, 0, 0, 0, 0, 2 } };
	ck_assert_int_eq(label_set_put(&meta.labels, "rack", "a"), 0);
	return meta;
}

/* Encodes the same, so holds the same. */
static void assert_same(const struct meta *a, const struct meta *b)
{
	uint8_t one[4096], two[4096];
	int len = meta_encode(a, one, sizeof(one));

	ck_assert_int_gt(len, 0);
	ck_assert_int_eq(meta_encode(b, two, sizeof(two)), len);
	ck_assert_mem_eq(one, two, (size_t)len);
}

START_TEST(golden_bytes)
{
	struct meta meta = example(), decoded;
	uint8_t out[sizeof(golden)];

	ck_assert_int_eq(meta_encode(&meta, out, sizeof(out)), (int)sizeof(golden));
	ck_assert_mem_eq(out, golden, sizeof(golden));
	ck_assert_int_eq(meta_decode(golden, sizeof(golden), &decoded), 0);
	ck_assert(decoded.ready && decoded.draining);
	ck_assert_uint_eq(decoded.segment_n, 2);
	ck_assert_str_eq(decoded.segments[0].iface, "eth0");
	ck_assert(mac_equal(decoded.segments[0].mac, meta.segments[0].mac));
	ck_assert_int_eq(subnet_compare(decoded.segments[0].subnet, meta.segments[0].subnet), 0);
	ck_assert_str_eq(decoded.segments[1].iface, "b1");
	ck_assert_uint_eq(decoded.segments[1].subnet.ip.family, IP_NONE);
	ck_assert_str_eq(label_get(&decoded.labels, "rack"), "a");
	assert_same(&meta, &decoded);
}
END_TEST

START_TEST(flags)
{
	struct meta meta = { 0 }, decoded;
	uint8_t out[8];

	meta.ready = _i & 1;
	meta.draining = _i & 2;
	ck_assert_int_eq(meta_encode(&meta, out, sizeof(out)), 5);
	ck_assert_int_eq(meta_decode(out, 5, &decoded), 0);
	ck_assert_int_eq(decoded.ready, meta.ready);
	ck_assert_int_eq(decoded.draining, meta.draining);
}
END_TEST

START_TEST(largest)
{
	struct meta meta = { .segment_n = SEGMENT_MAX }, decoded;
	uint8_t out[META_LEN_MAX];
	char key[16];

	for (size_t i = 0; i < SEGMENT_MAX; i++) {
		strcpy(meta.segments[i].iface, "interface-15-by");
		ck_assert_int_eq(subnet_parse("2001:db8::/64", &meta.segments[i].subnet), 0);
	}
	for (int i = 0; i < LABEL_MAX; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		ck_assert_int_eq(label_set_put(&meta.labels, key, "value"), 0);
	}
	ck_assert_int_eq(meta_encode(&meta, out, sizeof(out)), 3 + 8 * 40 + 16 * 9 + 6 + 2); /* six keys of 3 bytes */
	ck_assert_int_eq(meta_decode(out, 475, &decoded), 0);
	assert_same(&meta, &decoded);
}
END_TEST

START_TEST(encode_needs_room)
{
	struct meta meta = example();
	uint8_t out[sizeof(golden)];

	for (size_t cap = 0; cap < sizeof(out); cap++)
		ck_assert_int_eq(meta_encode(&meta, out, cap), -EMSGSIZE);
}
END_TEST

START_TEST(truncated)
{
	for (size_t len = 0; len < sizeof(golden); len++) {
		struct meta meta, before;
		uint8_t *exact;

		if (len == WITHOUT_WEIGHT)
			continue;
		exact = malloc(len + 1);
		memcpy(exact, golden, len);
		memset(&meta, 0x5a, sizeof(meta));
		memset(&before, 0x5a, sizeof(before));
		ck_assert_int_eq(meta_decode(exact, len, &meta), -EBADMSG);
		ck_assert_mem_eq(&meta, &before, sizeof(meta));
		free(exact);
	}
}
END_TEST

/* 0 stands for the default, and so does a message of the first version; what cannot be is refused. */
START_TEST(weights)
{
	static const struct {
		uint16_t encoded;
		int r;
	} rows[] = { { 1, 0 }, { 100, 0 }, { 1000, 0 }, { 0, -EBADMSG }, { 1001, -EBADMSG }, { 0xffff, -EBADMSG } };
	uint8_t data[sizeof(golden)];
	struct meta meta = example();

	memcpy(data, golden, sizeof(golden));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		data[WITHOUT_WEIGHT] = (uint8_t)(rows[i].encoded >> 8);
		data[WITHOUT_WEIGHT + 1] = (uint8_t)rows[i].encoded;
		ck_assert_int_eq(meta_decode(data, sizeof(data), &meta), rows[i].r);
		ck_assert(rows[i].r != 0 || meta.weight == rows[i].encoded);
	}
	ck_assert_int_eq(meta_decode(golden, WITHOUT_WEIGHT, &meta), 0);
	ck_assert_uint_eq(meta.weight, NODE_WEIGHT_DEFAULT);
	meta.weight = 0;
	ck_assert_int_eq(meta_encode(&meta, data, sizeof(data)), (int)sizeof(golden));
	ck_assert_int_eq(meta_decode(data, sizeof(data), &meta), 0);
	ck_assert_uint_eq(meta.weight, NODE_WEIGHT_DEFAULT);
}
END_TEST

START_TEST(newer_version)
{
	static const uint8_t more[] = { 0x01, 4, 10, 0, 0, 7, 0x00, 0 }; /* eth0: isolated, 10.0.0.7; b1: neither */
	uint8_t data[sizeof(golden) + sizeof(more) + 5] = { 0 };
	struct meta meta, want = example();

	ck_assert_int_eq(ip_parse("10.0.0.7", &want.segments[0].self), 0);
	want.segments[0].isolated = true;
	memcpy(data, golden, sizeof(golden));
	memcpy(data + sizeof(golden), more, sizeof(more));
	memset(data + sizeof(golden) + sizeof(more), 0xee, 5);
	data[0] |= 0xfc; /* flags that this version does not know */
	ck_assert_int_eq(meta_decode(data, sizeof(data), &meta), 0);
	assert_same(&meta, &want);
}
END_TEST

/* The last part of it, and what is left out first where there is no room. */
START_TEST(about_segments)
{
	struct meta meta = example(), decoded;
	uint8_t out[sizeof(golden) + 8];

	ck_assert_int_eq(ip_parse("10.0.0.7", &meta.segments[0].self), 0);
	meta.segments[1].isolated = true;
	ck_assert_int_eq(meta_encode(&meta, out, sizeof(out)), (int)sizeof(out));
	ck_assert_int_eq(meta_decode(out, sizeof(out), &decoded), 0);
	ck_assert(ip_equal(decoded.segments[0].self, meta.segments[0].self));
	ck_assert(!decoded.segments[0].isolated && decoded.segments[1].isolated);
	ck_assert_uint_eq(decoded.segments[1].self.family, IP_NONE);
	for (size_t len = sizeof(golden) + 1; len < sizeof(out); len++) {
		if (len != sizeof(golden) + 6) /* ends with the first segment: the second one is as it was always */
			ck_assert_int_eq(meta_decode(out, len, &decoded), -EBADMSG);
	}
	ck_assert_int_eq(meta_encode(&meta, out, sizeof(out) - 1), (int)sizeof(golden) + 4);
	ck_assert_int_eq(meta_decode(out, sizeof(golden) + 4, &decoded), 0);
	ck_assert_uint_eq(decoded.segments[0].self.family, IP_NONE);
	ck_assert(decoded.segments[1].isolated);
	ck_assert_int_eq(meta_encode(&meta, out, sizeof(golden) + 3), (int)sizeof(golden));
	ck_assert_mem_eq(out, golden, sizeof(golden));
}
END_TEST

/* Ways to make the golden bytes senseless. */
static const struct {
	size_t at;
	uint8_t value;
} damages[] = {
	{ 1, SEGMENT_MAX + 1 }, /* too many segments */
	{ 2, 16 },		/* interface name too long */
	{ 3, 0 },		/* a zero in it */
	{ 13, 5 },		/* no such family */
	{ 18, 33 },		/* prefix longer than the address */
	{ 29, 1 },		/* a prefix without an address */
	{ 30, 2 },		/* more labels than there are */
	{ 31, 0 },		/* an empty key */
	{ 31, 64 },		/* a key too long */
};

START_TEST(damaged)
{
	uint8_t data[sizeof(golden)];
	struct meta meta;

	memcpy(data, golden, sizeof(golden));
	data[damages[_i].at] = damages[_i].value;
	ck_assert_int_eq(meta_decode(data, sizeof(data), &meta), -EBADMSG);
}
END_TEST

START_TEST(too_many_labels)
{
	uint8_t data[3 + 17 * 4] = { 1, 0, LABEL_MAX + 1 };
	struct meta meta;

	for (uint8_t i = 0; i < LABEL_MAX + 1; i++) {
		uint8_t label[4] = { 1, (uint8_t)('a' + i), 1, 'v' };

		memcpy(data + 3 + i * 4u, label, sizeof(label));
	}
	ck_assert_int_eq(meta_decode(data, sizeof(data), &meta), -EBADMSG);
	data[2] = LABEL_MAX;
	ck_assert_int_eq(meta_decode(data, sizeof(data), &meta), 0);
	ck_assert_uint_eq(meta.labels.label_n, LABEL_MAX);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("meta");
	TCase *tcase = tcase_create("meta");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, golden_bytes);
	tcase_add_loop_test(tcase, flags, 0, 4);
	tcase_add_test(tcase, largest);
	tcase_add_test(tcase, encode_needs_room);
	tcase_add_test(tcase, truncated);
	tcase_add_test(tcase, weights);
	tcase_add_test(tcase, newer_version);
	tcase_add_test(tcase, about_segments);
	tcase_add_loop_test(tcase, damaged, 0, ARRAY_LEN(damages));
	tcase_add_test(tcase, too_many_labels);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
