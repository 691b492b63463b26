/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/check.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/check_link.h"
#include "daemon/log.h"

enum check_phase {
	CHECK_IDLE,    /* until it is due */
	CHECK_WAITING, /* for one of CHECK_RUN_MAX */
	CHECK_RUNNING,
};

struct check {
	struct pool *pool; /* borrowed */
	struct check *next;
	struct check *next_waiting;
	char service[SERVICE_NAME_MAX + 1];
	void (*changed)(void *arg, const char *service, bool passing, const char *why);
	void *arg;
	uint32_t id;	 /* of the check at the runner */
	uint32_t run_id; /* of the run that is on */
	uint8_t *job;	 /* owned, encoded */
	size_t job_len;
	struct check_state state;
	enum check_phase phase;
	bool late;	  /* the last run was, and that has been logged */
	uv_timer_t timer; /* until it is due, or its answer should be here */
	struct span took;
	char text[CHECK_TEXT_MAX + 1];
};

/* What all checks share; there while there are any. */
struct pool {
	uv_loop_t *loop;
	struct check *checks;
	struct check *waiting; /* first in, first out */
	struct check **waiting_end;
	struct check_link *link; /* owned; NULL: no runner */
	struct instant retry_at; /* no new one before */
	bool refused;		 /* that it cannot be started has been logged */
	unsigned int running_n;
	uint32_t last_id; /* of checks and of runs */
};

/* One process, one pool: a check finds it without help. */
static struct pool *pool;

static void on_timer(uv_timer_t *timer);

/* ---- results ---- */

static void set_timer(struct check *c, struct instant at)
{
	int64_t us = instant_since(at, clock_now()).us;

	uv_update_time(c->pool->loop);
	(void)uv_timer_start(&c->timer, on_timer, us > 0 ? (uint64_t)(us + 999) / 1000 : 0, 0);
}

static const char *state_name(const struct check_state *s)
{
	if (!s->decided)
		return "unknown";
	return s->passing ? "passing" : "failing";
}

static void log_result(struct check *c, enum check_outcome outcome, const char *before)
{
	const char *after = state_name(&c->state);

	if (outcome == CHECK_LATE && !c->late)
		log_warning("check-late service=%s reason=\"%s\" action=\"counts for nothing\"", c->service, c->text);
	c->late = outcome == CHECK_LATE;
	if (strcmp(before, after) == 0)
		return;
	if (c->state.passing)
		log_info("check service=%s from=%s to=%s reason=\"%u good in a row\"", c->service, before, after,
			 c->state.timing.rise);
	else
		log_warning("check service=%s from=%s to=%s reason=\"%u bad in a row: %s\"", c->service, before, after,
			    c->state.timing.fall, c->text);
}

/* A run has ended or could not be. `c` may be gone afterwards. */
static void finish(struct check *c, enum check_outcome outcome, const char *text)
{
	const char *before = state_name(&c->state);
	struct instant now = clock_now();
	bool decided = c->state.decided;
	bool changed;

	if (c->phase == CHECK_RUNNING)
		c->pool->running_n--;
	c->phase = CHECK_IDLE;
	if (outcome != CHECK_LATE)
		c->took = instant_since(now, c->state.began);
	if (outcome != CHECK_PASSED && strcmp(c->text, text) != 0)
		strcpy(c->text, text);
	changed = check_state_end(&c->state, outcome, now) || decided != c->state.decided;
	log_result(c, outcome, before);
	set_timer(c, c->state.due);
	if (changed)
		c->changed(c->arg, c->service, c->state.passing, c->state.passing ? "" : c->text);
}

/* The check with that run; run 0: any with one. */
static struct check *find_running(const struct pool *p, uint32_t run_id)
{
	struct check *c = p->checks;

	while (c != NULL && (c->phase != CHECK_RUNNING || (run_id != 0 && c->run_id != run_id)))
		c = c->next;
	return c;
}

/* ---- the runner ---- */

/* What it had not done counts for nothing, so nobody is told. */
static void lose_runner(struct pool *p, bool hangs)
{
	struct check *c;

	log_warning("check-runner result=lost pid=%d reason=\"%s\" action=\"another one in %d ms\"",
		    (int)check_link_pid(p->link), hangs ? "does not answer" : "has ended", CHECK_RETRY_MS);
	check_link_close(p->link, hangs);
	p->link = NULL;
	p->retry_at = instant_add(clock_now(), span_ms(CHECK_RETRY_MS));
	while ((c = find_running(p, 0)) != NULL)
		finish(c, CHECK_LATE, "the process that runs checks was lost");
}

static void pump(struct pool *p);

static void on_result(void *arg, const struct check_result *result)
{
	struct check *c = find_running(arg, result->run_id);

	if (c == NULL)
		return; /* stopped meanwhile */
	finish(c, result->outcome, result->text);
	if (pool == arg)
		pump(arg);
}

static void on_gone(void *arg)
{
	lose_runner(arg, false);
}

/* 0 or a negative errno; -EAGAIN: not yet. */
static int want_runner(struct pool *p)
{
	const struct check_link_handler handler = { on_result, on_gone, p };
	int error;

	if (p->link != NULL)
		return 0;
	if (!instant_reached(p->retry_at, clock_now()))
		return -EAGAIN;
	error = check_link_open(p->loop, &handler, &p->link);
	if (error != 0 && !p->refused)
		log_error("check-runner result=refused error=\"%s\" action=\"no check runs, and services stay as they "
			  "are; tried every %d ms\"",
			  strerror(-error), CHECK_RETRY_MS);
	else if (error == 0)
		log_info("check-runner result=started pid=%d", (int)check_link_pid(p->link));
	p->refused = error != 0;
	if (error != 0)
		p->retry_at = instant_add(clock_now(), span_ms(CHECK_RETRY_MS));
	return error;
}

/* ---- running ---- */

static void begin(struct check *c)
{
	struct instant now = clock_now();
	int error = want_runner(c->pool);

	check_state_begin(&c->state, now);
	if (error == 0) {
		if (++c->pool->last_id == 0)
			c->pool->last_id = 1;
		c->run_id = c->pool->last_id;
		check_job_number(c->job, c->run_id);
		error = check_link_send(c->pool->link, c->job, c->job_len);
	}
	if (error != 0) {
		finish(c, CHECK_LATE,
		       error == -EAGAIN ? "the process that runs checks is not there" : strerror(-error));
		return;
	}
	c->phase = CHECK_RUNNING;
	c->pool->running_n++;
	set_timer(c, instant_add(now, span_us(c->state.timing.timeout.us + span_ms(CHECK_ANSWER_MS).us)));
}

/* CHECK_LATE changes nothing, so nobody is told from here, and the pool stays. */
static void pump(struct pool *p)
{
	while (p->waiting != NULL && p->running_n < CHECK_RUN_MAX) {
		struct check *c = p->waiting;

		p->waiting = c->next_waiting;
		if (p->waiting == NULL)
			p->waiting_end = &p->waiting;
		begin(c);
	}
}

static void enqueue(struct check *c)
{
	c->phase = CHECK_WAITING;
	c->next_waiting = NULL;
	*c->pool->waiting_end = c;
	c->pool->waiting_end = &c->next_waiting;
	pump(c->pool);
}

static void on_timer(uv_timer_t *timer)
{
	struct check *c = timer->data;
	struct pool *p = c->pool;
	uint32_t run_id = c->run_id;

	if (c->phase == CHECK_IDLE) {
		enqueue(c);
		return;
	}
	/* It may be us who are late: the answer may be here. Reading it may end this check, or all of them with the link. */
	assert(c->phase == CHECK_RUNNING);
	if (check_link_read(p->link) && find_running(p, run_id) != NULL)
		lose_runner(p, true);
}

/* ---- checks ---- */

static void forget_waiting(struct check *c)
{
	struct check **at = &c->pool->waiting;

	while (*at != c)
		at = &(*at)->next_waiting;
	*at = c->next_waiting;
	if (*at == NULL)
		c->pool->waiting_end = at;
}

/* Out of the line, and no run is on. */
static void interrupt(struct check *c)
{
	uint8_t order[16];
	int len = check_stop_encode(c->id, order, sizeof(order));

	if (c->phase == CHECK_WAITING)
		forget_waiting(c);
	if (c->phase == CHECK_RUNNING) {
		c->pool->running_n--;
		(void)check_link_send(c->pool->link, order, (size_t)len);
	}
	c->phase = CHECK_IDLE;
}

/* Encode the job of a check with a new number, so that the runner mistakes no run for one before it. 0 or a negative errno. */
static int set_job(struct check *c, const struct check_config *config)
{
	uint8_t *job = malloc(CHECK_MESSAGE_MAX);
	uint32_t uid, gid;
	int len = check_user(config, &uid, &gid);
	uint32_t id = c->pool->last_id == UINT32_MAX ? 1 : c->pool->last_id + 1;

	if (job == NULL)
		return -ENOMEM;
	if (len == 0)
		len = check_job_encode(config, c->service, id, uid, gid, job, CHECK_MESSAGE_MAX);
	if (len < 0) {
		free(job);
		return len;
	}
	free(c->job);
	c->job = job;
	c->job_len = (size_t)len;
	c->id = c->pool->last_id = id;
	return 0;
}

static struct pool *pool_new(uv_loop_t *loop)
{
	struct pool *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->loop = loop;
	p->waiting_end = &p->waiting;
	return p;
}

static void pool_free_unused(void)
{
	if (pool == NULL || pool->checks != NULL)
		return;
	if (pool->link != NULL)
		check_link_close(pool->link, false);
	free(pool);
	pool = NULL;
}

int check_start(uv_loop_t *loop, const char *service, const struct check_config *config,
		void (*changed)(void *arg, const char *service, bool passing, const char *why), void *arg,
		struct check **ret)
{
	struct check *c = strlen(service) <= SERVICE_NAME_MAX ? calloc(1, sizeof(*c)) : NULL;
	int error = -ENOMEM;

	if (pool == NULL)
		pool = pool_new(loop);
	if (c != NULL && pool != NULL) {
		assert(pool->loop == loop);
		c->pool = pool;
		strcpy(c->service, service);
		error = set_job(c, config);
	}
	if (error != 0) {
		pool_free_unused();
		free(c);
		return error;
	}
	c->changed = changed;
	c->arg = arg;
	check_state_init(&c->state, &config->timing, clock_now());
	c->next = pool->checks;
	pool->checks = c;
	(void)uv_timer_init(loop, &c->timer);
	c->timer.data = c;
	set_timer(c, c->state.due);
	*ret = c;
	return 0;
}

int check_change(struct check *c, const struct check_config *config)
{
	uint32_t former = c->id;
	int error = set_job(c, config);
	uint32_t id = c->id;

	if (error != 0)
		return error;
	c->id = former;
	interrupt(c);
	c->id = id;
	check_state_change(&c->state, &config->timing, clock_now());
	set_timer(c, c->state.due);
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	struct check *c = handle->data;

	free(c->job);
	free(c);
}

void check_stop(struct check *c)
{
	struct check **at;

	if (c == NULL)
		return;
	interrupt(c);
	at = &c->pool->checks;
	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	uv_close((uv_handle_t *)&c->timer, on_closed);
	pump(c->pool);
	pool_free_unused();
}

bool check_passing(const struct check *c)
{
	return c->state.passing;
}

void check_status(const struct check *c, struct check_status *ret)
{
	*ret = (struct check_status){
		.passing = c->state.passing,
		.decided = c->state.decided,
		.since = c->state.since,
		.passed_n = c->state.outcome_n[CHECK_PASSED],
		.failed_n = c->state.outcome_n[CHECK_FAILED],
		.late_n = c->state.outcome_n[CHECK_LATE],
		.successes = c->state.successes,
		.failures = c->state.failures,
		.took = c->took,
		.text = c->text,
	};
}
