/* SPDX-License-Identifier: Apache-2.0 */
/* `mlbctl keys`: what the control API shows of the ring, and what it does to it. Fingerprints go out, never keys. */
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/keyring_internal.h"

/* Members that a refusal names; of a large cluster the first ones will do. */
#define NAME_MAX_N 8

/* Keys that a list shows: ours, and those that other nodes have beside them. */
#define LIST_MAX (4 * KEY_MAX)

struct request {
	struct keyring *keyring;
	const struct gossip *gossip;
	const cJSON *body;
	cJSON *reply;
	struct keys_event event; /* with the live members */
	char *error;
	size_t error_cap;
};

__attribute__((format(printf, 3, 4))) static int refuse(const struct request *request, int status, const char *format,
							...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(request->error, request->error_cap, format, args);
	va_end(args);
	return status;
}

static const char *name_of(const struct request *request, uint64_t instance)
{
	struct gossip_member member;

	return gossip_member_find(request->gossip, instance, &member) ? member.name : "?";
}

/* "n2, n3 and 5 more": the members that object. Empty: none. */
static const char *objectors(const struct request *request, char *buf, size_t cap)
{
	size_t named = 0, more = 0, len = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < request->event.member_n; i++) {
		const struct keys_member *member = &request->event.members[i];

		if (!member->objects)
			continue;
		if (named == NAME_MAX_N) {
			more++;
			continue;
		}
		len += (size_t)snprintf(buf + len, cap - len, "%s%s", named++ > 0 ? ", " : "",
					name_of(request, member->instance));
	}
	if (more > 0)
		snprintf(buf + len, cap - len, " and %zu more", more);
	return buf;
}

/* --- wishes --------------------------------------------------------------------------------------------------------- */

static int explain(const struct request *request, enum keys_refusal refusal)
{
	char buf[(NAME_MAX_N + 1) * (NODE_NAME_MAX + 3)];
	const char *who = objectors(request, buf, sizeof(buf));
	const char *what = request->event.fingerprint;

	if (who[0] == '\0')
		who = "this node";
	switch (refusal) {
	case KEYS_GRANTED:
		break;
	case KEYS_REFUSED_FULL:
		return refuse(request, 409, "%s: %d keys are the limit: remove one first", who, KEY_MAX);
	case KEYS_REFUSED_COLLISION:
		return refuse(request, 409, "another key has the same fingerprint: make another one");
	case KEYS_REFUSED_FINGERPRINT:
		return refuse(request, 400, "fingerprint: %d to %d hexadecimal digits: mlbctl keys list shows them",
			      KEYS_PREFIX_MIN, 2 * KEYS_FINGERPRINT_LEN);
	case KEYS_REFUSED_UNKNOWN:
		return refuse(request, 404, "%s: no live member has this key: mlbctl keys list shows them", what);
	case KEYS_REFUSED_AMBIGUOUS:
		return refuse(request, 409, "%s: fits more than one key: give more digits", what);
	case KEYS_REFUSED_ABSENT:
		return refuse(request, 409,
			      "%s: not at %s: add it again, and wait until mlbctl keys list shows it everywhere", what,
			      who);
	case KEYS_REFUSED_SEALING:
		return refuse(request, 409,
			      "%s: seals at %s: use another key first, and wait until mlbctl keys list shows no "
			      "node that seals with this one",
			      what, who);
	case KEYS_REFUSED_LAST:
		return refuse(request, 409, "%s: is the only key of this node: add another one first", what);
	}
	return 200;
}

/* Members that are dead and may come back: what is changed now does not reach them. */
static void add_away(const struct request *request)
{
	cJSON *away = cJSON_AddArrayToObject(request->reply, "away");
	struct gossip_member member;

	for (size_t i = 0; i < gossip_member_n(request->gossip); i++) {
		gossip_member_at(request->gossip, i, &member);
		if (member.state == GOSSIP_DEAD)
			cJSON_AddItemToArray(away, cJSON_CreateString(member.name));
	}
}

static int wish(struct request *request, struct keys_fingerprint fingerprint)
{
	char text[KEYS_FINGERPRINT_TEXT_MAX];
	enum keys_refusal refusal = keyring_step(request->keyring, &request->event, "operator");

	if (refusal != KEYS_GRANTED)
		return explain(request, refusal);
	cJSON_AddStringToObject(request->reply, "fingerprint", keys_fingerprint_format(fingerprint, text));
	add_away(request);
	return 200;
}

static int add(struct request *request)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(request->body, "key"));
	uint8_t key[SEAL_KEY_LEN];
	size_t len = 0;
	int status;

	if (text == NULL)
		randombytes_buf(key, sizeof(key));
	else if (sodium_base642bin(key, sizeof(key), text, strlen(text), NULL, &len, NULL,
				   sodium_base64_VARIANT_ORIGINAL) != 0 ||
		 len != sizeof(key)) {
		sodium_memzero(key, sizeof(key));
		return refuse(request, 400, "key: not base64 of %d bytes", SEAL_KEY_LEN);
	}
	request->event.kind = KEYS_EVENT_ADD;
	request->event.key = key;
	status = wish(request, keys_fingerprint_of(key));
	sodium_memzero(key, sizeof(key));
	return status;
}

static int change(struct request *request, enum keys_event_kind kind)
{
	struct keys_fingerprint fingerprint = { { 0 } };

	request->event.kind = kind;
	request->event.fingerprint =
		cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(request->body, "fingerprint"));
	request->event.force = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(request->body, "force"));
	/* for the reply, while the key is still there; the step itself says what is wrong */
	(void)keys_fingerprint_resolve(request->keyring->keys, &request->event, &fingerprint);
	return wish(request, fingerprint);
}

/* --- the list ------------------------------------------------------------------------------------------------------- */

struct list {
	size_t key_n;
	struct keys_fingerprint keys[LIST_MAX];
};

static void list_add(struct list *list, const struct keys_report *report)
{
	for (size_t i = 0; i < report->key_n; i++) {
		size_t k;

		for (k = 0; k < list->key_n && !keys_fingerprint_equal(list->keys[k], report->keys[i]); k++)
			;
		if (k == list->key_n && list->key_n < LIST_MAX)
			list->keys[list->key_n++] = report->keys[i];
	}
}

static void add_name(cJSON *array, const char *name)
{
	cJSON_AddItemToArray(array, cJSON_CreateString(name));
}

/* One key: who has it, who seals with it, who lacks it. Members that have not said are on a list of their own. */
static cJSON *key_document(const struct request *request, struct keys_fingerprint key, const struct keys_report *self)
{
	cJSON *object = cJSON_CreateObject();
	cJSON *missing = cJSON_CreateArray();
	bool here = keys_report_has(self, key);
	bool seals = keys_fingerprint_equal(self->keys[0], key);
	int present_n = here, sealing_n = seals;
	char text[KEYS_FINGERPRINT_TEXT_MAX];

	if (!here)
		add_name(missing, name_of(request, request->keyring->instance));
	for (size_t i = 0; i < request->event.member_n; i++) {
		uint64_t instance = request->event.members[i].instance;
		struct keys_report report;

		if (!keys_report_find(request->keyring->keys, instance, &report))
			continue;
		if (!keys_report_has(&report, key))
			add_name(missing, name_of(request, instance));
		else
			present_n++;
		sealing_n += keys_fingerprint_equal(report.keys[0], key);
	}
	cJSON_AddStringToObject(object, "fingerprint", keys_fingerprint_format(key, text));
	cJSON_AddStringToObject(object, "state", seals ? "sealing" : here ? "accepted" : "absent");
	cJSON_AddNumberToObject(object, "present", present_n);
	cJSON_AddNumberToObject(object, "sealing", sealing_n);
	cJSON_AddItemToObject(object, "missing", missing);
	return object;
}

static int show(const struct request *request)
{
	const struct keyring *keyring = request->keyring;
	cJSON *silent, *not_stored, *array;
	struct keys_report self, report;
	struct list list = { 0 };

	keys_report_self(keyring->keys, &self);
	list_add(&list, &self);
	cJSON_AddStringToObject(request->reply, "file", keyring->path);
	cJSON_AddBoolToObject(request->reply, "stored", !self.not_stored);
	cJSON_AddNumberToObject(request->reply, "members", (double)(request->event.member_n + 1));
	silent = cJSON_AddArrayToObject(request->reply, "silent");
	not_stored = cJSON_AddArrayToObject(request->reply, "notStored");
	array = cJSON_AddArrayToObject(request->reply, "keys");
	if (self.not_stored)
		add_name(not_stored, name_of(request, keyring->instance));
	for (size_t i = 0; i < request->event.member_n; i++) {
		uint64_t instance = request->event.members[i].instance;

		if (!keys_report_find(keyring->keys, instance, &report)) {
			add_name(silent, name_of(request, instance));
			continue;
		}
		if (report.not_stored)
			add_name(not_stored, name_of(request, instance));
		list_add(&list, &report);
	}
	for (size_t i = 0; i < list.key_n; i++)
		cJSON_AddItemToArray(array, key_document(request, list.keys[i], &self));
	return 200;
}

/* --- the control API ------------------------------------------------------------------------------------------------ */

static int dispatch(struct request *request, const char *verb)
{
	if (strcmp(verb, "keys") == 0)
		return show(request);
	if (!gossip_joined(request->gossip))
		return refuse(request, 409, "keys: this node has not heard the cluster yet");
	if (strcmp(verb, "keys/add") == 0)
		return add(request);
	return change(request, strcmp(verb, "keys/use") == 0 ? KEYS_EVENT_USE : KEYS_EVENT_REMOVE);
}

int keyring_command(struct keyring *keyring, const struct gossip *gossip, const char *verb, const cJSON *body,
		    cJSON *reply, char *error, size_t error_cap)
{
	struct request request = { .keyring = keyring,
				   .gossip = gossip,
				   .body = body,
				   .reply = reply,
				   .error = error,
				   .error_cap = error_cap };
	int status;

	if (keyring->keys == NULL)
		return refuse(&request, 409, "keys: gossip.insecure is true: there is no key ring");
	if (keyring_members(gossip, &request.event.members, &request.event.member_n) != 0)
		return refuse(&request, 500, "out of memory");
	status = dispatch(&request, verb);
	free(request.event.members);
	return status;
}
