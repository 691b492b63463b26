/* SPDX-License-Identifier: Apache-2.0 */
#include "gossip/source.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"

#define SET_N (SOURCE_N / SOURCE_WAYS)
#define PPM 1000000

/* No lower, so that a share that was overrun can still see what comes. */
#define ODDS_MIN_PPM 1000

/*
 * The token bucket as one number (the virtual scheduling algorithm of ITU-T I.371): when the address will have paid for all its
 * failures. Nothing is owed before `now`, so an entry in the past is as good as none.
 */
struct debtor {
	struct ip ip;
	struct instant paid;
};

/* A budget of failures per window, kept by a lottery. */
struct share {
	struct instant begun; /* the window */
	uint32_t failed_n;    /* in it */
	uint32_t odds_ppm;    /* of being admitted in it */
};

struct source {
	uint8_t key[SOURCE_KEY_LEN];
	struct rng rng;
	struct debtor debtors[SET_N][SOURCE_WAYS];
	struct share unknown;
	struct share known;
	struct share groups[SOURCE_GROUP_N]; /* of known addresses */
};

static_assert((SET_N & (SET_N - 1)) == 0 && (SOURCE_GROUP_N & (SOURCE_GROUP_N - 1)) == 0, "powers of two");
static_assert(sizeof(uint64_t) == crypto_shorthash_BYTES && SOURCE_KEY_LEN == crypto_shorthash_KEYBYTES, "libsodium's");

struct source *source_new(const uint8_t key[SOURCE_KEY_LEN])
{
	struct source *s = calloc(1, sizeof(*s));
	uint64_t seed;

	if (s == NULL)
		return NULL;
	memcpy(s->key, key, SOURCE_KEY_LEN);
	(void)crypto_shorthash((uint8_t *)&seed, (const uint8_t *)"lot", 3, s->key);
	s->rng = rng_of(seed);
	s->unknown.odds_ppm = PPM;
	s->known.odds_ppm = PPM;
	for (size_t i = 0; i < SOURCE_GROUP_N; i++)
		s->groups[i].odds_ppm = PPM;
	return s;
}

void source_free(struct source *s)
{
	free(s);
}

static uint64_t hash_of(const struct source *s, struct ip ip)
{
	uint64_t hash;

	(void)crypto_shorthash((uint8_t *)&hash, ip.bytes, ip_len(ip), s->key);
	return hash;
}

/* ---- shares ---- */

/* Begin another window when this one is over, with odds by what it brought. */
static void share_roll(struct share *share, uint32_t budget, struct instant now)
{
	struct span elapsed = instant_since(now, share->begun);
	uint64_t offered, odds;

	assert(elapsed.us >= 0);
	if (elapsed.us < SOURCE_WINDOW_MS * 1000)
		return;
	/* What would have failed in 10 ms had all been admitted. */
	offered = (uint64_t)share->failed_n * PPM / share->odds_ppm * (SOURCE_WINDOW_MS * 1000) / (uint64_t)elapsed.us;
	odds = offered <= budget ? PPM : (uint64_t)budget * PPM / offered;
	share->odds_ppm = odds > ODDS_MIN_PPM ? (uint32_t)odds : ODDS_MIN_PPM;
	share->failed_n = 0;
	share->begun = now;
}

static bool share_admit(struct share *share, uint32_t budget, struct rng *rng, struct instant now)
{
	share_roll(share, budget, now);
	if (share->failed_n >= 2 * budget)
		return false;
	return share->odds_ppm == PPM || rng_chance(rng, share->odds_ppm);
}

static void share_failed(struct share *share, uint32_t budget, struct instant now)
{
	share_roll(share, budget, now);
	share->failed_n++;
}

/* ---- unknown addresses ---- */

/* The entry of that address, or NULL. *ret_spare: the one of its set that owes least. */
static struct debtor *find_debtor(struct source *s, struct ip ip, struct debtor **ret_spare)
{
	struct debtor *set = s->debtors[hash_of(s, ip) & (SET_N - 1)];

	*ret_spare = &set[0];
	for (size_t i = 0; i < SOURCE_WAYS; i++) {
		if (ip_equal(set[i].ip, ip))
			return &set[i];
		if (instant_before(set[i].paid, (*ret_spare)->paid))
			*ret_spare = &set[i];
	}
	return NULL;
}

static bool debtor_admit(struct source *s, struct ip ip, struct instant now)
{
	struct debtor *spare;
	const struct debtor *debtor = find_debtor(s, ip, &spare);

	return debtor == NULL ||
	       instant_since(debtor->paid, now).us <= (int64_t)(SOURCE_BURST - 1) * 1000000 / SOURCE_RATE;
}

static void debtor_failed(struct source *s, struct ip ip, struct instant now)
{
	struct debtor *spare;
	struct debtor *debtor = find_debtor(s, ip, &spare);

	if (debtor == NULL) {
		debtor = spare;
		*debtor = (struct debtor){ ip, now };
	}
	if (instant_before(debtor->paid, now))
		debtor->paid = now;
	debtor->paid = instant_add(debtor->paid, span_us(1000000 / SOURCE_RATE));
}

/* ---- all ---- */

static struct share *group_of(struct source *s, struct ip ip)
{
	return &s->groups[hash_of(s, ip) & (SOURCE_GROUP_N - 1)];
}

bool source_admit(struct source *s, struct ip ip, struct instant now, bool known)
{
	if (known)
		return share_admit(group_of(s, ip), SOURCE_GROUP_MAX, &s->rng, now) &&
		       share_admit(&s->known, SOURCE_KNOWN_MAX, &s->rng, now);
	return debtor_admit(s, ip, now) && share_admit(&s->unknown, SOURCE_UNKNOWN_MAX, &s->rng, now);
}

void source_failed(struct source *s, struct ip ip, struct instant now, bool known)
{
	if (known) {
		share_failed(group_of(s, ip), SOURCE_GROUP_MAX, now);
		share_failed(&s->known, SOURCE_KNOWN_MAX, now);
		return;
	}
	debtor_failed(s, ip, now);
	share_failed(&s->unknown, SOURCE_UNKNOWN_MAX, now);
}
