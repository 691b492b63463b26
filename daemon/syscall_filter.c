/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/syscall_filter.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* Of a system call's name, with the end. */
#define NAME_MAX_LEN 32

/* As an architecture has them: 32-bit ones have several names for one call. clone and socket depend on their arguments, below. */
static const char daemon_calls[] =
	/* files */
	"_llseek access chdir chmod chown chown32 close close_range creat dup dup2 dup3 faccessat faccessat2 "
	"fallocate fchdir fchmod fchmodat fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr "
	"fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futimesat "
	"getcwd getdents getdents64 getxattr inotify_add_watch inotify_init inotify_init1 inotify_rm_watch lchown "
	"lchown32 lgetxattr link linkat listxattr llistxattr lremovexattr lseek lsetxattr lstat lstat64 mkdir "
	"mkdirat mknod mknodat msync newfstatat oldfstat oldlstat oldstat open openat openat2 pread64 preadv "
	"preadv2 pwrite64 pwritev pwritev2 read readlink readlinkat readv removexattr rename renameat renameat2 "
	"rmdir setxattr stat stat64 statfs statfs64 statx symlink symlinkat sync sync_file_range sync_file_range2 "
	"syncfs truncate truncate64 unlink unlinkat utime utimensat utimensat_time64 utimes write writev "
	/* sockets and events */
	"_newselect accept accept4 bind connect epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait "
	"epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2 getpeername getsockname getsockopt io_cancel "
	"io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit listen poll ppoll "
	"ppoll_time64 pselect6 pselect6_time64 recv recvfrom recvmmsg recvmmsg_time64 recvmsg select send "
	"sendmmsg sendmsg sendto setsockopt shutdown socketcall socketpair "
	/* memory */
	"mlock mlock2 mlockall munlock munlockall "
	/* processes, users, signals, time */
	"alarm capget execveat fork getitimer getrusage ipc kill memfd_create mq_getsetattr mq_notify mq_open "
	"mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink msgctl msgget msgrcv "
	"msgsnd pidfd_open pidfd_send_signal pipe pipe2 prctl rt_sigaction rt_sigpending rt_sigprocmask "
	"rt_sigqueueinfo rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo semctl semget "
	"semop semtimedop semtimedop_time64 setgid setgid32 setgroups setgroups32 setitimer setregid setregid32 "
	"setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 setuid setuid32 shmat shmctl shmdt "
	"shmget sigaction sigaltstack signal signalfd signalfd4 sigpending sigprocmask sigsuspend tgkill "
	"timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64 "
	"timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 times tkill vfork "
	"wait4 waitid waitpid "
	/* what every program begins with, and the rest */
	"arch_prctl arm_fadvise64_64 brk cacheflush capset clock_getres clock_getres_time64 clock_gettime "
	"clock_gettime64 clock_nanosleep clock_nanosleep_time64 copy_file_range execve exit exit_group fadvise64 "
	"fadvise64_64 flock futex futex_time64 futex_waitv get_mempolicy get_robust_list get_thread_area getcpu "
	"getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getpgid getpgrp getpid getppid "
	"getpriority getrandom getresgid getresgid32 getresuid getresuid32 getrlimit getsid gettid gettimeofday "
	"getuid getuid32 ioctl ioprio_get ioprio_set madvise membarrier mmap mmap2 mprotect mremap munmap "
	"nanosleep oldolduname olduname pause prlimit64 readahead readdir restart_syscall riscv_flush_icache "
	"riscv_hwprobe rseq rt_sigreturn sched_get_priority_max sched_get_priority_min sched_getaffinity "
	"sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64 "
	"sched_setaffinity sched_setscheduler sched_yield sendfile sendfile64 set_robust_list set_thread_area "
	"set_tid_address set_tls setfsgid setfsgid32 setpgid setpriority setrlimit setsid sigreturn splice "
	"sysinfo tee time ugetrlimit umask uname vmsplice "
	/* what shuts a process in further, as the guard does */
	"landlock_add_rule landlock_create_ruleset landlock_restrict_self seccomp ";

/* What it does between its hello and its end: it waits, maps, removes, kills, tells and logs. The rest is what libc needs for that. */
static const char guard_calls[] =
	/* waiting and telling */
	"accept accept4 getsockopt poll ppoll ppoll_time64 recv recvfrom recvmsg recvmmsg send sendto sendmsg "
	"sendmmsg socketcall "
	/* the memory that it is shown, and its own */
	"fstat fstat64 newfstatat fstatat64 stat stat64 statx fcntl fcntl64 mmap mmap2 munmap mremap mprotect "
	"madvise brk mlock mlock2 "
	/* the end of a daemon, and its own */
	"pidfd_send_signal prctl unlink unlinkat close exit exit_group "
	/* its log, randomness, the time */
	"open openat read write writev lseek _llseek getrandom clock_gettime clock_gettime64 gettimeofday time "
	"clock_nanosleep clock_nanosleep_time64 nanosleep "
	/* signals, and what libc does of itself */
	"rt_sigaction rt_sigprocmask rt_sigreturn sigreturn restart_syscall futex futex_time64 getpid gettid "
	"geteuid geteuid32 tgkill sched_yield ";

/* Families that mlbd or a check may talk by: that of the control socket, of the network, netlink, and ARP. */
static const int families[] = { AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET };

/* A process in namespaces of its own has another kernel's worth of rights there. */
#define NAMESPACES                                                                                                  \
	((scmp_datum_t)CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | \
	 CLONE_NEWNET)

#if defined(__s390__)
#define CLONE_FLAGS SCMP_A1
#else
#define CLONE_FLAGS SCMP_A0
#endif

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED true
#endif
#endif
#ifndef SANITIZED
#define SANITIZED false
#endif

const char *syscall_filter_names(enum privileges_role role)
{
	switch (role) {
	case PRIVILEGES_DAEMON:
		return daemon_calls;
	case PRIVILEGES_GUARD:
		return guard_calls;
	}
	return "";
}

/* In a signal handler: no more than write(2). */
static void on_refused(int signum, siginfo_t *info, void *context)
{
	static const char what[] = "error syscall-refused number=";
	char digits[] = "          \n"; /* of 32 bits */
	size_t at = sizeof(digits) - 2;
	unsigned int number = (unsigned int)info->si_syscall;
	ssize_t n;

	(void)signum;
	(void)context;
	do {
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number != 0);
	n = write(STDERR_FILENO, what, sizeof(what) - 1);
	if (n > 0)
		n = write(STDERR_FILENO, digits + at, sizeof(digits) - 1 - at);
	(void)n;
	_exit(SYSCALL_FILTER_EXIT);
}

/* 0 or a negative errno. */
static int add_names(scmp_filter_ctx filter, enum privileges_role role)
{
	const char *names = syscall_filter_names(role);
	char name[NAME_MAX_LEN];

	for (size_t len; *names != '\0'; names += len + 1) {
		int number, error;

		len = strcspn(names, " ");
		assert(len < sizeof(name) && names[len] == ' ');
		memcpy(name, names, len);
		name[len] = '\0';
		number = seccomp_syscall_resolve_name(name);
		if (number == __NR_SCMP_ERROR) /* newer than this libseccomp */
			continue;
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0);
		if (error != 0)
			return error;
	}
	return 0;
}

/* clone3(2) hides its flags in memory, and so answers ENOSYS even where others are trapped: every libc goes back to clone(2). */
static int add_arguments(scmp_filter_ctx filter)
{
	int error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
				     CLONE_FLAGS(SCMP_CMP_MASKED_EQ, NAMESPACES, 0));

	for (size_t i = 0; error == 0 && i < ARRAY_LEN(families); i++)
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
					 SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i], 0));
	return error;
}

/* What programs ask for to see whether it is there: refused without a word, in tests too. */
static int add_quiet(scmp_filter_ctx filter)
{
	return seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
}

static int build(scmp_filter_ctx filter, enum privileges_role role, bool trap)
{
	int error = add_names(filter, role);

	if (error == 0 && role == PRIVILEGES_DAEMON)
		error = add_arguments(filter);
	if (error == 0)
		error = trap ? add_quiet(filter) : 0;
	if (error != 0)
		return error;
	/* other instruction sets of the processor: refused like the rest, not killed */
	error = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS));
	(void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_LOG, 1); /* Linux 4.14 */
	(void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	return error;
}

int syscall_filter_enter(enum privileges_role role)
{
	const struct sigaction action = { .sa_sigaction = on_refused, .sa_flags = SA_SIGINFO };
	const char *wish = getenv("MLB_SYSCALLS");
	const bool trap = wish != NULL && strcmp(wish, "trap") == 0;
	scmp_filter_ctx filter;
	int error;

	if (SANITIZED)
		return 0;
	filter = seccomp_init(trap ? SCMP_ACT_TRAP : SCMP_ACT_ERRNO(ENOSYS));
	if (filter == NULL)
		return -ENOMEM;
	error = build(filter, role, trap);
	if (error == 0 && trap && sigaction(SIGSYS, &action, NULL) != 0)
		error = -errno;
	if (error == 0)
		error = seccomp_load(filter);
	seccomp_release(filter);
	return error;
}
