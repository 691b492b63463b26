/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Membership by gossip: SWIM (Das, Gupta, Motivala, DSN 2002) with suspicion, incarnations and indirect probes, a
 * replicated store of small items (each written by its origin alone), and anti-entropy by digests. Pure: time and packets
 * come in as events, what to send and what changed comes out as actions. docs/PROTOCOL.md has the wire format.
 */
#ifndef MLB_GOSSIP_GOSSIP_H
#define MLB_GOSSIP_GOSSIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/limits.h"
#include "base/time.h"
#include "gossip/drop.h"

enum gossip_state { GOSSIP_ALIVE = 1, GOSSIP_SUSPECT, GOSSIP_DEAD, GOSSIP_LEFT };

/* Alive or suspect: it counts, until it is declared dead. */
bool gossip_state_live(enum gossip_state state);
/* "alive", "suspect", "dead", "left". */
const char *gossip_state_name(enum gossip_state state);

/* Timers; gossip_timers_lan() and its likes give sets that fit together. */
struct gossip_timers {
	struct span probe_interval; /* one probe per interval, shuffled round robin (SWIM 4.3) */
	struct span probe_timeout;  /* wait for the direct ack before asking relays */
	struct span
		suspicion; /* suspect -> dead at the earliest; without confirmations SUSPICION_SPREAD times as long */
	struct span gossip_interval;  /* how often waiting rumours are sent on their own */
	struct span sync_interval;    /* digest exchange with a random live member */
	struct span redial_interval;  /* one dead or absent peer is tried per interval, for ever */
	struct span join_timeout;     /* a node that reaches nobody considers itself joined after this */
	struct span reap_after;	      /* a dead or left member is forgotten after this (seeds are still dialled) */
	struct span beat_interval;    /* heartbeat between a node and its watchers */
	struct span silence;	      /* a watcher that heard nothing for so long verifies */
	struct span verify;	      /* and votes after this */
	unsigned int relay_n;	      /* relays asked for an indirect probe (SWIM 4.1) */
	unsigned int fanout;	      /* members per gossip_interval */
	unsigned int retransmit_mult; /* sends per rumour = mult * ceil(log2(n + 1)) */
};

void gossip_timers_lan(struct gossip_timers *timers);
void gossip_timers_fast(struct gossip_timers *timers);
void gossip_timers_quiet(struct gossip_timers *timers);
void gossip_timers_wan(struct gossip_timers *timers);
bool gossip_timers_equal(const struct gossip_timers *a, const struct gossip_timers *b);

struct gossip_config {
	char name[NODE_NAME_MAX + 1];
	/*
	 * One run of one node: high 32 bits wall-clock seconds at start (so that a later run wins), low 32 bits random.
	 * The core raises it by itself when the cluster remembers a later one for this name (see gossip_instance).
	 */
	uint64_t instance;
	/* Where the others reach us. Path i of two nodes runs between their endpoints i, as the links of a corosync cluster do. */
	size_t endpoint_n;
	struct endpoint endpoints[PATH_MAX_N];
	bool witness; /* with one other node: ask a witness (GOSSIP_ACTION_WITNESS) before it is declared dead */
	struct gossip_timers timers;
	size_t packet_len_max; /* largest datagram, seal included */
	size_t member_max;
	size_t item_max;
	size_t seed_n;
	struct endpoint seeds[SEED_MAX]; /* our own endpoint among them is ignored */
	struct span
		seeds_wait; /* GOSSIP_EVENT_SEEDS will tell who there is; without it we join after this. 0: it will not come */
	size_t meta_len;
	uint8_t meta[META_LEN_MAX]; /* opaque here: base/meta.h */
};

struct gossip; /* opaque */

/* A member as the outside sees it. Pointers are borrowed until the next step. */
struct gossip_member {
	const char *name;
	uint64_t instance;
	size_t endpoint_n;
	const struct endpoint *endpoints;
	uint32_t incarnation;
	enum gossip_state state;
	struct instant since;  /* when it entered that state, by our clock */
	struct span rtt;       /* smoothed (RFC 6298); negative: never measured */
	uint8_t health;	       /* its own word, or ours about ourselves: 0 well, up to GOSSIP_HEALTH_MAX (Lifeguard) */
	bool watches_us;       /* it is a watcher of ours; with it, or with `watched` below, the next three are known */
	bool watched;	       /* we are a watcher of it */
	uint32_t loss_in_ppm;  /* of its heartbeats to us */
	uint32_t loss_out_ppm; /* of ours to it, by its word */
	struct span silence;   /* the silence after which this edge is verified now: it adapts to the loss */
	uint32_t path_mask;    /* bit i: path i was heard lately; 0 where we exchange no heartbeats */
	const uint8_t *meta;
	size_t meta_len;
	bool self;
};

/* A replicated item: only `origin` writes it; a higher version of the same origin and key replaces a lower one. */
struct gossip_item {
	uint64_t origin; /* instance */
	uint32_t version;
	uint8_t key_len;
	uint8_t value_len; /* 0: deleted */
	uint8_t key[ITEM_KEY_MAX];
	uint8_t value[ITEM_VALUE_MAX];
};

/* An authenticated packet (seal_open said DROP_NONE). */
struct gossip_packet {
	struct endpoint from;
	struct instant received; /* by the kernel; not after `now` */
	uint8_t path;		 /* which of our endpoints got it */
	bool to_anyone;		 /* sealed with A = 1 */
	uint64_t sender;
	uint64_t counter;
	const uint8_t *body; /* borrowed for the step */
	size_t len;
};

/* A packet to be sealed and sent. */
struct gossip_send {
	struct endpoint to;
	uint8_t path; /* from which of our endpoints */
	uint64_t sender;
	uint64_t receiver; /* 0: anyone */
	uint64_t counter;
	const uint8_t *body; /* in the arena of gossip_out */
	size_t len;
};

/* One of our own items, to be written or deleted. */
struct gossip_write {
	const uint8_t *key; /* borrowed for the step */
	const uint8_t *value;
	uint8_t key_len;
	uint8_t value_len; /* 0 deletes */
	bool more;	   /* another one follows at once: they travel together */
};

enum gossip_event_kind {
	GOSSIP_EVENT_TICK,    /* time passed */
	GOSSIP_EVENT_PACKET,  /* an authenticated packet came in (seal_open said DROP_NONE) */
	GOSSIP_EVENT_META,    /* our own metadata changed */
	GOSSIP_EVENT_ITEM,    /* write or delete one of our own items */
	GOSSIP_EVENT_LEAVE,   /* tell everybody that we go; GOSSIP_ACTION_LEFT follows */
	GOSSIP_EVENT_RETURN,  /* after GOSSIP_ACTION_LEFT: join again, as a new instance */
	GOSSIP_EVENT_HINT,    /* something speaks for the death of the node at an endpoint: verify it now */
	GOSSIP_EVENT_WITNESS, /* the witness has answered */
	GOSSIP_EVENT_SEEDS,   /* other peers to dial, instead of the configured ones */
};

struct gossip_event {
	enum gossip_event_kind kind;
	struct instant now;
	union {
		struct gossip_packet packet;
		struct endpoint hint;
		struct {
			const uint8_t *bytes; /* borrowed for the step */
			size_t len;
		} meta;
		struct gossip_write item;
		struct {
			const struct endpoint *endpoints; /* borrowed for the step; beyond SEED_MAX they are left out */
			size_t n;
		} seeds;
	};
};

/* Why a member changed; the name goes into the log. */
enum gossip_reason {
	GOSSIP_REASON_JOINED,	/* first heard of, or a new instance of a known name */
	GOSSIP_REASON_PROBE,	/* our own probes, direct and indirect, failed */
	GOSSIP_REASON_RUMOUR,	/* another member said so */
	GOSSIP_REASON_REFUTED,	/* it said that it lives */
	GOSSIP_REASON_TIMEOUT,	/* nobody refuted the suspicion in time */
	GOSSIP_REASON_LEFT,	/* it said goodbye */
	GOSSIP_REASON_REPLACED, /* its name came back as another instance */
	GOSSIP_REASON_REAPED,	/* dead or left for so long that it is forgotten */
	GOSSIP_REASON_META,	/* only metadata or the endpoint changed */
	GOSSIP_REASON_QUORUM,	/* a quorum of its watchers heard nothing: we are one of them */
	GOSSIP_REASON_VERDICT,	/* such a quorum has told us */
	GOSSIP_REASON_GUARD,	/* its guard said that it is dead and that its addresses are gone */
};

const char *gossip_reason_name(enum gossip_reason reason);

/* What is known about the right of a dead member to hold addresses (its lease: gossip_lease_of). In order of strength. */
enum gossip_proof {
	GOSSIP_PROOF_NONE, /* it is dead by hearsay or by time: it may be well and hold its lease */
	GOSSIP_PROOF_HINTED, /* a quorum, but before its lease must have ended: that takes gossip_timers' silence at most */
	GOSSIP_PROOF_QUORUM,   /* a quorum, and its lease has ended */
	GOSSIP_PROOF_RELEASED, /* its guard has taken its addresses off */
};

/* Our own right to hold: no quorum of our watchers can have voted against us before `until`. */
struct gossip_lease {
	size_t watcher_n; /* 0: nobody watches us, for we are alone; `until` says nothing then */
	struct instant until;
};

enum gossip_action_kind {
	GOSSIP_ACTION_SEND,	/* seal and send one packet */
	GOSSIP_ACTION_MEMBER,	/* a member appeared, changed or was forgotten */
	GOSSIP_ACTION_ITEM,	/* an item of another origin changed; value_len 0: gone */
	GOSSIP_ACTION_JOINED,	/* once: we have the state of the cluster, or join_timeout passed alone */
	GOSSIP_ACTION_LEFT,	/* once: the goodbye has been sent often enough */
	GOSSIP_ACTION_CONFLICT, /* another live node has our name and was there first: we must stop */
	GOSSIP_ACTION_WITNESS,	/* ask the witness; GOSSIP_EVENT_WITNESS when it answers. Repeated until then */
	GOSSIP_ACTION_DOUBT,	/* a member that we watch is silent, or is heard again */
};

struct gossip_action {
	enum gossip_action_kind kind;
	union {
		struct gossip_send send;
		struct {
			uint64_t instance;
			enum gossip_state from; /* 0: unknown before */
			enum gossip_state to;	/* 0: forgotten */
			enum gossip_reason reason;
			enum gossip_proof proof; /* DEAD; may grow later: then from and to are both DEAD */
			/* The member itself by gossip_member_find(instance), but not when `to` is 0. */
			char name[NODE_NAME_MAX + 1];
		} member;
		struct gossip_item item;
		struct {
			uint64_t instance;
			bool doubted;
		} doubt;
		struct {
			bool alone; /* by timeout, nobody answered */
		} joined;
		struct {
			struct endpoint holder; /* where the other one is */
		} conflict;
	};
};

/* Health is a count of recent troubles of one's own (Lifeguard IV.A): probes and timers of a troubled node are stretched by it. */
#define GOSSIP_HEALTH_MAX 8

/* Without any confirmation a suspicion lasts so many times its minimum (Lifeguard IV.B; memberlist has 6). */
#define SUSPICION_SPREAD 3

/* Bounds of one step. What does not fit waits: gossip_deadline() is then `now` and the next tick goes on. */
#define GOSSIP_ACTION_MAX 512
#define GOSSIP_ARENA_LEN (256 * 1024)

/* Large: keep one per process, not on the stack. A step overwrites it. */
struct gossip_out {
	size_t action_n;
	struct gossip_action actions[GOSSIP_ACTION_MAX];
	size_t arena_len;
	uint8_t arena[GOSSIP_ARENA_LEN];
};

/* Allocates everything it will ever need. NULL without memory. libsodium must be initialised. */
struct gossip *gossip_new(const struct gossip_config *config, uint64_t seed, struct instant now);
void gossip_free(struct gossip *g);

/* Handle one event. `out` is emptied first. `now` never goes back; late, early and duplicate ticks are fine. */
void gossip_step(struct gossip *g, const struct gossip_event *event, struct gossip_out *out);
/* When the next tick is due at the latest. */
struct instant gossip_deadline(const struct gossip *g);

/* Our own instance now. */
uint64_t gossip_instance(const struct gossip *g);
bool gossip_joined(const struct gossip *g);
/* Our own incarnation: it grows when we refute what is said about us. */
uint32_t gossip_incarnation(const struct gossip *g);
struct gossip_lease gossip_lease_of(const struct gossip *g);
/* Packets that were sealed or are to be, ever: the highest counter used. */
uint64_t gossip_counter(const struct gossip *g);
/* Members known, ourselves included, of any state. Iterate by index below the count; order is by name. */
size_t gossip_member_n(const struct gossip *g);
void gossip_member_at(const struct gossip *g, size_t index, struct gossip_member *ret);
/* By instance; false when unknown. */
bool gossip_member_find(const struct gossip *g, uint64_t instance, struct gossip_member *ret);
/* What the origin wrote under that key; false: nothing, or it deleted it. */
bool gossip_item_find(const struct gossip *g, uint64_t origin, const uint8_t *key, uint8_t key_len,
		      struct gossip_item *ret);
/* By state, ourselves included. */
void gossip_member_counts(const struct gossip *g, size_t ret[GOSSIP_LEFT + 1]);

struct gossip_stats {
	uint64_t drops[GOSSIP_DROP_N]; /* those that the core decides */
	uint64_t sent_n;
	uint64_t sent_bytes; /* bodies, without the seal */
	uint64_t received_n;
	uint64_t suspicions_n;	  /* raised by this node */
	uint64_t verifications_n; /* bursts of verification begun: silence on one of our edges */
	uint64_t amnesties_n;	  /* times that we were late ourselves and forgave everybody */
	uint64_t refutations_n;	  /* of suspicions about this node */
	size_t item_n;
};

void gossip_stats_get(const struct gossip *g, struct gossip_stats *ret);

#endif
