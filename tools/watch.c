/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mlbctl watch: look at the daemon again and again. On a terminal the screen shows how things are; elsewhere, and as JSON, each
 * change is a line (tools/change.h).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "tools/change.h"
#include "tools/mlbctl.h"
#include "tools/table.h"

/* Rows of a terminal that does not tell. */
#define ROW_DEFAULT 24

#define HOME "\033[H"
#define CLEAR_LINE "\033[K"
#define CLEAR_BELOW "\033[J"

/* ---- a line for each change ---- */

static cJSON *side_document(bool there, const char *owner, const char *state, bool has_owner)
{
	cJSON *side = there ? cJSON_CreateObject() : cJSON_CreateNull();

	if (there && has_owner)
		cJSON_AddItemToObject(side, "owner", owner ? cJSON_CreateString(owner) : cJSON_CreateNull());
	if (there)
		cJSON_AddItemToObject(side, "state", state ? cJSON_CreateString(state) : cJSON_CreateNull());
	return side;
}

static void change_print_json(const struct change *change, const char *time)
{
	cJSON *doc = cJSON_CreateObject();
	bool has_owner = change->service != NULL;
	char *text;

	cJSON_AddStringToObject(doc, "time", time);
	cJSON_AddStringToObject(doc, "kind", change->kind);
	if (change->service)
		cJSON_AddStringToObject(doc, "service", change->service);
	cJSON_AddStringToObject(doc, "subject", change->subject);
	cJSON_AddItemToObject(doc, "from",
			      side_document(change->was, change->from_owner, change->from_state, has_owner));
	cJSON_AddItemToObject(doc, "to", side_document(change->is, change->to_owner, change->to_state, has_owner));
	text = cJSON_PrintUnformatted(doc);
	if (text)
		puts(text);
	free(text);
	cJSON_Delete(doc);
}

/* "n1 (handover)", "n1", "unowned", "-". */
static void side_print(FILE *out, bool there, const char *owner, const char *state)
{
	bool plain = owner && state && strcmp(state, "owned") == 0;

	if (!there)
		fputs("-", out);
	else if (owner && !plain)
		fprintf(out, "%s (%s)", owner, state ? state : "-");
	else
		fputs(owner ? owner : state ? state : "-", out);
}

static void change_print_text(const struct change *change, const char *time)
{
	char *text = NULL, *clean;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return;
	fprintf(out, "%s  %-7s  %s%s%s  ", time, change->kind, change->service ? change->service : "",
		change->service ? " " : "", change->subject);
	side_print(out, change->was, change->from_owner, change->from_state);
	fputs(" -> ", out);
	side_print(out, change->is, change->to_owner, change->to_state);
	(void)fclose(out);
	clean = table_text_clean(text);
	puts(clean);
	free(clean);
	free(text);
}

static void on_change(const struct change *change, void *arg)
{
	const struct invocation *invocation = arg;
	char time[CLOCK_RFC3339_MAX];

	clock_rfc3339(clock_wall_ms(), time);
	if (invocation->output == OUTPUT_JSON)
		change_print_json(change, time);
	else
		change_print_text(change, time);
}

/* ---- the screen ---- */

/* At most the rows that there are, each cleared behind its text, so that nothing flickers and nothing is left. */
static void screen_put(const char *text)
{
	struct winsize size;
	unsigned int rows = ROW_DEFAULT;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 1)
		rows = size.ws_row;
	fputs(HOME, stdout);
	for (unsigned int row = 1; row < rows && *text != '\0'; row++) {
		size_t len = strcspn(text, "\n");

		printf("%.*s" CLEAR_LINE "\n", (int)len, text);
		text += len + (text[len] == '\n');
	}
	fputs(CLEAR_BELOW, stdout);
}

static void screen_draw(const struct invocation *invocation, const cJSON *status, const cJSON *members,
			const cJSON *services)
{
	struct render_options options = mlbctl_render_options(invocation);
	char time[CLOCK_RFC3339_MAX];
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return;
	fprintf(out, "%s  Ctrl-C ends\n\n", clock_rfc3339(options.now_ms, time));
	render_summary(out, status, &options);
	fputc('\n', out);
	render_members(out, members, &options);
	fputc('\n', out);
	render_services(out, services, &options);
	(void)fclose(out);
	screen_put(text);
	free(text);
}

/* ---- the loop ---- */

/* The three documents, or how that failed; then all are NULL. */
static enum client_result look(const struct invocation *invocation, cJSON *ret[3])
{
	static const char *const paths[] = { "/v1/status", "/v1/members", "/v1/services" };
	enum client_result result = CLIENT_DONE;

	for (size_t i = 0; i < 3; i++)
		ret[i] = NULL;
	for (size_t i = 0; i < 3 && result == CLIENT_DONE; i++) {
		struct client_answer answer = { 0 };

		result = client_request(invocation->client, paths[i], NULL, &answer);
		ret[i] = answer.doc;
		answer.doc = NULL;
		client_answer_free(&answer);
	}
	for (size_t i = 0; i < 3 && result != CLIENT_DONE; i++) {
		cJSON_Delete(ret[i]);
		ret[i] = NULL;
	}
	return result;
}

/* The daemon that we watch is away: said once, not in every turn. */
static void loss_tell(const struct invocation *invocation, bool screen, bool told)
{
	char *clean = table_text_clean(client_error(invocation->client));

	if (screen)
		screen_put(clean);
	else if (!told)
		fprintf(stderr, "mlbctl: %s; waiting for it\n", clean);
	free(clean);
}

int command_watch(const struct invocation *invocation)
{
	bool screen = invocation->output != OUTPUT_JSON && isatty(STDOUT_FILENO);
	struct change_view *view = NULL;
	struct invocation ours = *invocation;
	bool lost = false;

	for (bool first = true;; mlbctl_pause(), first = false) {
		cJSON *docs[3];
		enum client_result result = look(invocation, docs);
		struct change_view *next;

		if (result != CLIENT_DONE && (first || result == CLIENT_REFUSED)) {
			change_view_free(view);
			return mlbctl_failed(invocation, result);
		}
		if (result != CLIENT_DONE) {
			loss_tell(invocation, screen, lost);
			lost = true;
			continue;
		}
		lost = false;
		if (screen)
			screen_draw(invocation, docs[0], docs[1], docs[2]);
		next = change_view_new(docs[0], docs[1], docs[2]);
		if (!screen)
			change_between(view, next, on_change, &ours);
		change_view_free(view);
		view = next;
		if (fflush(stdout) != 0) {
			change_view_free(view);
			return CLIENT_REFUSED; /* main says why */
		}
	}
}
