/* SPDX-License-Identifier: Apache-2.0 */
/* Conflicts on the wire: what daemon/conflict.c decides, carried out by this host and told to people. */
#ifndef MLB_DAEMON_CONFLICTS_H
#define MLB_DAEMON_CONFLICTS_H

#include <cjson/cJSON.h>

#include "base/addr.h"
#include "daemon/app.h"
#include "daemon/conflict.h"
#include "daemon/diagnose_finding.h"

struct conflicts; /* opaque */

/* 0 or -ENOMEM. */
int conflicts_open(struct app *app);
/* When the loop does not turn any more. */
void conflicts_close(struct app *app);
/* After a reload. */
void conflicts_configure(struct app *app);
void conflicts_hold(struct app *app, struct ip ip);
void conflicts_unhold(struct app *app, struct ip ip);
/* We hand it over to that member: its announcements are no conflict. */
void conflicts_expect(struct app *app, struct ip ip, uint64_t instance);
/* Members came, went or have other MACs. */
void conflicts_members(struct app *app);
/* The segment is asked for an address that we would claim: a stranger that speaks for it has it. */
void conflicts_asked(struct app *app, struct ip ip);
/* A MAC that is not ours spoke for an address; `ours`: which we serve. */
void conflicts_seen(struct app *app, struct ip ip, struct mac mac, const char *iface, bool ours);
/* What was seen, into the empty object (docs/API.md, GET /v1/conflicts). */
void conflicts_document(const struct app *app, cJSON *doc);
/* What was seen of late, as findings. */
void conflicts_diagnose(const struct app *app, struct diagnosis *d);
/* Frames ever seen of that kind (conflict.h). */
uint64_t conflicts_count(const struct app *app, enum conflict_who who);
/* After each step: self-probes and announcements that are due. */
void conflicts_stepped(struct app *app);

#endif
