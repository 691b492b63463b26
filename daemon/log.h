/* SPDX-License-Identifier: Apache-2.0 */
/* One line per event on standard error: "<priority>message key=value ...", for journald and for eyes. */
#ifndef MLB_DAEMON_LOG_H
#define MLB_DAEMON_LOG_H

enum log_level { LOG_LEVEL_ERROR = 3, LOG_LEVEL_WARNING = 4, LOG_LEVEL_INFO = 6, LOG_LEVEL_DEBUG = 7 };

/* Lines above this level are dropped; default INFO. Under systemd (JOURNAL_STREAM set) lines carry <N> and no time. */
void log_init(enum log_level level);
void log_level_set(enum log_level level);
/* The message is "event key=value ...": see CONTRIBUTING.md for the keys. No newline at the end. */
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
