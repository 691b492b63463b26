/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gate's thread. A transaction waits for as long as another program's does (`nft -f` with a large file: seconds), so
 * the main loop hands over and goes on; what it hands over is one instant (`until`, an atomic), and lists of addresses.
 *
 * Life of the element. `end` is when it runs out at the latest; 0: it does not live.
 *
 *	shut --(until ahead)--> arm: 20 ms of GATE_KEY_ARM --> swap arm for lease --> open
 *	open --(each `renew`, while until is beyond end; or until is before end)--> swap lease for lease
 *	open --(until reached)--> clear
 *	swap fails with ENOENT: what it should replace had run out --> shut, and from there again by a fresh clock
 *
 * A swap is one transaction of delete and add. Deleting fails when the element has run out, and with it the whole
 * transaction: that is what makes a thread harmless that was stopped between reading the clock and sending. When the
 * transaction itself took long, the new element lives too long by that much: it is shortened at once.
 *
 * The tables. Another program may remove them (`nft flush ruleset`) or parts of them; then everything passes. Every
 * change comes as an event with the sender's port; one that names our tables and is not from us makes them anew, at
 * once, in one transaction: shut, with all addresses; opening follows. In case events were lost (ENOBUFS), and
 * once a second for what nobody thought of, the thread compares handles of tables and rules with what it made, and
 * after a loss also the number of addresses.
 */
#include "netlink/gate.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "netlink/gate_socket.h"

/*
 * The shortest timeout that is worth a transaction: a jiffy on the slowest kernel (HZ=100). The kernel rounds less than
 * a jiffy up, more than one down.
 */
#define SHORTEST_MS 10

/* Life of the element that the opening transaction must find. */
#define ARM_MS 20

/* How long a transaction may take before its element counts as late; taken off the timeout, so that it is not. */
#define PROMPT span_ms(1)

/* The least of the right that is worth opening for. */
#define ENOUGH span_ms(SHORTEST_MS + 2)

/* The least that renewing must add: timeouts are whole milliseconds. */
#define GAIN span_ms(1)

/* After a refusal that we do not understand; and between two makings of the tables, should somebody fight over them. */
#define RETRY span_ms(10)

#define CHECK_EVERY span_s(1)

/* The thread's stack: the default of 8 MB would all be resident in a process that locks its memory. */
#define STACK_LEN (256 * 1024)

/* How things stand, as the thread tells it after each turn. */
struct report {
	struct gate_stats stats;     /* but for `open` and `absent` */
	struct span absent;	     /* what is over */
	struct instant absent_since; /* or INSTANT_NEVER */
	struct instant end;	     /* of the element; 0: none */
	uint64_t guard_done;	     /* number of the last list that is in the kernel, or was refused */
	int guard_error;	     /* of that */
	uint64_t shut_done;	     /* number of the last gate_shut that is done */
};

/* What the main loop asks for. */
struct asked {
	struct ip *ips; /* ADDRESS_MAX of them, owned; in order, each once */
	size_t n;
	uint64_t guard; /* number of that list */
	uint64_t shut;	/* number of the last gate_shut */
};

struct gate {
	struct gate_config config;
	pthread_t thread;
	/* of the thread that opened the gate */
	int policy;
	struct sched_param priority;
	int nice;
	int wake_fd;

	_Atomic int64_t until_us; /* the right to hold; 0: none */
	_Atomic int64_t end_us;	  /* `end` for gate_allow */
	_Atomic int64_t due_us;	  /* when it may be renewed next */
	atomic_bool stop;

	pthread_mutex_t mutex; /* of the next two */
	struct asked asked;
	struct report told;
	pthread_cond_t turned; /* `told` is new */

	/* The rest belongs to the thread, once it runs. */
	struct gate_socket socket;
	struct gate_batch batch; /* bytes owned */
	struct report report;
	uint64_t guard_taken, shut_taken; /* what of `asked` it knows */
	int64_t until_seen_us;		  /* what the last decision was based on */
	struct instant retry_at;	  /* no transaction about the lease before */

	bool damaged;		/* the tables must be made again */
	struct instant mend_at; /* not before */
	bool lost;		/* events were lost: count the addresses too */
	uint64_t fingerprint;	/* of the tables as we made them; 0: take it at the next check */
	struct instant check_at;

	struct ip *held; /* ADDRESS_MAX, owned: the addresses that the kernel has, or has after the rest of `diff` */
	size_t held_n;
	struct ip *diff; /* 2 * ADDRESS_MAX, owned: added_n to add, then those to delete */
	size_t diff_n, diff_added_n, diff_at;
};

/* --- the thread: transactions --- */

static void begin(struct gate *g)
{
	gate_batch_begin(&g->batch, ++g->socket.seq);
}

static int commit(struct gate *g)
{
	gate_batch_end(&g->batch);
	return gate_socket_commit(&g->socket, &g->batch);
}

/* Read the events. Somebody else's change of our tables starts the time without them. */
static void hear(struct gate *g)
{
	const struct gate_heard heard = gate_socket_hear(&g->socket);

	if (heard.lost)
		g->lost = true;
	if (heard.touched && !g->damaged) {
		g->damaged = true;
		g->report.stats.flushes_n++;
	}
	if (g->damaged && g->report.absent_since.us == INT64_MAX)
		g->report.absent_since = clock_now();
}

/* The kernel refused. When no event says why, look at the tables, and leave it some time. */
static void refused(struct gate *g)
{
	const struct instant now = clock_now();

	hear(g);
	if (g->damaged)
		return;
	g->report.stats.failures_n++;
	g->check_at = now;
	g->retry_at = instant_add(now, RETRY);
}

static void set_end(struct gate *g, struct instant end)
{
	g->report.end = end;
	atomic_store(&g->end_us, end.us);
}

/* Both tables anew in one transaction, shut, with the addresses that should be held. 0 or a negative errno. */
static int make(struct gate *g)
{
	int err;

	begin(g);
	gate_batch_remove(&g->batch);
	err = gate_batch_make(&g->batch);
	if (err != 0)
		return err;
	gate_batch_addresses(&g->batch, true, g->held, g->held_n);
	err = commit(g);
	if (err != 0)
		return err;
	set_end(g, (struct instant){ 0 });
	g->diff_n = g->diff_at = 0;
	g->fingerprint = 0;
	g->check_at = clock_now();
	return 0;
}

/* Make good what another program did. */
static void mend(struct gate *g)
{
	const int err = make(g);
	const struct instant now = clock_now();

	g->report.guard_error = err;
	g->mend_at = instant_add(now, RETRY);
	if (err != 0) {
		g->report.stats.failures_n++;
		return;
	}
	g->damaged = false;
	g->retry_at = now;
	if (g->report.absent_since.us != INT64_MAX)
		g->report.absent.us += instant_since(now, g->report.absent_since).us;
	g->report.absent_since = INSTANT_NEVER;
}

/* --- the thread: the lease --- */

/* Take the element out, whether it is there or not. */
static void shut(struct gate *g)
{
	begin(g);
	gate_batch_lease_clear(&g->batch);
	if (commit(g) != 0) {
		refused(g);
		return;
	}
	set_end(g, (struct instant){ 0 });
}

/*
 * Replace what lives (the lease, or what arms the opening) by a lease that ends within `life` and before `until`, both
 * read here. 0; -ETIME: too little is left of the right, and nothing was sent; -ENOENT: what was to be replaced does not
 * live; or another refusal.
 */
static int swap(struct gate *g, enum gate_key old)
{
	const struct instant until = { g->until_seen_us = atomic_load(&g->until_us) }, now = clock_now();
	struct span life = instant_since(until, now), took;
	int err;

	life.us -= PROMPT.us;
	if (life.us > g->config.life.us)
		life = g->config.life;
	life = span_ms(life.us / 1000);
	if (life.us < SHORTEST_MS * 1000)
		return -ETIME;
	begin(g);
	gate_batch_lease_del(&g->batch, old);
	gate_batch_lease_add(&g->batch, GATE_KEY_LEASE, (uint64_t)life.us / 1000);
	err = commit(g);
	if (err != 0)
		return err;
	took = instant_since(clock_now(), now);
	set_end(g, instant_add(instant_add(now, life), took.us < PROMPT.us ? PROMPT : took));
	/* A right that is shorter than `renew` must be renewed before that. */
	atomic_store(&g->due_us, now.us + (g->config.renew.us < life.us / 2 ? g->config.renew.us : life.us / 2));
	g->report.stats.renewals_n++;
	return 0;
}

static void open_shut(struct gate *g)
{
	int err;

	begin(g);
	gate_batch_lease_clear(&g->batch);
	gate_batch_lease_add(&g->batch, GATE_KEY_ARM, ARM_MS);
	err = commit(g);
	if (err == 0)
		err = swap(g, GATE_KEY_ARM);
	if (err != 0 && err != -ETIME)
		refused(g);
}

static void renew(struct gate *g)
{
	const int err = swap(g, GATE_KEY_LEASE);

	if (err == 0 || err == -ETIME)
		return;
	if (err != -ENOENT) {
		refused(g);
		return;
	}
	/* It is gone: run out, or with the tables. */
	hear(g);
	if (!g->damaged)
		g->report.stats.expired_n++;
	set_end(g, (struct instant){ 0 });
}

/* Do what the right to hold asks for now. Returns when to look again. */
static struct instant lease_step(struct gate *g)
{
	const struct instant now = clock_now(), until = { atomic_load(&g->until_us) };
	const struct instant end = g->report.end;
	const bool enough = instant_since(until, now).us >= ENOUGH.us;
	struct instant due;

	g->until_seen_us = until.us;
	if (instant_before(now, g->retry_at))
		return g->retry_at;
	if (end.us == 0) {
		if (!enough)
			return INSTANT_NEVER;
		open_shut(g);
		return now;
	}
	if (!enough && (instant_reached(until, now) || instant_before(until, end))) {
		shut(g);
		return now;
	}
	if (instant_before(until, end)) {
		renew(g);
		return now;
	}
	due = (struct instant){ atomic_load(&g->due_us) };
	if (!instant_reached(due, now))
		return instant_min(due, until);
	/* Nothing to gain: the element reaches `until` but for the rounding. gate_allow wakes us when that moves on. */
	if (!enough || instant_since(until, end).us < GAIN.us)
		return until;
	renew(g);
	return now;
}

/* --- the thread: the addresses --- */

/* What is in a and not in b goes to out. Both are in order. Returns how many. */
static size_t missing(const struct ip *a, size_t a_n, const struct ip *b, size_t b_n, struct ip *out)
{
	size_t n = 0, j = 0;

	for (size_t i = 0; i < a_n; i++) {
		while (j < b_n && ip_compare(b[j], a[i]) < 0)
			j++;
		if (j == b_n || !ip_equal(a[i], b[j]))
			out[n++] = a[i];
	}
	return n;
}

/* Take over what the main loop asked for. A list only when the last one is done with. The mutex is held. */
static void take(struct gate *g)
{
	const struct asked *a = &g->asked;

	g->shut_taken = a->shut;
	if (g->guard_taken == a->guard || g->diff_at != g->diff_n)
		return;
	g->guard_taken = a->guard;
	g->report.guard_error = 0;
	g->diff_added_n = missing(a->ips, a->n, g->held, g->held_n, g->diff);
	g->diff_n = g->diff_added_n + missing(g->held, g->held_n, a->ips, a->n, g->diff + g->diff_added_n);
	g->diff_at = 0;
	memcpy(g->held, a->ips, a->n * sizeof(*g->held));
	g->held_n = a->n;
}

/* One chunk. If the kernel refuses, the tables are not what we think: make them again, with all addresses. */
static void guard_step(struct gate *g)
{
	const bool add = g->diff_at < g->diff_added_n;
	size_t n = (add ? g->diff_added_n : g->diff_n) - g->diff_at;

	if (n > GATE_CHUNK_MAX)
		n = GATE_CHUNK_MAX;
	begin(g);
	gate_batch_addresses(&g->batch, add, g->diff + g->diff_at, n);
	if (commit(g) == 0) {
		g->diff_at += n;
		return;
	}
	g->report.stats.failures_n++;
	hear(g);
	g->damaged = true;
}

/* --- the thread: the tables --- */

/* Do the sets hold as many addresses as they should? 1, 0, or a negative errno. */
static int count_matches(struct gate *g)
{
	size_t count[3], v4_n = 0;
	const int err = gate_socket_count(&g->socket, count);

	if (err != 0)
		return err;
	while (v4_n < g->held_n && g->held[v4_n].family == IP_V4)
		v4_n++;
	return count[0] == v4_n && count[1] == v4_n && count[2] == g->held_n - v4_n;
}

/* Are the tables as we made them? 1, 0, or a negative errno when that could not be found out. */
static int tables_match(struct gate *g)
{
	uint64_t fingerprint = 0;
	const int err = gate_socket_fingerprint(&g->socket, &fingerprint);

	if (err != 0)
		return err == -ENOENT ? 0 : err;
	if (g->fingerprint == 0)
		g->fingerprint = fingerprint;
	if (fingerprint != g->fingerprint)
		return 0;
	/* Chunks that are not there yet would look like a loss. */
	if (!g->lost || g->diff_at != g->diff_n)
		return 1;
	return count_matches(g);
}

static void check(struct gate *g)
{
	const int match = tables_match(g);

	/* -EINTR: somebody changes nf_tables just now. */
	g->check_at = instant_add(clock_now(), match < 0 ? RETRY : CHECK_EVERY);
	if (match == 1 && g->diff_at == g->diff_n)
		g->lost = false;
	hear(g);
	if (match != 0 || g->damaged)
		return;
	g->damaged = true;
	g->report.stats.flushes_n++;
	hear(g);
}

/* --- the thread: its turns --- */

/* Tell the main loop how things stand after a turn. */
static void publish(struct gate *g)
{
	struct report *r = &g->report;

	r->stats.state = g->damaged ? GATE_ABSENT : GATE_UP;
	/* A refusal settles the list too: the caller learns of it, the thread goes on. */
	if ((g->diff_at == g->diff_n && !g->damaged) || r->guard_error != 0)
		r->guard_done = g->guard_taken;
	if (r->end.us == 0)
		r->shut_done = g->shut_taken;
	pthread_mutex_lock(&g->mutex);
	g->told = *r;
	pthread_cond_broadcast(&g->turned);
	pthread_mutex_unlock(&g->mutex);
}

/* Until `due`, an event, or a call of the main loop. */
static void rest(struct gate *g, struct instant due)
{
	struct pollfd fds[2] = { { .fd = g->wake_fd, .events = POLLIN },
				 { .fd = gate_socket_event_fd(&g->socket), .events = POLLIN } };
	const struct span d = instant_since(due, clock_now());
	const struct timespec timeout = { d.us / 1000000, d.us % 1000000 * 1000 };
	uint64_t count;

	/* gate_allow may have looked at `end` before the last decision was carried out, and not have woken us. */
	if (d.us <= 0 || atomic_load(&g->until_us) != g->until_seen_us || ppoll(fds, 2, &timeout, NULL) <= 0)
		return;
	if (fds[0].revents != 0)
		(void)!read(g->wake_fd, &count, sizeof(count));
}

/*
 * Before the main loop, when that has much to do: else the gate shuts while it works. By SCHED_RESET_ON_FORK a thread begins as one
 * of the many.
 */
static void take_scheduling(const struct gate *g)
{
	struct sched_param above = { .sched_priority = g->priority.sched_priority + 1 };

	(void)setpriority(PRIO_PROCESS, 0, g->nice); /* on Linux: of this thread */
	if (g->policy != SCHED_RR && g->policy != SCHED_FIFO)
		return;
	if (sched_setscheduler(0, g->policy | SCHED_RESET_ON_FORK, &above) != 0)
		(void)sched_setscheduler(0, g->policy | SCHED_RESET_ON_FORK, &g->priority);
}

static void *gate_run(void *arg)
{
	struct gate *g = arg;

	take_scheduling(g);

	while (!atomic_load(&g->stop)) {
		struct instant due;

		g->until_seen_us = atomic_load(&g->until_us);
		pthread_mutex_lock(&g->mutex);
		take(g);
		pthread_mutex_unlock(&g->mutex);
		hear(g);
		if (g->damaged && instant_reached(g->mend_at, clock_now()))
			mend(g);
		/* While they cannot be made there is nothing to open, and what was open runs out by itself. */
		due = g->damaged ? g->mend_at : lease_step(g);
		if (instant_reached(g->check_at, clock_now()) && !g->damaged)
			check(g);
		if (g->diff_at < g->diff_n && !g->damaged) {
			guard_step(g);
			due = clock_now();
		}
		publish(g);
		rest(g, g->damaged ? g->mend_at : instant_min(due, g->check_at));
	}
	return NULL;
}

/* --- the main loop's side --- */

static void wake(struct gate *g)
{
	const uint64_t one = 1;

	/* Fails only when 2^64 - 2 calls wait. */
	(void)!write(g->wake_fd, &one, sizeof(one));
}

static void gate_free(struct gate *g)
{
	gate_socket_close(&g->socket);
	if (g->wake_fd >= 0)
		close(g->wake_fd);
	pthread_cond_destroy(&g->turned);
	pthread_mutex_destroy(&g->mutex);
	free(g->batch.bytes);
	free(g->asked.ips);
	free(g->held);
	free(g->diff);
	free(g);
}

static struct gate *gate_new(const struct gate_config *config)
{
	struct gate *g = calloc(1, sizeof(*g));
	pthread_condattr_t attr;

	if (g == NULL)
		return NULL;
	g->config = *config;
	g->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	g->report.absent_since = g->told.absent_since = INSTANT_NEVER;
	pthread_mutex_init(&g->mutex, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&g->turned, &attr);
	pthread_condattr_destroy(&attr);
	g->batch.bytes = calloc(1, GATE_BATCH_LEN_MAX);
	g->asked.ips = calloc(ADDRESS_MAX, sizeof(struct ip));
	g->held = calloc(ADDRESS_MAX, sizeof(struct ip));
	g->diff = calloc((size_t)2 * ADDRESS_MAX, sizeof(struct ip));
	if (g->wake_fd < 0 || g->batch.bytes == NULL || g->asked.ips == NULL || g->held == NULL || g->diff == NULL) {
		gate_free(g);
		return NULL;
	}
	return g;
}

/* The thread gets no signals: they are the main loop's. */
static int start(struct gate *g)
{
	pthread_attr_t attr;
	sigset_t all, former;
	int err;

	g->policy = sched_getscheduler(0) & ~SCHED_RESET_ON_FORK;
	(void)sched_getparam(0, &g->priority);
	g->nice = getpriority(PRIO_PROCESS, 0);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &former);
	pthread_attr_init(&attr);
	(void)pthread_attr_setstacksize(&attr, STACK_LEN);
	err = pthread_create(&g->thread, &attr, gate_run, g);
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &former, NULL);
	if (err == 0)
		pthread_setname_np(g->thread, "mlbd-gate");
	return -err;
}

/* What a kernel without nf_tables, without its ARP family, or without one of the expressions says. */
static int error_of_open(int err)
{
	switch (err) {
	case -EPROTONOSUPPORT:
	case -EAFNOSUPPORT:
	case -ENOENT:
		return -EOPNOTSUPP;
	default:
		return err;
	}
}

int gate_open(const struct gate_config *config, struct gate **ret)
{
	struct gate *g;
	int err;

	if (config->life.us < 2 * SHORTEST_MS * 1000 || config->renew.us <= 0 || config->renew.us >= config->life.us)
		return -EINVAL;
	g = gate_new(config);
	if (g == NULL)
		return -ENOMEM;
	err = gate_socket_open(&g->socket);
	if (err == 0)
		err = make(g);
	if (err == 0)
		err = start(g);
	if (err != 0) {
		gate_free(g);
		return error_of_open(err);
	}
	*ret = g;
	return 0;
}

/* Wait until *done reaches `asked`, or for `limit`. The mutex is held. 0 or -ETIMEDOUT. */
static int await(struct gate *g, const uint64_t *done, uint64_t asked, struct span limit)
{
	const struct instant until = instant_add(clock_now(), limit);
	const struct timespec at = { until.us / 1000000, until.us % 1000000 * 1000 };
	int err = 0;

	while (*done < asked && err == 0)
		err = pthread_cond_timedwait(&g->turned, &g->mutex, &at);
	return *done < asked ? -ETIMEDOUT : 0;
}

static int compare_ips(const void *a, const void *b)
{
	return ip_compare(*(const struct ip *)a, *(const struct ip *)b);
}

int gate_guard(struct gate *g, const struct ip *ips, size_t n, struct span limit)
{
	struct asked *a;
	int err;

	if (g == NULL)
		return -EOPNOTSUPP;
	if (n > ADDRESS_MAX)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		if (ip_len(ips[i]) == 0)
			return -EINVAL;
	}
	a = &g->asked;
	pthread_mutex_lock(&g->mutex);
	a->n = 0;
	if (n != 0) {
		memcpy(a->ips, ips, n * sizeof(*ips));
		qsort(a->ips, n, sizeof(*ips), compare_ips);
	}
	for (size_t i = 0; i < n; i++) {
		if (a->n == 0 || !ip_equal(a->ips[a->n - 1], a->ips[i]))
			a->ips[a->n++] = a->ips[i];
	}
	a->guard++;
	wake(g);
	err = await(g, &g->told.guard_done, a->guard, limit);
	if (err == 0)
		err = g->told.guard_error;
	pthread_mutex_unlock(&g->mutex);
	return err;
}

/*
 * Must the thread act on this before its next turn: shut or shorten, open, or renew what it found of no use when it was
 * due? The thread stores what is read here and then loads until_us; here it is the other way round, all in one order: at
 * least one of the two sees what the other did.
 */
static bool is_news(struct gate *g, struct instant until)
{
	const struct instant end = { atomic_load(&g->end_us) }, due = { atomic_load(&g->due_us) }, now = clock_now();

	if (end.us == 0)
		return instant_before(now, until);
	return instant_before(until, end) || (instant_reached(due, now) && instant_since(until, end).us >= GAIN.us);
}

void gate_allow(struct gate *g, struct instant until)
{
	if (g == NULL)
		return;
	atomic_store(&g->until_us, until.us);
	if (is_news(g, until))
		wake(g);
}

void gate_shut(struct gate *g, struct span limit)
{
	if (g == NULL)
		return;
	atomic_store(&g->until_us, 0);
	pthread_mutex_lock(&g->mutex);
	g->asked.shut++;
	wake(g);
	(void)await(g, &g->told.shut_done, g->asked.shut, limit);
	pthread_mutex_unlock(&g->mutex);
}

void gate_stats_read(const struct gate *g, struct gate_stats *ret)
{
	const struct instant now = clock_now();
	pthread_mutex_t *mutex;

	memset(ret, 0, sizeof(*ret));
	ret->state = GATE_UNSUPPORTED;
	if (g == NULL)
		return;
	mutex = (pthread_mutex_t *)(uintptr_t)&g->mutex;
	pthread_mutex_lock(mutex);
	*ret = g->told.stats;
	ret->open = instant_before(now, g->told.end);
	ret->absent = g->told.absent;
	if (g->told.absent_since.us != INT64_MAX)
		ret->absent.us += instant_since(now, g->told.absent_since).us;
	pthread_mutex_unlock(mutex);
}

void gate_close(struct gate *g, bool remove)
{
	if (g == NULL)
		return;
	atomic_store(&g->stop, true);
	wake(g);
	pthread_join(g->thread, NULL);
	begin(g);
	if (remove)
		gate_batch_remove(&g->batch);
	else
		gate_batch_lease_clear(&g->batch);
	/* Nobody is left to tell: an element that could not be deleted runs out within its life. */
	(void)commit(g);
	gate_free(g);
}
