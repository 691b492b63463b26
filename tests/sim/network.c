/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/network.h"

#include <stdlib.h>
#include <string.h>

#include "tests/sim/plan.h"

/* A quiet LAN. */
#define DELAY_US 100
#define JITTER_US 200

/* A replayed packet is at most this old. */
#define REPLAY_US 5000000

void network_init(struct network *network, size_t node_n, uint64_t seed, struct queue *queue, struct marks *marks)
{
	*network = (struct network){ .node_n = node_n, .rng = rng_of(seed), .queue = queue, .marks = marks };
	network->links = calloc(node_n * node_n, sizeof(*network->links));
	if (network->links == NULL)
		abort();
	network_heal(network);
}

void network_free(struct network *network)
{
	for (size_t i = 0; i < NETWORK_RECENT_MAX; i++)
		free(network->recent[i].packet);
	free(network->links);
}

struct link *network_link(const struct network *network, size_t from, size_t to)
{
	return &network->links[from * network->node_n + to];
}

void network_heal(struct network *network)
{
	for (size_t i = 0; i < network->node_n * network->node_n; i++) {
		int64_t last_arrival_us = network->links[i].last_arrival_us;

		network->links[i] = (struct link){ .delay_us = DELAY_US, .jitter_us = JITTER_US };
		network->links[i].last_arrival_us = last_arrival_us;
	}
}

bool link_is_disturbed(const struct link *link)
{
	return link->cuts != 0 || link->loss_ppm > SIM_MILD_LOSS_PPM || link->burst_ppm > 0 ||
	       link->delay_us + link->jitter_us > LINK_SLOW_US;
}

struct packet *packet_new(size_t len)
{
	struct packet *packet = calloc(1, sizeof(*packet) + len);

	if (packet == NULL)
		abort();
	packet->len = len;
	return packet;
}

static struct packet *packet_copy(const struct packet *packet)
{
	struct packet *copy = packet_new(packet->len);

	memcpy(copy, packet, sizeof(*packet) + packet->len);
	return copy;
}

/* Move the two-state chain of bursts to now. Its good periods are as long as the wanted average demands. */
static bool in_burst(struct network *network, struct link *link, int64_t now_us)
{
	int64_t mean_us;

	if (link->burst_ppm == 0)
		return false;
	while (link->burst_until_us <= now_us) {
		link->in_burst = !link->in_burst;
		mean_us = BURST_US;
		if (!link->in_burst)
			mean_us = BURST_US * (BURST_LOSS_PPM - (int64_t)link->burst_ppm) / (int64_t)link->burst_ppm;
		link->burst_until_us = (link->burst_until_us > 0 ? link->burst_until_us : now_us) +
				       rng_between(&network->rng, mean_us / 4 + 1, 2 * mean_us - mean_us / 4);
	}
	return link->in_burst;
}

bool network_loses(struct network *network, size_t from, size_t to, int64_t now_us)
{
	struct link *link = network_link(network, from, to);

	return (link->cuts & ~(unsigned int)CUT_GOSSIP) != 0 ||
	       (in_burst(network, link, now_us) && rng_chance(&network->rng, BURST_LOSS_PPM)) ||
	       (link->loss_ppm > 0 && rng_chance(&network->rng, link->loss_ppm));
}

/* Is the packet lost? Counts why. */
static bool is_lost(struct network *network, struct link *link, int64_t now_us)
{
	if (link->cuts != 0) {
		network->marks->n[MARK_LOST_CUT]++;
		return true;
	}
	if (in_burst(network, link, now_us) && rng_chance(&network->rng, BURST_LOSS_PPM)) {
		network->marks->n[MARK_LOST_BURST]++;
		return true;
	}
	if (link->loss_ppm > 0 && rng_chance(&network->rng, link->loss_ppm)) {
		network->marks->n[MARK_LOST]++;
		return true;
	}
	return false;
}

static void arrive(struct network *network, struct link *link, size_t to, struct packet *packet, int64_t at_us)
{
	if (at_us < link->last_arrival_us)
		network->marks->n[MARK_REORDERED]++;
	else
		link->last_arrival_us = at_us;
	queue_push(network->queue, (struct queue_event){
					   .at_us = at_us,
					   .kind = QUEUE_DELIVER,
					   .node = (uint32_t)to,
					   .packet = packet,
				   });
}

/* Keep a copy for later, and perhaps send one of those kept. */
static void replay(struct network *network, struct link *link, size_t from, size_t to, const struct packet *packet,
		   int64_t now_us)
{
	struct recent *slot = &network->recent[network->recent_n++ % NETWORK_RECENT_MAX];
	const struct recent *old;

	free(slot->packet);
	*slot = (struct recent){ packet_copy(packet), (uint32_t)from, (uint32_t)to };
	if (!rng_chance(&network->rng, link->replay_ppm))
		return;
	old = &network->recent[rng_below(&network->rng, NETWORK_RECENT_MAX)];
	if (old->packet == NULL || network_link(network, old->from, old->to)->cuts != 0)
		return;
	network->marks->n[MARK_REPLAYED]++;
	queue_push(network->queue, (struct queue_event){
					   .at_us = now_us + rng_between(&network->rng, 1, REPLAY_US),
					   .kind = QUEUE_DELIVER,
					   .node = old->to,
					   .packet = packet_copy(old->packet),
				   });
}

void network_send(struct network *network, size_t from, size_t to, struct packet *packet, int64_t now_us)
{
	struct link *link = network_link(network, from, to);
	int64_t delay_us = link->delay_us + rng_between(&network->rng, 0, link->jitter_us);

	network->marks->n[MARK_PACKET]++;
	if (is_lost(network, link, now_us)) {
		free(packet);
		return;
	}
	if (link->replay_ppm > 0)
		replay(network, link, from, to, packet, now_us);
	if (link->duplicate_ppm > 0 && rng_chance(&network->rng, link->duplicate_ppm)) {
		network->marks->n[MARK_DUPLICATED]++;
		arrive(network, link, to, packet_copy(packet),
		       now_us + link->delay_us + rng_between(&network->rng, 0, 2 * link->jitter_us + 1000));
	}
	arrive(network, link, to, packet, now_us + delay_us);
}
