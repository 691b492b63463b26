/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the API server says when it refuses: meta/v1 Status as the body of an answer, or as the object of a watch's ERROR event. Not each
 * refusal has one: a 429 may be plain text. Pure.
 */
#ifndef MLB_KUBE_STATUS_H
#define MLB_KUBE_STATUS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/limits.h"

#define API_REASON_MAX 63
#define API_MESSAGE_MAX 255

struct api_status {
	int code;			       /* the HTTP status that it stands for */
	char reason[API_REASON_MAX + 1];       /* "Expired", "Conflict", ...; "" if not said */
	char message[API_MESSAGE_MAX + 1];     /* for a person, without control characters; cut where longer */
	int retry_after_s;		       /* details.retryAfterSeconds; 0: not said */
	char cause_field[API_MESSAGE_MAX + 1]; /* of the first cause that has one, as "metadata.uid"; "" if none */
	bool too_new;			       /* the resource version asked for is in the server's future */
};

/*
 * From a body. True: it is a Status. False: it is not, and *ret has the code given here and the body's beginning as its message.
 * `code` is that of the HTTP answer, or 0; the Status' own comes first.
 */
bool api_status_parse(const char *body, size_t len, int code, struct api_status *ret);

#endif
