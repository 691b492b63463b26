/* SPDX-License-Identifier: Apache-2.0 */
/* daemon/diagnose_rules.c and daemon/diagnose_finding.c: facts in, codes out. */
#include "daemon/diagnose_rules.h"

#include <check.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

static struct diagnosis *d;

static void setup(void)
{
	d = calloc(1, sizeof(*d));
}

static void teardown(void)
{
	free(d);
}

/* The codes that were found, in order, with a blank between them. */
static void expect(const char *codes)
{
	char found[1024] = "";

	for (size_t i = 0; i < d->finding_n && i < FINDING_MAX; i++) {
		if (i > 0)
			strcat(found, " ");
		strcat(found, finding_kind_of(d->findings[i].code)->name);
	}
	ck_assert_str_eq(found, codes);
}

static struct ip ip_of(const char *text)
{
	struct ip ip;

	ck_assert_int_eq(ip_parse(text, &ip), 0);
	return ip;
}

#define ALL_RIGHTS UINT64_MAX
#define WITHOUT(bit) (ALL_RIGHTS & ~(UINT64_C(1) << (bit)))

static const struct {
	struct diagnose_process facts;
	const char *codes;
} processes[] = {
	{ { .joined = true, .capabilities = ALL_RIGHTS }, "" },
	{ { .joined = false, .draining = true, .capabilities = ALL_RIGHTS }, "not-joined" },
	{ { .joined = true, .draining = true, .capabilities = ALL_RIGHTS }, "draining" },
	{ { .joined = true, .capabilities = WITHOUT(CAP_NET_RAW) }, "capability-missing" },
	{ { .joined = true, .capabilities = WITHOUT(CAP_NET_ADMIN) }, "capability-missing" },
	{ { .joined = true, .capabilities = WITHOUT(CAP_SETUID) }, "" },
	{ { .joined = true, .capabilities = WITHOUT(CAP_SETUID), .switches_user = true }, "capability-missing" },
	{ { .joined = true, .capabilities = WITHOUT(CAP_SETGID), .switches_user = true }, "capability-missing" },
	{ { .joined = true, .capabilities = WITHOUT(CAP_KILL), .switches_user = true }, "capability-missing" },
	{ { .joined = true, .capabilities = 0 }, "capability-missing capability-missing" },
	{ { .joined = true, .capabilities = ALL_RIGHTS, .priority_wanted = 10, .priority = 10 }, "" },
	{ { .joined = true, .capabilities = ALL_RIGHTS, .priority_wanted = 10, .priority = 0 }, "realtime-refused" },
	{ { .joined = true, .capabilities = ALL_RIGHTS, .lock_wanted = true }, "memory-not-locked" },
	{ { .joined = true, .capabilities = ALL_RIGHTS, .lock_wanted = true, .locked = true }, "" },
	{ { .joined = true, .capabilities = ALL_RIGHTS, .late_p99 = { 5000 } }, "" },
	{ { .joined = true, .capabilities = ALL_RIGHTS, .late_p99 = { 5001 } }, "loop-late" },
};

START_TEST(process)
{
	struct diagnose_process facts = processes[_i].facts;

	facts.node = "n1";
	diagnose_process(d, &facts);
	expect(processes[_i].codes);
}
END_TEST

/* A host with one interface and the kernel's defaults, and one with two, each fact spoilt in turn. */
static const struct {
	struct diagnose_link facts;
	const char *codes;
} links[] = {
	{ { .v4 = true, .v6 = true, .alone = true, .accept_dad = 1 }, "" },
	{ { .v4 = true, .alone = true, .silent = true }, "segment-silent" },
	{ { .v4 = true, .arp_announce = 2 }, "" },
	{ { .v4 = true }, "arp-announce" },
	{ { .v6 = true }, "" },
	{ { .v4 = true, .alone = true, .rp_filter = 1 }, "" },
	{ { .v4 = true, .arp_announce = 2, .rp_filter = 1 }, "rp-filter-strict" },
	{ { .v4 = true, .arp_announce = 2, .rp_filter = 2 }, "" },
	{ { .v6 = true, .rp_filter = 1 }, "" },
	{ { .v4 = true, .arp_announce = 2, .twin = "eth1" }, "arp-flux" },
	{ { .v4 = true, .arp_announce = 2, .twin = "eth1", .arp_ignore = 1 }, "" },
	{ { .v4 = true, .alone = true, .drop_gratuitous_arp = 1 }, "garp-ignored" },
	{ { .v4 = true, .alone = true, .disable_ipv6 = 1, .accept_dad = 2 }, "" },
	{ { .v6 = true, .disable_ipv6 = 1 }, "ipv6-disabled" },
	{ { .v6 = true, .disable_ipv6 = -1, .accept_dad = -1 }, "" },
	{ { .v6 = true, .accept_dad = 2 }, "dad-disables-ipv6" },
};

START_TEST(link)
{
	struct diagnose_link facts = links[_i].facts;

	facts.name = "eth0";
	diagnose_link(d, &facts);
	expect(links[_i].codes);
}
END_TEST

static const struct {
	struct diagnose_address facts;
	const char *codes;
	const char *subject; /* of the first finding */
} addresses[] = {
	{ { .ours = true, .place = PLACE_USABLE, .state = "owned" }, "", NULL },
	{ { .ours = true, .place = PLACE_USABLE, .state = NULL }, "", NULL },
	{ { .ours = true, .place = PLACE_NO_CARRIER, .iface = "eth0" }, "interface-no-carrier", "eth0" },
	{ { .ours = true, .place = PLACE_DOWN, .iface = "eth0" }, "interface-down", "eth0" },
	{ { .ours = true, .place = PLACE_UNFIT, .iface = "eth0" }, "interface-unfit", "eth0" },
	{ { .ours = true, .place = PLACE_NO_INTERFACE, .iface = "eth7" }, "interface-missing", "eth7" },
	{ { .ours = true, .place = PLACE_NO_SUBNET }, "subnet-missing", "10.0.0.1" },
	{ { .ours = false, .place = PLACE_NO_SUBNET }, "", NULL },
	{ { .ours = true, .place = PLACE_DOWN, .iface = "eth0", .state = "unowned" },
	  "interface-down address-unowned",
	  "eth0" },
	{ { .ours = false, .state = "unowned" }, "address-unowned", "10.0.0.1" },
	{ { .ours = false, .state = "taken" }, "address-taken", "10.0.0.1" },
	{ { .ours = false, .state = "held-down" }, "address-held-down", "10.0.0.1" },
	{ { .ours = false, .state = "handover" }, "", NULL },
	{ { .ours = false, .state = "starting" }, "", NULL },
};

START_TEST(address)
{
	struct diagnose_address facts = addresses[_i].facts;

	facts.service = "web";
	facts.ip = ip_of("10.0.0.1");
	diagnose_address(d, &facts);
	expect(addresses[_i].codes);
	if (addresses[_i].subject)
		ck_assert_str_eq(d->findings[0].subject, addresses[_i].subject);
}
END_TEST

static const struct {
	struct diagnose_member facts;
	const char *codes;
} members[] = {
	{ { .live = true }, "" },
	{ { .dead = true, .health = 8, .loss_in_ppm = 1000000 }, "member-dead" },
	{ { 0 }, "" }, /* it left */
	{ { .live = true, .suspect = true }, "member-suspect" },
	{ { .live = true, .loss_in_ppm = 50000, .loss_out_ppm = 50000 }, "" },
	{ { .live = true, .loss_in_ppm = 50001 }, "member-loss" },
	{ { .live = true, .loss_out_ppm = 50001 }, "member-loss" },
	{ { .live = true, .health = 1 }, "member-unhealthy" },
	{ { .live = true, .path_n = 2, .path_mask = 3 }, "" },
	{ { .live = true, .path_n = 2, .path_mask = 1 }, "member-path-down" },
	{ { .live = true, .path_n = 2, .path_mask = 0 }, "" },
	{ { .live = true, .path_n = 1, .path_mask = 3 }, "" },
	{ { .live = true, .started_s = 1005, .now_s = 1000 }, "" },
	{ { .live = true, .started_s = 1006, .now_s = 1000 }, "clock-ahead" },
	{ { .live = true, .started_s = 1, .now_s = 1000 }, "" },
};

START_TEST(member)
{
	struct diagnose_member facts = members[_i].facts;

	facts.name = "n2";
	diagnose_member(d, &facts);
	expect(members[_i].codes);
}
END_TEST

static const struct {
	struct diagnose_fencing facts;
	const char *codes;
} fences[] = {
	{ { .right = true, .gate = "open", .gate_wanted = true, .guard_wanted = true, .guard = true }, "" },
	{ { .right = true, .gate = "none" }, "" },
	{ { .right = true, .gate = "none", .gate_wanted = true }, "gate-missing" },
	{ { .right = true, .gate = "absent", .gate_wanted = true, .flush_n = 1 }, "gate-absent" },
	{ { .right = true, .gate = "open", .gate_wanted = true, .flush_n = 1 }, "gate-flushed" },
	{ { .right = false, .gate = "shut", .gate_wanted = true }, "no-right" },
	{ { .right = true, .gate = "open", .guard_wanted = true }, "guard-missing" },
};

START_TEST(fencing)
{
	diagnose_fencing(d, &fences[_i].facts);
	expect(fences[_i].codes);
}
END_TEST

static const struct {
	struct diagnose_gossip facts;
	const char *codes;
} gossips[] = {
	{ { .iface = "eth0", .mtu = 1500, .packet_len = 1400, .family = IP_V4 }, "" },
	{ { .iface = "eth0", .mtu = 1428, .packet_len = 1400, .family = IP_V4 }, "" },
	{ { .iface = "eth0", .mtu = 1427, .packet_len = 1400, .family = IP_V4 }, "mtu-too-small" },
	{ { .iface = "eth0", .mtu = 1428, .packet_len = 1400, .family = IP_V6 }, "mtu-too-small" },
	{ { .iface = NULL, .mtu = 0, .packet_len = 1400, .family = IP_V4 }, "" },
	{ { .packet_len = 1400, .insecure = true }, "gossip-insecure" },
	{ { .packet_len = 1400, .refused_n = 1 }, "packets-refused" },
};

START_TEST(gossip)
{
	diagnose_gossip(d, &gossips[_i].facts);
	expect(gossips[_i].codes);
}
END_TEST

/* Every code has a name of its own and all of its texts. */
START_TEST(catalogue)
{
	for (enum finding_code code = 0; code < FINDING_N; code++) {
		const struct finding_kind *kind = finding_kind_of(code);

		ck_assert_msg(kind->name && kind->means && kind->action, "code %d", (int)code);
		ck_assert_uint_eq(strspn(kind->name, "abcdefghijklmnopqrstuvwxyz0123456789-"), strlen(kind->name));
		ck_assert_str_ne(finding_severity_name(kind->severity), "");
		for (enum finding_code other = 0; other < code; other++)
			ck_assert_str_ne(finding_kind_of(other)->name, kind->name);
	}
}
END_TEST

START_TEST(limit)
{
	char subject[2 * FINDING_SUBJECT_MAX];

	memset(subject, 'x', sizeof(subject));
	subject[sizeof(subject) - 1] = '\0';
	for (size_t i = 0; i < FINDING_MAX + 7; i++)
		finding_add(d, FINDING_DRAINING, subject, "%s%s", subject, subject);
	ck_assert_uint_eq(d->finding_n, FINDING_MAX + 7);
	ck_assert_uint_eq(strlen(d->findings[FINDING_MAX - 1].subject), FINDING_SUBJECT_MAX - 1);
	ck_assert_uint_eq(strlen(d->findings[FINDING_MAX - 1].detail), FINDING_DETAIL_MAX - 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("diagnose");
	TCase *tcase = tcase_create("diagnose");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, process, 0, (int)ARRAY_LEN(processes));
	tcase_add_loop_test(tcase, link, 0, (int)ARRAY_LEN(links));
	tcase_add_loop_test(tcase, address, 0, (int)ARRAY_LEN(addresses));
	tcase_add_loop_test(tcase, member, 0, (int)ARRAY_LEN(members));
	tcase_add_loop_test(tcase, fencing, 0, (int)ARRAY_LEN(fences));
	tcase_add_loop_test(tcase, gossip, 0, (int)ARRAY_LEN(gossips));
	tcase_add_test(tcase, catalogue);
	tcase_add_test(tcase, limit);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
