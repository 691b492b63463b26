/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request of the control API, from method, path and body to status and JSON text: routing, checks of what came from
 * outside, the call of the daemon's handler. No sockets and no HTTP library, so that tests and fuzzers call it alone.
 * The documents are described in docs/API.md.
 */
#ifndef MLB_DAEMON_CONTROL_REQUEST_H
#define MLB_DAEMON_CONTROL_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/limits.h"
#include "daemon/control.h"

/* Room for the reason that a handler gives; may hold several lines. */
#define CONTROL_ERROR_MAX 4096

/* All borrowed. */
struct control_request {
	const char *method;
	const char *path;  /* without the query */
	const char *since; /* the query argument of that name; NULL: absent */
	const char *body;  /* any bytes, at most CONTROL_BODY_MAX; NULL where body_len is 0 */
	size_t body_len;
	bool body_too_long; /* there was more than CONTROL_BODY_MAX; what came is in no field */
};

struct control_response {
	unsigned int status; /* of HTTP */
	const char *allow;   /* borrowed constant: the method that the path takes, for a 405; else NULL */
	const char *
		change; /* borrowed constant: the command that changes something and came to the handler, which may have refused it; else NULL */
	char *text;	/* owned, free(): one JSON document in valid UTF-8 and a newline; NULL without memory */
	size_t len;	/* of text, without the terminator */
};

/* Answer a request; *ret is filled in every case, 4xx and 5xx with {"error": "..."}. */
void control_request_handle(const struct control_request *request, const struct control_handler *handler,
			    struct control_response *ret);

#endif
