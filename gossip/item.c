/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replicated items. Each is written by its origin alone, with a version from one counter per origin, so "I have everything of X
 * up to version V" says all: a member that lags asks for what is newer than V. Items of one origin hang on a list in order of
 * version; a deleted one stays as a tombstone until its origin is forgotten or writes the key again.
 */
#include <assert.h>
#include <string.h>

#include "gossip/internal.h"

/* A member that lags asks at most so often; answers take a round trip. */
#define PULL_INTERVAL_MS 10

static size_t bucket_of(const struct gossip *g, uint64_t origin, const uint8_t *key, uint8_t key_len)
{
	return (size_t)hash_bytes(origin, key, key_len) & (g->by_item_len - 1);
}

static struct item *find(const struct gossip *g, const struct gossip_item *wanted)
{
	size_t i = bucket_of(g, wanted->origin, wanted->key, wanted->key_len);

	for (; g->by_item[i] != SLOT_NONE; i = (i + 1) & (g->by_item_len - 1)) {
		struct item *item = &g->items[g->by_item[i]];

		if (item->value.origin == wanted->origin && item->value.key_len == wanted->key_len &&
		    memcmp(item->value.key, wanted->key, wanted->key_len) == 0)
			return item;
	}
	return NULL;
}

bool gossip_item_find(const struct gossip *g, uint64_t origin, const uint8_t *key, uint8_t key_len,
		      struct gossip_item *ret)
{
	struct gossip_item wanted = { .origin = origin, .key_len = key_len };
	const struct item *item;

	assert(key_len <= ITEM_KEY_MAX);
	memcpy(wanted.key, key, key_len);
	item = find(g, &wanted);
	if (item == NULL || item->value.value_len == 0)
		return false;
	*ret = item->value;
	return true;
}

static uint32_t slot_of_item(const struct gossip *g, const struct item *item)
{
	return (uint32_t)(item - g->items);
}

static void index_add(struct gossip *g, const struct item *item)
{
	size_t i = bucket_of(g, item->value.origin, item->value.key, item->value.key_len);

	while (g->by_item[i] != SLOT_NONE)
		i = (i + 1) & (g->by_item_len - 1);
	g->by_item[i] = slot_of_item(g, item);
}

static void index_remove(struct gossip *g, const struct item *item)
{
	size_t mask = g->by_item_len - 1;
	size_t hole = bucket_of(g, item->value.origin, item->value.key, item->value.key_len);

	while (g->by_item[hole] != slot_of_item(g, item))
		hole = (hole + 1) & mask;
	for (size_t i = (hole + 1) & mask; g->by_item[i] != SLOT_NONE; i = (i + 1) & mask) {
		const struct gossip_item *value = &g->items[g->by_item[i]].value;
		size_t home = bucket_of(g, value->origin, value->key, value->key_len);

		if (((i - home) & mask) < ((i - hole) & mask))
			continue;
		g->by_item[hole] = g->by_item[i];
		hole = i;
	}
	g->by_item[hole] = SLOT_NONE;
}

static uint64_t digest_of(const struct gossip_item *value)
{
	return hash_bytes(value->version, value->key, value->key_len);
}

static void unlink_item(struct gossip *g, struct member *owner, struct item *item)
{
	if (item->previous == SLOT_NONE)
		owner->item_head = item->next;
	else
		g->items[item->previous].next = item->next;
	if (item->next == SLOT_NONE)
		owner->item_tail = item->previous;
	else
		g->items[item->next].previous = item->previous;
	owner->item_digest ^= digest_of(&item->value);
	owner->item_n--;
}

/* Into the owner's list by version: nearly always at its end. */
static void link_item(struct gossip *g, struct member *owner, struct item *item)
{
	uint32_t after = owner->item_tail;

	while (after != SLOT_NONE && g->items[after].value.version > item->value.version)
		after = g->items[after].previous;
	item->previous = after;
	item->next = after == SLOT_NONE ? owner->item_head : g->items[after].next;
	if (after == SLOT_NONE)
		owner->item_head = slot_of_item(g, item);
	else
		g->items[after].next = slot_of_item(g, item);
	if (item->next == SLOT_NONE)
		owner->item_tail = slot_of_item(g, item);
	else
		g->items[item->next].previous = slot_of_item(g, item);
	owner->item_digest ^= digest_of(&item->value);
	owner->item_n++;
}

static struct item *allocate(struct gossip *g)
{
	struct item *item;

	if (g->item_free != SLOT_NONE) {
		item = &g->items[g->item_free];
		g->item_free = item->next;
	} else if (g->item_touched < g->config.item_max) {
		item = &g->items[g->item_touched++];
	} else {
		return NULL;
	}
	memset(item, 0, sizeof(*item));
	item->used = true;
	g->item_n++;
	return item;
}

static void release(struct gossip *g, struct item *item)
{
	rumour_drop_item(g, item);
	index_remove(g, item);
	item->used = false;
	item->next = g->item_free;
	g->item_free = slot_of_item(g, item);
	g->item_n--;
}

bool item_put(struct gossip *g, const struct gossip_item *value, bool *full)
{
	struct member *owner = member_find(g, value->origin);
	struct item *item = find(g, value);

	*full = false;
	assert(owner != NULL);
	if (item != NULL && item->value.version >= value->version)
		return false;
	if (item != NULL) {
		unlink_item(g, owner, item);
		item->value = *value;
	} else {
		item = allocate(g);
		if (item == NULL) {
			*full = true;
			return false;
		}
		item->value = *value;
		item->owner = slot_of(g, owner);
		index_add(g, item);
	}
	link_item(g, owner, item);
	if (owner->item_top < value->version)
		owner->item_top = value->version;
	rumour_item(g, item,
		    slot_of(g, owner) == g->self || g->live_n > URGENT_MEMBER_MAX); /* as is_urgent in member.c */
	return true;
}

void item_drop_all(struct gossip *g, struct member *owner)
{
	while (owner->item_head != SLOT_NONE) {
		struct item *item = &g->items[owner->item_head];

		unlink_item(g, owner, item);
		release(g, item);
	}
}

void item_write_own(struct gossip *g, const uint8_t *key, uint8_t key_len, const uint8_t *value, uint8_t value_len)
{
	struct member *self = self_of(g);
	struct gossip_item item = { .origin = self->instance, .key_len = key_len, .value_len = value_len };
	bool full;

	assert(key_len <= ITEM_KEY_MAX && value_len <= ITEM_VALUE_MAX);
	memcpy(item.key, key, key_len);
	if (value_len > 0)
		memcpy(item.value, value, value_len);
	else if (find(g, &item) == NULL)
		return; /* nothing to delete */
	item.version = self->item_top + 1;
	(void)item_put(g, &item, &full);
	if (full)
		g->stats.drops[GOSSIP_DROP_FULL]++;
	else
		self->item_complete = item.version;
}

void item_compare(struct gossip *g, struct member *origin, struct member *ask, uint32_t top, uint64_t digest)
{
	struct packet packet;
	size_t at;

	if (slot_of(g, origin) == g->self || top < origin->item_complete)
		return;
	if (digest == origin->item_digest) {
		origin->item_complete = origin->item_top;
		return;
	}
	if (top == origin->item_complete)
		origin->item_complete = 0; /* a packet of an answer was lost: begin anew */
	if (instant_since(g->now, origin->pulled).us < span_ms(PULL_INTERVAL_MS).us ||
	    !packet_begin_member(g, &packet, ask))
		return;
	origin->pulled = g->now;
	at = message_begin(&packet.w, MESSAGE_PULL);
	wire_write_u64(&packet.w, origin->instance);
	wire_write_u32(&packet.w, origin->item_complete);
	message_end(&packet.w, at);
	packet_finish(g, &packet);
}
