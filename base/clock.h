/* SPDX-License-Identifier: Apache-2.0 */
/* The only place that reads clocks and the kernel's random source. For shells; no core includes it. */
#ifndef MLB_BASE_CLOCK_H
#define MLB_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#include "base/time.h"

/* CLOCK_MONOTONIC now. Never fails on Linux; aborts if it does. */
struct instant clock_now(void);

/* Wall clock now, milliseconds since 1970 (UTC). For log lines and JSON only, never for a decision. */
int64_t clock_wall_ms(void);

/* Room for "2026-11-23T00:00:00.000Z" and the terminator. */
#define CLOCK_RFC3339_MAX 32

/* Write wall_ms as RFC 3339 in UTC with milliseconds into buf and return buf. */
char *clock_rfc3339(int64_t wall_ms, char buf[CLOCK_RFC3339_MAX]);

/* 64 random bits from the kernel. Aborts if the kernel has none. */
uint64_t clock_random_u64(void);

#endif
