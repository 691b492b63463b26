/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bounds-checked reader and writer for packets. Numbers are big-endian. Errors are sticky: after the first read or
 * write past the end every later call is harmless (reads give zero), so a decoder checks `failed` once, at its end.
 */
#ifndef MLB_BASE_WIRE_H
#define MLB_BASE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

struct wire_reader {
	const uint8_t *data; /* borrowed */
	size_t len;
	size_t at;
	bool failed;
};

struct wire_writer {
	uint8_t *data; /* borrowed */
	size_t cap;
	size_t len;
	bool failed;
};

struct wire_reader wire_reader_of(const void *data, size_t len);
uint8_t wire_read_u8(struct wire_reader *r);
uint16_t wire_read_u16(struct wire_reader *r);
uint32_t wire_read_u32(struct wire_reader *r);
uint64_t wire_read_u64(struct wire_reader *r);
/* Copy len bytes to out; on failure out is zeroed. */
void wire_read_bytes(struct wire_reader *r, void *out, size_t len);
/* Borrow len bytes in place, or NULL on failure. */
const uint8_t *wire_read_view(struct wire_reader *r, size_t len);
/* family u8, then 4 or 16 bytes (family 0: none). Another family is a failure. */
struct ip wire_read_ip(struct wire_reader *r);
struct mac wire_read_mac(struct wire_reader *r);
/* length u8, then that many bytes, none of them zero, into a terminated text of cap bytes. Too long is a failure. */
void wire_read_text(struct wire_reader *r, char *out, size_t cap);
size_t wire_left(const struct wire_reader *r);
/* A reader over the next len bytes; this one moves past them. Failed at once when they are not there. */
struct wire_reader wire_read_sub(struct wire_reader *r, size_t len);
/* Mark the packet as bad (a value that makes no sense). */
void wire_fail(struct wire_reader *r);

struct wire_writer wire_writer_of(void *data, size_t cap);
void wire_write_u8(struct wire_writer *w, uint8_t value);
void wire_write_u16(struct wire_writer *w, uint16_t value);
void wire_write_u32(struct wire_writer *w, uint32_t value);
void wire_write_u64(struct wire_writer *w, uint64_t value);
void wire_write_bytes(struct wire_writer *w, const void *data, size_t len);
void wire_write_ip(struct wire_writer *w, struct ip ip);
void wire_write_mac(struct wire_writer *w, struct mac mac);
/* length u8 and the bytes; fails over 255 bytes. */
void wire_write_text(struct wire_writer *w, const char *text);
/* Overwrite a u16 that was written at offset `at` (a length known only afterwards). */
void wire_patch_u16(struct wire_writer *w, size_t at, uint16_t value);
size_t wire_room(const struct wire_writer *w);

#endif
