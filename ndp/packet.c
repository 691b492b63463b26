/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: the two messages
 *
 *    0    1    2         4                   8                    24    25    26       32
 *   +----+----+---------+-------------------+--------------------+-----+-----+--------+
 *   |type|code| checksum| R S O  reserved   | target             |opt  | len | MAC    |
 *   | 1  | 1 0| 2       | 4 (bits 31 30 29) | 16                 | 1   | 1 1 | 6      |
 *   +----+----+---------+-------------------+--------------------+-----+-----+--------+
 *   RFC 4861 4.3 (135, the flags are reserved), 4.4 (136)         4.6.1, in units of 8 bytes
 */
#include "ndp/packet.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/wire.h"

#define FLAG_ROUTER 0x80000000u
#define FLAG_SOLICITED 0x40000000u
#define FLAG_OVERRIDE 0x20000000u

#define OPTION_SOURCE_MAC 1
#define OPTION_TARGET_MAC 2
#define OPTION_UNIT 8

struct ndp_packet ndp_unsolicited(struct ip ip, struct mac mac, bool router)
{
	return (struct ndp_packet){
		.kind = NDP_ADVERTISEMENT,
		.target = ip,
		.router = router,
		.override = true,
		.has_mac = true,
		.mac = mac,
	};
}

/* The link-layer option that belongs to the kind of message. */
static uint8_t mac_option(enum ndp_kind kind)
{
	return kind == NDP_SOLICITATION ? OPTION_SOURCE_MAC : OPTION_TARGET_MAC;
}

size_t ndp_encode(const struct ndp_packet *packet, uint8_t out[NDP_PACKET_LEN_MAX])
{
	struct wire_writer w = wire_writer_of(out, NDP_PACKET_LEN_MAX);
	uint32_t flags = 0;

	assert(packet->target.family == IP_V6);
	if (packet->kind == NDP_ADVERTISEMENT)
		flags = (packet->router ? FLAG_ROUTER : 0) | (packet->solicited ? FLAG_SOLICITED : 0) |
			(packet->override ? FLAG_OVERRIDE : 0);
	wire_write_u8(&w, (uint8_t)packet->kind);
	wire_write_u8(&w, 0);
	wire_write_u16(&w, 0);
	wire_write_u32(&w, flags);
	wire_write_bytes(&w, packet->target.bytes, sizeof(packet->target.bytes));
	if (packet->has_mac) {
		wire_write_u8(&w, mac_option(packet->kind));
		wire_write_u8(&w, 1);
		wire_write_mac(&w, packet->mac);
	}
	assert(!w.failed);
	return w.len;
}

/* RFC 4861 7.1: every option has a length; those that are not known are skipped. The first address option counts. */
static void read_options(struct wire_reader *r, struct ndp_packet *packet)
{
	while (!r->failed && wire_left(r) > 0) {
		uint8_t type = wire_read_u8(r);
		size_t units = wire_read_u8(r);
		struct wire_reader option;

		if (units == 0) {
			wire_fail(r);
			return;
		}
		option = wire_read_sub(r, units * OPTION_UNIT - 2);
		if (type != mac_option(packet->kind) || packet->has_mac)
			continue;
		packet->mac = wire_read_mac(&option);
		packet->has_mac = true;
		if (units != 1)
			wire_fail(r); /* no MAC of Ethernet (RFC 2464 6) */
	}
}

int ndp_decode(const uint8_t *data, size_t len, struct ndp_packet *ret)
{
	struct wire_reader r = wire_reader_of(data, len);
	struct ndp_packet packet = { .kind = NDP_SOLICITATION, .target.family = IP_V6 };
	uint8_t type = wire_read_u8(&r);
	uint32_t flags;

	if (type != NDP_SOLICITATION && type != NDP_ADVERTISEMENT)
		wire_fail(&r);
	if (wire_read_u8(&r) != 0)
		wire_fail(&r);
	(void)wire_read_u16(&r);
	flags = wire_read_u32(&r);
	if (type == NDP_ADVERTISEMENT) {
		packet.kind = NDP_ADVERTISEMENT;
		packet.router = (flags & FLAG_ROUTER) != 0;
		packet.solicited = (flags & FLAG_SOLICITED) != 0;
		packet.override = (flags & FLAG_OVERRIDE) != 0;
	}
	wire_read_bytes(&r, packet.target.bytes, sizeof(packet.target.bytes));
	if (packet.target.bytes[0] == 0xff)
		wire_fail(&r); /* the target must not be a multicast address */
	read_options(&r, &packet);
	if (r.failed)
		return -EBADMSG;
	*ret = packet;
	return 0;
}

struct ip ndp_solicited_node(struct ip ip)
{
	/* ff02::1:ff00:0/104 and the low 24 bits */
	struct ip node = { .family = IP_V6, .bytes = { 0xff, 0x02, [11] = 0x01, [12] = 0xff } };

	assert(ip.family == IP_V6);
	memcpy(node.bytes + 13, ip.bytes + 13, 3);
	return node;
}
