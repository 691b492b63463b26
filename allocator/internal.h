/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of allocator/ share. Items are meant by their index, since tables move when they grow. */
#ifndef MLB_ALLOCATOR_INTERNAL_H
#define MLB_ALLOCATOR_INTERNAL_H

#include "allocator/allocator.h"
#include "allocator/number.h"
#include "allocator/store.h"
#include "allocator/tree.h"

/* Index by family. */
#define FAMILY_N 2
static inline size_t family_index(uint8_t family)
{
	return family == IP_V6;
}
static inline unsigned int family_bit(uint8_t family)
{
	return family == IP_V6 ? ALLOC_V6 : ALLOC_V4;
}

/*
 * A stretch of addresses that belongs to the same pools throughout. Pools that do not overlap have one for each of their ranges.
 * Its addresses are numbered from 0 to `top`; in a compact one those that end in .0 and .255 have no number.
 */
struct segment {
	u128 first;
	u128 last;
	u128 top;
	bool compact; /* IPv4, and none of its pools wants buggy addresses */
	bool empty;   /* compact, and nothing is left */
	uint8_t family;
	uint32_t used; /* root of a set of intervals of numbers */
	uint64_t used_n;
	uint32_t cover_first; /* in plan.covers */
	uint32_t cover_n;
};

/* A segment is the seq-th of a pool. */
struct cover {
	uint32_t pool;
	uint32_t seq;
};

struct pool {
	char *name; /* owned */
	bool auto_assign;
	bool avoid;
	bool pinned;
	bool has_namespaces;
	int32_t priority;
	char **namespaces; /* owned with its texts, sorted */
	size_t namespace_n;
	struct label_selector *selectors; /* owned */
	size_t selector_n;
	uint32_t *segments[FAMILY_N]; /* owned, in the order of the configuration */
	uint32_t segment_n[FAMILY_N];
	uint32_t full[FAMILY_N]; /* root of a set of intervals: the places in `segments` where nothing is free */
	int64_t capacity[FAMILY_N];
	int64_t assigned[FAMILY_N];
	bool changed;
};

/* The pools and how the address space is cut up among them. Replaced as a whole. */
struct plan {
	struct pool *pools; /* owned, by name */
	size_t pool_n;
	struct segment *segments; /* owned: those of IPv4, then IPv6, ascending */
	size_t segment_n[FAMILY_N];
	struct cover *covers; /* owned, cover_n */
	size_t cover_n;
	uint32_t *pinned; /* owned: pools for automatic use with rules, by priority and name */
	size_t pinned_n;
	uint32_t *open; /* owned: and those without rules, by name */
	size_t open_n;
};

/* Who may share: services of one sharing key and one backend key. */
struct group {
	struct link link;
	char *key;     /* owned */
	char *backend; /* owned */
	uint32_t holding_n;
	uint32_t uses[FAMILY_N]; /* roots: addresses of the group, by pool and place in it */
};

/* The services of a group that have one port; a sub-set of the group's addresses. */
struct port_set {
	struct link link;
	uint32_t group;
	struct alloc_port port;
	uint32_t user_n;
	uint32_t users[FAMILY_N]; /* roots: as group.uses; the value is a holding */
};

/* An address that is in use. */
struct use {
	struct link link;
	struct ip ip;
	uint32_t holder_n;
	uint32_t group;	  /* of all its holders; NONE: not shared */
	uint32_t segment; /* in plan.segments */
	uint32_t pool;	  /* whose counters have it */
};

/* Names of usual length lie beside the rest, and what each operation needs comes first: a cache miss is what costs most here. */
#define NAME_SHORT_MAX 71

struct holding {
	struct link link;
	uint32_t pool;
	uint32_t group; /* NONE: shares with nobody */
	uint32_t uses[ALLOC_ADDRESS_MAX];
	uint16_t use_n;
	uint16_t port_n;
	char short_name[NAME_SHORT_MAX + 1]; /* "": it is long_name */
	char *long_name;		     /* owned */
	struct alloc_port *ports;	     /* owned; none without a group; none twice */
};

static inline const char *holding_name(const struct holding *holding)
{
	return holding->short_name[0] != '\0' || holding->long_name == NULL ? holding->short_name : holding->long_name;
}

struct allocator {
	struct plan plan;
	struct forest forest;
	struct table holdings;	/* struct holding */
	struct table uses;	/* struct use */
	struct table groups;	/* struct group */
	struct table port_sets; /* struct port_set */
	size_t place_n;		/* nodes in the sets of groups and ports */
	size_t changed_at;	/* pools before this one have not changed */
	uint64_t room;
};

/* --- plan.c --- */
/* 0, -EINVAL, -ENOMEM; *ret is whole or empty. */
int plan_make(const struct alloc_pool *pools, size_t pool_n, struct plan *ret);
void plan_free(struct plan *plan);
/* NULL: no pool has the address. */
struct segment *plan_segment(const struct plan *plan, struct ip ip);
bool plan_owns(const struct plan *plan, uint32_t pool, struct ip ip);
/* Index by name; NONE. */
uint32_t plan_named(const struct plan *plan, const char *name);
/* The first pool by name that owns all; NONE. */
uint32_t plan_pool_of(const struct plan *plan, const struct ip *addresses, size_t n);
/* May the service use the pool? */
bool plan_admits(const struct plan *plan, uint32_t pool, const struct alloc_request *request);
u128 segment_number(const struct segment *segment, struct ip ip);
struct ip segment_ip(const struct segment *segment, u128 number);
bool segment_is_full(const struct segment *segment);

/* --- book.c: who holds what --- */
uint32_t holding_find(const struct allocator *a, const char *service);
uint32_t use_find(const struct allocator *a, struct ip ip);
/* NONE: nobody shares under these keys, or the key is empty. */
uint32_t group_find(const struct allocator *a, const struct alloc_request *request);
uint32_t port_set_find(const struct allocator *a, uint32_t group, struct alloc_port port);
static inline struct holding *holding_at(const struct allocator *a, uint32_t index)
{
	return table_at(&a->holdings, index);
}
static inline struct use *use_at(const struct allocator *a, uint32_t index)
{
	return table_at(&a->uses, index);
}
static inline struct group *group_at(const struct allocator *a, uint32_t index)
{
	return table_at(&a->groups, index);
}
static inline struct port_set *port_set_at(const struct allocator *a, uint32_t index)
{
	return table_at(&a->port_sets, index);
}
/* Where an address stands in the order of a pool. */
struct tree_key place_of(uint32_t pool, uint32_t seq, u128 number);
/*
 * Replace what the service holds (`me`; NONE: nothing) by these addresses, which are free or may be shared. False: no memory, nothing
 * has changed.
 */
bool book_put(struct allocator *a, const struct alloc_request *request, uint32_t me, uint32_t pool,
	      const struct ip *addresses, size_t n);
void book_remove(struct allocator *a, uint32_t index);
/* The pools are replaced by those of *plan, which is taken over. False: no memory, nothing has changed. */
bool book_move(struct allocator *a, struct plan *plan);

/* --- pick.c --- */
/* The first address of the pool in that family that the service can have. It holds none of the family. False: none. */
bool pick_address(const struct allocator *a, uint32_t pool, size_t family, const struct alloc_request *request,
		  struct ip *ret);

#endif
