/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulated network: one model per directed link, with i.i.d. loss, bursts of loss (Gilbert 1960, Elliott 1963),
 * delay with jitter (which reorders), duplication, replay of old packets, and cuts. Decides when a packet arrives; the
 * world delivers it.
 */
#ifndef MLB_TESTS_SIM_NETWORK_H
#define MLB_TESTS_SIM_NETWORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/rng.h"
#include "gossip/seal.h"
#include "tests/sim/marks.h"
#include "tests/sim/queue.h"

/* A datagram on its way: sealed, or the plain body with its header beside it. */
struct packet {
	struct endpoint from;
	struct seal_header header;
	bool sealed;
	bool damaged; /* a bit was flipped on the way; sealed only */
	size_t len;
	uint8_t data[];
};

/* Why a link is cut; each has its own end. */
enum cut {
	CUT_ONE_WAY = 1,
	CUT_PARTITION = 2,
	CUT_GOSSIP = 4, /* gossip only: the segment carries everything else */
};

/* A burst loses this share of its packets and lasts about this long. */
#define BURST_LOSS_PPM 950000
#define BURST_US 40000

/* Longer delays than this, loss above SIM_MILD_LOSS_PPM, bursts or a cut: the link is disturbed. */
#define LINK_SLOW_US 10000

struct link {
	uint32_t loss_ppm;
	uint32_t burst_ppm; /* average loss of the bursts */
	uint32_t duplicate_ppm;
	uint32_t replay_ppm;
	int64_t delay_us;
	int64_t jitter_us;
	unsigned int cuts; /* of enum cut */
	bool in_burst;
	int64_t burst_until_us; /* when the state of bursts changes */
	int64_t last_arrival_us;
};

#define NETWORK_RECENT_MAX 64

/* A copy of an earlier packet, to be replayed. */
struct recent {
	struct packet *packet; /* owned */
	uint32_t from;
	uint32_t to;
};

struct network {
	size_t node_n;
	struct link *links; /* owned; from * node_n + to */
	struct rng rng;
	struct queue *queue; /* the world's */
	struct marks *marks; /* the world's */
	size_t recent_n;     /* ever */
	struct recent recent[NETWORK_RECENT_MAX];
};

void network_init(struct network *network, size_t node_n, uint64_t seed, struct queue *queue, struct marks *marks);
void network_free(struct network *network);
struct link *network_link(const struct network *network, size_t from, size_t to);
/* A packet without data; aborts without memory. */
struct packet *packet_new(size_t len);
/* Put a packet on the wire at now_us. Takes it. */
void network_send(struct network *network, size_t from, size_t to, struct packet *packet, int64_t now_us);
/* Would a frame that is not gossip be lost? */
bool network_loses(struct network *network, size_t from, size_t to, int64_t now_us);
bool link_is_disturbed(const struct link *link);
/* Every link as it was at the start. */
void network_heal(struct network *network);

#endif
