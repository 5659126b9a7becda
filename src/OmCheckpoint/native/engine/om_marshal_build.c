/* SPDX-License-Identifier: MIT
 *
 * Builds a request: one pass over the arguments of the call, driven by the table. A pass that finds memory missing
 * which it had counted on notes that and is made again; each such note can be made once, so the passes end.
 */
#include "om_marshal_private.h"
#include <errno.h>

void om_stage_reset(struct om_marshal_private *p)
{
	p->count = 0;
	p->staged = 0;
	p->area = 0;
	p->full = false;
}

int om_stage_segment(struct om_marshal_private *p, uint32_t flags, uint32_t bytes, uint32_t kind, uint32_t outer,
		     uint32_t at, uint64_t address, enum om_role role, uint32_t argument)
{
	uint32_t index = p->count;

	if (index >= OM_SEGMENTS_MAX || bytes > OM_CALL_AREA_MAX || om_align8(bytes) > OM_CALL_AREA_MAX - p->area) {
		p->full = true;
		return -1;
	}
	p->segments[index] = (struct om_segment){
		.flags = flags,
		.bytes = bytes,
		.patch_kind = (uint16_t)kind,
		.patch_segment = (uint16_t)outer,
		.patch_at = at,
		.remote_address = address,
	};
	p->role[index] = (uint8_t)role;
	p->argument[index] = (uint8_t)argument;
	p->area += om_align8(bytes);
	if (flags & OM_SEGMENT_IN) {
		p->data_at[index] = p->staged;
		p->staged += om_align8(bytes);
		memset(om_stage_data(p, (int)index) + bytes, 0, om_align8(bytes) - bytes);
	}
	p->count++;
	return (int)index;
}

uint8_t *om_stage_data(struct om_marshal_private *p, int segment)
{
	return p->stage + OM_STAGE_HEAD + p->data_at[segment];
}

void om_stage_finish(struct om_marshal *m, int32_t number)
{
	struct om_marshal_private *p = m->priv;
	size_t segments = p->count * sizeof(struct om_segment);
	struct om_request head = {
		.number = number,
		.segment_count = p->count,
		.signal_mask = p->signal_mask,
		.data_bytes = p->staged,
	};

	memcpy(head.args, p->sent, sizeof(head.args));
	m->request = p->stage + OM_STAGE_HEAD - segments - sizeof(head);
	m->request_bytes = sizeof(head) + segments + p->staged;
	memcpy(m->request, &head, sizeof(head));
	memcpy(m->request + sizeof(head), p->segments, segments);
}

/* The 32 bits behind argument k, as they are (or will be) sent. */
static int behind(struct om_marshal *m, uint32_t k, uint64_t *value)
{
	struct om_marshal_private *p = m->priv;

	if (!(p->behind_known & 1u << k)) {
		uint32_t read;
		ssize_t got = om_body_read(&p->body, m->args[k], &read, sizeof(read));

		if (got != sizeof(read))
			return got < 0 ? (int)got : -EFAULT;
		p->behind[k] = read;
		p->behind_known |= 1u << k;
	}
	*value = p->behind[k];
	return 0;
}

static uint32_t self_bytes(const struct om_argument *argument)
{
	return argument->size_kind == OM_SIZE_SELF16 ? 2 : argument->size_kind == OM_SIZE_SELF32 ? 4 : 8;
}

/* The number the size of argument i is computed from; cuts off what is more than one call carries, where a shorter
 * buffer is as good. */
static int count_of(struct om_marshal *m, uint32_t i, uint64_t *count)
{
	struct om_marshal_private *p = m->priv;
	const struct om_argument *argument = &p->arguments[i];
	uint32_t k = argument->size_argument;
	uint64_t most;
	int error = 0;

	if (om_argument_count(argument, m->args, count)) {
		if (argument->size_kind == OM_SIZE_FDSET && *count <= INT32_MAX && *count > OM_FDSET_BITS)
			*count = p->sent[k] = OM_FDSET_BITS;
		if (argument->flags == OM_ARGUMENT_OUT && argument->cut_kind == OM_CUT_RETURNED &&
		    argument->size != 0) {
			most = (OM_CALL_DATA_MAX - argument->base) / argument->size;
			if (*count > most &&
			    *count <= (argument->size_kind == OM_SIZE_ARGUMENT32 ? INT32_MAX : INT64_MAX))
				*count = p->sent[k] = most;
		}
		return 0;
	}
	switch (argument->size_kind) {
	case OM_SIZE_BEHIND:
		error = behind(m, k, count);
		if (error == 0 && argument->cut_kind == OM_CUT_LENGTH && *count > OM_LENGTH_MAX && *count <= INT32_MAX)
			*count = p->behind[k] = OM_LENGTH_MAX;
		return error;
	case OM_SIZE_CAPABILITY:
		error = behind(m, k, count);
		if (error == 0)
			*count = om_capability_count((uint32_t)*count);
		return error;
	default: {
		ssize_t got;

		*count = 0;
		got = om_body_read(&p->body, m->args[i] + argument->size_argument, count, self_bytes(argument));
		if (got < 0)
			return (int)got;
		return got == self_bytes(argument) ? 0 : -EFAULT;
	}
	}
}

static int stage_memory(struct om_marshal *m, uint32_t i)
{
	struct om_marshal_private *p = m->priv;
	const struct om_argument *argument = &p->arguments[i];
	uint64_t address = m->args[i], count = 0;
	uint32_t bytes;
	uint8_t *data;
	ssize_t got;
	int segment, error;

	if (address == 0)
		return 0;
	error = count_of(m, i, &count);
	if (error == -ESRCH)
		return error;
	if (error != 0 || (p->bad & 1u << i) || !om_argument_bytes(argument, count, &bytes)) {
		p->sent[i] = OM_BAD_ADDRESS;
		return 0;
	}
	segment = om_stage_segment(p, argument->flags & OM_SEGMENT_INOUT, bytes, OM_PATCH_ARGUMENT, 0, i, address,
				   OM_ROLE_MEMORY, i);
	if (segment < 0 || !(argument->flags & OM_ARGUMENT_IN))
		return 0;
	data = om_stage_data(p, segment);
	got = om_body_read(&p->body, address, data, bytes);
	if (got < 0)
		return (int)got;
	if ((uint32_t)got < bytes && (got == 0 || !(argument->flags & OM_ARGUMENT_BEST))) {
		p->bad |= 1u << i;
		return -EAGAIN;
	}
	memset(data + got, 0, bytes - (uint32_t)got);
	/* Lengths are used as they were first seen: the body may change them meanwhile. */
	if (argument->size_kind >= OM_SIZE_SELF16 && argument->size_kind <= OM_SIZE_SELF64 &&
	    argument->size_argument + self_bytes(argument) <= bytes)
		memcpy(data + argument->size_argument, &count, self_bytes(argument));
	if (bytes >= sizeof(uint32_t)) {
		if (p->behind_known & 1u << i)
			om_put32(data, (uint32_t)p->behind[i]);
		p->behind[i] = om_get32(data);
		p->behind_known |= 1u << i;
	}
	return 0;
}

static int stage_string(struct om_marshal *m, uint32_t i)
{
	struct om_marshal_private *p = m->priv;
	uint32_t most = p->arguments[i].size, length = 0;
	uint64_t address = m->args[i];
	char text[4096];
	int segment;

	if (address == 0)
		return 0;
	/* To the end of a page at a time: what follows the NUL may not be mapped. */
	while (length < most && !(p->bad & 1u << i)) {
		uint32_t step = 4096u - (uint32_t)((address + length) & 4095u);
		const char *nul;
		ssize_t got;

		if (step > most - length)
			step = most - length;
		got = om_body_read(&p->body, address + length, text + length, step);
		if (got < 0)
			return (int)got;
		nul = memchr(text + length, 0, (size_t)got);
		if (nul) {
			length = (uint32_t)(nul - text) + 1;
			break;
		}
		if ((uint32_t)got < step) {
			p->bad |= 1u << i;
			break;
		}
		length += step;
	}
	if (p->bad & 1u << i) {
		p->sent[i] = OM_BAD_ADDRESS;
		return 0;
	}
	segment = om_stage_segment(p, OM_SEGMENT_IN, length, OM_PATCH_ARGUMENT, 0, i, address, OM_ROLE_MEMORY, i);
	if (segment >= 0)
		memcpy(om_stage_data(p, segment), text, length);
	return 0;
}

static int stage_mask(struct om_marshal *m, uint64_t address, uint64_t bytes, uint64_t *sent)
{
	uint64_t mask;
	ssize_t got;

	*sent = 0;
	if (address == 0)
		return 0;
	*sent = OM_BAD_ADDRESS;
	if (bytes != sizeof(mask))
		return 0;
	got = om_body_read(&m->priv->body, address, &mask, sizeof(mask));
	if (got == sizeof(mask)) {
		m->has_mask = true;
		m->mask = mask;
		*sent = 0;
	}
	return got < 0 ? (int)got : 0;
}

static int stage_mask6(struct om_marshal *m, uint32_t i)
{
	struct om_marshal_private *p = m->priv;
	uint64_t pair[2];
	ssize_t got;
	int segment, error;

	if (m->args[i] == 0)
		return 0;
	got = om_body_read(&p->body, m->args[i], pair, sizeof(pair));
	if (got != sizeof(pair)) {
		p->sent[i] = OM_BAD_ADDRESS;
		return got < 0 ? (int)got : 0;
	}
	error = stage_mask(m, pair[0], pair[1], &pair[0]);
	segment =
		om_stage_segment(p, OM_SEGMENT_IN, sizeof(pair), OM_PATCH_ARGUMENT, 0, i, m->args[i], OM_ROLE_INNER, i);
	if (segment >= 0)
		memcpy(om_stage_data(p, segment), pair, sizeof(pair));
	return error;
}

static int stage_reference(struct om_marshal *m, uint32_t i)
{
	struct om_marshal_private *p = m->priv;
	const struct om_reference *reference = &om_references[p->arguments[i].size];
	uint32_t flags = p->arguments[i].flags & OM_SEGMENT_INOUT, length;
	uint8_t structure[32];
	uint64_t address;
	ssize_t got;
	int outer, inner;

	if (m->args[i] == 0)
		return 0;
	got = om_body_read(&p->body, m->args[i], structure, reference->bytes);
	if (got != reference->bytes) {
		p->sent[i] = OM_BAD_ADDRESS;
		return got < 0 ? (int)got : 0;
	}
	length = om_reference_length(reference, structure);
	address = om_get64(structure + reference->pointer_at);
	if (address != 0)
		om_put64(structure + reference->pointer_at, OM_BAD_ADDRESS);
	outer = om_stage_segment(p, flags, reference->bytes, OM_PATCH_ARGUMENT, 0, i, m->args[i], OM_ROLE_REFERENCE, i);
	if (outer < 0)
		return 0;
	memcpy(om_stage_data(p, outer), structure, reference->bytes);
	if (address == 0 || length > reference->length_max || (p->bad & 1u << i))
		return 0;
	inner = om_stage_segment(p, reference->flags, length * reference->scale, OM_PATCH_SEGMENT, (uint32_t)outer,
				 reference->pointer_at, address, OM_ROLE_INNER, i);
	if (inner < 0 || !(reference->flags & OM_SEGMENT_IN))
		return 0;
	got = om_body_read(&p->body, address, om_stage_data(p, inner), length * reference->scale);
	if (got < 0)
		return (int)got;
	if ((uint32_t)got < length * reference->scale) {
		p->bad |= 1u << i;
		return -EAGAIN;
	}
	return 0;
}

static int stage_argument(struct om_marshal *m, uint32_t i)
{
	struct om_marshal_private *p = m->priv;
	const struct om_argument *argument = &p->arguments[i];
	uint64_t count = 0;

	switch (argument->kind) {
	case OM_ARGUMENT_VALUE:
	case OM_ARGUMENT_FILE:
		return 0;
	case OM_ARGUMENT_POSITION:
		/* preadv2 and its kin: -1 is the file's own position */
		if (p->sent[i] != UINT64_MAX)
			p->sent[i] += p->done;
		return 0;
	case OM_ARGUMENT_MEMORY:
		return stage_memory(m, i);
	case OM_ARGUMENT_STRING:
		return stage_string(m, i);
	case OM_ARGUMENT_BULK:
	case OM_ARGUMENT_IOV:
		return om_transfer_stage(m, i);
	case OM_ARGUMENT_MSG:
		return om_msg_stage(m, i);
	case OM_ARGUMENT_MMSG:
		return om_mmsg_stage(m, i);
	case OM_ARGUMENT_SIGMASK:
		om_argument_count(argument, m->args, &count);
		return stage_mask(m, m->args[i], count, &p->sent[i]);
	case OM_ARGUMENT_SIGMASK6:
		return stage_mask6(m, i);
	case OM_ARGUMENT_REFERENCE:
		return stage_reference(m, i);
	default:
		p->sent[i] = m->args[i] == 0 ? 0 : OM_BAD_ADDRESS;
		return 0;
	}
}

/* Whether what the call will write has somewhere to go. Looked at before, so that nothing is consumed, created or
 * reaped for a buffer that is not there. (One that can be read and not written is found only afterwards.) */
static int probe(struct om_marshal *m)
{
	struct om_marshal_private *p = m->priv;
	struct iovec local[7], remote[7];
	uint8_t argument[7], byte[7];
	size_t count = 0;
	ssize_t got;

	for (uint32_t s = 0; s < p->count && count < 6; s++) {
		if (p->segments[s].flags != OM_SEGMENT_OUT || p->segments[s].bytes == 0 || p->role[s] != OM_ROLE_MEMORY)
			continue;
		local[count] = (struct iovec){&byte[count], 1};
		remote[count] = (struct iovec){(void *)(uintptr_t)p->segments[s].remote_address, 1};
		argument[count++] = p->argument[s];
	}
	if (count == 0)
		return 0;
	got = om_body_readv(&p->body, local, remote, count);
	if (got < 0)
		return (int)got;
	if ((size_t)got == count)
		return 0;
	p->bad |= 1u << argument[got];
	return -EAGAIN;
}

int om_build(struct om_marshal *m)
{
	struct om_marshal_private *p = m->priv;
	int step;

	do {
		om_stage_reset(p);
		memset(p->sent, 0, sizeof(p->sent));
		memcpy(p->sent, m->args, m->syscall->argument_count * sizeof(p->sent[0]));
		step = 0;
		for (uint32_t i = 0; i < m->syscall->argument_count && step == 0; i++)
			step = stage_argument(m, i);
		if (step == 0)
			step = probe(m);
	} while (step == -EAGAIN);
	if (step != 0)
		return step;
	if (p->full) {
		m->result = p->done ? (int64_t)p->done : -ENOBUFS;
		return OM_MARSHAL_DONE;
	}
	om_time_stage(m);
	om_stage_finish(m, (int32_t)m->number);
	return OM_MARSHAL_SEND;
}
