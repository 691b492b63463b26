/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the key ring share; gossip/keys.c has the whole picture. */
#ifndef MLB_GOSSIP_KEYS_INTERNAL_H
#define MLB_GOSSIP_KEYS_INTERNAL_H

#include "gossip/keys.h"

/* No cluster counts so far; above it the next stamp might wrap. */
#define KEYS_STAMP_MAX (UINT32_MAX / 2)

struct keys_entry {
	struct keys_fingerprint fingerprint;
	uint32_t stamp; /* of add or remove; 0: the file's word alone */
	uint32_t use;	/* of `use`; 0: never */
	bool removed;
	bool held; /* bytes are known */
	bool dirty;
	bool published;
	struct instant lingers; /* removed and held: opens until then */
	uint8_t bytes[SEAL_KEY_LEN];
};

struct keys_report_slot {
	uint64_t origin; /* 0: free */
	bool kept;	 /* while others are being removed */
	struct keys_report said;
};

struct keys {
	uint32_t clock;
	uint32_t horizon; /* what is not later than this was there when the file was edited */
	size_t entry_n;
	struct keys_entry entries[KEYS_ENTRY_MAX]; /* the file's order first */
	struct seal_ring ring;
	size_t active_n;       /* of the ring, without those that linger */
	struct seal_ring file; /* what is in the file, as far as we know */
	bool not_stored;
	struct keys_report self; /* what we say about all this */
	struct gossip_item told; /* our report as last published; key_len 0: never */
	size_t withdrawn_n;	 /* items of ours that have to be deleted */
	struct keys_fingerprint withdrawn[KEYS_ENTRY_MAX];
	size_t report_n;
	size_t report_len;		  /* a power of two */
	struct keys_report_slot *reports; /* owned; open addressing by origin */
};

/* What somebody says about a key. */
struct keys_word {
	struct keys_fingerprint fingerprint;
	uint32_t stamp, use;
	bool removed;
	const uint8_t *bytes; /* borrowed, or NULL */
};

/* NULL: not in the table. */
struct keys_entry *keys_entry_find(struct keys *keys, struct keys_fingerprint fingerprint);
/* Ours or another's, older or newer than what we know. */
void keys_merge(struct keys *keys, const struct keys_word *word);

/* gossip/keys_report.c */
int keys_reports_init(struct keys *keys, size_t member_max);
void keys_reports_take(struct keys *keys, const struct gossip_item *item);
void keys_reports_keep(struct keys *keys, const struct keys_event *event);
/* Our own as the value of an item. */
void keys_reports_encode(const struct keys *keys, struct gossip_item *ret);

/* gossip/keys_wish.c: KEYS_EVENT_ADD, _USE, _REMOVE. */
enum keys_refusal keys_wish_add(struct keys *keys, const struct keys_event *event);
enum keys_refusal keys_wish_use(struct keys *keys, const struct keys_event *event);
enum keys_refusal keys_wish_remove(struct keys *keys, const struct keys_event *event);

#endif
