/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: fencing on the host
 *
 * Three layers, each for when the one before fails. The gate: the kernel answers for service addresses only while we renew it, and we
 * do so for as long as the election says that we may hold, never far ahead; so a daemon that is stopped, hangs or dies together with
 * its guard is silent within gate_life, before a quorum can have voted it dead. The guard: a killed daemon's addresses are off
 * after a millisecond, and the others know. Lifetimes of the addresses: long ones sweep up what is left behind a shut gate; where
 * the kernel has no nf_tables they are short and the only layer.
 *
 * Without the lease of our watchers we may still hold while the segment answers: gateway, peers, witness and the kernel's neighbours are
 * asked in turn, from a moment before the lease ends.
 */
#include "daemon/fencing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/guard.h"
#include "daemon/log.h"
#include "netlink/gate.h"
#include "netlink/gateway.h"
#include "netlink/neighbour.h"
#include "netlink/table.h"

/* The gate outlives the last sign of the loop by so much; less than the shortest time to a verdict where that is possible. */
#define GATE_LIFE_MIN_MS 60
#define GATE_LIFE_MAX_MS 1000
#define GATE_MARGIN_MS 10
#define GATE_RENEW_PER_LIFE 4

/* Lifetimes of addresses behind a gate: they only collect. */
#define LEASE_GATED_S 60

/* How long the kernel may take to learn the addresses behind the gate. */
#define GATE_GUARD_LIMIT_S 2

/* Who is asked whether the segment lives, and when. */
#define TARGET_MAX 16
#define ASK_EACH 4
#define ASKS_PER_LIFE 16
#define ASK_CALM_MS 50
#define TARGET_REFRESH_S 1

/*
 * An answer proves that we are not cut off for a part of the gate's life, so that both end before others may take over; once we are
 * alone in our view, for longer.
 */
#define PATH_HOLD_PERCENT 75
#define PATH_HOLD_ALONE_MS 400
#define PATH_HOLD_HEARD_MS 1500

struct fencing {
	struct gate *gate;   /* owned; NULL: none */
	struct guard *guard; /* owned; NULL: none */
	char *guard_socket;  /* owned: a reload frees the configuration's */
	struct span life;
	uint64_t flushes_n; /* of the gate, as last reported */
	uv_timer_t ask_timer;
	bool asking;
	struct instant targets_at; /* when the targets were looked up */
	size_t target_at;
	size_t target_n;
	struct ip targets[TARGET_MAX];
};

/* --- the guard ------------------------------------------------------------------------------------------------------ */

static void on_guard_died(void *arg)
{
	struct app *app = arg;
	int error = guard_restart(app->fencing->guard);

	if (error != 0)
		log_error("guard-died error=\"%s\" action=\"none until it can be started: the gate still fences\"",
			  strerror(-error));
	else
		log_warning("guard-died action=restarting");
}

static int open_guard(struct app *app)
{
	const struct config *config = app->config;
	struct guard_config guard = { NULL, config->fencing.hang };
	const struct guard_handler handler = { on_guard_died, app };
	int error;

	if (!config->fencing.guard)
		return 0;
	if (config->fencing.guard_socket != NULL)
		app->fencing->guard_socket = strdup(config->fencing.guard_socket);
	guard.socket = app->fencing->guard_socket;
	error = guard_open(&app->loop, &guard, &handler, &app->fencing->guard);
	if (error != 0) {
		log_error("fencing.guard: %s: %s", guard.socket != NULL ? guard.socket : "cannot be started",
			  strerror(-error));
		return 1;
	}
	log_info("guard pid=%d", (int)guard_pid(app->fencing->guard));
	return 0;
}

void fencing_members(struct app *app)
{
	static struct guard_peer peers[GUARD_PEER_MAX];
	const struct gossip *gossip = node_gossip(app->node);
	struct gossip_member member;
	size_t n = 0;

	if (app->fencing->guard == NULL)
		return;
	for (size_t i = 0; i < gossip_member_n(gossip) && n < GUARD_PEER_MAX; i++) {
		gossip_member_at(gossip, i, &member);
		if (member.self || !gossip_state_live(member.state))
			continue;
		peers[n].instance = member.instance;
		peers[n].endpoint_n = member.endpoint_n;
		memcpy(peers[n].endpoints, member.endpoints, member.endpoint_n * sizeof(member.endpoints[0]));
		n++;
	}
	guard_peers(app->fencing->guard, peers, n);
	guard_identity(app->fencing->guard, gossip_instance(gossip), app->endpoints, app->endpoint_n,
		       keyring_ring(app->keyring));
}

void fencing_hold(struct app *app, struct ip ip, const char *iface, enum claim_mode mode)
{
	const struct netlink_link *link;

	if (app->fencing->guard == NULL || mode == CLAIM_NONE)
		return;
	link = netlink_table_link_named(host_table(app->host), iface);
	if (guard_hold(app->fencing->guard, ip, link != NULL ? link->index : 0, mode == CLAIM_ROUTE) != 0)
		log_warning("guard-full reason=\"more addresses are held than the guard can remove\"");
}

void fencing_unhold(struct app *app, struct ip ip)
{
	if (app->fencing->guard != NULL)
		guard_unhold(app->fencing->guard, ip);
}

/* --- the gate ------------------------------------------------------------------------------------------------------- */

static struct span gate_life(const struct gossip_timers *timers)
{
	int64_t us = timers->silence.us + timers->verify.us - timers->beat_interval.us - span_ms(GATE_MARGIN_MS).us;

	if (us < span_ms(GATE_LIFE_MIN_MS).us)
		return span_ms(GATE_LIFE_MIN_MS);
	return us < span_ms(GATE_LIFE_MAX_MS).us ? span_us(us) : span_ms(GATE_LIFE_MAX_MS);
}

static int open_gate(struct app *app)
{
	struct fencing *f = app->fencing;
	struct gate_config gate;
	int error;

	f->life = gate_life(&app->config->gossip.timers);
	if (app->config->fencing.gate == CONFIG_GATE_OFF)
		return 0;
	gate = (struct gate_config){ f->life, span_us(f->life.us / GATE_RENEW_PER_LIFE) };
	error = gate_open(&gate, &f->gate);
	if (error == 0)
		return 0;
	if (app->config->fencing.gate == CONFIG_GATE_REQUIRED) {
		log_error("fencing.gate: nf_tables: %s", strerror(-error));
		return 1;
	}
	log_warning("no-gate error=\"%s\" action=\"addresses get a lifetime of %d s instead: a hung daemon's are "
		    "answered for up to 3 s\"",
		    strerror(-error), HOST_LEASE_S);
	return 0;
}

void fencing_services(struct app *app)
{
	struct ip *ips = calloc(ADDRESS_MAX, sizeof(*ips));
	size_t n = 0;
	int error;

	if (ips == NULL)
		return;
	for (size_t i = 0; i < app->service_n; i++) {
		const struct election_service *service = &app->services[i];

		/* in mode none the daemon itself answers, and others may have the address on every node (kube-proxy) */
		for (size_t j = 0; j < service->address_n && service->mode != CLAIM_NONE && n < ADDRESS_MAX; j++)
			ips[n++] = service->addresses[j];
	}
	error = app->fencing->gate != NULL ? gate_guard(app->fencing->gate, ips, n, span_s(GATE_GUARD_LIMIT_S)) : 0;
	if (error != 0)
		log_warning("gate-addresses error=\"%s\" count=%zu", strerror(-error), n);
	free(ips);
}

static void keep_gate(struct app *app, struct instant now)
{
	struct instant right = election_right_until(node_election(app->node));

	/* not until the right ends, which may be a moment ahead and moves on: should it end, we say so. This is for when we cannot */
	if (app->fencing->gate != NULL && instant_before(now, right))
		gate_allow(app->fencing->gate, instant_add(now, app->fencing->life));
}

void fencing_right(struct app *app, bool right)
{
	struct instant now = clock_now();

	host_right(app->host, right);
	if (!right && app->fencing->gate != NULL)
		gate_allow(app->fencing->gate, now);
	if (right)
		keep_gate(app, now);
	if (!node_joined(app->node))
		return;
	if (right)
		log_info("right-to-hold state=gained");
	else
		log_warning("right-to-hold state=lost reason=\"%s\" action=\"addresses are not served\"",
			    app->config->partition == PARTITION_SAFE ? "too few of the other nodes are heard"
								     : "neither the watchers nor anything on the "
								       "segment answers");
	(void)event_ring_push(app->events, clock_wall_ms(), EVENT_DAEMON,
			      right ? "may hold addresses again" : "cut off: serves no address");
}

/* --- the segment ---------------------------------------------------------------------------------------------------- */

static void add_target(struct fencing *f, struct ip ip)
{
	if (ip.family == IP_NONE || f->target_n == TARGET_MAX)
		return;
	for (size_t i = 0; i < f->target_n; i++) {
		if (ip_equal(f->targets[i], ip))
			return;
	}
	f->targets[f->target_n++] = ip;
}

static void find_targets(struct app *app, struct instant now)
{
	struct fencing *f = app->fencing;
	const struct gossip *gossip = node_gossip(app->node);
	struct ip neighbours[TARGET_MAX];
	struct gossip_member member;
	struct gateway gateway;
	size_t n;

	f->targets_at = now;
	f->target_n = 0;
	if (gateway_of_default_route(IP_V4, &gateway) == 0)
		add_target(f, gateway.ip);
	if (gateway_of_default_route(IP_V6, &gateway) == 0)
		add_target(f, gateway.ip);
	if (app->config->gossip.witness == CONFIG_WITNESS_ADDRESS)
		add_target(f, app->config->gossip.witness_ip);
	n = neighbour_list(neighbours, TARGET_MAX / 2);
	for (size_t i = 0; i < n; i++)
		add_target(f, neighbours[i]);
	for (size_t i = 0; i < gossip_member_n(gossip); i++) {
		gossip_member_at(gossip, i, &member);
		for (size_t k = 0; k < member.endpoint_n && !member.self && member.state != GOSSIP_LEFT; k++)
			add_target(f, member.endpoints[k].ip);
	}
}

static bool alone(const struct app *app)
{
	return gossip_lease_of(node_gossip(app->node)).watcher_n == 0;
}

static void on_ask_timer(uv_timer_t *timer)
{
	struct app *app = timer->data;
	struct fencing *f = app->fencing;
	struct instant now = clock_now();

	if (!election_wants_path(node_election(app->node))) {
		f->asking = false;
		uv_timer_stop(timer);
		return;
	}
	if (instant_since(now, f->targets_at).us >= span_s(TARGET_REFRESH_S).us)
		find_targets(app, now);
	for (size_t i = 0; i < ASK_EACH && i < f->target_n; i++)
		host_solicit(app->host, f->targets[f->target_at++ % f->target_n]);
	uv_timer_start(timer, on_ask_timer, alone(app) ? ASK_CALM_MS : (uint64_t)f->life.us / 1000 / ASKS_PER_LIFE, 0);
}

static void follow_path(struct app *app)
{
	struct fencing *f = app->fencing;

	if (f->asking || !election_wants_path(node_election(app->node)))
		return;
	f->asking = true;
	uv_timer_start(&f->ask_timer, on_ask_timer, 0, 0);
}

static void path_lives(struct app *app, struct span hold)
{
	struct node_event event = { .kind = NODE_EVENT_PATH, .now = clock_now() };

	event.path_until = instant_add(event.now, hold);
	app_node_event(app, &event);
}

void fencing_answered(struct app *app, struct ip ip)
{
	const struct fencing *f = app->fencing;

	for (size_t i = 0; f->asking && i < f->target_n; i++) {
		if (!ip_equal(f->targets[i], ip))
			continue;
		path_lives(app,
			   alone(app) ? span_ms(PATH_HOLD_ALONE_MS) : span_us(f->life.us * PATH_HOLD_PERCENT / 100));
		return;
	}
}

/* A frame from somebody else says that we hear, not that we are heard: enough only when nobody is left to take over from us. */
void fencing_heard(struct app *app)
{
	if (app->fencing != NULL && app->node != NULL && app->fencing->asking &&
	    alone(app)) /* a start that fails has neither */
		path_lives(app, span_ms(PATH_HOLD_HEARD_MS));
}

/* --- together ------------------------------------------------------------------------------------------------------- */

void fencing_stepped(struct app *app)
{
	struct fencing *f = app->fencing;

	if (f->guard != NULL) {
		guard_progress(f->guard);
		guard_counter(f->guard, gossip_counter(node_gossip(app->node)));
	}
	keep_gate(app, clock_now());
	follow_path(app);
}

void fencing_check(struct app *app)
{
	struct gate_stats stats;

	if (app->fencing->gate == NULL)
		return;
	gate_stats_read(app->fencing->gate, &stats);
	if (stats.flushes_n != app->fencing->flushes_n)
		log_warning("gate-flushed times=%llu absent_us=%lld reason=\"another program removed our nf_tables: "
			    "they were made again\"",
			    (unsigned long long)(stats.flushes_n - app->fencing->flushes_n),
			    (long long)stats.absent.us);
	app->fencing->flushes_n = stats.flushes_n;
}

int fencing_open(struct app *app)
{
	int status;

	app->fencing = calloc(1, sizeof(*app->fencing));
	if (app->fencing == NULL)
		return 1;
	uv_timer_init(&app->loop, &app->fencing->ask_timer);
	app->fencing->ask_timer.data = app;
	status = open_gate(app);
	if (status != 0 || (status = open_guard(app)) != 0)
		return status;
	host_lease(app->host, app->fencing->gate != NULL ? LEASE_GATED_S : HOST_LEASE_S);
	return 0;
}

bool fencing_has_gate(const struct app *app)
{
	return app->fencing->gate != NULL;
}

void fencing_close(struct app *app)
{
	struct fencing *f = app->fencing;

	if (f == NULL)
		return;
	uv_timer_stop(&f->ask_timer);
	if (f->guard != NULL) {
		guard_dismiss(f->guard);
		guard_close(f->guard);
	}
	if (f->gate != NULL)
		gate_close(f->gate, true);
	f->guard = NULL;
	f->gate = NULL;
}

void fencing_free(struct app *app)
{
	if (app->fencing != NULL)
		free(app->fencing->guard_socket);
	free(app->fencing);
	app->fencing = NULL;
}

void fencing_status_get(const struct app *app, struct fencing_status *ret)
{
	const struct fencing *f = app->fencing;
	struct gate_stats stats = { .state = GATE_UNSUPPORTED };

	if (f->gate != NULL)
		gate_stats_read(f->gate, &stats);
	ret->gate = stats.state == GATE_UNSUPPORTED ? "none"
		    : stats.state == GATE_ABSENT    ? "absent"
		    : stats.open		    ? "open"
						    : "shut";
	ret->gate_flushes = stats.flushes_n;
	ret->gate_absent = stats.absent;
	ret->guard = f->guard != NULL ? guard_pid(f->guard) : 0;
	ret->right = instant_before(clock_now(), election_right_until(node_election(app->node)));
}
