/* SPDX-License-Identifier: Apache-2.0 */
/* election/: services that list their nodes one by one, with scores and interfaces, as Kubernetes needs it. */
#include "tests/unit/test_election_core.h"

static const char *const eth0[] = { "eth0" };
static const char *const eth9[] = { "eth9" };

static void setup_nodes(void)
{
	setup();
	join(4);
}

/* "web34" with these places. */
static void place(const struct election_place *places, size_t n)
{
	static struct election_service lists[2];
	static size_t at;
	struct election_service *service = &lists[at = !at];

	web_ip[0] = ip_of("10.0.0.1");
	*service = (struct election_service){ .name = "web34", .addresses = web_ip, .address_n = 1, .placed = true };
	service->places = places;
	service->place_n = n;
	configure(service, 1);
}

static const char *ranked(void)
{
	static char text[64];
	const char *names[8];
	size_t n = election_candidates(e, web_ip[0], names, ARRAY_LEN(names));
	size_t len = 0;

	text[0] = '\0';
	for (size_t i = 0; i < n; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s ", names[i]);
	return text;
}

START_TEST(only_those_and_by_score)
{
	static const struct election_place places[] = { { .node = "n2", .score = 5 },
							{ .node = "n3", .score = 50 },
							{ .node = "n4" },
							{ .node = "n9", .score = 100 } };

	place(places, ARRAY_LEN(places));
	ck_assert_str_eq(ranked(), "n3 n2 n4 ");
}
END_TEST

START_TEST(none_at_all)
{
	place(NULL, 0);
	tick_at(now_us + 10000000);
	ck_assert_str_eq(ranked(), "");
	ck_assert(!see(web_ip[0]).held);
}
END_TEST

START_TEST(interfaces_by_node)
{
	static const struct election_place places[] = { { .node = "n1", .interfaces = eth0, .interface_n = 1 },
							{ .node = "n2", .interfaces = eth9, .interface_n = 1 } };

	place(places, ARRAY_LEN(places));
	ck_assert_str_eq(ranked(), "n1 ");
	ck_assert_str_eq(the(ELECTION_ACTION_CLAIM)->claim.iface, "eth0");
}
END_TEST

/* Two lists with other contents are never taken for one class. */
START_TEST(classes)
{
	static const struct election_place first[] = { { .node = "n2" } };
	static const struct election_place second[] = { { .node = "n3" } };
	static const char *const names[] = { "a", "b", "c" };
	static struct ip ips[3];
	struct election_service services[3];
	const char *found[4];

	for (size_t i = 0; i < 3; i++) {
		ips[i] = ip_of("10.0.0.1");
		ips[i].bytes[3] = (uint8_t)(i + 1);
		services[i] = (struct election_service){ .name = names[i], .addresses = &ips[i], .address_n = 1 };
		services[i].placed = true;
		services[i].places = i == 1 ? second : first;
		services[i].place_n = 1;
	}
	configure(services, 3);
	for (size_t i = 0; i < 3; i++) {
		ck_assert_uint_eq(election_candidates(e, ips[i], found, ARRAY_LEN(found)), 1);
		ck_assert_str_eq(found[0], i == 1 ? "n3" : "n2");
	}
	configure(NULL, 0); /* services are on this stack */
}
END_TEST

/* The last endpoint of the owner goes: its kernel serves on until another one does. */
START_TEST(place_lost)
{
	static const struct election_place mine[] = { { .node = "n1" } };
	static const struct election_place theirs[] = { { .node = "n2" } };

	place(mine, 1);
	ck_assert(see(web_ip[0]).held);
	about_address(ELECTION_EVENT_CLAIMED, web_ip[0]);
	place(theirs, 1);
	ck_assert(see(web_ip[0]).held);
	ck_assert_int_eq(the(ELECTION_ACTION_PUBLISH)->publish.state, CLAIM_HANDOVER);
	ck_assert_uint_eq(the(ELECTION_ACTION_PUBLISH)->publish.successor, instance_of(2));
	place(NULL, 0); /* and then nobody has one */
	ck_assert(!see(web_ip[0]).held);
	assert_owner(instance_of(1), 0, ELECTION_REASON_INELIGIBLE);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("election_places");
	TCase *tcase = tcase_create("election_places");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_checked_fixture(tcase, setup_nodes, teardown);
	tcase_add_test(tcase, only_those_and_by_score);
	tcase_add_test(tcase, none_at_all);
	tcase_add_test(tcase, interfaces_by_node);
	tcase_add_test(tcase, classes);
	tcase_add_test(tcase, place_lost);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
