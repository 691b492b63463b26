/* SPDX-License-Identifier: Apache-2.0 */
/* base/wire.c: byte order, bounds, and that an error sticks. */
#include "base/wire.h"

#include <check.h>
#include <string.h>

static const struct ip v4 = { IP_V4, { 10, 0, 0, 1 } };
static const struct ip v6 = { IP_V6, { 0xfd, [15] = 9 } };
static const struct mac mac = { { 2, 0, 0, 0, 0, 1 } };

static const uint8_t golden[] = {
	0x01,						   /* u8 */
	0x02, 0x03,					   /* u16 */
	0x04, 0x05, 0x06, 0x07,				   /* u32 */
	0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f,	   /* u64 */
	0xde, 0xad, 0xbe,				   /* bytes */
	4,    10,   0,	  0,	1,			   /* IPv4 */
	6,    0xfd, 0,	  0,	0,    0,    0,	  0,	0, /* IPv6 ... */
	0,    0,    0,	  0,	0,    0,    0,	  9,	   /* ... */
	0,						   /* no address */
	2,    0,    0,	  0,	0,    1,		   /* MAC */
	3,    'a',  'b',  'c',				   /* text */
	0,						   /* empty text */
};

static void write_all(struct wire_writer *w)
{
	wire_write_u8(w, 0x01);
	wire_write_u16(w, 0x0203);
	wire_write_u32(w, 0x04050607);
	wire_write_u64(w, 0x08090a0b0c0d0e0f);
	wire_write_bytes(w, "\xde\xad\xbe", 3);
	wire_write_ip(w, v4);
	wire_write_ip(w, v6);
	wire_write_ip(w, (struct ip){ 0 });
	wire_write_mac(w, mac);
	wire_write_text(w, "abc");
	wire_write_text(w, "");
}

START_TEST(write_golden)
{
	uint8_t out[sizeof(golden)];
	struct wire_writer w = wire_writer_of(out, sizeof(out));

	write_all(&w);
	ck_assert(!w.failed);
	ck_assert_uint_eq(wire_room(&w), 0);
	ck_assert_uint_eq(w.len, sizeof(golden));
	ck_assert_mem_eq(out, golden, sizeof(golden));
}
END_TEST

START_TEST(write_without_room)
{
	for (size_t cap = 0; cap < sizeof(golden); cap++) {
		uint8_t out[sizeof(golden) + 1];
		struct wire_writer w = wire_writer_of(out, cap);

		memset(out, 0x5a, sizeof(out));
		write_all(&w);
		ck_assert(w.failed);
		ck_assert_uint_eq(wire_room(&w), 0);
		ck_assert_uint_le(w.len, cap);
		for (size_t i = cap; i < sizeof(out); i++)
			ck_assert_uint_eq(out[i], 0x5a);
	}
}
END_TEST

START_TEST(write_failure_sticks)
{
	uint8_t out[4] = { 0 };
	struct wire_writer w = wire_writer_of(out, sizeof(out));

	wire_write_u8(&w, 1);
	wire_write_u64(&w, 2);
	wire_write_u8(&w, 3); /* it would fit, but the packet is broken already */
	wire_patch_u16(&w, 0, 0xffff);
	ck_assert(w.failed);
	ck_assert_uint_eq(w.len, 1);
	ck_assert_uint_eq(out[0], 1);
	ck_assert_uint_eq(out[1], 0);
}
END_TEST

START_TEST(write_text_limits)
{
	char text[257];
	uint8_t out[300];
	struct wire_writer w = wire_writer_of(out, sizeof(out));

	memset(text, 'x', sizeof(text));
	text[255] = '\0';
	wire_write_text(&w, text);
	ck_assert(!w.failed);
	ck_assert_uint_eq(w.len, 256);
	ck_assert_uint_eq(out[0], 255);
	w = wire_writer_of(out, sizeof(out));
	text[255] = 'x';
	text[256] = '\0';
	wire_write_text(&w, text);
	ck_assert(w.failed);
	ck_assert_uint_eq(w.len, 0);
}
END_TEST

START_TEST(patch)
{
	uint8_t out[6];
	struct wire_writer w = wire_writer_of(out, sizeof(out));

	wire_write_u32(&w, 0);
	wire_patch_u16(&w, 2, 0x1234);
	ck_assert_mem_eq(out, "\0\0\x12\x34", 4);
	ck_assert_uint_eq(w.len, 4);
	ck_assert_uint_eq(wire_room(&w), 2);
}
END_TEST

/* Read everything as written; returns false when any value differs. */
static bool read_all(struct wire_reader *r)
{
	uint8_t bytes[3];
	char text[4], empty[1];
	bool same;

	same = wire_read_u8(r) == 0x01;
	same &= wire_read_u16(r) == 0x0203;
	same &= wire_read_u32(r) == 0x04050607;
	same &= wire_read_u64(r) == 0x08090a0b0c0d0e0f;
	wire_read_bytes(r, bytes, sizeof(bytes));
	same &= memcmp(bytes, "\xde\xad\xbe", 3) == 0;
	same &= ip_equal(wire_read_ip(r), v4);
	same &= ip_equal(wire_read_ip(r), v6);
	same &= ip_equal(wire_read_ip(r), (struct ip){ 0 });
	same &= mac_equal(wire_read_mac(r), mac);
	wire_read_text(r, text, sizeof(text));
	same &= strcmp(text, "abc") == 0;
	wire_read_text(r, empty, sizeof(empty));
	return same && empty[0] == '\0';
}

START_TEST(read_golden)
{
	struct wire_reader r = wire_reader_of(golden, sizeof(golden));

	ck_assert(read_all(&r));
	ck_assert(!r.failed);
	ck_assert_uint_eq(wire_left(&r), 0);
}
END_TEST

START_TEST(read_truncated)
{
	for (size_t len = 0; len < sizeof(golden); len++) {
		struct wire_reader r = wire_reader_of(golden, len);

		(void)read_all(&r);
		ck_assert(r.failed);
		ck_assert_uint_eq(wire_left(&r), 0);
	}
}
END_TEST

START_TEST(read_failure_sticks)
{
	static const uint8_t data[] = { 1, 2, 3, 4 };
	struct wire_reader r = wire_reader_of(data, sizeof(data));
	uint8_t bytes[2] = { 9, 9 };

	ck_assert_uint_eq(wire_read_u8(&r), 1);
	ck_assert_uint_eq(wire_read_u32(&r), 0);
	ck_assert(r.failed);
	ck_assert_uint_eq(wire_read_u8(&r), 0); /* there is a byte, but the packet is broken already */
	wire_read_bytes(&r, bytes, sizeof(bytes));
	ck_assert_uint_eq(bytes[0] + bytes[1], 0);
	ck_assert_ptr_null(wire_read_view(&r, 0));
	r = wire_reader_of(data, sizeof(data));
	wire_fail(&r);
	ck_assert_uint_eq(wire_read_u8(&r), 0);
}
END_TEST

static const struct {
	uint8_t bytes[8];
	size_t len;
	size_t cap;
	const char *text; /* NULL: a failure */
} texts[] = {
	{ { 2, 'h', 'i' }, 3, 3, "hi" },
	{ { 2, 'h', 'i' }, 3, 2, NULL }, /* no room for the terminator */
	{ { 2, 'h', 'i' }, 2, 8, NULL },
	{ { 2, 'h', 0 }, 3, 8, NULL }, /* a zero inside */
	{ { 0 }, 1, 1, "" },
	{ { 0 }, 0, 8, NULL },
};

START_TEST(read_text)
{
	struct wire_reader r = wire_reader_of(texts[_i].bytes, texts[_i].len);
	char text[8] = "before";

	wire_read_text(&r, text, texts[_i].cap);
	ck_assert_int_eq(r.failed, texts[_i].text == NULL);
	ck_assert_str_eq(text, texts[_i].text != NULL ? texts[_i].text : "");
}
END_TEST

START_TEST(read_ip_family)
{
	for (unsigned int family = 0; family < 256; family++) {
		uint8_t data[17] = { (uint8_t)family, 1, 2, 3, 4 };
		struct wire_reader r = wire_reader_of(data, sizeof(data));
		struct ip ip = wire_read_ip(&r);
		bool good = family == IP_NONE || family == IP_V4 || family == IP_V6;

		ck_assert_int_eq(r.failed, !good);
		ck_assert_uint_eq(ip.family, good ? family : 0);
	}
}
END_TEST

START_TEST(read_sub)
{
	static const uint8_t data[] = { 1, 2, 3, 4, 5 };
	struct wire_reader r = wire_reader_of(data, sizeof(data));
	struct wire_reader sub = wire_read_sub(&r, 2);

	ck_assert_uint_eq(wire_read_u16(&sub), 0x0102);
	ck_assert_uint_eq(wire_read_u8(&sub), 0);
	ck_assert(sub.failed && !r.failed); /* it cannot read on in its parent */
	ck_assert_uint_eq(wire_read_u8(&r), 3);
	sub = wire_read_sub(&r, 3);
	ck_assert(sub.failed && r.failed);
	ck_assert_uint_eq(wire_left(&sub), 0);
	r = wire_reader_of(data, sizeof(data));
	ck_assert_ptr_null(wire_read_view(&r, SIZE_MAX));
	r = wire_reader_of(NULL, 0);
	ck_assert_uint_eq(wire_read_u8(&r), 0);
	ck_assert(r.failed);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("wire");
	TCase *tcase = tcase_create("wire");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, write_golden);
	tcase_add_test(tcase, write_without_room);
	tcase_add_test(tcase, write_failure_sticks);
	tcase_add_test(tcase, write_text_limits);
	tcase_add_test(tcase, patch);
	tcase_add_test(tcase, read_golden);
	tcase_add_test(tcase, read_truncated);
	tcase_add_test(tcase, read_failure_sticks);
	tcase_add_loop_test(tcase, read_text, 0, sizeof(texts) / sizeof(texts[0]));
	tcase_add_test(tcase, read_ip_family);
	tcase_add_test(tcase, read_sub);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
