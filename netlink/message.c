/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: what we read from rtnetlink, and what we do not
 *
 * Numbers in netlink are in host order, so base/wire.h (big-endian) does not fit; libmnl's helpers walk the attributes,
 * and every length is checked here before a value is taken.
 *
 * Three kinds of message look like news about a link and are not:
 *   - family AF_BRIDGE: a port's view by its bridge. RTM_DELLINK of that family says that the port left the bridge;
 *   - IFLA_WIRELESS: an event of a radio, with a name and nothing else. Taken for the whole it would clear the MAC;
 *   - RTM_NEWADDR of other families (a dump with AF_UNSPEC asks all of them).
 * Of routes only those count that netlink_message_route_add made; a router has a million others.
 */
#include "netlink/message.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/rtnetlink.h>

/* IFA_PROTO by number: headers before Linux 5.18 do not have it. */
#define ATTRIBUTE_PROTO 11

/* lo is the first interface of every network namespace (include/net/flow.h: LOOPBACK_IFINDEX). */
#define LOOPBACK_INDEX 1

/* Highest attribute type of links, addresses and routes that is looked at. */
#define ATTRIBUTE_MAX 16
_Static_assert(IFLA_OPERSTATE <= ATTRIBUTE_MAX && IFLA_WIRELESS <= ATTRIBUTE_MAX && IFA_FLAGS <= ATTRIBUTE_MAX,
	       "ATTRIBUTE_MAX is too small");

/* rtnetlink's word for a lifetime without end. */
#define LIFETIME_FOREVER UINT32_MAX

struct attributes {
	const struct nlattr *by_type[ATTRIBUTE_MAX + 1]; /* borrowed from the message; NULL: absent */
};

static int collect(const struct nlattr *attr, void *data)
{
	struct attributes *attributes = data;
	uint16_t type = mnl_attr_get_type(attr);

	if (type <= ATTRIBUTE_MAX)
		attributes->by_type[type] = attr;
	return MNL_CB_OK;
}

/* 0 with *ret set to the attribute's number, or to `absent` without one; -EBADMSG: it is too short. */
static int read_u32(const struct nlattr *attr, uint32_t absent, uint32_t *ret)
{
	if (attr != NULL && mnl_attr_get_payload_len(attr) < sizeof(uint32_t))
		return -EBADMSG;
	*ret = attr != NULL ? mnl_attr_get_u32(attr) : absent;
	return 0;
}

static int read_u8(const struct nlattr *attr, uint8_t absent, uint8_t *ret)
{
	if (attr != NULL && mnl_attr_get_payload_len(attr) < sizeof(uint8_t))
		return -EBADMSG;
	*ret = attr != NULL ? mnl_attr_get_u8(attr) : absent;
	return 0;
}

/* A name of 1 to cap - 1 bytes, terminated. Without the attribute it stays empty. */
static int read_text(const struct nlattr *attr, char *out, size_t cap)
{
	size_t len;

	if (attr == NULL)
		return 0;
	len = strnlen(mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr));
	if (len == 0 || len >= cap)
		return -EBADMSG;
	memcpy(out, mnl_attr_get_payload(attr), len);
	out[len] = '\0';
	return 0;
}

static int decode_link(const struct nlmsghdr *nlh, struct netlink_change *change, bool *known)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(nlh);
	struct netlink_link *link = &change->link;
	struct attributes attributes = { { NULL } };
	const struct nlattr *address;
	uint8_t operstate;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*info))
		return -EBADMSG;
	(void)mnl_attr_parse(nlh, sizeof(*info), collect, &attributes);
	if (info->ifi_family != AF_UNSPEC || attributes.by_type[IFLA_WIRELESS] != NULL)
		return 0;
	if (info->ifi_index <= 0 || read_text(attributes.by_type[IFLA_IFNAME], link->name, sizeof(link->name)) != 0 ||
	    read_u32(attributes.by_type[IFLA_MASTER], 0, &link->master) != 0 ||
	    read_u8(attributes.by_type[IFLA_OPERSTATE], IF_OPER_UNKNOWN, &operstate) != 0)
		return -EBADMSG;
	change->kind = nlh->nlmsg_type == RTM_NEWLINK ? NETLINK_LINK_SET : NETLINK_LINK_GONE;
	if (change->kind == NETLINK_LINK_SET && link->name[0] == '\0')
		return -EBADMSG;
	address = attributes.by_type[IFLA_ADDRESS];
	if (address != NULL && mnl_attr_get_payload_len(address) == sizeof(link->mac.bytes)) {
		memcpy(link->mac.bytes, mnl_attr_get_payload(address), sizeof(link->mac.bytes));
		link->ethernet = info->ifi_type == ARPHRD_ETHER;
	}
	link->index = (uint32_t)info->ifi_index;
	link->loopback = (info->ifi_flags & IFF_LOOPBACK) != 0;
	link->up = (info->ifi_flags & IFF_UP) != 0;
	/* RFC 2863: only `up` passes packets. A driver that never sets it (tap) has `unknown`: IFF_LOWER_UP decides. */
	link->running = link->up && (info->ifi_flags & IFF_LOWER_UP) != 0 &&
			(operstate == IF_OPER_UP || operstate == IF_OPER_UNKNOWN);
	*known = true;
	return 0;
}

/* IPv4 labels are the interface's name, or one of the administrator's after a colon; ours has NETLINK_LABEL_SUFFIX. */
static bool is_our_label(const char *label)
{
	size_t len = strlen(label);
	size_t suffix_len = strlen(NETLINK_LABEL_SUFFIX);

	return len > suffix_len && strcmp(label + len - suffix_len, NETLINK_LABEL_SUFFIX) == 0;
}

static int read_ip(const struct attributes *attributes, uint8_t family, struct ip *ret)
{
	/* linux/if_addr.h: on a point-to-point link IFA_ADDRESS is the other end, and IFA_LOCAL ours. */
	const struct nlattr *attr = attributes->by_type[IFA_LOCAL] != NULL ? attributes->by_type[IFA_LOCAL]
									   : attributes->by_type[IFA_ADDRESS];
	size_t len = family == AF_INET ? 4 : 16;

	if (attr == NULL || mnl_attr_get_payload_len(attr) != len)
		return -EBADMSG;
	*ret = family == AF_INET ? ip_from_v4(mnl_attr_get_payload(attr)) : ip_from_v6(mnl_attr_get_payload(attr));
	return 0;
}

static int decode_address(const struct nlmsghdr *nlh, struct netlink_change *change, bool *known)
{
	const struct ifaddrmsg *info = mnl_nlmsg_get_payload(nlh);
	struct netlink_address *address = &change->address;
	struct attributes attributes = { { NULL } };
	char label[IFACE_NAME_MAX + 1] = "";
	uint32_t flags;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*info))
		return -EBADMSG;
	if (info->ifa_family != AF_INET && info->ifa_family != AF_INET6)
		return 0;
	(void)mnl_attr_parse(nlh, sizeof(*info), collect, &attributes);
	if (info->ifa_index == 0 || read_ip(&attributes, info->ifa_family, &address->subnet.ip) != 0 ||
	    info->ifa_prefixlen > ip_bits(address->subnet.ip) ||
	    read_u32(attributes.by_type[IFA_FLAGS], info->ifa_flags, &flags) != 0 ||
	    read_u8(attributes.by_type[ATTRIBUTE_PROTO], 0, &address->protocol) != 0 ||
	    (info->ifa_family == AF_INET && read_text(attributes.by_type[IFA_LABEL], label, sizeof(label)) != 0))
		return -EBADMSG;
	change->kind = nlh->nlmsg_type == RTM_NEWADDR ? NETLINK_ADDRESS_SET : NETLINK_ADDRESS_GONE;
	address->index = info->ifa_index;
	address->subnet.prefix_len = info->ifa_prefixlen;
	address->ours = info->ifa_prefixlen == ip_bits(address->subnet.ip) &&
			(address->protocol == NETLINK_ADDRESS_PROTOCOL || is_our_label(label));
	address->tentative = info->ifa_family == AF_INET6 && (flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)) != 0;
	*known = true;
	return 0;
}

static int decode_route(const struct nlmsghdr *nlh, struct netlink_change *change, bool *known)
{
	const struct rtmsg *info = mnl_nlmsg_get_payload(nlh);
	struct attributes attributes = { { NULL } };
	const struct nlattr *destination;
	uint32_t metric;
	size_t len;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*info))
		return -EBADMSG;
	if ((info->rtm_family != AF_INET && info->rtm_family != AF_INET6) ||
	    info->rtm_protocol != NETLINK_ROUTE_PROTOCOL || info->rtm_type != RTN_LOCAL ||
	    info->rtm_table != RT_TABLE_LOCAL || (info->rtm_flags & RTM_F_CLONED) != 0)
		return 0;
	len = info->rtm_family == AF_INET ? 4 : 16;
	if (info->rtm_dst_len != len * 8)
		return 0;
	(void)mnl_attr_parse(nlh, sizeof(*info), collect, &attributes);
	destination = attributes.by_type[RTA_DST];
	if (destination == NULL || mnl_attr_get_payload_len(destination) != len ||
	    read_u32(attributes.by_type[RTA_PRIORITY], 0, &metric) != 0)
		return -EBADMSG;
	if (metric != NETLINK_ROUTE_METRIC)
		return 0;
	change->kind = nlh->nlmsg_type == RTM_NEWROUTE ? NETLINK_ROUTE_SET : NETLINK_ROUTE_GONE;
	change->route = len == 4 ? ip_from_v4(mnl_attr_get_payload(destination))
				 : ip_from_v6(mnl_attr_get_payload(destination));
	*known = true;
	return 0;
}

/* NLMSG_ERROR and NLMSG_DONE both begin with a number: 0 or a negative errno. Old kernels end a dump without it. */
static int decode_end(const struct nlmsghdr *nlh, struct netlink_change *change, bool *known)
{
	int error = 0;

	if (mnl_nlmsg_get_payload_len(nlh) >= sizeof(error))
		memcpy(&error, mnl_nlmsg_get_payload(nlh), sizeof(error));
	else if (nlh->nlmsg_type == NLMSG_ERROR)
		return -EBADMSG;
	if (error > 0 || error < -4095) /* include/linux/err.h: MAX_ERRNO */
		return -EBADMSG;
	change->kind = error == 0 ? NETLINK_DONE : NETLINK_ERROR;
	change->error = error;
	*known = true;
	return 0;
}

static int decode_by_type(const struct nlmsghdr *nlh, struct netlink_change *change, bool *known)
{
	switch (nlh->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		return decode_link(nlh, change, known);
	case RTM_NEWADDR:
	case RTM_DELADDR:
		return decode_address(nlh, change, known);
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		return decode_route(nlh, change, known);
	case NLMSG_ERROR:
	case NLMSG_DONE:
		return decode_end(nlh, change, known);
	default:
		return 0;
	}
}

int netlink_message_decode(const void *data, size_t len, struct netlink_change *change, bool *known)
{
	const struct nlmsghdr *nlh = data;
	size_t aligned;
	int error;

	assert((uintptr_t)data % NLMSG_ALIGNTO == 0);
	*known = false;
	*change = (struct netlink_change){ 0 };
	/* mnl_nlmsg_ok compares as int: it takes a length above INT_MAX for a negative one, and so for a small one. */
	if (len < sizeof(*nlh) || len > INT_MAX || nlh->nlmsg_len > len || !mnl_nlmsg_ok(nlh, (int)len))
		return -EBADMSG;
	change->seq = nlh->nlmsg_seq;
	error = decode_by_type(nlh, change, known);
	if (error != 0)
		return error;
	aligned = NLMSG_ALIGN((size_t)nlh->nlmsg_len);
	return (int)(aligned < len ? aligned : len);
}

static struct nlmsghdr *put_header(uint8_t *buf, uint16_t type, uint16_t flags, uint32_t seq)
{
	struct nlmsghdr *nlh;

	assert((uintptr_t)buf % NLMSG_ALIGNTO == 0);
	memset(buf, 0, NETLINK_REQUEST_LEN_MAX);
	nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	nlh->nlmsg_seq = seq;
	return nlh;
}

size_t netlink_message_dump_links(uint8_t buf[NETLINK_REQUEST_LEN_MAX], uint32_t seq)
{
	struct nlmsghdr *nlh = put_header(buf, RTM_GETLINK, NLM_F_DUMP, seq);

	(void)mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
	/* counters of every link are half of the answer and nothing to us */
	mnl_attr_put_u32(nlh, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	return nlh->nlmsg_len;
}

size_t netlink_message_dump_addresses(uint8_t buf[NETLINK_REQUEST_LEN_MAX], uint32_t seq)
{
	struct nlmsghdr *nlh = put_header(buf, RTM_GETADDR, NLM_F_DUMP, seq);

	(void)mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifaddrmsg));
	return nlh->nlmsg_len;
}

static uint8_t family_of(enum ip_family family)
{
	assert(family == IP_V4 || family == IP_V6);
	return family == IP_V4 ? AF_INET : AF_INET6;
}

size_t netlink_message_dump_routes(uint8_t buf[NETLINK_REQUEST_LEN_MAX], uint32_t seq, enum ip_family family)
{
	struct nlmsghdr *nlh = put_header(buf, RTM_GETROUTE, NLM_F_DUMP, seq);
	struct rtmsg *info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));

	/* the kernel compares these with each route when the socket has NETLINK_GET_STRICT_CHK */
	info->rtm_family = family_of(family);
	info->rtm_table = RT_TABLE_LOCAL;
	info->rtm_protocol = NETLINK_ROUTE_PROTOCOL;
	info->rtm_type = RTN_LOCAL;
	return nlh->nlmsg_len;
}

static size_t put_route(uint8_t *buf, uint16_t type, uint16_t flags, uint32_t seq, struct ip ip)
{
	struct nlmsghdr *nlh = put_header(buf, type, (uint16_t)(NLM_F_ACK | flags), seq);
	struct rtmsg *info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));

	info->rtm_family = family_of(ip.family);
	info->rtm_dst_len = ip_bits(ip);
	info->rtm_table = RT_TABLE_LOCAL;
	info->rtm_protocol = NETLINK_ROUTE_PROTOCOL;
	info->rtm_scope = RT_SCOPE_HOST;
	info->rtm_type = RTN_LOCAL;
	mnl_attr_put(nlh, RTA_DST, ip_len(ip), ip.bytes);
	/* lo, not the interface of the claim: IPv4 drops an interface's routes without a word when that goes down */
	mnl_attr_put_u32(nlh, RTA_OIF, LOOPBACK_INDEX);
	mnl_attr_put_u32(nlh, RTA_PRIORITY, NETLINK_ROUTE_METRIC);
	return nlh->nlmsg_len;
}

size_t netlink_message_route_add(uint8_t buf[NETLINK_REQUEST_LEN_MAX], uint32_t seq, struct ip ip)
{
	return put_route(buf, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, seq, ip);
}

size_t netlink_message_route_del(uint8_t buf[NETLINK_REQUEST_LEN_MAX], uint32_t seq, struct ip ip)
{
	return put_route(buf, RTM_DELROUTE, 0, seq, ip);
}

static struct nlmsghdr *put_address(uint8_t *buf, uint16_t type, uint16_t flags, uint32_t seq, uint32_t index,
				    struct ip ip)
{
	struct nlmsghdr *nlh = put_header(buf, type, (uint16_t)(NLM_F_ACK | flags), seq);
	struct ifaddrmsg *info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));

	info->ifa_family = family_of(ip.family);
	info->ifa_prefixlen = ip_bits(ip);
	info->ifa_scope = RT_SCOPE_UNIVERSE;
	info->ifa_index = index;
	mnl_attr_put(nlh, IFA_LOCAL, ip_len(ip), ip.bytes);
	mnl_attr_put(nlh, IFA_ADDRESS, ip_len(ip), ip.bytes);
	return nlh;
}

size_t netlink_message_add(uint8_t buf[NETLINK_REQUEST_LEN_MAX], uint32_t seq, uint32_t index, const char *iface,
			   struct ip ip, uint32_t valid_s)
{
	struct nlmsghdr *nlh = put_address(buf, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, seq, index, ip);
	uint32_t valid = valid_s != 0 ? valid_s : LIFETIME_FOREVER;
	/* RFC 4862 5.5.4: preferred 0 is a deprecated address, which new connections of this host do not start from. */
	struct ifa_cacheinfo lifetime = { .ifa_valid = valid, .ifa_prefered = ip.family == IP_V4 ? valid : 0 };
	/*
	 * All flags each time: IPv6 replaces those it has. NODAD: detection takes 1-2 s in which nothing answers, and
	 * an old owner that is slow to go would win it for good; whether the address is free is the election's matter.
	 */
	uint32_t flags = IFA_F_NOPREFIXROUTE | (ip.family == IP_V6 ? IFA_F_NODAD : 0u);
	char label[IFACE_NAME_MAX + sizeof(NETLINK_LABEL_SUFFIX)];
	int label_len = snprintf(label, sizeof(label), "%s%s", iface, NETLINK_LABEL_SUFFIX);

	mnl_attr_put_u32(nlh, IFA_FLAGS, flags);
	mnl_attr_put(nlh, IFA_CACHEINFO, sizeof(lifetime), &lifetime);
	mnl_attr_put_u8(nlh, ATTRIBUTE_PROTO, NETLINK_ADDRESS_PROTOCOL);
	/* a label that begins with another name than the interface's would mislead, so a long name gets none */
	if (ip.family == IP_V4 && iface[0] != '\0' && label_len <= IFACE_NAME_MAX)
		mnl_attr_put_strz(nlh, IFA_LABEL, label);
	return nlh->nlmsg_len;
}

size_t netlink_message_del(uint8_t buf[NETLINK_REQUEST_LEN_MAX], uint32_t seq, uint32_t index, struct ip ip)
{
	return put_address(buf, RTM_DELADDR, 0, seq, index, ip)->nlmsg_len;
}
