/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lab/frame.h"

#include <errno.h>
#include <stdbool.h>

#include "base/checksum.h"
#include "base/wire.h"

#define ETHERTYPE_IPV6_BE 0x86dd
#define ECHO_REQUEST_V4 8   /* RFC 792 */
#define ECHO_REQUEST_V6 128 /* RFC 4443 4.1 */

size_t frame_ndp(const struct ndp_packet *packet, struct mac from, struct ip source, struct mac to,
		 struct ip destination, uint8_t frame[FRAME_NDP_LEN_MAX])
{
	uint8_t body[NDP_PACKET_LEN_MAX];
	size_t len = ndp_encode(packet, body);
	struct wire_writer w = wire_writer_of(frame, FRAME_NDP_LEN_MAX);
	/* RFC 8200 8.1: the pseudo header has length and next header besides the addresses. */
	uint32_t sum = (uint32_t)len + FRAME_ICMPV6;

	sum = checksum_add(sum, source.bytes, 16);
	sum = checksum_add(sum, destination.bytes, 16);
	wire_write_mac(&w, to);
	wire_write_mac(&w, from);
	wire_write_u16(&w, ETHERTYPE_IPV6_BE);
	wire_write_u32(&w, 0x60000000); /* version 6 */
	wire_write_u16(&w, (uint16_t)len);
	wire_write_u8(&w, FRAME_ICMPV6);
	wire_write_u8(&w, 255); /* RFC 4861 7.1 */
	wire_write_bytes(&w, source.bytes, 16);
	wire_write_bytes(&w, destination.bytes, 16);
	wire_write_bytes(&w, body, len);
	wire_patch_u16(&w, 14 + 40 + 2, checksum_finish(checksum_add(sum, body, len)));
	return w.len;
}

struct mac frame_multicast_mac(struct ip group)
{
	const uint8_t *b = group.bytes;

	return (struct mac){ { 0x33, 0x33, b[12], b[13], b[14], b[15] } };
}

void frame_echo_encode(const struct frame_echo *echo, uint8_t family, uint8_t out[FRAME_ECHO_LEN])
{
	static const uint8_t padding[FRAME_ECHO_LEN - 20];
	struct wire_writer w = wire_writer_of(out, FRAME_ECHO_LEN);
	bool v4 = family == IP_V4;

	wire_write_u8(&w, v4 ? ECHO_REQUEST_V4 : ECHO_REQUEST_V6);
	wire_write_u8(&w, 0);
	wire_write_u16(&w, 0);
	wire_write_u16(&w,
		       (uint16_t)(echo->cookie + echo->target)); /* identifier and sequence, for people with tcpdump */
	wire_write_u16(&w, (uint16_t)echo->index);
	wire_write_u32(&w, echo->cookie);
	wire_write_u32(&w, echo->target);
	wire_write_u32(&w, echo->index);
	wire_write_bytes(&w, padding, sizeof(padding));
	if (v4)
		wire_patch_u16(&w, 2, checksum_finish(checksum_add(0, out, FRAME_ECHO_LEN)));
}

int frame_echo_decode(const uint8_t *data, size_t len, struct frame_echo *ret)
{
	struct wire_reader r = wire_reader_of(data, len);
	struct frame_echo echo;

	wire_read_view(&r, 8);
	echo.cookie = wire_read_u32(&r);
	echo.target = wire_read_u32(&r);
	echo.index = wire_read_u32(&r);
	if (r.failed)
		return -EBADMSG;
	*ret = echo;
	return 0;
}
