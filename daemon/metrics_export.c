/* SPDX-License-Identifier: Apache-2.0 */
/* Every family that /metrics has, and where its numbers come from. */
#include "daemon/metrics_internal.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "daemon/conflicts.h"
#include "daemon/fencing.h"
#include "daemon/kubernetes.h"
#include "daemon/log.h"
#include "daemon/pools.h"

enum family {
	BUILD_INFO,
	ADDRESSES,
	ADDRESSES_HELD,
	ADDRESSES_UNOWNED,
	OWNER_CHANGES,
	OUTAGE,
	MEMBERS,
	RTT,
	SUSPICIONS,
	REFUTATIONS,
	VERIFICATIONS,
	AMNESTIES,
	HEALTH,
	PACKETS_SENT,
	SENT_BYTES,
	PACKETS_RECEIVED,
	DROPS,
	SEND_ERRORS,
	LEASE_MARGIN,
	WATCHERS,
	MAY_HOLD,
	RIGHT_LOST,
	WITHOUT_RIGHT,
	GATE_OPEN,
	GATE_FLUSHES,
	GATE_ABSENT,
	GUARD_UP,
	CONFLICTS,
	ANNOUNCEMENTS,
	LOOP_LATENESS,
	LOOP_TURNS,
	RELOADS,
	LOG_SUPPRESSED,
	JOINED,
	DRAINING,
	START_TIME,
	RESIDENT,
	OPEN_FDS,
	SPEAKER_ANNOUNCED,
	GRATUITOUS_SENT,
	CONFIG_LOADED,
	FAMILY_N
};

static const struct metric_family families[FAMILY_N] = {
	[BUILD_INFO] = { "mlb_build_info", METRIC_GAUGE, "Always 1; the version is a label." },
	[ADDRESSES] = { "mlb_addresses", METRIC_GAUGE, "Configured service addresses." },
	[ADDRESSES_HELD] = { "mlb_addresses_held", METRIC_GAUGE, "Addresses that this node holds." },
	[ADDRESSES_UNOWNED] = { "mlb_addresses_unowned", METRIC_GAUGE,
				"Addresses that have no owner, as this node sees it." },
	[OWNER_CHANGES] = { "mlb_owner_changes_total", METRIC_COUNTER,
			    "Changes of owner that this node saw, by reason." },
	[OUTAGE] = { "mlb_outage_seconds", METRIC_HISTOGRAM,
		     "From when this node saw an address orphaned until it was claimed, by what orphaned it." },
	[MEMBERS] = { "mlb_members", METRIC_GAUGE, "Members by state, this node among them." },
	[RTT] = { "mlb_member_rtt_seconds", METRIC_GAUGE, "Smoothed round-trip time to a live member." },
	[SUSPICIONS] = { "mlb_suspicions_total", METRIC_COUNTER, "Suspicions that this node raised." },
	[REFUTATIONS] = { "mlb_refutations_total", METRIC_COUNTER, "Suspicions about this node that it refuted." },
	[VERIFICATIONS] = { "mlb_verifications_total", METRIC_COUNTER, "Silences that this node verified." },
	[AMNESTIES] = { "mlb_amnesties_total", METRIC_COUNTER,
			"Times that this node was late itself and accused nobody." },
	[HEALTH] = { "mlb_health_score", METRIC_GAUGE, "This node's own recent troubles: 0 is well, 8 is worst." },
	[PACKETS_SENT] = { "mlb_packets_sent_total", METRIC_COUNTER, "Gossip packets sent." },
	[SENT_BYTES] = { "mlb_sent_bytes_total", METRIC_COUNTER, "Bytes of gossip sent, without the seal." },
	[PACKETS_RECEIVED] = { "mlb_packets_received_total", METRIC_COUNTER, "Gossip packets taken." },
	[DROPS] = { "mlb_packets_dropped_total", METRIC_COUNTER, "Gossip packets that were not used, by reason." },
	[SEND_ERRORS] = { "mlb_send_errors_total", METRIC_COUNTER, "Gossip packets that the kernel did not send." },
	[LEASE_MARGIN] = { "mlb_lease_margin_seconds", METRIC_GAUGE,
			   "Time left of the right to hold; negative: lost. +Inf: without end." },
	[WATCHERS] = { "mlb_watchers", METRIC_GAUGE, "Members that watch this node." },
	[MAY_HOLD] = { "mlb_may_hold", METRIC_GAUGE, "1: this node may hold addresses." },
	[RIGHT_LOST] = { "mlb_right_lost_total", METRIC_COUNTER, "Times that the right to hold was lost." },
	[WITHOUT_RIGHT] = { "mlb_without_right_seconds_total", METRIC_COUNTER, "Time without the right to hold." },
	[GATE_OPEN] = { "mlb_gate_open", METRIC_GAUGE, "1: the kernel answers for what this node holds." },
	[GATE_FLUSHES] = { "mlb_gate_flushes_total", METRIC_COUNTER, "Times that somebody removed the gate." },
	[GATE_ABSENT] = { "mlb_gate_absent_seconds_total", METRIC_COUNTER, "Time that the gate was missing." },
	[GUARD_UP] = { "mlb_guard_up", METRIC_GAUGE, "1: the guard process runs." },
	[CONFLICTS] = { "mlb_conflict_frames_total", METRIC_COUNTER,
			"Frames of others for an address of ours, by who sent them." },
	[ANNOUNCEMENTS] = { "mlb_announcements_total", METRIC_COUNTER,
			    "Frames that announced an address: gratuitous ARP and unsolicited advertisements." },
	[LOOP_LATENESS] = { "mlb_loop_lateness_seconds", METRIC_HISTOGRAM, "How late ticks of the event loop came." },
	[LOOP_TURNS] = { "mlb_loop_ticks_total", METRIC_COUNTER, "Ticks of the event loop." },
	[LOG_SUPPRESSED] = { "mlb_log_suppressed_total", METRIC_COUNTER,
			     "Lines of a flood that were left out of the log, by event." },
	[RELOADS] = { "mlb_config_reloads_total", METRIC_COUNTER, "Reloads of the configuration, by result." },
	[JOINED] = { "mlb_joined", METRIC_GAUGE, "1: this node has joined the cluster, or knows that it is alone." },
	[DRAINING] = { "mlb_draining", METRIC_GAUGE, "1: this node gives its addresses away." },
	[START_TIME] = { "process_start_time_seconds", METRIC_GAUGE, "Start of the daemon, seconds since 1970." },
	[RESIDENT] = { "process_resident_memory_bytes", METRIC_GAUGE, "Resident memory." },
	[OPEN_FDS] = { "process_open_fds", METRIC_GAUGE, "Open file descriptors." },
	[SPEAKER_ANNOUNCED] = { "metallb_speaker_announced", METRIC_GAUGE,
				"Services that this node announces, as MetalLB's speaker names it." },
	[GRATUITOUS_SENT] = { "metallb_layer2_gratuitous_sent", METRIC_COUNTER,
			      "Frames that announced an address since this node holds it." },
	[CONFIG_LOADED] = { "metallb_k8s_client_config_loaded_bool", METRIC_GAUGE, "1: a configuration is loaded." },
};

const struct metric_family *metrics_family_at(size_t index)
{
	const struct metric_family *of_pools;

	if (index < FAMILY_N)
		return &families[index];
	of_pools = pools_metric_family_at(index - FAMILY_N);
	return of_pools != NULL ? of_pools : kubernetes_metric_family_at(index - FAMILY_N - pools_metric_family_n());
}

/* A family of one sample without labels. */
static void single(struct metrics_text *text, enum family family, double value)
{
	metrics_family(text, &families[family]);
	metrics_sample(text, families[family].name, value, NULL);
}

static void write_suppressed(struct metrics_text *text)
{
	const char *event;
	uint64_t n;

	metrics_family(text, &families[LOG_SUPPRESSED]);
	for (size_t i = 0; (event = log_suppressed_at(i, &n)) != NULL; i++) {
		if (n > 0)
			metrics_sample(text, families[LOG_SUPPRESSED].name, (double)n, "event", event, NULL);
	}
}

static double seconds(struct span span)
{
	return (double)span.us / 1e6;
}

static void write_addresses(const struct app *app, struct metrics_text *text)
{
	const struct election *election = node_election(app->node);
	size_t held, unowned;

	election_address_counts(election, &held, &unowned);
	single(text, ADDRESSES, (double)election_address_n(election));
	single(text, ADDRESSES_HELD, (double)held);
	single(text, ADDRESSES_UNOWNED, (double)unowned);
}

/* MetalLB's own two about addresses. Its protocol label is "layer2". */
static void write_held(const struct app *app, struct metrics_text *text)
{
	const struct election *election = node_election(app->node);
	struct election_address address;
	char ip[IP_TEXT_MAX];

	metrics_family(text, &families[SPEAKER_ANNOUNCED]);
	for (size_t i = 0; i < election_address_n(election); i++) {
		election_address_at(election, i, &address);
		if (address.held)
			metrics_sample(text, families[SPEAKER_ANNOUNCED].name, 1, "service", address.service,
				       "protocol", "layer2", "node", app->config->node.name, "ip",
				       ip_format(address.ip, ip), NULL);
	}
	metrics_family(text, &families[GRATUITOUS_SENT]);
	for (size_t i = 0; i < election_address_n(election); i++) {
		election_address_at(election, i, &address);
		if (address.held)
			metrics_sample(text, families[GRATUITOUS_SENT].name,
				       (double)host_announced(app->host, address.ip), "ip", ip_format(address.ip, ip),
				       NULL);
	}
}

static void write_owners(const struct metrics *m, struct metrics_text *text)
{
	metrics_family(text, &families[OWNER_CHANGES]);
	for (size_t i = 0; i < METRICS_REASON_N; i++)
		metrics_sample(text, families[OWNER_CHANGES].name, (double)m->owner_changes[i], "reason",
			       election_reason_name((enum election_reason)i), NULL);
	metrics_family(text, &families[OUTAGE]);
	for (size_t i = 0; i < METRICS_REASON_N; i++)
		metrics_histogram(text, families[OUTAGE].name, &m->outages[i], "cause",
				  election_reason_name((enum election_reason)i));
}

static void write_members(const struct app *app, struct metrics_text *text)
{
	const struct gossip *gossip = node_gossip(app->node);
	size_t counts[GOSSIP_LEFT + 1];
	struct gossip_member member;
	unsigned int health = 0;

	gossip_member_counts(gossip, counts);
	if (gossip_member_find(gossip, gossip_instance(gossip), &member))
		health = member.health;
	metrics_family(text, &families[MEMBERS]);
	for (enum gossip_state state = GOSSIP_ALIVE; state <= GOSSIP_LEFT; state++)
		metrics_sample(text, families[MEMBERS].name, (double)counts[state], "state", gossip_state_name(state),
			       NULL);
	metrics_family(text, &families[RTT]);
	for (size_t i = 0; i < gossip_member_n(gossip); i++) {
		gossip_member_at(gossip, i, &member);
		if (!member.self && gossip_state_live(member.state) && member.rtt.us >= 0)
			metrics_sample(text, families[RTT].name, seconds(member.rtt), "member", member.name, NULL);
	}
	single(text, HEALTH, health);
	single(text, JOINED, node_joined(app->node));
	single(text, DRAINING, node_draining(app->node));
}

static void write_gossip(const struct app *app, struct metrics_text *text)
{
	const struct transport_stats *transport = transport_stats_of(app->transport);
	struct gossip_stats stats;

	gossip_stats_get(node_gossip(app->node), &stats);
	single(text, SUSPICIONS, (double)stats.suspicions_n);
	single(text, REFUTATIONS, (double)stats.refutations_n);
	single(text, VERIFICATIONS, (double)stats.verifications_n);
	single(text, AMNESTIES, (double)stats.amnesties_n);
	single(text, PACKETS_SENT, (double)stats.sent_n);
	single(text, SENT_BYTES, (double)stats.sent_bytes);
	single(text, PACKETS_RECEIVED, (double)stats.received_n);
	single(text, SEND_ERRORS, (double)transport->send_errors);
	metrics_family(text, &families[DROPS]);
	for (enum gossip_drop drop = GOSSIP_DROP_NONE + 1; drop < GOSSIP_DROP_N; drop++)
		metrics_sample(text, families[DROPS].name, (double)(transport->drops[drop] + stats.drops[drop]),
			       "reason", gossip_drop_name(drop), NULL);
}

static void write_fencing(const struct app *app, struct metrics_text *text, struct instant now)
{
	const struct metrics *m = app->metrics;
	struct instant until = election_right_until(node_election(app->node));
	struct span without = m->right_gone_us;
	struct fencing_status fencing;

	fencing_status_get(app, &fencing);
	if (m->right_gone)
		without.us += instant_since(now, m->right_gone_at).us;
	single(text, LEASE_MARGIN, until.us == INSTANT_NEVER.us ? __builtin_inf() : seconds(instant_since(until, now)));
	single(text, WATCHERS, (double)gossip_lease_of(node_gossip(app->node)).watcher_n);
	single(text, MAY_HOLD, fencing.right);
	single(text, RIGHT_LOST, (double)m->right_lost_n);
	single(text, WITHOUT_RIGHT, seconds(without));
	if (strcmp(fencing.gate, "none") != 0) { /* where there is none, "0" would look like a shut one */
		single(text, GATE_OPEN, strcmp(fencing.gate, "open") == 0);
		single(text, GATE_FLUSHES, (double)fencing.gate_flushes);
		single(text, GATE_ABSENT, seconds(fencing.gate_absent));
	}
	if (app->config->fencing.guard)
		single(text, GUARD_UP, fencing.guard != 0);
}

static void write_segment(const struct app *app, struct metrics_text *text)
{
	metrics_family(text, &families[CONFLICTS]);
	for (enum conflict_who who = CONFLICT_WHO_STRANGER; who <= CONFLICT_WHO_AMBIGUOUS; who++)
		metrics_sample(text, families[CONFLICTS].name, (double)conflicts_count(app, who), "who",
			       conflict_who_name(who), NULL);
	single(text, ANNOUNCEMENTS, (double)host_announced(app->host, (struct ip){ .family = IP_NONE }));
}

/* Resident pages by /proc/self/statm; -1: cannot be read. */
static double resident_bytes(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	long pages = -1;

	if (file == NULL)
		return -1;
	if (fscanf(file, "%*s %ld", &pages) != 1)
		pages = -1;
	fclose(file);
	return pages < 0 ? -1 : (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static double open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	double n = 0;

	if (dir == NULL)
		return -1;
	for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir))
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n - 1; /* the folder's own */
}

static void write_process(const struct app *app, struct metrics_text *text)
{
	double rss = resident_bytes();
	double fds = open_fds();

	single(text, START_TIME, (double)app->metrics->started_wall_ms / 1000);
	if (rss >= 0)
		single(text, RESIDENT, rss);
	if (fds >= 0)
		single(text, OPEN_FDS, fds);
}

void metrics_write(struct app *app, struct metrics_text *text)
{
	const struct metrics *m = app->metrics;
	struct instant now = clock_now();

	metrics_family(text, &families[BUILD_INFO]);
	metrics_sample(text, families[BUILD_INFO].name, 1, "version", MLB_VERSION, NULL);
	write_addresses(app, text);
	write_owners(m, text);
	write_members(app, text);
	write_gossip(app, text);
	write_fencing(app, text, now);
	write_segment(app, text);
	metrics_family(text, &families[LOOP_LATENESS]);
	metrics_histogram(text, families[LOOP_LATENESS].name, &m->lateness, NULL, NULL);
	single(text, LOOP_TURNS, (double)m->turn_n);
	write_suppressed(text);
	metrics_family(text, &families[RELOADS]);
	metrics_sample(text, families[RELOADS].name, (double)m->reloads[true], "result", "ok", NULL);
	metrics_sample(text, families[RELOADS].name, (double)m->reloads[false], "result", "refused", NULL);
	write_process(app, text);
	write_held(app, text);
	single(text, CONFIG_LOADED, 1);
	for (size_t i = 0; i < m->source_n; i++)
		m->sources[i].write(m->sources[i].arg, text);
}
