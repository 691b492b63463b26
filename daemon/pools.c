/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/pools.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/rng.h"
#include "daemon/kube_snapshot.h"
#include "daemon/log.h"
#include "daemon/metrics.h"
#include "daemon/pools_internal.h"

/* Items come in bursts: one look at all that comes within this. */
#define WORK_DELAY_MS 5
#define WORK_INTERVAL_MS 1000
#define SAVE_DELAY_MS 100
/* Who has just become the one that gives waits so long for what others know. */
#define GIVE_AFTER_S 3
/* And the others wait for it to repeat what they know, before they say it in its place. */
#define SPEAK_AFTER_S 2

/* Key of the item that says: this node has pools. Its value is one byte, 1. */
static const uint8_t candidate_key[1] = { 'p' };

static uint64_t own_instance(const struct pools *p)
{
	return gossip_instance(node_gossip(p->app->node));
}

static bool has_pools(const struct pools *p)
{
	return p->app->config->pool_n > 0;
}

static int compare_named(const void *a, const void *b)
{
	const struct pools_named *x = a;
	const struct pools_named *y = b;

	return x->service < y->service ? -1 : x->service > y->service;
}

const struct config_service *pools_configured(const struct pools *p, uint64_t service)
{
	const struct pools_named key = { .service = service };
	const struct pools_named *found =
		p->named_n == 0 ? NULL : bsearch(&key, p->named, p->named_n, sizeof(key), compare_named);

	return found != NULL ? &p->app->config->services[found->index] : NULL;
}

const char *pools_name(const struct pools *p, uint64_t service, char buf[SERVICE_NAME_MAX + 1])
{
	const struct config_service *configured = pools_configured(p, service);
	const char *name = configured != NULL ? configured->name : ledger_name(p->ledger, service);

	if (name[0] != '\0')
		snprintf(buf, SERVICE_NAME_MAX + 1, "%s", name);
	else
		snprintf(buf, SERVICE_NAME_MAX + 1, "%016llx", (unsigned long long)service);
	return buf;
}

/* ---- the node that gives ---- */

static bool is_candidate(const struct gossip *gossip, const struct gossip_member *member)
{
	struct gossip_item item;

	return gossip_state_live(member->state) &&
	       gossip_item_find(gossip, member->instance, candidate_key, sizeof(candidate_key), &item);
}

/* Members come in the order of their names. */
static void find_giver(struct pools *p, struct instant now)
{
	const struct gossip *gossip = node_gossip(p->app->node);
	struct gossip_member member;
	uint64_t giver = 0;

	for (size_t i = 0; i < gossip_member_n(gossip) && giver == 0; i++) {
		gossip_member_at(gossip, i, &member);
		if (is_candidate(gossip, &member))
			giver = member.instance;
	}
	if (giver == p->giver)
		return;
	p->giver = giver;
	p->giver_since = now;
	p->dirty = true;
	strcpy(p->giver_name, giver != 0 ? member.name : "");
	log_info("pools-giver name=%s", giver != 0 ? member.name : "none");
}

bool pools_gives(const struct pools *p, const char **why)
{
	struct instant now = clock_now();

	if (p->giver == 0 || p->giver != own_instance(p))
		*why = "another node gives the addresses";
	else if (!instant_reached(instant_add(p->giver_since, span_s(GIVE_AFTER_S)), now))
		*why = "this node has just begun to give addresses, and hears first what others know";
	else if (!instant_before(now, election_right_until(node_election(p->app->node))))
		*why = "this node cannot reach enough of the others to give addresses";
	else
		return true;
	return false;
}

/* ---- what the others are told ---- */

/* Items that are to be written: the next one is known before one goes out, so that they travel together. */
struct writing {
	struct pools *p;
	uint8_t key[LEDGER_KEY_LEN];
	uint8_t value[ITEM_VALUE_MAX];
	uint8_t key_len, value_len;
	bool any;
};

static void write_out(struct writing *w, bool more)
{
	struct node_event event = { .kind = NODE_EVENT_ITEM, .now = clock_now() };

	if (!w->any)
		return;
	event.item = (struct gossip_write){ w->key, w->value, w->key_len, w->value_len, more };
	app_node_event(w->p->app, &event);
	w->any = false;
}

/* Unless that is what the cluster has of us. len 0: delete. */
static void write_item(struct writing *w, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len)
{
	struct gossip_item item;
	bool found = gossip_item_find(node_gossip(w->p->app->node), own_instance(w->p), key, (uint8_t)key_len, &item);

	if (found ? item.value_len == len && len > 0 && memcmp(item.value, value, len) == 0 : len == 0)
		return;
	write_out(w, true);
	memcpy(w->key, key, key_len);
	if (len > 0)
		memcpy(w->value, value, len);
	w->key_len = (uint8_t)key_len;
	w->value_len = (uint8_t)len;
	w->any = true;
}

static void write_ledger_item(struct writing *w, enum ledger_item kind, uint64_t service, const uint8_t *value,
			      size_t len)
{
	uint8_t key[LEDGER_KEY_LEN];

	ledger_key_encode(kind, service, key);
	write_item(w, key, sizeof(key), value, len);
}

/* Has the giver said this, or better? */
static bool giver_says(const struct pools *p, const struct ledger_record *record)
{
	uint8_t key[LEDGER_KEY_LEN];
	struct ledger_record said;
	struct gossip_item item;

	ledger_key_encode(LEDGER_ITEM_RECORD, record->service, key);
	return gossip_item_find(node_gossip(p->app->node), p->giver, key, sizeof(key), &item) &&
	       ledger_value_decode(record->service, item.value, item.value_len, &said) == 0 &&
	       said.stamp >= record->stamp;
}

static bool giver_names(const struct pools *p, uint64_t service)
{
	uint8_t key[LEDGER_KEY_LEN];
	struct gossip_item item;

	ledger_key_encode(LEDGER_ITEM_NAME, service, key);
	return gossip_item_find(node_gossip(p->app->node), p->giver, key, sizeof(key), &item);
}

/* What the record needs of ours: as records alone, or with the name. */
static void write_record(struct writing *w, const struct ledger_record *record, bool give, struct pools_item *items,
			 size_t *n)
{
	const struct pools *p = w->p;
	const char *name = ledger_name(p->ledger, record->service);
	uint8_t value[LEDGER_VALUE_LEN];

	if (give || !giver_says(p, record)) {
		ledger_value_encode(record, value);
		write_ledger_item(w, LEDGER_ITEM_RECORD, record->service, value, sizeof(value));
		items[(*n)++] = (struct pools_item){ record->service, LEDGER_ITEM_RECORD };
	}
	if (record->added && !record->removed && name[0] != '\0' && (give || !giver_names(p, record->service))) {
		write_ledger_item(w, LEDGER_ITEM_NAME, record->service, (const uint8_t *)name, strlen(name));
		items[(*n)++] = (struct pools_item){ record->service, LEDGER_ITEM_NAME };
	}
}

static bool item_before(const struct pools_item *a, const struct pools_item *b)
{
	return a->service != b->service ? a->service < b->service : a->kind < b->kind;
}

/* Take back what is in the former list alone; both are sorted. */
static void delete_items(struct writing *w, const struct pools_item *now, size_t now_n)
{
	const struct pools *p = w->p;
	size_t at = 0;

	for (size_t i = 0; i < p->item_n; i++) {
		while (at < now_n && item_before(&now[at], &p->items[i]))
			at++;
		if (at == now_n || item_before(&p->items[i], &now[at]))
			write_ledger_item(w, p->items[i].kind, p->items[i].service, NULL, 0);
	}
}

static void publish(struct pools *p, struct instant now)
{
	bool give = p->giver != 0 && p->giver == own_instance(p);
	bool speak =
		give || (p->giver != 0 && instant_reached(instant_add(p->giver_since, span_s(SPEAK_AFTER_S)), now));
	struct writing w = { .p = p };
	struct pools_item *items = calloc(2 * ledger_n(p->ledger) + 1, sizeof(*items));
	const uint8_t yes = 1;
	size_t n = 0;

	if (items == NULL)
		return;
	write_item(&w, candidate_key, sizeof(candidate_key), &yes, has_pools(p) ? 1 : 0);
	for (size_t i = 0; i < ledger_n(p->ledger) && speak; i++) {
		if (ledger_at(p->ledger, i)->stamp != 0)
			write_record(&w, ledger_at(p->ledger, i), give, items, &n);
	}
	if (speak) {
		delete_items(&w, items, n);
		free(p->items);
		p->items = items;
		p->item_n = n;
	} else {
		free(items);
	}
	write_out(&w, false);
}

bool pools_item_take(struct app *app, const struct gossip_item *item)
{
	struct pools *p = app->pools;
	struct ledger_record record;
	uint64_t service;
	int r = 0;

	if (p == NULL)
		return false;
	if (item->key_len == sizeof(candidate_key) && item->key[0] == candidate_key[0]) {
		pools_kick(p);
		return true;
	}
	switch (ledger_key_decode(item->key, item->key_len, &service)) {
	case LEDGER_ITEM_NONE:
		return false;
	case LEDGER_ITEM_RECORD:
		if (item->value_len > 0 && ledger_value_decode(service, item->value, item->value_len, &record) == 0)
			r = ledger_merge(p->ledger, &record);
		break;
	case LEDGER_ITEM_NAME:
		if (item->value_len > 0)
			r = ledger_name_set(p->ledger, service, (const char *)item->value, item->value_len);
		break;
	}
	if (r == -ENOMEM || r == -ENOSPC)
		log_error("pools-item service=%016llx error=\"%s\"", (unsigned long long)service, strerror(-r));
	/* what is no news may still change whose word it is */
	pools_kick(p);
	return true;
}

/* ---- on disk ---- */

static void on_save(uv_timer_t *timer)
{
	struct pools *p = timer->data;
	const char *path = p->app->config->pool_state;
	size_t len = 0;
	char *text;
	int error;

	if (path == NULL) /* no pools any more */
		return;
	text = pools_text(p->ledger, &len);
	error = text != NULL ? snapshot_save(path, text, len) : -ENOMEM;
	free(text);
	p->saved_version = ledger_version(p->ledger);
	if (error != 0 && !p->save_failed)
		log_warning(
			"pools-state file=%s error=\"%s\" action=\"if all nodes end at once, services may get other "
			"addresses\"",
			path, strerror(-error));
	p->save_failed = error != 0;
}

/* An empty ledger where there is no good file. -ENOMEM. */
static int load(struct pools *p)
{
	const char *path = p->app->config->pool_state;
	char *text = NULL;
	size_t len = 0;
	int error = path != NULL ? snapshot_load(path, &text, &len) : -ENOENT;

	if (error == 0)
		error = pools_text_read(p->ledger, text, len);
	free(text);
	if (error == 0)
		log_info("pools-state file=%s records=%zu", path, ledger_n(p->ledger));
	else if (error != -ENOENT)
		log_warning("pools-state file=%s error=\"%s\" action=\"other nodes may know what was given\"", path,
			    error == -EBADMSG ? "not a whole one" : strerror(-error));
	if (error != 0) {
		ledger_free(p->ledger);
		p->ledger = ledger_new();
	}
	return p->ledger != NULL ? 0 : -ENOMEM;
}

/* ---- what the election is given ---- */

static int compare_ips(const void *a, const void *b)
{
	return ip_compare(*(const struct ip *)a, *(const struct ip *)b);
}

static int compare_numbers(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a;
	uint64_t y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void view_free(struct pools_view *view)
{
	free(view->entries);
	free(view->services);
	*view = (struct pools_view){ 0 };
}

/* Addresses of all services of the list. */
static int note_taken(struct pools *p, const struct election_service *services, size_t n)
{
	struct ip *taken;
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		count += services[i].address_n;
	taken = calloc(count + 1, sizeof(*taken));
	if (taken == NULL)
		return -ENOMEM;
	count = 0;
	for (size_t i = 0; i < n; i++) {
		memcpy(taken + count, services[i].addresses, services[i].address_n * sizeof(*taken));
		count += services[i].address_n;
	}
	qsort(taken, count, sizeof(*taken), compare_ips);
	if (count != p->taken_n || (count > 0 && memcmp(taken, p->taken, count * sizeof(*taken)) != 0))
		p->dirty = true;
	free(p->taken);
	p->taken = taken;
	p->taken_n = count;
	return 0;
}

static bool is_taken(const struct pools *p, struct ip ip)
{
	return p->taken_n > 0 && bsearch(&ip, p->taken, p->taken_n, sizeof(ip), compare_ips) != NULL;
}

static void add_address(const struct pools *p, struct ip ip, unsigned int wanted, struct pools_entry *entry, size_t *n)
{
	unsigned int family = ip.family == IP_V4 ? ALLOC_V4 : ALLOC_V6;

	if (ip.family != IP_NONE && (wanted & family) != 0 && allocator_pool_of(p->allocator, &ip, 1) != NULL &&
	    !is_taken(p, ip))
		entry->addresses[(*n)++] = ip;
}

/* Into a new entry of the view. False: it has no address that this node can use. */
static bool view_add(struct pools *p, struct pools_view *view, const struct ledger_record *record, unsigned int wanted,
		     struct election_service *service)
{
	struct pools_entry *entry = &view->entries[view->n];
	size_t n = 0;

	if (record == NULL || !ledger_holds(p->ledger, record))
		return false;
	memset(entry->addresses, 0, sizeof(entry->addresses));
	add_address(p, record->v4, wanted, entry, &n);
	add_address(p, record->v6, wanted, entry, &n);
	if (n == 0)
		return false;
	service->addresses = entry->addresses;
	service->address_n = n;
	view->services[view->n++] = record->service;
	return true;
}

/* Those of the file, then those that commands added. Returns how many are in `services` then. */
static size_t view_fill(struct pools *p, struct pools_view *view, struct election_service *services)
{
	const struct config *config = p->app->config;
	size_t n = 0;

	for (size_t i = 0; i < config->service_n; i++) {
		const struct config_service *service = &config->services[i];

		if (!service->pooled)
			continue;
		services[n] = config_election_service(service);
		n += view_add(p, view, ledger_find(p->ledger, ledger_service(service->name)), service->families,
			      &services[n]);
	}
	for (size_t i = 0; i < ledger_n(p->ledger); i++) {
		const struct ledger_record *record = ledger_at(p->ledger, i);
		char *name = view->entries[view->n].name;

		strcpy(name, ledger_name(p->ledger, record->service));
		if (record->stamp == 0 || !record->added || record->removed || name[0] == '\0' ||
		    pools_configured(p, record->service) != NULL)
			continue;
		services[n] = (struct election_service){ .name = name, .mode = CLAIM_ADDRESS };
		n += view_add(p, view, record, record->families, &services[n]);
	}
	return n;
}

/* Higher priorities go first; where they are equal, services with addresses of their own. */
static int compare_priority(const void *a, const void *b)
{
	const struct election_service *x = a;
	const struct election_service *y = b;

	if (x->priority != y->priority)
		return x->priority > y->priority ? -1 : 1;
	return strcmp(x->name, y->name);
}

static void merge_in(struct election_service *services, size_t n, const struct election_service *more, size_t more_n)
{
	while (more_n > 0) {
		size_t to = n + more_n - 1;

		if (n > 0 && services[n - 1].priority < more[more_n - 1].priority)
			services[to] = services[--n];
		else
			services[to] = more[--more_n];
	}
}

int pools_services(struct app *app, struct election_service **services, size_t *n)
{
	struct pools *p = app->pools;
	size_t cap, more_n, room = *n < SERVICE_MAX ? SERVICE_MAX - *n : 0;
	struct election_service *more = NULL, *all = NULL;
	struct pools_view view = { 0 };

	if (p == NULL || !has_pools(p))
		return 0;
	cap = app->config->service_n + ledger_n(p->ledger) + 1;
	view.entries = calloc(cap, sizeof(*view.entries));
	view.services = calloc(cap, sizeof(*view.services));
	more = calloc(cap, sizeof(*more));
	if (view.entries == NULL || view.services == NULL || more == NULL || note_taken(p, *services, *n) != 0)
		goto no_memory;
	more_n = view_fill(p, &view, more);
	qsort(view.services, view.n, sizeof(*view.services), compare_numbers);
	qsort(more, more_n, sizeof(*more), compare_priority);
	if (more_n > room)
		log_warning("pools-services dropped=%zu reason=\"more than %d services\"", more_n - room, SERVICE_MAX);
	more_n = more_n < room ? more_n : room;
	all = realloc(*services, (*n + more_n + 1) * sizeof(*all));
	if (all == NULL)
		goto no_memory;
	merge_in(all, *n, more, more_n);
	free(more);
	*services = all;
	*n += more_n;
	view_free(&p->former);
	p->former = p->view;
	p->view = view;
	p->applied_version = ledger_version(p->ledger);
	return 0;
no_memory:
	view_free(&view);
	free(more);
	return -ENOMEM;
}

void pools_applied(struct app *app)
{
	struct pools *p = app->pools;

	if (p == NULL)
		return;
	view_free(&p->former);
	pools_kick(p);
}

bool pools_is_served(const struct pools *p, uint64_t service)
{
	return p->view.n > 0 &&
	       bsearch(&service, p->view.services, p->view.n, sizeof(service), compare_numbers) != NULL;
}

const char *pools_of(const struct app *app, const char *service)
{
	const struct pools *p = app->pools;
	const struct ledger_record *record = p == NULL ? NULL : ledger_find(p->ledger, ledger_service(service));
	const struct ip *ip;

	if (record == NULL || !record->given)
		return NULL;
	ip = record->v4.family != IP_NONE ? &record->v4 : &record->v6;
	return allocator_pool_of(p->allocator, ip, 1);
}

/* ---- life ---- */

static void on_work(uv_timer_t *timer)
{
	struct pools *p = timer->data;
	struct instant now = clock_now();
	const char *why;

	uv_timer_start(timer, on_work, WORK_INTERVAL_MS, 0);
	if (p->app->stopping || p->app->ended || !node_joined(p->app->node))
		return;
	if (!has_pools(p) && ledger_n(p->ledger) == 0 && p->giver == 0)
		return;
	find_giver(p, now);
	if (has_pools(p) && pools_gives(p, &why) && (p->dirty || p->assigned_version != ledger_version(p->ledger)))
		pools_assign(p);
	publish(p, now);
	if (has_pools(p) && p->applied_version != ledger_version(p->ledger) && app_apply_services(p->app) != 0)
		log_error("pools-services error=\"out of memory\" action=\"tried again\"");
	if (has_pools(p) && p->saved_version != ledger_version(p->ledger) &&
	    !uv_is_active((uv_handle_t *)&p->save_timer))
		uv_timer_start(&p->save_timer, on_save, SAVE_DELAY_MS, 0);
}

void pools_kick(struct pools *p)
{
	if (uv_timer_get_due_in(&p->work_timer) > WORK_DELAY_MS)
		uv_timer_start(&p->work_timer, on_work, WORK_DELAY_MS, 0);
}

/* All services of the file by their numbers. */
static int index_names(struct pools *p, const struct config *config)
{
	struct pools_named *named = calloc(config->service_n + 1, sizeof(*named));

	if (named == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < config->service_n; i++)
		named[i] = (struct pools_named){ ledger_service(config->services[i].name), i };
	qsort(named, config->service_n, sizeof(*named), compare_named);
	free(p->named);
	p->named = named;
	p->named_n = config->service_n;
	return 0;
}

int pools_configure(struct app *app)
{
	struct pools *p = app->pools;
	const struct config *config = app->config;
	struct alloc_pool *pools = calloc(config->pool_n + 1, sizeof(*pools));
	int error = pools == NULL ? -ENOMEM : index_names(p, config);

	for (size_t i = 0; i < config->pool_n && error == 0; i++)
		pools[i] = config_alloc_pool(&config->pools[i]);
	if (error == 0)
		error = allocator_pools_set(p->allocator, pools, config->pool_n);
	free(pools);
	p->dirty = true;
	p->saved_version = UINT64_MAX; /* the file may be another one */
	pools_kick(p);
	return error;
}

int pools_open(struct app *app)
{
	struct pools *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return -ENOMEM;
	app->pools = p;
	p->app = app;
	uv_timer_init(&app->loop, &p->work_timer);
	uv_timer_init(&app->loop, &p->save_timer);
	p->work_timer.data = p->save_timer.data = p;
	uv_timer_start(&p->work_timer, on_work, WORK_INTERVAL_MS, 0);
	p->ledger = ledger_new();
	p->allocator = allocator_new();
	if (p->ledger == NULL || p->allocator == NULL || load(p) != 0 || pools_configure(app) != 0)
		return -ENOMEM;
	return metrics_add_source(app, pools_metrics, p);
}

void pools_close(struct app *app)
{
	struct pools *p = app->pools;

	if (p == NULL)
		return;
	if (uv_is_active((uv_handle_t *)&p->save_timer))
		on_save(&p->save_timer);
	app->pools = NULL;
	uv_timer_stop(&p->work_timer);
	uv_timer_stop(&p->save_timer);
	uv_close((uv_handle_t *)&p->work_timer, NULL);
	uv_close((uv_handle_t *)&p->save_timer, NULL);
	(void)uv_run(&app->loop, UV_RUN_NOWAIT); /* handles free themselves on the next turn */
	ledger_free(p->ledger);
	allocator_free(p->allocator);
	free(p->refusals);
	free(p->items);
	free(p->taken);
	free(p->named);
	view_free(&p->view);
	view_free(&p->former);
	free(p);
}
