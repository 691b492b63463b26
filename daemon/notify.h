/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Telling the service manager how we are: the datagrams of sd_notify(3), without libsystemd. Each call is one datagram to
 * the socket that NOTIFY_SOCKET names; without it nothing happens. All return 1 sent, 0 nobody to tell, or negative errno,
 * which a daemon can only ignore or log.
 */
#ifndef MLB_DAEMON_NOTIFY_H
#define MLB_DAEMON_NOTIFY_H

#include "base/time.h"

/* READY=1: started, or reloaded. */
int notify_ready(void);
/* STOPPING=1. */
int notify_stopping(void);
/* RELOADING=1 with MONOTONIC_USEC, as Type=notify-reload wants it; notify_ready() ends it. */
int notify_reloading(void);
/* STATUS=, the line that `systemctl status` shows (printf). */
int notify_status(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* WATCHDOG=1: still alive. */
int notify_watchdog(void);
/* How long the manager waits for the next notify_watchdog before it kills us (WATCHDOG_USEC); 0: it does not watch. */
struct span notify_watchdog_interval(void);

#endif
