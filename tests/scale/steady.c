/* SPDX-License-Identifier: Apache-2.0 */
/* Nobody dies: loss, cuts, pauses, partitions, restarts. What is declared, and what it costs. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/scale/experiment.h"

struct counts {
	size_t dead;	       /* declarations about nodes that run */
	size_t dead_healthy;   /* by and about nodes without any trouble */
	size_t events;	       /* changes of state, whatever they are */
	size_t by_troubled;    /* accusations that a troubled node made */
	size_t about_troubled; /* deaths */
	const bool *troubled;  /* NULL: none */
};

static void on_member(struct swarm *s, size_t observer, int subject, const struct gossip_action *action)
{
	struct counts *c = s->hooks.arg;
	bool observer_bad = c->troubled != NULL && c->troubled[observer];
	bool subject_bad = c->troubled != NULL && subject >= 0 && c->troubled[subject];

	if (action->member.from == action->member.to)
		return;
	c->events++;
	if (observer_bad && (action->member.to == GOSSIP_SUSPECT || action->member.to == GOSSIP_DEAD))
		c->by_troubled++;
	if (action->member.to != GOSSIP_DEAD || subject < 0 || !swarm_running(s, (size_t)subject))
		return;
	c->dead++;
	c->dead_healthy += !observer_bad && !subject_bad;
	c->about_troubled += subject_bad;
}

static void count_into(struct swarm *s, struct counts *counts)
{
	s->hooks.member = on_member;
	s->hooks.arg = counts;
}

int experiment_false(const struct options *options)
{
	struct swarm_config config = options->swarm;
	struct swarm *s = swarm_new(&config);
	struct counts counts = { 0 };
	int64_t span_us = (int64_t)(options->hours * 3600e6 / (double)config.n);
	uint64_t verifications = 0;
	char text[256], fields[192], loss[32];

	swarm_run_until(s, s->now_us + 5 * SECOND);
	count_into(s, &counts);
	swarm_run_until(s, s->now_us + span_us);
	for (size_t i = 0; i < config.n; i++) {
		struct gossip_stats stats;

		gossip_stats_get(s->nodes[i].g, &stats);
		verifications += stats.verifications_n;
	}
	snprintf(text, sizeof(text),
		 "%zu nodes, %s, %s, %.1f node-hours: false deaths %zu (verifications %.0f per node-hour)", config.n,
		 profile_name(&config), loss_text(&config, loss, sizeof(loss)), options->hours, counts.dead,
		 (double)verifications / options->hours);
	snprintf(fields, sizeof(fields), "\"nodeHours\":%.1f,\"falseDeaths\":%zu,\"verifications\":%llu",
		 options->hours, counts.dead, (unsigned long long)verifications);
	swarm_free(s);
	return report(options, "false", counts.dead == 0, text, fields);
}

int experiment_link(const struct options *options)
{
	struct swarm *s = swarm_new(&options->swarm);
	bool *troubled = calloc(options->swarm.n, sizeof(*troubled));
	struct counts counts = { .troubled = troubled };
	bool deaf = strcmp(options->kind, "deaf") == 0;
	int64_t begin_us;
	bool passed;
	char text[256], fields[128];

	swarm_run_until(s, s->now_us + 5 * SECOND);
	count_into(s, &counts);
	troubled[1] = deaf;
	begin_us = s->now_us;
	swarm_cut(s, deaf ? -1 : 0, 1, 1000000);
	if (strcmp(options->kind, "both") == 0)
		swarm_cut(s, 1, 0, 1000000);
	if (deaf) {
		while (counts.about_troubled < options->swarm.n - 1 && s->now_us < begin_us + SECOND)
			swarm_run_until(s, s->now_us + MILLISECOND);
		passed = counts.about_troubled == options->swarm.n - 1 && counts.dead_healthy == 0;
		snprintf(text, sizeof(text),
			 "deaf node of %zu: dead to all after %.0f ms, others declared dead by the rest %zu",
			 options->swarm.n, (double)(s->now_us - begin_us) / 1e3, counts.dead_healthy);
	} else {
		swarm_run_until(s, begin_us + 60 * SECOND);
		passed = counts.events == 0;
		snprintf(text, sizeof(text), "%s cut between two of %zu nodes for 60 s: member events %zu",
			 options->kind, options->swarm.n, counts.events);
	}
	snprintf(fields, sizeof(fields), "\"kind\":\"%s\",\"events\":%zu,\"healthyDead\":%zu", options->kind,
		 counts.events, counts.dead_healthy);
	swarm_free(s);
	free(troubled);
	return report(options, "link", passed, text, fields);
}

/* How long until all agree, up to `patience`; negative: they do not. */
static int64_t until_one_view(struct swarm *s, int64_t patience_us)
{
	int64_t begin_us = s->now_us;

	while (s->now_us < begin_us + patience_us) {
		if (swarm_disagreeing(s) == 0)
			return s->now_us - begin_us;
		swarm_run_until(s, s->now_us + 5 * MILLISECOND);
	}
	return -1;
}

int experiment_pause(const struct options *options)
{
	size_t n = options->swarm.n;
	struct swarm *s = swarm_new(&options->swarm);
	bool *troubled = calloc(n, sizeof(*troubled));
	struct counts counts = { .troubled = troubled };
	int64_t back_us;
	bool passed;
	char text[256], fields[160];

	swarm_run_until(s, s->now_us + 5 * SECOND);
	count_into(s, &counts);
	troubled[n / 2] = true;
	swarm_pace(s, n / 2, PACE_STOPPED);
	swarm_run_until(s, s->now_us + options->blocked_ms * MILLISECOND);
	swarm_pace(s, n / 2, PACE_NORMAL);
	back_us = until_one_view(s, 10 * SECOND);
	swarm_run_until(s, s->now_us + 20 * SECOND);
	passed = counts.about_troubled == n - 1 && counts.by_troubled == 0 && counts.dead_healthy == 0 &&
		 back_us >= 0 && back_us <= SECOND;
	snprintf(text, sizeof(text),
		 "%zu nodes, one stopped for %lld ms: declared dead %zu times by %zu others, back after %.0f ms, "
		 "accused %zu",
		 n, (long long)options->blocked_ms, counts.about_troubled, n - 1, (double)back_us / 1e3,
		 counts.by_troubled);
	snprintf(fields, sizeof(fields), "\"pausedMs\":%lld,\"declared\":%zu,\"accused\":%zu,\"backUs\":%lld",
		 (long long)options->blocked_ms, counts.about_troubled, counts.by_troubled, (long long)back_us);
	swarm_free(s);
	free(troubled);
	return report(options, "pause", passed, text, fields);
}

/*
 * Lifeguard's experiment: of n members C are troubled, all at the same times: blocked for D, normal for I, over and over for 120 s
 * after 15 s of quiet. `receive`: packets wait, timers run; `stop`: nothing runs; `slow`: one turn in 100 ms all the time. Counted are
 * declarations of death. One by a member that is not troubled about another that is not troubled is a fault; one about a troubled
 * node that was blocked for longer than the detection takes is right.
 */
int experiment_lifeguard(const struct options *options)
{
	struct swarm *s = swarm_new(&options->swarm);
	size_t n = options->swarm.n;
	bool *troubled = calloc(n, sizeof(*troubled));
	struct counts counts = { .troubled = troubled };
	enum pace pace = strcmp(options->kind, "receive") == 0 ? PACE_DEAF_FOR_NOW
			 : strcmp(options->kind, "slow") == 0  ? PACE_SLOW
							       : PACE_STOPPED;
	int64_t end_us;
	char text[256], fields[192];

	for (size_t chosen = 0; chosen < options->troubled;) {
		size_t node = (size_t)rng_below(&s->rng, n);

		chosen += !troubled[node];
		troubled[node] = true;
	}
	count_into(s, &counts);
	swarm_run_until(s, s->now_us + 15 * SECOND);
	end_us = s->now_us + 120 * SECOND;
	for (bool blocked = true; s->now_us < end_us; blocked = !blocked) {
		for (size_t i = 0; i < n; i++) {
			if (troubled[i])
				swarm_pace(s, i, blocked ? pace : PACE_NORMAL);
		}
		swarm_run_until(s, s->now_us + (blocked ? options->blocked_ms : options->normal_ms) * MILLISECOND);
	}
	snprintf(text, sizeof(text),
		 "%zu nodes, %zu troubled (%s, %lld ms blocked, %lld ms normal): false deaths among the healthy %zu; "
		 "of the "
		 "troubled, at healthy and troubled members %zu",
		 n, options->troubled, options->kind, (long long)options->blocked_ms, (long long)options->normal_ms,
		 counts.dead_healthy, counts.about_troubled);
	snprintf(fields, sizeof(fields),
		 "\"troubled\":%zu,\"kind\":\"%s\",\"blockedMs\":%lld,\"normalMs\":%lld,"
		 "\"healthyDead\":%zu,\"troubledDead\":%zu",
		 options->troubled, options->kind, (long long)options->blocked_ms, (long long)options->normal_ms,
		 counts.dead_healthy, counts.about_troubled);
	swarm_free(s);
	free(troubled);
	return report(options, "lifeguard", counts.dead_healthy == 0, text, fields);
}

struct load {
	double packets; /* per node and second */
	double bytes;
};

static struct load measure_load(const struct swarm_config *config, int64_t span_us)
{
	struct swarm *s = swarm_new(config);
	uint64_t packets = 0;
	uint64_t bytes = 0;

	swarm_run_until(s, s->now_us + 3 * SECOND);
	for (size_t i = 0; i < config->n; i++) {
		packets -= s->nodes[i].sent_n;
		bytes -= s->nodes[i].sent_bytes;
	}
	swarm_run_until(s, s->now_us + span_us);
	for (size_t i = 0; i < config->n; i++) {
		packets += s->nodes[i].sent_n;
		bytes += s->nodes[i].sent_bytes;
	}
	swarm_free(s);
	return (struct load){ (double)packets * 1e6 / (double)span_us / (double)config->n,
			      (double)bytes * 1e6 / (double)span_us / (double)config->n };
}

/* The given size beside a cluster of ten: the load must not grow with the cluster. */
int experiment_load(const struct options *options)
{
	struct swarm_config config = options->swarm;
	double share = config.profile == PROFILE_LAN ? 1 : 0.1;
	int64_t span_us = config.profile == PROFILE_LAN ? 10 * SECOND : 60 * SECOND;
	struct load load, ten;
	bool passed;
	char text[256], fields[128];

	load = measure_load(&config, config.n > 2000 ? 4 * SECOND : span_us);
	config.n = 10;
	ten = measure_load(&config, span_us);
	passed = load.packets <= 400 * share && load.bytes <= 40000 * share && load.packets < ten.packets * 1.05 &&
		 load.packets > ten.packets * 0.95;
	snprintf(text, sizeof(text),
		 "%zu nodes, %s: %.1f packets/s, %.1f kB/s per node (10 nodes: %.1f packets/s, %.1f kB/s)",
		 options->swarm.n, profile_name(&config), load.packets, load.bytes / 1e3, ten.packets, ten.bytes / 1e3);
	snprintf(fields, sizeof(fields), "\"packetsPerSecond\":%.1f,\"bytesPerSecond\":%.0f", load.packets, load.bytes);
	return report(options, "load", passed, text, fields);
}

/* One side has the first `troubled` nodes. */
int experiment_partition(const struct options *options)
{
	struct swarm *s = swarm_new(&options->swarm);
	int64_t healed_us;
	char text[192], fields[96];

	swarm_run_until(s, s->now_us + 5 * SECOND);
	for (size_t i = 0; i < options->troubled; i++)
		s->side[i] = 1;
	swarm_run_until(s, s->now_us + options->blocked_ms * MILLISECOND);
	memset(s->side, 0, options->swarm.n * sizeof(*s->side));
	healed_us = until_one_view(s, 60 * SECOND);
	snprintf(text, sizeof(text), "%zu | %zu nodes apart for %lld s: one view %.2f s after the heal",
		 options->troubled, options->swarm.n - options->troubled, (long long)(options->blocked_ms / 1000),
		 (double)healed_us / 1e6);
	snprintf(fields, sizeof(fields), "\"apartMs\":%lld,\"healedUs\":%lld", (long long)options->blocked_ms,
		 (long long)healed_us);
	swarm_free(s);
	return report(options, "partition", healed_us >= 0 && healed_us <= 3 * SECOND, text, fields);
}

/* All links of one node come and go: it may be declared dead once in each time that it is away, and nobody else ever. */
int experiment_flap(const struct options *options)
{
	struct swarm *s = swarm_new(&options->swarm);
	size_t n = options->swarm.n;
	bool *troubled = calloc(n, sizeof(*troubled));
	struct counts counts = { .troubled = troubled };
	int64_t end_us;
	size_t cycles = 0;
	bool passed;
	char text[256], fields[128];

	swarm_run_until(s, s->now_us + 5 * SECOND);
	count_into(s, &counts);
	troubled[1] = true;
	for (end_us = s->now_us + 60 * SECOND; s->now_us < end_us; cycles++) {
		swarm_cut(s, -1, 1, 1000000);
		swarm_cut(s, 1, -1, 1000000);
		swarm_run_until(s, s->now_us + options->blocked_ms * MILLISECOND);
		swarm_cut(s, -1, 1, 0);
		swarm_cut(s, 1, -1, 0);
		swarm_run_until(s, s->now_us + options->normal_ms * MILLISECOND);
	}
	passed = counts.dead_healthy == 0 && counts.about_troubled <= cycles * (n - 1) &&
		 until_one_view(s, 10 * SECOND) >= 0;
	snprintf(text, sizeof(text),
		 "%zu nodes, one off for %lld of every %lld ms: declared dead %.2f times a cycle, others by the rest "
		 "%zu",
		 n, (long long)options->blocked_ms, (long long)options->blocked_ms + options->normal_ms,
		 (double)counts.about_troubled / (double)cycles / (double)(n - 1), counts.dead_healthy);
	snprintf(fields, sizeof(fields), "\"declared\":%zu,\"cycles\":%zu,\"healthyDead\":%zu", counts.about_troubled,
		 cycles, counts.dead_healthy);
	swarm_free(s);
	free(troubled);
	return report(options, "flap", passed, text, fields);
}

int experiment_rolling(const struct options *options)
{
	struct swarm *s = swarm_new(&options->swarm);
	struct counts counts = { 0 };
	size_t stuck = 0;
	char text[192], fields[64];

	swarm_run_until(s, s->now_us + 5 * SECOND);
	count_into(s, &counts);
	for (size_t i = 0; i < options->swarm.n; i++) {
		swarm_leave(s, i);
		swarm_run_until(s, s->now_us + SECOND / 2);
		swarm_crash(s, i);
		swarm_run_until(s, s->now_us + SECOND);
		swarm_start(s, i);
		stuck += until_one_view(s, 10 * SECOND) < 0;
	}
	snprintf(text, sizeof(text),
		 "%zu nodes, each leaves and comes back: views that did not meet %zu, false deaths %zu",
		 options->swarm.n, stuck, counts.dead);
	snprintf(fields, sizeof(fields), "\"stuck\":%zu,\"falseDeaths\":%zu", stuck, counts.dead);
	swarm_free(s);
	return report(options, "rolling", stuck == 0 && counts.dead == 0, text, fields);
}

static double cpu_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* A real join of all nodes within a second. */
int experiment_storm(const struct options *options)
{
	struct swarm_config config = options->swarm;
	double begin = cpu_seconds();
	struct swarm *s;
	int64_t agreed_us;
	char text[192], fields[96];

	config.cold = true;
	s = swarm_new(&config);
	agreed_us = until_one_view(s, 60 * SECOND);
	snprintf(text, sizeof(text),
		 "%zu nodes join within a second: one view %.2f s after the last (%.1f s of processor time)", config.n,
		 (double)agreed_us / 1e6, cpu_seconds() - begin);
	snprintf(fields, sizeof(fields), "\"agreedUs\":%lld", (long long)agreed_us);
	swarm_free(s);
	return report(options, "storm", agreed_us >= 0, text, fields);
}

/* A figure, not a bound: the machine may be busy. */
int experiment_speed(const struct options *options)
{
	struct swarm *s = swarm_new(&options->swarm);
	double begin = cpu_seconds();
	double taken;
	char text[192], fields[96];

	swarm_run_until(s, s->now_us + 60 * SECOND);
	taken = cpu_seconds() - begin;
	snprintf(text, sizeof(text), "%zu nodes x 60 s: %.1f s of processor time, %.2f us per packet", options->swarm.n,
		 taken, taken * 1e6 / (double)s->packets_n);
	snprintf(fields, sizeof(fields), "\"cpuSeconds\":%.2f,\"packets\":%llu", taken,
		 (unsigned long long)s->packets_n);
	swarm_free(s);
	return report(options, "speed", true, text, fields);
}

/* Loss, bursts, drift, a crash, a pause, a partition: the hash of all that was said must be the same with every compiler. */
int experiment_hash(const struct options *options)
{
	struct swarm_config config = options->swarm;
	struct swarm *s;
	char text[64], fields[64];

	config.burst_ppm = 50000;
	config.loss_ppm = 50000;
	config.drift_ppm = 200;
	config.cold = true;
	s = swarm_new(&config);
	swarm_run_until(s, s->now_us + 5 * SECOND);
	swarm_crash(s, 1);
	swarm_pace(s, 2, PACE_STOPPED);
	swarm_run_until(s, s->now_us + 3 * SECOND);
	swarm_start(s, 1);
	swarm_pace(s, 2, PACE_NORMAL);
	for (size_t i = 0; i < config.n / 3; i++)
		s->side[i] = 1;
	swarm_run_until(s, s->now_us + 5 * SECOND);
	memset(s->side, 0, config.n * sizeof(*s->side));
	swarm_run_until(s, s->now_us + 5 * SECOND);
	snprintf(text, sizeof(text), "%016llx after %llu packets", (unsigned long long)s->hash,
		 (unsigned long long)s->packets_n);
	snprintf(fields, sizeof(fields), "\"hash\":\"%016llx\"", (unsigned long long)s->hash);
	swarm_free(s);
	return report(options, "hash", true, text, fields);
}
