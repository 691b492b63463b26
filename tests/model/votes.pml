/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Votes: one subject S, its K watchers, and a quorum of them (gossip/watch.c). Checked exhaustively by tests/model/run.
 *
 * Properties
 *   safety    Let at most Q - 1 watchers be on the other side of a partition, or have been there within a vote's life, and let one
 *             watcher on the side of S have a link to it. Then the running instance of S is never declared dead: not by loss, cut
 *             links, watchers that were paused, or votes and verdicts about an earlier instance, however late these arrive.
 *   progress  (LIVE) When S has crashed for good, each watcher that stays up comes to know it, though K - Q others crash as well.
 *
 * Abstraction
 *   - No clock. Silence of T_s may begin at any moment: any number of heartbeats in a row may be lost.
 *   - Verification (T_v) is taken at its word: as long as there is a path, one packet of its burst gets through. So a vote needs
 *     that there is no path at that moment, neither to S nor to another watcher that hears S and is not paused.
 *   - Cuts: single links between S and a watcher, and partitions that put watchers on the other side, made and mended at any moment
 *     within the bounds above.
 *   - A vote counts with everybody from the moment that it is cast, until it expires some time after its voter has withdrawn it; a
 *     verdict reaches a watcher at any later time, or never. This includes every order and delay of the packets, partition or not.
 *     In LIVE only what arrives from a running node without a cut counts.
 *   - S may crash at any moment. With RESTART it restarts once, as a new instance, which whoever has a path to it meets at any later
 *     time; then single links are not cut, to keep the search short.
 *
 * Not modelled: SWIM's suspicion, which is slower and needs no quorum; refutation; hints; other subjects and what their deaths do to
 * the watcher set; the time that anything takes, and so also how long a vote must be kept. Exhaustive for K = 3 (and 2); for K = 4 there
 * are too many states for a check.
 *
 * Mutants, each of which must be caught: QUORUM_LESS, VOTE_BY_NAME, VERDICT_BY_NAME, NO_VERIFICATION, ONLY_OWN_EDGE (a watcher does
 * not ask the others), NO_AMNESTY (one that was paused trusts its timers); against progress: NO_REPEAT (verdicts are not passed on),
 * QUORUM_ALL.
 */
#ifndef K
#define K 3
#endif
#define Q (K / 2 + 1)

#if defined(QUORUM_LESS)
#define NEEDED (Q - 1)
#elif defined(QUORUM_ALL)
#define NEEDED K
#else
#define NEEDED Q
#endif

#define BIT(w) (1 << (w))
#define ALL (BIT(K) - 1)
#define COUNT(m) (((m) & 1) + ((m) >> 1 & 1) + ((m) >> 2 & 1) + ((m) >> 3 & 1))

mtype = { good, verifying, voted };

/* the world */
bool up = true;	    /* S */
byte inst = 1;	    /* its instance that runs, or ran last: 1 or 2 */
byte away;	    /* watchers on the other side of a partition */
byte unlinked;	    /* watchers whose own link to S is cut */
byte running = ALL; /* watchers that are up */

/* the watchers; arrays have room for the index 3 that the macros below spell out */
byte known[4] = 1; /* the instance that its edge is to; 0: none */
mtype state[4] = good;
byte cast[3];	   /* by instance: whose votes still count somewhere */
byte dead[4];	   /* bit i: it holds instance i for dead */

#define PATH(w) (up && !((away | unlinked) & BIT(w)))
#define OTHER(w, u) ((u) < K && (u) != (w))
#define TOGETHER(w, u) (!((away >> (w) ^ away >> (u)) & 1) && (running & BIT(u)))

/* signs of life in verification */
#ifdef ONLY_OWN_EDGE
#define ANSWERS(w, u) false
#else
#define ANSWERS(w, u) (OTHER(w, u) && TOGETHER(w, u) && PATH(u))
#endif
#define SIGN(w) (inst == known[w] && (PATH(w) || ANSWERS(w, 0) || ANSWERS(w, 1) || ANSWERS(w, 2) || ANSWERS(w, 3)))
#ifdef NO_VERIFICATION
#define CONVINCED(w) true
#else
#define CONVINCED(w) (!SIGN(w))
#endif

/* votes that w counts, about the instance that it knows */
#define STANDS(u, i) (state[u] == voted && known[u] == (i))
#define ARRIVES(w, u) ((w) == (u) || (OTHER(w, u) && TOGETHER(w, u) && STANDS(u, known[w])))
#if defined(LIVE)
#define VOTES(w) (ARRIVES(w, 0) + ARRIVES(w, 1) + ARRIVES(w, 2) + ARRIVES(w, 3))
#elif defined(VOTE_BY_NAME)
#define VOTES(w) COUNT(cast[1] | cast[2])
#else
#define VOTES(w) COUNT(cast[known[w]])
#endif

/* a verdict about instance i reaches w: told by the decider, or by whoever holds it and sees that w's digest differs */
#ifdef LIVE
#define TELLS(w, u, i) (OTHER(w, u) && TOGETHER(w, u) && (dead[u] & BIT(i)))
#else
#define TELLS(w, u, i) (OTHER(w, u) && (dead[u] & BIT(i)))
#endif
#ifdef VERDICT_BY_NAME
#define IS_NEWS(w, i) (known[w] != 0)
#else
#define IS_NEWS(w, i) (!(dead[w] & BIT(i)))
#endif
#ifdef NO_REPEAT
#define HEARS_VERDICT(w, i) false
#else
#define HEARS_VERDICT(w, i) \
	(IS_NEWS(w, i) && (TELLS(w, 0, i) || TELLS(w, 1, i) || TELLS(w, 2, i) || TELLS(w, 3, i)))
#endif

inline bury(i)
{
	assert(!(up && inst == i)); /* safety */
	dead[w] = dead[w] | BIT(i);
	if
	:: known[w] == i ->
		known[w] = 0;
		state[w] = good
	:: else
	fi
}

inline take_verdict(i)
{
#ifdef VERDICT_BY_NAME
	bury(known[w])
#else
	bury(i)
#endif
}

inline vote()
{
	state[w] = voted;
	cast[known[w]] = cast[known[w]] | BIT(w)
}

proctype watcher(byte w)
{
end:	do
	/* T_s of silence */
	:: d_step { (running & BIT(w)) && known[w] != 0 && state[w] == good -> state[w] = verifying }
	/* heard: also a vote is withdrawn, but its copies stay until they expire */
	:: d_step { (running & BIT(w)) && state[w] != good && SIGN(w) -> state[w] = good }
	:: d_step { (running & BIT(w)) && state[w] == verifying && CONVINCED(w) -> vote() }
	/* a quorum that includes its own vote */
	:: d_step { (running & BIT(w)) && state[w] == voted && VOTES(w) >= NEEDED -> bury(known[w]) }
	:: d_step { (running & BIT(w)) && HEARS_VERDICT(w, 1) -> take_verdict(1) }
	:: d_step { (running & BIT(w)) && HEARS_VERDICT(w, 2) -> take_verdict(2) }
	/* meets a later instance, which replaces the earlier one: the edge begins anew */
	:: d_step { (running & BIT(w)) && PATH(w) && inst > known[w] && !(dead[w] & BIT(inst)) ->
		dead[w] = dead[w] | BIT(known[w]) & ~1;
		known[w] = inst;
		state[w] = good }
#ifndef LIVE
	/* was paused, and wakes up with all its timers due */
#ifdef NO_AMNESTY
	:: d_step { known[w] != 0 && state[w] != voted -> vote() }
#else
	:: d_step { state[w] != good -> state[w] = good }
#endif
#endif
	od
}

#ifndef LIVE
/* when w goes there too: who is on the other side, or was within a vote's life */
#define STRAYED(w) COUNT(away | cast[inst] | BIT(w))
#define LINKED(w) (ALL & ~(away | unlinked | BIT(w)))
#define MAY_PART(w) ((w) < K && !(away & BIT(w)) && STRAYED(w) < Q && LINKED(w))
#define MAY_UNLINK(w) ((w) < K && !(unlinked & BIT(w)) && LINKED(w))
#define MAY_EXPIRE(u, i) ((cast[i] & BIT(u)) && !STANDS(u, i))

#ifdef RESTART
#define LINK(w)
#define MAY_RESTART (!up && inst == 1)
#else
#define LINK(w) :: d_step { MAY_UNLINK(w) -> unlinked = unlinked | BIT(w) }
#define MAY_RESTART false
#endif

#define EACH(w) \
	:: d_step { MAY_PART(w) -> away = away | BIT(w) } \
	LINK(w) \
	:: d_step { MAY_EXPIRE(w, 1) -> cast[1] = cast[1] & ~BIT(w) } \
	:: d_step { MAY_EXPIRE(w, 2) -> cast[2] = cast[2] & ~BIT(w) }

active proctype world()
{
end:	do
	:: d_step { up -> up = false }
	:: d_step { MAY_RESTART -> inst = 2; up = true }
	:: d_step { away -> away = 0 }
	:: d_step { unlinked -> unlinked = 0 }
	EACH(0) EACH(1) EACH(2) EACH(3)
	od
}
#else
byte crashes_left = K - Q;
byte cuts_left = 1;
bool over; /* S has crashed for good, and nothing else happens from now on */

#define MET(w) ((w) >= K || !(running & BIT(w)) || known[w] == inst || (dead[w] & BIT(inst)))
#define KNOWS(w) ((w) >= K || !(running & BIT(w)) || (dead[w] & BIT(inst)))

/* some cuts and crashes, in any order; S crashes for good, known to all as a member; then nothing more */
active proctype world()
{
	do
	:: d_step { up -> up = false }
	:: d_step { !up && inst == 1 -> inst = 2; up = true }
	:: d_step { cuts_left > 0 -> away = BIT(0); cuts_left-- }
	:: d_step { cuts_left > 0 -> unlinked = BIT(0); cuts_left-- }
	:: d_step { away | unlinked -> away = 0; unlinked = 0 }
	:: d_step { crashes_left > 0 -> running = running & ~BIT(crashes_left); crashes_left-- }
	:: atomic { !up && !away && !unlinked && MET(0) && MET(1) && MET(2) && MET(3) -> over = true }; break
	od
}

ltl progress { [] (over -> <> (KNOWS(0) && KNOWS(1) && KNOWS(2) && KNOWS(3))) }
#endif

init {
	byte w;
	atomic {
		do
		:: w < K -> run watcher(w); w++
		:: else -> break
		od
	}
}
