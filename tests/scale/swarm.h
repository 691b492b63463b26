/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A simulator of gossip alone, made for size: one thread, virtual time, thousands of cores of gossip.h without seal, election or
 * kernel (tests/sim has those, for up to 128 nodes). Everything follows from a seed; times are whole microseconds.
 *
 * A packet takes 100 to 500 us and is lost by chance, in bursts, or at a cut. A process may be crashed, paused (its packets wait in a
 * socket buffer, with the time at which they came), slow (it runs only every so often), or have a drifting clock. As the daemon
 * does, a process that wakes up reads its packets before it looks at its timers.
 */
#ifndef MLB_TESTS_SCALE_SWARM_H
#define MLB_TESTS_SCALE_SWARM_H

#include "base/rng.h"
#include "gossip/gossip.h"

#define SECOND INT64_C(1000000)
#define MILLISECOND INT64_C(1000)

/* What a socket buffer of 4 MB holds of our packets, by the kernel's accounting. */
#define SOCKET_PACKET_MAX 2048

/* Seal, and IP and UDP headers, which load counts on top of each body. */
#define PACKET_OVERHEAD (34 + 28)

struct swarm;

struct swarm_hooks {
	/* A member changed in the eyes of one node. Subject -1: a name that is no node's. */
	void (*member)(struct swarm *s, size_t observer, int subject, const struct gossip_action *action);
	void *arg;
};

struct parcel {
	struct parcel *next; /* in a socket, or unused */
	int64_t at_us;
	uint64_t order;
	uint32_t from;
	uint32_t to;
	bool to_anyone;
	uint64_t sender;
	uint64_t receiver;
	uint64_t counter;
	size_t len;
	uint8_t body[PACKET_LEN_DEFAULT];
};

/* How a process runs. */
enum pace {
	PACE_NORMAL,
	PACE_STOPPED,
	PACE_DEAF_FOR_NOW /* timers run, packets wait */,
	PACE_SLOW /* a tenth of the time */
};

struct swarm_node {
	struct gossip *g; /* NULL: crashed. Owned; see clone.c for who frees it */
	bool cloned;
	enum pace pace;
	int64_t resumes_us; /* PACE_SLOW: when it has its next turn */
	uint64_t instance;
	unsigned int runs;
	int64_t drift_ppm;
	int64_t clock_offset_us;
	size_t heap_at;	 /* place in the heap of deadlines */
	int64_t wake_us; /* swarm time */
	struct parcel *socket_first;
	struct parcel *socket_last;
	size_t socket_n;
	uint64_t sent_n;
	uint64_t sent_bytes;
};

/* One direction of one link that is not as the others are. */
struct cut {
	int from; /* -1: any */
	int to;
	uint32_t loss_ppm;
};

#define CUT_MAX 64

enum profile { PROFILE_LAN, PROFILE_FAST, PROFILE_QUIET, PROFILE_WAN };

struct swarm_config {
	size_t n;
	uint64_t seed;
	enum profile profile;
	uint32_t loss_ppm;
	uint32_t burst_ppm; /* average loss by bursts of 40 ms at 95 % */
	int64_t drift_ppm;  /* clocks differ by up to this, both ways */
	bool cold;	    /* join for real, even if there are many */
};

struct swarm {
	struct swarm_config config;
	struct gossip_timers timers;
	struct rng rng;
	int64_t now_us;
	struct swarm_node *nodes; /* owned, n */
	size_t *heap;		  /* owned: nodes by wake_us */
	struct parcel **flying;	  /* owned: heap by at_us */
	size_t flying_n;
	size_t flying_cap;
	uint64_t order;
	struct parcel *unused;
	struct burst *bursts; /* owned: state of links, open addressing; see link.c */
	size_t burst_cap;
	size_t cut_n;
	struct cut cuts[CUT_MAX];
	int *side; /* owned, n: partition, packets stay on one side; all 0: none */
	struct swarm_hooks hooks;
	uint64_t packets_n; /* handed to a node */
	uint64_t lost_n;
	uint64_t hash; /* over every action */
	struct gossip_out out;
	struct clone_pool *pool; /* see clone.c */
};

/* Aborts without memory, here and below: it is a test. Nodes are started, and have joined unless cold. */
struct swarm *swarm_new(const struct swarm_config *config);
void swarm_free(struct swarm *s);
void swarm_run_until(struct swarm *s, int64_t at_us);
void swarm_crash(struct swarm *s, size_t index);
/* Start a node that is not running, as a later instance, by a real join. */
void swarm_start(struct swarm *s, size_t index);
void swarm_leave(struct swarm *s, size_t index);
void swarm_pace(struct swarm *s, size_t index, enum pace pace);
/* All packets of this direction (-1: any) are lost with this chance from now on; 0 mends it. */
void swarm_cut(struct swarm *s, int from, int to, uint32_t loss_ppm);
/* How many running nodes do not see exactly the running nodes alive, each with its latest instance and one incarnation? */
size_t swarm_disagreeing(struct swarm *s);
bool swarm_running(const struct swarm *s, size_t node);

/* --- link.c --- */
/* Is this packet lost now? */
bool link_loses(struct swarm *s, size_t from, size_t to);

/* --- clone.c --- */
struct gossip *clone_new(struct swarm *s, size_t node, const struct gossip_config *config);
void clone_free(struct gossip *g);
void clone_pool_free(struct swarm *s);
void swarm_gossip_config(const struct swarm *s, size_t node, struct gossip_config *config);
struct endpoint swarm_endpoint(size_t node);

#endif
