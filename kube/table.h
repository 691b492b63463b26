/* SPDX-License-Identifier: Apache-2.0 */
/* Objects by a text, in a hash table whose buckets nobody outside can choose. Pure; memory grows with what is in it. */
#ifndef MLB_KUBE_TABLE_H
#define MLB_KUBE_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "kube/arena.h"

/* The first member of each object. */
struct kube_item {
	struct kube_item *next; /* in its bucket */
	uint64_t hash;
	const char *key; /* in the object's own block */
};

struct kube_table {
	struct kube_item **buckets; /* owned, with the objects in them */
	size_t bucket_n;	    /* a power of two, or 0 */
	size_t n;
	struct arena arena; /* of `buckets` */
	uint64_t seed;	    /* keys come from outside: nobody else may know where they fall */
};

void kube_table_init(struct kube_table *table, uint64_t seed);
/* All objects are freed, each told to `release` before, which may be NULL. The table is empty then. */
void kube_table_free(struct kube_table *table, void (*release)(struct kube_item *item));
/* NULL: not there. Borrowed until it is removed. */
struct kube_item *kube_table_find(const struct kube_table *table, const char *key);
/* A zeroed object of `size` bytes, whose key is not there yet. NULL: no memory. */
struct kube_item *kube_table_add(struct kube_table *table, size_t size, const char *key);
/* It must be in there; freed. */
void kube_table_remove(struct kube_table *table, struct kube_item *item);

/* A walk over all objects, in no order; the one that was returned last may be removed. Zeroed: at the start. */
struct kube_walk {
	size_t bucket;
	struct kube_item *next;
};
struct kube_item *kube_table_next(const struct kube_table *table, struct kube_walk *walk);

#endif
