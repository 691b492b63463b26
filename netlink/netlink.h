/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shell: two rtnetlink sockets, one for events and dumps, one for requests. Keeps a netlink_table up to date (dumps
 * again after ENOBUFS) and adds, renews and removes our addresses. Non-blocking; the caller polls the two descriptors.
 */
#ifndef MLB_NETLINK_NETLINK_H
#define MLB_NETLINK_NETLINK_H

#include "base/time.h"
#include "netlink/table.h"

struct netlink; /* opaque */

/* In place of a link's index: not an address on a link, but a local route (netlink_message_route_add). */
#define NETLINK_LOCAL_ROUTE 0

/* Requests that wait for the kernel's answer: a move of every address that a node can have, twice. */
#define NETLINK_QUEUE_MAX (2 * ADDRESS_MAX)

struct netlink_handler {
	/*
	 * All are called from within netlink_read only, and may call anything here but netlink_read,
	 * netlink_probe_rights and netlink_close.
	 *
	 * Links or addresses changed (once per batch read).
	 */
	void (*changed)(void *arg);
	/*
	 * An address that netlink_add put there is gone, and neither by netlink_del nor because its lifetime ran out:
	 * another program removed it, or its link went down (IPv6). Comes after `changed`, once; the address is no
	 * longer held.
	 */
	void (*removed)(void *arg, uint32_t index, struct ip ip);
	/*
	 * The kernel answered netlink_add (error 0 or negative errno), or -ETIMEDOUT: it had to wait in the queue for
	 * longer than the lifetime it asked for, and was not sent. After an error the address is no longer held.
	 */
	void (*added)(void *arg, uint32_t index, struct ip ip, int error);
	void *arg;
};

/*
 * Open, subscribe, and dump once (blocking, bounded to 2 s). 0 or a negative errno (-EPERM without CAP_NET_ADMIN is
 * found only by netlink_probe_rights).
 */
int netlink_open(const struct netlink_handler *handler, struct netlink **ret);
void netlink_close(struct netlink *n);
/* Descriptors to poll for reading; call netlink_read when either is readable. */
int netlink_event_fd(const struct netlink *n);
int netlink_request_fd(const struct netlink *n);
/*
 * Read what is there (bounded: poll level-triggered) and send what waits. Returns 0, or a negative errno that means
 * the sockets are of no use any more.
 */
int netlink_read(struct netlink *n);
const struct netlink_table *netlink_table(const struct netlink *n);
/*
 * May this process change addresses? 0, -EPERM, or another negative errno when it could not ask. Asks the kernel to
 * delete an address that cannot exist.
 */
int netlink_probe_rights(struct netlink *n);
/*
 * Queue one request. A removal is sent at once where few are unanswered, and with it all that wait; an add too, unless others are
 * unanswered: then netlink_send or the next netlink_read sends it, together with those that follow. Requests are carried out in
 * order. 0, -ENOBUFS (NETLINK_QUEUE_MAX wait), -EINVAL, or -ENOMEM. `added` follows for add. valid_s 0: no end. Adding a held
 * address renews it. A route has no lifetime: valid_s only says how long the request may wait.
 */
int netlink_add(struct netlink *n, uint32_t index, struct ip ip, uint32_t valid_s);
int netlink_del(struct netlink *n, uint32_t index, struct ip ip);
/* Send what waits, for some milliseconds at most; netlink_read goes on. For the end of a turn. 0 or a lasting error. */
int netlink_send(struct netlink *n);
/* Does the kernel have the address, with any prefix length, or the route? */
bool netlink_has(const struct netlink *n, uint32_t index, struct ip ip);
/* Wait until everything that was asked for is answered, or for `limit`. For the end of the program. */
void netlink_flush(struct netlink *n, struct span limit);
/*
 * Remove every address and route that carries our mark and is not in keep[0..keep_n): what an earlier run left.
 * Returns how many removals were asked for.
 */
size_t netlink_clean_leftovers(struct netlink *n, const struct ip *keep, size_t keep_n);

#endif
