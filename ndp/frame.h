/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Neighbour Discovery messages in IPv6 packets in Ethernet frames (RFC 2464, RFC 8200), whole and with their checksum; and the
 * answer to a solicitation (RFC 4861 7.2.4). Pure.
 */
#ifndef MLB_NDP_FRAME_H
#define MLB_NDP_FRAME_H

#include "ndp/packet.h"

/* Ethernet header 14, IPv6 header 40, message. */
#define NDP_FRAME_LEN_MAX (14 + 40 + NDP_PACKET_LEN_MAX)

struct ndp_frame {
	struct mac ethernet_source;
	struct mac ethernet_target;
	struct ip source; /* :: in a probe for a duplicate address */
	struct ip destination;
	struct ndp_packet packet;
};

/* Unsolicited advertisement for ip, from ip, to all nodes (RFC 4861 7.2.6). router: the host forwards IPv6. */
struct ndp_frame ndp_frame_unsolicited(struct mac mac, struct ip ip, bool router);
/* Who has target? To its solicited-node group, with our MAC (RFC 4861 4.3). source: an address of ours, never ::. */
struct ndp_frame ndp_frame_solicitation(struct mac mac, struct ip source, struct ip target);
/*
 * The answer to a solicitation for an address that is ours alone: S=1, O=1, unicast; to one from :: (duplicate address
 * detection) S=0 to all nodes.
 */
struct ndp_frame ndp_frame_answer(struct mac mac, const struct ndp_frame *solicitation, bool router);
/* Encode with hop limit 255. Returns the length. */
size_t ndp_frame_encode(const struct ndp_frame *frame, uint8_t out[NDP_FRAME_LEN_MAX]);
/*
 * All checks of RFC 4861 7.1: hop limit, checksum, lengths, options, addresses. 0, or -EBADMSG; then *ret is untouched. A message
 * behind an extension header is refused: neighbours do not send such (RFC 6980 forbids the one that could be misused, fragments).
 */
int ndp_frame_decode(const uint8_t *data, size_t len, struct ndp_frame *ret);

#endif
