/* SPDX-License-Identifier: Apache-2.0 */
/* Shell: what the parts of kube/client.h share: the client itself, and how a request is made. */
#ifndef MLB_KUBE_REQUEST_H
#define MLB_KUBE_REQUEST_H

#include "base/bucket.h"
#include "kube/client.h"
#include "kube/http.h"

struct kube_call_state;

struct kube_client {
	uv_loop_t *loop;
	struct kube_config config;
	struct curl_slist *connect_to; /* owned; NULL: none */
	char user_agent[128];
	struct http *watching;	    /* owned */
	struct http *writing;	    /* owned: single requests and leases */
	struct kube_watch *watches; /* owned, a list */
	struct kube_elect *elects;  /* owned, a list */
	uv_timer_t pump;	    /* begins what waits; its data is the client */
	struct bucket bucket;
	struct kube_call_state *urgent, **urgent_end; /* owned, lists: to be begun */
	struct kube_call_state *waiting, **waiting_end;
	struct kube_call_state *running; /* owned, a list */
	size_t flight_n;		 /* running and not urgent */
	size_t window;			 /* so many at once */
	struct instant pause_until;	 /* the server asked for it */
	struct kube_counters counters;
};

/*
 * A request with everything that all have: URL, credentials as they are now, certificates, time-out. accept NULL: JSON. 0, -ENOMEM, or why
 * credentials cannot be had. *ret and *headers are the caller's.
 */
int client_prepare(struct kube_client *client, const char *path, const char *accept, const char *content_type,
		   struct span timeout, CURL **ret, struct curl_slist **headers);
/* The server did not know us: read the credentials again before the next request. Does that give hope? */
bool client_doubt_token(struct kube_client *client);

/* The list of requests: begun, ended, all of them dropped without a word. */
void client_pump(struct kube_client *client);
void client_pump_at(struct kube_client *client, struct instant when);
void client_drop_calls(struct kube_client *client);
/* The same of the urgent ones with this arg, which no other request has. */
void client_drop_urgent(struct kube_client *client, const void *arg);
/* Unlink and free, without a word. */
void elect_free(struct kube_elect *elect);

/* Milliseconds from now until t, rounded up; 0 when that is past. For uv_timer_start. */
uint64_t client_ms_until(struct instant t, struct instant now);

#endif
