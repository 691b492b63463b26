/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which services want which address announced. Services may share one, and a service may have two: an address is announced as long as
 * somebody wants it, on all interfaces that somebody wants it on. Pure; memory grows with what is announced.
 */
#ifndef MLB_KUBE_ANNOUNCED_H
#define MLB_KUBE_ANNOUNCED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

struct announced; /* opaque */

struct announced *announced_new(void);
void announced_free(struct announced *a);
/*
 * The service wants the address announced on these interfaces (none named: all), whether it did before or not: each call asks for a
 * round of announcements. Names are copied. 0 or -ENOMEM, and nothing has changed.
 */
int announced_put(struct announced *a, const char *service, struct ip ip, const char *const *interfaces,
		  size_t interface_n);
/* True: nobody wants it any more. False also if the service did not. */
bool announced_drop(struct announced *a, const char *service, struct ip ip);
/* How many addresses a service wants announced, how many services want an address. */
size_t announced_of_service(const struct announced *a, const char *service);
size_t announced_holders(const struct announced *a, struct ip ip);
/* May it be announced on the interface? */
bool announced_on(const struct announced *a, struct ip ip, const char *interface);
/* Rounds asked for since the start. */
uint64_t announced_rounds(const struct announced *a);

#endif
