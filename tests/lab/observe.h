/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a client saw of one address, and what that means: lost pings, outages, time without an answer to ARP or neighbour
 * solicitations, time with two answering MACs, changes of owner. Pure; the prober fills it, the lab reads the report.
 *
 * Estimators, all over a window [from, to) of the prober's clock (microseconds of CLOCK_MONOTONIC):
 *
 * outage      a run of pings in order of sending that got no reply within 1 s; its length is from the sending of the first lost
 *             ping to the sending of the first answered one behind it (or the window's end).
 * silence     longest time between the arrivals of two replies. Differs from the outage where the kernel queued pings
 *             while it resolved the neighbour: those count as answered, but late.
 * presence    a MAC is present from its first answer until its last one before a pause of more than OBSERVE_GAP_US.
 * two owners  time during which two MACs are present: from the second one's first answer to the loser's last answer. A single
 *             probe that two MACs answered counts for its whole period (10 ms), so a clean hand-over counts 0 and the
 *             resolution is one period.
 * changes     transitions between different MACs in the sequence of times when exactly one is present.
 * unanswered  sum of the periods of probes that nobody answered before the next probe.
 */
#ifndef MLB_TESTS_LAB_OBSERVE_H
#define MLB_TESTS_LAB_OBSERVE_H

#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

/* A ping without a reply for this long is lost. */
#define OBSERVE_LOST_US 1000000
/* Five probe periods: bridges answers lost by noise without hiding a change. */
#define OBSERVE_GAP_US 50000
/* Outages of fewer pings than this are counted as losses, not listed. */
#define OBSERVE_OUTAGE_MIN 3
/* Kept in a report; further ones are counted only. */
#define OBSERVE_OUTAGE_MAX 64
#define OBSERVE_EVENT_MAX 256
/* Different MACs that may answer. */
#define OBSERVE_MAC_MAX 32

struct observe_ping {
	int64_t sent_us;
	int32_t rtt_us;	 /* -1: no reply (yet) */
	int32_t late_us; /* how late the prober itself was with this one */
};

/* An answer to a probe, or an announcement (gratuitous ARP, unsolicited advertisement). */
struct observe_answer {
	int64_t at_us;
	uint8_t mac; /* index into macs of the prober */
};

struct observe {
	struct ip target;
	struct observe_ping *pings; /* owned, in order of sending */
	size_t ping_n, ping_cap;
	size_t ping_answered_n;
	int64_t *probes; /* owned: times of sending */
	size_t probe_n, probe_cap;
	struct observe_answer *answers; /* owned, in order of arrival */
	size_t answer_n, answer_cap;
	struct observe_answer *announcements; /* owned */
	size_t announcement_n, announcement_cap;
};

struct observe_outage {
	int64_t at_us;
	int64_t length_us;
	size_t lost_n;
	int64_t late_us; /* the prober's own lateness inside it: the uncertainty of length_us */
};

/* A MAC begins or ceases to answer. */
struct observe_event {
	int64_t at_us;
	uint8_t mac;
	bool appears;
};

struct observe_report {
	int64_t from_us, to_us;
	size_t sent_n, lost_n;
	int64_t outage_us, outage_at_us; /* the longest; 0 without one */
	int64_t down_us;		 /* sum of the runs of lost pings, short ones too */
	size_t outage_n;		 /* of at least OBSERVE_OUTAGE_MIN pings */
	struct observe_outage outages[OBSERVE_OUTAGE_MAX];
	int64_t silence_us;
	int64_t unanswered_us, unanswered_longest_us;
	int64_t dual_us;
	int64_t dual_last_us; /* when the last time with two owners ended; 0: never two */
	size_t change_n;
	int holder; /* MAC that answered last, -1: none */
	size_t event_n;
	struct observe_event events[OBSERVE_EVENT_MAX];
	int64_t rtt_min_us, rtt_max_us;
	int64_t late_max_us;
};

/* Room for so many pings and probes (answers: four a probe). 0 or -ENOMEM. */
int observe_init(struct observe *o, struct ip target, size_t ping_cap, size_t probe_cap);
void observe_free(struct observe *o);
/* Appended in order; what does not fit is dropped and reported by the return value false. */
bool observe_ping_sent(struct observe *o, int64_t at_us, int64_t late_us);
void observe_ping_answered(struct observe *o, size_t index, int64_t at_us);
bool observe_probe_sent(struct observe *o, int64_t at_us);
bool observe_answered(struct observe *o, int64_t at_us, uint8_t mac);
void observe_announced(struct observe *o, int64_t at_us, uint8_t mac);
void observe_report(const struct observe *o, int64_t from_us, int64_t to_us, struct observe_report *ret);
/*
 * The client's view as text, one character per bin: '#' every ping answered, ':' some, '.' none, ' ' nothing sent. At most
 * cap - 1 characters, terminated.
 */
void observe_bar(const struct observe *o, int64_t from_us, int64_t to_us, int64_t bin_us, char *out, size_t cap);

#endif
