/* SPDX-License-Identifier: Apache-2.0 */
#include "netlink/gateway.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>

/*
 * Parts of a dump that are read. The kernel begins with the shortest prefixes, so a default route is in the first of them; a
 * router with a million routes is not read to its end.
 */
#define PART_MAX 16
#define PART_LEN 32768

/* What the attributes of a route, or of one of its next hops, say. */
struct route {
	struct gateway gateway;
	uint32_t metric;
	uint32_t table;
};

struct search {
	int family; /* AF_* */
	bool found;
	struct route best;
};

/* The address in an attribute of that family, or IP_NONE when its length does not fit. */
static struct ip address_of(int family, const void *bytes, size_t len)
{
	uint8_t copy[16] = { 0 };

	if (len > sizeof(copy))
		return (struct ip){ 0 };
	memcpy(copy, bytes, len);
	if (family == AF_INET && len == 4)
		return ip_from_v4(copy);
	if (family == AF_INET6 && len == 16)
		return ip_from_v6(copy);
	return (struct ip){ 0 };
}

static void read_u32(const struct nlattr *attr, uint32_t *ret)
{
	if (mnl_attr_get_payload_len(attr) == sizeof(*ret))
		*ret = mnl_attr_get_u32(attr);
}

static void read_via(const struct nlattr *attr, struct ip *ret)
{
	const uint8_t *payload = mnl_attr_get_payload(attr);
	size_t len = mnl_attr_get_payload_len(attr);
	uint16_t family; /* struct rtvia: this, then the address */

	if (len < sizeof(family))
		return;
	memcpy(&family, payload, sizeof(family));
	*ret = address_of(family, payload + sizeof(family), len - sizeof(family));
}

static void read_attributes(int family, const void *begin, size_t len, struct route *route);

/* The first of several next hops that works. */
static void read_hops(int family, const struct nlattr *attr, struct route *route)
{
	const uint8_t *at = mnl_attr_get_payload(attr);
	size_t left = mnl_attr_get_payload_len(attr);
	struct rtnexthop hop;

	while (left >= sizeof(hop)) {
		size_t step;

		memcpy(&hop, at, sizeof(hop));
		if (hop.rtnh_len < sizeof(hop) || hop.rtnh_len > left)
			return;
		if ((hop.rtnh_flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN)) == 0) {
			route->gateway.index = (uint32_t)hop.rtnh_ifindex;
			read_attributes(family, at + sizeof(hop), hop.rtnh_len - sizeof(hop), route);
			return;
		}
		step = ((size_t)hop.rtnh_len + RTNH_ALIGNTO - 1) & ~(size_t)(RTNH_ALIGNTO - 1);
		if (step > left)
			return;
		at += step;
		left -= step;
	}
}

/* Next hops have no RTA_MULTIPATH of their own, so this goes one level down at most. */
static void read_attributes(int family, const void *begin, size_t len, struct route *route)
{
	const uint8_t *end = (const uint8_t *)begin + len;

	for (const struct nlattr *attr = begin; mnl_attr_ok(attr, (int)(end - (const uint8_t *)attr));
	     attr = mnl_attr_next(attr)) {
		uint16_t type = mnl_attr_get_type(attr);

		if (type == RTA_GATEWAY)
			route->gateway.ip =
				address_of(family, mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr));
		else if (type == RTA_VIA)
			read_via(attr, &route->gateway.ip);
		else if (type == RTA_OIF)
			read_u32(attr, &route->gateway.index);
		else if (type == RTA_PRIORITY)
			read_u32(attr, &route->metric);
		else if (type == RTA_TABLE)
			read_u32(attr, &route->table);
		else if (type == RTA_MULTIPATH)
			read_hops(family, attr, route);
	}
}

static int on_route(const struct nlmsghdr *message, void *data)
{
	struct search *search = data;
	const struct rtmsg *header = mnl_nlmsg_get_payload(message);
	const size_t header_len = sizeof(*header); /* attributes follow at once: it is a multiple of 4 */
	struct route route = { 0 };

	if (message->nlmsg_type != RTM_NEWROUTE || mnl_nlmsg_get_payload_len(message) < header_len)
		return MNL_CB_OK;
	if (header->rtm_family != search->family || header->rtm_dst_len != 0 || header->rtm_type != RTN_UNICAST ||
	    (header->rtm_flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN)) != 0)
		return MNL_CB_OK;
	route.table = header->rtm_table;
	read_attributes(search->family, (const uint8_t *)header + header_len,
			mnl_nlmsg_get_payload_len(message) - header_len, &route);
	if (route.table != RT_TABLE_MAIN || route.gateway.ip.family == IP_NONE || route.gateway.index == 0 ||
	    (search->found && route.metric >= search->best.metric))
		return MNL_CB_OK;
	search->found = true;
	search->best = route;
	return MNL_CB_OK;
}

static int ask(struct mnl_socket *socket, int family)
{
	_Alignas(struct nlmsghdr) uint8_t buf[128];
	struct nlmsghdr *message = mnl_nlmsg_put_header(buf);
	struct rtmsg *route;
	int one = 1;

	/* Optional (4.20): the kernel then leaves the other tables out. */
	(void)mnl_socket_setsockopt(socket, NETLINK_GET_STRICT_CHK, &one, sizeof(one));
	message->nlmsg_type = RTM_GETROUTE;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	route = mnl_nlmsg_put_extra_header(message, sizeof(*route));
	route->rtm_family = (uint8_t)family;
	route->rtm_table = RT_TABLE_MAIN;
	return mnl_socket_sendto(socket, message, message->nlmsg_len) < 0 ? -errno : 0;
}

/* The kernel makes each part when the one before is read, so none has to be waited for. */
static int read_answer(struct mnl_socket *socket, struct search *search)
{
	static _Alignas(struct nlmsghdr) uint8_t part[PART_LEN];

	for (int i = 0; i < PART_MAX; i++) {
		ssize_t len = mnl_socket_recvfrom(socket, part, sizeof(part));
		int more;

		if (len < 0)
			return errno == EAGAIN ? 0 : -errno;
		more = mnl_cb_run(part, (size_t)len, 0, 0, on_route, search);
		if (more < 0)
			return -errno;
		if (more == MNL_CB_STOP)
			return 0;
	}
	return 0;
}

int gateway_of_default_route(enum ip_family family, struct gateway *ret)
{
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct search search = { .family = family == IP_V6 ? AF_INET6 : AF_INET };
	int error;

	if (socket == NULL)
		return -errno;
	error = ask(socket, search.family);
	if (error == 0)
		error = read_answer(socket, &search);
	mnl_socket_close(socket);
	if (error != 0)
		return error;
	if (!search.found)
		return -ENOENT;
	*ret = search.best.gateway;
	return 0;
}
