/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/isolation.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/log.h"
#include "daemon/path.h"
#include "netlink/gateway.h"

/* Gateways come and go slowly; members are told of, and many may come together. */
#define TARGETS_REFRESH_S 5
#define MEMBERS_CALM_MS 20

/* Another one's segment is silent: for so long we make sure of ours. Its owner waits a little longer than that takes. */
#define HURRY_MS 200

/*
 * One that was silent must have been heard for so long, or each loose plug moves the addresses twice. Not where we have addresses still,
 * for all were silent alike: others that come back a little sooner would take them from us who serve again.
 */
#define BACK_AFTER_S 3

/* An interface that we have segments on. */
struct watched {
	char iface[IFACE_NAME_MAX + 1];
	bool silent;
	struct instant heard_since; /* of a silent one; NEVER: silent still */
	size_t silent_n;	    /* members that say that nothing answers them there */
};

struct isolation {
	struct path *path; /* owned */
	uv_timer_t timer;
	struct instant targets_at; /* when they are to be found again */
	struct instant hurry_until;
	bool hurry;
	size_t watched_n;
	struct watched watched[SEGMENT_MAX];
};

static struct watched *find_watched(struct isolation *s, const char *iface)
{
	for (size_t i = 0; i < s->watched_n; i++) {
		if (strcmp(s->watched[i].iface, iface) == 0)
			return &s->watched[i];
	}
	return NULL;
}

/* --- whom to ask ------------------------------------------------------------------------------------------------------ */

struct targets {
	struct ip ips[PATH_TARGET_MAX];
	size_t n;
	size_t silent_n; /* of all, not of the first alone */
};

static void add_target(struct targets *t, struct ip ip)
{
	for (size_t i = 0; i < t->n; i++) {
		if (ip_equal(t->ips[i], ip))
			return;
	}
	if (ip.family != IP_NONE && t->n < PATH_TARGET_MAX)
		t->ips[t->n++] = ip;
}

/* Is it on one of our subnets there, and not our own? The bridges of virtual machines have the same address on each host. */
static bool is_on(const struct app *app, const char *iface, struct ip ip)
{
	bool on = false;

	for (size_t i = 0; i < app->meta.segment_n; i++) {
		const struct segment *segment = &app->meta.segments[i];

		if (strcmp(segment->iface, iface) != 0 || !subnet_contains(segment->subnet, ip))
			continue;
		if (ip_equal(segment->self, ip))
			return false;
		on = true;
	}
	return on;
}

static void add_gateway(struct targets *targets, const struct isolation *s, enum ip_family family)
{
	struct gateway gateway;
	char name[IF_NAMESIZE];

	if (gateway_of_default_route(family, &gateway) != 0 || if_indextoname(gateway.index, name) == NULL)
		return;
	for (size_t i = 0; i < s->watched_n; i++) {
		if (strcmp(name, s->watched[i].iface) == 0)
			add_target(&targets[i], gateway.ip);
	}
}

static void add_member(struct targets *targets, const struct app *app, const struct gossip_member *member)
{
	const struct isolation *s = app->isolation;
	struct meta meta;

	if (member->self || !gossip_state_live(member->state) ||
	    meta_decode(member->meta, member->meta_len, &meta) != 0)
		return;
	for (size_t i = 0; i < s->watched_n; i++) {
		for (size_t k = 0; k < meta.segment_n; k++) {
			if (!is_on(app, s->watched[i].iface, meta.segments[k].self))
				continue;
			add_target(&targets[i], meta.segments[k].self);
			targets[i].silent_n += meta.segments[k].isolated;
		}
	}
}

/* Interfaces without segments are gone, or down: the election knows. */
static void follow_interfaces(struct app *app, struct instant now)
{
	struct isolation *s = app->isolation;
	struct watched watched[SEGMENT_MAX];
	size_t n = 0;

	for (size_t i = 0; i < app->meta.segment_n; i++) {
		const char *iface = app->meta.segments[i].iface;
		const struct watched *known = find_watched(s, iface);
		size_t k = 0;

		while (k < n && strcmp(watched[k].iface, iface) != 0)
			k++;
		if (k < n)
			continue;
		watched[n] = known != NULL ? *known : (struct watched){ .heard_since = INSTANT_NEVER };
		memcpy(watched[n++].iface, iface, strlen(iface) + 1);
	}
	for (size_t i = 0; i < s->watched_n; i++) {
		size_t k = 0;

		while (k < n && strcmp(watched[k].iface, s->watched[i].iface) != 0)
			k++;
		if (k == n)
			path_targets(s->path, s->watched[i].iface, NULL, 0, now);
	}
	memcpy(s->watched, watched, n * sizeof(watched[0]));
	s->watched_n = n;
}

static void find_targets(struct app *app, struct instant now)
{
	struct isolation *s = app->isolation;
	const struct gossip *gossip = node_gossip(app->node);
	struct targets targets[SEGMENT_MAX] = { 0 };
	struct gossip_member member;

	s->targets_at = instant_add(now, span_s(TARGETS_REFRESH_S));
	follow_interfaces(app, now);
	add_gateway(targets, s, IP_V4);
	add_gateway(targets, s, IP_V6);
	for (size_t i = 0; i < s->watched_n && app->config->gossip.witness == CONFIG_WITNESS_ADDRESS; i++) {
		if (is_on(app, s->watched[i].iface, app->config->gossip.witness_ip))
			add_target(&targets[i], app->config->gossip.witness_ip);
	}
	for (size_t i = 0; i < gossip_member_n(gossip); i++) {
		gossip_member_at(gossip, i, &member);
		add_member(targets, app, &member);
	}
	for (size_t i = 0; i < s->watched_n; i++) {
		path_targets(s->path, s->watched[i].iface, targets[i].ips, targets[i].n, now);
		if (targets[i].silent_n > s->watched[i].silent_n)
			s->hurry_until = instant_add(now, span_ms(HURRY_MS));
		s->watched[i].silent_n = targets[i].silent_n;
	}
}

/* --- what follows ----------------------------------------------------------------------------------------------------- */

static void mark(struct app *app, struct watched *watched, bool silent)
{
	watched->silent = silent;
	watched->heard_since = INSTANT_NEVER;
	if (silent)
		log_warning("segment iface=%s from=heard to=silent reason=isolated "
			    "action=\"nodes whose segment answers go before this one\"",
			    watched->iface);
	else
		log_info("segment iface=%s from=silent to=heard reason=answered", watched->iface);
	(void)event_ring_push(app->events, clock_wall_ms(), EVENT_LINK, "segment of %s is %s", watched->iface,
			      silent ? "silent" : "heard again");
}

static bool has_addresses(const struct app *app, const char *iface)
{
	const struct election *election = node_election(app->node);
	struct election_address address;

	for (size_t i = 0; i < election_address_n(election); i++) {
		election_address_at(election, i, &address);
		if (address.held && strcmp(address.iface, iface) == 0)
			return true;
	}
	return false;
}

/* True: it has changed. */
static bool judge(struct app *app, struct watched *watched, struct instant now)
{
	bool silent = path_state_of(app->isolation->path, watched->iface, now) == PATH_SILENT;

	if (silent == watched->silent) {
		watched->heard_since = INSTANT_NEVER;
		return false;
	}
	if (!silent && watched->heard_since.us == INSTANT_NEVER.us)
		watched->heard_since = now;
	if (!silent && !instant_reached(instant_add(watched->heard_since, span_s(BACK_AFTER_S)), now) &&
	    !has_addresses(app, watched->iface))
		return false;
	mark(app, watched, silent);
	return true;
}

static void judge_all(struct app *app, struct instant now)
{
	struct isolation *s = app->isolation;
	bool changed = false;

	for (size_t i = 0; i < s->watched_n; i++)
		changed |= judge(app, &s->watched[i], now);
	if (changed)
		app_refresh_meta(app);
}

static void on_timer(uv_timer_t *timer)
{
	struct app *app = timer->data;
	struct isolation *s = app->isolation;
	struct instant now = clock_now();
	struct path_question question;
	int64_t us;

	if (instant_reached(s->targets_at, now))
		find_targets(app, now);
	if (s->hurry == instant_reached(s->hurry_until, now)) {
		s->hurry = !s->hurry;
		path_hurry(s->path, s->hurry, now);
	}
	while (path_ask(s->path, now, &question))
		host_ask(app->host, question.ip, question.iface);
	judge_all(app, now);
	us = instant_since(instant_min(path_deadline(s->path), s->targets_at), now).us;
	uv_timer_start(timer, on_timer, us < 0 ? 0 : (uint64_t)us / 1000 + 1, 0);
}

void isolation_members(struct app *app)
{
	struct isolation *s = app->isolation;

	if (s == NULL)
		return;
	s->targets_at = instant_min(s->targets_at, instant_add(clock_now(), span_ms(MEMBERS_CALM_MS)));
	if (uv_timer_get_due_in(&s->timer) > MEMBERS_CALM_MS)
		uv_timer_start(&s->timer, on_timer, MEMBERS_CALM_MS, 0);
}

void isolation_heard(struct app *app, const char *iface)
{
	if (app->isolation != NULL)
		path_heard(app->isolation->path, iface, clock_now());
}

void isolation_mark(const struct app *app, struct meta *meta)
{
	for (size_t i = 0; i < meta->segment_n; i++) {
		const struct watched *watched =
			app->isolation != NULL ? find_watched(app->isolation, meta->segments[i].iface) : NULL;

		meta->segments[i].isolated = watched != NULL && watched->silent;
	}
}

int isolation_open(struct app *app)
{
	const struct path_config config = { .seed = gossip_instance(node_gossip(app->node)) };
	struct isolation *s = calloc(1, sizeof(*s));

	app->isolation = s;
	if (s != NULL)
		s->path = path_new(&config);
	if (s == NULL || s->path == NULL)
		return -ENOMEM;
	s->targets_at = clock_now();
	s->hurry_until = s->targets_at;
	uv_timer_init(&app->loop, &s->timer);
	s->timer.data = app;
	uv_timer_start(&s->timer, on_timer, 0, 0);
	return 0;
}

void isolation_free(struct app *app)
{
	if (app->isolation != NULL)
		path_free(app->isolation->path);
	free(app->isolation);
	app->isolation = NULL;
}
