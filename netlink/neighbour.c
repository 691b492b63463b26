/* SPDX-License-Identifier: Apache-2.0 */
#include "netlink/neighbour.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

/* Parts of a dump that are read: some thousand neighbours. */
#define PART_MAX 16
#define PART_LEN 32768

#define LEARNT (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE)

struct list {
	struct ip *out; /* borrowed */
	size_t n;
	size_t cap;
};

static int on_neighbour(const struct nlmsghdr *message, void *data)
{
	struct list *list = data;
	const struct ndmsg *header = mnl_nlmsg_get_payload(message);
	const uint8_t *tail = mnl_nlmsg_get_payload_tail(message);
	uint8_t bytes[16];
	struct ip ip;

	if (message->nlmsg_type != RTM_NEWNEIGH || mnl_nlmsg_get_payload_len(message) < sizeof(*header) ||
	    (header->ndm_state & LEARNT) == 0)
		return MNL_CB_OK;
	for (const struct nlattr *attr = mnl_nlmsg_get_payload_offset(message, sizeof(*header));
	     mnl_attr_ok(attr, (int)(tail - (const uint8_t *)attr)); attr = mnl_attr_next(attr)) {
		size_t len = mnl_attr_get_payload_len(attr);

		if (mnl_attr_get_type(attr) != NDA_DST || (len != 4 && len != 16))
			continue;
		memcpy(bytes, mnl_attr_get_payload(attr), len);
		ip = len == 4 ? ip_from_v4(bytes) : ip_from_v6(bytes);
		if (!ip_is_link_local(ip) && !ip_is_special(ip))
			list->out[list->n++] = ip;
		return list->n == list->cap ? MNL_CB_STOP : MNL_CB_OK;
	}
	return MNL_CB_OK;
}

static int ask(struct mnl_socket *socket)
{
	_Alignas(struct nlmsghdr) uint8_t buf[64];
	struct nlmsghdr *message = mnl_nlmsg_put_header(buf);

	message->nlmsg_type = RTM_GETNEIGH;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	(void)mnl_nlmsg_put_extra_header(message, sizeof(struct ndmsg));
	return mnl_socket_sendto(socket, message, message->nlmsg_len) < 0 ? -errno : 0;
}

size_t neighbour_list(struct ip *out, size_t cap)
{
	static _Alignas(struct nlmsghdr) uint8_t part[PART_LEN];
	struct mnl_socket *socket = cap > 0 ? mnl_socket_open2(NETLINK_ROUTE, SOCK_NONBLOCK | SOCK_CLOEXEC) : NULL;
	struct list list = { out, 0, cap };

	if (socket == NULL)
		return 0;
	for (int i = 0; i < PART_MAX && (i > 0 || ask(socket) == 0); i++) {
		ssize_t len = mnl_socket_recvfrom(socket, part, sizeof(part));

		/* the kernel makes each part when the one before is read, so none has to be waited for */
		if (len < 0 || mnl_cb_run(part, (size_t)len, 0, 0, on_neighbour, &list) <= MNL_CB_STOP)
			break;
	}
	mnl_socket_close(socket);
	return list.n;
}
