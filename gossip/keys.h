/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The key ring of a cluster: which keys open packets and which one seals them, changed at any node and agreed by all
 * (docs/PROTOCOL.md, "Keys"). Pure: what operators, the key file and other members say comes in as events; the ring and the
 * items to publish are asked for afterwards. gossip/keys.c says how nodes agree.
 */
#ifndef MLB_GOSSIP_KEYS_H
#define MLB_GOSSIP_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/time.h"
#include "gossip/gossip.h"
#include "gossip/seal.h"

/* First bytes of BLAKE2b-256(key): enough to tell KEYS_ENTRY_MAX keys apart, short enough that a report names KEY_MAX of them. */
#define KEYS_FINGERPRINT_LEN 5
#define KEYS_FINGERPRINT_TEXT_MAX (2 * KEYS_FINGERPRINT_LEN + 1)

/* Hexadecimal digits of a fingerprint that an operator has to give. */
#define KEYS_PREFIX_MIN 4

/* Keys that a node has something to say about: those in use, and the last ones that were removed. */
#define KEYS_ENTRY_MAX 32

/* A removed key still opens for so long: packets that it sealed may be on their way. */
#define KEYS_LINGER_S 5

struct keys; /* opaque */

struct keys_fingerprint {
	uint8_t bytes[KEYS_FINGERPRINT_LEN];
};

/* What a member says about its ring. */
struct keys_report {
	uint32_t clock;	 /* the highest stamp that it knows */
	bool not_stored; /* its key file could not be written: a restart would have the former ring */
	size_t key_n;
	struct keys_fingerprint keys[KEY_MAX]; /* the first one seals */
};

/* A live member other than ourselves. */
struct keys_member {
	uint64_t instance;
	bool objects; /* set by the step: it is a reason for the refusal */
};

enum keys_event_kind {
	KEYS_EVENT_TICK,     /* time passed */
	KEYS_EVENT_INSTANCE, /* we are another instance: everything is published again */
	KEYS_EVENT_ITEM,     /* another origin's item changed; those of other kinds are ignored */
	KEYS_EVENT_MEMBERS,  /* reports of others than these are forgotten */
	KEYS_EVENT_FILE,     /* the key file has been read */
	KEYS_EVENT_STORED,   /* an attempt to write the file has ended */
	KEYS_EVENT_ADD,	     /* the operator's wishes, for the whole cluster */
	KEYS_EVENT_USE,
	KEYS_EVENT_REMOVE,
};

/* All pointers are borrowed for the step. */
struct keys_event {
	enum keys_event_kind kind;
	struct instant now;
	const struct gossip_item *item; /* ITEM */
	const struct seal_ring *file;	/* FILE: what was read; STORED: what was written */
	bool failed;			/* STORED: and `file` is not in the file */
	const uint8_t *key;		/* ADD: SEAL_KEY_LEN bytes */
	const char *fingerprint;     /* USE, REMOVE: hexadecimal, the beginning is enough where it tells keys apart */
	bool force;		     /* USE, REMOVE: whatever the members say */
	struct keys_member *members; /* MEMBERS, ADD, USE, REMOVE */
	size_t member_n;
};

/* Why a wish is not granted; nothing has changed then. */
enum keys_refusal {
	KEYS_GRANTED,
	KEYS_REFUSED_FULL,	  /* here, or at the members that object, are KEY_MAX keys */
	KEYS_REFUSED_COLLISION,	  /* another key has this fingerprint */
	KEYS_REFUSED_FINGERPRINT, /* not KEYS_PREFIX_MIN to 2 * KEYS_FINGERPRINT_LEN hexadecimal digits */
	KEYS_REFUSED_UNKNOWN,	  /* no member has such a key */
	KEYS_REFUSED_AMBIGUOUS,	  /* the given digits fit several keys */
	KEYS_REFUSED_ABSENT,	  /* USE: this node, or the members that object, do not have it */
	KEYS_REFUSED_SEALING,	  /* REMOVE: this node, or the members that object, seal with it or have not said */
	KEYS_REFUSED_LAST,	  /* REMOVE: the only key of this node */
};

/* ring: what the key file holds. NULL without memory. libsodium must be initialised. */
struct keys *keys_new(const struct seal_ring *ring, size_t member_max);
void keys_free(struct keys *keys); /* wipes; NULL is fine */

/* Handle one event. Refusals come from ADD, USE and REMOVE alone. */
enum keys_refusal keys_step(struct keys *keys, const struct keys_event *event);
/* When the next tick is due. */
struct instant keys_deadline(const struct keys *keys);

/* The ring now; removed keys that still open are at its end. Borrowed until the next step. */
const struct seal_ring *keys_ring(const struct keys *keys);
/* Of the ring, what belongs into the key file. */
void keys_file_get(const struct keys *keys, struct seal_ring *ret);
/* Does the key file, as far as we know, hold something else than that? */
bool keys_file_differs(const struct keys *keys);
/*
 * The next of our own items that has to be written (value_len 0: deleted); false: none. Asked for one by one, so that news that come
 * together are told once; `version` and `origin` are not set.
 */
bool keys_item_next(struct keys *keys, struct gossip_item *ret);

/* Our own report. */
void keys_report_self(const struct keys *keys, struct keys_report *ret);
/* A member's; false: it has not said. */
bool keys_report_find(const struct keys *keys, uint64_t instance, struct keys_report *ret);
/* Reports kept, those of members that are forgotten by now included. */
size_t keys_report_n(const struct keys *keys);

struct keys_fingerprint keys_fingerprint_of(const uint8_t key[SEAL_KEY_LEN]);
bool keys_fingerprint_equal(struct keys_fingerprint a, struct keys_fingerprint b);
char *keys_fingerprint_format(struct keys_fingerprint fingerprint, char text[KEYS_FINGERPRINT_TEXT_MAX]);
/* The key that operator's digits mean, among ours and those of live members (MEMBERS of the event); as a step would refuse. */
enum keys_refusal keys_fingerprint_resolve(const struct keys *keys, const struct keys_event *event,
					   struct keys_fingerprint *ret);
bool keys_report_has(const struct keys_report *report, struct keys_fingerprint fingerprint);

#endif
