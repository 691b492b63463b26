/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/events.h"

struct event_ring {
	uint64_t seq;			     /* of the newest; event n lies in slot n % EVENT_RING_MAX */
	struct event events[EVENT_RING_MAX]; /* seq 0: empty */
};

struct event_ring *event_ring_new(void)
{
	return calloc(1, sizeof(struct event_ring));
}

void event_ring_free(struct event_ring *ring)
{
	free(ring);
}

struct event *event_ring_push(struct event_ring *ring, int64_t wall_ms, enum event_kind kind, const char *format, ...)
{
	struct event *event = &ring->events[++ring->seq % EVENT_RING_MAX];
	va_list args;

	event->seq = ring->seq;
	event->wall_ms = wall_ms;
	event->kind = kind;
	event->field_n = 0;
	va_start(args, format);
	vsnprintf(event->message, sizeof(event->message), format, args);
	va_end(args);
	return event;
}

/* May an event carry this key: fits, is none of the event's own, and is not there yet? */
static bool key_is_free(const struct event *event, const char *key)
{
	static const char *const own[] = { "seq", "time", "kind", "message" };

	if (strlen(key) >= EVENT_KEY_MAX)
		return false;
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		if (strcmp(key, own[i]) == 0)
			return false;
	}
	for (size_t i = 0; i < event->field_n; i++) {
		if (strcmp(key, event->fields[i].key) == 0)
			return false;
	}
	return true;
}

void event_field_add(struct event *event, const char *key, const char *format, ...)
{
	struct event_field *field;
	va_list args;

	assert(event->field_n < EVENT_FIELD_MAX);
	assert(key_is_free(event, key));
	field = &event->fields[event->field_n++];
	snprintf(field->key, sizeof(field->key), "%s", key);
	va_start(args, format);
	vsnprintf(field->value, sizeof(field->value), format, args);
	va_end(args);
}

uint64_t event_ring_seq(const struct event_ring *ring)
{
	return ring->seq;
}

/* A new object, or NULL without memory. */
static cJSON *event_json(const struct event *event)
{
	char time[CLOCK_RFC3339_MAX];
	cJSON *object = cJSON_CreateObject();
	bool ok = cJSON_AddNumberToObject(object, "seq", (double)event->seq) &&
		  cJSON_AddStringToObject(object, "time", clock_rfc3339(event->wall_ms, time)) &&
		  cJSON_AddStringToObject(object, "kind", event_kind_name(event->kind)) &&
		  cJSON_AddStringToObject(object, "message", event->message);

	for (size_t i = 0; ok && i < event->field_n; i++)
		ok = cJSON_AddStringToObject(object, event->fields[i].key, event->fields[i].value) != NULL;
	if (!ok) {
		cJSON_Delete(object);
		return NULL;
	}
	return object;
}

cJSON *event_ring_json(const struct event_ring *ring, uint64_t since)
{
	uint64_t kept = ring->seq > EVENT_RING_MAX ? ring->seq - EVENT_RING_MAX : 0; /* the newest that is gone */
	cJSON *array = cJSON_CreateArray();

	if (!array)
		return NULL;
	for (uint64_t after = since > kept ? since : kept; after < ring->seq; after++) {
		cJSON *object = event_json(&ring->events[(after + 1) % EVENT_RING_MAX]);

		if (!cJSON_AddItemToArray(array, object)) {
			cJSON_Delete(object);
			cJSON_Delete(array);
			return NULL;
		}
	}
	return array;
}

const char *event_kind_name(enum event_kind kind)
{
	switch (kind) {
	case EVENT_MEMBER:
		return "member";
	case EVENT_OWNER:
		return "owner";
	case EVENT_CONFIG:
		return "config";
	case EVENT_DAEMON:
		return "daemon";
	case EVENT_LINK:
		return "link";
	case EVENT_CHECK:
		return "check";
	}
	return "unknown";
}
