/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lab/observe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* One uninterrupted presence of a MAC. */
struct presence {
	int64_t first_us;
	int64_t last_us;
};

int observe_init(struct observe *o, struct ip target, size_t ping_cap, size_t probe_cap)
{
	*o = (struct observe){
		.target = target,
		.ping_cap = ping_cap,
		.probe_cap = probe_cap,
		.answer_cap = 4 * probe_cap,
		.announcement_cap = OBSERVE_EVENT_MAX,
	};
	o->pings = calloc(o->ping_cap, sizeof(*o->pings));
	o->probes = calloc(o->probe_cap, sizeof(*o->probes));
	o->answers = calloc(o->answer_cap, sizeof(*o->answers));
	o->announcements = calloc(o->announcement_cap, sizeof(*o->announcements));
	if (o->pings != NULL && o->probes != NULL && o->answers != NULL && o->announcements != NULL)
		return 0;
	observe_free(o);
	return -ENOMEM;
}

void observe_free(struct observe *o)
{
	free(o->pings);
	free(o->probes);
	free(o->answers);
	free(o->announcements);
	memset(o, 0, sizeof(*o));
}

bool observe_ping_sent(struct observe *o, int64_t at_us, int64_t late_us)
{
	if (o->ping_n == o->ping_cap)
		return false;
	o->pings[o->ping_n++] =
		(struct observe_ping){ at_us, -1, (int32_t)(late_us < INT32_MAX ? late_us : INT32_MAX) };
	return true;
}

void observe_ping_answered(struct observe *o, size_t index, int64_t at_us)
{
	int64_t rtt;

	if (index >= o->ping_n || o->pings[index].rtt_us >= 0)
		return; /* not ours, or a duplicate */
	rtt = at_us - o->pings[index].sent_us;
	if (rtt > OBSERVE_LOST_US)
		return;
	o->pings[index].rtt_us = rtt > 0 ? (int32_t)rtt : 0;
	o->ping_answered_n++;
}

bool observe_probe_sent(struct observe *o, int64_t at_us)
{
	if (o->probe_n == o->probe_cap)
		return false;
	o->probes[o->probe_n++] = at_us;
	return true;
}

bool observe_answered(struct observe *o, int64_t at_us, uint8_t mac)
{
	if (o->answer_n == o->answer_cap)
		return false;
	/* Stamps are the kernel's: two sockets or cores may hand them over slightly out of order. */
	if (o->answer_n > 0 && at_us < o->answers[o->answer_n - 1].at_us)
		at_us = o->answers[o->answer_n - 1].at_us;
	o->answers[o->answer_n++] = (struct observe_answer){ at_us, mac };
	return true;
}

void observe_announced(struct observe *o, int64_t at_us, uint8_t mac)
{
	if (o->announcement_n < o->announcement_cap)
		o->announcements[o->announcement_n++] = (struct observe_answer){ at_us, mac };
}

static void outage_add(struct observe_report *r, int64_t at_us, int64_t end_us, size_t lost_n, int64_t late_us)
{
	int64_t length = end_us - at_us;

	r->down_us += length;
	if (length > r->outage_us) {
		r->outage_us = length;
		r->outage_at_us = at_us;
	}
	if (lost_n < OBSERVE_OUTAGE_MIN)
		return;
	if (r->outage_n < OBSERVE_OUTAGE_MAX)
		r->outages[r->outage_n] = (struct observe_outage){ at_us, length, lost_n, late_us };
	r->outage_n++;
}

static void report_pings(const struct observe *o, struct observe_report *r)
{
	int64_t run_at = 0, run_late = 0, arrived = r->from_us;
	size_t run_n = 0;

	for (size_t i = 0; i < o->ping_n; i++) {
		const struct observe_ping *p = &o->pings[i];

		if (p->sent_us < r->from_us || p->sent_us >= r->to_us)
			continue;
		r->sent_n++;
		r->late_max_us = p->late_us > r->late_max_us ? p->late_us : r->late_max_us;
		if (run_n > 0 && p->late_us > run_late)
			run_late = p->late_us;
		if (p->rtt_us < 0) {
			if (run_n++ == 0) {
				run_at = p->sent_us;
				run_late = p->late_us;
			}
			r->lost_n++;
			continue;
		}
		if (run_n > 0)
			outage_add(r, run_at, p->sent_us, run_n, run_late);
		run_n = 0;
		if (r->sent_n == r->lost_n + 1 || p->rtt_us < r->rtt_min_us)
			r->rtt_min_us = p->rtt_us; /* the first that was answered, or a faster one */
		r->rtt_max_us = p->rtt_us > r->rtt_max_us ? p->rtt_us : r->rtt_max_us;
		if (p->sent_us + p->rtt_us - arrived > r->silence_us)
			r->silence_us = p->sent_us + p->rtt_us - arrived;
		if (p->sent_us + p->rtt_us > arrived)
			arrived = p->sent_us + p->rtt_us;
	}
	if (run_n > 0)
		outage_add(r, run_at, r->to_us, run_n, run_late);
	if (r->to_us - arrived > r->silence_us)
		r->silence_us = r->to_us - arrived;
}

static void report_unanswered(const struct observe *o, struct observe_report *r)
{
	int64_t run = 0;
	size_t a = 0;

	for (size_t i = 0; i + 1 < o->probe_n; i++) {
		if (o->probes[i] < r->from_us || o->probes[i] >= r->to_us)
			continue;
		while (a < o->answer_n && o->answers[a].at_us < o->probes[i])
			a++;
		if (a < o->answer_n && o->answers[a].at_us < o->probes[i + 1]) {
			run = 0;
			continue;
		}
		r->unanswered_us += o->probes[i + 1] - o->probes[i];
		run += o->probes[i + 1] - o->probes[i];
		r->unanswered_longest_us = run > r->unanswered_longest_us ? run : r->unanswered_longest_us;
	}
}

static void event_add(struct observe_report *r, int64_t at_us, uint8_t mac, bool appears)
{
	size_t i = r->event_n;

	if (r->event_n == OBSERVE_EVENT_MAX)
		return;
	/* The end of a presence is known only after the pause: keep the list in order of time. */
	for (; i > 0 && r->events[i - 1].at_us > at_us; i--)
		r->events[i] = r->events[i - 1];
	r->events[i] = (struct observe_event){ at_us, mac, appears };
	r->event_n++;
}

/* Presences end where the MAC pauses; a presence still open at the window's end is not reported as ending. */
static void report_events(const struct observe *o, struct observe_report *r)
{
	struct presence present[OBSERVE_MAC_MAX] = { { 0 } };

	for (size_t i = 0; i < o->answer_n; i++) {
		const struct observe_answer *a = &o->answers[i];
		struct presence *p = &present[a->mac];

		if (a->at_us < r->from_us || a->at_us >= r->to_us)
			continue;
		if (p->last_us != 0 && a->at_us - p->last_us > OBSERVE_GAP_US) {
			event_add(r, p->last_us, a->mac, false);
			p->last_us = 0;
		}
		if (p->last_us == 0) {
			p->first_us = a->at_us;
			event_add(r, a->at_us, a->mac, true);
		}
		p->last_us = a->at_us;
		r->holder = a->mac;
	}
	for (size_t m = 0; m < OBSERVE_MAC_MAX; m++)
		if (present[m].last_us != 0 && r->to_us - present[m].last_us > OBSERVE_GAP_US)
			event_add(r, present[m].last_us, (uint8_t)m, false);
}

/* Sweep over the events: how many MACs are present, for how long there were two, and how the single one changed. */
static void report_owners(struct observe_report *r)
{
	bool present[OBSERVE_MAC_MAX] = { false };
	size_t present_n = 0;
	int single = -1;
	int64_t dual_at = 0;

	for (size_t i = 0; i <= r->event_n; i++) {
		int64_t at = i < r->event_n ? r->events[i].at_us : r->to_us;
		size_t before = present_n;

		if (i < r->event_n) {
			present[r->events[i].mac] = r->events[i].appears;
			present_n = r->events[i].appears ? before + 1 : before - 1;
		} else {
			present_n = 0;
		}
		if (before < 2 && present_n >= 2)
			dual_at = at;
		if (before >= 2 && present_n < 2) {
			r->dual_us += at - dual_at;
			r->dual_last_us = at;
		}
		for (int m = 0; present_n == 1 && m < OBSERVE_MAC_MAX; m++) {
			if (!present[m])
				continue;
			r->change_n += single >= 0 && single != m;
			single = m;
		}
	}
}

/* Probes that two MACs answered count whole, where no overlap of presences covers them. */
static void report_doubles(const struct observe *o, struct observe_report *r)
{
	size_t a = 0;
	int64_t doubles_us = 0, last_us = 0;

	for (size_t i = 0; i + 1 < o->probe_n; i++) {
		uint8_t first = 0;
		size_t n = 0;
		bool two = false;

		if (o->probes[i] < r->from_us || o->probes[i] >= r->to_us)
			continue;
		while (a < o->answer_n && o->answers[a].at_us < o->probes[i])
			a++;
		for (; a < o->answer_n && o->answers[a].at_us < o->probes[i + 1]; a++) {
			if (n++ == 0)
				first = o->answers[a].mac;
			two = two || o->answers[a].mac != first;
		}
		if (two) {
			doubles_us += o->probes[i + 1] - o->probes[i];
			last_us = o->probes[i + 1];
		}
	}
	if (doubles_us > r->dual_us)
		r->dual_us = doubles_us;
	if (last_us > r->dual_last_us)
		r->dual_last_us = last_us;
}

void observe_report(const struct observe *o, int64_t from_us, int64_t to_us, struct observe_report *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->from_us = from_us;
	ret->to_us = to_us;
	ret->holder = -1;
	report_pings(o, ret);
	report_unanswered(o, ret);
	report_events(o, ret);
	report_owners(ret);
	report_doubles(o, ret);
}

void observe_bar(const struct observe *o, int64_t from_us, int64_t to_us, int64_t bin_us, char *out, size_t cap)
{
	size_t bin_n = to_us > from_us ? (size_t)((to_us - from_us + bin_us - 1) / bin_us) : 0;
	size_t i = 0;

	if (bin_n > cap - 1)
		bin_n = cap - 1;
	while (i < o->ping_n && o->pings[i].sent_us < from_us)
		i++;
	for (size_t bin = 0; bin < bin_n; bin++) {
		int64_t end = from_us + (int64_t)(bin + 1) * bin_us;
		size_t sent = 0, answered = 0;

		for (; i < o->ping_n && o->pings[i].sent_us < end; i++) {
			sent++;
			answered += o->pings[i].rtt_us >= 0;
		}
		out[bin] = sent == 0 ? ' ' : answered == sent ? '#' : answered == 0 ? '.' : ':';
	}
	out[bin_n] = '\0';
}
