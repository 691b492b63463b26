/* SPDX-License-Identifier: Apache-2.0 */
/* GET /v1/diagnose: the facts of this node, its host and its cluster, judged by daemon/diagnose_rules.h (docs/API.md). */
#ifndef MLB_DAEMON_DIAGNOSE_H
#define MLB_DAEMON_DIAGNOSE_H

#include <cjson/cJSON.h>

#include "daemon/app.h"

/* Fill the empty object. 0 or -ENOMEM. Reads some files of /proc; asks nobody and changes nothing. */
int diagnose_document(const struct app *app, cJSON *reply);

#endif
