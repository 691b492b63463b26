/* SPDX-License-Identifier: Apache-2.0 */
/* Loss: by chance, by bursts (Gilbert 1960, Elliott 1963) kept for those links alone that carry packets, and by cuts. */
#include <stdlib.h>
#include <string.h>

#include "tests/scale/swarm.h"

#define BURST_LOSS_PPM 950000
#define BURST_US (40 * MILLISECOND)
#define BURST_STEP_US (4 * MILLISECOND)

struct burst {
	uint64_t link; /* 0: unused */
	bool bad;
	int64_t until_us;
};

static void grow(struct swarm *s)
{
	struct burst *former = s->bursts;
	size_t former_cap = s->burst_cap;

	s->burst_cap = former_cap == 0 ? 4096 : 4 * former_cap;
	s->bursts = calloc(s->burst_cap, sizeof(*s->bursts));
	if (s->bursts == NULL)
		abort();
	for (size_t i = 0; i < former_cap; i++) {
		size_t at = hash_mix(former[i].link) & (s->burst_cap - 1);

		if (former[i].link == 0)
			continue;
		while (s->bursts[at].link != 0)
			at = (at + 1) & (s->burst_cap - 1);
		s->bursts[at] = former[i];
	}
	free(former);
}

static struct burst *find(struct swarm *s, size_t from, size_t to)
{
	uint64_t link = ((uint64_t)from << 32 | to) + 1;

	for (;;) {
		size_t tries = 0;
		size_t at = s->burst_cap == 0 ? 0 : hash_mix(link) & (s->burst_cap - 1);

		for (; s->burst_cap > 0 && tries < 32; tries++, at = (at + 1) & (s->burst_cap - 1)) {
			if (s->bursts[at].link == link)
				return &s->bursts[at];
			if (s->bursts[at].link != 0)
				continue;
			s->bursts[at] = (struct burst){ link, true, s->now_us };
			return &s->bursts[at];
		}
		grow(s);
	}
}

/* A geometric number of steps with this mean: whole numbers, so that a seed means the same everywhere. */
static int64_t duration(struct swarm *s, int64_t mean_us)
{
	uint32_t end_ppm = (uint32_t)(BURST_STEP_US * 1000000 / mean_us);
	int64_t us = BURST_STEP_US;

	while (!rng_chance(&s->rng, end_ppm))
		us += BURST_STEP_US;
	return us - rng_between(&s->rng, 0, BURST_STEP_US - 1);
}

static bool in_burst(struct swarm *s, size_t from, size_t to)
{
	int64_t burst_ppm = s->config.burst_ppm;
	struct burst *burst = find(s, from, to);

	while (burst->until_us <= s->now_us) {
		burst->bad = !burst->bad;
		burst->until_us +=
			duration(s, burst->bad ? BURST_US : BURST_US * (BURST_LOSS_PPM - burst_ppm) / burst_ppm);
	}
	return burst->bad;
}

bool link_loses(struct swarm *s, size_t from, size_t to)
{
	if (s->side[from] != s->side[to])
		return true;
	for (size_t i = 0; i < s->cut_n; i++) {
		const struct cut *cut = &s->cuts[i];

		if ((cut->from < 0 || (size_t)cut->from == from) && (cut->to < 0 || (size_t)cut->to == to) &&
		    rng_chance(&s->rng, cut->loss_ppm))
			return true;
	}
	if (s->config.burst_ppm > 0 && in_burst(s, from, to) && rng_chance(&s->rng, BURST_LOSS_PPM))
		return true;
	return s->config.loss_ppm > 0 && rng_chance(&s->rng, s->config.loss_ppm);
}

void swarm_cut(struct swarm *s, int from, int to, uint32_t loss_ppm)
{
	for (size_t i = 0; i < s->cut_n; i++) {
		if (s->cuts[i].from == from && s->cuts[i].to == to)
			s->cuts[i] = s->cuts[--s->cut_n];
	}
	if (loss_ppm == 0)
		return;
	if (s->cut_n == CUT_MAX)
		abort();
	s->cuts[s->cut_n++] = (struct cut){ from, to, loss_ppm };
}
