/* SPDX-License-Identifier: Apache-2.0 */
#include "base/addr.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

int ip_parse(const char *text, struct ip *ret)
{
	struct ip ip = { 0 };

	if (inet_pton(AF_INET, text, ip.bytes) == 1)
		ip.family = IP_V4;
	else if (inet_pton(AF_INET6, text, ip.bytes) == 1)
		ip.family = IP_V6;
	else
		return -EINVAL;
	*ret = ip;
	return 0;
}

char *ip_format(struct ip ip, char buf[IP_TEXT_MAX])
{
	if (ip.family == IP_NONE)
		strcpy(buf, "-");
	else
		(void)inet_ntop(ip.family == IP_V4 ? AF_INET : AF_INET6, ip.bytes, buf, IP_TEXT_MAX);
	return buf;
}

int ip_compare(struct ip a, struct ip b)
{
	if (a.family != b.family)
		return a.family < b.family ? -1 : 1;
	return memcmp(a.bytes, b.bytes, sizeof(a.bytes));
}

bool ip_equal(struct ip a, struct ip b)
{
	return ip_compare(a, b) == 0;
}

size_t ip_len(struct ip ip)
{
	return ip.family == IP_V4 ? 4 : ip.family == IP_V6 ? 16 : 0;
}

uint8_t ip_bits(struct ip ip)
{
	return (uint8_t)(ip_len(ip) * 8);
}

struct ip ip_from_v4(const uint8_t bytes[4])
{
	struct ip ip = { .family = IP_V4 };

	memcpy(ip.bytes, bytes, 4);
	return ip;
}

struct ip ip_from_v6(const uint8_t bytes[16])
{
	struct ip ip = { .family = IP_V6 };

	memcpy(ip.bytes, bytes, 16);
	return ip;
}

bool ip_is_link_local(struct ip ip)
{
	if (ip.family == IP_V4)
		return ip.bytes[0] == 169 && ip.bytes[1] == 254;			  /* RFC 3927 */
	return ip.family == IP_V6 && ip.bytes[0] == 0xfe && (ip.bytes[1] & 0xc0) == 0x80; /* RFC 4291 2.5.6 */
}

bool ip_is_special(struct ip ip)
{
	static const uint8_t zero[16];

	if (ip.family == IP_V4)
		return ip.bytes[0] == 0 || ip.bytes[0] == 127 || ip.bytes[0] >= 224;
	if (ip.family == IP_V6)
		return ip.bytes[0] == 0xff || (memcmp(ip.bytes, zero, 15) == 0 && ip.bytes[15] <= 1);
	return true;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int mac_parse(const char *text, struct mac *ret)
{
	struct mac mac;

	for (size_t i = 0; i < 6; i++) {
		int high = hex_digit(text[0]);
		int low = high < 0 ? -1 : hex_digit(text[1]);

		if (low < 0 || text[2] != (i < 5 ? ':' : '\0'))
			return -EINVAL;
		mac.bytes[i] = (uint8_t)(high << 4 | low);
		text += 3;
	}
	*ret = mac;
	return 0;
}

char *mac_format(struct mac mac, char buf[MAC_TEXT_MAX])
{
	snprintf(buf, MAC_TEXT_MAX, "%02x:%02x:%02x:%02x:%02x:%02x", mac.bytes[0], mac.bytes[1], mac.bytes[2],
		 mac.bytes[3], mac.bytes[4], mac.bytes[5]);
	return buf;
}

int mac_compare(struct mac a, struct mac b)
{
	return memcmp(a.bytes, b.bytes, sizeof(a.bytes));
}

bool mac_equal(struct mac a, struct mac b)
{
	return mac_compare(a, b) == 0;
}

bool mac_is_zero(struct mac mac)
{
	return mac_equal(mac, (struct mac){ { 0 } });
}

/* A decimal number without sign, blank or leading zero, at most max. 0 or -EINVAL. */
static int decimal_parse(const char *text, unsigned int max, unsigned int *ret)
{
	unsigned int value = 0;

	if (*text == '\0' || (text[0] == '0' && text[1] != '\0'))
		return -EINVAL;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		value = value * 10 + (unsigned int)(*text - '0');
		if (value > max)
			return -EINVAL;
	}
	*ret = value;
	return 0;
}

int subnet_parse(const char *text, struct subnet *ret)
{
	char address[IP_TEXT_MAX];
	const char *slash = strchr(text, '/');
	size_t len = slash != NULL ? (size_t)(slash - text) : strlen(text);
	struct subnet subnet;
	unsigned int prefix_len;

	if (len >= sizeof(address))
		return -EINVAL;
	memcpy(address, text, len);
	address[len] = '\0';
	if (ip_parse(address, &subnet.ip) != 0)
		return -EINVAL;
	prefix_len = ip_bits(subnet.ip);
	if (slash != NULL && decimal_parse(slash + 1, ip_bits(subnet.ip), &prefix_len) != 0)
		return -EINVAL;
	subnet.prefix_len = (uint8_t)prefix_len;
	*ret = subnet;
	return 0;
}

char *subnet_format(struct subnet subnet, char buf[SUBNET_TEXT_MAX])
{
	char address[IP_TEXT_MAX];

	snprintf(buf, SUBNET_TEXT_MAX, "%s/%u", ip_format(subnet.ip, address), subnet.prefix_len);
	return buf;
}

bool subnet_contains(struct subnet subnet, struct ip ip)
{
	size_t whole = subnet.prefix_len / 8;
	unsigned int rest = subnet.prefix_len % 8;

	if (subnet.ip.family != ip.family || ip.family == IP_NONE)
		return false;
	assert(subnet.prefix_len <= ip_bits(ip));
	if (memcmp(subnet.ip.bytes, ip.bytes, whole) != 0)
		return false;
	return rest == 0 || ((subnet.ip.bytes[whole] ^ ip.bytes[whole]) >> (8 - rest)) == 0;
}

struct subnet subnet_network(struct subnet subnet)
{
	for (unsigned int i = 0; i < 16; i++) {
		unsigned int bit = i * 8;

		if (bit >= subnet.prefix_len)
			subnet.ip.bytes[i] = 0;
		else if (subnet.prefix_len - bit < 8)
			subnet.ip.bytes[i] &= (uint8_t)(0xff << (8 - (subnet.prefix_len - bit)));
	}
	return subnet;
}

int subnet_compare(struct subnet a, struct subnet b)
{
	int order = ip_compare(a.ip, b.ip);

	return order != 0 ? order : (int)a.prefix_len - (int)b.prefix_len;
}

int endpoint_parse(const char *text, uint16_t default_port, struct endpoint *ret)
{
	char address[IP_TEXT_MAX];
	struct endpoint endpoint = { .port = default_port };
	const char *start = text;
	const char *end = text + strlen(text);
	const char *port = NULL;
	unsigned int number;

	if (*text == '[') {
		start = text + 1;
		end = strchr(text, ']');
		if (end == NULL || (end[1] != '\0' && end[1] != ':'))
			return -EINVAL;
		port = end[1] == ':' ? end + 2 : NULL;
	} else if (strchr(text, ':') != NULL && strchr(text, ':') == strrchr(text, ':')) {
		end = strchr(text, ':'); /* one colon: IPv4 with a port; more: a bare IPv6 address */
		port = end + 1;
	}
	if ((size_t)(end - start) >= sizeof(address))
		return -EINVAL;
	memcpy(address, start, (size_t)(end - start));
	address[end - start] = '\0';
	if (ip_parse(address, &endpoint.ip) != 0 || (*text == '[' && endpoint.ip.family != IP_V6))
		return -EINVAL;
	if (port != NULL) {
		if (decimal_parse(port, UINT16_MAX, &number) != 0 || number == 0)
			return -EINVAL;
		endpoint.port = (uint16_t)number;
	}
	*ret = endpoint;
	return 0;
}

char *endpoint_format(struct endpoint endpoint, char buf[ENDPOINT_TEXT_MAX])
{
	char address[IP_TEXT_MAX];

	ip_format(endpoint.ip, address);
	if (endpoint.ip.family == IP_V6)
		snprintf(buf, ENDPOINT_TEXT_MAX, "[%s]:%u", address, endpoint.port);
	else
		snprintf(buf, ENDPOINT_TEXT_MAX, "%s:%u", address, endpoint.port);
	return buf;
}

int endpoint_compare(struct endpoint a, struct endpoint b)
{
	int order = ip_compare(a.ip, b.ip);

	return order != 0 ? order : (int)a.port - (int)b.port;
}

bool endpoint_listed(const struct endpoint *list, size_t n, struct endpoint endpoint)
{
	for (size_t i = 0; i < n; i++) {
		if (endpoint_compare(list[i], endpoint) == 0)
			return true;
	}
	return false;
}
