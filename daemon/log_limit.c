/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/log_limit.h"

#include <string.h>

/* Their number is that of what happens to addresses and members. */
static bool is_always(const char *name)
{
	static const char *const names[] = { "owner",	      "member",
					     "address-up",    "address-lost",
					     "address-taken", "pools-given",
					     "right-to-hold", "address-removed-by-others" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(names[i], name) == 0)
			return true;
	}
	return false;
}

/* False: it is too long for an event. */
static bool name_of(const char *message, char name[LOG_LIMIT_NAME_MAX])
{
	size_t len = strcspn(message, " ");

	if (len == 0 || len >= LOG_LIMIT_NAME_MAX)
		return false;
	memcpy(name, message, len);
	name[len] = '\0';
	return true;
}

/* NULL: no room for one more. */
static struct log_limit_event *event_of(struct log_limit *limit, const char *name)
{
	struct log_limit_event *event;

	for (size_t i = 0; i < limit->n; i++) {
		if (strcmp(limit->events[i].name, name) == 0)
			return &limit->events[i];
	}
	if (limit->n == LOG_LIMIT_EVENT_MAX)
		return NULL;
	event = &limit->events[limit->n++];
	*event = (struct log_limit_event){ .bucket = bucket_of(LOG_LIMIT_PER_S, LOG_LIMIT_BURST) };
	memcpy(event->name, name, strlen(name) + 1);
	return event;
}

bool log_limit_allows(struct log_limit *limit, const char *message, struct instant now)
{
	char name[LOG_LIMIT_NAME_MAX];
	struct log_limit_event *event;

	if (!name_of(message, name) || is_always(name))
		return true;
	event = event_of(limit, name);
	if (event == NULL)
		return true;
	if (bucket_has(&event->bucket, 1, now)) {
		bucket_take(&event->bucket, 1);
		return true;
	}
	if (event->pending++ == 0)
		event->since = now;
	event->total++;
	return false;
}

/* For so long it went on, or it has calmed down: half of what may come at once may come again. */
static bool is_due(struct log_limit_event *event, struct instant now)
{
	return event->pending > 0 && (instant_reached(instant_add(event->since, span_s(LOG_LIMIT_SAY_S)), now) ||
				      bucket_has(&event->bucket, LOG_LIMIT_BURST / 2, now));
}

const char *log_limit_due(struct log_limit *limit, struct instant now, uint64_t *ret_n)
{
	for (size_t i = 0; i < limit->n; i++) {
		struct log_limit_event *event = &limit->events[i];

		if (!is_due(event, now))
			continue;
		*ret_n = event->pending;
		event->pending = 0;
		return event->name;
	}
	return NULL;
}
