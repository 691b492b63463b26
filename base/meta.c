/* SPDX-License-Identifier: Apache-2.0 */
#include "base/meta.h"

#include <errno.h>
#include <string.h>

#include "base/wire.h"

#define META_READY 0x01u
#define META_DRAINING 0x02u

#define SEGMENT_ISOLATED 0x01u

static bool has_more(const struct meta *meta)
{
	for (size_t i = 0; i < meta->segment_n; i++) {
		if (meta->segments[i].isolated || meta->segments[i].self.family != IP_NONE)
			return true;
	}
	return false;
}

/* What later versions say of each segment. True: it fits. */
static bool write_more(struct wire_writer *w, const struct meta *meta, bool addresses)
{
	const struct ip none = { 0 };
	struct wire_writer more = *w;

	for (size_t i = 0; i < meta->segment_n; i++) {
		wire_write_u8(&more, meta->segments[i].isolated ? SEGMENT_ISOLATED : 0);
		wire_write_ip(&more, addresses ? meta->segments[i].self : none);
	}
	if (!more.failed)
		*w = more;
	return !more.failed;
}

int meta_encode(const struct meta *meta, uint8_t *out, size_t cap)
{
	struct wire_writer w = wire_writer_of(out, cap);

	wire_write_u8(&w, (uint8_t)((meta->ready ? META_READY : 0) | (meta->draining ? META_DRAINING : 0)));
	wire_write_u8(&w, (uint8_t)meta->segment_n);
	for (size_t i = 0; i < meta->segment_n; i++) {
		const struct segment *segment = &meta->segments[i];

		wire_write_text(&w, segment->iface);
		wire_write_mac(&w, segment->mac);
		wire_write_ip(&w, segment->subnet.ip);
		wire_write_u8(&w, segment->subnet.prefix_len);
	}
	wire_write_u8(&w, (uint8_t)meta->labels.label_n);
	for (size_t i = 0; i < meta->labels.label_n; i++) {
		wire_write_text(&w, meta->labels.labels[i].key);
		wire_write_text(&w, meta->labels.labels[i].value);
	}
	wire_write_u16(&w, meta->weight != 0 ? meta->weight : NODE_WEIGHT_DEFAULT);
	if (!w.failed && has_more(meta) && !write_more(&w, meta, true))
		(void)write_more(&w, meta, false);
	return w.failed ? -EMSGSIZE : (int)w.len;
}

static void read_segments(struct wire_reader *r, struct meta *meta)
{
	size_t n = wire_read_u8(r);

	if (n > SEGMENT_MAX)
		wire_fail(r);
	for (size_t i = 0; i < n && !r->failed; i++) {
		struct segment *segment = &meta->segments[i];

		wire_read_text(r, segment->iface, sizeof(segment->iface));
		segment->mac = wire_read_mac(r);
		segment->subnet.ip = wire_read_ip(r);
		segment->subnet.prefix_len = wire_read_u8(r);
		if (segment->subnet.prefix_len > ip_bits(segment->subnet.ip))
			wire_fail(r);
		meta->segment_n = i + 1;
	}
}

static void read_labels(struct wire_reader *r, struct meta *meta)
{
	size_t n = wire_read_u8(r);
	struct label label;

	for (size_t i = 0; i < n && !r->failed; i++) {
		wire_read_text(r, label.key, sizeof(label.key));
		wire_read_text(r, label.value, sizeof(label.value));
		if (!r->failed && label_set_put(&meta->labels, label.key, label.value) != 0)
			wire_fail(r);
	}
}

/* The first version ended before it. */
static void read_weight(struct wire_reader *r, struct meta *meta)
{
	meta->weight = NODE_WEIGHT_DEFAULT;
	if (r->at == r->len)
		return;
	meta->weight = wire_read_u16(r);
	if (meta->weight == 0 || meta->weight > NODE_WEIGHT_MAX)
		wire_fail(r);
}

/* The second version ended before it. */
static void read_more(struct wire_reader *r, struct meta *meta)
{
	for (size_t i = 0; i < meta->segment_n && r->at < r->len && !r->failed; i++) {
		meta->segments[i].isolated = wire_read_u8(r) & SEGMENT_ISOLATED;
		meta->segments[i].self = wire_read_ip(r);
	}
}

int meta_decode(const uint8_t *data, size_t len, struct meta *ret)
{
	struct wire_reader r = wire_reader_of(data, len);
	struct meta meta = { 0 };
	uint8_t flags = wire_read_u8(&r);

	meta.ready = flags & META_READY;
	meta.draining = flags & META_DRAINING;
	read_segments(&r, &meta);
	read_labels(&r, &meta);
	read_weight(&r, &meta);
	read_more(&r, &meta);
	if (r.failed)
		return -EBADMSG;
	*ret = meta;
	return 0;
}
