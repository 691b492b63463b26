/* SPDX-License-Identifier: Apache-2.0 */
/* The health checks of all services of this node: started with the configuration, heard by the election. */
#ifndef MLB_DAEMON_CHECKS_H
#define MLB_DAEMON_CHECKS_H

#include "daemon/app.h"
#include "daemon/check.h"

struct checks; /* opaque */

/*
 * Bring the checks in line with app->config; `former` is the configuration before it, NULL at the start. To be called before the
 * services are handed to the node: a new service with a check is unfit from the first moment on; one that was there without stays
 * fit until its check has decided. 0 or -ENOMEM, and nothing has changed.
 */
int checks_apply(struct app *app, const struct config *former);
/* Ends all. The loop has to turn once more. */
void checks_close(struct app *app);
/* The check of a service; NULL: it has none. */
const struct check *checks_find(const struct app *app, const char *service);

#endif
