/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of daemon/pools*.c share. */
#ifndef MLB_DAEMON_POOLS_INTERNAL_H
#define MLB_DAEMON_POOLS_INTERNAL_H

#include "allocator/ledger.h"
#include "daemon/pools.h"

/* A service with addresses of a pool, for the election. */
struct pools_entry {
	struct ip addresses[ALLOC_ADDRESS_MAX];
	char name[LEDGER_NAME_MAX + 1]; /* of one that a command added */
};

/* What the election borrows. */
struct pools_view {
	struct pools_entry *entries; /* owned */
	uint64_t *services;	     /* owned, sorted: whose they are */
	size_t n;
};

/* A service of the configuration file. */
struct pools_named {
	uint64_t service;
	size_t index;
};

/* An item of ours that is in the cluster. */
struct pools_item {
	uint64_t service;
	enum ledger_item kind;
};

/* A service that the last round gave nothing. */
struct pools_refusal {
	uint64_t service;
	enum alloc_verdict verdict;
};

struct pools {
	struct app *app;
	struct ledger *ledger;	     /* owned */
	struct allocator *allocator; /* owned; this node's pools, and what the services use of them */
	/* the node that gives addresses */
	uint64_t giver; /* instance; 0: none */
	char giver_name[NODE_NAME_MAX + 1];
	struct instant giver_since;
	bool dirty; /* rules or taken addresses may be others than in the last round */
	uint64_t assigned_version;
	struct pools_refusal *refusals; /* owned */
	size_t refusal_n, refusal_cap;
	struct pools_refusal *former_refusals; /* of the round before; while a round is made */
	size_t former_refusal_n;
	/* what others were told */
	struct pools_item *items; /* owned, by service, then kind */
	size_t item_n;
	/* what the election has */
	struct pools_named *named; /* owned, sorted: app->config's */
	size_t named_n;
	uint64_t applied_version;
	struct pools_view view, former;
	struct ip *taken; /* owned, sorted: addresses of all other services */
	size_t taken_n;
	/* on disk */
	uint64_t saved_version;
	bool save_failed;
	uv_timer_t work_timer;
	uv_timer_t save_timer;
};

/* Look at everything soon. */
void pools_kick(struct pools *p);
/* The service's name: of the file, or as a command gave it; else its number. */
const char *pools_name(const struct pools *p, uint64_t service, char buf[SERVICE_NAME_MAX + 1]);
/* The service of the file that has that number; NULL: none. */
const struct config_service *pools_configured(const struct pools *p, uint64_t service);
/* Does this node give the addresses, now? Else `*why` says what it waits for. */
bool pools_gives(const struct pools *p, const char **why);
/* Has the election it, with an address of a pool? */
bool pools_is_served(const struct pools *p, uint64_t service);

/* --- pools_assign.c: the node that gives --- */
void pools_assign(struct pools *p);

/* --- pools_file.c --- */
/*
 * The ledger as text, which the caller frees. NULL: no memory. Lines: "mlbd-pools 1", "record SERVICE VALUE NAME" with numbers in
 * hexadecimal and "?" for a name that is not known, "end HASH" of all before.
 */
char *pools_text(const struct ledger *ledger, size_t *ret_len);
/* What the text says is merged. text is taken apart. 0; -EBADMSG: not whole or no such text, the ledger has some of it then; -ENOMEM. */
int pools_text_read(struct ledger *ledger, char *text, size_t len);

void pools_metrics(void *arg, struct metrics_text *text);

#endif
