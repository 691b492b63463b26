/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gossip core under arbitrary authenticated packets and events. The input is a script: a kind u8, then what it needs
 * (below). Sender 1 to 3 are members that joined properly; 0 is a stranger. After each event: bounds of what came out, members
 * in order of name, ourselves among them, and a deadline that does not spin.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/wire.h"
#include "gossip/gossip.h"
#include "gossip/seal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { PEER_N = 3, BODY_MAX = 2048, EVENT_MAX = 64, SPIN_MAX = 10000 };

/* Kinds of the script: packet (sender u8, flags u8, length u16, body), tick (delay u16 in ms), item, metadata, leave. */
enum { DO_PACKET, DO_TICK, DO_ITEM, DO_META, DO_LEAVE, DO_N };

struct run {
	struct gossip *g; /* owned */
	struct instant now;
	uint64_t counters[PEER_N + 1];
};

static struct gossip_out out;

static void check(bool good)
{
	if (!good)
		abort();
}

static struct endpoint endpoint_of(uint8_t last)
{
	return (struct endpoint){ ip_from_v4((const uint8_t[]){ 10, 0, 0, last }), 7946 };
}

static void check_out(void)
{
	check(out.action_n <= GOSSIP_ACTION_MAX && out.arena_len <= GOSSIP_ARENA_LEN);
	for (size_t i = 0; i < out.action_n; i++) {
		const struct gossip_action *action = &out.actions[i];

		if (action->kind != GOSSIP_ACTION_SEND)
			continue;
		check(action->send.len > 0 && action->send.len + SEAL_OVERHEAD <= PACKET_LEN_MIN);
		check(action->send.body >= out.arena &&
		      action->send.body + action->send.len <= out.arena + GOSSIP_ARENA_LEN);
	}
}

static void check_members(const struct gossip *g)
{
	struct gossip_member member, found;
	const char *former = "";
	size_t self_n = 0;

	for (size_t i = 0; i < gossip_member_n(g); i++) {
		gossip_member_at(g, i, &member);
		check(strcmp(former, member.name) < 0);
		check(member.state >= GOSSIP_ALIVE && member.state <= GOSSIP_LEFT && member.meta_len <= META_LEN_MAX);
		check(gossip_member_find(g, member.instance, &found) && found.name == member.name);
		self_n += member.self;
		former = member.name;
	}
	check(self_n == 1);
}

static void step(struct run *run, struct gossip_event *event)
{
	event->now = run->now;
	gossip_step(run->g, event, &out);
	check_out();
}

/* Tick until the core is content, as the daemon does. */
static void settle(struct run *run)
{
	int spins = 0;

	for (; instant_reached(gossip_deadline(run->g), run->now); spins++) {
		struct gossip_event tick = { .kind = GOSSIP_EVENT_TICK };

		check(spins < SPIN_MAX);
		step(run, &tick);
	}
}

static void packet(struct run *run, uint8_t sender, bool to_anyone, const uint8_t *body, size_t len)
{
	struct gossip_event event = { .kind = GOSSIP_EVENT_PACKET };

	event.packet.from = endpoint_of((uint8_t)(sender + 2));
	event.packet.received = run->now;
	event.packet.sender = 0x2000u + sender;
	event.packet.counter = ++run->counters[sender];
	event.packet.to_anyone = to_anyone;
	event.packet.body = body;
	event.packet.len = len;
	step(run, &event);
}

/* HELLO, then JOIN with the cookie of the answer: a member like any other. */
static void join(struct run *run, uint8_t sender)
{
	uint8_t body[256] = { 8, 0, 61 };
	struct wire_writer w = wire_writer_of(body, sizeof(body));
	struct wire_reader r;
	const char name[] = { 'p', (char)('0' + sender), '\0' };
	struct endpoint endpoint = endpoint_of((uint8_t)(sender + 2));
	size_t at;

	packet(run, sender, true, body, 64);
	check(out.action_n > 0 && out.actions[0].kind == GOSSIP_ACTION_SEND && out.actions[0].send.len == 19);
	r = wire_reader_of(out.actions[0].send.body, out.actions[0].send.len);
	(void)wire_read_view(&r, 11);
	wire_write_u8(&w, 10);
	wire_write_u16(&w, 21);
	wire_write_u64(&w, wire_read_u64(&r));
	wire_write_bytes(&w, (const uint8_t[13]){ 0 }, 13);
	wire_write_u8(&w, 5);
	at = w.len;
	wire_write_u16(&w, 0);
	wire_write_text(&w, name);
	wire_write_u64(&w, 0x2000u + sender);
	wire_write_u8(&w, 1);
	wire_write_ip(&w, endpoint.ip);
	wire_write_u16(&w, endpoint.port);
	wire_write_u32(&w, 1);
	wire_write_u8(&w, GOSSIP_ALIVE);
	wire_write_u32(&w, 0);
	wire_write_u16(&w, 0);
	wire_patch_u16(&w, at, (uint16_t)(w.len - at - 2));
	packet(run, sender, false, body, w.len);
}

static struct run begin(void)
{
	static struct gossip_config config;
	struct run run = { .now = { 100000000 } };

	memset(&config, 0, sizeof(config));
	strcpy(config.name, "self");
	config.instance = 0x1000;
	config.endpoint_n = 1;
	config.endpoints[0] = endpoint_of(1);
	gossip_timers_lan(&config.timers);
	config.packet_len_max = PACKET_LEN_MIN;
	config.member_max = 16;
	config.item_max = 32;
	config.seed_n = 1;
	config.seeds[0] = endpoint_of(9);
	run.g = gossip_new(&config, 1, run.now);
	check(run.g != NULL);
	settle(&run);
	for (unsigned int i = 1; i <= PEER_N; i++)
		join(&run, (uint8_t)i);
	check(gossip_member_n(run.g) == PEER_N + 1);
	return run;
}

static void do_packet(struct run *run, struct wire_reader *r)
{
	uint8_t sender = wire_read_u8(r) % (PEER_N + 1);
	uint8_t flags = wire_read_u8(r);
	size_t len = wire_read_u16(r);
	const uint8_t *view;
	uint8_t *exact;

	if (len > BODY_MAX)
		len = BODY_MAX;
	if (len > wire_left(r))
		len = wire_left(r);
	view = wire_read_view(r, len);
	exact = malloc(len > 0 ? len : 1); /* a read past its end is seen */
	check(exact != NULL);
	if (view != NULL && len > 0)
		memcpy(exact, view, len);
	packet(run, sender, flags & 1, exact, view != NULL ? len : 0);
	free(exact);
}

static void do_bytes(struct run *run, struct wire_reader *r, bool item)
{
	struct gossip_event event = { .kind = item ? GOSSIP_EVENT_ITEM : GOSSIP_EVENT_META };
	uint8_t key_len = (uint8_t)(1 + wire_read_u8(r) % ITEM_KEY_MAX);
	uint8_t value_len = (uint8_t)(wire_read_u8(r) % (ITEM_VALUE_MAX + 1));
	uint8_t bytes[ITEM_KEY_MAX + ITEM_VALUE_MAX];

	wire_read_bytes(r, bytes, sizeof(bytes) < wire_left(r) ? sizeof(bytes) : 0);
	if (r->failed)
		return;
	if (item) {
		event.item.key = bytes;
		event.item.key_len = key_len;
		event.item.value = bytes + ITEM_KEY_MAX;
		event.item.value_len = value_len;
	} else {
		event.meta.bytes = bytes;
		event.meta.len = value_len;
	}
	step(run, &event);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct wire_reader r = wire_reader_of(data, len);
	struct gossip_event leave = { .kind = GOSSIP_EVENT_LEAVE };
	struct run run = begin();

	for (int i = 0; i < EVENT_MAX && wire_left(&r) > 0; i++) {
		switch (wire_read_u8(&r) % DO_N) {
		case DO_PACKET:
			do_packet(&run, &r);
			break;
		case DO_TICK:
			run.now = instant_add(run.now, span_ms(wire_read_u16(&r)));
			break;
		case DO_ITEM:
			do_bytes(&run, &r, true);
			break;
		case DO_META:
			do_bytes(&run, &r, false);
			break;
		case DO_LEAVE:
			step(&run, &leave);
			break;
		}
		settle(&run);
		check_members(run.g);
	}
	gossip_free(run.g);
	return 0;
}
