/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One gossip core against peers made by hand, for the unit tests of gossip/: drives it in virtual time, keeps what it does, and
 * writes what peers say byte by byte, as docs/PROTOCOL.md has it, so that a change of the wire format shows. In a header, because
 * each unit test is one file; static inline, because none uses all of it.
 */
#ifndef MLB_TESTS_UNIT_TEST_GOSSIP_PEER_H
#define MLB_TESTS_UNIT_TEST_GOSSIP_PEER_H

#include <check.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/wire.h"
#include "gossip/gossip.h"
#include "gossip/seal.h"

/* Types of messages, docs/PROTOCOL.md. */
enum { PING = 1, ACK, PING_REQ, ACK_VIA, MEMBER, STATE, ITEM, HELLO, HELLO_ACK, JOIN, JOIN_ACK, REFUSED, RAISE };

#define SELF_INSTANCE UINT64_C(0x1000)
#define SECOND INT64_C(1000000)
#define MS INT64_C(1000)
#define SEEN_MAX 4096
#define POOL_LEN (4 * 1024 * 1024)

struct peer {
	const char *name;
	uint64_t instance;
	struct endpoint endpoint;
	uint64_t counter;
	uint32_t incarnation;
	struct endpoint second; /* of its other path; family 0: none */
};

/* An action and when it came; bodies of packets are copied. */
struct seen {
	int64_t us;
	struct gossip_action action;
};

static struct gossip *g;
static struct gossip_config config;
static struct gossip_out out;
static struct instant now;
static struct seen seen[SEEN_MAX];
static size_t seen_n;
static uint8_t pool[POOL_LEN];
static size_t pool_len;
static uint8_t receive_path; /* on which packets come in */

static inline struct endpoint endpoint_of(uint8_t last)
{
	return (struct endpoint){ ip_from_v4((const uint8_t[]){ 10, 0, 0, last }), 7946 };
}

static inline struct peer peer_of(const char *name, uint8_t last)
{
	return (struct peer){ .name = name,
			      .instance = UINT64_C(0x2000) + last,
			      .endpoint = endpoint_of(last),
			      .counter = 1000,
			      .incarnation = 1 };
}

/* --- driving the core ------------------------------------------------------------------------------------------------- */

static inline void forget_seen(void)
{
	seen_n = 0;
	pool_len = 0;
}

static inline void step(struct gossip_event *event)
{
	event->now = now;
	if (event->kind == GOSSIP_EVENT_PACKET)
		event->packet.received = now;
	gossip_step(g, event, &out);
	for (size_t i = 0; i < out.action_n; i++) {
		struct seen *s = &seen[seen_n++];

		ck_assert_uint_lt(seen_n, SEEN_MAX);
		*s = (struct seen){ now.us, out.actions[i] };
		if (s->action.kind != GOSSIP_ACTION_SEND)
			continue;
		ck_assert_uint_gt(s->action.send.len, 0);
		ck_assert_uint_le(s->action.send.len + SEAL_OVERHEAD, config.packet_len_max);
		ck_assert_uint_le(pool_len + s->action.send.len, POOL_LEN);
		memcpy(pool + pool_len, s->action.send.body, s->action.send.len);
		s->action.send.body = pool + pool_len;
		pool_len += s->action.send.len;
	}
}

static inline void tick(void)
{
	step(&(struct gossip_event){ .kind = GOSSIP_EVENT_TICK });
}

/* Tick whenever the core wants it, up to and including at_us. */
static inline void run_until(int64_t at_us)
{
	while (gossip_deadline(g).us <= at_us) {
		if (gossip_deadline(g).us > now.us)
			now = gossip_deadline(g);
		tick();
	}
	now.us = at_us;
}

static inline void run(int64_t us)
{
	run_until(now.us + us);
}

static inline void receive_as(struct peer *peer, struct endpoint from, bool to_anyone, const struct wire_writer *w)
{
	struct gossip_event event = { .kind = GOSSIP_EVENT_PACKET };
	uint8_t *exact = malloc(w->len > 0 ? w->len : 1); /* so that a read past the end is seen by the sanitizer */

	ck_assert(!w->failed && exact != NULL);
	memcpy(exact, w->data, w->len);
	event.packet.from = from;
	event.packet.path = receive_path;
	event.packet.sender = peer->instance;
	event.packet.counter = ++peer->counter;
	event.packet.to_anyone = to_anyone;
	event.packet.body = exact;
	event.packet.len = w->len;
	step(&event);
	free(exact);
}

static inline void receive(struct peer *peer, const struct wire_writer *w)
{
	receive_as(peer, peer->endpoint, false, w);
}

static inline void new_node(int64_t at_us)
{
	gossip_free(g);
	now = (struct instant){ at_us };
	forget_seen();
	g = gossip_new(&config, 7, now);
	ck_assert_ptr_nonnull(g);
}

/* SWIM alone: the watchers sleep. */
static inline void setup(void)
{
	memset(&config, 0, sizeof(config));
	strcpy(config.name, "self");
	config.instance = SELF_INSTANCE;
	config.endpoint_n = 1;
	config.endpoints[0] = endpoint_of(1);
	gossip_timers_lan(&config.timers);
	config.timers.beat_interval = span_s(100000);
	config.timers.silence =
		span_s(7000); /* half of it is less than the hour since which hearsay members count as unheard */
	config.timers.verify = span_s(7000);
	config.packet_len_max = PACKET_LEN_DEFAULT;
	config.member_max = 32;
	config.item_max = 64;
	config.meta_len = 3;
	memcpy(config.meta, "abc", 3);
	new_node(100 * SECOND);
	tick();
}

static inline void teardown(void)
{
	gossip_free(g);
	g = NULL;
}

/* --- writing and reading messages ------------------------------------------------------------------------------------- */

static uint8_t body[2048];

static inline struct wire_writer empty(void)
{
	return wire_writer_of(body, sizeof(body));
}

static inline size_t begin(struct wire_writer *w, uint8_t type)
{
	wire_write_u8(w, type);
	wire_write_u16(w, 0);
	return w->len;
}

static inline void end(struct wire_writer *w, size_t at)
{
	wire_patch_u16(w, at - 2, (uint16_t)(w->len - at));
}

static inline void put_record(struct wire_writer *w, const struct peer *peer, enum gossip_state state, const char *meta)
{
	size_t at = begin(w, MEMBER);

	wire_write_text(w, peer->name);
	wire_write_u64(w, peer->instance);
	wire_write_u8(w, peer->second.ip.family == IP_NONE ? 1 : 2);
	wire_write_ip(w, peer->endpoint.ip);
	wire_write_u16(w, peer->endpoint.port);
	if (peer->second.ip.family != IP_NONE) {
		wire_write_ip(w, peer->second.ip);
		wire_write_u16(w, peer->second.port);
	}
	wire_write_u32(w, peer->incarnation);
	wire_write_u8(w, (uint8_t)state);
	wire_write_u32(w, 0);
	wire_write_u16(w, (uint16_t)strlen(meta));
	wire_write_bytes(w, meta, strlen(meta));
	end(w, at);
}

static inline void put_accusation(struct wire_writer *w, uint64_t instance, uint32_t incarnation, uint8_t state,
				  uint64_t accuser)
{
	size_t at = begin(w, STATE);

	wire_write_u64(w, instance);
	wire_write_u32(w, incarnation);
	wire_write_u8(w, state);
	wire_write_u64(w, accuser);
	end(w, at);
}

static inline void put_state(struct wire_writer *w, uint64_t instance, uint32_t incarnation, uint8_t state)
{
	put_accusation(w, instance, incarnation, state, 0);
}

static inline void put_item(struct wire_writer *w, uint64_t origin, uint32_t version, const char *key,
			    const char *value)
{
	size_t at = begin(w, ITEM);

	wire_write_u64(w, origin);
	wire_write_u32(w, version);
	wire_write_text(w, key);
	wire_write_text(w, value);
	end(w, at);
}

/* PING and ACK of a peer without items. */
static inline void put_ping(struct wire_writer *w, uint8_t type, uint32_t seq, const struct peer *peer)
{
	size_t at = begin(w, type);

	wire_write_u32(w, seq);
	wire_write_u32(w, peer->incarnation);
	wire_write_u32(w, 0);
	wire_write_u64(w, 0);
	end(w, at);
}

/* The next message of that type to that instance (0: anybody) at or after *at; *at moves past its packet. */
static inline bool next_message(size_t *at, uint64_t receiver, uint8_t type, struct wire_reader *ret)
{
	for (; *at < seen_n; (*at)++) {
		const struct gossip_action *action = &seen[*at].action;
		struct wire_reader r = wire_reader_of(action->send.body, action->send.len);

		if (action->kind != GOSSIP_ACTION_SEND || (receiver != 0 && action->send.receiver != receiver))
			continue;
		while (wire_left(&r) > 0) {
			uint8_t found = wire_read_u8(&r);
			struct wire_reader message = wire_read_sub(&r, wire_read_u16(&r));

			ck_assert(!r.failed);
			if (found == type) {
				*ret = message;
				(*at)++;
				return true;
			}
		}
	}
	return false;
}

static inline size_t count_messages(uint64_t receiver, uint8_t type)
{
	struct wire_reader r;
	size_t at = 0;
	size_t n = 0;

	while (next_message(&at, receiver, type, &r))
		n++;
	return n;
}

static inline struct wire_reader expect_message(uint64_t receiver, uint8_t type)
{
	struct wire_reader r = { 0 };
	size_t at = 0;

	ck_assert_msg(next_message(&at, receiver, type, &r), "no message of type %d", type);
	return r;
}

static inline size_t count_kind(enum gossip_action_kind kind)
{
	size_t n = 0;

	for (size_t i = 0; i < seen_n; i++)
		n += seen[i].action.kind == kind;
	return n;
}

/* The last thing said about a member, or NULL. */
static inline const struct seen *last_news(uint64_t instance)
{
	for (size_t i = seen_n; i > 0; i--) {
		if (seen[i - 1].action.kind == GOSSIP_ACTION_MEMBER && seen[i - 1].action.member.instance == instance)
			return &seen[i - 1];
	}
	return NULL;
}

static inline enum gossip_state state_of(uint64_t instance)
{
	struct gossip_member member;

	return gossip_member_find(g, instance, &member) ? member.state : 0;
}

static inline uint32_t incarnation_of(uint64_t instance)
{
	struct gossip_member member;

	ck_assert(gossip_member_find(g, instance, &member));
	return member.incarnation;
}

static inline uint64_t drops(enum gossip_drop drop)
{
	struct gossip_stats stats;

	gossip_stats_get(g, &stats);
	return stats.drops[drop];
}

static inline void say_hello(struct peer *peer, uint64_t nonce)
{
	struct wire_writer w = empty();
	static const uint8_t zero[64];
	size_t at = begin(&w, HELLO);

	wire_write_u64(&w, nonce);
	wire_write_bytes(&w, zero, 64 - w.len);
	end(&w, at);
	receive_as(peer, peer->endpoint, true, &w);
}

static inline uint64_t get_cookie(struct peer *peer)
{
	struct wire_reader r;

	forget_seen();
	say_hello(peer, 77);
	r = expect_message(peer->instance, HELLO_ACK);
	ck_assert_uint_eq(wire_read_u64(&r), 77);
	return wire_read_u64(&r);
}

static inline void put_join(struct wire_writer *w, const struct peer *peer, uint64_t cookie, uint8_t opinion)
{
	size_t at = begin(w, JOIN);

	wire_write_u64(w, cookie);
	wire_write_u64(w, 77);
	wire_write_u8(w, opinion);
	wire_write_u32(w, opinion != 0 ? 1 : 0);
	end(w, at);
	put_record(w, peer, GOSSIP_ALIVE, "meta");
}

static inline void join(struct peer *peer)
{
	uint64_t cookie = get_cookie(peer);
	struct wire_writer w = empty();

	put_join(&w, peer, cookie, 0);
	receive(peer, &w);
	ck_assert_int_eq(state_of(peer->instance), GOSSIP_ALIVE);
}

/* Somebody who is known by hearsay. */
static inline void introduce(struct peer *teller, const struct peer *about)
{
	struct wire_writer w = empty();

	put_record(&w, about, GOSSIP_ALIVE, "meta");
	receive(teller, &w);
	ck_assert_int_eq(state_of(about->instance), GOSSIP_ALIVE);
}

static inline void claim(struct peer *teller, uint64_t instance, uint32_t incarnation, enum gossip_state state)
{
	struct wire_writer w = empty();

	put_state(&w, instance, incarnation, (uint8_t)state);
	receive(teller, &w);
}

/* Answer every PING to this peer in what was seen. */
static inline void answer_pings(struct peer *peer, size_t *at)
{
	struct wire_reader r;

	while (next_message(at, peer->instance, PING, &r)) {
		struct wire_writer w = empty();

		put_ping(&w, ACK, wire_read_u32(&r), peer);
		receive(peer, &w);
	}
}

#endif
