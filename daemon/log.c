/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "daemon/log_json.h"
#include "daemon/log_limit.h"

/* Longer lines are cut: a pipe takes up to 4096 bytes (PIPE_BUF) in one piece, so that lines do not mix. */
#define LINE_MAX_LEN 4096

static enum log_level level_max = LOG_LEVEL_INFO;
static bool to_journal;
static bool as_json;
static struct log_limit limit;

/*
 * JOURNAL_STREAM is "device:inode" of the journal's stream (systemd.exec(5)). It stays in the environment when standard
 * error goes elsewhere, so the numbers have to be compared.
 */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;

	if (stream == NULL || sscanf(stream, "%llu:%llu", &device, &inode) != 2)
		return false;
	return fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

void log_init(enum log_level level)
{
	level_max = level;
	to_journal = stderr_is_journal();
}

void log_level_set(enum log_level level)
{
	level_max = level;
}

void log_json_set(bool json)
{
	as_json = json;
}

const char *log_level_name(enum log_level level)
{
	switch (level) {
	case LOG_LEVEL_ERROR:
		return "error";
	case LOG_LEVEL_WARNING:
		return "warning";
	case LOG_LEVEL_INFO:
		return "info";
	case LOG_LEVEL_DEBUG:
		return "debug";
	}
	return "info";
}

int log_level_parse(const char *text, enum log_level *ret)
{
	static const enum log_level levels[] = { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		if (strcmp(log_level_name(levels[i]), text) == 0) {
			*ret = levels[i];
			return 0;
		}
	}
	return -EINVAL;
}

static void write_line(const char *line, size_t len)
{
	while (len > 0) {
		ssize_t n = write(STDERR_FILENO, line, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return; /* nobody to tell */
		line += n;
		len -= (size_t)n;
	}
}

/* The message as JSON in the place of the text behind `start`. Returns the new length, one byte below cap at most. */
static size_t to_json(char *line, size_t start, size_t cap, enum log_level level)
{
	char message[LINE_MAX_LEN];
	char when[CLOCK_RFC3339_MAX];

	snprintf(message, sizeof(message), "%s", line + start);
	return start + log_json(line + start, cap - start - 1, clock_rfc3339(clock_wall_ms(), when),
				log_level_name(level), message);
}

static void log_line(enum log_level level, const char *format, va_list args) __attribute__((format(printf, 2, 0)));

static void log_line(enum log_level level, const char *format, va_list args)
{
	int saved_errno = errno;
	char line[LINE_MAX_LEN];
	char when[CLOCK_RFC3339_MAX];
	size_t start, len;
	int n;

	if (level > level_max)
		return;
	if (to_journal)
		n = snprintf(line, sizeof(line), "<%d>", (int)level);
	else if (as_json)
		n = 0;
	else
		n = snprintf(line, sizeof(line), "%s %s ", clock_rfc3339(clock_wall_ms(), when), log_level_name(level));
	start = n > 0 ? (size_t)n : 0;
	n = vsnprintf(line + start, sizeof(line) - start, format, args);
	if ((level == LOG_LEVEL_WARNING || level == LOG_LEVEL_INFO) &&
	    !log_limit_allows(&limit, line + start, clock_now())) {
		errno = saved_errno;
		return;
	}
	len = start + (n > 0 ? (size_t)n : 0);
	if (len > sizeof(line) - 1)
		len = sizeof(line) - 1;
	for (size_t i = start; i < len; i++) {
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = '?'; /* one event is one line, whatever a peer called itself */
	}
	if (as_json) {
		line[len] = '\0';
		len = to_json(line, start, sizeof(line), level);
	}
	line[len++] = '\n';
	write_line(line, len);
	errno = saved_errno;
}

void log_tell_suppressed(void)
{
	const char *event;
	uint64_t n;

	while ((event = log_limit_due(&limit, clock_now(), &n)) != NULL)
		log_warning("suppressed event=%s count=%llu", event, (unsigned long long)n);
}

const char *log_suppressed_at(size_t index, uint64_t *ret_n)
{
	if (index >= limit.n)
		return NULL;
	*ret_n = limit.events[index].total;
	return limit.events[index].name;
}

void log_error(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_line(LOG_LEVEL_ERROR, format, args);
	va_end(args);
}

void log_warning(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_line(LOG_LEVEL_WARNING, format, args);
	va_end(args);
}

void log_info(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_line(LOG_LEVEL_INFO, format, args);
	va_end(args);
}

void log_debug(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_line(LOG_LEVEL_DEBUG, format, args);
	va_end(args);
}
