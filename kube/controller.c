/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/controller.h"

#include <errno.h>
#include <string.h>

#include "base/rng.h"

int kube_manager_init(struct kube_manager *m, const char *class)
{
	*m = (struct kube_manager){ .rules = { .class = class } };
	m->rules.allocator = allocator_new();
	return m->rules.allocator == NULL ? -ENOMEM : 0;
}

void kube_manager_free(struct kube_manager *m)
{
	allocator_free(m->rules.allocator);
	m->rules.allocator = NULL;
}

int kube_manager_begin(struct kube_manager *m, struct kube_store *store, const struct kube_pools *pools)
{
	bool reprocess;
	int r;

	store->queueing = true;
	r = kube_controller_pools(&m->rules, pools->allocs, pools->pool_n, &reprocess);

	if (r == 0 && !kube_store_queue_all(store))
		r = -ENOMEM;
	if (r == 0)
		m->active = true;
	return r;
}

void kube_manager_end(struct kube_manager *m, struct kube_store *store)
{
	struct allocator *fresh = allocator_new();

	store->queueing = false;
	kube_store_queue_clear(store);
	m->active = m->wanted = false;
	m->rules.configured = false;
	if (fresh == NULL)
		return; /* the old one is brought up to date by the first pass: each Service's status decides */
	allocator_free(m->rules.allocator);
	m->rules.allocator = fresh;
}

/* Has this been said about it? */
static bool is_news(struct kube_entry *entry, const struct kube_patch *patch)
{
	uint64_t hash = 1;

	for (size_t i = 0; i < patch->event_n; i++)
		hash = hash_text(hash_text(hash, patch->events[i].reason), patch->events[i].message);
	hash = patch->event_n == 0 ? 0 : hash | 1;
	if (entry->said == hash)
		return false;
	entry->said = hash;
	return hash != 0;
}

/* Those that wait for an address, when something was given back. */
static void queue_waiting(struct kube_manager *m, struct kube_store *store)
{
	struct kube_walk walk = { 0 };
	struct kube_entry *entry;

	m->wanted = false;
	while ((entry = kube_store_next(store, KUBE_SERVICES, &walk)) != NULL) {
		const struct kube_service *service = entry->object;

		if (service != NULL && service->type == KUBE_LOAD_BALANCER &&
		    (service->ingress.n == 0 || service->family_policy == ALLOC_PREFER_DUAL_STACK))
			kube_store_queue(store, entry);
	}
}

bool kube_manager_next(struct kube_manager *m, struct kube_store *store, size_t *budget, struct kube_task *ret)
{
	while (m->active && *budget > 0) {
		struct kube_entry *entry;
		bool news;

		if (store->queue == NULL && m->wanted)
			queue_waiting(m, store);
		entry = kube_store_dequeue(store);
		if (entry == NULL)
			return false;
		(*budget)--;
		if (entry->writing || entry->awaited || entry->problem != NULL)
			continue; /* looked at again when that is over */
		ret->entry = entry;
		ret->service = entry->object;
		kube_controller_converge(&m->rules, entry->item.key, ret->service, &ret->patch);
		m->wanted |= ret->patch.reprocess;
		news = ret->service != NULL && is_news(entry, &ret->patch);
		if (!news)
			ret->patch.event_n = 0;
		if (ret->service == NULL) {
			kube_store_settle(store, entry);
			continue;
		}
		if (ret->patch.write) {
			entry->writing = true;
			entry->changed = false;
			m->writes++;
		}
		if (news || ret->patch.write)
			return true;
	}
	return false;
}

bool kube_manager_sweep(const struct kube_manager *m, struct kube_store *store)
{
	struct kube_walk walk = { 0 };
	struct kube_entry *entry;

	if (!m->active)
		return true;
	while ((entry = kube_store_next(store, KUBE_SERVICES, &walk)) != NULL)
		entry->awaited = false;
	return kube_store_queue_all(store);
}

void kube_manager_wrote(struct kube_manager *m, struct kube_store *store, const char *key, enum kube_written result)
{
	struct kube_entry *entry = kube_store_find(store, KUBE_SERVICES, key);

	if (entry == NULL)
		return;
	entry->writing = false;
	entry->awaited = result == KUBE_OUTDATED && entry->object != NULL && !entry->changed;
	/* what changed meanwhile was passed over, and is in no queue */
	if (m->active && !entry->awaited)
		kube_store_queue(store, entry);
	kube_store_settle(store, entry);
}
