/* SPDX-License-Identifier: MIT
 *
 * Takes the body's notifications: one receiver per listener (KERNEL.md 20). What each call is comes from the
 * system-call table alone; the body is not trusted, its memory is read once by om_marshal and the notification is
 * checked to be still the same one after that. Calls home are finished on the link's thread.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>

#include "om_remote.h"

static void respond(struct om_remote *remote, uint64_t notification, int64_t value, uint32_t flags)
{
	struct seccomp_notif_resp response = {.id = notification, .flags = flags};
	if (value < 0 && value > -4096)
		response.error = (int32_t)value;
	else
		response.val = value;
	if (flags & SECCOMP_USER_NOTIF_FLAG_CONTINUE)
		response.error = 0, response.val = 0;
	/* ENOENT: the body was killed meanwhile; its pidfd tells the warden. */
	ioctl(remote->listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
}

void om_remote_answer_body(struct om_remote *remote, int64_t value, uint32_t flags)
{
	struct om_remote_state *state = remote->state;
	respond(remote, state->call.id, value, flags);
	state->phase = OM_PHASE_NONE;
	state->call.id = 0;
	if (remote->active == OM_ACTIVE_BODY)
		remote->active = OM_ACTIVE_NONE;
	pthread_cond_broadcast(&remote->changed);
}

int om_remote_answer(om_remote *remote, uint64_t notification, int64_t value, uint32_t flags)
{
	int result = 0;
	pthread_mutex_lock(&remote->lock);
	if (remote->state->call.id != notification || remote->state->phase != OM_PHASE_CONDUCTED)
		result = -ENOENT;
	else
		om_remote_answer_body(remote, value, flags);
	pthread_mutex_unlock(&remote->lock);
	return result;
}

int om_remote_conduct(om_remote *remote, uint64_t notification)
{
	int result = 0;
	pthread_mutex_lock(&remote->lock);
	if (remote->state->call.id != notification || remote->state->phase != OM_PHASE_STRUCTURAL)
		result = -ENOENT;
	else
		remote->state->phase = OM_PHASE_CONDUCTED;
	pthread_mutex_unlock(&remote->lock);
	return result;
}

void om_remote_postpone(om_remote *remote, uint64_t notification)
{
	pthread_mutex_lock(&remote->lock);
	if (remote->state->call.id == notification && remote->state->phase == OM_PHASE_CONDUCTED)
		remote->state->phase = OM_PHASE_STRUCTURAL;
	pthread_mutex_unlock(&remote->lock);
}

bool om_remote_still_waits(struct om_remote *remote)
{
	return ioctl(remote->listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &remote->state->call.id) == 0;
}

/* The rest of a call that was cut short without a handler having run: what is left of its time and of its data. */
static int apply_rest(struct om_remote *remote, int step)
{
	struct om_remote_state *state = remote->state;
	uint64_t rest = state->rest_ns, done = state->rest_done, whole;
	remote->begun = om_remote_is_rest(remote);
	/* Data that has been moved must not be moved twice: remembered until the call comes again, whatever a handler
	 * does in between. */
	if (remote->begun || !done)
		state->rest_number = -1;
	if (!remote->begun || step != OM_MARSHAL_SEND)
		return step;
	if (done)
		return om_marshal_behind(&remote->marshal, done);
	if (rest == UINT64_MAX || !om_marshal_remaining(&remote->marshal, 0, &whole) || whole <= rest)
		return step;
	return om_marshal_again(&remote->marshal, whole - rest);
}

/* ppoll and its kin: a signal that the body had blocked so far is let through, and something comes of it: one that is
 * ignored by default would stop the body for nothing each time it issues the call again. A new signal would be handed
 * out. */
static bool lets_pending_through(struct om_remote *remote)
{
	const uint64_t ignored_by_default =
		1ull << (SIGCHLD - 1) | 1ull << (SIGCONT - 1) | 1ull << (SIGURG - 1) | 1ull << (SIGWINCH - 1);
	struct om_signal_sets sets;
	return remote->marshal.has_mask && !om_signal_sets(remote->pid, &sets) &&
	       sets.pending & ~remote->marshal.mask & ~sets.ignored & (sets.caught | ~ignored_by_default);
}

void om_remote_tell_due(struct om_remote *remote)
{
	const struct om_callbacks *callbacks = &remote->engine->callbacks;
	if (callbacks->remote_due)
		callbacks->remote_due(callbacks->context, remote->key);
}

static void forward(struct om_remote *remote, const uint64_t args[6])
{
	struct om_remote_state *state = remote->state;
	om_peer_wait_room(remote->home, &remote->closed);
	int step = om_marshal_begin(&remote->marshal, state->call.data.nr, args);
	if (!om_remote_still_waits(remote))
		step = -ESRCH;
	bool unmasked = lets_pending_through(remote);
	pthread_mutex_lock(&remote->lock);
	if (!remote->quiesced)
		step = apply_rest(remote, step);
	state->done = om_marshal_done(&remote->marshal);
	state->pieces = state->done > 0;
	state->sent_ns = om_now_ns(); /* its time runs, also while it is queued */
	if (step < 0)
		om_remote_answer_body(remote, step == -ESRCH ? -EINTR : step, 0);
	else if (remote->quiesced) /* since we looked last; home knows nothing of it */
		om_remote_answer_body(remote, om_remote_restart(remote, om_remote_is_rest(remote)), 0);
	else if (step == OM_MARSHAL_DONE)
		om_remote_answer_body(remote, remote->marshal.result, 0);
	else if (remote->active)
		state->phase = OM_PHASE_QUEUED;
	else
		om_remote_post(remote, false);
	bool let_through = (state->phase == OM_PHASE_SENT || state->phase == OM_PHASE_QUEUED) && unmasked;
	pthread_mutex_unlock(&remote->lock);
	if (let_through)
		om_remote_tell_due(remote);
}

static void refuse(struct om_remote *remote, uint64_t notification)
{
	if (!om_remote_conduct(remote, notification))
		om_remote_answer(remote, notification, -ENOSYS, 0);
}

void om_remote_hand_out(struct om_remote *remote)
{
	const struct om_callbacks *callbacks = &remote->engine->callbacks;
	const struct seccomp_notif *n = &remote->state->call;
	struct om_structural call = {
		.notification = n->id,
		.tid = n->pid,
		.number = n->data.nr,
		.instruction_pointer = n->data.instruction_pointer,
	};
	memcpy(call.args, n->data.args, sizeof(call.args));
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

/* What is in state->call. */
static void take(struct om_remote *remote)
{
	struct om_remote_state *state = remote->state;
	uint64_t args[6];
	memcpy(args, state->call.data.args, sizeof(args));
	const struct om_syscall *sc = om_syscall_of(state->call.data.nr, args);
	bool refused = sc->side == OM_SIDE_UNKNOWN || sc->side == OM_SIDE_REFUSE, forwarded = false, conducted = false;

	pthread_mutex_lock(&remote->lock);
	if (remote->quiesced) {
		/* The thread is under PTRACE_INTERRUPT: it stops before it issues the call again. */
		om_remote_answer_body(remote, om_remote_restart(remote, om_remote_is_rest(remote)), 0);
	} else {
		count(remote, state->call.data.nr, refused);
		if (refused)
			om_remote_answer_body(remote, sc->side == OM_SIDE_UNKNOWN ? -ENOSYS : -sc->error, 0);
		else if (sc->side == OM_SIDE_LOCAL) /* decided by registers alone: nothing can change under us */
			om_remote_answer_body(remote, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
		else if (sc->side == OM_SIDE_HOME || sc->flags & (OM_SYSCALL_MIRROR | OM_SYSCALL_SUM))
			forwarded = true;
		else
			conducted = true;
		if (conducted)
			state->phase = OM_PHASE_STRUCTURAL;
	}
	pthread_mutex_unlock(&remote->lock);
	if (forwarded)
		forward(remote, args);
	else if (conducted)
		om_remote_hand_out(remote);
}

static void receive(struct om_remote *remote)
{
	struct seccomp_notif second = {0}, *n = &second;
	/* One thread, so one call at a time. A second one would be a process that got hold of this filter. */
	pthread_mutex_lock(&remote->lock); /* the link's thread may have answered the last one just now */
	if (!remote->state->call.id) {
		n = &remote->state->call;
		memset(n, 0, sizeof(*n)); /* the kernel insists */
	}
	pthread_mutex_unlock(&remote->lock);
	if (ioctl(remote->listener, SECCOMP_IOCTL_NOTIF_RECV, n))
		return; /* ENOENT: killed between poll and here */
	if (n == &second)
		respond(remote, n->id, -ENOSYS, 0);
	else
		take(remote);
}

void *om_remote_receiver(void *argument)
{
	struct om_remote *remote = argument;
	struct pollfd fds[2] = {{.fd = remote->listener, .events = POLLIN}, {.fd = remote->wake, .events = POLLIN}};
	/* Noted by a warden before us, which had done nothing about it yet. */
	pthread_mutex_lock(&remote->lock);
	bool noted = remote->state->call.id && remote->state->phase == OM_PHASE_NONE;
	pthread_mutex_unlock(&remote->lock);
	if (noted)
		take(remote);
	while (!remote->closed) {
		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[1].revents || fds[0].revents & (POLLHUP | POLLERR | POLLNVAL))
			break;
		receive(remote);
	}
	om_remote_put(remote);
	return NULL;
}
