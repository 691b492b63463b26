/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration with every default filled in, as YAML that reads as the same again. */
#ifndef MLB_DAEMON_CONFIG_EFFECTIVE_H
#define MLB_DAEMON_CONFIG_EFFECTIVE_H

#include <stddef.h>

#include "daemon/config.h"

/*
 * `now` is what was read last; `first` (which may be the same) what the daemon began with: keys that a running daemon cannot change are
 * shown as they are in force. Keys of nothing (no witness, no check) are left out. The caller frees it; NULL: no memory.
 */
char *config_effective(const struct config *now, const struct config *first);

#endif
