/* SPDX-License-Identifier: Apache-2.0 */
/* What the node says, as log lines and events for `mlbctl events`. */
#ifndef MLB_DAEMON_REPORT_H
#define MLB_DAEMON_REPORT_H

#include "daemon/app.h"

/* NODE_ACTION_MEMBER, NODE_ACTION_OWNER, NODE_ACTION_JOINED. */
void report_member(struct app *app, const struct node_action *action);
void report_owner(struct app *app, const struct node_action *action);
void report_joined(struct app *app, bool alone);
/* Another node has our name. */
void report_name_conflict(const struct app *app, struct endpoint holder);

#endif
