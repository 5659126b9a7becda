/* SPDX-License-Identifier: MIT
 *
 * Calls that move file data: read, write, readv, sendmsg and their kin. What is more than OM_CALL_DATA_MAX goes in
 * pieces, and the call ends as Linux would have ended it: after an error or a short count, with what was done until
 * then. A second piece is read only where a read of the whole would have gone on, too, instead of waiting: regular
 * files, block devices, character devices that are ready, MSG_WAITALL.
 */
#include "om_marshal_private.h"
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define OM_END_OF_USER  0x7ffffffff000ull /* TASK_SIZE_MAX */
#define OM_TRANSFER_MAX 0x7ffff000ull     /* MAX_RW_COUNT */

static bool is_in(const struct om_marshal *m)
{
	return m->priv->arguments[m->priv->transfer].flags & OM_ARGUMENT_IN;
}

static uint32_t message_flags(const struct om_marshal *m)
{
	return m->syscall->socket_argument == OM_NO_ARGUMENT ? 0 : (uint32_t)m->args[m->syscall->socket_argument];
}

int om_transfer_spans(struct om_marshal_private *p, uint64_t address, uint64_t count, uint64_t *total)
{
	uint64_t pairs[2 * 64];
	uint64_t sum = 0;

	p->span_count = 0;
	if (count > OM_IOV_MAX)
		return 0;
	for (uint64_t i = 0; i < count; i++) {
		if (i % 64 == 0) {
			size_t bytes = (count - i < 64 ? count - i : 64) * 16;
			ssize_t got = om_body_read(&p->body, address + i * 16, pairs, bytes);

			if (got < 0)
				return (int)got;
			if ((size_t)got < bytes)
				return 0;
		}
		p->spans[i] = (struct om_span){pairs[i % 64 * 2], pairs[i % 64 * 2 + 1]};
		if (p->spans[i].bytes > INT64_MAX)
			p->spans_bad = true;
		else if (p->spans[i].bytes > OM_TRANSFER_MAX - sum)
			p->spans[i].bytes = OM_TRANSFER_MAX - sum;
		if (!p->spans_bad)
			sum += p->spans[i].bytes;
	}
	p->span_count = (uint32_t)count;
	*total = sum;
	return 1;
}

int om_transfer_open(struct om_marshal *m)
{
	struct om_marshal_private *p = m->priv;
	const struct om_argument *argument;
	uint64_t count = 0;
	int usable = 1;

	p->transfer = OM_NO_ARGUMENT;
	for (uint32_t i = 0; i < m->syscall->argument_count; i++)
		if (p->arguments[i].kind >= OM_ARGUMENT_BULK && p->arguments[i].kind <= OM_ARGUMENT_MMSG)
			p->transfer = i;
	if (p->transfer == OM_NO_ARGUMENT)
		return 0;
	argument = &p->arguments[p->transfer];
	p->limit = OM_CALL_DATA_MAX;
	switch (argument->kind) {
	case OM_ARGUMENT_BULK:
		om_argument_count(argument, m->args, &count);
		p->spans[0] = (struct om_span){m->args[p->transfer], count};
		p->span_count = 1;
		/* access_ok() of the whole; a socket looks at no more than MAX_RW_COUNT of it. */
		if (m->syscall->socket_argument == OM_NO_ARGUMENT || count > INT64_MAX)
			p->spans_bad = count > OM_END_OF_USER || m->args[p->transfer] > OM_END_OF_USER - count;
		p->total = count > OM_TRANSFER_MAX ? OM_TRANSFER_MAX : count;
		break;
	case OM_ARGUMENT_IOV:
		om_argument_count(argument, m->args, &count);
		usable = om_transfer_spans(p, m->args[p->transfer], count, &p->total);
		break;
	case OM_ARGUMENT_MSG: {
		ssize_t got = om_body_read(&p->body, m->args[p->transfer], p->msg, OM_MSG_BYTES);

		if (got < 0)
			return (int)got;
		if (got == OM_MSG_BYTES)
			usable = om_transfer_spans(p, om_get64(p->msg + OM_MSG_IOV), om_get64(p->msg + OM_MSG_IOVLEN),
						   &p->total);
		else
			p->bad |= 1u << p->transfer;
		break;
	}
	default:
		om_argument_count(argument, m->args, &count);
		p->total = count > OM_IOV_MAX ? OM_IOV_MAX : count;
		break;
	}
	p->spans_missing = usable == 0;
	return usable < 0 ? usable : 0;
}

/* Which of the bytes staged or probed are there, when the quick look at all of them failed: one byte a page. */
static int64_t present_bytes(struct om_marshal_private *p, uint64_t from, uint64_t limit)
{
	uint64_t present = 0;

	for (uint32_t i = 0; i < p->span_count && limit > 0; i++) {
		uint64_t address = p->spans[i].address, bytes = p->spans[i].bytes;

		if (from >= bytes) {
			from -= bytes;
			continue;
		}
		address += from;
		bytes -= from;
		from = 0;
		if (bytes > limit)
			bytes = limit;
		for (uint64_t at = 0; at < bytes;) {
			uint64_t step = 4096 - ((address + at) & 4095);
			uint8_t byte;
			ssize_t got = om_body_read(&p->body, address + at, &byte, 1);

			if (got != 1)
				return got < 0 ? got : (int64_t)present;
			if (step > bytes - at)
				step = bytes - at;
			at += step;
			present += step;
		}
		limit -= bytes;
	}
	return (int64_t)present;
}

int om_transfer_iov(struct om_marshal *m, uint32_t kind, uint32_t outer, uint32_t at, uint32_t argument, uint64_t from,
		    uint64_t limit, uint32_t *entries, uint64_t *bytes, uint64_t *present)
{
	struct om_marshal_private *p = m->priv;
	bool direct = p->arguments[argument].kind == OM_ARGUMENT_BULK;
	uint32_t flags = p->arguments[argument].flags & OM_SEGMENT_INOUT, vectors = 0, first = 0;
	uint64_t skip = from, room = limit;
	uint32_t end;
	uint8_t nowhere[2];
	int array = -1;
	ssize_t got;

	*bytes = 0;
	while (first < p->span_count && !p->spans_bad && skip >= p->spans[first].bytes && skip > 0)
		skip -= p->spans[first++].bytes;
	for (end = first; end < p->span_count && (end == first || room > 0 || p->spans_bad); end++) {
		uint64_t length = p->spans[end].bytes - (end == first ? skip : 0);

		room -= p->spans_bad ? 0 : length < room ? length : room;
	}
	room = limit;
	*entries = end - first;
	if (!direct) {
		array = om_stage_segment(p, OM_SEGMENT_IN, *entries * 16, kind, outer, at, 0, OM_ROLE_INNER, argument);
		if (array < 0)
			return 0;
	}
	for (uint32_t i = first; i < end; i++) {
		uint64_t address = p->spans[i].address + skip, length = p->spans[i].bytes - skip, sent = 0;
		uint32_t index = i - first;
		int segment;

		skip = 0;
		if (p->spans_bad) {
			sent = address == 0 ? 0 : OM_BAD_ADDRESS;
		} else {
			if (length > room)
				length = room;
			room -= length;
			*bytes += length;
		}
		if (!direct) {
			om_put64(om_stage_data(p, array) + index * 16, sent);
			om_put64(om_stage_data(p, array) + index * 16 + 8, length);
		} else if (p->spans_bad) {
			p->sent[argument] = sent;
		}
		if (p->spans_bad || (length == 0 && (!direct || address == 0)))
			continue;
		segment = direct ? om_stage_segment(p, flags, (uint32_t)length, kind, outer, at, address, OM_ROLE_DATA,
						    argument)
				 : om_stage_segment(p, flags, (uint32_t)length, OM_PATCH_SEGMENT, (uint32_t)array,
						    index * 16, address, OM_ROLE_DATA, argument);
		if (segment < 0)
			return 0;
		if (flags & OM_SEGMENT_IN) {
			p->local[vectors] = (struct iovec){om_stage_data(p, segment), length};
			p->remote[vectors++].iov_base = (void *)(uintptr_t)address;
		} else if (length > 0) {
			/* The ends of a buffer tell of its whole but for holes. */
			p->local[vectors] = (struct iovec){nowhere, 1};
			p->remote[vectors++].iov_base = (void *)(uintptr_t)address;
			p->local[vectors] = (struct iovec){nowhere + 1, length > 1};
			p->remote[vectors++].iov_base = (void *)(uintptr_t)(address + length - 1);
		}
	}
	*present = *bytes;
	got = om_body_readv(&p->body, p->local, p->remote, vectors);
	if (got < 0)
		return (int)got;
	if (flags & OM_SEGMENT_IN) {
		*present = (uint64_t)got;
	} else {
		uint64_t probed = 0;

		for (uint32_t i = 0; i < vectors; i++)
			probed += p->local[i].iov_len;
		if ((uint64_t)got < probed) {
			int64_t there = present_bytes(p, from, *bytes);

			if (there < 0)
				return (int)there;
			*present = (uint64_t)there;
		}
	}
	return 0;
}

int om_transfer_shrink(struct om_marshal *m, uint64_t present)
{
	struct om_marshal_private *p = m->priv;

	p->shrunk = true;
	p->limit = present;
	if (present > 0)
		return -EAGAIN;
	if (p->done > 0) {
		m->result = (int64_t)p->done;
		return OM_MARSHAL_DONE;
	}
	p->spans_bad = true;
	return -EAGAIN;
}

int om_transfer_stage(struct om_marshal *m, uint32_t argument)
{
	struct om_marshal_private *p = m->priv;
	uint32_t k = p->arguments[argument].size_argument, entries;
	uint64_t present;
	int step;

	if (p->spans_missing) {
		p->sent[argument] = m->args[argument] == 0 ? 0 : OM_BAD_ADDRESS;
		return 0;
	}
	step = om_transfer_question(m);
	if (step != 0)
		return step;
	step = om_transfer_iov(m, OM_PATCH_ARGUMENT, 0, argument, argument, p->done, p->limit, &entries, &p->piece,
			       &present);
	if (step != 0)
		return step;
	if (present < p->piece)
		return om_transfer_shrink(m, present);
	if (p->arguments[argument].kind == OM_ARGUMENT_IOV)
		p->sent[k] = entries;
	else if (!p->spans_bad)
		p->sent[k] = p->piece;
	return 0;
}

/* A request of our own, whose buffers are nobody's: the answer is looked at in om_transfer_answer. */
static int ask(struct om_marshal *m, enum om_question question)
{
	struct om_marshal_private *p = m->priv;
	uint32_t pollfd[2] = {(uint32_t)m->args[0], POLLIN};
	int segment;

	om_stage_reset(p);
	memset(p->sent, 0, sizeof(p->sent));
	p->question = question;
	p->sent[0] = m->args[0];
	switch (question) {
	case OM_QUESTION_FILE:
		om_stage_segment(p, OM_SEGMENT_OUT, sizeof(struct stat), OM_PATCH_ARGUMENT, 0, 1, 0, OM_ROLE_INNER, 1);
		om_stage_finish(m, 5 /* fstat */);
		break;
	case OM_QUESTION_SOCKET:
		p->sent[1] = SOL_SOCKET;
		p->sent[2] = SO_TYPE;
		segment = om_stage_segment(p, OM_SEGMENT_INOUT, 4, OM_PATCH_ARGUMENT, 0, 3, 0, OM_ROLE_INNER, 3);
		om_put32(om_stage_data(p, segment), 0);
		segment = om_stage_segment(p, OM_SEGMENT_INOUT, 4, OM_PATCH_ARGUMENT, 0, 4, 0, OM_ROLE_INNER, 4);
		om_put32(om_stage_data(p, segment), 4);
		om_stage_finish(m, 55 /* getsockopt */);
		break;
	default:
		segment = om_stage_segment(p, OM_SEGMENT_INOUT, sizeof(pollfd), OM_PATCH_ARGUMENT, 0, 0, 0,
					   OM_ROLE_INNER, 0);
		memcpy(om_stage_data(p, segment), pollfd, sizeof(pollfd));
		p->sent[1] = 1;
		om_stage_finish(m, 7 /* poll */);
		break;
	}
	return OM_MARSHAL_SEND;
}

int om_transfer_question(struct om_marshal *m)
{
	struct om_marshal_private *p = m->priv;
	bool in = is_in(m), file = m->syscall->socket_argument == OM_NO_ARGUMENT, large = p->total > OM_CALL_DATA_MAX;
	bool socket = !file;

	if ((!large && !(in && p->shrunk)) || p->spans_bad)
		return 0;
	if (file && p->file_mode == 0)
		return ask(m, OM_QUESTION_FILE);
	if (file)
		socket = S_ISSOCK(p->file_mode);
	if (large && socket && p->socket_type == 0 && (in || (message_flags(m) & MSG_WAITALL)))
		return ask(m, OM_QUESTION_SOCKET);
	/* A message is sent whole or not at all, and a stream takes nothing of a buffer of which a part is missing. */
	if (large && in && p->socket_type != 0 && p->socket_type != SOCK_STREAM) {
		m->result = -EMSGSIZE;
		return OM_MARSHAL_DONE;
	}
	if (in && p->shrunk && socket)
		return om_transfer_shrink(m, 0) == OM_MARSHAL_DONE ? OM_MARSHAL_DONE : 0;
	return 0;
}

int om_transfer_answer(struct om_marshal *m, int64_t result, const uint8_t *data, uint32_t bytes)
{
	struct om_marshal_private *p = m->priv;
	enum om_question question = p->question;

	/* What went wrong here goes wrong in the call itself, too, and there it is reported. */
	p->question = OM_QUESTION_NONE;
	switch (question) {
	case OM_QUESTION_FILE:
		p->file_mode = S_IFREG;
		if (result == 0 && bytes == sizeof(struct stat))
			p->file_mode = om_get32(data + offsetof(struct stat, st_mode)) & S_IFMT;
		break;
	case OM_QUESTION_SOCKET:
		p->socket_type = SOCK_STREAM;
		if (result == 0 && bytes == 4)
			p->socket_type = om_get32(data);
		if (p->cut && p->socket_type != SOCK_STREAM) {
			m->result = (int64_t)p->done;
			return OM_MARSHAL_DONE;
		}
		break;
	default:
		if (result != 1 || bytes != 8 || !(om_get32(data + 4) >> 16 & POLLIN)) {
			m->result = (int64_t)p->done;
			return OM_MARSHAL_DONE;
		}
		break;
	}
	return om_build(m);
}

/* Whether the kernel, given the whole buffer, would have gone on reading behind this piece. */
static int go_on(struct om_marshal *m)
{
	struct om_marshal_private *p = m->priv;
	uint32_t flags = message_flags(m);

	if (p->arguments[p->transfer].kind == OM_ARGUMENT_MMSG || is_in(m))
		return om_build(m);
	if (m->syscall->socket_argument != OM_NO_ARGUMENT) {
		if ((flags & MSG_WAITALL) && !(flags & MSG_PEEK) && p->socket_type == SOCK_STREAM)
			return om_build(m);
	} else if (S_ISREG(p->file_mode) || S_ISBLK(p->file_mode)) {
		return om_build(m);
	} else if (S_ISCHR(p->file_mode)) {
		return ask(m, OM_QUESTION_READY);
	}
	m->result = (int64_t)p->done;
	return OM_MARSHAL_DONE;
}

/* A piece that was broken off for our sake. Left alone the kernel would have gone on: writing to whatever does not take
 * all at once, and reading where all was asked for. What is wrong with the rest the rest will say. */
static int go_on_behind_cut(struct om_marshal *m)
{
	struct om_marshal_private *p = m->priv;
	uint32_t flags = message_flags(m);

	if (is_in(m))
		return om_build(m);
	if ((flags & MSG_WAITALL) && !(flags & MSG_PEEK))
		return p->socket_type == 0 ? ask(m, OM_QUESTION_SOCKET) : om_build(m);
	m->result = (int64_t)p->done;
	return OM_MARSHAL_DONE;
}

int om_transfer_next(struct om_marshal *m, int64_t result)
{
	struct om_marshal_private *p = m->priv;

	if (result < 0) {
		m->result = p->done > 0 ? (int64_t)p->done : result;
		return OM_MARSHAL_DONE;
	}
	p->done += (uint64_t)result;
	if (p->cut && result > 0 && (uint64_t)result < p->piece && !p->shrunk &&
	    p->arguments[p->transfer].kind != OM_ARGUMENT_MMSG)
		return go_on_behind_cut(m);
	if (p->shrunk || p->piece == 0 || (uint64_t)result < p->piece || p->done >= p->total) {
		m->result = (int64_t)p->done;
		return OM_MARSHAL_DONE;
	}
	return go_on(m);
}
