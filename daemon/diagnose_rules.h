/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From facts about a node, its host and its cluster to findings. Each rule looks at one thing and appends what is wrong with it.
 * Pure: daemon/diagnose.c collects the facts. All texts are borrowed for the call.
 */
#ifndef MLB_DAEMON_DIAGNOSE_RULES_H
#define MLB_DAEMON_DIAGNOSE_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/time.h"
#include "daemon/diagnose_finding.h"

struct diagnose_process {
	const char *node;
	bool joined, draining;
	uint64_t capabilities; /* effective ones, bit by bit (linux/capability.h) */
	bool switches_user;    /* a health check runs as somebody else */
	int priority_wanted, priority;
	bool lock_wanted, locked;
	struct span late_p99;
};

/* An interface that is to have service addresses. */
struct diagnose_link {
	const char *name;
	bool silent;	  /* nothing answers behind it */
	bool v4, v6;	  /* families of the addresses that it is to have */
	const char *twin; /* another running interface with a subnet of the same addresses; NULL: none */
	bool alone;	  /* no other interface of this host has an address, but lo */
	/* The higher of `all` and the interface's own, as the kernel takes it. */
	int arp_ignore, arp_announce, rp_filter, drop_gratuitous_arp;
	/* The interface's own; -1: cannot be read. */
	int disable_ipv6, accept_dad;
};

/* Where an address could be, best first. */
enum diagnose_place {
	PLACE_USABLE,
	PLACE_NO_CARRIER,
	PLACE_DOWN,
	PLACE_UNFIT,
	PLACE_NO_INTERFACE,
	PLACE_NO_SUBNET,
};

struct diagnose_address {
	const char *service;
	struct ip ip;
	bool ours; /* the service is for this node, by its selectors */
	enum diagnose_place place;
	const char *iface; /* of `place`; NULL: none */
	const char *state; /* of the election; NULL: it does not know the address */
};

struct diagnose_member {
	const char *name;
	bool live, suspect, dead;
	uint32_t loss_in_ppm, loss_out_ppm; /* 0 where nothing is exchanged */
	unsigned int health;
	size_t path_n;		  /* that both have */
	uint32_t path_mask;	  /* those heard lately; 0: nothing is exchanged */
	int64_t started_s, now_s; /* its start by its clock, and now by ours; since 1970 */
};

struct diagnose_fencing {
	bool right;
	const char *gate; /* "open", "shut", "absent", "none" */
	bool gate_wanted;
	uint64_t flush_n;
	bool guard_wanted, guard;
};

struct diagnose_gossip {
	const char *iface; /* that carries it; NULL: not known */
	unsigned int mtu;  /* 0: not known */
	size_t packet_len; /* of the longest datagram */
	enum ip_family family;
	bool insecure;
	uint64_t refused_n; /* packets that could not be opened */
};

void diagnose_process(struct diagnosis *d, const struct diagnose_process *process);
void diagnose_link(struct diagnosis *d, const struct diagnose_link *link);
void diagnose_address(struct diagnosis *d, const struct diagnose_address *address);
void diagnose_member(struct diagnosis *d, const struct diagnose_member *member);
void diagnose_fencing(struct diagnosis *d, const struct diagnose_fencing *fencing);
void diagnose_gossip(struct diagnosis *d, const struct diagnose_gossip *gossip);

#endif
