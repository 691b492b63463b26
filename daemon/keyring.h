/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The key ring of the running daemon: gossip/keys.h put together with the key file, the log and `mlbctl keys`. Nothing here needs a
 * timer or a descriptor: keyring_item_next, which is asked after each tick of the node, does what is due.
 */
#ifndef MLB_DAEMON_KEYRING_H
#define MLB_DAEMON_KEYRING_H

#include <cjson/cJSON.h>

#include "daemon/config.h"
#include "gossip/gossip.h"

struct keyring; /* opaque */

/* config is read, not kept. NULL without memory. */
struct keyring *keyring_new(const struct config *config, size_t member_max);
/* Waits for a key file that is being written. NULL is fine. */
void keyring_free(struct keyring *keyring);

/* What seals and opens packets now. Borrowed until the next call of any other function here. */
const struct seal_ring *keyring_ring(const struct keyring *keyring);

/* The configuration has been read again. */
void keyring_reload(struct keyring *keyring, const struct config *config);
/* NODE_ACTION_ITEM. */
void keyring_item_take(struct keyring *keyring, const struct gossip_item *item);
/* The next item for NODE_EVENT_ITEM; false: none. Ask after each tick of the node until there is none. */
bool keyring_item_next(struct keyring *keyring, const struct gossip *gossip, struct gossip_item *ret);
/* seal_open said GOSSIP_DROP_KEY: says in the log what to do where that is why this node is alone. */
void keyring_unreadable(struct keyring *keyring, const struct gossip *gossip, struct endpoint from);

/* "keys", "keys/add", "keys/use" and "keys/remove" of the control API, as control_handler.command. */
int keyring_command(struct keyring *keyring, const struct gossip *gossip, const char *verb, const cJSON *body,
		    cJSON *reply, char *error, size_t error_cap);

#endif
