/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bucket.h"

#include <assert.h>

#define TOKEN INT64_C(1000000)

struct bucket bucket_of(uint32_t per_s, uint32_t burst)
{
	assert(per_s > 0 && burst > 0);
	/* the first call with a time sets `at`: a full bucket needs no earlier one */
	return (struct bucket){ .per_s = per_s, .burst = burst, .level = burst * TOKEN, .at = { INT64_MIN } };
}

/* Fill up to what is due at now. A clock that stands still or goes back fills nothing. */
static void fill(struct bucket *b, struct instant now)
{
	int64_t missing = b->burst * TOKEN - b->level;

	if (b->at.us == INT64_MIN) {
		b->at = now;
		return;
	}
	if (!instant_before(b->at, now))
		return;
	/* divided, not multiplied: a long time must not overflow */
	if (instant_since(now, b->at).us > missing / b->per_s)
		b->level += missing;
	else
		b->level += instant_since(now, b->at).us * b->per_s;
	b->at = now;
}

bool bucket_has(struct bucket *b, uint32_t n, struct instant now)
{
	assert(n <= b->burst);
	fill(b, now);
	return b->level >= n * TOKEN;
}

void bucket_take(struct bucket *b, uint32_t n)
{
	assert(b->level >= n * TOKEN);
	b->level -= n * TOKEN;
}

struct instant bucket_ready(const struct bucket *b, uint32_t n)
{
	int64_t missing = n * TOKEN - b->level;

	assert(n <= b->burst);
	return missing <= 0 ? b->at : instant_add(b->at, span_us((missing + b->per_s - 1) / b->per_s));
}
