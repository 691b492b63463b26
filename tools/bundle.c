/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mlbctl support-bundle: what the daemon says and what the host has, in one tar file for who is to help. No part is larger than PART_MAX or
 * takes longer than PART_S; what cannot be had is a part that says why. Nothing reads a key: the configuration has paths of key files.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tools/mlbctl.h"

#define PART_S "10"
#define PART_MAX "4194304" /* bytes */

struct document {
	const char *file;
	const char *url_path;
};

static const struct document documents[] = {
	{ "version.json", "/v1/version" },   { "status.json", "/v1/status" }, { "members.json", "/v1/members" },
	{ "services.json", "/v1/services" }, { "events.json", "/v1/events" }, { "conflicts.json", "/v1/conflicts" },
	{ "diagnose.json", "/v1/diagnose" }, { "config.json", "/v1/config" }, { "keys.json", "/v1/keys" },
};

/* Texts of this file alone reach the shell, between single quotes. */
struct look {
	const char *file;
	const char *command;
};

static const struct look looks[] = {
	{ "host.txt", "uname -a; cat /etc/os-release; uptime; date -u; nproc; free" },
	{ "links.txt", "ip -s -d link" },
	{ "addresses.txt", "ip addr" },
	{ "routes.txt", "ip route show table all; ip -6 route show table all; ip rule; ip -6 rule" },
	{ "neighbours.txt", "ip -s neigh" },
	{ "sockets.txt", "ss -nuap; ss -ntlp" },
	{ "nft.txt", "nft list ruleset" },
	{ "sysctl.txt", "sysctl -a 2>/dev/null | grep -E \"^net[.](ipv[46][.](conf|neigh)|core)\"" },
	{ "limits.txt",
	  "for pid in $(pidof mlbd); do echo \"== $pid\"; cat /proc/$pid/limits /proc/$pid/status; done" },
	{ "journal.txt", "journalctl --no-pager -u mlbd -u mlbd-guard -n 5000" },
};

static int spawn_and_wait(const char *const argv[])
{
	pid_t pid;
	int status;

	if (posix_spawnp(&pid, argv[0], NULL, NULL, (char *const *)(uintptr_t)argv, environ) != 0)
		return -1;
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -1;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int write_text(const char *file, const char *text)
{
	FILE *out = fopen(file, "wx");

	if (!out)
		return -1;
	fputs(text, out);
	return fclose(out) == 0 ? 0 : -1;
}

/* Into the working folder. */
static int ask(const struct invocation *invocation, const struct document *document)
{
	struct client_answer answer;
	int error;

	if (client_request(invocation->client, document->url_path, NULL, &answer) != CLIENT_DONE)
		return write_text(document->file, client_error(invocation->client));
	error = write_text(document->file, answer.text);
	client_answer_free(&answer);
	return error;
}

static void look_at(const struct look *look)
{
	char script[512];
	const char *const argv[] = { "sh", "-c", script, NULL };

	snprintf(script, sizeof(script),
		 "{ timeout " PART_S " sh -c '%s' 2>&1 </dev/null || echo \"exit status $?\"; } | head -c " PART_MAX
		 " >%s",
		 look->command, look->file);
	(void)spawn_and_wait(argv);
}

/* The file as it is named from the folder that we are called in. Caller frees; NULL: no memory. */
static char *absolute(const char *file)
{
	char here[PATH_MAX];
	char *path = NULL;

	if (file[0] == '/' || !getcwd(here, sizeof(here)))
		return strdup(file);
	return asprintf(&path, "%s/%s", here, file) < 0 ? NULL : path;
}

static int gather(const struct invocation *invocation)
{
	for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++) {
		if (ask(invocation, &documents[i]) != 0)
			return -1;
	}
	for (size_t i = 0; i < sizeof(looks) / sizeof(looks[0]); i++)
		look_at(&looks[i]);
	return 0;
}

static void say(const struct invocation *invocation, const char *file)
{
	cJSON *doc = cJSON_CreateObject();
	char *text;

	cJSON_AddStringToObject(doc, "file", file);
	text = cJSON_PrintUnformatted(doc);
	if (invocation->output == OUTPUT_JSON && text)
		render_json(stdout, text);
	else
		printf("%s\n", file);
	free(text);
	cJSON_Delete(doc);
}

/* From the folder of the parts. */
static int pack(const struct invocation *invocation, const char *file, const char *path)
{
	const char *const argv[] = { "tar", "-cf", path, "--owner=0", "--group=0", ".", NULL };

	if (access(path, F_OK) == 0) {
		fprintf(stderr, "mlbctl: %s: is there already\n", file);
		return CLIENT_REFUSED;
	}
	if (gather(invocation) != 0) {
		perror("mlbctl: support-bundle");
		return CLIENT_REFUSED;
	}
	if (spawn_and_wait(argv) != 0) {
		fprintf(stderr, "mlbctl: %s: tar cannot write it\n", file);
		return CLIENT_REFUSED;
	}
	say(invocation, file);
	return 0;
}

static void remove_parts(const char *folder)
{
	for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++)
		(void)unlink(documents[i].file);
	for (size_t i = 0; i < sizeof(looks) / sizeof(looks[0]); i++)
		(void)unlink(looks[i].file);
	if (chdir("/") == 0)
		(void)rmdir(folder);
}

int command_support_bundle(const struct invocation *invocation)
{
	const char *file = invocation->operands[0];
	const char *tmp = getenv("TMPDIR");
	char *path = absolute(file);
	char *folder = NULL;
	int status = CLIENT_REFUSED;

	umask(077); /* addresses and names of the site are nobody else's business */
	if (!path || asprintf(&folder, "%s/mlbctl.XXXXXX", tmp && tmp[0] == '/' ? tmp : "/tmp") < 0) {
		fputs("mlbctl: out of memory\n", stderr);
	} else if (!mkdtemp(folder) || chdir(folder) != 0) {
		perror(folder);
	} else {
		status = pack(invocation, file, path);
		remove_parts(folder);
	}
	free(folder);
	free(path);
	return status;
}
