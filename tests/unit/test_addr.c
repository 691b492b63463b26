/* SPDX-License-Identifier: Apache-2.0 */
/* base/addr.c: parsing, canonical text (RFC 5952), order and classes of addresses. */
#include "base/addr.h"

#include <check.h>
#include <errno.h>
#include <string.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

static struct ip ip_of(const char *text)
{
	struct ip ip;

	ck_assert_msg(ip_parse(text, &ip) == 0, "%s", text);
	return ip;
}

static struct subnet subnet_of(const char *text)
{
	struct subnet subnet;

	ck_assert_msg(subnet_parse(text, &subnet) == 0, "%s", text);
	return subnet;
}

/* Text in, canonical text out; NULL: refused. */
struct text_case {
	const char *text;
	const char *canonical;
};

static const struct text_case ips[] = {
	{ "10.0.0.1", "10.0.0.1" },
	{ "255.255.255.255", "255.255.255.255" },
	{ "2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1" },
	{ "2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1" },
	{ "::", "::" },
	{ "::ffff:10.0.0.1", "::ffff:10.0.0.1" },
	{ "", NULL },
	{ " 10.0.0.1", NULL },
	{ "10.0.0.1 ", NULL },
	{ "10.0.0", NULL },
	{ "10.0.0.256", NULL },
	{ "10.0.0.01", NULL },
	{ "10.0.0.1/32", NULL },
	{ "fe80::1%eth0", NULL },
	{ "1:2:3:4:5:6:7:8:9", NULL },
	{ "::1::2", NULL },
	{ "[::1]", NULL },
};

START_TEST(ip_text)
{
	const struct text_case *c = &ips[_i];
	struct ip ip = { .family = 99 };
	char buf[IP_TEXT_MAX];

	if (c->canonical == NULL) {
		ck_assert_int_eq(ip_parse(c->text, &ip), -EINVAL);
		ck_assert_uint_eq(ip.family, 99);
		return;
	}
	ck_assert_int_eq(ip_parse(c->text, &ip), 0);
	ck_assert_ptr_eq(ip_format(ip, buf), buf);
	ck_assert_str_eq(buf, c->canonical);
	ck_assert(ip_equal(ip_of(buf), ip));
}
END_TEST

START_TEST(ip_basics)
{
	static const uint8_t v4[4] = { 10, 0, 0, 1 };
	static const uint8_t v6[16] = { 0xfd, [15] = 1 };
	struct ip none = { 0 };
	char buf[IP_TEXT_MAX];

	ck_assert(ip_equal(ip_from_v4(v4), ip_of("10.0.0.1")));
	ck_assert(ip_equal(ip_from_v6(v6), ip_of("fd00::1")));
	ck_assert_str_eq(ip_format(none, buf), "-");
	ck_assert_uint_eq(ip_len(none) + ip_bits(none), 0);
	ck_assert_uint_eq(ip_len(ip_of("10.0.0.1")), 4);
	ck_assert_uint_eq(ip_bits(ip_of("10.0.0.1")), 32);
	ck_assert_uint_eq(ip_len(ip_of("::1")), 16);
	ck_assert_uint_eq(ip_bits(ip_of("::1")), 128);
	ck_assert_int_lt(ip_compare(ip_of("10.0.0.2"), ip_of("10.0.0.10")), 0);
	ck_assert_int_gt(ip_compare(ip_of("::"), ip_of("255.255.255.255")), 0);
	ck_assert_int_lt(ip_compare(none, ip_of("0.0.0.0")), 0);
	ck_assert_int_eq(ip_compare(ip_of("fd00::1"), ip_of("fd00:0::1")), 0);
}
END_TEST

static const struct {
	const char *text;
	bool link_local, special;
} classes[] = {
	{ "10.0.0.1", false, false },
	{ "169.254.0.1", true, false },
	{ "169.253.255.255", false, false },
	{ "0.0.0.0", false, true },
	{ "0.1.2.3", false, true },
	{ "127.0.0.1", false, true },
	{ "126.255.255.255", false, false },
	{ "223.255.255.255", false, false },
	{ "224.0.0.1", false, true },
	{ "255.255.255.255", false, true },
	{ "::", false, true },
	{ "::1", false, true },
	{ "::2", false, false },
	{ "fe80::1", true, false },
	{ "febf::1", true, false },
	{ "fec0::1", false, false },
	{ "ff02::1", false, true },
	{ "fd00::1", false, false },
	{ "2001:db8::1", false, false },
};

START_TEST(ip_classes)
{
	struct ip ip = ip_of(classes[_i].text);

	ck_assert_msg(ip_is_link_local(ip) == classes[_i].link_local, "%s", classes[_i].text);
	ck_assert_msg(ip_is_special(ip) == classes[_i].special, "%s", classes[_i].text);
}
END_TEST

static const struct text_case macs[] = {
	{ "aa:bb:cc:dd:ee:ff", "aa:bb:cc:dd:ee:ff" },
	{ "AA:BB:0c:dD:e0:09", "aa:bb:0c:dd:e0:09" },
	{ "", NULL },
	{ "aa", NULL },
	{ "aa:bb:cc:dd:ee", NULL },
	{ "aa:bb:cc:dd:ee:", NULL },
	{ "aa:bb:cc:dd:ee:f", NULL },
	{ "aa:bb:cc:dd:ee:ff:", NULL },
	{ "aa:bb:cc:dd:ee:ff0", NULL },
	{ "aa-bb-cc-dd-ee-ff", NULL },
	{ "ga:bb:cc:dd:ee:ff", NULL },
};

START_TEST(mac_text)
{
	struct mac mac = { { 1, 2, 3, 4, 5, 6 } };
	char buf[MAC_TEXT_MAX];

	if (macs[_i].canonical == NULL) {
		ck_assert_int_eq(mac_parse(macs[_i].text, &mac), -EINVAL);
		ck_assert_str_eq(mac_format(mac, buf), "01:02:03:04:05:06");
		return;
	}
	ck_assert_int_eq(mac_parse(macs[_i].text, &mac), 0);
	ck_assert_str_eq(mac_format(mac, buf), macs[_i].canonical);
}
END_TEST

START_TEST(mac_order)
{
	struct mac a = { { 0, 0, 0, 0, 0, 1 } };
	struct mac b = { { 0, 0, 0, 0, 1, 0 } };

	ck_assert_int_lt(mac_compare(a, b), 0);
	ck_assert(mac_equal(a, a) && !mac_equal(a, b));
	ck_assert(mac_is_zero((struct mac){ { 0 } }) && !mac_is_zero(a));
}
END_TEST

static const struct text_case subnets[] = {
	{ "10.0.0.0/24", "10.0.0.0/24" },
	{ "10.1.2.3", "10.1.2.3/32" },
	{ "10.1.2.3/0", "10.1.2.3/0" },
	{ "fd00::1", "fd00::1/128" },
	{ "fd00::/64", "fd00::/64" },
	{ "2001:db8:1111:2222:3333:4444:5555:6666/128", "2001:db8:1111:2222:3333:4444:5555:6666/128" },
	{ "10.0.0.0/33", NULL },
	{ "fd00::/129", NULL },
	{ "10.0.0.0/", NULL },
	{ "10.0.0.0/024", NULL },
	{ "10.0.0.0/+4", NULL },
	{ "10.0.0.0/4 ", NULL },
	{ "10.0.0.0/99999999999999999999", NULL },
	{ "/24", NULL },
	{ "", NULL },
	{ "10.0.0.0/24/24", NULL },
	{ "0000000000000000000000000000000000000000000000000000000000/1", NULL },
};

START_TEST(subnet_text)
{
	struct subnet subnet = { .prefix_len = 77 };
	char buf[SUBNET_TEXT_MAX];

	if (subnets[_i].canonical == NULL) {
		ck_assert_int_eq(subnet_parse(subnets[_i].text, &subnet), -EINVAL);
		ck_assert_uint_eq(subnet.prefix_len, 77);
		return;
	}
	ck_assert_int_eq(subnet_parse(subnets[_i].text, &subnet), 0);
	ck_assert_str_eq(subnet_format(subnet, buf), subnets[_i].canonical);
}
END_TEST

static const struct {
	const char *subnet, *ip;
	bool inside;
} contains[] = {
	{ "10.0.0.0/24", "10.0.0.255", true },
	{ "10.0.0.0/24", "10.0.1.0", false },
	{ "10.0.0.77/24", "10.0.0.1", true },
	{ "10.0.0.128/25", "10.0.0.127", false },
	{ "10.0.0.128/25", "10.0.0.200", true },
	{ "10.0.0.1/32", "10.0.0.1", true },
	{ "10.0.0.1/32", "10.0.0.2", false },
	{ "0.0.0.0/0", "203.0.113.9", true },
	{ "0.0.0.0/0", "::1", false },
	{ "::/0", "10.0.0.1", false },
	{ "fd00::/65", "fd00::7fff:0:0:0", true },
	{ "fd00::/65", "fd00::8000:0:0:0", false },
	{ "fd00::1/128", "fd00::1", true },
};

START_TEST(subnet_holds)
{
	ck_assert_msg(subnet_contains(subnet_of(contains[_i].subnet), ip_of(contains[_i].ip)) == contains[_i].inside,
		      "%s %s", contains[_i].subnet, contains[_i].ip);
}
END_TEST

static const struct text_case networks[] = {
	{ "10.1.2.3/0", "0.0.0.0/0" },		{ "10.1.2.3/8", "10.0.0.0/8" },
	{ "10.1.2.255/25", "10.1.2.128/25" },	{ "10.1.2.255/31", "10.1.2.254/31" },
	{ "10.1.2.3/32", "10.1.2.3/32" },	{ "fd00::ffff/113", "fd00::8000/113" },
	{ "fd00::ffff/128", "fd00::ffff/128" },
};

START_TEST(subnet_network_of)
{
	char buf[SUBNET_TEXT_MAX];

	ck_assert_str_eq(subnet_format(subnet_network(subnet_of(networks[_i].text)), buf), networks[_i].canonical);
}
END_TEST

START_TEST(subnet_order)
{
	ck_assert_int_lt(subnet_compare(subnet_of("10.0.0.0/8"), subnet_of("10.0.0.0/24")), 0);
	ck_assert_int_gt(subnet_compare(subnet_of("11.0.0.0/8"), subnet_of("10.0.0.0/24")), 0);
	ck_assert_int_eq(subnet_compare(subnet_of("fd00::/8"), subnet_of("fd00::/8")), 0);
	ck_assert(!subnet_contains((struct subnet){ 0 }, (struct ip){ 0 }));
}
END_TEST

static const struct text_case endpoints[] = {
	{ "10.0.0.1", "10.0.0.1:7946" },
	{ "10.0.0.1:80", "10.0.0.1:80" },
	{ "fd00::1", "[fd00::1]:7946" },
	{ "[fd00::1]", "[fd00::1]:7946" },
	{ "[fd00::1]:65535", "[fd00::1]:65535" },
	{ "[2001:db8:1111:2222:3333:4444:5555:6666]:65535", "[2001:db8:1111:2222:3333:4444:5555:6666]:65535" },
	{ "", NULL },
	{ ":80", NULL },
	{ "10.0.0.1:", NULL },
	{ "10.0.0.1:0", NULL },
	{ "10.0.0.1:65536", NULL },
	{ "10.0.0.1:080", NULL },
	{ "[10.0.0.1]:80", NULL },
	{ "[fd00::1", NULL },
	{ "[fd00::1]80", NULL },
	{ "[fd00::1]:", NULL },
	{ "[]:80", NULL },
	{ "localhost:80", NULL },
	{ "localhost", NULL },
	{ "00000000000000000000000000000000000000000000000000000000000:1", NULL },
};

START_TEST(endpoint_text)
{
	struct endpoint endpoint = { .port = 7 };
	char buf[ENDPOINT_TEXT_MAX];

	if (endpoints[_i].canonical == NULL) {
		ck_assert_int_eq(endpoint_parse(endpoints[_i].text, 7946, &endpoint), -EINVAL);
		ck_assert_uint_eq(endpoint.port, 7);
		return;
	}
	ck_assert_int_eq(endpoint_parse(endpoints[_i].text, 7946, &endpoint), 0);
	ck_assert_str_eq(endpoint_format(endpoint, buf), endpoints[_i].canonical);
}
END_TEST

START_TEST(endpoint_order)
{
	struct endpoint a = { ip_of("10.0.0.1"), 80 };
	struct endpoint b = { ip_of("10.0.0.1"), 81 };
	struct endpoint c = { ip_of("10.0.0.2"), 1 };

	ck_assert_int_lt(endpoint_compare(a, b), 0);
	ck_assert_int_lt(endpoint_compare(b, c), 0);
	ck_assert_int_eq(endpoint_compare(c, c), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("addr");
	TCase *tcase = tcase_create("addr");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_loop_test(tcase, ip_text, 0, ARRAY_LEN(ips));
	tcase_add_test(tcase, ip_basics);
	tcase_add_loop_test(tcase, ip_classes, 0, ARRAY_LEN(classes));
	tcase_add_loop_test(tcase, mac_text, 0, ARRAY_LEN(macs));
	tcase_add_test(tcase, mac_order);
	tcase_add_loop_test(tcase, subnet_text, 0, ARRAY_LEN(subnets));
	tcase_add_loop_test(tcase, subnet_holds, 0, ARRAY_LEN(contains));
	tcase_add_loop_test(tcase, subnet_network_of, 0, ARRAY_LEN(networks));
	tcase_add_test(tcase, subnet_order);
	tcase_add_loop_test(tcase, endpoint_text, 0, ARRAY_LEN(endpoints));
	tcase_add_test(tcase, endpoint_order);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
