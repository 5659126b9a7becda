/* SPDX-License-Identifier: MIT
 *
 * Takes the body's notifications: one receiver per listener (KERNEL.md 20). What each call is comes from the
 * system-call table alone; the body is not trusted, its memory is read once by om_marshal and the notification is
 * checked to be still the same one after that. Calls home are finished on the link's thread.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>

#include "om_remote.h"
#include "om_seccomp.h"

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
	respond(remote, remote->state->notification, value, flags);
	remote->state->phase = OM_PHASE_NONE;
	if (remote->active == OM_ACTIVE_BODY)
		remote->active = OM_ACTIVE_NONE;
	pthread_cond_broadcast(&remote->changed);
}

int om_remote_answer(om_remote *remote, uint64_t notification, int64_t value, uint32_t flags)
{
	int result = 0;
	pthread_mutex_lock(&remote->lock);
	if (remote->state->notification != notification || remote->state->phase != OM_PHASE_STRUCTURAL)
		result = -ENOENT;
	else
		om_remote_answer_body(remote, value, flags);
	pthread_mutex_unlock(&remote->lock);
	return result;
}

static bool still_valid(struct om_remote *remote, uint64_t notification)
{
	return ioctl(remote->listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &notification) == 0;
}

/* The rest of a call that was cut short without a handler having run: what is left of its time, not all of it. */
static int apply_rest(struct om_remote *remote, int step)
{
	struct om_remote_state *state = remote->state;
	uint64_t rest = state->rest_ns, whole;
	state->rest_ns = UINT64_MAX;
	if (rest == UINT64_MAX || step != OM_MARSHAL_SEND || state->rest_number != state->number)
		return step;
	if (!state->rest_any && (state->rest_pointer != state->instruction_pointer ||
				 memcmp(state->rest_args, state->args, sizeof(state->args))))
		return step;
	if (!om_marshal_remaining(&remote->marshal, 0, &whole) || whole <= rest)
		return step;
	return om_marshal_again(&remote->marshal, whole - rest);
}

static void forward(struct om_remote *remote)
{
	struct om_remote_state *state = remote->state;
	om_peer_wait_room(remote->home, &remote->closed);
	int step = om_marshal_begin(&remote->marshal, state->number, state->args);
	if (!still_valid(remote, state->notification))
		step = -ESRCH;
	pthread_mutex_lock(&remote->lock);
	step = apply_rest(remote, step);
	if (step < 0)
		om_remote_answer_body(remote, step == -ESRCH ? -EINTR : step, 0);
	else if (step == OM_MARSHAL_DONE)
		om_remote_answer_body(remote, remote->marshal.result, 0);
	else if (remote->quiesced) /* since we looked last; home knows nothing of it */
		om_remote_answer_body(remote, -513, 0);
	else if (remote->active)
		state->phase = OM_PHASE_QUEUED;
	else
		om_remote_post(remote, false);
	pthread_mutex_unlock(&remote->lock);
}

static void hand_out(struct om_remote *remote, const struct seccomp_notif *n)
{
	const struct om_callbacks *callbacks = &remote->engine->callbacks;
	struct om_structural call = {
		.notification = n->id,
		.tid = n->pid,
		.number = n->data.nr,
		.instruction_pointer = n->data.instruction_pointer,
	};
	memcpy(call.args, n->data.args, sizeof(call.args));
	pthread_mutex_lock(&remote->lock);
	remote->state->phase = OM_PHASE_STRUCTURAL;
	pthread_mutex_unlock(&remote->lock);
	if (callbacks->remote_structural)
		callbacks->remote_structural(callbacks->context, remote->key, &call);
	else
		om_remote_answer(remote, n->id, -ENOSYS, 0);
}

static void refuse(struct om_remote *remote, const struct seccomp_notif *n, int error)
{
	remote->counters.refused++;
	if ((uint32_t)n->data.nr < OM_NUMBERS)
		remote->refused_by_number[n->data.nr]++;
	respond(remote, n->id, -error, 0);
}

static void take(struct om_remote *remote, const struct seccomp_notif *n)
{
	struct om_remote_state *state = remote->state;
	uint64_t args[6];
	memcpy(args, n->data.args, sizeof(args));
	const struct om_syscall *sc = om_syscall_of(n->data.nr, args);

	pthread_mutex_lock(&remote->lock);
	/* The thread is under PTRACE_INTERRUPT: it stops before it issues the call again. 513: whatever signal comes
	 * then, for the call has not begun. */
	if (remote->quiesced) {
		respond(remote, n->id, -513, 0);
		pthread_mutex_unlock(&remote->lock);
		return;
	}
	remote->counters.calls++;
	if ((uint32_t)n->data.nr < OM_NUMBERS)
		remote->calls_by_number[n->data.nr]++;
	if (sc->side == OM_SIDE_UNKNOWN || sc->side == OM_SIDE_REFUSE) {
		refuse(remote, n, sc->side == OM_SIDE_UNKNOWN ? ENOSYS : sc->error);
		pthread_mutex_unlock(&remote->lock);
		return;
	}
	if (sc->side == OM_SIDE_LOCAL) { /* decided by registers alone: nothing can change under us */
		respond(remote, n->id, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
		pthread_mutex_unlock(&remote->lock);
		return;
	}
	state->notification = n->id;
	state->tid = n->pid;
	state->number = n->data.nr;
	memcpy(state->args, args, sizeof(args));
	state->instruction_pointer = n->data.instruction_pointer;
	pthread_mutex_unlock(&remote->lock);
	if (sc->side == OM_SIDE_HOME)
		forward(remote);
	else
		hand_out(remote, n);
}

void *om_remote_receiver(void *argument)
{
	struct om_remote *remote = argument;
	struct pollfd fds[2] = {{.fd = remote->listener, .events = POLLIN}, {.fd = remote->wake, .events = POLLIN}};
	while (!remote->closed) {
		struct seccomp_notif n;
		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[1].revents || fds[0].revents & (POLLHUP | POLLERR | POLLNVAL))
			break;
		memset(&n, 0, sizeof(n)); /* the kernel insists */
		if (ioctl(remote->listener, SECCOMP_IOCTL_NOTIF_RECV, &n))
			continue; /* ENOENT: killed between poll and here */
		take(remote, &n);
	}
	om_remote_put(remote);
	return NULL;
}
