/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/diagnose.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "daemon/check.h"
#include "daemon/checks.h"
#include "daemon/conflicts.h"
#include "daemon/diagnose_rules.h"
#include "daemon/fencing.h"
#include "daemon/kubernetes.h"
#include "daemon/process.h"
#include "daemon/sysctl.h"
#include "netlink/table.h"

/* Interfaces for service addresses, and subnets of this host, that one diagnosis looks at. */
#define LINK_N_MAX 32
#define SUBNET_N_MAX 256

/* Names in one finding. */
#define NAMES_MAX 160

/* A diagnosis under way. Large: allocated. */
struct view {
	const struct app *app;
	const struct netlink_table *table;
	struct {
		struct subnet subnet;
		const struct netlink_link *link;
	} subnets[SUBNET_N_MAX]; /* of addresses that are not ours, but for loopbacks */
	size_t subnet_n;
	struct diagnose_link links[LINK_N_MAX]; /* that are to have service addresses */
	size_t link_n;
	bool v6_nowhere; /* an IPv6 address is in no subnet: where IPv6 is off there are none */
	struct diagnosis d;
};

/* ---- interfaces and addresses ---- */

static void subnets_collect(struct view *v)
{
	for (size_t i = 0; i < netlink_table_address_n(v->table) && v->subnet_n < SUBNET_N_MAX; i++) {
		const struct netlink_address *address = netlink_table_address_at(v->table, i);
		const struct netlink_link *link = netlink_table_link(v->table, address->index);

		if (address->ours || link == NULL || link->loopback)
			continue;
		v->subnets[v->subnet_n].subnet = address->subnet;
		v->subnets[v->subnet_n++].link = link;
	}
}

static enum diagnose_place place_of(const struct netlink_link *link)
{
	if (link == NULL)
		return PLACE_NO_INTERFACE;
	if (!link->ethernet || link->master != 0)
		return PLACE_UNFIT;
	if (!link->up)
		return PLACE_DOWN;
	return link->running ? PLACE_USABLE : PLACE_NO_CARRIER;
}

/* The facts of an interface, made at first; NULL: there are too many. */
static struct diagnose_link *link_fact(struct view *v, const struct netlink_link *link)
{
	for (size_t i = 0; i < v->link_n; i++) {
		if (strcmp(v->links[i].name, link->name) == 0)
			return &v->links[i];
	}
	if (v->link_n == LINK_N_MAX)
		return NULL;
	v->links[v->link_n] = (struct diagnose_link){ .name = link->name };
	return &v->links[v->link_n++];
}

/* That link is a place for ip: the better one of it and what we have. */
static void place_take(struct view *v, struct ip ip, const struct netlink_link *link, const char *name,
		       struct diagnose_address *address)
{
	enum diagnose_place place = place_of(link);
	struct diagnose_link *fact = place == PLACE_USABLE ? link_fact(v, link) : NULL;

	if (fact != NULL) {
		fact->v4 = fact->v4 || ip.family == IP_V4;
		fact->v6 = fact->v6 || ip.family == IP_V6;
		/* the first usable one has a twin in each further one */
		if (address->place == PLACE_USABLE && strcmp(address->iface, name) != 0 && ip.family == IP_V4)
			fact->twin = address->iface;
	}
	if (place >= address->place)
		return;
	address->place = place;
	address->iface = name;
}

/* Where this node could have the address: on the interfaces that the service names, or on those whose subnet holds it. */
static void place_find(struct view *v, struct ip ip, const char *const *interfaces, size_t interface_n,
		       struct diagnose_address *address)
{
	address->place = PLACE_NO_SUBNET;
	for (size_t i = 0; i < interface_n; i++)
		place_take(v, ip, netlink_table_link_named(v->table, interfaces[i]), interfaces[i], address);
	for (size_t i = 0; i < v->subnet_n && interface_n == 0; i++) {
		if (subnet_contains(v->subnets[i].subnet, ip))
			place_take(v, ip, v->subnets[i].link, v->subnets[i].link->name, address);
	}
}

static void look_at_service(struct view *v, const struct election_service *service)
{
	const struct config *config = v->app->config;
	const char *const *interfaces = service->interfaces;
	size_t interface_n = service->interface_n;
	struct election_address known;
	bool ours;

	if (service->placed) {
		const struct election_place *place = election_place_find(service, config->node.name);

		ours = place != NULL;
		interfaces = ours ? place->interfaces : NULL;
		interface_n = ours ? place->interface_n : 0;
	} else {
		ours = label_selectors_match(service->selectors, service->selector_n, &config->node.labels);
	}
	for (size_t i = 0; i < service->address_n; i++) {
		struct diagnose_address address = { .service = service->name,
						    .ip = service->addresses[i],
						    .ours = ours };

		if (ours)
			place_find(v, address.ip, interfaces, interface_n, &address);
		if (ours && address.place == PLACE_NO_SUBNET && address.ip.family == IP_V6)
			v->v6_nowhere = true;
		if (election_address_find(node_election(v->app->node), address.ip, &known))
			address.state = known.state;
		diagnose_address(&v->d, &address);
	}
}

/* Has any other interface an address of its own? */
static bool is_alone(const struct view *v, const char *name)
{
	for (size_t i = 0; i < v->subnet_n; i++) {
		if (strcmp(v->subnets[i].link->name, name) != 0)
			return false;
	}
	return true;
}

static void look_at_link(struct view *v, struct diagnose_link *link)
{
	const struct meta *meta = &v->app->meta;

	for (size_t i = 0; i < meta->segment_n; i++)
		link->silent = link->silent ||
			       (meta->segments[i].isolated && strcmp(meta->segments[i].iface, link->name) == 0);
	link->v6 = link->v6 || v->v6_nowhere;
	link->alone = is_alone(v, link->name);
	link->arp_ignore = sysctl_read_max("ipv4", link->name, "arp_ignore");
	link->arp_announce = sysctl_read_max("ipv4", link->name, "arp_announce");
	link->rp_filter = sysctl_read_max("ipv4", link->name, "rp_filter");
	link->drop_gratuitous_arp = sysctl_read_max("ipv4", link->name, "drop_gratuitous_arp");
	link->disable_ipv6 = sysctl_read("ipv6", link->name, "disable_ipv6");
	link->accept_dad = sysctl_read("ipv6", link->name, "accept_dad");
	diagnose_link(&v->d, link);
}

static void look_at_addresses(struct view *v)
{
	for (size_t i = 0; i < v->app->service_n; i++)
		look_at_service(v, &v->app->services[i]);
	for (size_t i = 0; i < v->link_n; i++)
		look_at_link(v, &v->links[i]);
}

/* ---- the process ---- */

static bool switches_user(const struct config *config)
{
	uint32_t uid, gid;

	for (size_t i = 0; i < config->service_n; i++) {
		const struct check_config *check = config->services[i].check;

		/* the first command will do: looking a user up takes time */
		if (check != NULL && check->kind == CHECK_COMMAND)
			return check_user(check, &uid, &gid) == 0 && uid != geteuid();
	}
	return false;
}

static void look_at_process(struct view *v)
{
	const struct app *app = v->app;
	struct process_state state = process_state_get();
	const struct diagnose_process process = {
		.node = app->config->node.name,
		.joined = node_joined(app->node),
		.draining = node_draining(app->node),
		.capabilities = process_capabilities(),
		.switches_user = switches_user(app->config),
		.priority_wanted = app->config->process.realtime_priority,
		.priority = state.realtime_priority,
		.lock_wanted = app->config->process.lock_memory,
		.locked = state.memory_locked,
		.late_p99 = histogram_percentile(&app->lateness, 990),
	};

	diagnose_process(&v->d, &process);
}

static void look_at_fencing(struct view *v)
{
	const struct config *config = v->app->config;
	struct fencing_status status;
	struct diagnose_fencing fencing = {
		.gate_wanted = config->fencing.gate != CONFIG_GATE_OFF,
		.guard_wanted = config->fencing.guard || config->fencing.guard_socket != NULL,
	};

	fencing_status_get(v->app, &status);
	fencing.right = status.right;
	fencing.gate = status.gate;
	fencing.flush_n = status.gate_flushes;
	fencing.guard = status.guard != 0;
	diagnose_fencing(&v->d, &fencing);
}

static void look_at_checks(struct view *v)
{
	for (size_t i = 0; i < v->app->service_n; i++) {
		const struct check *check = checks_find(v->app, v->app->services[i].name);
		struct check_status status;

		if (check == NULL)
			continue;
		check_status(check, &status);
		if (status.decided && !status.passing)
			finding_add(&v->d, FINDING_CHECK_FAILING, v->app->services[i].name, "%s", status.text);
	}
}

/* ---- the cluster ---- */

static void look_at_members(struct view *v)
{
	const struct gossip *gossip = node_gossip(v->app->node);
	int64_t now_s = clock_wall_ms() / 1000;
	struct gossip_member member;

	for (size_t i = 0; i < gossip_member_n(gossip); i++) {
		struct diagnose_member fact;
		bool edge;

		gossip_member_at(gossip, i, &member);
		if (member.self)
			continue;
		edge = member.watches_us || member.watched;
		fact = (struct diagnose_member){
			.name = member.name,
			.live = gossip_state_live(member.state),
			.suspect = member.state == GOSSIP_SUSPECT,
			.dead = member.state == GOSSIP_DEAD,
			.loss_in_ppm = edge ? member.loss_in_ppm : 0,
			.loss_out_ppm = edge ? member.loss_out_ppm : 0,
			.health = member.health,
			.path_n = member.endpoint_n < v->app->endpoint_n ? member.endpoint_n : v->app->endpoint_n,
			.path_mask = member.path_mask,
			.started_s = (int64_t)(member.instance >> 32),
			.now_s = now_s,
		};
		diagnose_member(&v->d, &fact);
	}
}

/* Is somebody there, or was, at that address? Those who are dead have a finding of their own. */
static bool peer_known(const struct app *app, struct endpoint peer)
{
	const struct gossip *gossip = node_gossip(app->node);
	struct gossip_member member;

	for (size_t i = 0; i < gossip_member_n(gossip); i++) {
		gossip_member_at(gossip, i, &member);
		if (endpoint_listed(member.endpoints, member.endpoint_n, peer))
			return true;
	}
	return endpoint_listed(app->endpoints, app->endpoint_n, peer);
}

static void look_at_peers(struct view *v)
{
	const struct config *config = v->app->config;
	char text[ENDPOINT_TEXT_MAX];

	for (size_t i = 0; i < config->gossip.seed_n; i++) {
		if (!peer_known(v->app, config->gossip.seeds[i]))
			finding_add(&v->d, FINDING_PEER_UNREACHABLE, endpoint_format(config->gossip.seeds[i], text),
				    "no member has this address");
	}
}

/* The interface that has an address of ours; NULL: none. */
static const char *iface_of(const struct view *v, struct ip ip)
{
	for (size_t i = 0; i < v->subnet_n; i++) {
		if (ip_equal(v->subnets[i].subnet.ip, ip))
			return v->subnets[i].link->name;
	}
	return NULL;
}

static unsigned int mtu_of(const char *iface)
{
	struct ifreq request = { 0 };
	int fd = iface != NULL ? socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1;
	int error;

	if (fd < 0)
		return 0;
	(void)snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", iface);
	error = ioctl(fd, SIOCGIFMTU, &request);
	close(fd);
	return error == 0 && request.ifr_mtu > 0 ? (unsigned int)request.ifr_mtu : 0;
}

static void look_at_gossip(struct view *v)
{
	static const enum gossip_drop refused[] = { GOSSIP_DROP_KEY, GOSSIP_DROP_AUTH };
	const struct app *app = v->app;
	struct gossip_stats stats;
	struct diagnose_gossip gossip = { .insecure = app->config->gossip.insecure,
					  .packet_len = app->config->gossip.packet_len_max };

	gossip_stats_get(node_gossip(app->node), &stats);
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		gossip.refused_n += transport_stats_of(app->transport)->drops[refused[i]] + stats.drops[refused[i]];
	for (size_t i = 0; i < app->endpoint_n; i++) {
		gossip.iface = iface_of(v, app->endpoints[i].ip);
		gossip.mtu = mtu_of(gossip.iface);
		gossip.family = app->endpoints[i].ip.family;
		diagnose_gossip(&v->d, &gossip);
		gossip.insecure = false; /* said once, not for each path */
		gossip.refused_n = 0;
	}
}

/* ---- keys, as the other members report them ---- */

/* "n2, n3" of an array; what does not fit is cut. */
static const char *names_of(const cJSON *array, char buf[NAMES_MAX])
{
	const cJSON *item;
	size_t len = 0;

	buf[0] = '\0';
	cJSON_ArrayForEach(item, array)
	{
		if (cJSON_IsString(item) && len < NAMES_MAX)
			len += (size_t)snprintf(buf + len, NAMES_MAX - len, "%s%s", len > 0 ? ", " : "",
						item->valuestring);
	}
	return buf;
}

static double number_of(const cJSON *object, const char *name)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);

	return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

static void judge_keys(struct diagnosis *d, const cJSON *doc)
{
	const cJSON *silent = cJSON_GetObjectItemCaseSensitive(doc, "silent");
	const cJSON *not_stored = cJSON_GetObjectItemCaseSensitive(doc, "notStored");
	const cJSON *key;
	char names[NAMES_MAX];
	size_t sealing_n = 0;

	cJSON_ArrayForEach(key, cJSON_GetObjectItemCaseSensitive(doc, "keys"))
	{
		const cJSON *missing = cJSON_GetObjectItemCaseSensitive(key, "missing");
		const char *fingerprint = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(key, "fingerprint"));

		if (number_of(key, "sealing") < 1)
			continue;
		sealing_n++;
		if (cJSON_GetArraySize(missing) > 0)
			finding_add(d, FINDING_KEYS_DIFFER, fingerprint, "not at %s", names_of(missing, names));
	}
	if (sealing_n > 1)
		finding_add(d, FINDING_KEYS_SEALING_DIFFER, "keys", "%zu keys seal", sealing_n);
	if (cJSON_GetArraySize(silent) > 0)
		finding_add(d, FINDING_KEYS_SILENT, "keys", "%s", names_of(silent, names));
	if (cJSON_GetArraySize(not_stored) > 0)
		finding_add(d, FINDING_KEYS_NOT_STORED, "keys", "%s", names_of(not_stored, names));
}

static void look_at_keys(struct view *v)
{
	cJSON *doc = cJSON_CreateObject();
	char error[256];

	if (keyring_command(v->app->keyring, node_gossip(v->app->node), "keys", NULL, doc, error, sizeof(error)) == 200)
		judge_keys(&v->d, doc);
	cJSON_Delete(doc);
}

static void look_at_kubernetes(struct view *v)
{
	struct kubernetes_view view;

	if (!kubernetes_view(v->app, &view))
		return;
	if (!view.fresh)
		finding_add(&v->d, FINDING_API_SERVER_UNREACHABLE, "kubernetes", "%s", view.why);
	else if (!view.config_good)
		finding_add(&v->d, FINDING_KUBERNETES_CONFIG, "kubernetes", "%s", view.why);
}

/* ---- the document ---- */

static void add_finding(cJSON *list, const struct finding *finding)
{
	const struct finding_kind *kind = finding_kind_of(finding->code);
	cJSON *object = cJSON_CreateObject();

	cJSON_AddStringToObject(object, "code", kind->name);
	cJSON_AddStringToObject(object, "severity", finding_severity_name(kind->severity));
	cJSON_AddStringToObject(object, "subject", finding->subject);
	cJSON_AddStringToObject(object, "detail", finding->detail);
	cJSON_AddStringToObject(object, "means", kind->means);
	cJSON_AddStringToObject(object, "action", kind->action);
	cJSON_AddItemToArray(list, object);
}

/* Gravest first, else in the order in which they were found. */
static void add_findings(cJSON *reply, const struct diagnosis *d)
{
	cJSON *list = cJSON_AddArrayToObject(reply, "findings");
	size_t kept = d->finding_n < FINDING_MAX ? d->finding_n : FINDING_MAX;

	for (int severity = FINDING_ERROR; severity >= (int)FINDING_INFO; severity--) {
		for (size_t i = 0; i < kept; i++) {
			if ((int)finding_kind_of(d->findings[i].code)->severity == severity)
				add_finding(list, &d->findings[i]);
		}
	}
	cJSON_AddNumberToObject(reply, "omitted", (double)(d->finding_n - kept));
}

int diagnose_document(const struct app *app, cJSON *reply)
{
	struct view *v = calloc(1, sizeof(*v));

	if (v == NULL)
		return -ENOMEM;
	v->app = app;
	v->table = host_table(app->host);
	subnets_collect(v);
	look_at_process(v);
	look_at_fencing(v);
	look_at_gossip(v);
	look_at_members(v);
	look_at_peers(v);
	look_at_keys(v);
	conflicts_diagnose(app, &v->d);
	look_at_kubernetes(v);
	look_at_checks(v);
	/* last: there may be many, and only so many are kept */
	look_at_addresses(v);
	cJSON_AddStringToObject(reply, "node", app->config->node.name);
	add_findings(reply, &v->d);
	free(v);
	return 0;
}
