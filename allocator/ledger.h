/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which service was given which addresses of the pools in the configuration file: what all nodes agree on (docs/adr/0013). A set of
 * records, one for each service; of two records of one service the later one counts, whoever heard of them in whichever order. Pure.
 */
#ifndef MLB_ALLOCATOR_LEDGER_H
#define MLB_ALLOCATOR_LEDGER_H

#include "allocator/allocator.h"
#include "base/limits.h"

/* Services are meant by this. */
uint64_t ledger_service(const char *name);

struct ledger_record {
	uint64_t service;      /* ledger_service() of its name */
	uint64_t stamp;	       /* 1 to LEDGER_STAMP_MAX: greater than that of each record that its writer knew */
	uint64_t pool;	       /* ledger_service() of the name of the one that is to be used; 0: any with autoAssign */
	unsigned int families; /* wanted: ALLOC_V4, ALLOC_V6 or both */
	bool added;	       /* by command: no configuration file names it */
	bool removed;	       /* it is gone, and has no address */
	bool given;	       /* the addresses are its own; else they are what it asks for, if any */
	struct ip v4, v6;      /* IP_NONE: none */
};

/* A stamp beyond this is refused, so that none can be used up. */
#define LEDGER_STAMP_MAX (UINT64_MAX >> 2)

struct ledger; /* opaque */

struct ledger *ledger_new(void); /* NULL: no memory */
void ledger_free(struct ledger *l);

/* 1: that was news. 0: it was not. -EINVAL: no record; -ENOSPC: LEDGER_MAX services; -ENOMEM. */
int ledger_merge(struct ledger *l, const struct ledger_record *record);
/* Records in the order of `service`. */
size_t ledger_n(const struct ledger *l);
const struct ledger_record *ledger_at(const struct ledger *l, size_t i);
/* NULL: none. Valid until the next call that changes something. */
const struct ledger_record *ledger_find(const struct ledger *l, uint64_t service);
/* Greater than that of all records. */
uint64_t ledger_stamp(const struct ledger *l);
/* Grows with each change of a record or name. */
uint64_t ledger_version(const struct ledger *l);

/* The name behind it; "": not known. */
const char *ledger_name(const struct ledger *l, uint64_t service);
/* 1: that was news, 0: it was not. -EINVAL: not 1 to LEDGER_NAME_MAX letters, digits, '-', '_' and '.', or another's; -ENOSPC, -ENOMEM. */
int ledger_name_set(struct ledger *l, uint64_t service, const char *name, size_t len);

/*
 * May the service use the addresses of its record? Where two services were given one address, on two sides of a partition, the
 * one with the lower stamp keeps its addresses, at the same stamp the one with the lower `service`; the other one has none until it is
 * given others.
 */
bool ledger_holds(struct ledger *l, const struct ledger_record *record);

/* A record and a name as replicated items: docs/PROTOCOL.md, "Addresses from pools". */
#define LEDGER_KEY_LEN 9
#define LEDGER_VALUE_LEN 37
enum ledger_item { LEDGER_ITEM_NONE, LEDGER_ITEM_RECORD, LEDGER_ITEM_NAME };
void ledger_key_encode(enum ledger_item kind, uint64_t service, uint8_t key[LEDGER_KEY_LEN]);
/* LEDGER_ITEM_NONE: it is an item of another kind. */
enum ledger_item ledger_key_decode(const uint8_t *key, size_t len, uint64_t *ret);
void ledger_value_encode(const struct ledger_record *record, uint8_t value[LEDGER_VALUE_LEN]);
/* 0 or -EBADMSG. */
int ledger_value_decode(uint64_t service, const uint8_t *value, size_t len, struct ledger_record *ret);

/* A service of the configuration file that wants addresses of a pool. */
struct ledger_wish {
	const char *name;
	const char *pool; /* NULL: any with autoAssign */
	unsigned int families;
};

/* What the node that gives addresses has in its configuration. Everything is borrowed for the call. */
struct ledger_rules {
	const struct alloc_pool *pools;
	size_t pool_n;
	const struct ip *taken; /* addresses that are used otherwise */
	size_t taken_n;
	const struct ledger_wish *wishes;
	size_t wish_n;
};

/*
 * What came of one service: `before` is NULL or the record that it had; `after` the new one where verdict is ALLOC_OK. A service that no
 * configuration names any more and that gives its addresses to another one has `after->removed`.
 */
typedef void ledger_note_fn(void *arg, uint64_t service, const struct ledger_record *before,
			    const struct ledger_record *after, enum alloc_verdict verdict);

/*
 * Give addresses to the services that want some and have none that are good by these rules, and write that down. Whoever has good
 * ones keeps them. A service that neither the rules nor a command name keeps its addresses for as long as its pool has others. `note`
 * hears of each change and of each service that gets none. 0, -EINVAL (the pools) or -ENOMEM; what was written by then stays.
 */
int ledger_assign(struct ledger *l, const struct ledger_rules *rules, ledger_note_fn *note, void *arg);

#endif
