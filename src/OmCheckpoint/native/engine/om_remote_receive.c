/* SPDX-License-Identifier: MIT
 *
 * What becomes of a notification of one of the body's threads, on the gate's thread. What each call is comes from the
 * system-call table alone; the body is not trusted, its memory is read once by om_marshal and the notification is
 * checked to be still the same one after that. Calls home are finished on the link's thread.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "om_remote.h"

void om_remote_answer_body(struct om_remote_thread *thread, int64_t value, uint32_t flags)
{
	struct om_remote_thread_state *state = thread->state;
	om_gate_respond(thread->remote->gate, state->call.id, value, flags);
	state->phase = OM_PHASE_NONE;
	state->call.id = 0;
	if (thread->active == OM_ACTIVE_BODY)
		thread->active = OM_ACTIVE_NONE;
	pthread_cond_broadcast(&thread->remote->changed);
}

/* A thread that waits with this notification in this phase, or NULL. */
static struct om_remote_thread *waits_in(struct om_remote *remote, uint64_t notification, enum om_phase phase)
{
	struct om_remote_thread *thread = om_remote_thread_waiting(remote, notification);
	return thread && thread->state->phase == phase ? thread : NULL;
}

int om_remote_answer(om_remote *remote, uint64_t notification, int64_t value, uint32_t flags)
{
	pthread_mutex_lock(&remote->lock);
	struct om_remote_thread *thread = waits_in(remote, notification, OM_PHASE_CONDUCTED);
	if (thread)
		om_remote_answer_body(thread, value, flags);
	pthread_mutex_unlock(&remote->lock);
	return thread ? 0 : -ENOENT;
}

static int change(struct om_remote *remote, uint64_t notification, enum om_phase from, enum om_phase to)
{
	pthread_mutex_lock(&remote->lock);
	struct om_remote_thread *thread = waits_in(remote, notification, from);
	if (thread)
		thread->state->phase = to;
	pthread_mutex_unlock(&remote->lock);
	return thread ? 0 : -ENOENT;
}

int om_remote_conduct(om_remote *remote, uint64_t notification)
{
	return change(remote, notification, OM_PHASE_STRUCTURAL, OM_PHASE_CONDUCTED);
}

void om_remote_postpone(om_remote *remote, uint64_t notification)
{
	change(remote, notification, OM_PHASE_CONDUCTED, OM_PHASE_STRUCTURAL);
}

bool om_remote_still_waits(struct om_remote_thread *thread)
{
	return om_gate_waits(thread->remote->gate, thread->state->call.id);
}

/* The rest of a call that was cut short without a handler having run: what is left of its time and of its data. */
static int apply_rest(struct om_remote_thread *thread, int step)
{
	struct om_remote_thread_state *state = thread->state;
	uint64_t rest = state->rest_ns, done = state->rest_done, whole;
	thread->begun = om_remote_is_rest(thread);
	/* Data that has been moved must not be moved twice: remembered until the call comes again, whatever a handler
	 * does in between. */
	if (thread->begun || !done)
		state->rest_number = -1;
	if (!thread->begun || step != OM_MARSHAL_SEND)
		return step;
	if (done)
		return om_marshal_behind(&thread->marshal, done);
	if (rest == UINT64_MAX || !om_marshal_remaining(&thread->marshal, 0, &whole) || whole <= rest)
		return step;
	return om_marshal_again(&thread->marshal, whole - rest);
}

/* ppoll and its kin: a signal that the body had blocked so far is let through, and something comes of it: one that is
 * ignored by default would stop the body for nothing each time it issues the call again. A new signal would be handed
 * out. */
static bool lets_pending_through(struct om_remote_thread *thread)
{
	const uint64_t ignored_by_default =
		1ull << (SIGCHLD - 1) | 1ull << (SIGCONT - 1) | 1ull << (SIGURG - 1) | 1ull << (SIGWINCH - 1);
	struct om_signal_sets sets;
	return thread->marshal.has_mask && !om_signal_sets(thread->state->tid, &sets) &&
	       sets.pending & ~thread->marshal.mask & ~sets.ignored & (sets.caught | ~ignored_by_default);
}

void om_remote_tell_due(struct om_remote *remote, uint32_t slot)
{
	const struct om_callbacks *callbacks = &remote->engine->callbacks;
	if (callbacks->remote_due)
		callbacks->remote_due(callbacks->context, remote->key, slot);
}

static void forward(struct om_remote_thread *thread, const uint64_t args[6])
{
	struct om_remote *remote = thread->remote;
	struct om_remote_thread_state *state = thread->state;
	om_peer_wait_room(remote->home, &remote->closed);
	int step = om_marshal_begin(&thread->marshal, state->call.data.nr, args);
	if (!om_remote_still_waits(thread))
		step = -ESRCH;
	bool unmasked = lets_pending_through(thread);
	pthread_mutex_lock(&remote->lock);
	if (!thread->quiesced)
		step = apply_rest(thread, step);
	state->done = om_marshal_done(&thread->marshal);
	state->pieces = state->done > 0;
	state->sent_ns = om_now_ns(); /* its time runs, also while it is queued */
	if (step < 0)
		om_remote_answer_body(thread, step == -ESRCH ? -EINTR : step, 0);
	else if (thread->quiesced) /* since we looked last; home knows nothing of it */
		om_remote_answer_body(thread, om_remote_restart(thread, om_remote_is_rest(thread)), 0);
	else if (step == OM_MARSHAL_DONE)
		om_remote_answer_body(thread, thread->marshal.result, 0);
	else if (thread->active)
		state->phase = OM_PHASE_QUEUED;
	else
		om_remote_post(thread, false);
	bool let_through = (state->phase == OM_PHASE_SENT || state->phase == OM_PHASE_QUEUED) && unmasked;
	pthread_mutex_unlock(&remote->lock);
	if (let_through)
		om_remote_tell_due(remote, thread->slot);
}

static void refuse(struct om_remote *remote, uint64_t notification)
{
	if (!om_remote_conduct(remote, notification))
		om_remote_answer(remote, notification, -ENOSYS, 0);
}

void om_remote_hand_out(struct om_remote_thread *thread)
{
	struct om_remote *remote = thread->remote;
	const struct om_callbacks *callbacks = &remote->engine->callbacks;
	pthread_mutex_lock(&remote->lock);
	const struct seccomp_notif n = thread->state->call;
	bool waits = thread->state->phase == OM_PHASE_STRUCTURAL;
	pthread_mutex_unlock(&remote->lock);
	if (!waits) /* taken back */
		return;
	uint64_t args[6];
	memcpy(args, n.data.args, sizeof(args));
	struct om_structural call = {
		.goes_home = om_syscall_of(n.data.nr, args)->side == OM_SIDE_GO_HOME,
		.notification = n.id,
		.tid = n.pid,
		.slot = thread->slot,
		.number = n.data.nr,
		.instruction_pointer = n.data.instruction_pointer,
	};
	memcpy(call.args, args, sizeof(args));
	if (callbacks->remote_structural)
		callbacks->remote_structural(callbacks->context, remote->key, &call);
	else
		refuse(remote, call.notification);
}

static void count(struct om_remote *remote, int32_t number, bool refused)
{
	remote->counters.calls++;
	remote->counters.refused += refused;
	if ((uint32_t)number < OM_NUMBERS) {
		remote->calls_by_number[number]++;
		remote->refused_by_number[number] += refused;
	}
}

/* A signal to the body itself is sent where the body is: home would not know in which order, nor to which thread. One
 * that stops, continues or kills is the deputy's. */
static bool is_own_signal(const struct om_remote *remote, int number, const uint64_t args[6])
{
	int signo;
	if (!remote->home_pid || (int32_t)args[0] != remote->home_pid)
		return false;
	if (number == SYS_kill || number == SYS_rt_sigqueueinfo)
		signo = (int)args[1];
	else if (number == SYS_tgkill || number == SYS_rt_tgsigqueueinfo)
		signo = (int)args[2];
	else
		return false;
	return signo != SIGKILL && signo != SIGSTOP && signo != SIGTSTP && signo != SIGTTIN && signo != SIGTTOU &&
	       signo != SIGCONT;
}

void om_remote_take(struct om_remote_thread *thread)
{
	struct om_remote *remote = thread->remote;
	struct om_remote_thread_state *state = thread->state;
	bool forwarded = false, conducted = false;
	uint64_t args[6];

	pthread_mutex_lock(&remote->lock);
	if (!remote->serving || remote->closed || !state->call.id || state->phase != OM_PHASE_NONE) {
		pthread_mutex_unlock(&remote->lock); /* noted; or taken back meanwhile */
		return;
	}
	memcpy(args, state->call.data.args, sizeof(args));
	const struct om_syscall *sc = om_syscall_of(state->call.data.nr, args);
	bool refused = sc->side == OM_SIDE_UNKNOWN || sc->side == OM_SIDE_REFUSE;
	if (thread->quiesced) {
		/* The thread is under PTRACE_INTERRUPT: it stops before it issues the call again. */
		om_remote_answer_body(thread, om_remote_restart(thread, om_remote_is_rest(thread)), 0);
	} else {
		count(remote, state->call.data.nr, refused);
		if (refused)
			om_remote_answer_body(thread, sc->side == OM_SIDE_UNKNOWN ? -ENOSYS : -sc->error, 0);
		else if (sc->side == OM_SIDE_LOCAL) /* decided by registers alone: nothing can change under us */
			om_remote_answer_body(thread, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
		else if (is_own_signal(remote, state->call.data.nr, args))
			conducted = true;
		else if (sc->side == OM_SIDE_HOME || sc->flags & (OM_SYSCALL_MIRROR | OM_SYSCALL_SUM))
			forwarded = true;
		else
			conducted = true;
		if (conducted)
			state->phase = OM_PHASE_STRUCTURAL;
	}
	pthread_mutex_unlock(&remote->lock);
	if (forwarded)
		forward(thread, args);
	else if (conducted)
		om_remote_hand_out(thread);
}

void om_remote_take_noted(struct om_remote *remote)
{
	for (uint32_t i = 0; i < remote->slots; i++) {
		pthread_mutex_lock(&remote->lock);
		struct om_remote_thread *thread = om_remote_thread_of(remote, i);
		bool noted = thread && thread->state->call.id && thread->state->phase == OM_PHASE_NONE;
		pthread_mutex_unlock(&remote->lock);
		if (noted)
			om_remote_take(thread);
	}
}
