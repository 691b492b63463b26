/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which lines of a flood are written: each event, by its name, has so many at once and so many a second; the rest is counted, and said when
 * the flood ends or every ten seconds. What answers "who had the address when" is always written, and so are errors and debugging, which
 * do not come here. Pure.
 */
#ifndef MLB_DAEMON_LOG_LIMIT_H
#define MLB_DAEMON_LOG_LIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bucket.h"

#define LOG_LIMIT_PER_S 5
#define LOG_LIMIT_BURST 100
#define LOG_LIMIT_SAY_S 10

/* Names come from the code: there are fewer. What has no slot is written. */
#define LOG_LIMIT_EVENT_MAX 128
#define LOG_LIMIT_NAME_MAX 32

struct log_limit_event {
	char name[LOG_LIMIT_NAME_MAX];
	struct bucket bucket;
	uint64_t pending; /* suppressed, and not said yet */
	uint64_t total;
	struct instant since; /* the first of the pending ones */
};

struct log_limit {
	struct log_limit_event events[LOG_LIMIT_EVENT_MAX];
	size_t n;
};

/* Is this line to be written? `message` begins with the name of its event. */
bool log_limit_allows(struct log_limit *limit, const char *message, struct instant now);
/* An event of which lines were suppressed, when it is time to say so; *ret_n: how many. NULL: none. Ask until there is none. */
const char *log_limit_due(struct log_limit *limit, struct instant now, uint64_t *ret_n);

#endif
