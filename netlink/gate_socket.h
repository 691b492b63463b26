/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shell: the gate's two nf_tables sockets: one for transactions and questions, one for events. Every call but
 * gate_socket_hear may wait for another program's transaction.
 */
#ifndef MLB_NETLINK_GATE_SOCKET_H
#define MLB_NETLINK_GATE_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "netlink/gate_message.h"

/* nfnetlink messages of a dump or of events fill 8 to 32 KiB. */
#define GATE_RECEIVE_LEN 65536

struct gate_socket {
	struct mnl_socket *requests; /* ours */
	struct mnl_socket *events;   /* ours */
	uint32_t seq;		     /* of the last request */
	_Alignas(8) uint8_t received[GATE_RECEIVE_LEN];
};

/* What gate_socket_hear found. */
struct gate_heard {
	bool touched; /* another program changed one of our tables */
	bool lost;    /* events were lost: ask */
};

/* Both sockets, subscribed. 0 or a negative errno. *s may be closed in either case, also when it is all zero. */
int gate_socket_open(struct gate_socket *s);
void gate_socket_close(struct gate_socket *s);
int gate_socket_event_fd(const struct gate_socket *s);
/* Carry out one batch. 0, or the kernel's error on the first message that it refused: then nothing has happened. */
int gate_socket_commit(struct gate_socket *s, const struct gate_batch *b);
/* Read all events that wait (bounded), without waiting. */
struct gate_heard gate_socket_hear(struct gate_socket *s);
/*
 * A number that stays the same as long as nobody touches the tables themselves, their chains or rules. 0; -ENOENT: a
 * table is missing; -EINTR: somebody is changing nf_tables just now; or another negative errno.
 */
int gate_socket_fingerprint(struct gate_socket *s, uint64_t *ret);
/* How many addresses each set holds: arp vips4, inet vips4, inet vips6. Errors as above. */
int gate_socket_count(struct gate_socket *s, size_t ret[3]);

#endif
