/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/process.h"

#include <errno.h>
#include <link.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/log.h"

#define NICE_BEST (-20)

/* Written by the handler of SIGXCPU. */
static volatile sig_atomic_t fuse_blown;

static int wanted_priority;
static struct instant retry_at = { INT64_MAX };
static struct process_state state;

/* ---- memory ---- */

/* Bring in the program's own code now, so that a part that is first needed in an emergency waits for no disk. */
static int lock_code(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	(void)arg;
	for (size_t i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
		union {
			ElfW(Addr) number;
			const void *pointer;
		} begin = { info->dlpi_addr + segment->p_vaddr };

		if (segment->p_type == PT_LOAD && (segment->p_flags & PF_W) == 0)
			(void)mlock(begin.pointer, segment->p_memsz);
	}
	return 1; /* the program is the first; its libraries are many times as large */
}

/*
 * May memory grow? Without CAP_IPC_LOCK every later mapping counts against RLIMIT_MEMLOCK, and when that is used up malloc
 * fails: worse than no lock at all. The kernel knows best, so ask for more than the limit (of address space only).
 */
static bool may_grow(void)
{
	struct rlimit limit;
	size_t len;
	void *probe;

	if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
		return true;
	len = (size_t)limit.rlim_cur + (size_t)sysconf(_SC_PAGESIZE);
	probe = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (probe == MAP_FAILED)
		return false;
	(void)munmap(probe, len);
	return true;
}

/* Raise the soft limit to the hard one: that needs no right. */
static void raise_limit(__rlimit_resource_t resource)
{
	struct rlimit limit;

	if (getrlimit(resource, &limit) != 0 || limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(resource, &limit);
}

/* 0 or a negative errno. */
static int lock_all(void)
{
	raise_limit(RLIMIT_MEMLOCK);
	/* ONFAULT: what is used stays, and tables that are reserved for 1,000 members cost what three of them use. */
	if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0)
		return -errno;
	if (!may_grow()) {
		(void)munlockall();
		return -ENOMEM;
	}
	return 0;
}

static void lock_memory_logged(void)
{
	int error = lock_all();

	state.memory_locked = error == 0;
	if (error != 0)
		log_warning(
			"memory-lock result=refused error=\"%s\" action=\"it may be swapped out, and then be taken for "
			"dead: give it CAP_IPC_LOCK or LimitMEMLOCK=infinity, or set process.lockMemory: false\"",
			strerror(-error));
	else
		(void)dl_iterate_phdr(lock_code, NULL);
}

/* ---- scheduling ---- */

/* Back to what everybody has, with the best nice value that we got. Runs in a signal handler: one system call. */
static void on_spin(int signum)
{
	const struct sched_param param = { 0 };
	int saved = errno;

	(void)signum;
	(void)sched_setscheduler(0, SCHED_OTHER | SCHED_RESET_ON_FORK, &param);
	fuse_blown = 1;
	errno = saved;
}

/*
 * RLIMIT_RTTIME counts processor time since the last sleep (getrlimit(2)). At the soft limit comes SIGXCPU; the hard limit,
 * which kills, is left as it was. The kernel moves the soft limit on with each signal, so it is set each time.
 */
static bool set_fuse(void)
{
	struct sigaction action = { .sa_handler = on_spin, .sa_flags = SA_RESTART };
	struct rlimit limit;

	sigemptyset(&action.sa_mask);
	if (sigaction(SIGXCPU, &action, NULL) != 0 || getrlimit(RLIMIT_RTTIME, &limit) != 0)
		return false;
	limit.rlim_cur = (rlim_t)PROCESS_SPIN_MS * 1000;
	if (limit.rlim_cur > limit.rlim_max)
		limit.rlim_cur = limit.rlim_max;
	return setrlimit(RLIMIT_RTTIME, &limit) == 0;
}

/* 0 or a negative errno. */
static int enter_realtime(int priority)
{
	struct sched_param param = { .sched_priority = priority };
	struct rlimit limit;

	if (!set_fuse())
		return -EINVAL;
	raise_limit(RLIMIT_RTPRIO);
	if (sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &param) == 0) {
		state.realtime_priority = priority;
		return 0;
	}
	/* Any real-time priority is far better than none. */
	if (errno == EPERM && getrlimit(RLIMIT_RTPRIO, &limit) == 0 && limit.rlim_cur > 0 &&
	    limit.rlim_cur < (rlim_t)priority) {
		param.sched_priority = (int)limit.rlim_cur;
		if (sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &param) == 0) {
			state.realtime_priority = param.sched_priority;
			return 0;
		}
	}
	return -errno;
}

/* As low as we may; children begin at 0 again. */
static void set_nice(void)
{
	const struct sched_param param = { 0 };
	int value = NICE_BEST;
	int now = getpriority(PRIO_PROCESS, 0);

	(void)sched_setscheduler(0, SCHED_OTHER | SCHED_RESET_ON_FORK, &param);
	raise_limit(RLIMIT_NICE);
	while (value < now && setpriority(PRIO_PROCESS, 0, value) != 0)
		value++;
	state.nice = getpriority(PRIO_PROCESS, 0);
}

static void set_scheduling(void)
{
	int error;

	/* Also below a real-time priority: it is what remains when the fuse blows. */
	set_nice();
	error = enter_realtime(wanted_priority);
	if (error == 0)
		return;
	log_warning("realtime-priority result=refused error=\"%s\" nice=%d action=\"on a loaded host it may be taken "
		    "for dead: "
		    "give it CAP_SYS_NICE or LimitRTPRIO=%d (in a container, a share of cpu.rt_runtime_us too), or set "
		    "process.realtimePriority: 0\"",
		    strerror(-error), state.nice, wanted_priority);
}

void process_init(int realtime_priority, bool lock_memory)
{
	wanted_priority = realtime_priority;
	state = (struct process_state){ .nice = getpriority(PRIO_PROCESS, 0) };
	if (lock_memory)
		lock_memory_logged();
	if (realtime_priority > 0)
		set_scheduling();
	log_info("process realtime-priority=%d nice=%d memory-locked=%s", state.realtime_priority, state.nice,
		 state.memory_locked ? "true" : "false");
}

void process_check(struct instant now)
{
	if (fuse_blown) {
		fuse_blown = 0;
		state.realtime_priority = 0;
		retry_at = instant_add(now, span_s(PROCESS_RETRY_S));
		log_warning("realtime-lost reason=\"ran for %d ms without a pause\" nice=%d action=\"again in %d s\"",
			    PROCESS_SPIN_MS, state.nice, PROCESS_RETRY_S);
	}
	if (!instant_reached(retry_at, now))
		return;
	retry_at = INSTANT_NEVER;
	if (enter_realtime(wanted_priority) == 0)
		log_info("realtime-regained realtime-priority=%d", state.realtime_priority);
}

struct process_state process_state_get(void)
{
	return state;
}

uint64_t process_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (syscall(SYS_capget, &header, data) != 0)
		return 0;
	return (uint64_t)data[1].effective << 32 | data[0].effective;
}
