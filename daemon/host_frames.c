/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames out and in. What goes out is gathered and leaves at the end of the loop's turn, or when a batch is full. Announcements are
 * paced by the announcer, questions by a bucket of their own: they go to as many hosts.
 */
#include <errno.h>
#include <stdlib.h>

#include "daemon/host_internal.h"
#include "daemon/responder.h"

#include <uthash.h> /* with the hash function that the header sets */

/* Frames read per wake-up of a socket, so that a storm of ARP cannot hold the loop. */
#define FRAMES_PER_TURN 64

/* Default routes are looked up at most this often. */
#define GATEWAY_INTERVAL_S 5

/* A question is two frames at most: an ordinary request, and a probe. */
#define ASK_FRAMES 2
/* Forms of a question by ARP. */
#define ASK_REQUEST 1u
#define ASK_PROBE 2u
/* While the pace holds questions back, that many go together. */
#define ASK_BATCH 32

void host_queue_arp(struct host *host, const struct port *port, const struct arp_packet *packet)
{
	if (!port->running)
		return; /* announcements start again when the link is back */
	if (host->arp_out_n == ARP_BATCH_MAX)
		host_flush_frames(host);
	host->arp_out[host->arp_out_n++] = (struct arp_outgoing){ port->ifindex, *packet };
}

void host_queue_ndp(struct host *host, const struct port *port, const struct ndp_frame *frame)
{
	if (!port->running)
		return;
	if (host->ndp_out_n == NDP_BATCH_MAX)
		host_flush_frames(host);
	host->ndp_out[host->ndp_out_n++] = (struct ndp_outgoing){ port->ifindex, *frame };
}

void host_flush_frames(struct host *host)
{
	if (host->arp_out_n > 0)
		(void)arp_socket_send_batch(host->arp_fd, host->arp_out, host->arp_out_n);
	if (host->ndp_out_n > 0)
		(void)ndp_socket_send_batch(host->ndp_fd, host->ndp_out, host->ndp_out_n);
	host->arp_out_n = 0;
	host->ndp_out_n = 0;
}

/* The router that this interface leads to by default, or NULL. Routes change seldom, and without a word to us. */
static const struct ip *gateway_on(struct host *host, const struct port *port, uint8_t family, struct instant now)
{
	struct gateway *gateway = &host->gateways[family == IP_V6];

	if (instant_since(now, host->gateways_read).us >= span_s(GATEWAY_INTERVAL_S).us) {
		host->gateways_read = now;
		if (gateway_of_default_route(IP_V4, &host->gateways[0]) != 0)
			host->gateways[0].ip.family = IP_NONE;
		if (gateway_of_default_route(IP_V6, &host->gateways[1]) != 0)
			host->gateways[1].ip.family = IP_NONE;
	}
	return gateway->ip.family == family && gateway->index == port->ifindex ? &gateway->ip : NULL;
}

/* An ordinary question from the address to the gateway: see announcer.h. */
static void queue_to_gateway(struct host *host, const struct held *held, struct instant now)
{
	const struct ip *gateway = gateway_on(host, held->port, held->ip.family, now);
	struct arp_packet packet;
	struct ndp_frame frame;

	if (gateway == NULL)
		return;
	if (held->ip.family == IP_V4) {
		packet = arp_request(held->port->mac, held->ip, *gateway);
		host_queue_arp(host, held->port, &packet);
	} else if (held->mode != CLAIM_NONE) {
		/* in mode none the kernel would forward the answer, which is an IPv6 packet to an address that it does not have */
		frame = ndp_frame_solicitation(held->port->mac, held->ip, *gateway);
		host_queue_ndp(host, held->port, &frame);
	}
}

static void count_announcement(struct host *host, struct held *held)
{
	held->announced_n++;
	host->announced_n++;
}

void host_queue_announcement(struct host *host, struct held *held, unsigned int forms, struct instant now)
{
	struct port *port = held->port;
	struct arp_packet packet;
	struct ndp_frame frame;

	if (held->ip.family == IP_V6) {
		host_port_look(port, now);
		frame = ndp_frame_unsolicited(port->mac, held->ip, port->forwards_v6);
		host_queue_ndp(host, port, &frame);
		count_announcement(host, held);
	} else {
		if ((forms & ANNOUNCE_REQUEST) != 0) {
			packet = arp_gratuitous_request(port->mac, held->ip);
			host_queue_arp(host, port, &packet);
			count_announcement(host, held);
		}
		if ((forms & ANNOUNCE_REPLY) != 0) {
			packet = arp_gratuitous_reply(port->mac, held->ip);
			host_queue_arp(host, port, &packet);
			count_announcement(host, held);
		}
	}
	if ((forms & ANNOUNCE_GATEWAY) != 0)
		queue_to_gateway(host, held, now);
}

uint64_t host_announced(const struct host *host, struct ip ip)
{
	const struct held *held = ip.family == IP_NONE ? NULL : host_find_held(host, ip);

	if (ip.family == IP_NONE)
		return host->announced_n;
	return held != NULL ? held->announced_n : 0;
}

void host_defend(struct host *host, struct ip ip)
{
	struct held *held = host_find_held(host, ip);

	if (held == NULL || held->phase != HELD_CONFIRMED || !host->right)
		return;
	host_queue_announcement(host, held, ANNOUNCE_REQUEST | ANNOUNCE_REPLY, clock_now());
	host_flush_frames(host);
}

/* ---- asking ---- */

/* Of our own IPv4 addresses on the port the one whose subnet holds ip, else the first; NULL: there is none. */
static const struct ip *source_for(const struct port *port, struct ip ip)
{
	for (size_t i = 0; i < port->source_n; i++) {
		if (subnet_contains(port->sources[i], ip))
			return &port->sources[i].ip;
	}
	return port->source_n > 0 ? &port->sources[0].ip : NULL;
}

static void queue_question(struct host *host, struct port *port, struct ip ip, unsigned int forms)
{
	const struct ip *source;
	struct arp_packet request;
	struct ndp_frame solicitation;

	host_port_sources(host, port);
	if (ip.family == IP_V6) {
		/* never from ::, which says that we are about to take the address (RFC 4862 5.4.2) and makes its owner shout */
		if (port->source_v6.family == IP_NONE)
			return;
		solicitation = ndp_frame_solicitation(port->mac, port->source_v6, ip);
		host_queue_ndp(host, port, &solicitation);
		return;
	}
	source = source_for(port, ip);
	if (source == NULL)
		forms = ASK_PROBE;
	if ((forms & ASK_REQUEST) != 0) {
		request = arp_request(port->mac, *source, ip);
		host_queue_arp(host, port, &request);
	}
	/* RFC 5227 2.1.1: answered even by those who take no notice of senders outside their subnets */
	if ((forms & ASK_PROBE) != 0) {
		request = arp_request(port->mac, (struct ip){ .family = IP_V4 }, ip);
		host_queue_arp(host, port, &request);
	}
}

static void asked_dequeue(struct host *host, struct asked *asked)
{
	if (asked->queued)
		DL_DELETE2(host->ask_queue, asked, queue_prev, queue_next);
	asked->queued = false;
}

static void asked_forget(struct host *host, struct asked *asked)
{
	asked_dequeue(host, asked);
	DL_DELETE(host->asked_list, asked);
	HASH_DEL(host->asked, asked);
	free(asked);
}

/* Find or make; those whose time is over, or one too many, make room. NULL without memory. */
static struct asked *asked_get(struct host *host, struct ip ip, struct instant now)
{
	struct asked *asked;

	while (host->asked_list != NULL && instant_reached(host->asked_list->until, now) && !host->asked_list->queued)
		asked_forget(host, host->asked_list);
	HASH_FIND(hh, host->asked, &ip, sizeof(ip), asked);
	if (asked != NULL) {
		DL_DELETE(host->asked_list, asked);
		DL_APPEND(host->asked_list, asked);
		return asked;
	}
	if (HASH_COUNT(host->asked) >= ADDRESS_MAX)
		asked_forget(host, host->asked_list);
	asked = calloc(1, sizeof(*asked));
	if (asked == NULL)
		return NULL;
	asked->ip = ip;
	HASH_ADD(hh, host->asked, ip, sizeof(asked->ip), asked);
	DL_APPEND(host->asked_list, asked);
	return asked;
}

static void ask_on(struct host *host, struct ip ip, struct port *port, unsigned int forms)
{
	struct instant now = clock_now();
	struct asked *asked = port != NULL && ip_len(ip) != 0 ? asked_get(host, ip, now) : NULL;

	if (asked == NULL)
		return;
	asked->ifindex = port->ifindex;
	asked->forms = asked->queued ? asked->forms | forms : forms;
	asked->until = instant_add(now, span_s(HOST_ASK_S));
	if (!asked->queued)
		DL_APPEND2(host->ask_queue, asked, queue_prev, queue_next);
	asked->queued = true;
	host->kicked = true;
}

void host_ask(struct host *host, struct ip ip, const char *iface)
{
	ask_on(host, ip, host_port_named(host, iface), ASK_REQUEST | ASK_PROBE);
}

void host_probe(struct host *host, struct ip ip)
{
	struct held *held = host_find_held(host, ip);

	if (held == NULL || held->port == NULL)
		return;
	held->probed = !held->probed;
	ask_on(host, ip, held->port, held->probed ? ASK_PROBE : ASK_REQUEST);
}

static void ask_due(struct host *host, struct instant now)
{
	while (host->ask_queue != NULL && bucket_has(&host->ask_pace, ASK_FRAMES, now)) {
		struct asked *asked = host->ask_queue;
		struct port *port = host_port_get(host, asked->ifindex);

		bucket_take(&host->ask_pace, ASK_FRAMES);
		asked_dequeue(host, asked);
		/* the time runs from the question, not from the call */
		asked->until = instant_add(now, span_s(HOST_ASK_S));
		DL_DELETE(host->asked_list, asked);
		DL_APPEND(host->asked_list, asked);
		if (port != NULL)
			queue_question(host, port, asked->ip, asked->forms);
	}
}

static bool is_asked(const struct host *host, struct ip ip, struct instant now)
{
	struct asked *asked;

	HASH_FIND(hh, host->asked, &ip, sizeof(ip), asked);
	return asked != NULL && !instant_reached(asked->until, now);
}

/* The address of ours whose subnet holds the peer, and is not a service address; NULL: it is behind a router. */
static const struct netlink_address *address_towards(const struct host *host, struct ip peer)
{
	const struct netlink_table *table = netlink_table(host->netlink);

	for (size_t i = 0; i < netlink_table_address_n(table); i++) {
		const struct netlink_address *address = netlink_table_address_at(table, i);

		if (!address->ours && subnet_contains(address->subnet, peer) &&
		    address->subnet.prefix_len < ip_bits(peer))
			return address;
	}
	return NULL;
}

void host_solicit(struct host *host, struct ip peer)
{
	const struct netlink_address *from = address_towards(host, peer);
	const struct netlink_link *link =
		from != NULL ? netlink_table_link(netlink_table(host->netlink), from->index) : NULL;

	if (link != NULL)
		host_ask(host, peer, link->name);
}

/* ---- the schedule ---- */

static void announce_due(struct host *host, struct instant now)
{
	struct announcement due;

	while (host->right && announcer_due(host->announcer, now, &due)) {
		struct held *held = host_find_held(host, due.ip);

		if (held != NULL)
			host_queue_announcement(host, held, due.forms, now);
	}
}

void host_frames_work(struct host *host, struct instant now)
{
	struct instant next = INSTANT_NEVER;

	announce_due(host, now);
	ask_due(host, now);
	host_flush_frames(host);
	if (host->right)
		next = announcer_deadline(host->announcer);
	if (host->ask_queue != NULL)
		next = instant_min(next, bucket_ready(&host->ask_pace, ASK_FRAMES * ASK_BATCH));
	if (next.us == INSTANT_NEVER.us) {
		uv_timer_stop(&host->frame_timer);
		return;
	}
	uv_update_time(host->frame_timer.loop);
	uv_timer_start(&host->frame_timer, host_on_frame_timer,
		       instant_before(now, next) ? (uint64_t)(instant_since(next, now).us / 1000 + 1) : 1, 0);
}

void host_on_frame_timer(uv_timer_t *timer)
{
	host_frames_work(timer->data, clock_now());
}

void host_frames_free(struct host *host)
{
	while (host->asked_list != NULL)
		asked_forget(host, host->asked_list);
}

/* ---- what comes in ---- */

/* Some packet of another host came in. */
static void hear(struct host *host, struct port *port, struct mac from, struct instant now)
{
	if (instant_since(now, port->heard).us < span_ms(HOST_HEARD_MS).us || host_is_our_mac(host, from))
		return;
	port->heard = now;
	host->handler.heard(host->handler.arg, port->name);
}

/* A MAC speaks for an address. */
static void hear_answer(struct host *host, const struct port *port, struct ip ip, struct mac mac, struct instant now)
{
	const struct held *held = host_find_held(host, ip);
	bool ours = held != NULL && held->phase == HELD_CONFIRMED;

	if ((ours || is_asked(host, ip, now)) && !host_is_our_mac(host, mac))
		host->handler.answer(host->handler.arg, ip, mac, port->name, ours);
}

/* libuv stops a handle whose descriptor reports an error; an overrun of a packet socket, or an interface gone, is one. */
static void keep_polling(uv_poll_t *poll, int status, uv_poll_cb cb)
{
	if (status < 0)
		uv_poll_start(poll, UV_READABLE, cb);
}

static void take_arp(struct host *host, uint32_t ifindex, const struct arp_packet *packet)
{
	struct port *port = host_port_get(host, ifindex);
	struct instant now = clock_now();

	if (port == NULL)
		return;
	responder_arp(host, port, packet, now);
	hear(host, port, packet->ethernet_source, now);
	hear_answer(host, port, packet->sender_ip, packet->sender_mac, now);
}

void host_on_arp(uv_poll_t *poll, int status, int events)
{
	struct host *host = poll->data;
	struct arp_packet packet;
	uint32_t ifindex;
	int result;

	keep_polling(poll, status, host_on_arp);
	(void)events;
	for (unsigned int i = 0; i < FRAMES_PER_TURN; i++) {
		result = arp_socket_read(host->arp_fd, &packet, &ifindex);
		if (result == 1)
			take_arp(host, ifindex, &packet);
		else if (result != -EBADMSG)
			break;
	}
	host_flush_frames(host);
}

static void take_ndp(struct host *host, uint32_t ifindex, const struct ndp_frame *frame)
{
	struct port *port = host_port_get(host, ifindex);
	const struct ndp_packet *packet = &frame->packet;
	struct mac mac = packet->has_mac ? packet->mac : frame->ethernet_source;
	struct instant now = clock_now();

	if (port == NULL)
		return;
	responder_ndp(host, port, frame, now);
	hear(host, port, frame->ethernet_source, now);
	hear_answer(host, port, packet->kind == NDP_ADVERTISEMENT ? packet->target : frame->source, mac, now);
}

void host_on_ndp(uv_poll_t *poll, int status, int events)
{
	struct host *host = poll->data;
	struct ndp_frame frame;
	uint32_t ifindex;
	int result;

	keep_polling(poll, status, host_on_ndp);
	(void)events;
	for (unsigned int i = 0; i < FRAMES_PER_TURN; i++) {
		result = ndp_socket_read(host->ndp_fd, &frame, &ifindex);
		if (result == 1)
			take_ndp(host, ifindex, &frame);
		else if (result != -EBADMSG)
			break;
	}
	host_flush_frames(host);
}
