/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shell: a UDP socket that gossip speaks over, IPv4 or IPv6; one for each address of ours, the caller keeps the array.
 * Non-blocking, batches both ways, tells when the kernel took a datagram in and which peers refused one of ours.
 */
#ifndef MLB_GOSSIP_UDP_H
#define MLB_GOSSIP_UDP_H

#include "base/addr.h"
#include "base/time.h"

/* Datagrams that one udp_read takes from the kernel at most, and that one sendmmsg gets. */
#define UDP_BATCH_MAX 32

struct udp {
	int fd;			/* negative: not open */
	struct instant drained; /* when its queue was last seen empty: nothing in it now came before */
};

struct udp_datagram {
	struct endpoint from;
	struct instant received; /* by the kernel, on our clock; never later than now, so it may stand in an event */
	const uint8_t *data;	 /* borrowed */
	size_t len;		 /* one longer than PACKET_LEN_MAX is given with its first PACKET_LEN_MAX + 1 bytes */
};

struct udp_handler {
	void (*datagram)(void *arg, const struct udp_datagram *datagram);
	/*
	 * The peer itself answered one of our datagrams with "port unreachable" (RFC 792, RFC 4443 3.1): its kernel lives,
	 * its daemon does not. No more than a hint, for ICMP can be forged. May be NULL.
	 */
	void (*refused)(void *arg, struct endpoint peer);
	void *arg;
};

/* Open and bind. 0, or a negative errno (-EADDRINUSE, -EADDRNOTAVAIL, -EACCES, ...); udp->fd is then -1. */
int udp_open(struct udp *udp, struct endpoint bind_to);
/* Close, if it is open. */
void udp_close(struct udp *udp);
/*
 * Read up to UDP_BATCH_MAX datagrams and call the handler for each. Returns how many, or a negative errno. Poll for reading and for
 * priority data: waiting refusals are POLLERR | POLLPRI.
 */
int udp_read(struct udp *udp, const struct udp_handler *handler);
/* Read up to as many refusals, when poll says that there are any. */
void udp_read_refusals(struct udp *udp, const struct udp_handler *handler);
/* Send one datagram. 0 or a negative errno; a full buffer or an unreachable peer is no reason to stop. */
int udp_send(int fd, struct endpoint to, const uint8_t *data, size_t len);

struct udp_message {
	struct endpoint to;
	const uint8_t *data; /* borrowed */
	size_t len;
	int error; /* out: 0 or a negative errno */
};

/*
 * Send them in order, with as few system calls as possible. One that cannot be sent does not hold up those after it.
 * Returns how many were sent; `error` of each says what became of it.
 */
size_t udp_send_batch(int fd, struct udp_message *messages, size_t n);
/* The address of this host from which a peer is reached (no packet is sent). 0 or a negative errno. */
int udp_source_for(struct endpoint peer, struct ip *ret);

#endif
