/* SPDX-License-Identifier: Apache-2.0 */
/* ARP packets in Ethernet frames (RFC 826, RFC 5227, RFC 5944 4.6): encode and decode. Pure. */
#ifndef MLB_ARP_PACKET_H
#define MLB_ARP_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

#define ARP_FRAME_LEN 42

enum arp_operation { ARP_OP_REQUEST = 1, ARP_OP_REPLY = 2 };

struct arp_packet {
	struct mac ethernet_source;
	struct mac ethernet_target;
	enum arp_operation operation;
	struct mac sender_mac;
	struct ip sender_ip; /* IPv4; 0.0.0.0 in a probe */
	struct mac target_mac;
	struct ip target_ip;
};

/* Gratuitous ARP as request (RFC 5227 2.3): sender = target = ip, broadcast. */
struct arp_packet arp_gratuitous_request(struct mac mac, struct ip ip);
/* Gratuitous ARP as reply, target hardware address = sender's (RFC 5944 4.6): the form that Linux's locktime lets through. */
struct arp_packet arp_gratuitous_reply(struct mac mac, struct ip ip);
/* Ordinary request: who has target? tell sender. With sender 0.0.0.0 a probe (RFC 5227 2.1.1). */
struct arp_packet arp_request(struct mac mac, struct ip sender, struct ip target);
/* What a responder does with a packet. */
enum arp_verdict {
	ARP_ANSWER,
	ARP_IGNORE_REPLY,	 /* it asks nothing */
	ARP_IGNORE_DESTINATION,	 /* neither broadcast nor for us */
	ARP_IGNORE_ANNOUNCEMENT, /* sender = target: it does not ask, it says (RFC 5227 2.3) */
	ARP_IGNORE_NOT_OWNED,
};

/*
 * Is it a question that the owner of `mac` answers? `owned`: the target is to be answered for on that interface. A probe is one too:
 * whoever probes wants to know.
 */
enum arp_verdict arp_judge(const struct arp_packet *packet, struct mac mac, bool owned);
/* Unicast answer to a request. */
struct arp_packet arp_reply(struct mac mac, struct ip ip, const struct arp_packet *request);
void arp_encode(const struct arp_packet *packet, uint8_t frame[ARP_FRAME_LEN]);
/* 0, or -EBADMSG: truncated, not ARP over Ethernet for IPv4, another operation. Padding behind it is fine. */
int arp_decode(const uint8_t *frame, size_t len, struct arp_packet *ret);

#endif
