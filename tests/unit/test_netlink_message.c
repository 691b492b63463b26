/* SPDX-License-Identifier: Apache-2.0 */
/*
 * netlink/message.c: messages recorded from Linux 6.18 ("recorded", big attributes taken out) and written by hand, and
 * requests byte for byte as an independent packer makes them. Netlink speaks in host order: these are little-endian.
 */
#include "netlink/message.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define MESSAGE_MAX 1024

/* Whole messages that tests below cut and spoil. */
#define ADDRESS6_HEX                                                                                       \
	"480000001400020001000000000000000a40c0000300000014000100fd00000000000000000000000000000114000600" \
	"ffffffffffffffff693b0600693b060008000800c0000000"
#define LINK_HEX                                                                                           \
	"5c0000001000020001000000000000000000010004000000431001000000000009000300657468300000000005001000" \
	"06000000080004007805000005002100010000000a00010002fc0000000100000a000200ffffffffffff0000"
#define ADDRESS_HEX                                                                                        \
	"500000001400020001000000000000000218800003000000080001000a010203080002000a0102030a00030076657468" \
	"30000000080008008000000014000600ffffffffffffffff683b0600683b0600"
#define ERROR_HEX "24000000020000014d000000d2040000ffffffff28000000140005004d000000d2040000"
#define ROUTE_HEX                                                                          \
	"3c00000018000006e3fe036b9e23000002200000ff6dfe020000000008000f00ff00000008000100" \
	"c000020a08000600626c6d000800040001000000"
#define ROUTE6_HEX                                                                         \
	"7400000018000006e3fe036ba02300000a800000ff6d00020000000008000f00ff00000014000100" \
	"20010db800000000000000000000001008000600626c6d00080004000100000024000c0000000000" \
	"000000000000000000000000000000000000000000000000000000000500140000000000"
#define DONE_HEX "140000000300020009000000d204000000000000"

/* The exit status that means "skipped". */
#define EXIT_SKIPPED 77

struct message {
	_Alignas(4) uint8_t data[MESSAGE_MAX];
	size_t len;
};

static struct message message_of(const char *hex)
{
	struct message m = { .len = strlen(hex) / 2 };
	unsigned int byte;

	ck_assert_uint_le(m.len, MESSAGE_MAX);
	for (size_t i = 0; i < m.len; i++) {
		ck_assert_int_eq(sscanf(hex + 2 * i, "%2x", &byte), 1);
		m.data[i] = (uint8_t)byte;
	}
	return m;
}

static struct ip ip_of(const char *text)
{
	struct ip ip;

	ck_assert_int_eq(ip_parse(text, &ip), 0);
	return ip;
}

static struct netlink_change decode_known(const struct message *m)
{
	struct netlink_change change;
	bool known = false;

	ck_assert_int_eq(netlink_message_decode(m->data, m->len, &change, &known), (int)m->len);
	ck_assert(known);
	return change;
}

static const struct link_case {
	const char *what;
	const char *hex;
	enum netlink_change_kind kind;
	struct {
		uint32_t index, master;
		const char *name, *mac;
		bool ethernet, loopback, up, running;
	} want;
} links[] = {
	{ "recorded: virtio",
	  LINK_HEX,
	  NETLINK_LINK_SET,
	  { 4, 0, "eth0", "02:fc:00:00:00:01", true, false, true, true } },
	{ "recorded: loopback",
	  "5800000010000200010000000000000000000403010000004900010000000000070003006c6f00000500100000000000"
	  "080004000000010005002100010000000a00010000000000000000000a0002000000000000000000",
	  NETLINK_LINK_SET,
	  { 1, 0, "lo", "00:00:00:00:00:00", false, true, true, true } },
	{ "recorded: veth",
	  "74000000100002000100000000000000000001000300000043100100000000000a000300766574683000000005001000"
	  "0600000008000400dc05000005002100010000000a00010086cb0096b84600000a000200ffffffffffff000010001200"
	  "0900010076657468000000000800050002000000",
	  NETLINK_LINK_SET,
	  { 3, 0, "veth0", "86:cb:00:96:b8:46", true, false, true, true } },
	{ "recorded: administratively down",
	  "680000001000020001000000000000000000010002000000820000000000000009000300696662300000000005001000"
	  "0200000008000400dc05000005002100010000000a000100fe507c62dc7f00000a000200ffffffffffff00000c001200"
	  "0800010069666200",
	  NETLINK_LINK_SET,
	  { 2, 0, "ifb0", "fe:50:7c:62:dc:7f", true, false, false, false } },
	{ "recorded: bridge, operational state unknown",
	  "f40100001000020001000000000000000000010004000000431001000000000008000300627230000500100000000000"
	  "08000400dc05000005002100010000000a0001000674f3b449a600000a000200ffffffffffff00009c0112000b000100"
	  "62726964676500008c0102000c00100000000000000000000c00110000000000000000000c0012000000000000000000"
	  "0c0013000d7500000000000008000100dc05000008000200c800000008000300d0070000080004003075000008000500"
	  "000000000600060000800000050007000000000006000900000000000c000b0080000000000000000c000a0080000000"
	  "0000000006000c000000000008000d000000000005000e000000000005000f00000000000a0014000180c20000000000"
	  "0c002e00000000001f000000080030000000000008003100000000000500160001000000050017000100000005001800"
	  "00000000050019000000000005002a000000000008001a001000000008001b000010000008001c000200000008001d00"
	  "0200000005002b000200000005002c00010000000c001e0064000000000000000c001f0090650000000000000c002000"
	  "9c630000000000000c002100d4300000000000000c002200e8030000000000000c002300340c00000000000005002400"
	  "0000000005002500000000000500260000000000",
	  NETLINK_LINK_SET,
	  { 4, 0, "br0", "06:74:f3:b4:49:a6", true, false, true, true } },
	{ "recorded: macvlan",
	  "9c00000010000200010000000000000000000100050000004310010000000000080003006d7630000500100006000000"
	  "08000400dc05000005002100010000000a0001003a42ebff5b2000000a000200ffffffffffff00003c0012000c000100"
	  "6d6163766c616e002c00020008000100040000000600020000000000080006000000000008000700e803000008000800"
	  "e80300000800050003000000",
	  NETLINK_LINK_SET,
	  { 5, 0, "mv0", "3a:42:eb:ff:5b:20", true, false, true, true } },
	{ "slave of a bond",
	  "880000001000020001000000000000000000010005000000431801000000000009000300657468310000000008000d00"
	  "e8030000050010000600000008000400dc05000008000a00070000000a00010002000000000500000a000200ffffffff"
	  "ffff00002400120009000400626f6e64000000001400050005000100000000000800030000000000",
	  NETLINK_LINK_SET,
	  { 5, 7, "eth1", "02:00:00:00:00:05", true, false, true, true } },
	{ "VLAN, its parent without carrier",
	  "94000000100002000100000000000000000001000600000003100000000000000c000300657468302e31300008000d00"
	  "e8030000050010000300000008000400dc05000008000500040000000a00010002fc0000000100000a000200ffffffff"
	  "ffff00003000120009000100766c616e0000000020000200060001000a0000000c000200010000000100000006000500"
	  "81000000",
	  NETLINK_LINK_SET,
	  { 6, 0, "eth0.10", "02:fc:00:00:00:01", true, false, true, false } },
	{ "InfiniBand: another address",
	  "64000000100002000100000000000000000020000b0000004310010000000000080003006962300008000d00e8030000"
	  "050010000600000008000400dc0500001800010080000000000000000000000000000000000000000a000200ffffffff"
	  "ffff0000",
	  NETLINK_LINK_SET,
	  { 11, 0, "ib0", "00:00:00:00:00:00", false, false, true, true } },
	{ "tap: state unknown for ever",
	  "5c000000100002000100000000000000000001000c000000431001000000000009000300746170300000000008000d00"
	  "e8030000050010000000000008000400dc0500000a00010002000000000c00000a000200ffffffffffff0000",
	  NETLINK_LINK_SET,
	  { 12, 0, "tap0", "02:00:00:00:00:0c", true, false, true, true } },
	{ "802.1X not passed: dormant",
	  "5c000000100002000100000000000000000001000d000000431001000000000009000300657468330000000008000d00"
	  "e8030000050010000500000008000400dc0500000a00010002000000000d00000a000200ffffffffffff0000",
	  NETLINK_LINK_SET,
	  { 13, 0, "eth3", "02:00:00:00:00:0d", true, false, true, false } },
	{ "gone",
	  "2c000000110000000000000000000000000001000400000002100000ffffffff090003006574683000000000",
	  NETLINK_LINK_GONE,
	  { 4, 0, "eth0", "00:00:00:00:00:00", false, false, false, false } },
};

START_TEST(link_decoded)
{
	const struct link_case *c = &links[_i];
	struct message m = message_of(c->hex);
	struct netlink_change change = decode_known(&m);
	const struct netlink_link *link = &change.link;
	char mac[MAC_TEXT_MAX];

	ck_assert_msg(change.kind == c->kind, "%s", c->what);
	ck_assert_uint_eq(link->index, c->want.index);
	ck_assert_uint_eq(link->master, c->want.master);
	ck_assert_str_eq(link->name, c->want.name);
	ck_assert_str_eq(mac_format(link->mac, mac), c->want.mac);
	ck_assert_msg(link->ethernet == c->want.ethernet, "%s", c->what);
	ck_assert_msg(link->loopback == c->want.loopback, "%s", c->what);
	ck_assert_msg(link->up == c->want.up, "%s", c->what);
	ck_assert_msg(link->running == c->want.running, "%s", c->what);
}
END_TEST

static const struct address_case {
	const char *what;
	const char *hex;
	enum netlink_change_kind kind;
	struct {
		uint32_t index;
		const char *subnet;
		uint8_t protocol;
		bool ours, tentative;
	} want;
} addresses[] = {
	{ "recorded: IPv4", ADDRESS_HEX, NETLINK_ADDRESS_SET, { 3, "10.1.2.3/24", 0, false, false } },
	{ "recorded: IPv4 with our label",
	  "540000001400020001000000000000000220000003000000080001000a0102c8080002000a0102c80e00030076657468"
	  "303a6d6c620000000800080000000000140006001e0000001e000000683b0600683b0600",
	  NETLINK_ADDRESS_SET,
	  { 3, "10.1.2.200/32", 0, true, false } },
	{ "recorded: point to point, ours is IFA_LOCAL",
	  "500000001400020001000000000000000220800003000000080001000a090902080002000a0909010a00030076657468"
	  "30000000080008008000000014000600ffffffffffffffff6a3b06006a3b0600",
	  NETLINK_ADDRESS_SET,
	  { 3, "10.9.9.1/32", 0, false, false } },
	{ "recorded: IPv6, detection running", ADDRESS6_HEX, NETLINK_ADDRESS_SET, { 3, "fd00::1/64", 0, false, true } },
	{ "recorded: IPv6 link-local, protocol 3",
	  "500000001400020001000000000000000a40c0fd0200000014000100fe8000000000000060b8c5fffec7d89f14000600"
	  "ffffffffffffffff633b0600633b060008000800c000000005000b0003000000",
	  NETLINK_ADDRESS_SET,
	  { 2, "fe80::60b8:c5ff:fec7:d89f/64", 3, false, true } },
	{ "IPv6 with our protocol",
	  "500000001400020001000000000000000a8022000300000014000100fd00000000000000000000000000009814000600"
	  "000000001e0000000100000001000000080008002202000005000b006d000000",
	  NETLINK_ADDRESS_SET,
	  { 3, "fd00::98/128", 109, true, false } },
	{ "tentative by the flags of the header",
	  "340000001400020001000000000000000a4040000300000014000100fd00000000000000000000000000000508000800"
	  "40000000",
	  NETLINK_ADDRESS_SET,
	  { 3, "fd00::5/64", 0, false, true } },
	{ "detection failed",
	  "340000001400020001000000000000000a4048000300000014000100fd00000000000000000000000000000608000800"
	  "48000000",
	  NETLINK_ADDRESS_SET,
	  { 3, "fd00::6/64", 0, false, true } },
	{ "old kernel: neither IFA_FLAGS nor IFA_PROTO",
	  "340000001400020001000000000000000218800003000000080001000a000001080002000a0000010900030065746830"
	  "00000000",
	  NETLINK_ADDRESS_SET,
	  { 3, "10.0.0.1/24", 0, false, false } },
	{ "our protocol on a network: not made by us",
	  "280000001400020001000000000000000218800003000000080002000a00000105000b006d000000",
	  NETLINK_ADDRESS_SET,
	  { 3, "10.0.0.1/24", 109, false, false } },
	{ "gone",
	  "2c0000001500000001000000000000000a8022000300000014000100fd000000000000000000000000000098",
	  NETLINK_ADDRESS_GONE,
	  { 3, "fd00::98/128", 0, false, false } },
};

START_TEST(address_decoded)
{
	const struct address_case *c = &addresses[_i];
	struct message m = message_of(c->hex);
	struct netlink_change change = decode_known(&m);
	const struct netlink_address *address = &change.address;
	char subnet[SUBNET_TEXT_MAX];

	ck_assert_msg(change.kind == c->kind, "%s", c->what);
	ck_assert_uint_eq(address->index, c->want.index);
	ck_assert_str_eq(subnet_format(address->subnet, subnet), c->want.subnet);
	ck_assert_uint_eq(address->protocol, c->want.protocol);
	ck_assert_msg(address->ours == c->want.ours, "%s", c->what);
	ck_assert_msg(address->tentative == c->want.tentative, "%s", c->what);
}
END_TEST

static const struct {
	const char *what;
	const char *hex;
	enum netlink_change_kind kind;
	const char *ip;
} routes[] = {
	{ "recorded: IPv4", ROUTE_HEX, NETLINK_ROUTE_SET, "192.0.2.10" },
	{ "recorded: IPv6", ROUTE6_HEX, NETLINK_ROUTE_SET, "2001:db8::10" },
	{ "recorded: gone",
	  "3c00000019000000e3fe036ba223000002200000ff6dfe020000000008000f00ff00000008000100c000020a08000600"
	  "626c6d000800040001000000",
	  NETLINK_ROUTE_GONE, "192.0.2.10" },
};

START_TEST(route_decoded)
{
	struct message m = message_of(routes[_i].hex);
	struct netlink_change change = decode_known(&m);

	ck_assert_msg(change.kind == routes[_i].kind, "%s", routes[_i].what);
	ck_assert(ip_equal(change.route, ip_of(routes[_i].ip)));
}
END_TEST

/* Routes of others differ from ours in a single byte. */
static const struct {
	const char *what;
	size_t at;
	uint8_t value;
} foreign_routes[] = {
	{ "family of bridges", 16, 7 },	     { "to a subnet", 17, 24 }, { "table main", 20, 254 },
	{ "of another protocol", 21, 2 },    { "unicast", 23, 1 },	{ "a cached copy", 25, 2 },
	{ "with another metric", 48, 0x63 },
};

START_TEST(foreign_route_skipped)
{
	struct message m = message_of(ROUTE_HEX);
	struct netlink_change change;
	bool known = true;

	m.data[foreign_routes[_i].at] = foreign_routes[_i].value;
	ck_assert_int_eq(netlink_message_decode(m.data, m.len, &change, &known), (int)m.len);
	ck_assert_msg(!known, "%s", foreign_routes[_i].what);
}
END_TEST

static const struct end_case {
	const char *what;
	const char *hex;
	enum netlink_change_kind kind;
	uint32_t seq;
	int error;
} ends[] = {
	{ "acknowledged", "24000000020000014d000000d20400000000000028000000140005004d000000d2040000", NETLINK_DONE, 77,
	  0 },
	{ "refused", ERROR_HEX, NETLINK_ERROR, 77, -EPERM },
	{ "end of a dump", DONE_HEX, NETLINK_DONE, 9, 0 },
	{ "end of a dump that failed", "140000000300020009000000d2040000fcffffff", NETLINK_ERROR, 9, -EINTR },
	{ "end of a dump without a result", "100000000300020009000000d2040000", NETLINK_DONE, 9, 0 },
};

START_TEST(end_decoded)
{
	const struct end_case *c = &ends[_i];
	struct message m = message_of(c->hex);
	struct netlink_change change = decode_known(&m);

	ck_assert_msg(change.kind == c->kind, "%s", c->what);
	ck_assert_uint_eq(change.seq, c->seq);
	ck_assert_int_eq(change.error, c->error);
}
END_TEST

static const struct {
	const char *what;
	const char *hex;
} others[] = {
	{ "port left its bridge",
	  "640000001100020001000000000000000700010003000000431001000000000009000300657468320000000008000d00"
	  "e8030000050010000600000008000400dc05000008000a00090000000a00010002000000000300000a000200ffffffff"
	  "ffff0000" },
	{ "wireless event",
	  "38000000100000000000000000000000000001000800000043100100000000000a000300776c616e300000000c000b00"
	  "0000000000000000" },
	{ "MCTP address", "200000001400020001000000000000002d000000030000000500020009000000" },
	{ "NLMSG_NOOP", "10000000010000000500000000000000" },
};

START_TEST(other_skipped)
{
	struct message m = message_of(others[_i].hex);
	struct netlink_change change;
	bool known = true;

	ck_assert_int_eq(netlink_message_decode(m.data, m.len, &change, &known), (int)m.len);
	ck_assert_msg(!known, "%s", others[_i].what);
}
END_TEST

/* A message of the tables above with one byte replaced. */
static const struct {
	const char *what;
	const char *hex;
	size_t at;
	uint8_t value;
} broken[] = {
	{ "length over the datagram", LINK_HEX, 0, 0x60 },
	{ "length that is negative as int", ERROR_HEX, 3, 0x80 },
	{ "length under the header", LINK_HEX, 0, 0x0f },
	{ "no room for ifinfomsg", LINK_HEX, 0, 0x1c },
	{ "index 0", LINK_HEX, 20, 0 },
	{ "index negative", LINK_HEX, 23, 0x80 },
	{ "no name", LINK_HEX, 34, 0x50 },
	{ "empty name", LINK_HEX, 36, 0 },
	{ "empty operational state", LINK_HEX, 48 - 4, 4 },
	{ "no room for ifaddrmsg", ADDRESS_HEX, 0, 0x14 },
	{ "address of 3 bytes", ADDRESS_HEX, 32, 0x07 },
	{ "no address", ADDRESS6_HEX, 26, 0x20 },
	{ "prefix of 33", ADDRESS_HEX, 17, 33 },
	{ "link 0", ADDRESS_HEX, 20, 0 },
	{ "family that does not fit the address", ADDRESS_HEX, 16, 10 },
	{ "flags of 3 bytes", ADDRESS_HEX, 52, 7 },
	{ "no room for rtmsg", ROUTE_HEX, 0, 0x14 },
	{ "route without destination", ROUTE_HEX, 38, 0x21 },
	{ "destination of 3 bytes", ROUTE_HEX, 36, 7 },
	{ "destination of the other family", ROUTE6_HEX, 36, 8 },
	{ "metric of 3 bytes", ROUTE_HEX, 44, 7 },
	{ "error that is positive", ERROR_HEX, 19, 0x7f },
	{ "error that is no errno", ERROR_HEX, 18, 0xf0 },
};

START_TEST(broken_refused)
{
	struct message m = message_of(broken[_i].hex);
	struct netlink_change change;
	bool known = false;

	ck_assert_int_gt(netlink_message_decode(m.data, m.len, &change, &known), 0);
	ck_assert(known);
	m.data[broken[_i].at] = broken[_i].value;
	ck_assert_msg(netlink_message_decode(m.data, m.len, &change, &known) == -EBADMSG, "%s", broken[_i].what);
	ck_assert(!known);
}
END_TEST

/* A name of 16 bytes is no name of Linux. */
START_TEST(long_name_refused)
{
	struct message m = message_of("34000000100000000100000000000000" /* header */
				      "00000100040000004310010000000000"
				      "14000300" /* IFLA_IFNAME, 16 bytes */
				      "30313233343536373839616263646566");
	struct netlink_change change;
	bool known;

	ck_assert_int_eq(netlink_message_decode(m.data, m.len, &change, &known), -EBADMSG);
	m.data[51] = 0;
	ck_assert_int_eq(netlink_message_decode(m.data, m.len, &change, &known), (int)m.len);
	ck_assert_str_eq(change.link.name, "0123456789abcde");
}
END_TEST

/* Every truncation is refused, and whatever is cut off the attributes never read past the end (sanitizers watch). */
START_TEST(truncated_refused)
{
	struct message m = message_of(LINK_HEX);
	struct netlink_change change;
	bool known;

	for (size_t len = 0; len < m.len; len++) {
		uint8_t *exact = aligned_alloc(16, (len + 15) / 16 * 16 + 16);

		ck_assert_ptr_nonnull(exact);
		memcpy(exact, m.data, len);
		ck_assert_int_eq(netlink_message_decode(exact, len, &change, &known), -EBADMSG);
		free(exact);
	}
}
END_TEST

/* Two messages in one datagram, the first with a length that is no multiple of four. */
START_TEST(lengths_are_aligned)
{
	struct message m = message_of(DONE_HEX DONE_HEX);
	struct netlink_change change;
	bool known;

	m.data[0] = 17;
	ck_assert_int_eq(netlink_message_decode(m.data, m.len, &change, &known), 20);
	ck_assert_int_eq(netlink_message_decode(m.data + 20, m.len - 20, &change, &known), 20);
	ck_assert_int_eq(netlink_message_decode(m.data, 17, &change, &known), 17);
}
END_TEST

static void check_request(const uint8_t *got, size_t got_len, const char *hex)
{
	struct message want = message_of(hex);

	ck_assert_uint_eq(got_len, want.len);
	ck_assert_mem_eq(got, want.data, want.len);
}

START_TEST(dumps_golden)
{
	_Alignas(4) uint8_t buf[NETLINK_REQUEST_LEN_MAX];

	memset(buf, 0xee, sizeof(buf));
	check_request(buf, netlink_message_dump_links(buf, 0x01020304),
		      "280000001200010304030201000000000000000000000000000000000000000008001d0008000000");
	check_request(buf, netlink_message_dump_addresses(buf, 0x01020304),
		      "180000001600010304030201000000000000000000000000");
}
END_TEST

START_TEST(routes_golden)
{
	_Alignas(4) uint8_t buf[NETLINK_REQUEST_LEN_MAX];

	memset(buf, 0xee, sizeof(buf));
	check_request(buf, netlink_message_dump_routes(buf, 0x01020304, IP_V4),
		      "1c0000001a000103040302010000000002000000ff6d000200000000");
	check_request(buf, netlink_message_dump_routes(buf, 0x01020304, IP_V6),
		      "1c0000001a00010304030201000000000a000000ff6d000200000000");
	check_request(buf, netlink_message_route_add(buf, 0x11, ip_of("192.0.2.10")),
		      "3400000018000506110000000000000002200000ff6dfe020000000008000100c000020a080004000100000008000600"
		      "626c6d00");
	check_request(buf, netlink_message_route_add(buf, 0x11, ip_of("2001:db8::10")),
		      "400000001800050611000000000000000a800000ff6dfe02000000001400010020010db8000000000000000000000010"
		      "080004000100000008000600626c6d00");
	check_request(buf, netlink_message_route_del(buf, 0x12, ip_of("192.0.2.10")),
		      "3400000019000500120000000000000002200000ff6dfe020000000008000100c000020a080004000100000008000600"
		      "626c6d00");
	check_request(buf, netlink_message_route_del(buf, 0x12, ip_of("2001:db8::10")),
		      "400000001900050012000000000000000a800000ff6dfe02000000001400010020010db8000000000000000000000010"
		      "080004000100000008000600626c6d00");
}
END_TEST

static const struct {
	const char *iface, *ip;
	uint32_t index, valid_s, seq;
	const char *hex;
} adds[] = {
	{ "eth0", "192.0.2.10", 3, 30, 0x11,
	  "5c000000140005051100000000000000022000000300000008000200c000020a08000100c000020a0800080000020000"
	  "140006001e0000001e000000000000000000000005000b006d0000000d000300657468303a6d6c6200000000" },
	/* the label is 15 characters: just fits */
	{ "enp0s31f6.4", "192.0.2.10", 3, 2, 0x11,
	  "60000000140005051100000000000000022000000300000008000200c000020a08000100c000020a0800080000020000"
	  "140006000200000002000000000000000000000005000b006d00000014000300656e703073333166362e343a6d6c6200" },
	/* one more: no label; and no end */
	{ "enp0s31f6.42", "192.0.2.10", 3, 0, 0x11,
	  "4c000000140005051100000000000000022000000300000008000200c000020a08000100c000020a0800080000020000"
	  "14000600ffffffffffffffff000000000000000005000b006d000000" },
	{ "", "192.0.2.10", 3, 0, 0x11,
	  "4c000000140005051100000000000000022000000300000008000200c000020a08000100c000020a0800080000020000"
	  "14000600ffffffffffffffff000000000000000005000b006d000000" },
	{ "eth0", "2001:db8::10", 0x0a0b, 2, 0x12,
	  "640000001400050512000000000000000a8000000b0a00001400020020010db800000000000000000000001014000100"
	  "20010db80000000000000000000000100800080002020000140006000000000002000000000000000000000005000b00"
	  "6d000000" },
	{ "eth0", "2001:db8::10", 0x0a0b, 0, 0x12,
	  "640000001400050512000000000000000a8000000b0a00001400020020010db800000000000000000000001014000100"
	  "20010db800000000000000000000001008000800020200001400060000000000ffffffff000000000000000005000b00"
	  "6d000000" },
};

START_TEST(add_golden)
{
	_Alignas(4) uint8_t buf[NETLINK_REQUEST_LEN_MAX];
	size_t len;

	memset(buf, 0xee, sizeof(buf));
	len = netlink_message_add(buf, adds[_i].seq, adds[_i].index, adds[_i].iface, ip_of(adds[_i].ip),
				  adds[_i].valid_s);
	check_request(buf, len, adds[_i].hex);
}
END_TEST

START_TEST(del_golden)
{
	_Alignas(4) uint8_t buf[NETLINK_REQUEST_LEN_MAX];

	check_request(buf, netlink_message_del(buf, 0x13, 3, ip_of("192.0.2.10")),
		      "28000000150005001300000000000000022000000300000008000200c000020a08000100c000020a");
	check_request(buf, netlink_message_del(buf, 0x13, 3, ip_of("2001:db8::10")),
		      "400000001500050013000000000000000a800000030000001400020020010db800000000000000000000001014000100"
		      "20010db8000000000000000000000010");
}
END_TEST

/* What we ask for is what we recognise as ours when it comes back. */
START_TEST(add_is_ours)
{
	_Alignas(4) uint8_t buf[NETLINK_REQUEST_LEN_MAX];
	struct netlink_change change;
	bool known;
	int len = (int)netlink_message_add(buf, 1, 3, adds[_i].iface, ip_of(adds[_i].ip), 2);

	ck_assert_int_eq(netlink_message_decode(buf, (size_t)len, &change, &known), len);
	ck_assert(known && change.kind == NETLINK_ADDRESS_SET);
	ck_assert(change.address.ours);
	ck_assert_uint_eq(change.address.protocol, NETLINK_ADDRESS_PROTOCOL);
	ck_assert(ip_equal(change.address.subnet.ip, ip_of(adds[_i].ip)));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("netlink_message");
	TCase *tcase = tcase_create("netlink_message");
	SRunner *runner = srunner_create(suite);
	const uint16_t one = 1;
	uint8_t first;
	int failed;

	memcpy(&first, &one, 1);
	if (first != 1) {
		puts("test_netlink_message: the recordings are little-endian, this machine is not: skipped");
		return EXIT_SKIPPED;
	}
	suite_add_tcase(suite, tcase);
	tcase_add_loop_test(tcase, link_decoded, 0, ARRAY_LEN(links));
	tcase_add_loop_test(tcase, address_decoded, 0, ARRAY_LEN(addresses));
	tcase_add_loop_test(tcase, end_decoded, 0, ARRAY_LEN(ends));
	tcase_add_loop_test(tcase, other_skipped, 0, ARRAY_LEN(others));
	tcase_add_loop_test(tcase, broken_refused, 0, ARRAY_LEN(broken));
	tcase_add_test(tcase, long_name_refused);
	tcase_add_test(tcase, truncated_refused);
	tcase_add_test(tcase, lengths_are_aligned);
	tcase_add_loop_test(tcase, route_decoded, 0, ARRAY_LEN(routes));
	tcase_add_loop_test(tcase, foreign_route_skipped, 0, ARRAY_LEN(foreign_routes));
	tcase_add_test(tcase, dumps_golden);
	tcase_add_test(tcase, routes_golden);
	tcase_add_loop_test(tcase, add_golden, 0, ARRAY_LEN(adds));
	tcase_add_test(tcase, del_golden);
	tcase_add_loop_test(tcase, add_is_ours, 0, ARRAY_LEN(adds));
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
