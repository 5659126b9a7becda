/* SPDX-License-Identifier: MIT
 *
 * What the call wrote goes back: of each OUT segment as much as the kernel wrote, no more, so that the body does not
 * see what earlier calls left in the arena. The deputy could write there meanwhile; a length is read once and capped by
 * its segment.
 */
#include "om_place_private.h"
#include <errno.h>

struct source {
	const struct om_placed *placed;
	const uint8_t *data;
	int64_t result;
	uint32_t outer, message; /* whose data is being counted */
	uint64_t left;           /* of it */
	bool counting;
};

static uint32_t least(uint64_t a, uint32_t b)
{
	return a < b ? (uint32_t)a : b;
}

static uint32_t read32(const struct source *from, uint32_t offset)
{
	return *(const volatile uint32_t *)(const void *)(from->data + offset);
}

static const struct om_argument *argument_of(const struct source *from, const struct om_placed_segment *segment)
{
	return &om_syscall_arguments(from->placed->syscall)[segment->argument];
}

static uint32_t memory_bytes(const struct source *from, const struct om_placed_segment *segment)
{
	const struct om_argument *argument = argument_of(from, segment);
	const struct om_placed *placed = from->placed;

	if (from->result < 0)
		return argument->flags & OM_ARGUMENT_ALWAYS ? segment->bytes : 0;
	switch (argument->cut_kind) {
	case OM_CUT_RETURNED:
		if (from->result > OM_CALL_AREA_MAX)
			return segment->bytes;
		return least(argument->base + (uint64_t)from->result * argument->cut_scale, segment->bytes);
	case OM_CUT_LENGTH:
		for (uint32_t i = 0; i < placed->count; i++)
			if (placed->segments[i].patch_kind == OM_PATCH_ARGUMENT &&
			    placed->segments[i].patch_at == argument->size_argument)
				return least(read32(from, placed->segments[i].offset), segment->bytes);
		return 0;
	case OM_CUT_POSITIVE:
		return from->result > 0 ? segment->bytes : 0;
	default:
		return segment->bytes;
	}
}

/* How many bytes of data the call moved in the message (or the whole call) this segment is of. */
static uint64_t moved(const struct source *from, const struct om_placed_segment *segment)
{
	const struct om_placed *placed = from->placed;

	if (argument_of(from, segment)->kind != OM_ARGUMENT_MMSG)
		return (uint64_t)from->result;
	if (segment->message >= from->result)
		return 0;
	for (uint32_t i = 0; i < placed->count; i++)
		if (placed->segments[i].role == OM_PLACED_MSG)
			return read32(from,
				      placed->segments[i].offset + segment->message * OM_MMSG_BYTES + OM_MMSG_LEN);
	return 0;
}

static uint32_t data_bytes(struct source *from, const struct om_placed_segment *segment)
{
	uint32_t bytes;

	if (!from->counting || from->outer != segment->outer || from->message != segment->message) {
		from->counting = true;
		from->outer = segment->outer;
		from->message = segment->message;
		from->left = moved(from, segment);
	}
	bytes = least(from->left, segment->bytes);
	from->left -= bytes;
	return bytes;
}

/* How much of a segment goes back. Called once for each, in order. */
static uint32_t bytes_of(struct source *from, const struct om_placed_segment *segment)
{
	const struct om_placed_segment *outer = &from->placed->segments[segment->outer];
	const struct om_reference *reference;
	uint32_t header;

	if (segment->role == OM_PLACED_MEMORY)
		return memory_bytes(from, segment);
	if (from->result < 0)
		return 0;
	switch (segment->role) {
	case OM_PLACED_DATA:
		return data_bytes(from, segment);
	case OM_PLACED_MSG:
		if (argument_of(from, segment)->kind == OM_ARGUMENT_MSG)
			return segment->bytes;
		return from->result > OM_IOV_MAX ? segment->bytes
						 : least((uint64_t)from->result * OM_MMSG_BYTES, segment->bytes);
	case OM_PLACED_NAME:
	case OM_PLACED_CONTROL:
		if (argument_of(from, segment)->kind == OM_ARGUMENT_MMSG && segment->message >= from->result)
			return 0;
		header = outer->offset + segment->message * OM_MMSG_BYTES;
		return least(
			read32(from, header + (segment->role == OM_PLACED_NAME ? OM_MSG_NAMELEN : OM_MSG_CONTROLLEN)),
			segment->bytes);
	case OM_PLACED_REFERRED:
		reference = &om_references[argument_of(from, segment)->size];
		if (reference->cut == OM_CUT_LENGTH)
			return least(read32(from, outer->offset + reference->length_at), segment->bytes);
		return least((uint64_t)from->result, segment->bytes);
	default:
		return segment->bytes;
	}
}

size_t om_place_reply_bound(const struct om_placed *placed)
{
	size_t bound = sizeof(struct om_reply);

	for (uint32_t i = 0; i < placed->count; i++)
		if (placed->segments[i].flags & OM_SEGMENT_OUT)
			bound += sizeof(struct om_reply_part) + om_align8(placed->segments[i].bytes);
	return bound;
}

int64_t om_place_reply(const struct om_placed *placed, const void *data, int64_t result, uint32_t flags, void *message,
		       size_t capacity)
{
	struct source from = {.placed = placed, .data = data, .result = result};
	struct om_reply reply = {.result = result, .flags = flags};
	uint8_t *parts = (uint8_t *)message + sizeof(reply), *at;
	struct om_reply_part part;

	if (capacity < om_place_reply_bound(placed))
		return -ENOSPC;
	for (uint32_t i = 0; i < placed->count && !(flags & OM_REPLY_CANCELLED); i++) {
		if (!(placed->segments[i].flags & OM_SEGMENT_OUT))
			continue;
		part = (struct om_reply_part){i, bytes_of(&from, &placed->segments[i])};
		if (part.bytes == 0)
			continue;
		memcpy(parts + reply.part_count++ * sizeof(part), &part, sizeof(part));
	}
	at = parts + reply.part_count * sizeof(part);
	for (uint32_t i = 0; i < reply.part_count; i++) {
		memcpy(&part, parts + i * sizeof(part), sizeof(part));
		memcpy(at, from.data + placed->segments[part.segment].offset, part.bytes);
		memset(at + part.bytes, 0, om_align8(part.bytes) - part.bytes);
		at += om_align8(part.bytes);
		reply.data_bytes += om_align8(part.bytes);
	}
	memcpy(message, &reply, sizeof(reply));
	return at - (uint8_t *)message;
}
