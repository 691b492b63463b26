/* SPDX-License-Identifier: Apache-2.0 */
/*
 * View change in a small cluster: N nodes, each watched by all others, split in two for ever (gossip/watch.c).
 *
 * Property
 *   minority  The SMALL nodes of the one side never declare a node of the other side dead: not with the votes that they have, not
 *             after deaths of their own, not after verdicts that reached one of them and not yet the next.
 *
 * Every verdict makes the view of who holds it smaller, and with it the watcher sets and the quorum, floor(K/2) + 1 of the K
 * watchers of the present view. Views differ while verdicts are on their way. That is the danger that is looked at here.
 *
 * Abstraction
 *   - No clock: each vote that the cut or a crash allows is cast at any later time, or never. Nobody votes against who is up and on
 *     its own side (votes.pml: verification).
 *   - On one side, a vote counts with everybody once it is cast; a verdict reaches each of the others at any later time, or never.
 *   - CRASHES nodes crash, any of them, at any time after the split.
 *
 * Not modelled: healing; restarts; loss of single links (votes.pml); nodes that died before the split count as never having been
 * there. SWIM's suspicion, which needs no quorum: it is how a minority comes to a view of its own, seconds later.
 *
 * Mutants: QUORUM_LESS; STRUCK_OUT (watchers that one holds for silent oneself do not count towards the quorum).
 * Limits of the design, which the checker must find: SMALL = N / 2 with N even (both halves have a quorum against the other: 2 of 3
 * with N = 4, 3 of 5 with N = 6, 1 of 1 with N = 2). The cure for two nodes is a witness (WITNESS: only the side that reaches it
 * votes); for four and six the lease (lease.pml) or an odd number.
 */
#ifndef N
#define N 5
#endif
#ifndef SMALL
#define SMALL 2
#endif
#ifndef CRASHES
#define CRASHES 1
#endif

#define BIT(i) (1 << (i))
#define ALL (BIT(N) - 1)
#define MINORITY (BIT(SMALL) - 1) /* nodes 0 .. SMALL - 1 */
#define COUNT(m) (((m) & 1) + ((m) >> 1 & 1) + ((m) >> 2 & 1) + ((m) >> 3 & 1) + ((m) >> 4 & 1) + ((m) >> 5 & 1))

byte up = ALL;
byte crashes_left = CRASHES;
byte view[6] = ALL; /* whom a node holds for alive; room for the index 5 that the macros spell out */
byte cast[6];	    /* by subject: who votes against it */

#define SIDE(i) (((MINORITY >> (i)) & 1) -> MINORITY : ALL & ~MINORITY)
#define IN(mask, i) ((mask) & BIT(i))
#define REACHES(i, s) (IN(up, s) && IN(SIDE(i), s))

/* the quorum of the watchers of s, in the view of i */
#if defined(QUORUM_LESS)
#define QUORUM(i, s) ((COUNT(view[i]) - 1) / 2)
#elif defined(STRUCK_OUT)
#define SILENT(i, s) ((IN(cast[0], i) -> 1 : 0) | (IN(cast[1], i) -> 2 : 0) | (IN(cast[2], i) -> 4 : 0) | \
	(IN(cast[3], i) -> 8 : 0) | (IN(cast[4], i) -> 16 : 0) | (IN(cast[5], i) -> 32 : 0))
#define QUORUM(i, s) (COUNT(view[i] & ~BIT(s) & ~SILENT(i, s)) / 2 + 1)
#else
#define QUORUM(i, s) ((COUNT(view[i]) - 1) / 2 + 1)
#endif
#define VOTES(i, s) COUNT(cast[s] & view[i] & SIDE(i))

#ifdef WITNESS
/* the witness is on the side of the larger number */
#define MAY_ACCUSE(i) (COUNT(view[i]) > 2 || !IN(MINORITY, i))
#else
#define MAY_ACCUSE(i) true
#endif

#define MAY_VOTE(i, s) \
	((s) < N && (s) != (i) && IN(view[i], s) && !IN(cast[s], i) && !REACHES(i, s) && MAY_ACCUSE(i))
#define MAY_DECIDE(i, s) ((s) < N && IN(view[i], s) && IN(cast[s], i) && VOTES(i, s) >= QUORUM(i, s))
#define TELLS(i, j, s) ((j) < N && REACHES(i, j) && !IN(view[j], s))
#define MAY_LEARN(i, s) \
	((s) < N && (s) != (i) && IN(view[i], s) && \
	 (TELLS(i, 0, s) || TELLS(i, 1, s) || TELLS(i, 2, s) || TELLS(i, 3, s) || TELLS(i, 4, s) || TELLS(i, 5, s)))

#define ABOUT(s) \
	:: d_step { IN(up, i) && MAY_VOTE(i, s) -> cast[s] = cast[s] | BIT(i) } \
	:: d_step { IN(up, i) && MAY_DECIDE(i, s) -> \
		assert(!(IN(MINORITY, i) && !IN(MINORITY, s) && IN(up, s))); \
		view[i] = view[i] & ~BIT(s) } \
	:: d_step { IN(up, i) && MAY_LEARN(i, s) -> view[i] = view[i] & ~BIT(s) }

proctype node(byte i)
{
end:	do
	ABOUT(0) ABOUT(1) ABOUT(2) ABOUT(3) ABOUT(4) ABOUT(5)
	:: d_step { IN(up, i) && crashes_left > 0 -> up = up & ~BIT(i); crashes_left-- }
	od
}

init {
	byte i;
	atomic {
		do
		:: i < N -> run node(i); i++
		:: else -> break
		od
	}
}
