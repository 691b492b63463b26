/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/table.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "base/rng.h"

#define BUCKETS_FIRST 64

void kube_table_init(struct kube_table *table, uint64_t seed)
{
	*table = (struct kube_table){ .seed = seed };
}

void kube_table_free(struct kube_table *table, void (*release)(struct kube_item *item))
{
	struct kube_walk walk = { 0 };
	struct kube_item *item;

	while ((item = kube_table_next(table, &walk)) != NULL) {
		if (release != NULL)
			release(item);
		arena_object_free(item);
	}
	arena_free(&table->arena);
	kube_table_init(table, table->seed);
}

/* SipHash: who may create objects chooses their names, and must not be able to choose their buckets. */
static uint64_t hash_of(const struct kube_table *table, const char *key)
{
	uint64_t words[2] = { hash_mix(table->seed), hash_mix(table->seed + 1) };
	unsigned char k[crypto_shorthash_KEYBYTES];
	uint64_t hash;

	_Static_assert(sizeof(words) == sizeof(k) && sizeof(hash) == crypto_shorthash_BYTES, "SipHash-2-4");
	memcpy(k, words, sizeof(k));
	crypto_shorthash((unsigned char *)&hash, (const unsigned char *)key, strlen(key), k);
	return hash;
}

static struct kube_item **bucket(const struct kube_table *table, uint64_t hash)
{
	return &table->buckets[hash & (table->bucket_n - 1)];
}

struct kube_item *kube_table_find(const struct kube_table *table, const char *key)
{
	uint64_t hash = hash_of(table, key);

	if (table->bucket_n == 0)
		return NULL;
	for (struct kube_item *item = *bucket(table, hash); item != NULL; item = item->next)
		if (item->hash == hash && strcmp(item->key, key) == 0)
			return item;
	return NULL;
}

static void put(struct kube_table *table, struct kube_item *item)
{
	struct kube_item **to = bucket(table, item->hash);

	item->next = *to;
	*to = item;
}

/* Twice as many buckets, or the first. False: no memory, nothing has changed. */
static bool grow(struct kube_table *table)
{
	struct kube_table bigger = *table;
	struct kube_walk walk = { 0 };
	struct kube_item *item;

	bigger.bucket_n = table->bucket_n == 0 ? BUCKETS_FIRST : table->bucket_n * 2;
	arena_init(&bigger.arena);
	bigger.buckets = arena_take(&bigger.arena, bigger.bucket_n, sizeof(struct kube_item *));
	if (bigger.buckets == NULL)
		return false;
	while ((item = kube_table_next(table, &walk)) != NULL)
		put(&bigger, item);
	arena_free(&table->arena);
	*table = bigger;
	return true;
}

/* Behind the object stands its key. */
static int fill_key(struct arena *arena, void *object, void *ctx)
{
	struct kube_item *item = object;

	item->key = arena_text(arena, *(const char **)ctx);
	return item->key == NULL ? -ENOMEM : 0;
}

struct kube_item *kube_table_add(struct kube_table *table, size_t size, const char *key)
{
	struct kube_item *item;
	void *block;

	assert(size >= sizeof(*item));
	if ((table->n >= table->bucket_n && !grow(table)) || arena_object(size, fill_key, &key, &block) != 0)
		return NULL;
	item = block;
	item->hash = hash_of(table, key);
	put(table, item);
	table->n++;
	return item;
}

void kube_table_remove(struct kube_table *table, struct kube_item *item)
{
	struct kube_item **at = bucket(table, item->hash);

	while (*at != item) {
		assert(*at != NULL);
		at = &(*at)->next;
	}
	*at = item->next;
	table->n--;
	arena_object_free(item);
}

struct kube_item *kube_table_next(const struct kube_table *table, struct kube_walk *walk)
{
	struct kube_item *item;

	while (walk->next == NULL && walk->bucket < table->bucket_n)
		walk->next = table->buckets[walk->bucket++];
	item = walk->next;
	if (item != NULL)
		walk->next = item->next;
	return item;
}
