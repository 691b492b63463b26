/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/witness.h"

#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/clock.h"
#include "base/sockaddr.h"
#include "base/wire.h"
#include "netlink/gateway.h"

/* By number, as <linux/icmp.h> and <netinet/ip_icmp.h> cannot be used together and each has a part only. */
#define ICMP4_ECHO_REPLY 0
#define ICMP4_ECHO_REQUEST 8
#define ICMP4_FILTER 1 /* option of a raw socket: one bit for each type that is not wanted */

/* Type, code, checksum, identifier, sequence number, and our own 64 bits. */
#define ECHO_LEN 16

/* An IPv4 header with options comes before the message; what is longer is not an answer to ours. */
#define READ_LEN 256
#define READ_MAX 32

/* Questions that are remembered: more than fit into WITNESS_FRESH_MS at one every 20 ms. */
#define QUESTION_N 64

struct witness {
	int epoll_fd;
	int fd4;
	int fd6;
	struct ip ip; /* IP_NONE: the gateway */
	enum ip_family family;
	struct gateway asked; /* last */
	uint64_t secret;      /* in each question, so that only who got it can answer */
	uint16_t id;
	uint16_t sequence; /* of the last question */
	struct instant asked_at[QUESTION_N];
};

/* ---- opening ---- */

/* A raw socket that hears echo replies only. The descriptor or a negative errno. */
static int open_raw(enum ip_family family)
{
	int fd = family == IP_V4 ? socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_ICMP)
				 : socket(AF_INET6, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_ICMPV6);
	uint32_t unwanted4 = ~(UINT32_C(1) << ICMP4_ECHO_REPLY);
	struct icmp6_filter filter6;
	int error;

	if (fd < 0)
		return -errno;
	ICMP6_FILTER_SETBLOCKALL(&filter6);
	ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &filter6);
	if (family == IP_V4)
		error = setsockopt(fd, SOL_RAW, ICMP4_FILTER, &unwanted4, sizeof(unwanted4));
	else
		error = setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter6, sizeof(filter6));
	if (error == 0)
		return fd;
	error = -errno;
	close(fd);
	return error;
}

static int watch(const struct witness *w, int fd)
{
	struct epoll_event event = { .events = EPOLLIN };

	return epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : -errno;
}

/* Open what the witness may need: where IPv6 is switched off, IPv4 alone has to do. */
static int open_sockets(struct witness *w)
{
	bool want4 = w->ip.family != IP_V6, want6 = w->ip.family != IP_V4;
	int error = 0;

	w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (w->epoll_fd < 0)
		return -errno;
	if (want4) {
		w->fd4 = open_raw(IP_V4);
		error = w->fd4 < 0 ? w->fd4 : watch(w, w->fd4);
	}
	if (error != 0 || !want6)
		return error;
	w->fd6 = open_raw(IP_V6);
	if (w->fd6 == -EAFNOSUPPORT && want4)
		return 0;
	return w->fd6 < 0 ? w->fd6 : watch(w, w->fd6);
}

int witness_open(struct ip ip, enum ip_family family, struct witness **ret)
{
	struct witness *w = calloc(1, sizeof(*w));
	int error;

	if (w == NULL)
		return -ENOMEM;
	w->epoll_fd = w->fd4 = w->fd6 = -1;
	w->ip = ip;
	w->family = family;
	w->secret = clock_random_u64();
	w->id = (uint16_t)clock_random_u64();
	for (size_t i = 0; i < QUESTION_N; i++)
		w->asked_at[i] = (struct instant){ INT64_MIN / 2 };
	error = open_sockets(w);
	if (error != 0) {
		witness_close(w);
		return error;
	}
	*ret = w;
	return 0;
}

void witness_close(struct witness *w)
{
	if (w == NULL)
		return;
	if (w->fd4 >= 0)
		close(w->fd4);
	if (w->fd6 >= 0)
		close(w->fd6);
	if (w->epoll_fd >= 0)
		close(w->epoll_fd);
	free(w);
}

int witness_fd(const struct witness *w)
{
	return w->epoll_fd;
}

struct ip witness_address(const struct witness *w)
{
	return w->asked.ip;
}

/* ---- asking ---- */

/*
 *   0                   1                   2                   3
 *   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *  +---------------+---------------+-------------------------------+
 *  |     type      |   code = 0    |           checksum            |
 *  +---------------+---------------+-------------------------------+
 *  |          identifier           |        sequence number        |
 *  +-------------------------------+-------------------------------+
 *  |                          secret (64)                          |
 *  +---------------------------------------------------------------+
 */
static void encode(const struct witness *w, enum ip_family family, uint8_t out[ECHO_LEN])
{
	struct wire_writer writer = wire_writer_of(out, ECHO_LEN);

	wire_write_u8(&writer, family == IP_V4 ? ICMP4_ECHO_REQUEST : ICMP6_ECHO_REQUEST);
	wire_write_u8(&writer, 0);
	wire_write_u16(&writer, 0);
	wire_write_u16(&writer, w->id);
	wire_write_u16(&writer, w->sequence);
	wire_write_u64(&writer, w->secret);
	if (family == IP_V4) /* the kernel does it for ICMPv6 (RFC 3542 3.1) */
		wire_patch_u16(&writer, 2, checksum_finish(checksum_add(0, out, ECHO_LEN)));
}

static int find(const struct witness *w, struct gateway *ret)
{
	if (w->ip.family != IP_NONE) {
		*ret = (struct gateway){ w->ip, 0 };
		return 0;
	}
	if (gateway_of_default_route(w->family, ret) == 0)
		return 0;
	return gateway_of_default_route(w->family == IP_V4 ? IP_V6 : IP_V4, ret);
}

/* `to` of the socket; only who is asked is heard by it from then on. 0 or a negative errno. */
static int aim(int fd, const struct gateway *to)
{
	struct sockaddr_storage address;
	socklen_t len = sockaddr_from_endpoint((struct endpoint){ to->ip, 0 }, &address);

	if (to->ip.family == IP_V6 && ip_is_link_local(to->ip))
		((struct sockaddr_in6 *)&address)->sin6_scope_id = to->index;
	return connect(fd, (const struct sockaddr *)&address, len) == 0 ? 0 : -errno;
}

int witness_ask(struct witness *w, struct instant now)
{
	uint8_t question[ECHO_LEN];
	struct gateway to;
	int error = find(w, &to);
	int fd;

	if (error != 0)
		return error;
	fd = to.ip.family == IP_V4 ? w->fd4 : w->fd6;
	if (fd < 0)
		return -EAFNOSUPPORT;
	error = aim(fd, &to);
	if (error != 0)
		return error;
	w->asked = to;
	w->sequence++;
	w->asked_at[w->sequence % QUESTION_N] = now;
	encode(w, to.ip.family, question);
	/* Twice: the first may only report what an earlier question met. */
	for (int tries = 0; tries < 2; tries++) {
		if (send(fd, question, sizeof(question), MSG_DONTWAIT) >= 0)
			return 0;
	}
	return -errno;
}

/* ---- the answer ---- */

/* Is it the answer to a fresh question of ours? A raw IPv4 socket gives the IP header too (raw(7)), which the kernel has checked. */
static bool is_answer(const struct witness *w, enum ip_family family, const uint8_t *data, size_t len,
		      struct instant now)
{
	struct wire_reader reader = wire_reader_of(data, len);
	uint16_t sequence;
	bool ours;

	if (family == IP_V4) {
		uint8_t first = wire_read_u8(&reader);

		(void)wire_read_view(&reader, (size_t)(first & 0x0f) * 4 - 1);
	}
	ours = wire_read_u8(&reader) == (family == IP_V4 ? ICMP4_ECHO_REPLY : ICMP6_ECHO_REPLY);
	ours = wire_read_u8(&reader) == 0 && ours;
	(void)wire_read_u16(&reader);
	ours = wire_read_u16(&reader) == w->id && ours;
	sequence = wire_read_u16(&reader);
	ours = wire_read_u64(&reader) == w->secret && ours;
	if (reader.failed || !ours || (uint16_t)(w->sequence - sequence) >= QUESTION_N)
		return false;
	return instant_since(now, w->asked_at[sequence % QUESTION_N]).us <= span_ms(WITNESS_FRESH_MS).us;
}

static bool read_socket(const struct witness *w, enum ip_family family, struct instant now)
{
	int fd = family == IP_V4 ? w->fd4 : w->fd6;
	bool answered = false;

	for (int i = 0; i < READ_MAX && fd >= 0; i++) {
		struct sockaddr_storage from = { 0 };
		socklen_t from_len = sizeof(from);
		uint8_t data[READ_LEN];
		ssize_t len = recvfrom(fd, data, sizeof(data), MSG_DONTWAIT, (struct sockaddr *)&from, &from_len);

		if (len < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
		/* Other errors are those of an earlier question ("host unreachable"): they are no answer. */
		if (len > 0 && ip_equal(sockaddr_to_endpoint(&from).ip, w->asked.ip) &&
		    is_answer(w, family, data, (size_t)len, now))
			answered = true;
	}
	return answered;
}

bool witness_read(struct witness *w, struct instant now)
{
	bool answered4 = read_socket(w, IP_V4, now);
	bool answered6 = read_socket(w, IP_V6, now);

	return answered4 || answered6;
}
