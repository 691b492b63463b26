/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of gossip/ share among themselves. Nobody else includes it. */
#ifndef MLB_GOSSIP_INTERNAL_H
#define MLB_GOSSIP_INTERNAL_H

#include "base/rng.h"
#include "base/wire.h"
#include "gossip/gossip.h"
#include "gossip/lastword.h"
#include "gossip/seal.h"
#include "gossip/watch.h"

/* No slot: members and items are named by their index in fixed tables. */
#define SLOT_NONE UINT32_MAX

/* No member raises its incarnation so often; above it the next one might wrap. */
#define INCARNATION_MAX (UINT32_MAX / 2)

/* Replay window in packets (RFC 6479: a bitmap that slides). */
#define REPLAY_WINDOW 1024

/* Rumours about to go to everybody at once: now and at the next two gossip intervals. */
#define URGENT_ROUNDS 3

/* Up to so many live members an urgent rumour is sent to each directly. */
#define URGENT_MEMBER_MAX 128

/* In a larger cluster each who hears of it for the first time tells so many: all but 0.03 % hear it in the first wave. */
#define URGENT_FANOUT 8

/* Datagrams of state that one step sends to one peer; the rest follows a millisecond later. */
#define PUSH_BURST 16

/* Peers that are being given the full state at one time. More wait for their own next try. */
#define PUSH_MAX 16

/* Shares of the probe timeout, in per cent, after which a relay says that it has no answer either (Lifeguard IV.A). */
#define NACK_PERCENT 80

/* Probes of others that we relay at one time (SWIM 4.1). */
#define RELAY_MAX 64

/* HELLOs whose answer is awaited. */
#define HELLO_MAX 64

/* Accusers of one suspect that count: the first and SUSPICION_CONFIRMATIONS independent ones (Lifeguard IV.B: K = 3). */
#define SUSPICION_CONFIRMATIONS 3
#define ACCUSER_MAX (SUSPICION_CONFIRMATIONS + 1)

/* Deaths and departures that we repeat to a neighbour whose view differs, and for how long. */
#define VERDICT_MAX 64
#define VERDICT_MS 2000

/* How long a cookie is good: the bucket that made it and the next. */
#define COOKIE_BUCKET_S 10

/* A newcomer whose name is refused keeps asking for so long: the former run may be dying just now. */
#define REFUSED_PATIENCE_MS 1000

enum message_type {
	MESSAGE_PING = 1,
	MESSAGE_ACK,
	MESSAGE_PING_REQ,
	MESSAGE_ACK_VIA,
	MESSAGE_MEMBER,
	MESSAGE_STATE,
	MESSAGE_ITEM,
	MESSAGE_HELLO,
	MESSAGE_HELLO_ACK,
	MESSAGE_JOIN,
	MESSAGE_JOIN_ACK,
	MESSAGE_REFUSED,
	MESSAGE_RAISE,
	MESSAGE_STATE_END,
	MESSAGE_SYNC,
	MESSAGE_SYNC_LIST,
	MESSAGE_PULL,
	MESSAGE_ITEMS_END,
	MESSAGE_BEAT,
	MESSAGE_WATCH,
	MESSAGE_NACK,
	MESSAGE_LAST_WORD = LAST_WORD_TYPE,
	MESSAGE_TYPE_N
};

/* A rumour's place in the queue; every member and every item has one. `next` and `previous` are references, see rumour.c. */
struct rumour {
	uint32_t next;
	uint32_t previous;
	bool queued;
	uint8_t urgent; /* rounds left */
	uint16_t sent;
};

struct replay {
	bool started;
	uint64_t top; /* highest counter seen */
	uint64_t seen[REPLAY_WINDOW / 64];
};

struct member {
	bool used;
	bool newcomer; /* it said that it has not joined yet */
	char name[NODE_NAME_MAX + 1];
	uint64_t key; /* hash of the name */
	uint64_t instance;
	size_t endpoint_n;
	struct endpoint endpoints[PATH_MAX_N];
	struct instant path_heard[PATH_MAX_N]; /* last packet on each path */
	uint32_t incarnation;
	enum gossip_state state;
	uint8_t health; /* its own word */
	struct instant since;
	struct instant heard;	/* last authenticated packet from it */
	struct instant dead_at; /* SUSPECT: when it counts as dead */
	uint64_t accusers[ACCUSER_MAX];
	enum gossip_proof
		proof; /* DEAD: how well that is known. On the wire in the place of the accuser: no instance is so small */
	bool doubted; /* as last told */
	uint8_t accuser_n;
	struct instant retold;	      /* last time that our verdicts were repeated to it */
	struct instant differs_since; /* its view has been another one than ours; NEVER: the same */
	uint64_t digest;	      /* its share of member_digest */
	struct instant nudged;	      /* last suspicion ping, or last word that we hold it for dead */
	struct instant pulled;	      /* last PULL for its items */
	struct span rtt;
	struct replay replay;
	struct rumour rumour;
	uint32_t item_head; /* its items in order of version */
	uint32_t item_tail;
	uint32_t item_n;
	uint32_t item_top;	/* highest version that we know */
	uint32_t item_complete; /* nothing is missing up to this version */
	uint64_t item_digest;	/* exclusive or over its items */
	uint16_t meta_len;
	uint8_t meta[META_LEN_MAX];
};

struct item {
	bool used;
	uint32_t owner; /* member slot */
	uint32_t next;	/* of the same owner, by version; free list while unused */
	uint32_t previous;
	struct rumour rumour;
	struct gossip_item value;
};

/* One state transfer to one peer. */
struct push {
	bool used;
	uint8_t path;
	struct endpoint to;
	uint64_t receiver;
	uint32_t member_at; /* position in name order */
	uint32_t item_at;   /* next item slot */
	struct instant at;
};

struct relay {
	uint32_t seq; /* of our own ping to the target */
	uint32_t origin_seq;
	uint64_t origin;	/* 0: unused */
	struct instant nack_at; /* NEVER once it was sent */
	struct instant until;
};

/* A member that died or left a moment ago. */
struct verdict {
	uint64_t instance;
	struct instant at;
};

struct hello {
	uint64_t nonce;
	struct endpoint to;
	struct instant until;
};

struct probe {
	uint32_t target; /* slot, SLOT_NONE: none outstanding */
	uint64_t instance;
	uint32_t seq;
	struct instant sent;
	struct instant indirect_at; /* NEVER once the relays were asked */
	struct instant fail_at;
	unsigned int relay_n; /* asked */
	unsigned int nack_n;  /* of those, that said they had no answer either */
};

struct gossip {
	struct gossip_config config;
	struct rng rng;
	uint8_t cookie_key[16];
	uint64_t counter;
	uint32_t seq;
	struct instant now;	/* of the step that runs */
	struct instant due;	/* what gossip_deadline said after the last step */
	struct gossip_out *out; /* borrowed for the step */

	struct member *members; /* owned, member_max */
	uint32_t *order;	/* owned: slots by name */
	size_t member_n;
	uint32_t *by_instance;	/* owned: open addressing, slot or SLOT_NONE */
	size_t by_instance_len; /* power of two */
	uint32_t self;
	uint32_t live_n; /* alive and suspect, ourselves included */
	uint32_t suspect_n;
	uint32_t down_n;	/* dead and left */
	uint64_t member_digest; /* of all members' instances, incarnations and settled states */
	size_t verdict_n;	/* ever; the ring holds the last VERDICT_MAX */
	struct verdict verdicts[VERDICT_MAX];
	uint8_t health;		   /* of our own */
	struct instant lag_at;	   /* when our lateness, watch.lag, is halved next */
	struct instant refresh_at; /* the rings are not computed anew before */
	struct instant list_at;	   /* when lists may be exchanged again because heartbeats differ */
	uint8_t reply_path;	   /* where the packet of this step came in */

	struct item *items; /* owned, item_max */
	uint32_t item_free;
	uint32_t item_touched; /* slots below were used at least once */
	size_t item_n;
	uint32_t *by_item; /* owned: open addressing by origin and key */
	size_t by_item_len;

	uint32_t rumour_head;
	uint32_t rumour_tail;
	size_t rumour_n;
	size_t urgent_n;      /* rumours with urgent rounds left */
	uint64_t urgent_made; /* ever */
	uint64_t urgent_said; /* urgent_made when they were last sent */

	uint32_t *probe_list; /* owned: slots, shuffled */
	size_t probe_n;
	size_t probe_at_index;
	struct probe probe;
	struct instant probe_at;
	struct instant gossip_at;
	struct instant sync_at;
	struct instant redial_at;
	struct instant reap_at;
	struct instant join_at; /* NEVER once joined */
	struct instant leave_at;
	size_t redial_index;
	bool joined;
	bool contacted;	      /* a peer has given us its state */
	unsigned int hurry_n; /* turns since then */
	bool leaving;
	bool left;
	bool missed;		   /* we were held for dead, and told nothing meanwhile: ask who says so */
	bool view_changed;	   /* the watch rings are to be computed anew */
	bool conflict;		   /* GOSSIP_ACTION_CONFLICT was said */
	struct instant refused_at; /* first REFUSED; NEVER: none */
	struct instant refused_last;
	struct watch watch;
	struct watch_out watch_out;
	struct watch_member *ring_members; /* owned, member_max */
	struct push pushes[PUSH_MAX];
	struct relay relays[RELAY_MAX];
	struct instant relay_at; /* when the next nack is due, or earlier */
	struct hello hellos[HELLO_MAX];
	size_t hello_next;
	struct gossip_stats stats;
};

/* --- packet.c: building datagrams --- */
struct packet {
	struct wire_writer w;
	struct endpoint to;
	uint8_t path;
	uint64_t receiver;
};

/* Room for at least one more datagram and its action? */
bool packet_room(const struct gossip *g);
/* Begin a datagram; false without room (then nothing is sent: to the peer it looks like loss). */
bool packet_begin(struct gossip *g, struct packet *packet, struct endpoint to, uint8_t path, uint64_t receiver);
/* By the path that was heard last, to the endpoint at its other end. */
bool packet_begin_member(struct gossip *g, struct packet *packet, const struct member *member);
/* The way back: on the path that the packet of this step came by, if the member has it. */
bool packet_begin_reply(struct gossip *g, struct packet *packet, const struct member *member);
/* Begin on this path; false also when the two have no such path in common. */
bool packet_begin_path(struct gossip *g, struct packet *packet, const struct member *member, uint8_t path);
/* Which of our endpoints to use towards a stranger: one of its family, the nearest by prefix. */
uint8_t path_towards(const struct gossip *g, struct endpoint to);
/* Set receiver, address and path of a packet that is sent once more. */
void packet_readdress(const struct gossip *g, struct packet *packet, const struct member *member);
/* Send it, with rumours in what room is left (not to `anyone`). */
void packet_finish(struct gossip *g, struct packet *packet);
/* Send the same bytes to another receiver (no piggyback). */
void packet_finish_plain(struct gossip *g, struct packet *packet);
/* A message's type and length; returns where it began, for message_end. */
size_t message_begin(struct wire_writer *w, enum message_type type);
void message_end(struct wire_writer *w, size_t at);
void message_member(struct wire_writer *w, const struct member *member, struct instant now);
void message_state(struct wire_writer *w, const struct member *member, struct instant now);
void message_item(struct wire_writer *w, const struct gossip_item *item);

/* --- member.c --- */
struct member_record {
	char name[NODE_NAME_MAX + 1];
	uint64_t instance;
	size_t endpoint_n;
	struct endpoint endpoints[PATH_MAX_N];
	uint32_t incarnation;
	enum gossip_state state;
	uint32_t age_s; /* in that state */
	uint16_t meta_len;
	const uint8_t *meta;
};

bool member_record_read(struct wire_reader *r, struct member_record *record);
struct member *member_find(const struct gossip *g, uint64_t instance);
struct member *member_named(const struct gossip *g, const char *name);
struct member *self_of(const struct gossip *g);
bool member_live(const struct member *member);
/* Suspicion is passing and differs between members: digests and lists speak of it as alive. */
enum gossip_state state_settled(enum gossip_state state);
/* Add ourselves at the start. */
void member_add_self(struct gossip *g);
/* A record came: add, replace, update as the precedence says. Returns the member, or NULL when it was not taken. */
struct member *member_take(struct gossip *g, const struct member_record *record, enum gossip_reason reason);
/* SWIM 4.2 precedence for one claim about one instance. */
void member_claim(struct gossip *g, struct member *member, enum gossip_state state, uint32_t incarnation,
		  enum gossip_reason reason);
/* It is dead, and so well is that known; what is known better of one that is dead already is taken too. */
void member_die(struct gossip *g, struct member *member, uint32_t incarnation, enum gossip_reason reason,
		enum gossip_proof proof);
/* `accuser` suspects it by its own probes; 0: hearsay, which confirms nothing. */
void member_accuse(struct gossip *g, struct member *member, uint32_t incarnation, uint64_t accuser,
		   enum gossip_reason reason);
/* What a member says of itself in every ping, ack and heartbeat. */
void summary_write(struct wire_writer *w, const struct member *self);
void summary_take(struct gossip *g, struct member *from, struct wire_reader *r);
void member_forget(struct gossip *g, struct member *member, enum gossip_reason reason);
/* Accept the packet's counter, or not: seen or too old. */
bool replay_accept(struct replay *replay, uint64_t counter);
/* Somebody else goes by our name, with a later instance: it has replaced us. Once. */
void member_conflict(struct gossip *g, struct endpoint holder);
/* Our own instance moves to `instance`. */
void member_raise_self(struct gossip *g, uint64_t instance);
/* Our incarnation grows and everybody hears of it. */
void member_refresh_self(struct gossip *g, uint32_t at_least);
/* A random live member other than ourselves and `not`; NULL: none. */
struct member *member_random(struct gossip *g, const struct member * not );
uint32_t slot_of(const struct gossip *g, const struct member *member);
bool notify_room(const struct gossip *g);

/* --- item.c --- */
/* Store an item of a known origin if it is newer. True: it was. -> *full: no room. */
bool item_put(struct gossip *g, const struct gossip_item *item, bool *full);
void item_drop_all(struct gossip *g, struct member *owner);
void item_write_own(struct gossip *g, const uint8_t *key, uint8_t key_len, const uint8_t *value, uint8_t value_len);
/* The peer says how far its own items go: complete, or ask it. */
void item_compare(struct gossip *g, struct member *origin, struct member *ask, uint32_t top, uint64_t digest);

/* --- rumour.c --- */
void rumour_init(struct gossip *g);
void rumour_member(struct gossip *g, struct member *member, bool urgent);
void rumour_item(struct gossip *g, struct item *item, bool urgent);
void rumour_drop_member(struct gossip *g, struct member *member);
void rumour_drop_item(struct gossip *g, struct item *item);
/* Fill what room the packet has. */
void rumour_piggyback(struct gossip *g, struct wire_writer *w);
/* Urgent ones to everybody. */
void rumour_flush_urgent(struct gossip *g);
void rumour_tick(struct gossip *g);

/* --- probe.c --- */
/* Take a sample of the round trip; a negative one is none. */
void member_rtt(struct member *member, struct span sample);
void probe_tick(struct gossip *g);
void probe_take_ping(struct gossip *g, struct member *from, struct wire_reader *r);
void probe_take_ack(struct gossip *g, struct member *from, struct wire_reader *r);
void probe_take_ping_req(struct gossip *g, struct member *from, struct wire_reader *r);
void probe_take_ack_via(struct gossip *g, struct wire_reader *r);
void probe_take_nack(struct gossip *g, struct wire_reader *r);
void probe_ping(struct gossip *g, const struct member *member, uint32_t seq, bool accuse);
/* The same on every path that we have in common. */
void probe_ping_paths(struct gossip *g, const struct member *member);
/* Lifeguard IV.A: successes make us well, troubles ill. */
void health_better(struct gossip *g);
void health_worse(struct gossip *g, unsigned int by);
struct instant probe_deadline(const struct gossip *g);

/* --- sync.c --- */
void sync_tick(struct gossip *g);
void sync_push(struct gossip *g, struct endpoint to, uint8_t path, uint64_t receiver);
void sync_list(struct gossip *g, struct member *to, bool answer);
void sync_take_hash(struct gossip *g, struct member *from, struct wire_reader *r);
void sync_take_list(struct gossip *g, struct member *from, struct wire_reader *r);
void sync_take_pull(struct gossip *g, struct member *from, struct wire_reader *r);
/* Ask a member for its own record: what we have is older. */
void sync_ask_record(struct gossip *g, const struct member *peer, uint64_t instance);
/* Ask a member for its whole state. */
void sync_ask_state(struct gossip *g, const struct member *peer);
void sync_take_state_end(struct gossip *g, struct member *from, struct wire_reader *r);
void sync_take_items_end(struct gossip *g, struct wire_reader *r);
struct instant sync_deadline(const struct gossip *g);

/* --- join.c --- */
void join_tick(struct gossip *g);
void join_take_hello(struct gossip *g, const struct gossip_event *event, struct wire_reader *r);
void join_take_hello_ack(struct gossip *g, const struct gossip_event *event, struct wire_reader *r);
void join_take_join(struct gossip *g, const struct gossip_event *event, struct wire_reader *r);
void join_take_join_ack(struct gossip *g, const struct gossip_event *event, struct wire_reader *r);
void join_take_refused(struct gossip *g, const struct gossip_event *event, struct wire_reader *r);
void join_take_raise(struct gossip *g, const struct gossip_event *event, struct wire_reader *r);
void join_done(struct gossip *g, bool alone);
struct instant join_deadline(const struct gossip *g);

/* --- edge.c --- */
/* Did the members change? Then find our neighbours anew. */
void edge_refresh(struct gossip *g);
/* Carry out what the watch said. */
void edge_settle(struct gossip *g);
void edge_take_beat(struct gossip *g, struct member *from, struct instant received, struct wire_reader *r);
void edge_take_watch(struct gossip *g, const struct member *from, struct wire_reader *r);
/* Tell whose verification has begun or ended. */
void edge_tell_doubts(struct gossip *g);
/* What the edge to this member, if there is one, knows. */
void edge_show(const struct gossip *g, const struct member *member, struct gossip_member *ret);

/* --- gossip.c --- */
struct gossip_action *action_add(struct gossip *g, enum gossip_action_kind kind);

#endif
