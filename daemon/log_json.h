/* SPDX-License-Identifier: Apache-2.0 */
/* A log line as one JSON object: {"time", "level", "event", and each key=value}; a message of another form under "message". */
#ifndef MLB_DAEMON_LOG_JSON_H
#define MLB_DAEMON_LOG_JSON_H

#include <stddef.h>

/* Below this there is no room for what every line has. */
#define LOG_JSON_MIN 256

/*
 * Write the object into out (cap at least LOG_JSON_MIN), without newline and terminator; returns its length. Always valid JSON and
 * ASCII: bytes above 0x7f are written as their code points in Latin-1. `time` and `level` are plain. Fields that do not fit are left out, and "cut" is then true; of
 * two fields with one name the first counts.
 */
size_t log_json(char *out, size_t cap, const char *time, const char *level, const char *message);

#endif
