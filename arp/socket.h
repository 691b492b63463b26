/* SPDX-License-Identifier: Apache-2.0 */
/* Shell: one AF_PACKET socket for ARP on all interfaces; sends frames, hears what others announce. */
#ifndef MLB_ARP_SOCKET_H
#define MLB_ARP_SOCKET_H

#include "arp/packet.h"

/* Open the socket (non-blocking, close on exec, own frames ignored). Returns the descriptor or a negative errno (-EPERM: no CAP_NET_RAW). */
int arp_socket_open(void);
/* Send one packet out of an interface. 0 or a negative errno. */
int arp_socket_send(int fd, uint32_t ifindex, const struct arp_packet *packet);
/* Read one packet. 1: *packet and *ifindex are set; 0: nothing there; -EBADMSG: dropped a malformed one; else negative errno. */
int arp_socket_read(int fd, struct arp_packet *packet, uint32_t *ifindex);

#endif
