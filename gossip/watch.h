/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fast failure detection beside SWIM: every node is watched by WATCH_K others, its neighbours on one hashed ring, the same on
 * every member (docs/adr/0006). Both ends of such an edge send heartbeats that echo what they heard. Silence starts a short
 * verification; a quorum of the watchers decides. Pure; gossip.c carries its messages. Internal to gossip/.
 */
#ifndef MLB_GOSSIP_WATCH_H
#define MLB_GOSSIP_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/time.h"

/* Watchers of a node, where there are so many others. */
#define WATCH_K 5

/* Edges of a member where there are so many others: successors and predecessors. */
#define WATCH_REACH 3
#define WATCH_EDGE_MAX (2 * WATCH_REACH)

/* Votes that a node remembers about its subjects. */
#define WATCH_VOTE_MAX 64

/* Heartbeats whose time of sending is remembered, to read their echoes. */
#define WATCH_SENT_MAX 64

struct watch_timers {
	struct span beat;   /* h: heartbeat interval */
	struct span silent; /* T_s: silence after which verification starts, without loss; see watch_silence */
	struct span verify; /* T_v: how long verification lasts before a vote, at least */
	struct span probe;  /* interval of pings and questions during verification and voting */
};

/* A member as the ring sees it. */
struct watch_member {
	uint64_t key;	   /* hash of the name: the same on every node */
	uint64_t instance; /* this run of it */
	bool fresh;	   /* just became a member: it may not know of us yet */
};

/* The contents of a heartbeat that concern the edge. */
struct watch_beat {
	uint32_t seq;	      /* of this edge and direction; on every path the same */
	uint32_t echo;	      /* the highest seq heard from the other end; 0: none */
	struct span echo_age; /* how long ago that was heard */
	uint32_t loss_ppm;    /* of the other end's heartbeats */
	bool hurry;	      /* the sender's lease is running out: answer by a heartbeat at once */
	bool vowed;	      /* the sender's vote against the receiver may still stand: the echo renews no lease */
	struct span patience; /* the sender votes against nobody before so long a silence */
};

enum watch_message_kind {
	WATCH_BEAT = 1, /* to an edge's other end */
	WATCH_PING,	/* to a silent subject: answer me */
	WATCH_ASK,	/* to another watcher: when did you hear `subject` last? */
	WATCH_TELL,	/* the answer: `age` ago */
	WATCH_VOTE,	/* to another watcher: `subject` is dead */
};

struct watch_message {
	enum watch_message_kind kind;
	uint64_t to;
	uint64_t subject;
	struct span age;
	struct watch_beat beat; /* WATCH_BEAT */
};

/* A death that a quorum agrees on. */
struct watch_verdict {
	uint64_t instance;
	bool sure; /* all votes came after a silence longer than any lease; else a hint has shortened it */
};

/* What one call wants sent, and whom the quorum declares dead. Bounded; what does not fit is said again later. */
#define WATCH_OUT_MAX 128

struct watch_out {
	size_t message_n;
	struct watch_message messages[WATCH_OUT_MAX];
	size_t dead_n;
	struct watch_verdict dead[WATCH_EDGE_MAX];
	bool ask_witness;
};

/* The longest of something within the last minute: two halves, of which the older is dropped. */
struct watch_peak {
	struct span now;
	struct span before;
	struct instant turn_at;
};

struct watch_edge {
	uint64_t instance;
	bool subject;		  /* we watch it */
	bool watcher;		  /* it watches us */
	bool known;		  /* we have heard it on this edge: only then can we tell others when */
	bool voted;		  /* we hold it for dead */
	bool hinted;		  /* something else spoke for its death: T_s is skipped */
	struct instant heard;	  /* last authenticated packet from it */
	struct instant echoed;	  /* when we sent the last packet that it is known to have heard */
	struct instant told;	  /* last sign of life that another watcher reported */
	struct instant silent_at; /* when verification began; INSTANT_NEVER while it is heard */
	struct instant probe_at;  /* next ping and questions */
	uint32_t seq;		  /* of our last heartbeat */
	uint32_t heard_seq;	  /* highest of its; 0: none */
	struct instant heard_beat;
	uint32_t loss_in_ppm;
	uint32_t loss_out_ppm;
	struct instant
		granted;      /* the last heartbeat of its that we have echoed without a vow: its lease rests on that */
	struct instant vowed; /* until then our vote against it may stand somewhere */
	struct instant lease; /* by its echoes it votes against us no earlier */
	struct watch_peak gap; /* between heartbeats that came in */
	struct instant sent_at[WATCH_SENT_MAX];
	size_t watcher_n; /* of a subject: the other watchers, and the quorum of all of them */
	uint64_t watchers[WATCH_K];
	size_t quorum;
};

struct watch_vote {
	uint64_t subject;
	uint64_t voter;
	bool sure; /* as in struct watch_verdict */
	struct instant until;
};

struct watch {
	struct watch_timers timers;
	uint64_t self; /* our instance */
	bool witness;  /* a sole watcher needs a witness for its vote */
	struct instant witness_at;
	struct instant beat_at;
	struct instant looked_at;     /* last watch_tick */
	struct instant abstain_until; /* we were late ourselves: accuse nobody */
	size_t watcher_n;	      /* those that watch us; none: we are alone */
	struct instant lease;	      /* no quorum of them can have voted against us before */
	struct instant hurried;	      /* last of them */
	struct instant hurry_at;      /* next heartbeats out of turn, while the lease runs out */
	struct span lag;	      /* how late we have been lately: limits are wider by it */
	uint64_t verification_n;      /* begun, ever */
	size_t edge_n;
	struct watch_edge edges[WATCH_EDGE_MAX];
	size_t vote_n;
	struct watch_vote votes[WATCH_VOTE_MAX];
};

void watch_init(struct watch *w, const struct watch_timers *timers, uint64_t self, bool witness, struct instant now);
/*
 * The members that are not dead or left, ourselves included, in any order. Recomputes the edges; those that stay keep what they
 * know. O(member_n).
 */
void watch_view(struct watch *w, const struct watch_member *members, size_t member_n, struct instant now);
/* It is dead, or has left: forget the edge at once. Should it come back, it begins anew. */
void watch_drop(struct watch *w, uint64_t instance);
/* The edge to this instance; NULL: none. Borrowed until the next call. */
const struct watch_edge *watch_edge_of(const struct watch *w, uint64_t instance);
/* An authenticated packet came from this instance; `at`: received by the kernel, not after now. */
void watch_heard(struct watch *w, uint64_t instance, struct instant at, struct instant now);
/* It has answered something that we sent at this instant. A node that hears nobody is as good as dead. */
void watch_echoed(struct watch *w, uint64_t instance, struct instant at, struct instant now);
/* Its heartbeat came. Returns the round trip that it measures, negative when it measures none. */
struct span watch_take_beat(struct watch *w, uint64_t from, const struct watch_beat *beat, struct instant at,
			    struct instant now, struct watch_out *out);
/* A WATCH_ASK, WATCH_TELL or WATCH_VOTE came from `from`. */
void watch_take(struct watch *w, uint64_t from, const struct watch_message *message, struct instant now,
		struct watch_out *out);
/* Something else speaks for its death (its host refuses our packets): verify it now. Never decides by itself. */
void watch_hint(struct watch *w, uint64_t instance, struct instant now);
/* The witness has answered: we are not the one who is cut off. */
void watch_witnessed(struct watch *w, struct instant now);
/* Do what is due. */
void watch_tick(struct watch *w, struct instant now, struct watch_out *out);
/* Our own clock or loop stood still: nobody's silence counts, and we accuse nobody for T_s + T_v. */
void watch_amnesty(struct watch *w, struct instant now);
struct instant watch_deadline(const struct watch *w);
/* T_s of this edge now. */
struct span watch_silence(const struct watch *w, const struct watch_edge *edge);

#endif
