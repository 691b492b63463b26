/* SPDX-License-Identifier: Apache-2.0 */
/*
 * netlink/netlink.c against the kernel. Every test runs in a network namespace of its
 * own, which ends with its process, on a veth pair v0 - v1. Needs root and ip(8); without them it is skipped (exit
 * status 77).
 */
#include "netlink/netlink.h"

#include <check.h>
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/unit/test_run.h"

/* The exit status that means "skipped". */
#define EXIT_SKIPPED 77

#define WAIT_MS 60000
#define MANY 10000

static const char vip4[] = "192.0.2.10";
static const char vip6[] = "2001:db8::10";

/* What the handler was told. */
static struct {
	unsigned int changed_n;
	size_t removed_n;
	struct ip removed; /* the last one */
	uint32_t removed_index;
	size_t added_n;
	struct ip added[MANY];
	int errors[MANY];
} told;

static struct netlink *netlink;
static uint32_t v0, v1;

static void on_changed(void *arg)
{
	(void)arg;
	told.changed_n++;
}

static void on_removed(void *arg, uint32_t index, struct ip ip)
{
	(void)arg;
	told.removed_n++;
	told.removed = ip;
	told.removed_index = index;
}

static void on_added(void *arg, uint32_t index, struct ip ip, int error)
{
	(void)arg;
	(void)index;
	ck_assert_uint_lt(told.added_n, MANY);
	told.errors[told.added_n] = error;
	told.added[told.added_n++] = ip;
}

static struct netlink *open_netlink(void)
{
	const struct netlink_handler handler = { on_changed, on_removed, on_added, NULL };
	struct netlink *n = NULL;

	ck_assert_int_eq(netlink_open(&handler, &n), 0);
	return n;
}

/* Does the command print the text? */
static bool prints(const char *command, const char *text)
{
	FILE *pipe = popen(command, "re");
	char line[1024];
	bool found = false;

	ck_assert_ptr_nonnull(pipe);
	while (fgets(line, sizeof(line), pipe) != NULL)
		found = found || strstr(line, text) != NULL;
	pclose(pipe);
	return found;
}

static struct ip ip_of(const char *text)
{
	struct ip ip;

	ck_assert_int_eq(ip_parse(text, &ip), 0);
	return ip;
}

static void set_up(void)
{
	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	run("ip link add v0 type veth peer name v1 && ip link set v0 up && ip link set v1 up");
	run("ip addr add 192.0.2.1/24 dev v0 && ip addr add 192.0.2.2/24 dev v1");
	run("ip addr add 2001:db8::1/64 dev v0 nodad && ip addr add 2001:db8::2/64 dev v1 nodad");
	v0 = if_nametoindex("v0");
	v1 = if_nametoindex("v1");
	netlink = open_netlink();
}

static void tear_down(void)
{
	netlink_close(netlink);
}

/* One turn of an event loop: wait for one of the descriptors, read. */
static void turn(struct netlink *n, int timeout_ms)
{
	struct pollfd fds[2] = { { .fd = netlink_event_fd(n), .events = POLLIN },
				 { .fd = netlink_request_fd(n), .events = POLLIN } };

	if (poll(fds, 2, timeout_ms) > 0)
		ck_assert_int_eq(netlink_read(n), 0);
}

/* Turn until the condition holds; fail after WAIT_MS. */
#define TURN_UNTIL(n, condition)                                                                         \
	do {                                                                                             \
		struct instant until = instant_add(clock_now(), span_ms(WAIT_MS));                       \
		while (!(condition)) {                                                                   \
			ck_assert_msg(instant_before(clock_now(), until), "never came: %s", #condition); \
			turn((n), 10);                                                                   \
		}                                                                                        \
	} while (0)

/* Turn for some time, to see that nothing more comes. */
static void turn_for(struct netlink *n, int64_t ms)
{
	struct instant until = instant_add(clock_now(), span_ms(ms));

	while (instant_before(clock_now(), until))
		turn(n, 10);
}

static bool has(const struct netlink *n, uint32_t index, const char *ip)
{
	return netlink_table_has_address(netlink_table(n), index, ip_of(ip));
}

/* The entry of an address, or NULL. */
static const struct netlink_address *entry_of(const struct netlink *n, const char *ip)
{
	const struct netlink_table *table = netlink_table(n);

	for (size_t i = 0; i < netlink_table_address_n(table); i++) {
		if (ip_equal(netlink_table_address_at(table, i)->subnet.ip, ip_of(ip)))
			return netlink_table_address_at(table, i);
	}
	return NULL;
}

/* Add both VIPs to v0 and wait for the kernel and the events. */
static void add_vips(uint32_t valid_s)
{
	size_t before = told.added_n;

	ck_assert_int_eq(netlink_add(netlink, v0, ip_of(vip4), valid_s), 0);
	ck_assert_int_eq(netlink_add(netlink, v0, ip_of(vip6), valid_s), 0);
	TURN_UNTIL(netlink, told.added_n == before + 2 && has(netlink, v0, vip4) && has(netlink, v0, vip6));
	ck_assert_int_eq(told.errors[before], 0);
	ck_assert_int_eq(told.errors[before + 1], 0);
}

/* The flags of the IPv6 VIP as ip(8) prints them, in whatever order. */
static void check_flags(void)
{
	const char *command = "ip -6 -o addr show dev v0 to 2001:db8::10";

	ck_assert(prints(command, " nodad "));
	ck_assert(prints(command, " deprecated "));
	ck_assert(prints(command, " noprefixroute "));
}

START_TEST(first_dump_knows_the_host)
{
	const struct netlink_table *table = netlink_table(netlink);
	const struct netlink_link *link = netlink_table_link_named(table, "v0");

	ck_assert_ptr_nonnull(link);
	ck_assert_uint_eq(link->index, v0);
	ck_assert(link->ethernet && link->up && link->running && !link->loopback);
	ck_assert(!mac_is_zero(link->mac));
	ck_assert(netlink_table_link_named(table, "lo")->loopback);
	ck_assert(has(netlink, v0, "192.0.2.1"));
	ck_assert(has(netlink, v1, "2001:db8::2"));
	ck_assert_uint_eq(told.changed_n, 0);
}
END_TEST

START_TEST(address_comes_and_goes)
{
	const struct netlink_address *entry;
	unsigned int changed_n;

	add_vips(30);
	ck_assert_uint_ge(told.changed_n, 1);
	entry = entry_of(netlink, vip4);
	ck_assert(entry->ours && entry->subnet.prefix_len == 32);
	entry = entry_of(netlink, vip6);
	ck_assert(entry->ours && entry->subnet.prefix_len == 128 && !entry->tentative);
	ck_assert_uint_eq(entry->protocol, NETLINK_ADDRESS_PROTOCOL); /* Linux 5.18 */
	ck_assert(prints("ip -4 addr show dev v0", "v0:mlb"));
	ck_assert(prints("ip -4 addr show dev v0", "valid_lft 30sec preferred_lft 30sec"));
	check_flags();
	ck_assert(prints("ip -6 addr show dev v0", "valid_lft 30sec preferred_lft 0sec"));

	/* a renewal changes lifetimes, not what the table has, and keeps the flags */
	changed_n = told.changed_n;
	add_vips(90);
	turn_for(netlink, 50);
	ck_assert_uint_eq(told.changed_n, changed_n);
	ck_assert(prints("ip -4 addr show dev v0", "valid_lft 90sec"));
	check_flags();
	ck_assert(prints("ip -6 addr show dev v0", "valid_lft 90sec preferred_lft 0sec"));

	ck_assert_int_eq(netlink_del(netlink, v0, ip_of(vip4)), 0);
	ck_assert_int_eq(netlink_del(netlink, v0, ip_of(vip6)), 0);
	TURN_UNTIL(netlink, !has(netlink, v0, vip4) && !has(netlink, v0, vip6));
	ck_assert_int_eq(netlink_del(netlink, v0, ip_of(vip4)), 0); /* a second time: nothing */
	turn_for(netlink, 50);
	ck_assert_uint_eq(told.removed_n, 0);
	ck_assert(has(netlink, v0, "192.0.2.1"));
}
END_TEST

START_TEST(no_end_is_forever)
{
	add_vips(0);
	ck_assert(prints("ip -4 addr show label v0:mlb", "valid_lft forever preferred_lft forever"));
	ck_assert(prints("ip -6 addr show dev v0", "valid_lft forever preferred_lft 0sec"));
}
END_TEST

START_TEST(removal_by_others_is_told)
{
	add_vips(30);
	run("ip addr del %s/32 dev v0", vip4);
	TURN_UNTIL(netlink, told.removed_n == 1);
	ck_assert(ip_equal(told.removed, ip_of(vip4)));
	ck_assert_uint_eq(told.removed_index, v0);
	run("ip addr del %s/128 dev v0", vip6);
	TURN_UNTIL(netlink, told.removed_n == 2);
	ck_assert(ip_equal(told.removed, ip_of(vip6)));
	/* the same again after it was put back */
	add_vips(30);
	run("ip addr flush dev v0");
	TURN_UNTIL(netlink, told.removed_n == 4);
	turn_for(netlink, 50);
	ck_assert_uint_eq(told.removed_n, 4);
}
END_TEST

/* Removed and put back by others before we looked: nothing to tell. And the same of an address that is not ours. */
START_TEST(what_is_there_is_not_removed)
{
	add_vips(30);
	run("ip addr del %s/128 dev v0 && ip addr add %s/128 dev v0 nodad && ip addr del 192.0.2.1/24 dev v0", vip6,
	    vip6);
	TURN_UNTIL(netlink, !has(netlink, v0, "192.0.2.1"));
	turn_for(netlink, 50);
	ck_assert_uint_eq(told.removed_n, 0);
}
END_TEST

/* Our own delete is seen as an event after our next add: it must not pass for somebody else's. */
START_TEST(delete_and_add_again)
{
	for (unsigned int i = 0; i < 20; i++) {
		add_vips(30);
		ck_assert_int_eq(netlink_del(netlink, v0, ip_of(vip4)), 0);
		ck_assert_int_eq(netlink_del(netlink, v0, ip_of(vip6)), 0);
		add_vips(30);
	}
	turn_for(netlink, 50);
	ck_assert_uint_eq(told.removed_n, 0);
	ck_assert(has(netlink, v0, vip4) && has(netlink, v0, vip6));
}
END_TEST

/* Removed by others before we even read that it is there. */
START_TEST(removal_at_once_is_told)
{
	ck_assert_int_eq(netlink_add(netlink, v0, ip_of(vip4), 30), 0);
	ck_assert_int_eq(netlink_add(netlink, v0, ip_of(vip6), 30), 0);
	ck_assert_int_eq(netlink_send(netlink), 0);
	run("ip addr del %s/32 dev v0 && ip addr del %s/128 dev v0", vip4, vip6);
	TURN_UNTIL(netlink, told.removed_n == 2);
	ck_assert_uint_eq(told.added_n, 2);
	turn_for(netlink, 50);
	ck_assert_uint_eq(told.removed_n, 2);
}
END_TEST

START_TEST(expiry_is_not_a_removal)
{
	add_vips(1);
	TURN_UNTIL(netlink, !has(netlink, v0, vip4) && !has(netlink, v0, vip6));
	turn_for(netlink, 50);
	ck_assert_uint_eq(told.removed_n, 0);
}
END_TEST

START_TEST(link_state_is_seen)
{
	const struct netlink_table *table = netlink_table(netlink);
	struct segment segments[SEGMENT_MAX];
	size_t n;

	ck_assert_uint_eq(netlink_table_segments(table, NULL, 0, segments, &n), 4);
	add_vips(30);
	ck_assert_uint_eq(netlink_table_segments(table, NULL, 0, segments, &n), 4);
	run("ip link set v1 down"); /* the other end: no carrier */
	TURN_UNTIL(netlink, !netlink_table_link(table, v0)->running);
	ck_assert(netlink_table_link(table, v0)->up);
	ck_assert_uint_eq(netlink_table_segments(table, NULL, 0, segments, &n), 0);
	run("ip link set v1 up");
	TURN_UNTIL(netlink, netlink_table_link(table, v0)->running);
	ck_assert_uint_eq(told.removed_n, 0);
	run("ip link set v0 down"); /* takes IPv6 addresses off */
	TURN_UNTIL(netlink, !netlink_table_link(table, v0)->up && told.removed_n == 1);
	ck_assert(ip_equal(told.removed, ip_of(vip6)));
	ck_assert(has(netlink, v0, vip4));
}
END_TEST

START_TEST(enslaved_link_is_no_segment)
{
	const struct netlink_table *table = netlink_table(netlink);
	struct segment segments[SEGMENT_MAX];
	bool bridge = false;
	size_t n;

	run("ip link add br0 type bridge && ip link set br0 up && ip link set v0 master br0");
	TURN_UNTIL(netlink, netlink_table_link(table, v0)->master != 0);
	ck_assert_uint_eq(netlink_table_link(table, v0)->master, if_nametoindex("br0"));
	TURN_UNTIL(netlink, netlink_table_link_named(table, "br0")->running);
	netlink_table_segments(table, NULL, 0, segments, &n);
	for (size_t i = 0; i < n; i++) {
		bridge = bridge || strcmp(segments[i].iface, "br0") == 0;
		ck_assert_str_ne(segments[i].iface, "v0");
	}
	ck_assert(bridge);
	/* leaving it is an RTM_DELLINK of family AF_BRIDGE: the link stays */
	run("ip link set v0 nomaster");
	TURN_UNTIL(netlink, netlink_table_link(table, v0)->master == 0);
	turn_for(netlink, 50);
	ck_assert_ptr_nonnull(netlink_table_link(table, v0));
	run("ip link del br0");
	TURN_UNTIL(netlink, netlink_table_link_named(table, "br0") == NULL);
}
END_TEST

START_TEST(link_gone_ends_what_was_there)
{
	add_vips(30);
	run("ip link del v0");
	TURN_UNTIL(netlink, netlink_table_link(netlink_table(netlink), v0) == NULL);
	TURN_UNTIL(netlink, told.removed_n == 2);
	ck_assert_int_eq(netlink_add(netlink, v0, ip_of(vip4), 30), 0);
	TURN_UNTIL(netlink, told.added_n == 3);
	ck_assert_int_eq(told.errors[2], -ENODEV);
	turn_for(netlink, 50);
	ck_assert_uint_eq(told.removed_n, 2);
}
END_TEST

START_TEST(leftovers_are_cleaned)
{
	const struct ip keep[] = { ip_of("192.0.2.12") };

	add_vips(0);
	ck_assert_int_eq(netlink_add(netlink, v1, ip_of("192.0.2.11"), 0), 0);
	ck_assert_int_eq(netlink_add(netlink, v1, keep[0], 0), 0);
	ck_assert_int_eq(netlink_send(netlink), 0);
	run("ip addr add 192.0.2.13/32 dev v0"); /* not ours */
	netlink_close(netlink);
	netlink = open_netlink();
	ck_assert(has(netlink, v0, vip4) && has(netlink, v0, vip6));
	ck_assert_uint_eq(netlink_clean_leftovers(netlink, keep, 1), 3);
	TURN_UNTIL(netlink, !has(netlink, v0, vip4) && !has(netlink, v0, vip6) && !has(netlink, v1, "192.0.2.11"));
	ck_assert(has(netlink, v1, "192.0.2.12"));
	ck_assert(has(netlink, v0, "192.0.2.13"));
	ck_assert(has(netlink, v0, "192.0.2.1"));
	ck_assert_uint_eq(netlink_clean_leftovers(netlink, keep, 1), 0);
	ck_assert_uint_eq(told.removed_n, 0);
}
END_TEST

static struct ip nth_ip(uint32_t i)
{
	const uint8_t bytes[4] = { 10, 1, (uint8_t)(i >> 8), (uint8_t)i };

	return ip_from_v4(bytes);
}

START_TEST(many_requests_in_order)
{
	size_t before = netlink_table_address_n(netlink_table(netlink));

	for (uint32_t i = 0; i < MANY; i++)
		ck_assert_int_eq(netlink_add(netlink, v0, nth_ip(i), 0), 0);
	while (told.added_n < MANY) {
		size_t added_n = told.added_n;

		turn(netlink, 1000);
		ck_assert_uint_gt(told.added_n, added_n); /* each turn brings answers: the queue never stands still */
	}
	for (uint32_t i = 0; i < MANY; i++) {
		ck_assert_int_eq(told.errors[i], 0);
		ck_assert(ip_equal(told.added[i], nth_ip(i)));
	}
	TURN_UNTIL(netlink, netlink_table_address_n(netlink_table(netlink)) == before + MANY);
	ck_assert_uint_eq(netlink_clean_leftovers(netlink, NULL, 0), MANY);
	TURN_UNTIL(netlink, netlink_table_address_n(netlink_table(netlink)) == before);
	ck_assert_uint_eq(told.removed_n, 0);
}
END_TEST

START_TEST(queue_is_bounded)
{
	int error = 0;

	for (size_t i = 0; i < NETLINK_QUEUE_MAX; i++)
		ck_assert_int_eq(netlink_del(netlink, v0, ip_of(vip4)), 0);
	error = netlink_add(netlink, v0, ip_of(vip4), 30);
	ck_assert_int_eq(error, -ENOBUFS);
	turn(netlink, 1000);
	ck_assert_int_eq(netlink_add(netlink, v0, ip_of(vip4), 30), 0);
	ck_assert_int_eq(netlink_add(netlink, v0, (struct ip){ 0 }, 30), -EINVAL);
}
END_TEST

/* The first add goes at once, those after it together; a removal takes along what waits. */
START_TEST(adds_are_gathered)
{
	for (uint32_t i = 0; i < 3; i++)
		ck_assert_int_eq(netlink_add(netlink, v0, nth_ip(i), 0), 0);
	ck_assert(prints("ip addr show dev v0", " 10.1.0.0/32"));
	ck_assert(!prints("ip addr show dev v0", " 10.1.0.1/32"));
	ck_assert_int_eq(netlink_send(netlink), 0);
	ck_assert(prints("ip addr show dev v0", " 10.1.0.2/32"));
	ck_assert_int_eq(netlink_add(netlink, v0, nth_ip(3), 0), 0);
	ck_assert(!prints("ip addr show dev v0", " 10.1.0.3/32"));
	ck_assert_int_eq(netlink_del(netlink, v0, nth_ip(0)), 0);
	ck_assert(prints("ip addr show dev v0", " 10.1.0.3/32"));
	ck_assert(!prints("ip addr show dev v0", " 10.1.0.0/32"));
}
END_TEST

/* A daemon that was stopped for longer than the lifetime must not add what waited in its queue meanwhile. */
START_TEST(late_adds_are_not_sent)
{
	size_t sent = 0;

	for (uint32_t i = 0; i < 300; i++)
		ck_assert_int_eq(netlink_add(netlink, v0, nth_ip(i), 1), 0);
	usleep(1200 * 1000);
	TURN_UNTIL(netlink, told.added_n == 300);
	while (sent < 300 && told.errors[sent] == 0)
		sent++;
	ck_assert_uint_gt(sent, 0);
	ck_assert_uint_lt(sent, 300);
	for (size_t i = sent; i < 300; i++) {
		ck_assert_int_eq(told.errors[i], -ETIMEDOUT);
		ck_assert(ip_equal(told.added[i], nth_ip((uint32_t)i)));
		ck_assert(!netlink_table_has_address(netlink_table(netlink), v0, told.added[i]));
	}
}
END_TEST

/* Lose events on purpose: a tiny buffer, and another program that does much. */
START_TEST(overflow_is_made_good)
{
	struct netlink *other = open_netlink();
	int tiny = 1;
	unsigned int changed_n;

	add_vips(300); /* none runs out, however busy the machine is */
	changed_n = told.changed_n;
	ck_assert_int_eq(setsockopt(netlink_event_fd(netlink), SOL_SOCKET, SO_RCVBUF, &tiny, sizeof(tiny)), 0);
	for (uint32_t i = 0; i < 100; i++)
		ck_assert_int_eq(netlink_add(other, v0, nth_ip(i), 0), 0);
	ck_assert_int_eq(netlink_del(other, v0, ip_of(vip6)), 0);
	ck_assert(has(netlink, v0, vip6));
	TURN_UNTIL(netlink, told.removed_n > 0);
	ck_assert(ip_equal(told.removed, ip_of(vip6)));
	for (uint32_t i = 0; i < 100; i++)
		ck_assert(netlink_table_has_address(netlink_table(netlink), v0, nth_ip(i)));
	ck_assert(has(netlink, v0, vip4));
	ck_assert_uint_gt(told.changed_n, changed_n);
	netlink_close(other);
}
END_TEST

/* Answers that were lost are asked for again. */
START_TEST(lost_answers_are_made_good)
{
	int tiny = 1;

	ck_assert_int_eq(setsockopt(netlink_request_fd(netlink), SOL_SOCKET, SO_RCVBUF, &tiny, sizeof(tiny)), 0);
	for (uint32_t i = 0; i < 20; i++)
		ck_assert_int_eq(netlink_add(netlink, v0, nth_ip(i), 0), 0);
	/* the answers that fit are 2-3; each turn loses the others again, so give it room after the first loss */
	turn(netlink, 1000);
	tiny = 1 << 20;
	ck_assert_int_eq(setsockopt(netlink_request_fd(netlink), SOL_SOCKET, SO_RCVBUF, &tiny, sizeof(tiny)), 0);
	TURN_UNTIL(netlink, told.added_n == 20);
	for (uint32_t i = 0; i < 20; i++) {
		ck_assert_int_eq(told.errors[i], 0);
		ck_assert(ip_equal(told.added[i], nth_ip(i)));
	}
}
END_TEST

START_TEST(rights)
{
	ck_assert_int_eq(netlink_probe_rights(netlink), 0);
	ck_assert_int_eq(seteuid(65534), 0);
	ck_assert_int_eq(netlink_probe_rights(netlink), -EPERM);
	ck_assert_int_eq(seteuid(0), 0);
}
END_TEST

/* ---- local routes ---- */

static bool has_route(const char *ip)
{
	return netlink_has(netlink, NETLINK_LOCAL_ROUTE, ip_of(ip));
}

static void add_routes(void)
{
	size_t before = told.added_n;

	ck_assert_int_eq(netlink_add(netlink, NETLINK_LOCAL_ROUTE, ip_of(vip4), 30), 0);
	ck_assert_int_eq(netlink_add(netlink, NETLINK_LOCAL_ROUTE, ip_of(vip6), 30), 0);
	TURN_UNTIL(netlink, told.added_n == before + 2 && has_route(vip4) && has_route(vip6));
	ck_assert_int_eq(told.errors[before], 0);
	ck_assert_int_eq(told.errors[before + 1], 0);
}

/* lo must be up, as it is on every host. */
START_TEST(route_comes_and_goes)
{
	unsigned int changed_n;

	run("ip link set lo up");
	turn_for(netlink, 50);
	changed_n = told.changed_n;
	add_routes();
	ck_assert(
		prints("ip -4 route show table local", "local 192.0.2.10 dev lo proto 109 scope host metric 7171170"));
	ck_assert(prints("ip -6 route show table local", "local 2001:db8::10 dev lo proto 109 metric 7171170"));
	add_routes(); /* a second time: it is there, and that is fine */
	ck_assert_int_eq(netlink_del(netlink, NETLINK_LOCAL_ROUTE, ip_of(vip4)), 0);
	ck_assert_int_eq(netlink_del(netlink, NETLINK_LOCAL_ROUTE, ip_of(vip6)), 0);
	TURN_UNTIL(netlink, !has_route(vip4) && !has_route(vip6));
	turn_for(netlink, 50);
	ck_assert(!prints("ip -4 route show table local", vip4) && !prints("ip -6 route show table local", vip6));
	ck_assert_uint_eq(told.removed_n, 0);
	ck_assert_uint_eq(told.changed_n, changed_n); /* routes change no segment */
}
END_TEST

/* Somebody's own route to the same address, the kernel's for an address included, is not touched. */
START_TEST(route_of_others_stays)
{
	run("ip link set lo up && ip addr add %s/32 dev v1 && ip -6 addr add %s/128 dev v1 nodad", vip4, vip6);
	/* the kernel makes the route of an IPv6 address some time later */
	TURN_UNTIL(netlink, prints("ip -6 route show table local", "local 2001:db8::10 dev v1 proto kernel"));
	add_routes();
	ck_assert_int_eq(netlink_del(netlink, NETLINK_LOCAL_ROUTE, ip_of(vip4)), 0);
	ck_assert_int_eq(netlink_del(netlink, NETLINK_LOCAL_ROUTE, ip_of(vip6)), 0);
	TURN_UNTIL(netlink, !has_route(vip4) && !has_route(vip6));
	ck_assert(prints("ip -4 route show table local", "local 192.0.2.10 dev v1 proto kernel"));
	ck_assert(prints("ip -6 route show table local", "local 2001:db8::10 dev v1 proto kernel"));
	ck_assert_uint_eq(told.removed_n, 0);
}
END_TEST

START_TEST(route_removal_is_told)
{
	run("ip link set lo up");
	add_routes();
	run("ip route del table local local %s metric 7171170", vip4);
	TURN_UNTIL(netlink, told.removed_n == 1);
	ck_assert(ip_equal(told.removed, ip_of(vip4)));
	ck_assert_uint_eq(told.removed_index, NETLINK_LOCAL_ROUTE);
	run("ip -6 route flush table local proto 109");
	TURN_UNTIL(netlink, told.removed_n == 2);
	ck_assert(ip_equal(told.removed, ip_of(vip6)));
	/* an interface that goes down takes none of them along */
	add_routes();
	run("ip link set v0 down && ip link set v0 up && ip link del v0");
	turn_for(netlink, 100);
	ck_assert_uint_eq(told.removed_n, 2);
	ck_assert(has_route(vip4) && has_route(vip6));
}
END_TEST

START_TEST(route_leftovers_are_cleaned)
{
	run("ip link set lo up");
	add_routes();
	run("ip route add local 192.0.2.13/32 dev lo table local");
	netlink_close(netlink);
	netlink = open_netlink();
	ck_assert(has_route(vip4) && has_route(vip6) && !has_route("192.0.2.13"));
	ck_assert_uint_eq(netlink_clean_leftovers(netlink, &(struct ip){ 0 }, 0), 2);
	TURN_UNTIL(netlink, !has_route(vip4) && !has_route(vip6));
	ck_assert(prints("ip -4 route show table local", "local 192.0.2.13 dev lo"));
	ck_assert_uint_eq(netlink_clean_leftovers(netlink, NULL, 0), 0);
}
END_TEST

/* A dump makes good what events did not tell, of routes as well. */
START_TEST(route_overflow_is_made_good)
{
	struct netlink *other;
	int tiny = 1;

	run("ip link set lo up");
	add_routes();
	other = open_netlink();
	ck_assert_int_eq(setsockopt(netlink_event_fd(netlink), SOL_SOCKET, SO_RCVBUF, &tiny, sizeof(tiny)), 0);
	for (uint32_t i = 0; i < 100; i++)
		ck_assert_int_eq(netlink_add(other, NETLINK_LOCAL_ROUTE, nth_ip(i), 0), 0);
	TURN_UNTIL(other, netlink_has(other, NETLINK_LOCAL_ROUTE, nth_ip(99)));
	ck_assert_int_eq(netlink_del(other, NETLINK_LOCAL_ROUTE, ip_of(vip6)), 0);
	TURN_UNTIL(netlink, told.removed_n == 1);
	ck_assert(ip_equal(told.removed, ip_of(vip6)));
	for (uint32_t i = 0; i < 100; i++)
		ck_assert(netlink_has(netlink, NETLINK_LOCAL_ROUTE, nth_ip(i)));
	netlink_close(other);
}
END_TEST

/* Routes of others do not even wake us. */
START_TEST(routes_of_others_are_not_heard)
{
	struct pollfd fd = { .fd = netlink_event_fd(netlink), .events = POLLIN };

	turn_for(netlink, 100);
	run("ip route add 203.0.113.0/24 via 192.0.2.7 && ip route del 203.0.113.0/24");
	ck_assert_int_eq(poll(&fd, 1, 100), 0);
}
END_TEST

static Suite *suite_of_all(void)
{
	Suite *suite = suite_create("netlink_shell");
	TCase *tcase = tcase_create("netlink_shell");

	suite_add_tcase(suite, tcase);
	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, first_dump_knows_the_host);
	tcase_add_test(tcase, address_comes_and_goes);
	tcase_add_test(tcase, no_end_is_forever);
	tcase_add_test(tcase, removal_by_others_is_told);
	tcase_add_test(tcase, what_is_there_is_not_removed);
	tcase_add_test(tcase, delete_and_add_again);
	tcase_add_test(tcase, removal_at_once_is_told);
	tcase_add_test(tcase, expiry_is_not_a_removal);
	tcase_add_test(tcase, link_state_is_seen);
	tcase_add_test(tcase, enslaved_link_is_no_segment);
	tcase_add_test(tcase, link_gone_ends_what_was_there);
	tcase_add_test(tcase, leftovers_are_cleaned);
	tcase_add_test(tcase, many_requests_in_order);
	tcase_add_test(tcase, queue_is_bounded);
	tcase_add_test(tcase, adds_are_gathered);
	tcase_add_test(tcase, late_adds_are_not_sent);
	tcase_add_test(tcase, overflow_is_made_good);
	tcase_add_test(tcase, lost_answers_are_made_good);
	tcase_add_test(tcase, rights);
	tcase_add_test(tcase, route_comes_and_goes);
	tcase_add_test(tcase, route_of_others_stays);
	tcase_add_test(tcase, route_removal_is_told);
	tcase_add_test(tcase, route_leftovers_are_cleaned);
	tcase_add_test(tcase, route_overflow_is_made_good);
	tcase_add_test(tcase, routes_of_others_are_not_heard);
	return suite;
}

int main(void)
{
	SRunner *runner;
	int failed;

	if (geteuid() != 0 || system("ip -V >/dev/null 2>&1") != 0) {
		puts("test_netlink_shell: needs root and ip(8): skipped");
		return EXIT_SKIPPED;
	}
	/* Each test makes its own; this tells whether that is allowed, and keeps a CK_FORK=no run off the host. */
	if (unshare(CLONE_NEWNET) != 0) {
		printf("test_netlink_shell: no network namespace (%s): skipped\n", strerror(errno));
		return EXIT_SKIPPED;
	}
	runner = srunner_create(suite_of_all());
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
