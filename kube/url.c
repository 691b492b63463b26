/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/url.h"

#include <stdio.h>
#include <string.h>

static void append(struct url_path *path, const char *text, size_t len)
{
	if (path->failed || path->len + len >= sizeof(path->text)) {
		path->failed = true;
		return;
	}
	memcpy(path->text + path->len, text, len);
	path->len += len;
	path->text[path->len] = '\0';
}

static bool unreserved(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
	       c == '_' || c == '~';
}

static void append_escaped(struct url_path *path, const char *text)
{
	static const char hex[] = "0123456789ABCDEF";

	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;
		char escape[3] = { '%', hex[c >> 4], hex[c & 15] };

		if (unreserved(*text))
			append(path, text, 1);
		else
			append(path, escape, sizeof(escape));
	}
}

void url_path_init(struct url_path *path, const char *start)
{
	path->len = 0;
	path->parameters = path->failed = false;
	path->text[0] = '\0';
	append(path, start, strlen(start));
}

void url_path_name(struct url_path *path, const char *name)
{
	if (name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		path->failed = true;
	append(path, "/", 1);
	append_escaped(path, name);
}

void url_path_parameter(struct url_path *path, const char *name, const char *value)
{
	append(path, path->parameters ? "&" : "?", 1);
	path->parameters = true;
	append(path, name, strlen(name));
	append(path, "=", 1);
	append_escaped(path, value);
}

void url_path_number(struct url_path *path, const char *name, long long value)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", value);
	url_path_parameter(path, name, text);
}

void url_path_resource(struct url_path *path, const struct kube_resource *resource)
{
	url_path_init(path, resource->group[0] == '\0' ? "/api" : "/apis");
	if (resource->group[0] != '\0')
		url_path_name(path, resource->group);
	url_path_name(path, resource->version);
	if (resource->namespace != NULL) {
		url_path_name(path, "namespaces");
		url_path_name(path, resource->namespace);
	}
	url_path_name(path, resource->plural);
}

void url_path_object(struct url_path *path, const struct kube_resource *resource, const char *name,
		     const char *subresource)
{
	url_path_resource(path, resource);
	url_path_name(path, name);
	if (subresource != NULL)
		url_path_name(path, subresource);
}

void url_path_selectors(struct url_path *path, const struct kube_resource *resource)
{
	if (resource->label_selector != NULL)
		url_path_parameter(path, "labelSelector", resource->label_selector);
	if (resource->field_selector != NULL)
		url_path_parameter(path, "fieldSelector", resource->field_selector);
}

const char *url_path_text(const struct url_path *path)
{
	return path->failed ? NULL : path->text;
}
