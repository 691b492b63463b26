/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/picture.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* An object that is to be told when the picture is complete. All of it lies in the reflector's arena `staged`. */
struct reflector_stage {
	struct reflector_stage *next;
	const char *key;
	const char *uid;
	const char *version;
	const char *json; /* NULL: it was deleted meanwhile */
	size_t len;
};

bool object_meta_read(struct json_span object, struct object_meta *meta)
{
	struct json_walk walk = json_walk_of(json_span_field(object, "metadata"));
	struct json_span key, value;
	char name[256] = "", namespace[256] = "";

	*meta = (struct object_meta){ 0 };
	while (json_walk_field(&walk, &key, &value)) {
		if (json_key_is(key, "name"))
			(void)json_span_text(value, name, sizeof(name));
		else if (json_key_is(key, "namespace"))
			(void)json_span_text(value, namespace, sizeof(namespace));
		else if (json_key_is(key, "uid"))
			(void)json_span_text(value, meta->uid, sizeof(meta->uid));
		else if (json_key_is(key, "resourceVersion"))
			(void)json_span_text(value, meta->version, sizeof(meta->version));
		else if (json_key_is(key, "annotations"))
			meta->all_came = json_span_is(json_span_field(value, "k8s.io/initial-events-end"), "true");
	}
	snprintf(meta->key, sizeof(meta->key), "%.253s%s%.253s", namespace, namespace[0] == '\0' ? "" : "/", name);
	return name[0] != '\0';
}

static bool same_object(const struct known_object *known, const char *uid, const char *version)
{
	return known->version[0] != '\0' && strcmp(known->version, version) == 0 && strcmp(known->uid, uid) == 0;
}

/* Tell of an object, and of its predecessor's end where it was made anew. */
static int tell_object(struct reflector *r, const char *key, const char *uid, const char *version,
		       struct json_span object)
{
	struct known_object *known = known_find(&r->known, key);

	if (known == NULL && r->known.table.n >= KUBE_FOLLOWED_MAX)
		return -ENOBUFS;
	if (known != NULL && strcmp(known->uid, uid) != 0)
		r->sink.deleted(r->sink.arg, key, known->uid);
	known = known_put(&r->known, key, uid, version);
	if (known == NULL)
		return -ENOMEM;
	known->seen = r->list;
	r->sink.object(r->sink.arg, key, object.at, object.len);
	return 0;
}

static void tell_deleted(struct reflector *r, const char *key)
{
	struct known_object *known = known_find(&r->known, key);

	if (known == NULL)
		return;
	r->sink.deleted(r->sink.arg, key, known->uid);
	known_remove(&r->known, known);
}

static void tell_begin(struct reflector *r)
{
	if (!r->told)
		r->sink.replace_begin(r->sink.arg);
	r->told = true;
}

static void stage_clear(struct reflector *r)
{
	arena_free(&r->staged);
	r->stage = NULL;
	r->stage_end = &r->stage;
	r->stage_len = 0;
}

static int stage_add(struct reflector *r, const struct object_meta *meta, struct json_span object)
{
	struct reflector_stage *stage = arena_take(&r->staged, 1, sizeof(*stage));
	char *json = object.at == NULL ? NULL : arena_take(&r->staged, object.len, 1);

	if (stage == NULL || (object.at != NULL && json == NULL))
		return -ENOMEM;
	if (json != NULL)
		memcpy(json, object.at, object.len);
	*stage = (struct reflector_stage){ .key = arena_text(&r->staged, meta->key),
					   .uid = arena_text(&r->staged, meta->uid),
					   .version = arena_text(&r->staged, meta->version),
					   .json = json,
					   .len = object.len };
	if (stage->key == NULL || stage->uid == NULL || stage->version == NULL)
		return -ENOMEM;
	*r->stage_end = stage;
	r->stage_end = &stage->next;
	r->stage_len += object.len;
	return 0;
}

/* Tell what was held back, in the order in which it came. */
static int stage_tell(struct reflector *r)
{
	int error = 0;

	for (struct reflector_stage *stage = r->stage; stage != NULL && error == 0; stage = stage->next) {
		const struct known_object *known = known_find(&r->known, stage->key);

		if (stage->json == NULL)
			tell_deleted(r, stage->key);
		else if (known == NULL || !same_object(known, stage->uid, stage->version)) /* a page may come twice */
			error = tell_object(r, stage->key, stage->uid, stage->version,
					    (struct json_span){ stage->json, stage->len });
	}
	stage_clear(r);
	return error;
}

void picture_begin(struct reflector *r)
{
	stage_clear(r);
	r->list++;
	r->told = false;
	r->direct = r->known.table.n == 0;
	if (r->direct)
		tell_begin(r);
}

void picture_drop(struct reflector *r)
{
	stage_clear(r);
}

int picture_object(struct reflector *r, struct json_span object)
{
	struct object_meta meta;
	struct known_object *known;
	int error = 0;

	if (!object_meta_read(object, &meta)) {
		r->counters.skipped++;
		return 0;
	}
	known = known_find(&r->known, meta.key);
	if (known != NULL) {
		known->seen = r->list;
		if (same_object(known, meta.uid, meta.version))
			return 0;
	}
	if (!r->direct && r->stage_len + object.len > KUBE_STAGE_LEN_MAX) {
		/* Too much to hold: from here on as it comes, and the deletions last. */
		r->direct = true;
		tell_begin(r);
		error = stage_tell(r);
	}
	if (error != 0)
		return error;
	return r->direct ? tell_object(r, meta.key, meta.uid, meta.version, object) : stage_add(r, &meta, object);
}

int picture_deleted(struct reflector *r, struct json_span object)
{
	struct object_meta meta;
	struct known_object *known;

	if (!object_meta_read(object, &meta)) {
		r->counters.skipped++;
		return 0;
	}
	if (r->direct) {
		tell_deleted(r, meta.key);
		return 0;
	}
	known = known_find(&r->known, meta.key);
	if (known != NULL)
		known->seen = r->list - 1;
	return stage_add(r, &meta, (struct json_span){ 0 });
}

static void on_gone(void *arg, const struct known_object *object)
{
	struct reflector *r = arg;

	r->sink.deleted(r->sink.arg, object->item.key, object->uid);
}

int picture_end(struct reflector *r)
{
	int error;

	tell_begin(r);
	known_sweep(&r->known, r->list, on_gone, r);
	for (struct reflector_stage *stage = r->stage; stage != NULL; stage = stage->next) {
		struct known_object *known = known_find(&r->known, stage->key);

		if (known != NULL && stage->json != NULL && strcmp(known->uid, stage->uid) != 0)
			tell_deleted(r, stage->key);
	}
	error = stage_tell(r);
	if (error != 0)
		return error;
	r->synced = true;
	r->counters.pictures++;
	r->sink.replace_end(r->sink.arg);
	return 0;
}

int change_object(struct reflector *r, const struct object_meta *meta, struct json_span object)
{
	const struct known_object *known = known_find(&r->known, meta->key);

	if (known != NULL && same_object(known, meta->uid, meta->version))
		return 0;
	return tell_object(r, meta->key, meta->uid, meta->version, object);
}

void change_deleted(struct reflector *r, const struct object_meta *meta)
{
	tell_deleted(r, meta->key);
}
