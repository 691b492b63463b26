/* SPDX-License-Identifier: Apache-2.0 */
/* A token bucket: at most `per_s` things a second on average, and `burst` of them at once. Full at the start. Pure. */
#ifndef MLB_BASE_BUCKET_H
#define MLB_BASE_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/time.h"

struct bucket {
	uint32_t per_s;
	uint32_t burst;
	int64_t level; /* in millionths of a token, at `at` */
	struct instant at;
};

/* per_s and burst are at least 1. */
struct bucket bucket_of(uint32_t per_s, uint32_t burst);
/* Are n tokens there at now? n is at most the burst. */
bool bucket_has(struct bucket *b, uint32_t n, struct instant now);
/* Take n tokens that are there. */
void bucket_take(struct bucket *b, uint32_t n);
/* When n tokens, at most the burst, will be there. May be past. */
struct instant bucket_ready(const struct bucket *b, uint32_t n);

#endif
