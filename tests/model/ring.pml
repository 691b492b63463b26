/* SPDX-License-Identifier: Apache-2.0 */
/*
 * View change on the one ring of a cluster of up to 63: N nodes of which any set dies at once (gossip/watch.c: watchers of i are i-2,
 * i-1, i+1, i+2, i+3 among those that the view holds for alive; everybody else where these are six or fewer; quorum floor(K/2) + 1).
 *
 * Property
 *   progress  When at least SURVIVORS nodes live, every survivor comes to hold exactly the survivors for alive: however long the
 *             runs of dead neighbours are, and in whatever order verdicts arrive. A run resolves from its upper end, where three
 *             live nodes follow; each verdict closes the ring and gives the next dead node live watchers.
 *
 * Abstraction
 *   - The deaths come first; then no clock: every watcher votes and every verdict arrives after any delay, but in the end.
 *   - A watcher of s by its own view votes against s, when s is dead. A node decides by the watchers of its own view, when it is one of
 *     them. Views differ while verdicts are on their way.
 *   - A verdict is learned from a node at the other end of an edge of the ring, by either's view: heartbeats carry a digest of the
 *     view. The broadcast to everybody only makes this faster, and is left out.
 *   - Every behaviour is finite, as views only shrink: that all end well is checked at their ends. Of the sets of dead nodes that are
 *     rotations of each other one is taken.
 *
 * Not modelled: the three rings of larger clusters; verdicts about the living (votes.pml, views.pml), partitions, newcomers; how long it takes (tests/sim).
 *
 * Mutants: FIXED_RING (the dead are not replaced), QUORUM_ALL.
 * Limits of the design, which the checker must find: SURVIVORS = 2 (two of five or more left at once are no quorum; SWIM's
 * suspicion decides); SPLIT with N = 7: three nodes may be a quorum of the watchers of one of the other four, so in a cluster of
 * seven or more a minority can declare a majority's node dead, when its nodes are neighbours of it on the ring. What it may then
 * do with its addresses is not gossip's to decide (lease.pml: the node itself loses its lease at the same time).
 */
#ifndef N
#define N 8
#endif
#ifndef SURVIVORS
#define SURVIVORS 3
#endif

#define BIT(i) (1 << (i))
#define ALL (BIT(N) - 1)
#define IN(mask, i) ((mask) >> (i) & 1)
#define COUNT(m) (IN(m, 0) + IN(m, 1) + IN(m, 2) + IN(m, 3) + IN(m, 4) + IN(m, 5) + IN(m, 6) + IN(m, 7))

byte up = ALL;
byte view[8] = ALL;
/* watchers by view and subject: computed once, and no part of the state */
hidden byte table[2048];

#ifdef FIXED_RING
#define WATCHERS(v, s) table[ALL * 8 + (s)]
#else
#define WATCHERS(v, s) table[(v) * 8 + (s)]
#endif
#ifdef QUORUM_ALL
#define QUORUM(m) COUNT(m)
#else
#define QUORUM(m) (COUNT(m) / 2 + 1)
#endif

/* w says that s is dead: by its vote, or because it holds the verdict */
#define SAYS(w, s) (IN(up, w) && (!IN(view[w], s) || IN(WATCHERS(view[w], s), w)))
#define VOTE(m, w, s) (IN(m, w) && SAYS(w, s) -> 1 : 0)
#define VOTES(m, s) \
	(VOTE(m, 0, s) + VOTE(m, 1, s) + VOTE(m, 2, s) + VOTE(m, 3, s) + VOTE(m, 4, s) + VOTE(m, 5, s) + VOTE(m, 6, s) + \
	 VOTE(m, 7, s))
#define DECIDES(i, s) \
	(IN(WATCHERS(view[i], s), i) && VOTES(WATCHERS(view[i], s), s) >= QUORUM(WATCHERS(view[i], s)))

#define EDGE_BY(v, i, j) (IN(WATCHERS(v, i), j) || IN(WATCHERS(v, j), i))
#define TELLS(j, i, s) (IN(up, j) && !IN(view[j], s) && (EDGE_BY(view[i], i, j) || EDGE_BY(view[j], i, j)))
#define LEARNS(i, s) \
	(TELLS(0, i, s) || TELLS(1, i, s) || TELLS(2, i, s) || TELLS(3, i, s) || TELLS(4, i, s) || TELLS(5, i, s) || \
	 TELLS(6, i, s) || TELLS(7, i, s))

#define ABOUT(s) \
	:: d_step { IN(view[i], s) && !IN(up, s) && (DECIDES(i, s) || LEARNS(i, s)) -> view[i] = view[i] & ~BIT(s) }

#define AGREES(i) (!IN(up, i) || view[i] == up)

/* the nearest `room` live ones of s, `step` by `step` */
inline collect(step, room)
{
	at = s;
	left = room;
	do
	:: left > 0 ->
		at = (at + step) % N;
		if
		:: IN(v, at) && at != s ->
			found = found | BIT(at);
			left--
		:: else
		fi
	:: else -> break
	od
}

inline fill_table()
{
	v = 1;
	do
	:: v <= ALL ->
		s = 0;
		do
		:: s < N ->
			found = v & ~BIT(s);
			if
			:: COUNT(v) > 6 && IN(v, s) ->
				found = 0;
				collect(1, 3);
				collect(N - 1, 2)
			:: else
			fi;
			table[v * 8 + s] = found;
			s++
		:: else -> break
		od;
		v++
	:: else -> break
	od;
	v = 0; s = 0; at = 0; left = 0; found = 0
}

proctype node(byte i)
{
end:	do
	ABOUT(0) ABOUT(1) ABOUT(2) ABOUT(3) ABOUT(4) ABOUT(5) ABOUT(6) ABOUT(7)
	od
}

init {
	short v;
	byte s;
	byte at;
	byte left;
	byte found;
	bool first = true; /* of its rotations */

	d_step { fill_table() }
	/* who dies */
	atomic {
		do
		:: s < N -> s++
		:: s < N -> up = up & ~BIT(s); s++
		:: else -> break
		od;
		s = 1;
		d_step {
			v = up;
			do
			:: s < N ->
				v = (v << 1 | v >> (N - 1)) & ALL;
				first = first && up <= v;
				s++
			:: else -> break
			od;
			v = 0;
			s = 0
		}
		if
		:: first && COUNT(up) >= SURVIVORS
		:: else -> goto done
		fi;
		do
		:: s < N ->
			if
			:: IN(up, s) -> run node(s)
			:: else
			fi;
			s++
		:: else -> break
		od;
		s = 0
	}
#ifdef SPLIT
	/* the dead are not dead, but on the other side of a split; they are fewer */
	do
	:: s < N && IN(up, s) -> assert(COUNT(up) <= N / 2 || COUNT(WATCHERS(ALL, s) & ~up) < QUORUM(WATCHERS(ALL, s))); s++
	:: s < N && !IN(up, s) -> s++
	:: else -> break
	od
#else
	timeout ->
	assert(AGREES(0) && AGREES(1) && AGREES(2) && AGREES(3) && AGREES(4) && AGREES(5) && AGREES(6) && AGREES(7))
#endif
done:
	skip
}
