/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/responder.h"

/* Does the kernel leave it to us to answer for this address? */
static bool is_ours_to_answer(const struct held *held)
{
	switch (held->mode) {
	case CLAIM_ADDRESS:
		return false;
	case CLAIM_ROUTE:
		/*
		 * net/ipv4/arp.c: arp_process answers for what is routed to this host, but with arp_ignore above 0 only for what
		 * is on an interface. net/ipv6/ndisc.c: ndisc_recv_ns knows addresses only.
		 */
		return held->ip.family == IP_V6 || held->port->arp_ignored;
	case CLAIM_NONE:
		return true;
	}
	return false;
}

void responder_start(struct host *host, struct held *held)
{
	if (held->ip.family != IP_V6 || held->grouped || !is_ours_to_answer(held))
		return;
	held->grouped = ndp_groups_join(host->groups, held->port->ifindex, held->ip) == 0;
	host->kicked = true;
}

void responder_stop(struct host *host, struct held *held)
{
	if (!held->grouped)
		return;
	held->grouped = false;
	ndp_groups_leave(host->groups, held->port->ifindex, held->ip);
	host->kicked = true;
}

/* The held address that a question on this port is about, if we are to answer it; or NULL. */
static const struct held *find_asked_for(const struct host *host, struct port *port, struct ip target,
					 struct instant now)
{
	const struct held *held = host->right ? host_find_held(host, target) : NULL;

	if (held == NULL || held->phase != HELD_CONFIRMED || held->port != port)
		return NULL;
	host_port_look(port, now);
	return is_ours_to_answer(held) ? held : NULL;
}

void responder_arp(struct host *host, struct port *port, const struct arp_packet *packet, struct instant now)
{
	bool owned = find_asked_for(host, port, packet->target_ip, now) != NULL;
	struct arp_packet reply;

	/* the MAC after that, which looks whether it has changed */
	if (arp_judge(packet, port->mac, owned) != ARP_ANSWER)
		return;
	reply = arp_reply(port->mac, packet->target_ip, packet);
	host_queue_arp(host, port, &reply);
}

void responder_ndp(struct host *host, struct port *port, const struct ndp_frame *frame, struct instant now)
{
	struct ndp_frame answer;

	if (frame->packet.kind != NDP_SOLICITATION || ip_equal(frame->source, frame->packet.target) ||
	    find_asked_for(host, port, frame->packet.target, now) == NULL)
		return;
	answer = ndp_frame_answer(port->mac, frame, port->forwards_v6);
	host_queue_ndp(host, port, &answer);
}
