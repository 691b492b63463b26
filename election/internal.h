/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of election/ share among themselves. Nobody else includes it. */
#ifndef MLB_ELECTION_INTERNAL_H
#define MLB_ELECTION_INTERNAL_H

#include "election/damping.h"
#include "election/election.h"

#define SLOT_NONE UINT32_MAX

/* Rival claims to one address that are remembered: more than nodes that a network can split into in practice. */
#define RIVAL_MAX 4

struct placement; /* placement.h */

struct node {
	bool used;
	uint32_t next; /* slot of another with the same hash of its instance */
	bool alive;
	bool left;
	uint64_t instance;
	char name[NODE_NAME_MAX + 1];
	struct meta meta;
	struct instant claimed; /* when we last heard of a new claim of it */
	/* fence.c: has it let go of what it held? */
	bool doubted;
	bool released;
	struct instant lease_end;
	struct instant asked;	 /* since when we ask its addresses; NEVER: we do not */
	struct instant answered; /* last answer of one of its MACs */
	struct instant ask_at;
	size_t ask_n;
	uint32_t ask[2]; /* slots of addresses, one of each family */
};

struct rival {
	uint64_t origin;
	struct claim claim;
};

/* A node that cannot serve a service; next in a chain of one hash, or free. */
struct unfit {
	uint64_t service; /* fitness_service() of its name */
	uint64_t origin;  /* the node's instance; 0: free */
	uint32_t next;
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
	struct instant moved; /* when it went from one owner to another, as far as we saw; 0: never */
	struct instant orphan_since;
	struct instant failed_until;
	struct instant
		yielded_until; /* given way to another's kernel: not ours before, unless others have owned it since */
	struct instant handover_until; /* the successor must have taken it by then; NEVER: none under way */
	struct instant stop_until;     /* a stopping owner lets go by then; NEVER: not stopping */
	struct instant outdone_at;     /* we let go then, for our segment is silent; NEVER: it is not */
	struct instant linger_until;   /* a successor serves; we let go then; NEVER: not yet */
	uint64_t tried;		       /* the successor that did not answer */
	uint64_t
		promised; /* the former owner let go because this one takes over, whose claim may be on its way; 0: none */
	bool lost;	  /* given up to another host, or taken from us: ask the segment before we take it again */
	struct instant asked;	    /* since when the segment is asked for it; NEVER: it is not */
	struct instant answered;    /* the last time that it answered */
	struct damping_moves moves; /* as far as we saw */
	uint64_t place;		    /* holddown.c: where switches have it, a hash; 0: it never had an owner */
	bool taken;		    /* a stranger has it, or had it last */
	bool said_taken;	    /* we gave it up to one, and that stands published */
	struct mac taken_by;
	struct instant taken_until;
	struct instant ask_at;
	struct instant wake; /* next time to look at it */
};

struct election {
	struct election_config config;
	struct instant now;
	struct election_out *out; /* borrowed for the step */
	bool started;
	bool draining;
	bool drained_said;
	bool removed_pending;	       /* held addresses that are no longer configured wait for room */
	bool most;		       /* more than half of the known members live */
	bool majority;		       /* that, and we have the right to hold */
	struct instant majority_since; /* when it was gained; NEVER: not now */
	size_t held_n;
	size_t watcher_n;
	struct instant lease_until;
	struct instant path_until;
	bool met;   /* we have seen others in this life */
	bool right; /* as last told */
	struct instant right_since;
	struct instant right_at;   /* when it is gained; NEVER: nothing speaks for it */
	struct instant own_ask_at; /* when our own addresses are asked for again until then */
	bool accused;		   /* since the right was lost */
	uint32_t incarnation;	   /* our own: it grows when we are accused */
	struct instant ask_wake;   /* earliest of the nodes' ask_at */
	size_t node_n;		   /* slots in use are below */
	struct node *nodes;	   /* owned */
	uint32_t *by_instance;	   /* owned: heads of chains of slots */
	size_t by_instance_len;	   /* a power of two */
	struct placement
		*placement; /* owned: who is to own what; changes under `const struct election` as a cache does */
	struct address *addresses; /* owned, address_max */
	size_t address_n;	   /* slots used so far */
	uint32_t *by_ip;	   /* owned: open addressing */
	size_t by_ip_len;
	uint32_t *list; /* owned: configured ones in order */
	size_t list_n;
	size_t lost_n;		   /* configured ones that had an owner and have none */
	struct instant lost_since; /* since when there are such, or were last */
	struct unfit *unfits;	   /* owned, unfit_max */
	size_t unfit_n;
	size_t unfit_max;
	uint32_t unfit_free;	/* a slot that is free */
	uint32_t *unfit_heads;	/* owned */
	size_t unfit_heads_len; /* a power of two */
	size_t unfit_say_at;	/* unfits from here are to be published again; unfit_max: none */
	size_t scan_at;		/* list entries from here are to be looked at; list_n: none */
	size_t announce_at;	/* list entries from here are to be announced again; at or beyond list_n: none */
	size_t publish_at;	/* addresses from here are to be published again */
	struct instant wake;	/* earliest of the addresses' */
};

/* --- rank.c --- */
struct node *node_find(const struct election *e, uint64_t instance);
/* The index behind it: for each node that comes, goes, or changes its instance. */
void node_index_add(struct election *e, struct node *node);
void node_index_remove(struct election *e, const struct node *node);
struct node *node_named(const struct election *e, const char *name);
bool node_live(const struct node *node);
/* More than half of those that have not left are alive. */
bool majority(const struct election *e);
/* Which segment of the node could carry the address for its service; NULL: none. */
const struct segment *usable_segment(const struct node *node, const struct address *address);
/* Is its segment for the address silent? Then it is a candidate among such nodes only. */
bool is_isolated(const struct node *node, const struct address *address);
/*
 * It is, and another candidate is not. For sure: one that we do not doubt, for the last one that is left hears nobody either. It keeps
 * what it has then, but takes nothing before it knows.
 */
bool is_outdone(const struct election *e, const struct node *node, const struct address *address, bool for_sure);
/* Can it still carry the address on that interface? */
bool usable_on(const struct node *node, const struct address *address, const char *iface);
bool is_candidate(const struct election *e, const struct node *node, const struct address *address);
/* Why it is none, as static text; NULL: it is. */
const char *why_no_candidate(const struct election *e, const struct node *node, const struct address *address);
/* Plain rendezvous order of the address's placement unit, without scores, loads and eligibility; total. */
bool ranks_before(const struct address *address, const struct node *a, const struct node *b);
/* How many candidates rank before the node: none before the one that the plan names, then by score and hash. */
size_t rank_of(const struct election *e, const struct address *address, const struct node *node);
/* The best candidate that is neither `not` nor `nor`; NULL: none. */
struct node *best_candidate(const struct election *e, const struct address *address, uint64_t not, uint64_t nor);
/* When the node may claim an address that nobody owns: at once, or after a back-off for each that ranks before it. */
struct instant turn_of(const struct election *e, const struct address *address, const struct node *node);
/* A new claim of that instance was heard. */
void turn_claimed(const struct election *e, uint64_t instance);
/* Merge key: does claim a by node_a beat claim b by node_b? Total and antisymmetric, the same on all nodes. */
bool claim_beats(struct ip ip, const struct claim *a, const char *name_a, const struct claim *b, const char *name_b);

/* What an instance claims of the address, if it is remembered; NULL: nothing. */
const struct rival *rival_of(const struct address *address, uint64_t origin);
/* The best claim of a living node, ours included; *owner 0 and NULL: none. */
const struct claim *holder(const struct election *e, const struct address *address, uint64_t *owner);
/* Why has the owner that we knew stopped being it? `next` is the owner now, 0: nobody. */
enum election_reason reason_of_loss(const struct election *e, const struct address *address, uint64_t next);

/* --- placement.c: the plan; call these at each change of what it is made from --- */
/* NULL without memory. */
struct placement *placement_new(const struct election *e);
void placement_free(struct placement *p); /* NULL is fine */
/* The list of addresses has been made anew. */
void placement_services(struct election *e);
/* A node came, changed or went. */
void placement_node(struct election *e, const struct node *node);
/* The address is about to get another owner (0: none). */
void placement_owner(struct election *e, const struct address *address, uint64_t owner);
/* A node became fit or unfit for a service. */
void placement_fitness(struct election *e);
/* Anything else changed. */
void placement_invalidate(struct election *e);
/*
 * Would the address, which somebody owns, be placed elsewhere, on *better, by score, bound, group or what it is to be apart from?
 * Where it merely ranks higher elsewhere it stays.
 */
bool placement_misplaced(const struct election *e, const struct address *address, const struct node **better);

/* --- fitness.c --- */
void fitness_init(struct election *e);
/* Can the node serve it, as far as it says itself? */
bool fit_for(const struct election *e, const struct node *node, const struct election_service *service);
void fitness_take(struct election *e, uint64_t origin, uint64_t service, bool fit);
/* A node is gone for good. */
void fitness_forget(struct election *e, uint64_t origin);
/* Our instance has changed: what we said is to be said again, as room allows. */
void fitness_rename(struct election *e, uint64_t from, uint64_t to);
void fitness_say_again(struct election *e);

/* --- holddown.c --- */
/* The address gets this owner, which is not nobody: count it if it moves. */
void holddown_owner(struct election *e, struct address *address, uint64_t owner);
/* A claim that we had not heard of: if it loses against the owner's, the segment has seen the address come and go. */
void holddown_rival(struct election *e, struct address *address, const struct rival *claim);
/* A member says that it gave the address up to a stranger. */
void holddown_given_up(struct election *e, struct address *address, uint64_t origin);
void holddown_taken(struct election *e, const struct election_event *event);
/* From when on it may move; past or now: it may. */
struct instant holddown_until(const struct election *e, const struct address *address, enum damping_cause cause);
/* The same for one that nobody owns, and that this node would take. */
struct instant holddown_orphan(const struct election *e, const struct address *address, const struct node *self);

/* --- rebalance.c --- */
void rebalance_start(struct election *e, size_t max_moves);
void rebalance_tick(struct election *e);
struct instant rebalance_deadline(const struct election *e);

/* --- fence.c --- */
/* Have all who held it before let go? Else *ret_look says when to look again (or sooner, when the segment answers). */
bool fence_open(struct election *e, struct address *address, struct instant *ret_look);
/* Is it closed because somebody answered? */
bool fence_answered(const struct election *e, const struct address *address);
/* Begin or end to ask for the addresses of a node that is doubted, or dead. */
void fence_ask(struct election *e, struct node *node);
void fence_end(struct election *e, struct node *node);
void fence_answer(struct election *e, struct ip ip, struct mac mac);
/* Ask what is due. */
void fence_tick(struct election *e);
/* The right to hold: tell when it changes. True: it did. */
bool right_follow(struct election *e);
/* We have no lease, and those who would give it are not known to be dead. */
bool in_doubt(const struct election *e);
void right_take_lease(struct election *e, size_t watcher_n, struct instant until, uint32_t incarnation);
/* When it changes by itself. */
struct instant right_deadline(const struct election *e);

/* --- election.c --- */
struct election_action *act(struct election *e, enum election_action_kind kind, struct ip ip);
bool act_room(const struct election *e);
/* Ask `successor` to take what we hold; keep it if it has not in time. */
void offer(struct election *e, struct address *address, uint64_t successor, struct span patience);
/* We hold it no longer; `to` does, 0: nobody. */
void let_go(struct election *e, struct address *address, uint64_t to, enum election_reason reason);
/* Look at every address, now and, where the list of actions is full, in the next steps. */
void look_at_all(struct election *e);

/* --- members.c --- */
void node_take(struct election *e, const struct election_event *event);
void node_take_gone(struct election *e, uint64_t instance);
void node_take_doubt(struct election *e, uint64_t instance, bool doubted);
void see_majority(struct election *e);
void drop_rival(struct address *address, uint64_t origin);
struct address *address_find(const struct election *e, struct ip ip);

#endif
