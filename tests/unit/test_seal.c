/* SPDX-License-Identifier: Apache-2.0 */
/* gossip/seal.c: golden datagrams (computed by an independent implementation of draft-irtf-cfrg-xchacha), refusals. */
#include "gossip/seal.h"

#include <check.h>
#include <errno.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const struct seal_header direct = { 0x0102030405060708u, 0x2122232425262728u, 0x1112131415161718u };
static const char greeting[] = "hello, mlbd";
#define GREETING_LEN (sizeof(greeting) - 1)

/* A ring of one key, whose 32 bytes are all `fill`. */
static struct seal_ring ring_of(uint8_t fill)
{
	struct seal_ring ring = { .key_n = 1 };
	uint8_t bytes[SEAL_KEY_LEN];

	memset(bytes, fill, sizeof(bytes));
	seal_key_init(&ring.keys[0], bytes);
	return ring;
}

static struct seal_ring ring_counting(void)
{
	struct seal_ring ring = { .key_n = 1 };
	uint8_t bytes[SEAL_KEY_LEN];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)i;
	seal_key_init(&ring.keys[0], bytes);
	return ring;
}

static size_t pack_greeting(const struct seal_ring *ring, uint8_t *out, size_t cap)
{
	int len = seal_pack(ring, &direct, (const uint8_t *)greeting, GREETING_LEN, out, cap);

	ck_assert_int_eq(len, GREETING_LEN + SEAL_OVERHEAD);
	return (size_t)len;
}

/* Open for `me` and see that a refusal leaves header and length as they were. */
static enum gossip_drop open_as(const struct seal_ring *ring, uint64_t me, const uint8_t *datagram, size_t len)
{
	static const struct seal_header marked = { 7, 8, 9 };
	struct seal_header header = marked;
	uint8_t body[PACKET_LEN_MAX + 1];
	size_t body_len = 12345;
	enum gossip_drop drop = seal_open(ring, me, datagram, len, &header, body, sizeof(body), &body_len);

	if (drop != GOSSIP_DROP_NONE) {
		ck_assert_mem_eq(&header, &marked, sizeof(header));
		ck_assert_uint_eq(body_len, 12345);
	} else {
		ck_assert_uint_eq(body_len, len - SEAL_OVERHEAD);
	}
	return drop;
}

static const struct {
	struct seal_header header;
	const char *body;
	const char *datagram_hex;
} goldens[] = {
	{ { 0x0102030405060708u, 0x2122232425262728u, 0x1112131415161718u },
	  greeting,
	  "01cb01020304050607081112131415161718a2d194efedda104b2fb148a15ea5b1a954ae75cb7ecff91639da46" },
	{ { 0x0102030405060708u, 0, 1 }, "", "81cb010203040506070800000000000000012517f75915f7ffa8a705746240267023" },
};

START_TEST(golden)
{
	struct seal_ring ring = ring_counting();
	size_t body_len = strlen(goldens[_i].body);
	uint8_t want[64], got[64], body[64];
	size_t want_len, opened_len;
	struct seal_header header;

	ck_assert_int_eq(sodium_hex2bin(want, sizeof(want), goldens[_i].datagram_hex, strlen(goldens[_i].datagram_hex),
					NULL, &want_len, NULL),
			 0);
	ck_assert_int_eq(
		seal_pack(&ring, &goldens[_i].header, (const uint8_t *)goldens[_i].body, body_len, got, sizeof(got)),
		(int)want_len);
	ck_assert_mem_eq(got, want, want_len);
	ck_assert_int_eq(
		seal_open(&ring, 0x2122232425262728u, want, want_len, &header, body, sizeof(body), &opened_len),
		GOSSIP_DROP_NONE);
	ck_assert_uint_eq(opened_len, body_len);
	ck_assert_mem_eq(body, goldens[_i].body, body_len);
	ck_assert_uint_eq(header.sender, goldens[_i].header.sender);
	ck_assert_uint_eq(header.counter, goldens[_i].header.counter);
	ck_assert_uint_eq(header.receiver, goldens[_i].header.receiver);
}
END_TEST

START_TEST(pack_needs_room)
{
	struct seal_ring ring = ring_of(9);
	uint8_t out[GREETING_LEN + SEAL_OVERHEAD];

	for (size_t cap = 0; cap < sizeof(out); cap++)
		ck_assert_int_eq(seal_pack(&ring, &direct, (const uint8_t *)greeting, GREETING_LEN, out, cap),
				 -EMSGSIZE);
	ck_assert_int_eq(seal_pack(&ring, &direct, (const uint8_t *)greeting, SIZE_MAX - 3, out, sizeof(out)),
			 -EMSGSIZE);
	pack_greeting(&ring, out, sizeof(out));
}
END_TEST

START_TEST(wrong_key)
{
	struct seal_ring sealing = ring_of(9), other = ring_of(12), same_id = ring_of(11);
	uint8_t datagram[64];
	size_t len = pack_greeting(&sealing, datagram, sizeof(datagram));

	ck_assert_int_eq(open_as(&other, direct.receiver, datagram, len), GOSSIP_DROP_KEY);
	/* Found by search: the BLAKE2b of both keys begins with 0x25. */
	ck_assert_uint_eq(sealing.keys[0].id, 0x25);
	ck_assert_uint_eq(same_id.keys[0].id, 0x25);
	ck_assert_int_eq(open_as(&same_id, direct.receiver, datagram, len), GOSSIP_DROP_AUTH);
}
END_TEST

START_TEST(rotation)
{
	struct seal_ring old = ring_of(9), both = ring_of(12), duplicate = ring_of(11);
	uint8_t datagram[64];
	size_t len = pack_greeting(&old, datagram, sizeof(datagram));

	both.keys[both.key_n++] = old.keys[0];
	ck_assert_int_eq(open_as(&both, direct.receiver, datagram, len), GOSSIP_DROP_NONE);
	/* Two keys with one id: the first fails, the second opens. */
	duplicate.keys[duplicate.key_n++] = old.keys[0];
	ck_assert_int_eq(open_as(&duplicate, direct.receiver, datagram, len), GOSSIP_DROP_NONE);
	/* The first key seals, so those who have the old one alone cannot read it. */
	len = pack_greeting(&both, datagram, sizeof(datagram));
	ck_assert_int_eq(open_as(&both, direct.receiver, datagram, len), GOSSIP_DROP_NONE);
	ck_assert_int_eq(open_as(&old, direct.receiver, datagram, len), GOSSIP_DROP_KEY);
}
END_TEST

START_TEST(truncated)
{
	struct seal_ring ring = ring_of(9);
	uint8_t datagram[64];
	size_t full = pack_greeting(&ring, datagram, sizeof(datagram));

	for (size_t len = 0; len < full; len++) {
		uint8_t *exact = malloc(len + 1); /* of its own, so that a read past the end is seen by ASan */

		memcpy(exact, datagram, len);
		ck_assert_int_eq(open_as(&ring, direct.receiver, exact, len),
				 len < SEAL_OVERHEAD ? GOSSIP_DROP_SHORT : GOSSIP_DROP_AUTH);
		free(exact);
	}
	ck_assert_int_eq(open_as(&ring, direct.receiver, datagram, full + 1), GOSSIP_DROP_AUTH);
}
END_TEST

START_TEST(each_bit_flipped)
{
	struct seal_ring ring = ring_of(9);
	uint8_t datagram[64];
	size_t len = pack_greeting(&ring, datagram, sizeof(datagram));

	for (size_t bit = 0; bit < len * 8; bit++) {
		enum gossip_drop want = GOSSIP_DROP_AUTH;

		if (bit < 7)
			want = GOSSIP_DROP_VERSION; /* bit 7 is A: addressed to anyone, and the tag says no */
		else if (bit >= 8 && bit < 16)
			want = GOSSIP_DROP_KEY;
		datagram[bit / 8] ^= (uint8_t)(1u << bit % 8);
		ck_assert_int_eq(open_as(&ring, direct.receiver, datagram, len), want);
		datagram[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	ck_assert_int_eq(open_as(&ring, direct.receiver, datagram, len), GOSSIP_DROP_NONE);
}
END_TEST

START_TEST(receiver)
{
	struct seal_ring ring = ring_of(9);
	struct seal_header to_anyone = { .sender = 5, .receiver = 0, .counter = 6 };
	uint8_t datagram[64];
	size_t len = pack_greeting(&ring, datagram, sizeof(datagram));

	ck_assert_uint_eq(datagram[0], SEAL_VERSION);
	ck_assert_int_eq(open_as(&ring, direct.receiver + 1, datagram, len), GOSSIP_DROP_AUTH);
	ck_assert_int_eq(open_as(&ring, direct.receiver, datagram, len), GOSSIP_DROP_NONE);

	len = (size_t)seal_pack(&ring, &to_anyone, (const uint8_t *)greeting, GREETING_LEN, datagram, sizeof(datagram));
	ck_assert_uint_eq(datagram[0], 0x80 | SEAL_VERSION);
	ck_assert_int_eq(open_as(&ring, 1, datagram, len), GOSSIP_DROP_NONE);
	ck_assert_int_eq(open_as(&ring, 2, datagram, len), GOSSIP_DROP_NONE);
}
END_TEST

START_TEST(version_and_length)
{
	struct seal_ring ring = ring_of(9);
	static uint8_t big[PACKET_LEN_MAX + 1], body[PACKET_LEN_MAX + 1];
	size_t len = PACKET_LEN_MAX - SEAL_OVERHEAD;

	for (unsigned int version = 0; version < 128; version++) {
		pack_greeting(&ring, big, sizeof(big));
		big[0] = (uint8_t)version;
		ck_assert_int_eq(open_as(&ring, direct.receiver, big, GREETING_LEN + SEAL_OVERHEAD),
				 version == SEAL_VERSION ? GOSSIP_DROP_NONE : GOSSIP_DROP_VERSION);
	}
	ck_assert_int_eq(seal_pack(&ring, &direct, body, len, big, sizeof(big)), PACKET_LEN_MAX);
	ck_assert_int_eq(open_as(&ring, direct.receiver, big, PACKET_LEN_MAX), GOSSIP_DROP_NONE);
	ck_assert_int_eq(seal_pack(&ring, &direct, body, len + 1, big, sizeof(big)), PACKET_LEN_MAX + 1);
	ck_assert_int_eq(open_as(&ring, direct.receiver, big, PACKET_LEN_MAX + 1), GOSSIP_DROP_LONG);
}
END_TEST

#define KEY_A "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define KEY_B "CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk="

static const struct {
	const char *text;
	size_t key_n;	   /* 0: refused */
	unsigned int line; /* where it is refused */
} rings[] = {
	{ KEY_A "\n", 1, 0 },
	{ KEY_A, 1, 0 },
	{ KEY_A "\n" KEY_B "\n", 2, 0 },
	{ "# old and new\r\n\r\n  " KEY_A " \t\r\n \t\n" KEY_B "\n", 2, 0 },
	{ KEY_A "\n" KEY_A "\n" KEY_A "\n" KEY_A "\n" KEY_A "\n" KEY_A "\n" KEY_A "\n" KEY_A "\n", 8, 0 },
	{ KEY_A "\n" KEY_A "\n" KEY_A "\n" KEY_A "\n" KEY_A "\n" KEY_A "\n" KEY_A "\n" KEY_A "\n\n" KEY_A, 0, 10 },
	{ "", 0, 0 },
	{ "\n# nothing\n", 0, 0 },
	{ KEY_A "\nnot base64\n" KEY_B "\n", 0, 2 },
	{ "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg==\n", 0, 1 }, /* 31 bytes */
	{ "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g\n", 0, 1 }, /* 33 bytes */
	{ "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n", 0, 1 },  /* no padding */
	{ KEY_A " " KEY_B "\n", 0, 1 },
	{ KEY_A " # mine\n", 0, 1 },
};

START_TEST(ring_parse)
{
	struct seal_ring ring, before, counting = ring_counting();
	size_t len = strlen(rings[_i].text);
	char *exact = malloc(len + 1);
	unsigned int line = 999;
	int r;

	memset(&ring, 0x5a, sizeof(ring));
	before = ring;
	memcpy(exact, rings[_i].text, len);
	r = seal_ring_parse(exact, len, &ring, &line);
	free(exact);
	if (rings[_i].key_n == 0) {
		ck_assert_int_eq(r, -EINVAL);
		ck_assert_uint_eq(line, rings[_i].line);
		ck_assert_mem_eq(&ring, &before, sizeof(ring));
		return;
	}
	ck_assert_int_eq(r, 0);
	ck_assert_uint_eq(ring.key_n, rings[_i].key_n);
	ck_assert_mem_eq(ring.keys[0].bytes, counting.keys[0].bytes, SEAL_KEY_LEN);
	ck_assert_uint_eq(ring.keys[0].id, counting.keys[0].id);
	if (ring.key_n == 2)
		ck_assert_uint_eq(ring.keys[1].bytes[31], 9);
}
END_TEST

START_TEST(ring_parse_nul)
{
	static const char text[] = "\0" KEY_A "\n";
	struct seal_ring ring;
	unsigned int line = 0;

	ck_assert_int_eq(seal_ring_parse(text, sizeof(text) - 1, &ring, &line), -EINVAL);
	ck_assert_uint_eq(line, 1);
}
END_TEST

START_TEST(ring_insecure)
{
	struct seal_ring ring;
	uint8_t datagram[64];
	size_t len;

	seal_ring_insecure(&ring);
	ck_assert_uint_eq(ring.key_n, 1);
	ck_assert_uint_eq(ring.keys[0].id, 163); /* part of the protocol: it must never change */
	len = pack_greeting(&ring, datagram, sizeof(datagram));
	ck_assert_int_eq(open_as(&ring, direct.receiver, datagram, len), GOSSIP_DROP_NONE);
}
END_TEST

START_TEST(drop_names)
{
	for (int i = 0; i < GOSSIP_DROP_N; i++) {
		const char *name = gossip_drop_name((enum gossip_drop)i);

		ck_assert_uint_gt(strlen(name), 0);
		ck_assert_str_ne(name, "invalid");
		for (int j = 0; j < i; j++)
			ck_assert_str_ne(name, gossip_drop_name((enum gossip_drop)j));
	}
	ck_assert_str_eq(gossip_drop_name(GOSSIP_DROP_AUTH), "auth");
	ck_assert_str_eq(gossip_drop_name(GOSSIP_DROP_N), "invalid");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("seal");
	TCase *tcase = tcase_create("seal");
	SRunner *runner = srunner_create(suite);
	int failed;

	if (sodium_init() < 0)
		return 1;
	suite_add_tcase(suite, tcase);
	tcase_add_loop_test(tcase, golden, 0, sizeof(goldens) / sizeof(goldens[0]));
	tcase_add_test(tcase, pack_needs_room);
	tcase_add_test(tcase, wrong_key);
	tcase_add_test(tcase, rotation);
	tcase_add_test(tcase, truncated);
	tcase_add_test(tcase, each_bit_flipped);
	tcase_add_test(tcase, receiver);
	tcase_add_test(tcase, version_and_length);
	tcase_add_loop_test(tcase, ring_parse, 0, sizeof(rings) / sizeof(rings[0]));
	tcase_add_test(tcase, ring_parse_nul);
	tcase_add_test(tcase, ring_insecure);
	tcase_add_test(tcase, drop_names);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
