/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control API: HTTP/JSON over a Unix socket, by libmicrohttpd driven from our own event loop (no threads). GET /v1/status,
 * /v1/members, /v1/services, /v1/events, /v1/config, /v1/conflicts, /v1/diagnose, /v1/version, /v1/keys; POST /v1/drain, /v1/undrain, /v1/rebalance, /v1/handover, /v1/reload, and
 * /v1/keys/ with add, use, remove.
 */
#ifndef MLB_DAEMON_CONTROL_H
#define MLB_DAEMON_CONTROL_H

#include <cjson/cJSON.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct control; /* opaque */

/* What the daemon gives the API: each returns a new document that control frees, or NULL without memory. */
struct control_handler {
	cJSON *(*status)(void *arg);
	cJSON *(*members)(void *arg);
	cJSON *(*services)(void *arg);
	/* Events with sequence number > since, oldest first. */
	cJSON *(*events)(void *arg, uint64_t since);
	/*
	 * POST /v1/<verb>, and GET /v1/config, /v1/keys, /v1/conflicts and /v1/diagnose, with a JSON object (may be NULL: no body). Returns the HTTP status (200, 400, 404,
	 * 409) and, where it is not 200, the reason in error: one line, or for a refused configuration one per problem. What
	 * is put into the empty object `reply` is the answer of a 200. The fields of the body are checked already: "handover"
	 * has "service" and "node", "keys/add" may have "key", "keys/use" and "keys/remove" have "fingerprint", non-empty strings
	 * all, and may have the boolean "force"; the others have none. /v1/drain answers at once; progress is seen in status.
	 */
	int (*command)(void *arg, const char *verb, const cJSON *body, cJSON *reply, char *error, size_t error_cap);
	void *arg;
	/* A client that neither sends nor reads for so long is dropped; 0: 10 s. */
	unsigned int idle_timeout_s;
};

/*
 * Listen on the Unix socket at path (mode 0660; parent folder created with 0755 where missing). -EADDRINUSE: another daemon
 * answers there; a stale socket file is replaced. -EEXIST: the path is no socket; left alone. 0 or negative errno.
 */
int control_open(uv_loop_t *loop, const char *path, const struct control_handler *handler, struct control **ret);
/*
 * Stops listening, closes all connections and removes the socket file. The memory goes with the next turn of the loop. Not
 * from within a handler. NULL is fine.
 */
void control_close(struct control *control);

#endif
