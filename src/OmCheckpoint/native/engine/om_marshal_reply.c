/* SPDX-License-Identifier: MIT
 *
 * What home sent back goes into the body. The reply is checked against the request it answers: no part is longer than
 * its segment, or goes where nothing was to be written. Of a structure with pointers only those fields are written that
 * the kernel writes: its pointers are the deputy's.
 */
#include "om_marshal_private.h"
#include <errno.h>

struct writes {
	struct om_marshal_private *p;
	uint32_t count;
	uint64_t bytes;
};

static void add(struct writes *w, uint64_t address, const uint8_t *data, size_t bytes)
{
	if (bytes == 0)
		return;
	w->p->local[w->count] = (struct iovec){(void *)(uintptr_t)data, bytes};
	w->p->remote[w->count++].iov_base = (void *)(uintptr_t)address;
	w->bytes += bytes;
}

static int flush(struct writes *w, uint64_t *written)
{
	ssize_t done = om_body_writev(&w->p->body, w->p->local, w->p->remote, w->count);
	uint64_t wanted = w->bytes;

	w->count = 0;
	w->bytes = 0;
	if (done < 0)
		return (int)done;
	*written += (uint64_t)done;
	return (uint64_t)done == wanted ? 0 : -EFAULT;
}

/* Only what changed, so that memory which the kernel would not have written is not written: it may be read-only. */
static void add_changed(struct writes *w, uint32_t s, const uint8_t *data, uint32_t bytes)
{
	const uint8_t *sent = om_stage_data(w->p, (int)s);
	uint32_t begin = 0;

	while (begin < bytes && data[begin] == sent[begin])
		begin++;
	while (bytes > begin && data[bytes - 1] == sent[bytes - 1])
		bytes--;
	add(w, w->p->segments[s].remote_address + begin, data + begin, bytes - begin);
}

static void add_message(struct writes *w, uint64_t address, const uint8_t *header)
{
	add(w, address + OM_MSG_NAMELEN, header + OM_MSG_NAMELEN, 4);
	add(w, address + OM_MSG_CONTROLLEN, header + OM_MSG_CONTROLLEN, 8);
	add(w, address + OM_MSG_FLAGS, header + OM_MSG_FLAGS, 4);
}

static int add_messages(struct writes *w, uint32_t s, const uint8_t *data, uint32_t bytes, uint64_t *written)
{
	uint64_t address = w->p->segments[s].remote_address;
	const struct om_argument *argument = &w->p->arguments[w->p->argument[s]];
	int error = 0;

	if (argument->kind == OM_ARGUMENT_MSG) {
		if (bytes == OM_MSG_BYTES && w->p->done == 0)
			add_message(w, address, data);
		return 0;
	}
	for (uint32_t at = 0; at + OM_MMSG_BYTES <= bytes && error == 0; at += OM_MMSG_BYTES) {
		if (argument->flags & OM_ARGUMENT_OUT)
			add_message(w, address + at, data + at);
		add(w, address + at + OM_MMSG_LEN, data + at + OM_MMSG_LEN, 4);
		if (w->count > OM_IOV_MAX)
			error = flush(w, written);
	}
	return error;
}

/* Checks the heads of all parts before anything is written. */
static bool well_formed(const struct om_marshal_private *p, const struct om_reply *reply, const uint8_t *parts,
			size_t bytes)
{
	uint32_t next = 0;
	uint64_t sum = 0;

	for (uint32_t i = 0; i < reply->part_count; i++) {
		const struct om_segment *segment;
		struct om_reply_part part;

		memcpy(&part, parts + i * sizeof(part), sizeof(part));
		if (part.segment < next || part.segment >= p->count)
			return false;
		next = part.segment + 1;
		segment = &p->segments[part.segment];
		if (!(segment->flags & OM_SEGMENT_OUT) || part.bytes > segment->bytes)
			return false;
		sum += om_align8(part.bytes);
	}
	return sum == bytes && reply->data_bytes == bytes;
}

/* The part that answers a question is handed on, every other written. */
int om_reply_write(struct om_marshal *m, const uint8_t *message, size_t bytes)
{
	struct om_marshal_private *p = m->priv;
	struct writes w = {.p = p};
	struct om_reply_part parts[64];
	struct om_reply reply;
	const uint8_t *data;
	uint64_t transferred = 0, others = 0;
	int error = 0, fault = 0;
	size_t heads;

	memcpy(&reply, message, sizeof(reply));
	heads = reply.part_count * sizeof(struct om_reply_part);
	if (reply.part_count > p->count || bytes - sizeof(reply) < heads)
		return -EPROTO;
	if (!well_formed(p, &reply, message + sizeof(reply), bytes - sizeof(reply) - heads))
		return -EPROTO;
	data = message + sizeof(reply) + heads;

	/* First the data of a transfer: if it cannot be written, the count says how far it got. */
	for (int pass = 0; pass < 2; pass++) {
		const uint8_t *at = data;

		for (uint32_t i = 0; i < reply.part_count && error == 0; i++) {
			struct om_reply_part *part = &parts[i % 64];
			uint32_t s;

			if (i % 64 == 0)
				memcpy(parts, message + sizeof(reply) + i * sizeof(*part),
				       (reply.part_count - i < 64 ? reply.part_count - i : 64) * sizeof(*part));
			s = part->segment;
			if ((p->role[s] == OM_ROLE_DATA) == (pass == 0)) {
				switch (p->role[s]) {
				case OM_ROLE_MSG:
					error = add_messages(&w, s, at, part->bytes, &others);
					break;
				case OM_ROLE_REFERENCE: {
					const struct om_reference *reference =
						&om_references[p->arguments[p->argument[s]].size];

					if (part->bytes == reference->bytes)
						add(&w, p->segments[s].remote_address + reference->length_at,
						    at + reference->length_at, reference->length_bytes);
					break;
				}
				default:
					if (p->segments[s].flags == OM_SEGMENT_INOUT &&
					    !(p->retimed && p->time_segment == s))
						add_changed(&w, s, at, part->bytes);
					else
						add(&w, p->segments[s].remote_address, at, part->bytes);
				}
			}
			at += om_align8(part->bytes);
			if (w.count > OM_IOV_MAX && error == 0)
				error = flush(&w, pass == 0 ? &transferred : &others);
		}
		if (error == 0)
			error = flush(&w, pass == 0 ? &transferred : &others);
		if (error == -ESRCH)
			return error;
		if (error != 0)
			fault = error;
		error = 0;
		w.count = 0;
		w.bytes = 0;
	}
	if (fault != 0 && transferred > 0 && reply.result > 0 && m->syscall->socket_argument == OM_NO_ARGUMENT) {
		p->shrunk = true;
		m->result = (int64_t)transferred < reply.result ? (int64_t)transferred : reply.result;
		return 0;
	}
	m->result = fault != 0 ? fault : reply.result;
	return 0;
}
