/* SPDX-License-Identifier: Apache-2.0 */
/* base/addr.c: texts of any content. What parses prints in a canonical form that parses to the same. */
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(bool good)
{
	if (!good)
		abort();
}

static void try_ip(const char *text)
{
	char buf[IP_TEXT_MAX];
	struct ip ip, again;

	if (ip_parse(text, &ip) != 0)
		return;
	check(ip_parse(ip_format(ip, buf), &again) == 0 && ip_equal(ip, again));
	(void)ip_is_special(ip);
	(void)ip_is_link_local(ip);
}

static void try_mac(const char *text)
{
	char buf[MAC_TEXT_MAX];
	struct mac mac, again;

	if (mac_parse(text, &mac) == 0)
		check(mac_parse(mac_format(mac, buf), &again) == 0 && mac_equal(mac, again));
}

static void try_subnet(const char *text)
{
	char buf[SUBNET_TEXT_MAX];
	struct subnet subnet, again;

	if (subnet_parse(text, &subnet) != 0)
		return;
	check(subnet_parse(subnet_format(subnet, buf), &again) == 0 && subnet_compare(subnet, again) == 0);
	check(subnet_contains(subnet, subnet.ip));
	check(subnet_contains(subnet, subnet_network(subnet).ip));
}

static void try_endpoint(const char *text)
{
	char buf[ENDPOINT_TEXT_MAX];
	struct endpoint endpoint, again;

	if (endpoint_parse(text, 7946, &endpoint) == 0)
		check(endpoint_parse(endpoint_format(endpoint, buf), 1, &again) == 0 &&
		      endpoint_compare(endpoint, again) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text = malloc(len + 1);

	if (text == NULL)
		return 0;
	if (len > 0)
		memcpy(text, data, len);
	text[len] = '\0';
	try_ip(text);
	try_mac(text);
	try_subnet(text);
	try_endpoint(text);
	free(text);
	return 0;
}
