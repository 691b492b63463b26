/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/notify.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"

/* A manager whose queue is full for longer than this does not get to know: the addresses matter more. */
#define SEND_TIMEOUT_MS 50

#define STATUS_MAX 512

/* 1, 0 without a socket to talk to, or negative errno. A first '@' stands for a zero byte: an abstract name, unix(7). */
static int manager_address(struct sockaddr_un *ret, socklen_t *ret_len)
{
	const char *path = getenv("NOTIFY_SOCKET");
	size_t len = path != NULL ? strlen(path) : 0;

	if (len == 0)
		return 0;
	if (path[0] != '/' && path[0] != '@')
		return -EAFNOSUPPORT; /* vsock: is for virtual machines */
	if (len >= sizeof(ret->sun_path) || len < 2)
		return -EINVAL;
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(ret->sun_path, path, len);
	if (path[0] == '@')
		ret->sun_path[0] = '\0';
	/* An abstract name is as long as it is said to be; a path carries its terminator. */
	*ret_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (path[0] == '/'));
	return 1;
}

static int notify_send(const char *text)
{
	const struct timeval timeout = { .tv_usec = SEND_TIMEOUT_MS * 1000 };
	struct sockaddr_un address;
	socklen_t address_len;
	int r = manager_address(&address, &address_len);
	int fd;

	if (r <= 0)
		return r;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) != 0 ||
	    sendto(fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&address, address_len) < 0)
		r = -errno;
	close(fd);
	return r;
}

int notify_ready(void)
{
	return notify_send("READY=1");
}

int notify_stopping(void)
{
	return notify_send("STOPPING=1");
}

int notify_reloading(void)
{
	char text[64];

	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)clock_now().us);
	return notify_send(text);
}

int notify_status(const char *format, ...)
{
	char text[STATUS_MAX] = "STATUS=";
	size_t start = strlen(text);
	va_list args;

	va_start(args, format);
	vsnprintf(text + start, sizeof(text) - start, format, args);
	va_end(args);
	for (char *c = text; *c != '\0'; c++) {
		if (*c == '\n')
			*c = ' '; /* the next line would be another variable */
	}
	return notify_send(text);
}

int notify_watchdog(void)
{
	return notify_send("WATCHDOG=1");
}

/* A decimal number and nothing else; 0 for anything else. */
static unsigned long long number_of(const char *text)
{
	unsigned long long value;
	char *end;

	if (text == NULL || *text < '0' || *text > '9')
		return 0;
	errno = 0;
	value = strtoull(text, &end, 10);
	return *end == '\0' && errno == 0 ? value : 0;
}

struct span notify_watchdog_interval(void)
{
	const char *pid = getenv("WATCHDOG_PID");
	unsigned long long us = number_of(getenv("WATCHDOG_USEC"));

	/* sd_watchdog_enabled(3): meant for another process, which passed its environment on to us. */
	if (pid != NULL && number_of(pid) != (unsigned long long)getpid())
		return span_us(0);
	return span_us(us <= INT64_MAX ? (int64_t)us : 0);
}
