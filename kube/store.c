/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- entries ----------------------------------------------------------------------------------------------------------------- */

struct kube_entry *kube_store_find(const struct kube_store *store, enum kube_kind kind, const char *key)
{
	return (struct kube_entry *)kube_table_find(&store->tables[kind], key);
}

struct kube_entry *kube_store_next(const struct kube_store *store, enum kube_kind kind, struct kube_walk *walk)
{
	return (struct kube_entry *)kube_table_next(&store->tables[kind], walk);
}

/* Find or add. NULL: no memory. */
static struct kube_entry *get(struct kube_store *store, enum kube_kind kind, const char *key)
{
	struct kube_entry *entry = kube_store_find(store, kind, key);

	if (entry != NULL)
		return entry;
	entry = (struct kube_entry *)kube_table_add(&store->tables[kind], sizeof(*entry), key);
	if (entry != NULL)
		entry->unready_since = INSTANT_NEVER;
	return entry;
}

static void forget(struct kube_store *store, enum kube_kind kind, struct kube_entry *entry)
{
	kube_table_remove(&store->tables[kind], &entry->item);
}

void kube_store_init(struct kube_store *store, uint64_t seed)
{
	*store = (struct kube_store){ 0 };
	store->queue_end = &store->queue;
	for (size_t kind = 0; kind < KUBE_KIND_N; kind++)
		kube_table_init(&store->tables[kind], seed);
}

static void release(struct kube_item *item)
{
	struct kube_entry *entry = (struct kube_entry *)item;

	kube_object_free(entry->object);
	arena_object_free(entry->problem);
}

void kube_store_free(struct kube_store *store)
{
	for (size_t kind = 0; kind < KUBE_KIND_N; kind++)
		kube_table_free(&store->tables[kind], release);
	store->queue = NULL;
	store->queue_end = &store->queue;
	store->queue_n = 0;
}

/* --- what changes ------------------------------------------------------------------------------------------------------------ */

static bool same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool same_labels(const struct kube_meta *a, const struct kube_meta *b)
{
	if (a->label_n != b->label_n)
		return false;
	for (size_t i = 0; i < a->label_n; i++) {
		if (strcmp(a->labels[i].key, b->labels[i].key) != 0 ||
		    strcmp(a->labels[i].value, b->labels[i].value) != 0)
			return false;
	}
	return true;
}

static bool same_node(const struct kube_node *a, const struct kube_node *b)
{
	return same_labels(&a->meta, &b->meta) && a->network_unavailable == b->network_unavailable &&
	       (a->ready == KUBE_TRUE) == (b->ready == KUBE_TRUE) && a->going == b->going && a->ip_n == b->ip_n &&
	       memcmp(a->ips, b->ips, a->ip_n * sizeof(a->ips[0])) == 0;
}

static bool same_slice(const struct kube_slice *a, const struct kube_slice *b)
{
	if (!same_text(a->service, b->service) || a->endpoint_n != b->endpoint_n)
		return false;
	for (size_t i = 0; i < a->endpoint_n; i++) {
		if (a->endpoints[i].can_serve != b->endpoints[i].can_serve ||
		    !same_text(a->endpoints[i].node, b->endpoints[i].node))
			return false;
	}
	return true;
}

static bool same_version(const struct kube_meta *a, const struct kube_meta *b)
{
	return a->resource_version != NULL && same_text(a->resource_version, b->resource_version) &&
	       same_text(a->uid, b->uid);
}

/* An object takes the place of another; either may be NULL. */
static void note_change(struct kube_store *store, enum kube_kind kind, struct kube_entry *entry, const void *before,
			const void *after)
{
	bool both = before != NULL && after != NULL;

	switch (kind) {
	case KUBE_SERVICES:
		if (both && same_version(&((const struct kube_service *)before)->meta,
					 &((const struct kube_service *)after)->meta))
			return;
		entry->awaited = false;
		entry->changed = true;
		store->plan_changed = true;
		if (store->queueing)
			kube_store_queue(store, entry);
		return;
	case KUBE_SLICES:
		store->plan_changed |= !both || !same_slice(before, after);
		return;
	case KUBE_NODES:
		store->config_changed |= !both || !same_node(before, after);
		return;
	case KUBE_NAMESPACES:
		store->config_changed |= !both || !same_labels(&((const struct kube_namespace *)before)->meta,
							       &((const struct kube_namespace *)after)->meta);
		return;
	case KUBE_POOLS:
	case KUBE_ADVERTS: /* the generation counts changes of the spec; labels are matched too */
		store->config_changed |= !both ||
					 ((const struct kube_meta *)before)->generation !=
						 ((const struct kube_meta *)after)->generation ||
					 !same_labels(before, after);
		return;
	case KUBE_KIND_N:
		break;
	}
}

_Static_assert(offsetof(struct kube_pool, meta) == 0 && offsetof(struct kube_advert, meta) == 0, "see note_change");

/* --- slices and their Services ------------------------------------------------------------------------------------------------ */

void kube_store_settle(struct kube_store *store, struct kube_entry *service)
{
	if (service->object == NULL && service->problem == NULL && service->slices == NULL && !service->queued &&
	    !service->writing)
		forget(store, KUBE_SERVICES, service);
}

static void unlink_slice(struct kube_store *store, struct kube_entry *slice)
{
	struct kube_entry *owner = slice->owner;
	struct kube_entry **at;

	if (owner == NULL)
		return;
	for (at = &owner->slices; *at != slice; at = &(*at)->slice_next)
		;
	*at = slice->slice_next;
	slice->owner = slice->slice_next = NULL;
	kube_store_settle(store, owner);
}

/* False: no memory; it is nobody's then. */
static bool link_slice(struct kube_store *store, struct kube_entry *slice)
{
	const struct kube_slice *object = slice->object;
	char key[KNOWN_KEY_MAX + 1];
	struct kube_entry *owner;

	unlink_slice(store, slice);
	if (object == NULL || object->service == NULL)
		return true;
	snprintf(key, sizeof(key), "%s/%s", object->meta.namespace, object->service);
	owner = get(store, KUBE_SERVICES, key);
	if (owner == NULL)
		return false;
	slice->owner = owner;
	slice->slice_next = owner->slices;
	owner->slices = slice;
	return true;
}

/* --- in and out --------------------------------------------------------------------------------------------------------------- */

static int decode(enum kube_kind kind, const cJSON *json, void **ret, struct kube_error *error)
{
	switch (kind) {
	case KUBE_SERVICES:
		return kube_service_decode(json, (struct kube_service **)ret, error);
	case KUBE_SLICES:
		return kube_slice_decode(json, (struct kube_slice **)ret, error);
	case KUBE_NODES:
		return kube_node_decode(json, (struct kube_node **)ret, error);
	case KUBE_NAMESPACES:
		return kube_namespace_decode(json, (struct kube_namespace **)ret, error);
	case KUBE_POOLS:
		return kube_pool_decode(json, (struct kube_pool **)ret, error);
	case KUBE_ADVERTS:
		return kube_advert_decode(json, (struct kube_advert **)ret, error);
	case KUBE_KIND_N:
		break;
	}
	return -EINVAL;
}

static int fill_problem(struct arena *arena, void *object, void *ctx)
{
	(void)arena;
	memcpy(object, ctx, sizeof(struct kube_problem));
	return 0;
}

static void set_problem(struct kube_entry *entry, const struct kube_error *error)
{
	struct kube_problem problem;
	void *block = NULL;

	arena_object_free(entry->problem);
	entry->problem = NULL;
	if (error == NULL)
		return;
	memcpy(problem.text, error->text, sizeof(problem.text));
	if (arena_object(sizeof(problem), fill_problem, &problem, &block) == 0)
		entry->problem = block;
}

static void note_readiness(struct kube_entry *entry, struct instant now)
{
	const struct kube_node *node = entry->object;

	if (node == NULL || node->ready == KUBE_TRUE)
		entry->unready_since = INSTANT_NEVER;
	else if (entry->unready_since.us == INSTANT_NEVER.us)
		entry->unready_since = now;
}

int kube_store_put(struct kube_store *store, enum kube_kind kind, const char *key, const cJSON *json,
		   struct instant now)
{
	struct kube_error error = { "not JSON" };
	struct kube_entry *entry = get(store, kind, key);
	void *object = NULL, *before;
	int r = json == NULL || entry == NULL ? -EINVAL : decode(kind, json, &object, &error);

	if (entry == NULL || r == -ENOMEM)
		return -ENOMEM;
	before = entry->object;
	entry->object = object;
	set_problem(entry, r == 0 ? NULL : &error);
	note_change(store, kind, entry, before, object);
	kube_object_free(before);
	if (kind == KUBE_NODES)
		note_readiness(entry, now);
	return kind == KUBE_SLICES && !link_slice(store, entry) ? -ENOMEM : 0;
}

void kube_store_drop(struct kube_store *store, enum kube_kind kind, const char *key)
{
	struct kube_entry *entry = kube_store_find(store, kind, key);
	void *before;

	if (entry == NULL)
		return;
	before = entry->object;
	entry->object = NULL;
	set_problem(entry, NULL);
	note_change(store, kind, entry, before, NULL);
	if (kind == KUBE_SLICES)
		unlink_slice(store, entry);
	kube_object_free(before);
	if (kind == KUBE_SERVICES)
		kube_store_settle(
			store, entry); /* not as long as it is in the queue: the controller gives its addresses back */
	else
		forget(store, kind, entry);
}

static int compare_keys(const void *a, const void *b)
{
	const struct kube_entry *x = *(const struct kube_entry *const *)a;
	const struct kube_entry *y = *(const struct kube_entry *const *)b;

	return strcmp(x->item.key, y->item.key);
}

struct kube_entry **kube_store_list(const struct kube_store *store, enum kube_kind kind, struct arena *arena,
				    size_t *ret_n)
{
	struct kube_entry **list = arena_take(arena, store->tables[kind].n, sizeof(struct kube_entry *));
	struct kube_walk walk = { 0 };
	struct kube_entry *entry;

	*ret_n = 0;
	if (list == NULL)
		return NULL;
	while ((entry = kube_store_next(store, kind, &walk)) != NULL) {
		if (entry->object != NULL)
			list[(*ret_n)++] = entry;
	}
	qsort(list, *ret_n, sizeof(struct kube_entry *), compare_keys);
	return list;
}

const struct kube_entry *kube_store_problem(const struct kube_store *store, enum kube_kind kind, size_t *ret_n)
{
	const struct kube_entry *entry, *first = NULL;
	struct kube_walk walk = { 0 };

	*ret_n = 0;
	while ((entry = kube_store_next(store, kind, &walk)) != NULL) {
		if (entry->problem == NULL)
			continue;
		(*ret_n)++;
		if (first == NULL || strcmp(entry->item.key, first->item.key) < 0)
			first = entry;
	}
	return first;
}

/* --- the controller's queue --------------------------------------------------------------------------------------------------- */

void kube_store_queue(struct kube_store *store, struct kube_entry *service)
{
	if (service->queued)
		return;
	service->queued = true;
	service->queue_next = NULL;
	*store->queue_end = service;
	store->queue_end = &service->queue_next;
	store->queue_n++;
}

bool kube_store_queue_all(struct kube_store *store)
{
	struct arena arena;
	struct kube_entry **list;
	size_t n;

	arena_init(&arena);
	list = kube_store_list(store, KUBE_SERVICES, &arena, &n);
	for (int pass = 0; list != NULL && pass < 2; pass++) {
		for (size_t i = 0; i < n; i++) {
			const struct kube_service *service = list[i]->object;

			if ((service->ingress.n > 0) == (pass == 0))
				kube_store_queue(store, list[i]);
		}
	}
	arena_free(&arena);
	return list != NULL;
}

struct kube_entry *kube_store_dequeue(struct kube_store *store)
{
	struct kube_entry *entry = store->queue;

	if (entry == NULL)
		return NULL;
	store->queue = entry->queue_next;
	if (store->queue == NULL)
		store->queue_end = &store->queue;
	entry->queue_next = NULL;
	entry->queued = false;
	store->queue_n--;
	return entry;
}

void kube_store_queue_clear(struct kube_store *store)
{
	struct kube_entry *entry;

	while ((entry = kube_store_dequeue(store)) != NULL)
		kube_store_settle(store, entry);
}
