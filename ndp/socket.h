/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shell: one AF_PACKET socket for neighbour solicitations and advertisements on all interfaces. Not a raw ICMPv6 socket: that
 * hears nothing of addresses that the kernel does not hold, and asks it for the MAC of every neighbour that is to be answered.
 */
#ifndef MLB_NDP_SOCKET_H
#define MLB_NDP_SOCKET_H

#include "ndp/frame.h"

/* Frames that go to the kernel in one call. */
#define NDP_BATCH_MAX 64

struct ndp_outgoing {
	uint32_t ifindex;
	struct ndp_frame frame;
};

/* Descriptor (non-blocking, close on exec, own frames ignored, filtered to types 135 and 136), or -EPERM without CAP_NET_RAW. */
int ndp_socket_open(void);
/* Send n <= NDP_BATCH_MAX frames, as arp_socket_send_batch does. Returns how many went. */
size_t ndp_socket_send_batch(int fd, const struct ndp_outgoing *outgoing, size_t n);
/* Read one frame. 1: *frame and *ifindex are set; 0: nothing there; -EBADMSG: dropped a malformed one; else negative errno. */
int ndp_socket_read(int fd, struct ndp_frame *frame, uint32_t *ifindex);
/* Let all multicast of an interface in, whatever groups are joined, or no longer. Calls count. 0 or a negative errno. */
int ndp_socket_all_groups(int fd, uint32_t ifindex, bool on);

#endif
