/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/transport.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/log.h"
#include "gossip/source.h"
#include "gossip/udp.h"

/* Batches that one callback or drain reads from one socket: the timers must have their turn in a flood. */
#define DRAIN_BATCHES 8

/* Known addresses are gathered anew at most so often: a storm of joins must not cost a sort for each packet. */
#define KNOWN_INTERVAL_MS 100

#define KNOWN_MAX (MEMBER_DEFAULT * PATH_MAX_N + SEED_MAX)

struct path {
	struct transport *transport;
	struct udp udp;
	uv_poll_t poll; /* active: packets are taken */
};

struct transport {
	struct transport_handler handler;
	struct udp_handler udp_handler;
	size_t path_n;
	struct path paths[PATH_MAX_N];
	uint8_t reading;       /* the path whose datagrams are being handed over */
	struct source *source; /* owned */
	bool known_stale;
	struct instant known_at;
	size_t known_n;
	struct ip known[KNOWN_MAX]; /* sorted */
	struct transport_stats stats;
	uint64_t send_error_logged;
	size_t queued_n; /* all for one path */
	uint8_t queued_path;
	struct udp_message queued[UDP_BATCH_MAX];
	uint8_t datagrams[UDP_BATCH_MAX][PACKET_LEN_MAX + SEAL_OVERHEAD];
};

/* --- sending -------------------------------------------------------------------------------------------------------- */

/* An absent peer or a full buffer looks like loss, which gossip is made for: count it, log at powers of two. */
static void send_failed(struct transport *t, struct endpoint peer, int error)
{
	char to[ENDPOINT_TEXT_MAX];

	if (++t->stats.send_errors < t->send_error_logged * 2)
		return;
	t->send_error_logged = t->stats.send_errors;
	log_debug("gossip-send-failed to=%s error=\"%s\" count=%llu", endpoint_format(peer, to), strerror(-error),
		  (unsigned long long)t->stats.send_errors);
}

void transport_flush(struct transport *t)
{
	size_t n = t->queued_n;

	t->queued_n = 0;
	if (n == 0 || udp_send_batch(t->paths[t->queued_path].udp.fd, t->queued, n) == n)
		return;
	for (size_t i = 0; i < n; i++) {
		if (t->queued[i].error != 0)
			send_failed(t, t->queued[i].to, t->queued[i].error);
	}
}

void transport_send(struct transport *t, const struct node_action *action)
{
	const struct seal_header header = { action->send.sender, action->send.receiver, action->send.counter };
	uint8_t path = action->send.path < t->path_n ? action->send.path : 0;
	struct udp_message *message;
	int len;

	if (t->queued_n == UDP_BATCH_MAX || (t->queued_n > 0 && t->queued_path != path))
		transport_flush(t);
	len = seal_pack(t->handler.ring(t->handler.arg), &header, action->send.body, action->send.len,
			t->datagrams[t->queued_n], sizeof(t->datagrams[0]));
	if (len < 0) {
		send_failed(t, action->send.to, len);
		return;
	}
	t->queued_path = path;
	message = &t->queued[t->queued_n];
	*message = (struct udp_message){ action->send.to, t->datagrams[t->queued_n], (size_t)len, 0 };
	t->queued_n++;
}

/* --- receiving ------------------------------------------------------------------------------------------------------ */

static int compare_ip(const void *left, const void *right)
{
	return memcmp(left, right, sizeof(struct ip));
}

static void refresh_known(struct transport *t, struct instant now)
{
	if (!t->known_stale || instant_since(now, t->known_at).us < span_ms(KNOWN_INTERVAL_MS).us)
		return;
	t->known_stale = false;
	t->known_at = now;
	t->known_n = t->handler.known(t->handler.arg, t->known, KNOWN_MAX);
	qsort(t->known, t->known_n, sizeof(t->known[0]), compare_ip);
}

static bool is_known(const struct transport *t, struct ip ip)
{
	return bsearch(&ip, t->known, t->known_n, sizeof(t->known[0]), compare_ip) != NULL;
}

static enum gossip_drop open_datagram(struct transport *t, const struct udp_datagram *datagram, struct instant now,
				      struct seal_header *header, uint8_t body[PACKET_LEN_MAX], size_t *len)
{
	enum gossip_drop drop = GOSSIP_DROP_LONG;
	bool known;

	refresh_known(t, now);
	known = is_known(t, datagram->from.ip);
	if (!source_admit(t->source, datagram->from.ip, now, known))
		return GOSSIP_DROP_FLOOD;
	if (datagram->len <= PACKET_LEN_MAX)
		drop = seal_open(t->handler.ring(t->handler.arg), t->handler.instance(t->handler.arg), datagram->data,
				 datagram->len, header, body, PACKET_LEN_MAX, len);
	if (drop != GOSSIP_DROP_NONE)
		source_failed(t->source, datagram->from.ip, now, known);
	return drop;
}

static void take_datagram(void *arg, const struct udp_datagram *datagram)
{
	struct transport *t = arg;
	struct node_event event = { .kind = NODE_EVENT_PACKET, .now = clock_now() };
	uint8_t body[PACKET_LEN_MAX];
	struct seal_header header;
	enum gossip_drop drop = open_datagram(t, datagram, event.now, &header, body, &event.packet.len);

	if (drop != GOSSIP_DROP_NONE) {
		t->stats.drops[drop]++;
		if (drop == GOSSIP_DROP_KEY)
			t->handler.unreadable(t->handler.arg, datagram->from);
		return;
	}
	event.packet.from = datagram->from;
	event.packet.received = datagram->received;
	event.packet.path = t->reading;
	event.packet.sender = header.sender;
	event.packet.counter = header.counter;
	event.packet.to_anyone = header.receiver == 0;
	event.packet.body = body;
	t->handler.packet(t->handler.arg, &event);
}

static void take_refused(void *arg, struct endpoint peer)
{
	struct transport *t = arg;

	t->handler.refused(t->handler.arg, peer);
}

static void drain_path(struct transport *t, struct path *path)
{
	int n = UDP_BATCH_MAX;

	t->reading = (uint8_t)(path - t->paths);
	for (int i = 0; i < DRAIN_BATCHES && n == UDP_BATCH_MAX; i++)
		n = udp_read(&path->udp, &t->udp_handler);
	if (n < 0)
		log_debug("gossip-receive error=\"%s\"", strerror(-n));
}

void transport_drain(struct transport *t)
{
	for (size_t i = 0; i < t->path_n; i++) {
		if (uv_is_active((const uv_handle_t *)&t->paths[i].poll))
			drain_path(t, &t->paths[i]);
	}
}

void transport_members_changed(struct transport *t)
{
	t->known_stale = true;
}

const struct transport_stats *transport_stats_of(const struct transport *t)
{
	return &t->stats;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct path *path = poll->data;

	if (status < 0)
		uv_poll_start(poll, UV_READABLE | UV_PRIORITIZED, on_readable); /* libuv stops it on an error */
	if (status < 0 || (events & UV_PRIORITIZED) != 0)
		udp_read_refusals(&path->udp, &path->transport->udp_handler);
	drain_path(path->transport, path);
}

/* --- life ----------------------------------------------------------------------------------------------------------- */

static struct source *make_source(void)
{
	uint8_t key[SOURCE_KEY_LEN];

	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)clock_random_u64();
	return source_new(key);
}

int transport_open(uv_loop_t *loop, const struct endpoint *endpoints, size_t endpoint_n,
		   const struct transport_handler *handler, struct transport **ret, size_t *failed)
{
	struct transport *t = calloc(1, sizeof(*t));
	int error = 0;

	*failed = 0;
	if (t == NULL)
		return -ENOMEM;
	t->handler = *handler;
	t->udp_handler = (struct udp_handler){ take_datagram, take_refused, t };
	t->known_stale = true;
	t->source = make_source();
	if (t->source == NULL)
		error = -ENOMEM;
	for (size_t i = 0; i < endpoint_n && error == 0; i++) {
		struct path *path = &t->paths[i];

		path->transport = t;
		error = udp_open(&path->udp, endpoints[i]);
		if (error != 0) {
			*failed = i;
			break;
		}
		t->path_n++;
		path->poll.data = path;
		error = uv_poll_init(loop, &path->poll, path->udp.fd);
	}
	if (error == 0) {
		*ret = t;
		return 0;
	}
	transport_close(t);
	return error;
}

void transport_start(struct transport *t)
{
	for (size_t i = 0; i < t->path_n; i++)
		uv_poll_start(&t->paths[i].poll, UV_READABLE | UV_PRIORITIZED, on_readable);
}

void transport_stop(struct transport *t)
{
	for (size_t i = 0; i < t->path_n; i++)
		uv_poll_stop(&t->paths[i].poll);
}

void transport_close(struct transport *t)
{
	if (t == NULL)
		return;
	for (size_t i = 0; i < t->path_n; i++)
		udp_close(&t->paths[i].udp);
	source_free(t->source);
	free(t);
}
