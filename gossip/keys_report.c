/* SPDX-License-Identifier: Apache-2.0 */
/* What each member says about its ring (docs/PROTOCOL.md, "Keys"): a table by instance, open addressing. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/wire.h"
#include "gossip/keys_internal.h"

#define REPORT_TAG 'K'
#define REPORT_NOT_STORED 0x01u

_Static_assert(1 + 4 + KEY_MAX * KEYS_FINGERPRINT_LEN <= ITEM_VALUE_MAX, "a report is an item");

int keys_reports_init(struct keys *keys, size_t member_max)
{
	/* half of the slots stay free, and half of the others are for members that were forgotten meanwhile */
	for (keys->report_len = 16; keys->report_len < 4 * member_max;)
		keys->report_len *= 2;
	keys->reports = calloc(keys->report_len, sizeof(*keys->reports));
	return keys->reports != NULL ? 0 : -ENOMEM;
}

/* Instances are random in their low half. */
static size_t report_home(const struct keys *keys, uint64_t origin)
{
	return (size_t)origin & (keys->report_len - 1);
}

static struct keys_report_slot *report_slot(const struct keys *keys, uint64_t origin)
{
	size_t i = report_home(keys, origin);

	while (keys->reports[i].origin != 0 && keys->reports[i].origin != origin)
		i = (i + 1) & (keys->report_len - 1);
	return &keys->reports[i];
}

void keys_reports_take(struct keys *keys, const struct gossip_item *item)
{
	struct wire_reader r = wire_reader_of(item->value, item->value_len);
	struct keys_report said = { 0 };
	struct keys_report_slot *report;

	if (item->key_len != 1 || item->key[0] != REPORT_TAG)
		return;
	said.not_stored = (wire_read_u8(&r) & REPORT_NOT_STORED) != 0;
	said.clock = wire_read_u32(&r);
	while (wire_left(&r) > 0 && said.key_n < KEY_MAX)
		wire_read_bytes(&r, said.keys[said.key_n++].bytes, KEYS_FINGERPRINT_LEN);
	if (r.failed || wire_left(&r) > 0 || said.key_n == 0 || said.clock > KEYS_STAMP_MAX || item->origin == 0)
		return;
	if (said.clock > keys->clock)
		keys->clock = said.clock;
	report = report_slot(keys, item->origin);
	if (report->origin == 0) {
		if (keys->report_n == keys->report_len / 2)
			return; /* KEYS_EVENT_MEMBERS comes long before: the member counts as one that has not said */
		keys->report_n++;
	}
	report->origin = item->origin;
	report->said = said;
}

/* Free a slot, and close the gap: what follows may have been put there only because it was taken. */
static void report_remove(struct keys *keys, size_t hole)
{
	size_t mask = keys->report_len - 1;

	for (size_t i = (hole + 1) & mask; keys->reports[i].origin != 0; i = (i + 1) & mask) {
		size_t home = report_home(keys, keys->reports[i].origin);

		if (((i - home) & mask) < ((i - hole) & mask))
			continue; /* it stands between its place and here: it stays reachable */
		keys->reports[hole] = keys->reports[i];
		hole = i;
	}
	memset(&keys->reports[hole], 0, sizeof(keys->reports[hole]));
	keys->report_n--;
}

void keys_reports_keep(struct keys *keys, const struct keys_event *event)
{
	for (size_t i = 0; i < event->member_n; i++) {
		struct keys_report_slot *slot = report_slot(keys, event->members[i].instance);

		slot->kept = slot->origin != 0;
	}
	for (size_t i = 0; i < keys->report_len;) {
		if (keys->reports[i].origin != 0 && !keys->reports[i].kept)
			report_remove(keys, i); /* and look at what has come to this place */
		else
			i++;
	}
	/* not before: closing a gap at the end may bring one from the beginning */
	for (size_t i = 0; i < keys->report_len; i++)
		keys->reports[i].kept = false;
}

bool keys_report_has(const struct keys_report *report, struct keys_fingerprint fingerprint)
{
	for (size_t i = 0; i < report->key_n; i++) {
		if (keys_fingerprint_equal(report->keys[i], fingerprint))
			return true;
	}
	return false;
}

void keys_report_self(const struct keys *keys, struct keys_report *ret)
{
	*ret = keys->self;
	ret->clock = keys->clock;
	ret->not_stored = keys->not_stored;
}

bool keys_report_find(const struct keys *keys, uint64_t instance, struct keys_report *ret)
{
	const struct keys_report_slot *report = report_slot(keys, instance);

	if (report->origin == 0)
		return false;
	*ret = report->said;
	return true;
}

size_t keys_report_n(const struct keys *keys)
{
	return keys->report_n;
}

void keys_reports_encode(const struct keys *keys, struct gossip_item *ret)
{
	struct wire_writer w = wire_writer_of(ret->value, sizeof(ret->value));

	wire_write_u8(&w, keys->not_stored ? REPORT_NOT_STORED : 0);
	wire_write_u32(&w, keys->clock);
	for (size_t i = 0; i < keys->self.key_n; i++)
		wire_write_bytes(&w, keys->self.keys[i].bytes, KEYS_FINGERPRINT_LEN);
	assert(!w.failed);
	ret->value_len = (uint8_t)w.len;
	ret->key_len = 1;
	ret->key[0] = REPORT_TAG;
}
