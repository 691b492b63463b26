/* SPDX-License-Identifier: Apache-2.0 */
#include "allocator/ledger.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "allocator/store.h"
#include "base/rng.h"
#include "base/wire.h"

#define RECORD_KEY_TAG 'p'
#define NAME_KEY_TAG 'n'

#define FLAG_ADDED 1u
#define FLAG_REMOVED 2u
#define FLAG_GIVEN 4u
#define FLAG_WANTS_V4 8u
#define FLAG_WANTS_V6 16u
#define FLAG_HAS_V4 32u
#define FLAG_HAS_V6 64u
#define FLAG_ALL 127u

/* What is known of one service; record.stamp 0: its name alone. */
struct slot {
	struct ledger_record record;
	char name[LEDGER_NAME_MAX + 1];
};

/* Who was given an address; sorted, so that the first of equal addresses is its holder. */
struct holder {
	struct ip ip;
	uint64_t stamp;
	uint64_t service;
};

struct ledger {
	struct slot *slots; /* owned, sorted by record.service */
	size_t slot_n, slot_cap;
	size_t record_n; /* in use, without graves */
	size_t grave_n;
	uint64_t stamp_max;
	uint64_t version;
	struct holder *holders; /* owned, room for two of each slot */
	size_t holder_n;
	bool indexed; /* holders are as the records say */
};

uint64_t ledger_service(const char *name)
{
	return hash_text(0, name);
}

struct ledger *ledger_new(void)
{
	return store_new(1, sizeof(struct ledger));
}

void ledger_free(struct ledger *l)
{
	if (l == NULL)
		return;
	store_free(l->slots);
	store_free(l->holders);
	store_free(l);
}

/* ---- holders ---- */

static int compare_u64(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

static int compare_holders(const void *a, const void *b)
{
	const struct holder *x = a;
	const struct holder *y = b;
	int order = ip_compare(x->ip, y->ip);

	if (order == 0)
		order = compare_u64(x->stamp, y->stamp);
	return order != 0 ? order : compare_u64(x->service, y->service);
}

static void add_holder(struct ledger *l, const struct ledger_record *record, struct ip ip)
{
	if (ip.family != IP_NONE)
		l->holders[l->holder_n++] = (struct holder){ ip, record->stamp, record->service };
}

static void index_holders(struct ledger *l)
{
	l->indexed = true;
	l->holder_n = 0;
	for (size_t i = 0; i < l->slot_n; i++) {
		const struct ledger_record *record = &l->slots[i].record;

		if (record->stamp == 0 || record->removed || !record->given)
			continue;
		add_holder(l, record, record->v4);
		add_holder(l, record, record->v6);
	}
	if (l->holder_n > 0)
		qsort(l->holders, l->holder_n, sizeof(*l->holders), compare_holders);
}

/* Nobody was given it before that record. */
static bool is_first(const struct ledger *l, const struct ledger_record *record, struct ip ip)
{
	size_t low = 0, high = l->holder_n;

	if (ip.family == IP_NONE)
		return true;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (ip_compare(l->holders[middle].ip, ip) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < l->holder_n && l->holders[low].service == record->service;
}

bool ledger_holds(struct ledger *l, const struct ledger_record *record)
{
	if (!l->indexed)
		index_holders(l);
	return record->given && !record->removed && is_first(l, record, record->v4) && is_first(l, record, record->v6);
}

/* ---- slots ---- */

/* Where the service is, or would be. */
static size_t place_of(const struct ledger *l, uint64_t service)
{
	size_t low = 0, high = l->slot_n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (l->slots[middle].record.service < service)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct slot *slot_find(const struct ledger *l, uint64_t service)
{
	size_t at = place_of(l, service);

	return at < l->slot_n && l->slots[at].record.service == service ? &l->slots[at] : NULL;
}

/* Room for one more. 0 or -ENOMEM. */
static int reserve(struct ledger *l)
{
	size_t cap = l->slot_cap == 0 ? 16 : 2 * l->slot_cap;
	struct holder *holders;
	struct slot *slots;

	if (l->slot_n < l->slot_cap)
		return 0;
	slots = store_new(cap, sizeof(*slots));
	holders = store_new(2 * cap, sizeof(*holders));
	if (slots == NULL || holders == NULL) {
		store_free(slots);
		store_free(holders);
		return -ENOMEM;
	}
	if (l->slot_n > 0)
		memcpy(slots, l->slots, l->slot_n * sizeof(*slots));
	store_free(l->slots);
	store_free(l->holders);
	l->slots = slots;
	l->holders = holders;
	l->indexed = false;
	l->slot_cap = cap;
	return 0;
}

static int slot_get(struct ledger *l, uint64_t service, struct slot **ret)
{
	size_t at = place_of(l, service);
	int error;

	if (at < l->slot_n && l->slots[at].record.service == service) {
		*ret = &l->slots[at];
		return 0;
	}
	if (l->slot_n - l->grave_n >= LEDGER_MAX)
		return -ENOSPC;
	error = reserve(l);
	if (error != 0)
		return error;
	memmove(&l->slots[at + 1], &l->slots[at], (l->slot_n - at) * sizeof(*l->slots));
	l->slots[at] = (struct slot){ .record.service = service };
	l->slot_n++;
	*ret = &l->slots[at];
	return 0;
}

/* The removed services that are remembered are the last ones. */
static void drop_grave(struct ledger *l)
{
	size_t oldest = SIZE_MAX;

	for (size_t i = 0; i < l->slot_n; i++) {
		if (l->slots[i].record.removed &&
		    (oldest == SIZE_MAX || l->slots[i].record.stamp < l->slots[oldest].record.stamp))
			oldest = i;
	}
	if (oldest == SIZE_MAX)
		return;
	memmove(&l->slots[oldest], &l->slots[oldest + 1], (l->slot_n - oldest - 1) * sizeof(*l->slots));
	l->slot_n--;
	l->grave_n--;
}

size_t ledger_n(const struct ledger *l)
{
	return l->slot_n;
}

const struct ledger_record *ledger_at(const struct ledger *l, size_t i)
{
	return &l->slots[i].record;
}

const struct ledger_record *ledger_find(const struct ledger *l, uint64_t service)
{
	const struct slot *slot = slot_find(l, service);

	return slot != NULL && slot->record.stamp != 0 ? &slot->record : NULL;
}

uint64_t ledger_stamp(const struct ledger *l)
{
	return l->stamp_max + 1;
}

uint64_t ledger_version(const struct ledger *l)
{
	return l->version;
}

const char *ledger_name(const struct ledger *l, uint64_t service)
{
	const struct slot *slot = slot_find(l, service);

	return slot != NULL ? slot->name : "";
}

static bool name_is_good(const char *name, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char c = name[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') && c != '-' &&
		    c != '_' && c != '.')
			return false;
	}
	return len > 0 && len <= LEDGER_NAME_MAX;
}

int ledger_name_set(struct ledger *l, uint64_t service, const char *name, size_t len)
{
	struct slot *slot;
	int error;

	if (!name_is_good(name, len) || hash_bytes(0, name, len) != service)
		return -EINVAL;
	error = slot_get(l, service, &slot);
	if (error != 0)
		return error;
	if (slot->name[0] != '\0')
		return 0;
	memcpy(slot->name, name, len);
	slot->name[len] = '\0';
	l->version++;
	return 1;
}

/* ---- records ---- */

static bool is_good(const struct ledger_record *record)
{
	bool v4 = record->v4.family == IP_V4;
	bool v6 = record->v6.family == IP_V6;

	if (record->stamp == 0 || record->stamp > LEDGER_STAMP_MAX || record->families == 0 ||
	    (record->families & ~ALLOC_DUAL) != 0 || (!v4 && record->v4.family != IP_NONE) ||
	    (!v6 && record->v6.family != IP_NONE))
		return false;
	if (record->removed)
		return !record->given && !v4 && !v6;
	return !record->given || v4 || v6;
}

/* Total, and the same on all nodes. */
static int compare_records(const struct ledger_record *a, const struct ledger_record *b)
{
	uint8_t x[LEDGER_VALUE_LEN], y[LEDGER_VALUE_LEN];

	if (a->stamp != b->stamp)
		return compare_u64(a->stamp, b->stamp);
	ledger_value_encode(a, x);
	ledger_value_encode(b, y);
	return memcmp(x, y, sizeof(x));
}

int ledger_merge(struct ledger *l, const struct ledger_record *record)
{
	struct slot *slot;
	int error;

	if (!is_good(record))
		return -EINVAL;
	error = slot_get(l, record->service, &slot);
	if (error != 0)
		return error;
	if (slot->record.stamp != 0 && compare_records(record, &slot->record) <= 0)
		return 0;
	l->grave_n += record->removed;
	l->grave_n -= slot->record.removed;
	slot->record = *record;
	if (l->stamp_max < record->stamp)
		l->stamp_max = record->stamp;
	while (l->grave_n > LEDGER_GRAVE_MAX)
		drop_grave(l);
	l->version++;
	l->indexed = false;
	return 1;
}

/* ---- items ---- */

void ledger_key_encode(enum ledger_item kind, uint64_t service, uint8_t key[LEDGER_KEY_LEN])
{
	struct wire_writer w = wire_writer_of(key, LEDGER_KEY_LEN);

	wire_write_u8(&w, kind == LEDGER_ITEM_NAME ? NAME_KEY_TAG : RECORD_KEY_TAG);
	wire_write_u64(&w, service);
}

enum ledger_item ledger_key_decode(const uint8_t *key, size_t len, uint64_t *ret)
{
	struct wire_reader r = wire_reader_of(key, len);
	uint8_t tag = wire_read_u8(&r);
	uint64_t service = wire_read_u64(&r);

	if ((tag != RECORD_KEY_TAG && tag != NAME_KEY_TAG) || r.failed || wire_left(&r) > 0)
		return LEDGER_ITEM_NONE;
	*ret = service;
	return tag == NAME_KEY_TAG ? LEDGER_ITEM_NAME : LEDGER_ITEM_RECORD;
}

void ledger_value_encode(const struct ledger_record *record, uint8_t value[LEDGER_VALUE_LEN])
{
	struct wire_writer w = wire_writer_of(value, LEDGER_VALUE_LEN);
	unsigned int flags =
		(record->added ? FLAG_ADDED : 0) | (record->removed ? FLAG_REMOVED : 0) |
		(record->given ? FLAG_GIVEN : 0) | ((record->families & ALLOC_V4) != 0 ? FLAG_WANTS_V4 : 0) |
		((record->families & ALLOC_V6) != 0 ? FLAG_WANTS_V6 : 0) |
		(record->v4.family == IP_V4 ? FLAG_HAS_V4 : 0) | (record->v6.family == IP_V6 ? FLAG_HAS_V6 : 0);

	memset(value, 0, LEDGER_VALUE_LEN);
	wire_write_u8(&w, (uint8_t)flags);
	wire_write_u64(&w, record->stamp);
	wire_write_u64(&w, record->pool);
	wire_write_bytes(&w, record->v4.bytes, 4);
	wire_write_bytes(&w, record->v6.bytes, 16);
}

int ledger_value_decode(uint64_t service, const uint8_t *value, size_t len, struct ledger_record *ret)
{
	struct wire_reader r = wire_reader_of(value, len);
	struct ledger_record record = { .service = service };
	unsigned int flags = wire_read_u8(&r);
	uint8_t v4[4] = { 0 }, v6[16] = { 0 };

	record.stamp = wire_read_u64(&r);
	record.pool = wire_read_u64(&r);
	wire_read_bytes(&r, v4, sizeof(v4));
	wire_read_bytes(&r, v6, sizeof(v6));
	if (r.failed || wire_left(&r) > 0 || (flags & ~FLAG_ALL) != 0)
		return -EBADMSG;
	record.added = (flags & FLAG_ADDED) != 0;
	record.removed = (flags & FLAG_REMOVED) != 0;
	record.given = (flags & FLAG_GIVEN) != 0;
	record.families = ((flags & FLAG_WANTS_V4) != 0 ? ALLOC_V4 : 0) | ((flags & FLAG_WANTS_V6) != 0 ? ALLOC_V6 : 0);
	if ((flags & FLAG_HAS_V4) != 0) {
		record.v4.family = IP_V4;
		memcpy(record.v4.bytes, v4, sizeof(v4));
	}
	if ((flags & FLAG_HAS_V6) != 0) {
		record.v6.family = IP_V6;
		memcpy(record.v6.bytes, v6, sizeof(v6));
	}
	if (!is_good(&record))
		return -EBADMSG;
	*ret = record;
	return 0;
}
