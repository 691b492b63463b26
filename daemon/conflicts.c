/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/conflicts.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "daemon/conflict.h"
#include "daemon/log.h"

/* Questions and announcements that are carried out in one turn of the loop. */
#define DUE_PER_TURN 64

/* A hand-over that was offered is over after this (election.h: handover_timeout, and time to let go). */
#define HANDOVER_S 2

struct conflicts {
	struct conflict *conflict; /* owned */
	uv_timer_t timer;
	struct instant due; /* when the timer fires; NEVER: it does not */
	struct conflict_member members[MEMBER_DEFAULT];
};

static void report(struct app *app, const struct conflict_action *action, const char *iface)
{
	const struct conflict_record *record = &action->record;
	const char *name = election_node_name(node_election(app->node), record->instance);
	const char *who = conflict_who_name(record->who);
	const char *done = conflict_action_name(record->action);
	char ip[IP_TEXT_MAX];
	char mac[MAC_TEXT_MAX];
	struct event *event;

	ip_format(record->ip, ip);
	mac_format(record->mac, mac);
	log_warning("address-conflict ip=%s iface=%s mac=%s who=%s node=%s frames=%llu action=%s", ip, iface, mac, who,
		    name != NULL ? name : "none", (unsigned long long)record->count, done);
	event = event_ring_push(app->events, clock_wall_ms(), EVENT_LINK, "%s is announced by %s on %s too (%s)", ip,
				mac, iface, who);
	event_field_add(event, "ip", "%s", ip);
	event_field_add(event, "mac", "%s", mac);
	event_field_add(event, "interface", "%s", iface);
	event_field_add(event, "who", "%s", who);
	event_field_add(event, "action", "%s", done);
}

static void yield(struct app *app, struct ip ip)
{
	struct node_event event = { .kind = NODE_EVENT_LOST, .now = clock_now(), .ip = ip };

	app_node_event(app, &event);
}

static void ask(struct app *app, struct ip ip)
{
	struct election_address address;

	if (election_address_find(node_election(app->node), ip, &address) && address.iface != NULL)
		host_ask(app->host, ip, address.iface);
}

static void carry_out(struct app *app, const struct conflict_action *action, const char *iface)
{
	switch (action->kind) {
	case CONFLICT_ACTION_DEFEND:
		host_defend(app->host, action->ip);
		break;
	case CONFLICT_ACTION_YIELD:
		yield(app, action->ip);
		break;
	case CONFLICT_ACTION_REPORT:
		report(app, action, iface);
		break;
	case CONFLICT_ACTION_ASK:
		ask(app, action->ip);
		break;
	case CONFLICT_ACTION_ANNOUNCE:
		host_announce(app->host, action->ip, clock_now());
		break;
	case CONFLICT_ACTION_MEMBER: /* the claims of both are on their way, and the election has heard of the answer */
	case CONFLICT_ACTION_FREE:   /* the election asks by itself before it claims */
	case CONFLICT_ACTION_TAKEN:
	case CONFLICT_ACTION_NONE:
		break;
	}
}

static void on_timer(uv_timer_t *timer);

static void arm(struct app *app)
{
	struct conflicts *c = app->conflicts;
	struct instant due = conflict_deadline(c->conflict);
	struct instant now = clock_now();

	if (due.us == c->due.us)
		return;
	c->due = due;
	if (due.us == INSTANT_NEVER.us) {
		uv_timer_stop(&c->timer);
		return;
	}
	uv_update_time(&app->loop);
	uv_timer_start(&c->timer, on_timer,
		       instant_before(now, due) ? (uint64_t)instant_since(due, now).us / 1000 + 1 : 1, 0);
}

static void on_timer(uv_timer_t *timer)
{
	struct app *app = timer->data;
	struct conflict_action action;

	app->conflicts->due = INSTANT_NEVER;
	for (unsigned int i = 0; i < DUE_PER_TURN && conflict_due(app->conflicts->conflict, clock_now(), &action); i++)
		carry_out(app, &action, "-");
	arm(app);
}

void conflicts_stepped(struct app *app)
{
	arm(app);
}

void conflicts_seen(struct app *app, struct ip ip, struct mac mac, const char *iface)
{
	struct conflict_out out;

	conflict_seen(app->conflicts->conflict, ip, mac, clock_now(), &out);
	for (size_t i = 0; i < out.action_n; i++)
		carry_out(app, &out.actions[i], iface);
}

void conflicts_hold(struct app *app, struct ip ip)
{
	(void)conflict_hold(app->conflicts->conflict, ip, clock_now());
}

void conflicts_unhold(struct app *app, struct ip ip)
{
	conflict_unhold(app->conflicts->conflict, ip);
}

void conflicts_expect(struct app *app, struct ip ip, uint64_t instance)
{
	conflict_expect(app->conflicts->conflict, ip, instance, instant_add(clock_now(), span_s(HANDOVER_S)));
}

void conflicts_moved(struct app *app, struct ip ip)
{
	conflict_moved(app->conflicts->conflict, ip, clock_now());
}

void conflicts_members(struct app *app)
{
	struct conflicts *c = app->conflicts;
	const struct gossip *gossip = node_gossip(app->node);
	struct gossip_member member;
	struct meta meta;
	size_t n = 0;

	for (size_t i = 0; i < gossip_member_n(gossip) && n < MEMBER_DEFAULT; i++) {
		gossip_member_at(gossip, i, &member);
		if (member.self || meta_decode(member.meta, member.meta_len, &meta) != 0)
			continue;
		c->members[n].instance = member.instance;
		c->members[n].live = gossip_state_live(member.state);
		c->members[n].mac_n = meta.segment_n;
		for (size_t k = 0; k < meta.segment_n; k++)
			c->members[n].macs[k] = meta.segments[k].mac;
		n++;
	}
	conflict_members(c->conflict, c->members, n);
	conflict_shuffle(c->conflict, clock_now());
}

void conflicts_configure(struct app *app)
{
	conflict_configure(app->conflicts->conflict, &app->config->conflict);
}

int conflicts_open(struct app *app)
{
	struct conflicts *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return -ENOMEM;
	c->conflict = conflict_new(&app->config->conflict, clock_random_u64());
	if (c->conflict == NULL) {
		free(c);
		return -ENOMEM;
	}
	c->due = INSTANT_NEVER;
	uv_timer_init(&app->loop, &c->timer);
	c->timer.data = app;
	app->conflicts = c;
	return 0;
}

void conflicts_close(struct app *app)
{
	if (app->conflicts == NULL)
		return;
	conflict_free(app->conflicts->conflict);
	free(app->conflicts);
	app->conflicts = NULL;
}
