/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by daemon/keyring.c and daemon/keyring_command.c alone. */
#ifndef MLB_DAEMON_KEYRING_INTERNAL_H
#define MLB_DAEMON_KEYRING_INTERNAL_H

#include <sys/types.h>

#include "daemon/keyring.h"
#include "gossip/keys.h"

struct keyring {
	struct keys *keys;	   /* owned; NULL: gossip.insecure */
	char *path;		   /* owned: gossip.keyFile; NULL: gossip.insecure */
	struct seal_ring insecure; /* the published key */
	struct seal_ring tried;	   /* what was last written, or could not be */
	pid_t writer;		   /* writes `tried`; 0: nobody */
	bool gave_up;		   /* `tried` could not be written */
	size_t member_max;
	uint64_t instance; /* under which our items are published */
	struct instant unreadable_next;
};

/* One step of the core, now; a ring that is another after it is said in the log. */
enum keys_refusal keyring_step(struct keyring *keyring, struct keys_event *event, const char *why);
/* Live members other than ourselves (caller frees, also when it fails). 0 or -ENOMEM. */
int keyring_members(const struct gossip *gossip, struct keys_member **ret, size_t *ret_n);

#endif
