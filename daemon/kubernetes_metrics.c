/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics of Kubernetes: our own, and those of MetalLB's controller and client under its names. */
#include "allocator/allocator.h"
#include "daemon/kubernetes_internal.h"
#include "daemon/metrics.h"

enum family {
	FRESH,
	SYNCED,
	LEADER,
	SERVICES,
	UPDATES,
	UPDATE_ERRORS,
	CONFIG_STALE,
	TOTAL,
	IN_USE,
	TOTAL_V4,
	IN_USE_V4,
	TOTAL_V6,
	IN_USE_V6,
	FAMILY_N
};

static const struct metric_family families[FAMILY_N] = {
	[FRESH] = { "mlb_kubernetes_fresh", METRIC_GAUGE, "1: the API server answers on everything that is followed." },
	[SYNCED] = { "mlb_kubernetes_synced", METRIC_GAUGE, "1: everything has come once since the start." },
	[LEADER] = { "mlb_kubernetes_leader", METRIC_GAUGE, "1: this node holds the Lease and gives addresses." },
	[SERVICES] = { "mlb_kubernetes_services", METRIC_GAUGE,
		       "Services, or groups that share, that are to be announced." },
	[UPDATES] = { "metallb_k8s_client_updates_total", METRIC_COUNTER, "Requests that change objects." },
	[UPDATE_ERRORS] = { "metallb_k8s_client_update_errors_total", METRIC_COUNTER, "Those that failed." },
	[CONFIG_STALE] = { "metallb_k8s_client_config_stale_bool", METRIC_GAUGE,
			   "1: the configuration is refused, the last good one stays." },
	[TOTAL] = { "metallb_allocator_addresses_total", METRIC_GAUGE, "Addresses of a pool; on the leader." },
	[IN_USE] = { "metallb_allocator_addresses_in_use_total", METRIC_GAUGE, "Addresses of a pool in use." },
	[TOTAL_V4] = { "metallb_allocator_ipv4_addresses_total", METRIC_GAUGE, "IPv4 addresses of a pool." },
	[IN_USE_V4] = { "metallb_allocator_ipv4_addresses_in_use_total", METRIC_GAUGE,
			"IPv4 addresses of a pool in use." },
	[TOTAL_V6] = { "metallb_allocator_ipv6_addresses_total", METRIC_GAUGE, "IPv6 addresses of a pool." },
	[IN_USE_V6] = { "metallb_allocator_ipv6_addresses_in_use_total", METRIC_GAUGE,
			"IPv6 addresses of a pool in use." },
};

const struct metric_family *kubernetes_metric_family_at(size_t index)
{
	return index < FAMILY_N ? &families[index] : NULL;
}

static void single(struct metrics_text *text, enum family family, double value)
{
	metrics_family(text, &families[family]);
	metrics_sample(text, families[family].name, value, NULL);
}

static double of_pool(const struct alloc_counters *c, enum family family)
{
	switch (family) {
	case TOTAL:
		return (double)c->capacity_v4 + (double)c->capacity_v6;
	case IN_USE:
		return (double)c->assigned_v4 + (double)c->assigned_v6;
	case TOTAL_V4:
		return (double)c->capacity_v4;
	case IN_USE_V4:
		return (double)c->assigned_v4;
	case TOTAL_V6:
		return (double)c->capacity_v6;
	case IN_USE_V6:
		return (double)c->assigned_v6;
	case FRESH:
	case SYNCED:
	case LEADER:
	case SERVICES:
	case UPDATES:
	case UPDATE_ERRORS:
	case CONFIG_STALE:
	case FAMILY_N:
		break;
	}
	return 0;
}

void kubernetes_metrics(void *arg, struct metrics_text *text)
{
	const struct kubernetes *k = arg;
	const struct allocator *allocator = kubernetes_allocator(k->app);
	struct kubernetes_view view;

	if (!kubernetes_view(k->app, &view))
		return;
	single(text, FRESH, view.fresh);
	single(text, SYNCED, view.synced);
	single(text, LEADER, view.leads);
	single(text, SERVICES, (double)view.service_n);
	single(text, UPDATES, (double)view.writes);
	single(text, UPDATE_ERRORS, (double)view.write_errors);
	single(text, CONFIG_STALE, view.configured && !view.config_good);
	for (enum family family = TOTAL; allocator != NULL && family < FAMILY_N; family++) {
		metrics_family(text, &families[family]);
		for (size_t i = 0; i < allocator_pool_n(allocator); i++) {
			struct alloc_counters counters = allocator_counters(allocator, i);

			metrics_sample(text, families[family].name, of_pool(&counters, family), "pool",
				       allocator_pool_name(allocator, i), NULL);
		}
	}
}
