/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtnetlink messages (RFC 3549; linux/rtnetlink.h): decoding of links, addresses and our routes, building of claims and dumps.
 * Pure: bytes in, structs out, on libmnl's parsing helpers.
 */
#ifndef MLB_NETLINK_MESSAGE_H
#define MLB_NETLINK_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/limits.h"

/* IFA_PROTO of our addresses (Linux 5.18): how a later run, and a person with `ip -d addr`, recognises them. */
#define NETLINK_ADDRESS_PROTOCOL 0x6d
/* IFA_LABEL suffix of our IPv4 addresses, for kernels without IFA_PROTO: "eth0:mlb". */
#define NETLINK_LABEL_SUFFIX ":mlb"
/* rtm_protocol of our local routes, by which they are found again, and their metric: the kernel's own have 0 (IPv4) or less. */
#define NETLINK_ROUTE_PROTOCOL NETLINK_ADDRESS_PROTOCOL
#define NETLINK_ROUTE_METRIC 0x6d6c62

struct netlink_link {
	uint32_t index;
	uint32_t master; /* index of the bridge or bond that it is enslaved to; 0: none */
	char name[IFACE_NAME_MAX + 1];
	struct mac mac;
	bool ethernet; /* ARPHRD_ETHER with a MAC: can carry announcements */
	bool loopback;
	bool up;      /* IFF_UP */
	bool running; /* IFF_UP and IFF_LOWER_UP and operational state (RFC 2863) up or unknown: carrier */
};

struct netlink_address {
	uint32_t index;	      /* of the link */
	struct subnet subnet; /* host bits kept */
	uint8_t protocol;     /* IFA_PROTO; 0 where the kernel has none */
	bool ours;	      /* by protocol or by label, and /32 or /128, as netlink_message_add makes them */
	bool tentative;	      /* IPv6: DAD still running, or failed */
};

enum netlink_change_kind {
	NETLINK_LINK_SET,
	NETLINK_LINK_GONE,
	NETLINK_ADDRESS_SET,
	NETLINK_ADDRESS_GONE,
	NETLINK_ROUTE_SET, /* one of our local routes */
	NETLINK_ROUTE_GONE,
	NETLINK_DONE,  /* end of a dump, or acknowledgement of request `seq` */
	NETLINK_ERROR, /* request `seq` failed with `error` (negative errno) */
};

struct netlink_change {
	enum netlink_change_kind kind;
	uint32_t seq;
	int error;
	union {
		struct netlink_link link;
		struct netlink_address address;
		struct ip route; /* its destination, a single address */
	};
};

/*
 * Decode the message at the head of data, which is aligned to 4 bytes (NLMSG_ALIGNTO). Returns its aligned length (>= 16,
 * at most len) and sets *change; *known is false for a message of no interest. Of LINK_GONE only the index counts.
 * -EBADMSG: truncated or nonsense; the rest of the datagram must be dropped.
 */
int netlink_message_decode(const void *data, size_t len, struct netlink_change *change, bool *known);

#define NETLINK_REQUEST_LEN_MAX 256

/* Build one request into buf, aligned as above; return its length. Dumps of all links or of all addresses: */
size_t netlink_message_dump_links(uint8_t buf[NETLINK_REQUEST_LEN_MAX], uint32_t seq);
size_t netlink_message_dump_addresses(uint8_t buf[NETLINK_REQUEST_LEN_MAX], uint32_t seq);
/* Our local routes of a family; kernels before 4.20 send all routes. */
size_t netlink_message_dump_routes(uint8_t buf[NETLINK_REQUEST_LEN_MAX], uint32_t seq, enum ip_family family);
/*
 * RTM_NEWADDR with NLM_F_REPLACE: ip/32 or ip/128 on the link with a lifetime in seconds (0: for ever), preferred 0 for
 * IPv6 (never chosen as a source), NOPREFIXROUTE, IFA_PROTO, for IPv6 NODAD, and for IPv4 the label iface:mlb where it
 * fits into 15 characters (iface may be ""). Asks for an acknowledgement.
 */
size_t netlink_message_add(uint8_t buf[NETLINK_REQUEST_LEN_MAX], uint32_t seq, uint32_t index, const char *iface,
			   struct ip ip, uint32_t valid_s);
/* RTM_DELADDR of ip/32 or ip/128. Asks for an acknowledgement. */
size_t netlink_message_del(uint8_t buf[NETLINK_REQUEST_LEN_MAX], uint32_t seq, uint32_t index, struct ip ip);
/*
 * RTM_NEWROUTE of type local to ip/32 or ip/128 in the local table, by way of lo, with our protocol and metric, so that neither
 * a route of the kernel nor one of another program is replaced. -EEXIST: it is there. RTM_DELROUTE of just that route. Both ask
 * for an acknowledgement.
 */
size_t netlink_message_route_add(uint8_t buf[NETLINK_REQUEST_LEN_MAX], uint32_t seq, struct ip ip);
size_t netlink_message_route_del(uint8_t buf[NETLINK_REQUEST_LEN_MAX], uint32_t seq, struct ip ip);

#endif
