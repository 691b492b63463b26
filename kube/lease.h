/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One of several is the one that acts: election by a coordination.k8s.io/v1 Lease, as client-go's tools/leaderelection does it, so that
 * `kubectl get lease` reads as usual. Which request to make of the API server now, and what its answer means. Pure.
 *
 * Clocks of hosts are never compared: another's lease has expired when its record has not changed for its duration on *our* monotonic
 * clock. Every write names the resource version that it is based on, so of two who try at once, one is refused.
 */
#ifndef MLB_KUBE_LEASE_H
#define MLB_KUBE_LEASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"
#include "base/time.h"
#include "kube/scan.h"

#define LEASE_NAME_MAX 253
#define LEASE_BODY_MAX 32768
/* RFC 3339 with microseconds, as the API writes MicroTime. */
#define LEASE_TIME_MAX 31

struct lease_config {
	const char *namespace; /* borrowed, as the other texts; DNS names */
	const char *name;
	const char *identity; /* who we are; who says the same is us; printable, LEASE_NAME_MAX bytes at most */
	struct span duration; /* others wait so long after our last renewal; whole seconds */
	struct span renew;    /* we stop acting so long after it: less than `duration` */
	struct span retry;    /* between renewals, and between attempts: less than `renew` */
};

/* 15 s, 10 s, 2 s: what Kubernetes' own controllers use. */
extern const struct lease_config lease_defaults;

enum lease_method { LEASE_GET, LEASE_CREATE, LEASE_UPDATE };

/* GET and PUT go to .../namespaces/NAMESPACE/leases/NAME, CREATE as a POST to .../leases. */
struct lease_request {
	enum lease_method method;
	struct span timeout;
	const char *body; /* borrowed from the lease until the next call; "" for GET */
	size_t body_len;
};

struct lease {
	struct lease_config config;
	struct rng rng;
	struct instant due;
	bool busy;		 /* a request is in flight */
	enum lease_method asked; /* it, or the last one */
	struct instant asked_at;
	bool asked_to_hold;	 /* UPDATE, CREATE: to hold, not to release */
	bool fresh;		 /* `version` is what the next UPDATE may be based on */
	bool missing;		 /* the last GET found none */
	bool claimed;		 /* it is ours, or a write of ours without an answer may have made it so */
	unsigned int conflict_n; /* in a row */
	bool held;		 /* our last write was taken, and nothing was seen since that says otherwise */
	struct instant renewed;	 /* when that write was begun */
	bool releasing;
	struct instant release_until;
	/* the record as last seen */
	bool seen;
	char holder[LEASE_NAME_MAX + 1];
	char renew_time[LEASE_TIME_MAX + 1];
	char acquire_time[LEASE_TIME_MAX + 1];
	int64_t duration_s;
	int64_t transitions;
	struct instant changed;		   /* when it was last seen to be another than before */
	char metadata[LEASE_BODY_MAX / 2]; /* its JSON, given back as it came: labels are not ours to drop */
	size_t metadata_len;
	char body[LEASE_BODY_MAX];
	char error[384]; /* of the last failure; "": the last request was good */
};

/* False: the configuration is none (see its comments). */
bool lease_config_valid(const struct lease_config *config);
void lease_init(struct lease *lease, const struct lease_config *config, uint64_t seed, struct instant now);
/* Do we act? Ask before each write: it ends with the time alone. */
bool lease_held(const struct lease *lease, struct instant now);
/* When to ask again: lease_next, or lease_held, will answer otherwise. */
struct instant lease_deadline(const struct lease *lease);
/* Is a request to be made now? wall_us: since 1970, written into the record for people. Then lease_answer is due. */
bool lease_next(struct lease *lease, struct instant now, int64_t wall_us, struct lease_request *ret);
/* What came of it. code 0: no answer, for the reason given. */
void lease_answer(struct lease *lease, struct instant now, int code, const char *body, size_t len, const char *why);
/*
 * We act no more: give it up, so that others need not wait. Held is false from here on, and lease_next asks for what that takes;
 * lease_released: that is done, or has taken too long.
 */
void lease_release(struct lease *lease, struct instant now);
bool lease_released(const struct lease *lease, struct instant now);
/* Who holds it, as last seen; "": nobody, or not known. */
const char *lease_holder(const struct lease *lease);

#endif
