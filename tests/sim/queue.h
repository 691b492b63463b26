/* SPDX-License-Identifier: Apache-2.0 */
/* The simulator's event heap: what happens next, in virtual microseconds; ties in order of insertion, so runs repeat. */
#ifndef MLB_TESTS_SIM_QUEUE_H
#define MLB_TESTS_SIM_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct packet; /* tests/sim/network.h */

enum queue_kind {
	QUEUE_DELIVER, /* a packet reaches the host of `node` */
	QUEUE_WAKE,    /* the tick timer of a process */
	QUEUE_RENEW,   /* the lease timer of a process */
	QUEUE_ADDED,   /* the kernel has put an address up */
	QUEUE_DELETED, /* the kernel has taken it down */
	QUEUE_REFUSED, /* the kernel's refusal reaches the process */
	QUEUE_EXPIRE,  /* a lifetime may have run out */
	QUEUE_LINK,    /* the process hears of the state of its link */
	QUEUE_GATE,    /* a kernel's gate may shut */
	QUEUE_ANSWER,  /* the segment answers a question; index: who * SIM_ADDRESS_MAX + address */
	QUEUE_PATH,    /* the process asks whether its segment lives */
	QUEUE_SILENT,  /* the process looks whether its segment is silent; index 1: for good */
	QUEUE_FAULT,   /* the next fault of the plan */
	QUEUE_AUDIT,   /* look at everything */
};

struct queue_event {
	int64_t at_us;
	uint64_t order;	       /* set by queue_push */
	uint64_t stamp;	       /* generation of the process or kernel entry that it is meant for */
	struct packet *packet; /* owned by the event until it is taken; DELIVER only */
	enum queue_kind kind;
	uint32_t node;
	uint32_t index; /* of an address */
};

struct queue {
	struct queue_event *heap; /* owned */
	size_t n;
	size_t cap;
	uint64_t next_order;
};

/* Aborts without memory: a simulation that lost an event proves nothing. */
void queue_push(struct queue *queue, struct queue_event event);
/* The earliest event, or false when there is none. */
bool queue_pop(struct queue *queue, struct queue_event *ret);
/* Frees the heap and the packets in it. */
void queue_free(struct queue *queue);

#endif
