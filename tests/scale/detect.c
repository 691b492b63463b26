/* SPDX-License-Identifier: Apache-2.0 */
/* How long until everybody knows: one crash, a third of the cluster at once, a deaf node. */
#include <stdlib.h>
#include <string.h>

#include "tests/scale/experiment.h"

/* A crash that is not known to all after this is not noticed. */
#define PATIENCE_US (30 * SECOND)

/* Larger clusters lose so many per mille of their nodes before a new one is begun; smaller ones restart the victim. */
#define WEAR_PER_MILLE 100
#define RESTART_MAX 16

struct watch_for {
	const bool *victims;
	size_t victim_n;
	bool *known;	/* observer * n + subject */
	size_t missing; /* pairs of survivor and victim */
	int64_t first_us;
	int64_t last_us;
	size_t strange; /* deaths declared of others */
};

static void on_member(struct swarm *s, size_t observer, int subject, const struct gossip_action *action)
{
	struct watch_for *w = s->hooks.arg;
	bool *known;

	if (action->member.to != GOSSIP_DEAD || subject < 0)
		return;
	if (!w->victims[subject]) {
		w->strange++;
		return;
	}
	known = &w->known[observer * s->config.n + (size_t)subject];
	if (*known || !swarm_running(s, observer))
		return;
	*known = true;
	w->missing--;
	w->first_us = w->first_us == 0 ? s->now_us : w->first_us;
	w->last_us = s->now_us;
}

/* Kill the victims now and wait. False: somebody never knew. */
static bool kill_and_wait(struct swarm *s, const bool *victims, struct watch_for *w)
{
	size_t n = s->config.n;
	int64_t begin_us = s->now_us;
	size_t survivors = 0;

	*w = (struct watch_for){ .victims = victims, .known = calloc(n * n, sizeof(bool)) };
	for (size_t i = 0; i < n; i++) {
		w->victim_n += victims[i];
		survivors += swarm_running(s, i) && !victims[i];
		if (victims[i])
			swarm_crash(s, i);
	}
	w->missing = survivors * w->victim_n;
	s->hooks.member = on_member;
	s->hooks.arg = w;
	while (w->missing > 0 && s->now_us < begin_us + PATIENCE_US)
		swarm_run_until(s, s->now_us + 5 * MILLISECOND);
	s->hooks.member = NULL;
	free(w->known);
	w->first_us -= begin_us;
	w->last_us -= begin_us;
	return w->missing == 0;
}

static bool settle(struct swarm *s)
{
	int64_t until_us = s->now_us + PATIENCE_US;

	while (swarm_disagreeing(s) > 0 && s->now_us < until_us)
		swarm_run_until(s, s->now_us + 100 * MILLISECOND);
	return swarm_disagreeing(s) == 0;
}

/* Start it again. Returns how many deaths were declared until it was back for two seconds: nobody is dead. */
static size_t come_back(struct swarm *s, size_t node, bool *victims)
{
	struct watch_for w = { .victims = victims };

	victims[node] = false;
	s->hooks.member = on_member;
	s->hooks.arg = &w;
	swarm_start(s, node);
	(void)settle(s); /* under heavy loss views differ for moments */
	swarm_run_until(s, s->now_us + 2 * SECOND);
	s->hooks.member = NULL;
	return w.strange;
}

struct samples {
	size_t n;
	size_t strange;
	bool bad;
	int64_t *first_us;
	int64_t *last_us;
};

/* One swarm's worth of crashes. */
static void crashes(const struct swarm_config *config, size_t wanted, struct samples *samples)
{
	struct swarm *s = swarm_new(config);
	struct rng rng = rng_of(config->seed ^ 0x5eed);
	bool *victims = calloc(config->n, sizeof(*victims));
	size_t wear = config->n * WEAR_PER_MILLE / 1000;

	swarm_run_until(s, s->now_us + 3 * SECOND);
	for (size_t done = 0; samples->n < wanted && !samples->bad; done++) {
		struct watch_for w;
		size_t victim;

		if (config->n > RESTART_MAX && done > wear)
			break;
		swarm_run_until(s, s->now_us + rng_between(&rng, SECOND, 2 * SECOND));
		do
			victim = (size_t)rng_below(&rng, config->n);
		while (!swarm_running(s, victim));
		memset(victims, 0, config->n * sizeof(*victims));
		victims[victim] = true;
		samples->bad = !kill_and_wait(s, victims, &w);
		samples->strange += w.strange;
		samples->first_us[samples->n] = w.first_us;
		samples->last_us[samples->n++] = w.last_us;
		if (config->n > RESTART_MAX)
			continue;
		samples->strange += come_back(s, victim, victims);
	}
	free(victims);
	swarm_free(s);
}

struct bound {
	int64_t median_ms;
	int64_t p99_ms;
};

/* The table of README.md, "What it promises". */
static struct bound bound_of(const struct options *options)
{
	struct bound bound = { 230, options->swarm.n >= 1000 ? 400 : 300 };

	if (options->swarm.loss_ppm > 0)
		bound = (struct bound){ 400, 400 };
	if (options->swarm.profile == PROFILE_FAST)
		bound = (struct bound){ 35, 60 };
	if (options->median_ms > 0)
		bound.median_ms = options->median_ms;
	if (options->p99_ms > 0)
		bound.p99_ms = options->p99_ms;
	return bound;
}

int experiment_detect(const struct options *options)
{
	struct swarm_config config = options->swarm;
	struct samples samples = { .first_us = calloc(options->runs, sizeof(int64_t)),
				   .last_us = calloc(options->runs, sizeof(int64_t)) };
	struct bound bound = bound_of(options);
	int64_t median_us, p99_us, max_us, first_us;
	char text[256], fields[256], loss[32];
	bool passed;

	for (; samples.n < options->runs && !samples.bad; config.seed++)
		crashes(&config, options->runs, &samples);
	first_us = percentile(samples.first_us, samples.n, 500);
	median_us = percentile(samples.last_us, samples.n, 500);
	p99_us = percentile(samples.last_us, samples.n, 990);
	max_us = percentile(samples.last_us, samples.n, 1000);
	passed = !samples.bad && samples.strange == 0 && median_us <= bound.median_ms * 1000 &&
		 p99_us <= bound.p99_ms * 1000;
	snprintf(text, sizeof(text),
		 "%zu nodes, %s, %s, %zu crashes: first %.1f ms, all know: median %.1f, p99 %.1f, max %.1f ms; "
		 "others declared dead %zu%s",
		 config.n, profile_name(&config), loss_text(&config, loss, sizeof(loss)), samples.n,
		 (double)first_us / 1e3, (double)median_us / 1e3, (double)p99_us / 1e3, (double)max_us / 1e3,
		 samples.strange, samples.bad ? "; ONE WAS NEVER KNOWN TO ALL" : "");
	snprintf(fields, sizeof(fields),
		 "\"crashes\":%zu,\"firstMedianUs\":%lld,\"allMedianUs\":%lld,\"allP99Us\":%lld,\"allMaxUs\":%lld,"
		 "\"strange\":%zu",
		 samples.n, (long long)first_us, (long long)median_us, (long long)p99_us, (long long)max_us,
		 samples.strange);
	free(samples.first_us);
	free(samples.last_us);
	return report(options, "detect", passed, text, fields);
}

int experiment_mass(const struct options *options)
{
	struct swarm_config config = options->swarm;
	int64_t *last_us = calloc(options->runs, sizeof(*last_us));
	size_t strange = 0;
	bool bad = false;
	char text[256], fields[128];
	int64_t p99_us;

	for (size_t run = 0; run < options->runs && !bad; run++, config.seed++) {
		struct swarm *s = swarm_new(&config);
		bool *victims = calloc(config.n, sizeof(*victims));
		struct rng rng = rng_of(config.seed);
		struct watch_for w;

		for (size_t killed = 0; killed < config.n * 33 / 100;) {
			size_t victim = (size_t)rng_below(&rng, config.n);

			killed += !victims[victim];
			victims[victim] = true;
		}
		swarm_run_until(s, s->now_us + 3 * SECOND + rng_between(&rng, 0, SECOND));
		bad = !kill_and_wait(s, victims, &w);
		last_us[run] = w.last_us;
		strange += w.strange;
		free(victims);
		swarm_free(s);
	}
	p99_us = percentile(last_us, options->runs, 990);
	snprintf(text, sizeof(text),
		 "%zu of %zu nodes at once, %zu runs: all known to all: median %.1f, p99 %.1f ms; others declared dead "
		 "%zu%s",
		 config.n * 33 / 100, config.n, options->runs, (double)percentile(last_us, options->runs, 500) / 1e3,
		 (double)p99_us / 1e3, strange, bad ? "; ONE WAS NEVER KNOWN" : "");
	snprintf(fields, sizeof(fields), "\"runs\":%zu,\"allP99Us\":%lld,\"strange\":%zu", options->runs,
		 (long long)p99_us, strange);
	free(last_us);
	return report(options, "mass", !bad && strange == 0 && p99_us <= 600 * MILLISECOND, text, fields);
}
