/* SPDX-License-Identifier: Apache-2.0 */
/* One line per event on standard error: "<6>event key=value ..." for journald, "TIME info event ..." for eyes. */
#ifndef MLB_DAEMON_LOG_H
#define MLB_DAEMON_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR = 3, LOG_LEVEL_WARNING = 4, LOG_LEVEL_INFO = 6, LOG_LEVEL_DEBUG = 7 };

/*
 * Lines above this level are dropped; default INFO. Where standard error is the journal (JOURNAL_STREAM names it) lines
 * carry <N> and no time; before this call they do not.
 */
void log_init(enum log_level level);
void log_level_set(enum log_level level);
const char *log_level_name(enum log_level level);
/* "error", "warning", "info" or "debug"; -EINVAL for anything else. */
int log_level_parse(const char *text, enum log_level *ret);
/* Lines as JSON objects (daemon/log_json.h), the journal's <N> before them where it belongs; default false. */
void log_json_set(bool json);
/* Lines that were left out (daemon/log_limit.h) and are to be told of by now are. Call it now and then. */
void log_tell_suppressed(void);
/* How many lines of an event were left out since the start, and its name; NULL behind the last one. For metrics. */
const char *log_suppressed_at(size_t index, uint64_t *ret_n);
/*
 * The message is "event key=value ...": see CONTRIBUTING.md for the keys. No newline at the end; control characters
 * become '?', and a line is cut at 4 KiB. errno is kept.
 */
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
