/* SPDX-License-Identifier: Apache-2.0 */
/* daemon/check.c with its runner: real processes and sockets, and what is made of what they do. */
#include <arpa/inet.h>
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "daemon/check.h"
#include "daemon/check_runner.h"

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* Far beyond what a busy machine needs; who waits does so for a condition. */
#define PATIENCE_S 60

static uv_loop_t loop;
static uv_timer_t alarm_clock;
static struct check *check;
static size_t told_n;
static bool told_passing;
static char told_why[CHECK_TEXT_MAX + 1];

static void on_alarm(uv_timer_t *timer)
{
	(void)timer;
	ck_abort_msg("nothing happened for %d s", PATIENCE_S);
}

static void setup(void)
{
	const gid_t group = 1;

	told_n = 0;
	if (geteuid() == 0)
		ck_assert_int_eq(setgroups(1, &group), 0); /* one to be lost */
	ck_assert_int_eq(uv_loop_init(&loop), 0);
	uv_timer_init(&loop, &alarm_clock);
	uv_timer_start(&alarm_clock, on_alarm, PATIENCE_S * 1000, 0);
}

static void teardown(void)
{
	check_stop(check);
	check = NULL;
	uv_close((uv_handle_t *)&alarm_clock, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	ck_assert_int_eq(uv_loop_close(&loop), 0); /* nothing is left */
}

static void on_changed(void *arg, const char *service, bool passing, const char *why)
{
	(void)arg;
	ck_assert_str_eq(service, "web");
	told_n++;
	told_passing = passing;
	snprintf(told_why, sizeof(told_why), "%s", why);
}

/* What a busy machine needs for a run that ends by itself; the next one is soon, or is not needed. */
static struct check_config patient(void)
{
	struct check_config config = { .timing = { span_s(2), span_ms(1900), 2, 1 } };

	return config;
}

/* For a run that does not end. */
static struct check_config hasty(void)
{
	struct check_config config = { .timing = { span_ms(200), span_ms(150), 2, 2 } };

	return config;
}

static void start(const struct check_config *config)
{
	ck_assert_int_eq(check_start(&loop, "web", config, on_changed, NULL, &check), 0);
	ck_assert(!check_passing(check));
}

static void wait_told(size_t n)
{
	while (told_n < n)
		uv_run(&loop, UV_RUN_ONCE);
}

static void start_shell(struct check_config config, const char *script)
{
	char shell[] = "/bin/sh", option[] = "-c", text[256];
	char *args[] = { shell, option, text };

	snprintf(text, sizeof(text), "%s", script);
	config.kind = CHECK_COMMAND;
	config.args = args;
	config.arg_n = ARRAY_LEN(args);
	start(&config);
}

#define TIMED_OUT "150 ms"

static const struct {
	const char *script;
	bool passing;
	const char *why; /* is in it */
} scripts[] = {
	{ "exit 0", true, "" },
	{ "exit 3", false, "3" },
	{ "echo no such thing >&2; exit 1", false, "no such thing" },
	{ "kill -SEGV $$", false, "signal" },
	{ "sleep 30", false, TIMED_OUT },
	{ "sleep 30 & sleep 30 & wait", false, TIMED_OUT },
	{ "yes", false, TIMED_OUT },
	{ "yes >&2", false, TIMED_OUT },
	{ "trap '' TERM INT HUP; while :; do :; done", false, TIMED_OUT },
	{ "read line; test -z \"$line\"", true, "" },		/* nothing to read */
	{ "test $(ls /proc/self/fd | wc -l) -le 5", true, "" }, /* nothing of ours is open: 0, 1, 2 and ls's own */
	{ "test \"$(id -u)\" != 0", true, "" },
	{ "! grep -q 'Cap[IPEA].*[1-9a-f]$' /proc/self/status", true, "" },
	/* who was not root keeps his groups */
	{ "test $(id -u) != 65534 || ! grep -q 'Groups:.*[0-9]' /proc/self/status", true, "" },
	{ "test \"$(ulimit -n) $(ulimit -d) $(ulimit -t) $(ulimit -c)\" = \"256 524288 3 0\"", true, "" },
	{ "test $(ulimit -p) -le 4096", true, "" },
	{ "test $(cut -d' ' -f6 /proc/$$/stat) = $$", true, "" },
	{ "test \"$MLB_SERVICE $HOME\" = 'web '", true, "" },
	{ "head -c 600000000 /dev/zero | tail -c 599999999 >/dev/null", false, "" }, /* tail keeps it all */
	{ "echo 'say \"no\"' >&2; exit 1", false, "say 'no'" },
};

START_TEST(commands)
{
	start_shell(strcmp(scripts[_i].why, TIMED_OUT) == 0 ? hasty() : patient(), scripts[_i].script);
	wait_told(1);
	ck_assert_msg(told_passing == scripts[_i].passing, "%s: %s", scripts[_i].script, told_why);
	ck_assert_msg(strstr(told_why, scripts[_i].why) != NULL, "%s: %s", scripts[_i].script, told_why);
}
END_TEST

static void answer_for_ever(int fd, const char *answer)
{
	for (;;) {
		int peer = accept(fd, NULL, NULL);
		char request[1024];

		if (answer != NULL && recv(peer, request, sizeof(request), 0) > 0)
			(void)!write(peer, answer, strlen(answer));
		if (answer != NULL)
			close(peer);
	}
}

/* A listener on loopback that answers `answer` to each connection; NULL: never. Returns its process, to be killed. */
static pid_t serve(const char *answer, struct endpoint *ret)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pid_t pid;

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, len), 0);
	ck_assert_int_eq(listen(fd, 8), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	*ret = (struct endpoint){ ip_from_v4((uint8_t[]){ 127, 0, 0, 1 }), ntohs(address.sin_port) };
	pid = fork();
	if (pid == 0)
		answer_for_ever(fd, answer);
	close(fd);
	return pid;
}

static const struct {
	const char *answer;
	bool passing;
	const char *why;
} answers[] = {
	{ "HTTP/1.0 204 No Content\r\n\r\n", true, "" },
	{ "HTTP/1.0 503 Busy\r\n\r\n", false, "503" },
	{ "HTTP/1.0 301 Moved\r\nLocation: http://127.0.0.1:1/\r\n\r\n", false, "301" }, /* not followed */
	{ "SSH-2.0-OpenSSH\r\n", false, "" },
	{ NULL, false, "" },
};

START_TEST(http)
{
	struct check_config config = answers[_i].answer == NULL ? hasty() : patient();
	struct endpoint endpoint;
	pid_t server = serve(answers[_i].answer, &endpoint);
	char url[64];

	snprintf(url, sizeof(url), "http://web.example:%u/health", endpoint.port);
	config.kind = CHECK_HTTP;
	config.http.url = url;
	config.http.ip = endpoint.ip;
	config.http.status_low = 200;
	config.http.status_high = 299;
	start(&config);
	wait_told(1);
	kill(server, SIGKILL);
	ck_assert_msg(told_passing == answers[_i].passing, "%d: %s", _i, told_why);
	ck_assert_msg(strstr(told_why, answers[_i].why) != NULL, "%d: %s", _i, told_why);
}
END_TEST

/* Up while somebody listens; when nobody does any more, down. */
START_TEST(tcp)
{
	struct check_config config = patient();
	pid_t server = serve("", &config.tcp);

	config.kind = CHECK_TCP;
	start(&config);
	wait_told(1);
	ck_assert_msg(told_passing, "%s", told_why);
	kill(server, SIGKILL);
	wait_told(2);
	ck_assert(!told_passing);
	ck_assert_msg(strstr(told_why, "refused") != NULL, "%s", told_why);
}
END_TEST

/* Another command for the same service: what is known stays until there are results. */
START_TEST(changed)
{
	struct check_config config = patient();
	char program[] = "/bin/false";
	char *args[] = { program };

	start_shell(patient(), "exit 0");
	wait_told(1);
	config.kind = CHECK_COMMAND;
	config.args = args;
	config.arg_n = 1;
	ck_assert_int_eq(check_change(check, &config), 0);
	ck_assert(check_passing(check));
	wait_told(2);
	ck_assert(!told_passing);
}
END_TEST

/* What a run leaves behind ends with it, whether it ends by itself or not. */
static const struct {
	const char *script;
	bool hangs;
} leavers[] = {
	{ "sleep 60 & echo $$ >&2; exit 1", false },
	{ "trap '' TERM; sleep 60 & sleep 60 & echo $$ >&2; wait", true },
};

START_TEST(nothing_left)
{
	const char *digits = "0123456789";
	pid_t group;

	start_shell(leavers[_i].hangs ? hasty() : patient(), leavers[_i].script);
	wait_told(1);
	ck_assert(!told_passing);
	/* the number is the last thing that it says */
	group = (pid_t)atol(strrchr(told_why, ' '));
	ck_assert_msg(group > 0 && strspn(strrchr(told_why, ' ') + 1, digits) > 0, "%s", told_why);
	check_stop(check);
	check = NULL;
	while (kill(-group, 0) == 0)
		uv_run(&loop, UV_RUN_NOWAIT);
	ck_assert_int_eq(errno, ESRCH);
}
END_TEST

/* Its parent, by proc_pid_stat(5); 0: it is gone. */
static long parent_of(long pid)
{
	char path[64];
	long parent = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
	file = fopen(path, "re");
	if (file == NULL)
		return 0;
	if (fscanf(file, "%*d (%*[^)]) %*c %ld", &parent) != 1)
		parent = 0;
	fclose(file);
	return parent;
}

/* The only child of this process. */
static pid_t find_runner(void)
{
	DIR *dir = opendir("/proc");
	long found = 0;

	ck_assert_ptr_nonnull(dir);
	for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
		long pid = strtol(entry->d_name, NULL, 10);

		if (pid > 0 && parent_of(pid) == getpid())
			found = pid;
	}
	closedir(dir);
	ck_assert_int_gt(found, 0);
	return (pid_t)found;
}

static void wait_passed(uint64_t n)
{
	struct check_status status;

	do {
		uv_run(&loop, UV_RUN_ONCE);
		check_status(check, &status);
	} while (status.passed_n < n);
}

static const int ends[] = { SIGKILL, SIGSTOP };

/* A runner that is killed, or hangs, is replaced; the service stays what it is. */
START_TEST(runner_lost)
{
	struct check_config config = patient();
	struct check_status status;
	pid_t former;

	config.timing.interval = span_ms(700);
	config.timing.timeout = span_ms(600);
	config.timing.fall = 100;
	start_shell(config, "exit 0");
	wait_told(1);
	former = find_runner();
	ck_assert_int_eq(kill(former, ends[_i]), 0);
	check_status(check, &status);
	wait_passed(status.passed_n + 2);
	ck_assert_uint_eq(told_n, 1);
	ck_assert(check_passing(check));
	check_status(check, &status);
	ck_assert_uint_ge(status.late_n, 1);
	ck_assert_uint_eq(status.failed_n, 0);
	ck_assert_int_ne(find_runner(), former);
}
END_TEST

START_TEST(no_such_program)
{
	struct check_config config = patient();
	char program[] = "/no/such/program";
	char *args[] = { program };
	struct check_status status;

	config.kind = CHECK_COMMAND;
	config.args = args;
	config.arg_n = 1;
	start(&config);
	wait_told(1);
	ck_assert(!told_passing);
	check_status(check, &status);
	ck_assert(status.decided);
	ck_assert_uint_ge(status.failed_n, 1);
	ck_assert_msg(strstr(status.text, "No such file") != NULL, "%s", status.text);
}
END_TEST

START_TEST(no_such_user)
{
	struct check_config config = patient();
	char program[] = "/bin/true", user[] = "no-such-user";
	char *args[] = { program };

	config.kind = CHECK_COMMAND;
	config.args = args;
	config.arg_n = 1;
	config.user = user;
	ck_assert_int_eq(check_start(&loop, "web", &config, on_changed, NULL, &check), -ENOENT);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *suite = suite_create("check_run");
	TCase *tcase = tcase_create("check_run");
	SRunner *runner;
	int failed;

	if (check_runner_wanted(argc, argv))
		return check_runner_main();
	runner = srunner_create(suite);
	suite_add_tcase(suite, tcase);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 2 * PATIENCE_S);
	tcase_add_loop_test(tcase, commands, 0, (int)ARRAY_LEN(scripts));
	tcase_add_loop_test(tcase, http, 0, (int)ARRAY_LEN(answers));
	tcase_add_test(tcase, tcp);
	tcase_add_test(tcase, changed);
	tcase_add_loop_test(tcase, nothing_left, 0, (int)ARRAY_LEN(leavers));
	tcase_add_loop_test(tcase, runner_lost, 0, (int)ARRAY_LEN(ends));
	tcase_add_test(tcase, no_such_program);
	tcase_add_test(tcase, no_such_user);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
