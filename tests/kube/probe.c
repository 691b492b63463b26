/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kube/ as a program, for tests/kube/run: one line for each thing that it is told.
 *
 *   probe [OPTION...] watch PLURAL [GROUP/VERSION [NAMESPACE]]    until SIGTERM
 *   probe [OPTION...] request METHOD PATH [BODY [TYPE]]           then exits
 *   probe [OPTION...] elect NAMESPACE NAME IDENTITY               until SIGTERM: gives the lease up
 *
 *   --config FILE  --context NAME      else as kube_config_load
 *   --list                             no streaming lists          --consistent    --metadata
 *   --labels SELECTOR  --fields SELECTOR
 *   --page N  --silence SECONDS  --watch SECONDS                   of the reflector
 *   --quiet                            objects are counted, not named
 *   --count N                          send the request so often, "%" in path and body is its number; one line for each code then
 *   --rate N                           requests a second
 *   --slow MICROSECONDS                what each object costs
 *
 * watch: "begin", "object KEY", "deleted KEY", "end known=N objects=N deleted=N", "stale WHY", "fresh"; at the end counters and memory.
 * request: "CODE BODY", or "0 WHY". elect: "held", "lost", "released".
 */
#include <curl/curl.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "kube/client.h"

enum option_number {
	OPTION_CONFIG = 256,
	OPTION_CONTEXT,
	OPTION_LIST,
	OPTION_CONSISTENT,
	OPTION_METADATA,
	OPTION_LABELS,
	OPTION_FIELDS,
	OPTION_PAGE,
	OPTION_SILENCE,
	OPTION_WATCH,
	OPTION_QUIET,
	OPTION_COUNT,
	OPTION_RATE,
	OPTION_SLOW,
};

static const struct option options[] = {
	{ "config", required_argument, NULL, OPTION_CONFIG },
	{ "context", required_argument, NULL, OPTION_CONTEXT },
	{ "list", no_argument, NULL, OPTION_LIST },
	{ "consistent", no_argument, NULL, OPTION_CONSISTENT },
	{ "metadata", no_argument, NULL, OPTION_METADATA },
	{ "labels", required_argument, NULL, OPTION_LABELS },
	{ "fields", required_argument, NULL, OPTION_FIELDS },
	{ "page", required_argument, NULL, OPTION_PAGE },
	{ "silence", required_argument, NULL, OPTION_SILENCE },
	{ "watch", required_argument, NULL, OPTION_WATCH },
	{ "quiet", no_argument, NULL, OPTION_QUIET },
	{ "count", required_argument, NULL, OPTION_COUNT },
	{ "rate", required_argument, NULL, OPTION_RATE },
	{ "slow", required_argument, NULL, OPTION_SLOW },
	{ 0 },
};

static struct {
	const char *config, *context;
	struct kube_resource resource;
	struct reflector_config reflector;
	bool quiet;
	unsigned int count;
	struct kube_client_options client;
	unsigned int slow_us;
} arguments = { .resource = { .group = "", .version = "v1" }, .count = 1 };

static uv_loop_t loop;
static uv_signal_t signals;
static struct kube_client *client;
static struct kube_watch *watch;
static struct kube_elect *elect;
static unsigned int objects_n, deleted_n, answered_n;
static unsigned int codes[600];
static struct instant begun;

__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}

__attribute__((format(printf, 1, 2), noreturn)) static void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stderr, "probe: ");
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

static void say_counters(void)
{
	const struct reflector *r = kube_watch_reflector(watch);
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	say("pictures=%" PRIu64 " pages=%" PRIu64 " watches=%" PRIu64 " events=%" PRIu64 " bookmarks=%" PRIu64
	    " failures=%" PRIu64 " gone=%" PRIu64 " skipped=%" PRIu64 " streaming=%s rss_kb=%ld cpu_ms=%ld",
	    r->counters.pictures, r->counters.pages, r->counters.watches, r->counters.events, r->counters.bookmarks,
	    r->counters.failures, r->counters.gone, r->counters.skipped, r->no_streaming ? "no" : "yes",
	    usage.ru_maxrss,
	    (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 +
		    (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000);
}

static void finish(void)
{
	kube_client_free(client);
	client = NULL;
	uv_close((uv_handle_t *)&signals, NULL);
}

static void on_begin(void *arg)
{
	(void)arg;
	objects_n = deleted_n = 0;
	say("begin");
}

static void on_object(void *arg, const char *key, const char *json, size_t len)
{
	(void)arg;
	objects_n++;
	if (len < 2 || json[0] != '{' || json[len - 1] != '}')
		die("%s is no object", key);
	if (!arguments.quiet)
		say("object %s", key);
	if (arguments.slow_us > 0)
		usleep(arguments.slow_us);
}

static void on_deleted(void *arg, const char *key, const char *uid)
{
	(void)arg;
	(void)uid;
	deleted_n++;
	if (!arguments.quiet)
		say("deleted %s", key);
}

static void on_end(void *arg)
{
	(void)arg;
	say("end known=%zu objects=%u deleted=%u", kube_watch_reflector(watch)->known.table.n, objects_n, deleted_n);
}

static void on_stale(void *arg, const char *why)
{
	(void)arg;
	say("%s%s", why == NULL ? "fresh" : "stale ", why == NULL ? "" : why);
}

static void start_watch(char **words)
{
	struct reflector_sink sink = { on_begin, on_object, on_deleted, on_end, on_stale, NULL };
	char *slash;
	int r;

	arguments.resource.plural = words[0];
	if (words[1] != NULL) {
		slash = strchr(words[1], '/');
		if (slash != NULL) {
			*slash = '\0';
			arguments.resource.group = words[1];
		}
		arguments.resource.version = slash == NULL ? words[1] : slash + 1;
		arguments.resource.namespace = words[2];
	}
	r = kube_watch(client, &arguments.resource, &arguments.reflector, &sink, &watch);
	if (r != 0)
		die("watch: %s", strerror(-r));
}

static void on_answer(void *arg, const struct kube_answer *answer)
{
	struct kube_counters counters = kube_client_counters(client);

	(void)arg;
	answered_n++;
	codes[answer->code]++;
	if (arguments.count == 1)
		say("%d %s", answer->code, answer->code == 0 ? answer->why : answer->body);
	else if (answer->code == 0)
		say("0 %s", answer->why);
	if (answered_n < arguments.count)
		return;
	for (unsigned int code = 1; arguments.count > 1 && code < 600; code++)
		if (codes[code] > 0)
			say("%u times %u", codes[code], code);
	say("requests=%" PRIu64 " retries=%" PRIu64 " throttled=%" PRIu64 " lost=%" PRIu64 " ms=%" PRId64,
	    counters.requests, counters.retries, counters.throttled, counters.lost,
	    instant_since(clock_now(), begun).us / 1000);
	finish();
}

/* The text with each "%" as the number; the caller's to free. */
static char *numbered(const char *text, unsigned int number)
{
	char *copy = NULL;
	size_t len;
	FILE *file;

	if (text == NULL)
		return NULL;
	file = open_memstream(&copy, &len);
	if (file == NULL)
		die("out of memory");
	for (; *text != '\0'; text++) {
		if (*text == '%' && arguments.count > 1)
			fprintf(file, "%u", number);
		else
			fputc(*text, file);
	}
	if (fclose(file) != 0)
		die("out of memory");
	return copy;
}

static void start_requests(char **words)
{
	static const char *const methods[] = { "GET", "POST", "PUT", "PATCH", "DELETE" };
	struct kube_call call = { 0 };
	size_t method = 0;
	int r;

	while (strcmp(methods[method], words[0]) != 0)
		if (++method == sizeof(methods) / sizeof(methods[0]))
			die("%s is no method", words[0]);
	call.method = (enum kube_method)method;
	begun = clock_now();
	for (unsigned int i = 0; i < arguments.count; i++) {
		char *path = numbered(words[1], i), *body = numbered(words[2], i);

		call.path = path;
		call.body = body;
		call.body_len = body == NULL ? 0 : strlen(body);
		call.content_type = body == NULL ? NULL : words[3];
		r = kube_request(client, &call, on_answer, NULL);
		if (r != 0)
			die("request: %s", strerror(-r));
		free(path);
		free(body);
	}
}

static void on_changed(void *arg, bool held)
{
	(void)arg;
	say("%s", held ? "held" : "lost");
}

static void start_elect(char **words)
{
	struct lease_config config = lease_defaults;
	int r;

	config.namespace = words[0];
	config.name = words[1];
	config.identity = words[2];
	r = kube_elect(client, &config, on_changed, NULL, &elect);
	if (r != 0)
		die("elect: %s", strerror(-r));
}

static void on_stopped(void *arg)
{
	(void)arg;
	say("released");
	finish();
}

static void on_signal(uv_signal_t *handle, int number)
{
	static bool asked;

	(void)handle;
	(void)number;
	if (asked)
		return;
	asked = true;
	if (elect != NULL) {
		kube_elect_stop(elect, on_stopped, NULL);
		return;
	}
	if (watch != NULL)
		say_counters();
	finish();
}

static unsigned int number_of(const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*end != '\0' || end == text || n > 100000000)
		die("%s is no number", text);
	return (unsigned int)n;
}

static void read_option(int option)
{
	switch (option) {
	case OPTION_CONFIG:
		arguments.config = optarg;
		return;
	case OPTION_CONTEXT:
		arguments.context = optarg;
		return;
	case OPTION_LIST:
		arguments.reflector.streaming = false;
		return;
	case OPTION_CONSISTENT:
		arguments.reflector.consistent = true;
		return;
	case OPTION_METADATA:
		arguments.resource.metadata_only = true;
		return;
	case OPTION_LABELS:
		arguments.resource.label_selector = optarg;
		return;
	case OPTION_FIELDS:
		arguments.resource.field_selector = optarg;
		return;
	case OPTION_PAGE:
		arguments.reflector.page = number_of(optarg);
		return;
	case OPTION_SILENCE:
		arguments.reflector.silence = span_s(number_of(optarg));
		return;
	case OPTION_WATCH:
		arguments.reflector.watch_min = span_s(number_of(optarg));
		return;
	case OPTION_QUIET:
		arguments.quiet = true;
		return;
	case OPTION_COUNT:
		arguments.count = number_of(optarg);
		return;
	case OPTION_RATE:
		arguments.client.per_s = number_of(optarg);
		return;
	case OPTION_SLOW:
		arguments.slow_us = number_of(optarg);
		return;
	default:
		exit(2);
	}
}

static void start(int argc, char **argv)
{
	char **words = argv + optind + 1;
	int word_n = argc - optind - 1;

	if (word_n >= 1 && strcmp(argv[optind], "watch") == 0)
		start_watch(words);
	else if (word_n >= 2 && strcmp(argv[optind], "request") == 0)
		start_requests(words);
	else if (word_n >= 3 && strcmp(argv[optind], "elect") == 0)
		start_elect(words);
	else
		die("watch, request or elect, with what that needs");
}

int main(int argc, char **argv)
{
	struct kube_config config;
	struct kube_reason why;
	int option;

	arguments.reflector = reflector_defaults;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		read_option(option);
	signal(SIGPIPE, SIG_IGN);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	if (kube_config_load(arguments.config, arguments.context, &config, &why) != 0)
		die("%s", why.text);
	uv_loop_init(&loop);
	if (kube_client_new(&loop, &config, &arguments.client, &client, &why) != 0)
		die("%s", why.text);
	uv_signal_init(&loop, &signals);
	uv_signal_start(&signals, on_signal, SIGTERM);
	start(argc, argv);
	uv_run(&loop, UV_RUN_DEFAULT);
	/* Whatever is left would be a leak of the client's. */
	if (uv_loop_close(&loop) != 0)
		die("handles are left");
	curl_global_cleanup();
	return 0;
}
