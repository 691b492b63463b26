/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One clock for the benchmark: CLOCK_MONOTONIC in microseconds before everything that daemons say and that is done to them.
 *
 *   stamp read NAME=FIFO...      prints "TIME NAME LINE" for each line that comes from a FIFO, until it is killed
 *   stamp run COMMAND...         prints "TIME" and becomes the command
 *
 * A FIFO is opened for writing, too: that its writers come and go is no end. Exit 0: done; 1: not; 2: usage.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

#define SOURCE_MAX 1024
#define LINE_LEN_MAX 4096

struct source {
	const char *name;
	size_t len; /* of the line that is not complete yet */
	char line[LINE_LEN_MAX];
};

/* Complete lines go out with the time at which their end was read. An overlong one is cut into pieces. */
static void take(struct source *source, const char *bytes, size_t len, int64_t now_us)
{
	for (size_t i = 0; i < len; i++) {
		if (bytes[i] != '\n' && source->len < sizeof(source->line)) {
			source->line[source->len++] = bytes[i];
			continue;
		}
		printf("%lld %s %.*s\n", (long long)now_us, source->name, (int)source->len, source->line);
		source->len = 0;
	}
}

static void read_one(struct source *source, int fd)
{
	char bytes[65536];
	ssize_t len = read(fd, bytes, sizeof(bytes));

	if (len < 0 && errno != EAGAIN && errno != EINTR)
		err(1, "%s", source->name);
	if (len > 0)
		take(source, bytes, (size_t)len, clock_now().us);
}

static _Noreturn void read_all(int n, char **arguments)
{
	static struct source sources[SOURCE_MAX];
	static struct pollfd fds[SOURCE_MAX];

	if (n > SOURCE_MAX)
		errx(2, "more than %d sources", SOURCE_MAX);
	for (int i = 0; i < n; i++) {
		char *path = strchr(arguments[i], '=');

		if (path == NULL)
			errx(2, "%s: not NAME=FIFO", arguments[i]);
		*path++ = '\0';
		sources[i].name = arguments[i];
		fds[i] = (struct pollfd){ .fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC), .events = POLLIN };
		if (fds[i].fd < 0)
			err(1, "%s", path);
	}
	for (;;) {
		if (poll(fds, (nfds_t)n, -1) < 0 && errno != EINTR)
			err(1, "poll");
		for (int i = 0; i < n; i++) {
			if (fds[i].revents != 0)
				read_one(&sources[i], fds[i].fd);
		}
		fflush(stdout);
	}
}

int main(int argc, char **argv)
{
	if (argc >= 3 && strcmp(argv[1], "read") == 0)
		read_all(argc - 2, argv + 2);
	if (argc >= 3 && strcmp(argv[1], "run") == 0) {
		printf("%lld\n", (long long)clock_now().us);
		fflush(stdout);
		execvp(argv[2], argv + 2);
		err(1, "%s", argv[2]);
	}
	fputs("usage: stamp read NAME=FIFO... | stamp run COMMAND...\n", stderr);
	return 2;
}
