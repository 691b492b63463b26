/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: the frame
 *
 *    0      6      12    14    16    18 19 20   22       28       32       38       42
 *   +------+------+-----+-----+-----+--+--+----+--------+--------+--------+--------+
 *   | dst  | src  |0806 |0001 |0800 |06|04| op | sender | sender | target | target |
 *   |  6   |  6   |  2  |  2  |  2  | 1| 1|  2 | MAC 6  |  IP 4  | MAC 6  |  IP 4  |
 *   +------+------+-----+-----+-----+--+--+----+--------+--------+--------+--------+
 *    Ethernet              RFC 826
 */
#include "arp/packet.h"

#include <assert.h>
#include <errno.h>

#include "base/wire.h"

#define ETHERTYPE_ARP 0x0806
#define HARDWARE_ETHERNET 1
#define PROTOCOL_IPV4 0x0800

static const struct mac broadcast = { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } };
static const struct mac zero = { { 0 } };

struct arp_packet arp_gratuitous_request(struct mac mac, struct ip ip)
{
	return arp_request(mac, ip, ip);
}

struct arp_packet arp_gratuitous_reply(struct mac mac, struct ip ip)
{
	return (struct arp_packet){ mac, broadcast, ARP_OP_REPLY, mac, ip, mac, ip };
}

struct arp_packet arp_request(struct mac mac, struct ip sender, struct ip target)
{
	/* RFC 5227 2.1.1, 2.3: the target hardware address is ignored and should be zero */
	return (struct arp_packet){ mac, broadcast, ARP_OP_REQUEST, mac, sender, zero, target };
}

enum arp_verdict arp_judge(const struct arp_packet *packet, struct mac mac, bool owned)
{
	if (packet->operation != ARP_OP_REQUEST)
		return ARP_IGNORE_REPLY;
	if (!mac_equal(packet->ethernet_target, broadcast) && !mac_equal(packet->ethernet_target, mac))
		return ARP_IGNORE_DESTINATION;
	if (ip_equal(packet->sender_ip, packet->target_ip))
		return ARP_IGNORE_ANNOUNCEMENT;
	return owned ? ARP_ANSWER : ARP_IGNORE_NOT_OWNED;
}

struct arp_packet arp_reply(struct mac mac, struct ip ip, const struct arp_packet *request)
{
	return (struct arp_packet){
		mac, request->sender_mac, ARP_OP_REPLY, mac, ip, request->sender_mac, request->sender_ip,
	};
}

void arp_encode(const struct arp_packet *packet, uint8_t frame[ARP_FRAME_LEN])
{
	struct wire_writer w = wire_writer_of(frame, ARP_FRAME_LEN);

	assert(packet->sender_ip.family == IP_V4 && packet->target_ip.family == IP_V4);
	wire_write_mac(&w, packet->ethernet_target);
	wire_write_mac(&w, packet->ethernet_source);
	wire_write_u16(&w, ETHERTYPE_ARP);
	wire_write_u16(&w, HARDWARE_ETHERNET);
	wire_write_u16(&w, PROTOCOL_IPV4);
	wire_write_u8(&w, sizeof(packet->sender_mac.bytes));
	wire_write_u8(&w, (uint8_t)ip_len(packet->sender_ip));
	wire_write_u16(&w, (uint16_t)packet->operation);
	wire_write_mac(&w, packet->sender_mac);
	wire_write_bytes(&w, packet->sender_ip.bytes, 4);
	wire_write_mac(&w, packet->target_mac);
	wire_write_bytes(&w, packet->target_ip.bytes, 4);
	assert(!w.failed && w.len == ARP_FRAME_LEN);
}

static struct ip read_ipv4(struct wire_reader *r)
{
	struct ip ip = { .family = IP_V4 };

	wire_read_bytes(r, ip.bytes, 4);
	return ip;
}

int arp_decode(const uint8_t *frame, size_t len, struct arp_packet *ret)
{
	struct wire_reader r = wire_reader_of(frame, len);
	struct arp_packet packet;
	uint16_t operation;

	packet.ethernet_target = wire_read_mac(&r);
	packet.ethernet_source = wire_read_mac(&r);
	if (wire_read_u16(&r) != ETHERTYPE_ARP || wire_read_u16(&r) != HARDWARE_ETHERNET ||
	    wire_read_u16(&r) != PROTOCOL_IPV4 || wire_read_u8(&r) != 6 || wire_read_u8(&r) != 4)
		wire_fail(&r);
	operation = wire_read_u16(&r);
	if (operation != ARP_OP_REQUEST && operation != ARP_OP_REPLY)
		wire_fail(&r);
	packet.operation = operation == ARP_OP_REPLY ? ARP_OP_REPLY : ARP_OP_REQUEST;
	packet.sender_mac = wire_read_mac(&r);
	packet.sender_ip = read_ipv4(&r);
	packet.target_mac = wire_read_mac(&r);
	packet.target_ip = read_ipv4(&r);
	if (r.failed)
		return -EBADMSG;
	*ret = packet;
	return 0;
}
