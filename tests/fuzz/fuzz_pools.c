/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of addresses of pools, from outside: first byte 'f': the rest is the text of daemon/pools_file.c, whose hash is put right
 * first; else items as they come from other nodes (allocator/ledger.h), each with a byte of the key's length and one of the value's.
 */
#include <sodium.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/pools_internal.h"

#define HASH_LEN 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was read is written, and read again as the same. */
static void write_and_read(const struct ledger *ledger)
{
	struct ledger *again = ledger_new();
	size_t len = 0;
	char *text = pools_text(ledger, &len);

	if (again == NULL || text == NULL || pools_text_read(again, text, len) != 0)
		abort();
	for (size_t i = 0; i < ledger_n(ledger); i++) {
		const struct ledger_record *record = ledger_at(ledger, i);
		const struct ledger_record *copy = ledger_find(again, record->service);

		if (record->stamp != 0 &&
		    (copy == NULL || copy->stamp != record->stamp ||
		     strcmp(ledger_name(ledger, record->service), ledger_name(again, record->service)) != 0))
			abort();
	}
	free(text);
	ledger_free(again);
}

static void read_file(struct ledger *ledger, const uint8_t *data, size_t size)
{
	unsigned char hash[HASH_LEN];
	char *text = malloc(size + 64);

	if (text == NULL)
		return;
	memcpy(text, data, size);
	crypto_generichash(hash, sizeof(hash), data, size, NULL, 0);
	memcpy(text + size, "end ", 4);
	sodium_bin2hex(text + size + 4, 2 * HASH_LEN + 1, hash, sizeof(hash));
	strcpy(text + size + 4 + 2 * HASH_LEN, "\n");
	(void)pools_text_read(ledger, text, strlen(text));
	free(text);
}

static void take_item(struct ledger *ledger, const uint8_t *key, size_t key_len, const uint8_t *value, size_t value_len)
{
	struct ledger_record record;
	uint64_t service;
	enum ledger_item kind = ledger_key_decode(key, key_len, &service);

	if (kind == LEDGER_ITEM_RECORD && ledger_value_decode(service, value, value_len, &record) == 0) {
		(void)ledger_merge(ledger, &record);
		(void)ledger_holds(ledger, ledger_find(ledger, service));
	} else if (kind == LEDGER_ITEM_NAME) {
		(void)ledger_name_set(ledger, service, (const char *)value, value_len);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ledger *ledger;

	if (sodium_init() < 0 || size == 0 || size > 65536 || (ledger = ledger_new()) == NULL)
		return 0;
	if (data[0] == 'f') {
		read_file(ledger, data + 1, size - 1);
	} else {
		for (size_t at = 1; at + 2 <= size;) {
			size_t key_len = data[at], value_len = data[at + 1];

			at += 2;
			if (size - at < key_len + value_len)
				break;
			take_item(ledger, data + at, key_len, data + at + key_len, value_len);
			at += key_len + value_len;
		}
	}
	write_and_read(ledger);
	ledger_free(ledger);
	return 0;
}
