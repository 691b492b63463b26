/* SPDX-License-Identifier: Apache-2.0 */
#include "base/rng.h"

#include <assert.h>
#include <string.h>

static uint64_t rotate_left(uint64_t x, int bits)
{
	return x << bits | x >> (64 - bits);
}

struct rng rng_of(uint64_t seed)
{
	struct rng rng;

	for (size_t i = 0; i < 4; i++) {
		seed += 0x9e3779b97f4a7c15u;
		rng.s[i] = hash_mix(seed);
	}
	return rng;
}

uint64_t rng_u64(struct rng *rng)
{
	uint64_t *s = rng->s;
	uint64_t result = rotate_left(s[1] * 5, 7) * 9;
	uint64_t t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotate_left(s[3], 45);
	return result;
}

uint64_t rng_below(struct rng *rng, uint64_t bound)
{
	uint64_t threshold;

	assert(bound > 0);
	threshold = (0 - bound) % bound; /* reject the short last interval: no modulo bias */
	for (;;) {
		uint64_t x = rng_u64(rng);

		if (x >= threshold)
			return x % bound;
	}
}

int64_t rng_between(struct rng *rng, int64_t low, int64_t high)
{
	assert(low <= high);
	return low + (int64_t)rng_below(rng, (uint64_t)(high - low) + 1);
}

bool rng_chance(struct rng *rng, uint32_t per_million)
{
	return rng_below(rng, 1000000) < per_million;
}

void rng_shuffle(struct rng *rng, void *array, size_t n, size_t size)
{
	uint8_t *bytes = array;
	uint8_t tmp[64];

	assert(size <= sizeof(tmp));
	for (size_t i = n; i > 1; i--) {
		size_t j = (size_t)rng_below(rng, i);

		memcpy(tmp, bytes + (i - 1) * size, size);
		memmove(bytes + (i - 1) * size, bytes + j * size, size);
		memcpy(bytes + j * size, tmp, size);
	}
}

uint64_t hash_bytes(uint64_t seed, const void *data, size_t len)
{
	const uint8_t *bytes = data;
	uint64_t hash = 0xcbf29ce484222325u ^ hash_mix(seed + 0x9e3779b97f4a7c15u);

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3u;
	return hash_mix(hash);
}

uint64_t hash_text(uint64_t seed, const char *text)
{
	return hash_bytes(seed, text, strlen(text));
}
