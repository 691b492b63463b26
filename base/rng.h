/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seeded random numbers for protocol logic and simulation (xoshiro256**, Blackman and Vigna 2018, seeded by
 * splitmix64), and a stable hash. Not for keys. Integers only, so that a seed replays on every platform.
 */
#ifndef MLB_BASE_RNG_H
#define MLB_BASE_RNG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rng {
	uint64_t s[4];
};

struct rng rng_of(uint64_t seed);
uint64_t rng_u64(struct rng *rng);
/* Uniform in [0, bound); bound > 0. */
uint64_t rng_below(struct rng *rng, uint64_t bound);
/* Uniform in [low, high]. */
int64_t rng_between(struct rng *rng, int64_t low, int64_t high);
/* True with probability per_million / 1,000,000. */
bool rng_chance(struct rng *rng, uint32_t per_million);
/* Shuffle n elements of size bytes in place (Fisher-Yates). size <= 64. */
void rng_shuffle(struct rng *rng, void *array, size_t n, size_t size);

/*
 * A stable 64-bit hash of bytes (FNV-1a, finished with the splitmix64 mixer): the same on every node and version,
 * so it may decide ownership. Not for tables that an attacker can fill.
 */
uint64_t hash_bytes(uint64_t seed, const void *data, size_t len);
uint64_t hash_text(uint64_t seed, const char *text);

/* The splitmix64 mixer, a bijection. Here because placement does it for each pair of address and node. */
static inline uint64_t hash_mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

#endif
