/* SPDX-License-Identifier: Apache-2.0 */
/* mlbctl diagnose: what the daemon finds wrong (GET /v1/diagnose), and what only this side can see, for people. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timex.h>

#include "tools/mlbctl.h"
#include "tools/table.h"

/* Where the lines of a finding begin. */
#define INDENT 9

static const char *text_of(const cJSON *object, const char *name)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));

	return text ? text : "-";
}

/* "label text", indented, broken at blanks so that it fits; a word that is too long stays whole. */
static void paragraph(FILE *out, const char *label, const char *text, bool wide)
{
	char *clean = table_text_clean(text);
	size_t column = INDENT + strlen(label);

	fprintf(out, "%*s%s", INDENT, "", label);
	for (const char *word = clean; *word != '\0';) {
		size_t len = strcspn(word, " ");
		size_t width = table_text_width(word, len);

		if (!wide && column + 1 + width > RENDER_WIDTH && column > INDENT + strlen(label)) {
			fprintf(out, "\n%*s", (int)(INDENT + strlen(label)), "");
			column = INDENT + strlen(label);
		}
		fprintf(out, " %.*s", (int)len, word);
		column += 1 + width;
		word += len + strspn(word + len, " ");
	}
	fputc('\n', out);
	free(clean);
}

static void finding_print(FILE *out, const cJSON *finding, const struct render_options *options)
{
	const char *severity = text_of(finding, "severity");
	const char *colour = strcmp(severity, "error") == 0	? table_state_colour("dead")
			     : strcmp(severity, "warning") == 0 ? table_state_colour("suspect")
								: NULL;
	char *clean = table_text_clean(severity);
	char *subject = table_text_clean(text_of(finding, "subject"));
	char *code = table_text_clean(text_of(finding, "code"));

	if (!options->colour)
		colour = NULL;
	fprintf(out, "%s%-*s%s %s: %s\n", colour ? colour : "", INDENT - 1, clean, colour ? TABLE_COLOUR_END : "", code,
		subject);
	paragraph(out, "found:", text_of(finding, "detail"), options->wide);
	paragraph(out, "means:", text_of(finding, "means"), options->wide);
	paragraph(out, "do:   ", text_of(finding, "action"), options->wide);
	free(clean);
	free(subject);
	free(code);
}

static size_t count_of(const cJSON *doc, const char *severity)
{
	const cJSON *finding;
	size_t n = 0;

	cJSON_ArrayForEach(finding, cJSON_GetObjectItemCaseSensitive(doc, "findings"))
	{
		n += strcmp(text_of(finding, "severity"), severity) == 0;
	}
	return n;
}

void render_diagnose(FILE *out, const cJSON *doc, const struct render_options *options)
{
	double omitted = cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(doc, "omitted"));
	size_t errors = count_of(doc, "error"), warnings = count_of(doc, "warning");
	char *node = table_text_clean(text_of(doc, "node"));
	const cJSON *finding;

	cJSON_ArrayForEach(finding, cJSON_GetObjectItemCaseSensitive(doc, "findings"))
	{
		finding_print(out, finding, options);
		fputc('\n', out);
	}
	if (omitted >= 1)
		fprintf(out, "%.0f more findings are not shown\n", omitted);
	if (errors + warnings > 0)
		fprintf(out, "%s: %zu errors, %zu warnings\n", node, errors, warnings);
	else
		fprintf(out, "%s: no problem found\n", node);
	free(node);
}

/* A finding of ours; all texts but detail are constants. */
static void add(cJSON *doc, const char *code, const char *severity, const char *subject, const char *detail,
		const char *means, const char *action)
{
	cJSON *finding = cJSON_CreateObject();

	cJSON_AddStringToObject(finding, "code", code);
	cJSON_AddStringToObject(finding, "severity", severity);
	cJSON_AddStringToObject(finding, "subject", subject);
	cJSON_AddStringToObject(finding, "detail", detail);
	cJSON_AddStringToObject(finding, "means", means);
	cJSON_AddStringToObject(finding, "action", action);
	cJSON_AddItemToArray(cJSON_GetObjectItemCaseSensitive(doc, "findings"), finding);
}

/* Another mlbd than this mlbctl belongs to: usually one that was not restarted after an upgrade. */
static void look_at_version(const struct invocation *invocation, cJSON *doc)
{
	struct client_answer answer;
	const char *version;
	char detail[128];

	if (client_request(invocation->client, "/v1/version", NULL, &answer) != CLIENT_DONE)
		return;
	version = text_of(answer.doc, "version");
	snprintf(detail, sizeof(detail), "mlbctl " MLB_VERSION ", mlbd %s", version);
	if (strcmp(version, MLB_VERSION) != 0)
		add(doc, "versions-differ", "info", "mlbd", detail,
		    "the daemon that runs is not the one that belongs to this mlbctl",
		    "restart mlbd after an upgrade, one node after the other");
	client_answer_free(&answer);
}

/* The daemon has no right to ask the kernel about the clock (ProtectClock= of its unit); everybody else has. */
static void look_at_clock(cJSON *doc)
{
	struct timex timex = { .modes = 0 };

	if (adjtimex(&timex) == TIME_ERROR && (timex.status & STA_UNSYNC) != 0)
		add(doc, "clock-unsynchronised", "info", "this host", "the kernel says that nobody keeps its clock",
		    "times in logs and events of several nodes may not compare; elections do not depend on them",
		    "run a client of NTP, such as chrony or systemd-timesyncd");
}

enum client_result mlbctl_diagnose(const struct invocation *invocation, struct client_answer *ret)
{
	enum client_result result = client_request(invocation->client, "/v1/diagnose", NULL, ret);

	if (result != CLIENT_DONE)
		return result;
	look_at_version(invocation, ret->doc);
	look_at_clock(ret->doc);
	free(ret->text);
	ret->text = cJSON_PrintUnformatted(ret->doc);
	return CLIENT_DONE;
}

int command_diagnose(const struct invocation *invocation)
{
	struct render_options options = mlbctl_render_options(invocation);
	struct client_answer answer;
	enum client_result result = mlbctl_diagnose(invocation, &answer);
	size_t problems;

	if (result != CLIENT_DONE)
		return mlbctl_failed(invocation, result);
	problems = count_of(answer.doc, "error") + count_of(answer.doc, "warning");
	if (invocation->output != OUTPUT_JSON)
		render_diagnose(stdout, answer.doc, &options);
	else if (answer.text)
		render_json(stdout, answer.text);
	client_answer_free(&answer);
	return problems > 0 ? EXIT_PROBLEMS : 0;
}
