/* SPDX-License-Identifier: Apache-2.0 */
/* Frames that labswitch holds back: given again in order of their due times, equal ones in order of arrival. Pure. */
#ifndef MLB_TESTS_LAB_DELAY_H
#define MLB_TESTS_LAB_DELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DELAY_FRAME_MAX 16384	 /* 50,000 a second for 300 ms */
#define DELAY_FRAME_LEN_MAX 2048 /* TAPs keep the MTU of 1500; Ethernet and VLAN headers on top */

/* A frame that waits; a binary heap orders by due time, then by arrival. */
struct delay_waiting {
	int64_t due_us;
	uint64_t seq;
	uint32_t buffer;
	uint16_t len;
	uint8_t port;
};

struct delay {
	size_t waiting_n;
	struct delay_waiting heap[DELAY_FRAME_MAX];
	uint64_t seq;
	uint32_t free[DELAY_FRAME_MAX]; /* buffers; those from waiting_n on are free */
	uint8_t buffers[DELAY_FRAME_MAX][DELAY_FRAME_LEN_MAX];
};

void delay_init(struct delay *d);
/* Copies the frame, DELAY_FRAME_LEN_MAX bytes at most, for a port below 256. False: no room. */
bool delay_push(struct delay *d, int64_t due_us, size_t port, const uint8_t *frame, size_t len);
/* When the first is due; INT64_MAX: none waits. */
int64_t delay_due_us(const struct delay *d);
/* Remove the first, of which there must be one. Its bytes are valid until the next delay_push. */
const uint8_t *delay_pop(struct delay *d, size_t *ret_len, size_t *ret_port);

#endif
