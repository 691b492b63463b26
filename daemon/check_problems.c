/* SPDX-License-Identifier: Apache-2.0 */
/* Health checks held against the host that is to run them. */
#include <errno.h>
#include <limits.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/check.h"
#include "daemon/process.h"

#define USER_DEFAULT "nobody"
/* Of user and group nobody, where the user database has none: the kernel's overflow id. */
#define USER_OVERFLOW 65534

static bool same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

bool check_config_equal(const struct check_config *a, const struct check_config *b)
{
	bool equal = a == b;

	if (equal || a == NULL || b == NULL)
		return equal;
	equal = a->kind == b->kind && a->arg_n == b->arg_n && same_text(a->user, b->user) &&
		same_text(a->http.url, b->http.url) && ip_equal(a->http.ip, b->http.ip) &&
		a->http.status_low == b->http.status_low && a->http.status_high == b->http.status_high &&
		a->http.insecure == b->http.insecure && endpoint_compare(a->tcp, b->tcp) == 0 &&
		a->timing.interval.us == b->timing.interval.us && a->timing.timeout.us == b->timing.timeout.us &&
		a->timing.rise == b->timing.rise && a->timing.fall == b->timing.fall;
	for (size_t i = 0; i < a->arg_n && equal; i++)
		equal = same_text(a->args[i], b->args[i]);
	return equal;
}

/* A user of this host. False: none of that name. */
static bool find_user(const char *name, uint32_t *ret_uid, uint32_t *ret_gid)
{
	FILE *file = fopen("/etc/passwd", "re");
	const struct passwd *user = NULL;
	bool found;

	if (file == NULL)
		return false;
	do
		user = fgetpwent(file);
	while (user != NULL && strcmp(user->pw_name, name) != 0);
	found = user != NULL;
	if (found) {
		*ret_uid = user->pw_uid;
		*ret_gid = user->pw_gid;
	}
	fclose(file);
	return found;
}

/* Become another user, and kill what then is not ours any more: by rights, whoever we are. */
static bool may_become_others(void)
{
	const uint64_t wanted = 1u << CAP_SETUID | 1u << CAP_SETGID | 1u << CAP_KILL;

	return (process_capabilities() & wanted) == wanted;
}

int check_user(const struct check_config *config, uint32_t *ret_uid, uint32_t *ret_gid)
{
	*ret_uid = geteuid();
	*ret_gid = getegid();
	/* as ourselves only for want of rights: a check that is us could read the keys */
	if (config->user == NULL && *ret_uid != 0 && !may_become_others())
		return 0;
	if (find_user(config->user != NULL ? config->user : USER_DEFAULT, ret_uid, ret_gid))
		return 0;
	*ret_uid = *ret_gid = USER_OVERFLOW;
	return config->user != NULL ? -ENOENT : 0;
}

static bool can_become(uint32_t uid)
{
	return uid == geteuid() || may_become_others();
}

/* Root, we, and the user himself may change what he runs; in a folder with the sticky bit others only add. */
static bool is_safe(const struct stat *st, uint32_t uid)
{
	bool owned = st->st_uid == 0 || st->st_uid == geteuid() || st->st_uid == uid;
	mode_t others = S_IWOTH | (st->st_gid != 0 ? S_IWGRP : 0);

	if (S_ISDIR(st->st_mode) && (st->st_mode & S_ISVTX) != 0)
		return owned;
	return owned && (st->st_mode & others) == 0;
}

/* The file and each folder above it. NULL: nobody else can change any; or the one that can be changed, cut from path. */
static const char *unsafe_part(char *path, uint32_t uid)
{
	for (;;) {
		char *slash = strrchr(path, '/');
		struct stat st;

		if (stat(*path != '\0' ? path : "/", &st) != 0 || !is_safe(&st, uid))
			return *path != '\0' ? path : "/";
		if (slash == NULL)
			return NULL;
		*slash = '\0';
	}
}

static void check_command(const struct config *config, const struct check_config *check, const char *key, uint32_t uid,
			  struct config_errors *errors)
{
	const char *program = check->args[0];
	char written[PATH_MAX], real[PATH_MAX];
	const char *unsafe;
	struct stat st;

	if (realpath(program, real) == NULL || stat(real, &st) != 0) {
		config_errors_add(errors, config->path, check->line, key, "%s: %s", program, strerror(errno));
		return;
	}
	if (!S_ISREG(st.st_mode) || (st.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)) == 0) {
		config_errors_add(errors, config->path, check->line, key, "%s is not an executable file", program);
		return;
	}
	/* as it is written, and what that leads to */
	snprintf(written, sizeof(written), "%s", program);
	unsafe = unsafe_part(written, uid);
	if (unsafe == NULL)
		unsafe = unsafe_part(real, uid);
	if (unsafe != NULL)
		config_errors_add(errors, config->path, check->line, key,
				  "%s can be changed by others, who would then run what they like: make it root's and "
				  "writable by nobody else (chown root, chmod go-w)",
				  unsafe);
}

static void check_who(const struct config *config, const struct check_config *check, const char *key,
		      struct config_errors *errors)
{
	uint32_t uid, gid;

	if (check_user(check, &uid, &gid) != 0) {
		config_errors_add(errors, config->path, check->line, key, "there is no user %s in /etc/passwd",
				  check->user);
		return;
	}
	if (!can_become(uid))
		config_errors_add(errors, config->path, check->line, key,
				  "it may not run as %s: give it CAP_SETUID, CAP_SETGID and CAP_KILL, or set user: to "
				  "whom it runs as",
				  check->user != NULL ? check->user : USER_DEFAULT);
	check_command(config, check, key, uid, errors);
}

/* Whoever holds the address answers: a node that does not would find the service of another one. */
static void check_where(const struct config *config, const struct config_service *service, const char *key,
			struct config_errors *errors)
{
	const struct check_config *check = service->check;
	struct ip ip = check->kind == CHECK_TCP ? check->tcp.ip : check->http.ip;
	char text[IP_TEXT_MAX];

	for (size_t i = 0; i < service->address_n && ip.family != IP_NONE; i++) {
		if (ip_equal(service->addresses[i], ip))
			config_errors_add(errors, config->path, check->line, key,
					  "%s is an address of the service, where its owner answers: use an address of "
					  "this host, such as 127.0.0.1",
					  ip_format(ip, text));
	}
}

void check_problems(const struct config *config, struct config_errors *errors)
{
	for (size_t i = 0; i < config->service_n; i++) {
		const struct config_service *service = &config->services[i];
		char key[64];

		if (service->check == NULL ||
		    !label_selectors_match(service->selectors, service->selector_n, &config->node.labels))
			continue;
		snprintf(key, sizeof(key), "services[%zu].check", i);
		if (service->check->kind == CHECK_COMMAND)
			check_who(config, service->check, key, errors);
		else
			check_where(config, service, key, errors);
	}
}
