/* SPDX-License-Identifier: Apache-2.0 */
/*
 * daemon/process: what is granted is in force, children do not get it, and a refusal does no harm. What this machine grants
 * is not for us to say, so each test looks at it first. libcheck runs each in a process of its own.
 */
#include "daemon/process.h"

#include <check.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NOBODY 65534
#define TABLE_LEN ((size_t)256 * 1024 * 1024)

/* A line of /proc/self/status, kB. */
static long status_kb(const char *name)
{
	FILE *file = fopen("/proc/self/status", "re");
	char line[256];
	long kb = -1;

	ck_assert_ptr_nonnull(file);
	while (kb < 0 && fgets(line, sizeof(line), file) != NULL) {
		if (strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':')
			kb = strtol(line + strlen(name) + 1, NULL, 10);
	}
	(void)fclose(file);
	return kb;
}

/* May one page be locked, and does the call come through? (Under the address sanitizer it does nothing.) */
static bool locking_works(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool works;

	ck_assert_ptr_ne(page, MAP_FAILED);
	works = mlock(page, 4096) == 0 && status_kb("VmLck") > 0;
	ck_assert_int_eq(munmap(page, 4096), 0);
	return works;
}

static bool realtime_is_granted(void)
{
	const struct sched_param realtime = { .sched_priority = 10 }, normal = { 0 };

	if (sched_setscheduler(0, SCHED_RR, &realtime) != 0)
		return false;
	ck_assert_int_eq(sched_setscheduler(0, SCHED_OTHER, &normal), 0);
	return true;
}

static int policy(void)
{
	return sched_getscheduler(0) & ~SCHED_RESET_ON_FORK;
}

START_TEST(nothing_asked)
{
	int nice_before = getpriority(PRIO_PROCESS, 0);
	long locked_before = status_kb("VmLck");
	struct process_state state;

	process_init(0, false);
	state = process_state_get();
	ck_assert_int_eq(state.realtime_priority, 0);
	ck_assert(!state.memory_locked);
	ck_assert_int_eq(policy(), SCHED_OTHER);
	ck_assert_int_eq(getpriority(PRIO_PROCESS, 0), nice_before);
	ck_assert_int_eq(state.nice, nice_before);
	ck_assert_int_eq(status_kb("VmLck"), locked_before);
	/* nothing to be done, now or ever */
	process_check((struct instant){ INT64_MAX - 1 });
	ck_assert_int_eq(policy(), SCHED_OTHER);
}
END_TEST

START_TEST(realtime)
{
	bool granted = realtime_is_granted();
	struct process_state state;
	struct sched_param param;
	int status;
	pid_t child;

	process_init(7, false);
	state = process_state_get();
	ck_assert_int_eq(policy(), granted ? SCHED_RR : SCHED_OTHER);
	ck_assert_int_eq(sched_getparam(0, &param), 0);
	ck_assert_int_eq(param.sched_priority, state.realtime_priority);
	ck_assert_int_eq(state.nice, getpriority(PRIO_PROCESS, 0));
	if (granted)
		ck_assert_int_eq(state.realtime_priority, 7);
	child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0)
		_exit(policy() == SCHED_OTHER && getpriority(PRIO_PROCESS, 0) >= 0 ? 0 : 1);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
}
END_TEST

static void spin_ms(long ms)
{
	struct timespec ts;
	long begun, now;

	ck_assert_int_eq(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts), 0);
	begun = ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
	do {
		ck_assert_int_eq(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts), 0);
		now = ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
	} while (now - begun < ms && policy() == SCHED_RR);
}

/* A loop that spins loses its priority instead of hanging the core, and lives; it gets it back later. */
START_TEST(fuse)
{
	struct instant now = { 1000000 };
	struct rlimit limit;

	if (!realtime_is_granted())
		return;
	process_init(10, false);
	ck_assert_int_eq(getrlimit(RLIMIT_RTTIME, &limit), 0);
	ck_assert_uint_eq(limit.rlim_cur, PROCESS_SPIN_MS * 1000);
	limit.rlim_cur = 50000; /* so that the test does not take that long */
	ck_assert_int_eq(setrlimit(RLIMIT_RTTIME, &limit), 0);
	spin_ms(5000);
	ck_assert_int_eq(policy(), SCHED_OTHER);
	process_check(now);
	ck_assert_int_eq(process_state_get().realtime_priority, 0);
	now = instant_add(now, span_s(PROCESS_RETRY_S - 1));
	process_check(now);
	ck_assert_int_eq(policy(), SCHED_OTHER);
	now = instant_add(now, span_s(1));
	process_check(now);
	ck_assert_int_eq(policy(), SCHED_RR);
	ck_assert_int_eq(process_state_get().realtime_priority, 10);
	ck_assert_int_eq(getrlimit(RLIMIT_RTTIME, &limit), 0);
	ck_assert_uint_eq(limit.rlim_cur, PROCESS_SPIN_MS * 1000);
}
END_TEST

/* What is used is locked, what is only reserved costs nothing. */
START_TEST(memory)
{
	bool works = locking_works();
	long resident;
	char *table;

	process_init(0, true);
	if (!works || !process_state_get().memory_locked)
		return;
	ck_assert_int_gt(status_kb("VmLck"), 0);
	resident = status_kb("VmRSS");
	table = mmap(NULL, TABLE_LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(table, MAP_FAILED);
	table[0] = 1;
	ck_assert_int_lt(status_kb("VmRSS"), resident + 4096);
	ck_assert_int_ge(status_kb("VmLck"), (long)(TABLE_LEN / 1024)); /* the kernel counts mappings, not pages */
}
END_TEST

/* Without rights, and with a limit that all we have at the start would fit into: nothing breaks later. */
START_TEST(refused)
{
	const rlim_t memlock = _i == 0 ? 0 : (rlim_t)status_kb("VmSize") * 1024 + 2 * 1024 * 1024;
	const struct rlimit limit = { memlock, memlock }, none = { 0, 0 };
	bool works = locking_works();
	struct process_state state;
	void *table;

	if (getuid() != 0)
		return;
	if (setrlimit(RLIMIT_MEMLOCK, &limit) != 0) /* raising the hard limit needs CAP_SYS_RESOURCE */
		ck_assert_int_eq(errno, EPERM);
	ck_assert_int_eq(setrlimit(RLIMIT_RTPRIO, &none), 0);
	ck_assert_int_eq(setuid(NOBODY), 0);
	process_init(10, true);
	state = process_state_get();
	ck_assert_int_eq(state.realtime_priority, 0);
	ck_assert_int_eq(policy(), SCHED_OTHER);
	if (works) {
		ck_assert(!state.memory_locked);
		ck_assert_int_eq(status_kb("VmLck"), 0);
	}
	table = mmap(NULL, TABLE_LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(table, MAP_FAILED);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("process");
	TCase *tcase = tcase_create("process");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, nothing_asked);
	tcase_add_test(tcase, realtime);
	tcase_add_test(tcase, fuse);
	tcase_add_test(tcase, memory);
	tcase_add_loop_test(tcase, refused, 0, 2);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_set_fork_status(runner, CK_FORK); /* each test changes its process for good */
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
