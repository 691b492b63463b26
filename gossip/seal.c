/* SPDX-License-Identifier: Apache-2.0 */
#include "gossip/seal.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdbool.h>
#include <string.h>

#include "base/wire.h"

#define TO_ANYONE 0x80u /* A in the picture of seal.h */
#define AD_LEN (SEAL_HEADER_LEN + 8)
#define NONCE_LEN crypto_aead_xchacha20poly1305_ietf_NPUBBYTES

_Static_assert(SEAL_KEY_LEN == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "key length");
_Static_assert(SEAL_TAG_LEN == crypto_aead_xchacha20poly1305_ietf_ABYTES, "tag length");

void seal_key_init(struct seal_key *key, const uint8_t bytes[SEAL_KEY_LEN])
{
	uint8_t hash[crypto_generichash_BYTES];

	memcpy(key->bytes, bytes, SEAL_KEY_LEN);
	(void)crypto_generichash(hash, sizeof(hash), bytes, SEAL_KEY_LEN, NULL, 0);
	key->id = hash[0];
	sodium_memzero(hash, sizeof(hash));
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r'; /* key files come from everywhere, CRLF ones too */
}

/* One line of a key file: 1 when it held a key, 0 when there is nothing on it, or -EINVAL. */
static int ring_parse_line(struct seal_ring *ring, const char *line, size_t len)
{
	uint8_t bytes[SEAL_KEY_LEN];
	size_t bytes_len = 0;
	int r;

	for (; len > 0 && is_blank(line[len - 1]); len--)
		;
	for (; len > 0 && is_blank(*line); len--)
		line++;
	if (len == 0 || *line == '#')
		return 0;
	r = sodium_base642bin(bytes, sizeof(bytes), line, len, NULL, &bytes_len, NULL, sodium_base64_VARIANT_ORIGINAL);
	if (r != 0 || bytes_len != SEAL_KEY_LEN || ring->key_n == KEY_MAX)
		r = -EINVAL;
	else
		seal_key_init(&ring->keys[ring->key_n++], bytes);
	sodium_memzero(bytes, sizeof(bytes));
	return r != 0 ? -EINVAL : 1;
}

int seal_ring_parse(const char *text, size_t len, struct seal_ring *ret, unsigned int *ret_line)
{
	struct seal_ring ring = { 0 };
	unsigned int line = 0;
	int r = 0;

	for (size_t at = 0; at < len && r >= 0;) {
		const char *end = memchr(text + at, '\n', len - at);
		size_t line_len = end != NULL ? (size_t)(end - (text + at)) : len - at;

		line++;
		r = ring_parse_line(&ring, text + at, line_len);
		at += line_len + 1;
	}
	if (r < 0) {
		*ret_line = line;
	} else if (ring.key_n == 0) {
		*ret_line = 0;
		r = -EINVAL;
	} else {
		*ret = ring;
		r = 0;
	}
	sodium_memzero(&ring, sizeof(ring));
	return r;
}

void seal_ring_insecure(struct seal_ring *ret)
{
	static const char key[] = "mlbd insecure: this is no secret";

	_Static_assert(sizeof(key) - 1 == SEAL_KEY_LEN, "the text is the key");
	memset(ret, 0, sizeof(*ret));
	seal_key_init(&ret->keys[0], (const uint8_t *)key);
	ret->key_n = 1;
}

/* Sender and counter make it unique: counters never repeat within an instance. The rest separates protocols. */
static void make_nonce(uint64_t sender, uint64_t counter, uint8_t nonce[NONCE_LEN])
{
	static const uint8_t domain[8] = { 'm', 'l', 'b', 'd', 0, 0, 0, 1 };
	struct wire_writer w = wire_writer_of(nonce, NONCE_LEN);

	wire_write_u64(&w, sender);
	wire_write_u64(&w, counter);
	wire_write_bytes(&w, domain, sizeof(domain));
	assert(!w.failed && w.len == NONCE_LEN);
}

static void make_ad(const uint8_t *datagram, uint64_t receiver, uint8_t ad[AD_LEN])
{
	struct wire_writer w = wire_writer_of(ad, AD_LEN);

	wire_write_bytes(&w, datagram, SEAL_HEADER_LEN);
	wire_write_u64(&w, receiver);
	assert(!w.failed && w.len == AD_LEN);
}

int seal_pack(const struct seal_ring *ring, const struct seal_header *header, const uint8_t *body, size_t len,
	      uint8_t *out, size_t cap)
{
	struct wire_writer w = wire_writer_of(out, cap);
	uint8_t nonce[NONCE_LEN];
	uint8_t ad[AD_LEN];

	assert(ring->key_n > 0 && ring->key_n <= KEY_MAX);
	if (cap < SEAL_OVERHEAD || len > cap - SEAL_OVERHEAD || len > INT32_MAX - SEAL_OVERHEAD)
		return -EMSGSIZE;
	wire_write_u8(&w, (uint8_t)(SEAL_VERSION | (header->receiver == 0 ? TO_ANYONE : 0)));
	wire_write_u8(&w, ring->keys[0].id);
	wire_write_u64(&w, header->sender);
	wire_write_u64(&w, header->counter);
	assert(!w.failed && w.len == SEAL_HEADER_LEN);
	make_nonce(header->sender, header->counter, nonce);
	make_ad(out, header->receiver, ad);
	(void)crypto_aead_xchacha20poly1305_ietf_encrypt(out + SEAL_HEADER_LEN, NULL, body, len, ad, sizeof(ad), NULL,
							 nonce, ring->keys[0].bytes);
	return (int)(len + SEAL_OVERHEAD);
}

/* Try every key of that id. */
static enum gossip_drop open_with_ring(const struct seal_ring *ring, uint8_t key_id, const uint8_t *datagram,
				       size_t len, const struct seal_header *header, uint8_t *body)
{
	enum gossip_drop drop = GOSSIP_DROP_KEY;
	uint8_t nonce[NONCE_LEN];
	uint8_t ad[AD_LEN];

	make_nonce(header->sender, header->counter, nonce);
	make_ad(datagram, header->receiver, ad);
	for (size_t i = 0; i < ring->key_n && drop != GOSSIP_DROP_NONE; i++) {
		if (ring->keys[i].id != key_id)
			continue;
		drop = GOSSIP_DROP_AUTH;
		if (crypto_aead_xchacha20poly1305_ietf_decrypt(body, NULL, NULL, datagram + SEAL_HEADER_LEN,
							       len - SEAL_HEADER_LEN, ad, sizeof(ad), nonce,
							       ring->keys[i].bytes) == 0)
			drop = GOSSIP_DROP_NONE;
	}
	return drop;
}

enum gossip_drop seal_open(const struct seal_ring *ring, uint64_t me, const uint8_t *datagram, size_t len,
			   struct seal_header *header, uint8_t *body, size_t cap, size_t *body_len)
{
	struct wire_reader r = wire_reader_of(datagram, len);
	struct seal_header found;
	enum gossip_drop drop;
	uint8_t first, key_id;

	assert(ring->key_n > 0 && ring->key_n <= KEY_MAX);
	if (len < SEAL_OVERHEAD)
		return GOSSIP_DROP_SHORT;
	if (len > PACKET_LEN_MAX)
		return GOSSIP_DROP_LONG;
	assert(cap >= len);
	first = wire_read_u8(&r);
	if ((first & ~TO_ANYONE) != SEAL_VERSION)
		return GOSSIP_DROP_VERSION;
	key_id = wire_read_u8(&r);
	found.sender = wire_read_u64(&r);
	found.counter = wire_read_u64(&r);
	found.receiver = first & TO_ANYONE ? 0 : me;
	assert(!r.failed);
	drop = open_with_ring(ring, key_id, datagram, len, &found, body);
	if (drop == GOSSIP_DROP_NONE) {
		*header = found;
		*body_len = len - SEAL_OVERHEAD;
	}
	return drop;
}
