/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shell: answers ARP requests (RFC 826, 5227) and neighbour solicitations (RFC 4861 7.2.4) for those held addresses that the
 * kernel does not answer for: all in mode none, IPv6 in mode route, and IPv4 there where arp_ignore forbids the kernel to. Only on
 * the interface of the claim, and only while the host has the right to.
 */
#ifndef MLB_DAEMON_RESPONDER_H
#define MLB_DAEMON_RESPONDER_H

#include "daemon/host_internal.h"

/* The address is in service: join the group of its solicitations, if they are ours to answer. */
void responder_start(struct host *host, struct held *held);
void responder_stop(struct host *host, struct held *held);
/* Queue the answer to a packet that came in on a port, if it asks for one of ours. */
void responder_arp(struct host *host, struct port *port, const struct arp_packet *packet, struct instant now);
void responder_ndp(struct host *host, struct port *port, const struct ndp_frame *frame, struct instant now);

#endif
