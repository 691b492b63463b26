/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What carries the watch (watch.c): its messages to and from packets, and its verdicts into the table of members. A heartbeat also
 * carries a digest of who is a member. Where it differs from ours the neighbour has missed something, so we repeat the deaths and
 * departures of the last seconds until the digests agree: that is how a verdict is acknowledged. What still differs after that is
 * settled by lists (sync.c).
 */
#include "gossip/internal.h"

/* Flags of a heartbeat. */
#define BEAT_HURRY 0x01u
#define BEAT_VOWED 0x02u

/* A view that differs for so long is compared as a whole. */
#define DIFFERS_MS 1000

/* The rings are computed anew at most four times in a heartbeat's interval, however many members came or went. */
void edge_refresh(struct gossip *g)
{
	struct span young = span_mul(g->config.timers.silence, 2);
	size_t n = 0;

	if (!g->view_changed || !instant_reached(g->refresh_at, g->now))
		return;
	g->view_changed = false;
	g->refresh_at = instant_add(g->now, span_us(g->config.timers.beat_interval.us / 4));
	for (size_t i = 0; i < g->member_n && !g->leaving; i++) {
		const struct member *member = &g->members[g->order[i]];

		if (member_live(member))
			g->ring_members[n++] =
				(struct watch_member){ member->key, member->instance,
						       instant_since(g->now, member->since).us < young.us };
	}
	watch_view(&g->watch, g->ring_members, n, g->now);
}

/* An age in microseconds; longer than an hour is an hour, and before its time is now. */
static void write_age(struct wire_writer *w, struct span age)
{
	int64_t hour = span_s(3600).us;

	wire_write_u32(w, (uint32_t)(age.us < 0 ? 0 : age.us > hour ? hour : age.us));
}

static void finish_beat(struct gossip *g, struct packet *packet, const struct watch_beat *beat)
{
	size_t at = message_begin(&packet->w, MESSAGE_BEAT);

	summary_write(&packet->w, self_of(g));
	wire_write_u8(&packet->w, g->health);
	wire_write_u32(&packet->w, (uint32_t)g->member_digest);
	wire_write_u32(&packet->w, beat->seq);
	wire_write_u32(&packet->w, beat->echo);
	write_age(&packet->w, beat->echo_age);
	wire_write_u16(&packet->w, (uint16_t)(beat->loss_ppm / 100));
	wire_write_u8(&packet->w, (beat->hurry ? BEAT_HURRY : 0) | (beat->vowed ? BEAT_VOWED : 0));
	write_age(&packet->w, beat->patience);
	message_end(&packet->w, at);
	packet_finish(g, packet);
}

/* Over every path that we have in common, so that one dead path is not a dead node. */
static void send_beat(struct gossip *g, const struct member *to, const struct watch_beat *beat)
{
	struct packet packet;
	bool sent = false;

	for (uint8_t path = 0; path < PATH_MAX_N; path++) {
		if (!packet_begin_path(g, &packet, to, path))
			continue;
		finish_beat(g, &packet, beat);
		sent = true;
	}
	if (!sent && packet_begin_member(g, &packet, to))
		finish_beat(g, &packet, beat);
}

static void send_watch(struct gossip *g, const struct watch_message *message)
{
	const struct member *to = member_find(g, message->to);
	struct packet packet;
	size_t at;

	if (to == NULL)
		return;
	if (message->kind == WATCH_PING) {
		probe_ping_paths(g, to);
	} else if (message->kind == WATCH_BEAT) {
		send_beat(g, to, &message->beat);
	} else if (packet_begin_member(g, &packet, to)) {
		at = message_begin(&packet.w, MESSAGE_WATCH);
		wire_write_u8(&packet.w, (uint8_t)message->kind);
		wire_write_u64(&packet.w, message->subject);
		write_age(&packet.w, message->age);
		message_end(&packet.w, at);
		packet_finish(g, &packet);
	}
}

void edge_settle(struct gossip *g)
{
	struct watch_out *out = &g->watch_out;

	for (size_t i = 0; i < out->message_n; i++)
		send_watch(g, &out->messages[i]);
	for (size_t i = 0; i < out->dead_n; i++) {
		struct member *member = member_find(g, out->dead[i].instance);

		if (member != NULL)
			member_die(g, member, member->incarnation, GOSSIP_REASON_QUORUM,
				   out->dead[i].sure ? GOSSIP_PROOF_QUORUM : GOSSIP_PROOF_HINTED);
	}
	if (out->ask_witness && notify_room(g))
		(void)action_add(g, GOSSIP_ACTION_WITNESS);
	out->message_n = 0;
	out->dead_n = 0;
	out->ask_witness = false;
}

/* The deaths and departures of the last seconds, newest first, as many as fit into a datagram. */
static void repeat_verdicts(struct gossip *g, struct member *to)
{
	struct packet packet;

	if (!packet_begin_reply(g, &packet, to))
		return;
	to->retold = g->now;
	for (size_t i = 0; i < VERDICT_MAX && i < g->verdict_n; i++) {
		const struct verdict *verdict = &g->verdicts[(g->verdict_n - 1 - i) % VERDICT_MAX];
		const struct member *member = member_find(g, verdict->instance);
		struct wire_writer before = packet.w;

		if (instant_since(g->now, verdict->at).us > span_ms(VERDICT_MS).us)
			break;
		if (member == NULL || member_live(member))
			continue;
		message_state(&packet.w, member, g->now);
		if (packet.w.failed) {
			packet.w = before;
			break;
		}
	}
	if (packet.w.len > 0)
		packet_finish_plain(g, &packet);
}

static void compare_view(struct gossip *g, struct member *from, uint32_t digest)
{
	struct span interval = g->config.timers.beat_interval;

	if (digest == (uint32_t)g->member_digest) {
		from->differs_since = INSTANT_NEVER;
		return;
	}
	if (from->differs_since.us == INSTANT_NEVER.us)
		from->differs_since = g->now;
	if (instant_since(g->now, from->retold).us >= interval.us)
		repeat_verdicts(g, from);
	if (instant_since(g->now, from->differs_since).us < span_ms(DIFFERS_MS).us ||
	    !instant_reached(g->list_at, g->now))
		return;
	from->differs_since = g->now;
	g->list_at = instant_add(g->now, g->config.timers.sync_interval);
	sync_list(g, from, false);
}

void edge_take_beat(struct gossip *g, struct member *from, struct instant received, struct wire_reader *r)
{
	struct watch_beat beat;
	uint32_t digest;
	uint8_t health;
	uint8_t flags;

	summary_take(g, from, r);
	health = wire_read_u8(r);
	digest = wire_read_u32(r);
	beat.seq = wire_read_u32(r);
	beat.echo = wire_read_u32(r);
	beat.echo_age = span_us(wire_read_u32(r));
	beat.loss_ppm = (uint32_t)wire_read_u16(r) * 100;
	flags = wire_read_u8(r);
	beat.hurry = flags & BEAT_HURRY;
	beat.vowed = flags & BEAT_VOWED;
	beat.patience = span_us(wire_read_u32(r));
	if (health > GOSSIP_HEALTH_MAX || beat.seq == 0)
		wire_fail(r);
	if (r->failed)
		return;
	from->health = health;
	member_rtt(from, watch_take_beat(&g->watch, from->instance, &beat, received, g->now, &g->watch_out));
	edge_settle(g);
	if (!g->leaving)
		compare_view(g, from, digest);
}

void edge_take_watch(struct gossip *g, const struct member *from, struct wire_reader *r)
{
	struct watch_message message = { .kind = wire_read_u8(r) };

	message.subject = wire_read_u64(r);
	message.age = span_us(wire_read_u32(r));
	if (message.kind < WATCH_ASK || message.kind > WATCH_VOTE)
		wire_fail(r);
	if (r->failed)
		return;
	watch_take(&g->watch, from->instance, &message, g->now, &g->watch_out);
	edge_settle(g);
}

void edge_tell_doubts(struct gossip *g)
{
	for (size_t i = 0; i < g->watch.edge_n; i++) {
		const struct watch_edge *edge = &g->watch.edges[i];
		bool doubted = edge->subject && edge->silent_at.us != INSTANT_NEVER.us;
		struct member *member = member_find(g, edge->instance);
		struct gossip_action *action;

		if (member == NULL || member->doubted == doubted || !notify_room(g))
			continue;
		member->doubted = doubted;
		action = action_add(g, GOSSIP_ACTION_DOUBT);
		action->doubt.instance = member->instance;
		action->doubt.doubted = doubted;
	}
}

void edge_show(const struct gossip *g, const struct member *member, struct gossip_member *ret)
{
	const struct watch_edge *edge = watch_edge_of(&g->watch, member->instance);

	if (edge == NULL)
		return;
	ret->watches_us = edge->watcher;
	ret->watched = edge->subject;
	ret->loss_in_ppm = edge->loss_in_ppm;
	ret->loss_out_ppm = edge->loss_out_ppm;
	ret->silence = watch_silence(&g->watch, edge);
	for (size_t i = 0; i < PATH_MAX_N; i++) {
		if (instant_since(g->now, member->path_heard[i]).us < ret->silence.us)
			ret->path_mask |= 1u << i;
	}
}
