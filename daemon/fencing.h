/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fencing on this host: the gate in the kernel and the guard process, which end our service when we cannot, and the question
 * whether anything on our segments answers, which decides whether we may go on without our watchers (election/fence.c).
 */
#ifndef MLB_DAEMON_FENCING_H
#define MLB_DAEMON_FENCING_H

#include "base/addr.h"
#include "base/time.h"
#include "daemon/app.h"

struct fencing; /* opaque */

/* Open gate and guard as configured, before anything is claimed. 0, or an exit status with the reason logged. */
int fencing_open(struct app *app);
/* The services changed: stand before their addresses. */
void fencing_services(struct app *app);
/* Members, keys or our own instance changed: the guard must know whom to tell, and how. */
void fencing_members(struct app *app);
/* After each step of the node: the loop turns, and the gate may stay open for a little longer. */
void fencing_stepped(struct app *app);
/* We are about to claim, or have let go. */
void fencing_hold(struct app *app, struct ip ip, const char *iface, enum claim_mode mode);
void fencing_unhold(struct app *app, struct ip ip);
void fencing_right(struct app *app, bool right);
/* The segment answered, or some frame came from it. */
void fencing_answered(struct app *app, struct ip ip);
void fencing_heard(struct app *app);
/* Every second. */
void fencing_check(struct app *app);
/* Does the kernel fence us when we cannot? */
bool fencing_has_gate(const struct app *app);
/* Planned end: all addresses are off. */
void fencing_close(struct app *app);
/* When the loop does not turn any more: it knows our timer until then. */
void fencing_free(struct app *app);

struct fencing_status {
	const char *gate; /* "open", "shut", "absent" or "none" */
	uint64_t gate_flushes;
	struct span gate_absent;
	pid_t guard; /* 0: none */
	bool right;
};

void fencing_status_get(const struct app *app, struct fencing_status *ret);

#endif
