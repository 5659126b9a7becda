/* SPDX-License-Identifier: MIT
 *
 * What the hosting warden itself wants of home: calls in the slot of one thread, and asks for what only home's warden
 * can do; one of each at a time in a process. And what is counted.
 */
#include <errno.h>
#include <string.h>

#include "om_remote.h"

static bool over(const struct om_remote *remote)
{
	return remote->closed || remote->fenced || remote->gone;
}

int om_remote_call(om_remote *remote, uint32_t slot, int32_t number, const uint64_t args[6], bool local,
		   int64_t *result)
{
	struct om_own_call *own = &remote->own;
	int error = 0;
	om_remote_enter(remote);
	while (own->busy && !over(remote))
		pthread_cond_wait(&remote->changed, &remote->lock);
	struct om_remote_thread *thread = om_remote_thread_of(remote, slot);
	if (over(remote) || !thread) {
		error = remote->fenced ? -ESTALE : -ESRCH;
		om_remote_leave(remote);
		return error;
	}
	own->busy = true;
	own->thread = thread;
	own->done = false;
	own->of_body.pid = thread->state->tid;
	own->marshal = local ? &own->of_warden : &own->of_body;
	int step = om_marshal_begin(own->marshal, number, args);
	if (step == OM_MARSHAL_SEND) {
		while (thread->active && own->thread && !over(remote))
			pthread_cond_wait(&remote->changed, &remote->lock);
		if (own->thread && !over(remote))
			om_remote_post(thread, true);
		while (!own->done && own->thread && !over(remote))
			pthread_cond_wait(&remote->changed, &remote->lock);
		if (own->done)
			*result = own->result;
		else
			error = remote->fenced ? -ESTALE : -ESRCH;
	} else if (step == OM_MARSHAL_DONE) {
		*result = own->marshal->result;
	} else {
		error = step;
	}
	own->busy = false;
	own->thread = NULL;
	pthread_cond_broadcast(&remote->changed);
	om_remote_leave(remote);
	return error;
}

static int fill_ask(struct om_buffer *b, uint32_t kind, const void *request, uint32_t bytes)
{
	om_buffer_take(b, om_buffer_bytes(b));
	uint8_t *room = om_buffer_room(b, sizeof(kind) + (size_t)bytes);
	if (!room)
		return -ENOMEM;
	memcpy(room, &kind, sizeof(kind));
	if (bytes)
		memcpy(room + sizeof(kind), request, bytes);
	b->tail += sizeof(kind) + bytes;
	return 0;
}

int om_remote_ask(om_remote *remote, uint32_t kind, const void *request, uint32_t bytes, void *reply, uint32_t capacity)
{
	if (bytes > OM_ASK_BYTES_MAX - sizeof(kind))
		return -EMSGSIZE;
	om_remote_enter(remote);
	while (remote->asking && !over(remote))
		pthread_cond_wait(&remote->changed, &remote->lock);
	int result = over(remote) ? (remote->fenced ? -ESTALE : -ESRCH) : fill_ask(&remote->ask, kind, request, bytes);
	if (result) {
		om_remote_leave(remote);
		return result;
	}
	remote->asking = true;
	remote->ask_done = false;
	remote->state->ask_seq = om_seq_next(remote->state->ask_seq);
	om_remote_send(remote, OM_FRAME_ASK, 0, remote->state->ask_seq, remote->ask.data + remote->ask.head,
		       (uint32_t)om_buffer_bytes(&remote->ask));
	while (!remote->ask_done && !over(remote))
		pthread_cond_wait(&remote->changed, &remote->lock);
	size_t got = om_buffer_bytes(&remote->ask_reply);
	if (!remote->ask_done)
		result = remote->fenced ? -ESTALE : -ESRCH;
	else if (got > capacity)
		result = -EMSGSIZE;
	else if ((result = (int)got) > 0)
		memcpy(reply, remote->ask_reply.data + remote->ask_reply.head, got);
	om_buffer_take(&remote->ask_reply, got);
	om_buffer_take(&remote->ask, om_buffer_bytes(&remote->ask));
	remote->asking = false;
	pthread_cond_broadcast(&remote->changed);
	om_remote_leave(remote);
	return result;
}

int om_remote_counters(om_remote *remote, struct om_counters *counters)
{
	pthread_mutex_lock(&remote->lock);
	*counters = remote->counters;
	pthread_mutex_unlock(&remote->lock);
	return 0;
}

int om_remote_call_counts(om_remote *remote, uint64_t *calls, uint64_t *refused, uint32_t capacity)
{
	uint32_t count = capacity < OM_NUMBERS ? capacity : OM_NUMBERS;
	pthread_mutex_lock(&remote->lock);
	memcpy(calls, remote->calls_by_number, count * sizeof(*calls));
	memcpy(refused, remote->refused_by_number, count * sizeof(*refused));
	pthread_mutex_unlock(&remote->lock);
	return (int)count;
}
