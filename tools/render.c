/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/limits.h"
#include "tools/render.h"
#include "tools/table.h"

/* Room for a cell that is put together here; what is longer is cut. */
#define CELL_MAX 512

/* All labels of a node as key=value, and a separator each. */
#define LABELS_MAX (LABEL_MAX * (2 * LABEL_TEXT_MAX + 2) + 1)

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A string field, or NULL. */
static const char *get_text(const cJSON *object, const char *name)
{
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

/* A number field, or NAN. */
static double get_number(const cJSON *object, const char *name)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);

	return cJSON_IsNumber(item) ? item->valuedouble : (double)NAN;
}

/* Write a number in full: counters and numbers of events, never fractions. "-" for NAN. */
static const char *count_text(double number, char *buf, size_t cap)
{
	if (isnan(number))
		snprintf(buf, cap, "-");
	else
		snprintf(buf, cap, "%.0f", number);
	return buf;
}

/* Put printf text at the end of buf; what does not fit is cut. */
__attribute__((format(printf, 3, 4))) static void append(char *buf, size_t cap, const char *format, ...)
{
	size_t len = strlen(buf);
	va_list args;

	va_start(args, format);
	vsnprintf(buf + len, cap - len, format, args);
	va_end(args);
}

bool render_time_parse(const char *text, int64_t *ret_ms)
{
	struct tm tm = { 0 };
	const char *end = text ? strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
	int64_t ms = 0, unit = 100;

	if (!end)
		return false;
	if (*end == '.') {
		for (end++; *end >= '0' && *end <= '9'; end++, unit /= 10)
			ms += (*end - '0') * unit;
	}
	if (strcmp(end, "Z") != 0)
		return false;
	*ret_ms = (int64_t)timegm(&tm) * 1000 + ms;
	return true;
}

char *render_age(const char *rfc3339, int64_t now_ms, char buf[RENDER_AGE_MAX])
{
	int64_t then_ms, s;

	if (!render_time_parse(rfc3339, &then_ms)) {
		snprintf(buf, RENDER_AGE_MAX, "-");
		return buf;
	}
	s = (now_ms - then_ms) / 1000;
	if (s < 1)
		snprintf(buf, RENDER_AGE_MAX, "just now");
	else if (s < 120)
		snprintf(buf, RENDER_AGE_MAX, "%" PRId64 "s ago", s);
	else if (s < 7200)
		snprintf(buf, RENDER_AGE_MAX, "%" PRId64 "m ago", s / 60);
	else if (s < 172800)
		snprintf(buf, RENDER_AGE_MAX, "%" PRId64 "h ago", s / 3600);
	else
		snprintf(buf, RENDER_AGE_MAX, "%" PRId64 "d ago", s / 86400);
	return buf;
}

/* The age, or in wide output the time itself. */
static const char *since_text(const cJSON *object, const struct render_options *options, char buf[RENDER_AGE_MAX])
{
	const char *text = get_text(object, "since");

	return options->wide ? text : render_age(text, options->now_ms, buf);
}

/* A line of the status: "name:" in a column of its own. The value is cleaned as a table's cell. */
__attribute__((format(printf, 3, 4))) static void line(FILE *out, const char *name, const char *format, ...)
{
	char value[CELL_MAX];
	char *clean;
	va_list args;

	va_start(args, format);
	vsnprintf(value, sizeof(value), format, args);
	va_end(args);
	clean = table_text_clean(value);
	fprintf(out, "%-11s %s\n", name, clean);
	free(clean);
}

static const char *or_dash(const char *text)
{
	return text && text[0] != '\0' ? text : "-";
}

/* "3 alive, 0 suspect": the numbers of an object in the order given, each with its word. */
static const char *counts_text(const cJSON *object, const char *const (*names)[2], size_t n, char *buf, size_t cap)
{
	char number[32];

	buf[0] = '\0';
	for (size_t i = 0; i < n; i++)
		append(buf, cap, "%s%s %s", i > 0 ? ", " : "",
		       count_text(get_number(object, names[i][0]), number, sizeof(number)), names[i][1]);
	return buf;
}

/* The drop counters that are not zero. */
static const char *drops_text(const cJSON *drops, char *buf, size_t cap)
{
	const cJSON *item;

	buf[0] = '\0';
	cJSON_ArrayForEach(item, drops)
	{
		if (cJSON_IsNumber(item) && item->valuedouble > 0)
			append(buf, cap, "%s%.0f %s", buf[0] != '\0' ? ", " : "", item->valuedouble, item->string);
	}
	return buf[0] != '\0' ? buf : "none";
}

static const char *uptime_text(double seconds, char *buf, size_t cap)
{
	int64_t s;

	if (!(seconds >= 0 && seconds < 1e12)) {
		snprintf(buf, cap, "-");
		return buf;
	}
	s = (int64_t)seconds;
	if (s < 60)
		snprintf(buf, cap, "%" PRId64 "s", s);
	else if (s < 3600)
		snprintf(buf, cap, "%" PRId64 "m %" PRId64 "s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(buf, cap, "%" PRId64 "h %" PRId64 "m", s / 3600, s % 3600 / 60);
	else
		snprintf(buf, cap, "%" PRId64 "d %" PRId64 "h", s / 86400, s % 86400 / 3600);
	return buf;
}

/* Microseconds as milliseconds, "-" for null: never measured. */
static const char *ms_text(double us, char *buf, size_t cap)
{
	if (isnan(us))
		snprintf(buf, cap, "-");
	else
		snprintf(buf, cap, "%.2f ms", us / 1000);
	return buf;
}

/* "gate open, guard 4711": what ends our service when we cannot. */
static const char *fencing_text(const cJSON *fencing, char *buf, size_t cap)
{
	double guard = get_number(fencing, "guardPid");
	bool may_hold = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(fencing, "mayHold"));
	char number[32];

	if (fencing == NULL)
		return "-";
	snprintf(buf, cap, "%sgate %s, guard %s", may_hold ? "" : "may not hold addresses, ",
		 or_dash(get_text(fencing, "gate")), guard > 0 ? count_text(guard, number, sizeof(number)) : "none");
	return buf;
}

/* "12 services, leader n1": or what keeps it from being so. */
static const char *kubernetes_text(const cJSON *kubernetes, char *buf, size_t cap)
{
	const char *problem = get_text(kubernetes, "problem");
	bool fresh = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(kubernetes, "fresh"));
	const char *leader = get_text(kubernetes, "leader");

	snprintf(buf, cap, "%.0f services, leader %s%s%s%s", get_number(kubernetes, "services"),
		 leader != NULL && leader[0] != '\0' ? leader : "not known",
		 fresh ? "" : ", the API server does not answer", problem != NULL && problem[0] != '\0' ? ": " : "",
		 problem != NULL ? problem : "");
	return buf;
}

void render_status(FILE *out, const cJSON *doc, const struct render_options *options)
{
	static const char *const members[][2] = {
		{ "alive", "alive" }, { "suspect", "suspect" }, { "dead", "dead" }, { "left", "left" }
	};
	static const char *const addresses[][2] = { { "total", "in all" },
						    { "held", "held here" },
						    { "unowned", "unowned" } };
	static const char *const traffic[][2] = { { "sentPackets", "packets sent" },
						  { "sentBytes", "bytes sent" },
						  { "receivedPackets", "packets received" } };
	static const char *const detection[][2] = { { "verifications", "verifications" },
						    { "suspicions", "suspicions" },
						    { "refutations", "refutations" },
						    { "amnesties", "amnesties" } };
	const cJSON *loop = cJSON_GetObjectItemCaseSensitive(doc, "loop");
	const char *state = or_dash(get_text(doc, "state"));
	const char *colour = options->colour ? table_state_colour(state) : NULL;
	bool joined = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(doc, "joined"));
	char buf[CELL_MAX];

#define PART(name) cJSON_GetObjectItemCaseSensitive(doc, name)
	line(out, "node:", "%s", or_dash(get_text(doc, "name")));
	if (options->wide)
		line(out, "instance:", "%s", or_dash(get_text(doc, "instance")));
	line(out, "version:", "%s", or_dash(get_text(doc, "version")));
	if (colour) /* a word that we know, so it needs no cleaning */
		fprintf(out, "%-11s %s%s" TABLE_COLOUR_END "%s\n", "state:", colour, state,
			joined ? "" : ", not joined");
	else
		line(out, "state:", "%s%s", state, joined ? "" : ", not joined");
	line(out, "uptime:", "%s", uptime_text(get_number(doc, "uptimeSeconds"), buf, sizeof(buf)));
	line(out, "members:", "%s", counts_text(PART("members"), members, COUNT(members), buf, sizeof(buf)));
	line(out, "addresses:", "%s", counts_text(PART("addresses"), addresses, COUNT(addresses), buf, sizeof(buf)));
	line(out, "fencing:", "%s", fencing_text(PART("fencing"), buf, sizeof(buf)));
	if (PART("kubernetes") != NULL)
		line(out, "kubernetes:", "%s", kubernetes_text(PART("kubernetes"), buf, sizeof(buf)));
	line(out, "traffic:", "%s", counts_text(PART("traffic"), traffic, COUNT(traffic), buf, sizeof(buf)));
	line(out, "dropped:", "%s", drops_text(PART("drops"), buf, sizeof(buf)));
	line(out, "detection:", "%s", counts_text(PART("detection"), detection, COUNT(detection), buf, sizeof(buf)));
	line(out, "lateness:", "%s at most", ms_text(get_number(loop, "latenessMaxUs"), buf, sizeof(buf)));
	line(out, "config:", "%s", or_dash(get_text(doc, "configFile")));
	line(out, "pid:", "%s", count_text(get_number(doc, "pid"), buf, sizeof(buf)));
#undef PART
}

void render_summary(FILE *out, const cJSON *doc, const struct render_options *options)
{
	const cJSON *addresses = cJSON_GetObjectItemCaseSensitive(doc, "addresses");
	const char *state = or_dash(get_text(doc, "state"));
	const char *colour = options->colour ? table_state_colour(state) : NULL;
	char uptime[32], held[32], unowned[32];
	char *name = table_text_clean(or_dash(get_text(doc, "name")));
	char *state_clean = table_text_clean(state);

	fprintf(out, "%s: %s%s%s, up %s, %s addresses here, %s unowned\n", name, colour ? colour : "", state_clean,
		colour ? TABLE_COLOUR_END : "", uptime_text(get_number(doc, "uptimeSeconds"), uptime, sizeof(uptime)),
		count_text(get_number(addresses, "held"), held, sizeof(held)),
		count_text(get_number(addresses, "unowned"), unowned, sizeof(unowned)));
	free(name);
	free(state_clean);
}

/* "key=value" of all string fields of an object, but for those in skip. */
static const char *pairs_text(const cJSON *object, const char *separator, const char *const *skip, size_t skip_n,
			      char *buf, size_t cap)
{
	const cJSON *item;

	buf[0] = '\0';
	cJSON_ArrayForEach(item, object)
	{
		bool skipped = !cJSON_IsString(item) || !item->string;

		for (size_t i = 0; !skipped && i < skip_n; i++)
			skipped = strcmp(skip[i], item->string) == 0;
		if (!skipped)
			append(buf, cap, "%s%s=%s", buf[0] != '\0' ? separator : "", item->string, item->valuestring);
	}
	return buf;
}

/* The texts of an array, one after the other. */
static const char *names_text(const cJSON *array, const char *separator, char *buf, size_t cap)
{
	const cJSON *item;

	buf[0] = '\0';
	cJSON_ArrayForEach(item, array)
	{
		if (cJSON_IsString(item))
			append(buf, cap, "%s%s", buf[0] != '\0' ? separator : "", item->valuestring);
	}
	return buf;
}

/* A fraction as percent, "-" for null: nothing is measured. */
static const char *percent_text(double fraction, char *buf, size_t cap)
{
	if (isnan(fraction))
		snprintf(buf, cap, "-");
	else
		snprintf(buf, cap, "%.1f%%", fraction * 100);
	return buf;
}

/* Who of the two watches the other. */
static const char *watch_text(const cJSON *member)
{
	bool us = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(member, "watches"));
	bool it = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(member, "watched"));

	return us && it ? "both" : us ? "us" : it ? "it" : NULL;
}

/* What both tables of members show, as text. */
struct member_cells {
	char name[CELL_MAX], rtt[32], labels[LABELS_MAX];
};

static void member_cells(const cJSON *member, struct member_cells *ret)
{
	bool self = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(member, "self"));
	const cJSON *pairs = cJSON_GetObjectItemCaseSensitive(member, "labels");

	snprintf(ret->name, sizeof(ret->name), "%s%s", or_dash(get_text(member, "name")), self ? " *" : "");
	ms_text(get_number(member, "rttUs"), ret->rtt, sizeof(ret->rtt));
	pairs_text(pairs, ",", NULL, 0, ret->labels, sizeof(ret->labels));
}

static void members_wide(FILE *out, const cJSON *doc, const struct render_options *options)
{
	static const struct table_column columns[] = {
		{ "NAME", true, false },   { "ADDRESS", false, false }, { "STATE", false, true },
		{ "RTT", false, false },   { "LOSS-IN", false, false }, { "LOSS-OUT", false, false },
		{ "WATCH", false, false }, { "HEALTH", false, false },	{ "INCARNATION", false, false },
		{ "LABELS", true, false },
	};
	struct table *table = table_new(columns, COUNT(columns));
	char addresses[CELL_MAX], in[32], lost[32], health[32], incarnation[32];
	struct member_cells cells;
	const cJSON *member;

	cJSON_ArrayForEach(member, doc)
	{
		const cJSON *all = cJSON_GetObjectItemCaseSensitive(member, "addresses");

		member_cells(member, &cells);
		table_add(table,
			  (const char *const[]){
				  cells.name,
				  cJSON_GetArraySize(all) > 0 ? names_text(all, ",", addresses, sizeof(addresses))
							      : get_text(member, "address"),
				  get_text(member, "state"),
				  cells.rtt,
				  percent_text(get_number(member, "lossIn"), in, sizeof(in)),
				  percent_text(get_number(member, "lossOut"), lost, sizeof(lost)),
				  watch_text(member),
				  count_text(get_number(member, "health"), health, sizeof(health)),
				  count_text(get_number(member, "incarnation"), incarnation, sizeof(incarnation)),
				  cells.labels,
			  });
	}
	table_print(table, out, 0, options->colour);
	table_free(table);
}

void render_members(FILE *out, const cJSON *doc, const struct render_options *options)
{
	static const struct table_column columns[] = {
		{ "NAME", true, false }, { "ADDRESS", false, false }, { "STATE", false, true },
		{ "RTT", false, false }, { "SINCE", false, false },   { "LABELS", true, false },
	};
	struct table *table;
	char age[RENDER_AGE_MAX];
	struct member_cells cells;
	const cJSON *member;

	if (options->wide) {
		members_wide(out, doc, options);
		return;
	}
	table = table_new(columns, COUNT(columns));
	cJSON_ArrayForEach(member, doc)
	{
		member_cells(member, &cells);
		table_add(table, (const char *const[]){
					 cells.name,
					 get_text(member, "address"),
					 get_text(member, "state"),
					 cells.rtt,
					 since_text(member, options, age),
					 cells.labels,
				 });
	}
	table_print(table, out, RENDER_WIDTH, options->colour);
	table_free(table);
}

/* A text of lines; of another version's daemon perhaps none. */
static void put_text(FILE *out, const cJSON *doc, const char *key)
{
	const char *text = get_text(doc, key);

	fputs(text != NULL ? text : "-\n", out);
}

void render_config(FILE *out, const cJSON *doc, const struct render_options *options)
{
	(void)options;
	put_text(out, doc, "text");
}

void render_effective(FILE *out, const cJSON *doc, const struct render_options *options)
{
	(void)options;
	put_text(out, doc, "effective");
}

void render_conflicts(FILE *out, const cJSON *doc, const struct render_options *options)
{
	static const struct table_column columns[] = {
		{ "ADDRESS", true, false }, { "MAC", false, false },  { "WHO", false, true },
		{ "NODE", false, false },   { "LAST", false, false }, { "FRAMES", false, false },
		{ "ACTION", false, false },
	};
	struct table *table = table_new(columns, COUNT(columns));
	char age[RENDER_AGE_MAX];
	char frames[32];
	const cJSON *record;

	cJSON_ArrayForEach(record, cJSON_GetObjectItemCaseSensitive(doc, "conflicts"))
	{
		const char *last = get_text(record, "last");

		table_add(table, (const char *const[]){
					 get_text(record, "ip"),
					 get_text(record, "mac"),
					 get_text(record, "who"),
					 get_text(record, "node"),
					 options->wide ? last : render_age(last, options->now_ms, age),
					 count_text(get_number(record, "frames"), frames, sizeof(frames)),
					 get_text(record, "action"),
				 });
	}
	table_print(table, out, options->wide ? 0 : RENDER_WIDTH, options->colour);
	table_free(table);
}

/* "2 of 3" */
static const char *share_text(const cJSON *key, const char *name, const cJSON *doc, char *buf, size_t cap)
{
	char of[32];

	count_text(get_number(key, name), buf, cap);
	append(buf, cap, " of %s", count_text(get_number(doc, "members"), of, sizeof(of)));
	return buf;
}

/* A line below the table, where there is somebody to name. */
static void names_line(FILE *out, const cJSON *doc, const char *array, const char *label)
{
	char names[CELL_MAX];

	if (names_text(cJSON_GetObjectItemCaseSensitive(doc, array), ", ", names, sizeof(names))[0] != '\0')
		line(out, label, "%s", names);
}

void render_keys(FILE *out, const cJSON *doc, const struct render_options *options)
{
	static const struct table_column columns[] = {
		{ "KEY", false, false },     { "STATE", false, true },	 { "PRESENT", false, false },
		{ "SEALING", false, false }, { "MISSING", true, false },
	};
	struct table *table = table_new(columns, COUNT(columns));
	char present[64], sealing[64], missing[CELL_MAX];
	const cJSON *key;

	cJSON_ArrayForEach(key, cJSON_GetObjectItemCaseSensitive(doc, "keys"))
	{
		const cJSON *names = cJSON_GetObjectItemCaseSensitive(key, "missing");

		table_add(table, (const char *const[]){
					 get_text(key, "fingerprint"),
					 get_text(key, "state"),
					 share_text(key, "present", doc, present, sizeof(present)),
					 share_text(key, "sealing", doc, sealing, sizeof(sealing)),
					 names_text(names, ",", missing, sizeof(missing)),
				 });
	}
	table_print(table, out, options->wide ? 0 : RENDER_WIDTH, options->colour);
	table_free(table);
	names_line(out, doc, "silent", "no report:");
	names_line(out, doc, "notStored", "not stored:");
	if (options->wide)
		line(out, "file:", "%s", or_dash(get_text(doc, "file")));
}

void render_key_change(FILE *out, const cJSON *doc, const struct render_options *options)
{
	(void)options;
	line(out, "key:", "%s; `mlbctl keys list` shows when all nodes have followed",
	     or_dash(get_text(doc, "fingerprint")));
	names_line(out, doc, "away", "away:");
}

static void service_add(struct table *table, const cJSON *service, const cJSON *address,
			const struct render_options *options)
{
	const cJSON *check = cJSON_GetObjectItemCaseSensitive(service, "check");
	char age[RENDER_AGE_MAX], epoch[32];

	table_add(table, (const char *const[]){
				 get_text(service, "name"),
				 get_text(address, "ip"),
				 get_text(address, "owner"),
				 get_text(address, "state"),
				 since_text(address, options, age),
				 count_text(get_number(address, "epoch"), epoch, sizeof(epoch)),
				 get_text(address, "interface"),
				 get_text(check, "state"),
			 });
}

void render_services(FILE *out, const cJSON *doc, const struct render_options *options)
{
	static const struct table_column columns[] = {
		{ "SERVICE", true, false },    { "ADDRESS", false, false }, { "OWNER", true, false },
		{ "STATE", false, true },      { "SINCE", false, false },   { "EPOCH", false, false },
		{ "INTERFACE", false, false }, { "CHECK", false, false },
	};
	struct table *table = table_new(columns, options->wide ? COUNT(columns) : COUNT(columns) - 3);
	const cJSON *service, *address;

	cJSON_ArrayForEach(service, doc)
	{
		const cJSON *addresses = cJSON_GetObjectItemCaseSensitive(service, "addresses");

		if (cJSON_GetArraySize(addresses) == 0)
			service_add(table, service, NULL, options);
		cJSON_ArrayForEach(address, addresses)
		{
			service_add(table, service, address, options);
		}
	}
	table_print(table, out, options->wide ? 0 : RENDER_WIDTH, options->colour);
	table_free(table);
	cJSON_ArrayForEach(service, doc)
	{
		if (cJSON_HasObjectItem(service, "waiting"))
			fprintf(out, "%s waits: %s\n", or_dash(get_text(service, "name")),
				or_dash(get_text(service, "waiting")));
	}
}

/* "4 of 5" addresses; "4 of -" where the node is not among the best for this one. */
static const char *room_text(const cJSON *node, char *buf, size_t cap)
{
	char bound[32];

	count_text(get_number(node, "load"), buf, cap);
	append(buf, cap, " of %s", count_text(get_number(node, "bound"), bound, sizeof(bound)));
	return buf;
}

/* What it is to the address: owner, next, the k-th to follow, or why it is nothing. */
static const char *role_text(const cJSON *node, char *buf, size_t cap)
{
	double rank = get_number(node, "rank");

	if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(node, "owner")))
		snprintf(buf, cap, "owner");
	else if (isnan(rank))
		snprintf(buf, cap, "not possible: %s", or_dash(get_text(node, "whyNot")));
	else if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(node, "next")))
		snprintf(buf, cap, "next");
	else
		snprintf(buf, cap, "candidate");
	return buf;
}

static void explain_address(FILE *out, const cJSON *address, const struct render_options *options)
{
	static const struct table_column columns[] = {
		{ "RANK", false, false },  { "NODE", true, false },  { "ROLE", false, false },
		{ "SCORE", false, false }, { "LOAD", false, false }, { "WEIGHT", false, false },
	};
	struct table *table = table_new(columns, COUNT(columns));
	char rank[32], role[CELL_MAX], score[32], load[80], weight[32];
	const cJSON *node;

	line(out, or_dash(get_text(address, "ip")), "%s%s", get_text(address, "owner") ? "owned by " : "",
	     or_dash(get_text(address, "owner") ? get_text(address, "owner") : get_text(address, "state")));
	cJSON_ArrayForEach(node, cJSON_GetObjectItemCaseSensitive(address, "nodes"))
	{
		table_add(table, (const char *const[]){
					 count_text(get_number(node, "rank"), rank, sizeof(rank)),
					 get_text(node, "name"),
					 role_text(node, role, sizeof(role)),
					 count_text(get_number(node, "score"), score, sizeof(score)),
					 room_text(node, load, sizeof(load)),
					 count_text(get_number(node, "weight"), weight, sizeof(weight)),
				 });
	}
	table_print(table, out, options->wide ? 0 : RENDER_WIDTH, options->colour);
	table_free(table);
}

void render_explain(FILE *out, const cJSON *doc, const struct render_options *options)
{
	double omitted = get_number(doc, "omitted");
	const cJSON *address;
	char number[32];

	line(out, "service:", "%s", or_dash(get_text(doc, "service")));
	cJSON_ArrayForEach(address, cJSON_GetObjectItemCaseSensitive(doc, "addresses"))
	{
		fputc('\n', out);
		explain_address(out, address, options);
	}
	if (omitted > 0)
		fprintf(out, "\n%s more addresses: name one of them\n", count_text(omitted, number, sizeof(number)));
}

static const char *const event_own[] = { "seq", "time", "kind", "message" };

void render_events(FILE *out, const cJSON *doc, const struct render_options *options)
{
	static const struct table_column columns[] = {
		{ "SEQ", false, false },    { "WHEN", false, false },	{ "KIND", false, false },
		{ "MESSAGE", true, false }, { "FIELDS", false, false },
	};
	struct table *table = table_new(columns, options->wide ? COUNT(columns) : COUNT(columns) - 1);
	char seq[32], age[RENDER_AGE_MAX], fields[CELL_MAX * 2];
	const cJSON *event;

	cJSON_ArrayForEach(event, doc)
	{
		const char *when = get_text(event, "time");

		table_add(table, (const char *const[]){
					 count_text(get_number(event, "seq"), seq, sizeof(seq)),
					 options->wide ? when : render_age(when, options->now_ms, age),
					 get_text(event, "kind"),
					 get_text(event, "message"),
					 pairs_text(event, " ", event_own, COUNT(event_own), fields, sizeof(fields)),
				 });
	}
	table_print(table, out, options->wide ? 0 : RENDER_WIDTH, options->colour);
	table_free(table);
}

void render_event_line(FILE *out, const cJSON *doc, const struct render_options *options)
{
	char fields[CELL_MAX * 2], text[CELL_MAX * 4];

	pairs_text(doc, " ", event_own, COUNT(event_own), fields, sizeof(fields));
	snprintf(text, sizeof(text), "%-24s  %-6s  %s%s%s", or_dash(get_text(doc, "time")),
		 or_dash(get_text(doc, "kind")), or_dash(get_text(doc, "message")),
		 options->wide && fields[0] != '\0' ? "  " : "", options->wide ? fields : "");
	table_line_print(out, text, options->wide ? 0 : RENDER_WIDTH);
}

static void newline(FILE *out, size_t depth)
{
	fprintf(out, "\n%*s", (int)(2 * depth), "");
}

/* Copy a string token; returns its end. */
static const char *json_string(FILE *out, const char *s)
{
	do {
		fputc(*s, out);
		if (*s == '\\')
			fputc(*++s, out);
		s++;
	} while (*s != '"');
	fputc('"', out);
	return s + 1;
}

void render_json(FILE *out, const char *text)
{
	size_t depth = 0;

	for (const char *s = text; *s != '\0';) {
		if (*s == '"') {
			s = json_string(out, s);
			continue;
		}
		if (*s == '{' || *s == '[') {
			fputc(*s, out);
			s += 1 + strspn(s + 1, " \t\r\n");
			if (*s == '}' || *s == ']')
				fputc(*s++, out); /* {} and [] stay together */
			else
				newline(out, ++depth);
			continue;
		}
		if (*s == '}' || *s == ']')
			newline(out, --depth);
		if (!strchr(" \t\r\n", *s))
			fputc(*s, out);
		if (*s == ',')
			newline(out, depth);
		else if (*s == ':')
			fputc(' ', out);
		s++;
	}
	fputc('\n', out);
}
