/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The invariants. check.c looks at the hosts: who serves what, for how long two do, whether somebody does.
 * check_actions.c looks at what nodes say: members, owners, reasons, epochs. check_moves.c: how often addresses move. All call
 * world_fail.
 */
#ifndef MLB_TESTS_SIM_CHECK_H
#define MLB_TESTS_SIM_CHECK_H

#include "tests/sim/world.h"

/* A planned hand-over may have two owners for this long: a message each way, with room for a lost one, and the kernels. */
#define HANDOVER_OVERLAP_US 150000

/* Delay, loss and lateness that each of the bounds below gets on top. */
#define SLACK_US 500000

/* Bounds derived from the timers and the number of nodes: see bounds_of. */
struct bounds {
	int64_t fast_us;   /* a lone fault of one node in a quiet cluster -> its addresses are served again */
	int64_t detect_us; /* crash -> declared dead everywhere, also where a quorum of watchers is gone */
	int64_t merge_us;  /* two halves that count each other dead meet again, and one of two owners lets go */
	int64_t settle_us; /* after the last change of anything: one owner for each address, one view */
	int64_t calm_us;   /* the same once everything is healed */
	int64_t cause_us;  /* a change may come this long after its cause */
};

/* Two running nodes with a path that serve one address. */
struct overlap {
	size_t address;
	size_t a;
	size_t b;
	int64_t since_us;
};

#define OVERLAP_MAX 1024

struct seen_member {
	uint64_t instance; /* 0: never seen */
	uint32_t incarnation;
	enum gossip_state state;
};

/* The last moves of an address that are remembered: the fifth within 180 s is one too many. */
#define MOVES_KEPT 4

struct seen_address {
	size_t move_n;		      /* since 180 s without any */
	int64_t moved_us[MOVES_KEPT]; /* newest first */
	int64_t offered_us;	      /* the last time; an offer may be said again */
	uint64_t epoch;
	char owner[NODE_NAME_MAX + 1]; /* as the last OWNER action said; empty: nobody */
	char last[NODE_NAME_MAX + 1];  /* the last one that was somebody */
};

#define PACKET_SEEN_MAX 4096

struct seen_packet {
	uint64_t sender;
	uint64_t counter;
	bool member; /* its sender was known then */
};

struct checks {
	struct bounds bounds;
	size_t overlap_n;
	struct overlap overlaps[OVERLAP_MAX];
	int64_t overlap_longest_us; /* with a path, between running nodes */
	bool *serving;		    /* owned; node * SIM_ADDRESS_MAX + address */
	size_t served_n[SIM_ADDRESS_MAX];
	int64_t unserved_us[SIM_ADDRESS_MAX]; /* since when nobody serves it */
	int64_t doubled_us[SIM_ADDRESS_MAX];  /* since when audits find two that serve it; 0: they do not */
	int64_t held_down_us
		[SIM_ADDRESS_MAX]; /* some node has not taken it before, as far as it was seen to wait; 0: never */
	bool lone;		   /* the last change took one node away, and all was quiet before */
	bool trying;		   /* look without failing the run */
	bool tried_bad;
	int64_t *path_us; /* owned; a * node_n + b: since when both run and hear each other; INT64_MAX: they do not */
	int64_t *disturbed_us; /* owned; a * node_n + b: when the link between them was last not as it should be */
	size_t sent_most;      /* packets of one node within SENT_WINDOW_US */
	struct seen_packet *packets; /* owned; node * PACKET_SEEN_MAX + hash: the last that was given to its process */
	struct gossip_stats before;  /* of the node that is given a packet */
	int64_t *refused_us;	     /* owned; node * SIM_ADDRESS_MAX + address: when the kernel refused or lost it */
	struct seen_member *members; /* owned; observer * node_n + subject */
	struct seen_address *seen;   /* owned; observer * SIM_ADDRESS_MAX + address */
};

enum eligible { ELIGIBLE_NO, ELIGIBLE_MAYBE, ELIGIBLE_YES };

struct bounds bounds_of(const struct gossip_timers *timers, const struct election_config *election, size_t node_n);

struct checks *check_new(const struct world *world);
void check_free(struct checks *checks);
/* The address may have begun or ceased to answer from this host. */
void check_serving(struct world *world, size_t node, size_t address);
/* A link, the process or the carrier of this node changed. */
void check_path(struct world *world, size_t node);
/* A new process: what the former one knew is no yardstick. */
void check_started(struct world *world, size_t node);
void check_refused(struct world *world, size_t node, size_t address);
/* A fault is about to happen. */
void check_before_fault(struct world *world, const struct fault *fault);
/* A quiet cluster is not as it should be. */
void check_complain(struct world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Has a pair of owners lasted too long? Called after each event. */
void check_overlaps(struct world *world);
/* After each step of a node. */
void check_actions(struct world *world, size_t node, const struct node_out *out);
/* Around the step that is given a packet: none may be used twice. */
void check_before_packet(struct world *world, size_t node, const struct node_event *event);
void check_after_packet(struct world *world, size_t node, const struct node_event *event);
/* Now and then: served, one view, when things have been quiet for long enough. */
void check_audit(struct world *world);
void check_end(struct world *world);

/* Shared by the files. */
/* The observer is about to say that the address has another owner; empty: none. */
void check_moved(struct world *world, size_t observer, size_t address, const char *to);
/* The node asks another to take it over. */
void check_offered(struct world *world, size_t node, struct ip ip);
/* It goes on after so long a pause, in which none of its offers ended. */
void check_resumed(struct world *world, size_t node, int64_t paused_us);
/* Ask all nodes what they hold down: before each audit. */
void check_hold_downs(struct world *world);
/* Until when nobody can be blamed for not serving it, because it has moved so often; past: that is no excuse. */
int64_t check_held_down_us(const struct world *world, size_t address);
bool check_recent(const struct world *world, size_t node, enum cause cause);
/* Links of one node, or all (node SIM_NODE_MAX), that were not as they should be within the last span_us. */
size_t check_disturbed_links(const struct world *world, size_t node, int64_t span_us);
bool check_recent_anywhere(const struct world *world, enum cause cause);
/* Is a node's right to this address in doubt now: refused lately, or not yet joined? */
bool check_may_change(const struct world *world, size_t address);
/* What a node knows must agree with what it has said. */
void check_knowledge(struct world *world, size_t node);
/* Everybody in the mask sees everybody in it alive, nobody else, and the same owners; for audits of a quiet cluster. */
void check_view(struct world *world, size_t node, const bool *component);

#endif
