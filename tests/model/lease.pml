/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lease rule: an owner S, its K watchers, quorum Q, and whoever takes over. For election; gossip gives the times.
 *
 *   owner    S holds while at least K - Q + 1 watchers have echoed a heartbeat that it sent less than L = T_s + T_v - h ago.
 *            Once that is lost, it does not come back by itself: S lets go, and has to be elected anew.
 *   watcher  votes when it has heard nothing from S for T_s + T_v, or longer; repeats its vote while that is so. A vote is a promise: no
 *            echo until every copy of it has expired. One that restarts does not know what it promised: no echo for as long.
 *   anybody  takes over when it holds votes of Q watchers that have not expired.
 *
 * Property
 *   exclusive  S never holds when another one may take over, whatever is lost, delayed or comes out of order.
 *
 * Abstraction
 *   - Discrete time: h is one tick. A packet takes any number of ticks, none included, or is lost; the oldest that matters is older than
 *     the lease. What is in flight is therefore not kept: S has always sent a heartbeat of each age, and the newest echo of a
 *     watcher may arrive at any time (an older one gives S less).
 *   - All copies of a vote, those on their way included, are gone VOTE ticks after it was last repeated.
 *   - Watchers are alike: states that differ by their order alone are one state.
 *
 * Not modelled: clocks of different rates and steps shorter than a tick (there is a margin of h, and clocks need 1e-4 of it);
 * T_s and T_v that grow with loss (that only delays votes; they never shrink below what L is computed from); an owner that is
 * stopped and cannot let go (the kernel has to: addresses with a lifetime); votes for a deaf S, which follow the same clock.
 *
 * Mutants: LEASE_LONG (L longer by h + 1 tick), LATE_ECHO (echo after a vote), NO_PROMISE (a watcher that hears S again withdraws
 * its vote and echoes at once, while copies of the vote stand), FORGETFUL (one that restarts is silent for L only), QUORUM_LESS (votes
 * of Q - 1 suffice), ECHO_LESS (S is content with K - Q echoes).
 * Limit of the design, which the checker must find: HINT (a vote after T_v, because a hint made T_s superfluous: it needs evidence
 * of its own that S holds nothing).
 */
#ifndef K
#define K 3
#endif
#define Q (K / 2 + 1)

#define H 1
#define T_S 2
#define T_V 1
#define LIMIT (T_S + T_V)
#define VOTE (2 * LIMIT)

#ifdef LEASE_LONG
#define LEASE (LIMIT - H + H + 1)
#else
#define LEASE (LIMIT - H)
#endif
#define OLD (LIMIT + 1) /* ages end here */

#ifdef HINT
#define VOTES_AFTER T_V
#else
#define VOTES_AFTER LIMIT
#endif
#ifdef QUORUM_LESS
#define VOTES_NEEDED (Q - 1)
#else
#define VOTES_NEEDED Q
#endif
#ifdef ECHO_LESS
#define ECHOES_NEEDED (K - Q)
#else
#define ECHOES_NEEDED (K - Q + 1)
#endif
#ifdef FORGETFUL
#define MUTE LEASE
#else
#define MUTE VOTE
#endif

/* of each watcher, in ticks */
byte quiet[K];	/* since it last heard S */
byte echo[K];	/* age of the newest heartbeat that it has echoed */
byte seen[K];	/* age of the newest heartbeat whose echo S has */
byte hush[K];	/* no echo for so long */
byte stands[K]; /* copies of its vote may stand for so long */

byte w;
byte n;
byte x;

#if defined(NO_PROMISE)
#define MAY_ECHO true
#define HEARD hush[w] = 0
#elif defined(LATE_ECHO)
#define MAY_ECHO true
#define HEARD skip
#else
#define MAY_ECHO (hush[w] == 0)
#define HEARD skip
#endif

inline hears(age)
{
	quiet[w] = 0;
	HEARD;
	if
	:: MAY_ECHO && age < echo[w] -> echo[w] = age
	:: else
	fi
}

/* what one watcher may do in one tick */
inline act()
{
	/* heartbeats of any age arrive, or none; or it restarts */
	if
	:: skip
	:: select (x : 0 .. OLD); hears(x); x = 0
	:: d_step { quiet[w] = 0; hush[w] = MUTE }
	fi;
	/* its newest echo arrives, or not */
	if
	:: skip
	:: echo[w] < seen[w] -> seen[w] = echo[w]
	fi;
	if
	:: skip
	:: d_step { quiet[w] >= VOTES_AFTER -> stands[w] = VOTE; hush[w] = VOTE }
	fi
}

#define OLDER(age) age = (age < OLD -> age + 1 : OLD)
#define SHORTER(left) left = (left > 0 -> left - 1 : 0)

#define CODE(i) ((((quiet[i] * 8 + echo[i]) * 8 + seen[i]) * 8 + hush[i]) * 8 + stands[i])

#define SWAP(list) x = list[n]; list[n] = list[n + 1]; list[n + 1] = x

/* time passes; and watchers are put in order */
inline tick()
{
	w = 0;
	do
	:: w < K ->
		OLDER(quiet[w]);
		OLDER(echo[w]);
		OLDER(seen[w]);
		SHORTER(hush[w]);
		SHORTER(stands[w]);
		w++
	:: else -> break
	od;
	w = 1;
	do
	:: w < K ->
		n = 0;
		do
		:: n < K - 1 ->
			if
			:: CODE(n) > CODE(n + 1) ->
				SWAP(quiet);
				SWAP(echo);
				SWAP(seen);
				SWAP(hush);
				SWAP(stands)
			:: else
			fi;
			n++
		:: else -> break
		od;
		w++
	:: else -> break
	od;
	w = 0;
	n = 0;
	x = 0
}

inline count(condition)
{
	n = 0;
	w = 0;
	do
	:: w < K ->
		n = n + (condition -> 1 : 0);
		w++
	:: else -> break
	od;
	w = 0
}

init {
	do
	:: atomic {
		do
		:: w < K -> act(); w++
		:: else -> break
		od;
		w = 0;
		d_step { count(seen[w] < LEASE) };
		if
		:: n < ECHOES_NEEDED -> break /* S has let go in time */
		:: else
		fi;
		d_step {
			count(stands[w] > 0);
			assert(n < VOTES_NEEDED); /* exclusive */
			tick()
		}
	}
	od
}
