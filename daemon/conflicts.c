/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/conflicts.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "daemon/conflict.h"
#include "daemon/log.h"

/* Questions and announcements that are carried out in one turn of the loop. */
#define DUE_PER_TURN 64

/* A hand-over that was offered is over after this (election.h: handover_timeout, and time to let go). */
#define HANDOVER_S 2

/* A second owner is news for so long. */
#define RECENT_S 600

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
	log_warning("address-conflict ip=%s iface=%s mac=%s who=%s node=%s frames=%llu suppressed=%llu "
		    "elsewhere=%llu action=%s",
		    ip, iface, mac, who, name != NULL ? name : "none", (unsigned long long)record->count,
		    (unsigned long long)action->suppressed, (unsigned long long)action->elsewhere, done);
	event = event_ring_push(app->events, clock_wall_ms(), EVENT_LINK, "%s is announced by %s on %s too (%s)", ip,
				mac, iface, who);
	event_field_add(event, "ip", "%s", ip);
	event_field_add(event, "mac", "%s", mac);
	event_field_add(event, "interface", "%s", iface);
	event_field_add(event, "who", "%s", who);
	event_field_add(event, "action", "%s", done);
}

/* A stranger has it, and is to have it for now. */
static void leave(struct app *app, const struct conflict_action *action)
{
	struct node_event event = { .kind = NODE_EVENT_TAKEN, .now = clock_now() };
	char ip[IP_TEXT_MAX];
	char mac[MAC_TEXT_MAX];

	log_warning("address-taken ip=%s mac=%s action=%s retry_ms=%lld", ip_format(action->ip, ip),
		    mac_format(action->record.mac, mac), conflict_action_name(action->kind),
		    (long long)action->hold_down.us / 1000);
	event.taken.ip = action->ip;
	event.taken.mac = action->record.mac;
	event.taken.hold = action->hold_down;
	app_node_event(app, &event);
}

static void carry_out(struct app *app, const struct conflict_action *action, const char *iface)
{
	switch (action->kind) {
	case CONFLICT_ACTION_DEFEND:
		host_defend(app->host, action->ip);
		break;
	case CONFLICT_ACTION_YIELD:
	case CONFLICT_ACTION_TAKEN:
		leave(app, action);
		break;
	case CONFLICT_ACTION_REPORT:
		report(app, action, iface);
		break;
	case CONFLICT_ACTION_ASK:
		host_probe(app->host, action->ip);
		break;
	case CONFLICT_ACTION_ANNOUNCE:
		host_announce(app->host, action->ip, clock_now());
		break;
	case CONFLICT_ACTION_MEMBER: /* the claims of both are on their way, and the election has heard of the answer */
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

void conflicts_seen(struct app *app, struct ip ip, struct mac mac, const char *iface, bool ours)
{
	struct election_address address;
	struct conflict_out out;

	/* what we claim and do not serve yet cannot be defended */
	if (!ours && (!election_address_find(node_election(app->node), ip, &address) || address.held))
		return;
	conflict_seen(app->conflicts->conflict, ip, mac, clock_now(), &out);
	for (size_t i = 0; i < out.action_n; i++)
		carry_out(app, &out.actions[i], iface);
}

void conflicts_hold(struct app *app, struct ip ip)
{
	(void)conflict_hold(app->conflicts->conflict, ip, clock_now());
}

void conflicts_diagnose(const struct app *app, struct diagnosis *d)
{
	const struct conflict *conflict = app->conflicts->conflict;
	struct instant now = clock_now();
	struct conflict_record record;

	for (size_t i = 0; i < conflict_record_n(conflict); i++) {
		const char *name;
		char ip[IP_TEXT_MAX];
		char mac[MAC_TEXT_MAX];

		conflict_record_at(conflict, i, &record);
		/* the kernel of a former member may answer for some time */
		if (record.who == CONFLICT_WHO_FORMER || instant_since(now, record.last).us > span_s(RECENT_S).us)
			continue;
		name = election_node_name(node_election(app->node), record.instance);
		finding_add(d, record.who == CONFLICT_WHO_MEMBER ? FINDING_DUPLICATE_OWNER : FINDING_ADDRESS_CONFLICT,
			    ip_format(record.ip, ip), "%s (%s), %llu frames, the last one %lld s ago",
			    mac_format(record.mac, mac), name != NULL ? name : conflict_who_name(record.who),
			    (unsigned long long)record.count,
			    (long long)(instant_since(now, record.last).us / 1000000));
	}
}

uint64_t conflicts_count(const struct app *app, enum conflict_who who)
{
	return conflict_count(app->conflicts->conflict, who);
}

void conflicts_unhold(struct app *app, struct ip ip)
{
	conflict_unhold(app->conflicts->conflict, ip);
}

void conflicts_expect(struct app *app, struct ip ip, uint64_t instance)
{
	conflict_expect(app->conflicts->conflict, ip, instance, instant_add(clock_now(), span_s(HANDOVER_S)));
}

void conflicts_asked(struct app *app, struct ip ip)
{
	(void)conflict_first(app->conflicts->conflict, ip, clock_now());
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

static void add_moment(cJSON *object, const char *key, struct instant at, struct instant now)
{
	char text[CLOCK_RFC3339_MAX];

	cJSON_AddStringToObject(object, key, clock_rfc3339(clock_wall_ms() - instant_since(now, at).us / 1000, text));
}

static cJSON *record_document(const struct app *app, const struct conflict_record *record, struct instant now)
{
	const char *name = election_node_name(node_election(app->node), record->instance);
	cJSON *object = cJSON_CreateObject();
	char ip[IP_TEXT_MAX];
	char mac[MAC_TEXT_MAX];

	cJSON_AddStringToObject(object, "ip", ip_format(record->ip, ip));
	cJSON_AddStringToObject(object, "mac", mac_format(record->mac, mac));
	cJSON_AddStringToObject(object, "who", conflict_who_name(record->who));
	if (name != NULL)
		cJSON_AddStringToObject(object, "node", name);
	else
		cJSON_AddNullToObject(object, "node");
	add_moment(object, "first", record->first, now);
	add_moment(object, "last", record->last, now);
	cJSON_AddNumberToObject(object, "frames", (double)record->count);
	cJSON_AddStringToObject(object, "action", conflict_action_name(record->action));
	return object;
}

void conflicts_document(const struct app *app, cJSON *doc)
{
	static const enum conflict_who kinds[] = { CONFLICT_WHO_STRANGER, CONFLICT_WHO_MEMBER, CONFLICT_WHO_FORMER,
						   CONFLICT_WHO_AMBIGUOUS };
	const struct conflict *conflict = app->conflicts->conflict;
	cJSON *list = cJSON_AddArrayToObject(doc, "conflicts");
	cJSON *frames = cJSON_AddObjectToObject(doc, "frames");
	struct instant now = clock_now();
	struct conflict_record record;

	for (size_t i = 0; i < conflict_record_n(conflict); i++) {
		conflict_record_at(conflict, i, &record);
		cJSON_AddItemToArray(list, record_document(app, &record, now));
	}
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		cJSON_AddNumberToObject(frames, conflict_who_name(kinds[i]),
					(double)conflict_count(conflict, kinds[i]));
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
