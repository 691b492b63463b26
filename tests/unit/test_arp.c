/* SPDX-License-Identifier: Apache-2.0 */
/* arp/packet.c: frames byte for byte (RFC 826, RFC 5227, RFC 5944), refusals. */
#include "arp/packet.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#define OUR_MAC "020000aabbcc"
#define VIP "c000020a" /* 192.0.2.10 */
#define HEAD "08060001080006040001"
#define REPLY_HEAD "08060001080006040002"

static const struct mac our_mac = { { 0x02, 0x00, 0x00, 0xaa, 0xbb, 0xcc } };

static struct ip ip_of(const char *text)
{
	struct ip ip;

	ck_assert_int_eq(ip_parse(text, &ip), 0);
	return ip;
}

static void hex_to_frame(const char *hex, uint8_t frame[ARP_FRAME_LEN])
{
	unsigned int byte;

	ck_assert_uint_eq(strlen(hex), 2 * ARP_FRAME_LEN);
	for (size_t i = 0; i < ARP_FRAME_LEN; i++) {
		ck_assert_int_eq(sscanf(hex + 2 * i, "%2x", &byte), 1);
		frame[i] = (uint8_t)byte;
	}
}

/* The packet is these bytes, and these bytes are the packet. */
static void check_golden(const struct arp_packet *packet, const char *hex)
{
	uint8_t want[ARP_FRAME_LEN], got[ARP_FRAME_LEN];
	struct arp_packet back;

	hex_to_frame(hex, want);
	arp_encode(packet, got);
	ck_assert_mem_eq(got, want, ARP_FRAME_LEN);
	ck_assert_int_eq(arp_decode(want, sizeof(want), &back), 0);
	ck_assert(mac_equal(back.ethernet_source, packet->ethernet_source));
	ck_assert(mac_equal(back.ethernet_target, packet->ethernet_target));
	ck_assert_int_eq(back.operation, packet->operation);
	ck_assert(mac_equal(back.sender_mac, packet->sender_mac));
	ck_assert(ip_equal(back.sender_ip, packet->sender_ip));
	ck_assert(mac_equal(back.target_mac, packet->target_mac));
	ck_assert(ip_equal(back.target_ip, packet->target_ip));
}

/* RFC 5227 2.3: sender and target address are the one announced, the target's MAC is zero. */
START_TEST(gratuitous_request)
{
	struct arp_packet packet = arp_gratuitous_request(our_mac, ip_of("192.0.2.10"));

	check_golden(&packet, "ffffffffffff" OUR_MAC HEAD OUR_MAC VIP "000000000000" VIP);
}
END_TEST

/* RFC 5944 4.6: in the reply form the target hardware address too is the one that the entry shall have. */
START_TEST(gratuitous_reply)
{
	struct arp_packet packet = arp_gratuitous_reply(our_mac, ip_of("192.0.2.10"));

	check_golden(&packet, "ffffffffffff" OUR_MAC REPLY_HEAD OUR_MAC VIP OUR_MAC VIP);
}
END_TEST

/* RFC 5227 2.1.1: the sender's address of a probe is zero, so that it poisons nobody. */
START_TEST(probe)
{
	struct arp_packet packet = arp_request(our_mac, ip_of("0.0.0.0"), ip_of("192.0.2.10"));

	check_golden(&packet, "ffffffffffff" OUR_MAC HEAD OUR_MAC "00000000000000000000" VIP);
}
END_TEST

START_TEST(request)
{
	struct arp_packet packet = arp_request(our_mac, ip_of("192.0.2.1"), ip_of("192.0.2.10"));

	check_golden(&packet, "ffffffffffff" OUR_MAC HEAD OUR_MAC "c0000201000000000000" VIP);
}
END_TEST

START_TEST(reply)
{
	struct arp_packet asked =
		arp_request((struct mac){ { 2, 1, 1, 1, 1, 1 } }, ip_of("192.0.2.7"), ip_of("192.0.2.10"));
	struct arp_packet packet = arp_reply(our_mac, ip_of("192.0.2.10"), &asked);

	check_golden(&packet, "020101010101" OUR_MAC REPLY_HEAD OUR_MAC VIP "020101010101c0000207");
}
END_TEST

static const struct {
	const char *what;
	size_t at;
	uint8_t value;
} broken[] = {
	{ "IPv4, not ARP", 13, 0x00 },	 { "hardware is not Ethernet", 15, 6 }, { "protocol is not IPv4", 16, 0x86 },
	{ "MAC of 8 bytes", 18, 8 },	 { "address of 16 bytes", 19, 16 },	{ "operation 0", 21, 0 },
	{ "operation 3 (RARP)", 21, 3 }, { "operation over 255", 20, 1 },
};

static const struct {
	uint8_t target; /* last byte of the Ethernet destination; 0xff: broadcast */
	enum arp_operation operation;
	bool announces;
	bool owned;
	enum arp_verdict verdict;
} judged[] = {
	{ 0xff, ARP_OP_REQUEST, false, true, ARP_ANSWER },
	{ 1, ARP_OP_REQUEST, false, true, ARP_ANSWER },
	{ 2, ARP_OP_REQUEST, false, true, ARP_IGNORE_DESTINATION },
	{ 1, ARP_OP_REPLY, false, true, ARP_IGNORE_REPLY },
	{ 0xff, ARP_OP_REQUEST, true, true, ARP_IGNORE_ANNOUNCEMENT },
	{ 0xff, ARP_OP_REQUEST, false, false, ARP_IGNORE_NOT_OWNED },
};

START_TEST(judge)
{
	const struct mac own = { { 2, 0, 0, 0, 0, 1 } };
	const uint8_t target[] = { 10, 0, 0, 1 };
	const uint8_t sender[] = { 10, 0, 0, judged[_i].announces ? 1 : 2 };
	struct arp_packet packet = arp_request(own, ip_from_v4(sender), ip_from_v4(target));

	packet.operation = judged[_i].operation;
	if (judged[_i].target != 0xff)
		packet.ethernet_target = (struct mac){ { 2, 0, 0, 0, 0, judged[_i].target } };
	ck_assert_int_eq(arp_judge(&packet, own, judged[_i].owned), judged[_i].verdict);
}
END_TEST

START_TEST(broken_refused)
{
	struct arp_packet packet = arp_gratuitous_request(our_mac, ip_of("192.0.2.10"));
	struct arp_packet untouched;
	uint8_t frame[ARP_FRAME_LEN];

	memset(&packet.target_mac, 0x11, sizeof(packet.target_mac));
	arp_encode(&packet, frame);
	frame[broken[_i].at] = broken[_i].value;
	memset(&untouched, 0x5a, sizeof(untouched));
	packet = untouched;
	ck_assert_msg(arp_decode(frame, sizeof(frame), &packet) == -EBADMSG, "%s", broken[_i].what);
	ck_assert_mem_eq(&packet, &untouched, sizeof(packet));
}
END_TEST

START_TEST(lengths)
{
	struct arp_packet packet = arp_gratuitous_request(our_mac, ip_of("192.0.2.10"));
	uint8_t frame[60] = { 0 }; /* smallest Ethernet frame: padded */

	arp_encode(&packet, frame);
	for (size_t len = 0; len < ARP_FRAME_LEN; len++)
		ck_assert_int_eq(arp_decode(frame, len, &packet), -EBADMSG);
	ck_assert_int_eq(arp_decode(frame, sizeof(frame), &packet), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("arp");
	TCase *tcase = tcase_create("arp");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, gratuitous_request);
	tcase_add_test(tcase, gratuitous_reply);
	tcase_add_test(tcase, probe);
	tcase_add_test(tcase, request);
	tcase_add_test(tcase, reply);
	tcase_add_loop_test(tcase, judge, 0, sizeof(judged) / sizeof(judged[0]));
	tcase_add_loop_test(tcase, broken_refused, 0, ARRAY_LEN(broken));
	tcase_add_test(tcase, lengths);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
