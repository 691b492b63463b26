/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Planned move with a token: owner, successor and a third node. The rules, for a hand-over without overlap (election/ has one in
 * which the successor serves before the owner lets go):
 *
 *   record       (epoch, owner). The highest epoch counts; who learns of one that names another stops serving. One that names a node
 *                known to be dead is passed over: a late one would stop the only survivor.
 *   1 prepare    the owner asks a successor, under a number that rises with each attempt.
 *   2 ready      the successor notes epoch and number, answers, and does not serve yet. Not when it has voted against the owner.
 *   3 token      then the owner stops serving, notes the record (epoch + 1, successor), and sends it to everybody: the token. It may
 *                give up waiting before, and ask another.
 *   4 death      a vote against a node carries the voter's record and what it is prepared for. Who has the votes of all others that
 *                live knows the highest record among them. When its owner is dead, the next owner, with the next epoch, is the one
 *                prepared for that epoch under the highest number, or else the best-ranked of those that live.
 *   Records name instances: a node that restarts is not the successor that it was.
 *
 * Properties
 *   exclusive  No two nodes serve at the same time.
 *   served     In the end exactly one node serves, as long as one of the three lives.
 *
 * Abstraction
 *   - No clock and no partition: all that live are connected, and only the dead are declared dead (votes.pml; when nodes are cut
 *     off, the lease of lease.pml keeps them apart). A lone survivor decides alone, as SWIM's suspicion does in the end.
 *   - Packets arrive at any later time, any number of times, also after their sender died. Those of a dead sender may be lost; those
 *     of a live one are repeated.
 *   - MOVES attempts, CRASHES crashes at any point, ranks in any order. A crashed node serves no more (the kernel takes the
 *     address away). A restarted one takes part as a listener only.
 *   - Every behaviour is finite, as records only rise: `served` is checked at their ends.
 *
 * Not modelled: more than three nodes, where a quorum is not everybody: two deciders may then have votes of different voters, and
 * only one of them know of the successor. All that live must be ready, not the successor alone, before a token may be sent there.
 *
 * Mutants: TOKEN_FIRST (stop after sending), UNPREPARED (no step 2), BLIND_VOTE (votes carry nothing), NO_NUMBER (any that is
 * prepared), LATE_READY (answers although it has voted), TOKEN_BY_NAME, NO_EPOCH (a token counts twice); against `served`:
 * UNRECORDED (the owner does not note the record that it sent), OBEY_DEAD (records that name the dead count).
 */
#ifndef MOVES
#define MOVES 2
#endif
#ifndef CRASHES
#define CRASHES 2
#endif

#define NODES 3
#define NOBODY 3
#define EPOCHS 7 /* the first, and one for each move and crash, and room */
#define BIT(i) (1 << (i))
#define ALL 7
#define IN(mask, i) ((mask) >> (i) & 1)
#define COUNT(m) (IN(m, 0) + IN(m, 1) + IN(m, 2))

byte up = ALL;
byte back;	 /* restarted, as another instance */
byte serves = 1; /* who serves; it begins with node 0 */
byte moves_left = MOVES;
byte crashes_left = CRASHES;
byte rank[NODES]; /* nodes, best first */

/* of each node */
byte epoch[NODES] = 1; /* its record */
byte owner[NODES];
byte view[NODES] = ALL;
byte wants[NODES] = NOBODY; /* as owner: whom it has asked */
byte number[NODES];	    /* of its attempts */
byte ready_epoch[NODES];    /* as successor: what it is prepared for */
byte ready_number[NODES];

/* packets */
byte asked_epoch[NODES]; /* the last that was asked of this node */
byte asked_number[NODES];
byte asked_by[NODES];
byte token[EPOCHS] = NOBODY; /* by epoch: the successor */
byte issuer[EPOCHS];

/* votes against the first that died: who voted, and what the vote carried */
byte voted[NODES];
byte vote_epoch[NODES];
byte vote_owner[NODES];
byte vote_ready_epoch[NODES];
byte vote_ready_number[NODES];

/* scratch, zero between steps */
byte best;
byte best_number;
byte x;

inline serve()
{
	serves = serves | BIT(i);
	assert(COUNT(serves) <= 1) /* exclusive */
}

inline take_record(e, o)
{
	epoch[i] = e;
	owner[i] = o;
	if
	:: o == i -> serve()
	:: else ->
		serves = serves & ~BIT(i);
		wants[i] = NOBODY
	fi
}

inline ask(j)
{
	moves_left--;
	wants[i] = j;
	number[i]++;
	asked_epoch[j] = epoch[i];
	asked_number[j] = number[i];
	asked_by[j] = i
}

#ifdef LATE_READY
#define WILLING(i) true
#else
#define WILLING(i) (!IN(voted[i], asked_by[i]))
#endif
#define IS_ASKED(i) \
	(asked_number[i] > 0 && asked_epoch[i] >= epoch[i] && WILLING(i) && \
	 (ready_epoch[i] < asked_epoch[i] || (ready_epoch[i] == asked_epoch[i] && ready_number[i] < asked_number[i])))

#ifdef UNPREPARED
#define IS_READY(i, j) true
#else
#define IS_READY(i, j) (ready_epoch[j] == epoch[i] && ready_number[j] == number[i])
#endif
#define MAY_PASS(i) (IN(serves, i) && wants[i] != NOBODY && IN(view[i] & ~voted[i], wants[i]) && IS_READY(i, wants[i]))

/* one that is dead and not yet known to be */
#define IS_DEAD(x) (!IN(up, x))
#define MAY_VOTE(i, x) ((x) != i && IN(view[i], x) && IS_DEAD(x) && !IN(voted[i], x))
#define HAS_VOTE(i, u, x) (u == i || u == (x) || !IN(view[i], u) || IN(voted[u], x) || IS_DEAD(u))
#define MAY_DECIDE(i, x) \
	(IN(view[i], x) && IN(voted[i], x) && HAS_VOTE(i, 0, x) && HAS_VOTE(i, 1, x) && HAS_VOTE(i, 2, x))

inline vote(subject)
{
	voted[i] = voted[i] | BIT(subject);
	if
	:: COUNT(voted[i]) == 1 ->
		vote_epoch[i] = epoch[i];
		vote_owner[i] = owner[i];
		vote_ready_epoch[i] = ready_epoch[i];
		vote_ready_number[i] = ready_number[i]
	:: else
	fi
}

#ifdef NO_NUMBER
#define BETTER(n) (best == NOBODY)
#else
#define BETTER(n) ((n) > best_number)
#endif

inline consider(u, e, n)
{
	if
	:: IN(view[i], u) && e == epoch[i] && (n) > 0 && BETTER(n) ->
		best = u;
		best_number = n
	:: else
	fi
}

/* the record of u's vote, then what u is prepared for; `counts`: whose votes have arrived */
inline read_record(u)
{
	if
	:: u != i && IN(counts, u) && vote_epoch[u] > epoch[i] -> take_record(vote_epoch[u], vote_owner[u])
	:: else
	fi
}

inline read_ready(u)
{
	if
	:: u == i -> consider(u, ready_epoch[u], ready_number[u])
	:: u != i && IN(counts, u) -> consider(u, vote_ready_epoch[u], vote_ready_number[u])
	:: else
	fi
}

inline choose_owner()
{
	best = NOBODY;
	read_ready(0);
	read_ready(1);
	read_ready(2);
	if
	:: best == NOBODY ->
		x = 0;
		do
		:: !IN(view[i], rank[x]) -> x++
		:: else -> break
		od;
		best = rank[x]
	:: else
	fi;
	take_record(epoch[i] + 1, best);
	best = 0;
	best_number = 0;
	x = 0
}

#ifdef BLIND_VOTE
#define SAID(u, subject) false
#else
#define SAID(u, subject) (IN(voted[u], subject))
#endif

/* The vote of one that has died since may have been lost. */
inline decide(subject)
{
	counts = (SAID(0, subject) && IN(up, 0) -> 1 : 0) | (SAID(1, subject) && IN(up, 1) -> 2 : 0) |
		(SAID(2, subject) && IN(up, 2) -> 4 : 0);
	if
	:: skip
	:: counts = (SAID(0, subject) -> 1 : 0) | (SAID(1, subject) -> 2 : 0) | (SAID(2, subject) -> 4 : 0)
	fi;
	view[i] = view[i] & ~BIT(subject);
	read_record(0);
	read_record(1);
	read_record(2);
	if
	:: !IN(view[i], owner[i]) -> choose_owner()
	:: else
	fi;
	if
	:: wants[i] == subject -> wants[i] = NOBODY
	:: else
	fi;
	counts = 0
}

#ifdef OBEY_DEAD
#define MAY_OWN(o) true
#else
#define MAY_OWN(o) IN(view[i], o)
#endif

#define ABOUT(n) \
	:: atomic { LIVES && IN(serves, i) && wants[i] == NOBODY && moves_left > 0 && (n) != i && IN(view[i], n) -> ask(n) } \
	:: atomic { LIVES && MAY_VOTE(i, n) -> vote(n) } \
	:: atomic { LIVES && MAY_DECIDE(i, n) -> decide(n) } \
	/* live nodes tell each other what they know */ \
	:: atomic { LIVES && IN(up, n) && epoch[n] > epoch[i] && MAY_OWN(owner[n]) -> take_record(epoch[n], owner[n]) }

#ifdef NO_EPOCH
#define COUNTS(i, e) (epoch[i] < (e) || (token[e] == i && !IN(serves, i)))
#else
#define COUNTS(i, e) (epoch[i] < (e))
#endif
#ifdef TOKEN_BY_NAME
#define AGAIN(e) :: atomic { IN(back, i) && token[e] == i && !IN(serves, i) -> serve() }
#else
#define AGAIN(e)
#endif

#define TOKEN(e) \
	:: atomic { LIVES && token[e] != NOBODY && MAY_OWN(token[e]) && COUNTS(i, e) -> take_record(e, token[e]) } \
	AGAIN(e)

#define LIVES IN(up, i)

proctype node(byte i)
{
	byte counts;
end:	do
	ABOUT(0) ABOUT(1) ABOUT(2)
	TOKEN(2) TOKEN(3) TOKEN(4) TOKEN(5) TOKEN(6)
	:: atomic { LIVES && IS_ASKED(i) ->
		ready_epoch[i] = asked_epoch[i];
		ready_number[i] = asked_number[i];
		if
		:: asked_epoch[i] > epoch[i] -> take_record(asked_epoch[i], asked_by[i])
		:: else
		fi }
	:: atomic { LIVES && wants[i] != NOBODY -> wants[i] = NOBODY } /* gives up waiting */
	:: atomic { LIVES && MAY_PASS(i) ->
		token[epoch[i] + 1] = wants[i];
		issuer[epoch[i] + 1] = i;
#ifndef UNRECORDED
		epoch[i]++;
		owner[i] = wants[i];
#endif
		wants[i] = NOBODY;
#ifdef TOKEN_FIRST
		}
		atomic {
#endif
		serves = serves & ~BIT(i) }
	:: atomic { LIVES && crashes_left > 0 ->
		crashes_left--;
		up = up & ~BIT(i);
		serves = serves & ~BIT(i);
		wants[i] = NOBODY }
	:: atomic { !LIVES && !IN(back, i) -> back = back | BIT(i) }
	od
}

#define MAY_BE_LOST(e) (token[e] != NOBODY && !IN(up, issuer[e]))

init {
	byte n;
	atomic {
		if
		:: rank[0] = 0; rank[1] = 1; rank[2] = 2
		:: rank[0] = 0; rank[1] = 2; rank[2] = 1
		:: rank[0] = 1; rank[1] = 0; rank[2] = 2
		:: rank[0] = 1; rank[1] = 2; rank[2] = 0
		:: rank[0] = 2; rank[1] = 0; rank[2] = 1
		:: rank[0] = 2; rank[1] = 1; rank[2] = 0
		fi;
		run node(0);
		run node(1);
		run node(2)
	}
	do
	:: atomic { MAY_BE_LOST(2) -> token[2] = NOBODY }
	:: atomic { MAY_BE_LOST(3) -> token[3] = NOBODY }
	:: atomic { MAY_BE_LOST(4) -> token[4] = NOBODY }
	:: atomic { timeout ->
		assert(up == 0 || COUNT(serves) == 1); /* served */
		break }
	od
}
