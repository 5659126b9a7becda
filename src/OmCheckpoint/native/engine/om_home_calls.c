/* SPDX-License-Identifier: MIT
 *
 * Calls and signals between the link and the slots of the deputy's threads. A request is checked and placed by
 * om_place; an answer is kept until the next CALL, so that one which was lost with a connection is given again and
 * nothing runs twice.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "om_home.h"

static uint32_t min_u32(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* The newest there is. What the deputy says counts if it can be: the body's side may have had what it takes back. */
static uint32_t signal_head(struct om_home_thread *thread)
{
	struct om_home_thread_state *state = thread->state;
	uint32_t waiting = __atomic_load_n(&thread->slot->signal_head, __ATOMIC_ACQUIRE) - state->signal_tail;
	if (waiting <= OM_SIGNAL_RING && waiting > state->signal_seen - state->signal_tail)
		state->signal_seen = state->signal_tail + waiting;
	return state->signal_seen;
}

static void send_signals(struct om_home_thread *thread)
{
	struct om_home *home = thread->home;
	uint32_t head = signal_head(thread);
	while (home->connection && !thread->state->quiet && (int32_t)(head - thread->signal_sent) > 0) {
		struct om_signal copy = thread->slot->signals[thread->signal_sent % OM_SIGNAL_RING];
		copy.directed = om_home_is_directed(thread, &copy);
		if (om_home_send(home, OM_FRAME_SIGNAL, thread->index, thread->signal_sent, &copy, sizeof(copy)))
			return;
		thread->signal_sent++;
	}
}

bool om_home_signals_sent(const struct om_home_thread *thread)
{
	return thread->state->quiet || (int32_t)(thread->state->signal_seen - thread->signal_sent) <= 0;
}

bool om_home_signals_queued(struct om_home_thread *thread, uint32_t next)
{
	struct om_home_thread_state *state = thread->state;
	if ((int32_t)(next - state->signal_tail) < 0) /* late: om_home_take_signals came first */
		return true;
	if (next - state->signal_tail > signal_head(thread) - state->signal_tail)
		return false;
	state->signal_tail = next;
	__atomic_store_n(&thread->slot->signal_tail, next, __ATOMIC_RELEASE);
	om_futex_wake(&thread->slot->signal_tail);
	return true;
}

static void send_answer(struct om_home_thread *thread)
{
	thread->home->state->counters.bytes_out += om_buffer_bytes(&thread->reply);
	om_home_send(thread->home, OM_FRAME_ANSWER, thread->index, thread->state->last_seq,
		     thread->reply.data + thread->reply.head, (uint32_t)om_buffer_bytes(&thread->reply));
}

static void answer(struct om_home_thread *thread, int64_t error, uint32_t flags)
{
	struct om_reply reply = {.result = error, .flags = flags};
	om_buffer_take(&thread->reply, om_buffer_bytes(&thread->reply));
	uint8_t *room = om_buffer_room(&thread->reply, sizeof(reply));
	if (!room)
		return;
	memcpy(room, &reply, sizeof(reply));
	thread->reply.tail += sizeof(reply);
	send_answer(thread);
}

static void answer_without_deputy(struct om_home_thread *thread, int64_t error)
{
	answer(thread, error, 0);
}

static void take_body_answer(struct om_home_thread *thread)
{
	int64_t result = thread->slot->result;
	uint32_t flags = thread->slot->answer_flags & OM_ANSWER_CANCELLED ? OM_REPLY_CANCELLED : 0;
	if (!flags && result == -EINTR && thread->placed->syscall->flags & OM_SYSCALL_REISSUE)
		flags = OM_REPLY_CANCELLED | OM_REPLY_WAITED;
	/* The deputy takes every signal, whatever the body does about it: it may have cut the call short for one that
	 * the body blocks. */
	bool signalled = __atomic_load_n(&thread->slot->signal_head, __ATOMIC_ACQUIRE) != thread->signals_before;
	if (flags)
		result = -EINTR;
	else if (signalled || thread->cancelled == thread->state->last_request)
		flags |= OM_REPLY_CUT;
	size_t bound = om_place_reply_bound(thread->placed);
	uint8_t *room = om_buffer_room(&thread->reply, bound);
	int64_t bytes = room ? om_place_reply(thread->placed, thread->data, result, flags, room, bound) : -ENOMEM;
	thread->use = OM_SLOT_IDLE;
	if (bytes < 0)
		return answer_without_deputy(thread, bytes);
	thread->reply.tail += (size_t)bytes;
	send_answer(thread);
}

static void take_answer(struct om_home_thread *thread)
{
	if (thread->use == OM_SLOT_OWN) {
		thread->own_result = thread->slot->result;
		thread->use = OM_SLOT_IDLE;
	} else if (!thread->unplaced) {
		take_body_answer(thread);
	} else if (thread->held) { /* the body's side goes on: it had got this answer from the warden before us */
		thread->unplaced = false;
		thread->use = OM_SLOT_IDLE;
	}
	/* A call of the warden's own waits for its answer, or for the body's call to leave the slot. */
	pthread_cond_broadcast(&thread->home->changed);
}

/* Whatever the deputy has put there since. Signals first: an answer that was cancelled by one must find it arrived. A
 * call that was held back goes in when the slot is free, also when there was no answer: the last of our own has gone.
 */
void om_home_pump(struct om_home_thread *thread)
{
	uint32_t answered = __atomic_load_n(&thread->slot->answer, __ATOMIC_ACQUIRE);
	send_signals(thread);
	if (thread->use != OM_SLOT_IDLE && thread->use != OM_SLOT_EXIT && answered == thread->state->last_request)
		take_answer(thread);
	if (thread->use == OM_SLOT_IDLE && thread->held && !thread->guarded && !thread->own_waits &&
	    !thread->reserved) {
		struct om_buffer call = thread->held_call;
		thread->held = false;
		thread->held_call = (struct om_buffer){0};
		om_home_take_call(thread, thread->held_seq, call.data + call.head, (uint32_t)om_buffer_bytes(&call));
		om_buffer_free(&call);
	}
}

void om_home_pump_all(struct om_home *home)
{
	for (uint32_t i = 0; i < home->slots; i++) {
		struct om_home_thread *thread = om_home_thread_of(home, i);
		if (thread)
			om_home_pump(thread);
	}
}

static void pump_rung(struct om_home *home)
{
	for (uint32_t word = 0; word * 64 < home->slots; word++) {
		if (!__atomic_load_n(&home->arena->rung[word], __ATOMIC_RELAXED))
			continue;
		uint64_t rung = __atomic_exchange_n(&home->arena->rung[word], 0, __ATOMIC_ACQ_REL);
		for (; rung; rung &= rung - 1) {
			struct om_home_thread *thread =
				om_home_thread_of(home, word * 64 + (uint32_t)__builtin_ctzll(rung));
			if (thread)
				om_home_pump(thread);
		}
	}
}

void *om_home_responder(void *argument)
{
	struct om_home *home = argument;
	for (;;) {
		uint32_t rung = __atomic_load_n(&home->arena->doorbell, __ATOMIC_ACQUIRE);
		pthread_mutex_lock(&home->lock);
		bool closed = home->closed;
		if (closed) {
			home->heard = true;
			pthread_cond_broadcast(&home->changed);
		} else {
			pump_rung(home);
		}
		pthread_mutex_unlock(&home->lock);
		if (closed)
			return NULL;
		om_futex_wait(&home->arena->doorbell, rung);
	}
}

/* Rung until it is heard: the deputy may write the word at the very moment. */
void om_home_end_responder(struct om_home *home)
{
	pthread_mutex_lock(&home->lock);
	while (!home->heard) {
		struct timespec until = om_deadline(20);
		__atomic_fetch_add(&home->arena->doorbell, 1, __ATOMIC_SEQ_CST);
		om_futex_wake(&home->arena->doorbell);
		pthread_cond_clockwait(&home->changed, &home->lock, CLOCK_MONOTONIC, &until);
	}
	pthread_mutex_unlock(&home->lock);
	pthread_join(home->responder, NULL);
}

/* The note first: after a crash in between, the slot without this request tells that it was not posted. */
void om_home_post(struct om_home_thread *thread, enum om_slot_use use, int64_t number, const uint64_t args[6])
{
	struct om_slot *slot = thread->slot;
	struct om_home_thread_state *state = thread->state;
	thread->signals_before = __atomic_load_n(&slot->signal_head, __ATOMIC_ACQUIRE);
	state->last_use = use;
	state->last_request++;
	thread->use = use;
	slot->number = number;
	for (int i = 0; i < 6; i++)
		slot->args[i] = args[i];
	slot->cancel = state->last_request - 1;
	__atomic_store_n(&slot->request, state->last_request, __ATOMIC_RELEASE);
	om_futex_wake(&slot->request);
}

static int hold(struct om_home_thread *thread, uint32_t seq, const uint8_t *payload, uint32_t bytes)
{
	om_buffer_take(&thread->held_call, om_buffer_bytes(&thread->held_call));
	uint8_t *room = om_buffer_room(&thread->held_call, bytes);
	if (!room)
		return -ENOMEM;
	memcpy(room, payload, bytes);
	thread->held_call.tail += bytes;
	thread->held_seq = seq;
	thread->held = true;
	thread->guarded = false;
	return 0;
}

/* Until the body is wanted back, and with it the call. */
static int hold_for_home(struct om_home_thread *thread, uint32_t seq, const uint8_t *payload, uint32_t bytes)
{
	const struct om_callbacks *callbacks = &thread->home->engine->callbacks;
	int result = hold(thread, seq, payload, bytes);
	if (result)
		return result;
	thread->guarded = true;
	if (callbacks->home_guarded)
		callbacks->home_guarded(callbacks->context, thread->home->key, thread->placed->syscall->number);
	return 0;
}

/* The layout of a call that another warden posted, without touching what lies in the slot. */
static int place_again(struct om_home_thread *thread, const uint8_t *payload, uint32_t bytes)
{
	uint8_t *scratch = malloc(OM_SLOT_DATA_BYTES);
	if (!scratch)
		return -ENOMEM;
	int result = om_place(thread->placed, scratch, OM_SLOT_DATA_BYTES, thread->data_address, payload, bytes);
	free(scratch);
	thread->unplaced = false;
	if (result) { /* nor did it go through then */
		thread->use = OM_SLOT_IDLE;
		answer_without_deputy(thread, -ENOSYS);
	}
	om_home_pump(thread);
	return 0;
}

int om_home_take_call(struct om_home_thread *thread, uint32_t seq, const uint8_t *payload, uint32_t bytes)
{
	struct om_home_thread_state *state = thread->state;
	struct om_counters *counters = &thread->home->state->counters;
	if (seq == state->last_seq) { /* sent again after a reconnect */
		if (thread->use == OM_SLOT_BODY)
			return thread->unplaced ? place_again(thread, payload, bytes) : 0;
		if (om_buffer_bytes(&thread->reply))
			send_answer(thread);
		else
			answer_without_deputy(thread,
					      -EIO); /* it was answered by a warden that is no more, then overwritten */
		return 0;
	}
	if (seq != om_seq_next(state->last_seq))
		return -EPROTO;
	if (thread->use != OM_SLOT_IDLE || thread->own_waits || thread->reserved) {
		int result = hold(thread, seq, payload, bytes);
		if (!result)
			om_home_pump(thread);
		return result;
	}
	int result = om_place(thread->placed, thread->data, OM_SLOT_DATA_BYTES, thread->data_address, payload, bytes);
	if (!result && om_home_meets_guard(thread))
		return hold_for_home(thread, seq, payload, bytes);
	om_buffer_take(&thread->reply, om_buffer_bytes(&thread->reply));
	state->seq_before = state->last_seq;
	state->last_seq = seq;
	counters->calls++;
	counters->bytes_in += bytes;
	if (result) {
		thread->home->complaint = thread->placed->why ? thread->placed->why : "a request that is not allowed";
		counters->refused++;
		answer_without_deputy(thread, result == -EACCES ? -EPERM : -ENOSYS);
		return 0;
	}
	om_home_post(thread, OM_SLOT_BODY, thread->placed->number, thread->placed->args);
	return 0;
}

/* One that has the agent's handler: the body may have made it ignore the usual one, and with it its deputy. */
static int cancel_signal(const struct om_home_thread *thread)
{
	struct om_signal_sets sets;
	if (om_signal_sets(thread->state->tid, &sets) || sets.caught & 1ull << (OM_CANCEL_SIGNAL - 1) || !sets.caught)
		return OM_CANCEL_SIGNAL;
	return 64 - __builtin_clzll(sets.caught);
}

/* The flag is for a call not yet begun, the signal for one that has: deputy.S. */
void om_home_cancel(struct om_home_thread *thread)
{
	uint32_t request = thread->state->last_request;
	siginfo_t info = {0};
	thread->cancelled = request;
	__atomic_store_n(&thread->slot->cancel, request, __ATOMIC_SEQ_CST);
	info.si_signo = cancel_signal(thread);
	info.si_code = OM_CANCEL_SI_CODE;
	info.si_value.sival_int = (int)request;
	/* Both ids must be what they were: nobody else has been given them since the process was last seen alive. */
	if (!thread->home->gone)
		syscall(SYS_rt_tgsigqueueinfo, thread->home->pid, thread->state->tid, info.si_signo, &info);
}

void om_home_drop_held(struct om_home_thread *thread)
{
	struct om_home_thread_state *state = thread->state;
	thread->held = false;
	om_buffer_take(&thread->held_call, om_buffer_bytes(&thread->held_call));
	state->seq_before = state->last_seq;
	state->last_seq = thread->held_seq;
	answer(thread, -EINTR, OM_REPLY_CANCELLED);
}

uint64_t om_home_data_address(const om_home *home, uint32_t slot)
{
	return home->arena_address + OM_ARENA_SLOT_OFFSET(slot) + OM_SLOT_HEADER_BYTES;
}

/* A read of the body's may wait for ever, and what the warden wants must not: what can be issued again is cancelled,
 * and the body's side sends it again. It is held then until the slot is free. */
static void make_room(struct om_home_thread *thread)
{
	if (thread->use == OM_SLOT_BODY && !thread->unplaced && thread->placed->syscall->flags & OM_SYSCALL_REISSUE)
		om_home_cancel(thread);
}

void om_home_reserve(om_home *home, uint32_t slot, bool reserved)
{
	pthread_mutex_lock(&home->lock);
	struct om_home_thread *thread = om_home_thread_of(home, slot);
	if (thread) {
		thread->reserved = reserved;
		if (reserved)
			make_room(thread);
		else
			om_home_pump(thread);
	}
	pthread_mutex_unlock(&home->lock);
}

bool om_home_over(const struct om_home *home)
{
	return home->gone || home->closed;
}

/* Its thread had this tid, and nothing comes of waiting for it. */
static bool lost(const struct om_home_thread *thread, int32_t tid)
{
	return om_home_over(thread->home) || thread->state->tid != tid || thread->use == OM_SLOT_EXIT;
}

int om_home_take_slot(struct om_home_thread *thread)
{
	struct om_home *home = thread->home;
	int32_t tid = thread->state->tid;
	while (thread->own_waits && !lost(thread, tid))
		pthread_cond_wait(&home->changed, &home->lock);
	if (lost(thread, tid))
		return -ESRCH;
	thread->own_waits = true;
	make_room(thread);
	while (thread->use != OM_SLOT_IDLE && !lost(thread, tid))
		pthread_cond_wait(&home->changed, &home->lock);
	if (!lost(thread, tid))
		return 0;
	om_home_give_slot(thread);
	return -ESRCH;
}

void om_home_give_slot(struct om_home_thread *thread)
{
	thread->own_waits = false;
	pthread_cond_broadcast(&thread->home->changed);
	if (!om_home_over(thread->home))
		om_home_pump(thread);
}

int om_home_own_call(struct om_home_thread *thread, int64_t number, const uint64_t args[6], int64_t *result)
{
	struct om_home *home = thread->home;
	om_home_post(thread, OM_SLOT_OWN, number, args);
	while (thread->use == OM_SLOT_OWN && !om_home_over(home))
		pthread_cond_wait(&home->changed, &home->lock);
	if (thread->use == OM_SLOT_OWN)
		return -ESRCH;
	*result = thread->own_result;
	return 0;
}

static int call_with_data(struct om_home_thread *thread, int64_t number, const uint64_t args[6], void *data,
			  uint32_t bytes, int64_t *result)
{
	int error = om_home_take_slot(thread);
	if (error)
		return error;
	if (data && bytes)
		memcpy(thread->data, data, bytes);
	error = om_home_own_call(thread, number, args, result);
	if (!error && data && bytes)
		memcpy(data, thread->data, bytes);
	om_home_give_slot(thread);
	return error;
}

int om_home_call(om_home *home, uint32_t slot, int64_t number, const uint64_t args[6], void *data, uint32_t bytes,
		 int64_t *result)
{
	if (bytes > OM_SLOT_DATA_BYTES)
		return -EMSGSIZE;
	om_home_enter(home);
	struct om_home_thread *thread = om_home_thread_of(home, slot);
	int error = thread ? call_with_data(thread, number, args, data, bytes, result) : -ESRCH;
	om_home_leave(home);
	return error;
}

void om_home_counters(om_home *home, struct om_counters *counters)
{
	pthread_mutex_lock(&home->lock);
	*counters = home->state->counters;
	pthread_mutex_unlock(&home->lock);
}

int om_home_take_signals(om_home *home, uint32_t slot, uint32_t queued, struct om_signal *signals, uint32_t capacity)
{
	uint32_t count = 0;
	pthread_mutex_lock(&home->lock);
	struct om_home_thread *thread = om_home_thread_of(home, slot);
	if (thread) {
		struct om_home_thread_state *state = thread->state;
		om_home_signals_queued(thread, queued);
		count = min_u32(signal_head(thread) - state->signal_tail, capacity);
		for (uint32_t i = 0; i < count; i++) {
			signals[i] = thread->slot->signals[state->signal_tail++ % OM_SIGNAL_RING];
			signals[i].directed = om_home_is_directed(thread, &signals[i]);
		}
		if ((int32_t)(thread->signal_sent - state->signal_tail) < 0)
			thread->signal_sent = state->signal_tail;
		__atomic_store_n(&thread->slot->signal_tail, state->signal_tail, __ATOMIC_RELEASE);
		om_futex_wake(&thread->slot->signal_tail);
	}
	pthread_mutex_unlock(&home->lock);
	return (int)count;
}
