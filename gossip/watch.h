/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fast failure detection beside SWIM: every node is watched by WATCH_K others, chosen by hashing so that all members compute
 * the same set (Rapid, Suresh et al., USENIX ATC 2018, section 4.1: K rings). Both ends of an edge send heartbeats. Silence
 * starts a short verification; a quorum of the watchers decides. Pure; gossip.c carries its messages. Internal to gossip/.
 */
#ifndef MLB_GOSSIP_WATCH_H
#define MLB_GOSSIP_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/time.h"

/* Watchers of a node, where there are so many others. */
#define WATCH_K 5

/* Edges of one node: its watchers and its subjects. Both are WATCH_K on average; a ring gives some nodes more subjects. */
#define WATCH_EDGE_MAX 32

/* Votes that a node remembers about its subjects. */
#define WATCH_VOTE_MAX 64

struct watch_timers {
	struct span beat;   /* h: heartbeat interval */
	struct span silent; /* T_s: silence after which verification starts */
	struct span verify; /* T_v: how long verification lasts before a vote */
	struct span probe;  /* interval of pings and questions during verification and voting */
};

/* A member as the rings see it. */
struct watch_member {
	uint64_t key;	   /* hash of the name: the same on every node */
	uint64_t instance; /* this run of it */
};

enum watch_message_kind {
	WATCH_BEAT = 1, /* to an edge's other end: I am here, and heard you `age` ago */
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
};

/* What one call wants sent, and whom the quorum declares dead. Bounded; what does not fit is said again later. */
#define WATCH_OUT_MAX 256

struct watch_out {
	size_t message_n;
	struct watch_message messages[WATCH_OUT_MAX];
	size_t dead_n;
	uint64_t dead[WATCH_EDGE_MAX];
};

struct watch_edge {
	uint64_t instance;
	bool subject;		  /* we watch it */
	bool watcher;		  /* it watches us */
	bool voted;		  /* we hold it for dead */
	struct instant heard;	  /* last authenticated packet from it */
	struct instant echoed;	  /* when it last heard us, by its own word or by an answer */
	struct instant told;	  /* last sign of life that another watcher reported */
	struct instant silent_at; /* when verification began; INSTANT_NEVER while it is heard */
	struct instant probe_at;  /* next ping and questions */
	size_t watcher_n;	  /* of a subject: the other watchers, and the quorum of all of them */
	uint64_t watchers[WATCH_K];
	size_t quorum;
};

struct watch_vote {
	uint64_t subject;
	uint64_t voter;
	struct instant until;
};

struct watch {
	struct watch_timers timers;
	uint64_t self; /* our instance */
	struct instant beat_at;
	struct instant abstain_until; /* we were late ourselves: accuse nobody */
	size_t edge_n;
	struct watch_edge edges[WATCH_EDGE_MAX];
	size_t vote_n;
	struct watch_vote votes[WATCH_VOTE_MAX];
};

void watch_init(struct watch *w, const struct watch_timers *timers, uint64_t self, struct instant now);
/*
 * The members that are not dead or left, ourselves included, in any order. Recomputes the edges; those that stay keep what they
 * know. scratch: room for member_n entries, overwritten.
 */
void watch_view(struct watch *w, const struct watch_member *members, size_t member_n, struct watch_member *scratch,
		struct instant now);
/* It is dead, or has left: forget the edge at once. Should it come back, it begins anew. */
void watch_drop(struct watch *w, uint64_t instance);
/* An authenticated packet came from this instance. */
void watch_heard(struct watch *w, uint64_t instance, struct instant now);
/* It heard us at this instant: it answered, or its heartbeat said so. A node that hears nobody is as good as dead. */
void watch_echoed(struct watch *w, uint64_t instance, struct instant at, struct instant now);
/* A WATCH_ASK, WATCH_TELL or WATCH_VOTE came from `from`. */
void watch_take(struct watch *w, uint64_t from, const struct watch_message *message, struct instant now,
		struct watch_out *out);
/* Do what is due. */
void watch_tick(struct watch *w, struct instant now, struct watch_out *out);
/* Our own clock or loop stood still: nobody's silence counts, and we accuse nobody for T_s + T_v. */
void watch_amnesty(struct watch *w, struct instant now);
struct instant watch_deadline(const struct watch *w);

#endif
