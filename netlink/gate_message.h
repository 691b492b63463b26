/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gate's nf_tables transactions as bytes (linux/netfilter/nf_tables.h), built with libnftnl, and what the kernel's
 * events say about its tables. No sockets here; netlink/gate_socket.h sends.
 */
#ifndef MLB_NETLINK_GATE_MESSAGE_H
#define MLB_NETLINK_GATE_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/limits.h"

#define GATE_TABLE "mlbd"
#define GATE_SET_VIPS4 "vips4"
#define GATE_SET_VIPS6 "vips6"

/* Addresses in one message (its list may not exceed 64 KiB, and an IPv6 one takes 28 bytes), and in one chunk. */
#define GATE_CHUNK_MAX 1024

/* Every address at once, IPv4 ones in two tables at 16 bytes, and the tables themselves. */
#define GATE_BATCH_LEN_MAX ((size_t)ADDRESS_MAX * 32 + 65536)

/* Elements of the set `lease`. */
enum gate_key {
	GATE_KEY_LEASE = 1, /* what the rules look for */
	GATE_KEY_ARM = 2,   /* short-lived: what the transaction that opens must still find alive */
};

/* One transaction: all of it happens or nothing. */
struct gate_batch {
	uint8_t *bytes; /* GATE_BATCH_LEN_MAX of them, the caller's, aligned to 4 */
	size_t len;
	uint32_t seq; /* of every message in it */
};

void gate_batch_begin(struct gate_batch *b, uint32_t seq);
/* The last message but the end is the one that is acknowledged: call after at least one other. */
void gate_batch_end(struct gate_batch *b);
/* Take both tables away, whether they are there or not. */
void gate_batch_remove(struct gate_batch *b);
/* Both tables with sets, chains and rules; shut, and without addresses. 0 or -ENOMEM. */
int gate_batch_make(struct gate_batch *b);
/* Add or delete addresses (all IPv4 ones before the IPv6 ones), in every set that has their family. n <= ADDRESS_MAX. */
void gate_batch_addresses(struct gate_batch *b, bool add, const struct ip *ips, size_t n);
/* Take all elements out of `lease`; none is fine. */
void gate_batch_lease_clear(struct gate_batch *b);
/* Delete one: the transaction fails with -ENOENT when it is not there or has run out. */
void gate_batch_lease_del(struct gate_batch *b, enum gate_key key);
void gate_batch_lease_add(struct gate_batch *b, enum gate_key key, uint64_t timeout_ms);

/*
 * Does a datagram of nf_tables events (data aligned to 4) speak of one of our tables, by another's doing? portid is that of
 * our own requests.
 */
bool gate_event_touches(const void *data, size_t len, uint32_t portid);

#endif
