/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of election/ share among themselves. Nobody else includes it. */
#ifndef MLB_ELECTION_INTERNAL_H
#define MLB_ELECTION_INTERNAL_H

#include "election/election.h"

#define SLOT_NONE UINT32_MAX

/* Rival claims to one address that are remembered: more than nodes that a network can split into in practice. */
#define RIVAL_MAX 8

struct node {
	bool used;
	bool alive;
	bool left;
	uint64_t instance;
	char name[NODE_NAME_MAX + 1];
	struct meta meta;
};

struct rival {
	uint64_t origin;
	struct claim claim;
};

struct address {
	bool configured;
	bool was_configured; /* before the reload that is being taken */
	struct ip ip;
	const struct election_service *service; /* borrowed; NULL while not configured */
	size_t rival_n;
	struct rival rivals[RIVAL_MAX]; /* what others claim */
	uint64_t epoch_max;		/* ever heard of */
	struct claim own;		/* state 0: not held */
	bool unpublished;		/* taken over by agreement: said once the kernel has it */
	char iface[IFACE_NAME_MAX + 1];
	uint64_t owner;		  /* effective; 0: nobody */
	uint64_t last_owner;	  /* the one before, for the log */
	enum election_reason why; /* why there is nobody, or will be another */
	struct instant since;
	struct instant orphan_since;
	struct instant failed_until;
	struct instant handover_until; /* the successor must have taken it by then; NEVER: none under way */
	struct instant stop_until;     /* a stopping owner lets go by then; NEVER: not stopping */
	struct instant linger_until;   /* a successor serves; we let go then; NEVER: not yet */
	uint64_t tried;		       /* the successor that did not answer */
	struct instant wake;	       /* next time to look at it */
};

struct election {
	struct election_config config;
	struct instant now;
	struct election_out *out; /* borrowed for the step */
	bool started;
	bool draining;
	bool drained_said;
	bool removed_pending;	       /* held addresses that are no longer configured wait for room */
	bool majority;		       /* as last looked */
	struct instant majority_since; /* when it was gained; NEVER: not now */
	size_t held_n;
	size_t node_n;		   /* slots in use are below */
	struct node *nodes;	   /* owned */
	struct address *addresses; /* owned, address_max */
	size_t address_n;	   /* slots used so far */
	uint32_t *by_ip;	   /* owned: open addressing */
	size_t by_ip_len;
	uint32_t *list; /* owned: configured ones in order */
	size_t list_n;
	size_t scan_at;	     /* list entries from here are to be looked at; list_n: none */
	size_t announce_at;  /* list entries from here are to be announced again; at or beyond list_n: none */
	size_t publish_at;   /* addresses from here are to be published again */
	struct instant wake; /* earliest of the addresses' */
};

/* --- rank.c --- */
struct node *node_find(const struct election *e, uint64_t instance);
struct node *node_named(const struct election *e, const char *name);
bool node_live(const struct node *node);
/* More than half of those that have not left are alive. */
bool majority(const struct election *e);
/* Which segment of the node could carry the address for its service; NULL: none. */
const struct segment *usable_segment(const struct node *node, const struct address *address);
/* Can it still carry the address on that interface? */
bool usable_on(const struct node *node, const struct address *address, const char *iface);
bool is_candidate(const struct node *node, const struct address *address);
/* Place in the order of candidates: higher is better; total. */
bool ranks_before(const struct address *address, const struct node *a, const struct node *b);
/* How many candidates rank before the node. */
size_t rank_of(const struct election *e, const struct address *address, const struct node *node);
/* The best candidate that is neither `not` nor `nor`; NULL: none. */
struct node *best_candidate(const struct election *e, const struct address *address, uint64_t not, uint64_t nor);
/* Merge key: does claim a by node_a beat claim b by node_b? Total and antisymmetric, the same on all nodes. */
bool claim_beats(struct ip ip, const struct claim *a, const char *name_a, const struct claim *b, const char *name_b);

/* What an instance claims of the address, if it is remembered; NULL: nothing. */
const struct rival *rival_of(const struct address *address, uint64_t origin);
/* The best claim of a living node, ours included; *owner 0 and NULL: none. */
const struct claim *holder(const struct election *e, const struct address *address, uint64_t *owner);
/* Why has the owner that we knew stopped being it? `next` is the owner now, 0: nobody. */
enum election_reason reason_of_loss(const struct election *e, const struct address *address, uint64_t next);

/* --- election.c --- */
struct address *address_find(const struct election *e, struct ip ip);

#endif
