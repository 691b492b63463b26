/* SPDX-License-Identifier: Apache-2.0 */
/* The conflict core's addresses: found by hash, and by the time of what they wait for. */
#include "daemon/conflict_table.h"

#include <assert.h>
#include <string.h>

static void put(struct conflict_table *t, enum conflict_timer timer, uint32_t place, uint32_t slot)
{
	t->heaps[timer].slots[place] = slot;
	t->entries[slot].place[timer] = place;
}

static bool is_before(const struct conflict_table *t, enum conflict_timer timer, uint32_t left, uint32_t right)
{
	return instant_before(t->entries[left].at[timer], t->entries[right].at[timer]);
}

/* Move what is at a place up or down until the heap is in order again. */
static void settle(struct conflict_table *t, enum conflict_timer timer, uint32_t place)
{
	const struct conflict_heap *heap = &t->heaps[timer];
	uint32_t slot = heap->slots[place];
	uint32_t child;

	while (place > 0 && is_before(t, timer, slot, heap->slots[(place - 1) / 2])) {
		put(t, timer, place, heap->slots[(place - 1) / 2]);
		place = (place - 1) / 2;
	}
	while ((child = 2 * place + 1) < heap->n) {
		if (child + 1 < heap->n && is_before(t, timer, heap->slots[child + 1], heap->slots[child]))
			child++;
		if (!is_before(t, timer, heap->slots[child], slot))
			break;
		put(t, timer, place, heap->slots[child]);
		place = child;
	}
	put(t, timer, place, slot);
}

void conflict_table_set(struct conflict_table *t, struct conflict_entry *entry, enum conflict_timer timer,
			struct instant at)
{
	struct conflict_heap *heap = &t->heaps[timer];
	bool was_set = entry->at[timer].us != INSTANT_NEVER.us;
	bool is_set = at.us != INSTANT_NEVER.us;
	uint32_t place = was_set ? entry->place[timer] : heap->n;

	if (!was_set && !is_set)
		return;
	entry->at[timer] = at;
	if (!was_set) {
		put(t, timer, heap->n++, (uint32_t)(entry - t->entries));
	} else if (!is_set) {
		heap->n--;
		if (place == heap->n)
			return;
		put(t, timer, place, heap->slots[heap->n]);
	}
	settle(t, timer, place);
}

uint32_t conflict_table_first(const struct conflict_table *t, enum conflict_timer timer)
{
	return t->heaps[timer].n > 0 ? t->heaps[timer].slots[0] : CONFLICT_SLOT_NONE;
}

static uint32_t home_of(struct ip ip)
{
	return (uint32_t)hash_bytes(ip.family, ip.bytes, sizeof(ip.bytes)) & (CONFLICT_BUCKET_N - 1);
}

/* The bucket that holds the address, or the empty one where it would go. */
static uint32_t bucket_of_ip(const struct conflict_table *t, struct ip ip)
{
	uint32_t i = home_of(ip);

	while (t->by_ip[i] != CONFLICT_SLOT_NONE && !ip_equal(t->entries[t->by_ip[i]].ip, ip))
		i = (i + 1) & (CONFLICT_BUCKET_N - 1);
	return i;
}

/* Does nothing that it knows matter any more? */
static bool is_idle(const struct conflict_entry *entry, struct instant now)
{
	return !entry->held && instant_reached(entry->first_until, now) &&
	       (entry->yield_n == 0 ||
		instant_reached(instant_add(entry->yield_until, span_s(CONFLICT_YIELD_PEACE_S)), now));
}

static void rebuild(struct conflict_table *t)
{
	memset(t->by_ip, 0xff, sizeof(t->by_ip));
	for (uint32_t i = 0; i < t->n; i++)
		t->by_ip[bucket_of_ip(t, t->entries[i].ip)] = i;
}

/* Drop idle entries. What is configured fits, so they are addresses that were configured before a reload. */
static void sweep(struct conflict_table *t, struct instant now)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < t->n; i++) {
		if (is_idle(&t->entries[i], now))
			continue;
		if (kept != i) {
			t->entries[kept] = t->entries[i];
			for (unsigned int timer = 0; timer < CONFLICT_TIMER_N; timer++) {
				if (t->entries[kept].at[timer].us != INSTANT_NEVER.us)
					t->heaps[timer].slots[t->entries[kept].place[timer]] = kept;
			}
		}
		kept++;
	}
	t->n = kept;
	rebuild(t);
}

uint32_t conflict_table_find(const struct conflict_table *t, struct ip ip)
{
	return t->by_ip[bucket_of_ip(t, ip)];
}

uint32_t conflict_table_get(struct conflict_table *t, struct ip ip, struct instant now)
{
	uint32_t slot = conflict_table_find(t, ip);

	if (slot != CONFLICT_SLOT_NONE)
		return slot;
	if (t->n == ADDRESS_MAX)
		sweep(t, now);
	if (t->n == ADDRESS_MAX)
		return CONFLICT_SLOT_NONE;
	slot = t->n++;
	t->entries[slot] = (struct conflict_entry){ .ip = ip };
	for (unsigned int timer = 0; timer < CONFLICT_TIMER_N; timer++)
		t->entries[slot].at[timer] = INSTANT_NEVER;
	t->by_ip[bucket_of_ip(t, ip)] = slot;
	return slot;
}

void conflict_table_init(struct conflict_table *t)
{
	rebuild(t);
}
