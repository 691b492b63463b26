/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shell: this host's side of ownership. Puts claimed addresses on interfaces with a lifetime, renews them, announces them by
 * gratuitous ARP and unsolicited NA, and tells what the kernel and the segment say. Decides nothing about who owns what.
 */
#ifndef MLB_DAEMON_HOST_H
#define MLB_DAEMON_HOST_H

#include <uv.h>

#include "base/addr.h"
#include "base/meta.h"
#include "base/time.h"

/*
 * Lifetime of a claimed address in the kernel, and how often it is renewed. When the daemon dies or hangs the kernel drops
 * the address at most HOST_LEASE_S after the last renewal, plus its own lateness of up to half a second for one address.
 */
#define HOST_LEASE_S 2
#define HOST_RENEW_MS 500

/* An address that others keep removing is put back this often per minute, then given up. */
#define HOST_RESTORE_MAX 5

struct host_handler {
	void (*changed)(void *arg);		  /* links or addresses of the host changed: host_segments may differ */
	void (*claimed)(void *arg, struct ip ip); /* the kernel has it, the first announcement is out */
	void (*claim_failed)(void *arg, struct ip ip, int error);
	void (*lost)(void *arg, struct ip ip, const char *why); /* no longer held: given up by us for that reason */
	void (*stranger)(void *arg, struct ip ip, struct mac mac, const char *iface); /* somebody else announces it */
	void *arg;
};

struct host; /* opaque */

/* Open netlink, ARP and ICMPv6 sockets. 0, -EPERM (a capability is missing), or another negative errno. */
int host_open(uv_loop_t *loop, const struct host_handler *handler, struct host **ret);
/* Does not release what is held (host_release does). NULL is fine. */
void host_close(struct host *host);
/* Put ip on the interface; `claimed` or `claim_failed` follows. */
void host_claim(struct host *host, struct ip ip, const char *iface, struct instant now);
/* Take it off at once. Unknown: nothing happens. */
void host_release(struct host *host, struct ip ip);
/* Wait, not for long, until the kernel has taken everything off that was released. For the end of the program. */
void host_flush(struct host *host);
/* Announce a held address again from the start of its schedule. */
void host_announce(struct host *host, struct ip ip, struct instant now);
/* Remove what an earlier run left: addresses with our mark that are not held. Returns how many. */
size_t host_clean(struct host *host);
/* See netlink_table_segments. */
size_t host_segments(const struct host *host, const char *const *first, size_t first_n, struct segment out[SEGMENT_MAX],
		     size_t *out_n);
/*
 * Ask the segment for a peer's link-layer address, if it is on one of ours. The kernel repeats its own question once a second
 * only, so the first packet after a partition would wait that long; our question makes the answer arrive at once.
 */
void host_solicit(struct host *host, struct ip peer);
/* Does any link of this host have a subnet that holds ip, or the given name? For checking a configuration. */
bool host_has_subnet_of(const struct host *host, struct ip ip);
bool host_has_iface(const struct host *host, const char *iface);
/* The first global address of an interface, IPv4 before IPv6. -ENODEV, -EADDRNOTAVAIL. */
int host_iface_address(const struct host *host, const char *iface, struct ip *ret);

#endif
