/* SPDX-License-Identifier: Apache-2.0 */
/* Shell: the UDP socket that gossip speaks over, IPv4 or IPv6. Non-blocking; batches on reading. */
#ifndef MLB_GOSSIP_UDP_H
#define MLB_GOSSIP_UDP_H

#include "base/addr.h"

/* Datagrams that one udp_read takes from the kernel at most. */
#define UDP_BATCH_MAX 32

/* Open and bind. The descriptor, or a negative errno (-EADDRINUSE, -EADDRNOTAVAIL, -EACCES, ...). */
int udp_open(struct endpoint bind_to);
/* Send one datagram. 0 or a negative errno; a full buffer or an unreachable peer is no reason to stop. */
int udp_send(int fd, struct endpoint to, const uint8_t *data, size_t len);
/*
 * Read up to UDP_BATCH_MAX datagrams and call take for each; one longer than PACKET_LEN_MAX is given with its first
 * PACKET_LEN_MAX + 1 bytes. Returns how many, or a negative errno.
 */
int udp_read(int fd, void (*take)(void *arg, struct endpoint from, const uint8_t *data, size_t len), void *arg);
/* The address of this host from which a peer is reached (no packet is sent). 0 or a negative errno. */
int udp_source_for(struct endpoint peer, struct ip *ret);

#endif
