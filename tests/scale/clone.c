/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A warm start: thousands of nodes that are all members already. One core is taught every member; the others are copies of it whose
 * tables are mapped copy-on-write, so that 10,000 nodes that know 10,000 members each share what they do not change. This works
 * because the tables hold slots, not pointers. The one file of the simulator that looks inside a core.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "gossip/internal.h"
#include "tests/scale/swarm.h"

#define TABLE_N 6

struct table {
	size_t len;
	int fd;
};

struct clone_pool {
	struct gossip *template;
	struct table tables[TABLE_N];
	struct watch_member *scratch; /* of all clones: only a step writes it */
};

/* The tables of a core, in a fixed order. */
static void tables_of(struct gossip *g, void **out[TABLE_N], size_t len[TABLE_N])
{
	size_t member_max = g->config.member_max;

	out[0] = (void **)&g->members;
	len[0] = member_max * sizeof(*g->members);
	out[1] = (void **)&g->order;
	len[1] = (member_max + 1) * sizeof(*g->order);
	out[2] = (void **)&g->by_instance;
	len[2] = g->by_instance_len * sizeof(*g->by_instance);
	out[3] = (void **)&g->items;
	len[3] = g->config.item_max * sizeof(*g->items);
	out[4] = (void **)&g->by_item;
	len[4] = g->by_item_len * sizeof(*g->by_item);
	out[5] = (void **)&g->probe_list;
	len[5] = member_max * sizeof(*g->probe_list);
}

static void teach(struct swarm *s, struct gossip *g)
{
	g->out = &s->out;
	for (size_t i = 1; i < s->config.n; i++) {
		struct gossip_config config;
		struct member_record record = { .endpoint_n = 1, .incarnation = 1, .state = GOSSIP_ALIVE };

		s->out.action_n = 0;
		swarm_gossip_config(s, i, &config);
		memcpy(record.name, config.name, sizeof(record.name));
		record.instance = config.instance;
		record.endpoints[0] = config.endpoints[0];
		record.meta_len = (uint16_t)config.meta_len;
		record.meta = config.meta;
		rumour_drop_member(g, member_take(g, &record, GOSSIP_REASON_JOINED));
	}
	g->out = NULL;
	g->joined = true;
	g->contacted = true;
	g->join_at = INSTANT_NEVER;
}

static void store(struct table *table, const void *bytes, size_t len)
{
	table->len = len;
	table->fd = memfd_create("swarm", 0);
	if (table->fd < 0 || write(table->fd, bytes, len) != (ssize_t)len)
		abort();
}

static struct clone_pool *pool_of(struct swarm *s)
{
	struct clone_pool *pool = s->pool;
	struct gossip_config config;
	void **at[TABLE_N];
	size_t len[TABLE_N];

	if (pool != NULL)
		return pool;
	pool = s->pool = calloc(1, sizeof(*pool));
	swarm_gossip_config(s, 0, &config);
	if (pool == NULL)
		abort();
	/* every node reads its own clock, so the template stands at the beginning of all of them */
	pool->template = gossip_new(&config, 1, (struct instant){ 0 });
	if (pool->template == NULL)
		abort();
	teach(s, pool->template);
	tables_of(pool->template, at, len);
	for (size_t i = 0; i < TABLE_N; i++)
		store(&pool->tables[i], *at[i], len[i]);
	pool->scratch = calloc(config.member_max, sizeof(*pool->scratch));
	if (pool->scratch == NULL)
		abort();
	return pool;
}

/* Times of the template are at its beginning; the clone's clock shows something else. */
static void set_clock(struct gossip *g, struct instant now, struct rng *rng)
{
	const struct gossip_timers *timers = &g->config.timers;

	g->now = now;
	g->due = now;
	g->probe_at = instant_add(now, span_us(rng_between(rng, 0, timers->probe_interval.us)));
	g->gossip_at = INSTANT_NEVER;
	g->sync_at = instant_add(now, span_us(rng_between(rng, 0, timers->sync_interval.us)));
	g->redial_at = instant_add(now, span_us(rng_between(rng, 0, timers->redial_interval.us)));
	g->reap_at = instant_add(now, span_s(10));
	g->lag_at = now;
	g->list_at = now;
	watch_init(&g->watch,
		   &(struct watch_timers){ timers->beat_interval, timers->silence, timers->verify,
					   span_us(timers->verify.us / 10) },
		   g->config.instance, false, now);
	g->watch.beat_at = instant_add(now, span_us(rng_between(rng, 0, timers->beat_interval.us)));
	g->view_changed = true;
}

struct gossip *clone_new(struct swarm *s, size_t node, const struct gossip_config *config)
{
	struct clone_pool *pool = pool_of(s);
	struct gossip *g = calloc(1, sizeof(*g));
	struct rng rng = rng_of(rng_u64(&s->rng));
	void **at[TABLE_N];
	size_t len[TABLE_N];

	if (g == NULL)
		abort();
	memcpy(g, pool->template, sizeof(*g));
	g->config = *config;
	tables_of(g, at, len);
	for (size_t i = 0; i < TABLE_N; i++) {
		*at[i] = mmap(NULL, len[i], PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, pool->tables[i].fd, 0);
		if (*at[i] == MAP_FAILED)
			abort();
	}
	g->ring_members = pool->scratch;
	g->rng = rng_of(rng_u64(&rng));
	g->counter = rng_u64(&rng) >> 2;
	/* the template is node 0; its slots are the nodes' numbers */
	if (node != 0) {
		g->self = (uint32_t)node;
		for (size_t i = 0; i < g->probe_n; i++) {
			if (g->probe_list[i] == node)
				g->probe_list[i] = 0;
		}
	}
	set_clock(g, (struct instant){ s->nodes[node].clock_offset_us + s->now_us }, &rng);
	return g;
}

void clone_free(struct gossip *g)
{
	void **at[TABLE_N];
	size_t len[TABLE_N];

	tables_of(g, at, len);
	for (size_t i = 0; i < TABLE_N; i++)
		munmap(*at[i], len[i]);
	free(g);
}

void clone_pool_free(struct swarm *s)
{
	if (s->pool == NULL)
		return;
	for (size_t i = 0; i < TABLE_N; i++)
		close(s->pool->tables[i].fd);
	gossip_free(s->pool->template);
	free(s->pool->scratch);
	free(s->pool);
}
