/* SPDX-License-Identifier: MIT
 *
 * Calls on their way home and back: one at a time, numbered, sent again after a reconnect with the same number. The
 * answer is written into the body and the notification answered on the link's thread. Here too: what interrupts a call
 * (quiesce), and the warden's own calls and asks.
 */
#include <errno.h>
#include <string.h>

#include "om_remote.h"

static struct om_marshal *active_marshal(struct om_remote *remote)
{
	return remote->active == OM_ACTIVE_OWN ? remote->own.marshal : &remote->marshal;
}

static void send_call(struct om_remote *remote)
{
	struct om_marshal *m = active_marshal(remote);
	if (!om_remote_send(remote, OM_FRAME_CALL, remote->state->seq, m->request, (uint32_t)m->request_bytes))
		remote->counters.bytes_out += m->request_bytes;
}

static void send_cancel(struct om_remote *remote)
{
	remote->cancel_sent = true;
	om_remote_send(remote, OM_FRAME_CANCEL, remote->state->seq, NULL, 0);
}

void om_remote_post(struct om_remote *remote, bool own)
{
	struct om_remote_state *state = remote->state;
	remote->active = own ? OM_ACTIVE_OWN : OM_ACTIVE_BODY;
	remote->cancel_sent = false;
	state->seq = om_seq_next(state->seq);
	if (own) {
		remote->own.sent_ns = om_now_ns();
	} else {
		state->call_seq = state->seq;
		state->sent_ns = om_now_ns();
		state->phase = OM_PHASE_SENT;
	}
	send_call(remote);
	if (!own && remote->quiesced && om_marshal_waits(&remote->marshal)) /* a next piece */
		send_cancel(remote);
}

void om_remote_post_again(struct om_remote *remote)
{
	if (!remote->active || (remote->active == OM_ACTIVE_BODY && remote->state->phase != OM_PHASE_SENT))
		return;
	send_call(remote);
	if (remote->cancel_sent)
		send_cancel(remote);
}

/* The slot at home is free: what waits for it. */
static void next_call(struct om_remote *remote)
{
	remote->active = OM_ACTIVE_NONE;
	if (remote->state->phase == OM_PHASE_QUEUED)
		om_remote_post(remote, false);
	pthread_cond_broadcast(&remote->changed);
}

static void finish(struct om_remote *remote, bool own, int64_t result)
{
	bool had_slot = own || remote->active != OM_ACTIVE_OWN; /* not if it was queued behind ours */
	if (!own)
		remote->finished = false;
	if (own) {
		remote->own.result = result;
		remote->own.done = true;
	} else {
		om_remote_answer_body(remote, result, result >= 0 ? om_remote_both(remote) : 0);
	}
	if (had_slot)
		next_call(remote);
}

/* A handler of the body may run for a signal that was handed out. */
static bool handler_will_run(struct om_remote *remote)
{
	struct om_signal_sets sets;
	if (!remote->signals_mask || om_signal_sets(remote->pid, &sets))
		return false;
	if (remote->marshal.has_mask)
		sets.blocked = remote->marshal.mask;
	return remote->signals_mask & sets.caught & ~sets.blocked;
}

void om_remote_end_cancelled(struct om_remote *remote)
{
	struct om_remote_state *state = remote->state;
	uint64_t elapsed = om_now_ns() - state->sent_ns, rest;
	bool timed = om_marshal_remaining(&remote->marshal, elapsed, &rest);
	bool handler = handler_will_run(remote);
	uint64_t done = handler || remote->why == OM_QUIESCE_RETURN ? 0 : om_marshal_done(&remote->marshal);
	int step = om_marshal_interrupted(&remote->marshal, elapsed);
	int64_t result = step >= 0 && !done && remote->marshal.result > 0
				 ? remote->marshal.result
				 : om_remote_restart(remote, remote->begun && !done);
	remote->has_mask = remote->marshal.has_mask && result <= -512;
	remote->mask = remote->marshal.mask;
	if (!handler && (timed || done || remote->begun) && result <= -512) {
		state->rest_ns = timed ? rest : UINT64_MAX;
		state->rest_done = done;
		state->rest_number = state->call.data.nr;
		state->rest_any = 0;
		memcpy(state->rest_args, state->call.data.args, sizeof(state->rest_args));
		state->rest_pointer = state->call.data.instruction_pointer;
	}
	finish(remote, false, result);
}

static int take_cancelled(struct om_remote *remote, bool own)
{
	struct om_marshal *m = active_marshal(remote);
	if (!own)
		remote->begun |= m->waited;
	if (!own && remote->quiesced) {
		om_remote_end_cancelled(remote);
		return OM_MARSHAL_CANCELLED;
	}
	if (!own && om_remote_owes_signals(remote)) {
		remote->state->phase = OM_PHASE_CANCELLED;
		return OM_MARSHAL_CANCELLED;
	}
	return om_marshal_again(m, om_now_ns() - (own ? remote->own.sent_ns : remote->state->sent_ns));
}

int om_remote_take_answer(struct om_remote *remote, uint32_t seq, const uint8_t *payload, uint32_t bytes)
{
	bool own = remote->active == OM_ACTIVE_OWN;
	if (!remote->active || seq != remote->state->seq ||
	    (!own && (remote->finished || remote->state->phase != OM_PHASE_SENT)))
		return 0; /* a second one, after a reconnect */
	remote->counters.bytes_in += bytes;
	struct om_marshal *m = active_marshal(remote);
	int step = om_marshal_reply(m, payload, bytes);
	bool cancelled = step == OM_MARSHAL_CANCELLED;
	if (cancelled) {
		step = take_cancelled(remote, own);
		if (step == OM_MARSHAL_CANCELLED)
			return 0;
	}
	if (step == OM_MARSHAL_SEND && !own && !cancelled) { /* a piece is done, the next one follows */
		om_marshal_interrupted(m, 0);
		remote->state->done = m->result > 0 ? (uint64_t)m->result : 0;
		remote->state->pieces += remote->state->done > 0; /* not for a question of the engine's own */
	}
	if (step == OM_MARSHAL_SEND)
		om_remote_post(remote, own);
	else if (step == OM_MARSHAL_DONE && !own && !remote->quiesced && om_remote_owes_signals(remote))
		remote->finished = true; /* a signal that came first is there before the call returns: raise, SIGPIPE */
	else if (step == OM_MARSHAL_DONE)
		finish(remote, own, m->result);
	else
		finish(remote, own, step == -ESRCH ? -ESRCH : -EIO);
	return step == -EPROTO ? -EPROTO : 0;
}

void om_remote_take_over(struct om_remote *remote)
{
	struct om_remote_state *state = remote->state;
	if (!remote->taken_over)
		return;
	remote->taken_over = false;
	uint32_t phase = state->phase;
	state->phase = OM_PHASE_NONE;
	if (!state->call.id)
		return;
	if (!om_remote_still_waits(remote)) { /* killed, or answered just before the note */
		state->call.id = 0;
	} else if (phase == OM_PHASE_STRUCTURAL || phase == OM_PHASE_CONDUCTED) {
		state->phase = OM_PHASE_STRUCTURAL;
		remote->hand_out_again = true;
	} else if (phase == OM_PHASE_SENT ? state->pieces : phase != OM_PHASE_NONE && state->done) {
		/* Whatever home did of this piece is not known here any more, nor where the next one begins. */
		om_remote_answer_body(remote, state->done ? (int64_t)state->done : -EIO, 0);
	} else if (phase == OM_PHASE_CANCELLED) {
		/* It may have waited, and then the signal interrupts it, though it is sent anew. */
		state->rest_number = state->call.data.nr;
		state->rest_ns = UINT64_MAX;
		state->rest_done = 0;
		state->rest_any = 1;
	} else if (phase == OM_PHASE_SENT) {
		uint64_t args[6];
		memcpy(args, state->call.data.args, sizeof(args));
		int step = om_marshal_begin(&remote->marshal, state->call.data.nr, args);
		if (step == OM_MARSHAL_SEND) { /* goes out again with its number */
			remote->active = OM_ACTIVE_BODY;
			state->phase = phase;
			state->seq = state->call_seq;
		} else {
			om_remote_answer_body(remote, step == OM_MARSHAL_DONE ? remote->marshal.result : -EINTR, 0);
		}
	}
}

bool om_remote_is_rest(const struct om_remote *remote)
{
	const struct om_remote_state *state = remote->state;
	if (state->rest_number != state->call.data.nr)
		return false;
	return state->rest_any || (state->rest_pointer == state->call.data.instruction_pointer &&
				   !memcmp(state->rest_args, state->call.data.args, sizeof(state->rest_args)));
}

int64_t om_remote_restart(const struct om_remote *remote, bool begun)
{
	const struct seccomp_data *call = &remote->state->call.data;
	uint64_t args[6];
	memcpy(args, call->args, sizeof(args));
	int restart = om_syscall_of(call->nr, args)->restart;
	/* The calls that say EINTR whatever SA_RESTART says do so for a mere stop too (KERNEL.md 3), which would be
	 * ours: 514 is EINTR if a handler runs, and the call again if none does. */
	return !begun ? -513 : restart == EINTR ? -514 : -restart;
}

/* What home has kept of signals meanwhile it sends after the next WELCOME. */
static void go_on(struct om_remote *remote)
{
	remote->quiesced = false;
	if (remote->signal_missed)
		om_remote_hello(remote, 0);
	remote->signal_missed = false;
}

int om_remote_quiesce(om_remote *remote, enum om_quiesce why, uint32_t timeout_ms)
{
	struct om_remote_state *state = remote->state;
	struct timespec until = om_deadline(timeout_ms);
	int result, waited = 0;
	pthread_mutex_lock(&remote->lock);
	remote->quiesced = true;
	remote->why = why;
	result = state->phase != OM_PHASE_NONE;
	if (state->phase == OM_PHASE_STRUCTURAL)
		om_remote_answer_body(remote, om_remote_restart(remote, om_remote_is_rest(remote)), 0);
	else if (state->phase == OM_PHASE_CANCELLED || state->phase == OM_PHASE_QUEUED)
		om_remote_end_cancelled(remote);
	else if (remote->finished)
		finish(remote, false, remote->marshal.result);
	else if (state->phase == OM_PHASE_SENT && (!state->pieces || om_marshal_waits(&remote->marshal)))
		send_cancel(remote);
	while (state->phase == OM_PHASE_SENT && remote->connection && !remote->closed && !remote->gone && !waited)
		waited = pthread_cond_timedwait(&remote->changed, &remote->lock, &until);
	while (remote->handing)
		pthread_cond_wait(&remote->changed, &remote->lock);
	if (state->phase == OM_PHASE_SENT) {
		go_on(remote);
		result = remote->gone ? -ESRCH : waited ? -ETIMEDOUT : -ENOTCONN;
		remote->owed |= om_remote_owes_signals(remote);
	}
	pthread_mutex_unlock(&remote->lock);
	return result;
}

void om_remote_queued(om_remote *remote, uint32_t signals)
{
	struct om_remote_state *state = remote->state;
	pthread_mutex_lock(&remote->lock);
	state->signals_queued += signals;
	if (!om_remote_owes_signals(remote))
		remote->signals_mask = 0;
	pthread_mutex_unlock(&remote->lock);
}

uint32_t om_remote_signals(om_remote *remote)
{
	pthread_mutex_lock(&remote->lock);
	uint32_t taken = remote->state->signals_taken;
	pthread_mutex_unlock(&remote->lock);
	return taken;
}

int om_remote_resume(om_remote *remote)
{
	pthread_mutex_lock(&remote->lock);
	go_on(remote);
	remote->has_mask = false;
	pthread_mutex_unlock(&remote->lock);
	return 0;
}

int om_remote_mask(om_remote *remote, uint64_t *mask)
{
	pthread_mutex_lock(&remote->lock);
	bool there = remote->quiesced && remote->has_mask;
	if (there)
		*mask = remote->mask;
	pthread_mutex_unlock(&remote->lock);
	return there;
}

int om_remote_left(om_remote *remote, int32_t *number, uint64_t *left_ns, uint64_t *done)
{
	pthread_mutex_lock(&remote->lock);
	bool there = remote->state->rest_number >= 0;
	if (there) {
		*number = (int32_t)remote->state->rest_number;
		*left_ns = remote->state->rest_ns;
		*done = remote->state->rest_done;
	}
	pthread_mutex_unlock(&remote->lock);
	return there;
}

void om_remote_rest(om_remote *remote, int32_t number, uint64_t left_ns, uint64_t done)
{
	pthread_mutex_lock(&remote->lock);
	remote->state->rest_ns = left_ns;
	remote->state->rest_done = done;
	remote->state->rest_number = number;
	remote->state->rest_any = 1;
	pthread_mutex_unlock(&remote->lock);
}

/* ---- the warden's own ------------------------------------------------------------------------------------------- */

static bool over(const struct om_remote *remote)
{
	return remote->closed || remote->fenced || remote->gone;
}

int om_remote_call(om_remote *remote, int32_t number, const uint64_t args[6], bool local, int64_t *result)
{
	struct om_own_call *own = &remote->own;
	int error = 0;
	pthread_mutex_lock(&remote->lock);
	while (own->busy && !over(remote))
		pthread_cond_wait(&remote->changed, &remote->lock);
	if (over(remote)) {
		pthread_mutex_unlock(&remote->lock);
		return remote->fenced ? -ESTALE : -ESRCH;
	}
	own->busy = true;
	own->done = false;
	own->marshal = local ? &own->of_warden : &own->of_body;
	int step = om_marshal_begin(own->marshal, number, args);
	if (step == OM_MARSHAL_SEND) {
		while (remote->active && !over(remote))
			pthread_cond_wait(&remote->changed, &remote->lock);
		if (!over(remote))
			om_remote_post(remote, true);
		while (!own->done && !over(remote))
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
	pthread_cond_broadcast(&remote->changed);
	pthread_mutex_unlock(&remote->lock);
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
	pthread_mutex_lock(&remote->lock);
	while (remote->asking && !over(remote))
		pthread_cond_wait(&remote->changed, &remote->lock);
	int result = over(remote) ? (remote->fenced ? -ESTALE : -ESRCH) : fill_ask(&remote->ask, kind, request, bytes);
	if (result) {
		pthread_mutex_unlock(&remote->lock);
		return result;
	}
	remote->asking = true;
	remote->ask_done = false;
	remote->state->ask_seq = om_seq_next(remote->state->ask_seq);
	om_remote_send(remote, OM_FRAME_ASK, remote->state->ask_seq, remote->ask.data + remote->ask.head,
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
	pthread_mutex_unlock(&remote->lock);
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
