/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the conflict core share among themselves. Nobody else includes it. */
#ifndef MLB_DAEMON_CONFLICT_TABLE_H
#define MLB_DAEMON_CONFLICT_TABLE_H

#include "base/bucket.h"
#include "base/rng.h"
#include "daemon/conflict.h"

#define CONFLICT_SLOT_NONE UINT32_MAX
#define CONFLICT_BUCKET_N (2 * ADDRESS_MAX) /* a power of two */

#define CONFLICT_IDENTITY_MAX (MEMBER_MAX * SEGMENT_MAX)

/* Probes are paced and others are not, so each has its own heap. */
enum conflict_timer {
	CONFLICT_TIMER_PROBE, /* the self-probe of a held address */
	CONFLICT_TIMER_STEP,  /* announce again */
	CONFLICT_TIMER_N,
};

/* An address that is held, asked for, or remembered because it was left to a stranger. Times that are past do nothing; so does 0. */
struct conflict_entry {
	struct ip ip;
	bool held;
	bool strange;	 /* a stranger was seen since the last defence */
	uint8_t yield_n; /* since the last peace */
	uint8_t member_n;
	struct instant first_until; /* not held: a stranger that speaks before has it */
	struct instant grace_until;
	struct instant defend_until; /* end of the DEFEND_INTERVAL of the last defence */
	struct instant yield_until;
	uint64_t member; /* the last one we were in conflict with */
	struct instant member_until;
	struct instant member_any_until;
	uint64_t expected; /* the other end of a hand-over */
	struct instant expect_until;
	struct instant at[CONFLICT_TIMER_N]; /* NEVER: not in the heap */
	uint32_t place[CONFLICT_TIMER_N];    /* in its heap */
};

struct conflict_heap {
	uint32_t n;
	uint32_t slots[ADDRESS_MAX]; /* of entries, the first one first */
};

/* The addresses by name and by time: conflict_table.c. */
struct conflict_table {
	uint32_t n;
	uint32_t held_n;
	struct conflict_entry entries[ADDRESS_MAX]; /* the first n are used, in no order */
	struct conflict_heap heaps[CONFLICT_TIMER_N];
	uint32_t by_ip[CONFLICT_BUCKET_N]; /* open addressing */
};

/* One MAC of one member. */
struct conflict_identity {
	struct mac mac;
	bool live;
	uint64_t instance;
};

/* A record with what its reports need. */
struct conflict_note {
	struct conflict_record record;
	uint64_t suppressed;
	struct instant report_after;
};

/* Who is who, and who was seen: conflict_record.c. */
struct conflict_notes {
	size_t identity_n;
	struct conflict_identity identities[CONFLICT_IDENTITY_MAX]; /* by MAC, live ones first */
	size_t n;
	uint64_t tags[CONFLICT_RECORD_MAX]; /* hashes of address and MAC, to find a note by one pass over few bytes */
	struct conflict_note notes[CONFLICT_RECORD_MAX];
	struct bucket reports;
	uint64_t elsewhere; /* frames without a report, of notes that are gone */
	uint64_t counts[CONFLICT_WHO_AMBIGUOUS + 1];
};

struct conflict {
	struct conflict_config config;
	struct rng rng;
	struct instant turn; /* of self-probes: when it began, and how many it had */
	unsigned int turn_n;
	struct instant shuffle_at;    /* NEVER: not wanted */
	struct instant shuffle_after; /* the last one is through by then */
	struct conflict_table table;
	struct conflict_notes notes;
};

/* --- conflict_table.c --- */
void conflict_table_init(struct conflict_table *t);
/* Its slot, or CONFLICT_SLOT_NONE. */
uint32_t conflict_table_find(const struct conflict_table *t, struct ip ip);
/*
 * The same, made if need be; the table full: those that mean nothing any more make room, and slots change. CONFLICT_SLOT_NONE: no
 * room.
 */
uint32_t conflict_table_get(struct conflict_table *t, struct ip ip, struct instant now);
/* NEVER: stop it. */
void conflict_table_set(struct conflict_table *t, struct conflict_entry *entry, enum conflict_timer timer,
			struct instant at);
/* The slot whose timer comes first; CONFLICT_SLOT_NONE: none is set. */
uint32_t conflict_table_first(const struct conflict_table *t, enum conflict_timer timer);

/* --- conflict_record.c --- */
void conflict_notes_init(struct conflict_notes *notes);
void conflict_notes_members(struct conflict_notes *notes, const struct conflict_member *members, size_t n);
enum conflict_who conflict_notes_who(const struct conflict_notes *notes, struct mac mac, uint64_t *ret_instance);
/* Count a frame. The note is valid until the next frame. */
struct conflict_note *conflict_notes_take(struct conflict_notes *notes, struct ip ip, struct mac mac,
					  enum conflict_who who, uint64_t instance, struct instant now);
/* Report the frame just taken, or count it as suppressed. */
void conflict_notes_report(struct conflict_notes *notes, struct conflict_note *note, struct instant now,
			   struct conflict_out *out);

#endif
