/* SPDX-License-Identifier: Apache-2.0 */
#include "base/wire.h"

#include <assert.h>
#include <string.h>

struct wire_reader wire_reader_of(const void *data, size_t len)
{
	return (struct wire_reader){ .data = data, .len = len };
}

const uint8_t *wire_read_view(struct wire_reader *r, size_t len)
{
	const uint8_t *view;

	assert(r->at <= r->len);
	if (r->failed || len > r->len - r->at) {
		r->failed = true;
		return NULL;
	}
	view = r->data + r->at;
	r->at += len;
	return view;
}

void wire_read_bytes(struct wire_reader *r, void *out, size_t len)
{
	const uint8_t *view = wire_read_view(r, len);

	if (len == 0)
		return;
	if (view != NULL)
		memcpy(out, view, len);
	else
		memset(out, 0, len);
}

/* A big-endian number of len bytes. */
static uint64_t read_number(struct wire_reader *r, size_t len)
{
	const uint8_t *view = wire_read_view(r, len);
	uint64_t value = 0;

	for (size_t i = 0; view != NULL && i < len; i++)
		value = value << 8 | view[i];
	return value;
}

uint8_t wire_read_u8(struct wire_reader *r)
{
	return (uint8_t)read_number(r, 1);
}

uint16_t wire_read_u16(struct wire_reader *r)
{
	return (uint16_t)read_number(r, 2);
}

uint32_t wire_read_u32(struct wire_reader *r)
{
	return (uint32_t)read_number(r, 4);
}

uint64_t wire_read_u64(struct wire_reader *r)
{
	return read_number(r, 8);
}

struct ip wire_read_ip(struct wire_reader *r)
{
	struct ip ip = { .family = wire_read_u8(r) };

	if (ip.family != IP_NONE && ip.family != IP_V4 && ip.family != IP_V6)
		r->failed = true;
	else
		wire_read_bytes(r, ip.bytes, ip_len(ip));
	return r->failed ? (struct ip){ 0 } : ip;
}

struct mac wire_read_mac(struct wire_reader *r)
{
	struct mac mac;

	wire_read_bytes(r, mac.bytes, sizeof(mac.bytes));
	return mac;
}

void wire_read_text(struct wire_reader *r, char *out, size_t cap)
{
	size_t len = wire_read_u8(r);
	const uint8_t *view = wire_read_view(r, len);

	assert(cap > 0);
	out[0] = '\0';
	if (view == NULL || len >= cap || memchr(view, 0, len) != NULL) {
		r->failed = true;
		return;
	}
	memcpy(out, view, len);
	out[len] = '\0';
}

size_t wire_left(const struct wire_reader *r)
{
	return r->failed ? 0 : r->len - r->at;
}

struct wire_reader wire_read_sub(struct wire_reader *r, size_t len)
{
	const uint8_t *view = wire_read_view(r, len);
	struct wire_reader sub = wire_reader_of(view, view != NULL ? len : 0);

	sub.failed = view == NULL;
	return sub;
}

void wire_fail(struct wire_reader *r)
{
	r->failed = true;
}

struct wire_writer wire_writer_of(void *data, size_t cap)
{
	return (struct wire_writer){ .data = data, .cap = cap };
}

void wire_write_bytes(struct wire_writer *w, const void *data, size_t len)
{
	assert(w->len <= w->cap);
	if (w->failed || len > w->cap - w->len) {
		w->failed = true;
		return;
	}
	if (len > 0)
		memcpy(w->data + w->len, data, len);
	w->len += len;
}

/* A big-endian number of len bytes. */
static void write_number(struct wire_writer *w, uint64_t value, size_t len)
{
	uint8_t bytes[8];

	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)(value >> (8 * (len - 1 - i)));
	wire_write_bytes(w, bytes, len);
}

void wire_write_u8(struct wire_writer *w, uint8_t value)
{
	write_number(w, value, 1);
}

void wire_write_u16(struct wire_writer *w, uint16_t value)
{
	write_number(w, value, 2);
}

void wire_write_u32(struct wire_writer *w, uint32_t value)
{
	write_number(w, value, 4);
}

void wire_write_u64(struct wire_writer *w, uint64_t value)
{
	write_number(w, value, 8);
}

void wire_write_ip(struct wire_writer *w, struct ip ip)
{
	wire_write_u8(w, ip.family);
	wire_write_bytes(w, ip.bytes, ip_len(ip));
}

void wire_write_mac(struct wire_writer *w, struct mac mac)
{
	wire_write_bytes(w, mac.bytes, sizeof(mac.bytes));
}

void wire_write_text(struct wire_writer *w, const char *text)
{
	size_t len = strlen(text);

	if (len > UINT8_MAX) {
		w->failed = true;
		return;
	}
	wire_write_u8(w, (uint8_t)len);
	wire_write_bytes(w, text, len);
}

void wire_patch_u16(struct wire_writer *w, size_t at, uint16_t value)
{
	if (w->failed)
		return;
	assert(at + 2 <= w->len);
	w->data[at] = (uint8_t)(value >> 8);
	w->data[at + 1] = (uint8_t)value;
}

size_t wire_room(const struct wire_writer *w)
{
	return w->failed ? 0 : w->cap - w->len;
}
