/* SPDX-License-Identifier: Apache-2.0 */
/* Half of the reflector (kube/reflector.h): what objects of a picture or a watch mean for who follows. Pure. */
#ifndef MLB_KUBE_PICTURE_H
#define MLB_KUBE_PICTURE_H

#include "kube/reflector.h"
#include "kube/scan.h"

/* Of an object's metadata what we need. */
struct object_meta {
	char key[KNOWN_KEY_MAX + 1];
	char uid[KNOWN_UID_MAX + 1];
	char version[KUBE_VERSION_MAX + 1]; /* "": absent, or too long */
	bool all_came;			    /* a bookmark's annotation k8s.io/initial-events-end */
};

/* False: it has no name; the rest is there all the same. */
bool object_meta_read(struct json_span object, struct object_meta *meta);

/* A picture begins; what came of an unfinished one is dropped. */
void picture_begin(struct reflector *r);
void picture_drop(struct reflector *r);
/* An object of it, or one that is gone before it is complete. 0, -ENOMEM, or -ENOBUFS: more objects than we follow. */
int picture_object(struct reflector *r, struct json_span object);
int picture_deleted(struct reflector *r, struct json_span object);
/* It is complete: tell the difference. 0, -ENOMEM or -ENOBUFS. */
int picture_end(struct reflector *r);

/* A change after the picture. The same errors. */
int change_object(struct reflector *r, const struct object_meta *meta, struct json_span object);
void change_deleted(struct reflector *r, const struct object_meta *meta);

#endif
