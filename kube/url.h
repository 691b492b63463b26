/* SPDX-License-Identifier: Apache-2.0 */
/* Paths of the API with their parameters, each value escaped (RFC 3986 2.1). Pure. */
#ifndef MLB_KUBE_URL_H
#define MLB_KUBE_URL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/limits.h"

/* A path that grows; one that would be too long is remembered as failed. */
struct url_path {
	char text[KUBE_PATH_MAX];
	size_t len;
	bool parameters; /* there is a '?' */
	bool failed;
};

/* What of the API: /api/v1/namespaces/NAMESPACE/PLURAL or /apis/GROUP/VERSION/PLURAL. Borrowed texts. */
struct kube_resource {
	const char *group; /* "": core */
	const char *version;
	const char *plural;
	const char *namespace; /* NULL: of all namespaces, or of none */
	/* For lists and watches; NULL: none. */
	const char *label_selector;
	const char *field_selector;
	bool metadata_only; /* as PartialObjectMetadata */
};

void url_path_init(struct url_path *path, const char *start);
/* Append "/" and a name, escaped. An empty name, "." and ".." fail. */
void url_path_name(struct url_path *path, const char *name);
/* Append a parameter; its value is escaped, its name is ours. */
void url_path_parameter(struct url_path *path, const char *name, const char *value);
void url_path_number(struct url_path *path, const char *name, long long value);
/* The path of a resource, without selectors. */
void url_path_resource(struct url_path *path, const struct kube_resource *resource);
/* Of one object; subresource NULL: of it itself. */
void url_path_object(struct url_path *path, const struct kube_resource *resource, const char *name,
		     const char *subresource);
void url_path_selectors(struct url_path *path, const struct kube_resource *resource);
/* The text, or NULL: it was too long, or a name was none. */
const char *url_path_text(const struct url_path *path);

#endif
