/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sends datagrams that a daemon must not use, for tests/lab/errors:
 *
 *   badpackets --key FILE --instance HEX [--interface NAME] [--count N] [--seed N] IP:PORT KIND
 *
 * KIND is a row of the table `kinds` below, which says what is wrong with it and which drop it is made for. --instance is the
 * receiver's own, as `mlbctl -o json status` shows it. The replayed kinds take a packet of another node off the interface,
 * so they run on the receiver's host. Exit 0: sent (and the good kind answered); 1: not; 2: usage.
 */
#include <arpa/inet.h>
#include <err.h>
#include <getopt.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <sodium.h>

#include "base/addr.h"
#include "base/clock.h"
#include "base/rng.h"
#include "base/wire.h"
#include "gossip/seal.h"
#include "gossip/udp.h"

/* The largest UDP payload over IPv4. */
#define DATAGRAM_MAX 65507
#define BODY_MAX 1200
#define KEY_FILE_MAX 4096
#define WAIT_MS 3000

/* Numbers of docs/PROTOCOL.md: written here by hand, so that a change of the code does not change the test. */
enum { PING = 1, HELLO = 8, JOIN = 10, HELLO_LEN = 64, ALIVE = 1 };

struct sender {
	struct seal_ring ring;
	uint64_t instance; /* the receiver's */
	struct endpoint target;
	const char *interface;
	unsigned int count;
	uint64_t seed;
	struct rng rng;
	uint64_t myself; /* an instance that nobody has */
	uint64_t counter;
	uint8_t captured[PACKET_LEN_MAX];
	size_t captured_len; /* 0: nothing yet */
};

struct kind {
	const char *name;
	size_t (*make)(struct sender *s, uint8_t *out); /* returns the datagram's length */
	const char *help;
};

/* --- packets -------------------------------------------------------------------------------------------------------- */

static size_t seal_from(struct sender *s, const struct seal_ring *ring, uint64_t from, uint64_t to,
			const struct wire_writer *body, uint8_t *out)
{
	const struct seal_header header = { .sender = from, .receiver = to, .counter = s->counter++ };
	int len = seal_pack(ring, &header, body->data, body->len, out, DATAGRAM_MAX);

	if (body->failed || len < 0)
		errx(1, "cannot build the packet");
	return (size_t)len;
}

/* Sealed well, for one instance or (0) for anyone. */
static size_t seal_to(struct sender *s, uint64_t to, const struct wire_writer *body, uint8_t *out)
{
	return seal_from(s, &s->ring, s->myself, to, body, out);
}

static void fill_random(struct sender *s, uint8_t *out, size_t len)
{
	for (size_t i = 0; i < len; i++)
		out[i] = (uint8_t)rng_u64(&s->rng);
}

static size_t message_begin(struct wire_writer *w, uint8_t type)
{
	wire_write_u8(w, type);
	wire_write_u16(w, 0);
	return w->len;
}

static void message_end(struct wire_writer *w, size_t start)
{
	wire_patch_u16(w, start - 2, (uint16_t)(w->len - start));
}

/* A HELLO of so many bytes with framing. */
static struct wire_writer hello_body(struct sender *s, uint8_t *buf, size_t len)
{
	struct wire_writer w = wire_writer_of(buf, BODY_MAX);
	size_t start = message_begin(&w, HELLO);

	wire_write_u64(&w, rng_u64(&s->rng));
	while (w.len < len)
		wire_write_u8(&w, 0);
	message_end(&w, start);
	return w;
}

static size_t make_hello(struct sender *s, uint8_t *out)
{
	uint8_t buf[BODY_MAX];
	struct wire_writer w = hello_body(s, buf, HELLO_LEN);

	return seal_to(s, 0, &w, out);
}

static size_t make_small_hello(struct sender *s, uint8_t *out)
{
	uint8_t buf[BODY_MAX];
	struct wire_writer w = hello_body(s, buf, HELLO_LEN - 1);

	return seal_to(s, 0, &w, out);
}

static size_t make_empty(struct sender *s, uint8_t *out)
{
	(void)s;
	(void)out;
	return 0;
}

static size_t make_truncated(struct sender *s, uint8_t *out)
{
	(void)make_hello(s, out);
	return SEAL_OVERHEAD - 1;
}

static size_t make_cut(struct sender *s, uint8_t *out)
{
	return make_hello(s, out) - 1;
}

static size_t make_damaged(struct sender *s, uint8_t *out)
{
	size_t len = make_hello(s, out);

	out[SEAL_HEADER_LEN + 5] ^= 1;
	return len;
}

static size_t make_newer(struct sender *s, uint8_t *out)
{
	size_t len = make_hello(s, out);

	out[0]++;
	return len;
}

static size_t make_long(struct sender *s, uint8_t *out)
{
	(void)make_hello(s, out);
	return PACKET_LEN_MAX + 1;
}

static size_t make_huge(struct sender *s, uint8_t *out)
{
	(void)make_hello(s, out);
	return DATAGRAM_MAX;
}

static size_t make_garbage(struct sender *s, uint8_t *out)
{
	fill_random(s, out, 1000);
	out[0] = 0x5a;
	return 1000;
}

/* A key of our own; its id is another, or made the same. */
static size_t with_wrong_key(struct sender *s, bool same_id, uint8_t *out)
{
	struct seal_ring ring = { .key_n = 1 };
	uint8_t bytes[SEAL_KEY_LEN], buf[BODY_MAX];
	struct wire_writer w = hello_body(s, buf, HELLO_LEN);

	do {
		fill_random(s, bytes, sizeof(bytes));
		seal_key_init(&ring.keys[0], bytes);
	} while (ring.keys[0].id == s->ring.keys[0].id);
	if (same_id)
		ring.keys[0].id = s->ring.keys[0].id;
	return seal_from(s, &ring, s->myself, 0, &w, out);
}

static size_t make_wrong_key(struct sender *s, uint8_t *out)
{
	return with_wrong_key(s, false, out);
}

static size_t make_wrong_key_same_id(struct sender *s, uint8_t *out)
{
	return with_wrong_key(s, true, out);
}

/* From here on by someone who has the key. */
static size_t make_foreign(struct sender *s, uint8_t *out)
{
	uint8_t buf[BODY_MAX];
	struct wire_writer w = hello_body(s, buf, HELLO_LEN);

	return seal_to(s, s->instance ^ 1, &w, out);
}

static size_t make_no_body(struct sender *s, uint8_t *out)
{
	uint8_t buf[1];
	struct wire_writer w = wire_writer_of(buf, sizeof(buf));

	return seal_to(s, s->instance, &w, out);
}

static size_t make_absurd_length(struct sender *s, uint8_t *out)
{
	uint8_t buf[BODY_MAX];
	struct wire_writer w = wire_writer_of(buf, sizeof(buf));

	wire_write_u8(&w, PING);
	wire_write_u16(&w, UINT16_MAX);
	wire_write_u32(&w, 1);
	return seal_to(s, s->instance, &w, out);
}

static struct wire_writer ping_body(uint8_t *buf)
{
	struct wire_writer w = wire_writer_of(buf, BODY_MAX);
	size_t start = message_begin(&w, PING);

	wire_write_u32(&w, 1); /* number, then incarnation, item version, item digest */
	wire_write_u32(&w, 1);
	wire_write_u32(&w, 0);
	wire_write_u64(&w, 0);
	message_end(&w, start);
	return w;
}

static size_t make_stranger(struct sender *s, uint8_t *out)
{
	uint8_t buf[BODY_MAX];
	struct wire_writer w = ping_body(buf);

	return seal_to(s, s->instance, &w, out);
}

static size_t make_reflected(struct sender *s, uint8_t *out)
{
	uint8_t buf[BODY_MAX];
	struct wire_writer w = ping_body(buf);

	return seal_from(s, &s->ring, s->instance, s->instance, &w, out);
}

static size_t make_wrong_cookie(struct sender *s, uint8_t *out)
{
	uint8_t buf[BODY_MAX];
	struct wire_writer w = wire_writer_of(buf, sizeof(buf));
	size_t start = message_begin(&w, JOIN);
	struct ip ip;

	wire_write_u64(&w, rng_u64(&s->rng)); /* cookie, nonce, opinion */
	wire_write_u64(&w, 1);
	wire_write_u8(&w, 0);
	wire_write_u32(&w, 0);
	message_end(&w, start);
	start = message_begin(&w, 5); /* MEMBER */
	wire_write_text(&w, "intruder");
	wire_write_u64(&w, s->myself);
	(void)ip_parse("10.77.0.199", &ip);
	wire_write_u8(&w, 1); /* endpoint */
	wire_write_ip(&w, ip);
	wire_write_u16(&w, 7946);
	wire_write_u32(&w, 1);
	wire_write_u8(&w, ALIVE);
	wire_write_u32(&w, 0);
	wire_write_u16(&w, 0);
	message_end(&w, start);
	return seal_to(s, s->instance, &w, out);
}

static size_t make_random(struct sender *s, uint8_t *out)
{
	size_t len = (size_t)rng_below(&s->rng, 1400);

	fill_random(s, out, len);
	return len;
}

/* What no sum of messages can be: the first says that it is longer than the rest. */
static size_t make_sealed_random(struct sender *s, uint8_t *out)
{
	uint8_t buf[BODY_MAX];
	struct wire_writer w = wire_writer_of(buf, sizeof(buf));
	size_t len = 3 + (size_t)rng_below(&s->rng, 1000);

	fill_random(s, buf, len);
	buf[1] |= 0x80;
	w.len = len;
	return seal_to(s, s->instance, &w, out);
}

/* --- a packet of another node --------------------------------------------------------------------------------------- */

/* An IPv4 packet: is it gossip for the target, from a member (A = 0)? Keeps the datagram. */
static bool capture_take(struct sender *s, const uint8_t *packet, size_t len)
{
	struct wire_reader r = wire_reader_of(packet, len);
	size_t header_len = (size_t)(wire_read_u8(&r) & 0x0f) * 4;
	size_t payload_len;

	(void)wire_read_view(&r, 8);
	if (wire_read_u8(&r) != IPPROTO_UDP || r.failed || header_len < 20)
		return false;
	r = wire_reader_of(packet, len);
	(void)wire_read_view(&r, 16);
	if (memcmp(wire_read_view(&r, 4), s->target.ip.bytes, 4) != 0)
		return false;
	(void)wire_read_view(&r, header_len - 20 + 2);
	if (wire_read_u16(&r) != s->target.port)
		return false;
	payload_len = wire_read_u16(&r);
	(void)wire_read_u16(&r);
	if (r.failed || payload_len < 8 + SEAL_OVERHEAD || payload_len - 8 > wire_left(&r))
		return false;
	s->captured_len = payload_len - 8;
	wire_read_bytes(&r, s->captured, s->captured_len);
	if (s->captured[0] != SEAL_VERSION)
		s->captured_len = 0;
	return s->captured_len > 0;
}

static void capture(struct sender *s)
{
	struct sockaddr_ll link = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP) };
	uint8_t packet[2048]; /* frames of the lab end at 1500 */
	struct pollfd poll_fd;
	ssize_t len;

	if (s->interface == NULL || s->target.ip.family != IP_V4)
		errx(2, "this kind needs --interface, and IPv4");
	link.sll_ifindex = (int)if_nametoindex(s->interface);
	poll_fd.fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons(ETH_P_IP));
	poll_fd.events = POLLIN;
	if (poll_fd.fd < 0 || bind(poll_fd.fd, (const struct sockaddr *)&link, sizeof(link)) != 0)
		err(1, "%s", s->interface);
	do {
		if (poll(&poll_fd, 1, WAIT_MS) != 1)
			errx(1, "%s: no gossip of another node", s->interface);
		len = recv(poll_fd.fd, packet, sizeof(packet), 0);
	} while (len < 20 || !capture_take(s, packet, (size_t)len));
	close(poll_fd.fd);
	/* Taken off the wire, not yet read by the daemon, perhaps: ours must be the second. */
	(void)poll(NULL, 0, 200);
}

static size_t make_replayed(struct sender *s, uint8_t *out)
{
	if (s->captured_len == 0)
		capture(s);
	memcpy(out, s->captured, s->captured_len);
	return s->captured_len;
}

static size_t make_altered(struct sender *s, uint8_t *out)
{
	size_t len = make_replayed(s, out);

	out[SEAL_HEADER_LEN - 1]++; /* the counter: a replay that tries to look new */
	return len;
}

/* --- command line --------------------------------------------------------------------------------------------------- */

static const struct kind kinds[] = {
	{ "hello", make_hello, "good: must be answered" },
	{ "empty", make_empty, "short: no byte" },
	{ "truncated", make_truncated, "short: less than header and tag" },
	{ "cut", make_cut, "auth: the last byte is missing" },
	{ "damaged", make_damaged, "auth: one bit is wrong" },
	{ "newer", make_newer, "version: 2" },
	{ "long", make_long, "long: one byte more than is accepted" },
	{ "huge", make_huge, "long: as large as UDP can be" },
	{ "garbage", make_garbage, "version: random bytes" },
	{ "wrong-key", make_wrong_key, "key: sealed with another key" },
	{ "wrong-key-same-id", make_wrong_key_same_id, "auth: another key that claims our id" },
	{ "foreign", make_foreign, "auth: sealed for another instance" },
	{ "no-body", make_no_body, "malformed: sealed nothing" },
	{ "absurd-length", make_absurd_length, "malformed: a message of 65,535 bytes in a body of seven" },
	{ "small-hello", make_small_hello, "malformed: HELLO that could draw a longer answer" },
	{ "stranger", make_stranger, "unknown: PING of an instance that is no member" },
	{ "reflected", make_reflected, "unknown: from the receiver's own instance" },
	{ "wrong-cookie", make_wrong_cookie, "cookie: JOIN with a cookie that was never given" },
	{ "replayed", make_replayed, "replay: a member's packet once more" },
	{ "altered", make_altered, "auth: a member's packet with another counter" },
	{ "random", make_random, "any: random bytes of random length" },
	{ "sealed-random", make_sealed_random, "malformed: sealed random bytes" },
};

static _Noreturn void usage(void)
{
	fputs("usage: badpackets --key FILE --instance HEX [--interface NAME] [--count N] [--seed N] IP:PORT KIND\n",
	      stderr);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		fprintf(stderr, "  %-18s %s\n", kinds[i].name, kinds[i].help);
	exit(2);
}

static void read_key(const char *path, struct seal_ring *ring)
{
	char text[KEY_FILE_MAX];
	FILE *file = fopen(path, "re");
	unsigned int line;
	size_t len;

	if (file == NULL)
		err(2, "%s", path);
	len = fread(text, 1, sizeof(text), file);
	fclose(file);
	if (seal_ring_parse(text, len, ring, &line) != 0)
		errx(2, "%s: no key", path);
}

static uint64_t read_number(const char *text, int base)
{
	char *end;
	unsigned long long value = strtoull(text, &end, base);

	if (*text == '\0' || *end != '\0')
		errx(2, "%s: not a number", text);
	return value;
}

static const struct kind *parse(int argc, char **argv, struct sender *s)
{
	static const struct option options[] = {
		{ "key", required_argument, NULL, 'k' },       { "instance", required_argument, NULL, 'i' },
		{ "interface", required_argument, NULL, 'n' }, { "count", required_argument, NULL, 'c' },
		{ "seed", required_argument, NULL, 's' },      { NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'k')
			read_key(optarg, &s->ring);
		else if (option == 'i')
			s->instance = read_number(optarg, 16);
		else if (option == 'n')
			s->interface = optarg;
		else if (option == 'c')
			s->count = (unsigned int)read_number(optarg, 10);
		else if (option == 's')
			s->seed = read_number(optarg, 10);
		else
			usage();
	}
	if (argc - optind != 2 || s->ring.key_n == 0 || s->instance == 0 ||
	    endpoint_parse(argv[optind], 7946, &s->target) != 0)
		usage();
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(kinds[i].name, argv[optind + 1]) == 0)
			return &kinds[i];
	}
	usage();
}

static void take_answer(void *arg, const struct udp_datagram *datagram)
{
	struct sender *s = ((void **)arg)[0];
	bool *answered = ((void **)arg)[1];
	struct seal_header header;
	uint8_t body[PACKET_LEN_MAX];
	size_t body_len;

	if (endpoint_compare(datagram->from, s->target) == 0 &&
	    seal_open(&s->ring, s->myself, datagram->data, datagram->len, &header, body, sizeof(body), &body_len) ==
		    GOSSIP_DROP_NONE &&
	    header.sender == s->instance)
		*answered = true;
}

/* Does the receiver answer with a packet for us? */
static bool wait_for_answer(struct sender *s, struct udp *udp)
{
	struct pollfd poll_fd = { .fd = udp->fd, .events = POLLIN };
	bool answered = false;
	void *arg[2] = { s, &answered };
	const struct udp_handler handler = { take_answer, NULL, arg };

	while (!answered && poll(&poll_fd, 1, WAIT_MS) == 1)
		(void)udp_read(udp, &handler);
	return answered;
}

int main(int argc, char **argv)
{
	static uint8_t datagram[DATAGRAM_MAX];
	static struct sender s = { .count = 1, .seed = 1 };
	const struct timespec pause = { .tv_nsec = 1000000 };
	const struct kind *kind = parse(argc, argv, &s);
	struct endpoint mine = { 0 };
	struct udp udp = { .fd = -1 };
	int error;

	if (sodium_init() < 0)
		errx(1, "libsodium does not start");
	s.rng = rng_of(s.seed);
	s.counter = 1;
	/* Random, whatever the seed: nonces must not repeat under the key of the cluster. */
	s.myself = clock_random_u64() >> 33;
	error = udp_source_for(s.target, &mine.ip);
	if (error == 0)
		error = udp_open(&udp, mine);
	if (error != 0)
		errx(1, "%s", strerror(-error));
	for (unsigned int i = 0; i < s.count; i++) {
		error = udp_send(udp.fd, s.target, datagram, kind->make(&s, datagram));
		if (error != 0)
			errx(1, "%s: %s", kind->name, strerror(-error));
		if (i % 20 == 19)
			(void)nanosleep(&pause, NULL); /* a burst would be lost in the queues on the way */
	}
	if (kind->make == make_hello && !wait_for_answer(&s, &udp))
		errx(1, "no answer to a good packet");
	udp_close(&udp);
	return 0;
}
