/* SPDX-License-Identifier: Apache-2.0 */
/*
 * daemon/control.c: the real server on a Unix socket in a folder of its own, driven by a libuv loop in this process; the
 * clients are plain sockets in the same thread, so that each test decides what the server has seen when.
 */
#include "daemon/control.h"
#include "daemon/log.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"

/* A loop that does not answer within this is stuck. */
#define PATIENCE_MS 10000

/* Long enough for what a test does before it looks, on a slow machine too. */
#define IDLE_S 2

static uv_loop_t loop;
static struct control *control;
static char folder[64];
static char path[96];
static size_t services_n; /* of the fake document */
static unsigned int command_n;

static cJSON *fake_status(void *arg)
{
	(void)arg;
	return cJSON_Parse("{\"name\":\"n1\"}");
}

static cJSON *fake_array(void *arg)
{
	cJSON *array = cJSON_CreateArray();

	(void)arg;
	for (size_t i = 0; i < services_n; i++) {
		cJSON *service = cJSON_CreateObject();

		cJSON_AddStringToObject(service, "name", "a-service-with-a-name-of-some-length");
		cJSON_AddItemToArray(array, service);
	}
	return array;
}

static cJSON *fake_events(void *arg, uint64_t since)
{
	(void)arg;
	return cJSON_CreateNumber((double)since);
}

static int fake_command(void *arg, const char *verb, const cJSON *body, cJSON *reply, char *error, size_t error_cap)
{
	(void)arg;
	(void)reply;
	(void)body;
	command_n++;
	snprintf(error, error_cap, "%s refused", verb);
	return strcmp(verb, "drain") == 0 ? 200 : 409;
}

static const struct control_handler handler = {
	.status = fake_status,
	.members = fake_array,
	.services = fake_array,
	.events = fake_events,
	.command = fake_command,
	.idle_timeout_s = IDLE_S,
};

static void folder_setup(void)
{
	snprintf(folder, sizeof(folder), "/tmp/mlb-control-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	/* The parent of the socket is missing at first. */
	snprintf(path, sizeof(path), "%s/run/mlbd.sock", folder);
	ck_assert_int_eq(uv_loop_init(&loop), 0);
	umask(0077);
}

static void folder_teardown(void)
{
	char parent[96];

	control_close(control);
	uv_run(&loop, UV_RUN_DEFAULT);
	ck_assert_int_eq(uv_loop_close(&loop), 0);
	unlink(path);
	snprintf(parent, sizeof(parent), "%s/run", folder);
	rmdir(parent);
	ck_assert_int_eq(rmdir(folder), 0);
}

static void server_setup(void)
{
	folder_setup();
	log_level_set(LOG_LEVEL_ERROR);
	ck_assert_int_eq(control_open(&loop, path, &handler, &control), 0);
}

/* A socket of the client's side, connected; not blocking. */
static int client_open(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void on_wake(uv_timer_t *timer)
{
	(void)timer;
}

/* Turn the loop for ms. */
static void loop_turn(uint64_t ms)
{
	uv_timer_t timer;
	struct instant end = instant_add(clock_now(), span_ms((int64_t)ms));

	uv_timer_init(&loop, &timer);
	do {
		uv_timer_start(&timer, on_wake, 5, 0);
		uv_run(&loop, UV_RUN_ONCE);
	} while (!instant_reached(end, clock_now()));
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(&loop, UV_RUN_NOWAIT);
}

/* Send all, turning the loop where the socket is full. How much went before the server closed. */
static size_t client_send(int fd, const char *data, size_t len)
{
	size_t at = 0;

	while (at < len) {
		ssize_t n = send(fd, data + at, len - at, MSG_NOSIGNAL);

		if (n > 0)
			at += (size_t)n;
		else if (errno == EAGAIN)
			loop_turn(0);
		else
			break;
	}
	return at;
}

/* Read until `end` has come or the server closes; the bytes as a string (caller frees). NULL: patience ran out. */
static char *client_read(int fd, const char *end)
{
	struct instant give_up = instant_add(clock_now(), span_ms(PATIENCE_MS));
	size_t len = 0, cap = 1 << 16;
	char *text = calloc(1, cap);

	while (!instant_reached(give_up, clock_now())) {
		ssize_t n = recv(fd, text + len, cap - len - 1, 0);

		if (n > 0) {
			len += (size_t)n;
			text[len] = '\0';
			if (end && strstr(text, end))
				return text;
			if (len == cap - 1) {
				text = realloc(text, cap *= 2);
				memset(text + len, 0, cap - len);
			}
		} else if (n == 0 || errno != EAGAIN) {
			return text;
		} else {
			loop_turn(0);
		}
	}
	free(text);
	return NULL;
}

/* One exchange on a connection of its own, that the request must ask to close. */
static char *exchange(const char *request)
{
	int fd = client_open();
	char *text;

	client_send(fd, request, strlen(request));
	text = client_read(fd, NULL);
	close(fd);
	ck_assert_msg(text != NULL, "no answer to %s", request);
	return text;
}

#define CLOSE "Host: x\r\nConnection: close\r\n"

struct exchange_case {
	const char *request;
	const char *status;
	const char *holds; /* in header or body */
};

static const struct exchange_case exchanges[] = {
	{ "GET /v1/status HTTP/1.1\r\n" CLOSE "\r\n", "HTTP/1.1 200 ", "\r\n\r\n{\"name\":\"n1\"}\n" },
	{ "GET /v1/status HTTP/1.1\r\n" CLOSE "\r\n", "HTTP/1.1 200 ", "Content-Type: application/json\r\n" },
	{ "GET /v1/members HTTP/1.1\r\n" CLOSE "\r\n", "HTTP/1.1 200 ", "\r\n\r\n[]\n" },
	{ "GET /v1/events?since=12 HTTP/1.1\r\n" CLOSE "\r\n", "HTTP/1.1 200 ", "\r\n\r\n12\n" },
	{ "GET /v1/events?since=x HTTP/1.1\r\n" CLOSE "\r\n", "HTTP/1.1 400 ", "{\"error\":\"since" },
	{ "GET /v1/events?since HTTP/1.1\r\n" CLOSE "\r\n", "HTTP/1.1 200 ", "\r\n\r\n0\n" },
	{ "GET /nothing HTTP/1.1\r\n" CLOSE "\r\n", "HTTP/1.1 404 ", "{\"error\":" },
	{ "PUT /v1/drain HTTP/1.1\r\n" CLOSE "\r\n", "HTTP/1.1 405 ", "Allow: POST\r\n" },
	{ "POST /v1/drain HTTP/1.1\r\n" CLOSE "\r\n", "HTTP/1.1 200 ", "\r\n\r\n{}\n" },
	{ "POST /v1/reload HTTP/1.1\r\n" CLOSE "\r\n", "HTTP/1.1 409 ", "{\"error\":\"reload refused\"}" },
	{ "POST /v1/drain HTTP/1.1\r\n" CLOSE "Content-Length: 3\r\n\r\n{x}", "HTTP/1.1 400 ", "no JSON" },
	{ "POST /v1/drain HTTP/1.1\r\n" CLOSE "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
	  "HTTP/1.1 200 ", "\r\n\r\n{}\n" },
	{ "POST /v1/drain HTTP/1.1\r\n" CLOSE "Expect: 100-continue\r\nContent-Length: 65537\r\n\r\n", "HTTP/1.1 413 ",
	  "{\"error\":" },
	{ "POST /v1/drain HTTP/1.1\r\n" CLOSE "Content-Length: 99999999999999999999999\r\n\r\n", "HTTP/1.1 413 ", "" },
	{ "nonsense\r\n\r\n", "", "" }, /* closed */
};

START_TEST(answers)
{
	const struct exchange_case *c = &exchanges[_i];
	char *text = exchange(c->request);

	ck_assert_msg(strncmp(text, c->status, strlen(c->status)) == 0, "%s: %s", c->request, text);
	ck_assert_msg(strstr(text, c->holds) != NULL, "%s: %s", c->request, text);
	free(text);
}
END_TEST

/* Byte by byte, with a turn of the loop between. */
START_TEST(dribbled)
{
	static const char request[] = "POST /v1/handover HTTP/1.1\r\n" CLOSE "Content-Length: 29\r\n\r\n"
				      "{\"service\":\"web\",\"node\":\"n2\"}";
	int fd = client_open();
	char *text;

	for (size_t i = 0; i < sizeof(request) - 1; i++) {
		ck_assert_uint_eq(client_send(fd, request + i, 1), 1);
		ck_assert_uint_eq(command_n, 0);
		loop_turn(0);
	}
	text = client_read(fd, NULL);
	ck_assert_ptr_nonnull(strstr(text, "{\"error\":\"handover refused\"}"));
	ck_assert_uint_eq(command_n, 1);
	free(text);
	close(fd);
}
END_TEST

START_TEST(kept_alive)
{
	static const char request[] = "GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n";
	int fd = client_open();

	for (int i = 0; i < 3; i++) {
		char *text;

		client_send(fd, request, strlen(request));
		text = client_read(fd, "{\"name\":\"n1\"}\n");
		ck_assert_ptr_nonnull(text);
		ck_assert_ptr_nonnull(strstr(text, "{\"name\":\"n1\"}\n"));
		free(text);
	}
	close(fd);
}
END_TEST

/* A body of exactly CONTROL_BODY_MAX is taken, one byte more is not, chunked as with a length. */
START_TEST(body_limit)
{
	static char request[CONTROL_BODY_MAX + 512];
	bool chunked = (_i & 1) != 0, over = (_i & 2) != 0;
	size_t body_len = CONTROL_BODY_MAX + (over ? 1 : 0);
	int head = chunked ? snprintf(request, 256,
				      "POST /v1/drain HTTP/1.1\r\n" CLOSE "Transfer-Encoding: chunked\r\n\r\n%zx\r\n",
				      body_len)
			   : snprintf(request, 256, "POST /v1/drain HTTP/1.1\r\n" CLOSE "Content-Length: %zu\r\n\r\n",
				      body_len);
	size_t len = (size_t)head + body_len;
	char *text;

	memset(request + head, ' ', body_len);
	strcpy(request + len, chunked ? "\r\n0\r\n\r\n" : "");
	text = exchange(request);
	ck_assert_msg(strncmp(text, over ? "HTTP/1.1 413 " : "HTTP/1.1 200 ", 13) == 0, "%s", text);
	ck_assert_uint_eq(command_n, over ? 0 : 1);
	free(text);
}
END_TEST

/* A chunked body without an end is not read for ever. */
START_TEST(body_endless)
{
	static const char head[] = "POST /v1/drain HTTP/1.1\r\n" CLOSE "Transfer-Encoding: chunked\r\n\r\n40000000\r\n";
	static char piece[65536];
	int fd = client_open();
	size_t sent = 0, n;

	client_send(fd, head, strlen(head));
	do {
		n = client_send(fd, piece, sizeof(piece));
		sent += n;
		loop_turn(0);
	} while (n == sizeof(piece) && sent < 64UL * CONTROL_BODY_MAX);
	ck_assert_uint_lt(sent, 32UL * CONTROL_BODY_MAX);
	ck_assert_uint_eq(command_n, 0);
	close(fd);
}
END_TEST

/* A silent client costs nobody else anything, and is dropped after the idle time. */
START_TEST(idle_dropped)
{
	struct instant start = clock_now();
	int silent = client_open(), half = client_open();
	char *text;
	int64_t took_ms;

	client_send(half, "GET /v1/st", 10);
	text = exchange("GET /v1/status HTTP/1.1\r\n" CLOSE "\r\n");
	ck_assert_ptr_nonnull(strstr(text, "200 OK"));
	free(text);
	ck_assert_int_lt(instant_since(clock_now(), start).us, IDLE_S * 1000000);
	text = client_read(silent, NULL);
	ck_assert_pstr_eq(text, "");
	free(text);
	took_ms = instant_since(clock_now(), start).us / 1000;
	ck_assert_int_ge(took_ms, IDLE_S * 1000 - 100);
	text = client_read(half, NULL);
	ck_assert_ptr_nonnull(text); /* closed, with or without a 408 */
	free(text);
	close(silent);
	close(half);
}
END_TEST

/* With every slot taken a further client waits, and is served when one becomes free. */
START_TEST(connection_limit)
{
	static const char request[] = "GET /v1/status HTTP/1.1\r\n" CLOSE "\r\n";
	int clients[CONTROL_CONNECTION_MAX], further;
	char byte, *text;

	for (size_t i = 0; i < CONTROL_CONNECTION_MAX; i++)
		clients[i] = client_open();
	loop_turn(50);
	further = client_open();
	client_send(further, request, strlen(request));
	loop_turn(50);
	ck_assert_int_eq(recv(further, &byte, 1, 0), -1);
	ck_assert_int_eq(errno, EAGAIN);
	close(clients[0]);
	text = client_read(further, "{\"name\":\"n1\"}\n");
	ck_assert_ptr_nonnull(text);
	ck_assert_ptr_nonnull(strstr(text, "200 OK"));
	free(text);
	close(further);
	for (size_t i = 1; i < CONTROL_CONNECTION_MAX; i++)
		close(clients[i]);
}
END_TEST

/* The same where all of them time out at once, so that no timer and no client is left to wake the server. */
START_TEST(connection_limit_idle)
{
	static const char request[] = "GET /v1/status HTTP/1.1\r\n" CLOSE "\r\n";
	int clients[CONTROL_CONNECTION_MAX], further;
	char *text;

	for (size_t i = 0; i < CONTROL_CONNECTION_MAX; i++)
		clients[i] = client_open();
	loop_turn(50);
	further = client_open();
	client_send(further, request, strlen(request));
	text = client_read(further, "{\"name\":\"n1\"}\n");
	ck_assert_msg(text && strstr(text, "200 OK"), "never served");
	free(text);
	close(further);
	for (size_t i = 0; i < CONTROL_CONNECTION_MAX; i++)
		close(clients[i]);
}
END_TEST

/* A client that does not read its long answer does not hold up another; in the end it gets all of it. */
START_TEST(slow_reader)
{
	static const char request[] = "GET /v1/services HTTP/1.1\r\n" CLOSE "\r\n";
	int slow = client_open();
	char *text, *body;
	cJSON *doc;

	services_n = 20000;
	client_send(slow, request, strlen(request));
	loop_turn(20);
	services_n = 0;
	text = exchange("GET /v1/members HTTP/1.1\r\n" CLOSE "\r\n");
	ck_assert_ptr_nonnull(strstr(text, "\r\n\r\n[]\n"));
	free(text);
	text = client_read(slow, NULL);
	ck_assert_ptr_nonnull(text);
	body = strstr(text, "\r\n\r\n");
	ck_assert_ptr_nonnull(body);
	doc = cJSON_Parse(body);
	ck_assert_int_eq(cJSON_GetArraySize(doc), 20000);
	cJSON_Delete(doc);
	free(text);
	close(slow);
}
END_TEST

/* A client that is never silent, but never done either, loses its slot. */
START_TEST(slow_writer)
{
	struct timespec pause = { .tv_nsec = 200 * 1000000L };
	int fd = client_open();
	char byte;
	int turns = 0;

	client_send(fd, "GET /", 5);
	while (recv(fd, &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN && turns++ < 50) {
		(void)send(fd, "a", 1, MSG_NOSIGNAL);
		loop_turn(5);
		nanosleep(&pause, NULL);
	}
	ck_assert_int_gt(turns, 10 * IDLE_S); /* silence is not why */
	ck_assert_int_le(turns, 50);
	close(fd);
}
END_TEST

START_TEST(closed_amid_requests)
{
	static const char request[] = "POST /v1/drain HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{";
	int fd = client_open();
	char *text;

	client_send(fd, request, strlen(request));
	loop_turn(20);
	control_close(control);
	control = NULL;
	ck_assert_int_eq(access(path, F_OK), -1);
	text = client_read(fd, NULL);
	ck_assert_ptr_nonnull(text); /* closed */
	free(text);
	close(fd);
}
END_TEST

START_TEST(mode_and_parent)
{
	struct stat st;
	char *parent = strdup(path);

	/* umask 0077 is in force. */
	ck_assert_int_eq(control_open(&loop, path, &handler, &control), 0);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert(S_ISSOCK(st.st_mode));
	ck_assert_uint_eq(st.st_mode & 0777, 0660);
	*strrchr(parent, '/') = '\0';
	ck_assert_int_eq(stat(parent, &st), 0);
	free(parent);
	control_close(control);
	control = NULL;
	ck_assert_int_eq(access(path, F_OK), -1);
	control_close(NULL);
}
END_TEST

static void parent_make(void)
{
	char *parent = strdup(path);

	*strrchr(parent, '/') = '\0';
	ck_assert_int_eq(mkdir(parent, 0700), 0);
	free(parent);
}

/* A bound socket at path: listening, or left behind. */
static int socket_make(int type, bool listening)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	ck_assert_int_eq(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	if (listening && type == SOCK_STREAM)
		ck_assert_int_eq(listen(fd, 0), 0);
	return fd;
}

START_TEST(stale_replaced)
{
	char *text;

	parent_make();
	close(socket_make(SOCK_STREAM, false));
	ck_assert_int_eq(access(path, F_OK), 0);
	ck_assert_int_eq(control_open(&loop, path, &handler, &control), 0);
	text = exchange("GET /v1/status HTTP/1.1\r\n" CLOSE "\r\n");
	ck_assert_ptr_nonnull(strstr(text, "200 OK"));
	free(text);
}
END_TEST

START_TEST(live_kept)
{
	int type = _i == 0 ? SOCK_STREAM : SOCK_DGRAM;
	int fd;

	parent_make();
	fd = socket_make(type, true);
	ck_assert_int_eq(control_open(&loop, path, &handler, &control), -EADDRINUSE);
	/* The first look fills the backlog of 0, so that this one gets no connection: it is alive all the same. */
	ck_assert_int_eq(control_open(&loop, path, &handler, &control), -EADDRINUSE);
	ck_assert_int_eq(access(path, F_OK), 0);
	ck_assert_ptr_null(control);
	close(fd);
}
END_TEST

START_TEST(file_kept)
{
	int fd;

	parent_make();
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	close(fd);
	ck_assert_int_eq(control_open(&loop, path, &handler, &control), -EEXIST);
	ck_assert_int_eq(access(path, F_OK), 0);
}
END_TEST

/* Whoever took the path after us keeps it. */
START_TEST(foreign_kept)
{
	ck_assert_int_eq(control_open(&loop, path, &handler, &control), 0);
	ck_assert_int_eq(unlink(path), 0);
	close(socket_make(SOCK_STREAM, false));
	control_close(control);
	control = NULL;
	ck_assert_int_eq(access(path, F_OK), 0);
}
END_TEST

START_TEST(bad_paths)
{
	char name[200];

	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	ck_assert_int_eq(control_open(&loop, name, &handler, &control), -ENAMETOOLONG);
	ck_assert_int_eq(control_open(&loop, "", &handler, &control), -EINVAL);
	ck_assert_int_eq(control_open(&loop, "/nonexistent/a/b.sock", &handler, &control), -ENOENT);
	ck_assert_ptr_null(control);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("control");
	TCase *server = tcase_create("server"), *files = tcase_create("files");
	SRunner *sr = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(server, server_setup, folder_teardown);
	tcase_set_timeout(server, 60);
	tcase_add_loop_test(server, answers, 0, (int)(sizeof(exchanges) / sizeof(exchanges[0])));
	tcase_add_test(server, dribbled);
	tcase_add_test(server, kept_alive);
	tcase_add_loop_test(server, body_limit, 0, 4);
	tcase_add_test(server, body_endless);
	tcase_add_test(server, idle_dropped);
	tcase_add_test(server, connection_limit);
	tcase_add_test(server, connection_limit_idle);
	tcase_add_test(server, slow_reader);
	tcase_add_test(server, slow_writer);
	tcase_add_test(server, closed_amid_requests);
	suite_add_tcase(suite, server);
	tcase_add_checked_fixture(files, folder_setup, folder_teardown);
	tcase_add_test(files, mode_and_parent);
	tcase_add_test(files, stale_replaced);
	tcase_add_loop_test(files, live_kept, 0, 2);
	tcase_add_test(files, file_kept);
	tcase_add_test(files, foreign_kept);
	tcase_add_test(files, bad_paths);
	suite_add_tcase(suite, files);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
