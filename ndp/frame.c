/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: the frame
 *
 *    0      6      12    14         18     20    21    22            38            54
 *   +------+------+-----+----------+------+-----+-----+-------------+-------------+------------
 *   | dst  | src  |86dd |6 0 0     |length|  58 | 255 | source      | destination | ndp/packet.c
 *   |  6   |  6   |  2  |4 bits.. 4|  2   |  1  |  1  |  16         |  16         |
 *   +------+------+-----+----------+------+-----+-----+-------------+-------------+------------
 *    Ethernet            RFC 8200 3                                                RFC 4861 4.3, 4.4
 */
#include "ndp/frame.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/checksum.h"
#include "base/wire.h"

#define ETHERTYPE_IPV6 0x86dd
#define NEXT_HEADER_ICMPV6 58
/* RFC 4861 7.1: a router would have lowered it, so 255 proves that the sender is on the link. */
#define HOP_LIMIT 255
#define CHECKSUM_AT 2 /* in the message */

static const struct ip all_nodes = { IP_V6, { 0xff, 0x02, [15] = 0x01 } };
static const struct ip unspecified = { IP_V6, { 0 } };

static bool is_multicast(struct ip ip)
{
	return ip.bytes[0] == 0xff;
}

/* RFC 2464 7: 33:33 and the last four bytes. */
static struct mac multicast_mac(struct ip group)
{
	struct mac mac = { { 0x33, 0x33 } };

	memcpy(mac.bytes + 2, group.bytes + 12, 4);
	return mac;
}

struct ndp_frame ndp_frame_unsolicited(struct mac mac, struct ip ip, bool router)
{
	return (struct ndp_frame){ mac, multicast_mac(all_nodes), ip, all_nodes, ndp_unsolicited(ip, mac, router) };
}

struct ndp_frame ndp_frame_solicitation(struct mac mac, struct ip source, struct ip target)
{
	struct ip group = ndp_solicited_node(target);
	struct ndp_packet packet = { .kind = NDP_SOLICITATION, .target = target, .has_mac = true, .mac = mac };

	assert(!ip_equal(source, unspecified));
	return (struct ndp_frame){ mac, multicast_mac(group), source, group, packet };
}

struct ndp_frame ndp_frame_answer(struct mac mac, const struct ndp_frame *solicitation, bool router)
{
	struct ndp_frame frame = ndp_frame_unsolicited(mac, solicitation->packet.target, router);

	/* RFC 4861 7.2.4: whoever asks from :: has no address yet, so everybody is told */
	if (ip_equal(solicitation->source, unspecified))
		return frame;
	frame.packet.solicited = true;
	frame.destination = solicitation->source;
	/* without the option it asked by unicast, and the frame says from where */
	frame.ethernet_target = solicitation->packet.has_mac ? solicitation->packet.mac : solicitation->ethernet_source;
	return frame;
}

/* RFC 8200 8.1: over the pseudo-header and the message. Of a message that carries its checksum: 0. */
static uint16_t checksum_of(const uint8_t *addresses, const uint8_t *message, size_t len)
{
	const uint8_t tail[8] = { 0, 0, (uint8_t)(len >> 8), (uint8_t)len, 0, 0, 0, NEXT_HEADER_ICMPV6 };
	uint32_t sum = checksum_add(0, addresses, 32);

	sum = checksum_add(sum, tail, sizeof(tail));
	return checksum_finish(checksum_add(sum, message, len));
}

size_t ndp_frame_encode(const struct ndp_frame *frame, uint8_t out[NDP_FRAME_LEN_MAX])
{
	struct wire_writer w = wire_writer_of(out, NDP_FRAME_LEN_MAX);
	uint8_t message[NDP_PACKET_LEN_MAX];
	size_t len = ndp_encode(&frame->packet, message);
	size_t message_at;

	assert(frame->source.family == IP_V6 && frame->destination.family == IP_V6);
	wire_write_mac(&w, frame->ethernet_target);
	wire_write_mac(&w, frame->ethernet_source);
	wire_write_u16(&w, ETHERTYPE_IPV6);
	wire_write_u32(&w, 6u << 28);
	wire_write_u16(&w, (uint16_t)len);
	wire_write_u8(&w, NEXT_HEADER_ICMPV6);
	wire_write_u8(&w, HOP_LIMIT);
	wire_write_bytes(&w, frame->source.bytes, sizeof(frame->source.bytes));
	wire_write_bytes(&w, frame->destination.bytes, sizeof(frame->destination.bytes));
	message_at = w.len;
	wire_write_bytes(&w, message, len);
	assert(!w.failed);
	wire_patch_u16(&w, message_at + CHECKSUM_AT, checksum_of(out + message_at - 32, message, len));
	return w.len;
}

static struct ip read_ipv6(struct wire_reader *r)
{
	struct ip ip = { .family = IP_V6 };

	wire_read_bytes(r, ip.bytes, sizeof(ip.bytes));
	return ip;
}

/* RFC 4861 7.1.1, 7.1.2: which addresses may go with which message. */
static bool addresses_fit(const struct ndp_frame *frame)
{
	const struct ndp_packet *packet = &frame->packet;

	if (is_multicast(frame->source))
		return false;
	if (packet->kind == NDP_ADVERTISEMENT)
		return !(is_multicast(frame->destination) && packet->solicited);
	if (ip_equal(frame->source, unspecified))
		return !packet->has_mac && ip_equal(frame->destination, ndp_solicited_node(packet->target));
	return true;
}

int ndp_frame_decode(const uint8_t *data, size_t len, struct ndp_frame *ret)
{
	struct wire_reader r = wire_reader_of(data, len);
	struct ndp_frame frame;
	const uint8_t *addresses, *message;
	size_t message_len;

	frame.ethernet_target = wire_read_mac(&r);
	frame.ethernet_source = wire_read_mac(&r);
	if (wire_read_u16(&r) != ETHERTYPE_IPV6 || wire_read_u32(&r) >> 28 != 6)
		return -EBADMSG;
	message_len = wire_read_u16(&r);
	if (wire_read_u8(&r) != NEXT_HEADER_ICMPV6 || wire_read_u8(&r) != HOP_LIMIT)
		return -EBADMSG;
	addresses = data + r.at;
	frame.source = read_ipv6(&r);
	frame.destination = read_ipv6(&r);
	message = wire_read_view(&r, message_len); /* what follows is padding */
	if (r.failed || checksum_of(addresses, message, message_len) != 0)
		return -EBADMSG;
	if (ndp_decode(message, message_len, &frame.packet) != 0 || !addresses_fit(&frame))
		return -EBADMSG;
	*ret = frame;
	return 0;
}
