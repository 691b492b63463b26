/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/queue.h"

#include <assert.h>
#include <stdlib.h>

static bool comes_before(const struct queue_event *a, const struct queue_event *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

static void swap(struct queue_event *a, struct queue_event *b)
{
	struct queue_event t = *a;

	*a = *b;
	*b = t;
}

static void grow(struct queue *queue)
{
	size_t cap = queue->cap == 0 ? 1024 : 2 * queue->cap;
	struct queue_event *heap = realloc(queue->heap, cap * sizeof(*heap));

	if (heap == NULL)
		abort();
	queue->heap = heap;
	queue->cap = cap;
}

void queue_push(struct queue *queue, struct queue_event event)
{
	size_t at = queue->n;

	if (queue->n == queue->cap)
		grow(queue);
	event.order = queue->next_order++;
	queue->heap[queue->n++] = event;
	while (at > 0 && comes_before(&queue->heap[at], &queue->heap[(at - 1) / 2])) {
		swap(&queue->heap[at], &queue->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
}

bool queue_pop(struct queue *queue, struct queue_event *ret)
{
	size_t at = 0;

	if (queue->n == 0)
		return false;
	*ret = queue->heap[0];
	queue->heap[0] = queue->heap[--queue->n];
	for (;;) {
		size_t least = at;

		for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < queue->n; child++) {
			if (comes_before(&queue->heap[child], &queue->heap[least]))
				least = child;
		}
		if (least == at)
			return true;
		swap(&queue->heap[at], &queue->heap[least]);
		at = least;
	}
}

void queue_free(struct queue *queue)
{
	for (size_t i = 0; i < queue->n; i++)
		free(queue->heap[i].packet);
	free(queue->heap);
	*queue = (struct queue){ 0 };
}
