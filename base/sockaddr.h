/* SPDX-License-Identifier: Apache-2.0 */
/* Shell: addresses as the socket calls want and give them. */
#ifndef MLB_BASE_SOCKADDR_H
#define MLB_BASE_SOCKADDR_H

#include <sys/socket.h>

#include "base/addr.h"

/* The family is IP_V4 or IP_V6. Returns the length that goes with it. */
socklen_t sockaddr_from_endpoint(struct endpoint endpoint, struct sockaddr_storage *out);
/* All zero for a family that is neither IPv4 nor IPv6. */
struct endpoint sockaddr_to_endpoint(const struct sockaddr_storage *address);

#endif
