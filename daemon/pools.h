/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Services that have addresses of the pools in the configuration file (docs/adr/0013): allocator/ledger.h put together with gossip, the
 * file that keeps it, the log and `mlbctl service`. One node gives addresses: the first by name of those that are live and have pools.
 */
#ifndef MLB_DAEMON_POOLS_H
#define MLB_DAEMON_POOLS_H

#include <cjson/cJSON.h>

#include "daemon/app.h"
#include "daemon/metrics_text.h"

struct pools; /* opaque */

/* Reads the file. 0 or -ENOMEM. */
int pools_open(struct app *app);
void pools_close(struct app *app);
/* app->config is another one: before app_apply_services. 0; -ENOMEM: the former pools stay. */
int pools_configure(struct app *app);

/* NODE_ACTION_ITEM; false: it is about something else. */
bool pools_item_take(struct app *app, const struct gossip_item *item);
/*
 * Put the services that have addresses of pools among all others, which are `*n` in an array of malloc; it grows, and `*n` with it. What
 * they borrow lives until pools_applied after the next call. 0, or -ENOMEM and nothing has changed.
 */
int pools_services(struct app *app, struct election_service **services, size_t *n);
/* The node has them now. */
void pools_applied(struct app *app);

/* The pool that the service has its addresses of; NULL: none of this node's. */
const char *pools_of(const struct app *app, const char *service);
/* Services that wait for an address, as entries of GET /v1/services. */
void pools_add_waiting(const struct app *app, cJSON *list);
/* Why the service has no address; NULL: it is none that waits. Valid until the next call. */
const char *pools_why(const struct app *app, const char *service);
/* "services/add" and "services/remove" of the control API, as control_handler.command. */
int pools_command(struct app *app, const char *verb, const cJSON *body, char *error, size_t error_cap);

/* The families that it adds to the metrics; NULL behind the last one, which is the one of that number. */
size_t pools_metric_family_n(void);
const struct metric_family *pools_metric_family_at(size_t index);

#endif
