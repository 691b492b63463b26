/* SPDX-License-Identifier: Apache-2.0 */
#include "base/sockaddr.h"

#include <netinet/in.h>
#include <string.h>

socklen_t sockaddr_from_endpoint(struct endpoint endpoint, struct sockaddr_storage *out)
{
	struct sockaddr_in *in4 = (struct sockaddr_in *)out;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;

	memset(out, 0, sizeof(*out));
	if (endpoint.ip.family == IP_V4) {
		in4->sin_family = AF_INET;
		in4->sin_port = htons(endpoint.port);
		memcpy(&in4->sin_addr, endpoint.ip.bytes, 4);
		return sizeof(*in4);
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(endpoint.port);
	memcpy(&in6->sin6_addr, endpoint.ip.bytes, 16);
	return sizeof(*in6);
}

struct endpoint sockaddr_to_endpoint(const struct sockaddr_storage *address)
{
	const struct sockaddr_in *in4 = (const struct sockaddr_in *)address;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;
	struct endpoint endpoint = { 0 };

	if (address->ss_family == AF_INET) {
		endpoint.ip = ip_from_v4((const uint8_t *)&in4->sin_addr);
		endpoint.port = ntohs(in4->sin_port);
	} else if (address->ss_family == AF_INET6) {
		endpoint.ip = ip_from_v6(in6->sin6_addr.s6_addr);
		endpoint.port = ntohs(in6->sin6_port);
	}
	return endpoint;
}
