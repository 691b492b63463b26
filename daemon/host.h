/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shell: this host's side of ownership. Makes the kernel, or itself, answer for claimed addresses, announces them by gratuitous
 * ARP (RFC 5227 2.3) and unsolicited neighbour advertisements (RFC 4861 7.2.6), asks the segment who has an address, and tells
 * what the kernel and the segment say. Decides nothing about who owns what.
 */
#ifndef MLB_DAEMON_HOST_H
#define MLB_DAEMON_HOST_H

#include <uv.h>

#include "base/addr.h"
#include "base/meta.h"
#include "base/time.h"
#include "election/election.h"

/*
 * Lifetime of a claimed address in the kernel without a gate: when the daemon dies or hangs the kernel drops the address at most
 * that long after the last renewal, plus its own lateness of up to half a second for one address.
 */
#define HOST_LEASE_S 2
/* A lease is renewed this often before it ends. */
#define HOST_RENEW_PER_LEASE 4

/* An address that others keep removing is put back this often per minute, then given up. */
#define HOST_RESTORE_MAX 5

/*
 * First announcements per second; repeats get a quarter of it (daemon/announcer.h argues both). 10,000 addresses are announced
 * once within half a second.
 */
#define HOST_FRAMES_PER_S 20000

/* What the segment says about an address that host_ask asked for is told for this long. */
#define HOST_ASK_S 2

/* `heard` comes at most this often for an interface. */
#define HOST_HEARD_MS 50

struct host_config {
	unsigned int lease_s;	   /* lifetime of addresses in mode address; 0: HOST_LEASE_S */
	unsigned int frames_per_s; /* of announcements and questions; 0: HOST_FRAMES_PER_S */
};

/*
 * All come from the loop, not from within a call of this header (but for claim_failed with -ENOMEM); they may call anything here but
 * host_close.
 */
struct host_handler {
	void (*changed)(void *arg); /* links or addresses of the host changed: host_segments may differ */
	/* In service: the kernel has it, or nothing is needed of the kernel. The announcement goes out in this turn, or is queued. */
	void (*claimed)(void *arg, struct ip ip);
	/* -ENODEV: no such interface; -ENETDOWN: it went, or the lease ended, before the claim was in service; what the kernel says. */
	void (*claim_failed)(void *arg, struct ip ip, int error);
	/*
	 * No longer held, given up by this host: "lease-expired", "removed-by-others", "link-down", "interface-gone",
	 * "interface-renamed", or the text of the error with which the kernel refused to renew it.
	 */
	void (*lost)(void *arg, struct ip ip, const char *why);
	/*
	 * A MAC that is not ours speaks for ip: an ARP packet or a solicitation with ip as sender, or an advertisement for it.
	 * Comes for every address that we hold (ours) and for those that were asked for within HOST_ASK_S. Every time.
	 */
	void (*answer)(void *arg, struct ip ip, struct mac mac, const char *iface, bool ours);
	/* The interface is alive: an ARP or ND packet of another host arrived there. At most once in HOST_HEARD_MS for each. */
	void (*heard)(void *arg, const char *iface);
	void *arg;
};

struct host; /* opaque */
struct netlink_table;

/* Open netlink, ARP and ND sockets. 0, -EPERM (a capability is missing), or another negative errno. */
int host_open(uv_loop_t *loop, const struct host_config *config, const struct host_handler *handler, struct host **ret);
/* Does not release what is held (host_release does). NULL is fine. */
void host_close(struct host *host);
/*
 * Hold ip on the interface; `claimed` or `claim_failed` follows. Mode address: ip/32 or ip/128 on the interface, with a lifetime.
 * route: a local route; the daemon answers neighbour solicitations, and ARP where arp_ignore keeps the kernel from it. none:
 * nothing in the kernel; the daemon answers both. Held already: announced again, whatever mode and interface say. Of many that are
 * claimed at once, those with a higher priority (0 to SERVICE_PRIORITY_MAX) are announced first, as far as the kernel has them.
 */
void host_claim(struct host *host, struct ip ip, const char *iface, enum claim_mode mode, unsigned int priority,
		struct instant now);
/* Take it off at once. Unknown: nothing happens. */
void host_release(struct host *host, struct ip ip);
/* Wait, not for long, until the kernel has taken everything off that was released. For the end of the program. */
void host_flush(struct host *host);
/* Announce a held address again from the start of its schedule. */
void host_announce(struct host *host, struct ip ip, struct instant now);
/* Frames (gratuitous ARP, unsolicited advertisements) that announced ip since it is held; IP_NONE: any address, ever. */
uint64_t host_announced(const struct host *host, struct ip ip);
/* One announcement now, outside the schedule (RFC 5227 2.4). Not held, or without the right: nothing happens. */
void host_defend(struct host *host, struct ip ip);
/*
 * May this host speak for what it holds? Without the right the daemon neither announces nor answers; the kernel still does, in
 * its modes, until its addresses are released or expire or a gate closes. True after host_open. Back again: goes on.
 */
void host_right(struct host *host, bool right);
/* Change the lifetime of addresses in mode address; those that are held are renewed with it at once. 0: HOST_LEASE_S. */
void host_lease(struct host *host, unsigned int lease_s);
/* Remove what an earlier run left: addresses and routes with our mark that are not held. Returns how many. */
size_t host_clean(struct host *host);
/* See netlink_table_segments. */
size_t host_segments(const struct host *host, const char *const *first, size_t first_n, struct segment out[SEGMENT_MAX],
		     size_t *out_n);
/*
 * Ask the segment who has ip; answers come to `answer`, for HOST_ASK_S. IPv4: an ordinary request from our own address (those
 * pass switches that suppress probes and announcements) and a probe with sender 0. IPv6: a solicitation from our link-local
 * address to the solicited-node group. Questions are paced; one that is still waiting is not asked twice.
 */
void host_ask(struct host *host, struct ip ip, const char *iface);
/* As host_ask, for an address that we hold, where we hold it, and in one form at a time: this goes on for ever. */
void host_probe(struct host *host, struct ip ip);
/*
 * Ask for a peer or a gateway on one of our subnets, as host_ask does on the interface of that subnet. The kernel repeats its own question once a second only,
 * so the first packet after a partition would wait that long; the answer to our question reaches the kernel, too.
 */
void host_solicit(struct host *host, struct ip peer);
/* Does any link of this host have a subnet that holds ip, or the given name? For checking a configuration. */
bool host_has_subnet_of(const struct host *host, struct ip ip);
bool host_has_iface(const struct host *host, const char *iface);
/* The first global address of an interface, IPv4 before IPv6. -ENODEV, -EADDRNOTAVAIL. */
int host_iface_address(const struct host *host, const char *iface, struct ip *ret);
/* What the kernel has; borrowed until the next turn of the loop. */
const struct netlink_table *host_table(const struct host *host);

#endif
