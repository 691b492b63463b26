/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: the wiring
 *
 * One thread, one libuv loop. Everything that happens becomes an event for the node (daemon/node.h), and everything the node
 * answers is carried out by `carry_out`:
 *
 *   transport     -> PACKET, HINT               SEND      -> transport (seal, UDP)
 *   tick timer    -> TICK                       CLAIM     -> host_claim    (netlink, then ARP / NDP)
 *   netlink       -> META (segments)            RELEASE   -> host_release
 *   kernel errors -> CLAIM_FAILED, LOST         ANNOUNCE  -> host_announce
 *   mlbctl        -> DRAIN, HANDOVER, ...       MEMBER, OWNER, JOINED, ... -> log and event ring
 *   SIGTERM       -> STOP                       STOPPED   -> the loop ends
 *
 * Nothing here decides who owns an address. Start order matters and is in app_run: what can be refused (configuration, second
 * daemon, capabilities, port) is tried before anything is changed on the host.
 */
#include "daemon/app.h"

#include <assert.h>
#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "daemon/checks.h"
#include "daemon/conflicts.h"
#include "daemon/fencing.h"
#include "daemon/isolation.h"
#include "daemon/kubernetes.h"
#include "daemon/log.h"
#include "daemon/metrics.h"
#include "daemon/notify.h"
#include "daemon/pools.h"
#include "daemon/process.h"
#include "daemon/report.h"
#include "gossip/udp.h"

/* A stop that has not finished after this ends anyway: the service manager would kill us, with the addresses still up. */
#define STOP_TIMEOUT_MS 4000

/* A tick that is later than this looks into the sockets first. */
#define TICK_LATE_US 2000

static void arm_tick(struct app *app);

/*
 * A HELLO goes to a peer that is away: help it across a stale neighbour table. All live members ask for the same absent ones, so
 * each does so less often the more there are, and the segment sees about the same number of questions whatever the cluster's size.
 */
static void solicit(struct app *app, struct ip peer)
{
	uint64_t live = gossip_member_n(node_gossip(app->node));

	if (app->hello_n++ % (live / 3 + 1) == 0)
		host_solicit(app->host, peer);
}

/* --- what the node says --------------------------------------------------------------------------------------------- */

static void finish(struct app *app, int status)
{
	app->exit_status = status;
	uv_stop(&app->loop);
}

static void finish_well(struct app *app)
{
	finish(app, 0);
}

static void ask_witness(struct app *app, struct instant now)
{
	char text[IP_TEXT_MAX];
	int error = witness_ask(app->witness, now);

	if (error == 0 || instant_since(now, app->witness_logged).us < span_s(10).us)
		return;
	app->witness_logged = now;
	log_warning("witness-unreachable ip=%s error=\"%s\" reason=\"without its answer the other node is not declared "
		    "dead\"",
		    ip_format(witness_address(app->witness), text), strerror(-error));
}

static void carry_out(struct app *app, const struct node_action *action, struct instant now)
{
	switch (action->kind) {
	case NODE_ACTION_SEND:
		if (action->send.receiver == 0)
			solicit(app, action->send.to.ip);
		transport_send(app->transport, action);
		break;
	case NODE_ACTION_CLAIM:
		conflicts_hold(app, action->claim.ip);
		fencing_hold(app, action->claim.ip, action->claim.iface, action->claim.mode);
		host_claim(app->host, action->claim.ip, action->claim.iface, action->claim.mode, action->claim.priority,
			   now);
		break;
	case NODE_ACTION_RELEASE:
		host_release(app->host, action->claim.ip);
		fencing_unhold(app, action->claim.ip);
		conflicts_unhold(app, action->claim.ip);
		break;
	case NODE_ACTION_ANNOUNCE:
		host_announce(app->host, action->claim.ip, now);
		break;
	case NODE_ACTION_MEMBER:
		transport_members_changed(app->transport);
		app->members_changed = true;
		report_member(app, action);
		break;
	case NODE_ACTION_OWNER:
		report_owner(app, action);
		kubernetes_owner(app, action);
		metrics_owner(app, action, now);
		break;
	case NODE_ACTION_JOINED:
		report_joined(app, action->joined.alone);
		break;
	case NODE_ACTION_CONFLICT:
		report_name_conflict(app, action->conflict.holder);
		finish(app, 1);
		break;
	case NODE_ACTION_DRAINED:
		log_info("drained");
		(void)event_ring_push(app->events, clock_wall_ms(), EVENT_DAEMON,
				      "drained: this node holds no address");
		break;
	case NODE_ACTION_STOPPED:
		if (!kubernetes_stopping(app, finish_well))
			finish(app, 0);
		break;
	case NODE_ACTION_ASK:
		if (action->claim.strangers)
			conflicts_asked(app, action->claim.ip);
		host_ask(app->host, action->claim.ip, action->claim.iface);
		break;
	case NODE_ACTION_RIGHT:
		fencing_right(app, action->right);
		metrics_right(app, action->right, now);
		break;
	case NODE_ACTION_OFFER:
		conflicts_expect(app, action->offer.ip, action->offer.successor);
		break;
	case NODE_ACTION_WITNESS:
		ask_witness(app, now);
		break;
	case NODE_ACTION_ITEM:
		if (!pools_item_take(app, &action->item))
			keyring_item_take(app->keyring, &action->item);
		break;
	}
}

/* One step of the node. Actions are carried out in their order: an address may be claimed and released in one step. */
static void step_once(struct app *app, const struct node_event *event)
{
	node_step(app->node, event, app->out);
	app->in_step = true;
	for (size_t i = 0; i < app->out->action_n; i++)
		carry_out(app, &app->out->actions[i], event->now);
	app->in_step = false;
	transport_flush(app->transport);
}

static void step_all(struct app *app, const struct node_event *event)
{
	struct node_event tick = { .kind = NODE_EVENT_TICK, .now = event->now };

	step_once(app, event);
	while (node_pending(app->node))
		step_once(app, &tick);
}

/* Keys that are to be told to the others; see keyring.h. */
static void publish_keys(struct app *app)
{
	struct gossip_item item;

	while (keyring_item_next(app->keyring, node_gossip(app->node), &item)) {
		struct node_event event = { .kind = NODE_EVENT_ITEM, .now = clock_now() };

		event.item = (struct gossip_write){ item.key, item.value, item.key_len, item.value_len, false };
		step_all(app, &event);
	}
}

void app_node_event(struct app *app, const struct node_event *event)
{
	if (app->ended)
		return;
	if (app->in_step) {
		/* only the kernel's immediate refusals come this way; the kinds defer carry no borrowed pointers */
		assert(event->kind == NODE_EVENT_CLAIMED || event->kind == NODE_EVENT_CLAIM_FAILED ||
		       event->kind == NODE_EVENT_LOST);
		if (app->deferred_n < sizeof(app->deferred) / sizeof(app->deferred[0]))
			app->deferred[app->deferred_n++] = *event;
		return;
	}
	step_all(app, event);
	for (size_t i = 0; i < app->deferred_n; i++) { /* what is handled may add more at the end */
		struct node_event next = app->deferred[i];

		next.now = clock_now();
		step_all(app, &next);
	}
	app->deferred_n = 0;
	if (event->kind == NODE_EVENT_TICK) /* not for each packet: it looks at the key file and at all reports */
		publish_keys(app);
	if (app->members_changed) {
		app->members_changed = false;
		fencing_members(app);
		conflicts_members(app);
		isolation_members(app);
	}
	fencing_stepped(app);
	conflicts_stepped(app);
	arm_tick(app);
}

/* --- what happens to the node --------------------------------------------------------------------------------------- */

static void on_tick(uv_timer_t *timer)
{
	struct app *app = timer->data;
	struct node_event event = { .kind = NODE_EVENT_TICK, .now = clock_now() };
	struct span late = instant_since(event.now, app->tick_due);

	if (instant_reached(app->check_at, event.now)) {
		app->check_at = instant_add(event.now, span_s(1));
		process_check(event.now);
		log_tell_suppressed();
		fencing_members(app); /* keys may be others by now */
		fencing_check(app);
		if (instant_reached(app->steady_at, event.now))
			app_refresh_meta(app);
	}
	histogram_add(&app->lateness, late, event.now);
	metrics_late(app, late, event.now);
	if (late.us > TICK_LATE_US) {
		transport_drain(app->transport); /* packets that wait in the socket are no silence */
		event.now = clock_now();
	}
	app_node_event(app, &event);
}

static void arm_tick(struct app *app)
{
	struct instant now = clock_now();
	struct instant due = node_deadline(app->node);
	int64_t us = due.us == INSTANT_NEVER.us ? span_s(1).us : instant_since(due, now).us;

	uv_update_time(&app->loop);
	app->tick_due = us > 0 ? instant_add(now, span_us(us)) : now;
	uv_timer_start(&app->tick_timer, on_tick, us > 0 ? (uint64_t)(us + 999) / 1000 : 0, 0);
}

static void on_packet(void *arg, const struct node_event *event)
{
	app_node_event(arg, event);
}

static void on_refused(void *arg, struct endpoint peer)
{
	struct node_event event = { .kind = NODE_EVENT_HINT, .now = clock_now(), .hint = peer };

	app_node_event(arg, &event);
}

static void on_unreadable(void *arg, struct endpoint from)
{
	struct app *app = arg;

	keyring_unreadable(app->keyring, node_gossip(app->node), from);
}

static const struct seal_ring *current_ring(void *arg)
{
	struct app *app = arg;

	return keyring_ring(app->keyring);
}

static uint64_t current_instance(void *arg)
{
	struct app *app = arg;

	return gossip_instance(node_gossip(app->node));
}

/* Whose packets are always looked at: live members and seeds. */
static size_t known_addresses(void *arg, struct ip *out, size_t cap)
{
	const struct app *app = arg;
	const struct gossip *gossip = node_gossip(app->node);
	struct gossip_member member;
	size_t n = 0;

	for (size_t i = 0; i < app->config->gossip.seed_n && n < cap; i++)
		out[n++] = app->config->gossip.seeds[i].ip;
	for (size_t i = 0; i < gossip_member_n(gossip); i++) {
		gossip_member_at(gossip, i, &member);
		for (size_t k = 0; gossip_state_live(member.state) && k < member.endpoint_n && n < cap; k++)
			out[n++] = member.endpoints[k].ip;
	}
	return n;
}

static void on_witness(uv_poll_t *poll, int status, int events)
{
	struct app *app = poll->data;
	struct node_event event = { .kind = NODE_EVENT_WITNESS, .now = clock_now() };

	if (status < 0)
		uv_poll_start(poll, UV_READABLE, on_witness);
	(void)events;
	if (witness_read(app->witness, event.now))
		app_node_event(app, &event);
}

/* Interfaces that the configuration names: their segments must not be cut off where a host has many. */
static size_t named_interfaces(const struct config *config, const char *names[SEGMENT_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < config->service_n; i++) {
		for (size_t j = 0; j < config->services[i].interface_n && n < SEGMENT_MAX; j++) {
			size_t k;

			for (k = 0; k < n && strcmp(names[k], config->services[i].interfaces[j]) != 0; k++)
				;
			if (k == n)
				names[n++] = config->services[i].interfaces[j];
		}
	}
	return n;
}

static void read_meta(struct app *app, struct meta *meta)
{
	const char *names[SEGMENT_MAX];
	size_t name_n = named_interfaces(app->config, names);
	uint8_t bytes[META_LEN_MAX];
	size_t found;

	memset(meta, 0, sizeof(*meta));
	meta->labels = app->config->node.labels;
	meta->weight = app->config->node.weight;
	meta->ready = true;
	found = host_segments(app->host, names, name_n, meta->segments, &meta->segment_n);
	if (found > meta->segment_n)
		log_warning("segments-cut found=%zu used=%zu hint=\"name the interfaces in services\"", found,
			    meta->segment_n);
	meta->segment_n = steady_filter(&app->steady, meta->segments, meta->segment_n, clock_now(), &app->steady_at);
	isolation_mark(app, meta);
	/* the least important segments give way to labels: a node without its labels would match wrong services */
	while (meta->segment_n > 0 && meta_encode(meta, bytes, sizeof(bytes)) < 0)
		meta->segment_n--;
}

/* Tell the node what this host looks like now, if that is news. */
void app_refresh_meta(struct app *app)
{
	struct node_event event = { .kind = NODE_EVENT_META, .now = clock_now() };
	uint8_t former[META_LEN_MAX];
	uint8_t next[META_LEN_MAX];
	struct meta meta;
	int former_len = meta_encode(&app->meta, former, sizeof(former));
	int len;

	read_meta(app, &meta);
	len = meta_encode(&meta, next, sizeof(next));
	if (len == former_len && memcmp(former, next, (size_t)len) == 0)
		return;
	app->meta = meta;
	event.meta = &meta;
	app_node_event(app, &event);
}

static void on_host_changed(void *arg)
{
	struct app *app = arg;

	if (app->node != NULL && !app->in_step)
		app_refresh_meta(app);
}

static void on_claimed(void *arg, struct ip ip)
{
	struct app *app = arg;
	struct node_event event = { .kind = NODE_EVENT_CLAIMED, .now = clock_now(), .ip = ip };
	char text[IP_TEXT_MAX];

	log_info("address-up ip=%s", ip_format(ip, text));
	app_node_event(app, &event);
}

static void on_claim_failed(void *arg, struct ip ip, int error)
{
	struct app *app = arg;
	struct node_event event = { .kind = NODE_EVENT_CLAIM_FAILED, .now = clock_now(), .ip = ip };
	char text[IP_TEXT_MAX];

	log_error("claim-failed ip=%s error=\"%s\"", ip_format(ip, text), strerror(-error));
	fencing_unhold(app, ip);
	app_node_event(app, &event);
}

static void on_lost(void *arg, struct ip ip, const char *why)
{
	struct app *app = arg;
	struct node_event event = { .kind = NODE_EVENT_LOST, .now = clock_now(), .ip = ip };
	char text[IP_TEXT_MAX];

	log_warning("address-lost ip=%s reason=\"%s\"", ip_format(ip, text), why);
	fencing_unhold(app, ip);
	app_node_event(app, &event);
}

static void on_answer(void *arg, struct ip ip, struct mac mac, const char *iface, bool ours)
{
	struct app *app = arg;
	struct node_event event = { .kind = NODE_EVENT_ANSWER, .now = clock_now() };

	if (app->ended) /* frames may come in until the sockets are closed */
		return;
	event.answer.ip = ip;
	event.answer.mac = mac;
	app_node_event(app, &event);
	fencing_answered(app, ip);
	conflicts_seen(app, ip, mac, iface, ours);
}

static void on_heard(void *arg, const char *iface)
{
	struct app *app = arg;

	if (app->ended)
		return;
	fencing_heard(app);
	isolation_heard(app, iface);
}

/* --- signals, reload, watchdog -------------------------------------------------------------------------------------- */

static void on_stop_timer(uv_timer_t *timer)
{
	struct app *app = timer->data;

	log_warning("stop-timeout ms=%d action=\"addresses are released without a hand-over\"", STOP_TIMEOUT_MS);
	finish(app, 0);
}

static void stop(struct app *app, const char *why)
{
	struct node_event event = { .kind = NODE_EVENT_STOP, .now = clock_now() };

	if (app->stopping)
		return;
	app->stopping = true;
	log_info("stopping reason=%s", why);
	notify_stopping();
	uv_timer_start(&app->stop_timer, on_stop_timer, STOP_TIMEOUT_MS, 0);
	kubernetes_stop(app);
	app_node_event(app, &event);
}

static void on_signal(uv_signal_t *handle, int signum)
{
	struct app *app = handle->data;
	char error[256];

	if (signum == SIGHUP)
		(void)app_reload(app, error, sizeof(error));
	else
		stop(app, signum == SIGTERM ? "SIGTERM" : "SIGINT");
}

static void on_watchdog(uv_timer_t *timer)
{
	(void)timer;
	notify_watchdog();
}

/* --- start and end -------------------------------------------------------------------------------------------------- */

/* Where one `bind` says that we are reached. */
static int find_endpoint(struct app *app, const char *bind, struct ip *ret)
{
	if (ip_parse(bind, ret) == 0)
		return 0;
	return host_iface_address(app->host, bind, ret);
}

/* Which addresses do the others reach us at? */
static int choose_endpoints(struct app *app)
{
	const struct config *config = app->config;
	size_t bind_n = config->gossip.bind_n;
	int error;

	if (bind_n == 0 && config->gossip.seed_n == 0) {
		log_error("%s: gossip.bind: needed when gossip.join is empty", config->path);
		return 2;
	}
	app->endpoint_n = bind_n > 0 ? bind_n : 1;
	for (size_t i = 0; i < app->endpoint_n; i++) {
		struct endpoint *endpoint = &app->endpoints[i];

		endpoint->port = config->gossip.port;
		error = bind_n > 0 ? find_endpoint(app, config->gossip.binds[i], &endpoint->ip)
				   : udp_source_for(config->gossip.seeds[0], &endpoint->ip);
		if (error == 0)
			continue;
		log_error("%s:%u: gossip.bind: %s: %s: name an address or interface of this host", config->path,
			  bind_n > 0 ? config->gossip.bind_lines[i] : config->gossip.line,
			  bind_n > 0 ? config->gossip.binds[i] : "no route to the first peer", strerror(-error));
		return bind_n > 0 ? 2 : 1;
	}
	return 0;
}

/* Which of the two rights that nothing goes without is missing? */
static const char *missing_rights(void)
{
	uint64_t have = process_capabilities();

	if ((have & 1u << CAP_NET_ADMIN) != 0)
		return "CAP_NET_RAW";
	return (have & 1u << CAP_NET_RAW) != 0 ? "CAP_NET_ADMIN" : "CAP_NET_ADMIN and CAP_NET_RAW";
}

static int open_host(struct app *app)
{
	const struct host_handler handler = { on_host_changed, on_claimed, on_claim_failed, on_lost, on_answer,
					      on_heard,	       app };
	const struct host_config config = { 0 };
	struct config_errors errors = { 0 };
	int error = host_open(&app->loop, &config, &handler, &app->host);

	if (error == -EPERM || error == -EACCES) {
		log_error("missing capability: mlbd needs %s: run it as root or by its systemd unit", missing_rights());
		return 1;
	}
	if (error != 0) {
		log_error("cannot talk to the kernel's network stack: %s", strerror(-error));
		return 1;
	}
	app_check_host(app, app->config, &errors);
	app_log_errors(&errors);
	error = errors.error_n > 0 ? 2 : 0;
	config_errors_free(&errors);
	return error;
}

static int open_control(struct app *app)
{
	const struct control_handler handler = app_control_handler(app);
	const char *path = app->config->control.socket;
	int error = control_open(&app->loop, path, &handler, &app->control);

	if (error == -EADDRINUSE)
		log_error("control.socket: %s: another mlbd answers there: stop it, or set another control.socket",
			  path);
	else if (error != 0)
		log_error("control.socket: %s: %s", path, strerror(-error));
	return error != 0 ? 1 : 0;
}

static int open_gossip(struct app *app)
{
	const struct transport_handler handler = { on_packet,	 on_refused,	   on_unreadable,
						   current_ring, current_instance, known_addresses,
						   app };
	int status = choose_endpoints(app);
	char text[ENDPOINT_TEXT_MAX];
	size_t failed;
	int error;

	if (status != 0)
		return status;
	error = transport_open(&app->loop, app->endpoints, app->endpoint_n, &handler, &app->transport, &failed);
	if (error == 0)
		return 0;
	endpoint_format(app->endpoints[failed], text);
	if (error == -EADDRINUSE)
		log_error("gossip.bind: UDP %s is in use: stop the other program, or set gossip.port", text);
	else if (error == -EADDRNOTAVAIL)
		log_error("%s:%u: gossip.bind: %s is no address of this host: name one, or an interface",
			  app->config->path, app->config->gossip.line, text);
	else
		log_error("gossip.bind: UDP %s: %s", text, strerror(-error));
	return error == -EADDRNOTAVAIL ? 2 : 1;
}

static int open_witness(struct app *app)
{
	const struct config *config = app->config;
	int error;

	if (config->gossip.witness == CONFIG_WITNESS_NONE)
		return 0;
	error = witness_open(config->gossip.witness_ip, app->endpoints[0].ip.family, &app->witness);
	if (error != 0) {
		log_error("gossip.witness: %s", strerror(-error));
		return 1;
	}
	app->witness_logged = instant_add(clock_now(), span_s(-3600));
	app->witness_poll.data = app;
	uv_poll_init(&app->loop, &app->witness_poll, witness_fd(app->witness));
	uv_poll_start(&app->witness_poll, UV_READABLE, on_witness);
	return 0;
}

static int make_node(struct app *app)
{
	const struct config *config = app->config;
	struct node_config node = { 0 };

	memcpy(node.gossip.name, config->node.name, sizeof(node.gossip.name));
	node.gossip.instance = (uint64_t)(clock_wall_ms() / 1000) << 32 | (clock_random_u64() >> 32);
	node.gossip.endpoint_n = app->endpoint_n;
	memcpy(node.gossip.endpoints, app->endpoints, sizeof(node.gossip.endpoints));
	node.gossip.witness = config->gossip.witness != CONFIG_WITNESS_NONE;
	node.gossip.timers = config->gossip.timers;
	node.gossip.packet_len_max = config->gossip.packet_len_max;
	node.gossip.member_max = MEMBER_DEFAULT;
	node.gossip.item_max = ITEM_MAX;
	node.gossip.seed_n = config->gossip.seed_n;
	if (config->kubernetes.on)
		node.gossip.seeds_wait = span_s(KUBERNETES_SEEDS_S);
	memcpy(node.gossip.seeds, config->gossip.seeds, sizeof(node.gossip.seeds));
	election_config_defaults(&node.election);
	node.election.partition = config->partition;
	node.election.rebalance = config->placement.rebalance;
	node.election.rebalance_delay = config->placement.delay;
	node.election.rebalance_rate = config->placement.rate;
	if (!fencing_has_gate(app)) /* nothing keeps the kernel from answering: let go at once */
		node.election.right_grace = span_us(0);
	node.election.ask_first = config->conflict.first_probe;
	node.election.hold_down = config->conflict.hold_down;
	node.election.peers = config->kubernetes.on; /* its nodes */
	node.election.path_ahead = span_us((config->gossip.timers.silence.us + config->gossip.timers.verify.us) / 2);
	read_meta(app, &app->meta);
	node.meta = app->meta;
	app->keyring = keyring_new(config, MEMBER_DEFAULT);
	app->node = node_new(&node, clock_random_u64(), clock_now());
	app->out = malloc(sizeof(*app->out));
	if (app->node == NULL || app->out == NULL || app->keyring == NULL) {
		log_error("out of memory");
		return 1;
	}
	return 0;
}

static void start_watchdog(struct app *app)
{
	struct span interval = notify_watchdog_interval();

	if (interval.us <= 0)
		return;
	uv_timer_start(&app->watchdog_timer, on_watchdog, 0, (uint64_t)(interval.us / 2000));
}

static void start_loop(struct app *app)
{
	static const int numbers[3] = { SIGTERM, SIGINT, SIGHUP };

	transport_start(app->transport);
	for (size_t i = 0; i < 3; i++) {
		app->signals[i].data = app;
		uv_signal_init(&app->loop, &app->signals[i]);
		uv_signal_start(&app->signals[i], on_signal, numbers[i]);
	}
	uv_timer_init(&app->loop, &app->tick_timer);
	uv_timer_init(&app->loop, &app->watchdog_timer);
	uv_timer_init(&app->loop, &app->stop_timer);
	app->tick_timer.data = app;
	app->watchdog_timer.data = app;
	app->stop_timer.data = app;
	start_watchdog(app);
}

static void clean_leftovers(struct app *app)
{
	size_t n = host_clean(app->host);

	if (n > 0)
		log_warning("leftovers-removed count=%zu reason=\"an earlier run ended without releasing them\"", n);
}

void app_configure_log(const struct config *config)
{
	log_json_set(config->log.json);
	if (config->log.level_set)
		log_level_set(config->log.level);
}

static int start(struct app *app)
{
	char text[ENDPOINT_TEXT_MAX];
	int status;

	if ((status = open_host(app)) != 0 || (status = open_gossip(app)) != 0 || (status = open_witness(app)) != 0 ||
	    (status = open_control(app)) != 0 || (status = metrics_serve(app)) != 0)
		return status;
	/* first, for the gate's thread takes it over */
	process_init(app->config->process.realtime_priority, app->config->process.lock_memory);
	if ((status = fencing_open(app)) != 0 || (status = make_node(app)) != 0)
		return status;
	clean_leftovers(app);
	if (conflicts_open(app) != 0 || isolation_open(app) != 0)
		return 1;
	fencing_members(app);
	start_loop(app);
	log_info("started version=%s name=%s gossip=%s services=%zu instance=%016llx", MLB_VERSION,
		 app->config->node.name, endpoint_format(app->endpoints[0], text), app->config->service_n,
		 (unsigned long long)gossip_instance(node_gossip(app->node)));
	if (app->config->gossip.insecure)
		log_warning("insecure reason=\"gossip.insecure is true: anyone on the network can move addresses\"");
	if (pools_open(app) != 0) {
		log_error("out of memory");
		return 1;
	}
	if ((status = kubernetes_open(app)) != 0)
		return status;
	return checks_apply(app, NULL) != 0 || app_apply_services(app) != 0 ? 1 : 0;
}

static void release_all(struct app *app)
{
	const struct election *election = node_election(app->node);
	struct election_address address;

	for (size_t i = 0; i < election_address_n(election); i++) {
		election_address_at(election, i, &address);
		if (address.held)
			host_release(app->host, address.ip);
	}
}

int app_run(struct config *config)
{
	struct app *app = calloc(1, sizeof(*app));
	int status = 1;

	if (app == NULL)
		return 1;
	app->config = app->first_config = config;
	app_configure_log(config);
	app->started = clock_now();
	histogram_init(&app->lateness, span_s(60), app->started);
	app->events = event_ring_new();
	if (app->events == NULL || metrics_open(app) != 0 || uv_loop_init(&app->loop) != 0)
		goto out;
	status = start(app);
	if (status == 0) {
		uv_run(&app->loop, UV_RUN_DEFAULT);
		status = app->exit_status;
		transport_stop(app->transport); /* from here on nothing may claim again */
		uv_timer_stop(&app->tick_timer);
		app->ended = true;
		release_all(app);
		host_flush(app->host);
		fencing_close(app);
		log_info("stopped status=%d", status);
	}
	checks_close(app);
	kubernetes_close(app);
	pools_close(app);
	metrics_stop(app);
	control_close(app->control);
	(void)uv_run(&app->loop, UV_RUN_NOWAIT); /* control frees itself on the next turn */
	host_close(app->host);
out:
	transport_close(app->transport);
	witness_close(app->witness);
	fencing_free(app);
	conflicts_close(app);
	isolation_free(app);
	keyring_free(app->keyring);
	node_free(app->node);
	free(app->out);
	free(app->services);
	metrics_free(app);
	event_ring_free(app->events);
	if (app->first_config != app->config)
		config_free(app->first_config);
	config_free(app->config);
	free(app);
	return status;
}
