/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gossip packets of others, recorded, then sent again, damaged and forged as fast as the machine can, for tests/lab/flood:
 *
 *   flood record INTERFACE PORT COUNT FILE
 *   flood send INTERFACE MAC IP:PORT SOURCE COUNT SEED FILE     SOURCE: one, random, member
 *
 * `record` runs on a node and takes what others send to it. `send` takes a sample for each packet and sends it unchanged, cut,
 * with one bit flipped, or with everything behind the header made up: a quarter of each. It writes whole frames, so the
 * source is what it pleases: its own made-up host, a new one for each packet, or the member that the sample came from. The
 * MAC stays the interface's: a switch that learns a member's MAC from us would fail, and that is not what is tested.
 * Prints "sent=N us=N". Exit 0: done; 1: not; 2: usage.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/checksum.h"
#include "base/clock.h"
#include "base/rng.h"
#include "base/wire.h"
#include "gossip/seal.h"

#define SAMPLE_MAX 4096
#define BATCH 64
#define HEADERS_LEN (14 + 20 + 8)
#define FRAME_MAX 1514
#define WAIT_MS 10000
#define SEND_BUFFER (4 * 1024 * 1024)

struct sample {
	uint8_t source[4];
	uint16_t source_port;
	uint16_t len;
	uint8_t data[FRAME_MAX - HEADERS_LEN];
};

enum source { SOURCE_ONE, SOURCE_RANDOM, SOURCE_MEMBER };

struct flood {
	int fd;
	uint8_t own_mac[6];
	struct mac target_mac;
	struct endpoint target;
	enum source source;
	struct rng rng;
	size_t sample_n;
	struct sample samples[SAMPLE_MAX];
};

/* --- recording ------------------------------------------------------------------------------------------------------ */

/* An IPv4 packet: is it UDP between these ports? Then it becomes *sample. */
static bool sample_take(const uint8_t *packet, size_t len, uint16_t port, struct sample *sample)
{
	struct wire_reader r = wire_reader_of(packet, len);
	size_t header_len = (size_t)(wire_read_u8(&r) & 0x0f) * 4;
	uint16_t udp_len;

	(void)wire_read_view(&r, 8);
	if (wire_read_u8(&r) != IPPROTO_UDP || header_len < 20)
		return false;
	(void)wire_read_view(&r, 2);
	wire_read_bytes(&r, sample->source, sizeof(sample->source));
	(void)wire_read_view(&r, header_len - 16);
	sample->source_port = wire_read_u16(&r);
	if (wire_read_u16(&r) != port)
		return false;
	udp_len = wire_read_u16(&r);
	(void)wire_read_u16(&r);
	if (r.failed || udp_len < 8 + SEAL_OVERHEAD || udp_len - 8 > (int)sizeof(sample->data))
		return false;
	sample->len = (uint16_t)(udp_len - 8);
	wire_read_bytes(&r, sample->data, sample->len);
	return !r.failed;
}

static int packet_socket(const char *interface, int type, uint16_t protocol)
{
	struct sockaddr_ll link = { .sll_family = AF_PACKET, .sll_protocol = htons(protocol) };
	int fd = socket(AF_PACKET, type | SOCK_CLOEXEC, htons(protocol));

	link.sll_ifindex = (int)if_nametoindex(interface);
	if (fd < 0 || link.sll_ifindex == 0 || bind(fd, (const struct sockaddr *)&link, sizeof(link)) != 0)
		err(1, "%s", interface);
	return fd;
}

static void record(const char *interface, uint16_t port, size_t count, const char *path)
{
	static struct sample sample;
	struct pollfd poll_fd = { .fd = packet_socket(interface, SOCK_DGRAM, ETH_P_IP), .events = POLLIN };
	FILE *file = fopen(path, "we");
	uint8_t packet[2048];

	if (file == NULL)
		err(1, "%s", path);
	while (count > 0) {
		struct sockaddr_ll from;
		socklen_t from_len = sizeof(from);
		ssize_t len;

		if (poll(&poll_fd, 1, WAIT_MS) != 1)
			errx(1, "%s: no gossip", interface);
		len = recvfrom(poll_fd.fd, packet, sizeof(packet), 0, (struct sockaddr *)&from, &from_len);
		if (len < 20 || from.sll_pkttype != PACKET_HOST || !sample_take(packet, (size_t)len, port, &sample))
			continue;
		if (fwrite(&sample, sizeof(sample), 1, file) != 1)
			err(1, "%s", path);
		count--;
	}
	close(poll_fd.fd);
	if (fclose(file) != 0)
		err(1, "%s", path);
}

/* --- sending -------------------------------------------------------------------------------------------------------- */

/* A sample, spoiled or not; returns its length. */
static size_t payload_make(struct flood *f, const struct sample *sample, uint8_t *out)
{
	size_t len = sample->len;
	uint64_t bit, bits;

	memcpy(out, sample->data, len);
	switch (rng_below(&f->rng, 4)) {
	case 0: /* replayed */
		return len;
	case 1: /* truncated */
		return (size_t)rng_below(&f->rng, len);
	case 2: /* one bit flipped */
		bit = rng_below(&f->rng, len * 8);
		out[bit / 8] ^= (uint8_t)(1 << bit % 8);
		return len;
	default: /* forged: a header like a member's, then anything */
		for (size_t i = SEAL_HEADER_LEN - 8; i < len; i += sizeof(bits)) {
			bits = rng_u64(&f->rng);
			memcpy(out + i, &bits, len - i < sizeof(bits) ? len - i : sizeof(bits));
		}
		return len;
	}
}

/* Where the packet says that it comes from. */
static uint16_t source_make(struct flood *f, const struct sample *sample, uint8_t ip[4])
{
	static const uint8_t one[4] = { 10, 77, 0, 240 };

	if (f->source == SOURCE_MEMBER) {
		memcpy(ip, sample->source, 4);
		return sample->source_port;
	}
	if (f->source == SOURCE_ONE) {
		memcpy(ip, one, 4);
		return 4242;
	}
	/* Unicast, and none of 10.0.0.0/8 (where the nodes are), nor loopback. */
	do {
		ip[0] = (uint8_t)rng_between(&f->rng, 1, 223);
	} while (ip[0] == 10 || ip[0] == 127);
	for (size_t i = 1; i < 4; i++)
		ip[i] = (uint8_t)rng_between(&f->rng, 1, 254);
	return (uint16_t)rng_between(&f->rng, 1024, 65535);
}

/* A kernel does not accept packets in its own name, so those that the target itself had sent are left out. */
static const struct sample *sample_pick(struct flood *f)
{
	const struct sample *sample;

	do {
		sample = &f->samples[rng_below(&f->rng, f->sample_n)];
	} while (memcmp(sample->source, f->target.ip.bytes, 4) == 0);
	return sample;
}

static size_t frame_make(struct flood *f, uint8_t *frame)
{
	const struct sample *sample = sample_pick(f);
	struct wire_writer w = wire_writer_of(frame, FRAME_MAX);
	size_t len = payload_make(f, sample, frame + HEADERS_LEN);
	uint8_t source[4];
	uint16_t port = source_make(f, sample, source);

	wire_write_mac(&w, f->target_mac);
	wire_write_bytes(&w, f->own_mac, 6);
	wire_write_u16(&w, ETH_P_IP);
	wire_write_u16(&w, 0x4500);
	wire_write_u16(&w, (uint16_t)(20 + 8 + len));
	wire_write_u32(&w, 0x00004000); /* don't fragment */
	wire_write_u16(&w, 64 << 8 | IPPROTO_UDP);
	wire_write_u16(&w, 0);
	wire_write_bytes(&w, source, 4);
	wire_write_bytes(&w, f->target.ip.bytes, 4);
	wire_patch_u16(&w, 24, checksum_finish(checksum_add(0, frame + 14, 20)));
	wire_write_u16(&w, port);
	wire_write_u16(&w, f->target.port);
	wire_write_u16(&w, (uint16_t)(8 + len));
	wire_write_u16(&w, 0); /* no checksum (RFC 768) */
	return HEADERS_LEN + len;
}

static void send_all(struct flood *f, uint64_t count)
{
	static uint8_t frames[BATCH][FRAME_MAX];
	struct iovec parts[BATCH];
	struct mmsghdr messages[BATCH] = { 0 };

	while (count > 0) {
		unsigned int want = count < BATCH ? (unsigned int)count : BATCH, done = 0;

		for (unsigned int i = 0; i < want; i++) {
			parts[i] = (struct iovec){ .iov_base = frames[i], .iov_len = frame_make(f, frames[i]) };
			messages[i].msg_hdr.msg_iov = &parts[i];
			messages[i].msg_hdr.msg_iovlen = 1;
		}
		while (done < want) {
			int n = sendmmsg(f->fd, messages + done, want - done, 0);

			if (n < 0 && errno != ENOBUFS && errno != EINTR)
				err(1, "send");
			done += n > 0 ? (unsigned int)n : 0;
		}
		count -= want;
	}
}

static void samples_read(struct flood *f, const char *path)
{
	FILE *file = fopen(path, "re");
	size_t usable = 0;

	if (file == NULL)
		err(1, "%s", path);
	f->sample_n = fread(f->samples, sizeof(f->samples[0]), SAMPLE_MAX, file);
	fclose(file);
	for (size_t i = 0; i < f->sample_n; i++)
		usable += memcmp(f->samples[i].source, f->target.ip.bytes, 4) != 0;
	if (usable == 0)
		errx(1, "%s: no samples", path);
}

static void flood_open(struct flood *f, const char *interface)
{
	struct ifreq request = { 0 };
	int size = SEND_BUFFER;

	f->fd = packet_socket(interface, SOCK_RAW, 0);
	(void)setsockopt(f->fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	(void)snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
	if (ioctl(f->fd, SIOCGIFHWADDR, &request) != 0)
		err(1, "%s", interface);
	memcpy(f->own_mac, request.ifr_hwaddr.sa_data, 6);
}

/* --- command line --------------------------------------------------------------------------------------------------- */

static _Noreturn void usage(void)
{
	fputs("usage: flood record INTERFACE PORT COUNT FILE\n"
	      "       flood send INTERFACE MAC IP:PORT one|random|member COUNT SEED FILE\n",
	      stderr);
	exit(2);
}

static uint64_t read_number(const char *text)
{
	char *end;
	unsigned long long value = strtoull(text, &end, 10);

	if (*text == '\0' || *end != '\0')
		usage();
	return value;
}

static enum source read_source(const char *text)
{
	static const char *const names[] = { "one", "random", "member" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(names[i], text) == 0)
			return (enum source)i;
	}
	usage();
}

static void read_mac(const char *text, struct mac *ret)
{
	unsigned int b[6];

	if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5]) != 6)
		usage();
	for (size_t i = 0; i < 6; i++)
		ret->bytes[i] = (uint8_t)b[i];
}

int main(int argc, char **argv)
{
	static struct flood f;
	uint64_t count;
	int64_t begin_us;

	if (argc == 6 && strcmp(argv[1], "record") == 0) {
		record(argv[2], (uint16_t)read_number(argv[3]), (size_t)read_number(argv[4]), argv[5]);
		return 0;
	}
	if (argc != 9 || strcmp(argv[1], "send") != 0)
		usage();
	flood_open(&f, argv[2]);
	read_mac(argv[3], &f.target_mac);
	if (endpoint_parse(argv[4], 7946, &f.target) != 0 || f.target.ip.family != IP_V4)
		usage();
	f.source = read_source(argv[5]);
	count = read_number(argv[6]);
	f.rng = rng_of(read_number(argv[7]));
	samples_read(&f, argv[8]);
	begin_us = clock_now().us;
	send_all(&f, count);
	printf("sent=%llu us=%lld\n", (unsigned long long)count, (long long)(clock_now().us - begin_us));
	close(f.fd);
	return 0;
}
