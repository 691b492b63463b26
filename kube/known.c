/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/known.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

void known_init(struct known *known, uint64_t seed)
{
	kube_table_init(&known->table, seed);
}

void known_free(struct known *known)
{
	kube_table_free(&known->table, NULL);
}

struct known_object *known_find(const struct known *known, const char *key)
{
	return (struct known_object *)kube_table_find(&known->table, key);
}

static void text_keep(const char *text, char *buf, size_t size)
{
	snprintf(buf, size, "%s", strlen(text) < size ? text : "");
}

struct known_object *known_put(struct known *known, const char *key, const char *uid, const char *version)
{
	struct known_object *object = known_find(known, key);

	assert(strlen(key) <= KNOWN_KEY_MAX);
	if (object == NULL)
		object = (struct known_object *)kube_table_add(&known->table, sizeof(*object), key);
	if (object == NULL)
		return NULL;
	text_keep(uid, object->uid, sizeof(object->uid));
	text_keep(version, object->version, sizeof(object->version));
	return object;
}

void known_remove(struct known *known, struct known_object *object)
{
	kube_table_remove(&known->table, &object->item);
}

void known_sweep(struct known *known, uint32_t list, void (*gone)(void *arg, const struct known_object *object),
		 void *arg)
{
	struct kube_walk walk = { 0 };
	struct known_object *object;

	while ((object = (struct known_object *)kube_table_next(&known->table, &walk)) != NULL) {
		if (object->seen == list)
			continue;
		gone(arg, object);
		known_remove(known, object);
	}
}
