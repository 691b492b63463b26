/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Monotonic time and durations as one-field structs, so that a duration, a point in time and
 * a wall clock cannot be mixed. Everything is in microseconds; nothing here reads a clock
 * (base/clock.h does, and only shells include it).
 */
#ifndef MLB_BASE_TIME_H
#define MLB_BASE_TIME_H

#include <stdbool.h>
#include <stdint.h>

/* A point on the node's monotonic clock. */
struct instant {
	int64_t us;
};

/* A duration; may be negative where a subtraction made it so. */
struct span {
	int64_t us;
};

/* Later than any instant a clock returns: the deadline of a timer that is not set. */
#define INSTANT_NEVER ((struct instant){ INT64_MAX })

static inline struct span span_us(int64_t us)
{
	return (struct span){ us };
}

static inline struct span span_ms(int64_t ms)
{
	return (struct span){ ms * 1000 };
}

static inline struct span span_s(int64_t s)
{
	return (struct span){ s * 1000000 };
}

static inline struct span span_mul(struct span d, int64_t factor)
{
	return (struct span){ d.us * factor };
}

/* t + d; INSTANT_NEVER stays INSTANT_NEVER. */
static inline struct instant instant_add(struct instant t, struct span d)
{
	return t.us == INT64_MAX ? t : (struct instant){ t.us + d.us };
}

/* later - earlier. */
static inline struct span instant_since(struct instant later, struct instant earlier)
{
	return (struct span){ later.us - earlier.us };
}

/* a < b. */
static inline bool instant_before(struct instant a, struct instant b)
{
	return a.us < b.us;
}

/* Has the deadline been reached at `now`? False for INSTANT_NEVER. */
static inline bool instant_reached(struct instant deadline, struct instant now)
{
	return deadline.us <= now.us;
}

static inline struct instant instant_min(struct instant a, struct instant b)
{
	return a.us < b.us ? a : b;
}

#endif
