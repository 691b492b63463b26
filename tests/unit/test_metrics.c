/* SPDX-License-Identifier: Apache-2.0 */
/* daemon/metrics_text.c: the format read back; daemon/metrics_export.c: names, against the manual; daemon/metrics_listen.c: HTTP. */
#include "daemon/metrics.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/metrics_listen.h"

static struct metrics_text text;

static void teardown(void)
{
	metrics_text_free(&text);
}

static void expect(const char *wanted)
{
	ck_assert_int_eq(text.error, 0);
	ck_assert_uint_eq(text.len, strlen(wanted));
	ck_assert_mem_eq(text.bytes, wanted, text.len);
}

START_TEST(escapes)
{
	const struct metric_family family = { "a_total", METRIC_COUNTER, "back\\slash \"quoted\"\nline" };

	metrics_family(&text, &family);
	metrics_sample(&text, "a_total", 3, "x", "a\"b\\c\nd", "y", "", NULL);
	expect("# HELP a_total back\\\\slash \"quoted\"\\nline\n# TYPE a_total counter\n"
	       "a_total{x=\"a\\\"b\\\\c\\nd\",y=\"\"} 3\n");
}
END_TEST

static const struct {
	double value;
	const char *wanted;
} numbers[] = {
	{ 0, "n 0\n" },
	{ -1.5, "n -1.5\n" },
	{ 4294967296.0 * 1024, "n 4398046511104\n" },
	{ 0.000001, "n 1e-06\n" },
	{ 1e300, "n 1e+300\n" },
	{ __builtin_inf(), "n +Inf\n" },
	{ -__builtin_inf(), "n -Inf\n" },
	{ __builtin_nan(""), "n NaN\n" },
};

START_TEST(number)
{
	metrics_sample(&text, "n", numbers[_i].value, NULL);
	expect(numbers[_i].wanted);
}
END_TEST

START_TEST(histogram)
{
	static const int64_t bounds[] = { 1000, 2500000 };
	struct metric_histogram h = { bounds, 2, { 0 }, { 0 } };

	metric_histogram_add(&h, span_us(-5));
	metric_histogram_add(&h, span_us(1000)); /* the bound itself */
	metric_histogram_add(&h, span_us(1001));
	metric_histogram_add(&h, span_s(10));
	metrics_histogram(&text, "h", &h, "cause", "x");
	expect("h_bucket{cause=\"x\",le=\"0.001\"} 2\nh_bucket{cause=\"x\",le=\"2.5\"} 3\n"
	       "h_bucket{cause=\"x\",le=\"+Inf\"} 4\nh_sum{cause=\"x\"} 10.002001\nh_count{cause=\"x\"} 4\n");
	metrics_text_free(&text);
	metrics_histogram(&text, "h", &h, NULL, NULL);
	expect("h_bucket{le=\"0.001\"} 2\nh_bucket{le=\"2.5\"} 3\nh_bucket{le=\"+Inf\"} 4\nh_sum 10.002001\nh_count "
	       "4\n");
}
END_TEST

/* The text is bounded, and what has failed stays so. */
START_TEST(too_long)
{
	char value[65536];

	memset(value, 'v', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	for (size_t i = 0; i < METRICS_TEXT_MAX / sizeof(value) + 1; i++)
		metrics_sample(&text, "n", 1, "l", value, NULL);
	ck_assert_int_eq(text.error, -EFBIG);
	ck_assert_uint_le(text.len, METRICS_TEXT_MAX);
	metrics_sample(&text, "n", 1, NULL);
	ck_assert_int_eq(text.error, -EFBIG);
}
END_TEST

/* --- names ---------------------------------------------------------------------------------------------------------- */

static bool ends_with(const char *s, const char *end)
{
	return strlen(s) >= strlen(end) && strcmp(s + strlen(s) - strlen(end), end) == 0;
}

/* The rules of Prometheus for names; MetalLB's own do not follow the one about counters. */
START_TEST(names)
{
	const struct metric_family *family;
	size_t n = 0;

	for (; (family = metrics_family_at(n)) != NULL; n++) {
		ck_assert_msg(family->name != NULL && family->help != NULL, "family %zu", n);
		ck_assert_uint_eq(strspn(family->name, "abcdefghijklmnopqrstuvwxyz0123456789_"), strlen(family->name));
		if (strncmp(family->name, "mlb_", 4) == 0)
			ck_assert_msg(ends_with(family->name, "_total") == (family->type == METRIC_COUNTER), "%s",
				      family->name);
		ck_assert_msg(family->help[strlen(family->help) - 1] == '.', "%s", family->name);
		for (size_t i = 0; i < n; i++)
			ck_assert_str_ne(metrics_family_at(i)->name, family->name);
	}
	ck_assert_uint_gt(n, 0);
}
END_TEST

static bool family_known(const char *name, size_t len)
{
	const struct metric_family *family;

	for (size_t i = 0; (family = metrics_family_at(i)) != NULL; i++) {
		if (strlen(family->name) == len && strncmp(family->name, name, len) == 0)
			return true;
	}
	return false;
}

/* mlbd(8) lists each name as ".It Ic NAME", and no other that begins as ours do. */
START_TEST(manual)
{
	FILE *file = fopen("man/mlbd.8", "re");
	const struct metric_family *family;
	size_t listed = 0;
	char line[512];

	ck_assert_msg(file != NULL, "run from the top of the tree");
	while (fgets(line, sizeof(line), file) != NULL) {
		char *name = line + strlen(".It Ic ");

		if (strncmp(line, ".It Ic mlb_", 11) != 0 && strncmp(line, ".It Ic metallb_", 15) != 0 &&
		    strncmp(line, ".It Ic process_", 15) != 0)
			continue;
		ck_assert_msg(family_known(name, strcspn(name, " \n")), "in the manual only: %s", name);
		listed++;
	}
	fclose(file);
	for (size_t i = 0; (family = metrics_family_at(i)) != NULL; i++)
		listed--;
	ck_assert_msg(listed == 0, "names that the manual does not list, or lists twice");
}
END_TEST

/* --- HTTP ----------------------------------------------------------------------------------------------------------- */

static uv_loop_t loop;
static struct metrics_listen *server;
static struct endpoint at;
static uv_timer_t waker;

/* Large enough that a socket does not take it at once. */
#define BIG_LEN (8 * 1024 * 1024)

static void on_reply(void *arg, const char *what, struct metrics_reply *ret)
{
	(void)arg;
	if (strcmp(what, "metrics") == 0) {
		ret->text = malloc(BIG_LEN);
		ck_assert_ptr_nonnull(ret->text);
		memset(ret->text, '#', BIG_LEN);
		ret->len = BIG_LEN;
	} else {
		ret->text = strdup(what);
		ret->len = strlen(what);
	}
	ret->status = strcmp(what, "readyz") == 0 ? 503 : 200;
}

static void on_wake(uv_timer_t *timer)
{
	(void)timer;
}

static void open_server(void)
{
	const struct metrics_listen_handler handler = { on_reply, NULL };
	int error = -EADDRINUSE;

	signal(SIGPIPE, SIG_IGN);
	ck_assert_int_eq(uv_loop_init(&loop), 0);
	uv_timer_init(&loop, &waker);
	uv_timer_start(&waker, on_wake, 1, 1);
	ck_assert_int_eq(endpoint_parse("127.0.0.1:1", 0, &at), 0);
	at.port = (uint16_t)(20000 + getpid() % 10000);
	for (int i = 0; i < 50 && error == -EADDRINUSE; i++) {
		at.port++;
		error = metrics_listen_open(&loop, at, &handler, &server);
	}
	ck_assert_int_eq(error, 0);
}

static void close_server(void)
{
	metrics_listen_close(server);
	uv_close((uv_handle_t *)&waker, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	ck_assert_int_eq(uv_loop_close(&loop), 0);
	metrics_text_free(&text);
}

static int dial(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(at.port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* The loop turns until the server has closed the connection, 10 s at most. Returns the bytes that came; the first in `head`. */
static size_t ask(const char *request, char *head, size_t cap)
{
	int fd = dial();
	size_t len = 0;
	ssize_t n = 0;
	static char piece[65536];

	ck_assert_int_eq(write(fd, request, strlen(request)), (ssize_t)strlen(request));
	memset(head, 0, cap);
	for (unsigned int i = 0; i < 10000; i++) {
		struct pollfd readable = { fd, POLLIN, 0 };

		uv_run(&loop, UV_RUN_ONCE);
		if (poll(&readable, 1, 0) <= 0)
			continue;
		n = read(fd, piece, sizeof(piece));
		if (n <= 0)
			break;
		for (ssize_t k = 0; k < n && len + (size_t)k + 1 < cap; k++)
			head[len + (size_t)k] = piece[k];
		len += (size_t)n;
	}
	ck_assert_msg(n <= 0, "the server did not end the connection");
	close(fd);
	return len;
}

#define END " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

static const struct {
	const char *request;
	const char *status; /* NULL: no answer */
	const char *body;
} requests[] = {
	{ "GET /healthz" END, "HTTP/1.1 200 ", "\r\n\r\nhealthz" },
	{ "GET /readyz" END, "HTTP/1.1 503 ", "\r\n\r\nreadyz" },
	{ "GET /readyz?x=1" END, "HTTP/1.1 503 ", "\r\n\r\nreadyz" },
	{ "HEAD /healthz" END, "HTTP/1.1 200 ", "\r\n\r\n" },
	{ "GET /" END, "HTTP/1.1 404 ", "/metrics" },
	{ "GET /metrics/" END, "HTTP/1.1 404 ", "/metrics" },
	{ "POST /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 405 ",
	  "Allow: GET, HEAD" },
	{ "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", NULL, "" },
	{ "rubbish\r\n\r\n", NULL, "" },
};

START_TEST(request)
{
	char head[1024];
	size_t len = ask(requests[_i].request, head, sizeof(head));

	if (requests[_i].status == NULL) {
		ck_assert_uint_eq(len, 0);
		return;
	}
	ck_assert_msg(strncmp(head, requests[_i].status, strlen(requests[_i].status)) == 0, "%s", head);
	ck_assert_msg(strstr(head, requests[_i].body) != NULL, "%s", head);
}
END_TEST

START_TEST(scrape_is_whole)
{
	char head[1024];

	ck_assert_uint_gt(ask("GET /metrics" END, head, sizeof(head)), BIG_LEN);
	ck_assert_ptr_nonnull(strstr(head, "text/plain; version=0.0.4"));
}
END_TEST

START_TEST(header_too_long)
{
	static char line[32768];
	char head[1024];

	snprintf(line, sizeof(line), "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: ");
	memset(line + strlen(line), 'a', 12000);
	strcat(line, "\r\n\r\n");
	(void)ask(line, head, sizeof(head));
	ck_assert_msg(strstr(head, " 431 ") != NULL || strstr(head, " 413 ") != NULL, "%s", head);
}
END_TEST

/* Clients that ask for much and read nothing keep nobody waiting: neither the loop nor the next client. */
START_TEST(slow_readers)
{
	const char *big = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
	char head[1024];
	int fds[6];

	for (size_t i = 0; i < 6; i++) {
		fds[i] = dial();
		ck_assert_int_eq(write(fds[i], big, strlen(big)), (ssize_t)strlen(big));
	}
	for (unsigned int i = 0; i < 200; i++) {
		uint64_t before = uv_hrtime();

		uv_run(&loop, UV_RUN_ONCE);
		ck_assert_uint_lt(uv_hrtime() - before,
				  1000000000); /* far below the 5 s after which they are dropped */
	}
	ck_assert_uint_gt(ask("GET /healthz" END, head, sizeof(head)), 0);
	ck_assert_ptr_nonnull(strstr(head, " 200 "));
	for (size_t i = 0; i < 6; i++)
		close(fds[i]);
}
END_TEST

START_TEST(port_taken)
{
	const struct metrics_listen_handler handler = { on_reply, NULL };
	struct metrics_listen *second = NULL;
	struct endpoint far = at;

	ck_assert_int_eq(metrics_listen_open(&loop, at, &handler, &second), -EADDRINUSE);
	ck_assert_int_eq(ip_parse("192.0.2.1", &far.ip), 0);
	ck_assert_int_eq(metrics_listen_open(&loop, far, &handler, &second), -EADDRNOTAVAIL);
	ck_assert_ptr_null(second);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("metrics");
	TCase *format = tcase_create("format");
	TCase *http = tcase_create("http");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(format, NULL, teardown);
	tcase_add_test(format, escapes);
	tcase_add_loop_test(format, number, 0, (int)(sizeof(numbers) / sizeof(numbers[0])));
	tcase_add_test(format, histogram);
	tcase_add_test(format, too_long);
	tcase_add_test(format, names);
	tcase_add_test(format, manual);
	suite_add_tcase(suite, format);
	tcase_set_timeout(http, 60);
	tcase_add_checked_fixture(http, open_server, close_server);
	tcase_add_loop_test(http, request, 0, (int)(sizeof(requests) / sizeof(requests[0])));
	tcase_add_test(http, scrape_is_whole);
	tcase_add_test(http, header_too_long);
	tcase_add_test(http, slow_readers);
	tcase_add_test(http, port_taken);
	suite_add_tcase(suite, http);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
