/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Advertisements to ff02::1 reach every raw socket of every interface: all nodes are members of that group.
 * Solicitations for an address reach it while the host has that address.
 */
#include "ndp/socket.h"

#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* RFC 4861 7.1: a router would have lowered it, so 255 proves that the sender is on the link. */
#define HOP_LIMIT 255

/* Longest message that is read: what fits Ethernet. */
#define READ_LEN 1500

struct option {
	int name;
	int value;
};

static const struct option options[] = {
	{ IPV6_RECVPKTINFO, 1 },    { IPV6_RECVHOPLIMIT, 1 },		{ IPV6_UNICAST_HOPS, HOP_LIMIT },
	{ IPV6_MULTICAST_LOOP, 0 }, { IPV6_MULTICAST_HOPS, HOP_LIMIT },
};

static int socket_set_up(int fd)
{
	struct icmp6_filter filter;
	int one = 1;

	ICMP6_FILTER_SETBLOCKALL(&filter);
	ICMP6_FILTER_SETPASS(NDP_SOLICITATION, &filter);
	ICMP6_FILTER_SETPASS(NDP_ADVERTISEMENT, &filter);
	if (setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof(filter)) != 0)
		return -errno;
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		if (setsockopt(fd, IPPROTO_IPV6, options[i].name, &options[i].value, sizeof(int)) != 0)
			return -errno;
	}
	/* To send from an address that is not there: 4.15, or the older option that asks for more rights. */
	if (setsockopt(fd, IPPROTO_IPV6, IPV6_FREEBIND, &one, sizeof(one)) != 0 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, &one, sizeof(one)) != 0)
		return -errno;
	return 0;
}

int ndp_socket_open(void)
{
	int fd = socket(AF_INET6, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_ICMPV6);
	int error;

	if (fd < 0)
		return -errno;
	error = socket_set_up(fd);
	if (error != 0) {
		close(fd);
		return error;
	}
	return fd;
}

int ndp_socket_send(int fd, uint32_t ifindex, struct ip source, struct ip destination, const struct ndp_packet *packet)
{
	_Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(sizeof(struct in6_pktinfo))] = { 0 };
	uint8_t body[NDP_PACKET_LEN_MAX];
	struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_scope_id = ifindex };
	struct in6_pktinfo info = { .ipi6_ifindex = ifindex };
	struct iovec part = { .iov_base = body, .iov_len = ndp_encode(packet, body) };
	struct msghdr message = {
		.msg_name = &to,
		.msg_namelen = sizeof(to),
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	ssize_t sent;

	if (destination.family != IP_V6 || source.family == IP_V4)
		return -EINVAL;
	memcpy(&to.sin6_addr, destination.bytes, sizeof(to.sin6_addr));
	memcpy(&info.ipi6_addr, source.bytes, sizeof(info.ipi6_addr));
	header->cmsg_level = IPPROTO_IPV6;
	header->cmsg_type = IPV6_PKTINFO;
	header->cmsg_len = CMSG_LEN(sizeof(info));
	memcpy(CMSG_DATA(header), &info, sizeof(info));
	do {
		sent = sendmsg(fd, &message, 0);
	} while (sent < 0 && errno == EINTR);
	if (sent < 0)
		return -errno;
	return (size_t)sent == part.iov_len ? 0 : -EIO;
}

/* What the kernel tells beside the message. */
struct envelope {
	struct in6_pktinfo info;
	int hop_limit;
};

static struct envelope envelope_of(struct msghdr *message)
{
	struct envelope envelope = { .hop_limit = -1 };

	for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header != NULL; header = CMSG_NXTHDR(message, header)) {
		if (header->cmsg_level != IPPROTO_IPV6)
			continue;
		if (header->cmsg_type == IPV6_PKTINFO && header->cmsg_len >= CMSG_LEN(sizeof(envelope.info)))
			memcpy(&envelope.info, CMSG_DATA(header), sizeof(envelope.info));
		else if (header->cmsg_type == IPV6_HOPLIMIT && header->cmsg_len >= CMSG_LEN(sizeof(int)))
			memcpy(&envelope.hop_limit, CMSG_DATA(header), sizeof(int));
	}
	return envelope;
}

/* The checks of RFC 4861 7.1.1 and 7.1.2 that need more than the message. */
static bool is_valid(const struct ndp_packet *packet, const struct in6_addr *source, const struct envelope *envelope)
{
	const struct in6_addr *destination = &envelope->info.ipi6_addr;
	static const uint8_t solicited_prefix[13] = { 0xff, 0x02, [11] = 0x01, [12] = 0xff };

	if (envelope->hop_limit != HOP_LIMIT)
		return false;
	if (packet->kind == NDP_ADVERTISEMENT)
		return !(IN6_IS_ADDR_MULTICAST(destination) && packet->solicited);
	if (IN6_IS_ADDR_UNSPECIFIED(source))
		return !packet->has_mac && memcmp(destination, solicited_prefix, sizeof(solicited_prefix)) == 0;
	return true;
}

int ndp_socket_read(int fd, struct ndp_packet *packet, struct ip *source, uint32_t *ifindex)
{
	_Alignas(struct cmsghdr) uint8_t control[256];
	uint8_t body[READ_LEN];
	struct sockaddr_in6 from = { 0 };
	struct iovec part = { .iov_base = body, .iov_len = sizeof(body) };
	struct msghdr message = {
		.msg_name = &from,
		.msg_namelen = sizeof(from),
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct ndp_packet decoded;
	struct envelope envelope;
	ssize_t len;

	do {
		len = recvmsg(fd, &message, MSG_DONTWAIT);
	} while (len < 0 && errno == EINTR);
	if (len < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
	if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 || ndp_decode(body, (size_t)len, &decoded) != 0)
		return -EBADMSG;
	envelope = envelope_of(&message);
	if (!is_valid(&decoded, &from.sin6_addr, &envelope))
		return -EBADMSG;
	*packet = decoded;
	*source = ip_from_v6(from.sin6_addr.s6_addr);
	*ifindex = (uint32_t)envelope.info.ipi6_ifindex;
	return 1;
}
