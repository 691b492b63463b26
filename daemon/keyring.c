/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/keyring.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/keyfile.h"
#include "daemon/keyring_internal.h"
#include "daemon/log.h"

/* Packets that we cannot open come as fast as somebody sends them; so often at most we look why, and say it. */
#define UNREADABLE_S 60

/* Reports of members that are gone; so many more than there are members are swept out. */
#define STALE_REPORT_MAX 64

static void log_store(const struct keyring *keyring, int error)
{
	if (error == 0)
		log_info("keys-stored file=%s", keyring->path);
	else
		log_warning("keys-not-stored file=%s error=\"%s\" action=\"the ring in memory has changed; a restart "
			    "would have the former one\"",
			    keyring->path, strerror(-error));
}

/* Note how an attempt to write the file ended. */
static void stored(struct keyring *keyring, int error)
{
	struct keys_event event = { .kind = KEYS_EVENT_STORED, .now = clock_now() };

	log_store(keyring, error);
	keyring->gave_up = error != 0;
	event.failed = error != 0;
	event.file = &keyring->tried;
	(void)keys_step(keyring->keys, &event);
	keyring->writer = 0;
}

/* Bring the file up to the ring. What failed is tried again when the ring changes next, or at a reload. */
static void store(struct keyring *keyring)
{
	struct seal_ring wanted;
	int error;

	if (keyring->writer > 0 && !keyfile_write_ended(keyring->writer, false, &error))
		return;
	if (keyring->writer > 0)
		stored(keyring, error);
	if (!keys_file_differs(keyring->keys))
		return;
	keys_file_get(keyring->keys, &wanted);
	if (!keyring->gave_up || sodium_memcmp(&wanted, &keyring->tried, sizeof(wanted)) != 0) {
		keyring->tried = wanted;
		keyring->writer = keyfile_write_start(keyring->path, &wanted);
		if (keyring->writer < 0)
			stored(keyring, (int)keyring->writer);
	}
	sodium_memzero(&wanted, sizeof(wanted));
}

enum keys_refusal keyring_step(struct keyring *keyring, struct keys_event *event, const char *why)
{
	enum keys_refusal refusal;
	struct keys_report before, after;

	event->now = clock_now();
	keys_report_self(keyring->keys, &before);
	refusal = keys_step(keyring->keys, event);
	keys_report_self(keyring->keys, &after);
	if (before.key_n != after.key_n || memcmp(before.keys, after.keys, sizeof(before.keys)) != 0)
		log_info("keys-changed reason=%s count=%zu sealing=%s", why, after.key_n,
			 keys_fingerprint_equal(before.keys[0], after.keys[0]) ? "same" : "another");
	return refusal;
}

/* --- life ----------------------------------------------------------------------------------------------------------- */

/* Begin anew with what the configuration has read. 0, or -ENOMEM and nothing has changed. */
static int adopt(struct keyring *keyring, const struct config *config)
{
	struct keys *keys = NULL;
	char *path = NULL;

	if (!config->gossip.insecure) {
		keys = keys_new(&config->gossip.ring, keyring->member_max);
		path = strdup(config->gossip.key_file);
		if (keys == NULL || path == NULL) {
			keys_free(keys);
			free(path);
			return -ENOMEM;
		}
	}
	keys_free(keyring->keys);
	free(keyring->path);
	keyring->keys = keys;
	keyring->path = path;
	if (config->gossip.insecure)
		keyring->insecure = config->gossip.ring;
	keyring->instance = 0;
	keyring->gave_up = false;
	return 0;
}

struct keyring *keyring_new(const struct config *config, size_t member_max)
{
	struct keyring *keyring = calloc(1, sizeof(*keyring));

	if (keyring == NULL)
		return NULL;
	keyring->member_max = member_max;
	if (adopt(keyring, config) != 0) {
		free(keyring);
		return NULL;
	}
	return keyring;
}

/* Write what is not written yet; for once it may block. */
static void store_last(struct keyring *keyring)
{
	int error;

	if (keyring->writer <= 0)
		return;
	(void)keyfile_write_ended(keyring->writer, true, &error);
	stored(keyring, error);
	if (error != 0 || !keys_file_differs(keyring->keys))
		return;
	keys_file_get(keyring->keys, &keyring->tried);
	stored(keyring, keyfile_write(keyring->path, &keyring->tried));
}

void keyring_free(struct keyring *keyring)
{
	if (keyring == NULL)
		return;
	store_last(keyring);
	keys_free(keyring->keys);
	free(keyring->path);
	sodium_memzero(keyring, sizeof(*keyring));
	free(keyring);
}

const struct seal_ring *keyring_ring(const struct keyring *keyring)
{
	return keyring->keys != NULL ? keys_ring(keyring->keys) : &keyring->insecure;
}

void keyring_reload(struct keyring *keyring, const struct config *config)
{
	struct keys_event event = { .kind = KEYS_EVENT_FILE, .file = &config->gossip.ring };

	if (keyring->keys == NULL || config->gossip.insecure) {
		if (keyring->keys == NULL && config->gossip.insecure)
			return;
		store_last(keyring);
		if (adopt(keyring, config) != 0)
			log_error("reload key=gossip.keyFile error=\"out of memory\" action=\"the former keys stay\"");
		return;
	}
	if (strcmp(keyring->path, config->gossip.key_file) != 0) {
		char *path = strdup(config->gossip.key_file);

		if (path == NULL) {
			log_error("reload key=gossip.keyFile error=\"out of memory\" action=\"the former keys stay\"");
			return;
		}
		store_last(keyring);
		free(keyring->path);
		keyring->path = path;
	}
	(void)keyring_step(keyring, &event, "file");
	keyring->gave_up = false; /* it may do better now */
}

/* --- the cluster ---------------------------------------------------------------------------------------------------- */

void keyring_item_take(struct keyring *keyring, const struct gossip_item *item)
{
	struct keys_event event = { .kind = KEYS_EVENT_ITEM, .item = item };

	if (keyring->keys != NULL)
		(void)keyring_step(keyring, &event, "cluster");
}

int keyring_members(const struct gossip *gossip, struct keys_member **ret, size_t *ret_n)
{
	struct keys_member *members = calloc(gossip_member_n(gossip), sizeof(*members));
	struct gossip_member member;

	*ret_n = 0;
	*ret = members;
	if (members == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < gossip_member_n(gossip); i++) {
		gossip_member_at(gossip, i, &member);
		if (!member.self && gossip_state_live(member.state))
			members[(*ret_n)++].instance = member.instance;
	}
	return 0;
}

/* What forgotten members have said goes with them, some at a time: nobody tells us when one is forgotten. */
static void sweep(struct keyring *keyring, const struct gossip *gossip)
{
	struct keys_event event = { .kind = KEYS_EVENT_MEMBERS };

	if (keys_report_n(keyring->keys) < gossip_member_n(gossip) + STALE_REPORT_MAX)
		return;
	event.members = calloc(gossip_member_n(gossip), sizeof(*event.members));
	if (event.members == NULL)
		return;
	for (size_t i = 0; i < gossip_member_n(gossip); i++) {
		struct gossip_member member;

		gossip_member_at(gossip, i, &member);
		event.members[event.member_n++].instance = member.instance;
	}
	(void)keyring_step(keyring, &event, "cluster");
	free(event.members);
}

bool keyring_item_next(struct keyring *keyring, const struct gossip *gossip, struct gossip_item *ret)
{
	struct keys_event event = { .kind = KEYS_EVENT_TICK };

	if (keyring->keys == NULL)
		return false;
	if (keyring->instance != gossip_instance(gossip)) {
		event.kind = KEYS_EVENT_INSTANCE;
		keyring->instance = gossip_instance(gossip);
		(void)keyring_step(keyring, &event, "instance");
	} else if (instant_reached(keys_deadline(keyring->keys), clock_now())) {
		(void)keyring_step(keyring, &event, "time");
	}
	store(keyring);
	sweep(keyring, gossip);
	return keys_item_next(keyring->keys, ret);
}

static bool is_alone(const struct gossip *gossip)
{
	struct gossip_member member;

	for (size_t i = 0; i < gossip_member_n(gossip); i++) {
		gossip_member_at(gossip, i, &member);
		if (!member.self && gossip_state_live(member.state))
			return false;
	}
	return true;
}

void keyring_unreadable(struct keyring *keyring, const struct gossip *gossip, struct endpoint from)
{
	struct instant now = clock_now();
	char text[ENDPOINT_TEXT_MAX];

	if (instant_before(now, keyring->unreadable_next) || keyring->keys == NULL)
		return;
	keyring->unreadable_next = instant_add(now, span_s(UNREADABLE_S));
	if (is_alone(gossip))
		log_warning("keys-differ from=%s file=%s hint=\"no other node is heard, and what comes is sealed with "
			    "a key that this file lacks: copy the key file of a node that works, then mlbctl "
			    "reload\"",
			    endpoint_format(from, text), keyring->path);
}
