/* SPDX-License-Identifier: Apache-2.0 */
#include "allocator/store.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"

#define FIRST_LEN 64
#define CACHE_LINE 64

void *store_new(size_t n, size_t len)
{
	return calloc(n + (n == 0), len);
}

char *store_text(const char *text)
{
	size_t len = strlen(text) + 1;
	char *copy = calloc(len, 1);

	return copy != NULL ? memcpy(copy, text, len) : NULL;
}

void store_free(void *memory)
{
	free(memory);
}

void table_init(struct table *table, size_t item_len)
{
	*table = (struct table){ .item_len = item_len, .free = NONE };
}

void table_free(struct table *table)
{
	free(table->memory);
	free(table->heads);
	table_init(table, table->item_len);
}

uint64_t store_hash(uint64_t seed, const char *text, size_t len)
{
	uint64_t hash = hash_mix(seed + len);
	uint64_t word;

	for (; len >= sizeof(word); text += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, text, sizeof(word));
		hash = hash_mix(hash ^ word);
	}
	word = 0;
	memcpy(&word, text, len);
	return hash_mix(hash ^ word);
}

static struct link *link_at(const struct table *table, uint32_t index)
{
	return table_at(table, index);
}

static uint32_t *chain_of(const struct table *table, uint64_t hash)
{
	return &table->heads[(size_t)hash & (table->heads_len - 1)];
}

bool table_reserve(struct table *table, size_t n)
{
	size_t need = (size_t)table->live_n + n;
	size_t len = table->item_max == 0 ? FIRST_LEN : table->item_max;
	unsigned char *items;
	void *memory;
	uint32_t *heads;

	if (need <= table->item_max)
		return true;
	while (len < need)
		len *= 2;
	if (len > NONE / 4)
		return false;
	memory = calloc(len * table->item_len + CACHE_LINE, 1);
	heads = calloc(2 * len, sizeof(*heads));
	if (memory == NULL || heads == NULL) {
		free(memory);
		free(heads);
		return false;
	}
	items = (unsigned char *)memory + (CACHE_LINE - (uintptr_t)memory % CACHE_LINE);
	if (table->item_n > 0)
		memcpy(items, table->items, (size_t)table->item_n * table->item_len);
	free(table->memory);
	free(table->heads);
	table->memory = memory;
	table->items = items;
	table->heads = heads;
	table->item_max = (uint32_t)len;
	table->heads_len = (uint32_t)(2 * len);
	memset(heads, 0xff, 2 * len * sizeof(*heads));
	for (uint32_t i = 0; i < table->item_n; i++) {
		struct link *link = link_at(table, i);

		if (!link->live)
			continue;
		link->next = *chain_of(table, link->hash);
		*chain_of(table, link->hash) = i;
	}
	return true;
}

uint32_t table_add(struct table *table, uint64_t hash)
{
	uint32_t index = table->free;
	struct link *link;

	if (index != NONE) {
		table->free = link_at(table, index)->next;
	} else {
		assert(table->item_n < table->item_max);
		index = table->item_n++;
	}
	link = link_at(table, index);
	memset(link, 0, table->item_len);
	link->hash = hash;
	link->live = true;
	link->next = *chain_of(table, hash);
	*chain_of(table, hash) = index;
	table->live_n++;
	return index;
}

void table_remove(struct table *table, uint32_t index)
{
	struct link *link = link_at(table, index);
	uint32_t *at = chain_of(table, link->hash);

	assert(link->live);
	while (*at != index)
		at = &link_at(table, *at)->next;
	*at = link->next;
	link->live = false;
	link->next = table->free;
	table->free = index;
	table->live_n--;
}

uint32_t table_first(const struct table *table, uint64_t hash)
{
	return table->heads_len == 0 ? NONE : *chain_of(table, hash);
}

uint32_t table_next(const struct table *table, uint32_t index)
{
	return link_at(table, index)->next;
}
