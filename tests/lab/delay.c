/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lab/delay.h"

#include <assert.h>
#include <string.h>

static bool waiting_before(const struct delay_waiting *a, const struct delay_waiting *b)
{
	return a->due_us != b->due_us ? a->due_us < b->due_us : a->seq < b->seq;
}

static void heap_swap(struct delay_waiting *a, struct delay_waiting *b)
{
	struct delay_waiting t = *a;

	*a = *b;
	*b = t;
}

void delay_init(struct delay *d)
{
	d->waiting_n = 0;
	d->seq = 0;
	for (size_t i = 0; i < DELAY_FRAME_MAX; i++)
		d->free[i] = (uint32_t)i;
}

bool delay_push(struct delay *d, int64_t due_us, size_t port, const uint8_t *frame, size_t len)
{
	size_t i = d->waiting_n;

	assert(len <= DELAY_FRAME_LEN_MAX && port <= UINT8_MAX);
	if (i == DELAY_FRAME_MAX)
		return false;
	d->heap[i] = (struct delay_waiting){
		.due_us = due_us,
		.seq = d->seq++,
		.buffer = d->free[i],
		.len = (uint16_t)len,
		.port = (uint8_t)port,
	};
	memcpy(d->buffers[d->free[i]], frame, len);
	d->waiting_n++;
	for (; i > 0 && waiting_before(&d->heap[i], &d->heap[(i - 1) / 2]); i = (i - 1) / 2)
		heap_swap(&d->heap[i], &d->heap[(i - 1) / 2]);
	return true;
}

int64_t delay_due_us(const struct delay *d)
{
	return d->waiting_n > 0 ? d->heap[0].due_us : INT64_MAX;
}

const uint8_t *delay_pop(struct delay *d, size_t *ret_len, size_t *ret_port)
{
	struct delay_waiting first = d->heap[0];

	assert(d->waiting_n > 0);
	d->heap[0] = d->heap[--d->waiting_n];
	d->free[d->waiting_n] = first.buffer;
	*ret_len = first.len;
	*ret_port = first.port;
	for (size_t i = 0;;) {
		size_t least = i;

		for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < d->waiting_n; child++)
			if (waiting_before(&d->heap[child], &d->heap[least]))
				least = child;
		if (least == i)
			return d->buffers[first.buffer];
		heap_swap(&d->heap[i], &d->heap[least]);
		i = least;
	}
}
