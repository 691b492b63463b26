/* SPDX-License-Identifier: Apache-2.0 */
/* ndp/packet.c, ndp/frame.c: messages and frames byte for byte (RFC 4861 4.3, 4.4), refusals (7.1), answers (7.2.4). */
#include "ndp/frame.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define MESSAGE_MAX 256

#define VIP "20010db8000000000000000000000010" /* 2001:db8::10 */
#define MAC_HEX "020000aabbcc"

static const struct mac our_mac = { { 0x02, 0x00, 0x00, 0xaa, 0xbb, 0xcc } };

static struct ip ip_of(const char *text)
{
	struct ip ip;

	ck_assert_int_eq(ip_parse(text, &ip), 0);
	return ip;
}

static size_t bytes_of(const char *hex, uint8_t out[MESSAGE_MAX])
{
	size_t len = strlen(hex) / 2;
	unsigned int byte;

	ck_assert_uint_le(len, MESSAGE_MAX);
	for (size_t i = 0; i < len; i++) {
		ck_assert_int_eq(sscanf(hex + 2 * i, "%2x", &byte), 1);
		out[i] = (uint8_t)byte;
	}
	return len;
}

static void check_equal(const struct ndp_packet *a, const struct ndp_packet *b)
{
	ck_assert_int_eq(a->kind, b->kind);
	ck_assert(ip_equal(a->target, b->target));
	ck_assert_int_eq(a->router, b->router);
	ck_assert_int_eq(a->solicited, b->solicited);
	ck_assert_int_eq(a->override, b->override);
	ck_assert_int_eq(a->has_mac, b->has_mac);
	ck_assert(mac_equal(a->mac, b->mac));
}

static const struct golden {
	struct ndp_packet packet; /* the target is 2001:db8::10 */
	const char *hex;
} goldens[] = {
	{ { .kind = NDP_ADVERTISEMENT, .override = true, .has_mac = true },
	  "88000000"
	  "20000000" VIP "0201" MAC_HEX },
	{ { .kind = NDP_ADVERTISEMENT, .router = true, .override = true, .has_mac = true },
	  "88000000"
	  "a0000000" VIP "0201" MAC_HEX },
	{ { .kind = NDP_ADVERTISEMENT, .solicited = true },
	  "88000000"
	  "40000000" VIP },
	{ { .kind = NDP_SOLICITATION, .has_mac = true },
	  "87000000"
	  "00000000" VIP "0101" MAC_HEX },
	{ { .kind = NDP_SOLICITATION },
	  "87000000"
	  "00000000" VIP },
};

START_TEST(golden)
{
	struct ndp_packet packet = goldens[_i].packet;
	uint8_t want[MESSAGE_MAX], got[NDP_PACKET_LEN_MAX];
	size_t len = bytes_of(goldens[_i].hex, want);
	struct ndp_packet back;

	packet.target = ip_of("2001:db8::10");
	if (packet.has_mac)
		packet.mac = our_mac;
	ck_assert_uint_eq(ndp_encode(&packet, got), len);
	ck_assert_mem_eq(got, want, len);
	ck_assert_int_eq(ndp_decode(want, len, &back), 0);
	check_equal(&back, &packet);
}
END_TEST

/* RFC 4861 7.2.6: S=0, O=1, with the link-layer address; R as the host is. */
START_TEST(unsolicited)
{
	for (size_t i = 0; i < 2; i++) {
		struct ndp_packet packet = ndp_unsolicited(ip_of("2001:db8::10"), our_mac, i == 1);
		uint8_t want[MESSAGE_MAX], got[NDP_PACKET_LEN_MAX];
		size_t len = bytes_of(goldens[i].hex, want);

		ck_assert_uint_eq(ndp_encode(&packet, got), len);
		ck_assert_mem_eq(got, want, len);
	}
}
END_TEST

/* A solicitation has no flags, whatever the caller left there. */
START_TEST(solicitation_has_no_flags)
{
	struct ndp_packet packet = { .kind = NDP_SOLICITATION, .target = ip_of("2001:db8::10"), .router = true };
	uint8_t got[NDP_PACKET_LEN_MAX];
	uint8_t message[MESSAGE_MAX];
	size_t len;

	ndp_encode(&packet, got);
	ck_assert_uint_eq(got[4], 0);
	/* reserved bits: "must be ignored by the receiver" */
	len = bytes_of("87001234ffffffff" VIP, message);
	ck_assert_int_eq(ndp_decode(message, len, &packet), 0);
	ck_assert(!packet.router && !packet.solicited && !packet.override);
}
END_TEST

static const struct option_case {
	const char *what;
	const char *hex;
	bool has_mac;
} accepted[] = {
	{ "reserved bits set", "880000003fffffff" VIP "0201" MAC_HEX, true },
	{ "checksum set", "8800abcd20000000" VIP, false },
	{ "nonce before (RFC 3971)",
	  "8800000020000000" VIP "0e01010203040506"
	  "0201" MAC_HEX,
	  true },
	{ "unknown option of 16 bytes",
	  "8800000020000000" VIP "fe02000000000000"
	  "0000000000000000"
	  "0201" MAC_HEX,
	  true },
	{ "the other's address option", "8800000020000000" VIP "0101" MAC_HEX, false },
	{ "twice: the first counts", "8800000020000000" VIP "0201" MAC_HEX "0201ffffffffffff", true },
};

START_TEST(options_accepted)
{
	uint8_t message[MESSAGE_MAX];
	size_t len = bytes_of(accepted[_i].hex, message);
	struct ndp_packet packet;

	ck_assert_msg(ndp_decode(message, len, &packet) == 0, "%s", accepted[_i].what);
	ck_assert_msg(packet.has_mac == accepted[_i].has_mac, "%s", accepted[_i].what);
	if (packet.has_mac)
		ck_assert(mac_equal(packet.mac, our_mac));
}
END_TEST

static const struct option_case refused[] = {
	{ "router solicitation", "8500000000000000" VIP, false },
	{ "redirect", "8900000000000000" VIP, false },
	{ "code 1", "8801000020000000" VIP, false },
	{ "multicast target", "8800000020000000ff020000000000000000000000000001", false },
	{ "option of length 0", "8800000020000000" VIP "0200" MAC_HEX, false },
	{ "option of length 0, unknown", "8800000020000000" VIP "fe00" MAC_HEX, false },
	{ "option over the end", "8800000020000000" VIP "0202" MAC_HEX, false },
	{ "half an option header", "8800000020000000" VIP "02", false },
	{ "address of 14 bytes", "8800000020000000" VIP "0202" MAC_HEX "0000000000000000", false },
};

START_TEST(broken_refused)
{
	uint8_t message[MESSAGE_MAX];
	size_t len = bytes_of(refused[_i].hex, message);
	struct ndp_packet packet, untouched;

	memset(&untouched, 0x5a, sizeof(untouched));
	packet = untouched;
	ck_assert_msg(ndp_decode(message, len, &packet) == -EBADMSG, "%s", refused[_i].what);
	ck_assert_mem_eq(&packet, &untouched, sizeof(packet));
}
END_TEST

/* RFC 4861 7.1: 24 bytes or more; then whole options only. */
START_TEST(lengths)
{
	uint8_t message[MESSAGE_MAX];
	size_t full = bytes_of(goldens[0].hex, message);
	struct ndp_packet packet;

	ck_assert_uint_eq(full, NDP_PACKET_LEN_MAX);
	for (size_t len = 0; len <= full; len++) {
		uint8_t *exact = malloc(len + 1);

		ck_assert_ptr_nonnull(exact);
		memcpy(exact, message, len);
		ck_assert_int_eq(ndp_decode(exact, len, &packet), len == 24 || len == 32 ? 0 : -EBADMSG);
		free(exact);
	}
}
END_TEST

static const struct {
	const char *ip;
	const char *node;
} nodes[] = {
	{ "4037::1:800:200e:8c6c", "ff02::1:ff0e:8c6c" }, /* the example of RFC 4291 2.7.1 */
	{ "2001:db8::10", "ff02::1:ff00:10" },
	{ "fe80::ffff:ffff:ffff:ffff", "ff02::1:ffff:ffff" },
};

START_TEST(solicited_node)
{
	char text[IP_TEXT_MAX];

	ck_assert_str_eq(ip_format(ndp_solicited_node(ip_of(nodes[_i].ip)), text), nodes[_i].node);
}
END_TEST

/* ---- frames ---- */

#define ALL_NODES "ff020000000000000000000000000001"
#define UNSPECIFIED "00000000000000000000000000000000"
#define PEER "20010db8000000000000000000000002"
#define GROUP "ff0200000000000000000001ff000010" /* of the VIP */
#define PEER_MAC "020000000002"

static const struct mac peer_mac = { { 0x02, 0, 0, 0, 0, 0x02 } };

static const char unsolicited_hex[] = "333300000001" MAC_HEX "86dd60000000"
				      "00203aff" VIP ALL_NODES "88003c97"
				      "20000000" VIP "0201" MAC_HEX;
static const char solicitation_hex[] = "3333ff000010" PEER_MAC "86dd60000000"
				       "00203aff" PEER GROUP "87001c09"
				       "00000000" VIP "0101" PEER_MAC;
static const char answer_hex[] = PEER_MAC MAC_HEX "86dd60000000"
						  "00203aff" VIP PEER "8800cddf"
						  "60000000" VIP "0201" MAC_HEX;
/* duplicate address detection (RFC 4862 5.4.2) */
static const char probe_hex[] = "3333ff000010" PEER_MAC "86dd60000000"
				"00183aff" UNSPECIFIED GROUP "87004ccf"
				"00000000" VIP;

static void check_frame(const struct ndp_frame *frame, const char *hex)
{
	uint8_t want[MESSAGE_MAX], got[NDP_FRAME_LEN_MAX];
	size_t len = bytes_of(hex, want);
	struct ndp_frame back;

	ck_assert_uint_eq(ndp_frame_encode(frame, got), len);
	ck_assert_mem_eq(got, want, len);
	ck_assert_int_eq(ndp_frame_decode(want, len, &back), 0);
	ck_assert(mac_equal(back.ethernet_source, frame->ethernet_source));
	ck_assert(mac_equal(back.ethernet_target, frame->ethernet_target));
	ck_assert(ip_equal(back.source, frame->source) && ip_equal(back.destination, frame->destination));
	check_equal(&back.packet, &frame->packet);
}

static struct ndp_frame frame_of(const char *hex)
{
	uint8_t data[MESSAGE_MAX];
	size_t len = bytes_of(hex, data);
	struct ndp_frame frame;

	ck_assert_int_eq(ndp_frame_decode(data, len, &frame), 0);
	return frame;
}

START_TEST(frames_golden)
{
	struct ndp_frame frame = ndp_frame_unsolicited(our_mac, ip_of("2001:db8::10"), false);

	check_frame(&frame, unsolicited_hex);
	frame = ndp_frame_solicitation(peer_mac, ip_of("2001:db8::2"), ip_of("2001:db8::10"));
	check_frame(&frame, solicitation_hex);
	frame.source = ip_of("::");
	frame.packet.has_mac = false;
	frame.packet.mac = (struct mac){ { 0 } };
	check_frame(&frame, probe_hex);
}
END_TEST

/* RFC 4861 7.2.4: unicast and solicited to who asked; to a prober all nodes, and not solicited. R as the host is. */
START_TEST(answers)
{
	struct ndp_frame question = frame_of(solicitation_hex);
	struct ndp_frame probe = frame_of(probe_hex);
	struct ndp_frame answer = ndp_frame_answer(our_mac, &question, false);

	check_frame(&answer, answer_hex);
	answer = ndp_frame_answer(our_mac, &question, true);
	ck_assert(answer.packet.router && answer.packet.solicited && answer.packet.override);
	answer = ndp_frame_answer(our_mac, &probe, false);
	check_frame(&answer, unsolicited_hex);
	/* by unicast the option may be missing: back to where the frame came from */
	question.packet.has_mac = false;
	answer = ndp_frame_answer(our_mac, &question, false);
	check_frame(&answer, answer_hex);
	/* the option counts where both are there: a bridge of Wi-Fi may have put its own address into the frame */
	question = frame_of(solicitation_hex);
	question.ethernet_source = our_mac;
	answer = ndp_frame_answer(our_mac, &question, false);
	ck_assert(mac_equal(answer.ethernet_target, peer_mac));
}
END_TEST

/* One byte of a good frame is changed; with the checksum made right again, the refusal has the reason that is named. */
static const struct frame_case {
	const char *what;
	const char *hex;
	size_t at;
	uint8_t value;
	bool fix_checksum;
} refused_frames[] = {
	{ "no IPv6", unsolicited_hex, 13, 0x00, false },
	{ "version 4", unsolicited_hex, 14, 0x45, false },
	{ "extension header", unsolicited_hex, 20, 0, false },
	{ "hop limit 254", unsolicited_hex, 21, 254, false },
	{ "shorter than its message", unsolicited_hex, 19, 0x28, false },
	{ "checksum", unsolicited_hex, 57, 0x3c, false },
	{ "checksum over the source", unsolicited_hex, 22, 0x21, false },
	{ "code 1", unsolicited_hex, 55, 1, true },
	{ "multicast source", unsolicited_hex, 22, 0xff, true },
	{ "multicast, yet solicited", unsolicited_hex, 58, 0x60, true },
	{ "probe to another group", probe_hex, 53, 0x11, true },
	{ "probe to all nodes", probe_hex, 50, 0x00, true },
	{ "half an option", solicitation_hex, 79, 2, true },
};

static void fix_checksum(uint8_t *frame, size_t len)
{
	uint32_t sum = (uint32_t)(len - 54) + 58;

	frame[56] = frame[57] = 0;
	for (size_t i = 22; i < len; i += 2)
		sum += (uint32_t)frame[i] << 8 | frame[i + 1];
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	frame[56] = (uint8_t)(~sum >> 8);
	frame[57] = (uint8_t)~sum;
}

START_TEST(frames_refused)
{
	const struct frame_case *c = &refused_frames[_i];
	uint8_t data[MESSAGE_MAX];
	size_t len = bytes_of(c->hex, data);
	struct ndp_frame frame, untouched;

	memset(&untouched, 0x5a, sizeof(untouched));
	frame = untouched;
	fix_checksum(data, len);
	ck_assert_int_eq(ndp_frame_decode(data, len, &frame), 0); /* the fixing is right */
	frame = untouched;
	ck_assert_uint_ne(data[c->at], c->value);
	data[c->at] = c->value;
	if (c->fix_checksum)
		fix_checksum(data, len);
	ck_assert_msg(ndp_frame_decode(data, len, &frame) == -EBADMSG, "%s", c->what);
	ck_assert_mem_eq(&frame, &untouched, sizeof(frame));
}
END_TEST

/* A probe must not carry the option (RFC 4861 7.1.1). */
START_TEST(probe_with_option)
{
	uint8_t data[MESSAGE_MAX];
	size_t len = bytes_of(solicitation_hex, data);
	struct ndp_frame frame;

	memset(data + 22, 0, 16);
	fix_checksum(data, len);
	ck_assert_int_eq(ndp_frame_decode(data, len, &frame), -EBADMSG);
}
END_TEST

/* Padding is fine, anything less than all is not. */
START_TEST(frame_lengths)
{
	uint8_t data[MESSAGE_MAX] = { 0 };
	size_t full = bytes_of(unsolicited_hex, data);
	struct ndp_frame frame;

	ck_assert_uint_eq(full, NDP_FRAME_LEN_MAX);
	for (size_t len = 0; len <= full + 10; len++) {
		uint8_t *exact = malloc(len + 1);

		ck_assert_ptr_nonnull(exact);
		memcpy(exact, data, len);
		ck_assert_int_eq(ndp_frame_decode(exact, len, &frame), len >= full ? 0 : -EBADMSG);
		free(exact);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ndp");
	TCase *tcase = tcase_create("ndp");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_loop_test(tcase, golden, 0, ARRAY_LEN(goldens));
	tcase_add_test(tcase, unsolicited);
	tcase_add_test(tcase, solicitation_has_no_flags);
	tcase_add_loop_test(tcase, options_accepted, 0, ARRAY_LEN(accepted));
	tcase_add_loop_test(tcase, broken_refused, 0, ARRAY_LEN(refused));
	tcase_add_test(tcase, lengths);
	tcase_add_loop_test(tcase, solicited_node, 0, ARRAY_LEN(nodes));
	tcase_add_test(tcase, frames_golden);
	tcase_add_test(tcase, answers);
	tcase_add_loop_test(tcase, frames_refused, 0, ARRAY_LEN(refused_frames));
	tcase_add_test(tcase, probe_with_option);
	tcase_add_test(tcase, frame_lengths);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
