/* SPDX-License-Identifier: Apache-2.0 */
/* The client's side of the control API: one request at a time over the daemon's Unix socket, by libcurl. */
#ifndef MLB_TOOLS_CLIENT_H
#define MLB_TOOLS_CLIENT_H

#include <cjson/cJSON.h>
#include <stdbool.h>

/* How a request ended; the values are the exit statuses of mlbctl (mlbctl(1)). */
enum client_result {
	CLIENT_DONE = 0,
	CLIENT_REFUSED = 1,   /* the daemon said no, or what it said is no answer */
	CLIENT_NO_DAEMON = 3, /* nobody there, no permission, no answer in time */
};

struct client_answer {
	char *text; /* owned: the document as it came */
	cJSON *doc; /* owned: the same, parsed */
};

struct client; /* opaque */

/* path is borrowed. timeout_ms is for each request. NULL without memory. */
struct client *client_new(const char *path, long timeout_ms);
void client_free(struct client *client); /* NULL is fine */
/*
 * body NULL: a GET, else a POST with that JSON text ("" for none). *ret is set for CLIENT_DONE only; free it with
 * client_answer_free.
 */
enum client_result client_request(struct client *client, const char *url_path, const char *body,
				  struct client_answer *ret);
void client_answer_free(struct client_answer *answer);
/* Why the last request was not done; lines without the newline at the end. Valid until the next request. */
const char *client_error(const struct client *client);
/* Did the last request open a new connection? Then it may have met another daemon than the one before. */
bool client_reconnected(const struct client *client);

#endif
