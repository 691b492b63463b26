/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: metrics and probes
 *
 * Counting is a few additions where things happen; everything else (members, statistics of gossip, held addresses, the process) is
 * read when somebody asks. A scrape is answered from the loop, in one go and from one state, and its text is bounded; libmicrohttpd
 * then hands it to the client as fast as that reads, and the loop goes on meanwhile.
 *
 * /healthz needs no thread of its own: a loop that stands still does not answer, and one that turns but does not come to its ticks
 * answers 503. /readyz is for who decides whether this node can be counted on: a node that is draining or cut off cannot.
 *
 * An outage, as far as one node can know it: from when this node saw an address without an owner until it saw the next one. A planned
 * move has none. What happened before the owner was declared dead is detection time, which no survivor can measure.
 */
#include "daemon/metrics_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/rng.h"
#include "daemon/fencing.h"
#include "daemon/log.h"

#define HASH_FUNCTION(key, len, hash) ((hash) = (unsigned int)hash_bytes(0, (key), (len)))
#include <uthash.h>

/* A tick is due each second at the latest (arm_tick); one that is so late has been forgotten. */
#define TURN_MAX_S 3

/* Of outages and of the loop's lateness, in microseconds: around what the profiles promise. */
static const int64_t outage_bounds[] = { 1000,	 5000,	  10000,   25000,   50000,    100000,  250000,
					 500000, 1000000, 2500000, 5000000, 10000000, 30000000 };
static const int64_t lateness_bounds[] = {
	100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 500000, 1000000
};

struct metrics_orphan {
	struct ip ip; /* key */
	struct instant since;
	enum election_reason reason;
	UT_hash_handle hh;
};

static void histogram_set(struct metric_histogram *h, const int64_t *bounds, size_t n)
{
	h->bounds_us = bounds;
	h->bound_n = n;
}

int metrics_open(struct app *app)
{
	struct metrics *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < METRICS_REASON_N; i++)
		histogram_set(&m->outages[i], outage_bounds, sizeof(outage_bounds) / sizeof(outage_bounds[0]));
	histogram_set(&m->lateness, lateness_bounds, sizeof(lateness_bounds) / sizeof(lateness_bounds[0]));
	m->turned = clock_now();
	m->started_wall_ms = clock_wall_ms();
	app->metrics = m;
	return 0;
}

int metrics_add_source(struct app *app, void (*write)(void *arg, struct metrics_text *text), void *arg)
{
	struct metrics *m = app->metrics;

	if (m->source_n == METRICS_SOURCE_MAX)
		return -ENOSPC;
	m->sources[m->source_n].write = write;
	m->sources[m->source_n++].arg = arg;
	return 0;
}

static void listen_again(struct app *app);

/* --- counting ------------------------------------------------------------------------------------------------------- */

static void orphaned(struct metrics *m, struct ip ip, enum election_reason reason, struct instant now)
{
	struct metrics_orphan *orphan;

	HASH_FIND(hh, m->orphans, &ip, sizeof(ip), orphan);
	if (orphan != NULL || HASH_COUNT(m->orphans) >= ADDRESS_MAX)
		return;
	orphan = calloc(1, sizeof(*orphan));
	if (orphan == NULL)
		return; /* one sample less */
	orphan->ip = ip;
	orphan->since = now;
	orphan->reason = reason;
	HASH_ADD(hh, m->orphans, ip, sizeof(orphan->ip), orphan);
}

static void adopted(struct metrics *m, struct ip ip, struct instant now)
{
	struct metrics_orphan *orphan;

	HASH_FIND(hh, m->orphans, &ip, sizeof(ip), orphan);
	if (orphan == NULL)
		return;
	metric_histogram_add(&m->outages[orphan->reason], instant_since(now, orphan->since));
	HASH_DEL(m->orphans, orphan);
	free(orphan);
}

void metrics_owner(struct app *app, const struct node_action *action, struct instant now)
{
	struct metrics *m = app->metrics;

	m->owner_changes[action->owner.reason]++;
	if (action->owner.to[0] != '\0')
		adopted(m, action->owner.ip, now);
	else if (action->owner.reason != ELECTION_REASON_REMOVED) /* nobody is to serve it */
		orphaned(m, action->owner.ip, action->owner.reason, now);
}

void metrics_right(struct app *app, bool right, struct instant now)
{
	struct metrics *m = app->metrics;

	if (right && m->right_gone)
		m->right_gone_us.us += instant_since(now, m->right_gone_at).us;
	if (!right && !m->right_gone) {
		m->right_lost_n++;
		m->right_gone_at = now;
	}
	m->right_gone = !right;
}

void metrics_late(struct app *app, struct span late, struct instant now)
{
	metric_histogram_add(&app->metrics->lateness, late);
	app->metrics->turned = now;
	app->metrics->turn_n++;
}

/* An address that is no longer configured and comes back some day was not out of service meanwhile. */
static void forget_removed(struct app *app)
{
	struct metrics_orphan *orphan, *next;
	struct election_address address;

	HASH_ITER(hh, app->metrics->orphans, orphan, next)
	{
		if (election_address_find(node_election(app->node), orphan->ip, &address))
			continue;
		HASH_DEL(app->metrics->orphans, orphan);
		free(orphan);
	}
}

void metrics_reloaded(struct app *app, bool ok)
{
	app->metrics->reloads[ok]++;
	if (!ok)
		return;
	forget_removed(app);
	listen_again(app);
}

/* --- answering ------------------------------------------------------------------------------------------------------ */

static void answer(struct metrics_reply *ret, unsigned int status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void answer(struct metrics_reply *ret, unsigned int status, const char *format, ...)
{
	va_list args;
	int len;

	va_start(args, format);
	len = vasprintf(&ret->text, format, args);
	va_end(args);
	if (len < 0)
		ret->text = NULL;
	ret->len = len > 0 ? (size_t)len : 0;
	ret->status = status;
}

static void reply_metrics(struct app *app, struct metrics_reply *ret)
{
	struct metrics_text text = { 0 };

	metrics_write(app, &text);
	if (text.error == 0) {
		*ret = (struct metrics_reply){ 200, text.bytes, text.len };
		return;
	}
	answer(ret, 500, "%s\n", strerror(-text.error));
	metrics_text_free(&text);
}

static void reply_health(const struct app *app, struct metrics_reply *ret)
{
	struct span still = instant_since(clock_now(), app->metrics->turned);

	if (still.us < span_s(TURN_MAX_S).us)
		answer(ret, 200, "ok turns=%llu\n", (unsigned long long)app->metrics->turn_n);
	else
		answer(ret, 503, "stuck: no tick for %lld ms\n", (long long)(still.us / 1000));
}

static void reply_ready(const struct app *app, struct metrics_reply *ret)
{
	struct fencing_status fencing;
	const char *why = NULL;

	if (app->node == NULL || app->services == NULL)
		why = "starting: not configured yet";
	else if (app->stopping)
		why = "stopping";
	else if (!node_joined(app->node))
		why = "not joined: no member has answered yet";
	else if (node_draining(app->node))
		why = "draining: takes no address";
	if (why == NULL) {
		fencing_status_get(app, &fencing);
		if (!fencing.right)
			why = "cut off: may hold no address";
	}
	if (why == NULL)
		answer(ret, 200, "ok\n");
	else
		answer(ret, 503, "%s\n", why);
}

static void on_reply(void *arg, const char *what, struct metrics_reply *ret)
{
	struct app *app = arg;

	if (strcmp(what, "healthz") == 0)
		reply_health(app, ret);
	else if (strcmp(what, "readyz") == 0)
		reply_ready(app, ret);
	else if (app->node == NULL || app->fencing == NULL)
		answer(ret, 503, "starting\n");
	else
		reply_metrics(app, ret);
}

int metrics_serve(struct app *app)
{
	const struct metrics_listen_handler handler = { on_reply, app };
	char text[ENDPOINT_TEXT_MAX];
	int error;

	if (!app->config->control.listen_set)
		return 0;
	error = metrics_listen_open(&app->loop, app->config->control.listen, &handler, &app->metrics->listen);
	endpoint_format(app->config->control.listen, text);
	if (error == 0) {
		app->metrics->listening = app->config->control.listen;
		log_info("metrics listen=%s", text);
		return 0;
	}
	log_error("control.listen: TCP %s: %s: %s", text, strerror(-error),
		  error == -EADDRINUSE ? "stop the other program, or set another port"
				       : "name an address of this host");
	return error == -EADDRNOTAVAIL ? 2 : 1;
}

/* Listen where the configuration says now. */
static void listen_again(struct app *app)
{
	struct metrics *m = app->metrics;

	if (app->config->control.listen_set == (m->listen != NULL) &&
	    (m->listen == NULL || endpoint_compare(m->listening, app->config->control.listen) == 0))
		return;
	metrics_stop(app);
	(void)metrics_serve(app); /* it has said why not */
}

void metrics_stop(struct app *app)
{
	if (app->metrics == NULL)
		return;
	metrics_listen_close(app->metrics->listen);
	app->metrics->listen = NULL;
}

void metrics_free(struct app *app)
{
	struct metrics_orphan *orphan, *next;

	if (app->metrics == NULL)
		return;
	HASH_ITER(hh, app->metrics->orphans, orphan, next)
	{
		HASH_DEL(app->metrics->orphans, orphan);
		free(orphan);
	}
	free(app->metrics);
	app->metrics = NULL;
}
