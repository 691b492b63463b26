/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last EVENT_RING_MAX events of this daemon, for `mlbctl events` (GET /v1/events, docs/API.md). Bounded: a push drops the
 * oldest. Numbers begin at 1 with each start of the daemon and are never used twice.
 */
#ifndef MLB_DAEMON_EVENTS_H
#define MLB_DAEMON_EVENTS_H

#include <cjson/cJSON.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"

/* Fields per event, and the text of each part with its terminator; longer text is cut. A value may be a service's name. */
#define EVENT_FIELD_MAX 6
#define EVENT_KEY_MAX 16
#define EVENT_VALUE_MAX (SERVICE_NAME_MAX + 1)
#define EVENT_MESSAGE_MAX 192

enum event_kind {
	EVENT_MEMBER, /* a member joined, is suspected, died, left */
	EVENT_OWNER,  /* an address changed its owner */
	EVENT_CONFIG, /* loaded, reloaded, refused */
	EVENT_DAEMON, /* start, ready, drain, stop */
	EVENT_LINK,   /* an interface of ours came, went, lost its carrier */
	EVENT_CHECK,  /* the health check of a service passed or failed */
};

struct event_field {
	char key[EVENT_KEY_MAX];
	char value[EVENT_VALUE_MAX];
};

struct event {
	uint64_t seq;
	int64_t wall_ms; /* since 1970, UTC */
	enum event_kind kind;
	char message[EVENT_MESSAGE_MAX];
	size_t field_n;
	struct event_field fields[EVENT_FIELD_MAX];
};

struct event_ring; /* opaque; about 1.2 MB */

/* NULL without memory. */
struct event_ring *event_ring_new(void);
void event_ring_free(struct event_ring *ring); /* NULL is fine */
/* Add an event with a short human message (printf). Returns it for event_field_add; valid until the next push. */
struct event *event_ring_push(struct event_ring *ring, int64_t wall_ms, enum event_kind kind, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* Add a field. The key is a constant of the code in camelCase, new in this event, and none of seq, time, kind, message. */
void event_field_add(struct event *event, const char *key, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Number of the newest event; 0: none yet. */
uint64_t event_ring_seq(const struct event_ring *ring);
/* Those kept with a number > since, oldest first: a new array as GET /v1/events gives it, or NULL without memory. */
cJSON *event_ring_json(const struct event_ring *ring, uint64_t since);
/* "member", "owner", "config", "daemon", "link", "check". */
const char *event_kind_name(enum event_kind kind);

#endif
