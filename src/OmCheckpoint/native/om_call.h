/* SPDX-License-Identifier: MIT
 *
 * A forwarded call as it crosses the link, independent of which call it is: numbers, arguments, and segments of memory
 * with the places where their addresses go. The remote's side builds it from the system-call table (om_marshal.c);
 * home's side checks it against the same table, lays it out in the deputy's slot and patches the addresses
 * (om_place.c).
 *
 *   struct om_request · segments[segment_count] · data of every IN/INOUT segment, each padded to 8 bytes
 *   struct om_reply   · struct om_reply_part[part_count] · data of every part, each padded to 8 bytes
 */
#ifndef OM_CALL_H
#define OM_CALL_H

#include <stdint.h>

#define OM_SEGMENT_IN    1u
#define OM_SEGMENT_OUT   2u
#define OM_SEGMENT_INOUT 3u

#define OM_SEGMENTS_MAX  1100u     /* an iovec array of UIO_MAXIOV and what stands around it */
#define OM_CALL_DATA_MAX 0x100000u /* bytes of data in one call; more goes in pieces */

#define OM_PATCH_ARGUMENT 0u /* patch_at = argument 0..5 */
#define OM_PATCH_SEGMENT  1u /* patch_at = byte offset in segment patch_segment: a pointer inside a structure */

struct om_segment {
	uint32_t flags; /* OM_SEGMENT_* */
	uint32_t bytes;
	uint16_t patch_kind;    /* OM_PATCH_* */
	uint16_t patch_segment; /* an earlier segment */
	uint32_t patch_at;
	uint64_t remote_address; /* where it lies in the body; home only echoes its index */
};
_Static_assert(sizeof(struct om_segment) == 24, "om_segment");

/* An argument or pointer the body got wrong is sent as this: the kernel at home then answers EFAULT in the right order.
 */
#define OM_BAD_ADDRESS 0xffff800000000000ull

struct om_request {
	int32_t number;
	uint32_t segment_count;
	uint64_t args[6];
	uint64_t signal_mask; /* the body's mask; exact where the table says so */
	uint32_t data_bytes;
	uint32_t flags;
};
_Static_assert(sizeof(struct om_request) == 72, "om_request");

struct om_reply_part {
	uint32_t segment;
	uint32_t bytes; /* from the segment's start; may be fewer than asked for */
};

#define OM_REPLY_CANCELLED                                                                                             \
	1u /* not executed, or interrupted before it had any effect: no parts, result without meaning */

/* It had begun when home cancelled it, or the deputy took a signal: what it has done may be less than it would have. */
#define OM_REPLY_CUT 2u

#define OM_REPLY_WAITED 4u /* with OM_REPLY_CANCELLED: it had begun, and waited */

struct om_reply {
	int64_t result;
	uint32_t flags; /* OM_REPLY_* */
	uint32_t part_count;
	uint32_t data_bytes;
	uint32_t reserved;
};
_Static_assert(sizeof(struct om_reply) == 24, "om_reply");

/* Ceilings of whole messages: what a slot's data area holds, and the heads. */
#define OM_CALL_AREA_MAX 0x110000u /* OM_SLOT_DATA_BYTES */
#define OM_REQUEST_BYTES_MAX                                                                                           \
	(sizeof(struct om_request) + OM_SEGMENTS_MAX * sizeof(struct om_segment) + OM_CALL_AREA_MAX)
#define OM_REPLY_BYTES_MAX (sizeof(struct om_reply) + OM_SEGMENTS_MAX * sizeof(struct om_reply_part) + OM_CALL_AREA_MAX)

#endif
