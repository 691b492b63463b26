/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Items about keys from another member, and wishes between them: [what][origin][key length][key][value length][value] ... There
 * is always a ring that seals, what we publish is bounded, and another node that hears all of it understands it.
 */
#include "gossip/keys.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct keys *keys_make(uint8_t fill)
{
	struct seal_ring ring = { .key_n = 2 };
	uint8_t bytes[SEAL_KEY_LEN];
	struct keys *keys;

	for (size_t i = 0; i < ring.key_n; i++) {
		memset(bytes, fill + (int)i, sizeof(bytes));
		seal_key_init(&ring.keys[i], bytes);
	}
	keys = keys_new(&ring, 4);
	assert(keys);
	return keys;
}

/* Everything that one has to say goes to the other. */
static void publish(struct keys *from, struct keys *to, struct instant now)
{
	struct gossip_item item;
	struct keys_event event = { .kind = KEYS_EVENT_ITEM, .now = now, .item = &item };
	struct keys_report said, heard;
	int n = 0;

	while (keys_item_next(from, &item)) {
		assert(++n <= 2 * KEYS_ENTRY_MAX + 1);
		item.origin = 99;
		assert(keys_step(to, &event) == KEYS_GRANTED);
	}
	keys_report_self(from, &said);
	assert(keys_report_find(to, 99, &heard));
	assert(said.key_n == heard.key_n && said.clock == heard.clock);
	assert(memcmp(said.keys, heard.keys, said.key_n * sizeof(said.keys[0])) == 0);
}

static void check_ring(const struct keys *keys)
{
	const struct seal_ring *ring = keys_ring(keys);
	struct seal_ring file;

	keys_file_get(keys, &file);
	assert(ring->key_n >= 1 && ring->key_n <= KEY_MAX);
	assert(file.key_n >= 1 && file.key_n <= ring->key_n);
	assert(memcmp(&file.keys[0], &ring->keys[0], sizeof(file.keys[0])) == 0);
}

static void item_read(struct wire_reader *r, struct gossip_item *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->origin = wire_read_u8(r);
	ret->key_len = wire_read_u8(r) % (ITEM_KEY_MAX + 1);
	wire_read_bytes(r, ret->key, ret->key_len);
	ret->value_len = wire_read_u8(r) % (ITEM_VALUE_MAX + 1);
	wire_read_bytes(r, ret->value, ret->value_len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wire_reader r = wire_reader_of(data, size);
	struct keys *keys, *other;
	struct instant now = { 1 };

	assert(sodium_init() >= 0);
	keys = keys_make(1);
	other = keys_make(9);
	while (!r.failed && wire_left(&r) > 0) {
		static const enum keys_event_kind kinds[] = {
			KEYS_EVENT_ITEM,   KEYS_EVENT_ITEM, KEYS_EVENT_TICK,	 KEYS_EVENT_ADD,    KEYS_EVENT_USE,
			KEYS_EVENT_REMOVE, KEYS_EVENT_FILE, KEYS_EVENT_INSTANCE, KEYS_EVENT_MEMBERS
		};
		char text[2 * KEYS_FINGERPRINT_LEN + 2] = "";
		struct keys_member member = { 0 };
		struct seal_ring file = { .key_n = 1 };
		struct gossip_item item;
		uint8_t what = wire_read_u8(&r);
		struct keys_event event = { .kind = kinds[(what & 0x7f) % (sizeof(kinds) / sizeof(kinds[0]))],
					    .now = now,
					    .item = &item,
					    .file = &file,
					    .fingerprint = text,
					    .force = (what & 0x80) != 0,
					    .members = &member,
					    .member_n = 1 };

		item_read(&r, &item);
		member.instance = item.origin;
		seal_key_init(&file.keys[0], item.value);
		event.key = item.value;
		memcpy(text, item.key, sizeof(text) - 1);
		if (event.kind == KEYS_EVENT_USE || event.kind == KEYS_EVENT_REMOVE)
			keys_fingerprint_format(keys_fingerprint_of(item.value), text);
		(void)keys_step(keys, &event);
		check_ring(keys);
		publish(keys, other, now);
		check_ring(other);
		now = instant_add(now, span_ms(item.value_len * 100));
	}
	keys_free(keys);
	keys_free(other);
	return 0;
}
