/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the daemon counts for Prometheus, and `control.listen`, where it can be read: /metrics, /healthz (the loop turns) and
 * /readyz (joined, configured, able to claim). mlbd(8), METRICS, has every name.
 */
#ifndef MLB_DAEMON_METRICS_H
#define MLB_DAEMON_METRICS_H

#include "daemon/app.h"
#include "daemon/metrics_text.h"

struct metrics; /* opaque */

/* Other parts of the daemon that write families of their own. */
#define METRICS_SOURCE_MAX 8

/* Before anything is counted: as soon as the app is there. 0 or -ENOMEM. */
int metrics_open(struct app *app);
/* Listen on control.listen, where there is one. 0, or an exit status with the reason logged. */
int metrics_serve(struct app *app);
/* The loop turns once more after this. */
void metrics_stop(struct app *app);
/* When the loop is over. NULL is fine for what was never opened. */
void metrics_free(struct app *app);

/*
 * Families of another part of the daemon: `write` is called from the loop for each scrape, with `arg`. Whole families, whose names
 * nobody else writes. 0 or -ENOSPC.
 */
int metrics_add_source(struct app *app, void (*write)(void *arg, struct metrics_text *text), void *arg);

/* What happens, to be counted. */
void metrics_owner(struct app *app, const struct node_action *action, struct instant now);
void metrics_right(struct app *app, bool right, struct instant now);
void metrics_late(struct app *app, struct span late, struct instant now);
/* Where it was taken: listens where the configuration says now; what cannot be bound is logged. */
void metrics_reloaded(struct app *app, bool ok);

/* All families into the empty text, as /metrics gives them. See text->error. */
void metrics_write(struct app *app, struct metrics_text *text);
/* All families, for documents and tests; NULL behind the last one. */
const struct metric_family *metrics_family_at(size_t index);

#endif
