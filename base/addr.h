/* SPDX-License-Identifier: Apache-2.0 */
/* Address types: IPv4 and IPv6 (RFC 4291, text as RFC 5952), MAC, subnet, endpoint: parse, print, order. Pure. */
#ifndef MLB_BASE_ADDR_H
#define MLB_BASE_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The value is the IP version, so that it can stand in logs and on the wire. */
enum ip_family { IP_NONE = 0, IP_V4 = 4, IP_V6 = 6 };

/* An IP address. `bytes` is in network order; IPv4 uses the first four and the rest is zero. */
struct ip {
	uint8_t family; /* enum ip_family */
	uint8_t bytes[16];
};

struct mac {
	uint8_t bytes[6];
};

/* An address with a prefix length. The host bits may be set: see subnet_network. */
struct subnet {
	struct ip ip;
	uint8_t prefix_len;
};

/* A UDP endpoint. */
struct endpoint {
	struct ip ip;
	uint16_t port;
};

/* Buffer sizes, terminator included. */
#define IP_TEXT_MAX 46
#define MAC_TEXT_MAX 18
#define SUBNET_TEXT_MAX 50
#define ENDPOINT_TEXT_MAX 56

/* Parse one address, nothing before or after it; no zone, no IPv4 with leading zeros. 0 or -EINVAL (*ret untouched). */
int ip_parse(const char *text, struct ip *ret);
/* Canonical text (RFC 5952) into buf; returns buf. IP_NONE prints as "-". */
char *ip_format(struct ip ip, char buf[IP_TEXT_MAX]);
/* Total order: family, then bytes. */
int ip_compare(struct ip a, struct ip b);
bool ip_equal(struct ip a, struct ip b);
/* Bytes of an address of that family: 4, 16, or 0 for IP_NONE. */
size_t ip_len(struct ip ip);
/* Bits of the address: 32, 128 or 0. */
uint8_t ip_bits(struct ip ip);
struct ip ip_from_v4(const uint8_t bytes[4]);
struct ip ip_from_v6(const uint8_t bytes[16]);
bool ip_is_link_local(struct ip ip);
/* Loopback, multicast, unspecified, limited broadcast: nothing that a service address may be. */
bool ip_is_special(struct ip ip);

/* "aa:bb:cc:dd:ee:ff", either case. 0 or -EINVAL. */
int mac_parse(const char *text, struct mac *ret);
char *mac_format(struct mac mac, char buf[MAC_TEXT_MAX]);
int mac_compare(struct mac a, struct mac b);
bool mac_equal(struct mac a, struct mac b);
bool mac_is_zero(struct mac mac);

/* "10.0.0.0/24" or "fd00::/64"; a bare address is /32 or /128. 0 or -EINVAL. */
int subnet_parse(const char *text, struct subnet *ret);
char *subnet_format(struct subnet subnet, char buf[SUBNET_TEXT_MAX]);
/* Does the subnet hold the address? False across families. */
bool subnet_contains(struct subnet subnet, struct ip ip);
/* The same with the host bits cleared. */
struct subnet subnet_network(struct subnet subnet);
int subnet_compare(struct subnet a, struct subnet b);

/* "10.0.0.1:7946", "[fd00::1]:7946", or a bare address, which takes default_port. 0 or -EINVAL. */
int endpoint_parse(const char *text, uint16_t default_port, struct endpoint *ret);
char *endpoint_format(struct endpoint endpoint, char buf[ENDPOINT_TEXT_MAX]);
int endpoint_compare(struct endpoint a, struct endpoint b);
bool endpoint_listed(const struct endpoint *list, size_t n, struct endpoint endpoint);

#endif
