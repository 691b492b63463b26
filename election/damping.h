/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hold-down: how long to leave an address where it is after it has moved, and how long a node that comes and goes must have been
 * there before it is preferred again. Penalties grow as those of route flap damping do (RFC 2439); the bound on moves is that of
 * RFC 7432 15.1. Plain state without owner; zero is "nothing ever happened". docs/adr/0009-conflicts.md argues the numbers.
 */
#ifndef MLB_ELECTION_DAMPING_H
#define MLB_ELECTION_DAMPING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/time.h"

/* RFC 7432 15.1: a fabric takes the fifth move within 180 s for a duplicate, and freezes the address until somebody clears it. */
#define DAMPING_WINDOW_S 180
#define DAMPING_MOVE_MAX 4

/* The last of those is kept for a failover: a move that we are free not to make is never the fourth. */
#define DAMPING_CHOICE_MAX 3

/* The first penalty, which doubles, and its bounds. */
#define DAMPING_PENALTY_MIN_S 1
#define DAMPING_PENALTY_MAX_S 60

/* As long as nobody serves an address, nobody is protected by waiting: a failover waits for no more. */
#define DAMPING_NEED_MAX_S 8

enum damping_cause {
	DAMPING_CHOICE, /* the address is served where it is, or was given up to another host: rebalance, claimed again */
	DAMPING_NEED,	/* it would be without an owner: the owner is dead, drains, stops, or was told to hand over */
};

/* The last moves of one address. */
struct damping_moves {
	struct instant at[DAMPING_MOVE_MAX]; /* newest first, as many as `n`, at most so many */
	uint8_t n;			     /* moves since the last peace of DAMPING_WINDOW_S; stays at its maximum */
};

/* The address has another owner, or the same one again after nobody had it. */
void damping_moved(struct damping_moves *moves, struct instant now);
/* How long to wait from now before it may move; 0: it may. */
struct span damping_hold_down(const struct damping_moves *moves, enum damping_cause cause, struct instant now);
/* Has it been at peace for so long that all is forgotten? */
bool damping_forgotten(const struct damping_moves *moves, struct instant now);

/* The comings and goings of one node. */
struct damping_flaps {
	bool here;
	uint8_t n;	      /* how often it went; stays at its maximum */
	struct instant since; /* of the last change */
};

/* It can own addresses (alive, ready, link up), or it no longer can. The same again changes nothing. */
void damping_here(struct damping_flaps *flaps, bool here, struct instant now);
/*
 * From when on it is steady and may be preferred to others, if nothing changes: may be past; NEVER while it is not here. A node
 * that is the only candidate is taken at any time.
 */
struct instant damping_steady_at(const struct damping_flaps *flaps);

#endif
