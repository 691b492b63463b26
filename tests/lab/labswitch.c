/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: labswitch, the switch of the lab
 *
 * One process joins TAP devices, one in each given network namespace, and forwards Ethernet frames between them like a
 * learning switch: known unicast goes to one port, everything else to all others, addresses age out after 300 s. Unlike a
 * kernel bridge it can be told to misbehave, and does so from a seed:
 *
 *   loss A B 20%              frames that enter at port A and would leave at port B are lost with this probability
 *   delay A B 5ms [jitter 2ms]  ... arrive later, by 5 ms +- 2 ms (so they may overtake each other)
 *   dup A B 1%                ... arrive twice
 *   cut A B | heal A B        ... do not arrive at all; one way
 *   partition A,B|C,D         the groups hear each other no more, both ways; `heal * *` undoes it. A group that is `*` has every port
 *                             that no other group names; ports in no group are not concerned
 *   isolate A                 port A hears and says nothing, its carrier stays (a dead cable behind a live media converter)
 *   restore A                 undoes isolate A and every cut from or to A
 *   carrier A down|up         the device of port A loses its carrier; the switch forgets what it learned there
 *   stats | mark TEXT | quit
 *
 * `*` stands for every port. Each command is one packet on a SOCK_SEQPACKET Unix socket and gets one packet back:
 * "ok MICROSECONDS" (CLOCK_MONOTONIC when it took effect; stats adds a line per port) or "error: why". The same binary is
 * the client: labswitch --control PATH WORD... prints the answer, exit status 0 for ok, 1 for error, 3 for no switch.
 *
 * Every pair of ports draws from a generator of its own, seeded from --seed and the pair, so that the fate of frame number
 * k on one path does not depend on what passes elsewhere. A frame is judged when it enters; what then waits in the delay
 * queue still arrives after a cut, as frames on a long line would, but not at a port that is isolated or has no carrier.
 *
 * The switch creates the devices and gives them the addresses 02:4d:4c:MM:00:NN (NN: number of the port, from 01; MM: --network,
 * 00 without), so that observers can name them; bringing them up is the lab's business. They vanish with the process.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/clock.h"
#include "base/rng.h"
#include "tests/lab/delay.h"

#define PORT_MAX 64	     /* the largest lab has 50 nodes */
#define PORT_NAME_MAX 31     /* "n1", "client" */
#define FDB_SLOT_N 1024	     /* power of two; a lab has two addresses a port at most */
#define FDB_AGE_US 300000000 /* IEEE 802.1D's default */
#define BATCH_MAX 64	     /* frames read from one port before the others get a turn */
#define CONNECTION_MAX 8     /* control clients at once */
#define LINE_MAX_LEN 256     /* a command */
#define REPLY_MAX 16384	     /* an answer: a line a port */
#define WORD_MAX 6	     /* words of a command: delay A B T jitter T */
#define PER_MILLION 1000000

/* What happens to frames from one port to another. */
struct path {
	bool cut;
	uint32_t loss_ppm;
	uint32_t dup_ppm;
	int64_t delay_us;
	int64_t jitter_us;
	struct rng rng;
};

struct port {
	char name[PORT_NAME_MAX + 1];
	char netns[256];
	char ifname[IFNAMSIZ];
	int fd;
	bool isolated;
	bool carrier;
	uint64_t in_n;	    /* frames read from the device */
	uint64_t out_n;	    /* frames written to it */
	uint64_t lost_n;    /* towards this port: by probability, */
	uint64_t blocked_n; /* by cut, isolation or carrier, */
	uint64_t dup_n;	    /* sent twice, */
	uint64_t failed_n;  /* device down or delay queue full */
};

struct fdb_entry {
	bool used;
	struct mac mac;
	uint8_t port;
	int64_t seen_us;
};

struct lab_switch {
	size_t port_n;
	struct port ports[PORT_MAX];
	struct path paths[PORT_MAX][PORT_MAX]; /* [from][to] */
	struct fdb_entry fdb[FDB_SLOT_N];
	struct delay delay;
	int64_t armed_us; /* what timer_fd is set to; INT64_MAX: nothing */
	int epoll_fd;
	int timer_fd;
	int listen_fd;
	int signal_fd;
	int connections[CONNECTION_MAX]; /* -1: free */
	const char *socket_path;
	FILE *pcap; /* or NULL */
	bool quit;
};

/* Tags of descriptors in epoll; ports are 0 .. PORT_MAX - 1. */
enum tag { TAG_TIMER = PORT_MAX, TAG_LISTEN, TAG_SIGNAL, TAG_CONNECTION };

static int64_t now_us(void)
{
	return clock_now().us;
}

static void timer_arm(struct lab_switch *sw)
{
	int64_t due = delay_due_us(&sw->delay);
	struct itimerspec spec = { 0 };

	if (due == sw->armed_us)
		return;
	sw->armed_us = due;
	if (due != INT64_MAX) {
		spec.it_value.tv_sec = due / 1000000;
		spec.it_value.tv_nsec = due % 1000000 * 1000;
	}
	if (timerfd_settime(sw->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL) < 0)
		err(1, "timerfd_settime");
}

/* ---- forwarding ---- */

static void port_write(struct port *port, const uint8_t *frame, size_t len)
{
	if (port->isolated || !port->carrier)
		port->blocked_n++;
	else if (write(port->fd, frame, len) == (ssize_t)len)
		port->out_n++;
	else
		port->failed_n++; /* EIO: the device is down */
}

static void queue_run(struct lab_switch *sw)
{
	int64_t now = now_us();
	size_t len, port;
	const uint8_t *frame;

	while (delay_due_us(&sw->delay) <= now) {
		frame = delay_pop(&sw->delay, &len, &port);
		port_write(&sw->ports[port], frame, len);
	}
}

static void path_send(struct lab_switch *sw, struct path *path, size_t to, const uint8_t *frame, size_t len)
{
	int64_t delay = path->delay_us;

	if (path->jitter_us > 0)
		delay += rng_between(&path->rng, -path->jitter_us, path->jitter_us);
	if (delay <= 0)
		port_write(&sw->ports[to], frame, len);
	else if (!delay_push(&sw->delay, now_us() + delay, to, frame, len))
		sw->ports[to].failed_n++;
}

static void switch_forward(struct lab_switch *sw, size_t from, size_t to, const uint8_t *frame, size_t len)
{
	struct path *path = &sw->paths[from][to];
	struct port *port = &sw->ports[to];

	if (path->cut || sw->ports[to].isolated || !sw->ports[to].carrier) {
		port->blocked_n++;
		return;
	}
	if (path->loss_ppm > 0 && rng_chance(&path->rng, path->loss_ppm)) {
		port->lost_n++;
		return;
	}
	path_send(sw, path, to, frame, len);
	if (path->dup_ppm > 0 && rng_chance(&path->rng, path->dup_ppm)) {
		port->dup_n++;
		path_send(sw, path, to, frame, len);
	}
}

/* The slot of mac: its own, or a free or aged one that it may take; NULL when the table is full around it. */
static struct fdb_entry *fdb_slot(struct lab_switch *sw, struct mac mac, int64_t now)
{
	size_t at = (size_t)(hash_bytes(0, mac.bytes, sizeof(mac.bytes)) & (FDB_SLOT_N - 1));
	struct fdb_entry *room = NULL;

	for (size_t i = 0; i < 16; i++) {
		struct fdb_entry *e = &sw->fdb[(at + i) & (FDB_SLOT_N - 1)];

		if (e->used && now - e->seen_us > FDB_AGE_US)
			e->used = false;
		if (e->used && mac_equal(e->mac, mac))
			return e;
		if (!e->used && room == NULL)
			room = e;
	}
	return room;
}

static void fdb_learn(struct lab_switch *sw, struct mac mac, size_t port, int64_t now)
{
	struct fdb_entry *e = fdb_slot(sw, mac, now);

	if (e != NULL)
		*e = (struct fdb_entry){ .used = true, .mac = mac, .port = (uint8_t)port, .seen_us = now };
}

static void fdb_flush(struct lab_switch *sw, size_t port)
{
	for (size_t i = 0; i < FDB_SLOT_N; i++)
		if (sw->fdb[i].port == port)
			sw->fdb[i].used = false;
}

static void switch_frame(struct lab_switch *sw, size_t from, const uint8_t *frame, size_t len)
{
	const struct fdb_entry *e;
	int64_t now = now_us();
	struct mac source, target;

	sw->ports[from].in_n++;
	if (len < 14 || sw->ports[from].isolated || !sw->ports[from].carrier)
		return;
	memcpy(target.bytes, frame, sizeof(target.bytes));
	memcpy(source.bytes, frame + 6, sizeof(source.bytes));
	if ((source.bytes[0] & 1) == 0)
		fdb_learn(sw, source, from, now);
	e = (target.bytes[0] & 1) == 0 ? fdb_slot(sw, target, now) : NULL;
	if (e != NULL && e->used) {
		if (e->port != from)
			switch_forward(sw, from, e->port, frame, len);
		return;
	}
	for (size_t to = 0; to < sw->port_n; to++)
		if (to != from)
			switch_forward(sw, from, to, frame, len);
}

/* Nanosecond pcap (magic a1b23c4d), every frame that entered, as it entered. */
static void pcap_write(FILE *pcap, const uint8_t *frame, size_t len)
{
	struct timespec now;
	uint32_t header[4];

	clock_gettime(CLOCK_REALTIME, &now);
	header[0] = (uint32_t)now.tv_sec;
	header[1] = (uint32_t)now.tv_nsec;
	header[2] = header[3] = (uint32_t)len;
	fwrite(header, sizeof(header), 1, pcap);
	fwrite(frame, len, 1, pcap);
}

static FILE *pcap_open(const char *path)
{
	/* version 2.4 in two halves, time zone, accuracy, snapshot length, Ethernet */
	uint32_t header[6] = { 0xa1b23c4d, 0, 0, 0, DELAY_FRAME_LEN_MAX, 1 };
	uint16_t version[2] = { 2, 4 };
	FILE *pcap = fopen(path, "we");

	if (pcap == NULL)
		err(1, "%s", path);
	memcpy(&header[1], version, sizeof(version));
	fwrite(header, sizeof(header), 1, pcap);
	return pcap;
}

static void port_read(struct lab_switch *sw, size_t from)
{
	uint8_t frame[DELAY_FRAME_LEN_MAX];

	for (size_t i = 0; i < BATCH_MAX; i++) {
		ssize_t len = read(sw->ports[from].fd, frame, sizeof(frame));

		if (len <= 0)
			return; /* EAGAIN; or the namespace is going away */
		if (sw->pcap != NULL)
			pcap_write(sw->pcap, frame, (size_t)len);
		switch_frame(sw, from, frame, (size_t)len);
	}
}

/* ---- commands ---- */

/* "20%", "0.5%" -> parts per million. False: not that. */
static bool parse_percent(const char *text, uint32_t *ret_ppm)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || strcmp(end, "%") != 0 || !(value >= 0.0 && value <= 100.0))
		return false;
	*ret_ppm = (uint32_t)(value * (PER_MILLION / 100.0) + 0.5);
	return true;
}

/* "5ms", "200us", "1.5s" -> microseconds, an hour at most. False: not that. */
static bool parse_span(const char *text, int64_t *ret_us)
{
	static const struct {
		const char *unit;
		double us;
	} units[] = { { "us", 1.0 }, { "ms", 1e3 }, { "s", 1e6 } };
	char *end;
	double value = strtod(text, &end);

	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		if (end == text || strcmp(end, units[i].unit) != 0 || !(value >= 0.0 && value * units[i].us <= 3.6e9))
			continue;
		*ret_us = (int64_t)(value * units[i].us + 0.5);
		return true;
	}
	return false;
}

/* Ports that a word names: *first .. *end - 1. */
static bool parse_ports(const struct lab_switch *sw, const char *word, size_t *first, size_t *end)
{
	if (strcmp(word, "*") == 0) {
		*first = 0;
		*end = sw->port_n;
		return true;
	}
	for (size_t i = 0; i < sw->port_n; i++) {
		if (strcmp(word, sw->ports[i].name) == 0) {
			*first = i;
			*end = i + 1;
			return true;
		}
	}
	return false;
}

/* loss, delay, dup, cut, heal: applied to every path that two words name. Returns what is wrong, or NULL. */
static const char *command_path(struct lab_switch *sw, char *words[], size_t word_n)
{
	size_t from, from_end, to, to_first, to_end;
	bool cut = strcmp(words[0], "cut") == 0, heal = strcmp(words[0], "heal") == 0;
	bool loss = strcmp(words[0], "loss") == 0, dup = strcmp(words[0], "dup") == 0;
	bool delay = strcmp(words[0], "delay") == 0;
	bool jitter = delay && word_n == 6 && strcmp(words[4], "jitter") == 0;
	int64_t delay_us = 0, jitter_us = 0;
	uint32_t ppm = 0;

	if (word_n != (cut || heal ? 3U : jitter ? 6U : 4U))
		return "wrong number of words";
	if (!parse_ports(sw, words[1], &from, &from_end) || !parse_ports(sw, words[2], &to_first, &to_end))
		return "no such port";
	if ((loss || dup) && !parse_percent(words[3], &ppm))
		return "expected a percentage, such as 20%";
	if (delay && (!parse_span(words[3], &delay_us) || (jitter && !parse_span(words[5], &jitter_us))))
		return "expected a time, such as 5ms";
	for (; from < from_end; from++) {
		for (to = to_first; to < to_end; to++) {
			struct path *path = &sw->paths[from][to];

			if (cut || heal)
				path->cut = cut;
			if (loss)
				path->loss_ppm = ppm;
			if (dup)
				path->dup_ppm = ppm;
			if (delay) {
				path->delay_us = delay_us;
				path->jitter_us = jitter_us;
			}
		}
	}
	return NULL;
}

static const char *port_carrier(struct lab_switch *sw, size_t at, bool up)
{
	int carrier = up ? 1 : 0;

	if (ioctl(sw->ports[at].fd, TUNSETCARRIER, &carrier) < 0)
		return "the kernel refused TUNSETCARRIER";
	sw->ports[at].carrier = up;
	if (!up)
		fdb_flush(sw, at);
	return NULL;
}

/*
 * The ports of one group, "A,B" or "*", get its number. They must have had none: nobody is on two sides. `*` leaves those
 * alone that have one. `names` is taken apart. Returns what is wrong, or NULL.
 */
static const char *group_read(const struct lab_switch *sw, char *names, unsigned int number,
			      unsigned int group[PORT_MAX])
{
	bool rest = strcmp(names, "*") == 0;
	char *more = NULL;

	for (char *name = strtok_r(names, ",", &more); name != NULL; name = strtok_r(NULL, ",", &more)) {
		size_t at, end;

		if (!parse_ports(sw, name, &at, &end))
			return "no such port";
		for (; at < end; at++) {
			if (group[at] == 0)
				group[at] = number;
			else if (!rest)
				return "a port is in two groups";
		}
	}
	return NULL;
}

/* partition A,B|C,D: groups that are named come first, so that `*` gets what they left. Returns what is wrong, or NULL. */
static const char *command_partition(struct lab_switch *sw, char *words[], size_t word_n)
{
	unsigned int group[PORT_MAX] = { 0 }, number = 0;
	char *rest = NULL, *everyone = NULL;
	const char *wrong = NULL;

	if (word_n != 2)
		return "wrong number of words";
	for (char *names = strtok_r(words[1], "|", &rest); names != NULL && wrong == NULL;
	     names = strtok_r(NULL, "|", &rest)) {
		if (strcmp(names, "*") == 0)
			everyone = names;
		else
			wrong = group_read(sw, names, ++number, group);
	}
	if (wrong == NULL && everyone != NULL)
		wrong = group_read(sw, everyone, ++number, group);
	if (wrong == NULL && number < 2)
		wrong = "expected two groups, such as n1,n2|*";
	for (size_t from = 0; wrong == NULL && from < sw->port_n; from++)
		for (size_t to = 0; to < sw->port_n; to++)
			if (group[from] != 0 && group[to] != 0 && group[from] != group[to])
				sw->paths[from][to].cut = true;
	return wrong;
}

/* isolate, restore, carrier. Returns what is wrong, or NULL. */
static const char *command_port(struct lab_switch *sw, char *words[], size_t word_n)
{
	bool carrier = strcmp(words[0], "carrier") == 0, restore = strcmp(words[0], "restore") == 0;
	const char *wrong = NULL;
	size_t at, end;

	if (word_n != (carrier ? 3U : 2U))
		return "wrong number of words";
	if (!parse_ports(sw, words[1], &at, &end))
		return "no such port";
	if (carrier && strcmp(words[2], "up") != 0 && strcmp(words[2], "down") != 0)
		return "expected up or down";
	for (; at < end && wrong == NULL; at++) {
		if (carrier) {
			wrong = port_carrier(sw, at, strcmp(words[2], "up") == 0);
			continue;
		}
		sw->ports[at].isolated = !restore;
		for (size_t other = 0; restore && other < sw->port_n; other++)
			sw->paths[at][other].cut = sw->paths[other][at].cut = false;
	}
	return wrong;
}

static void reply_stats(const struct lab_switch *sw, char *reply, size_t cap)
{
	size_t len = strlen(reply);

	for (size_t i = 0; i < sw->port_n && len < cap; i++) {
		const struct port *p = &sw->ports[i];
		int n = snprintf(reply + len, cap - len,
				 "\nport=%s in=%" PRIu64 " out=%" PRIu64 " lost=%" PRIu64 " blocked=%" PRIu64
				 " duplicated=%" PRIu64 " failed=%" PRIu64 " isolated=%d carrier=%d",
				 p->name, p->in_n, p->out_n, p->lost_n, p->blocked_n, p->dup_n, p->failed_n,
				 p->isolated, p->carrier);

		len += n > 0 ? (size_t)n : 0;
	}
}

static void command_run(struct lab_switch *sw, char *line, char *reply, size_t cap)
{
	static const char *const of_path[] = { "loss", "delay", "dup", "cut", "heal" };
	static const char *const of_port[] = { "isolate", "restore", "carrier" };
	char *words[WORD_MAX + 1], *rest = NULL;
	const char *wrong = "unknown command";
	size_t word_n = 0;

	line[strcspn(line, "\n")] = '\0';
	fprintf(stderr, "at_us=%" PRId64 " command=\"%s\"\n", now_us(), line);
	for (char *w = strtok_r(line, " ", &rest); w != NULL && word_n <= WORD_MAX; w = strtok_r(NULL, " ", &rest))
		words[word_n++] = w;
	if (word_n == 0)
		words[0] = line; /* empty: unknown */
	for (size_t i = 0; i < sizeof(of_path) / sizeof(*of_path); i++)
		if (strcmp(words[0], of_path[i]) == 0)
			wrong = command_path(sw, words, word_n);
	for (size_t i = 0; i < sizeof(of_port) / sizeof(*of_port); i++)
		if (strcmp(words[0], of_port[i]) == 0)
			wrong = command_port(sw, words, word_n);
	if (strcmp(words[0], "partition") == 0)
		wrong = command_partition(sw, words, word_n);
	if (strcmp(words[0], "quit") == 0)
		sw->quit = true;
	if (strcmp(words[0], "quit") == 0 || strcmp(words[0], "mark") == 0 || strcmp(words[0], "stats") == 0)
		wrong = NULL;
	if (wrong != NULL)
		snprintf(reply, cap, "error: %s", wrong);
	else
		snprintf(reply, cap, "ok %" PRId64, now_us());
	if (strcmp(words[0], "stats") == 0)
		reply_stats(sw, reply, cap);
}

/* ---- control socket ---- */

static void watch(const struct lab_switch *sw, int fd, uint32_t tag)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = tag };

	if (epoll_ctl(sw->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		err(1, "epoll_ctl");
}

static void control_accept(struct lab_switch *sw)
{
	int fd = accept4(sw->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	for (size_t i = 0; fd >= 0 && i < CONNECTION_MAX; i++) {
		if (sw->connections[i] < 0) {
			sw->connections[i] = fd;
			watch(sw, fd, TAG_CONNECTION + (uint32_t)i);
			return;
		}
	}
	if (fd >= 0)
		close(fd);
}

static void control_read(struct lab_switch *sw, size_t i)
{
	static char reply[REPLY_MAX];
	char line[LINE_MAX_LEN];
	ssize_t len = recv(sw->connections[i], line, sizeof(line) - 1, 0);

	if (len < 0 && errno == EAGAIN)
		return;
	if (len > 0) {
		line[len] = '\0';
		command_run(sw, line, reply, sizeof(reply));
		if (send(sw->connections[i], reply, strlen(reply), MSG_NOSIGNAL) >= 0)
			return;
	}
	close(sw->connections[i]);
	sw->connections[i] = -1;
}

static struct sockaddr_un unix_address(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(address.sun_path))
		errx(2, "%s: path of a socket may have %zu characters", path, sizeof(address.sun_path) - 1);
	memcpy(address.sun_path, path, strlen(path));
	return address;
}

static void control_listen(struct lab_switch *sw)
{
	struct sockaddr_un address = unix_address(sw->socket_path);

	sw->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (sw->listen_fd < 0 || bind(sw->listen_fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(sw->listen_fd, CONNECTION_MAX) < 0)
		err(1, "%s", sw->socket_path);
	for (size_t i = 0; i < CONNECTION_MAX; i++)
		sw->connections[i] = -1;
	watch(sw, sw->listen_fd, TAG_LISTEN);
}

/* The client: send the words as one command, print the answer. Returns the exit status. */
static int control_client(const char *path, char *words[])
{
	struct sockaddr_un address = unix_address(path);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	static char reply[REPLY_MAX + 1];
	char line[LINE_MAX_LEN] = "";
	ssize_t len;

	for (size_t i = 0; words[i] != NULL; i++) {
		size_t at = strlen(line);
		int n = snprintf(line + at, sizeof(line) - at, "%s%s", i > 0 ? " " : "", words[i]);

		if (n < 0 || (size_t)n >= sizeof(line) - at)
			errx(2, "a command may have %zu characters", sizeof(line) - 1);
	}
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		err(3, "%s", path);
	if (send(fd, line, strlen(line), MSG_NOSIGNAL) < 0 || (len = recv(fd, reply, REPLY_MAX, 0)) <= 0)
		err(3, "%s: no answer", path);
	reply[len] = '\0';
	close(fd);
	puts(reply);
	return strncmp(reply, "ok", 2) == 0 ? 0 : 1;
}

/* ---- set-up ---- */

/* "name=netns" or "name=netns:ifname". */
static void port_parse(struct port *port, const char *spec)
{
	const char *equals = strchr(spec, '='), *colon = strrchr(spec, ':');
	const char *ifname = colon != NULL && colon > equals ? colon + 1 : "eth0";
	size_t name_len = equals != NULL ? (size_t)(equals - spec) : 0;
	size_t netns_len = equals != NULL ? strcspn(equals + 1, ":") : 0;

	if (name_len == 0 || name_len > PORT_NAME_MAX || netns_len == 0 || netns_len > 200 ||
	    strlen(ifname) >= IFNAMSIZ || *ifname == '\0' || *spec == '*')
		errx(2, "%s: expected NAME=NETNS[:IFNAME]", spec);
	*port = (struct port){ .fd = -1, .carrier = true };
	memcpy(port->name, spec, name_len);
	if (equals[1] != '/')
		memcpy(port->netns, "/run/netns/", 11);
	strncat(port->netns, equals + 1, netns_len);
	memcpy(port->ifname, ifname, strlen(ifname));
}

/* Create the device inside the port's namespace: a TAP belongs to the namespace in which /dev/net/tun was opened. */
static void port_open(struct port *port, uint8_t network, size_t number, int home)
{
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	const uint8_t mac[6] = { 0x02, 0x4d, 0x4c, network, 0x00, (uint8_t)number };
	int netns = open(port->netns, O_RDONLY | O_CLOEXEC);

	if (netns < 0 || setns(netns, CLONE_NEWNET) < 0)
		err(1, "%s", port->netns);
	port->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (port->fd < 0)
		err(1, "/dev/net/tun");
	memcpy(request.ifr_name, port->ifname, sizeof(port->ifname));
	if (ioctl(port->fd, TUNSETIFF, &request) < 0)
		err(1, "%s: cannot create %s", port->netns, port->ifname);
	request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
	memcpy(request.ifr_hwaddr.sa_data, mac, sizeof(mac));
	if (ioctl(port->fd, SIOCSIFHWADDR, &request) < 0)
		err(1, "%s: cannot set the address of %s", port->netns, port->ifname);
	if (setns(home, CLONE_NEWNET) < 0)
		err(1, "setns");
	close(netns);
}

static void switch_open(struct lab_switch *sw, uint64_t seed, uint8_t network)
{
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	sigset_t signals;

	if (home < 0)
		err(1, "/proc/self/ns/net");
	sw->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	sw->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	sw->armed_us = INT64_MAX;
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	sw->signal_fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
	if (sw->epoll_fd < 0 || sw->timer_fd < 0 || sw->signal_fd < 0)
		err(1, "epoll, timerfd or signalfd");
	watch(sw, sw->timer_fd, TAG_TIMER);
	watch(sw, sw->signal_fd, TAG_SIGNAL);
	delay_init(&sw->delay);
	for (size_t i = 0; i < sw->port_n; i++) {
		port_open(&sw->ports[i], network, i + 1, home);
		watch(sw, sw->ports[i].fd, (uint32_t)i);
		for (size_t j = 0; j < sw->port_n; j++)
			sw->paths[i][j].rng = rng_of(hash_mix(hash_mix(seed) + i * PORT_MAX + j));
	}
	close(home);
	control_listen(sw);
}

static void switch_event(struct lab_switch *sw, uint32_t tag)
{
	uint64_t expirations;

	if (tag < PORT_MAX) {
		port_read(sw, tag);
	} else if (tag == TAG_TIMER) {
		if (read(sw->timer_fd, &expirations, sizeof(expirations)) > 0)
			sw->armed_us = INT64_MAX;
	} else if (tag == TAG_LISTEN) {
		control_accept(sw);
	} else if (tag == TAG_SIGNAL) {
		sw->quit = true;
	} else {
		control_read(sw, tag - TAG_CONNECTION);
	}
}

static void switch_run(struct lab_switch *sw)
{
	struct epoll_event events[PORT_MAX + CONNECTION_MAX];

	while (!sw->quit) {
		int n = epoll_wait(sw->epoll_fd, events, sizeof(events) / sizeof(*events), -1);

		if (n < 0 && errno != EINTR)
			err(1, "epoll_wait");
		for (int i = 0; i < n; i++)
			switch_event(sw, events[i].data.u32);
		queue_run(sw);
		timer_arm(sw);
	}
	unlink(sw->socket_path);
	if (sw->pcap != NULL)
		fclose(sw->pcap);
}

static void usage(void)
{
	fputs("usage: labswitch [--seed N] [--network N] [--pcap FILE] [--realtime] --socket PATH "
	      "NAME=NETNS[:IFNAME]...\n"
	      "       labswitch --control PATH COMMAND...\n",
	      stderr);
	exit(2);
}

int main(int argc, char *argv[])
{
	static const struct option options[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "socket", required_argument, NULL, 'u' },
		{ "pcap", required_argument, NULL, 'p' },
		{ "realtime", no_argument, NULL, 'r' },
		{ "control", required_argument, NULL, 'c' },
		{ "network", required_argument, NULL, 'n' },
		{ NULL, 0, NULL, 0 },
	};
	const struct sched_param priority = { .sched_priority = 2 };
	struct lab_switch *sw = calloc(1, sizeof(*sw));
	const char *control_path = NULL;
	uint64_t seed = 1;
	uint8_t network = 0;
	int option;

	if (sw == NULL)
		err(1, "calloc");
	while ((option = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		if (option == 's')
			seed = strtoull(optarg, NULL, 0);
		else if (option == 'u')
			sw->socket_path = optarg;
		else if (option == 'p')
			sw->pcap = pcap_open(optarg);
		else if (option == 'c')
			control_path = optarg;
		else if (option == 'n')
			network = (uint8_t)strtoul(optarg, NULL, 0);
		else if (option == 'r')
			/* Not fatal where it is refused: figures are then as noisy as the machine. */
			sched_setscheduler(0, SCHED_FIFO, &priority);
		else
			usage();
	}
	if (control_path != NULL) {
		free(sw);
		return control_client(control_path, argv + optind);
	}
	if (sw->socket_path == NULL || optind == argc || argc - optind > PORT_MAX)
		usage();
	for (; optind < argc; optind++)
		port_parse(&sw->ports[sw->port_n++], argv[optind]);
	switch_open(sw, seed, network);
	switch_run(sw);
	free(sw);
	return 0;
}
