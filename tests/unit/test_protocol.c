/* SPDX-License-Identifier: Apache-2.0 */
/* The test vectors of docs/PROTOCOL.md, read from there: what the page says is what the code does. Runs in the root of the tree. */
#include <check.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gossip/gossip.h"
#include "gossip/seal.h"

#define PAGE "docs/PROTOCOL.md"
#define BYTES_MAX 512

struct bytes {
	size_t len;
	uint8_t data[BYTES_MAX];
};

struct vector {
	struct bytes key;
	struct bytes sender;
	struct bytes receiver;
	struct bytes counter;
	struct bytes body;
	struct bytes datagram;
};

static void read_hex(const char *text, struct bytes *out)
{
	char *end = NULL;

	for (out->len = 0; *text != '\0' && *text != '\n'; text = end) {
		out->data[out->len++] = (uint8_t)strtoul(text, &end, 16);
		ck_assert_ptr_ne(end, text);
		ck_assert_uint_lt(out->len, BYTES_MAX);
		end += strspn(end, " ");
	}
}

/* The n-th vector: lines "name = bytes" of a fenced block that begins with "vector". False: there are no more. */
static bool read_vector(int n, struct vector *v)
{
	struct {
		const char *name;
		struct bytes *bytes;
	} fields[] = { { "key = ", &v->key },	      { "sender = ", &v->sender }, { "receiver = ", &v->receiver },
		       { "counter = ", &v->counter }, { "body = ", &v->body },	   { "datagram = ", &v->datagram } };
	FILE *file = fopen(PAGE, "r");
	char line[2048];
	int seen = -1;

	ck_assert_msg(file != NULL, "cannot read " PAGE);
	memset(v, 0, sizeof(*v));
	while (fgets(line, sizeof(line), file) != NULL) {
		seen += strncmp(line, "```vector", 9) == 0;
		for (size_t i = 0; seen == n && i < sizeof(fields) / sizeof(fields[0]); i++) {
			if (strncmp(line, fields[i].name, strlen(fields[i].name)) == 0)
				read_hex(line + strlen(fields[i].name), fields[i].bytes);
		}
	}
	fclose(file);
	return seen >= n;
}

static uint64_t number_of(const struct bytes *bytes)
{
	uint64_t value = 0;

	ck_assert_uint_eq(bytes->len, 8);
	for (size_t i = 0; i < 8; i++)
		value = value << 8 | bytes->data[i];
	return value;
}

START_TEST(sealed)
{
	struct vector v;
	int n = 0;

	for (; read_vector(n, &v); n++) {
		struct seal_header header, opened;
		struct seal_ring ring = { .key_n = 1 };
		uint8_t out[BYTES_MAX + SEAL_OVERHEAD];
		uint8_t body[BYTES_MAX];
		size_t body_len = 0;

		ck_assert_uint_eq(v.key.len, SEAL_KEY_LEN);
		seal_key_init(&ring.keys[0], v.key.data);
		header.sender = number_of(&v.sender);
		header.receiver = number_of(&v.receiver);
		header.counter = number_of(&v.counter);
		ck_assert_int_eq(seal_pack(&ring, &header, v.body.data, v.body.len, out, sizeof(out)),
				 (int)v.datagram.len);
		ck_assert_mem_eq(out, v.datagram.data, v.datagram.len);
		ck_assert_int_eq(seal_open(&ring, header.receiver != 0 ? header.receiver : 1, v.datagram.data,
					   v.datagram.len, &opened, body, sizeof(body), &body_len),
				 GOSSIP_DROP_NONE);
		ck_assert_uint_eq(opened.receiver, header.receiver);
		ck_assert_uint_eq(body_len, v.body.len);
		ck_assert_mem_eq(body, v.body.data, body_len);
	}
	ck_assert_int_ge(n, 2);
}
END_TEST

/* The first HELLO of a node is a body of the page: only the nonce is its own. */
START_TEST(hello)
{
	static struct gossip_out out;
	struct gossip_config config = { .name = "n", .instance = 7, .endpoint_n = 1, .seed_n = 1 };
	const struct gossip_event tick = { .kind = GOSSIP_EVENT_TICK, .now = { 1000000 } };
	const struct gossip_action *sent = NULL;
	struct gossip *g;
	struct vector v;

	gossip_timers_lan(&config.timers);
	config.packet_len_max = PACKET_LEN_DEFAULT;
	config.member_max = 4;
	config.item_max = 4;
	config.endpoints[0] = (struct endpoint){ ip_from_v4((const uint8_t[]){ 10, 0, 0, 1 }), 7946 };
	config.seeds[0] = (struct endpoint){ ip_from_v4((const uint8_t[]){ 10, 0, 0, 2 }), 7946 };
	g = gossip_new(&config, 1, tick.now);
	ck_assert_ptr_nonnull(g);
	gossip_step(g, &tick, &out);
	for (size_t i = 0; i < out.action_n && sent == NULL; i++)
		sent = out.actions[i].kind == GOSSIP_ACTION_SEND ? &out.actions[i] : NULL;
	ck_assert_ptr_nonnull(sent);
	ck_assert(read_vector(1, &v));
	ck_assert_uint_eq(sent->send.len, v.body.len);
	ck_assert_mem_eq(sent->send.body, v.body.data, 3);
	ck_assert_mem_eq(sent->send.body + 11, v.body.data + 11, v.body.len - 11);
	gossip_free(g);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("protocol");
	TCase *tcase = tcase_create("protocol");
	SRunner *runner = srunner_create(suite);
	int failed;

	if (sodium_init() < 0)
		return 1;
	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, sealed);
	tcase_add_test(tcase, hello);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
