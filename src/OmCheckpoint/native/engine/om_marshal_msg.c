/* SPDX-License-Identifier: MIT
 *
 * struct msghdr: name, buffers and ancillary data. Ancillary data needs no understanding: the descriptors in SCM_RIGHTS
 * are home's, the ids in SCM_CREDENTIALS are the same on both sides.
 */
#include "om_marshal_private.h"
#include <errno.h>
#include <sys/socket.h>

/* The name or control buffer of a message: length bytes at the pointer in its header. */
static int stage_inner(struct om_marshal *m, uint32_t argument, int outer, uint32_t base, uint8_t *header,
		       uint32_t pointer_at, uint32_t length)
{
	struct om_marshal_private *p = m->priv;
	uint32_t flags = p->arguments[argument].flags & OM_SEGMENT_INOUT;
	uint64_t address = om_get64(header + pointer_at);
	int segment;
	ssize_t got;

	if (address == 0)
		return 0;
	om_put64(header + pointer_at, OM_BAD_ADDRESS);
	segment = om_stage_segment(p, flags, length, OM_PATCH_SEGMENT, (uint32_t)outer, base + pointer_at, address,
				   OM_ROLE_INNER, argument);
	if (segment < 0 || !(flags & OM_SEGMENT_IN))
		return 0;
	got = om_body_read(&p->body, address, om_stage_data(p, segment), length);
	if (got < 0)
		return (int)got;
	if ((uint32_t)got == length)
		return 0;
	/* Not there: without its segment the pointer stays bad. */
	p->count--;
	p->staged -= om_align8(length);
	p->area -= om_align8(length);
	return 0;
}

/* One message. `header` is the staged copy, at offset `base` of the segment `outer`. */
static int stage_message(struct om_marshal *m, uint32_t argument, int outer, uint32_t base, uint8_t *header,
			 uint64_t from, uint64_t limit, uint64_t *bytes, uint64_t *present)
{
	struct om_marshal_private *p = m->priv;
	bool in = p->arguments[argument].flags & OM_ARGUMENT_IN, ends = from == 0;
	int32_t name_length = (int32_t)om_get32(header + OM_MSG_NAMELEN);
	uint64_t control_length = om_get64(header + OM_MSG_CONTROLLEN);
	uint64_t iov = om_get64(header + OM_MSG_IOV), iov_count = om_get64(header + OM_MSG_IOVLEN);
	uint32_t entries = 0;
	int error = 0;

	*bytes = 0;
	*present = 0;
	/* Name and ancillary data go with the first piece. */
	if (!ends) {
		om_put64(header + OM_MSG_NAME, 0);
		om_put32(header + OM_MSG_NAMELEN, 0);
		om_put64(header + OM_MSG_CONTROL, 0);
		om_put64(header + OM_MSG_CONTROLLEN, 0);
		name_length = 0;
		control_length = 0;
	}
	if (control_length > OM_CONTROL_MAX && in) {
		m->result = -ENOBUFS;
		return OM_MARSHAL_DONE;
	}
	if (control_length > OM_CONTROL_MAX)
		om_put64(header + OM_MSG_CONTROLLEN, control_length = OM_CONTROL_MAX);
	if (name_length > (int32_t)OM_NAME_MAX)
		om_put32(header + OM_MSG_NAMELEN, (uint32_t)(name_length = OM_NAME_MAX));

	if (name_length < 0) /* EINVAL before anything is looked at */
		om_put64(header + OM_MSG_NAME, OM_BAD_ADDRESS);
	else
		error = stage_inner(m, argument, outer, base, header, OM_MSG_NAME, (uint32_t)name_length);
	if (error != 0)
		return error;
	om_put64(header + OM_MSG_IOV, iov == 0 ? 0 : OM_BAD_ADDRESS);
	if (iov != 0 && iov_count <= OM_IOV_MAX && !p->spans_missing) {
		error = om_transfer_iov(m, OM_PATCH_SEGMENT, (uint32_t)outer, base + OM_MSG_IOV, argument, from, limit,
					&entries, bytes, present);
		if (error != 0)
			return error;
		om_put64(header + OM_MSG_IOVLEN, entries);
	}
	return stage_inner(m, argument, outer, base, header, OM_MSG_CONTROL, (uint32_t)control_length);
}

int om_msg_stage(struct om_marshal *m, uint32_t argument)
{
	struct om_marshal_private *p = m->priv;
	uint64_t present = 0;
	int outer, step;

	if (p->bad & 1u << argument) {
		p->sent[argument] = OM_BAD_ADDRESS;
		return 0;
	}
	step = om_transfer_question(m);
	if (step != 0)
		return step;
	outer = om_stage_segment(p, OM_SEGMENT_IN | (p->arguments[argument].flags & OM_SEGMENT_OUT), OM_MSG_BYTES,
				 OM_PATCH_ARGUMENT, 0, argument, m->args[argument], OM_ROLE_MSG, argument);
	if (outer < 0)
		return 0;
	memcpy(om_stage_data(p, outer), p->msg, OM_MSG_BYTES);
	step = stage_message(m, argument, outer, 0, om_stage_data(p, outer), p->done, p->limit, &p->piece, &present);
	if (step != 0)
		return step;
	return present < p->piece ? om_transfer_shrink(m, present) : 0;
}

/* As many messages as fit, from number p->done on. */
int om_mmsg_stage(struct om_marshal *m, uint32_t argument)
{
	struct om_marshal_private *p = m->priv;
	uint32_t k = p->arguments[argument].size_argument, wanted = (uint32_t)(p->total - p->done), staged = 0;
	uint64_t address = m->args[argument] + p->done * OM_MMSG_BYTES, room = OM_CALL_DATA_MAX;
	uint8_t *headers;
	int outer, step = 0;
	ssize_t got;

	p->piece = 0;
	if (m->args[argument] == 0)
		return 0;
	outer = om_stage_segment(p, OM_SEGMENT_INOUT, wanted * OM_MMSG_BYTES, OM_PATCH_ARGUMENT, 0, argument, address,
				 OM_ROLE_MSG, argument);
	headers = om_stage_data(p, outer);
	got = om_body_read(&p->body, address, headers, wanted * OM_MMSG_BYTES);
	if (got < 0)
		return (int)got;
	for (uint32_t i = 0; i < wanted && (size_t)got >= (i + 1) * OM_MMSG_BYTES; i++) {
		uint32_t count = p->count, data = p->staged, area = p->area;
		uint8_t *header = headers + i * OM_MMSG_BYTES;
		uint64_t bytes = 0, present = 0, total = 0;
		uint8_t original[OM_MMSG_BYTES];
		int usable;

		memcpy(original, header, sizeof(original));
		p->spans_bad = false;
		usable = om_transfer_spans(p, om_get64(header + OM_MSG_IOV), om_get64(header + OM_MSG_IOVLEN), &total);
		if (usable < 0)
			return usable;
		p->spans_missing = usable == 0;
		for (;;) {
			if (i > 0 && (usable == 0 || p->spans_bad || total > room))
				break;
			step = stage_message(m, argument, outer, i * OM_MMSG_BYTES, header, 0, room, &bytes, &present);
			if (step < 0 || (step == OM_MARSHAL_DONE && i == 0))
				return step;
			if (step == 0 && present == bytes && !p->full) {
				staged = i + 1;
				room -= bytes;
				break;
			}
			/* Memory is missing. The first message is sent for the kernel to refuse, a later one ends the
			 * piece. */
			p->count = count;
			p->staged = data;
			p->area = area;
			p->full = false;
			memcpy(header, original, sizeof(original));
			if (i > 0)
				break;
			p->spans_bad = true;
		}
		if (staged != i + 1)
			break;
		if (total > bytes) /* more than a piece: what is left of it is not sent, as its msg_len says */
			p->shrunk = true;
	}
	if (staged == 0 && wanted > 0) {
		om_stage_reset(p);
		p->sent[argument] = OM_BAD_ADDRESS;
		return 0;
	}
	/* The array was staged for all that were wanted; home looks at as many as the count says. */
	memset(headers + staged * OM_MMSG_BYTES, 0, (wanted - staged) * OM_MMSG_BYTES);
	p->sent[k] = p->piece = staged;
	if (p->done > 0 && (m->args[3] & MSG_WAITFORONE))
		p->sent[3] |= MSG_DONTWAIT;
	return 0;
}
