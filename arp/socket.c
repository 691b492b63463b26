/* SPDX-License-Identifier: Apache-2.0 */
#include "arp/socket.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Bytes of a frame that are read: what comes after the ARP packet is padding. */
#define READ_LEN 128

/*
 * Only ARP over Ethernet for IPv4 that is meant for this host. A frame for a VLAN that is not configured here comes up
 * on the parent with its tag taken off, marked as another host's (net/core/dev.c); so does what a promiscuous port
 * sees.
 */
static const struct sock_filter filter[] = {
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, (unsigned int)(SKF_AD_OFF + SKF_AD_PKTTYPE)),
	BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, PACKET_OTHERHOST, 7, 0), /* outgoing comes after other host */
	BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12),			     /* type of the Ethernet frame */
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_ARP, 0, 5),
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 14), /* hardware and protocol */
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x00010800, 0, 3),
	BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 18), /* lengths of their addresses */
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x0604, 0, 1),
	BPF_STMT(BPF_RET | BPF_K, READ_LEN),
	BPF_STMT(BPF_RET | BPF_K, 0),
};

static int socket_set_up(int fd)
{
	/* struct sock_fprog wants a pointer to non-const that the kernel does not write through */
	struct sock_filter code[sizeof(filter) / sizeof(filter[0])];
	const struct sock_fprog program = { .len = sizeof(code) / sizeof(code[0]), .filter = code };
	const struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ARP) };
	int one = 1;

	memcpy(code, filter, sizeof(code));
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) != 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &one, sizeof(one));
	/* 4.20; before, the filter's packet type does it */
	(void)setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one));
	/* last: from here on frames come in, of all interfaces */
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0)
		return -errno;
	return 0;
}

int arp_socket_open(void)
{
	/* protocol 0: nothing is heard before the filter is there */
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
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

size_t arp_socket_send_batch(int fd, const struct arp_outgoing *packets, size_t n)
{
	uint8_t frames[ARP_BATCH_MAX][ARP_FRAME_LEN];
	struct sockaddr_ll to[ARP_BATCH_MAX];
	struct iovec parts[ARP_BATCH_MAX];
	struct mmsghdr messages[ARP_BATCH_MAX];
	size_t sent = 0;
	size_t at = 0;

	assert(n <= ARP_BATCH_MAX);
	for (size_t i = 0; i < n; i++) {
		arp_encode(&packets[i].packet, frames[i]);
		/* SOCK_RAW: the target is in the frame, only the interface is taken from here (packet(7)) */
		to[i] = (struct sockaddr_ll){
			.sll_family = AF_PACKET,
			.sll_protocol = htons(ETH_P_ARP),
			.sll_ifindex = (int)packets[i].ifindex,
		};
		parts[i] = (struct iovec){ frames[i], ARP_FRAME_LEN };
		messages[i] = (struct mmsghdr){
			.msg_hdr = { &to[i], sizeof(to[i]), &parts[i], 1, NULL, 0, 0 },
		};
	}
	while (at < n) {
		int done = sendmmsg(fd, messages + at, (unsigned int)(n - at), 0);

		if (done < 0 && errno == EINTR)
			continue;
		sent += done > 0 ? (size_t)done : 0;
		/* an error is told when it is the first one's: step over it */
		at += done > 0 ? (size_t)done : 1;
	}
	return sent;
}

/* An interface that goes down leaves one error on a socket that is bound to all of them; the socket itself is well. */
static bool is_passing(int error)
{
	return error == EAGAIN || error == EWOULDBLOCK || error == ENETDOWN;
}

int arp_socket_read(int fd, struct arp_packet *packet, uint32_t *ifindex)
{
	uint8_t frame[READ_LEN];
	struct sockaddr_ll from = { 0 };
	socklen_t from_len = sizeof(from);
	ssize_t len;

	do {
		len = recvfrom(fd, frame, sizeof(frame), MSG_DONTWAIT, (struct sockaddr *)&from, &from_len);
	} while (len < 0 && errno == EINTR);
	if (len < 0)
		return is_passing(errno) ? 0 : -errno;
	if (arp_decode(frame, (size_t)len, packet) != 0)
		return -EBADMSG;
	*ifindex = (uint32_t)from.sll_ifindex;
	return 1;
}
