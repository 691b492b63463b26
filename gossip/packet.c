/* SPDX-License-Identifier: Apache-2.0 */
/* Datagrams: a sequence of messages, each with type, length and body (docs/PROTOCOL.md, "Body"). */
#include <assert.h>
#include <string.h>

#include "gossip/internal.h"

struct gossip_action *action_add(struct gossip *g, enum gossip_action_kind kind)
{
	struct gossip_action *action;

	assert(g->out->action_n < GOSSIP_ACTION_MAX);
	action = &g->out->actions[g->out->action_n++];
	action->kind = kind;
	return action;
}

/* A quarter of the actions is kept for news about members and items, which must not be lost. */
bool packet_room(const struct gossip *g)
{
	return g->out->action_n < GOSSIP_ACTION_MAX - GOSSIP_ACTION_MAX / 4 &&
	       g->out->arena_len + g->config.packet_len_max <= GOSSIP_ARENA_LEN;
}

bool packet_begin(struct gossip *g, struct packet *packet, struct endpoint to, uint8_t path, uint64_t receiver)
{
	if (!packet_room(g))
		return false;
	packet->to = to;
	packet->path = path;
	packet->receiver = receiver;
	packet->w = wire_writer_of(g->out->arena + g->out->arena_len, g->config.packet_len_max - SEAL_OVERHEAD);
	return true;
}

static size_t common_bits(struct ip a, struct ip b)
{
	size_t bits = 0;

	while (bits < ip_bits(a) && (((a.bytes[bits / 8] ^ b.bytes[bits / 8]) >> (7 - bits % 8)) & 1) == 0)
		bits++;
	return bits;
}

uint8_t path_towards(const struct gossip *g, struct endpoint to)
{
	const struct gossip_config *config = &g->config;
	size_t best = 0;

	for (size_t i = 1; i < config->endpoint_n; i++) {
		struct ip ours = config->endpoints[i].ip;
		struct ip other = config->endpoints[best].ip;

		if (ours.family == to.ip.family &&
		    (other.family != to.ip.family || common_bits(ours, to.ip) > common_bits(other, to.ip)))
			best = i;
	}
	return (uint8_t)best;
}

/* Path i runs between the endpoints i of both: do they have one, of one family? */
static bool path_common(const struct gossip *g, const struct member *member, size_t path)
{
	return path < g->config.endpoint_n && path < member->endpoint_n &&
	       g->config.endpoints[path].ip.family == member->endpoints[path].ip.family;
}

bool packet_begin_path(struct gossip *g, struct packet *packet, const struct member *member, uint8_t path)
{
	return path_common(g, member, path) && packet_begin(g, packet, member->endpoints[path], path, member->instance);
}

/* The first path that was heard within T_s, or else the one that was heard last. */
static size_t best_path(const struct gossip *g, const struct member *member)
{
	size_t best = PATH_MAX_N;

	for (size_t i = 0; i < PATH_MAX_N; i++) {
		if (!path_common(g, member, i))
			continue;
		if (instant_since(g->now, member->path_heard[i]).us < g->config.timers.silence.us)
			return i;
		if (best == PATH_MAX_N || instant_before(member->path_heard[best], member->path_heard[i]))
			best = i;
	}
	return best;
}

void packet_readdress(const struct gossip *g, struct packet *packet, const struct member *member)
{
	size_t path = best_path(g, member);

	packet->receiver = member->instance;
	packet->to = member->endpoints[path < PATH_MAX_N ? path : 0];
	packet->path = path < PATH_MAX_N ? (uint8_t)path : path_towards(g, packet->to);
}

bool packet_begin_member(struct gossip *g, struct packet *packet, const struct member *member)
{
	if (!packet_begin(g, packet, member->endpoints[0], 0, member->instance))
		return false;
	packet_readdress(g, packet, member);
	return true;
}

bool packet_begin_reply(struct gossip *g, struct packet *packet, const struct member *member)
{
	if (!path_common(g, member, g->reply_path))
		return packet_begin_member(g, packet, member);
	return packet_begin_path(g, packet, member, g->reply_path);
}

static void add_send(struct gossip *g, const struct packet *packet)
{
	struct gossip_action *action = action_add(g, GOSSIP_ACTION_SEND);

	action->send.to = packet->to;
	action->send.path = packet->path;
	action->send.receiver = packet->receiver;
	action->send.sender = self_of(g)->instance;
	action->send.counter = g->counter++;
	action->send.body = packet->w.data;
	action->send.len = packet->w.len;
	g->stats.sent_n++;
	g->stats.sent_bytes += packet->w.len;
}

void packet_finish_plain(struct gossip *g, struct packet *packet)
{
	assert(!packet->w.failed);
	add_send(g, packet);
	if (packet->w.data == g->out->arena + g->out->arena_len)
		g->out->arena_len += packet->w.len;
}

void packet_finish(struct gossip *g, struct packet *packet)
{
	rumour_piggyback(g, &packet->w);
	packet_finish_plain(g, packet);
}

size_t message_begin(struct wire_writer *w, enum message_type type)
{
	size_t at;

	wire_write_u8(w, (uint8_t)type);
	at = w->len;
	wire_write_u16(w, 0);
	return at;
}

void message_end(struct wire_writer *w, size_t at)
{
	if (!w->failed)
		wire_patch_u16(w, at, (uint16_t)(w->len - at - 2));
}

void message_member(struct wire_writer *w, const struct member *member, struct instant now)
{
	size_t at = message_begin(w, MESSAGE_MEMBER);

	wire_write_text(w, member->name);
	wire_write_u64(w, member->instance);
	wire_write_u8(w, (uint8_t)member->endpoint_n);
	for (size_t i = 0; i < member->endpoint_n; i++) {
		wire_write_ip(w, member->endpoints[i].ip);
		wire_write_u16(w, member->endpoints[i].port);
	}
	wire_write_u32(w, member->incarnation);
	wire_write_u8(w, (uint8_t)member->state);
	wire_write_u32(w, (uint32_t)(instant_since(now, member->since).us / span_s(1).us));
	wire_write_u16(w, member->meta_len);
	wire_write_bytes(w, member->meta, member->meta_len);
	message_end(w, at);
}

static void read_endpoints(struct wire_reader *r, struct member_record *record)
{
	record->endpoint_n = wire_read_u8(r);
	if (record->endpoint_n == 0 || record->endpoint_n > PATH_MAX_N) {
		wire_fail(r);
		return;
	}
	for (size_t i = 0; i < record->endpoint_n; i++) {
		record->endpoints[i].ip = wire_read_ip(r);
		record->endpoints[i].port = wire_read_u16(r);
		if (record->endpoints[i].ip.family == IP_NONE)
			wire_fail(r);
	}
}

/* Names reach logs and terminals: nothing in them may be a control character or a quote. */
static bool name_printable(const char *name)
{
	for (; *name != '\0'; name++) {
		unsigned char c = (unsigned char)*name;

		if (c <= ' ' || c == 0x7f || c == '"' || c == '\\')
			return false;
	}
	return true;
}

bool member_record_read(struct wire_reader *r, struct member_record *record)
{
	wire_read_text(r, record->name, sizeof(record->name));
	record->instance = wire_read_u64(r);
	read_endpoints(r, record);
	record->incarnation = wire_read_u32(r);
	record->state = wire_read_u8(r);
	record->age_s = wire_read_u32(r);
	record->meta_len = wire_read_u16(r);
	if (record->incarnation > INCARNATION_MAX || record->meta_len > META_LEN_MAX || record->name[0] == '\0' ||
	    record->instance == 0 || record->state < GOSSIP_ALIVE || record->state > GOSSIP_LEFT ||
	    !name_printable(record->name))
		wire_fail(r);
	record->meta = wire_read_view(r, record->meta_len);
	return !r->failed;
}

/* What a quorum found moments ago. Later it is hearsay, which may come from the other half of a healed partition. */
static bool fresh_verdict(const struct member *member, struct instant now)
{
	return member->state == GOSSIP_DEAD && member->proof != GOSSIP_PROOF_NONE &&
	       instant_since(now, member->since).us < span_ms(VERDICT_MS).us;
}

void message_state(struct wire_writer *w, const struct member *member, struct instant now)
{
	size_t at = message_begin(w, MESSAGE_STATE);

	wire_write_u64(w, member->instance);
	wire_write_u32(w, member->incarnation);
	wire_write_u8(w, (uint8_t)member->state);
	if (member->state == GOSSIP_SUSPECT && member->accuser_n > 0)
		wire_write_u64(w, member->accusers[member->accuser_n - 1]);
	else
		wire_write_u64(w, fresh_verdict(member, now) ? (uint64_t)member->proof : 0);
	message_end(w, at);
}

void message_item(struct wire_writer *w, const struct gossip_item *item)
{
	size_t at = message_begin(w, MESSAGE_ITEM);

	wire_write_u64(w, item->origin);
	wire_write_u32(w, item->version);
	wire_write_u8(w, item->key_len);
	wire_write_bytes(w, item->key, item->key_len);
	wire_write_u8(w, item->value_len);
	wire_write_bytes(w, item->value, item->value_len);
	message_end(w, at);
}
