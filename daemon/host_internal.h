/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the host share: host.c (claims, leases, the kernel), host_port.c (interfaces), host_frames.c (what goes out and
 * comes in), responder.c (answers).
 */
#ifndef MLB_DAEMON_HOST_INTERNAL_H
#define MLB_DAEMON_HOST_INTERNAL_H

#include "arp/socket.h"
#include "base/bucket.h"
#include "base/clock.h"
#include "base/rng.h"
#include "daemon/announcer.h"
#include "daemon/host.h"
#include "ndp/groups.h"
#include "ndp/socket.h"
#include "netlink/gateway.h"
#include "netlink/netlink.h"

#define HASH_FUNCTION(key, len, hash) ((hash) = (unsigned int)hash_bytes(0, (key), (len)))
#include <uthash.h>
#include <utlist.h>

/* Subnets of an interface that are remembered as sources of questions. */
#define PORT_SOURCE_MAX 8

/* An interface that we claim on, ask on, or have heard of. */
struct port {
	uint32_t ifindex; /* key */
	char name[IFACE_NAME_MAX + 1];
	struct mac mac;
	bool running;
	struct held *held;     /* list, of those in the host's hash */
	struct instant heard;  /* when that was last told */
	struct instant looked; /* when the two that follow were read */
	bool arp_ignored;      /* sysctl arp_ignore: the kernel does not answer for what is only a route */
	bool forwards_v6;
	/* Our own addresses for asking: of IPv4 with their subnets, of IPv6 one, the link-local if there is one. */
	uint64_t source_version; /* of the table that they were taken from */
	size_t source_n;
	struct subnet sources[PORT_SOURCE_MAX];
	struct ip source_v6; /* IP_NONE: none */
	UT_hash_handle hh;
};

enum held_phase {
	HELD_REFUSED,	/* before the kernel was asked; claim_failed is to be told */
	HELD_REQUESTED, /* the kernel was asked */
	HELD_ACCEPTED,	/* it has said yes, or need not be asked */
	HELD_CONFIRMED, /* in service: announced, and told */
};

struct held {
	struct ip ip;	   /* key */
	struct port *port; /* borrowed; lives while it has held addresses. NULL when refused */
	uint32_t kernel;   /* index of the link in mode address, NETLINK_LOCAL_ROUTE in mode route; unused in none */
	enum claim_mode mode;
	unsigned int priority;
	enum held_phase phase;
	int error; /* when refused */
	struct instant renewed;
	struct instant restore_window;
	unsigned int restore_n;		      /* times it was put back since restore_window */
	uint64_t announced_n;		      /* frames that announce it */
	bool grouped;			      /* a member of its solicited-node group */
	bool probed;			      /* its last self-probe was an ARP probe */
	struct held *queue_prev, *queue_next; /* in host.ready or host.waiting */
	struct held *port_prev, *port_next;
	struct held *renew_prev, *renew_next;
	UT_hash_handle hh;
};

/* An address that host_ask asked for. */
struct asked {
	struct ip ip; /* key */
	uint32_t ifindex;
	struct instant until;
	bool queued;		   /* the question has not gone out yet */
	unsigned int forms;	   /* of ASK_REQUEST and ASK_PROBE */
	struct asked *prev, *next; /* in host.asked_list: by `until` */
	struct asked *queue_prev, *queue_next;
	UT_hash_handle hh;
};

struct host {
	struct host_handler handler;
	unsigned int lease_s;
	bool right;
	uint64_t announced_n;	     /* frames that announce an address, ever */
	struct netlink *netlink;     /* owned */
	struct announcer *announcer; /* owned */
	struct ndp_groups *groups;   /* owned */
	uint64_t table_version;	     /* counts changes of netlink's table */

	struct held *held;    /* owned hash by ip */
	struct held *ready;   /* list: to be told or confirmed in this turn */
	struct held *waiting; /* list: accepted, but not in service yet */
	struct held *renewal; /* list: all that were not refused, the one renewed longest ago first */
	struct port *ports;   /* owned hash by ifindex */
	struct port *named;   /* borrowed; the one found by name last */
	bool warned_shared;   /* see host_port_warn_shared */

	struct gateway gateways[2]; /* of the default routes, IPv4 and IPv6; IP_NONE: none */
	struct instant gateways_read;

	struct asked *asked;	  /* owned hash by ip */
	struct asked *asked_list; /* all of them */
	struct asked *ask_queue;  /* those that wait for their turn */
	struct bucket ask_pace;

	int arp_fd;
	int ndp_fd;
	struct arp_outgoing arp_out[ARP_BATCH_MAX]; /* what goes out at the end of the turn */
	struct ndp_outgoing ndp_out[NDP_BATCH_MAX];
	size_t arp_out_n;
	size_t ndp_out_n;

	bool kicked; /* something may be due that no timer knows of */
	uv_poll_t polls[4];
	uv_timer_t frame_timer; /* announcements and questions */
	uv_timer_t renew_timer;
	uv_prepare_t prepare; /* the end of a turn: before the loop sleeps */
	uv_idle_t idle;	      /* active while there is more to do: keeps the loop from sleeping */
};

/* ---- host.c ---- */

struct held *host_find_held(const struct host *host, struct ip ip);
/* Give up an address for a reason of this host, and say so. */
void host_lose(struct host *host, struct held *held, const char *why);

/* ---- host_port.c ---- */

/* Find, or make when the interface exists. NULL: it does not, or no memory. */
struct port *host_port_get(struct host *host, uint32_t ifindex);
struct port *host_port_named(struct host *host, const char *name);
/* The table changed: follow MACs and carrier, give up what was on interfaces that went. */
void host_ports_follow(struct host *host, struct instant now);
void host_ports_free(struct host *host);
/* Read the sysctls of the interface again, if that was over a second ago. */
void host_port_look(struct port *port, struct instant now);
/* Fill in the sources for asking, if the table changed since. */
void host_port_sources(struct host *host, struct port *port);
/*
 * Two interfaces in one subnet, and a kernel that answers ARP for its addresses on both (arp_ignore 0)? Clients may then learn
 * the MAC of the wrong one: warn, once in the daemon's life.
 */
void host_port_warn_shared(struct host *host, struct port *port, struct ip ip, struct instant now);
bool host_is_our_mac(const struct host *host, struct mac mac);

/* ---- host_frames.c ---- */

void host_queue_arp(struct host *host, const struct port *port, const struct arp_packet *packet);
void host_queue_ndp(struct host *host, const struct port *port, const struct ndp_frame *frame);
/* Send what is queued. */
void host_flush_frames(struct host *host);
/* Queue the announcement of a held address in some forms. */
void host_queue_announcement(struct host *host, struct held *held, unsigned int forms, struct instant now);
/* Announce and ask what is due, and set the timer for the next. */
void host_frames_work(struct host *host, struct instant now);
void host_frames_free(struct host *host);
void host_on_frame_timer(uv_timer_t *timer);
void host_on_arp(uv_poll_t *poll, int status, int events);
void host_on_ndp(uv_poll_t *poll, int status, int events);

#endif
