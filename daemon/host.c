/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: holding an address
 *
 * In mode `address` a claim is an RTM_NEWADDR of ip/32 or ip/128 with a valid lifetime of the lease, renewed four times in it
 * while we hold it. So a daemon that dies or hangs loses its addresses without anybody's help. The price is that a renewal
 * (NLM_F_REPLACE) on an expired address would bring it back: a daemon that was stopped for longer than the lease wakes up as
 * an owner of something that another node has taken. Therefore a renewal that comes later than the lease is not sent; the
 * address is given up ("lost") and the election decides anew. In mode `route` a claim is a local route, which has no lifetime,
 * and in mode `none` it is nothing that the kernel knows of; a daemon that was stopped for longer than the lease gives them up
 * in the same way.
 *
 * The first announcement follows the kernel's acknowledgement, in the same loop turn: announcing before the kernel answers
 * would draw packets that it rejects.
 *
 * Many addresses move at once, so nothing is done for each that can be done for all: requests, frames and joins of groups are
 * gathered during a turn of the loop and go out in batches at its end (on_prepare), and what takes long is left for the next.
 * An IPv6 address beside n others costs the kernel time in proportion to n, so renewals are spread over the time between two.
 */
#include "daemon/host.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/host_internal.h"
#include "daemon/log.h"
#include "daemon/responder.h"

#include <uthash.h> /* with the hash function that the header sets */

/* Renewed in one go: this many, or a part of all. */
#define RENEW_BATCH_MIN 32
#define RENEW_SLICES 16

/* Told or confirmed in one turn, so that those who hear of it get their turn. */
#define READY_PER_TURN 256

struct held *host_find_held(const struct host *host, struct ip ip)
{
	struct held *held;

	HASH_FIND(hh, host->held, &ip, sizeof(ip), held);
	return held;
}

/* ---- the lists that a held address is in ---- */

static void queue_add(struct held **queue, struct held *held)
{
	DL_APPEND2(*queue, held, queue_prev, queue_next);
}

/* Which queue an address in this phase waits in; NULL: in none. */
static struct held **queue_of(struct host *host, const struct held *held)
{
	if (held->phase == HELD_REFUSED || (held->phase == HELD_ACCEPTED && held->mode == CLAIM_NONE))
		return &host->ready;
	return held->phase == HELD_ACCEPTED ? &host->waiting : NULL;
}

static void queue_remove(struct host *host, struct held *held)
{
	struct held **queue = queue_of(host, held);

	if (queue != NULL)
		DL_DELETE2(*queue, held, queue_prev, queue_next);
}

static void forget(struct host *host, struct held *held)
{
	queue_remove(host, held);
	if (held->port != NULL) {
		announcer_stop(host->announcer, held->ip);
		responder_stop(host, held);
		DL_DELETE2(held->port->held, held, port_prev, port_next);
		DL_DELETE2(host->renewal, held, renew_prev, renew_next);
	}
	HASH_DEL(host->held, held);
	free(held);
}

static void kernel_remove(struct host *host, const struct held *held)
{
	if (held->port != NULL && held->mode != CLAIM_NONE)
		(void)netlink_del(host->netlink, held->kernel, held->ip);
}

void host_lose(struct host *host, struct held *held, const char *why)
{
	struct ip ip = held->ip;
	bool confirmed = held->phase == HELD_CONFIRMED;

	kernel_remove(host, held);
	forget(host, held);
	if (confirmed)
		host->handler.lost(host->handler.arg, ip, why);
	else
		host->handler.claim_failed(host->handler.arg, ip, -ENETDOWN);
}

/* ---- the lease ---- */

static struct span renew_interval(const struct host *host)
{
	return span_us(span_s(host->lease_s).us / HOST_RENEW_PER_LEASE);
}

/* Ask the kernel for what the mode needs. The answer comes to on_netlink_added. 0, -ENOBUFS or -ENOMEM: it was not asked. */
static int kernel_add(struct host *host, const struct held *held)
{
	int error = 0;

	if (held->mode != CLAIM_NONE)
		error = netlink_add(host->netlink, held->kernel, held->ip, host->lease_s);
	return error == -ENOBUFS || error == -ENOMEM ? error : 0;
}

static void renew(struct host *host, struct held *held, struct instant now)
{
	held->renewed = now;
	DL_DELETE2(host->renewal, held, renew_prev, renew_next);
	DL_APPEND2(host->renewal, held, renew_prev, renew_next);
	if (held->mode == CLAIM_ADDRESS)
		(void)kernel_add(host, held); /* the next one is in time, too */
}

static void on_renew_timer(uv_timer_t *timer);

/* Set the timer for the next renewal: at least `gap` away. */
static void renew_arm(struct host *host, struct instant now, struct span gap)
{
	struct span left;

	if (host->renewal == NULL) {
		uv_timer_stop(&host->renew_timer);
		return;
	}
	left = instant_since(instant_add(host->renewal->renewed, renew_interval(host)), now);
	if (left.us < gap.us)
		left = gap;
	uv_update_time(host->renew_timer.loop);
	uv_timer_start(&host->renew_timer, on_renew_timer, (uint64_t)((left.us + 999) / 1000), 0);
}

/* Give up what could not be renewed in time. One by one: what `lost` sets off may release or claim other addresses. */
static void drop_expired(struct host *host, struct instant now)
{
	while (host->renewal != NULL && instant_since(now, host->renewal->renewed).us >= span_s(host->lease_s).us)
		host_lose(host, host->renewal, "lease-expired");
}

static void on_renew_timer(uv_timer_t *timer)
{
	struct host *host = timer->data;
	struct instant now = clock_now();
	size_t slice = HASH_COUNT(host->held) / RENEW_SLICES;
	struct span interval = renew_interval(host);

	slice = slice < RENEW_BATCH_MIN ? RENEW_BATCH_MIN : slice;
	drop_expired(host, now);
	for (size_t i = 0; i < slice && host->renewal != NULL; i++) {
		if (instant_since(now, host->renewal->renewed).us < interval.us)
			break;
		renew(host, host->renewal, now);
	}
	/* the slices of all addresses, twice as fast as needed */
	renew_arm(host, now, span_us(interval.us / RENEW_SLICES / 2));
	host->kicked = true;
}

void host_lease(struct host *host, unsigned int lease_s)
{
	struct instant now = clock_now();
	struct span former = span_s(host->lease_s);
	struct held *held;
	size_t n = 0;

	host->lease_s = lease_s != 0 ? lease_s : HOST_LEASE_S;
	if (span_s(host->lease_s).us == former.us)
		return;
	DL_COUNT2(host->renewal, held, n, renew_next);
	held = host->renewal;
	for (size_t i = 0; i < n; i++) {
		struct held *next = held->renew_next;

		if (instant_since(now, held->renewed).us < former.us)
			renew(host, held, now);
		else /* late already: the timer gives it up */
			held->renewed = (struct instant){ INT64_MIN / 2 };
		held = next;
	}
	renew_arm(host, now, span_ms(0));
	host->kicked = true;
}

/* ---- into service ---- */

static void announce(struct host *host, const struct held *held, struct instant now)
{
	unsigned int order = SERVICE_PRIORITY_MAX - held->priority; /* the announcer's lowest goes first */

	(void)announcer_start(host->announcer, held->ip, held->port->ifindex, order, now);
}

static void confirm(struct host *host, struct held *held, struct instant now)
{
	struct ip ip = held->ip;

	queue_remove(host, held);
	held->phase = HELD_CONFIRMED;
	responder_start(host, held);
	announce(host, held, now);
	host->kicked = true;
	host->handler.claimed(host->handler.arg, ip);
}

/* Addresses that the kernel accepted and has put into service since. Each is looked at once: what follows may add others. */
static void confirm_waiting(struct host *host, struct instant now)
{
	struct held *held;
	size_t n = 0;

	DL_COUNT2(host->waiting, held, n, queue_next);
	while (n-- > 0 && host->waiting != NULL) {
		held = host->waiting;
		if (netlink_has(host->netlink, held->kernel, held->ip)) {
			confirm(host, held, now);
			continue;
		}
		DL_DELETE2(host->waiting, held, queue_prev, queue_next);
		queue_add(&host->waiting, held);
	}
}

/* Tell of claims that needed nothing of the kernel, and of those that could not be made. */
static void tell_ready(struct host *host, struct instant now)
{
	for (unsigned int i = 0; i < READY_PER_TURN && host->ready != NULL; i++) {
		struct held *held = host->ready;
		struct ip ip = held->ip;
		int error = held->error;

		if (held->phase != HELD_REFUSED) {
			confirm(host, held, now);
			continue;
		}
		forget(host, held);
		host->handler.claim_failed(host->handler.arg, ip, error);
	}
}

/* The end of a turn: whatever its callbacks have queued goes out before the loop sleeps. */
static void on_prepare(uv_prepare_t *prepare);

static void on_idle(uv_idle_t *idle)
{
	(void)idle; /* keeps the loop from sleeping; on_prepare does the work */
}

static void on_prepare(uv_prepare_t *prepare)
{
	struct host *host = prepare->data;
	struct instant now;
	bool more;

	if (!host->kicked)
		return;
	host->kicked = false;
	now = clock_now();
	tell_ready(host, now);
	(void)netlink_send(host->netlink);
	host_frames_work(host, now);
	more = ndp_groups_work(host->groups) || host->ready != NULL;
	host->kicked |= more;
	if (host->kicked)
		uv_idle_start(&host->idle, on_idle);
	else
		uv_idle_stop(&host->idle);
}

/* ---- what the kernel says ---- */

static void on_netlink_changed(void *arg)
{
	struct host *host = arg;
	struct instant now = clock_now();

	host->table_version++;
	host_ports_follow(host, now); /* first: a link may have gone in the same turn */
	host->handler.changed(host->handler.arg);
	confirm_waiting(host, now);
}

/* Why an address that was removed cannot be put back now; NULL: it can. */
static const char *why_not_restored(struct host *host, struct held *held, struct instant now)
{
	const struct netlink_link *link = netlink_table_link(netlink_table(host->netlink), held->port->ifindex);

	if (link == NULL)
		return "interface-gone";
	if (!link->up && held->mode == CLAIM_ADDRESS)
		return "link-down"; /* the kernel takes IPv6 addresses with it */
	if (instant_since(now, held->renewed).us >= span_s(host->lease_s).us)
		return "lease-expired";
	if (instant_since(now, held->restore_window).us >= span_s(60).us) {
		held->restore_window = now;
		held->restore_n = 0;
	}
	return ++held->restore_n > HOST_RESTORE_MAX ? "removed-by-others" : NULL;
}

/* Another program removed an address or a route of ours: put it back, but do not fight for ever. */
static void on_netlink_removed(void *arg, uint32_t index, struct ip ip)
{
	struct host *host = arg;
	struct held *held = host_find_held(host, ip);
	struct instant now = clock_now();
	char text[IP_TEXT_MAX];
	const char *why;

	if (held == NULL || held->port == NULL || held->mode == CLAIM_NONE || held->kernel != index)
		return;
	why = why_not_restored(host, held, now);
	if (why != NULL) {
		host_lose(host, held, why);
		return;
	}
	log_warning("address-removed-by-others ip=%s iface=%s action=restored times=%u", ip_format(ip, text),
		    held->port->name, held->restore_n);
	renew(host, held, now);
	if (held->mode == CLAIM_ROUTE)
		(void)kernel_add(host, held);
	if (held->phase == HELD_CONFIRMED)
		announce(host, held, now);
	host->kicked = true;
}

static void on_netlink_added(void *arg, uint32_t index, struct ip ip, int error)
{
	struct host *host = arg;
	struct held *held = host_find_held(host, ip);

	if (held == NULL || held->port == NULL || held->mode == CLAIM_NONE || held->kernel != index)
		return; /* released in the meantime */
	if (error != 0) {
		bool confirmed = held->phase == HELD_CONFIRMED;

		forget(host, held);
		if (confirmed)
			host->handler.lost(host->handler.arg, ip, strerror(-error));
		else
			host->handler.claim_failed(host->handler.arg, ip, error);
		return;
	}
	if (held->phase != HELD_REQUESTED)
		return;
	held->phase = HELD_ACCEPTED;
	queue_add(&host->waiting, held);
	/* An IPv6 address gets its local route a moment after the acknowledgement; the event that follows tells when. */
	if (held->mode == CLAIM_ROUTE || ip.family == IP_V4 || netlink_has(host->netlink, index, ip))
		confirm(host, held, clock_now());
}

static void on_netlink(uv_poll_t *poll, int status, int events)
{
	struct host *host = poll->data;
	int error;

	/* libuv stops a handle whose descriptor reports an error; an overrun of a netlink socket is one */
	if (status < 0)
		uv_poll_start(poll, UV_READABLE, on_netlink);
	(void)events;
	error = netlink_read(host->netlink);
	if (error != 0)
		log_error("netlink-broken error=\"%s\"", strerror(-error));
	host->kicked = true;
}

/* ---- open, close ---- */

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
	if (host->ndp_fd < 0)
		return host->ndp_fd;
	host->groups = ndp_groups_new(host->ndp_fd);
	return host->groups != NULL ? 0 : -ENOMEM;
}

static void poll_start(struct host *host, uv_loop_t *loop, size_t i, int fd, uv_poll_cb cb)
{
	host->polls[i].data = host;
	uv_poll_init(loop, &host->polls[i], fd);
	uv_poll_start(&host->polls[i], UV_READABLE, cb);
}

static void handles_start(struct host *host, uv_loop_t *loop)
{
	poll_start(host, loop, 0, netlink_event_fd(host->netlink), on_netlink);
	poll_start(host, loop, 1, netlink_request_fd(host->netlink), on_netlink);
	poll_start(host, loop, 2, host->arp_fd, host_on_arp);
	poll_start(host, loop, 3, host->ndp_fd, host_on_ndp);
	host->frame_timer.data = host;
	host->renew_timer.data = host;
	host->prepare.data = host;
	host->idle.data = host;
	uv_timer_init(loop, &host->frame_timer);
	uv_timer_init(loop, &host->renew_timer);
	uv_idle_init(loop, &host->idle);
	uv_prepare_init(loop, &host->prepare);
	uv_prepare_start(&host->prepare, on_prepare);
}

int host_open(uv_loop_t *loop, const struct host_config *config, const struct host_handler *handler, struct host **ret)
{
	struct host *host = calloc(1, sizeof(*host));
	uint32_t frames_per_s = config->frames_per_s != 0 ? config->frames_per_s : HOST_FRAMES_PER_S;
	int error;

	if (host == NULL)
		return -ENOMEM;
	if (frames_per_s < ANNOUNCER_REPEAT_PART)
		frames_per_s = ANNOUNCER_REPEAT_PART;
	host->handler = *handler;
	host->lease_s = config->lease_s != 0 ? config->lease_s : HOST_LEASE_S;
	host->right = true;
	host->arp_fd = -1;
	host->ndp_fd = -1;
	host->gateways_read = (struct instant){ INT64_MIN / 2 };
	host->ask_pace = bucket_of(frames_per_s, ANNOUNCER_BURST);
	host->announcer = announcer_new(clock_random_u64(), frames_per_s);
	error = host->announcer == NULL ? -ENOMEM : open_sockets(host);
	if (error != 0) {
		host_close(host);
		return error;
	}
	handles_start(host, loop);
	*ret = host;
	return 0;
}

static void handles_stop(struct host *host)
{
	if (host->prepare.data == NULL)
		return; /* never started */
	for (size_t i = 0; i < sizeof(host->polls) / sizeof(host->polls[0]); i++)
		uv_poll_stop(&host->polls[i]);
	uv_timer_stop(&host->frame_timer);
	uv_timer_stop(&host->renew_timer);
	uv_prepare_stop(&host->prepare);
	uv_idle_stop(&host->idle);
}

void host_close(struct host *host)
{
	struct held *held;
	struct held *next;

	if (host == NULL)
		return;
	handles_stop(host);
	HASH_ITER(hh, host->held, held, next)
	{
		HASH_DEL(host->held, held);
		free(held);
	}
	host_frames_free(host);
	host_ports_free(host);
	ndp_groups_free(host->groups);
	netlink_close(host->netlink);
	announcer_free(host->announcer);
	if (host->arp_fd >= 0)
		close(host->arp_fd);
	if (host->ndp_fd >= 0)
		close(host->ndp_fd);
	free(host);
}

/* ---- what the node wants ---- */

static void refuse(struct host *host, struct held *held, int error)
{
	held->phase = HELD_REFUSED;
	held->error = error;
	queue_add(&host->ready, held);
}

static void request(struct host *host, struct held *held, struct port *port, struct instant now)
{
	int error;

	held->kernel = held->mode == CLAIM_ADDRESS ? port->ifindex : NETLINK_LOCAL_ROUTE;
	error = kernel_add(host, held);
	if (error != 0) {
		refuse(host, held, error);
		return;
	}
	held->port = port;
	held->renewed = now;
	held->phase = HELD_REQUESTED;
	DL_APPEND2(port->held, held, port_prev, port_next);
	DL_APPEND2(host->renewal, held, renew_prev, renew_next);
	if (held->mode == CLAIM_NONE) {
		held->phase = HELD_ACCEPTED;
		queue_add(&host->ready, held);
	}
	if (!uv_is_active((const uv_handle_t *)&host->renew_timer))
		renew_arm(host, now, renew_interval(host));
}

void host_claim(struct host *host, struct ip ip, const char *iface, enum claim_mode mode, unsigned int priority,
		struct instant now)
{
	struct port *port = host_port_named(host, iface);
	struct held *held = host_find_held(host, ip);

	if (held != NULL) {
		host_announce(host, ip, now);
		return;
	}
	held = calloc(1, sizeof(*held));
	if (held == NULL) {
		host->handler.claim_failed(host->handler.arg, ip, -ENOMEM);
		return;
	}
	held->ip = ip;
	held->mode = mode;
	held->priority = priority;
	held->restore_window = now;
	host->kicked = true;
	HASH_ADD(hh, host->held, ip, sizeof(held->ip), held);
	if (port == NULL) {
		refuse(host, held, -ENODEV);
		return;
	}
	if (mode != CLAIM_NONE && port->held == NULL)
		host_port_warn_shared(host, port, ip, now);
	request(host, held, port, now);
}

void host_release(struct host *host, struct ip ip)
{
	struct held *held = host_find_held(host, ip);

	if (held == NULL)
		return;
	kernel_remove(host, held);
	forget(host, held);
}

void host_flush(struct host *host)
{
	netlink_flush(host->netlink, span_s(1));
}

void host_announce(struct host *host, struct ip ip, struct instant now)
{
	struct held *held = host_find_held(host, ip);

	if (held == NULL || held->phase != HELD_CONFIRMED)
		return;
	announce(host, held, now);
	host->kicked = true;
}

void host_right(struct host *host, bool right)
{
	host->right = right;
	host->kicked = true;
	if (!right) {
		/* what this turn has queued was under the right that is gone */
		host->arp_out_n = 0;
		host->ndp_out_n = 0;
	}
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

const struct netlink_table *host_table(const struct host *host)
{
	return netlink_table(host->netlink);
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
