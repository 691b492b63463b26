/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses as numbers, and positions in a stretch of them with or without those that end in .0 and .255. Pure. */
#ifndef MLB_ALLOCATOR_NUMBER_H
#define MLB_ALLOCATOR_NUMBER_H

#include <string.h>

#include "base/addr.h"

__extension__ typedef unsigned __int128 u128;

#define U128_MAX (~(u128)0)

/* IPv4 in the low 32 bits. Here because each operation does it several times. */
static inline u128 number_of(struct ip ip)
{
	uint64_t high;
	uint64_t low;

	memcpy(&high, ip.bytes, sizeof(high));
	memcpy(&low, ip.bytes + sizeof(high), sizeof(low));
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	high = __builtin_bswap64(high);
	low = __builtin_bswap64(low);
#endif
	return ip.family == IP_V4 ? high >> 32 : (u128)high << 64 | low;
}

struct ip number_ip(u128 number, enum ip_family family);
/* First and last address of a CIDR. */
u128 number_first(struct subnet cidr);
u128 number_last(struct subnet cidr);

/* Some devices take IPv4 addresses that end in .0 or .255 for network and broadcast, whatever the prefix (avoidBuggyIPs). */
bool number_is_buggy(u128 number);
/* How many of the IPv4 addresses before this one are not buggy; the inverse for one that is not. */
uint64_t number_rank(u128 number);
u128 number_unrank(uint64_t rank);

#endif
