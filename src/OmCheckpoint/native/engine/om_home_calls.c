/* SPDX-License-Identifier: MIT
 *
 * Calls and signals between the link and the deputy's slot. A request is checked and placed by om_place; an answer is
 * kept until the next CALL, so that one which was lost with a connection is given again and nothing runs twice.
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

static void send_signals(struct om_home *home)
{
	struct om_home_state *state = home->state;
	uint32_t head = __atomic_load_n(&home->slot->signal_head, __ATOMIC_ACQUIRE);
	head = state->signal_tail + min_u32(head - state->signal_tail, OM_SIGNAL_RING);
	while (home->connection && (int32_t)(head - home->signal_sent) > 0) {
		struct om_signal copy = home->slot->signals[home->signal_sent % OM_SIGNAL_RING];
		if (om_home_send(home, OM_FRAME_SIGNAL, home->signal_sent, &copy, sizeof(copy)))
			return;
		home->signal_sent++;
	}
}

static void send_answer(struct om_home *home)
{
	home->state->counters.bytes_out += om_buffer_bytes(&home->reply);
	om_home_send(home, OM_FRAME_ANSWER, home->state->last_seq, home->reply.data + home->reply.head,
		     (uint32_t)om_buffer_bytes(&home->reply));
}

static void answer(struct om_home *home, int64_t error, uint32_t flags)
{
	struct om_reply reply = {.result = error, .flags = flags};
	om_buffer_take(&home->reply, om_buffer_bytes(&home->reply));
	uint8_t *room = om_buffer_room(&home->reply, sizeof(reply));
	if (!room)
		return;
	memcpy(room, &reply, sizeof(reply));
	home->reply.tail += sizeof(reply);
	send_answer(home);
}

static void answer_without_deputy(struct om_home *home, int64_t error)
{
	answer(home, error, 0);
}

static void take_body_answer(struct om_home *home)
{
	int64_t result = home->slot->result;
	uint32_t flags = home->slot->answer_flags & OM_ANSWER_CANCELLED ? OM_REPLY_CANCELLED : 0;
	if (!flags && result == -EINTR && home->placed->syscall->flags & OM_SYSCALL_REISSUE)
		flags = OM_REPLY_CANCELLED | OM_REPLY_WAITED;
	/* The deputy takes every signal, whatever the body does about it: it may have cut the call short for one that
	 * the body blocks. */
	bool signalled = __atomic_load_n(&home->slot->signal_head, __ATOMIC_ACQUIRE) != home->signals_before;
	if (flags)
		result = -EINTR;
	else if (signalled || home->cancelled == home->state->last_request)
		flags |= OM_REPLY_CUT;
	size_t bound = om_place_reply_bound(home->placed);
	uint8_t *room = om_buffer_room(&home->reply, bound);
	int64_t bytes = room ? om_place_reply(home->placed, home->data, result, flags, room, bound) : -ENOMEM;
	home->use = OM_SLOT_IDLE;
	if (bytes < 0)
		return answer_without_deputy(home, bytes);
	home->reply.tail += (size_t)bytes;
	send_answer(home);
}

static void take_answer(struct om_home *home)
{
	if (home->use == OM_SLOT_OWN) {
		home->own_result = home->slot->result;
		home->use = OM_SLOT_IDLE;
	} else if (!home->unplaced) {
		take_body_answer(home);
	} else if (home->held) { /* the body's side goes on: it had got this answer from the warden before us */
		home->unplaced = false;
		home->use = OM_SLOT_IDLE;
	}
	/* A call of the warden's own waits for its answer, or for the body's call to leave the slot. */
	pthread_cond_broadcast(&home->changed);
}

/* Whatever the deputy has put there since. Signals first: an answer that was cancelled by one must find it arrived. A
 * call that was held back goes in when the slot is free, also when there was no answer: the last of our own has gone.
 */
void om_home_pump(struct om_home *home)
{
	uint32_t answer = __atomic_load_n(&home->slot->answer, __ATOMIC_ACQUIRE);
	send_signals(home);
	if (home->use != OM_SLOT_IDLE && answer == home->state->last_request)
		take_answer(home);
	if (home->use == OM_SLOT_IDLE && home->held && !home->own_waits && !home->reserved) {
		struct om_buffer call = home->held_call;
		home->held = false;
		home->held_call = (struct om_buffer){0};
		om_home_take_call(home, home->held_seq, call.data + call.head, (uint32_t)om_buffer_bytes(&call));
		om_buffer_free(&call);
	}
}

void *om_home_responder(void *argument)
{
	struct om_home *home = argument;
	for (;;) {
		uint32_t rung = __atomic_load_n(&home->slot->doorbell, __ATOMIC_ACQUIRE);
		pthread_mutex_lock(&home->lock);
		bool closed = home->closed;
		if (!closed)
			om_home_pump(home);
		pthread_mutex_unlock(&home->lock);
		if (closed)
			return NULL;
		om_futex_wait(&home->slot->doorbell, rung);
	}
}

/* The note first: after a crash in between, the slot without this request tells that it was not posted. */
void om_home_post(struct om_home *home, enum om_slot_use use, int64_t number, const uint64_t args[6])
{
	struct om_slot *slot = home->slot;
	struct om_home_state *state = home->state;
	home->signals_before = __atomic_load_n(&slot->signal_head, __ATOMIC_ACQUIRE);
	state->last_use = use;
	state->last_request++;
	home->use = use;
	slot->number = number;
	for (int i = 0; i < 6; i++)
		slot->args[i] = args[i];
	slot->cancel = state->last_request - 1;
	__atomic_store_n(&slot->request, state->last_request, __ATOMIC_RELEASE);
	om_futex_wake(&slot->request);
}

static int hold(struct om_home *home, uint32_t seq, const uint8_t *payload, uint32_t bytes)
{
	om_buffer_take(&home->held_call, om_buffer_bytes(&home->held_call));
	uint8_t *room = om_buffer_room(&home->held_call, bytes);
	if (!room)
		return -ENOMEM;
	memcpy(room, payload, bytes);
	home->held_call.tail += bytes;
	home->held_seq = seq;
	home->held = true;
	return 0;
}

/* The layout of a call that another warden posted, without touching what lies in the slot. */
static int place_again(struct om_home *home, const uint8_t *payload, uint32_t bytes)
{
	uint8_t *scratch = malloc(OM_SLOT_DATA_BYTES);
	if (!scratch)
		return -ENOMEM;
	int result = om_place(home->placed, scratch, OM_SLOT_DATA_BYTES, home->data_address, payload, bytes);
	free(scratch);
	home->unplaced = false;
	if (result) { /* nor did it go through then */
		home->use = OM_SLOT_IDLE;
		answer_without_deputy(home, -ENOSYS);
	}
	om_home_pump(home);
	return 0;
}

int om_home_take_call(struct om_home *home, uint32_t seq, const uint8_t *payload, uint32_t bytes)
{
	struct om_home_state *state = home->state;
	if (seq == state->last_seq) { /* sent again after a reconnect */
		if (home->use == OM_SLOT_BODY)
			return home->unplaced ? place_again(home, payload, bytes) : 0;
		if (om_buffer_bytes(&home->reply))
			send_answer(home);
		else
			answer_without_deputy(home,
					      -EIO); /* it was answered by a warden that is no more, then overwritten */
		return 0;
	}
	if (seq != om_seq_next(state->last_seq))
		return -EPROTO;
	if (home->use != OM_SLOT_IDLE || home->own_waits || home->reserved) {
		int result = hold(home, seq, payload, bytes);
		if (!result)
			om_home_pump(home);
		return result;
	}
	om_buffer_take(&home->reply, om_buffer_bytes(&home->reply));
	state->seq_before = state->last_seq;
	state->last_seq = seq;
	state->counters.calls++;
	state->counters.bytes_in += bytes;
	int result = om_place(home->placed, home->data, OM_SLOT_DATA_BYTES, home->data_address, payload, bytes);
	if (result) {
		home->complaint = home->placed->why ? home->placed->why : "a request that is not allowed";
		state->counters.refused++;
		answer_without_deputy(home, result == -EACCES ? -EPERM : -ENOSYS);
		return 0;
	}
	om_home_post(home, OM_SLOT_BODY, home->placed->number, home->placed->args);
	return 0;
}

/* One that has the agent's handler: the body may have made it ignore the usual one, and with it its deputy. */
static int cancel_signal(const struct om_home *home)
{
	struct om_signal_sets sets;
	if (om_signal_sets(home->pid, &sets) || sets.caught & 1ull << (OM_CANCEL_SIGNAL - 1) || !sets.caught)
		return OM_CANCEL_SIGNAL;
	return 64 - __builtin_clzll(sets.caught);
}

/* The flag is for a call not yet begun, the signal for one that has: deputy.S. By pidfd: a deputy that has been reaped
 * meanwhile is not somebody else. */
void om_home_cancel(struct om_home *home)
{
	uint32_t request = home->state->last_request;
	siginfo_t info = {0};
	home->cancelled = request;
	__atomic_store_n(&home->slot->cancel, request, __ATOMIC_SEQ_CST);
	info.si_signo = cancel_signal(home);
	info.si_code = OM_CANCEL_SI_CODE;
	info.si_value.sival_int = (int)request;
	syscall(SYS_pidfd_send_signal, home->pidfd, info.si_signo, &info, 0);
}

void om_home_drop_held(struct om_home *home)
{
	struct om_home_state *state = home->state;
	home->held = false;
	om_buffer_take(&home->held_call, om_buffer_bytes(&home->held_call));
	state->seq_before = state->last_seq;
	state->last_seq = home->held_seq;
	answer(home, -EINTR, OM_REPLY_CANCELLED);
}

uint64_t om_home_data_address(const om_home *home)
{
	return home->data_address;
}

/* A read of the body's may wait for ever, and what the warden wants must not: what can be issued again is cancelled,
 * and the body's side sends it again. It is held then until the slot is free. */
static void make_room(struct om_home *home)
{
	if (home->use == OM_SLOT_BODY && !home->unplaced && home->placed->syscall->flags & OM_SYSCALL_REISSUE)
		om_home_cancel(home);
}

void om_home_reserve(om_home *home, bool reserved)
{
	pthread_mutex_lock(&home->lock);
	home->reserved = reserved;
	if (reserved)
		make_room(home);
	else
		om_home_pump(home);
	pthread_mutex_unlock(&home->lock);
}

int om_home_call(om_home *home, int64_t number, const uint64_t args[6], void *data, uint32_t bytes, int64_t *result)
{
	if (bytes > OM_SLOT_DATA_BYTES)
		return -EMSGSIZE;
	pthread_mutex_lock(&home->lock);
	while (home->own_waits && !home->gone && !home->closed)
		pthread_cond_wait(&home->changed, &home->lock);
	home->own_waits = true;
	make_room(home);
	while (home->use != OM_SLOT_IDLE && !home->gone && !home->closed)
		pthread_cond_wait(&home->changed, &home->lock);
	int error = home->gone || home->closed ? -ESRCH : 0;
	if (!error) {
		if (data && bytes)
			memcpy(home->data, data, bytes);
		om_home_post(home, OM_SLOT_OWN, number, args);
		while (home->use == OM_SLOT_OWN && !home->gone && !home->closed)
			pthread_cond_wait(&home->changed, &home->lock);
		if (home->use == OM_SLOT_OWN) {
			error = -ESRCH;
		} else {
			*result = home->own_result;
			if (data && bytes)
				memcpy(data, home->data, bytes);
		}
	}
	home->own_waits = false;
	pthread_cond_broadcast(&home->changed);
	if (!error)
		om_home_pump(home);
	pthread_mutex_unlock(&home->lock);
	return error;
}

void om_home_counters(om_home *home, struct om_counters *counters)
{
	pthread_mutex_lock(&home->lock);
	*counters = home->state->counters;
	pthread_mutex_unlock(&home->lock);
}

int om_home_take_signals(om_home *home, uint32_t queued, struct om_signal *signals, uint32_t capacity)
{
	struct om_home_state *state = home->state;
	pthread_mutex_lock(&home->lock);
	om_home_signals_queued(home, queued);
	uint32_t head = __atomic_load_n(&home->slot->signal_head, __ATOMIC_ACQUIRE);
	uint32_t count = min_u32(min_u32(head - state->signal_tail, OM_SIGNAL_RING), capacity);
	for (uint32_t i = 0; i < count; i++)
		signals[i] = home->slot->signals[state->signal_tail++ % OM_SIGNAL_RING];
	if ((int32_t)(home->signal_sent - state->signal_tail) < 0)
		home->signal_sent = state->signal_tail;
	__atomic_store_n(&home->slot->signal_tail, state->signal_tail, __ATOMIC_RELEASE);
	om_futex_wake(&home->slot->signal_tail);
	pthread_mutex_unlock(&home->lock);
	return (int)count;
}
