/* SPDX-License-Identifier: Apache-2.0 */
/* The key `check` of a service: how to find out whether it works on this host. */
#include "daemon/config_value.h"

#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#define INTERVAL_MIN_MS 50
#define TIMEOUT_MIN_MS 10
#define TIMEOUT_DEFAULT_MS 500

/* Results in a row: more than anyone waits for. */
#define COUNT_MAX 100

static void read_args(struct config_reader *r, const struct config_node *list, void *target)
{
	struct check_config *check = target;
	size_t len = 0;

	if (!config_list(r, list, CHECK_ARG_MAX))
		return;
	if (list->child_n == 0) {
		config_fail(r, list, "is empty: give the path of a program, and its arguments after it");
		return;
	}
	check->args = config_alloc(r, list, list->child_n, sizeof(*check->args));
	for (const struct config_node *node = list->first; node != NULL && check->args != NULL; node = node->next) {
		const char *text = config_text(r, node);
		char *arg = text != NULL ? config_alloc(r, node, strlen(text) + 1, 1) : NULL;

		if (arg == NULL)
			continue;
		check->args[check->arg_n++] = strcpy(arg, text);
		len += strlen(text) + 1;
		if (node == list->first && *text != '/')
			config_fail(r, node, "must be an absolute path: there is no shell and no search path");
	}
	if (len > CHECK_COMMAND_MAX)
		config_fail(r, list, "has more than %d bytes", CHECK_COMMAND_MAX);
}

/* An address to connect to. False: an error was added. */
static bool connectable(struct config_reader *r, const struct config_node *node, const char *text, struct ip ip)
{
	char quote[CONFIG_QUOTE_MAX];

	if (!ip_is_link_local(ip))
		return true;
	config_fail(r, node, "%s is a link-local address, which says nothing without an interface: use another one",
		    config_quote(text, quote));
	return false;
}

static void read_http_address(struct config_reader *r, const struct config_node *node, void *target)
{
	struct check_config *check = target;
	const char *text = config_text(r, node);
	char quote[CONFIG_QUOTE_MAX];
	struct ip ip;

	if (text == NULL)
		return;
	if (ip_parse(text, &ip) != 0)
		config_fail(r, node, "%s is not an IPv4 or IPv6 address", config_quote(text, quote));
	else if (connectable(r, node, text, ip))
		check->http.ip = ip;
}

static void read_url(struct config_reader *r, const struct config_node *node, void *target)
{
	struct check_config *check = target;

	check->http.url = config_text_copy(r, node);
	if (check->http.url != NULL && strlen(check->http.url) > CHECK_URL_MAX)
		config_fail(r, node, "has more than %d bytes", CHECK_URL_MAX);
}

static void read_status(struct config_reader *r, const struct config_node *list, void *target)
{
	struct check_config *check = target;
	unsigned long low = 0, high = 0;

	if (!config_list(r, list, 2))
		return;
	if (list->child_n != 2) {
		config_fail(r, list, "must be the lowest and the highest good one, such as [200, 299]");
		return;
	}
	config_number(r, list->first, 100, 599, &low);
	config_number(r, list->last, 100, 599, &high);
	if (low == 0 || high == 0)
		return;
	if (low > high)
		config_fail(r, list, "begins with the higher one: turn them round");
	check->http.status_low = (uint16_t)low;
	check->http.status_high = (uint16_t)high;
}

static void read_insecure(struct config_reader *r, const struct config_node *node, void *target)
{
	config_bool(r, node, &((struct check_config *)target)->http.insecure);
}

/* Is this part of the URL there? */
static bool url_has(CURLU *url, CURLUPart part)
{
	char *text = NULL;
	bool there = curl_url_get(url, part, &text, 0) == CURLUE_OK;

	curl_free(text);
	return there;
}

/* The host of a URL as an address. IP_NONE: it is a name. */
static struct ip url_ip(CURLU *url)
{
	char *host = NULL;
	struct ip ip = { 0 };
	size_t len;

	if (curl_url_get(url, CURLUPART_HOST, &host, 0) != CURLUE_OK)
		return ip;
	len = strlen(host);
	if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
		host[len - 1] = '\0';
		(void)ip_parse(host + 1, &ip);
	} else {
		(void)ip_parse(host, &ip);
	}
	curl_free(host);
	return ip;
}

static bool url_scheme_is_good(CURLU *url)
{
	char *scheme = NULL;
	bool good = curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
		    (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0);

	curl_free(scheme);
	return good;
}

static void check_url(struct config_reader *r, const struct config_node *node, struct check_config *check)
{
	CURLU *url = curl_url();
	char quote[CONFIG_QUOTE_MAX];
	struct ip ip;

	if (url == NULL) {
		config_fail(r, node, "out of memory");
		return;
	}
	config_quote(check->http.url, quote);
	if (curl_url_set(url, CURLUPART_URL, check->http.url, 0) != CURLUE_OK || !url_scheme_is_good(url)) {
		config_fail(r, node, "%s must be a URL with http or https, such as http://127.0.0.1:8080/health",
			    quote);
	} else if (url_has(url, CURLUPART_USER) || url_has(url, CURLUPART_PASSWORD)) {
		config_fail(r, node, "must have no user or password, for it appears in logs");
	} else if (ip = url_ip(url), ip.family != IP_NONE) {
		if (connectable(r, node, check->http.url, ip) && check->http.ip.family == IP_NONE)
			check->http.ip = ip;
	} else if (check->http.ip.family == IP_NONE) {
		config_fail(r, node, "%s has a name, and names are not looked up: say where, as address: 127.0.0.1",
			    quote);
	}
	curl_url_cleanup(url);
}

static void read_http(struct config_reader *r, const struct config_node *node, void *target)
{
	static const struct config_key keys[] = { { "url", read_url },
						  { "address", read_http_address },
						  { "status", read_status },
						  { "insecure", read_insecure } };
	struct check_config *check = target;

	check->http.status_low = 200;
	check->http.status_high = 299;
	config_mapping(r, node, keys, sizeof(keys) / sizeof(keys[0]), check);
	if (check->http.url != NULL)
		check_url(r, config_node_child(node, "url"), check);
	else if (node->kind == CONFIG_MAPPING && config_node_child(node, "url") == NULL)
		config_fail_missing(r, node, "url", "is missing");
}

static void read_tcp_address(struct config_reader *r, const struct config_node *node, void *target)
{
	struct check_config *check = target;
	const char *text = config_text(r, node);
	char quote[CONFIG_QUOTE_MAX];

	if (text == NULL)
		return;
	if (endpoint_parse(text, 0, &check->tcp) != 0 || check->tcp.port == 0)
		config_fail(r, node, "%s must be an address and a port, such as 127.0.0.1:80 or \"[::1]:80\"",
			    config_quote(text, quote));
	else
		(void)connectable(r, node, text, check->tcp.ip);
}

static void read_tcp(struct config_reader *r, const struct config_node *node, void *target)
{
	static const struct config_key keys[] = { { "address", read_tcp_address } };

	config_mapping(r, node, keys, sizeof(keys) / sizeof(keys[0]), target);
	if (node->kind == CONFIG_MAPPING && config_node_child(node, "address") == NULL)
		config_fail_missing(r, node, "address", "is missing");
}

static void read_user(struct config_reader *r, const struct config_node *node, void *target)
{
	((struct check_config *)target)->user = config_text_copy(r, node);
}

static void read_interval(struct config_reader *r, const struct config_node *node, void *target)
{
	config_span(r, node, span_ms(INTERVAL_MIN_MS), span_s(3600), &((struct check_config *)target)->timing.interval);
}

static void read_timeout(struct config_reader *r, const struct config_node *node, void *target)
{
	config_span(r, node, span_ms(TIMEOUT_MIN_MS), span_s(3600), &((struct check_config *)target)->timing.timeout);
}

static void read_rise(struct config_reader *r, const struct config_node *node, void *target)
{
	unsigned long count = ((struct check_config *)target)->timing.rise;

	config_number(r, node, 1, COUNT_MAX, &count);
	((struct check_config *)target)->timing.rise = (unsigned int)count;
}

static void read_fall(struct config_reader *r, const struct config_node *node, void *target)
{
	unsigned long count = ((struct check_config *)target)->timing.fall;

	config_number(r, node, 1, COUNT_MAX, &count);
	((struct check_config *)target)->timing.fall = (unsigned int)count;
}

/* Exactly one of the three ways. */
static void check_kind(struct config_reader *r, const struct config_node *node, struct check_config *check)
{
	static const char *const names[] = { "command", "http", "tcp" }; /* as in enum check_kind */
	const struct config_node *user = config_node_child(node, "user");
	size_t n = 0;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (config_node_child(node, names[i]) == NULL)
			continue;
		check->kind = (enum check_kind)i;
		n++;
	}
	if (n != 1)
		config_fail(r, node, "must have %s of command, http and tcp", n == 0 ? "one" : "only one");
	else if (user != NULL && check->kind != CHECK_COMMAND)
		config_fail(r, user, "is for a command: remove it");
}

/*
 * A run must have ended when the next one is due. Where only the interval is given, the timeout leaves the other half of it for a
 * host that is busy.
 */
static void check_timeout(struct config_reader *r, const struct config_node *node, struct check_timing *timing)
{
	const struct config_node *given = config_node_child(node, "timeout");
	char buf[CONFIG_SPAN_MAX];

	if (timing->timeout.us == 0)
		timing->timeout = span_us(timing->interval.us / 2 < span_ms(TIMEOUT_DEFAULT_MS).us
						  ? timing->interval.us / 2
						  : span_ms(TIMEOUT_DEFAULT_MS).us);
	else if (timing->timeout.us >= timing->interval.us)
		config_fail(r, given, "must be shorter than the interval, which is %s",
			    config_span_format(timing->interval, buf));
}

void config_read_check(struct config_reader *r, const struct config_node *node, struct config_service *service)
{
	static const struct config_key keys[] = { { "command", read_args },	 { "http", read_http },
						  { "tcp", read_tcp },		 { "user", read_user },
						  { "interval", read_interval }, { "timeout", read_timeout },
						  { "rise", read_rise },	 { "fall", read_fall } };
	struct check_config *check = config_alloc(r, node, 1, sizeof(*check));

	if (check == NULL)
		return;
	service->check = check;
	check->line = node->line;
	check->timing = (struct check_timing){ .interval = span_s(1), .rise = 2, .fall = 3 };
	config_mapping(r, node, keys, sizeof(keys) / sizeof(keys[0]), check);
	if (node->kind != CONFIG_MAPPING)
		return;
	check_kind(r, node, check);
	check_timeout(r, node, &check->timing);
	if (++r->config->check_n == CHECK_MAX + 1)
		config_fail(r, node, "is one more than the %d that are possible", CHECK_MAX);
}

void config_check_free(struct check_config *check)
{
	if (check == NULL)
		return;
	for (size_t i = 0; i < check->arg_n; i++)
		free(check->args[i]);
	free(check->args);
	free(check->user);
	free(check->http.url);
	free(check);
}
