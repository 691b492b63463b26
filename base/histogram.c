/* SPDX-License-Identifier: Apache-2.0 */
#include "base/histogram.h"

#include <string.h>

void histogram_init(struct histogram *h, struct span window, struct instant now)
{
	memset(h, 0, sizeof(*h));
	h->window = window;
	h->turn_at = instant_add(now, window);
}

/* 0 to 3 us have a bucket each; above that the two bits behind the highest choose among four. */
static size_t bucket_of(int64_t us)
{
	unsigned int top = 2;

	if (us < 4)
		return us < 0 ? 0 : (size_t)us;
	while (top < 62 && us >> (top + 1) != 0)
		top++;
	return (size_t)(top - 1) * 4 + (size_t)((us >> (top - 2)) & 3);
}

/* The largest duration of a bucket. */
static int64_t bucket_end(size_t bucket)
{
	size_t top = bucket / 4 + 1;

	if (bucket < 4)
		return (int64_t)bucket;
	return ((int64_t)(4 + bucket % 4 + 1) << (top - 2)) - 1;
}

static void turn(struct histogram *h, struct instant now)
{
	if (!instant_reached(h->turn_at, now))
		return;
	h->turn_at = instant_add(now, h->window);
	h->n[1] = h->n[0];
	h->n[0] = 0;
	memcpy(h->buckets[1], h->buckets[0], sizeof(h->buckets[1]));
	memset(h->buckets[0], 0, sizeof(h->buckets[0]));
}

void histogram_add(struct histogram *h, struct span sample, struct instant now)
{
	size_t bucket = bucket_of(sample.us);

	turn(h, now);
	h->buckets[0][bucket < HISTOGRAM_BUCKET_N ? bucket : HISTOGRAM_BUCKET_N - 1]++;
	h->n[0]++;
	if (sample.us > h->max.us)
		h->max = sample;
}

struct span histogram_percentile(const struct histogram *h, unsigned int per_mille)
{
	uint64_t all = h->n[0] + h->n[1];
	uint64_t wanted = (all * per_mille + 999) / 1000;
	uint64_t seen = 0;

	for (size_t i = 0; i < HISTOGRAM_BUCKET_N && all > 0; i++) {
		seen += h->buckets[0][i] + h->buckets[1][i];
		if (seen >= wanted && seen > 0)
			return span_us(bucket_end(i));
	}
	return span_us(0);
}
