/* SPDX-License-Identifier: Apache-2.0 */
/* Why an address is where it is, and who is next, as a JSON document (docs/API.md). */
#ifndef MLB_DAEMON_EXPLAIN_H
#define MLB_DAEMON_EXPLAIN_H

#include <cjson/cJSON.h>
#include <stddef.h>

#include "election/election.h"

/* Fill reply for a service, or for one of its addresses. 200, or 404 or 500 with a reason in error. */
int explain_service(const struct election *election, const char *name, cJSON *reply, char *error, size_t error_cap);

#endif
