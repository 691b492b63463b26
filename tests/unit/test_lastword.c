/* SPDX-License-Identifier: Apache-2.0 */
/* gossip/lastword.c: the bytes of the message, and that the datagram opens for its receiver only. */
#include "gossip/lastword.h"

#include <check.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t dead = UINT64_C(0x1122334455667788);
static const uint64_t peer = UINT64_C(0xaabbccddeeff0011);
static const uint8_t golden[LAST_WORD_LEN] = { 22, 0, 8, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88 };

START_TEST(body_is_one_message)
{
	uint8_t body[LAST_WORD_LEN];

	last_word_body(dead, body);
	ck_assert_mem_eq(body, golden, sizeof(golden));
}
END_TEST

START_TEST(opens_for_its_receiver)
{
	uint8_t datagram[SEAL_OVERHEAD + LAST_WORD_LEN], body[sizeof(datagram)];
	struct seal_header header = { 0 };
	struct seal_ring ring;
	size_t len = 0;

	seal_ring_insecure(&ring);
	ck_assert_int_eq(last_word_pack(&ring, dead, peer, 77, datagram, sizeof(datagram)), sizeof(datagram));
	ck_assert_int_eq(seal_open(&ring, peer, datagram, sizeof(datagram), &header, body, sizeof(body), &len),
			 GOSSIP_DROP_NONE);
	ck_assert_uint_eq(header.sender, dead);
	ck_assert_uint_eq(header.receiver, peer);
	ck_assert_uint_eq(header.counter, 77);
	ck_assert_uint_eq(len, sizeof(golden));
	ck_assert_mem_eq(body, golden, sizeof(golden));
	ck_assert_int_ne(seal_open(&ring, peer + 1, datagram, sizeof(datagram), &header, body, sizeof(body), &len),
			 GOSSIP_DROP_NONE);
}
END_TEST

START_TEST(needs_its_room)
{
	uint8_t datagram[SEAL_OVERHEAD + LAST_WORD_LEN];
	struct seal_ring ring;

	seal_ring_insecure(&ring);
	ck_assert_int_eq(last_word_pack(&ring, dead, peer, 1, datagram, sizeof(datagram) - 1), -EMSGSIZE);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lastword");
	TCase *tcase = tcase_create("lastword");
	SRunner *runner;
	int failed;

	if (sodium_init() < 0)
		return EXIT_FAILURE;
	tcase_add_test(tcase, body_is_one_message);
	tcase_add_test(tcase, opens_for_its_receiver);
	tcase_add_test(tcase, needs_its_room);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
