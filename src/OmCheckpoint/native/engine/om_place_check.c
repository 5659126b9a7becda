/* SPDX-License-Identifier: MIT
 *
 * The request is walked as om_marshal_build.c made it: the table says which pointer comes next, and the next segment
 * either belongs to it or the pointer must be one that the kernel cannot follow. What is left over, or of another size
 * than the table says, is refused. So whatever the sender does, the kernel at home touches no memory but that of the
 * segments.
 */
#include "om_place_private.h"

struct walk {
	struct om_placed *placed;
	const struct om_argument *arguments;
	const uint8_t *data;
	uint32_t next;
	const char *why;
};

static const uint8_t *data_of(const struct walk *w, int segment)
{
	return w->data + w->placed->segments[segment].data_at;
}

static bool wrong(struct walk *w, const char *why)
{
	if (!w->why)
		w->why = why;
	return false;
}

/* The segment of the pointer at (kind, outer, at), or -1 if the pointer leads nowhere. */
static int take(struct walk *w, uint32_t kind, uint32_t outer, uint32_t at, uint64_t value, enum om_placed_role role,
		uint32_t argument, uint32_t message)
{
	if (w->next < w->placed->count) {
		struct om_placed_segment *segment = &w->placed->segments[w->next];

		if (segment->patch_kind == kind && segment->patch_at == at &&
		    (kind == OM_PATCH_ARGUMENT || segment->outer == outer)) {
			segment->role = (uint8_t)role;
			segment->argument = (uint8_t)argument;
			segment->message = (uint16_t)message;
			return (int)w->next++;
		}
	}
	if (value != 0 && value != OM_BAD_ADDRESS)
		wrong(w, "an address that is not a segment's");
	return -1;
}

static bool fits(struct walk *w, int segment, uint32_t flags, uint64_t bytes)
{
	if (w->placed->segments[segment].flags != (flags & OM_SEGMENT_INOUT))
		return wrong(w, "a segment's direction");
	if (w->placed->segments[segment].bytes != bytes)
		return wrong(w, "a segment's size");
	return true;
}

/* The 32 bits behind argument k. */
static bool behind(const struct walk *w, uint32_t k, uint64_t *value)
{
	for (uint32_t s = 0; s < w->placed->count; s++) {
		const struct om_placed_segment *segment = &w->placed->segments[s];

		if (segment->patch_kind != OM_PATCH_ARGUMENT || segment->patch_at != k)
			continue;
		if (!(segment->flags & OM_SEGMENT_IN) || segment->bytes < sizeof(uint32_t))
			return false;
		*value = om_get32(data_of(w, (int)s));
		return true;
	}
	return false;
}

static bool count_of(const struct walk *w, const struct om_argument *argument, int segment, uint64_t *count)
{
	uint32_t width, at = argument->size_argument;

	if (om_argument_count(argument, w->placed->args, count))
		return true;
	switch (argument->size_kind) {
	case OM_SIZE_BEHIND:
		return behind(w, at, count);
	case OM_SIZE_CAPABILITY:
		if (!behind(w, at, count))
			return false;
		*count = om_capability_count((uint32_t)*count);
		return true;
	default:
		width = argument->size_kind == OM_SIZE_SELF16 ? 2 : argument->size_kind == OM_SIZE_SELF32 ? 4 : 8;
		if (!(w->placed->segments[segment].flags & OM_SEGMENT_IN) ||
		    w->placed->segments[segment].bytes < at + width)
			return false;
		*count = 0;
		memcpy(count, data_of(w, segment) + at, width);
		return true;
	}
}

static void check_memory(struct walk *w, uint32_t i)
{
	const struct om_argument *argument = &w->arguments[i];
	int segment = take(w, OM_PATCH_ARGUMENT, 0, i, w->placed->args[i], OM_PLACED_MEMORY, i, 0);
	uint64_t count;
	uint32_t bytes;

	if (segment < 0)
		return;
	if (!count_of(w, argument, segment, &count) || !om_argument_bytes(argument, count, &bytes))
		wrong(w, "a size that cannot be known");
	else
		fits(w, segment, argument->flags, bytes);
}

static void check_string(struct walk *w, uint32_t i)
{
	int segment = take(w, OM_PATCH_ARGUMENT, 0, i, w->placed->args[i], OM_PLACED_MEMORY, i, 0);
	uint32_t bytes;

	if (segment < 0)
		return;
	bytes = w->placed->segments[segment].bytes;
	if (w->placed->segments[segment].flags != OM_SEGMENT_IN || bytes == 0 || bytes > w->arguments[i].size)
		wrong(w, "a text's segment");
	else if (bytes < w->arguments[i].size && data_of(w, segment)[bytes - 1] != 0)
		wrong(w, "a text without an end");
}

static void check_iov(struct walk *w, int array, uint64_t count, uint32_t flags, uint32_t argument, uint32_t message)
{
	if (count > OM_IOV_MAX || !fits(w, array, OM_SEGMENT_IN, count * 16)) {
		wrong(w, "an iovec array's length");
		return;
	}
	for (uint32_t i = 0; i < count && !w->why; i++) {
		const uint8_t *entry = data_of(w, array) + i * 16;
		int segment = take(w, OM_PATCH_SEGMENT, (uint32_t)array, i * 16, om_get64(entry), OM_PLACED_DATA,
				   argument, message);

		if (segment >= 0)
			fits(w, segment, flags, om_get64(entry + 8));
	}
}

static void check_message(struct walk *w, int outer, uint32_t base, uint32_t argument, uint32_t message)
{
	uint32_t flags = w->arguments[argument].flags, o = (uint32_t)outer;
	const uint8_t *header = data_of(w, outer) + base;
	int segment;

	segment = take(w, OM_PATCH_SEGMENT, o, base + OM_MSG_NAME, om_get64(header + OM_MSG_NAME), OM_PLACED_NAME,
		       argument, message);
	if (segment >= 0)
		fits(w, segment, flags, om_get32(header + OM_MSG_NAMELEN));
	segment = take(w, OM_PATCH_SEGMENT, o, base + OM_MSG_IOV, om_get64(header + OM_MSG_IOV), OM_PLACED_INNER,
		       argument, message);
	if (segment >= 0)
		check_iov(w, segment, om_get64(header + OM_MSG_IOVLEN), flags, argument, message);
	segment = take(w, OM_PATCH_SEGMENT, o, base + OM_MSG_CONTROL, om_get64(header + OM_MSG_CONTROL),
		       OM_PLACED_CONTROL, argument, message);
	if (segment >= 0)
		fits(w, segment, flags, om_get64(header + OM_MSG_CONTROLLEN));
}

static void check_transfer(struct walk *w, uint32_t i)
{
	const struct om_argument *argument = &w->arguments[i];
	enum om_placed_role role = argument->kind == OM_ARGUMENT_BULK  ? OM_PLACED_DATA
				   : argument->kind == OM_ARGUMENT_IOV ? OM_PLACED_INNER
								       : OM_PLACED_MSG;
	int segment = take(w, OM_PATCH_ARGUMENT, 0, i, w->placed->args[i], role, i, 0);
	uint64_t count = 0;

	if (segment < 0)
		return;
	om_argument_count(argument, w->placed->args, &count);
	switch (argument->kind) {
	case OM_ARGUMENT_BULK:
		fits(w, segment, argument->flags, count);
		break;
	case OM_ARGUMENT_IOV:
		check_iov(w, segment, count, argument->flags, i, 0);
		break;
	case OM_ARGUMENT_MSG:
		if (fits(w, segment, OM_SEGMENT_IN | argument->flags, OM_MSG_BYTES))
			check_message(w, segment, 0, i, 0);
		break;
	default:
		if (w->placed->segments[segment].flags != OM_SEGMENT_INOUT || count > OM_IOV_MAX ||
		    w->placed->segments[segment].bytes < count * OM_MMSG_BYTES) {
			wrong(w, "an array of messages");
			break;
		}
		for (uint32_t j = 0; j < count && !w->why; j++)
			check_message(w, segment, j * OM_MMSG_BYTES, i, j);
		break;
	}
}

static void check_reference(struct walk *w, uint32_t i)
{
	const struct om_reference *reference = &om_references[w->arguments[i].size];
	int outer = take(w, OM_PATCH_ARGUMENT, 0, i, w->placed->args[i], OM_PLACED_REFERENCE, i, 0), inner;
	uint64_t length;

	if (outer < 0 || !fits(w, outer, w->arguments[i].flags, reference->bytes))
		return;
	inner = take(w, OM_PATCH_SEGMENT, (uint32_t)outer, reference->pointer_at,
		     om_get64(data_of(w, outer) + reference->pointer_at), OM_PLACED_REFERRED, i, 0);
	if (inner < 0)
		return;
	length = om_reference_length(reference, data_of(w, outer));
	if (length > reference->length_max)
		wrong(w, "a structure's length");
	else
		fits(w, inner, reference->flags, length * reference->scale);
}

static void check_mask6(struct walk *w, uint32_t i)
{
	int segment = take(w, OM_PATCH_ARGUMENT, 0, i, w->placed->args[i], OM_PLACED_INNER, i, 0);
	uint64_t address;

	if (segment < 0 || !fits(w, segment, OM_SEGMENT_IN, 16))
		return;
	address = om_get64(data_of(w, segment));
	if (address != 0 && address != OM_BAD_ADDRESS)
		wrong(w, "an address that is not a segment's");
}

const char *om_place_check(struct om_placed *placed, const uint8_t *data)
{
	struct walk w = {.placed = placed, .arguments = om_syscall_arguments(placed->syscall), .data = data};

	for (uint32_t i = 0; i < placed->syscall->argument_count && !w.why; i++) {
		switch (w.arguments[i].kind) {
		case OM_ARGUMENT_VALUE:
		case OM_ARGUMENT_FILE:
		case OM_ARGUMENT_POSITION:
			break;
		case OM_ARGUMENT_MEMORY:
			check_memory(&w, i);
			break;
		case OM_ARGUMENT_STRING:
			check_string(&w, i);
			break;
		case OM_ARGUMENT_BULK:
		case OM_ARGUMENT_IOV:
		case OM_ARGUMENT_MSG:
		case OM_ARGUMENT_MMSG:
			check_transfer(&w, i);
			break;
		case OM_ARGUMENT_REFERENCE:
			check_reference(&w, i);
			break;
		case OM_ARGUMENT_SIGMASK6:
			check_mask6(&w, i);
			break;
		default: /* a mask is never sent, and what is not described cannot be */
			if (placed->args[i] != 0 && placed->args[i] != OM_BAD_ADDRESS)
				wrong(&w, "an address that is not a segment's");
			break;
		}
	}
	if (w.next != placed->count)
		wrong(&w, "a segment that belongs nowhere");
	return w.why;
}
