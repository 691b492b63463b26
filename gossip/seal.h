/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sealing of gossip datagrams: XChaCha20-Poly1305 (libsodium, IETF variant with the 24-byte nonce). Stateless and pure:
 * counters and replay windows are the business of the core (gossip.h).
 *
 *   0                   1                   2                   3
 *   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *  +-+-------------+---------------+-------------------------------+
 *  |A| version = 1 |    key id     |     sender instance (64) ...  |
 *  +-+-------------+---------------+-------------------------------+
 *  |   ... sender instance         |     counter (64) ...          |
 *  +---------------+---------------+-------------------------------+
 *  |   ... counter                 |  ciphertext ... | tag (128)   |
 *  +-------------------------------+-------------------------------+
 *
 * A = 1: addressed to whoever reads it (only the join handshake). Nonce = sender instance, counter, "mlbd\0\0\0\1".
 * Associated data = the 18 header bytes, then the receiver's instance (64; zero when A = 1), so that a packet recorded
 * for one instance means nothing to another, nor to the same node after a restart.
 */
#ifndef MLB_GOSSIP_SEAL_H
#define MLB_GOSSIP_SEAL_H

#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "gossip/drop.h"

#define SEAL_KEY_LEN 32
#define SEAL_HEADER_LEN 18
#define SEAL_TAG_LEN 16
#define SEAL_OVERHEAD (SEAL_HEADER_LEN + SEAL_TAG_LEN)
#define SEAL_VERSION 1

struct seal_key {
	uint8_t bytes[SEAL_KEY_LEN];
	uint8_t id; /* first byte of BLAKE2b-256(key): picks the key without trial decryption */
};

/* keys[0] seals, all open. Two keys with one id are tried in order. */
struct seal_ring {
	size_t key_n;
	struct seal_key keys[KEY_MAX];
};

struct seal_header {
	uint64_t sender;   /* instance of the sender */
	uint64_t receiver; /* instance of the receiver; 0: anyone (no instance is 0) */
	uint64_t counter;  /* never twice for one sender instance */
};

/* libsodium must be initialised (sodium_init) by the program. */
void seal_key_init(struct seal_key *key, const uint8_t bytes[SEAL_KEY_LEN]);
/*
 * Parse the text of a key file: base64 of 32 bytes a line, blank lines and lines that begin with # ignored.
 * 0, or -EINVAL with *ret_line the 1-based line that is bad (0: no key at all, KEY_MAX + 1st key: its line).
 */
int seal_ring_parse(const char *text, size_t len, struct seal_ring *ret, unsigned int *ret_line);
/* The ring of `insecure: true`: one fixed, public key, so that there is one wire format and no plaintext path. */
void seal_ring_insecure(struct seal_ring *ret);
/* Seal body into out (no overlap). Returns the datagram's length, or -EMSGSIZE when cap < len + SEAL_OVERHEAD. */
int seal_pack(const struct seal_ring *ring, const struct seal_header *header, const uint8_t *body, size_t len,
	      uint8_t *out, size_t cap);
/*
 * Open a datagram addressed to `me` or to anyone. GOSSIP_DROP_NONE: *header, *body_len and body[0..*body_len) are set;
 * otherwise *header and *body_len keep what they had, and body may have been zeroed. cap must be >= len, and body must
 * not overlap datagram: a second key of the same id reads it again.
 */
enum gossip_drop seal_open(const struct seal_ring *ring, uint64_t me, const uint8_t *datagram, size_t len,
			   struct seal_header *header, uint8_t *body, size_t cap, size_t *body_len);

#endif
