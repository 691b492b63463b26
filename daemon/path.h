/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is the segment behind an interface alive? A node that nobody hears may itself be the one that is cut off: it is when its
 * gateway and its peers are silent together. Any frame of another host is evidence; when there is none for a while, hosts that should
 * be there (gateway, witness, peers on the subnet) are asked by ARP or a neighbour solicitation, which even a host without our
 * program answers. Pure: the caller brings the time, the frames and the questions.
 *
 * Calm: nobody is asked until `fresh` at most without a frame, half of it at least, by chance: most questions are broadcast, and who hears
 * another one's needs none of its own, so that a thousand nodes ask hardly more than two. Then rounds of questions, ask_interval apart:
 * one first, then a quarter of the targets in turn. Silent is what was for `limit`, and for PATH_ROUND_MIN rounds: in these each target
 * was asked twice, and one alone ten times, so that it takes more than a fifth of all frames lost to be wrong. What is silent already is
 * asked a tenth as often.
 *
 * In a hurry, because somebody else's segment is silent: rounds hurry_interval apart until a frame comes, for only what is heard
 * since the hurry began counts. They begin within two intervals, by chance, for the same reason.
 */
#ifndef MLB_DAEMON_PATH_H
#define MLB_DAEMON_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/limits.h"
#include "base/time.h"

/* Hosts that are asked behind one interface: a gateway, a witness and the peers that one has; more would tell no more. */
#define PATH_TARGET_MAX 16

/* Rounds of questions in vain before silence means anything; with the quarters of a round, two questions to each target. */
#define PATH_ROUND_MIN 10
/* The same in a hurry: one question to each at least. */
#define PATH_HURRY_ROUND_MIN 5

/* A zero stands for the default. */
struct path_config {
	uint64_t seed;		    /* of chance: another one on each node */
	struct span fresh;	    /* 1 s; at most limit - PATH_ROUND_MIN * ask_interval for the limit to be kept */
	struct span ask_interval;   /* 50 ms */
	struct span limit;	    /* of silence: 1500 ms */
	struct span hurry_interval; /* 10 ms */
	struct span hurry_limit;    /* of silence since the hurry began: 80 ms */
};

enum path_state {
	PATH_UNKNOWN, /* no targets, or too early to tell: to be taken for alive */
	PATH_ALIVE,
	PATH_SILENT,
};

struct path_question {
	const char *iface; /* borrowed: good until the next path_targets */
	struct ip ip;
};

struct path; /* opaque */

/* NULL without memory. */
struct path *path_new(const struct path_config *config);
void path_free(struct path *p); /* NULL is fine */
/*
 * Whom to ask behind an interface, in this order; the first PATH_TARGET_MAX are taken. n == 0 forgets the interface. The same
 * list again changes nothing. Interfaces beyond SEGMENT_MAX are not watched: unknown.
 */
void path_targets(struct path *p, const char *iface, const struct ip *ips, size_t n, struct instant now);
/* A frame of another host arrived. An interface without targets: nothing happens. */
void path_heard(struct path *p, const char *iface, struct instant now);
/* Begin or end the hurry. Its end judges by `limit` again: what was silent in the hurry alone is not any more. */
void path_hurry(struct path *p, bool on, struct instant now);
/* The next question that is due; call until false. Late and early calls are fine: nothing is made up for. */
bool path_ask(struct path *p, struct instant now, struct path_question *out);
enum path_state path_state_of(const struct path *p, const char *iface, struct instant now);
/* When to call path_ask and to judge again. NEVER: not before something else happens. */
struct instant path_deadline(const struct path *p);

#endif
