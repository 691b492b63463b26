/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/check_job.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <curl/curl.h>

#include "base/sockaddr.h"

/* As a shell has them: found and cannot be executed, as against the failure of what was executed. */
#define EXIT_CANNOT 126

/* Of the body of an answer, so much is read before it is cut off: the status says it all. */
#define BODY_MAX 65536

/* ---- what the process may do ---- */

static void limit(__rlimit_resource_t resource, rlim_t value)
{
	struct rlimit rlimit;

	if (getrlimit(resource, &rlimit) != 0)
		return;
	rlimit.rlim_cur = value < rlimit.rlim_max ? value : rlimit.rlim_max;
	rlimit.rlim_max = rlimit.rlim_cur;
	(void)setrlimit(resource, &rlimit);
}

/* What the daemon was given for itself (priority, locked memory, being spared by the OOM killer) is not for a check. */
static void set_limits(const struct check_job *job)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd >= 0) {
		ssize_t n = write(fd, "1000", 4); /* the first to go */

		(void)n;
		close(fd);
	}
	limit(RLIMIT_RTPRIO, 0);
	limit(RLIMIT_NICE, 0);
	limit(RLIMIT_MEMLOCK, 0);
	limit(RLIMIT_CORE, 0);
	/* the timeout ends it before; this is for what it leaves behind in another session */
	limit(RLIMIT_CPU, (rlim_t)(job->timeout.us / 1000000 + 2));
	if (job->kind != CHECK_COMMAND)
		return;
	limit(RLIMIT_NOFILE, CHECK_FILE_MAX);
	limit(RLIMIT_DATA, CHECK_DATA_MAX);
	limit(RLIMIT_NPROC, CHECK_PROCESS_MAX);
}

/* No right of the daemon's is left, the ambient ones that an execve(2) would keep included. Needs no right. */
static void drop_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	(void)syscall(SYS_capset, &header, none);
}

/* 0 or a negative errno. A command that is to be root keeps what root has; a request of ours needs nothing of it. */
static int become(const struct check_job *job)
{
	int error = 0;

	if (geteuid() != job->uid && (setgroups(0, NULL) != 0 || setresgid(job->gid, job->gid, job->gid) != 0 ||
				      setresuid(job->uid, job->uid, job->uid) != 0))
		error = -errno;
	if (job->uid != 0 || job->kind != CHECK_COMMAND)
		drop_capabilities();
	if (job->uid != 0)
		(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return job->kind == CHECK_COMMAND ? error : 0;
}

/* Standard input and output are nothing, standard error goes to the runner, and there is no other descriptor. */
static bool set_files(int error_fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	bool good = null >= 0 && dup2(null, STDIN_FILENO) >= 0 && dup2(null, STDOUT_FILENO) >= 0 &&
		    dup2(error_fd, STDERR_FILENO) >= 0;

	return close_range(STDERR_FILENO + 1, UINT_MAX, 0) == 0 && good;
}

static void set_signals(void)
{
	sigset_t none;

	for (int i = 1; i < NSIG; i++)
		(void)signal(i, SIG_DFL);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* ---- the jobs ---- */

/* Without the heap, as a process is that may have no more of it; a sanitizer has it all. */
static void say(const char *text)
{
	ssize_t n = write(STDERR_FILENO, text, strlen(text));

	(void)n;
}

static int run_command(const struct check_job *job)
{
	static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	static char locale[] = "LANG=C.UTF-8";
	char service[sizeof("MLB_SERVICE=") + SERVICE_NAME_MAX];
	char *environment[] = { path, locale, service, NULL };
	const char *why;

	snprintf(service, sizeof(service), "MLB_SERVICE=%s", job->service);
	(void)execve(job->args[0], job->args, environment);
	why = strerrordesc_np(errno);
	say(job->args[0]);
	say(": ");
	say(why);
	return EXIT_CANNOT;
}

static int run_tcp(const struct check_job *job)
{
	struct sockaddr_storage address;
	socklen_t len = sockaddr_from_endpoint((struct endpoint){ job->ip, job->port }, &address);
	int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, len) == 0)
		return EXIT_SUCCESS;
	dprintf(STDERR_FILENO, "%s", strerror(errno));
	return EXIT_FAILURE;
}

/* Take the body and drop it; an answer without end is cut off, which is no failure. */
static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
	size_t *len = arg;

	(void)data;
	*len += size * n;
	return *len <= BODY_MAX ? size * n : 0;
}

/* Literal addresses only, no proxy, no redirects, no other protocols, nothing from the environment or a .netrc. */
static CURLcode request(const struct check_job *job, CURL *easy, size_t *body_len)
{
	struct curl_slist *connect_to = NULL;
	char ip[IP_TEXT_MAX];
	char target[IP_TEXT_MAX + 8];
	CURLcode code;

	(void)curl_easy_setopt(easy, CURLOPT_URL, job->args[0]);
	(void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	(void)curl_easy_setopt(easy, CURLOPT_PROXY, "");
	(void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(easy, CURLOPT_USERAGENT, "mlbd/" MLB_VERSION);
	(void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	(void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, body_len);
	if (job->insecure) {
		(void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
		(void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
	}
	/* any host and port of the URL -> this host, the port as it is */
	snprintf(target, sizeof(target), job->ip.family == IP_V6 ? "::[%s]:" : "::%s:", ip_format(job->ip, ip));
	connect_to = curl_slist_append(NULL, target);
	if (connect_to == NULL)
		return CURLE_OUT_OF_MEMORY;
	(void)curl_easy_setopt(easy, CURLOPT_CONNECT_TO, connect_to);
	code = curl_easy_perform(easy);
	curl_slist_free_all(connect_to);
	return code;
}

static int run_http(const struct check_job *job)
{
	char error[CURL_ERROR_SIZE] = "";
	CURL *easy = curl_easy_init();
	size_t body_len = 0;
	long status = 0;
	CURLcode code;

	if (easy == NULL)
		return EXIT_CANNOT;
	(void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error);
	code = request(job, easy, &body_len);
	(void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_cleanup(easy);
	if (code != CURLE_OK && !(code == CURLE_WRITE_ERROR && body_len > BODY_MAX)) {
		dprintf(STDERR_FILENO, "%s", error[0] != '\0' ? error : curl_easy_strerror(code));
		return EXIT_FAILURE;
	}
	if (status >= job->status_low && status <= job->status_high)
		return EXIT_SUCCESS;
	dprintf(STDERR_FILENO, "status %ld", status);
	return EXIT_FAILURE;
}

void check_job_prepare(void)
{
	(void)curl_global_init(CURL_GLOBAL_DEFAULT);
}

static int run(const struct check_job *job, pid_t runner)
{
	int error = become(job);

	/* after that, for another user's process forgets it (prctl(2)) */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != runner)
		return EXIT_CANNOT;
	if (error != 0) {
		dprintf(STDERR_FILENO, "cannot become user %u: %s", job->uid, strerror(-error));
		return EXIT_CANNOT;
	}
	switch (job->kind) {
	case CHECK_COMMAND:
		return run_command(job);
	case CHECK_HTTP:
		return run_http(job);
	case CHECK_TCP:
		return run_tcp(job);
	}
	return EXIT_CANNOT;
}

_Noreturn void check_job_run(const struct check_job *job, int error_fd, pid_t runner)
{
	int status = EXIT_CANNOT;

	(void)setsid();
	set_signals();
	(void)umask(022);
	set_limits(job);
	if (set_files(error_fd) && chdir("/") == 0)
		status = run(job, runner);
	_exit(status);
}
