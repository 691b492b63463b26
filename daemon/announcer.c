/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/announcer.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/repeat.h"
#include "base/rng.h"

#define NO_SLOT UINT32_MAX
#define BUCKET_N (2 * ADDRESS_MAX) /* a power of two */

struct entry {
	struct ip ip;
	uint32_t ifindex;
	uint32_t place; /* in the heap */
	struct repeat repeat;
};

struct announcer {
	struct rng rng;
	uint32_t n;
	struct entry entries[ADDRESS_MAX]; /* the first n are used, in no order */
	uint32_t heap[ADDRESS_MAX];	   /* entries, the earliest first */
	uint32_t by_ip[BUCKET_N];	   /* open addressing */
};

static bool earlier(const struct announcer *a, uint32_t left, uint32_t right)
{
	return instant_before(a->entries[left].repeat.next, a->entries[right].repeat.next);
}

static void put(struct announcer *a, uint32_t place, uint32_t entry)
{
	a->heap[place] = entry;
	a->entries[entry].place = place;
}

/* Move the entry at a place up or down until the heap is in order again. */
static void settle(struct announcer *a, uint32_t place)
{
	uint32_t entry = a->heap[place];
	uint32_t child;

	while (place > 0 && earlier(a, entry, a->heap[(place - 1) / 2])) {
		put(a, place, a->heap[(place - 1) / 2]);
		place = (place - 1) / 2;
	}
	while ((child = 2 * place + 1) < a->n) {
		if (child + 1 < a->n && earlier(a, a->heap[child + 1], a->heap[child]))
			child++;
		if (!earlier(a, a->heap[child], entry))
			break;
		put(a, place, a->heap[child]);
		place = child;
	}
	put(a, place, entry);
}

static uint32_t home_of(struct ip ip)
{
	return (uint32_t)hash_bytes(ip.family, ip.bytes, sizeof(ip.bytes)) & (BUCKET_N - 1);
}

/* The bucket that holds the address, or the empty one where it would go. */
static uint32_t *bucket_of(struct announcer *a, struct ip ip)
{
	uint32_t i = home_of(ip);

	while (a->by_ip[i] != NO_SLOT && !ip_equal(a->entries[a->by_ip[i]].ip, ip))
		i = (i + 1) & (BUCKET_N - 1);
	return &a->by_ip[i];
}

/* Empty a bucket and close the gap, so that later entries of the run stay findable. */
static void bucket_clear(struct announcer *a, uint32_t *bucket)
{
	uint32_t hole = (uint32_t)(bucket - a->by_ip);
	uint32_t mask = BUCKET_N - 1;

	for (uint32_t i = (hole + 1) & mask; a->by_ip[i] != NO_SLOT; i = (i + 1) & mask) {
		uint32_t home = home_of(a->entries[a->by_ip[i]].ip);

		if (((i - home) & mask) < ((i - hole) & mask))
			continue;
		a->by_ip[hole] = a->by_ip[i];
		hole = i;
	}
	a->by_ip[hole] = NO_SLOT;
}

struct announcer *announcer_new(uint64_t seed)
{
	struct announcer *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return NULL;
	a->rng = rng_of(seed);
	memset(a->by_ip, 0xff, sizeof(a->by_ip));
	return a;
}

void announcer_free(struct announcer *a)
{
	free(a);
}

int announcer_start(struct announcer *a, struct ip ip, uint32_t ifindex, struct instant now)
{
	uint32_t *bucket = bucket_of(a, ip);
	uint32_t entry = *bucket;

	if (entry == NO_SLOT) {
		if (a->n == ADDRESS_MAX)
			return -ENOSPC;
		entry = a->n++;
		*bucket = entry;
		a->entries[entry].ip = ip;
		put(a, entry, entry);
	}
	a->entries[entry].ifindex = ifindex;
	repeat_start(&a->entries[entry].repeat, now);
	settle(a, a->entries[entry].place);
	return 0;
}

void announcer_stop(struct announcer *a, struct ip ip)
{
	uint32_t *bucket = bucket_of(a, ip);
	uint32_t entry = *bucket;
	uint32_t place;
	uint32_t last = a->n - 1;

	if (entry == NO_SLOT)
		return;
	place = a->entries[entry].place;
	bucket_clear(a, bucket);
	if (entry != last) {
		/* the last entry moves into the free slot */
		bucket = bucket_of(a, a->entries[last].ip);
		*bucket = entry;
	}
	a->n--;
	if (place != last)
		put(a, place, a->heap[last]);
	if (entry != last) {
		a->entries[entry] = a->entries[last];
		a->heap[a->entries[entry].place] = entry;
	}
	if (place < a->n)
		settle(a, place);
}

void announcer_restart_link(struct announcer *a, uint32_t ifindex, struct instant now)
{
	for (uint32_t i = 0; i < a->n; i++) {
		if (a->entries[i].ifindex != ifindex)
			continue;
		repeat_start(&a->entries[i].repeat, now);
		settle(a, a->entries[i].place);
	}
}

bool announcer_due(struct announcer *a, struct instant now, struct ip *ip, uint32_t *ifindex)
{
	struct entry *entry;

	if (a->n == 0)
		return false;
	entry = &a->entries[a->heap[0]];
	if (!repeat_due(&entry->repeat, now, &a->rng))
		return false;
	*ip = entry->ip;
	*ifindex = entry->ifindex;
	settle(a, 0);
	return true;
}

struct instant announcer_deadline(const struct announcer *a)
{
	return a->n > 0 ? a->entries[a->heap[0]].repeat.next : INSTANT_NEVER;
}

size_t announcer_n(const struct announcer *a)
{
	return a->n;
}
