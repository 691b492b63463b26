/* SPDX-License-Identifier: Apache-2.0 */
/* daemon/notify.c: the datagrams that a service manager gets, over both kinds of address. */
#include "daemon/notify.h"

#include <check.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "daemon/guard_process.h"

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* The manager's end. */
static int manager = -1;
static char dir[64];
static struct sockaddr_un address;

static void teardown(void)
{
	if (manager >= 0)
		close(manager);
	manager = -1;
	if (address.sun_path[0] != '\0')
		unlink(address.sun_path);
	rmdir(dir);
}

/* Listen where the kernel or a temporary folder gives a name nobody else has, and set NOTIFY_SOCKET. */
static void setup(bool abstract)
{
	socklen_t len = sizeof(address);
	char name[sizeof(address.sun_path) + 1];

	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	strcpy(dir, "/tmp/test_notify.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(manager, 0);
	address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (abstract) {
		ck_assert_int_eq(bind(manager, (struct sockaddr *)&address, sizeof(sa_family_t)),
				 0); /* unix(7): autobind */
		ck_assert_int_eq(getsockname(manager, (struct sockaddr *)&address, &len), 0);
		snprintf(name, sizeof(name), "@%.*s", (int)(len - offsetof(struct sockaddr_un, sun_path) - 1),
			 address.sun_path + 1);
	} else {
		snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", dir);
		ck_assert_int_eq(bind(manager, (struct sockaddr *)&address, sizeof(address)), 0);
		strcpy(name, address.sun_path);
	}
	setenv("NOTIFY_SOCKET", name, 1);
}

static void setup_path(void)
{
	setup(false);
}

/* The next datagram, or "" when there is none. */
static const char *received(void)
{
	static char text[2048];
	ssize_t n = recv(manager, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

START_TEST(states)
{
	ck_assert_int_eq(notify_ready(), 1);
	ck_assert_int_eq(notify_stopping(), 1);
	ck_assert_int_eq(notify_watchdog(), 1);
	ck_assert_str_eq(received(), "READY=1");
	ck_assert_str_eq(received(), "STOPPING=1");
	ck_assert_str_eq(received(), "WATCHDOG=1");
	ck_assert_str_eq(received(), "");
}
END_TEST

START_TEST(abstract)
{
	teardown();
	setup(true);
	ck_assert_int_eq(notify_ready(), 1);
	ck_assert_str_eq(received(), "READY=1");
}
END_TEST

START_TEST(reloading)
{
	int64_t before = clock_now().us;
	long long us;

	ck_assert_int_eq(notify_reloading(), 1);
	ck_assert_int_eq(sscanf(received(), "RELOADING=1\nMONOTONIC_USEC=%lld", &us), 1);
	ck_assert_int_ge(us, before);
	ck_assert_int_le(us, clock_now().us);
}
END_TEST

START_TEST(status)
{
	char text[2000];

	ck_assert_int_eq(notify_status("%d addresses, %s", 3, "READY\nREADY=1"), 1);
	ck_assert_str_eq(received(), "STATUS=3 addresses, READY READY=1");
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	ck_assert_int_eq(notify_status("%s", text), 1);
	ck_assert_uint_eq(strlen(received()), 511);
}
END_TEST

START_TEST(nobody)
{
	unsetenv("NOTIFY_SOCKET");
	ck_assert_int_eq(notify_ready(), 0);
	setenv("NOTIFY_SOCKET", "", 1);
	ck_assert_int_eq(notify_ready(), 0);
	ck_assert_str_eq(received(), "");
}
END_TEST

START_TEST(bad_socket)
{
	char text[256];

	setenv("NOTIFY_SOCKET", "relative/socket", 1);
	ck_assert_int_eq(notify_ready(), -EAFNOSUPPORT);
	setenv("NOTIFY_SOCKET", "vsock:2:1234", 1);
	ck_assert_int_eq(notify_ready(), -EAFNOSUPPORT);
	setenv("NOTIFY_SOCKET", "@", 1);
	ck_assert_int_eq(notify_ready(), -EINVAL);
	memset(text, '/', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	setenv("NOTIFY_SOCKET", text, 1);
	ck_assert_int_eq(notify_ready(), -EINVAL);
	snprintf(text, sizeof(text), "%s/absent", dir);
	setenv("NOTIFY_SOCKET", text, 1);
	ck_assert_int_eq(notify_ready(), -ENOENT);
}
END_TEST

START_TEST(full_queue)
{
	int64_t before = clock_now().us;
	int r = 1;

	for (int i = 0; i < 100000 && r == 1; i++)
		r = notify_watchdog();
	ck_assert_int_eq(r, -EAGAIN); /* and not for ever */
	ck_assert_int_lt(clock_now().us - before, 20 * 1000000);
}
END_TEST

/* WATCHDOG_PID: NULL unset, "self" ours. */
static const struct {
	const char *usec, *pid;
	int64_t us;
} watchdogs[] = {
	{ NULL, NULL, 0 },
	{ "3000000", NULL, 3000000 },
	{ "3000000", "self", 3000000 },
	{ "3000000", "1", 0 },
	{ "3000000", "", 0 },
	{ "0", NULL, 0 },
	{ "", NULL, 0 },
	{ "-5", NULL, 0 },
	{ " 5", NULL, 0 },
	{ "5s", NULL, 0 },
	{ "99999999999999999999999", NULL, 0 },
	{ "18446744073709551615", NULL, 0 },
};

START_TEST(watchdog_interval)
{
	char self[32];

	snprintf(self, sizeof(self), "%d", (int)getpid());
	if (watchdogs[_i].usec != NULL)
		setenv("WATCHDOG_USEC", watchdogs[_i].usec, 1);
	if (watchdogs[_i].pid != NULL)
		setenv("WATCHDOG_PID", strcmp(watchdogs[_i].pid, "self") == 0 ? self : watchdogs[_i].pid, 1);
	ck_assert_int_eq(notify_watchdog_interval().us, watchdogs[_i].us);
}
END_TEST

/* A guard of its own unit (Type=notify) has a filter of system calls that lets it open no socket: it says that it is ready before. */
START_TEST(guard_of_its_own_unit)
{
	struct pollfd told = { .fd = manager, .events = POLLIN };
	char path[sizeof(dir) + 16];
	int ended;
	pid_t pid;

	snprintf(path, sizeof(path), "%s/guard", dir);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (unshare(CLONE_NEWNET) == 0)
			execl("/proc/self/exe", "mlbd-guard", "--guard-listen", path, NULL);
		_exit(6);
	}
	ck_assert_int_eq(poll(&told, 1, 20000), 1);
	ck_assert_str_eq(received(), "READY=1");
	kill(pid, SIGTERM);
	ck_assert_int_eq(waitpid(pid, &ended, 0), pid);
	ck_assert(WIFEXITED(ended) && WEXITSTATUS(ended) == 0);
}
END_TEST

int main(int argc, char **argv)
{
	SRunner *runner;
	Suite *suite;
	TCase *tcase;
	int failed;

	if (guard_main_wanted(argc, argv))
		return guard_main(argc, argv);
	suite = suite_create("notify");
	tcase = tcase_create("notify");
	runner = srunner_create(suite);
	suite_add_tcase(suite, tcase);
	tcase_add_checked_fixture(tcase, setup_path, teardown);
	tcase_set_timeout(tcase, 30);
	tcase_add_test(tcase, states);
	tcase_add_test(tcase, abstract);
	tcase_add_test(tcase, reloading);
	tcase_add_test(tcase, status);
	tcase_add_test(tcase, nobody);
	tcase_add_test(tcase, bad_socket);
	tcase_add_test(tcase, full_queue);
	tcase_add_loop_test(tcase, watchdog_interval, 0, ARRAY_LEN(watchdogs));
	if (geteuid() == 0)
		tcase_add_test(tcase, guard_of_its_own_unit);
	else
		puts("notify: the guard needs root: skipped");
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
