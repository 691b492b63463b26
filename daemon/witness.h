/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shell: the witness of a cluster of two. A node that hears the other one no more cannot tell who of them is cut off; one that
 * then reaches a third host is not. The host is asked by ICMP echo (RFC 792, RFC 4443 4.1): it needs to run nothing of ours.
 * Needs CAP_NET_RAW.
 */
#ifndef MLB_DAEMON_WITNESS_H
#define MLB_DAEMON_WITNESS_H

#include "base/addr.h"
#include "base/time.h"

/* An answer counts for a question of the last second only: an older one says nothing about now. */
#define WITNESS_FRESH_MS 1000

struct witness; /* opaque */

/*
 * `ip`: whom to ask; IP_NONE: the gateway of the default route, found anew for each question, of `family` where there is one,
 * or else of the other. 0, -EPERM (CAP_NET_RAW is missing), or another negative errno.
 */
int witness_open(struct ip ip, enum ip_family family, struct witness **ret);
void witness_close(struct witness *w); /* NULL is fine */
/* One descriptor for all of it; poll for reading, then call witness_read. */
int witness_fd(const struct witness *w);
/* Ask once; no answer may ever come. 0, -ENOENT (no gateway), -ENETUNREACH and its likes. */
int witness_ask(struct witness *w, struct instant now);
/* Read what came in (bounded). Did the witness answer a question that is fresh? */
bool witness_read(struct witness *w, struct instant now);
/* Who was asked last; IP_NONE: nobody yet. */
struct ip witness_address(const struct witness *w);

#endif
