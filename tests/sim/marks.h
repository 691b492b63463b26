/* SPDX-License-Identifier: Apache-2.0 */
/* Coverage marks: how often a sweep reached what it claims to test. One that misses a mark proves less than it says. */
#ifndef MLB_TESTS_SIM_MARKS_H
#define MLB_TESTS_SIM_MARKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum mark {
	MARK_STEP,
	MARK_PACKET,
	MARK_LOST,
	MARK_LOST_BURST,
	MARK_LOST_CUT,
	MARK_DUPLICATED,
	MARK_REORDERED,
	MARK_REPLAYED,
	MARK_REPLAY_DROPPED, /* a packet that came again was recognised */
	MARK_SEALED,
	MARK_NOT_FOR_US, /* dropped by the rule of seal_open: sealed for another instance */
	MARK_DAMAGED,	 /* a flipped bit that the seal caught */
	MARK_SOCKET_FULL,
	MARK_ONE_WAY_CUT,
	MARK_PARTITION,
	MARK_PAUSE,
	MARK_CRASH,
	MARK_KILL,
	MARK_RESTART,
	MARK_STOP,
	MARK_LINK_DOWN,
	MARK_LONE, /* after which somebody had to take over fast */
	MARK_DRAIN,
	MARK_RELOAD,
	MARK_SUSPECT,
	MARK_DEATH,
	MARK_FALSE_DEATH, /* of a member that ran, at an observer that ran */
	MARK_REFUTED,
	MARK_LEFT,
	MARK_REPLACED,
	MARK_ALONE, /* joined alone by timeout */
	MARK_CLAIM,
	MARK_OWNER_DEAD,
	MARK_OWNER_LEFT,
	MARK_OWNER_INELIGIBLE,
	MARK_HANDOVER,
	MARK_CONFLICT,
	MARK_STOPPED,
	MARK_CLAIM_FAILED,
	MARK_ADDRESS_LOST,
	MARK_LEASE_EXPIRED, /* the kernel dropped the address of a dead or hung daemon */
	MARK_GATE_SHUT,	    /* on a daemon that was stopped or killed with its guard */
	MARK_GUARD,	    /* a guard acted */
	MARK_ANSWER,	    /* a dead or doubted owner's kernel answered */
	MARK_RIGHT_LOST,
	MARK_GOSSIP_CUT,
	MARK_DATA_CUT,
	MARK_UNFIT,	 /* an owner or another node whose health check failed */
	MARK_BY_CHOICE,	 /* addresses that were handed over because they would be placed better elsewhere */
	MARK_HELD_DOWN,	 /* looks at an address that nobody takes because it moved so often */
	MARK_TWO_OWNERS, /* overlaps between running nodes with a path, however short */
	MARK_N
};

struct marks {
	uint64_t n[MARK_N];
};

const char *mark_name(enum mark mark);
void marks_add(struct marks *sum, const struct marks *more);
/* Print those that a sweep of all classes must reach and did not; returns how many. */
size_t marks_missing(const struct marks *marks, FILE *to);
void marks_print(const struct marks *marks, FILE *to);

#endif
