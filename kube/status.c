/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/status.h"

#include <errno.h>
#include <string.h>

#include "kube/scan.h"

/* Cut a text where it is too long, not within a character, and make it fit for one line. */
static void text_cut(const char *text, size_t len, char *buf, size_t size)
{
	if (len >= size) {
		len = size - 1;
		while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
			len--;
	}
	memmove(buf, text, len);
	while (len > 0 && (buf[len - 1] == '\n' || buf[len - 1] == ' '))
		len--;
	buf[len] = '\0';
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)buf[i] < 0x20 || buf[i] == 0x7f)
			buf[i] = ' ';
}

static void text_of(struct json_span value, char *buf, size_t size)
{
	char text[4096];
	int len = json_span_text(value, text, sizeof(text));

	if (len == -EMSGSIZE) /* as it stands, escapes and all */
		text_cut(value.at + 1, value.len - 2, buf, size);
	else
		text_cut(text, len < 0 ? 0 : (size_t)len, buf, size);
}

static void read_causes(struct json_span causes, struct api_status *ret)
{
	struct json_walk walk = json_walk_of(causes);
	struct json_span cause;

	while (json_walk_value(&walk, &cause)) {
		if (json_span_is(json_span_field(cause, "reason"), "ResourceVersionTooLarge"))
			ret->too_new = true;
		if (ret->cause_field[0] == '\0')
			text_of(json_span_field(cause, "field"), ret->cause_field, sizeof(ret->cause_field));
	}
}

bool api_status_parse(const char *body, size_t len, int code, struct api_status *ret)
{
	struct json_span status = json_span_of(body, len);
	struct json_span details;

	*ret = (struct api_status){ .code = code };
	if (!json_span_is(json_span_field(status, "kind"), "Status")) {
		text_cut(body, len, ret->message, sizeof(ret->message));
		return false;
	}
	ret->code = (int)json_span_integer(json_span_field(status, "code"), 100, 599, code);
	text_of(json_span_field(status, "reason"), ret->reason, sizeof(ret->reason));
	text_of(json_span_field(status, "message"), ret->message, sizeof(ret->message));
	details = json_span_field(status, "details");
	ret->retry_after_s = (int)json_span_integer(json_span_field(details, "retryAfterSeconds"), 0, 3600, 0);
	read_causes(json_span_field(details, "causes"), ret);
	/* 1.20 has no cause where the list was limited. */
	if (strstr(ret->message, "Too large resource version") != NULL ||
	    strstr(ret->message, "future revision") != NULL)
		ret->too_new = true;
	return true;
}
