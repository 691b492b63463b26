/* SPDX-License-Identifier: Apache-2.0 */
#include "gossip/udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/limits.h"

/* Asked of the kernel: bursts of a whole cluster's announcements must not be lost while the loop is busy. */
#define UDP_BUFFER_LEN (4 * 1024 * 1024)

static socklen_t to_sockaddr(struct endpoint endpoint, struct sockaddr_storage *out)
{
	struct sockaddr_in *in4 = (struct sockaddr_in *)out;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;

	memset(out, 0, sizeof(*out));
	if (endpoint.ip.family == IP_V4) {
		in4->sin_family = AF_INET;
		in4->sin_port = htons(endpoint.port);
		memcpy(&in4->sin_addr, endpoint.ip.bytes, 4);
		return sizeof(*in4);
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(endpoint.port);
	memcpy(&in6->sin6_addr, endpoint.ip.bytes, 16);
	return sizeof(*in6);
}

static struct endpoint from_sockaddr(const struct sockaddr_storage *address)
{
	const struct sockaddr_in *in4 = (const struct sockaddr_in *)address;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;
	struct endpoint endpoint = { 0 };

	if (address->ss_family == AF_INET) {
		endpoint.ip = ip_from_v4((const uint8_t *)&in4->sin_addr);
		endpoint.port = ntohs(in4->sin_port);
	} else if (address->ss_family == AF_INET6) {
		endpoint.ip = ip_from_v6(in6->sin6_addr.s6_addr);
		endpoint.port = ntohs(in6->sin6_port);
	}
	return endpoint;
}

static int open_socket(struct endpoint endpoint)
{
	int family = endpoint.ip.family == IP_V4 ? AF_INET : AF_INET6;
	int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

int udp_open(struct endpoint bind_to)
{
	struct sockaddr_storage address;
	socklen_t len = to_sockaddr(bind_to, &address);
	int fd = open_socket(bind_to);
	int one = 1;
	int buffer_len = UDP_BUFFER_LEN;
	int class =
		0xc0; /* CS6, network control: first in the switch's queues, as routing protocols are (RFC 4594 3.1) */

	if (fd < 0)
		return fd;
	/* The forced form needs CAP_NET_ADMIN, which we have; the other is capped by rmem_max. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer_len, sizeof(buffer_len)) != 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer_len, sizeof(buffer_len));
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer_len, sizeof(buffer_len)) != 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer_len, sizeof(buffer_len));
	if (bind_to.ip.family == IP_V6) {
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_TCLASS, &class, sizeof(class));
	} else {
		(void)setsockopt(fd, IPPROTO_IP, IP_TOS, &class, sizeof(class));
	}
	if (bind(fd, (const struct sockaddr *)&address, len) != 0) {
		int error = -errno;

		close(fd);
		return error;
	}
	return fd;
}

int udp_send(int fd, struct endpoint to, const uint8_t *data, size_t len)
{
	struct sockaddr_storage address;
	socklen_t address_len = to_sockaddr(to, &address);

	if (sendto(fd, data, len, MSG_DONTWAIT, (const struct sockaddr *)&address, address_len) < 0)
		return -errno;
	return 0;
}

int udp_read(int fd, void (*take)(void *arg, struct endpoint from, const uint8_t *data, size_t len), void *arg)
{
	static uint8_t data[UDP_BATCH_MAX][PACKET_LEN_MAX + 1];
	struct sockaddr_storage from[UDP_BATCH_MAX];
	struct iovec iov[UDP_BATCH_MAX];
	struct mmsghdr messages[UDP_BATCH_MAX];
	int n;

	memset(messages, 0, sizeof(messages));
	for (size_t i = 0; i < UDP_BATCH_MAX; i++) {
		iov[i] = (struct iovec){ data[i], sizeof(data[i]) };
		messages[i].msg_hdr.msg_iov = &iov[i];
		messages[i].msg_hdr.msg_iovlen = 1;
		messages[i].msg_hdr.msg_name = &from[i];
		messages[i].msg_hdr.msg_namelen = sizeof(from[i]);
	}
	n = recvmmsg(fd, messages, UDP_BATCH_MAX, MSG_DONTWAIT, NULL);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	for (int i = 0; i < n; i++)
		take(arg, from_sockaddr(&from[i]), data[i], messages[i].msg_len);
	return n;
}

int udp_source_for(struct endpoint peer, struct ip *ret)
{
	struct sockaddr_storage address;
	socklen_t len = to_sockaddr(peer, &address);
	int fd = open_socket(peer);
	int error = 0;

	if (fd < 0)
		return fd;
	/* connect on UDP sends nothing: it only asks the routing table */
	if (connect(fd, (const struct sockaddr *)&address, len) != 0)
		error = -errno;
	len = sizeof(address);
	if (error == 0 && getsockname(fd, (struct sockaddr *)&address, &len) != 0)
		error = -errno;
	close(fd);
	if (error == 0)
		*ret = from_sockaddr(&address).ip;
	return error;
}
