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

bool packet_begin(struct gossip *g, struct packet *packet, struct endpoint to, uint64_t receiver)
{
	if (!packet_room(g))
		return false;
	packet->to = to;
	packet->receiver = receiver;
	packet->w = wire_writer_of(g->out->arena + g->out->arena_len, g->config.packet_len_max - SEAL_OVERHEAD);
	return true;
}

bool packet_begin_member(struct gossip *g, struct packet *packet, const struct member *member)
{
	return packet_begin(g, packet, member->endpoint, member->instance);
}

static void add_send(struct gossip *g, const struct packet *packet)
{
	struct gossip_action *action = action_add(g, GOSSIP_ACTION_SEND);

	action->send.to = packet->to;
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
	wire_write_ip(w, member->endpoint.ip);
	wire_write_u16(w, member->endpoint.port);
	wire_write_u32(w, member->incarnation);
	wire_write_u8(w, (uint8_t)member->state);
	wire_write_u32(w, (uint32_t)(instant_since(now, member->since).us / span_s(1).us));
	wire_write_u16(w, member->meta_len);
	wire_write_bytes(w, member->meta, member->meta_len);
	message_end(w, at);
}

bool member_record_read(struct wire_reader *r, struct member_record *record)
{
	wire_read_text(r, record->name, sizeof(record->name));
	record->instance = wire_read_u64(r);
	record->endpoint.ip = wire_read_ip(r);
	record->endpoint.port = wire_read_u16(r);
	record->incarnation = wire_read_u32(r);
	record->state = wire_read_u8(r);
	record->age_s = wire_read_u32(r);
	record->meta_len = wire_read_u16(r);
	if (record->incarnation > INCARNATION_MAX || record->meta_len > META_LEN_MAX || record->name[0] == '\0' ||
	    record->instance == 0 || record->state < GOSSIP_ALIVE || record->state > GOSSIP_LEFT ||
	    record->endpoint.ip.family == IP_NONE)
		wire_fail(r);
	record->meta = wire_read_view(r, record->meta_len);
	return !r->failed;
}

void message_state(struct wire_writer *w, const struct member *member)
{
	size_t at = message_begin(w, MESSAGE_STATE);

	wire_write_u64(w, member->instance);
	wire_write_u32(w, member->incarnation);
	wire_write_u8(w, (uint8_t)member->state);
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
