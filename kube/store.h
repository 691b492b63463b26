/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The objects of a cluster as they were last told, in small structs, and which Services are to be looked at again. Pure; memory grows with
 * what is in it.
 */
#ifndef MLB_KUBE_STORE_H
#define MLB_KUBE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/time.h"
#include "kube/arena.h"
#include "kube/decode.h"
#include "kube/known.h"
#include "kube/table.h"

enum kube_kind { KUBE_SERVICES, KUBE_SLICES, KUBE_NODES, KUBE_NAMESPACES, KUBE_POOLS, KUBE_ADVERTS, KUBE_KIND_N };

struct kube_problem {
	char text[KUBE_ERROR_MAX];
};

struct kube_entry {
	struct kube_item item; /* its key: "namespace/name", or a name */
	void *object; /* owned; what kube/decode.h makes of its kind. NULL: it is not there, or cannot be read */
	struct kube_problem *problem; /* owned; why it cannot be read; NULL: it can, or is not there */
	/* Of a Service. It may be here for its slices alone. */
	struct kube_entry *slices; /* the first of them */
	struct kube_entry *queue_next;
	bool queued;   /* the controller is to look at it */
	bool writing;  /* its status is being written: not before that is answered */
	bool changed;  /* since its status was last written */
	bool awaited;  /* a write was refused because it is older than what the server has: not before that comes */
	uint64_t said; /* hash of the events that were last sent about it; 0: none */
	/* Of a slice. */
	struct kube_entry *owner; /* the Service that it is of; NULL: none */
	struct kube_entry *slice_next;
	/* Of a node. */
	struct instant unready_since; /* NEVER: it is Ready, or does not say */
};

struct kube_store {
	struct kube_table tables[KUBE_KIND_N];
	struct kube_entry *queue, **queue_end; /* Services that the controller is to look at */
	size_t queue_n;
	bool queueing;	     /* there is a controller */
	bool plan_changed;   /* something changed that may move addresses */
	bool config_changed; /* pools, advertisements, nodes or namespaces changed as far as rules go */
};

/* seed: secret, for the tables' hashes. */
void kube_store_init(struct kube_store *store, uint64_t seed);
void kube_store_free(struct kube_store *store);

/*
 * An object is there, or has changed. json is one object of the API, NULL if it is not even JSON; broken ones are kept by their problem. 0 or
 * -ENOMEM: then the former one stays. What cannot be of interest (a node's heartbeat) changes nothing but the object.
 */
int kube_store_put(struct kube_store *store, enum kube_kind kind, const char *key, const cJSON *json,
		   struct instant now);
/* It is gone; unknown is fine. */
void kube_store_drop(struct kube_store *store, enum kube_kind kind, const char *key);
/* NULL: not there. The object of an entry may be NULL. */
struct kube_entry *kube_store_find(const struct kube_store *store, enum kube_kind kind, const char *key);
/* A walk over all entries of a kind, those without an object too; none may be put or dropped meanwhile. */
struct kube_entry *kube_store_next(const struct kube_store *store, enum kube_kind kind, struct kube_walk *walk);
/* All entries of a kind with an object, by key, into arena. NULL: no memory; *ret_n. */
struct kube_entry **kube_store_list(const struct kube_store *store, enum kube_kind kind, struct arena *arena,
				    size_t *ret_n);
/* The first problem of a kind, and how many there are. NULL: none. */
const struct kube_entry *kube_store_problem(const struct kube_store *store, enum kube_kind kind, size_t *ret_n);

/* Services for the controller, first in, first out; each once. */
void kube_store_queue(struct kube_store *store, struct kube_entry *service);
/* All of them, those with addresses first, for these are taken. False: no memory. */
bool kube_store_queue_all(struct kube_store *store);
struct kube_entry *kube_store_dequeue(struct kube_store *store);
/* Forget a Service that is gone, if nothing else holds its entry. */
void kube_store_settle(struct kube_store *store, struct kube_entry *service);
/* Nobody looks at them for now. */
void kube_store_queue_clear(struct kube_store *store);

#endif
