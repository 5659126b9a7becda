/* SPDX-License-Identifier: MIT */
#include "om_place_private.h"
#include <errno.h>

static int refuse(struct om_placed *placed, const char *why)
{
	placed->why = why;
	return -EPROTO;
}

/* What holds whatever the call: counts, sizes, and that each address goes into something that exists. */
static const char *read_segments(struct om_placed *placed, const struct om_request *request, const uint8_t *segments)
{
	uint64_t data = 0;

	for (uint32_t i = 0; i < request->segment_count; i++) {
		struct om_segment segment;

		memcpy(&segment, segments + i * sizeof(segment), sizeof(segment));
		if (segment.flags == 0 || segment.flags > OM_SEGMENT_INOUT || segment.bytes > OM_CALL_AREA_MAX)
			return "a segment's head";
		if (segment.patch_kind == OM_PATCH_ARGUMENT) {
			if (segment.patch_at > 5)
				return "a segment of no argument";
		} else if (segment.patch_kind != OM_PATCH_SEGMENT || segment.patch_segment >= i) {
			return "a segment of no other";
		} else {
			const struct om_placed_segment *outer = &placed->segments[segment.patch_segment];

			if (!(outer->flags & OM_SEGMENT_IN) || outer->bytes < 8 || segment.patch_at > outer->bytes - 8)
				return "an address outside its segment";
		}
		placed->segments[i] = (struct om_placed_segment){
			.bytes = segment.bytes,
			.data_at = (uint32_t)data,
			.patch_at = segment.patch_at,
			.outer = segment.patch_segment,
			.patch_kind = (uint8_t)segment.patch_kind,
			.flags = (uint8_t)segment.flags,
			.role = OM_PLACED_INNER,
		};
		if (segment.flags & OM_SEGMENT_IN)
			data += om_align8(segment.bytes);
		if (data > request->data_bytes)
			return "segments with more data than there is";
	}
	placed->count = request->segment_count;
	return data == request->data_bytes ? NULL : "data that is no segment's";
}

/* Files opened with O_DIRECT want buffers aligned as the device's blocks are, which is what their size then is a
 * multiple of. */
static uint32_t alignment(uint32_t bytes)
{
	return bytes == 0 || bytes % 512 != 0 ? 8 : bytes % 4096 != 0 ? 512 : 4096;
}

static bool lay_out(struct om_placed *placed, size_t bytes, bool aligned)
{
	uint64_t at = 0;

	for (uint32_t i = 0; i < placed->count; i++) {
		struct om_placed_segment *segment = &placed->segments[i];
		uint32_t align = aligned ? alignment(segment->bytes) : 8;

		at = (at + align - 1) & ~(uint64_t)(align - 1);
		if (at + segment->bytes > bytes)
			return false;
		segment->offset = (uint32_t)at;
		at += segment->bytes;
	}
	placed->used = (uint32_t)at;
	return true;
}

int om_place(struct om_placed *placed, void *data, size_t bytes, uint64_t address, const void *message,
	     size_t request_bytes)
{
	const uint8_t *segments = (const uint8_t *)message + sizeof(struct om_request), *in;
	struct om_request request;
	uint64_t heads;
	const char *why;

	placed->count = 0;
	placed->why = NULL;
	placed->syscall = om_syscall_entry(-1);
	if (request_bytes < sizeof(request) || request_bytes > OM_REQUEST_BYTES_MAX)
		return refuse(placed, "a message of this size");
	memcpy(&request, message, sizeof(request));
	heads = (uint64_t)request.segment_count * sizeof(struct om_segment);
	if (request.segment_count > OM_SEGMENTS_MAX || request.flags != 0 ||
	    request_bytes - sizeof(request) != heads + request.data_bytes)
		return refuse(placed, "a message whose parts do not add up");
	why = read_segments(placed, &request, segments);
	if (why)
		return refuse(placed, why);

	placed->number = request.number;
	placed->signal_mask = request.signal_mask;
	placed->syscall = om_syscall_of(request.number, request.args);
	if (placed->syscall->side != OM_SIDE_HOME &&
	    !(placed->syscall->flags & (OM_SYSCALL_ASKED | OM_SYSCALL_MIRROR))) {
		placed->why = "a call that is not home's to make";
		return -EACCES;
	}
	memset(placed->args, 0, sizeof(placed->args));
	memcpy(placed->args, request.args, placed->syscall->argument_count * sizeof(request.args[0]));
	in = segments + heads;
	why = om_place_check(placed, in);
	if (why)
		return refuse(placed, why);
	if (!lay_out(placed, bytes, true) && !lay_out(placed, bytes, false))
		return refuse(placed, "more than a slot holds");

	for (uint32_t i = 0; i < placed->count; i++) {
		const struct om_placed_segment *segment = &placed->segments[i];

		if (segment->flags & OM_SEGMENT_IN)
			memcpy((uint8_t *)data + segment->offset, in + segment->data_at, segment->bytes);
		if (segment->patch_kind == OM_PATCH_ARGUMENT)
			placed->args[segment->patch_at] = address + segment->offset;
		else
			om_put64((uint8_t *)data + placed->segments[segment->outer].offset + segment->patch_at,
				 address + segment->offset);
	}
	return 0;
}
