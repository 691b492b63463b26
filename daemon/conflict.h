/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What to do when another host speaks for an address of ours: address conflict detection (RFC 5227 2.4; for IPv6 the same is done
 * with neighbour advertisements), self-probes that find a silent second owner, what is found before a claim, and for how long a
 * stranger keeps an address. Pure: takes frames as values and gives actions. Members are told from strangers by their MACs; which
 * of two members keeps an address is not decided here but by the claims of both, and when an address may move by the election's
 * count of its moves (election/election.h).
 */
#ifndef MLB_DAEMON_CONFLICT_H
#define MLB_DAEMON_CONFLICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/limits.h"
#include "base/time.h"

/* RFC 5227 1.1: DEFEND_INTERVAL. An address is defended against strangers once in it. */
#define CONFLICT_DEFEND_S 10

/* What is on its way while an owner changes, and what answers our own defence too early to have read it, is no conflict. */
#define CONFLICT_GRACE_MS 100

/*
 * The other member has so long to withdraw before we announce again; the pause doubles up to CONFLICT_DEFEND_S, so that two
 * that cannot agree do not make each announcement a move.
 */
#define CONFLICT_MEMBER_MS 500

/*
 * After a yield, or where a stranger was found before a claim; doubles up to the maximum, until there was peace for so long; up to a
 * tenth is added.
 */
#define CONFLICT_YIELD_S 10
#define CONFLICT_YIELD_MAX_S 60
#define CONFLICT_YIELD_PEACE_S 180

/* One pair of address and MAC is reported so often; all together no faster than this, for MACs can be made up. */
#define CONFLICT_REPORT_S 10
#define CONFLICT_REPORT_PER_S 5
#define CONFLICT_REPORT_BURST 32

/* Conflicts that are remembered for display, the last ones seen. */
#define CONFLICT_RECORD_MAX 256

/* How often a self-probe may come; EVPN and switches age in minutes, a person looks sooner. */
#define CONFLICT_SELF_PROBE_MIN_S 10
#define CONFLICT_SELF_PROBE_MAX_S 30
#define CONFLICT_SELF_PROBE_DEFAULT_S 20

/* Self-probes a second, in turns of so many milliseconds. With more addresses than fit, the interval grows. */
#define CONFLICT_PROBE_PER_S 350
#define CONFLICT_TURN_MS 20

/* After a change of membership all held addresses are asked for within this, or as fast as the rate permits. */
#define CONFLICT_SHUFFLE_S 2

/* Who speaks for an address within this after a question before its claim has it. */
#define CONFLICT_FIRST_MS 1000

/* RFC 5227 2.4. */
enum conflict_defend {
	CONFLICT_DEFEND_ALWAYS, /* (c): keep it, defend once in CONFLICT_DEFEND_S */
	CONFLICT_DEFEND_ONCE,	/* (b): defend; yield if it is seen again within CONFLICT_DEFEND_S */
	CONFLICT_DEFEND_YIELD,	/* (a): give it up at once */
};

struct conflict_config {
	enum conflict_defend defend;
	bool first_probe;	/* ask before the claim of an address that nobody owns; the election does it */
	bool hold_down;		/* addresses that move often wait; the election does it */
	struct span self_probe; /* each held address is asked for so often, a tenth more or less */
};

enum conflict_who {
	CONFLICT_WHO_STRANGER,
	CONFLICT_WHO_MEMBER,
	CONFLICT_WHO_FORMER,	/* of a member that is not alive: its kernel may answer on; never a reason to yield */
	CONFLICT_WHO_AMBIGUOUS, /* two live members have that MAC (a cloned machine): treated as a stranger */
};

/* Names for log, events and metrics. */
const char *conflict_defend_name(enum conflict_defend defend);
const char *conflict_who_name(enum conflict_who who);

struct conflict_member {
	uint64_t instance;
	bool live; /* authenticated, and alive or suspect */
	size_t mac_n;
	struct mac macs[SEGMENT_MAX];
};

enum conflict_action_kind {
	CONFLICT_ACTION_NONE,	/* in a report: nothing was done but counting */
	CONFLICT_ACTION_MEMBER, /* `instance` serves ip as well: compare the claims; the loser withdraws */
	CONFLICT_ACTION_DEFEND, /* announce ip once (RFC 5227 2.4) */
	CONFLICT_ACTION_YIELD, /* release ip (here it is unheld already), do not take it for hold_down; then ask first */
	CONFLICT_ACTION_REPORT,	  /* log, event, metric */
	CONFLICT_ACTION_ASK,	  /* ask the segment for ip */
	CONFLICT_ACTION_ANNOUNCE, /* the other member has withdrawn, or had the time to: announce ip anew */
	CONFLICT_ACTION_TAKEN,	  /* a stranger answered before the claim: do not claim ip for hold_down */
};

const char *conflict_action_name(enum conflict_action_kind kind);

/* One pair of address and MAC. */
struct conflict_record {
	struct ip ip;
	struct mac mac;
	enum conflict_who who;
	uint64_t instance; /* of MEMBER and FORMER; else 0 */
	struct instant first, last;
	uint64_t count;			  /* frames */
	enum conflict_action_kind action; /* the last thing that was done about it */
};

struct conflict_action {
	enum conflict_action_kind kind;
	struct ip ip;
	uint64_t instance;	       /* MEMBER */
	struct span hold_down;	       /* YIELD, TAKEN */
	struct conflict_record record; /* what conflict_seen gives: the pair as it is now; else empty */
	/* REPORT: frames without one since the last: of this pair, and of pairs that are no longer remembered. */
	uint64_t suppressed, elsewhere;
};

/* What one frame can cause: an action and its report. */
#define CONFLICT_ACTION_MAX 2

struct conflict_out {
	size_t action_n;
	struct conflict_action actions[CONFLICT_ACTION_MAX];
};

struct conflict; /* opaque */

/* NULL without memory. At most ADDRESS_MAX addresses at a time are held, asked for or left to a stranger. */
struct conflict *conflict_new(const struct conflict_config *config, uint64_t seed);
void conflict_free(struct conflict *c); /* NULL is fine */
/* After a reload. Takes effect with the next frame and the next self-probe. */
void conflict_configure(struct conflict *c, const struct conflict_config *config);

/* We hold ip from now on: a grace begins. Held already: nothing happens. 0, or -ENOSPC: it is not watched. */
int conflict_hold(struct conflict *c, struct ip ip, struct instant now);
/* We hold it no longer, or do not want it any more. */
void conflict_unhold(struct conflict *c, struct ip ip);
/* All members but ourselves, n at most MEMBER_MAX, with all their MACs. Replaces what was known. Does not imply a shuffle. */
void conflict_members(struct conflict *c, const struct conflict_member *members, size_t n);
/* A hand-over with that member is under way: its frames for ip are no conflict until then. */
void conflict_expect(struct conflict *c, struct ip ip, uint64_t instance, struct instant until);
/* The member with which we were in conflict has withdrawn its claim: the announcement that waits for that comes at once. */
void conflict_withdrawn(struct conflict *c, struct ip ip, uint64_t instance, struct instant now);
/* A MAC that is not ours spoke for ip. What we neither hold nor asked for is ignored. *out is overwritten. */
void conflict_seen(struct conflict *c, struct ip ip, struct mac mac, struct instant now, struct conflict_out *out);

/* Ask for all held addresses soon: the membership changed. Those that come fast are taken together. */
void conflict_shuffle(struct conflict *c, struct instant now);
/*
 * The segment has been asked for ip, which we would claim if no stranger had it: TAKEN follows if one speaks for it soon. Members
 * are the business of whoever asks. 0 or -ENOSPC.
 */
int conflict_first(struct conflict *c, struct ip ip, struct instant now);
/* What is to be done at now (ASK, ANNOUNCE); call until false. */
bool conflict_due(struct conflict *c, struct instant now, struct conflict_action *ret);
struct instant conflict_deadline(const struct conflict *c);

/* For mlbctl and metrics, in no order. */
size_t conflict_record_n(const struct conflict *c);
void conflict_record_at(const struct conflict *c, size_t index, struct conflict_record *ret);
/* Frames ever seen of that kind for addresses that we held or asked for. */
uint64_t conflict_count(const struct conflict *c, enum conflict_who who);

#endif
