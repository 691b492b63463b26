/* SPDX-License-Identifier: Apache-2.0 */
/* The operator's wishes: which are granted, and what they become in the table. */
#include <sodium.h>
#include <string.h>

#include "gossip/keys_internal.h"

/* Is the text, lower or upper case, how the fingerprint begins? */
static bool fingerprint_begins(struct keys_fingerprint fingerprint, const char *text)
{
	char own[KEYS_FINGERPRINT_TEXT_MAX];
	size_t len = strlen(text);

	keys_fingerprint_format(fingerprint, own);
	for (size_t i = 0; i < len && i < sizeof(own); i++) {
		char c = text[i] >= 'A' && text[i] <= 'F' ? (char)(text[i] - 'A' + 'a') : text[i];

		if (c != own[i])
			return false;
	}
	return len < sizeof(own);
}

/* Note one more key that the digits fit; the same key may be met many times. */
static void match(struct keys_fingerprint fingerprint, const char *text, struct keys_fingerprint *ret,
		  enum keys_refusal *refusal)
{
	if (!fingerprint_begins(fingerprint, text))
		return;
	if (*refusal == KEYS_GRANTED && !keys_fingerprint_equal(*ret, fingerprint))
		*refusal = KEYS_REFUSED_AMBIGUOUS;
	if (*refusal != KEYS_REFUSED_UNKNOWN)
		return;
	*refusal = KEYS_GRANTED;
	*ret = fingerprint;
}

enum keys_refusal keys_fingerprint_resolve(const struct keys *keys, const struct keys_event *event,
					   struct keys_fingerprint *ret)
{
	enum keys_refusal refusal = KEYS_REFUSED_UNKNOWN;
	size_t len = strlen(event->fingerprint);
	struct keys_report report;

	if (len < KEYS_PREFIX_MIN || len > 2 * KEYS_FINGERPRINT_LEN ||
	    strspn(event->fingerprint, "0123456789abcdefABCDEF") != len)
		return KEYS_REFUSED_FINGERPRINT;
	keys_report_self(keys, &report);
	for (size_t k = 0; k < report.key_n; k++)
		match(report.keys[k], event->fingerprint, ret, &refusal);
	for (size_t i = 0; i < event->member_n; i++) {
		if (!keys_report_find(keys, event->members[i].instance, &report))
			continue;
		for (size_t k = 0; k < report.key_n; k++)
			match(report.keys[k], event->fingerprint, ret, &refusal);
	}
	return refusal;
}

enum keys_refusal keys_wish_add(struct keys *keys, const struct keys_event *event)
{
	struct keys_word word = { .fingerprint = keys_fingerprint_of(event->key), .bytes = event->key };
	const struct keys_entry *entry = keys_entry_find(keys, word.fingerprint);
	enum keys_refusal refusal = KEYS_GRANTED;
	struct keys_report report;

	if (entry != NULL && entry->held && sodium_memcmp(entry->bytes, event->key, SEAL_KEY_LEN) != 0)
		return KEYS_REFUSED_COLLISION;
	keys_report_self(keys, &report);
	if (report.key_n == KEY_MAX && !keys_report_has(&report, word.fingerprint))
		return KEYS_REFUSED_FULL;
	for (size_t i = 0; i < event->member_n; i++) {
		struct keys_member *member = &event->members[i];

		member->objects = keys_report_find(keys, member->instance, &report) && report.key_n == KEY_MAX &&
				  !keys_report_has(&report, word.fingerprint);
		if (member->objects)
			refusal = KEYS_REFUSED_FULL;
	}
	if (refusal != KEYS_GRANTED)
		return refusal;
	/* one that is there gets a new stamp, and its bytes go to members that lack it */
	word.stamp = keys->clock + 1;
	keys_merge(keys, &word);
	return KEYS_GRANTED;
}

enum keys_refusal keys_wish_use(struct keys *keys, const struct keys_event *event)
{
	struct keys_word word = { 0 };
	enum keys_refusal refusal = keys_fingerprint_resolve(keys, event, &word.fingerprint);
	struct keys_report report;

	if (refusal != KEYS_GRANTED)
		return refusal;
	keys_report_self(keys, &report);
	if (!keys_report_has(&report, word.fingerprint))
		return KEYS_REFUSED_ABSENT;
	for (size_t i = 0; i < event->member_n && !event->force; i++) {
		struct keys_member *member = &event->members[i];

		member->objects = !keys_report_find(keys, member->instance, &report) ||
				  !keys_report_has(&report, word.fingerprint);
		if (member->objects)
			refusal = KEYS_REFUSED_ABSENT;
	}
	if (refusal != KEYS_GRANTED)
		return refusal;
	word.use = keys->clock + 1;
	keys_merge(keys, &word);
	return KEYS_GRANTED;
}

static bool seals_with(const struct keys_report *report, struct keys_fingerprint fingerprint)
{
	return report->key_n > 0 && keys_fingerprint_equal(report->keys[0], fingerprint);
}

enum keys_refusal keys_wish_remove(struct keys *keys, const struct keys_event *event)
{
	struct keys_word word = { .removed = true };
	enum keys_refusal refusal = keys_fingerprint_resolve(keys, event, &word.fingerprint);
	struct keys_report report;

	if (refusal != KEYS_GRANTED)
		return refusal;
	keys_report_self(keys, &report);
	if (report.key_n == 1 && seals_with(&report, word.fingerprint))
		return KEYS_REFUSED_LAST;
	if (!event->force && seals_with(&report, word.fingerprint))
		refusal = KEYS_REFUSED_SEALING;
	for (size_t i = 0; i < event->member_n && !event->force; i++) {
		struct keys_member *member = &event->members[i];

		member->objects =
			!keys_report_find(keys, member->instance, &report) || seals_with(&report, word.fingerprint);
		if (member->objects)
			refusal = KEYS_REFUSED_SEALING;
	}
	if (refusal != KEYS_GRANTED)
		return refusal;
	word.stamp = keys->clock + 1;
	keys_merge(keys, &word);
	return KEYS_GRANTED;
}
