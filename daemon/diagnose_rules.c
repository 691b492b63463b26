/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/diagnose_rules.h"

#include <linux/capability.h>
#include <stdio.h>
#include <string.h>

/* Of the event loop, 99 of 100 times: a fifth of the heartbeat interval of profile lan. */
#define LATE_MAX_US 5000

/* Heartbeats in 100 that may get lost without a word: detection copes with far more. */
#define LOSS_MAX_PPM 50000

/* Clocks kept by NTP differ by milliseconds, and a start is rounded to seconds. */
#define CLOCK_SLACK_S 5

/* Headers of a datagram: IPv4 (RFC 791) or IPv6 (RFC 8200), and UDP. */
#define HEADERS_V4 28
#define HEADERS_V6 48

static void missing_capability(struct diagnosis *d, uint64_t have, unsigned int bit, const char *name, const char *use)
{
	if ((have >> bit & 1) == 0)
		finding_add(d, FINDING_CAPABILITY_MISSING, name, "the daemon does not have %s, for %s", name, use);
}

void diagnose_process(struct diagnosis *d, const struct diagnose_process *process)
{
	if (!process->joined)
		finding_add(d, FINDING_NOT_JOINED, process->node, "state starting");
	else if (process->draining)
		finding_add(d, FINDING_DRAINING, process->node, "state draining");
	missing_capability(d, process->capabilities, CAP_NET_ADMIN, "CAP_NET_ADMIN", "addresses, routes and the gate");
	missing_capability(d, process->capabilities, CAP_NET_RAW, "CAP_NET_RAW", "ARP and neighbour discovery");
	if (process->switches_user) {
		missing_capability(d, process->capabilities, CAP_SETUID, "CAP_SETUID", "health checks of other users");
		missing_capability(d, process->capabilities, CAP_SETGID, "CAP_SETGID", "health checks of other users");
		missing_capability(d, process->capabilities, CAP_KILL, "CAP_KILL",
				   "the end of health checks of other users");
	}
	if (process->priority < process->priority_wanted)
		finding_add(d, FINDING_REALTIME_REFUSED, "process.realtimePriority", "%d is wanted and %d in force",
			    process->priority_wanted, process->priority);
	if (process->lock_wanted && !process->locked)
		finding_add(d, FINDING_MEMORY_NOT_LOCKED, "process.lockMemory", "wanted, and refused by the kernel");
	if (process->late_p99.us > LATE_MAX_US)
		finding_add(d, FINDING_LOOP_LATE, process->node, "one turn in 100 is more than %.1f ms late",
			    (double)process->late_p99.us / 1000);
}

static void link_v4(struct diagnosis *d, const struct diagnose_link *link)
{
	if (link->twin != NULL && link->arp_ignore == 0)
		finding_add(d, FINDING_ARP_FLUX, link->name, "arp_ignore is 0, and %s is in the same subnet",
			    link->twin);
	if (!link->alone && link->arp_announce < 2)
		finding_add(d, FINDING_ARP_ANNOUNCE, link->name, "arp_announce is %d", link->arp_announce);
	if (!link->alone && link->rp_filter == 1)
		finding_add(d, FINDING_RP_FILTER_STRICT, link->name,
			    "rp_filter is 1, and the host has other interfaces");
	if (link->drop_gratuitous_arp > 0)
		finding_add(d, FINDING_GARP_IGNORED, link->name, "drop_gratuitous_arp is %d",
			    link->drop_gratuitous_arp);
}

void diagnose_link(struct diagnosis *d, const struct diagnose_link *link)
{
	if (link->silent)
		finding_add(d, FINDING_SEGMENT_SILENT, link->name, "neither gateway nor members answer there");
	if (link->v4)
		link_v4(d, link);
	if (link->v6 && link->disable_ipv6 > 0)
		finding_add(d, FINDING_IPV6_DISABLED, link->name, "disable_ipv6 is %d", link->disable_ipv6);
	if (link->v6 && link->accept_dad > 1)
		finding_add(d, FINDING_DAD_DISABLES_IPV6, link->name, "accept_dad is %d", link->accept_dad);
}

static void address_place(struct diagnosis *d, const struct diagnose_address *address, const char *ip)
{
	const char *iface = address->iface != NULL ? address->iface : "-";

	switch (address->place) {
	case PLACE_USABLE:
		return;
	case PLACE_NO_CARRIER:
		finding_add(d, FINDING_INTERFACE_NO_CARRIER, iface, "service %s: %s", address->service, ip);
		return;
	case PLACE_DOWN:
		finding_add(d, FINDING_INTERFACE_DOWN, iface, "service %s: %s", address->service, ip);
		return;
	case PLACE_UNFIT:
		finding_add(d, FINDING_INTERFACE_UNFIT, iface, "service %s: %s", address->service, ip);
		return;
	case PLACE_NO_INTERFACE:
		finding_add(d, FINDING_INTERFACE_MISSING, iface, "service %s: %s", address->service, ip);
		return;
	case PLACE_NO_SUBNET:
		finding_add(d, FINDING_SUBNET_MISSING, ip, "service %s", address->service);
		return;
	}
}

void diagnose_address(struct diagnosis *d, const struct diagnose_address *address)
{
	const char *state = address->state != NULL ? address->state : "";
	char ip[IP_TEXT_MAX];

	ip_format(address->ip, ip);
	if (address->ours)
		address_place(d, address, ip);
	if (strcmp(state, "unowned") == 0)
		finding_add(d, FINDING_ADDRESS_UNOWNED, ip, "service %s", address->service);
	else if (strcmp(state, "taken") == 0)
		finding_add(d, FINDING_ADDRESS_TAKEN, ip, "service %s", address->service);
	else if (strcmp(state, "held-down") == 0)
		finding_add(d, FINDING_ADDRESS_HELD_DOWN, ip, "service %s", address->service);
}

void diagnose_member(struct diagnosis *d, const struct diagnose_member *member)
{
	uint32_t all = (uint32_t)((UINT64_C(1) << member->path_n) - 1);

	if (member->dead)
		finding_add(d, FINDING_MEMBER_DEAD, member->name, "state dead");
	if (!member->live)
		return;
	if (member->suspect)
		finding_add(d, FINDING_MEMBER_SUSPECT, member->name, "state suspect");
	if (member->loss_in_ppm > LOSS_MAX_PPM || member->loss_out_ppm > LOSS_MAX_PPM)
		finding_add(d, FINDING_MEMBER_LOSS, member->name,
			    "%.1f %% lost on the way here, %.1f %% on the way there", member->loss_in_ppm / 1e4,
			    member->loss_out_ppm / 1e4);
	if (member->health > 0)
		finding_add(d, FINDING_MEMBER_UNHEALTHY, member->name, "%u troubles of its own lately", member->health);
	if (member->path_mask != 0 && (member->path_mask & all) != all)
		finding_add(d, FINDING_MEMBER_PATH_DOWN, member->name, "of %zu paths only those of mask %#x are heard",
			    member->path_n, member->path_mask);
	if (member->started_s > member->now_s + CLOCK_SLACK_S)
		finding_add(d, FINDING_CLOCK_AHEAD, member->name, "its start is %lld s ahead of our clock",
			    (long long)(member->started_s - member->now_s));
}

void diagnose_fencing(struct diagnosis *d, const struct diagnose_fencing *fencing)
{
	if (!fencing->right)
		finding_add(d, FINDING_NO_RIGHT, "fencing", "this node may not hold addresses");
	if (fencing->gate_wanted && strcmp(fencing->gate, "none") == 0)
		finding_add(d, FINDING_GATE_MISSING, "fencing.gate", "gate none");
	else if (strcmp(fencing->gate, "absent") == 0)
		finding_add(d, FINDING_GATE_ABSENT, "fencing.gate", "gate absent");
	else if (fencing->flush_n > 0)
		finding_add(d, FINDING_GATE_FLUSHED, "fencing.gate", "%llu times",
			    (unsigned long long)fencing->flush_n);
	if (fencing->guard_wanted && !fencing->guard)
		finding_add(d, FINDING_GUARD_MISSING, "fencing.guard", "no guard process");
}

void diagnose_gossip(struct diagnosis *d, const struct diagnose_gossip *gossip)
{
	size_t wanted = gossip->packet_len + (gossip->family == IP_V6 ? HEADERS_V6 : HEADERS_V4);

	if (gossip->iface != NULL && gossip->mtu > 0 && gossip->mtu < wanted)
		finding_add(d, FINDING_MTU_TOO_SMALL, gossip->iface,
			    "MTU %u, and packets of gossip are up to %zu bytes", gossip->mtu, wanted);
	if (gossip->insecure)
		finding_add(d, FINDING_GOSSIP_INSECURE, "gossip.insecure", "true");
	if (gossip->refused_n > 0)
		finding_add(d, FINDING_PACKETS_REFUSED, "gossip", "%llu since the start",
			    (unsigned long long)gossip->refused_n);
}
