/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/path.h"

#include <stdlib.h>
#include <string.h>

#include "base/rng.h"

/* A round is this part of the targets. */
#define ROUND_PART 4

/* Of what is silent already, so many times more seldom. */
#define SILENT_SLOWER 10

struct path_iface {
	char name[IFACE_NAME_MAX + 1];
	bool heard;		    /* ever */
	struct instant quiet_since; /* the last frame, or when the interface came */
	struct ip targets[PATH_TARGET_MAX];
	size_t target_n;
	size_t next;	     /* target to ask */
	unsigned int rounds; /* since the last frame; stays at PATH_ROUND_MIN */
	size_t round_left;   /* questions of the round that is being asked */
	struct instant next_round;
};

struct path {
	struct path_config config;
	struct rng rng;
	bool hurry;
	struct instant hurry_since;
	struct instant asked_at; /* last call of path_ask */
	struct path_iface ifaces[SEGMENT_MAX];
	size_t iface_n;
};

static void set_default(struct span *span, int64_t ms)
{
	if (span->us == 0)
		*span = span_ms(ms);
}

struct path *path_new(const struct path_config *config)
{
	struct path *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->config = *config;
	set_default(&p->config.fresh, 1000);
	set_default(&p->config.ask_interval, 50);
	set_default(&p->config.limit, 1500);
	set_default(&p->config.hurry_interval, 10);
	set_default(&p->config.hurry_limit, 80);
	p->rng = rng_of(config->seed);
	p->asked_at = (struct instant){ INT64_MIN };
	return p;
}

void path_free(struct path *p)
{
	free(p);
}

/* Its index, or iface_n. */
static size_t find(const struct path *p, const char *iface)
{
	size_t i = 0;

	while (i < p->iface_n && strcmp(p->ifaces[i].name, iface) != 0)
		i++;
	return i;
}

/* What was asked before says nothing about what comes now. */
static void forget_questions(struct path_iface *f, struct instant next_round)
{
	f->rounds = 0;
	f->round_left = 0;
	f->next_round = next_round;
}

static struct span chance(struct path *p, int64_t low_us, int64_t high_us)
{
	return span_us(rng_between(&p->rng, low_us, high_us));
}

static bool same_targets(const struct path_iface *f, const struct ip *ips, size_t n)
{
	bool same = f->target_n == n;

	for (size_t i = 0; i < n && same; i++)
		same = ip_equal(f->targets[i], ips[i]);
	return same;
}

void path_targets(struct path *p, const char *iface, const struct ip *ips, size_t n, struct instant now)
{
	size_t i = find(p, iface);
	struct path_iface *f = &p->ifaces[i];

	n = n < PATH_TARGET_MAX ? n : PATH_TARGET_MAX;
	if (n == 0) {
		if (i < p->iface_n)
			p->ifaces[i] = p->ifaces[--p->iface_n];
		return;
	}
	if (i == SEGMENT_MAX || strlen(iface) > IFACE_NAME_MAX)
		return;
	if (i == p->iface_n) {
		p->iface_n++;
		*f = (struct path_iface){ .quiet_since = now,
					  .next_round = instant_add(now, chance(p, 0, p->config.fresh.us / 2)) };
		memcpy(f->name, iface, strlen(iface) + 1);
	} else if (same_targets(f, ips, n)) {
		return;
	}
	memcpy(f->targets, ips, n * sizeof(*ips));
	f->target_n = n;
	f->next = 0;
	forget_questions(f, f->next_round); /* no sooner for it: all nodes learn of a new member at once */
}

void path_heard(struct path *p, const char *iface, struct instant now)
{
	size_t i = find(p, iface);
	struct path_iface *f = &p->ifaces[i];

	if (i == p->iface_n)
		return;
	f->heard = true;
	f->quiet_since = now;
	forget_questions(f, instant_add(now, chance(p, p->config.fresh.us / 2, p->config.fresh.us)));
}

void path_hurry(struct path *p, bool on, struct instant now)
{
	if (on && !p->hurry) {
		p->hurry_since = now;
		for (size_t i = 0; i < p->iface_n; i++)
			forget_questions(&p->ifaces[i],
					 instant_add(now, chance(p, 0, 2 * p->config.hurry_interval.us)));
	}
	p->hurry = on;
}

/* From then on silence is too long, whoever was asked. NEVER: it cannot be. */
static struct instant silent_at(const struct path *p, const struct path_iface *f)
{
	if (!p->hurry)
		return instant_add(f->quiet_since, p->config.limit);
	return instant_before(f->quiet_since, p->hurry_since) ? instant_add(p->hurry_since, p->config.hurry_limit)
							      : INSTANT_NEVER;
}

static bool is_silent(const struct path *p, const struct path_iface *f, struct instant now)
{
	return f->rounds >= (p->hurry ? PATH_HURRY_ROUND_MIN : PATH_ROUND_MIN) && instant_reached(silent_at(p, f), now);
}

static void begin_round(const struct path *p, struct path_iface *f, struct instant now)
{
	struct span interval = p->hurry ? p->config.hurry_interval : p->config.ask_interval;

	f->round_left = f->rounds == 0 ? 1 : (f->target_n + ROUND_PART - 1) / ROUND_PART;
	if (f->rounds < PATH_ROUND_MIN)
		f->rounds++;
	f->next_round = instant_add(now, is_silent(p, f, now) ? span_mul(interval, SILENT_SLOWER) : interval);
}

bool path_ask(struct path *p, struct instant now, struct path_question *out)
{
	p->asked_at = now;
	for (size_t i = 0; i < p->iface_n; i++) {
		struct path_iface *f = &p->ifaces[i];

		if (f->round_left == 0 && instant_reached(f->next_round, now))
			begin_round(p, f, now);
		if (f->round_left == 0)
			continue;
		f->round_left--;
		*out = (struct path_question){ f->name, f->targets[f->next] };
		f->next = (f->next + 1) % f->target_n;
		return true;
	}
	return false;
}

static enum path_state judge(const struct path *p, const struct path_iface *f, struct instant now)
{
	if (is_silent(p, f, now))
		return PATH_SILENT;
	return f->heard && !instant_reached(instant_add(f->quiet_since, p->config.limit), now) ? PATH_ALIVE
											       : PATH_UNKNOWN;
}

enum path_state path_state_of(const struct path *p, const char *iface, struct instant now)
{
	size_t i = find(p, iface);

	return i < p->iface_n ? judge(p, &p->ifaces[i], now) : PATH_UNKNOWN;
}

struct instant path_deadline(const struct path *p)
{
	struct instant deadline = INSTANT_NEVER;

	for (size_t i = 0; i < p->iface_n; i++) {
		const struct path_iface *f = &p->ifaces[i];
		struct instant silent = silent_at(p, f);

		deadline = instant_min(deadline, f->round_left > 0 ? p->asked_at : f->next_round);
		if (instant_before(p->asked_at, silent))
			deadline = instant_min(deadline, silent);
	}
	return deadline;
}
