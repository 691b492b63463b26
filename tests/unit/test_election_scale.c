/* SPDX-License-Identifier: Apache-2.0 */
/* election/: reload of services, lists of actions that overflow, a raised instance, replay. */
#include "tests/unit/test_election_core.h"

#include "base/rng.h"

#define MANY_N 10000

static struct ip many_ip[MANY_N];
static struct election_service many[MANY_N];
static char many_name[MANY_N][24];

/* Services "s<i>" with one address each, 10.1.<i>: `n` of them from `first` on. */
static void configure_many(size_t first, size_t n)
{
	for (size_t i = first; i < first + n; i++) {
		snprintf(many_name[i], sizeof(many_name[i]), "s%zu", i);
		many_ip[i] = ip_from_v4((const uint8_t[]){ 10, 1, (uint8_t)(i >> 8), (uint8_t)i });
		many[i] = (struct election_service){ .name = many_name[i], .addresses = &many_ip[i], .address_n = 1 };
	}
	configure(&many[first], n);
}

/* Work off what did not fit: the deadline says "now" for as long as there is more. Returns all actions of a kind. */
static size_t drain_actions(enum election_action_kind kind)
{
	size_t n = count(kind);

	for (size_t i = 0; i < 200 && election_deadline(e).us <= now_us; i++) {
		tick_at(now_us);
		n += count(kind);
	}
	ck_assert_int_gt(election_deadline(e).us, now_us);
	return n;
}

static size_t held_n(void)
{
	struct election_address address;
	size_t n = 0;

	for (size_t i = 0; i < election_address_n(e); i++) {
		election_address_at(e, i, &address);
		n += address.held;
	}
	return n;
}

static void many_setup(void)
{
	now_us = 1000000;
	e = core_new(1, 16, MANY_N + 100);
	node_up(1);
}

/* 10,000 orphans at once: all are claimed in configured order, each with its publication, and no step overflows. */
START_TEST(many_orphans)
{
	size_t next = 0;

	configure_many(0, MANY_N);
	plain(ELECTION_EVENT_START);
	for (size_t steps = 0;; steps++) {
		ck_assert_uint_lt(steps, 200);
		for (size_t i = 0; i < out.action_n; i += 3, next++) {
			MUST(i + 3 <= out.action_n);
			MUST(out.actions[i].kind == ELECTION_ACTION_CLAIM);
			MUST(out.actions[i + 1].kind == ELECTION_ACTION_PUBLISH);
			MUST(ip_equal(out.actions[i].ip, many_ip[next]));
			MUST(ip_equal(out.actions[i + 1].ip, many_ip[next]));
		}
		if (election_deadline(e).us > now_us)
			break;
		ck_assert_uint_gt(out.action_n, 0);
		tick_at(now_us);
	}
	ck_assert_uint_eq(next, MANY_N);
	ck_assert_uint_eq(held_n(), MANY_N);
}
END_TEST

/* A node with 10,000 addresses dies. */
START_TEST(many_die)
{
	size_t claims = 0;

	node_up(2);
	configure_many(0, MANY_N);
	for (size_t i = 0; i < MANY_N; i++)
		heard(instance_of(2), many_ip[i], held(1, true));
	plain(ELECTION_EVENT_START);
	ck_assert_uint_eq(out.action_n, 0);
	node_dead(2);
	claims += drain_actions(ELECTION_ACTION_CLAIM);
	ck_assert_uint_eq(claims, MANY_N);
	ck_assert_uint_eq(held_n(), MANY_N);
}
END_TEST

#define TWO_N 3000
#define UNIT_N 300

/* What the last step published, as another core hears it after some of its own. */
struct wire {
	struct ip ip;
	struct claim claim;
};

static struct wire wires[2][4 * TWO_N];
static size_t wire_n[2], wire_heard[2];
static size_t claim_n;

static void post(size_t who)
{
	for (size_t i = 0; i < out.action_n; i++) {
		claim_n += out.actions[i].kind == ELECTION_ACTION_CLAIM;
		if (out.actions[i].kind != ELECTION_ACTION_PUBLISH)
			continue;
		MUST(wire_n[who] < ARRAY_LEN(wires[who]));
		wires[who][wire_n[who]++] = (struct wire){ out.actions[i].ip, out.actions[i].publish };
	}
}

/* Services of UNIT_N addresses each, that stay together. */
static void configure_units(void)
{
	for (size_t i = 0; i < TWO_N; i++)
		many_ip[i] = ip_from_v4((const uint8_t[]){ 10, 1, (uint8_t)(i >> 8), (uint8_t)i });
	for (size_t i = 0; i < TWO_N / UNIT_N; i++) {
		snprintf(many_name[i], sizeof(many_name[i]), "u%zu", i);
		many[i] = (struct election_service){ .name = many_name[i],
						     .addresses = &many_ip[i * UNIT_N],
						     .address_n = UNIT_N };
	}
	configure(many, TWO_N / UNIT_N);
}

/* A node with many addresses dies. Two survivors work that off in steps and hear of each other's claims meanwhile: nobody claims
 * what the other one does. */
START_TEST(many_die_for_two)
{
	struct election *cores[2] = { e, core_new(2, 16, MANY_N + 100) };
	size_t who;

	memset(wire_n, 0, sizeof(wire_n));
	memset(wire_heard, 0, sizeof(wire_heard));
	claim_n = 0;
	for (who = 0; who < 2; who++) {
		e = cores[who];
		for (size_t i = 1; i <= 3; i++)
			node_up(i);
		if (_i == 0)
			configure_many(0, TWO_N);
		else
			configure_units();
		for (size_t i = 0; i < TWO_N; i++)
			heard(instance_of(3), many_ip[i], held(1, true));
		plain(ELECTION_EVENT_START);
	}
	for (who = 0; who < 2; who++) {
		e = cores[who];
		node_dead(3);
		post(who);
	}
	for (size_t steps = 0; steps < 4000; steps++) {
		who = steps % 2;
		e = cores[who];
		for (size_t n = 0; n < 5 && wire_heard[!who] < wire_n[!who]; n++) {
			const struct wire *wire = &wires[!who][wire_heard[!who]++];

			now_us += 100;
			heard(instance_of(!who + 1), wire->ip, wire->claim);
			post(who);
		}
		node_up(1); /* news of a node: the plan is made again */
		post(who);
		tick_at(now_us + 1000);
		post(who);
	}
	ck_assert_uint_eq(claim_n, TWO_N);
	e = cores[0];
	claim_n = held_n();
	ck_assert_uint_le(claim_n, (TWO_N / 2) * 11 / 10 + 1);
	e = cores[1];
	ck_assert_uint_eq(claim_n + held_n(), TWO_N);
	election_free(e);
	e = cores[0];
}
END_TEST

/* All is let go: by a reload, or because we lost our link. */
START_TEST(many_let_go)
{
	struct meta meta = { .ready = false };

	configure_many(0, MANY_N);
	plain(ELECTION_EVENT_START);
	(void)drain_actions(ELECTION_ACTION_CLAIM);
	if (_i == 0)
		configure(NULL, 0);
	else
		node_event(1, true, false, &meta);
	ck_assert_uint_eq(drain_actions(ELECTION_ACTION_RELEASE), MANY_N);
	ck_assert_uint_eq(held_n(), 0);
}
END_TEST

/* DRAINED is said once, at the end. */
START_TEST(many_drain)
{
	size_t steps = 0;

	configure_many(0, MANY_N);
	plain(ELECTION_EVENT_START);
	(void)drain_actions(ELECTION_ACTION_CLAIM);
	plain(ELECTION_EVENT_DRAIN);
	while (count(ELECTION_ACTION_DRAINED) == 0 && steps++ < 200) {
		ck_assert_int_le(election_deadline(e).us, now_us);
		tick_at(now_us);
	}
	ck_assert_uint_gt(steps, 1);
	ck_assert_uint_eq(held_n(), 0);
	ck_assert_uint_eq(drain_actions(ELECTION_ACTION_DRAINED), 1);
}
END_TEST

/* --- reload ------------------------------------------------------------------------------------------------------------ */

START_TEST(reload_diff)
{
	plain(ELECTION_EVENT_START);
	configure_many(0, 3);
	ck_assert_str_eq(letters(), "CPOCPOCPO");
	configure_many(1, 3); /* s0 goes, s1 and s2 stay, s3 comes */
	ck_assert_uint_eq(count(ELECTION_ACTION_RELEASE), 1);
	ck_assert(ip_equal(the(ELECTION_ACTION_RELEASE)->ip, many_ip[0]));
	ck_assert_uint_eq(count(ELECTION_ACTION_CLAIM), 1);
	ck_assert(ip_equal(the(ELECTION_ACTION_CLAIM)->ip, many_ip[3]));
	for (size_t i = 0; i < out.action_n; i++) {
		if (out.actions[i].kind == ELECTION_ACTION_OWNER && out.actions[i].owner.to == 0)
			ck_assert_int_eq(out.actions[i].owner.reason, ELECTION_REASON_REMOVED);
	}
	ck_assert_uint_eq(election_address_n(e), 3);
	ck_assert_uint_eq(held_n(), 3);
	for (size_t i = 1; i <= 3; i++) {
		struct election_address address;

		election_address_at(e, i - 1, &address);
		ck_assert(ip_equal(address.ip, many_ip[i]));
		ck_assert_str_eq(address.service, many_name[i]);
		ck_assert_uint_eq(address.epoch, 1);
	}
	ck_assert(!election_address_find(e, many_ip[0], &(struct election_address){ 0 }));
}
END_TEST

/* What others claimed before we were configured for it is not forgotten; a repeated address counts once. */
START_TEST(reload_remembers)
{
	struct ip ips[3] = { ip_of("10.0.0.1"), ip_of("10.0.0.2"), ip_of("10.0.0.1") };
	struct election_service service = { .name = "s", .addresses = ips, .address_n = 3 };

	node_up(2);
	plain(ELECTION_EVENT_START);
	heard(instance_of(2), ips[0], held(5, true));
	ck_assert_uint_eq(out.action_n, 0);
	configure(&service, 1);
	ck_assert_uint_eq(election_address_n(e), 2);
	ck_assert_uint_eq(see(ips[0]).owner_instance, instance_of(2));
	ck_assert_uint_eq(see(ips[0]).epoch, 5);
	ck_assert_uint_eq(count(ELECTION_ACTION_CLAIM) + (election_deadline(e).us > now_us),
			  1); /* the other one is free */
}
END_TEST

/* --- instance ---------------------------------------------------------------------------------------------------------- */

static void raise_instance(uint64_t instance)
{
	struct election_event event = { .kind = ELECTION_EVENT_INSTANCE };

	event.instance.instance = instance;
	step(event);
}

/* Gossip forgot the claims of our former instance: all are published anew, and nothing else happens. */
START_TEST(instance_raised)
{
	size_t n = _i == 0 ? 3 : 3000;

	configure_many(0, n);
	plain(ELECTION_EVENT_START);
	(void)drain_actions(ELECTION_ACTION_CLAIM);
	raise_instance(5555);
	ck_assert_uint_eq(count(ELECTION_ACTION_PUBLISH), out.action_n);
	ck_assert_uint_eq(out.actions[0].publish.epoch, 1);
	ck_assert_uint_eq(see(many_ip[0]).owner_instance, 5555);
	ck_assert_str_eq(see(many_ip[0]).owner, "n1");
	ck_assert_uint_eq(drain_actions(ELECTION_ACTION_PUBLISH), n);
	ck_assert_uint_eq(held_n(), n);
	heard(5555, many_ip[0], held(9, true)); /* an echo under the new one */
	ck_assert_uint_eq(out.action_n, 0);
}
END_TEST

/* --- replay ------------------------------------------------------------------------------------------------------------ */

static uint64_t digest(uint64_t hash)
{
	for (size_t i = 0; i < out.action_n; i++) {
		const struct election_action *a = &out.actions[i];

		hash = hash_mix(hash ^ (uint64_t)a->kind);
		hash = hash_bytes(hash, a->ip.bytes, sizeof(a->ip.bytes));
		if (a->kind == ELECTION_ACTION_PUBLISH)
			hash = hash_mix(hash + a->publish.epoch + a->publish.successor + (uint64_t)a->publish.state);
		if (a->kind == ELECTION_ACTION_OWNER)
			hash = hash_mix(hash + a->owner.from + 3 * a->owner.to + (uint64_t)a->owner.reason);
	}
	return hash_mix(hash ^ (uint64_t)election_deadline(e).us);
}

static void random_claim(struct rng *rng)
{
	struct claim claim = held(rng_below(rng, 20), rng_chance(rng, 500000));
	uint64_t origin = instance_of(2 + (size_t)rng_below(rng, 5));

	if (rng_chance(rng, 300000))
		claim = offered(rng_below(rng, 20), instance_of(1 + (size_t)rng_below(rng, 5)));
	heard(origin, many_ip[rng_below(rng, 8)], rng_chance(rng, 300000) ? (struct claim){ 0 } : claim);
}

static void random_event(struct rng *rng)
{
	static const enum election_event_kind kinds[] = { ELECTION_EVENT_DRAIN, ELECTION_EVENT_UNDRAIN };
	struct meta meta = good_meta();

	now_us += rng_between(rng, 0, 400000);
	switch (rng_below(rng, 8)) {
	case 0:
		plain(kinds[rng_below(rng, 2)]);
		break;
	case 1:
		meta.ready = rng_chance(rng, 700000);
		node_event(1 + (size_t)rng_below(rng, 6), true, false, &meta);
		break;
	case 2:
		node_event(2 + (size_t)rng_below(rng, 5), rng_chance(rng, 500000), rng_chance(rng, 300000), NULL);
		break;
	case 3:
		about_address(ELECTION_EVENT_LOST, many_ip[rng_below(rng, 8)]);
		break;
	case 4:
		hand_over(many_ip[rng_below(rng, 8)], name_of(1 + (size_t)rng_below(rng, 6)));
		break;
	case 5:
		tick_at(now_us);
		break;
	default:
		random_claim(rng);
		break;
	}
}

static bool shell_holds[8];

/* A shell that does what it is told must never be told nonsense: to claim what it holds, to drop what it does not. */
static void obey(void)
{
	for (size_t i = 0; i < out.action_n; i++) {
		size_t address = out.actions[i].ip.bytes[3];

		if (out.actions[i].kind == ELECTION_ACTION_DRAINED)
			continue;
		MUST(address < 8);
		if (out.actions[i].kind == ELECTION_ACTION_CLAIM) {
			MUST(!shell_holds[address]);
			shell_holds[address] = true;
		} else if (out.actions[i].kind == ELECTION_ACTION_RELEASE) {
			MUST(shell_holds[address]);
			shell_holds[address] = false;
		} else if (out.actions[i].kind == ELECTION_ACTION_ANNOUNCE) {
			MUST(shell_holds[address]);
		}
	}
	for (size_t i = 0; i < 8; i++)
		MUST(see(many_ip[i]).held == shell_holds[i]);
}

static uint64_t random_run(uint64_t seed)
{
	struct rng rng = rng_of(seed);
	uint64_t hash = 0;

	election_free(e);
	memset(shell_holds, 0, sizeof(shell_holds));
	many_setup();
	configure_many(0, 8);
	plain(ELECTION_EVENT_START);
	obey();
	for (size_t i = 0; i < 2000; i++) {
		random_event(&rng);
		obey();
		hash = digest(hash);
	}
	return hash;
}

/* Any events in any order: a shell is never told nonsense, and the same events give the same answers. */
START_TEST(replay)
{
	uint64_t first = random_run((uint64_t)_i);

	ck_assert_uint_eq(random_run((uint64_t)_i), first);
	ck_assert_uint_ne(random_run((uint64_t)_i + 1000), first);
}
END_TEST

START_TEST(reason_names)
{
	static const char *const names[] = { "first",	 "owner-dead", "owner-left", "owner-ineligible", "handover",
					     "conflict", "ineligible", "removed",    "failed",		 "stopped" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		ck_assert_str_eq(election_reason_name((enum election_reason)i), names[i]);
	election_free(NULL);
}
END_TEST

static Suite *election_suite(void)
{
	Suite *s = suite_create("election_scale");
	TCase *tc = tcase_create("scale");

	tcase_add_checked_fixture(tc, many_setup, teardown);
	tcase_add_test(tc, many_orphans);
	tcase_add_test(tc, many_die);
	tcase_add_loop_test(tc, many_die_for_two, 0, 2);
	tcase_add_loop_test(tc, many_let_go, 0, 2);
	tcase_add_test(tc, many_drain);
	tcase_add_test(tc, reload_diff);
	tcase_add_test(tc, reload_remembers);
	tcase_add_loop_test(tc, instance_raised, 0, 2);
	tcase_add_loop_test(tc, replay, 0, 8);
	tcase_add_test(tc, reason_names);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	SRunner *sr = srunner_create(election_suite());
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed > 0;
}
