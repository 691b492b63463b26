/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What mlbd and its guard share: one sealed memfd, written by the daemon alone and mapped read-only by the guard; and the two
 * messages on the socket between them. Both are the same program, perhaps of two versions: `version` and `len` say so.
 *
 * The daemon may be killed between any two instructions, so nothing here needs a writer that comes back (a sequence lock
 * would: an odd number stays odd). A slot counts when its state says so, which is written last. Of the two books the one that
 * `book` names counts; the other may hold anything.
 */
#ifndef MLB_DAEMON_GUARD_SHARED_H
#define MLB_DAEMON_GUARD_SHARED_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/limits.h"
#include "daemon/guard.h"

/* Another layout or another meaning: another number. */
#define GUARD_SHARED_VERSION 1

enum guard_slot_state { GUARD_SLOT_FREE = 0, GUARD_SLOT_HELD };
enum guard_slot_kind { GUARD_SLOT_ADDRESS = 0, GUARD_SLOT_ROUTE };

/* One address that the kernel may have because of us. */
struct guard_slot {
	_Atomic uint32_t state; /* enum guard_slot_state */
	uint32_t ifindex;	/* 0 for a route */
	struct ip ip;
	uint8_t kind; /* enum guard_slot_kind */
};

/* What is needed for the last word. */
struct guard_book {
	uint64_t instance; /* of the daemon; 0: not told yet */
	struct seal_ring ring;
	size_t own_n;
	struct endpoint own[PATH_MAX_N];
	size_t peer_n;
	struct guard_peer peers[GUARD_PEER_MAX];
};

struct guard_shared {
	/* written before the guard sees it */
	uint32_t version;
	uint32_t len; /* sizeof(struct guard_shared) */
	uint64_t netns_device;
	uint64_t netns_inode; /* interface indices mean nothing in another network namespace */
	int64_t hang_us;

	_Atomic uint64_t progress; /* 0: the loop has not begun to turn */
	_Atomic uint64_t counter;
	_Atomic uint32_t dismissed;
	_Atomic uint32_t book;	 /* 0 or 1 */
	_Atomic uint32_t slot_n; /* slots from here on were never used */
	struct guard_book books[2];
	struct guard_slot slots[ADDRESS_MAX];
};

_Static_assert(ATOMIC_INT_LOCK_FREE == 2 && ATOMIC_LONG_LOCK_FREE == 2, "a lock would die with its holder");

/* Daemon to guard, with two descriptors: the memfd, and a pidfd of the daemon. */
struct guard_hello {
	uint32_t magic;
	uint32_t version;
};

#define GUARD_MAGIC 0x6d6c6267u /* "mlbg" */
#define GUARD_HELLO_FD_N 2

/* Guard to daemon, once: it watches now, or why it does not. */
struct guard_answer {
	uint32_t magic;
	int32_t error; /* 0 or a negative errno */
};

#endif
