/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: the order of ten thousand announcements
 *
 * An entry is in one of two heaps: it waits for its time, or it is ready and waits for its turn. Ready entries go by how often
 * they were announced, then by priority, then by time; so every address is announced once before any is announced twice.
 *
 * The pace is a compromise between two harms. Until an address is announced its clients send to the former owner, so all the
 * first announcements must be out within a second. But each is a broadcast, and while switches flood those in hardware, they
 * hand a copy to their own processor, where a policer drops what comes faster than some hundred or thousand a second; routers
 * among them then keep the former owner for hours. So first announcements go at the full rate and in one form only; what a
 * policed router missed, and the other form, comes with the repeats, at a fraction of the rate. A few addresses notice
 * nothing of all this: both forms of all of them go out at once.
 */
#include "daemon/announcer.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bucket.h"
#include "base/repeat.h"
#include "base/rng.h"

#define NO_SLOT UINT32_MAX
#define BUCKET_N (2 * ADDRESS_MAX) /* a power of two */

/* While the pace holds things back, send this many milliseconds' worth at a time: fewer wake-ups, and batches. */
#define BATCH_MS 2

/* Announcements that leave the gateway alone: the first two, which all hosts are to hear as soon as can be. */
#define GATEWAY_FROM 2

/* Frames of one announcement at most. */
#define FRAMES_MAX 3

enum heap_kind { WAITING, READY, HEAP_N };

struct entry {
	struct ip ip;
	uint32_t ifindex;
	unsigned int priority;
	uint32_t place;	      /* in its heap */
	uint8_t heap;	      /* enum heap_kind */
	bool owes_reply;      /* the first announcement went out as a request only */
	struct instant ready; /* when it became ready */
	struct repeat repeat;
};

struct heap {
	uint32_t n;
	uint32_t slots[ADDRESS_MAX]; /* entries, the first one first */
};

struct announcer {
	struct rng rng;
	struct bucket frames;  /* all */
	struct bucket repeats; /* those that are repeats */
	uint32_t n;
	struct entry entries[ADDRESS_MAX]; /* the first n are used, in no order */
	struct heap heaps[HEAP_N];
	uint32_t by_ip[BUCKET_N]; /* open addressing */
};

static bool is_before(const struct announcer *a, uint32_t left, uint32_t right)
{
	const struct entry *l = &a->entries[left];
	const struct entry *r = &a->entries[right];

	if (l->heap == WAITING)
		return instant_before(l->repeat.next, r->repeat.next);
	if (l->repeat.sent != r->repeat.sent)
		return l->repeat.sent < r->repeat.sent;
	if (l->priority != r->priority)
		return l->priority < r->priority;
	return instant_before(l->ready, r->ready);
}

static void put(struct announcer *a, struct heap *heap, uint32_t place, uint32_t entry)
{
	heap->slots[place] = entry;
	a->entries[entry].place = place;
}

/* Move the entry at a place up or down until the heap is in order again. */
static void settle(struct announcer *a, struct heap *heap, uint32_t place)
{
	uint32_t entry = heap->slots[place];
	uint32_t child;

	while (place > 0 && is_before(a, entry, heap->slots[(place - 1) / 2])) {
		put(a, heap, place, heap->slots[(place - 1) / 2]);
		place = (place - 1) / 2;
	}
	while ((child = 2 * place + 1) < heap->n) {
		if (child + 1 < heap->n && is_before(a, heap->slots[child + 1], heap->slots[child]))
			child++;
		if (!is_before(a, heap->slots[child], entry))
			break;
		put(a, heap, place, heap->slots[child]);
		place = child;
	}
	put(a, heap, place, entry);
}

static void heap_add(struct announcer *a, enum heap_kind kind, uint32_t entry)
{
	struct heap *heap = &a->heaps[kind];

	a->entries[entry].heap = (uint8_t)kind;
	put(a, heap, heap->n++, entry);
	settle(a, heap, heap->n - 1);
}

static void heap_remove(struct announcer *a, uint32_t entry)
{
	struct heap *heap = &a->heaps[a->entries[entry].heap];
	uint32_t place = a->entries[entry].place;

	heap->n--;
	if (place == heap->n)
		return;
	put(a, heap, place, heap->slots[heap->n]);
	settle(a, heap, place);
}

static uint32_t home_of(struct ip ip)
{
	return (uint32_t)hash_bytes(ip.family, ip.bytes, sizeof(ip.bytes)) & (BUCKET_N - 1);
}

/* The bucket that holds the address, or the empty one where it would go. */
static uint32_t *bucket_of_ip(struct announcer *a, struct ip ip)
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

struct announcer *announcer_new(uint64_t seed, uint32_t frames_per_s)
{
	struct announcer *a = calloc(1, sizeof(*a));

	assert(frames_per_s >= ANNOUNCER_REPEAT_PART);
	if (a == NULL)
		return NULL;
	a->rng = rng_of(seed);
	a->frames = bucket_of(frames_per_s, ANNOUNCER_BURST);
	a->repeats = bucket_of(frames_per_s / ANNOUNCER_REPEAT_PART, ANNOUNCER_BURST / 2);
	memset(a->by_ip, 0xff, sizeof(a->by_ip));
	return a;
}

void announcer_free(struct announcer *a)
{
	free(a);
}

/* Begin the schedule of an entry that is in no heap. */
static void begin(struct announcer *a, uint32_t entry, struct instant now)
{
	a->entries[entry].owes_reply = false;
	repeat_start(&a->entries[entry].repeat, now);
	heap_add(a, WAITING, entry);
}

int announcer_start(struct announcer *a, struct ip ip, uint32_t ifindex, unsigned int priority, struct instant now)
{
	uint32_t *bucket = bucket_of_ip(a, ip);
	uint32_t entry = *bucket;

	if (entry == NO_SLOT) {
		if (a->n == ADDRESS_MAX)
			return -ENOSPC;
		entry = a->n++;
		*bucket = entry;
		a->entries[entry].ip = ip;
	} else {
		heap_remove(a, entry);
	}
	a->entries[entry].ifindex = ifindex;
	a->entries[entry].priority = priority;
	begin(a, entry, now);
	return 0;
}

void announcer_stop(struct announcer *a, struct ip ip)
{
	uint32_t *bucket = bucket_of_ip(a, ip);
	uint32_t entry = *bucket;
	uint32_t last = a->n - 1;

	if (entry == NO_SLOT)
		return;
	heap_remove(a, entry);
	bucket_clear(a, bucket);
	if (entry != last) {
		/* the last entry moves into the free slot */
		bucket = bucket_of_ip(a, a->entries[last].ip);
		*bucket = entry;
		a->entries[entry] = a->entries[last];
		a->heaps[a->entries[entry].heap].slots[a->entries[entry].place] = entry;
	}
	a->n--;
}

void announcer_restart_link(struct announcer *a, uint32_t ifindex, struct instant now)
{
	for (uint32_t i = 0; i < a->n; i++) {
		if (a->entries[i].ifindex != ifindex)
			continue;
		heap_remove(a, i);
		begin(a, i, now);
	}
}

/* Those whose time has come. */
static void make_ready(struct announcer *a, struct instant now)
{
	struct heap *waiting = &a->heaps[WAITING];

	while (waiting->n > 0 && instant_reached(a->entries[waiting->slots[0]].repeat.next, now)) {
		uint32_t entry = waiting->slots[0];

		heap_remove(a, entry);
		a->entries[entry].ready = a->entries[entry].repeat.next;
		heap_add(a, READY, entry);
	}
}

static unsigned int refresh_form(const struct entry *entry)
{
	static const unsigned int forms[] = { ANNOUNCE_GATEWAY, ANNOUNCE_REQUEST, ANNOUNCE_REPLY };
	unsigned int n = entry->ip.family == IP_V4 ? 3 : 2;

	return forms[entry->repeat.sent % n];
}

/* Which forms a ready entry is to be announced in. */
static unsigned int forms_of(const struct entry *entry, struct instant now)
{
	unsigned int all = entry->ip.family == IP_V4 ? ANNOUNCE_REQUEST | ANNOUNCE_REPLY : ANNOUNCE_REQUEST;

	if (entry->repeat.sent == 0)
		return ANNOUNCE_REQUEST;
	/* the other half of the first announcement; or it waited until the next one was due */
	if (entry->owes_reply && !instant_reached(entry->repeat.next, now))
		return ANNOUNCE_REPLY;
	if (entry->repeat.sent < GATEWAY_FROM)
		return all;
	/* a refresh goes on for ever, on every host of the segment: one form after the other */
	return entry->repeat.sent < REPEAT_BURST_N ? all | ANNOUNCE_GATEWAY : refresh_form(entry);
}

static uint32_t frames_of(unsigned int forms)
{
	uint32_t n = 0;

	for (; forms != 0; forms &= forms - 1)
		n++;
	return n;
}

/* Count what was announced, and put the entry where it waits for the next. */
static void advance(struct announcer *a, uint32_t index, unsigned int forms, struct instant now)
{
	struct entry *entry = &a->entries[index];
	bool first = entry->repeat.sent == 0;

	heap_remove(a, index);
	if (!entry->owes_reply || forms != ANNOUNCE_REPLY)
		(void)repeat_due(&entry->repeat, now, &a->rng);
	entry->owes_reply = first && entry->ip.family == IP_V4;
	entry->ready = now;
	heap_add(a, entry->owes_reply ? READY : WAITING, index);
}

bool announcer_due(struct announcer *a, struct instant now, struct announcement *ret)
{
	const struct heap *ready = &a->heaps[READY];
	const struct entry *entry;
	unsigned int forms;
	uint32_t frames;
	bool repeated;

	make_ready(a, now);
	if (ready->n == 0)
		return false;
	entry = &a->entries[ready->slots[0]];
	forms = forms_of(entry, now);
	frames = frames_of(forms);
	repeated = entry->repeat.sent > 0;
	if (!bucket_has(&a->frames, frames, now) || (repeated && !bucket_has(&a->repeats, frames, now)))
		return false;
	bucket_take(&a->frames, frames);
	if (repeated)
		bucket_take(&a->repeats, frames);
	*ret = (struct announcement){ entry->ip, entry->ifindex, forms, repeated };
	advance(a, ready->slots[0], forms, now);
	return true;
}

/* When a bucket has tokens for some announcements together. */
static struct instant batch_ready(const struct bucket *bucket)
{
	uint32_t batch = bucket->per_s * BATCH_MS / 1000;

	batch = batch < FRAMES_MAX ? FRAMES_MAX : batch;
	return bucket_ready(bucket, batch < bucket->burst ? batch : bucket->burst);
}

static struct instant ready_deadline(const struct announcer *a)
{
	const struct entry *entry = &a->entries[a->heaps[READY].slots[0]];
	struct instant frames = batch_ready(&a->frames);
	struct instant repeats = batch_ready(&a->repeats);

	return entry->repeat.sent > 0 && instant_before(frames, repeats) ? repeats : frames;
}

struct instant announcer_deadline(const struct announcer *a)
{
	const struct heap *waiting = &a->heaps[WAITING];
	const struct entry *next = waiting->n > 0 ? &a->entries[waiting->slots[0]] : NULL;
	struct instant deadline = a->heaps[READY].n > 0 ? ready_deadline(a) : INSTANT_NEVER;

	/* a repeat whose time comes while others are held back is held back as well; one that was just started is not */
	if (next != NULL && (a->heaps[READY].n == 0 || next->repeat.sent == 0))
		deadline = instant_min(deadline, next->repeat.next);
	return deadline;
}

size_t announcer_n(const struct announcer *a)
{
	return a->n;
}
