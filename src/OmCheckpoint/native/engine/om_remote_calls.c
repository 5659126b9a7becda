/* SPDX-License-Identifier: MIT
 *
 * Calls on their way home and back: of each thread one at a time, numbered, sent again after a reconnect with the same
 * number. The answer is written into the body and the notification answered on the link's thread.
 */
#include <errno.h>
#include <string.h>

#include "om_remote.h"

static struct om_marshal *active_marshal(struct om_remote_thread *thread)
{
	return thread->active == OM_ACTIVE_OWN ? thread->remote->own.marshal : &thread->marshal;
}

static void send_call(struct om_remote_thread *thread)
{
	struct om_marshal *m = active_marshal(thread);
	if (!om_remote_send(thread->remote, OM_FRAME_CALL, thread->slot, thread->state->seq, m->request,
			    (uint32_t)m->request_bytes))
		thread->remote->counters.bytes_out += m->request_bytes;
}

void om_remote_cancel(struct om_remote_thread *thread)
{
	thread->cancel_sent = true;
	om_remote_send(thread->remote, OM_FRAME_CANCEL, thread->slot, thread->state->seq, NULL, 0);
}

void om_remote_post(struct om_remote_thread *thread, bool own)
{
	struct om_remote_thread_state *state = thread->state;
	thread->active = own ? OM_ACTIVE_OWN : OM_ACTIVE_BODY;
	thread->cancel_sent = false;
	state->seq = om_seq_next(state->seq);
	if (own) {
		thread->remote->own.sent_ns = om_now_ns();
	} else {
		state->call_seq = state->seq;
		state->known = om_marshal_known(&thread->marshal);
		state->sent_ns = om_now_ns();
		state->phase = OM_PHASE_SENT;
	}
	send_call(thread);
	if (!own && thread->quiesced && om_marshal_waits(&thread->marshal)) /* a next piece */
		om_remote_cancel(thread);
}

void om_remote_post_again(struct om_remote_thread *thread)
{
	if (!thread->active || (thread->active == OM_ACTIVE_BODY && thread->state->phase != OM_PHASE_SENT))
		return;
	send_call(thread);
	if (thread->cancel_sent)
		om_remote_cancel(thread);
}

/* The slot at home is free: what waits for it. */
static void next_call(struct om_remote_thread *thread)
{
	thread->active = OM_ACTIVE_NONE;
	if (thread->state->phase == OM_PHASE_QUEUED)
		om_remote_post(thread, false);
	pthread_cond_broadcast(&thread->remote->changed);
}

static void finish(struct om_remote_thread *thread, bool own, int64_t result)
{
	bool had_slot = own || thread->active != OM_ACTIVE_OWN; /* not if it was queued behind ours */
	if (!own)
		thread->finished = thread->awaits_death = false;
	if (own) {
		thread->remote->own.result = result;
		thread->remote->own.done = true;
	} else {
		om_remote_answer_body(thread, result, result >= 0 ? om_remote_both(thread) : 0);
	}
	if (had_slot)
		next_call(thread);
}

void om_remote_finish(struct om_remote_thread *thread)
{
	finish(thread, false, thread->marshal.result);
}

void om_remote_let_go(struct om_remote_thread *thread)
{
	struct om_remote_thread_state *state = thread->state;
	if (thread->quiesced || thread->awaits_death || om_remote_owes_signals(thread))
		return;
	if (thread->finished)
		om_remote_finish(thread);
	else if (state->phase != OM_PHASE_CANCELLED)
		return;
	else if (om_marshal_again(&thread->marshal, om_now_ns() - state->sent_ns) == OM_MARSHAL_SEND)
		om_remote_post(thread, false);
	else
		om_remote_finish(thread);
}

/* A handler of the body may run for a signal that was handed out. */
static bool handler_will_run(struct om_remote_thread *thread)
{
	struct om_signal_sets sets;
	if (!thread->signals_mask || om_signal_sets(thread->state->tid, &sets))
		return false;
	if (thread->marshal.has_mask)
		sets.blocked = thread->marshal.mask;
	return thread->signals_mask & sets.caught & ~sets.blocked;
}

void om_remote_end_cancelled(struct om_remote_thread *thread)
{
	struct om_remote_thread_state *state = thread->state;
	uint64_t elapsed = om_now_ns() - state->sent_ns, rest;
	bool timed = om_marshal_remaining(&thread->marshal, elapsed, &rest);
	bool handler = handler_will_run(thread);
	uint64_t done = handler || thread->why == OM_QUIESCE_RETURN ? 0 : om_marshal_done(&thread->marshal);
	int step = om_marshal_interrupted(&thread->marshal, elapsed);
	int64_t result = step >= 0 && !done && thread->marshal.result > 0
				 ? thread->marshal.result
				 : om_remote_restart(thread, thread->begun && !done);
	thread->has_mask = thread->marshal.has_mask && result <= -512;
	thread->mask = thread->marshal.mask;
	if (!handler && (timed || done || thread->begun) && result <= -512) {
		state->rest_ns = timed ? rest : UINT64_MAX;
		state->rest_done = done;
		state->rest_number = state->call.data.nr;
		state->rest_any = 0;
		memcpy(state->rest_args, state->call.data.args, sizeof(state->rest_args));
		state->rest_pointer = state->call.data.instruction_pointer;
	}
	finish(thread, false, result);
}

static int take_cancelled(struct om_remote_thread *thread, bool own)
{
	struct om_marshal *m = active_marshal(thread);
	if (!own)
		thread->begun |= m->waited;
	if (!own && thread->quiesced) {
		om_remote_end_cancelled(thread);
		return OM_MARSHAL_CANCELLED;
	}
	if (!own && om_remote_owes_signals(thread)) {
		thread->state->phase = OM_PHASE_CANCELLED;
		return OM_MARSHAL_CANCELLED;
	}
	return om_marshal_again(m, om_now_ns() - (own ? thread->remote->own.sent_ns : thread->state->sent_ns));
}

int om_remote_take_answer(struct om_remote_thread *thread, uint32_t seq, const uint8_t *payload, uint32_t bytes)
{
	bool own = thread->active == OM_ACTIVE_OWN;
	if (!thread->active || seq != thread->state->seq ||
	    (!own && (thread->finished || thread->state->phase != OM_PHASE_SENT)))
		return 0; /* a second one, after a reconnect */
	thread->remote->counters.bytes_in += bytes;
	struct om_marshal *m = active_marshal(thread);
	int step = om_marshal_reply(m, payload, bytes);
	bool cancelled = step == OM_MARSHAL_CANCELLED;
	if (cancelled) {
		step = take_cancelled(thread, own);
		if (step == OM_MARSHAL_CANCELLED)
			return 0;
	}
	if (step == OM_MARSHAL_SEND && !own && !cancelled) { /* a piece is done, the next one follows */
		om_marshal_interrupted(m, 0);
		thread->state->done = m->result > 0 ? (uint64_t)m->result : 0;
		thread->state->pieces += thread->state->done > 0; /* not for a question of the engine's own */
	}
	if (step == OM_MARSHAL_SEND)
		om_remote_post(thread, own);
	else if (step == OM_MARSHAL_DONE && !own &&
		 (om_remote_awaits_death(thread) || (!thread->quiesced && om_remote_owes_signals(thread))))
		thread->finished = true; /* a signal that came first is there before the call returns: raise, SIGPIPE */
	else if (step == OM_MARSHAL_DONE)
		finish(thread, own, m->result);
	else
		finish(thread, own, step == -ESRCH ? -ESRCH : -EIO);
	return step == -EPROTO ? -EPROTO : 0;
}

void om_remote_take_over(struct om_remote_thread *thread)
{
	struct om_remote_thread_state *state = thread->state;
	uint32_t phase = state->phase;
	state->phase = OM_PHASE_NONE;
	if (!state->call.id)
		return;
	if (!om_remote_still_waits(thread)) { /* killed, or answered just before the note */
		state->call.id = 0;
	} else if (phase == OM_PHASE_STRUCTURAL || phase == OM_PHASE_CONDUCTED) {
		state->phase = OM_PHASE_STRUCTURAL;
		thread->hand_out_again = true;
	} else if (phase == OM_PHASE_SENT ? state->pieces : phase != OM_PHASE_NONE && state->done) {
		/* Whatever home did of this piece is not known here any more, nor where the next one begins. */
		om_remote_answer_body(thread, state->done ? (int64_t)state->done : -EIO, 0);
	} else if (phase == OM_PHASE_CANCELLED) {
		/* It may have waited, and then the signal interrupts it, though it is sent anew. */
		state->rest_number = state->call.data.nr;
		state->rest_ns = UINT64_MAX;
		state->rest_done = 0;
		state->rest_any = 1;
	} else if (phase == OM_PHASE_SENT) {
		uint64_t args[6];
		memcpy(args, state->call.data.args, sizeof(args));
		int step = om_marshal_begin_again(&thread->marshal, state->call.data.nr, args, state->known);
		if (step == OM_MARSHAL_SEND) { /* goes out again with its number */
			thread->active = OM_ACTIVE_BODY;
			state->phase = phase;
			state->seq = state->call_seq;
		} else {
			om_remote_answer_body(thread, step == OM_MARSHAL_DONE ? thread->marshal.result : -EINTR, 0);
		}
	}
}

bool om_remote_is_rest(const struct om_remote_thread *thread)
{
	const struct om_remote_thread_state *state = thread->state;
	if (state->rest_number != state->call.data.nr)
		return false;
	return state->rest_any || (state->rest_pointer == state->call.data.instruction_pointer &&
				   !memcmp(state->rest_args, state->call.data.args, sizeof(state->rest_args)));
}

int64_t om_remote_restart(const struct om_remote_thread *thread, bool begun)
{
	const struct seccomp_data *call = &thread->state->call.data;
	uint64_t args[6];
	memcpy(args, call->args, sizeof(args));
	int restart = om_syscall_of(call->nr, args)->restart;
	/* The calls that say EINTR whatever SA_RESTART says do so for a mere stop too (KERNEL.md 3), which would be
	 * ours: 514 is EINTR if a handler runs, and the call again if none does. */
	return !begun ? -513 : restart == EINTR ? -514 : -restart;
}
