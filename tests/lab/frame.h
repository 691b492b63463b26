/* SPDX-License-Identifier: Apache-2.0 */
/* Frames and echo requests that the prober sends: whole bytes, checksums included. Pure. */
#ifndef MLB_TESTS_LAB_FRAME_H
#define MLB_TESTS_LAB_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "ndp/packet.h"

/* Ethernet, IPv6 and the longest neighbour message. */
#define FRAME_NDP_LEN_MAX (14 + 40 + NDP_PACKET_LEN_MAX)
/* Next header and protocol number of ICMPv6. */
#define FRAME_ICMPV6 58
/* An echo request has the size that people's pings have. */
#define FRAME_ECHO_LEN 56

/* What an echo request carries, and its reply brings back. */
struct frame_echo {
	uint32_t cookie; /* of the sender: others on this host ping too */
	uint32_t target; /* index */
	uint32_t index;	 /* of the ping */
};

/* Ethernet and IPv6 (hop limit 255) around a neighbour message; returns the length. */
size_t frame_ndp(const struct ndp_packet *packet, struct mac from, struct ip source, struct mac to,
		 struct ip destination, uint8_t frame[FRAME_NDP_LEN_MAX]);
/* The Ethernet address of an IPv6 multicast group (RFC 2464 7). */
struct mac frame_multicast_mac(struct ip group);
/* ICMP (family IP_V4, with checksum) or ICMPv6 (the kernel fills it in) echo request. */
void frame_echo_encode(const struct frame_echo *echo, uint8_t family, uint8_t out[FRAME_ECHO_LEN]);
/* The body of an echo reply, IP header removed. 0 or -EBADMSG. */
int frame_echo_decode(const uint8_t *data, size_t len, struct frame_echo *ret);

#endif
