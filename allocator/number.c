/* SPDX-License-Identifier: Apache-2.0 */
#include "allocator/number.h"

#include "allocator/allocator.h"

#include <errno.h>
#include <string.h>

/* Of each /24 all but two. */
#define GOOD_OF_256 254

struct ip number_ip(u128 number, enum ip_family family)
{
	struct ip ip = { .family = (uint8_t)family };

	for (size_t i = ip_len(ip); i-- > 0; number >>= 8)
		ip.bytes[i] = (uint8_t)number;
	return ip;
}

static u128 host_mask(struct subnet cidr)
{
	unsigned int bits = (unsigned int)ip_bits(cidr.ip) - cidr.prefix_len;

	return bits >= 128 ? U128_MAX : ((u128)1 << bits) - 1;
}

u128 number_first(struct subnet cidr)
{
	return number_of(cidr.ip) & ~host_mask(cidr);
}

u128 number_last(struct subnet cidr)
{
	return number_of(cidr.ip) | host_mask(cidr);
}

bool number_is_buggy(u128 number)
{
	return (uint8_t)number == 0 || (uint8_t)number == 255;
}

uint64_t number_rank(u128 number)
{
	uint64_t low = (uint64_t)number & 255;

	return ((uint64_t)number >> 8) * GOOD_OF_256 + (low == 0 ? 0 : low - 1);
}

u128 number_unrank(uint64_t rank)
{
	return (u128)(rank / GOOD_OF_256) << 8 | (rank % GOOD_OF_256 + 1);
}

int64_t alloc_cidr_capacity(struct subnet cidr, bool avoid_buggy_ips)
{
	unsigned int bits = (unsigned int)ip_bits(cidr.ip) - cidr.prefix_len;

	if (bits >= 62)
		return INT64_MAX;
	if (avoid_buggy_ips && cidr.ip.family == IP_V4)
		return (int64_t)(number_rank(number_last(cidr) + 1) - number_rank(number_first(cidr)));
	return (int64_t)1 << bits;
}

/* --- text -------------------------------------------------------------------------------------------------------------- */

/* The address between two places, spaces round it left out. */
static int parse_part(const char *from, const char *to, struct ip *ret)
{
	static const char spaces[] = " \t\n\v\f\r";
	char text[IP_TEXT_MAX];
	size_t len;

	while (from < to && strchr(spaces, *from) != NULL)
		from++;
	while (to > from && strchr(spaces, to[-1]) != NULL)
		to--;
	len = (size_t)(to - from);
	if (len >= sizeof(text))
		return -EINVAL;
	memcpy(text, from, len);
	text[len] = '\0';
	return ip_parse(text, ret);
}

/* The largest CIDR that starts there and does not pass the end, again and again: no shorter list covers the range. */
static size_t cut(u128 first, u128 last, enum ip_family family, struct subnet cidrs[ALLOC_RANGE_CIDR_MAX])
{
	unsigned int bits_max = family == IP_V4 ? 32 : 128;
	size_t n = 0;

	for (;;) {
		unsigned int bits = 0;
		u128 mask = 0;

		while (bits < bits_max && (first & (mask << 1 | 1)) == 0 && last - first >= (mask << 1 | 1)) {
			mask = mask << 1 | 1;
			bits++;
		}
		cidrs[n++] = (struct subnet){ number_ip(first, family), (uint8_t)(bits_max - bits) };
		if (last - first == mask)
			return n;
		first += mask + 1;
	}
}

int alloc_range_parse(const char *text, struct subnet cidrs[ALLOC_RANGE_CIDR_MAX], size_t *ret_n)
{
	const char *dash = strchr(text, '-');
	struct ip first;
	struct ip last;

	if (dash == NULL) {
		struct subnet cidr;

		/* a single address has to say so with /32 or /128 */
		if (strchr(text, '/') == NULL || subnet_parse(text, &cidr) != 0)
			return -EINVAL;
		cidrs[0] = subnet_network(cidr);
		*ret_n = 1;
		return 0;
	}
	if (parse_part(text, dash, &first) != 0 || parse_part(dash + 1, text + strlen(text), &last) != 0 ||
	    first.family != last.family)
		return -EINVAL;
	if (ip_compare(first, last) > 0)
		return -ERANGE;
	*ret_n = cut(number_of(first), number_of(last), first.family, cidrs);
	return 0;
}
