/* SPDX-License-Identifier: MIT */
#include "om_marshal_private.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int om_marshal_open(struct om_marshal *m, int32_t pid, uint64_t area, uint64_t area_bytes)
{
	memset(m, 0, sizeof(*m));
	m->priv = calloc(1, sizeof(*m->priv));
	if (!m->priv)
		return -ENOMEM;
	/* Large, and touched only as far as calls are. */
	m->priv->stage = malloc(OM_STAGE_HEAD + OM_CALL_AREA_MAX);
	if (!m->priv->stage) {
		free(m->priv);
		m->priv = NULL;
		return -ENOMEM;
	}
	m->pid = pid;
	m->area = area;
	m->area_end = area + area_bytes;
	return 0;
}

void om_marshal_close(struct om_marshal *m)
{
	if (!m->priv)
		return;
	free(m->priv->stage);
	free(m->priv);
	m->priv = NULL;
}

int om_marshal_begin(struct om_marshal *m, int64_t number, const uint64_t args[6])
{
	return om_marshal_begin_again(m, number, args, 0);
}

uint32_t om_marshal_known(const struct om_marshal *m)
{
	return m->priv->socket_type << 16 | m->priv->file_mode;
}

int om_marshal_begin_again(struct om_marshal *m, int64_t number, const uint64_t args[6], uint32_t known)
{
	struct om_marshal_private *p = m->priv;
	int error;

	/* Our own memory is read the same way: an address that is wrong is then an error and no crash. */
	if (m->pid == 0)
		p->body = (struct om_body){.pid = getpid()};
	else
		p->body = (struct om_body){m->pid, m->area, m->area_end};
	m->number = number;
	memcpy(m->args, args, sizeof(m->args));
	m->syscall = om_syscall_of(number, args);
	m->result = -ENOSYS;
	m->has_mask = false;
	p->arguments = om_syscall_arguments(m->syscall);
	p->bad = 0;
	p->behind_known = 0;
	p->total = 0;
	p->done = 0;
	p->piece = 0;
	p->span_count = 0;
	p->spans_bad = false;
	p->spans_missing = false;
	p->shrunk = false;
	p->cut = false;
	p->file_mode = known & 0xffff;
	p->socket_type = known >> 16;
	p->question = OM_QUESTION_NONE;
	p->timed = false;
	error = om_transfer_open(m);
	return error != 0 ? error : om_build(m);
}

/* The answer to a question has its value in the first segment. */
static int answered(struct om_marshal *m, const struct om_reply *reply, const uint8_t *message, size_t bytes)
{
	struct om_reply_part part;
	size_t heads = reply->part_count * sizeof(part);

	if (reply->part_count > 2 || bytes - sizeof(*reply) < heads)
		return -EPROTO;
	if (reply->part_count == 0)
		return om_transfer_answer(m, reply->result, NULL, 0);
	memcpy(&part, message + sizeof(*reply), sizeof(part));
	if (part.segment != 0 || part.bytes > m->priv->segments[0].bytes || bytes - sizeof(*reply) - heads < part.bytes)
		return -EPROTO;
	return om_transfer_answer(m, reply->result, message + sizeof(*reply) + heads, part.bytes);
}

int om_marshal_reply(struct om_marshal *m, const void *message, size_t bytes)
{
	struct om_marshal_private *p = m->priv;
	struct om_reply reply;
	int error;

	if (bytes < sizeof(reply) || bytes > OM_REPLY_BYTES_MAX)
		return -EPROTO;
	memcpy(&reply, message, sizeof(reply));
	m->waited = reply.flags & OM_REPLY_WAITED && p->question == OM_QUESTION_NONE;
	if (reply.flags & OM_REPLY_CANCELLED)
		return OM_MARSHAL_CANCELLED;
	if (p->question != OM_QUESTION_NONE)
		return answered(m, &reply, message, bytes);
	p->cut = reply.flags & OM_REPLY_CUT;
	error = om_reply_write(m, message, bytes);
	if (error != 0)
		return error;
	if (p->transfer == OM_NO_ARGUMENT)
		return OM_MARSHAL_DONE;
	return om_transfer_next(m, m->result);
}

int om_marshal_again(struct om_marshal *m, uint64_t elapsed_ns)
{
	om_time_reduce(m, elapsed_ns);
	return OM_MARSHAL_SEND;
}

int om_marshal_interrupted(struct om_marshal *m, uint64_t elapsed_ns)
{
	struct om_marshal_private *p = m->priv;

	om_time_write_back(m, elapsed_ns);
	m->result = p->done > 0 ? (int64_t)p->done : -(int64_t)m->syscall->restart;
	return OM_MARSHAL_DONE;
}

uint64_t om_marshal_done(const struct om_marshal *m)
{
	const struct om_marshal_private *p = m->priv;

	return p->transfer != OM_NO_ARGUMENT && p->arguments[p->transfer].kind != OM_ARGUMENT_MMSG ? p->done : 0;
}

int om_marshal_behind(struct om_marshal *m, uint64_t done)
{
	struct om_marshal_private *p = m->priv;

	if (p->transfer == OM_NO_ARGUMENT || done >= p->total) {
		m->result = (int64_t)done;
		return OM_MARSHAL_DONE;
	}
	p->done = done;
	p->question = OM_QUESTION_NONE;
	return om_build(m);
}

bool om_marshal_waits(const struct om_marshal *m)
{
	return !S_ISREG(m->priv->file_mode) && !S_ISBLK(m->priv->file_mode);
}
