/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All heap of the allocator: arrays that grow, and tables of items found by hash. Room is reserved before anything is changed, so
 * that a change cannot stop half-way for want of memory. Pure but for calloc and free.
 */
#ifndef MLB_ALLOCATOR_STORE_H
#define MLB_ALLOCATOR_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* No item. */
#define NONE UINT32_MAX

/* Zeroed memory for n items of len bytes, also when n is 0; NULL: none. Freed by store_free. */
void *store_new(size_t n, size_t len);
char *store_text(const char *text);
/* Of a name, for tables. */
uint64_t store_hash(uint64_t seed, const char *text, size_t len);
void store_free(void *memory);

/* The first member of each item. */
struct link {
	uint64_t hash;
	uint32_t next; /* in the chain of its hash, or of what is free */
	bool live;
};

struct table {
	void *memory;	      /* owned */
	unsigned char *items; /* in it, at a line of the cache: item_max of item_len bytes; moves when it grows */
	uint32_t *heads;      /* owned: chains; heads_len is a power of two */
	size_t item_len;
	uint32_t item_max;
	uint32_t item_n; /* ever used */
	uint32_t live_n;
	uint32_t free;
	uint32_t heads_len;
};

void table_init(struct table *table, size_t item_len);
void table_free(struct table *table);
/* Make room for n more items. False: no memory. */
bool table_reserve(struct table *table, size_t n);
/* A zeroed item under that hash; there must be room. */
uint32_t table_add(struct table *table, uint64_t hash);
void table_remove(struct table *table, uint32_t index);
/* Items under that hash, and perhaps others: compare. NONE: the end. */
uint32_t table_first(const struct table *table, uint64_t hash);
uint32_t table_next(const struct table *table, uint32_t index);

static inline void *table_at(const struct table *table, uint32_t index)
{
	return table->items + (size_t)index * table->item_len;
}

#endif
