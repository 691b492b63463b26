/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: holding an address
 *
 * A claim is an RTM_NEWADDR of ip/32 or ip/128 with a valid lifetime of HOST_LEASE_S, renewed every HOST_RENEW_MS while we
 * hold it. So a daemon that dies or hangs loses its addresses without anybody's help. The price is that a renewal
 * (NLM_F_REPLACE) on an expired address would bring it back: a daemon that was stopped for longer than the lease wakes up as
 * an owner of something that another node has taken. Therefore a renewal that comes later than the lease is not sent; the
 * address is given up ("lost") and the election decides anew.
 *
 * The first announcement follows the kernel's acknowledgement, in the same loop turn: announcing before the kernel answers
 * would draw packets that it rejects.
 */
#include "daemon/host.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arp/socket.h"
#include "base/clock.h"
#include "base/rng.h"
#include "daemon/announcer.h"
#include "daemon/log.h"
#include "ndp/socket.h"
#include "netlink/netlink.h"

#define HASH_FUNCTION(key, len, hash) ((hash) = (unsigned int)hash_bytes(0, (key), (len)))
#include <uthash.h>

/* A stranger's announcement is reported and answered once per DEFEND_INTERVAL (RFC 5227 1.1, 2.4). */
#define DEFEND_INTERVAL_S 10

/* Frames read per wake-up of a socket, so that a storm of ARP cannot hold the loop. */
#define FRAMES_PER_TURN 64

struct held {
	struct ip ip; /* key */
	uint32_t ifindex;
	char iface[IFACE_NAME_MAX + 1];
	bool acknowledged;	 /* the kernel has accepted it */
	bool confirmed;		 /* and has it in service: announced, and the node told */
	struct instant renewed;	 /* when the last renewal was sent */
	struct instant defended; /* when a stranger was last reported */
	struct instant restore_window;
	unsigned int restore_n; /* times it was put back since restore_window */
	UT_hash_handle hh;
};

struct host {
	struct host_handler handler;
	struct netlink *netlink;     /* owned */
	struct announcer *announcer; /* owned */
	struct held *held;	     /* owned hash by ip */
	size_t pending_n;	     /* acknowledged, but not confirmed */
	int arp_fd;
	int ndp_fd; /* -1 where IPv6 is off */
	bool forwards_v6;
	uv_poll_t polls[4];
	uv_timer_t announce_timer;
	uv_timer_t renew_timer;
};

static struct held *find_held(const struct host *host, struct ip ip)
{
	struct held *held;

	HASH_FIND(hh, host->held, &ip, sizeof(ip), held);
	return held;
}

static void forget(struct host *host, struct held *held)
{
	host->pending_n -= held->acknowledged && !held->confirmed;
	announcer_stop(host->announcer, held->ip);
	HASH_DEL(host->held, held);
	free(held);
}

/* Give up an address for a reason of this host, and say so. */
static void lose(struct host *host, struct held *held, const char *why)
{
	struct ip ip = held->ip;

	(void)netlink_del(host->netlink, held->ifindex, ip);
	forget(host, held);
	host->handler.lost(host->handler.arg, ip, why);
}

static void renew(struct host *host, struct held *held, struct instant now)
{
	held->renewed = now;
	(void)netlink_add(host->netlink, held->ifindex, held->ip, HOST_LEASE_S); /* errors come to on_added */
}

static void send_frames(struct host *host, struct ip ip, uint32_t ifindex)
{
	const struct netlink_link *link = netlink_table_link(netlink_table(host->netlink), ifindex);
	struct arp_packet request;
	struct arp_packet reply;
	struct ndp_packet advertisement;
	struct ip all_nodes;

	if (link == NULL || !link->running)
		return; /* the schedule starts again when the link is back */
	if (ip.family == IP_V4) {
		/* Both forms: some routers ignore the one, some the other (RFC 5227 section 3). */
		request = arp_gratuitous_request(link->mac, ip);
		reply = arp_gratuitous_reply(link->mac, ip);
		(void)arp_socket_send(host->arp_fd, ifindex, &request);
		(void)arp_socket_send(host->arp_fd, ifindex, &reply);
	} else if (host->ndp_fd >= 0) {
		advertisement = ndp_unsolicited(ip, link->mac, host->forwards_v6);
		(void)ip_parse("ff02::1", &all_nodes);
		(void)ndp_socket_send(host->ndp_fd, ifindex, ip, all_nodes, &advertisement);
	}
}

static void on_announce_timer(uv_timer_t *timer);

/* Send what is due and sleep until the next. */
static void announce(struct host *host, struct instant now)
{
	struct instant next;
	struct ip ip;
	uint32_t ifindex;

	while (announcer_due(host->announcer, now, &ip, &ifindex))
		send_frames(host, ip, ifindex);
	next = announcer_deadline(host->announcer);
	if (next.us == INSTANT_NEVER.us) {
		uv_timer_stop(&host->announce_timer);
		return;
	}
	uv_update_time(host->announce_timer.loop);
	uv_timer_start(&host->announce_timer, on_announce_timer, (uint64_t)(instant_since(next, now).us / 1000 + 1), 0);
}

static void on_announce_timer(uv_timer_t *timer)
{
	announce(timer->data, clock_now());
}

/* The first address whose lease ran out before we could renew it, or NULL. */
static struct held *find_expired(const struct host *host, struct instant now)
{
	for (struct held *held = host->held; held != NULL; held = held->hh.next) {
		if (instant_since(now, held->renewed).us >= span_s(HOST_LEASE_S).us)
			return held;
	}
	return NULL;
}

static void on_renew_timer(uv_timer_t *timer)
{
	struct host *host = timer->data;
	struct instant now = clock_now();
	struct held *held;

	/* one by one: what `lost` sets off may release or claim other addresses */
	while ((held = find_expired(host, now)) != NULL)
		lose(host, held, "lease-expired");
	for (held = host->held; held != NULL; held = held->hh.next)
		renew(host, held, now);
}

static void confirm(struct host *host, struct held *held, struct instant now)
{
	struct ip ip = held->ip;

	host->pending_n--;
	held->confirmed = true;
	(void)announcer_start(host->announcer, ip, held->ifindex, now);
	announce(host, now);
	host->handler.claimed(host->handler.arg, ip);
}

/* The first address that the kernel acknowledged and has put into service since, or NULL. */
static struct held *find_in_service(const struct host *host)
{
	for (struct held *held = host->held; held != NULL && host->pending_n > 0; held = held->hh.next) {
		if (held->acknowledged && !held->confirmed &&
		    netlink_table_has_address(netlink_table(host->netlink), held->ifindex, held->ip))
			return held;
	}
	return NULL;
}

static void on_netlink_changed(void *arg)
{
	struct host *host = arg;
	struct held *held;

	host->handler.changed(host->handler.arg); /* first: a link may have gone in the same turn */
	while ((held = find_in_service(host)) != NULL)
		confirm(host, held, clock_now());
}

/* Another program removed one of our addresses: put it back, but do not fight for ever. */
static void on_netlink_removed(void *arg, uint32_t index, struct ip ip)
{
	struct host *host = arg;
	struct held *held = find_held(host, ip);
	struct instant now = clock_now();
	char text[IP_TEXT_MAX];

	if (held == NULL || held->ifindex != index)
		return;
	if (instant_since(now, held->renewed).us >= span_s(HOST_LEASE_S).us) {
		lose(host, held, "lease-expired");
		return;
	}
	if (instant_since(now, held->restore_window).us >= span_s(60).us) {
		held->restore_window = now;
		held->restore_n = 0;
	}
	if (++held->restore_n > HOST_RESTORE_MAX) {
		lose(host, held, "removed-by-others");
		return;
	}
	log_warning("address-removed-by-others ip=%s iface=%s action=restored times=%u", ip_format(ip, text),
		    held->iface, held->restore_n);
	renew(host, held, now);
	(void)announcer_start(host->announcer, ip, index, now);
	announce(host, now);
}

static void on_netlink_added(void *arg, uint32_t index, struct ip ip, int error)
{
	struct host *host = arg;
	struct held *held = find_held(host, ip);

	if (held == NULL || held->ifindex != index)
		return; /* released in the meantime */
	if (error != 0) {
		bool confirmed = held->confirmed;

		forget(host, held);
		if (confirmed)
			host->handler.lost(host->handler.arg, ip, strerror(-error));
		else
			host->handler.claim_failed(host->handler.arg, ip, error);
		return;
	}
	if (held->acknowledged)
		return;
	held->acknowledged = true;
	host->pending_n++;
	/* An IPv6 address gets its local route a moment after the acknowledgement; the event that follows tells when. */
	if (ip.family == IP_V4 || netlink_table_has_address(netlink_table(host->netlink), index, ip))
		confirm(host, held, clock_now());
}

static bool is_our_mac(const struct host *host, struct mac mac)
{
	const struct netlink_table *table = netlink_table(host->netlink);

	for (size_t i = 0; i < netlink_table_link_n(table); i++) {
		if (mac_equal(netlink_table_link_at(table, i)->mac, mac))
			return true;
	}
	return false;
}

/* Somebody speaks for an address. Ours, from a MAC that is not ours: RFC 5227 2.4. */
static void heard(struct host *host, struct ip ip, struct mac mac)
{
	struct held *held = find_held(host, ip);
	struct instant now = clock_now();

	if (held == NULL || !held->confirmed || is_our_mac(host, mac))
		return;
	if (instant_since(now, held->defended).us < span_s(DEFEND_INTERVAL_S).us)
		return;
	held->defended = now;
	send_frames(host, ip, held->ifindex);
	host->handler.stranger(host->handler.arg, ip, mac, held->iface);
}

/* libuv stops a handle whose descriptor reports an error; an overrun of a netlink or packet socket is one. */
static void keep_polling(uv_poll_t *poll, int status, uv_poll_cb cb)
{
	if (status < 0)
		uv_poll_start(poll, UV_READABLE, cb);
}

static void on_arp(uv_poll_t *poll, int status, int events)
{
	struct host *host = poll->data;
	struct arp_packet packet;
	uint32_t ifindex;
	int result;

	keep_polling(poll, status, on_arp);
	(void)events;
	for (unsigned int i = 0; i < FRAMES_PER_TURN; i++) {
		result = arp_socket_read(host->arp_fd, &packet, &ifindex);
		if (result == 1)
			heard(host, packet.sender_ip, packet.sender_mac);
		else if (result != -EBADMSG)
			return;
	}
}

static void on_ndp(uv_poll_t *poll, int status, int events)
{
	struct host *host = poll->data;
	struct ndp_packet packet;
	struct ip source;
	uint32_t ifindex;
	int result;

	keep_polling(poll, status, on_ndp);
	(void)events;
	for (unsigned int i = 0; i < FRAMES_PER_TURN; i++) {
		result = ndp_socket_read(host->ndp_fd, &packet, &source, &ifindex);
		if (result == 1 && packet.kind == NDP_ADVERTISEMENT && packet.has_mac)
			heard(host, packet.target, packet.mac);
		else if (result != 1 && result != -EBADMSG)
			return;
	}
}

static void on_netlink(uv_poll_t *poll, int status, int events)
{
	struct host *host = poll->data;
	int error;

	keep_polling(poll, status, on_netlink);
	(void)events;
	error = netlink_read(host->netlink);
	if (error != 0)
		log_error("netlink-broken error=\"%s\"", strerror(-error));
}

/* Does this host forward IPv6? Then its advertisements carry R (RFC 4861 7.2.5: R=0 removes us as a router). */
static bool read_forwarding(void)
{
	FILE *file = fopen("/proc/sys/net/ipv6/conf/all/forwarding", "re");
	int c = file != NULL ? fgetc(file) : EOF;

	if (file != NULL)
		fclose(file);
	return c == '1';
}

static int open_sockets(struct host *host)
{
	const struct netlink_handler handler = { on_netlink_changed, on_netlink_removed, on_netlink_added, host };
	int error = netlink_open(&handler, &host->netlink);

	if (error == 0)
		error = netlink_probe_rights(host->netlink);
	if (error != 0)
		return error;
	host->arp_fd = arp_socket_open();
	if (host->arp_fd < 0)
		return host->arp_fd;
	host->ndp_fd = ndp_socket_open();
	if (host->ndp_fd < 0 && host->ndp_fd != -EAFNOSUPPORT)
		return host->ndp_fd;
	return 0;
}

static void poll_start(struct host *host, uv_loop_t *loop, size_t i, int fd, uv_poll_cb cb)
{
	host->polls[i].data = host;
	uv_poll_init(loop, &host->polls[i], fd);
	uv_poll_start(&host->polls[i], UV_READABLE, cb);
}

int host_open(uv_loop_t *loop, const struct host_handler *handler, struct host **ret)
{
	struct host *host = calloc(1, sizeof(*host));
	int error;

	if (host == NULL)
		return -ENOMEM;
	host->handler = *handler;
	host->arp_fd = -1;
	host->ndp_fd = -1;
	host->forwards_v6 = read_forwarding();
	host->announcer = announcer_new(clock_random_u64());
	error = host->announcer == NULL ? -ENOMEM : open_sockets(host);
	if (error != 0) {
		host_close(host);
		return error;
	}
	poll_start(host, loop, 0, netlink_event_fd(host->netlink), on_netlink);
	poll_start(host, loop, 1, netlink_request_fd(host->netlink), on_netlink);
	poll_start(host, loop, 2, host->arp_fd, on_arp);
	if (host->ndp_fd >= 0)
		poll_start(host, loop, 3, host->ndp_fd, on_ndp);
	host->announce_timer.data = host;
	host->renew_timer.data = host;
	uv_timer_init(loop, &host->announce_timer);
	uv_timer_init(loop, &host->renew_timer);
	uv_timer_start(&host->renew_timer, on_renew_timer, HOST_RENEW_MS, HOST_RENEW_MS);
	*ret = host;
	return 0;
}

void host_close(struct host *host)
{
	struct held *held;
	struct held *next;

	if (host == NULL)
		return;
	HASH_ITER(hh, host->held, held, next)
	{
		HASH_DEL(host->held, held);
		free(held);
	}
	for (size_t i = 0; i < 4; i++) {
		if (host->polls[i].data != NULL)
			uv_poll_stop(&host->polls[i]);
	}
	if (host->announce_timer.data != NULL) {
		uv_timer_stop(&host->announce_timer);
		uv_timer_stop(&host->renew_timer);
	}
	netlink_close(host->netlink);
	announcer_free(host->announcer);
	if (host->arp_fd >= 0)
		close(host->arp_fd);
	if (host->ndp_fd >= 0)
		close(host->ndp_fd);
	free(host);
}

void host_claim(struct host *host, struct ip ip, const char *iface, struct instant now)
{
	const struct netlink_link *link = netlink_table_link_named(netlink_table(host->netlink), iface);
	struct held *held = find_held(host, ip);

	if (held != NULL) {
		host_announce(host, ip, now);
		return;
	}
	held = link != NULL ? calloc(1, sizeof(*held)) : NULL;
	if (held == NULL) {
		host->handler.claim_failed(host->handler.arg, ip, link == NULL ? -ENODEV : -ENOMEM);
		return;
	}
	held->ip = ip;
	held->ifindex = link->index;
	memcpy(held->iface, link->name, sizeof(held->iface));
	held->defended = instant_add(now, span_s(-DEFEND_INTERVAL_S));
	held->restore_window = now;
	HASH_ADD(hh, host->held, ip, sizeof(held->ip), held);
	renew(host, held, now);
}

void host_release(struct host *host, struct ip ip)
{
	struct held *held = find_held(host, ip);

	if (held == NULL)
		return;
	(void)netlink_del(host->netlink, held->ifindex, ip);
	forget(host, held);
}

void host_flush(struct host *host)
{
	netlink_flush(host->netlink, span_s(1));
}

void host_announce(struct host *host, struct ip ip, struct instant now)
{
	struct held *held = find_held(host, ip);

	if (held == NULL || !held->confirmed)
		return;
	(void)announcer_start(host->announcer, ip, held->ifindex, now);
	announce(host, now);
}

size_t host_clean(struct host *host)
{
	size_t n = HASH_COUNT(host->held);
	struct ip *keep = calloc(n + 1, sizeof(*keep));
	struct held *held;
	struct held *next;
	size_t i = 0;

	if (keep == NULL)
		return 0;
	HASH_ITER(hh, host->held, held, next)
	{
		keep[i++] = held->ip;
	}
	n = netlink_clean_leftovers(host->netlink, keep, n);
	free(keep);
	return n;
}

size_t host_segments(const struct host *host, const char *const *first, size_t first_n, struct segment out[SEGMENT_MAX],
		     size_t *out_n)
{
	return netlink_table_segments(netlink_table(host->netlink), first, first_n, out, out_n);
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
	struct ndp_packet solicitation = { .kind = NDP_SOLICITATION, .target = peer, .has_mac = true };
	struct arp_packet request;

	if (link == NULL || !link->running || !link->ethernet)
		return;
	if (peer.family == IP_V4) {
		request = arp_request(link->mac, from->subnet.ip, peer);
		(void)arp_socket_send(host->arp_fd, link->index, &request);
	} else if (host->ndp_fd >= 0) {
		solicitation.mac = link->mac;
		(void)ndp_socket_send(host->ndp_fd, link->index, from->subnet.ip, ndp_solicited_node(peer),
				      &solicitation);
	}
}

bool host_has_subnet_of(const struct host *host, struct ip ip)
{
	const struct netlink_table *table = netlink_table(host->netlink);

	for (size_t i = 0; i < netlink_table_address_n(table); i++) {
		const struct netlink_address *address = netlink_table_address_at(table, i);
		const struct netlink_link *link = netlink_table_link(table, address->index);

		if (!address->ours && link != NULL && !link->loopback && subnet_contains(address->subnet, ip))
			return true;
	}
	return false;
}

bool host_has_iface(const struct host *host, const char *iface)
{
	return netlink_table_link_named(netlink_table(host->netlink), iface) != NULL;
}

int host_iface_address(const struct host *host, const char *iface, struct ip *ret)
{
	const struct netlink_table *table = netlink_table(host->netlink);
	const struct netlink_link *link = netlink_table_link_named(table, iface);
	const struct ip *best = NULL;

	if (link == NULL)
		return -ENODEV;
	for (size_t i = 0; i < netlink_table_address_n(table); i++) {
		const struct netlink_address *address = netlink_table_address_at(table, i);

		if (address->index != link->index || address->ours || ip_is_link_local(address->subnet.ip))
			continue;
		if (best == NULL || address->subnet.ip.family < best->family)
			best = &address->subnet.ip;
	}
	if (best == NULL)
		return -EADDRNOTAVAIL;
	*ret = *best;
	return 0;
}
