/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which address a service gets from which pool: the rules of MetalLB's controller (pools, sharing keys, dual stack), with interval
 * sets instead of scans. Pure and deterministic: the same calls give the same addresses. Memory grows with what is assigned, not with
 * the size of pools; every call is all or nothing, also when memory runs out.
 */
#ifndef MLB_ALLOCATOR_ALLOCATOR_H
#define MLB_ALLOCATOR_ALLOCATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/label.h"

/* One of each family at most. */
#define ALLOC_ADDRESS_MAX 2

/* A set of families. */
#define ALLOC_V4 1u
#define ALLOC_V6 2u
#define ALLOC_DUAL (ALLOC_V4 | ALLOC_V6)

/* A pool as configured; copied by allocator_pools_set. */
struct alloc_pool {
	const char *name;	    /* unique */
	const struct subnet *cidrs; /* addresses are given in this order, ascending in each; host bits are ignored */
	size_t cidr_n;
	bool auto_assign;     /* also for services that do not name it */
	bool avoid_buggy_ips; /* without IPv4 addresses that end in .0 or .255 */
	bool pinned;	      /* has rules for who may use it (serviceAllocation); all below is for these */
	int32_t priority;     /* among pinned pools: lower first, 0 last, then by name */
	bool has_namespaces;  /* for those namespaces alone; none listed: for nobody */
	const char *const *namespaces;
	size_t namespace_n;
	const struct label_selector *selectors; /* of services: any must match; none: all do */
	size_t selector_n;
};

struct alloc_port {
	uint8_t protocol; /* IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP */
	uint16_t port;
};

enum alloc_policy { ALLOC_SINGLE_STACK, ALLOC_PREFER_DUAL_STACK, ALLOC_REQUIRE_DUAL_STACK };

/* What a service asks for. Everything is borrowed for the call. */
struct alloc_request {
	const char *service;   /* its identity; not a text that allocator_find returned */
	const char *namespace; /* NULL: none, as "" */
	const struct label_pair *labels;
	size_t label_n;
	unsigned int families; /* ALLOC_DUAL for one with cluster addresses of both */
	enum alloc_policy policy;
	enum ip_family primary;	    /* tried first where one of two has to do; IP_NONE: IPv4 */
	const char *pool;	    /* from this pool alone; NULL: any */
	const struct ip *addresses; /* for allocator_assign: these */
	size_t address_n;
	const struct alloc_port *ports; /* matter only with a sharing key */
	size_t port_n;
	const char *sharing_key; /* NULL or "": shares with nobody */
	const char *backend_key; /* must be equal among those that share; NULL: "" */
};

/* What a service has. Pointers are valid until the next call that changes something. */
struct alloc_holding {
	const char *service;
	const char *pool;
	const char *sharing_key; /* "": none */
	struct ip addresses[ALLOC_ADDRESS_MAX];
	size_t address_n;
};

enum alloc_verdict {
	ALLOC_OK,
	ALLOC_NOT_IN_POOL,   /* the addresses are not all in one pool (the named one) */
	ALLOC_NOT_FOR_IT,    /* the pool is for other namespaces or services */
	ALLOC_BAD_REQUEST,   /* none, too many, or two addresses of one family; or not of the families of the service */
	ALLOC_IN_USE,	     /* by a service that does not share it */
	ALLOC_OTHER_KEY,     /* shared, under another sharing key */
	ALLOC_OTHER_BACKEND, /* shared, with other backends */
	ALLOC_PORT_IN_USE,   /* shared, and a port is taken */
	ALLOC_NO_SUCH_POOL,
	ALLOC_EXHAUSTED, /* no pool that the service may use has room */
	ALLOC_NO_MEMORY,
};

/* A sentence for a person, static. */
const char *alloc_verdict_text(enum alloc_verdict verdict);

struct allocator; /* opaque */

/* No pools yet. NULL: no memory. */
struct allocator *allocator_new(void);
void allocator_free(struct allocator *a);

/*
 * Replace all pools. Services keep their addresses as long as one pool holds them all, whatever its name; who loses one loses all, and is
 * released. Pools may overlap, which configuration should refuse; then an address is still given once. 0; -EINVAL: a name twice or
 * empty, overlap within a pool, a bad CIDR; -ENOMEM. On error nothing has changed.
 */
int allocator_pools_set(struct allocator *a, const struct alloc_pool *pools, size_t pool_n);

/*
 * Give the service exactly `request.addresses`, instead of what it has. The pool's autoAssign does not matter; who may use it does.
 * `families` 0: whatever the addresses are.
 */
enum alloc_verdict allocator_assign(struct allocator *a, const struct alloc_request *request);
/*
 * Give it addresses of the families that it asks for: first pinned pools by priority, then the others by name; in a pool the first that is
 * free or that it may share. Who holds addresses already keeps them, with the ports and keys of the request.
 */
enum alloc_verdict allocator_allocate(struct allocator *a, const struct alloc_request *request);
/* The service has an address of one family: add one of the other, from the same pool. */
enum alloc_verdict allocator_add_family(struct allocator *a, const struct alloc_request *request);
/* False: it had nothing. */
bool allocator_release(struct allocator *a, const char *service);

/* False: it has nothing, and *ret is untouched. */
bool allocator_find(const struct allocator *a, const char *service, struct alloc_holding *ret);
/* All holdings, in no particular order: start with *cursor 0 and go on while it returns true. */
bool allocator_next(const struct allocator *a, size_t *cursor, struct alloc_holding *ret);
/* How many services hold the address. */
size_t allocator_users(const struct allocator *a, struct ip ip);
/* The pool that has all of the addresses: the first by name. NULL: none. */
const char *allocator_pool_of(const struct allocator *a, const struct ip *addresses, size_t address_n);

/* Addresses in use count once, however many share them. A capacity stops at INT64_MAX; so does a CIDR with 62 host bits or more. */
struct alloc_counters {
	int64_t capacity_v4;
	int64_t capacity_v6;
	int64_t assigned_v4;
	int64_t assigned_v6;
	int64_t available_v4;
	int64_t available_v6;
};

size_t allocator_pool_n(const struct allocator *a);
/* By name order. */
const char *allocator_pool_name(const struct allocator *a, size_t index);
struct alloc_counters allocator_counters(const struct allocator *a, size_t index);
/* One pool that was touched since it was last named here; SIZE_MAX: none is left. Every pool is, after allocator_pools_set. */
size_t allocator_changed(struct allocator *a);
/*
 * Grows whenever a request that was refused could succeed now: something was released, a sharing key changed, pools were set. A service
 * without an address waits for that instead of trying again.
 */
uint64_t allocator_room(const struct allocator *a);

/* "10.0.0.0/24" or "10.0.0.1-10.0.0.9", spaces allowed round the dash: the fewest CIDRs, ascending, host bits cleared. */
#define ALLOC_RANGE_CIDR_MAX 254
/* 0; -EINVAL: neither; -ERANGE: the start is after the end. */
int alloc_range_parse(const char *text, struct subnet cidrs[ALLOC_RANGE_CIDR_MAX], size_t *ret_n);
/* Usable addresses of one CIDR, as the counters count them. */
int64_t alloc_cidr_capacity(struct subnet cidr, bool avoid_buggy_ips);

#endif
