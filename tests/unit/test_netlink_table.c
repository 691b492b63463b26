/* SPDX-License-Identifier: Apache-2.0 */
/* netlink/table.c: applying changes, dumps, look-ups, and which segments a host has. */
#include "netlink/table.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

static struct netlink_table *table;

static void set_up(void)
{
	table = netlink_table_new();
	ck_assert_ptr_nonnull(table);
}

static void tear_down(void)
{
	netlink_table_free(table);
}

static struct ip ip_of(const char *text)
{
	struct ip ip;

	ck_assert_int_eq(ip_parse(text, &ip), 0);
	return ip;
}

/* A usable link. */
static struct netlink_change link_of(uint32_t index, const char *name)
{
	struct netlink_change change = { .kind = NETLINK_LINK_SET };

	change.link.index = index;
	snprintf(change.link.name, sizeof(change.link.name), "%s", name);
	change.link.mac = (struct mac){ { 2, 0, 0, 0, 0, (uint8_t)index } };
	change.link.ethernet = change.link.up = change.link.running = true;
	return change;
}

static struct netlink_change address_of(uint32_t index, const char *subnet)
{
	struct netlink_change change = { .kind = NETLINK_ADDRESS_SET };

	change.address.index = index;
	ck_assert_int_eq(subnet_parse(subnet, &change.address.subnet), 0);
	return change;
}

static bool set_link(uint32_t index, const char *name)
{
	struct netlink_change change = link_of(index, name);

	return netlink_table_apply(table, &change);
}

static bool set_address(uint32_t index, const char *subnet)
{
	struct netlink_change change = address_of(index, subnet);

	return netlink_table_apply(table, &change);
}

static bool set_our_address(uint32_t index, const char *subnet)
{
	struct netlink_change change = address_of(index, subnet);

	change.address.ours = true;
	change.address.protocol = NETLINK_ADDRESS_PROTOCOL;
	return netlink_table_apply(table, &change);
}

static bool drop_link(uint32_t index)
{
	struct netlink_change change = { .kind = NETLINK_LINK_GONE, .link.index = index };

	return netlink_table_apply(table, &change);
}

static bool drop_address(uint32_t index, const char *subnet)
{
	struct netlink_change change = address_of(index, subnet);

	change.kind = NETLINK_ADDRESS_GONE;
	return netlink_table_apply(table, &change);
}

START_TEST(links_are_kept)
{
	ck_assert(set_link(7, "eth7"));
	ck_assert(set_link(2, "eth2"));
	ck_assert(set_link(5, "eth5"));
	ck_assert(!set_link(5, "eth5"));
	ck_assert(set_link(5, "renamed"));
	ck_assert_uint_eq(netlink_table_link_n(table), 3);
	ck_assert_uint_eq(netlink_table_link_at(table, 0)->index, 2);
	ck_assert_uint_eq(netlink_table_link_at(table, 1)->index, 5);
	ck_assert_uint_eq(netlink_table_link_at(table, 2)->index, 7);
	ck_assert_str_eq(netlink_table_link(table, 5)->name, "renamed");
	ck_assert_uint_eq(netlink_table_link_named(table, "renamed")->index, 5);
	ck_assert_ptr_null(netlink_table_link_named(table, "eth5"));
	ck_assert_ptr_null(netlink_table_link(table, 6));
	ck_assert(drop_link(5));
	ck_assert(!drop_link(5));
	ck_assert_ptr_null(netlink_table_link(table, 5));
	ck_assert_uint_eq(netlink_table_link_n(table), 2);
}
END_TEST

/* Each field of a link that we look at makes a change. */
START_TEST(link_fields_count)
{
	struct netlink_change base = link_of(3, "eth0");
	struct netlink_change variants[7];

	for (size_t i = 0; i < ARRAY_LEN(variants); i++)
		variants[i] = base;
	variants[0].link.master = 9;
	variants[1].link.mac.bytes[0] = 4;
	variants[2].link.ethernet = false;
	variants[3].link.loopback = true;
	variants[4].link.up = false;
	variants[5].link.running = false;
	variants[6].link.name[3] = '1';
	for (size_t i = 0; i < ARRAY_LEN(variants); i++) {
		netlink_table_apply(table, &base);
		ck_assert_msg(!netlink_table_apply(table, &base), "%zu", i);
		ck_assert_msg(netlink_table_apply(table, &variants[i]), "%zu", i);
	}
}
END_TEST

START_TEST(addresses_are_kept)
{
	ck_assert(set_address(3, "10.0.0.9/24"));
	ck_assert(set_address(3, "10.0.0.5/24"));
	ck_assert(set_address(2, "10.0.0.9/24"));
	ck_assert(set_address(3, "fd00::1/64"));
	ck_assert(!set_address(3, "10.0.0.5/24"));
	ck_assert(set_our_address(3, "10.0.0.5/24")); /* the mark counts */
	ck_assert(set_address(3, "10.0.0.5/32"));     /* the prefix length is part of the key */
	ck_assert_uint_eq(netlink_table_address_n(table), 5);
	ck_assert_uint_eq(netlink_table_address_at(table, 0)->index, 2);
	ck_assert(netlink_table_has_address(table, 3, ip_of("10.0.0.5")));
	ck_assert(!netlink_table_has_address(table, 2, ip_of("10.0.0.5")));
	ck_assert(!netlink_table_has_address(table, 3, ip_of("10.0.0.6")));
	ck_assert(drop_address(3, "10.0.0.5/24"));
	ck_assert(!drop_address(3, "10.0.0.5/24"));
	ck_assert(netlink_table_has_address(table, 3, ip_of("10.0.0.5")));
	ck_assert(drop_address(3, "10.0.0.5/32"));
	ck_assert(!netlink_table_has_address(table, 3, ip_of("10.0.0.5")));
	ck_assert(!drop_address(4, "10.0.0.9/24"));
}
END_TEST

/* An index that the kernel uses again must not inherit addresses. */
START_TEST(link_takes_its_addresses_along)
{
	set_link(3, "eth0");
	set_link(4, "eth1");
	set_address(3, "10.0.0.9/24");
	set_address(3, "fd00::1/64");
	set_address(4, "10.0.0.9/24");
	set_address(2, "10.0.0.9/24");
	ck_assert(drop_link(3));
	ck_assert_uint_eq(netlink_table_address_n(table), 2);
	ck_assert(!netlink_table_has_address(table, 3, ip_of("10.0.0.9")));
	ck_assert(netlink_table_has_address(table, 4, ip_of("10.0.0.9")));
	ck_assert(netlink_table_has_address(table, 2, ip_of("10.0.0.9")));
	ck_assert(drop_link(2)); /* a link that was never seen */
	ck_assert(!drop_link(2));
}
END_TEST

START_TEST(dump_drops_what_it_does_not_name)
{
	set_link(1, "lo");
	set_link(2, "old");
	set_link(3, "eth0");
	set_address(3, "10.0.0.1/24");
	set_address(3, "10.0.0.2/24");
	set_address(3, "10.0.0.3/24");
	netlink_table_dump_begin(table);
	set_link(1, "lo");
	set_link(3, "eth0");
	netlink_table_dump_begin(table); /* interrupted, begun again */
	set_link(3, "eth0");
	set_link(4, "new");
	set_address(3, "10.0.0.2/24");
	set_address(3, "10.0.0.4/24"); /* an event in between */
	ck_assert_uint_eq(netlink_table_link_n(table), 4);
	netlink_table_dump_end(table);
	ck_assert_uint_eq(netlink_table_link_n(table), 2);
	ck_assert_ptr_nonnull(netlink_table_link(table, 3));
	ck_assert_ptr_nonnull(netlink_table_link(table, 4));
	ck_assert_uint_eq(netlink_table_address_n(table), 2);
	ck_assert(netlink_table_has_address(table, 3, ip_of("10.0.0.2")));
	ck_assert(netlink_table_has_address(table, 3, ip_of("10.0.0.4")));
}
END_TEST

START_TEST(acknowledgements_change_nothing)
{
	struct netlink_change done = { .kind = NETLINK_DONE };
	struct netlink_change error = { .kind = NETLINK_ERROR, .error = -1 };

	ck_assert(!netlink_table_apply(table, &done));
	ck_assert(!netlink_table_apply(table, &error));
	ck_assert_uint_eq(netlink_table_link_n(table), 0);
}
END_TEST

/* Full tables keep what they have and go on. */
START_TEST(limits_hold)
{
	struct netlink_change address = address_of(1, "10.0.0.0/32");

	for (uint32_t i = 1; i <= LINK_MAX; i++)
		ck_assert(set_link(i, "x"));
	ck_assert(!set_link(LINK_MAX + 1, "x"));
	ck_assert_uint_eq(netlink_table_link_n(table), LINK_MAX);
	ck_assert(set_link(LINK_MAX, "y"));
	for (unsigned int i = 0; i < LINK_ADDRESS_MAX; i++) {
		address.address.subnet.ip.bytes[2] = (uint8_t)(i >> 8);
		address.address.subnet.ip.bytes[3] = (uint8_t)i;
		ck_assert(netlink_table_apply(table, &address));
	}
	ck_assert(!set_address(1, "192.0.2.1/32"));
	ck_assert(!set_address(1, "1.0.0.1/32"));
	ck_assert_uint_eq(netlink_table_address_n(table), LINK_ADDRESS_MAX);
	ck_assert(drop_address(1, "10.0.1.1/32"));
	ck_assert(set_address(1, "192.0.2.1/32"));
	ck_assert(netlink_table_has_address(table, 1, ip_of("10.0.127.255")));
	ck_assert(!netlink_table_has_address(table, 1, ip_of("10.0.1.1")));
}
END_TEST

/* ---- segments ---- */

static void check_segments(const char *const *first, size_t first_n, size_t total, const char *const *want,
			   size_t want_n)
{
	struct segment segments[SEGMENT_MAX];
	char subnet[SUBNET_TEXT_MAX];
	char text[512];
	size_t n = 99;

	ck_assert_uint_eq(netlink_table_segments(table, first, first_n, segments, &n), total);
	ck_assert_uint_eq(n, want_n);
	for (size_t i = 0; i < n; i++) {
		if (segments[i].subnet.ip.family == IP_NONE)
			snprintf(subnet, sizeof(subnet), "-");
		else
			subnet_format(segments[i].subnet, subnet);
		snprintf(text, sizeof(text), "%.*s %s", IFACE_NAME_MAX, segments[i].iface, subnet);
		ck_assert_str_eq(text, want[i]);
		ck_assert_uint_eq(segments[i].mac.bytes[5], netlink_table_link_named(table, segments[i].iface)->index);
	}
}

START_TEST(segments_of_usable_links)
{
	struct netlink_change change;
	const char *const want[] = { "br0 10.2.0.0/16", "eth0 10.0.0.0/24", "eth0 10.0.1.0/24", "eth0 fd00::/64",
				     "eth9 -" };

	change = link_of(1, "lo");
	change.link.loopback = true;
	netlink_table_apply(table, &change);
	set_address(1, "127.0.0.1/8");
	set_address(1, "198.51.100.1/24");
	set_link(3, "eth0");
	set_address(3, "10.0.1.9/24");
	set_address(3, "10.0.0.9/24");
	set_address(3, "10.0.0.7/24"); /* the same subnet: once */
	set_address(3, "fd00::9/64");
	set_address(3, "fe80::1/64"); /* link-local */
	set_address(3, "169.254.3.4/16");
	set_our_address(3, "10.0.0.100/32");
	set_our_address(3, "fd00::100/128");
	set_address(3, "10.0.0.101/32"); /* somebody's VIP */
	change = link_of(4, "eth1");	 /* enslaved */
	change.link.master = 5;
	netlink_table_apply(table, &change);
	set_address(4, "10.9.0.1/24");
	set_link(5, "br0");
	set_address(5, "10.2.3.4/16");
	change = link_of(6, "eth2"); /* no carrier */
	change.link.running = false;
	netlink_table_apply(table, &change);
	set_address(6, "10.8.0.1/24");
	change = link_of(7, "wg0"); /* no Ethernet */
	change.link.ethernet = false;
	netlink_table_apply(table, &change);
	set_address(7, "10.7.0.1/24");
	set_link(9, "eth9"); /* none but ours */
	set_our_address(9, "10.6.0.1/32");
	check_segments(NULL, 0, ARRAY_LEN(want), want, ARRAY_LEN(want));
}
END_TEST

/* The subnet comes back from between addresses of others, longer and shorter. */
START_TEST(segments_nested_subnets)
{
	const char *const want[] = { "eth0 10.0.0.0/8", "eth0 10.0.0.0/16", "eth0 10.0.0.0/24", "eth0 10.1.0.0/16" };

	set_link(3, "eth0");
	set_address(3, "10.0.0.1/8");
	set_address(3, "10.0.0.2/16");
	set_address(3, "10.0.0.3/24");
	set_address(3, "10.0.0.4/8");
	set_address(3, "10.0.5.5/16");
	set_address(3, "10.1.0.1/16");
	set_address(3, "10.200.0.1/8");
	check_segments(NULL, 0, ARRAY_LEN(want), want, ARRAY_LEN(want));
}
END_TEST

START_TEST(segments_first_ones_are_kept)
{
	const char *const first[] = { "zeta", "absent", "eth9" };
	const char *const plain[] = { "zeta 10.0.0.0/24", "zeta fd00::/64", "eth0 -", "eth1 -",
				      "eth2 -",		  "eth3 -",	    "eth4 -", "eth5 -" };
	const char *const want[] = { "zeta 10.0.0.0/24", "zeta fd00::/64", "eth9 -", "eth0 -",
				     "eth1 -",		 "eth2 -",	   "eth3 -", "eth4 -" };
	char name[IFACE_NAME_MAX + 1];

	for (uint32_t i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "eth%u", i);
		set_link(i + 2, name);
	}
	set_link(20, "zeta");
	set_address(20, "10.0.0.1/24");
	set_address(20, "fd00::1/64");
	check_segments(NULL, 0, 12, plain, ARRAY_LEN(plain));
	check_segments(first, ARRAY_LEN(first), 12, want, ARRAY_LEN(want));
}
END_TEST

START_TEST(segments_of_nothing)
{
	check_segments(NULL, 0, 0, NULL, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("netlink_table");
	TCase *tcase = tcase_create("netlink_table");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, links_are_kept);
	tcase_add_test(tcase, link_fields_count);
	tcase_add_test(tcase, addresses_are_kept);
	tcase_add_test(tcase, link_takes_its_addresses_along);
	tcase_add_test(tcase, dump_drops_what_it_does_not_name);
	tcase_add_test(tcase, acknowledgements_change_nothing);
	tcase_add_test(tcase, limits_hold);
	tcase_add_test(tcase, segments_of_usable_links);
	tcase_add_test(tcase, segments_nested_subnets);
	tcase_add_test(tcase, segments_first_ones_are_kept);
	tcase_add_test(tcase, segments_of_nothing);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
