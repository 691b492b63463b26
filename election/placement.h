/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files that decide placement share (unit.c, class.c, placement.c, rebalance.c); everybody else uses internal.h.
 * docs/adr/0008-placement.md argues the method. Nodes, addresses, services, units and classes are meant by their slots.
 */
#ifndef MLB_ELECTION_PLACEMENT_H
#define MLB_ELECTION_PLACEMENT_H

#include "election/internal.h"

/*
 * Classes whose candidates are remembered. Addresses share a class that ask the same of a node and lie in the same subnet, so there
 * are a few in practice; beyond that many, candidates are worked out again for each plan.
 */
#define CLASS_ROW_MAX 256

/* The value of a candidate whose segment is silent, in rows; those of others are above it by 1 + score. */
#define VALUE_ISOLATED 1

/* A node holds at most 11/10 of its share (Mirrokni, Thorup and Zadimoghaddam 2018: any factor above 1 bounds the moves). */
#define BOUND_NUMERATOR 11
#define BOUND_DENOMINATOR 10

/* Addresses that go to one node together. Sorted by hash: that is the order in which they are placed. */
struct unit {
	uint64_t hash;
	const char *key; /* borrowed from a service: its name or its group's */
	bool grouped;	 /* the key is a group's */
	struct ip ip;	 /* of a unit of one address of a service that is spread; else 0 */
	uint32_t id;	 /* before sorting */
	uint32_t first;	 /* in placement.members */
	uint32_t n;
	uint32_t kind; /* units of one kind have the same candidates with the same scores */
	uint64_t kind_hash;
	bool apart; /* has something to avoid */
};

/* A service that has addresses. */
struct placed_service {
	const struct election_service *service; /* borrowed */
	uint32_t profile;			/* the first one that asks the same of nodes */
	uint64_t unfit;				/* the set of nodes that cannot serve it, hashed; 0: none */
	uint32_t first;				/* in election.list */
	uint32_t n;
	uint32_t links; /* of its own; SLOT_NONE: none */
};

/* Services that are to be apart are linked in a ring. */
struct apart_link {
	uint32_t service;
	uint32_t next;	  /* in the ring */
	uint32_t sibling; /* another link of the same service */
};

struct class
{
	uint32_t example; /* one of its addresses */
	uint32_t subnet;  /* SLOT_NONE: in none that is known, or it does not matter */
	uint64_t unfit;	  /* as those of its addresses' services */
	uint32_t row;	  /* in placement.rows, if row_class agrees */
};

/* One of the subnets that nodes have. They nest, so the longest that holds an address stands for all that hold it. */
struct known_subnet {
	struct subnet subnet;
	uint32_t parent; /* the next wider one */
};

/* The nodes that share the best score for a unit, and how much each may hold. */
struct tier {
	uint32_t kind;	 /* whose tier it is; SLOT_NONE: nobody's, make it again */
	uint32_t *nodes; /* owned, node_max; those with room come first */
	size_t open_n;
	size_t n;
};

struct placement {
	/* Made with the list of services. */
	uint32_t *unit;	    /* owned, by address */
	uint32_t *service;  /* owned, by address */
	struct unit *units; /* owned, address_max */
	size_t unit_n;
	uint32_t *members;		 /* owned, address_max: addresses unit by unit */
	struct placed_service *services; /* owned, address_max */
	size_t service_n;
	struct apart_link *links; /* owned, link_max */
	size_t link_n;
	size_t link_max;

	/* Made with those and the metadata of nodes. */
	bool subnets_stale;
	bool classes_stale;
	struct known_subnet *subnets; /* owned, subnet_max */
	size_t subnet_n;
	size_t subnet_max;
	uint32_t *class;       /* owned, by address */
	struct class *classes; /* owned, address_max */
	size_t class_n;
	uint16_t
		*rows; /* owned, CLASS_ROW_MAX of node_max: 0: no candidate, 1: its segment is silent, else 2 + score */
	uint32_t row_class[CLASS_ROW_MAX];
	size_t row_next;
	uint64_t *node_hash; /* owned, by node */

	/* The plan. */
	bool stale;
	uint32_t gone;		 /* the node that it supposes to be gone; SLOT_NONE: none */
	struct instant whole_at; /* before that only what has no place yet is planned */
	uint64_t work;		 /* nodes looked at for it */
	uint32_t *planned;	 /* owned, by address: the node; SLOT_NONE: it has an owner, or no candidate */
	uint32_t *load;		 /* owned, by node: addresses held and planned */
	uint32_t *bound;	 /* owned, by node: of the tier's */
	uint64_t *pending;	 /* owned, by kind: addresses that have no place yet */
	struct tier tier;
	uint16_t *values;  /* owned, by node: as rows, of a unit of several classes */
	uint32_t *avoided; /* owned, by node: `avoid_stamp`: the unit that is being placed is to avoid it */
	uint32_t avoid_stamp;
	size_t avoided_n;     /* nodes */
	uint32_t *class_seen; /* owned, by class: `class_stamp`: counted already */
	uint32_t class_stamp;
	uint32_t *votes; /* owned, by node: addresses of the unit that are there; 0 between uses */

	/* For making the above. */
	uint32_t *table; /* owned: open addressing; table_len a power of two, over twice address_max */
	size_t table_len;
	uint32_t *marks; /* owned, address_max */

	/* Since when each node can own addresses, by node: NEVER: it cannot; 0: for long. */
	struct instant *joined; /* owned */
	struct {
		bool on;
		size_t left;	     /* moves; SIZE_MAX: no end */
		uint32_t at;	     /* next unit to look at */
		size_t idle;	     /* units looked at since the last move */
		uint32_t moving;     /* SLOT_NONE: none */
		struct instant next; /* when */
		struct instant
			held_down; /* when the first unit that was passed over for its hold-down may move; NEVER: none was */
		struct instant join_at; /* when to see who has come to stay; NEVER: nobody came */
	} rebalance;
};

/* --- unit.c --- */
/* The hash that ranks nodes for an address of this service. */
uint64_t unit_hash(const struct election_service *service, struct ip ip);
void units_make(const struct election *e);
/* Mark in `avoided` where the services are that this unit is to be apart from. */
void unit_avoid(const struct election *e, const struct unit *unit);
/* Empty the table, and find the place of a hash in it: `same(ctx, value)` says whether a value found there is the one sought. */
void table_clear(struct placement *p);
uint32_t *table_place(struct placement *p, uint64_t hash, bool (*same)(const void *ctx, uint32_t value),
		      const void *ctx);

/* --- class.c --- */
void classes_refresh(const struct election *e);
/* By node: as placement.rows, for the addresses of the class. Valid until the next call but one hundred. */
const uint16_t *class_row(const struct election *e, uint32_t class);
void class_node_changed(const struct election *e, const struct node *node);
unsigned int service_score(const struct election_service *service, const struct node *node);

/* --- rebalance.c --- */
void rebalance_see_node(const struct election *e, const struct node *node);

/* --- placement.c --- */
/* Where an address is served: the slot of its living owner, or SLOT_NONE. */
uint32_t address_place(const struct election *e, const struct address *address);

#endif
