/* SPDX-License-Identifier: Apache-2.0 */
/* kube/lease.c in virtual time: by hand, and contenders whose requests are lost, delayed and reordered, on clocks that disagree. */
#include "kube/lease.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define SECOND INT64_C(1000000)
#define WALL (INT64_C(1795441200) * SECOND)

static struct lease lease;
static struct instant now;
static struct lease_request request;

static struct lease_config config_of(const char *identity)
{
	struct lease_config config = lease_defaults;

	config.namespace = "default";
	config.name = "test";
	config.identity = identity;
	return config;
}

static void setup(void)
{
	struct lease_config config = config_of("me");

	now = (struct instant){ 50 * SECOND };
	lease_init(&lease, &config, 1, now);
}

/* The next request comes after low to high ms; time goes on to it. */
static void expect_request(enum lease_method method, int64_t low_ms, int64_t high_ms)
{
	int64_t ms = instant_since(lease.due, now).us / 1000;

	ck_assert_msg(ms >= low_ms && ms <= high_ms, "after %lld ms, not %lld to %lld", (long long)ms,
		      (long long)low_ms, (long long)high_ms);
	now = lease.due.us > now.us ? lease.due : now;
	ck_assert(lease_next(&lease, now, WALL + now.us, &request));
	ck_assert_int_eq(request.method, method);
	ck_assert_int_eq(request.timeout.us, 5 * SECOND);
	ck_assert(!lease_next(&lease, now, WALL + now.us, &request));
}

static void answer(int code, const char *body)
{
	lease_answer(&lease, now, code, body, strlen(body), "no route");
}

static void answer_record(const char *holder, const char *renewed, int duration_s, int transitions)
{
	char body[1024];

	snprintf(body, sizeof(body),
		 "{\"kind\":\"Lease\",\"metadata\":{\"name\":\"test\",\"labels\":{\"a\":\"b\"},\"resourceVersion\":"
		 "\"7\"},\"spec\":{"
		 "\"holderIdentity\":\"%s\",\"leaseDurationSeconds\":%d,\"renewTime\":\"%s\",\"acquireTime\":\"2026-01-"
		 "01T00:00:00.000000Z\","
		 "\"leaseTransitions\":%d}}",
		 holder, duration_s, renewed, transitions);
	answer(200, body);
}

static void body_has(const char *text)
{
	ck_assert_msg(strstr(request.body, text) != NULL, "%s has no %s", request.body, text);
}

/* Ours, from nothing. */
static void take(void)
{
	expect_request(LEASE_GET, 0, 0);
	answer(404, "{\"kind\":\"Status\",\"code\":404}");
	expect_request(LEASE_CREATE, 0, 0);
	answer_record("me", "t1", 15, 0);
	ck_assert(lease_held(&lease, now));
}

START_TEST(create)
{
	expect_request(LEASE_GET, 0, 0);
	ck_assert_str_eq(request.body, "");
	answer(404, "");
	ck_assert(!lease_held(&lease, now));
	expect_request(LEASE_CREATE, 0, 0);
	ck_assert_str_eq(request.body,
			 "{\"apiVersion\":\"coordination.k8s.io/"
			 "v1\",\"kind\":\"Lease\",\"metadata\":{\"name\":\"test\",\"namespace\":\"default\"},"
			 "\"spec\":{\"holderIdentity\":\"me\",\"leaseDurationSeconds\":15,\"acquireTime\":\"2026-11-"
			 "23T13:40:50.000000Z\","
			 "\"renewTime\":\"2026-11-23T13:40:50.000000Z\",\"leaseTransitions\":0}}");
	answer_record("me", "t1", 15, 0);
	ck_assert(lease_held(&lease, now));
	ck_assert(!lease_held(&lease, instant_add(now, span_s(10))));
}
END_TEST

/* Every 2 s, based on what was read, with the labels that others gave it. */
START_TEST(renew)
{
	char renewed[16];

	take();
	for (int i = 0; i < 20; i++) {
		expect_request(LEASE_UPDATE, 2000, 2000);
		body_has("\"labels\":{\"a\":\"b\"},\"resourceVersion\":\"7\"");
		body_has("\"acquireTime\":\"2026-01-01T00:00:00.000000Z\"");
		body_has("\"leaseTransitions\":0}");
		snprintf(renewed, sizeof(renewed), "t%d", i + 2);
		answer_record("me", renewed, 15, 0);
		ck_assert(lease_held(&lease, now));
	}
}
END_TEST

/* It counts from when the renewal was sent, not from its answer; and it ends by time alone. */
START_TEST(held_until)
{
	struct instant sent;

	take();
	expect_request(LEASE_UPDATE, 2000, 2000);
	sent = now;
	now = instant_add(now, span_s(4));
	answer_record("me", "t2", 15, 0);
	ck_assert_int_eq(lease_deadline(&lease).us, lease.due.us);
	ck_assert(lease_held(&lease, (struct instant){ sent.us + 10 * SECOND - 1 }));
	ck_assert(!lease_held(&lease, (struct instant){ sent.us + 10 * SECOND }));
	expect_request(LEASE_UPDATE, 2000, 2000);
	ck_assert_int_eq(lease_deadline(&lease).us, sent.us + 10 * SECOND);
}
END_TEST

/* Another's is left alone for as long as its record says, from when it last changed; its clock means nothing. */
START_TEST(other_expires)
{
	expect_request(LEASE_GET, 0, 0);
	answer_record("other", "1999-01-01T00:00:00.000000Z", 15, 3);
	for (int i = 0; i < 10; i++) { /* it is renewed */
		char renewed[40];

		expect_request(LEASE_GET, 2000, 4400);
		snprintf(renewed, sizeof(renewed), "1999-01-01T00:00:%02d.000000Z", i);
		answer_record("other", renewed, 15, 3);
	}
	for (struct instant changed = now; !instant_reached(instant_add(changed, span_s(15)), lease.due);) {
		expect_request(LEASE_GET, 2000, 4400);
		answer_record("other", "1999-01-01T00:00:09.000000Z", 15, 3);
	}
	expect_request(LEASE_UPDATE, 0, 4400);
	body_has("\"holderIdentity\":\"me\"");
	body_has("\"leaseTransitions\":4}");
	ck_assert(!lease_held(&lease, now));
	answer_record("me", "t", 15, 4);
	ck_assert(lease_held(&lease, now));
}
END_TEST

/* Who was quicker has it. */
START_TEST(conflict)
{
	expect_request(LEASE_GET, 0, 0);
	answer_record("", "t", 1, 3);
	expect_request(LEASE_UPDATE, 0, 0);
	answer(409, "{\"kind\":\"Status\",\"code\":409,\"reason\":\"Conflict\"}");
	expect_request(LEASE_GET, 0, 0);
	answer_record("other", "t2", 15, 4);
	expect_request(LEASE_GET, 2000, 4400);
	ck_assert_str_eq(lease_holder(&lease), "other");
}
END_TEST

/* A server that says "conflict" for ever is not asked without pause. */
START_TEST(conflicts_without_end)
{
	struct instant start = now;

	for (int i = 0; i < 40; i++) {
		expect_request(LEASE_GET, 0, 4400);
		answer_record("", "t", 1, 3);
		expect_request(LEASE_UPDATE, 0, 0);
		answer(409, "");
	}
	ck_assert_int_ge(instant_since(now, start).us, 60 * SECOND);
}
END_TEST

/* A renewal without an answer may have been taken: look, and go on where it is ours. */
START_TEST(lost_answer)
{
	take();
	expect_request(LEASE_UPDATE, 2000, 2000);
	now = instant_add(now, span_s(5));
	answer(0, "");
	ck_assert_str_eq(lease.error, "no route");
	ck_assert(lease_held(&lease, now));
	expect_request(LEASE_GET, 0, 500);
	answer_record("me", "t2", 15, 0);
	expect_request(LEASE_UPDATE, 0, 0);
	answer_record("me", "t3", 15, 0);
	ck_assert(lease_held(&lease, instant_add(now, span_s(9))));
}
END_TEST

/* Somebody took it: we do not act for another moment. */
START_TEST(taken_away)
{
	take();
	expect_request(LEASE_UPDATE, 2000, 2000);
	answer(409, "");
	ck_assert(lease_held(&lease, now)); /* it may have been a label only */
	expect_request(LEASE_GET, 0, 0);
	answer_record("other", "t2", 15, 1);
	ck_assert(!lease_held(&lease, now));
}
END_TEST

/* Somebody deleted it. */
START_TEST(deleted)
{
	take();
	expect_request(LEASE_UPDATE, 2000, 2000);
	answer(404, "");
	expect_request(LEASE_GET, 2000, 2000);
	answer(404, "");
	ck_assert(!lease_held(&lease, now));
	expect_request(LEASE_CREATE, 0, 0);
	answer(409, "{\"kind\":\"Status\",\"reason\":\"AlreadyExists\",\"code\":409}");
	ck_assert(!lease_held(&lease, now));
	expect_request(LEASE_GET, 0, 0);
}
END_TEST

START_TEST(release)
{
	take();
	now = instant_add(now, span_s(1));
	lease_release(&lease, now);
	ck_assert(!lease_held(&lease, now));
	ck_assert(!lease_released(&lease, now));
	expect_request(LEASE_UPDATE, 0, 0);
	body_has("\"holderIdentity\":\"\",\"leaseDurationSeconds\":1,");
	answer_record("", "t2", 1, 0);
	ck_assert(lease_released(&lease, now));
	ck_assert(!lease_next(&lease, instant_add(now, span_s(100)), WALL, &request));
}
END_TEST

/* A renewal is under way when it is to be given up: first that, then this. A conflict is looked into. */
START_TEST(release_while_renewing)
{
	take();
	expect_request(LEASE_UPDATE, 2000, 2000);
	lease_release(&lease, now);
	ck_assert(!lease_held(&lease, now));
	answer_record("me", "t2", 15, 0);
	ck_assert(!lease_held(&lease, now));
	ck_assert(!lease_released(&lease, now));
	expect_request(LEASE_UPDATE, 0, 0);
	answer(409, "");
	expect_request(LEASE_GET, 0, 0);
	answer_record("me", "t3", 15, 0);
	expect_request(LEASE_UPDATE, 0, 0);
	body_has("\"holderIdentity\":\"\"");
	answer_record("", "t4", 1, 0);
	ck_assert(lease_released(&lease, now));
}
END_TEST

/* Who waits need not give up anything; who cannot reach the server does not try for ever. */
START_TEST(release_of_nothing)
{
	expect_request(LEASE_GET, 0, 0);
	answer_record("other", "t", 15, 0);
	lease_release(&lease, now);
	ck_assert(lease_released(&lease, now));
	setup();
	take();
	lease_release(&lease, now);
	for (int i = 0; i < 4; i++) {
		expect_request(i == 0 ? LEASE_UPDATE : LEASE_GET, 0, 2000);
		answer(0, "");
		ck_assert(!lease_released(&lease, now));
	}
	ck_assert(lease_released(&lease, instant_add(now, span_s(10))));
}
END_TEST

static const char *const nonsense[] = { "", "{}", "[]", "{\"kind\":\"Lease\"}",
					"{\"kind\":\"Pod\",\"metadata\":{},\"spec\":{}}" };

/* What is no Lease tells nothing: ours ends with its time. */
START_TEST(no_lease)
{
	take();
	expect_request(LEASE_UPDATE, 2000, 2000);
	answer(200, nonsense[_i]);
	expect_request(LEASE_GET, 0, 2000);
	answer(200, nonsense[_i]);
	ck_assert_ptr_nonnull(strstr(lease.error, "no Lease"));
	ck_assert(!lease_held(&lease, (struct instant){ 60 * SECOND }));
}
END_TEST

START_TEST(long_holder)
{
	char holder[300];

	memset(holder, 'x', sizeof(holder) - 1);
	holder[sizeof(holder) - 1] = '\0';
	expect_request(LEASE_GET, 0, 0);
	answer_record(holder, "t", 15, 0);
	expect_request(LEASE_GET, 2000, 4400);
	ck_assert_str_ne(lease_holder(&lease), "");
}
END_TEST

/* Metadata that we cannot give back whole is not written at all. */
START_TEST(much_metadata)
{
	static char body[LEASE_BODY_MAX * 2];
	size_t len = (size_t)snprintf(body, sizeof(body), "{\"kind\":\"Lease\",\"metadata\":{\"x\":\"");

	memset(body + len, 'x', LEASE_BODY_MAX);
	snprintf(body + len + LEASE_BODY_MAX, 64, "\"},\"spec\":{\"holderIdentity\":\"\"}}");
	expect_request(LEASE_GET, 0, 0);
	answer(200, body);
	ck_assert_ptr_nonnull(strstr(lease.error, "too long"));
	expect_request(LEASE_GET, 2000, 4400);
}
END_TEST

START_TEST(bad_config)
{
	struct lease_config c = config_of("me");

	ck_assert(lease_config_valid(&c));
	c.identity = "a\"b";
	ck_assert(!lease_config_valid(&c));
	c.identity = "";
	ck_assert(!lease_config_valid(&c));
	c = config_of("me");
	c.renew = c.duration;
	ck_assert(!lease_config_valid(&c));
	c = config_of("me");
	c.retry = c.renew;
	ck_assert(!lease_config_valid(&c));
}
END_TEST

/* ---- contenders, and a server that keeps one record ---- */

#define CONTENDERS 3
#define FLIGHT_MAX 64

struct model {
	bool exists;
	uint64_t version;
	char spec[1024];
	char labels[64];
};

/* A request on its way to the server, or an answer on its way back. */
struct flight {
	bool used, to_server;
	struct instant arrives;
	size_t contender;
	uint64_t number; /* of the contender's request: answers to others come too late */
	enum lease_method method;
	char body[2048];
	int code;
};

static struct {
	struct rng rng;
	struct instant now;
	struct model model;
	struct flight flights[FLIGHT_MAX];
	struct lease leases[CONTENDERS];
	char names[CONTENDERS][8];
	uint64_t numbers[CONTENDERS];
	struct instant give_up[CONTENDERS];
	int64_t skew_us[CONTENDERS];
	bool server_up;
	unsigned int loss_per_million;
	int64_t delay_max_us;
	unsigned int changes, held_steps;
	int holder;
} w;

static void post(struct flight flight)
{
	if (rng_chance(&w.rng, w.loss_per_million))
		return;
	for (size_t i = 0; i < FLIGHT_MAX; i++) {
		if (w.flights[i].used)
			continue;
		flight.used = true;
		flight.arrives = instant_add(w.now, span_us(rng_between(&w.rng, 1000, w.delay_max_us)));
		w.flights[i] = flight;
		return;
	}
}

/* What a server does: the version must be the one that it has. */
static void serve(struct flight *flight)
{
	struct json_span object = json_span_of(flight->body, strlen(flight->body));
	struct json_span metadata = json_span_field(object, "metadata"), spec = json_span_field(object, "spec");
	char version[32];
	bool update = flight->method == LEASE_UPDATE;

	(void)json_span_text(json_span_field(metadata, "resourceVersion"), version, sizeof(version));
	flight->code = 200;
	if (flight->method != LEASE_CREATE && !w.model.exists)
		flight->code = 404;
	else if ((flight->method == LEASE_CREATE && w.model.exists) ||
		 (update && strtoull(version, NULL, 10) != w.model.version))
		flight->code = 409;
	if (flight->code == 200 && flight->method != LEASE_GET) {
		w.model.exists = true;
		w.model.version++;
		snprintf(w.model.spec, sizeof(w.model.spec), "%.*s", (int)spec.len, spec.at);
	}
	snprintf(flight->body, sizeof(flight->body),
		 flight->code == 200 ? "{\"kind\":\"Lease\",\"metadata\":{\"name\":\"test\",\"resourceVersion\":\"%"
				       "llu\"},\"spec\":%s}"
				     : "{\"kind\":\"Status\"}",
		 (unsigned long long)w.model.version, w.model.spec);
	flight->to_server = false;
	post(*flight);
}

static void arrive(struct flight flight)
{
	struct lease *l = &w.leases[flight.contender];

	if (flight.to_server) {
		if (w.server_up)
			serve(&flight);
		return;
	}
	if (l->busy && flight.number == w.numbers[flight.contender])
		lease_answer(l, w.now, flight.code, flight.body, strlen(flight.body), "");
}

static void step_contender(size_t i)
{
	struct lease *l = &w.leases[i];
	struct lease_request ask;

	if (l->busy && instant_reached(w.give_up[i], w.now))
		lease_answer(l, w.now, 0, "", 0, "timed out");
	if (lease_released(l, w.now)) { /* stopped; starts again */
		struct lease_config config = config_of(w.names[i]);

		lease_init(l, &config, rng_u64(&w.rng), w.now);
		w.numbers[i]++;
	}
	if (lease_next(l, w.now, WALL + w.skew_us[i] + w.now.us, &ask)) {
		struct flight flight = {
			.to_server = true, .contender = i, .number = ++w.numbers[i], .method = ask.method
		};

		snprintf(flight.body, sizeof(flight.body), "%s", ask.body);
		w.give_up[i] = instant_add(w.now, ask.timeout);
		post(flight);
	}
}

/* Never two at once. */
static void check_one(void)
{
	int holder = -1;

	for (size_t i = 0; i < CONTENDERS; i++) {
		if (!lease_held(&w.leases[i], w.now))
			continue;
		ck_assert_msg(holder < 0, "two hold it at %lld us", (long long)w.now.us);
		holder = (int)i;
	}
	if (holder >= 0) {
		w.changes += holder != w.holder;
		w.holder = holder;
		w.held_steps++;
	}
}

static void world_step(void)
{
	w.now = instant_add(w.now, span_ms(20));
	for (size_t i = 0; i < FLIGHT_MAX; i++)
		if (w.flights[i].used && instant_reached(w.flights[i].arrives, w.now)) {
			w.flights[i].used = false;
			arrive(w.flights[i]);
		}
	for (size_t i = 0; i < CONTENDERS; i++)
		step_contender(i);
	check_one();
}

/* Ten minutes in which answers are lost and come late, up to 20 s, the server goes away, contenders stop, labels change, the record is deleted. */
START_TEST(never_two)
{
	memset(&w, 0, sizeof(w));
	w.rng = rng_of((uint64_t)_i + 1);
	w.now = (struct instant){ 1000 * SECOND };
	w.server_up = true;
	w.holder = -1;
	w.loss_per_million = (unsigned int)rng_between(&w.rng, 0, 1) * (unsigned int)rng_between(&w.rng, 0, 400000);
	w.delay_max_us = rng_chance(&w.rng, 500000) ? 50000 : 20 * SECOND;
	for (size_t i = 0; i < CONTENDERS; i++) {
		struct lease_config config;

		snprintf(w.names[i], sizeof(w.names[i]), "c%zu", i);
		config = config_of(w.names[i]);
		w.skew_us[i] = rng_between(&w.rng, -86400, 86400) * SECOND;
		lease_init(&w.leases[i], &config, rng_u64(&w.rng), w.now);
	}
	for (int step = 0; step < 30000; step++) {
		if (rng_chance(&w.rng, 500))
			w.server_up = !w.server_up;
		if (rng_chance(&w.rng, 300))
			lease_release(&w.leases[rng_below(&w.rng, CONTENDERS)], w.now);
		if (rng_chance(&w.rng, 200))
			w.model.version++; /* somebody labels it */
		world_step();
	}
	/* And when all is well again, one has it within the time of a lease and an attempt. */
	w.server_up = true;
	w.loss_per_million = 0;
	w.delay_max_us = 50000;
	memset(w.flights, 0, sizeof(w.flights));
	for (int step = 0; step < 30 * 50; step++)
		world_step();
	w.held_steps = 0;
	for (int step = 0; step < 60 * 50; step++)
		world_step();
	ck_assert_uint_eq(w.held_steps, 60 * 50);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("kube_lease");
	TCase *tcase = tcase_create("kube_lease");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, create);
	tcase_add_test(tcase, renew);
	tcase_add_test(tcase, held_until);
	tcase_add_test(tcase, other_expires);
	tcase_add_test(tcase, conflict);
	tcase_add_test(tcase, conflicts_without_end);
	tcase_add_test(tcase, lost_answer);
	tcase_add_test(tcase, taken_away);
	tcase_add_test(tcase, deleted);
	tcase_add_test(tcase, release);
	tcase_add_test(tcase, release_while_renewing);
	tcase_add_test(tcase, release_of_nothing);
	tcase_add_loop_test(tcase, no_lease, 0, ARRAY_LEN(nonsense));
	tcase_add_test(tcase, long_holder);
	tcase_add_test(tcase, much_metadata);
	tcase_add_test(tcase, bad_config);
	tcase_add_loop_test(tcase, never_two, 0, 100);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
