/* SPDX-License-Identifier: Apache-2.0 */
/* Shell: one raw ICMPv6 socket for neighbour solicitations and advertisements; hop limit 255 both ways. */
#ifndef MLB_NDP_SOCKET_H
#define MLB_NDP_SOCKET_H

#include "ndp/packet.h"

/* Descriptor (non-blocking, close on exec, filtered to types 135 and 136), -EAFNOSUPPORT where IPv6 is off, -EPERM without CAP_NET_RAW. */
int ndp_socket_open(void);
/*
 * Send to a destination (ff02::1 for announcements) out of an interface, from `source` (it need not be configured yet;
 * IP_NONE: the kernel chooses). 0 or a negative errno.
 */
int ndp_socket_send(int fd, uint32_t ifindex, struct ip source, struct ip destination, const struct ndp_packet *packet);
/* As arp_socket_read; *source is the sender. Packets whose hop limit is not 255 are dropped as malformed (RFC 4861 7.1). */
int ndp_socket_read(int fd, struct ndp_packet *packet, struct ip *source, uint32_t *ifindex);

#endif
