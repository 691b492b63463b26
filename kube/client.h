/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shell: one API server, spoken to from a libuv loop. Follows kinds of objects, makes single requests, takes part in an election.
 * Nothing blocks but reading small files of credentials; names are resolved in a thread of libcurl's.
 *
 *   kube_watch     a reflector (kube/reflector.h) with a connection     \  one connection for all watches
 *   kube_request   one request, with retries and a limit on the rate     \ and one for these two, so that a
 *   kube_elect     a lease (kube/lease.h)                                /  stalled stream holds up no renewal
 *
 * Everything is called from the loop's thread. Functions of the caller's are called from the loop, never from within a call of ours.
 */
#ifndef MLB_KUBE_CLIENT_H
#define MLB_KUBE_CLIENT_H

#include <uv.h>

#include "kube/config.h"
#include "kube/lease.h"
#include "kube/reflector.h"
#include "kube/url.h"

struct kube_client;
struct kube_watch;
struct kube_elect;

struct kube_client_options {
	const char *program; /* NULL: mlbd; stands in the User-Agent with the version. Borrowed for the call */
	uint32_t per_s;	     /* requests a second beside watches and leases; 0: 400 */
};

/*
 * curl_global_init is the caller's, once for the program. The config is taken over (*config is empty then), also on failure. 0, or a
 * negative errno and *why.
 */
int kube_client_new(uv_loop_t *loop, struct kube_config *config, const struct kube_client_options *options,
		    struct kube_client **ret, struct kube_reason *why);
/*
 * Ends all watches, elections (without giving up what is held) and requests, which are told nothing any more. Memory is freed as the loop
 * closes its handles, which takes one more turn. NULL is fine. Not from within a function of a reflector_sink.
 */
void kube_client_free(struct kube_client *client);
/* What was configured; borrowed. */
const struct kube_config *kube_client_config(const struct kube_client *client);

/*
 * Follow a kind until kube_watch_stop. The resource is copied. sink's functions must not stop the watch or free the client; kube_request
 * is fine. 0, -EINVAL: no such path, -ENOMEM.
 */
int kube_watch(struct kube_client *client, const struct kube_resource *resource, const struct reflector_config *config,
	       const struct reflector_sink *sink, struct kube_watch **ret);
void kube_watch_stop(struct kube_watch *watch);
/* The server answers others again: what waits after a failure goes on within a second. */
void kube_watch_hurry(struct kube_watch *watch);
/* Where it stands; borrowed. */
const struct reflector *kube_watch_reflector(const struct kube_watch *watch);

enum kube_method { KUBE_GET, KUBE_POST, KUBE_PUT, KUBE_PATCH, KUBE_DELETE };

struct kube_call {
	enum kube_method method;
	const char *path; /* with its query, from the server's root; borrowed for the call, like body and type */
	const char *body; /* NULL: none */
	size_t body_len;
	const char *content_type; /* NULL: application/json */
	struct span timeout;	  /* of each attempt; 0: 30 s */
	bool urgent;		  /* at once, once: whatever else waits, and without retries. For leases */
};

struct kube_answer {
	int code;	  /* HTTP status; 0: no answer */
	const char *body; /* terminated; borrowed until the function returns */
	size_t len;
	const char *why; /* code 0: what happened instead, for people; else "" */
};

typedef void kube_answer_fn(void *arg, const struct kube_answer *answer);

/*
 * Make a request; `answered` is called once, unless the client is freed before. Requests are begun in the order of their calls, 8 at once, or fewer
 * while the server says that it has too much to do.
 *
 * Tried again by itself, up to 10 times, with the server's Retry-After where it says one: 429 and 5xx that say so; broken connections, but for POST.
 * So a PATCH must be one that may come twice (a merge patch), and a PUT or PATCH with a resourceVersion may be told 409 of its own success.
 * 401, once, when the token is in a file.
 * 0, -ENOBUFS: too many wait, -EINVAL, -ENOMEM.
 */
int kube_request(struct kube_client *client, const struct kube_call *call, kube_answer_fn *answered, void *arg);
/* Those that are not urgent, waiting or in flight, are answered with code 0: who lost the lease must not write. */
void kube_requests_cancel(struct kube_client *client);

struct kube_counters {
	uint64_t requests;  /* sent, retries included; no watches or lists */
	uint64_t retries;   /* of these */
	uint64_t refused;   /* answered with 4xx or 5xx */
	uint64_t lost;	    /* not answered */
	uint64_t throttled; /* answered with 429 */
	size_t waiting;	    /* now */
	size_t running;	    /* now */
};
struct kube_counters kube_client_counters(const struct kube_client *client);

/* Told of each change of lease_held, from the loop. */
typedef void kube_elect_fn(void *arg, bool held);

/* Take part in the election until kube_elect_stop. The texts of config are borrowed until then. 0, -EINVAL: bad config, -ENOMEM. */
int kube_elect(struct kube_client *client, const struct lease_config *config, kube_elect_fn *changed, void *arg,
	       struct kube_elect **ret);
/* Its state; borrowed. Ask lease_held of it before each write. */
const struct lease *kube_elect_lease(const struct kube_elect *elect);
/*
 * Stop acting before this call. Gives the lease up and calls `stopped`, which may be NULL, within config.renew; `elect` is gone then. `changed` is
 * not called any more.
 */
void kube_elect_stop(struct kube_elect *elect, void (*stopped)(void *arg), void *arg);

#endif
