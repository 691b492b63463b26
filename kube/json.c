/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/json.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"

void decode_fail(struct decoder *d, int r, const char *format, ...)
{
	va_list args;

	if (d->r != 0)
		return;
	d->r = r;
	va_start(args, format);
	(void)vsnprintf(d->error->text, sizeof(d->error->text), format, args);
	va_end(args);
}

const cJSON *json_field(const cJSON *object, const char *name)
{
	const cJSON *field = cJSON_IsObject(object) ? cJSON_GetObjectItemCaseSensitive(object, name) : NULL;

	return field == NULL || cJSON_IsNull(field) ? NULL : field;
}

const cJSON *json_object(struct decoder *d, const cJSON *object, const char *name)
{
	const cJSON *field = json_field(object, name);

	if (field != NULL && !cJSON_IsObject(field))
		decode_fail(d, -EINVAL, "%s is not an object", name);
	return field;
}

const cJSON *json_list(struct decoder *d, const cJSON *object, const char *name, size_t max, size_t *ret_n)
{
	const cJSON *field = json_field(object, name);

	*ret_n = 0;
	if (field == NULL)
		return NULL;
	if (!cJSON_IsArray(field)) {
		decode_fail(d, -EINVAL, "%s is not a list", name);
		return NULL;
	}
	for (const cJSON *item = field->child; item != NULL; item = item->next) {
		if (++*ret_n > max) {
			decode_fail(d, -E2BIG, "%s has more than %zu entries", name, max);
			*ret_n = 0;
			return NULL;
		}
	}
	return field->child;
}

const char *json_text(struct decoder *d, const cJSON *object, const char *name)
{
	const cJSON *field = json_field(object, name);

	if (field == NULL)
		return NULL;
	if (!cJSON_IsString(field)) {
		decode_fail(d, -EINVAL, "%s is not a string", name);
		return NULL;
	}
	return field->valuestring;
}

bool json_bool(struct decoder *d, const cJSON *object, const char *name, bool absent)
{
	const cJSON *field = json_field(object, name);

	if (field == NULL)
		return absent;
	if (!cJSON_IsBool(field))
		decode_fail(d, -EINVAL, "%s is not true or false", name);
	return cJSON_IsTrue(field);
}

int64_t json_integer(struct decoder *d, const cJSON *object, const char *name, int64_t low, int64_t high,
		     int64_t absent)
{
	const cJSON *field = json_field(object, name);
	double value;

	if (field == NULL)
		return absent;
	value = cJSON_IsNumber(field) ? field->valuedouble : (double)low - 1;
	/* beyond 2^53 a double has gaps; the conversion must not overflow (C11 6.3.1.4), and NaN passes no comparison */
	if (!(value >= (double)low && value <= (double)high && value > -9.2e18 && value < 9.2e18) ||
	    (double)(int64_t)value != value) {
		decode_fail(d, -EINVAL, "%s is not a number from %lld to %lld", name, (long long)low, (long long)high);
		return absent;
	}
	return (int64_t)value;
}

void *decode_take(struct decoder *d, size_t n, size_t size)
{
	void *memory = arena_take(d->arena, n, size);

	if (memory == NULL)
		decode_fail(d, -ENOMEM, "out of memory");
	return memory;
}

const char *decode_text(struct decoder *d, const char *text)
{
	const char *copy = arena_text(d->arena, text);

	if (copy == NULL && text != NULL)
		decode_fail(d, -ENOMEM, "out of memory");
	return copy;
}

const char *const *decode_texts(struct decoder *d, const cJSON *object, const char *name, size_t max, size_t *ret_n)
{
	const cJSON *item = json_list(d, object, name, max, ret_n);
	const char **texts = decode_take(d, *ret_n, sizeof(*texts));

	for (size_t i = 0; item != NULL && d->r == 0; item = item->next, i++) {
		if (cJSON_IsString(item))
			texts[i] = decode_text(d, item->valuestring);
		else
			decode_fail(d, -EINVAL, "%s[%zu] is not a string", name, i);
	}
	return texts;
}

static int compare_pairs(const void *a, const void *b)
{
	return strcmp(((const struct label_pair *)a)->key, ((const struct label_pair *)b)->key);
}

const struct label_pair *decode_pairs(struct decoder *d, const cJSON *object, const char *name, size_t max,
				      size_t *ret_n)
{
	const cJSON *field = json_object(d, object, name);
	struct label_pair *pairs;
	size_t n = 0;

	for (const cJSON *item = field == NULL ? NULL : field->child; item != NULL && n <= max; item = item->next)
		n++;
	if (n > max)
		decode_fail(d, -E2BIG, "%s has more than %zu entries", name, max);
	pairs = decode_take(d, n, sizeof(*pairs));
	*ret_n = 0;
	for (const cJSON *item = field == NULL ? NULL : field->child; item != NULL && d->r == 0; item = item->next) {
		if (!cJSON_IsString(item)) {
			decode_fail(d, -EINVAL, "%s: the value of \"%.64s\" is not a string", name, item->string);
			break;
		}
		pairs[*ret_n].key = decode_text(d, item->string);
		pairs[(*ret_n)++].value = decode_text(d, item->valuestring);
	}
	if (d->r != 0)
		*ret_n = 0;
	if (*ret_n > 1)
		qsort(pairs, *ret_n, sizeof(*pairs), compare_pairs);
	return pairs;
}

void decode_meta(struct decoder *d, struct kube_meta *meta)
{
	const cJSON *json = json_object(d, d->json, "metadata");
	const char *name = json_text(d, json, "name");
	const char *namespace = json_text(d, json, "namespace");

	meta->name = decode_text(d, name != NULL ? name : "");
	meta->namespace = decode_text(d, namespace != NULL ? namespace : "");
	meta->uid = decode_text(d, json_text(d, json, "uid"));
	meta->resource_version = decode_text(d, json_text(d, json, "resourceVersion"));
	meta->generation = json_integer(d, json, "generation", 0, INT64_MAX, 0);
	meta->deleting = json_field(json, "deletionTimestamp") != NULL;
	meta->labels = decode_pairs(d, json, "labels", KUBE_LABEL_MAX, &meta->label_n);
}

/* --- label selectors ------------------------------------------------------------------------------------------------------- */

static bool is_alphanumeric(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* apimachinery, validation: at most 63 of these, the first and last alphanumeric. */
static bool is_label_name(const char *text, size_t len)
{
	if (len == 0 || len > 63 || !is_alphanumeric(text[0]) || !is_alphanumeric(text[len - 1]))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!is_alphanumeric(text[i]) && strchr("-_.", text[i]) == NULL)
			return false;
	}
	return true;
}

/* RFC 1123 subdomain, as apimachinery checks it. */
static bool is_subdomain(const char *text, size_t len)
{
	char before = '.';

	if (len == 0 || len > 253)
		return false;
	for (size_t i = 0; i < len; before = text[i++]) {
		bool lower = is_alphanumeric(text[i]) && !(text[i] >= 'A' && text[i] <= 'Z');

		if (!lower && text[i] != '-' && text[i] != '.')
			return false;
		if ((before == '.' && !lower) || (text[i] == '.' && before == '-'))
			return false;
	}
	return before != '.' && before != '-';
}

static bool is_label_key(const char *key)
{
	const char *slash = strchr(key, '/');

	if (slash == NULL)
		return is_label_name(key, strlen(key));
	return is_subdomain(key, (size_t)(slash - key)) && is_label_name(slash + 1, strlen(slash + 1));
}

static bool is_label_value(const char *value)
{
	return value[0] == '\0' || is_label_name(value, strlen(value));
}

static void requirement_put(struct decoder *d, const char *path, struct label_requirement *requirement, const char *key,
			    enum label_operator operator, size_t value_n)
{
	if (!is_label_key(key))
		decode_fail(d, -EINVAL, "%s: \"%.64s\" is no key of a label", path, key);
	requirement->key = arena_text(d->arena, key);
	requirement->operator= operator;
	requirement->values = decode_take(d, value_n, sizeof(*requirement->values));
	if (requirement->key == NULL)
		decode_fail(d, -ENOMEM, "out of memory");
}

static void value_put(struct decoder *d, const char *path, struct label_requirement *requirement, const char *value)
{
	char *copy = arena_text(d->arena, value);

	if (!is_label_value(value))
		decode_fail(d, -EINVAL, "%s: \"%.64s\" is no value of a label", path, value);
	else if (copy == NULL)
		decode_fail(d, -ENOMEM, "out of memory");
	if (d->r == 0)
		requirement->values[requirement->value_n++] = copy;
}

static bool operator_parse(const char *text, enum label_operator *ret)
{
	static const struct {
		const char *text;
		enum label_operator operator;
	} names[] = {
		{ "In", LABEL_IN },
		{ "NotIn", LABEL_NOT_IN },
		{ "Exists", LABEL_EXISTS },
		{ "DoesNotExist", LABEL_DOES_NOT_EXIST },
	};

	for (size_t i = 0; text != NULL && i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(names[i].text, text) == 0) {
			*ret = names[i].operator;
			return true;
		}
	}
	return false;
}

static int compare_values(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* MetalLB refuses what says the same twice; values are sorted for that, their order means nothing. */
static void sort_values(struct decoder *d, const char *path, struct label_requirement *requirement)
{
	if (requirement->value_n > 1)
		qsort(requirement->values, requirement->value_n, sizeof(*requirement->values), compare_values);
	for (size_t i = 1; i < requirement->value_n; i++) {
		if (strcmp(requirement->values[i - 1], requirement->values[i]) == 0)
			decode_fail(d, -EINVAL, "%s: \"%.64s\" is listed twice", path, requirement->values[i]);
	}
}

static void decode_expression(struct decoder *d, const char *path, const cJSON *json,
			      struct label_requirement *requirement)
{
	const char *key = json_text(d, json, "key");
	const char *text = json_text(d, json, "operator");
	enum label_operator operator= LABEL_IN;
	size_t value_n;
	const cJSON *value = json_list(d, json, "values", KUBE_VALUE_MAX, &value_n);
	bool listed;

	if (!cJSON_IsObject(json) || key == NULL)
		decode_fail(d, -EINVAL, "%s: an expression without a key", path);
	if (!operator_parse(text, &operator))
		decode_fail(d, -EINVAL, "%s: \"%.64s\" is no operator of a label selector", path,
			    text != NULL ? text : "");
	listed = operator== LABEL_IN || operator== LABEL_NOT_IN;
	if (d->r == 0 && listed != (value_n > 0))
		decode_fail(d, -EINVAL, "%s: %s %s", path, text, listed ? "needs values" : "takes no values");
	if (d->r != 0)
		return;
	requirement_put(d, path, requirement, key, operator, value_n);
	for (; value != NULL && d->r == 0; value = value->next) {
		if (cJSON_IsString(value))
			value_put(d, path, requirement, value->valuestring);
		else
			decode_fail(d, -EINVAL, "%s: a value is not a string", path);
	}
	sort_values(d, path, requirement);
}

static bool same_requirement(const struct label_requirement *a, const struct label_requirement *b)
{
	if (strcmp(a->key, b->key) != 0 || a->operator!= b->operator|| a->value_n != b->value_n)
		return false;
	for (size_t i = 0; i < a->value_n; i++) {
		if (strcmp(a->values[i], b->values[i]) != 0)
			return false;
	}
	return true;
}

static void refuse_repeated(struct decoder *d, const char *path, const struct label_requirement *requirements, size_t n)
{
	for (size_t i = 0; i < n && d->r == 0; i++) {
		for (size_t j = 0; j < i && d->r == 0; j++) {
			if (same_requirement(&requirements[i], &requirements[j]))
				decode_fail(d, -EINVAL, "%s: an expression about \"%.64s\" is there twice", path,
					    requirements[i].key);
		}
	}
}

void decode_selector(struct decoder *d, const cJSON *json, const char *path, struct label_selector *selector)
{
	const cJSON *labels = json_object(d, json, "matchLabels");
	size_t expression_n;
	const cJSON *expression = json_list(d, json, "matchExpressions", KUBE_REQUIREMENT_MAX, &expression_n);
	size_t n = expression_n;

	if (!cJSON_IsObject(json))
		decode_fail(d, -EINVAL, "%s is not a label selector", path);
	for (const cJSON *label = labels == NULL ? NULL : labels->child; label != NULL && d->r == 0;
	     label = label->next) {
		if (++n > KUBE_REQUIREMENT_MAX)
			decode_fail(d, -E2BIG, "%s has more than %d requirements", path, KUBE_REQUIREMENT_MAX);
	}
	selector->requirements = decode_take(d, n, sizeof(*selector->requirements));
	for (const cJSON *label = labels == NULL ? NULL : labels->child; label != NULL && d->r == 0;
	     label = label->next) {
		struct label_requirement *requirement = &selector->requirements[selector->requirement_n++];

		requirement_put(d, path, requirement, label->string, LABEL_IN, 1);
		if (!cJSON_IsString(label))
			decode_fail(d, -EINVAL, "%s: a value is not a string", path);
		if (d->r == 0)
			value_put(d, path, requirement, label->valuestring);
	}
	for (; expression != NULL && d->r == 0; expression = expression->next)
		decode_expression(d, path, expression, &selector->requirements[selector->requirement_n++]);
	if (d->r == 0)
		refuse_repeated(d, path, &selector->requirements[n - expression_n], expression_n);
}

const struct label_selector *decode_selectors(struct decoder *d, const cJSON *object, const char *name, size_t max,
					      size_t *ret_n)
{
	const cJSON *item = json_list(d, object, name, max, ret_n);
	struct label_selector *selectors = decode_take(d, *ret_n, sizeof(*selectors));

	for (size_t i = 0; item != NULL && d->r == 0; item = item->next, i++)
		decode_selector(d, item, name, &selectors[i]);
	return selectors;
}

/* --- objects ---------------------------------------------------------------------------------------------------------------- */

/* What arena_object calls, twice. */
struct job {
	const cJSON *json;
	void (*fill)(struct decoder *d, void *object);
	struct kube_error *error;
};

static int fill_object(struct arena *arena, void *object, void *ctx)
{
	const struct job *job = ctx;
	struct decoder d = { .json = job->json, .arena = arena, .error = job->error };

	if (!cJSON_IsObject(job->json))
		decode_fail(&d, -EINVAL, "not an object");
	else
		job->fill(&d, object);
	return d.r;
}

int decode_object(const cJSON *json, size_t size, void (*fill)(struct decoder *d, void *object), void **ret,
		  struct kube_error *error)
{
	struct job job = { json, fill, error };

	error->text[0] = '\0';
	return arena_object(size, fill_object, &job, ret);
}

void kube_object_free(void *object)
{
	arena_object_free(object);
}
