/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/report.h"

#include "base/clock.h"
#include "daemon/log.h"
#include "daemon/notify.h"

static const char *or_none(const char *text)
{
	return text[0] != '\0' ? text : "none";
}

static const char *state_text(enum gossip_state state)
{
	return state == 0 ? "unknown" : gossip_state_name(state);
}

void report_member(struct app *app, const struct node_action *action)
{
	const char *from = state_text(action->member.from);
	const char *to = action->member.to == 0 ? "forgotten" : state_text(action->member.to);
	const char *reason = gossip_reason_name(action->member.reason);
	struct event *event;

	if (action->member.from == action->member.to)
		return; /* metadata only */
	log_info("member name=%s from=%s to=%s reason=%s", action->member.name, from, to, reason);
	event = event_ring_push(app->events, clock_wall_ms(), EVENT_MEMBER, "%s: %s -> %s (%s)", action->member.name,
				from, to, reason);
	event_field_add(event, "name", "%s", action->member.name);
	event_field_add(event, "from", "%s", from);
	event_field_add(event, "to", "%s", to);
	event_field_add(event, "reason", "%s", reason);
}

void report_owner(struct app *app, const struct node_action *action)
{
	struct election_address address;
	char ip[IP_TEXT_MAX];
	struct event *event;
	const char *from = or_none(action->owner.from);
	const char *to = or_none(action->owner.to);
	const char *reason = election_reason_name(action->owner.reason);
	const char *service =
		election_address_find(node_election(app->node), action->owner.ip, &address) ? address.service : "-";

	ip_format(action->owner.ip, ip);
	log_info("owner ip=%s service=%s from=%s to=%s reason=%s epoch=%llu", ip, service, from, to, reason,
		 (unsigned long long)action->owner.epoch);
	event = event_ring_push(app->events, clock_wall_ms(), EVENT_OWNER, "%s (%s): %s -> %s (%s)", ip, service, from,
				to, reason);
	event_field_add(event, "ip", "%s", ip);
	event_field_add(event, "service", "%s", service);
	event_field_add(event, "from", "%s", from);
	event_field_add(event, "to", "%s", to);
	event_field_add(event, "reason", "%s", reason);
	event_field_add(event, "epoch", "%llu", (unsigned long long)action->owner.epoch);
}

void report_name_conflict(const struct app *app, struct endpoint holder)
{
	char text[ENDPOINT_TEXT_MAX];

	log_error("name-conflict name=%s holder=%s action=\"stop: give this node another node.name\"",
		  app->config->node.name, endpoint_format(holder, text));
}

void report_joined(struct app *app, bool alone)
{
	if (alone)
		log_warning("joined alone=true reason=\"no peer answered\"");
	else
		log_info("joined members=%zu", gossip_member_n(node_gossip(app->node)));
	(void)event_ring_push(app->events, clock_wall_ms(), EVENT_DAEMON,
			      alone ? "joined alone: no peer answered" : "joined the cluster");
	notify_ready();
}
