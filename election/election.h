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
};

enum claim_state {
	CLAIM_HELD = 1, /* the origin owns the address */
	CLAIM_HANDOVER, /* owns it still, and asks `successor` to take it */
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

struct election_config {
	char self[NODE_NAME_MAX + 1];
	uint64_t instance;
	struct span claim_backoff;    /* the k-th candidate of an orphan waits k times this */
	struct span handover_timeout; /* a stopping owner lets go after this even if nobody took over */
	struct span handover_linger;  /* the former owner serves on for so long beside its successor */
	struct span failed_hold;      /* a node whose kernel refused an address is no candidate for it for so long */
	struct span
		majority_stable; /* a claim made without a majority becomes one of a majority after so long with one */
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
};

const char *election_reason_name(enum election_reason reason);

enum election_action_kind {
	ELECTION_ACTION_CLAIM,	  /* bring the address up on iface and announce it */
	ELECTION_ACTION_RELEASE,  /* take the address down at once */
	ELECTION_ACTION_ANNOUNCE, /* we hold it already: announce again (conflict won) */
	ELECTION_ACTION_PUBLISH,  /* write our claim; claim.state 0: withdraw it */
	ELECTION_ACTION_OWNER,	  /* the owner as we see it changed: for log and events */
	ELECTION_ACTION_DRAINED,  /* draining, and we hold nothing (any more) */
};

struct election_action {
	enum election_action_kind kind;
	struct ip ip;
	union {
		struct {
			char iface[IFACE_NAME_MAX + 1];
			enum claim_mode mode;
		} claim;
		struct claim publish;
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
	const char *state;    /* "owned", "handover", "unowned", "starting" */
	enum claim_mode mode;
};

/* In order of service, then as configured. */
size_t election_address_n(const struct election *e);
void election_address_at(const struct election *e, size_t index, struct election_address *ret);
bool election_address_find(const struct election *e, struct ip ip, struct election_address *ret);
/* The name of a node by instance; NULL: not known (any more). Borrowed until the next step. */
const char *election_node_name(const struct election *e, uint64_t instance);
/* Is the named node a candidate for the address? */
bool election_is_candidate(const struct election *e, struct ip ip, const char *name);
/* Candidates for an address in order of rank, best first; names borrowed. Returns how many there are (may exceed cap). */
size_t election_candidates(const struct election *e, struct ip ip, const char **names, size_t cap);

#endif
