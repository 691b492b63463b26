/* SPDX-License-Identifier: Apache-2.0 */
/* daemon/events.c: order, bounds, and the JSON of the event ring. */
#include "daemon/events.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct event_ring *ring;

static void setup(void)
{
	ring = event_ring_new();
	ck_assert_ptr_nonnull(ring);
}

static void teardown(void)
{
	event_ring_free(ring);
}

static void push_numbers(unsigned int n)
{
	for (unsigned int i = 1; i <= n; i++)
		event_ring_push(ring, 1000, EVENT_DAEMON, "event %u", i);
}

/* The text of the document; caller frees. */
static char *json_since(uint64_t since)
{
	cJSON *doc = event_ring_json(ring, since);
	char *text;

	ck_assert_ptr_nonnull(doc);
	text = cJSON_PrintUnformatted(doc);
	ck_assert_ptr_nonnull(text);
	cJSON_Delete(doc);
	return text;
}

START_TEST(empty)
{
	char *text = json_since(0);

	ck_assert_str_eq(text, "[]");
	ck_assert_uint_eq(event_ring_seq(ring), 0);
	free(text);
	event_ring_free(NULL);
}
END_TEST

START_TEST(document)
{
	struct event *event = event_ring_push(ring, 1767225600007, EVENT_OWNER, "%s moved to %s", "10.0.0.1", "n2");
	char *text;

	event_field_add(event, "ip", "%s", "10.0.0.1");
	event_field_add(event, "epoch", "%d", 7);
	event_ring_push(ring, 1767225601000, EVENT_LINK, "eth0 lost its carrier");
	text = json_since(0);
	ck_assert_str_eq(text, "[{\"seq\":1,\"time\":\"2026-01-01T00:00:00.007Z\",\"kind\":\"owner\","
			       "\"message\":\"10.0.0.1 moved to n2\",\"ip\":\"10.0.0.1\",\"epoch\":\"7\"},"
			       "{\"seq\":2,\"time\":\"2026-01-01T00:00:01.000Z\",\"kind\":\"link\","
			       "\"message\":\"eth0 lost its carrier\"}]");
	free(text);
}
END_TEST

/* since -> how many events, and the number of the first, with EVENT_RING_MAX + 10 pushed. */
static const struct {
	uint64_t since;
	int n;
	int first;
} windows[] = {
	{ 0, EVENT_RING_MAX, 11 },
	{ 9, EVENT_RING_MAX, 11 },
	{ 10, EVENT_RING_MAX, 11 },
	{ 11, EVENT_RING_MAX - 1, 12 },
	{ EVENT_RING_MAX + 9, 1, EVENT_RING_MAX + 10 },
	{ EVENT_RING_MAX + 10, 0, 0 },
	{ UINT64_MAX, 0, 0 },
};

START_TEST(oldest_dropped)
{
	cJSON *doc;
	int seq = windows[_i].first;
	const cJSON *event;

	push_numbers(EVENT_RING_MAX + 10);
	ck_assert_uint_eq(event_ring_seq(ring), EVENT_RING_MAX + 10);
	doc = event_ring_json(ring, windows[_i].since);
	ck_assert_int_eq(cJSON_GetArraySize(doc), windows[_i].n);
	cJSON_ArrayForEach(event, doc)
	{
		char message[32];

		ck_assert_int_eq(cJSON_GetObjectItem(event, "seq")->valueint, seq);
		snprintf(message, sizeof(message), "event %d", seq++);
		ck_assert_str_eq(cJSON_GetObjectItem(event, "message")->valuestring, message);
	}
	cJSON_Delete(doc);
}
END_TEST

START_TEST(slot_reused)
{
	struct event *event = event_ring_push(ring, 1, EVENT_OWNER, "with a field");

	event_field_add(event, "ip", "10.0.0.1");
	push_numbers(EVENT_RING_MAX);
	/* The newest lies where the first one lay, and has nothing of it. */
	ck_assert_uint_eq(event->seq, EVENT_RING_MAX + 1);
	ck_assert_uint_eq(event->field_n, 0);
}
END_TEST

START_TEST(long_text_cut)
{
	char text[1000];
	struct event *event;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	event = event_ring_push(ring, 1, EVENT_CONFIG, "%s", text);
	event_field_add(event, "file", "%s", text);
	ck_assert_uint_eq(strlen(event->message), EVENT_MESSAGE_MAX - 1);
	ck_assert_uint_eq(strlen(event->fields[0].value), EVENT_VALUE_MAX - 1);
}
END_TEST

/* Keys that would hide another member of the object, or do not fit, are a mistake of the caller. */
static const char *const bad_keys[] = { "seq", "time", "kind", "message", "ip", "a-key-that-is-too-long" };

START_TEST(bad_key_aborts)
{
	struct event *event = event_ring_push(ring, 1, EVENT_OWNER, "m");

	event_field_add(event, "ip", "10.0.0.1");
	event_field_add(event, bad_keys[_i], "x");
}
END_TEST

START_TEST(kind_names)
{
	ck_assert_str_eq(event_kind_name(EVENT_MEMBER), "member");
	ck_assert_str_eq(event_kind_name(EVENT_OWNER), "owner");
	ck_assert_str_eq(event_kind_name(EVENT_CONFIG), "config");
	ck_assert_str_eq(event_kind_name(EVENT_DAEMON), "daemon");
	ck_assert_str_eq(event_kind_name(EVENT_LINK), "link");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("events");
	TCase *tc = tcase_create("events");
	SRunner *sr = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, empty);
	tcase_add_test(tc, document);
	tcase_add_loop_test(tc, oldest_dropped, 0, (int)(sizeof(windows) / sizeof(windows[0])));
	tcase_add_test(tc, slot_reused);
	tcase_add_test(tc, long_text_cut);
	tcase_add_loop_test_raise_signal(tc, bad_key_aborts, SIGABRT, 0, (int)(sizeof(bad_keys) / sizeof(bad_keys[0])));
	tcase_add_test(tc, kind_names);
	suite_add_tcase(suite, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
