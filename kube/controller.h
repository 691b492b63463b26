/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The controller: who holds the lease gives addresses to Services. Works through the store's queue and says what to write; whoever drives
 * it makes the requests and says what came of them. All state is rebuilt from the Services when the lease is gained. Pure.
 */
#ifndef MLB_KUBE_CONTROLLER_H
#define MLB_KUBE_CONTROLLER_H

#include "kube/controller_rules.h"
#include "kube/pools.h"
#include "kube/store.h"

struct kube_manager {
	struct kube_controller rules;
	bool active;	 /* we hold the lease, and have the pools */
	bool wanted;	 /* Services without an address are to be looked at again */
	uint64_t writes; /* asked for */
};

/* `class` is borrowed. 0 or -ENOMEM. */
int kube_manager_init(struct kube_manager *m, const char *class);
void kube_manager_free(struct kube_manager *m);

/*
 * The lease was gained, or the configuration is another one: look at everything, those with addresses first. 0, or a negative errno: nothing
 * is given out then.
 */
int kube_manager_begin(struct kube_manager *m, struct kube_store *store, const struct kube_pools *pools);
/* The lease was lost: forget all. */
void kube_manager_end(struct kube_manager *m, struct kube_store *store);

/* What is to be done about one Service. */
struct kube_task {
	struct kube_entry *entry;
	const struct kube_service *service; /* of the entry; NULL: it is gone, and so nothing is to be written */
	struct kube_patch patch;	    /* its events are news */
};

/*
 * The next Service that something is to be written or said about; looks at `budget` of them at most. False: there is none for now;
 * *budget 0: there may be. Of a task with `write` kube_manager_wrote has to be told.
 */
bool kube_manager_next(struct kube_manager *m, struct kube_store *store, size_t *budget, struct kube_task *ret);

enum kube_written {
	KUBE_WRITTEN,  /* the store has what the server answered */
	KUBE_OUTDATED, /* 409, 422, 404: the server has another version, which will come */
	KUBE_UNWRITTEN /* anything else: try again later */
};
/* Look at all Services again, also at those whose writes were refused for a reason that nothing explains. False: no memory. */
bool kube_manager_sweep(const struct kube_manager *m, struct kube_store *store);
/* What came of a write. The entry may be gone: named by its key. */
void kube_manager_wrote(struct kube_manager *m, struct kube_store *store, const char *key, enum kube_written result);

#endif
