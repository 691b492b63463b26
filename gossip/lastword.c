/* SPDX-License-Identifier: Apache-2.0 */
#include "gossip/lastword.h"

#include "base/wire.h"

void last_word_body(uint64_t instance, uint8_t out[LAST_WORD_LEN])
{
	struct wire_writer w = wire_writer_of(out, LAST_WORD_LEN);

	wire_write_u8(&w, LAST_WORD_TYPE);
	wire_write_u16(&w, sizeof(instance));
	wire_write_u64(&w, instance);
}

int last_word_pack(const struct seal_ring *ring, uint64_t instance, uint64_t receiver, uint64_t counter, uint8_t *out,
		   size_t cap)
{
	const struct seal_header header = { .sender = instance, .receiver = receiver, .counter = counter };
	uint8_t body[LAST_WORD_LEN];

	last_word_body(instance, body);
	return seal_pack(ring, &header, body, sizeof(body), out, cap);
}
