/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What changed between two looks at a daemon: its own state, its members, the owners of addresses. Made from the documents of
 * docs/API.md; reads no clock.
 */
#ifndef MLB_TOOLS_CHANGE_H
#define MLB_TOOLS_CHANGE_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

struct change_view; /* opaque: one look */

/*
 * Takes the three documents (any may be NULL) and frees them with the view. Fields that are missing or of another type count
 * as absent. Without memory the program ends with status 1.
 */
struct change_view *change_view_new(cJSON *status, cJSON *members, cJSON *services);
void change_view_free(struct change_view *view); /* NULL is fine */

/* All texts are borrowed from the two views. */
struct change {
	const char *kind;    /* "node", "member" or "address" */
	const char *service; /* of an address; else NULL */
	const char *subject; /* the node's or member's name, or the address */
	bool was, is;	     /* was it there before, is it there now: at least one */
	const char *from_owner, *from_state;
	const char *to_owner, *to_state; /* NULL: not there, or nobody */
};

typedef void change_take(const struct change *change, void *arg);

/* Tell what differs, in order of kind, service and subject. before NULL: all that is there now is new. */
void change_between(const struct change_view *before, const struct change_view *after, change_take *take, void *arg);

#endif
