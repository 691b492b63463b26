/* SPDX-License-Identifier: Apache-2.0 */
/* daemon/syscall_filter.c: what a filtered process can still do, what it cannot, and that the tables hold no misspelt name. */
#include "daemon/syscall_filter.h"

#include <check.h>
#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* A child's word that nothing filters it, as in builds with a sanitizer. */
#define UNFILTERED 77

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MAY_BE_UNFILTERED true
#else
#define MAY_BE_UNFILTERED false
#endif

/* ---- what is tried ---- */

/* Each: 0 or a negative errno. */
static int try_mount(void)
{
	return mount("none", "/nowhere", "tmpfs", 0, NULL) != 0 ? -errno : 0;
}

static int try_namespace(void)
{
	return unshare(CLONE_NEWUSER) != 0 ? -errno : 0;
}

static int try_clone_namespace(void)
{
	long pid = syscall(SYS_clone, (unsigned long)CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);

	if (pid == 0)
		_exit(0);
	return pid < 0 ? -errno : 0;
}

static int try_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid < 0 || waitpid(pid, NULL, 0) != pid ? -errno : 0;
}

static int try_exec(void)
{
	pid_t pid = vfork();
	int status = -1;

	if (pid == 0) {
		(void)execl("/bin/sh", "sh", "-c", "ls / | grep -q . && echo x >/dev/null", (char *)NULL);
		_exit(99);
	}
	if (pid < 0)
		return -errno;
	return waitpid(pid, &status, 0) != pid || status != 0 ? -ECHILD : 0;
}

static int try_socket(int family)
{
	int fd = socket(family, SOCK_DGRAM, 0);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static int try_udp(void)
{
	return try_socket(AF_INET);
}

static int try_vsock(void)
{
	return try_socket(AF_VSOCK);
}

static int try_bpf(void)
{
	return syscall(SYS_bpf, 0, NULL, 0) != 0 ? -errno : 0;
}

static int try_ring(void)
{
	return syscall(SYS_io_uring_setup, 0, NULL) != 0 ? -errno : 0;
}

static int try_trace(void)
{
	return syscall(SYS_ptrace, 0, 0, NULL, NULL) != 0 ? -errno : 0;
}

static int try_keys(void)
{
	return syscall(SYS_keyctl, 0, 0, 0, 0, 0) < 0 ? -errno : 0;
}

static int try_read(void)
{
	FILE *file = fopen("/proc/self/status", "re");
	char line[64];
	int error = file == NULL || fgets(line, sizeof(line), file) == NULL ? -EIO : 0;

	if (file != NULL)
		(void)fclose(file);
	return error;
}

static const struct {
	const char *what;
	enum privileges_role role;
	int (*call)(void);
	int expected;
} cases[] = {
	{ "daemon: mount", PRIVILEGES_DAEMON, try_mount, -ENOSYS },
	{ "daemon: a namespace", PRIVILEGES_DAEMON, try_namespace, -ENOSYS },
	{ "daemon: a child in a namespace", PRIVILEGES_DAEMON, try_clone_namespace, -ENOSYS },
	{ "daemon: BPF", PRIVILEGES_DAEMON, try_bpf, -ENOSYS },
	{ "daemon: io_uring", PRIVILEGES_DAEMON, try_ring, -ENOSYS },
	{ "daemon: ptrace", PRIVILEGES_DAEMON, try_trace, -ENOSYS },
	{ "daemon: keys of the kernel", PRIVILEGES_DAEMON, try_keys, -ENOSYS },
	{ "daemon: sockets to virtual machines", PRIVILEGES_DAEMON, try_vsock, -ENOSYS },
	{ "daemon: UDP", PRIVILEGES_DAEMON, try_udp, 0 },
	{ "daemon: a file", PRIVILEGES_DAEMON, try_read, 0 },
	{ "daemon: a child", PRIVILEGES_DAEMON, try_fork, 0 },
	{ "daemon: a shell and what it starts", PRIVILEGES_DAEMON, try_exec, 0 },
	{ "guard: a file", PRIVILEGES_GUARD, try_read, 0 },
	{ "guard: a child", PRIVILEGES_GUARD, try_fork, -ENOSYS },
	{ "guard: another program", PRIVILEGES_GUARD, try_exec, -ENOSYS },
	{ "guard: a socket", PRIVILEGES_GUARD, try_udp, -ENOSYS },
	{ "guard: mount", PRIVILEGES_GUARD, try_mount, -ENOSYS },
};

/* ---- in a child ---- */

/* Its exit status: the errno of the call, 0, or a number that no errno of these has. */
static int run_case(size_t i)
{
	int error;

	(void)unsetenv("MLB_SYSCALLS");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || syscall_filter_enter(cases[i].role) != 0)
		return 200;
	if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 0)
		return UNFILTERED;
	error = cases[i].call();
	return -error;
}

static int status_of(pid_t pid)
{
	int status = -1;

	ck_assert_int_gt(pid, 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status), "status %d", status);
	return WEXITSTATUS(status);
}

START_TEST(test_case)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(run_case((size_t)_i));
	status = status_of(pid);
	if (status == UNFILTERED && MAY_BE_UNFILTERED)
		return;
	ck_assert_msg(status == -cases[_i].expected, "%s: %s", cases[_i].what, strerror(status));
}
END_TEST

/* A refused call of a process under test ends it, and it says which. */
static int run_trapped(int out)
{
	(void)dup2(out, STDERR_FILENO);
	(void)setenv("MLB_SYSCALLS", "trap", 1);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || syscall_filter_enter(PRIVILEGES_DAEMON) != 0)
		return 200;
	if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 0)
		return UNFILTERED;
	if (try_fork() != 0)
		return 201;
	return -try_mount();
}

START_TEST(test_trap)
{
	char text[80] = "", expected[80];
	int fds[2];
	pid_t pid;
	int status;

	ck_assert_int_eq(pipe(fds), 0);
	pid = fork();
	if (pid == 0)
		_exit(run_trapped(fds[1]));
	status = status_of(pid);
	close(fds[1]);
	ck_assert_int_ge(read(fds[0], text, sizeof(text) - 1), 0);
	close(fds[0]);
	if (status == UNFILTERED && MAY_BE_UNFILTERED)
		return;
	ck_assert_int_eq(status, SYSCALL_FILTER_EXIT);
	snprintf(expected, sizeof(expected), "error syscall-refused number=%d\n", (int)SYS_mount);
	ck_assert_str_eq(text, expected);
}
END_TEST

/* ---- the tables ---- */

static bool has_name(const char *names, const char *name, size_t len)
{
	for (; *names != '\0'; names += strcspn(names, " ") + 1) {
		if (strcspn(names, " ") == len && memcmp(names, name, len) == 0)
			return true;
	}
	return false;
}

START_TEST(test_names)
{
	static const enum privileges_role roles[] = { PRIVILEGES_DAEMON, PRIVILEGES_GUARD };
	/* newer than the oldest libseccomp that is supported */
	static const char late[] = "riscv_hwprobe ";
	const char *names = syscall_filter_names(roles[_i]);
	size_t n = 0;

	for (size_t len; *names != '\0'; names += len + 1, n++) {
		char name[64] = "";

		len = strcspn(names, " ");
		ck_assert_uint_lt(len, sizeof(name));
		memcpy(name, names, len);
		ck_assert_msg(has_name(late, name, len) || seccomp_syscall_resolve_name(name) != __NR_SCMP_ERROR,
			      "%s is no system call", name);
		/* a guard that the daemon starts has the daemon's filter too */
		ck_assert_msg(has_name(syscall_filter_names(PRIVILEGES_DAEMON), name, len), "%s", name);
	}
	ck_assert_uint_gt(n, 50);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("syscall_filter");
	TCase *tcase = tcase_create("syscall_filter");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tcase, test_names, 0, 2);
	tcase_add_loop_test(tcase, test_case, 0, ARRAY_LEN(cases));
	tcase_add_test(tcase, test_trap);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
