/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who owns an address now. Candidates are ranked by rendezvous hash (Thaler and Ravishankar 1998); ownership is sticky and
 * carried as claims with epochs that each owner publishes about itself. Pure; knows nothing of gossip, netlink or time
 * but what events tell it. Replicated state is judged by one merge key on all nodes: claim made in a majority view, epoch, rank.
 */
#ifndef MLB_ELECTION_ELECTION_H
#define MLB_ELECTION_ELECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/limits.h"
#include "base/meta.h"
#include "base/time.h"

/* How an address is brought to the kernel (design section 5). */
enum claim_mode { CLAIM_ADDRESS, CLAIM_ROUTE, CLAIM_NONE };

/* Nodes that match are preferred: the weights of all that do add up to a node's score. */
struct election_preference {
	unsigned int weight; /* 1 to PREFERENCE_WEIGHT_MAX */
	struct label_selector selector;
};

/* What one node is for a service whose nodes are listed one by one. */
struct election_place {
	const char *node;
	unsigned int score;
	const char *const *interfaces; /* allowed on that node; none: those whose subnet holds the address */
	size_t interface_n;
};

/* One service as configured. Borrowed by the election until the next ELECTION_EVENT_SERVICES. */
struct election_service {
	const char *name;
	const struct ip *addresses; /* no address in two services */
	size_t address_n;
	const char *const *interfaces; /* allowed interfaces; none: those whose subnet holds the address */
	size_t interface_n;
	const struct label_selector *selectors; /* of nodes; none: all */
	size_t selector_n;
	enum claim_mode mode;
	unsigned int
		priority; /* 0 to SERVICE_PRIORITY_MAX: of its claims; services are looked at in the order of the list */
	const struct election_preference *preferences;
	size_t preference_n;
	bool placed; /* only nodes in `places`, with their scores and interfaces instead of the above */
	const struct election_place *places; /* in order of names; services with the same list share the pointer */
	size_t place_n;
	const char *group;	   /* services of one group stay together on one node; NULL: this one is by itself */
	bool spread;		   /* its addresses are placed one by one, else together; never in a group */
	const char *apart;	   /* services with the same tag avoid each other's nodes; NULL: none */
	const char *const *avoids; /* names of services whose nodes it avoids, and they its */
	size_t avoid_n;
};

/* What the node of that name is for a service that is `placed`; NULL: nothing, it is none of its places. */
const struct election_place *election_place_find(const struct election_service *service, const char *node);

enum claim_state {
	CLAIM_HELD = 1, /* the origin owns the address */
	CLAIM_HANDOVER, /* owns it still, and asks `successor` to take it */
	CLAIM_GIVEN_UP, /* owns it no longer: a stranger has it. Who wants it asks the segment first */
};

/* What an owner publishes about one address; the origin is the instance that published it. */
struct claim {
	uint64_t epoch; /* grows by one with each change of owner */
	bool majority;	/* made while more than half of the known members were alive */
	enum claim_state state;
	uint64_t successor; /* instance; 0 but for CLAIM_HANDOVER */
};

/* Key and value of a claim as a replicated item: layout in docs/PROTOCOL.md, "Claims". */
#define CLAIM_KEY_LEN_MAX 18
#define CLAIM_VALUE_LEN 18
size_t claim_key_encode(struct ip ip, uint8_t key[CLAIM_KEY_LEN_MAX]);
/* 0, or -EBADMSG; -ENOENT: the key is an item of another kind. */
int claim_key_decode(const uint8_t *key, size_t len, struct ip *ret);
void claim_value_encode(const struct claim *claim, uint8_t value[CLAIM_VALUE_LEN]);
int claim_value_decode(const uint8_t *value, size_t len, struct claim *ret);

/* That a node cannot serve a service, as a replicated item: docs/PROTOCOL.md, "Fitness". The value is one byte, 1. */
#define FITNESS_KEY_LEN 9
size_t fitness_key_encode(uint64_t service, uint8_t key[FITNESS_KEY_LEN]);
/* 0, or -EBADMSG; -ENOENT: the key is an item of another kind. */
int fitness_key_decode(const uint8_t *key, size_t len, uint64_t *ret);
/* The service in it. */
uint64_t fitness_service(const char *name);

/*
 * What an owner does that may have been voted dead because its watchers hear nothing of it (its lease has run out).
 * AVAILABLE: it goes on while something on its segment answers, for nobody takes an address whose holder's kernel answers; SAFE: it
 * lets go, and holds nothing without more than half of the known members.
 */
enum partition_policy { PARTITION_AVAILABLE, PARTITION_SAFE };

/* Does an owner move addresses by itself to where they would be placed better? ON_JOIN: after a node has come to stay. */
enum rebalance_policy { REBALANCE_NEVER, REBALANCE_ON_JOIN };

struct election_config {
	enum partition_policy partition;
	bool peers;	     /* others are configured, even if we never met them */
	bool ask_first;	     /* ask the segment before each claim of an address that nobody owns */
	bool hold_down;	     /* addresses that move often wait: holddown.c */
	struct span meeting; /* whoever meets the first other one may hold for so long without a lease */
	struct span
		right_grace; /* claims are kept for so long without the right: 0 where no gate keeps the kernel from serving */
	struct span regain_delay; /* one that was accused without the right gets it back no sooner */
	struct span ask_interval; /* between two questions to the segment */
	struct span path_ahead;	  /* the segment is asked so long before the lease ends */
	char self[NODE_NAME_MAX + 1];
	uint64_t instance;
	struct span claim_backoff;    /* the k-th candidate of an orphan waits k times this */
	struct span handover_timeout; /* a stopping owner lets go after this even if nobody took over */
	struct span handover_linger;  /* the former owner serves on for so long beside its successor */
	struct span
		isolation_grace; /* an owner whose segment is silent lets go after this: others look at theirs meanwhile */
	struct span failed_hold; /* a node whose kernel refused an address is no candidate for it for so long */
	struct span
		majority_stable; /* a claim made without a majority becomes one of a majority after so long with one */
	enum rebalance_policy rebalance;
	struct span rebalance_delay; /* a node must have been able to own addresses for so long */
	unsigned int rebalance_rate; /* placement units that one owner moves in a second; not 0 */
	size_t node_max;
	size_t address_max; /* configured ones and those only heard of */
};

void election_config_defaults(struct election_config *config);

enum election_event_kind {
	ELECTION_EVENT_TICK,
	ELECTION_EVENT_SERVICES,  /* the full list of services; replaces the former */
	ELECTION_EVENT_NODE,	  /* a node (we too) appeared or changed */
	ELECTION_EVENT_NODE_GONE, /* forgotten for good (reaped or replaced by another instance) */
	ELECTION_EVENT_CLAIM,	  /* another instance published or withdrew (claim.state 0) a claim */
	ELECTION_EVENT_START,	  /* the start-up hold is over: the cluster has been heard, or there is none */
	ELECTION_EVENT_DRAIN,	  /* hand everything over and take nothing; DRAINED follows each time nothing is held */
	ELECTION_EVENT_UNDRAIN,
	ELECTION_EVENT_HANDOVER,     /* move one address to another node */
	ELECTION_EVENT_CLAIMED,	     /* the kernel has an address that we claimed, and it is announced */
	ELECTION_EVENT_CLAIM_FAILED, /* the kernel refused an address that we claimed */
	ELECTION_EVENT_LOST,	     /* the kernel lost an address that we hold and it cannot be put back */
	ELECTION_EVENT_INSTANCE,     /* our own instance was raised by gossip */
	ELECTION_EVENT_LEASE,	     /* our watchers' lease as it is now */
	ELECTION_EVENT_PATH,	     /* one of our segments has answered */
	ELECTION_EVENT_DOUBT,	     /* a member is being verified, or is heard again */
	ELECTION_EVENT_ANSWER,	     /* the segment answered ELECTION_ACTION_ASK */
	ELECTION_EVENT_FITNESS,	     /* an instance, we too, can or cannot serve a service */
	ELECTION_EVENT_REBALANCE,    /* hand over what we hold and what would be placed better elsewhere */
	ELECTION_EVENT_TAKEN, /* a stranger has an address that we hold, and it is to have it, or that we asked for with `strangers` */
};

struct election_event {
	enum election_event_kind kind;
	struct instant now;
	union {
		struct {
			const struct election_service *services; /* borrowed until the next such event */
			size_t service_n;
		} services;
		struct {
			const char *name;
			uint64_t instance;
			bool alive;		 /* alive or suspect, as gossip sees it */
			bool left;		 /* said goodbye: does not count in a majority */
			const struct meta *meta; /* copied; NULL: keep what was known */
			/* Of one that died; all of its addresses are off for certain, or its lease lasts until then at most. */
			bool released;
			struct instant lease_end;
		} node;
		struct {
			uint64_t instance;
		} node_gone;
		struct {
			uint64_t origin;
			struct ip ip;
			struct claim claim; /* state 0: withdrawn */
		} claim;
		struct {
			struct ip ip;
			const char *node;
		} handover;
		struct {
			struct ip ip;
		} address; /* CLAIMED, CLAIM_FAILED, LOST */
		struct {
			uint64_t instance;
		} instance;
		struct {
			size_t watcher_n;
			struct instant until;
			uint32_t incarnation; /* our own: it grows when we are accused */
		} lease;
		struct {
			struct instant
				until; /* the segment is taken for alive until then: a little after its last answer */
		} path;
		struct {
			uint64_t instance;
			bool doubted;
		} doubt;
		struct {
			struct ip ip;
			struct mac mac;
		} answer;
		struct {
			struct ip ip;
			struct mac mac;
			struct span hold; /* do not take it for so long */
		} taken;
		struct {
			uint64_t origin;
			uint64_t service; /* fitness_service() of its name */
			bool fit;	  /* so it is of whoever never said otherwise */
		} fitness;
		struct {
			size_t max_moves; /* placement units; 0: all that need it */
		} rebalance;
	};
};

/* Why an owner changed; the name goes into log, events and metrics. */
enum election_reason {
	ELECTION_REASON_FIRST,		  /* nobody owned it */
	ELECTION_REASON_OWNER_DEAD,	  /* gossip declared the owner dead */
	ELECTION_REASON_OWNER_LEFT,	  /* the owner left or gave it up */
	ELECTION_REASON_OWNER_INELIGIBLE, /* the owner lost its interface or no longer matches */
	ELECTION_REASON_HANDOVER,	  /* planned move */
	ELECTION_REASON_CONFLICT,	  /* two claims met; the merge key decided */
	ELECTION_REASON_INELIGIBLE,	  /* we lost our interface, selector or readiness */
	ELECTION_REASON_REMOVED,	  /* the service is no longer configured */
	ELECTION_REASON_FAILED,		  /* the kernel refused or lost the address */
	ELECTION_REASON_STOPPED,	  /* we drain or stop and nobody took over in time */
	ELECTION_REASON_ISOLATED,	  /* we lost the right to hold: neither watchers nor segment answer */
	ELECTION_REASON_UNFIT,		  /* its health check fails on the owner */
	ELECTION_REASON_TAKEN,		  /* given up to a host that is no member */
};

const char *election_reason_name(enum election_reason reason);

enum election_action_kind {
	ELECTION_ACTION_CLAIM,	  /* bring the address up on iface and announce it */
	ELECTION_ACTION_RELEASE,  /* take the address down at once */
	ELECTION_ACTION_ANNOUNCE, /* we hold it already: announce again (conflict won) */
	ELECTION_ACTION_PUBLISH,  /* write our claim; claim.state 0: withdraw it */
	ELECTION_ACTION_OWNER,	  /* the owner as we see it changed: for log and events */
	ELECTION_ACTION_DRAINED,  /* draining, and we hold nothing (any more) */
	ELECTION_ACTION_ASK,	  /* ask the segment on claim.iface who has the address */
	ELECTION_ACTION_FITNESS,  /* write our word about a service; fit: withdraw it */
	ELECTION_ACTION_RIGHT,	  /* the right to hold was gained or lost; where lost, releases follow */
};

struct election_action {
	enum election_action_kind kind;
	struct ip ip;
	union {
		struct {
			char iface[IFACE_NAME_MAX + 1];
			enum claim_mode mode;
			unsigned int priority; /* CLAIM: of the service */
			bool strangers;	       /* ASK: should a stranger answer, then it has it: ELECTION_EVENT_TAKEN */
		} claim;
		struct claim publish;
		bool right;
		struct {
			uint64_t service;
			bool fit;
		} fitness;
		struct {
			uint64_t
				from; /* instance of the last owner, also where nobody was in between; 0: never owned */
			uint64_t to;  /* 0: nobody */
			uint64_t epoch;
			enum election_reason reason;
		} owner;
	};
};

/* Bounds of one step; what does not fit waits (deadline becomes `now`). CLAIM and its PUBLISH are never torn apart. */
#define ELECTION_ACTION_MAX 1024

struct election_out {
	size_t action_n;
	struct election_action actions[ELECTION_ACTION_MAX];
};

struct election; /* opaque */

struct election *election_new(const struct election_config *config, struct instant now);
void election_free(struct election *e);
void election_step(struct election *e, const struct election_event *event, struct election_out *out);
struct instant election_deadline(const struct election *e);

/*
 * Until when this node may hold addresses, as far as it knows now; in the past: it may not. INSTANT_NEVER: without end. The shell
 * keeps the kernel's gate open no longer.
 */
struct instant election_right_until(const struct election *e);
/* Does the answer of the segment decide about that right now, or soon? Then ask it often. */
bool election_wants_path(const struct election *e);

/* One address as this node sees it. Pointers are borrowed until the next step. */
struct election_address {
	struct ip ip;
	const char *service;
	const char *owner;	 /* NULL: nobody */
	uint64_t owner_instance; /* 0: nobody */
	uint64_t epoch;
	struct instant since; /* when we learnt of this owner */
	bool held;	      /* by us */
	const char *iface;    /* ours while held, else NULL */
	const char *state;    /* "owned", "handover", "unowned", "held-down", "taken" (by a stranger), "starting" */
	struct instant held_down_until; /* we do not take it before, for it moved often; past: that does not keep us */
	enum claim_mode mode;
};

/* In order of service, then as configured. */
size_t election_address_n(const struct election *e);
void election_address_at(const struct election *e, size_t index, struct election_address *ret);
bool election_address_find(const struct election *e, struct ip ip, struct election_address *ret);
/* Of all of them: how many we hold, and how many have no owner that we know of. */
void election_address_counts(const struct election *e, size_t *ret_held, size_t *ret_unowned);
/* The name of a node by instance; NULL: not known (any more). Borrowed until the next step. */
const char *election_node_name(const struct election *e, uint64_t instance);
/* Is the named node a candidate for the address? */
bool election_is_candidate(const struct election *e, struct ip ip, const char *name);
/* Candidates for an address in order of rank, best first; names borrowed. Returns how many there are (may exceed cap). */
size_t election_candidates(const struct election *e, struct ip ip, const char **names, size_t cap);

/* What speaks for a node as owner of one address. */
struct election_candidate {
	const char *name; /* borrowed until the next step */
	uint64_t instance;
	bool owner;	/* it is now */
	bool candidate; /* could own it */
	const char *
		why_not; /* static text; NULL for a candidate, but for one whose segment is silent while others' are not */
	unsigned int score;  /* of the service's preferences */
	unsigned int weight; /* of the node */
	size_t load;	     /* addresses that it holds */
	size_t bound; /* addresses that it should hold at most, among equal candidates for this one; 0: not among the best */
	size_t rank;  /* among candidates, best first: who takes over next; SIZE_MAX for others */
	bool planned; /* it owns the address next, if the owner goes */
};

/* Every node that we know, best rank first, then those that are no candidates. Returns how many there are (may exceed cap). */
size_t election_explain(const struct election *e, struct ip ip, struct election_candidate *out, size_t cap);

#endif
