/* SPDX-License-Identifier: Apache-2.0 */
/* Shell: one AF_PACKET socket for ARP on all interfaces; sends frames, hears what others say. */
#ifndef MLB_ARP_SOCKET_H
#define MLB_ARP_SOCKET_H

#include "arp/packet.h"

/* Packets that go to the kernel in one call. */
#define ARP_BATCH_MAX 64

/* A packet and the interface that it goes out of. */
struct arp_outgoing {
	uint32_t ifindex;
	struct arp_packet packet;
};

/* Open the socket (non-blocking, close on exec, own frames ignored). Returns the descriptor or a negative errno (-EPERM: no CAP_NET_RAW). */
int arp_socket_open(void);
/*
 * Send n <= ARP_BATCH_MAX packets. One that cannot be sent (its interface is down or gone, its queue full) is left out; ARP is
 * repeated anyway. Returns how many went.
 */
size_t arp_socket_send_batch(int fd, const struct arp_outgoing *packets, size_t n);
/* Read one packet. 1: *packet and *ifindex are set; 0: nothing there; -EBADMSG: dropped a malformed one; else negative errno. */
int arp_socket_read(int fd, struct arp_packet *packet, uint32_t *ifindex);

#endif
