/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Are the segments on which we may hold addresses alive? A port of a switch may drop everything with the carrier up, and the gossip run
 * over another network. Asked are the gateway, the witness and the other members' addresses there; a segment that stays silent is
 * marked in our metadata, and the election prefers those whose segment is not (base/meta.h). See daemon/path.h for when it is silent.
 */
#ifndef MLB_DAEMON_ISOLATION_H
#define MLB_DAEMON_ISOLATION_H

#include "daemon/app.h"

struct isolation; /* opaque */

/* 0 or -ENOMEM. */
int isolation_open(struct app *app);
/* When the loop does not turn any more. */
void isolation_free(struct app *app);
/* Members came, went or have other addresses. */
void isolation_members(struct app *app);
/* An ARP or ND packet of another host arrived on that interface. */
void isolation_heard(struct app *app, const char *iface);
/* Mark what is silent in metadata that has just been read from the host. */
void isolation_mark(const struct app *app, struct meta *meta);

#endif
