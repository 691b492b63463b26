/* SPDX-License-Identifier: Apache-2.0 */
/* Writing the key file anew after `mlbctl keys`: as a whole or not at all, and never in the way of the event loop. */
#ifndef MLB_DAEMON_KEYFILE_H
#define MLB_DAEMON_KEYFILE_H

#include <stdbool.h>
#include <sys/types.h>

#include "gossip/seal.h"

/*
 * Replace the file by one with these keys, the first one on top: written beside it, synced, renamed over it. Owner, group and mode
 * (never more than 0640) of the former are kept, a new file is 0600; a symbolic link keeps pointing to it. Comments are lost.
 * 0, or negative errno and the former file is as it was. Waits for the disk.
 */
int keyfile_write(const char *path, const struct seal_ring *ring);

/* The same in a child process, which ends by itself: a disk may take seconds. Returns its pid, or negative errno. */
pid_t keyfile_write_start(const char *path, const struct seal_ring *ring);
/* Has it ended? Then true, and *ret_error is what keyfile_write returned. wait: until it has. */
bool keyfile_write_ended(pid_t pid, bool wait, int *ret_error);

#endif
