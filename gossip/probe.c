/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SWIM's own detector: one probe an interval, in shuffled rounds (SWIM 4.3), direct, then through relays (SWIM 4.1); suspicion
 * that the suspect may refute (SWIM 4.2). It is the slow path behind watch.c, and the only one where a quorum of watchers is gone.
 * A node that is in trouble itself, by the signs that Lifeguard names (arXiv 1707.00788, IV.A), probes more slowly and waits longer:
 * probes that fail, relays that do not even say that they have no answer, accusations that it had to refute, its own lateness.
 */
#include "gossip/internal.h"

void health_better(struct gossip *g)
{
	if (g->health > 0)
		g->health--;
}

void health_worse(struct gossip *g, unsigned int by)
{
	g->health = (uint8_t)(g->health + by > GOSSIP_HEALTH_MAX ? GOSSIP_HEALTH_MAX : g->health + by);
}

/* Lifeguard IV.A: intervals and timeouts of a troubled node are longer. */
static struct span stretched(const struct gossip *g, struct span span)
{
	return span_mul(span, g->health + 1);
}

static void finish_ping(struct gossip *g, struct packet *packet, const struct member *member, uint32_t seq, bool accuse)
{
	size_t at;

	/* the accusation comes first, so that the accused learns of it even from one packet (Lifeguard: buddy system) */
	if (accuse)
		message_state(&packet->w, member, g->now);
	at = message_begin(&packet->w, MESSAGE_PING);
	wire_write_u32(&packet->w, seq);
	summary_write(&packet->w, self_of(g));
	message_end(&packet->w, at);
	packet_finish(g, packet);
}

void probe_ping(struct gossip *g, const struct member *member, uint32_t seq, bool accuse)
{
	struct packet packet;

	if (packet_begin_member(g, &packet, member))
		finish_ping(g, &packet, member, seq, accuse);
}

void probe_ping_paths(struct gossip *g, const struct member *member)
{
	struct packet packet;

	for (uint8_t path = 0; path < PATH_MAX_N; path++) {
		if (packet_begin_path(g, &packet, member, path))
			finish_ping(g, &packet, member, ++g->seq, false);
	}
}

static void send_seq(struct gossip *g, const struct member *to, enum message_type type, uint32_t seq)
{
	struct packet packet;
	size_t at;

	if (!(type == MESSAGE_ACK ? packet_begin_reply : packet_begin_member)(g, &packet, to))
		return;
	at = message_begin(&packet.w, type);
	wire_write_u32(&packet.w, seq);
	if (type == MESSAGE_ACK)
		summary_write(&packet.w, self_of(g));
	message_end(&packet.w, at);
	packet_finish(g, &packet);
}

void probe_take_ping(struct gossip *g, struct member *from, struct wire_reader *r)
{
	uint32_t seq = wire_read_u32(r);

	summary_take(g, from, r);
	if (!r->failed && !g->left)
		send_seq(g, from, MESSAGE_ACK, seq);
}

/* Smoothed round trip, RFC 6298 section 2 (alpha 1/8). */
void member_rtt(struct member *member, struct span sample)
{
	if (sample.us < 0)
		return;
	member->rtt.us = member->rtt.us < 0 ? sample.us : (7 * member->rtt.us + sample.us) / 8;
}

void probe_take_ack(struct gossip *g, struct member *from, struct wire_reader *r)
{
	uint32_t seq = wire_read_u32(r);

	summary_take(g, from, r);
	if (r->failed)
		return;
	watch_echoed(&g->watch, from->instance, g->now, g->now);
	if (g->probe.target == slot_of(g, from) && g->probe.seq == seq) {
		/* one that was sent twice measures nothing (Karn; RFC 6298 section 3) */
		if (g->config.endpoint_n == 1 || g->probe.indirect_at.us != INSTANT_NEVER.us)
			member_rtt(from, instant_since(g->now, g->probe.sent));
		g->probe.target = SLOT_NONE;
		health_better(g);
	}
	for (size_t i = 0; i < RELAY_MAX; i++) {
		struct relay *relay = &g->relays[i];
		struct member *origin = relay->origin != 0 && relay->seq == seq ? member_find(g, relay->origin) : NULL;

		if (origin == NULL)
			continue;
		send_seq(g, origin, MESSAGE_ACK_VIA, relay->origin_seq);
		relay->origin = 0;
	}
}

void probe_take_ping_req(struct gossip *g, struct member *from, struct wire_reader *r)
{
	uint32_t seq = wire_read_u32(r);
	uint64_t instance = wire_read_u64(r);
	struct member *target = r->failed ? NULL : member_find(g, instance);

	if (target == NULL || slot_of(g, target) == g->self)
		return;
	for (size_t i = 0; i < RELAY_MAX; i++) {
		struct relay *relay = &g->relays[i];

		if (relay->origin != 0 && !instant_reached(relay->until, g->now))
			continue;
		relay->origin = from->instance;
		relay->origin_seq = seq;
		relay->seq = ++g->seq;
		relay->until = instant_add(g->now, g->config.timers.probe_interval);
		relay->nack_at = instant_add(g->now, span_us(g->config.timers.probe_timeout.us * NACK_PERCENT / 100));
		g->relay_at = instant_min(g->relay_at, relay->nack_at);
		probe_ping(g, target, relay->seq, target->state == GOSSIP_SUSPECT);
		return;
	}
}

void probe_take_ack_via(struct gossip *g, struct wire_reader *r)
{
	uint32_t seq = wire_read_u32(r);

	if (!r->failed && g->probe.target != SLOT_NONE && g->probe.seq == seq)
		g->probe.target = SLOT_NONE;
}

void probe_take_nack(struct gossip *g, struct wire_reader *r)
{
	uint32_t seq = wire_read_u32(r);

	if (!r->failed && g->probe.target != SLOT_NONE && g->probe.seq == seq && g->probe.nack_n < g->probe.relay_n)
		g->probe.nack_n++;
}

/* Probes that we relay and that have no answer so far: say so, then the prober knows that we at least are well. */
static void tick_relays(struct gossip *g)
{
	if (!instant_reached(g->relay_at, g->now))
		return;
	g->relay_at = INSTANT_NEVER;
	for (size_t i = 0; i < RELAY_MAX; i++) {
		struct relay *relay = &g->relays[i];
		struct member *origin;

		if (relay->origin == 0 || relay->nack_at.us == INSTANT_NEVER.us)
			continue;
		if (!instant_reached(relay->nack_at, g->now)) {
			g->relay_at = instant_min(g->relay_at, relay->nack_at);
			continue;
		}
		relay->nack_at = INSTANT_NEVER;
		origin = member_find(g, relay->origin);
		if (origin != NULL)
			send_seq(g, origin, MESSAGE_NACK, relay->origin_seq);
	}
}

/* SWIM 4.1: the direct ping was not answered; perhaps only our path is bad. */
static void ask_relays(struct gossip *g, const struct member *target)
{
	for (unsigned int i = 0; i < g->config.timers.relay_n; i++) {
		const struct member *relay = member_random(g, target);
		struct packet packet;
		size_t at;

		if (relay == NULL || !packet_begin_member(g, &packet, relay))
			return;
		at = message_begin(&packet.w, MESSAGE_PING_REQ);
		wire_write_u32(&packet.w, g->probe.seq);
		wire_write_u64(&packet.w, target->instance);
		message_end(&packet.w, at);
		packet_finish(g, &packet);
		g->probe.relay_n++;
	}
}

/* Nobody answered. Relays that did not even say so: then the trouble is rather ours (Lifeguard IV.A, as memberlist counts it). */
static void probe_failed(struct gossip *g, struct member *target)
{
	health_worse(g, g->probe.relay_n > 0 ? g->probe.relay_n - g->probe.nack_n : 1);
	if (!member_live(target))
		return;
	g->stats.suspicions_n += target->state == GOSSIP_ALIVE;
	member_accuse(g, target, target->incarnation, self_of(g)->instance, GOSSIP_REASON_PROBE);
}

/*
 * The direct ping again, on every path, where there are several: that one path failed is no sign of death, and until it has been
 * silent for T_s it is still the one that packets take, the request to the relays as well.
 */
static void ping_again(struct gossip *g, const struct member *target)
{
	struct packet packet;

	if (g->config.endpoint_n == 1)
		return;
	for (uint8_t path = 0; path < PATH_MAX_N; path++) {
		if (packet_begin_path(g, &packet, target, path))
			finish_ping(g, &packet, target, g->probe.seq, target->state == GOSSIP_SUSPECT);
	}
}

static void tick_probe(struct gossip *g)
{
	struct probe *probe = &g->probe;
	struct member *target = probe->target == SLOT_NONE ? NULL : &g->members[probe->target];

	if (target == NULL)
		return;
	if (instant_reached(probe->indirect_at, g->now)) {
		probe->indirect_at = INSTANT_NEVER;
		ping_again(g, target);
		ask_relays(g, target);
	}
	if (!instant_reached(probe->fail_at, g->now))
		return;
	probe->target = SLOT_NONE;
	probe_failed(g, target);
}

/* The next live member of the round; a new round is shuffled. */
static struct member *next_target(struct gossip *g)
{
	for (size_t i = 0; i < g->probe_n; i++) {
		struct member *member;

		if (g->probe_at_index >= g->probe_n) {
			g->probe_at_index = 0;
			rng_shuffle(&g->rng, g->probe_list, g->probe_n, sizeof(g->probe_list[0]));
		}
		member = &g->members[g->probe_list[g->probe_at_index++]];
		if (member_live(member))
			return member;
	}
	return NULL;
}

static void start_probe(struct gossip *g)
{
	struct member *target = next_target(g);
	const struct gossip_timers *timers = &g->config.timers;

	g->probe_at = instant_add(g->now, stretched(g, timers->probe_interval));
	if (target == NULL)
		return;
	g->probe.target = slot_of(g, target);
	g->probe.seq = ++g->seq;
	g->probe.sent = g->now;
	g->probe.relay_n = 0;
	g->probe.nack_n = 0;
	g->probe.indirect_at = instant_add(g->now, stretched(g, timers->probe_timeout));
	g->probe.fail_at = g->probe_at;
	probe_ping(g, target, g->probe.seq, target->state == GOSSIP_SUSPECT);
}

/* With one other node and a witness: without its word we do not know which of the two is cut off (see watch.c). */
static bool witness_heard(struct gossip *g, struct member *member)
{
	if (!g->config.witness || g->live_n > 2 || !instant_before(g->watch.witness_at, member->since))
		return true;
	member->dead_at = instant_add(g->now, g->config.timers.probe_timeout);
	g->watch_out.ask_witness = true;
	return false;
}

/* Suspects: everybody pings them, so that a live one hears of it and refutes; time runs out for the others. */
static void tick_suspects(struct gossip *g)
{
	size_t left = g->suspect_n;

	for (size_t i = 0; i < g->probe_n && left > 0; i++) {
		struct member *member = &g->members[g->probe_list[i]];

		if (member->state != GOSSIP_SUSPECT)
			continue;
		left--;
		if (instant_reached(member->dead_at, g->now) && witness_heard(g, member)) {
			member_claim(g, member, GOSSIP_DEAD, member->incarnation, GOSSIP_REASON_TIMEOUT);
		} else if (instant_since(g->now, member->nudged).us >= g->config.timers.probe_timeout.us) {
			member->nudged = g->now;
			probe_ping(g, member, ++g->seq, true);
		}
	}
}

void probe_tick(struct gossip *g)
{
	tick_relays(g);
	tick_probe(g);
	if (g->suspect_n > 0)
		tick_suspects(g);
	if (instant_reached(g->probe_at, g->now) && g->probe.target == SLOT_NONE)
		start_probe(g);
}

struct instant probe_deadline(const struct gossip *g)
{
	struct instant next = g->probe_at;

	if (g->probe.target != SLOT_NONE)
		next = instant_min(g->probe.indirect_at, g->probe.fail_at);
	next = instant_min(next, g->relay_at);
	for (size_t i = 0; i < g->probe_n && g->suspect_n > 0; i++) {
		const struct member *member = &g->members[g->probe_list[i]];

		if (member->state == GOSSIP_SUSPECT)
			next = instant_min(next,
					   instant_min(member->dead_at,
						       instant_add(member->nudged, g->config.timers.probe_timeout)));
	}
	return next;
}
