/* SPDX-License-Identifier: Apache-2.0 */
/* The key file of gossip. What is in it appears in no message, and the buffer is wiped. */
#include "daemon/config_value.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* KEY_MAX keys are 360 bytes; the rest is for comments. */
#define KEY_FILE_MAX 16384

#define KEY_RECIPE "head -c 32 /dev/urandom | base64"

/* 0 when nobody but owner and group can reach the file, else an error has been added. */
static int check_file(struct config_reader *r, const struct config_node *node, int fd, const char *quote)
{
	struct stat st;

	if (fstat(fd, &st) != 0) {
		config_fail(r, node, "%s cannot be read: %s", quote, strerror(errno));
		return -EINVAL;
	}
	if (!S_ISREG(st.st_mode)) {
		config_fail(r, node, "%s is not a regular file", quote);
		return -EINVAL;
	}
	if ((st.st_mode & S_IRWXO) != 0) {
		config_fail(r, node, "%s must not be readable or writable by others: chmod 600 (or 640)", quote);
		return -EINVAL;
	}
	return 0;
}

/* Read at most cap bytes. The length, or -1 with errno. */
static ssize_t read_all(int fd, char *buf, size_t cap)
{
	size_t len = 0;

	while (len < cap) {
		ssize_t n = read(fd, buf + len, cap - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

static void parse_keys(struct config_reader *r, const struct config_node *node, const char *text, size_t len,
		       const char *quote)
{
	struct seal_ring *ring = &r->config->gossip.ring;
	unsigned int line;

	if (seal_ring_parse(text, len, ring, &line) == 0)
		return;
	if (line == 0)
		config_fail(r, node, "%s holds no key: make one with " KEY_RECIPE, quote);
	else
		config_fail(r, node,
			    "%s: line %u is not base64 of 32 bytes, or there are more than %d keys: make one "
			    "with " KEY_RECIPE,
			    quote, line, KEY_MAX);
}

void config_read_key_file(struct config_reader *r, const struct config_node *node)
{
	const char *path = r->config->gossip.key_file;
	char quote[CONFIG_QUOTE_MAX];
	char text[KEY_FILE_MAX + 1];
	ssize_t len;
	/* Not blocking: the path may name a FIFO. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	config_quote(path, quote);
	if (fd < 0) {
		config_fail(r, node, "%s cannot be opened: %s%s", quote, strerror(errno),
			    errno == ENOENT ? ": make one with " KEY_RECIPE " > FILE, and give it to all nodes" : "");
		return;
	}
	if (check_file(r, node, fd, quote) == 0) {
		len = read_all(fd, text, sizeof(text));
		if (len < 0)
			config_fail(r, node, "%s cannot be read: %s", quote, strerror(errno));
		else if (len > KEY_FILE_MAX)
			config_fail(r, node, "%s is larger than %d bytes: it is no key file", quote, KEY_FILE_MAX);
		else
			parse_keys(r, node, text, (size_t)len, quote);
		sodium_memzero(text, sizeof(text));
	}
	close(fd);
}
