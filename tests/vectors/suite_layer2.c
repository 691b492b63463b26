/* SPDX-License-Identifier: Apache-2.0 */
/* Suites of layer2.json. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arp/packet.h"
#include "kube/agent_rules.h"
#include "kube/announced.h"
#include "tests/vectors/vectors.h"

#define NODE_MAX 256
#define AD_MAX 64

/* The nodes of a case, in one order for all sets. */
struct nodes {
	const char *names[NODE_MAX];
	size_t n;
	uint64_t live[NODE_SET_WORDS(NODE_MAX)];
	uint64_t barred[NODE_SET_WORDS(NODE_MAX)];
};

/* Advertisements of a case; everything that they point to is in the arena. */
struct ads {
	struct arena arena;
	struct kube_ad items[AD_MAX];
	const struct kube_ad *list[AD_MAX];
	size_t n;
};

static size_t node_index(struct nodes *nodes, const char *name)
{
	size_t i = 0;

	must(name != NULL, "a node without a name");
	while (i < nodes->n && strcmp(nodes->names[i], name) != 0)
		i++;
	must(i < NODE_MAX, "too many nodes");
	if (i == nodes->n)
		nodes->names[nodes->n++] = name;
	return i;
}

static void node_names(struct nodes *nodes, const cJSON *list)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, list)(void) node_index(nodes, item->valuestring);
}

static void add_ad(struct ads *ads, struct nodes *nodes, const cJSON *json)
{
	struct kube_ad *ad = &ads->items[ads->n];
	uint64_t *set = arena_take(&ads->arena, NODE_SET_WORDS(NODE_MAX), sizeof(*set));
	uint32_t *scores = arena_take(&ads->arena, NODE_MAX, sizeof(*scores));
	const cJSON *selectors = get(json, "serviceSelectors");
	struct label_selector *list = arena_take(&ads->arena, (size_t)cJSON_GetArraySize(selectors), sizeof(*list));
	const cJSON *item;

	must(ads->n < AD_MAX && set != NULL && scores != NULL && list != NULL, "too many advertisements");
	cJSON_ArrayForEach(item, get(json, "nodes")) node_set_put(set, node_index(nodes, item->valuestring));
	cJSON_ArrayForEach(item, get(json, "preferred")) scores[node_index(nodes, item->string)] =
		(uint32_t)item->valueint;
	cJSON_ArrayForEach(item, selectors) list[ad->selector_n++] = selector_of(&ads->arena, item->valuestring);
	if (cJSON_IsArray(get(json, "interfaces")))
		ad->interfaces = texts_of(&ads->arena, get(json, "interfaces"), &ad->interface_n);
	ad->nodes = set;
	ad->scores = scores;
	ad->selectors = list;
	ads->list[ads->n++] = ad;
}

/* --- who announces ---------------------------------------------------------------------------------------------------------------------- */

/* The API's object of a node, so that its label and condition go through the real decoder and rule. */
static bool is_barred(const cJSON *json, const char *name, bool ignore_label)
{
	cJSON *object = cJSON_CreateObject();
	cJSON *meta = cJSON_AddObjectToObject(object, "metadata");
	cJSON *status = cJSON_AddObjectToObject(object, "status");
	struct kube_node *node = NULL;
	struct kube_error error;
	bool barred;

	cJSON_AddStringToObject(meta, "name", name);
	if (get(json, "labels") != NULL)
		cJSON_AddItemToObject(meta, "labels", cJSON_Duplicate(get(json, "labels"), true));
	if (get(json, "conditions") != NULL)
		cJSON_AddItemToObject(status, "conditions", cJSON_Duplicate(get(json, "conditions"), true));
	if (get_bool(json, "networkUnavailable", false)) {
		cJSON *condition = cJSON_CreateObject();

		cJSON_AddStringToObject(condition, "type", "NetworkUnavailable");
		cJSON_AddStringToObject(condition, "status", "True");
		if (get(status, "conditions") == NULL)
			cJSON_AddArrayToObject(status, "conditions");
		cJSON_AddItemToArray(cJSON_GetObjectItem(status, "conditions"), condition);
	}
	must(kube_node_decode(object, &node, &error) == 0, error.text);
	barred = kube_node_barred(node, ignore_label, false);
	kube_object_free(node);
	cJSON_Delete(object);
	return barred;
}

static void read_nodes(struct nodes *nodes, const cJSON *item)
{
	const cJSON *members = get(item, "members");
	const cJSON *node;

	node_names(nodes, members);
	cJSON_ArrayForEach(node, get(item, "nodes"))
	{
		size_t index = node_index(nodes, node->string);

		if (is_barred(node, node->string, get_bool(item, "ignoreExcludeLabel", false)))
			node_set_put(nodes->barred, index);
		/* without a membership layer all known nodes count as members */
		if (members == NULL)
			node_set_put(nodes->live, index);
	}
	cJSON_ArrayForEach(node, members) node_set_put(nodes->live, node_index(nodes, node->valuestring));
}

static enum kube_status status_of(const cJSON *object, const char *name)
{
	const cJSON *field = get(object, name);

	return field == NULL ? KUBE_UNKNOWN : cJSON_IsTrue(field) ? KUBE_TRUE : KUBE_FALSE;
}

/* Endpoints as the API's slices, through the decoder. True: some endpoint can serve. */
static bool read_endpoints(struct nodes *nodes, const cJSON *list, uint64_t *serving)
{
	struct kube_pools names = { .nodes = nodes->names, .node_n = nodes->n };
	const char *sorted[NODE_MAX];
	uint64_t found[NODE_SET_WORDS(NODE_MAX)] = { 0 };
	cJSON *object = cJSON_CreateObject();
	cJSON *endpoints = cJSON_AddArrayToObject(object, "endpoints");
	struct kube_slice *slice = NULL;
	struct kube_error error;
	const cJSON *item;
	bool served;

	cJSON_ArrayForEach(item, list)
	{
		cJSON *endpoint = cJSON_CreateObject();
		cJSON *conditions = cJSON_AddObjectToObject(endpoint, "conditions");

		if (get_text(item, "node") != NULL) {
			cJSON_AddStringToObject(endpoint, "nodeName", get_text(item, "node"));
			(void)node_index(nodes, get_text(item, "node"));
		}
		for (size_t i = 0; i < 3; i++) {
			static const char *const of[] = { "ready", "serving", "terminating" };

			if (get(item, of[i]) != NULL)
				cJSON_AddBoolToObject(conditions, of[i], cJSON_IsTrue(get(item, of[i])));
		}
		cJSON_AddItemToArray(endpoints, endpoint);
	}
	must(kube_slice_decode(object, &slice, &error) == 0, error.text);
	/* the model's nodes are sorted; a set over the sorted ones, and back */
	memcpy(sorted, nodes->names, sizeof(sorted));
	names.node_n = nodes->n;
	for (size_t i = 1; i < nodes->n; i++) {
		for (size_t j = i; j > 0 && strcmp(sorted[j - 1], sorted[j]) > 0; j--) {
			const char *text = sorted[j];

			sorted[j] = sorted[j - 1];
			sorted[j - 1] = text;
		}
	}
	names.nodes = sorted;
	served = kube_slice_serving(slice, &names, found);
	for (size_t i = 0; i < nodes->n; i++) {
		if (node_set_has(found, i))
			node_set_put(serving, node_index(nodes, sorted[i]));
	}
	kube_object_free(slice);
	cJSON_Delete(object);
	return served;
}

/* The service of a case, decoded, in words of a contest. */
static struct kube_service *read_service(const cJSON *json)
{
	cJSON *object = cJSON_CreateObject();
	cJSON *meta = cJSON_AddObjectToObject(object, "metadata");
	cJSON *spec = cJSON_AddObjectToObject(object, "spec");
	cJSON *balancer = cJSON_AddObjectToObject(cJSON_AddObjectToObject(object, "status"), "loadBalancer");
	cJSON *ingress = cJSON_AddArrayToObject(balancer, "ingress");
	struct kube_service *service = NULL;
	struct kube_error error;
	const cJSON *item;

	cJSON_AddStringToObject(meta, "name", "service");
	cJSON_AddStringToObject(spec, "type", "LoadBalancer");
	for (size_t i = 0; i < 2; i++) {
		static const char *const of[] = { "labels", "annotations" };

		if (get(json, of[i]) != NULL)
			cJSON_AddItemToObject(meta, of[i], cJSON_Duplicate(get(json, of[i]), true));
	}
	if (get_text(json, "policy") != NULL)
		cJSON_AddStringToObject(spec, "externalTrafficPolicy", get_text(json, "policy"));
	cJSON_ArrayForEach(item, get(json, "addresses"))
	{
		cJSON *entry = cJSON_CreateObject();

		cJSON_AddStringToObject(entry, "ip", item->valuestring);
		cJSON_AddItemToArray(ingress, entry);
	}
	must(kube_service_decode(object, &service, &error) == 0, error.text);
	cJSON_Delete(object);
	return service;
}

/* Does the set of decisions fit what is expected? In `got`: what is expected where it does, else what came out. */
static cJSON *decisions_model(const struct nodes *nodes, const enum kube_decision *decisions, const cJSON *expected)
{
	cJSON *got = cJSON_CreateObject();
	cJSON *announcers = cJSON_CreateArray();
	const cJSON *one_of = get(expected, "exactlyOneOf");
	const cJSON *item;

	for (size_t i = 0; i < nodes->n; i++) {
		if (decisions[i] == KUBE_ANNOUNCE)
			cJSON_AddItemToArray(announcers, cJSON_CreateString(nodes->names[i]));
		if (get(expected, nodes->names[i]) != NULL)
			cJSON_AddStringToObject(got, nodes->names[i], kube_decision_name(decisions[i]));
	}
	if (get(expected, "onlyAnnouncer") != NULL)
		cJSON_AddItemToObject(got, "onlyAnnouncer",
				      cJSON_GetArraySize(announcers) == 1
					      ? cJSON_Duplicate(cJSON_GetArrayItem(announcers, 0), true)
					      : cJSON_Duplicate(announcers, true));
	if (one_of != NULL) {
		bool fits = false;

		cJSON_ArrayForEach(item, one_of) fits = fits || (cJSON_GetArraySize(announcers) == 1 &&
								 json_equal(cJSON_GetArrayItem(announcers, 0), item));
		cJSON_AddItemToObject(got, "exactlyOneOf", cJSON_Duplicate(fits ? one_of : announcers, true));
	}
	cJSON_Delete(announcers);
	return got;
}

static void run_owner_case(struct run *run, const cJSON *item)
{
	struct ads *ads = calloc(1, sizeof(*ads));
	struct nodes nodes = { 0 };
	uint64_t serving[NODE_SET_WORDS(NODE_MAX)] = { 0 };
	uint64_t reached[NODE_SET_WORDS(NODE_MAX)];
	uint64_t set[NODE_SET_WORDS(NODE_MAX)];
	uint32_t scores[NODE_MAX];
	enum kube_decision decisions[NODE_MAX];
	struct kube_candidates candidates = { .reached = reached, .set = set, .scores = scores };
	struct kube_service *service = read_service(get(item, "service"));
	struct kube_contest contest = { .labels = service->meta.labels,
					.label_n = service->meta.label_n,
					.shares = service->sharing_key != NULL,
					.local = service->local,
					.ip = service->ingress.ips[0],
					.serving = serving };
	enum kube_decision state = kube_service_state(service);
	struct kube_nodes view;
	const cJSON *ad;

	must(ads != NULL, "out of memory");
	read_nodes(&nodes, item);
	cJSON_ArrayForEach(ad, get(item, "ads")) add_ad(ads, &nodes, ad);
	contest.ads = ads->list;
	contest.ad_n = ads->n;
	contest.served = read_endpoints(&nodes, get(item, "endpoints"), serving);
	view = (struct kube_nodes){ nodes.names, nodes.n, nodes.live, nodes.barred };
	kube_judge(&view, &contest, &candidates);
	for (size_t i = 0; i < nodes.n; i++)
		decisions[i] = state == KUBE_ANNOUNCE ? kube_decide(&view, &contest, &candidates, i) : state;
	judge(run, id_of(run, item), decisions_model(&nodes, decisions, get(item, "expect")), get(item, "expect"));
	kube_object_free(service);
	arena_free(&ads->arena);
	free(ads);
}

static void run_owner(struct run *run, const cJSON *suite)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, get(suite, "cases"))
	{
		const char *id = id_of(run, item);
		bool known = keys_known(run, id, item,
					"id note topic members ads service endpoints nodes ignoreExcludeLabel expect");
		const cJSON *node;

		cJSON_ArrayForEach(node, get(item, "nodes"))
		{
			known = known && keys_known(run, id, node, "labels networkUnavailable conditions");
		}
		if (known)
			run_owner_case(run, item);
	}
}

static void run_serving(struct run *run, const cJSON *suite)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, get(suite, "cases"))
	{
		struct nodes nodes = { 0 };
		uint64_t serving[NODE_SET_WORDS(NODE_MAX)] = { 0 };
		cJSON *got = cJSON_CreateObject();
		cJSON *list = cJSON_AddArrayToObject(got, "nodes");

		read_nodes(&nodes, item);
		(void)read_endpoints(&nodes, get(item, "endpoints"), serving);
		for (size_t i = 0; i < nodes.n; i++) {
			if (node_set_has(serving, i) && node_set_has(nodes.live, i))
				cJSON_AddItemToArray(list, cJSON_CreateString(nodes.names[i]));
		}
		judge(run, id_of(run, item), got, get(item, "expect"));
	}
}

static void run_can_serve(struct run *run, const cJSON *suite)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, get(suite, "cases"))
	{
		cJSON *got = cJSON_CreateObject();

		cJSON_AddBoolToObject(got, "canServe",
				      kube_endpoint_can_serve(status_of(item, "ready"), status_of(item, "serving")));
		judge(run, id_of(run, item), got, get(item, "expect"));
	}
}

/* --- advertisements ------------------------------------------------------------------------------------------------------------------------ */

static void run_applies(struct run *run, const cJSON *suite)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, get(suite, "cases"))
	{
		struct ads *ads = calloc(1, sizeof(*ads));
		struct nodes nodes = { 0 };
		cJSON *got = cJSON_CreateObject();
		cJSON *list = cJSON_AddArrayToObject(got, "ads");
		size_t label_n;
		const struct label_pair *labels;
		const cJSON *name;

		must(ads != NULL, "out of memory");
		labels = pairs_of(&ads->arena, get(item, "labels"), &label_n);
		cJSON_ArrayForEach(name, get(item, "given"))
		{
			add_ad(ads, &nodes, get(get(suite, "ads"), name->valuestring));
			if (kube_ad_applies(ads->list[ads->n - 1], labels, label_n))
				cJSON_AddItemToArray(list, cJSON_CreateString(name->valuestring));
		}
		judge(run, id_of(run, item), got, get(item, "expect"));
		arena_free(&ads->arena);
		free(ads);
	}
}

static void run_interfaces(struct run *run, const cJSON *suite)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, get(suite, "cases"))
	{
		struct ads *ads = calloc(1, sizeof(*ads));
		struct nodes nodes = { 0 };
		struct kube_contest contest = { 0 };
		const char *names[1024];
		cJSON *got = cJSON_CreateObject();
		cJSON *list = cJSON_CreateArray();
		const cJSON *ad;
		size_t n;

		must(ads != NULL, "out of memory");
		cJSON_ArrayForEach(ad, get(item, "ads")) add_ad(ads, &nodes, ad);
		contest.ads = ads->list;
		contest.ad_n = ads->n;
		n = kube_interfaces(&contest, SIZE_MAX, names);
		for (size_t i = 0; i < n; i++)
			cJSON_AddItemToArray(list, cJSON_CreateString(names[i]));
		if (n == 0 && ads->n > 0)
			cJSON_AddStringToObject(got, "interfaces", "all");
		else
			cJSON_AddItemToObject(got, "interfaces", cJSON_Duplicate(list, true));
		judge(run, id_of(run, item), got, get(item, "expect"));
		cJSON_Delete(list);
		arena_free(&ads->arena);
		free(ads);
	}
}

static void run_sum(struct run *run, const cJSON *suite)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, get(suite, "cases"))
	{
		struct ads *ads = calloc(1, sizeof(*ads));
		struct nodes nodes = { 0 };
		uint32_t scores[NODE_MAX] = { 0 };
		cJSON *got = cJSON_CreateObject();
		cJSON *map = cJSON_AddObjectToObject(got, "scores");
		const cJSON *ad;

		must(ads != NULL, "out of memory");
		cJSON_ArrayForEach(ad, get(item, "ads")) add_ad(ads, &nodes, ad);
		for (size_t i = 0; i < ads->n; i++)
			kube_scores_add(ads->list[i], nodes.n, scores);
		for (size_t i = 0; i < nodes.n; i++) {
			if (scores[i] != 0)
				cJSON_AddNumberToObject(map, nodes.names[i], scores[i]);
		}
		judge(run, id_of(run, item), got, get(item, "expect"));
		arena_free(&ads->arena);
		free(ads);
	}
}

/* --- ARP, announcements ---------------------------------------------------------------------------------------------------------------------- */

static const struct mac own_mac = { { 0x02, 0, 0, 0, 0, 0x01 } };

/* The frame as it comes in, encoded and decoded; the destination is "own", "broadcast", a MAC, or somebody else's. */
static struct arp_packet frame_of(const cJSON *item)
{
	const char *operation = get_text(item, "operation");
	const char *destination = get_text(item, "ethernetDestination");
	struct arp_packet packet = { .ethernet_target = own_mac, .operation = ARP_OP_REQUEST };
	uint8_t frame[ARP_FRAME_LEN];

	must(operation != NULL && destination != NULL, "a frame that is none");
	if (strcmp(operation, "reply") == 0)
		packet.operation = ARP_OP_REPLY;
	if (strcmp(destination, "broadcast") == 0)
		memset(packet.ethernet_target.bytes, 0xff, sizeof(packet.ethernet_target.bytes));
	else if (strcmp(destination, "own") != 0 && mac_parse(destination, &packet.ethernet_target) != 0)
		packet.ethernet_target = (struct mac){ { 0x02, 0, 0, 0, 0, 0x99 } };
	must(mac_parse("01:02:03:04:05:06", &packet.sender_mac) == 0, "a MAC that is none");
	packet.ethernet_source = packet.sender_mac;
	packet.sender_ip = ip_of("192.168.1.1");
	packet.target_ip = ip_of(get_text(item, "target"));
	arp_encode(&packet, frame);
	must(arp_decode(frame, sizeof(frame), &packet) == 0, "a frame that is none");
	return packet;
}

static const char *verdict_name(enum arp_verdict verdict)
{
	switch (verdict) {
	case ARP_ANSWER:
		return "answered";
	case ARP_IGNORE_REPLY:
		return "ignored:reply";
	case ARP_IGNORE_DESTINATION:
		return "ignored:ethernetDestination";
	case ARP_IGNORE_ANNOUNCEMENT:
		return "ignored:announcement";
	case ARP_IGNORE_NOT_OWNED:
		return "ignored:notOwned";
	}
	return NULL;
}

static void run_arp(struct run *run, const cJSON *suite)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, get(suite, "cases"))
	{
		struct arp_packet packet = frame_of(item);
		enum arp_verdict verdict = arp_judge(&packet, own_mac, get_bool(item, "targetOwned", false));
		const char *expected = cJSON_GetStringValue(get(item, "expect"));

		/* any word for a frame that is for somebody else */
		if (verdict == ARP_IGNORE_DESTINATION && expected != NULL && strstr(expected, "estination") != NULL)
			judge(run, id_of(run, item), cJSON_CreateString(expected), get(item, "expect"));
		else
			judge(run, id_of(run, item), cJSON_CreateString(verdict_name(verdict)), get(item, "expect"));
	}
}

static cJSON *announced_model(const struct announced *announced, const cJSON *expected)
{
	cJSON *got = cJSON_CreateObject();
	cJSON *map;
	const cJSON *item;

	if (get(expected, "addressesOf") != NULL) {
		map = cJSON_AddObjectToObject(got, "addressesOf");
		cJSON_ArrayForEach(item, get(expected, "addressesOf")) cJSON_AddNumberToObject(
			map, item->string, (double)announced_of_service(announced, item->string));
	}
	if (get(expected, "holdersOf") != NULL) {
		map = cJSON_AddObjectToObject(got, "holdersOf");
		cJSON_ArrayForEach(item, get(expected, "holdersOf")) cJSON_AddNumberToObject(
			map, item->string, (double)announced_holders(announced, ip_of(item->string)));
	}
	if (get(expected, "announceRounds") != NULL)
		cJSON_AddNumberToObject(got, "announceRounds", (double)announced_rounds(announced));
	return got;
}

static void run_refcount(struct run *run, const cJSON *suite)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, get(suite, "cases"))
	{
		struct announced *announced = announced_new();
		const cJSON *call;

		must(announced != NULL, "out of memory");
		cJSON_ArrayForEach(call, get(item, "calls"))
		{
			struct arena arena = { 0 };
			size_t n = 0;
			const cJSON *list = get(call, "interfaces");
			const char **names = texts_of(&arena, cJSON_IsArray(list) ? list : NULL, &n);

			must(get_text(call, "service") != NULL &&
				     announced_put(announced, get_text(call, "service"),
						   ip_of(get_text(call, "address")), names, n) == 0,
			     "a call that is none");
			arena_free(&arena);
		}
		judge(run, id_of(run, item), announced_model(announced, get(item, "expect")), get(item, "expect"));
		announced_free(announced);
	}
}

const struct suite layer2_suites[] = {
	{ "owner", run_owner },
	{ "nodes-with-endpoint", run_serving },
	{ "endpoint-can-serve", run_can_serve },
	{ "ads-for-service", run_applies },
	{ "interfaces-for-address", run_interfaces },
	{ "preference-sum", run_sum },
	{ "arp-responder", run_arp },
	{ "announce-refcount", run_refcount },
	{ NULL, NULL },
};
