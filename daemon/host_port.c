/* SPDX-License-Identifier: Apache-2.0 */
/* Interfaces as the host sees them: found by index and by name, followed when they change, with what their sysctls say. */
#include "daemon/host_internal.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/log.h"
#include "daemon/sysctl.h"

#include <uthash.h> /* with the hash function that the header sets */

/* Sysctls have no events: read again at most this often. */
#define LOOK_INTERVAL_MS 1000

static void port_take(struct port *port, const struct netlink_link *link)
{
	memcpy(port->name, link->name, sizeof(port->name));
	port->mac = link->mac;
	port->running = link->running && link->ethernet;
}

struct port *host_port_get(struct host *host, uint32_t ifindex)
{
	const struct netlink_link *link;
	struct port *port;

	HASH_FIND(hh, host->ports, &ifindex, sizeof(ifindex), port);
	if (port != NULL)
		return port;
	link = netlink_table_link(netlink_table(host->netlink), ifindex);
	port = link != NULL ? calloc(1, sizeof(*port)) : NULL;
	if (port == NULL)
		return NULL;
	port->ifindex = ifindex;
	port->heard = (struct instant){ INT64_MIN / 2 };
	port->looked = port->heard;
	port->source_version = UINT64_MAX;
	port_take(port, link);
	HASH_ADD(hh, host->ports, ifindex, sizeof(port->ifindex), port);
	return port;
}

struct port *host_port_named(struct host *host, const char *name)
{
	const struct netlink_link *link;

	/* the table is not ordered by name, and thousands of claims in a row have one interface */
	if (host->named == NULL || strcmp(host->named->name, name) != 0) {
		link = netlink_table_link_named(netlink_table(host->netlink), name);
		host->named = link != NULL ? host_port_get(host, link->index) : NULL;
	}
	return host->named;
}

static void port_free(struct host *host, struct port *port)
{
	if (host->named == port)
		host->named = NULL;
	HASH_DEL(host->ports, port);
	free(port);
}

/* Give up all that the port has now; what the handler claims there meanwhile stays. */
static void lose_all(struct host *host, struct port *port, const char *why)
{
	struct held *held;
	size_t n = 0;

	DL_COUNT2(port->held, held, n, port_next);
	while (n-- > 0 && port->held != NULL)
		host_lose(host, port->held, why);
}

static void port_follow(struct host *host, struct port *port, struct instant now)
{
	const struct netlink_link *link = netlink_table_link(netlink_table(host->netlink), port->ifindex);
	struct port former = *port;

	if (link == NULL) {
		if (host->named == port)
			host->named = NULL;
		port->name[0] = '\0'; /* found by name no more */
		port->running = false;
		lose_all(host, port, "interface-gone");
		if (port->held == NULL)
			port_free(host, port);
		return;
	}
	port_take(port, link);
	if (strcmp(former.name, port->name) != 0) {
		lose_all(host, port, "interface-renamed");
		return;
	}
	if (port->held == NULL || !port->running || (former.running && mac_equal(former.mac, port->mac)))
		return;
	/* a new MAC, or carrier again: what was said before is wrong, or nobody may have heard it */
	if (!mac_equal(former.mac, port->mac))
		log_info("mac-changed iface=%s action=announced-again", port->name);
	announcer_restart_link(host->announcer, port->ifindex, now);
	host->kicked = true;
}

void host_ports_follow(struct host *host, struct instant now)
{
	struct port *port;
	struct port *next;

	HASH_ITER(hh, host->ports, port, next)
	{
		/* what the handler does may make ports, at the end, but only this frees any */
		port_follow(host, port, now);
	}
}

void host_ports_free(struct host *host)
{
	struct port *port;
	struct port *next;

	HASH_ITER(hh, host->ports, port, next)
	{
		port_free(host, port);
	}
}

void host_port_look(struct port *port, struct instant now)
{
	if (instant_since(now, port->looked).us < span_ms(LOOK_INTERVAL_MS).us)
		return;
	port->looked = now;
	/* Documentation/networking/ip-sysctl.rst: the higher of the two counts */
	port->arp_ignored = sysctl_read_max("ipv4", port->name, "arp_ignore") > 0;
	/* R in advertisements (RFC 4861 7.2.5: without it neighbours drop us as a router) */
	port->forwards_v6 = sysctl_read("ipv6", port->name, "forwarding") > 0;
}

void host_port_sources(struct host *host, struct port *port)
{
	const struct netlink_table *table = netlink_table(host->netlink);

	if (port->source_version == host->table_version)
		return;
	port->source_version = host->table_version;
	port->source_n = 0;
	port->source_v6 = (struct ip){ .family = IP_NONE };
	for (size_t i = 0; i < netlink_table_address_n(table); i++) {
		const struct netlink_address *address = netlink_table_address_at(table, i);
		struct ip ip = address->subnet.ip;

		if (address->index != port->ifindex || address->ours || address->tentative)
			continue;
		if (ip.family == IP_V4 && port->source_n < PORT_SOURCE_MAX)
			port->sources[port->source_n++] = address->subnet;
		else if (ip.family == IP_V6 && (port->source_v6.family == IP_NONE || ip_is_link_local(ip)))
			port->source_v6 = ip;
	}
}

void host_port_warn_shared(struct host *host, struct port *port, struct ip ip, struct instant now)
{
	struct segment segments[SEGMENT_MAX];
	size_t n;

	if (host->warned_shared || ip.family != IP_V4)
		return;
	host_port_look(port, now);
	(void)netlink_table_segments(netlink_table(host->netlink), NULL, 0, segments, &n);
	for (size_t i = 0; i < n; i++) {
		if (strcmp(segments[i].iface, port->name) == 0 || !subnet_contains(segments[i].subnet, ip) ||
		    sysctl_read_max("ipv4", segments[i].iface, "arp_ignore") > 0)
			continue;
		host->warned_shared = true;
		log_warning(
			"subnet-shared iface=%s other=%s reason=\"the kernel answers ARP for addresses of one on the "
			"other\" action=\"set sysctl net.ipv4.conf.%s.arp_ignore=1\"",
			port->name, segments[i].iface, segments[i].iface);
		return;
	}
}

bool host_is_our_mac(const struct host *host, struct mac mac)
{
	const struct netlink_table *table = netlink_table(host->netlink);

	for (size_t i = 0; i < netlink_table_link_n(table); i++) {
		if (mac_equal(netlink_table_link_at(table, i)->mac, mac))
			return true;
	}
	return false;
}
