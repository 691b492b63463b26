/* SPDX-License-Identifier: Apache-2.0 */
/* Neighbour Discovery messages (RFC 4861 4.3, 4.4): advertisements and solicitations as ICMPv6 bodies. Pure. */
#ifndef MLB_NDP_PACKET_H
#define MLB_NDP_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

#define NDP_PACKET_LEN_MAX 32 /* ICMPv6 header and target 24, link-layer option 8 */

enum ndp_kind { NDP_SOLICITATION = 135, NDP_ADVERTISEMENT = 136 };

struct ndp_packet {
	enum ndp_kind kind;
	struct ip target;
	bool router; /* R, S, O: advertisements only */
	bool solicited;
	bool override;
	bool has_mac; /* source (solicitation) or target (advertisement) link-layer address option */
	struct mac mac;
};

/* Unsolicited advertisement (RFC 4861 7.2.6): S=0, O=1, target link-layer address. router: the host forwards IPv6. */
struct ndp_packet ndp_unsolicited(struct ip ip, struct mac mac, bool router);
/* Encode; the checksum field is left zero for the kernel (raw ICMPv6 sockets fill it in, RFC 3542 3.1). Returns the length. */
size_t ndp_encode(const struct ndp_packet *packet, uint8_t out[NDP_PACKET_LEN_MAX]);
/* RFC 4861 7.1 checks but for hop limit and checksum, which the shell and the kernel make. 0 or -EBADMSG. */
int ndp_decode(const uint8_t *data, size_t len, struct ndp_packet *ret);
/* The solicited-node multicast address of ip (RFC 4291 2.7.1). */
struct ip ndp_solicited_node(struct ip ip);

#endif
