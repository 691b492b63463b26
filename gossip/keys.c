/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: how nodes agree on keys
 *
 * A node has a table of entries, one for each key that it has heard of: a stamp of the last time that somebody added or removed it,
 * which of both that was, a stamp of the last time that somebody said `use`, and the key's bytes if it has them. Stamps are a
 * Lamport clock (Lamport 1978: more than any stamp seen before), so a wish counts for more than whatever its author knew of.
 *
 *	merge	a later stamp wins, at the same stamp `removed`; the later `use` wins. For each key alone, so that the order in which
 *		entries arrive, and how often, changes nothing
 *	ring	the keys that are held and not removed; the one with the latest `use` seals (at the same stamp the greater
 *		fingerprint, without any `use` the first in the file)
 *
 * Every node publishes its own table, item by item, and not only what its own operator wished: an item dies with the instance that
 * wrote it, and what was agreed must outlive the restart of whoever asked for it. In a second item it reports the ring that it
 * has, which is what `use` and `remove` are judged by: a key seals when every live member can open it, and goes when none seals with
 * it. Reports carry the clock too, so that a restarted node does not begin with stamps that nobody minds.
 *
 * What the key file brings has stamp 0 and is never published with its bytes: a new key that is sent sealed with the old one is known
 * to whoever has the old one. A file that was edited and read again replaces the table of this node, and everything up to the clock
 * of that moment is ignored from then on: it is the newest wish, but of this node alone.
 */
#include "gossip/keys.h"

#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/wire.h"
#include "gossip/keys_internal.h"

#define ENTRY_TAG 'k'
#define ENTRY_KEY_LEN (1 + KEYS_FINGERPRINT_LEN)

/* First byte of an entry's value. */
enum { OP_ACCEPTED = 1, OP_USED = 2, OP_REMOVED = 3 };

_Static_assert(1 + 4 + 4 + SEAL_KEY_LEN <= ITEM_VALUE_MAX, "an entry is an item");

/* --- fingerprints --------------------------------------------------------------------------------------------------- */

struct keys_fingerprint keys_fingerprint_of(const uint8_t key[SEAL_KEY_LEN])
{
	uint8_t hash[crypto_generichash_BYTES];
	struct keys_fingerprint fingerprint;

	(void)crypto_generichash(hash, sizeof(hash), key, SEAL_KEY_LEN, NULL, 0);
	memcpy(fingerprint.bytes, hash, KEYS_FINGERPRINT_LEN);
	sodium_memzero(hash, sizeof(hash));
	return fingerprint;
}

static int fingerprint_compare(struct keys_fingerprint a, struct keys_fingerprint b)
{
	return memcmp(a.bytes, b.bytes, KEYS_FINGERPRINT_LEN);
}

bool keys_fingerprint_equal(struct keys_fingerprint a, struct keys_fingerprint b)
{
	return fingerprint_compare(a, b) == 0;
}

char *keys_fingerprint_format(struct keys_fingerprint fingerprint, char text[KEYS_FINGERPRINT_TEXT_MAX])
{
	for (size_t i = 0; i < KEYS_FINGERPRINT_LEN; i++)
		snprintf(text + 2 * i, 3, "%02x", fingerprint.bytes[i]);
	return text;
}

/* --- the table and the ring ----------------------------------------------------------------------------------------- */

struct keys_entry *keys_entry_find(struct keys *keys, struct keys_fingerprint fingerprint)
{
	for (size_t i = 0; i < keys->entry_n; i++) {
		if (keys_fingerprint_equal(keys->entries[i].fingerprint, fingerprint))
			return &keys->entries[i];
	}
	return NULL;
}

/* Forget an entry; what we published about it is to be deleted. */
static void entry_drop(struct keys *keys, struct keys_entry *entry)
{
	size_t place = (size_t)(entry - keys->entries);

	if (entry->published && keys->withdrawn_n < KEYS_ENTRY_MAX)
		keys->withdrawn[keys->withdrawn_n++] = entry->fingerprint;
	memmove(entry, entry + 1, (keys->entry_n - place - 1) * sizeof(*entry));
	keys->entry_n--;
	sodium_memzero(&keys->entries[keys->entry_n], sizeof(*entry));
}

/* The tombstone with the lowest stamp that has nothing left to open; NULL: none is. */
static struct keys_entry *oldest_tombstone(struct keys *keys)
{
	struct keys_entry *oldest = NULL;

	for (size_t i = 0; i < keys->entry_n; i++) {
		struct keys_entry *entry = &keys->entries[i];

		if (entry->removed && !entry->held && (oldest == NULL || entry->stamp < oldest->stamp))
			oldest = entry;
	}
	return oldest;
}

/* A new entry at the end, all zero but its name; NULL: no room, or only for tombstones younger than this one. */
static struct keys_entry *entry_add(struct keys *keys, struct keys_fingerprint fingerprint, bool removed,
				    uint32_t stamp)
{
	struct keys_entry *entry;

	if (keys->entry_n == KEYS_ENTRY_MAX) {
		entry = oldest_tombstone(keys);
		if (entry == NULL || (removed && stamp <= entry->stamp))
			return NULL;
		entry_drop(keys, entry);
	}
	entry = &keys->entries[keys->entry_n++];
	memset(entry, 0, sizeof(*entry));
	entry->fingerprint = fingerprint;
	entry->lingers = INSTANT_NEVER;
	return entry;
}

static void entry_hold(struct keys_entry *entry, const uint8_t bytes[SEAL_KEY_LEN])
{
	memcpy(entry->bytes, bytes, SEAL_KEY_LEN);
	entry->held = true;
}

static bool seals_before(const struct keys_entry *a, const struct keys_entry *b)
{
	if (a->use != b->use)
		return a->use > b->use;
	return a->use > 0 && fingerprint_compare(a->fingerprint, b->fingerprint) > 0;
}

/* A node without a key could not be told a new one: the last one stays, removed or not, until another comes. */
static const struct keys_entry *last_resort(const struct keys *keys)
{
	for (size_t i = 0; i < keys->entry_n; i++) {
		const struct keys_entry *entry = &keys->entries[i];

		if (entry->held && sodium_memcmp(keys->ring.keys[0].bytes, entry->bytes, SEAL_KEY_LEN) == 0)
			return entry;
	}
	return NULL;
}

static const struct keys_entry *sealing_entry(const struct keys *keys)
{
	const struct keys_entry *best = NULL;

	for (size_t i = 0; i < keys->entry_n; i++) {
		const struct keys_entry *entry = &keys->entries[i];

		if (entry->held && !entry->removed && (best == NULL || seals_before(entry, best)))
			best = entry;
	}
	if (best == NULL)
		best = last_resort(keys);
	assert(best != NULL);
	return best;
}

static void ring_push(struct seal_ring *ring, const struct keys_entry *entry)
{
	if (ring->key_n < KEY_MAX)
		seal_key_init(&ring->keys[ring->key_n++], entry->bytes);
}

/* What was removed opens for a while, then its bytes are wiped; of an edited file's former keys nothing else is left. */
static void linger(struct keys *keys, struct instant now)
{
	const struct keys_fingerprint sealing = sealing_entry(keys)->fingerprint;

	for (size_t i = keys->entry_n; i-- > 0;) {
		struct keys_entry *entry = &keys->entries[i];

		if (!entry->removed || !entry->held || keys_fingerprint_equal(entry->fingerprint, sealing))
			continue;
		if (entry->lingers.us == INSTANT_NEVER.us)
			entry->lingers = instant_add(now, span_s(KEYS_LINGER_S));
		if (!instant_reached(entry->lingers, now))
			continue;
		sodium_memzero(entry->bytes, SEAL_KEY_LEN);
		entry->held = false;
		entry->lingers = INSTANT_NEVER;
		if (entry->stamp == 0 && entry->use == 0)
			entry_drop(keys, entry);
	}
}

static void ring_refresh(struct keys *keys, struct instant now)
{
	struct seal_ring ring = { 0 };
	const struct keys_entry *sealing;

	linger(keys, now);
	sealing = sealing_entry(keys);
	ring_push(&ring, sealing);
	for (size_t i = 0; i < keys->entry_n; i++) {
		if (&keys->entries[i] != sealing && keys->entries[i].held && !keys->entries[i].removed)
			ring_push(&ring, &keys->entries[i]);
	}
	keys->active_n = ring.key_n;
	for (size_t i = keys->entry_n; i-- > 0;) { /* if not all fit, then the latest */
		if (&keys->entries[i] != sealing && keys->entries[i].held && keys->entries[i].removed)
			ring_push(&ring, &keys->entries[i]);
	}
	keys->ring = ring;
	sodium_memzero(&ring, sizeof(ring));
	keys->self.key_n = keys->active_n;
	for (size_t i = 0; i < keys->active_n; i++)
		keys->self.keys[i] = keys_fingerprint_of(keys->ring.keys[i].bytes);
}

void keys_merge(struct keys *keys, const struct keys_word *word)
{
	uint32_t latest = word->stamp > word->use ? word->stamp : word->use;
	struct keys_entry *entry;

	if (latest > keys->clock)
		keys->clock = latest;
	if (latest <= keys->horizon)
		return;
	entry = keys_entry_find(keys, word->fingerprint);
	if (entry == NULL) {
		entry = entry_add(keys, word->fingerprint, word->removed, word->stamp);
		if (entry == NULL)
			return;
		entry->removed = word->removed;
		entry->stamp = word->stamp;
		entry->dirty = true;
	} else if (word->stamp > entry->stamp || (word->stamp == entry->stamp && word->removed && !entry->removed)) {
		entry->stamp = word->stamp;
		entry->removed = word->removed;
		entry->dirty = true;
	}
	if (word->use > entry->use) {
		entry->use = word->use;
		entry->dirty = true;
	}
	if (!entry->removed) {
		entry->lingers = INSTANT_NEVER;
		if (word->bytes != NULL && !entry->held)
			entry_hold(entry, word->bytes);
	}
}

/* --- items ---------------------------------------------------------------------------------------------------------- */

static void entry_encode(const struct keys_entry *entry, struct gossip_item *ret)
{
	struct wire_writer w = wire_writer_of(ret->value, sizeof(ret->value));
	bool with_bytes = entry->stamp > 0 && entry->held && !entry->removed;

	/* without a stamp it was removed by our file alone, which is nobody else's business */
	if (entry->removed && entry->stamp > 0) {
		wire_write_u8(&w, OP_REMOVED);
		wire_write_u32(&w, entry->stamp);
		wire_write_u32(&w, entry->use);
	} else {
		wire_write_u8(&w, with_bytes ? OP_ACCEPTED : OP_USED);
		wire_write_u32(&w, entry->stamp);
		wire_write_u32(&w, entry->use);
		if (with_bytes)
			wire_write_bytes(&w, entry->bytes, SEAL_KEY_LEN);
	}
	assert(!w.failed);
	ret->value_len = (uint8_t)w.len;
}

static void entry_key(struct keys_fingerprint fingerprint, struct gossip_item *ret)
{
	ret->key_len = ENTRY_KEY_LEN;
	ret->key[0] = ENTRY_TAG;
	memcpy(ret->key + 1, fingerprint.bytes, KEYS_FINGERPRINT_LEN);
}

static void take_entry(struct keys *keys, const struct gossip_item *item)
{
	struct wire_reader r = wire_reader_of(item->value, item->value_len);
	struct keys_word word = { 0 };
	uint8_t op;

	memcpy(word.fingerprint.bytes, item->key + 1, KEYS_FINGERPRINT_LEN);
	op = wire_read_u8(&r);
	word.stamp = wire_read_u32(&r);
	word.use = wire_read_u32(&r);
	word.removed = op == OP_REMOVED;
	if (op == OP_ACCEPTED)
		word.bytes = wire_read_view(&r, SEAL_KEY_LEN);
	if (r.failed || wire_left(&r) > 0 || (op != OP_ACCEPTED && op != OP_USED && op != OP_REMOVED) ||
	    word.stamp > KEYS_STAMP_MAX || word.use > KEYS_STAMP_MAX || (op != OP_USED && word.stamp == 0))
		return;
	/* the name has to be that of the bytes, or `use` and `remove` would mean another key than the operator saw */
	if (word.bytes != NULL && !keys_fingerprint_equal(keys_fingerprint_of(word.bytes), word.fingerprint))
		return;
	keys_merge(keys, &word);
}

static void take_item(struct keys *keys, const struct gossip_item *item)
{
	if (item->value_len == 0)
		return; /* what was said stays said; a report goes with its member */
	if (item->key_len == ENTRY_KEY_LEN && item->key[0] == ENTRY_TAG)
		take_entry(keys, item);
	else
		keys_reports_take(keys, item);
}

bool keys_item_next(struct keys *keys, struct gossip_item *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (keys->withdrawn_n > 0) {
		entry_key(keys->withdrawn[--keys->withdrawn_n], ret);
		return true;
	}
	for (size_t i = 0; i < keys->entry_n; i++) {
		struct keys_entry *entry = &keys->entries[i];

		if (!entry->dirty)
			continue;
		entry_key(entry->fingerprint, ret);
		entry_encode(entry, ret);
		entry->dirty = false;
		entry->published = true;
		return true;
	}
	keys_reports_encode(keys, ret);
	if (ret->value_len == keys->told.value_len && memcmp(ret->value, keys->told.value, ret->value_len) == 0)
		return false;
	keys->told = *ret;
	return true;
}

static void publish_all(struct keys *keys)
{
	keys->withdrawn_n = 0;
	keys->told.value_len = 0;
	for (size_t i = 0; i < keys->entry_n; i++) {
		keys->entries[i].published = false;
		keys->entries[i].dirty = keys->entries[i].stamp > 0 || keys->entries[i].use > 0;
	}
}

/* --- the key file --------------------------------------------------------------------------------------------------- */

static bool ring_equal(const struct seal_ring *a, size_t a_n, const struct seal_ring *b, size_t b_n)
{
	if (a_n != b_n)
		return false;
	for (size_t i = 0; i < a_n; i++) {
		if (sodium_memcmp(a->keys[i].bytes, b->keys[i].bytes, SEAL_KEY_LEN) != 0)
			return false;
	}
	return true;
}

void keys_file_get(const struct keys *keys, struct seal_ring *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->key_n = keys->active_n;
	memcpy(ret->keys, keys->ring.keys, keys->active_n * sizeof(ret->keys[0]));
}

bool keys_file_differs(const struct keys *keys)
{
	return !ring_equal(&keys->file, keys->file.key_n, &keys->ring, keys->active_n);
}

static void add_from_file(struct keys *keys, const struct seal_key *key, bool removed)
{
	const struct keys_fingerprint fingerprint = keys_fingerprint_of(key->bytes);
	struct keys_entry *entry = keys_entry_find(keys, fingerprint);

	if (entry != NULL)
		return; /* twice in the file; or, of the former ones, still in it */
	entry = entry_add(keys, fingerprint, removed, 0);
	assert(entry != NULL);
	entry->removed = removed;
	entry_hold(entry, key->bytes);
}

/* The file counts for more than whatever was agreed before it was edited. */
static void take_edited(struct keys *keys, const struct seal_ring *file)
{
	struct seal_ring former = keys->ring;

	while (keys->entry_n > 0)
		entry_drop(keys, &keys->entries[keys->entry_n - 1]);
	for (size_t i = 0; i < file->key_n; i++)
		add_from_file(keys, &file->keys[i], false);
	for (size_t i = 0; i < former.key_n; i++)
		add_from_file(keys, &former.keys[i], true);
	keys->horizon = keys->clock;
	sodium_memzero(&former, sizeof(former));
}

static void take_file(struct keys *keys, const struct seal_ring *file)
{
	bool edited = !ring_equal(file, file->key_n, &keys->file, keys->file.key_n) &&
		      !ring_equal(file, file->key_n, &keys->ring, keys->active_n);

	keys->file = *file;
	if (edited)
		take_edited(keys, file);
}

/* --- life ----------------------------------------------------------------------------------------------------------- */

struct keys *keys_new(const struct seal_ring *ring, size_t member_max)
{
	struct keys *keys = calloc(1, sizeof(*keys));

	assert(ring->key_n > 0 && ring->key_n <= KEY_MAX);
	if (keys == NULL)
		return NULL;
	if (keys_reports_init(keys, member_max) != 0) {
		free(keys);
		return NULL;
	}
	keys->ring = *ring;
	keys->file = *ring;
	for (size_t i = 0; i < ring->key_n; i++)
		add_from_file(keys, &ring->keys[i], false);
	ring_refresh(keys, (struct instant){ 0 });
	return keys;
}

void keys_free(struct keys *keys)
{
	if (keys == NULL)
		return;
	free(keys->reports);
	sodium_memzero(keys, sizeof(*keys));
	free(keys);
}

enum keys_refusal keys_step(struct keys *keys, const struct keys_event *event)
{
	enum keys_refusal refusal = KEYS_GRANTED;

	switch (event->kind) {
	case KEYS_EVENT_TICK:
		break;
	case KEYS_EVENT_INSTANCE:
		publish_all(keys);
		break;
	case KEYS_EVENT_ITEM:
		take_item(keys, event->item);
		break;
	case KEYS_EVENT_MEMBERS:
		keys_reports_keep(keys, event);
		break;
	case KEYS_EVENT_FILE:
		take_file(keys, event->file);
		break;
	case KEYS_EVENT_STORED:
		keys->not_stored = event->failed;
		if (!event->failed)
			keys->file = *event->file;
		break;
	case KEYS_EVENT_ADD:
		refusal = keys_wish_add(keys, event);
		break;
	case KEYS_EVENT_USE:
		refusal = keys_wish_use(keys, event);
		break;
	case KEYS_EVENT_REMOVE:
		refusal = keys_wish_remove(keys, event);
		break;
	}
	ring_refresh(keys, event->now);
	return refusal;
}

struct instant keys_deadline(const struct keys *keys)
{
	struct instant deadline = INSTANT_NEVER;

	for (size_t i = 0; i < keys->entry_n; i++)
		deadline = instant_min(deadline, keys->entries[i].lingers);
	return deadline;
}

const struct seal_ring *keys_ring(const struct keys *keys)
{
	return &keys->ring;
}
