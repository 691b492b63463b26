/* SPDX-License-Identifier: Apache-2.0 */
/* The checksum of IPv4, ICMP and ICMPv6: the ones' complement of the ones' complement sum of 16-bit words (RFC 1071). */
#ifndef MLB_BASE_CHECKSUM_H
#define MLB_BASE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* Add bytes to a sum that began at 0. Of several parts only the last may have an odd length. At most 64 KB in all. */
uint32_t checksum_add(uint32_t sum, const void *data, size_t len);
/* What goes into the header, whose own field counted as zero. */
uint16_t checksum_finish(uint32_t sum);

#endif
