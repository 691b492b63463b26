/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Durations counted in buckets, four to each doubling, so that a percentile is off by 19 % at most. Two windows, of which the older
 * is dropped: what is read covers the last one to two window lengths. Pure, no allocation.
 */
#ifndef MLB_BASE_HISTOGRAM_H
#define MLB_BASE_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#include "base/time.h"

#define HISTOGRAM_BUCKET_N 128

struct histogram {
	struct span window;
	struct instant turn_at;
	struct span max; /* ever */
	uint64_t n[2];
	uint64_t buckets[2][HISTOGRAM_BUCKET_N]; /* 0: the current window */
};

void histogram_init(struct histogram *h, struct span window, struct instant now);
/* Negative durations count as 0. */
void histogram_add(struct histogram *h, struct span sample, struct instant now);
/* The upper bound of the bucket below which `per_mille` of the samples lie; 0 without samples. */
struct span histogram_percentile(const struct histogram *h, unsigned int per_mille);

#endif
