/* SPDX-License-Identifier: Apache-2.0 */
#include "gossip/udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/errqueue.h> /* needs <time.h> */

#include "base/clock.h"
#include "base/limits.h"
#include "base/sockaddr.h"

/* Asked of the kernel: bursts of a whole cluster's announcements must not be lost while the loop is busy. */
#define UDP_BUFFER_LEN (4 * 1024 * 1024)

/* CS6, network control: first in the switch's queues, as routing protocols are (RFC 4594 3.1). */
#define UDP_CLASS 0xc0

static int open_socket(struct endpoint endpoint)
{
	int family = endpoint.ip.family == IP_V4 ? AF_INET : AF_INET6;
	int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

/* None of these is worth failing for. */
static void set_options(int fd, bool v6)
{
	int one = 1;
	int buffer_len = UDP_BUFFER_LEN;
	int class = UDP_CLASS;

	/* The forced form needs CAP_NET_ADMIN, which we have; the other is capped by rmem_max. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer_len, sizeof(buffer_len)) != 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer_len, sizeof(buffer_len));
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer_len, sizeof(buffer_len)) != 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer_len, sizeof(buffer_len));
	(void)setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof(one));
	(void)setsockopt(fd, SOL_SOCKET, SO_SELECT_ERR_QUEUE, &one, sizeof(one));
	if (v6) {
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_TCLASS, &class, sizeof(class));
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &one, sizeof(one));
	} else {
		(void)setsockopt(fd, IPPROTO_IP, IP_TOS, &class, sizeof(class));
		(void)setsockopt(fd, IPPROTO_IP, IP_RECVERR, &one, sizeof(one));
	}
}

int udp_open(struct udp *udp, struct endpoint bind_to)
{
	struct sockaddr_storage address;
	socklen_t len = sockaddr_from_endpoint(bind_to, &address);
	int fd = open_socket(bind_to);

	*udp = (struct udp){ -1, clock_now() };
	if (fd < 0)
		return fd;
	set_options(fd, bind_to.ip.family == IP_V6);
	if (bind(fd, (const struct sockaddr *)&address, len) != 0) {
		int error = -errno;

		close(fd);
		return error;
	}
	udp->fd = fd;
	return 0;
}

void udp_close(struct udp *udp)
{
	if (udp->fd >= 0)
		close(udp->fd);
	udp->fd = -1;
}

/* ---- sending ---- */

/*
 * With IP_RECVERR the error that an earlier datagram met, whoever it was for, fails the next call, which takes it off the
 * socket thereby (sock_error() in the kernel). Whatever is tried again at once fails for a reason of its own.
 */
int udp_send(int fd, struct endpoint to, const uint8_t *data, size_t len)
{
	struct sockaddr_storage address;
	socklen_t address_len = sockaddr_from_endpoint(to, &address);
	ssize_t sent = -1;

	for (int tries = 0; sent < 0 && tries < 2; tries++)
		sent = sendto(fd, data, len, MSG_DONTWAIT, (const struct sockaddr *)&address, address_len);
	return sent < 0 ? -errno : 0;
}

/* At most UDP_BATCH_MAX of them, in one call. How many were sent, or a negative errno that is that of the first. */
static int send_some(int fd, const struct udp_message *messages, size_t n)
{
	struct sockaddr_storage to[UDP_BATCH_MAX];
	struct iovec iov[UDP_BATCH_MAX];
	struct mmsghdr headers[UDP_BATCH_MAX];
	int sent = -1;

	if (n > UDP_BATCH_MAX)
		n = UDP_BATCH_MAX;
	memset(headers, 0, n * sizeof(headers[0]));
	for (size_t i = 0; i < n; i++) {
		union {
			const uint8_t *sent;
			void *base;
		} data = { messages[i].data }; /* struct iovec is for both directions; sending only reads */

		iov[i] = (struct iovec){ data.base, messages[i].len };
		headers[i].msg_hdr.msg_iov = &iov[i];
		headers[i].msg_hdr.msg_iovlen = 1;
		headers[i].msg_hdr.msg_name = &to[i];
		headers[i].msg_hdr.msg_namelen = sockaddr_from_endpoint(messages[i].to, &to[i]);
	}
	for (int tries = 0; sent < 0 && tries < 2; tries++)
		sent = sendmmsg(fd, headers, (unsigned int)n, MSG_DONTWAIT);
	return sent < 0 ? -errno : sent;
}

size_t udp_send_batch(int fd, struct udp_message *messages, size_t n)
{
	size_t sent_n = 0;
	size_t i = 0;

	while (i < n) {
		int sent = send_some(fd, &messages[i], n - i);

		/* sendmmsg stops at the first that fails, and says why only when nothing was sent before it. */
		if (sent <= 0) {
			messages[i++].error = sent < 0 ? sent : -EIO;
			continue;
		}
		sent_n += (size_t)sent;
		for (int k = 0; k < sent; k++)
			messages[i++].error = 0;
	}
	return sent_n;
}

/* ---- receiving ---- */

/* What recvmmsg fills. Static, as nobody reads two sockets at once and it is 300 kB. */
struct batch {
	uint8_t data[UDP_BATCH_MAX][PACKET_LEN_MAX + 1];
	_Alignas(struct cmsghdr) uint8_t control[UDP_BATCH_MAX][CMSG_SPACE(sizeof(struct timespec))];
	struct sockaddr_storage from[UDP_BATCH_MAX];
	struct iovec iov[UDP_BATCH_MAX];
	struct mmsghdr headers[UDP_BATCH_MAX];
};

/* How many datagrams (0: none wait), or a negative errno. */
static int receive_batch(int fd, struct batch *batch)
{
	int n = -1;

	memset(batch->headers, 0, sizeof(batch->headers));
	for (size_t i = 0; i < UDP_BATCH_MAX; i++) {
		struct msghdr *header = &batch->headers[i].msg_hdr;

		batch->iov[i] = (struct iovec){ batch->data[i], sizeof(batch->data[i]) };
		header->msg_iov = &batch->iov[i];
		header->msg_iovlen = 1;
		header->msg_name = &batch->from[i];
		header->msg_namelen = sizeof(batch->from[i]);
		header->msg_control = batch->control[i];
		header->msg_controllen = sizeof(batch->control[i]);
	}
	/* As in udp_send: the first try may only take away what an earlier datagram of ours met. */
	for (int tries = 0; n < 0 && tries < 2; tries++)
		n = recvmmsg(fd, batch->headers, UDP_BATCH_MAX, MSG_DONTWAIT, NULL);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	return n;
}

/* Nanoseconds of the wall clock since 1970. Only ever subtracted from a stamp of the same moment. */
static int64_t wall_ns(struct timespec ts)
{
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* How long before `wall` the kernel took the datagram in, by its stamp. Zero without one. */
static struct span age_of(struct msghdr *header, const struct timespec *wall)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c != NULL; c = CMSG_NXTHDR(header, c)) {
		struct timespec stamp;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS ||
		    c->cmsg_len < CMSG_LEN(sizeof(stamp)))
			continue;
		memcpy(&stamp, CMSG_DATA(c), sizeof(stamp));
		return span_us((wall_ns(*wall) - wall_ns(stamp)) / 1000);
	}
	return span_us(0);
}

/*
 * The kernel stamps with the wall clock, which may be set while the datagram waits. So an age counts for no more than the
 * time since the queue was last empty: a step can make one batch look that old, or brand new, and nothing else.
 */
static struct span age_clamped(struct span age, struct span limit)
{
	if (age.us > limit.us)
		age = limit;
	return age.us < 0 ? span_us(0) : age;
}

/* Both clocks at one moment: of a few tries the one with the least time in between, for we may be held up there. */
static struct instant both_clocks(struct timespec *ret_wall)
{
	struct span best = { INT64_MAX };
	struct instant now = { 0 };

	*ret_wall = (struct timespec){ 0 };
	for (int tries = 0; tries < 3 && best.us > 20; tries++) {
		struct instant before = clock_now();
		struct timespec wall = { 0 };
		struct instant after;

		(void)clock_gettime(CLOCK_REALTIME, &wall);
		after = clock_now();
		if (instant_since(after, before).us < best.us) {
			best = instant_since(after, before);
			now = after;
			*ret_wall = wall;
		}
	}
	return now;
}

int udp_read(struct udp *udp, const struct udp_handler *handler)
{
	static struct batch batch;
	struct instant before = clock_now();
	int n = receive_batch(udp->fd, &batch);
	struct timespec wall;
	struct instant now = both_clocks(&wall);
	struct span limit = instant_since(now, udp->drained);

	if (n >= 0 && n < UDP_BATCH_MAX)
		udp->drained = before;
	for (int i = 0; i < n; i++) {
		struct span age = age_clamped(age_of(&batch.headers[i].msg_hdr, &wall), limit);
		const struct udp_datagram datagram = {
			.from = sockaddr_to_endpoint(&batch.from[i]),
			.received = instant_add(now, span_us(-age.us)),
			.data = batch.data[i],
			.len = batch.headers[i].msg_len,
		};

		handler->datagram(handler->arg, &datagram);
	}
	return n;
}

/* Is this error of the queue a "port unreachable" from the very address that we wrote to? A gateway's or firewall's is not. */
static bool is_refusal(struct msghdr *header, struct ip destination)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c != NULL; c = CMSG_NXTHDR(header, c)) {
		bool ours = (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) ||
			    (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR);
		struct sockaddr_storage offender = { 0 };
		struct sock_extended_err error;
		size_t len;

		if (!ours || c->cmsg_len < CMSG_LEN(sizeof(error)))
			continue;
		memcpy(&error, CMSG_DATA(c), sizeof(error));
		/* SO_EE_OFFENDER: its address follows */
		len = c->cmsg_len - CMSG_LEN(sizeof(error));
		memcpy(&offender, CMSG_DATA(c) + sizeof(error), len < sizeof(offender) ? len : sizeof(offender));
		return error.ee_errno == ECONNREFUSED &&
		       (error.ee_origin == SO_EE_ORIGIN_ICMP || error.ee_origin == SO_EE_ORIGIN_ICMP6) &&
		       ip_equal(sockaddr_to_endpoint(&offender).ip, destination);
	}
	return false;
}

/* Each entry must be taken off, or poll reports the socket for ever. */
void udp_read_refusals(struct udp *udp, const struct udp_handler *handler)
{
	for (int i = 0; i < UDP_BATCH_MAX; i++) {
		_Alignas(struct cmsghdr) uint8_t control[512];
		struct sockaddr_storage to = { 0 };
		uint8_t datagram[1]; /* ours, come back; of no interest */
		struct iovec iov = { datagram, sizeof(datagram) };
		struct msghdr header = { .msg_name = &to,
					 .msg_namelen = sizeof(to),
					 .msg_iov = &iov,
					 .msg_iovlen = 1,
					 .msg_control = control,
					 .msg_controllen = sizeof(control) };
		struct endpoint peer;

		if (recvmsg(udp->fd, &header, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
			return;
		peer = sockaddr_to_endpoint(&to);
		if (handler->refused != NULL && is_refusal(&header, peer.ip))
			handler->refused(handler->arg, peer);
	}
}

/* ---- the routing table ---- */

int udp_source_for(struct endpoint peer, struct ip *ret)
{
	struct sockaddr_storage address;
	socklen_t len = sockaddr_from_endpoint(peer, &address);
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
		*ret = sockaddr_to_endpoint(&address).ip;
	return error;
}
