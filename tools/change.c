/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/change.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One thing that can change. All texts are borrowed from the documents; "" stands for absent in the key. */
struct fact {
	const char *kind, *service, *subject; /* the key */
	const char *owner, *state;
};

struct change_view {
	cJSON *documents[3]; /* owned */
	struct fact *facts;  /* owned; ordered by key */
	size_t fact_n, fact_cap;
};

static void fact_add(struct change_view *view, struct fact fact)
{
	if (view->fact_n == view->fact_cap) {
		view->fact_cap = view->fact_cap * 2 + 16;
		view->facts = realloc(view->facts, view->fact_cap * sizeof(*view->facts));
		if (!view->facts) {
			fputs("out of memory\n", stderr);
			exit(1);
		}
	}
	view->facts[view->fact_n++] = fact;
}

static const char *text_of(const cJSON *object, const char *name)
{
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

static int key_compare(const struct fact *a, const struct fact *b)
{
	int order = strcmp(a->kind, b->kind);

	if (order == 0)
		order = strcmp(a->service, b->service);
	return order != 0 ? order : strcmp(a->subject, b->subject);
}

static int fact_compare(const void *a, const void *b)
{
	return key_compare(a, b);
}

static const char *or_empty(const char *text)
{
	return text ? text : "";
}

static void services_add(struct change_view *view, const cJSON *services)
{
	const cJSON *service, *address;

	cJSON_ArrayForEach(service, services)
	{
		cJSON_ArrayForEach(address, cJSON_GetObjectItemCaseSensitive(service, "addresses"))
		{
			fact_add(view, (struct fact){ .kind = "address",
						      .service = or_empty(text_of(service, "name")),
						      .subject = or_empty(text_of(address, "ip")),
						      .owner = text_of(address, "owner"),
						      .state = text_of(address, "state") });
		}
	}
}

struct change_view *change_view_new(cJSON *status, cJSON *members, cJSON *services)
{
	struct change_view *view = calloc(1, sizeof(*view));
	const cJSON *member;

	if (!view) {
		fputs("out of memory\n", stderr);
		exit(1);
	}
	view->documents[0] = status;
	view->documents[1] = members;
	view->documents[2] = services;
	if (text_of(status, "name"))
		fact_add(view, (struct fact){ .kind = "node",
					      .service = "",
					      .subject = text_of(status, "name"),
					      .state = text_of(status, "state") });
	cJSON_ArrayForEach(member, members)
	{
		fact_add(view, (struct fact){ .kind = "member",
					      .service = "",
					      .subject = or_empty(text_of(member, "name")),
					      .state = text_of(member, "state") });
	}
	services_add(view, services);
	if (view->fact_n > 0)
		qsort(view->facts, view->fact_n, sizeof(*view->facts), fact_compare);
	return view;
}

void change_view_free(struct change_view *view)
{
	if (!view)
		return;
	for (size_t i = 0; i < sizeof(view->documents) / sizeof(view->documents[0]); i++)
		cJSON_Delete(view->documents[i]);
	free(view->facts);
	free(view);
}

static bool text_equal(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* One pair, one of which may be NULL. */
static void pair_tell(const struct fact *was, const struct fact *is, change_take *take, void *arg)
{
	const struct fact *any = is ? is : was;
	struct change change = { .was = was, .is = is };

	assert(any);
	change.kind = any->kind;
	change.subject = any->subject;
	if (was && is && text_equal(was->owner, is->owner) && text_equal(was->state, is->state))
		return;
	if (any->service[0] != '\0')
		change.service = any->service;
	if (was) {
		change.from_owner = was->owner;
		change.from_state = was->state;
	}
	if (is) {
		change.to_owner = is->owner;
		change.to_state = is->state;
	}
	take(&change, arg);
}

void change_between(const struct change_view *before, const struct change_view *after, change_take *take, void *arg)
{
	size_t before_n = before ? before->fact_n : 0;
	size_t i = 0, j = 0;

	while (i < before_n || j < after->fact_n) {
		int order = i == before_n	 ? 1
			    : j == after->fact_n ? -1
						 : key_compare(&before->facts[i], &after->facts[j]);

		pair_tell(order <= 0 ? &before->facts[i] : NULL, order >= 0 ? &after->facts[j] : NULL, take, arg);
		i += order <= 0;
		j += order >= 0;
	}
}
