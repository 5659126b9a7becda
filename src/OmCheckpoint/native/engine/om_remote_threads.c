/* SPDX-License-Identifier: MIT
 *
 * The body's threads: which slot is whose, and how one comes and goes. A slot that is free has no tid in the state; its
 * numbers begin at 0, as home's do.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "om_remote.h"

struct om_remote_thread *om_remote_thread_of(struct om_remote *remote, uint32_t slot)
{
	struct om_remote_thread *thread = slot < remote->slots ? remote->threads[slot] : NULL;
	return thread && thread->state->tid ? thread : NULL;
}

struct om_remote_thread *om_remote_thread_waiting(struct om_remote *remote, uint64_t notification)
{
	for (uint32_t i = 0; i < remote->slots; i++) {
		struct om_remote_thread *thread = om_remote_thread_of(remote, i);
		if (thread && thread->state->call.id == notification)
			return thread;
	}
	return NULL;
}

static int make(struct om_remote *remote, uint32_t slot, struct om_remote_thread **result)
{
	struct om_remote_thread *thread = remote->threads[slot];
	if (!thread) {
		thread = calloc(1, sizeof(*thread));
		if (!thread ||
		    om_marshal_open(&thread->marshal, remote->pid, remote->area, OM_AREA_BYTES(remote->slots))) {
			free(thread);
			return -ENOMEM;
		}
		thread->remote = remote;
		thread->slot = slot;
		thread->state = om_state_of(remote->state, slot);
		remote->threads[slot] = thread;
	}
	*result = thread;
	return 0;
}

/* The last of "NSpid:	4711	12"; 0: it has ended. */
static int32_t inner_of(int32_t tid)
{
	char path[64], line[256], *last;
	int32_t inner = 0;
	snprintf(path, sizeof(path), "/proc/%d/status", tid);
	FILE *file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, "NSpid:", 6) && (last = strrchr(line, '\t')))
			inner = (int32_t)strtol(last, NULL, 10);
	if (file)
		fclose(file);
	return inner;
}

struct om_remote_thread *om_remote_thread_inner(struct om_remote_thread *self, int32_t tid)
{
	if (tid == 0 || tid == self->inner)
		return self;
	for (uint32_t i = 0; i < self->remote->slots; i++) {
		struct om_remote_thread *thread = om_remote_thread_of(self->remote, i);
		if (thread && thread->inner == tid)
			return thread;
	}
	return NULL;
}

/* Its tid is in the state. */
static void enlist(struct om_remote_thread *thread)
{
	thread->marshal.pid = thread->state->tid;
	thread->inner = inner_of(thread->state->tid);
	om_gate_enlist(thread);
}

void om_remote_thread_free(struct om_remote_thread *thread)
{
	om_marshal_close(&thread->marshal);
	free(thread);
}

int om_remote_threads_taken_over(struct om_remote *remote)
{
	for (uint32_t i = 0; i < remote->slots; i++) {
		struct om_remote_thread_state *state = om_state_of(remote->state, i);
		struct om_remote_thread *thread;
		int error = state->tid ? make(remote, i, &thread) : 0;
		if (error)
			return error;
		if (state->tid)
			enlist(thread);
	}
	return 0;
}

void om_remote_threads_closed(struct om_remote *remote)
{
	for (uint32_t i = 0; i < remote->slots; i++) {
		struct om_remote_thread *thread = om_remote_thread_of(remote, i);
		if (thread)
			om_gate_strike(thread);
	}
}

/* What was of the one that had the slot before. */
static void forget(struct om_remote_thread *thread)
{
	thread->hand_out_again = thread->quiesced = thread->ended = thread->owed = false;
	thread->signal_missed = thread->cancel_sent = thread->begun = thread->has_mask = false;
	thread->finished = thread->awaits_death = false;
	thread->active = OM_ACTIVE_NONE;
	thread->signals_mask = 0;
	thread->before = thread->told = (struct om_usage){0};
}

int om_remote_thread(om_remote *remote, uint32_t slot, int32_t tid, uint32_t signals)
{
	if (slot >= remote->slots || tid <= 0)
		return -EINVAL;
	struct om_remote_thread *thread;
	pthread_mutex_lock(&remote->lock);
	int error = make(remote, slot, &thread);
	if (!error && thread->state->tid && thread->state->tid != tid)
		error = -EEXIST;
	if (!error && !thread->state->tid) {
		forget(thread);
		*thread->state = (struct om_remote_thread_state){
			.tid = tid, .signals_taken = signals, .signals_queued = signals, .rest_number = -1};
		enlist(thread);
		/* Home holds its signals until it hears of it. */
		if (remote->signal_missed && remote->connection)
			om_remote_hello(remote, 0);
		else
			om_remote_send(remote, OM_FRAME_SIGNAL_TAKEN, slot, signals, NULL, 0);
		remote->signal_missed = false;
	}
	pthread_mutex_unlock(&remote->lock);
	return error;
}

void om_remote_thread_gone(om_remote *remote, uint32_t slot)
{
	pthread_mutex_lock(&remote->lock);
	struct om_remote_thread *thread = om_remote_thread_of(remote, slot);
	if (thread) {
		if (thread->state->call.id)
			om_remote_answer_body(thread, -ENOSYS, 0);
		om_gate_strike(thread);
		*thread->state = (struct om_remote_thread_state){0};
		forget(thread);
		if (remote->own.thread == thread)
			remote->own.thread = NULL;
		pthread_cond_broadcast(&remote->changed); /* who waits for its call */
	}
	pthread_mutex_unlock(&remote->lock);
}

int om_remote_threads(om_remote *remote, uint32_t *slots, int32_t *tids, uint32_t capacity)
{
	uint32_t count = 0;
	pthread_mutex_lock(&remote->lock);
	for (uint32_t i = 0; i < remote->slots && count < capacity; i++) {
		struct om_remote_thread *thread = om_remote_thread_of(remote, i);
		if (!thread)
			continue;
		slots[count] = i;
		tids[count++] = thread->state->tid;
	}
	pthread_mutex_unlock(&remote->lock);
	return (int)count;
}
