/* SPDX-License-Identifier: MIT
 *
 * One receiver per listener: takes what arrives and gives it to the thread it is of. What a body wants before home has
 * welcomed it is noted in its state, and taken when it has.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "om_gate.h"
#include "om_remote.h"

static struct om_remote_thread **bucket(struct om_gate *gate, int32_t tid)
{
	return &gate->by_tid[(uint32_t)tid % OM_GATE_TID_BUCKETS];
}

void om_gate_put(struct om_gate *gate)
{
	if (--gate->references)
		return;
	if (gate->listener >= 0)
		close(gate->listener);
	if (gate->wake >= 0)
		close(gate->wake);
	if (gate->state)
		munmap(gate->state, OM_STATE_BYTES(0));
	pthread_cond_destroy(&gate->changed);
	pthread_mutex_destroy(&gate->lock);
	free(gate);
}

static void wake(struct om_gate *gate)
{
	uint64_t one = 1;
	if (write(gate->wake, &one, sizeof(one)) < 0)
		abort(); /* an eventfd's counter cannot be full here */
}

/* While another thread is at the listener, a signal for this one breaks it off: EINTR, and nothing is done
 * (seccomp_notify_send and _id_valid, kernel/seccomp.c). */
static int tell_listener(const struct om_gate *gate, unsigned long request, void *what)
{
	int result;
	do
		result = ioctl(gate->listener, request, what);
	while (result && errno == EINTR);
	return result;
}

void om_gate_respond(struct om_gate *gate, uint64_t notification, int64_t value, uint32_t flags)
{
	struct seccomp_notif_resp response = {.id = notification, .flags = flags};
	if (value < 0 && value > -4096)
		response.error = (int32_t)value;
	else
		response.val = value;
	if (flags & SECCOMP_USER_NOTIF_FLAG_CONTINUE)
		response.error = 0, response.val = 0;
	tell_listener(gate, SECCOMP_IOCTL_NOTIF_SEND, &response);
}

bool om_gate_waits(struct om_gate *gate, uint64_t notification)
{
	return tell_listener(gate, SECCOMP_IOCTL_NOTIF_ID_VALID, &notification) == 0;
}

void om_gate_enlist(struct om_remote_thread *thread)
{
	struct om_gate *gate = thread->remote->gate;
	pthread_mutex_lock(&gate->lock);
	struct om_remote_thread **at = bucket(gate, thread->state->tid);
	thread->next = *at;
	*at = thread;
	pthread_mutex_unlock(&gate->lock);
}

void om_gate_strike(struct om_remote_thread *thread)
{
	struct om_gate *gate = thread->remote->gate;
	pthread_mutex_lock(&gate->lock);
	struct om_remote_thread **at = bucket(gate, thread->state->tid);
	while (*at && *at != thread)
		at = &(*at)->next;
	if (*at)
		*at = thread->next;
	pthread_mutex_unlock(&gate->lock);
}

void om_gate_take_noted(struct om_remote *remote)
{
	struct om_gate *gate = remote->gate;
	pthread_mutex_lock(&gate->lock);
	if (!remote->in_noted) {
		remote->in_noted = true;
		remote->references++;
		remote->next_noted = gate->noted;
		gate->noted = remote;
	}
	pthread_mutex_unlock(&gate->lock);
	wake(gate);
}

static bool is_receiver(const struct om_gate *gate)
{
	return gate->receiving && pthread_equal(gate->receiver, pthread_self());
}

/* true: the list's reference is the caller's now. */
static bool unlist(struct om_gate *gate, struct om_remote *remote)
{
	if (!remote->in_noted)
		return false;
	struct om_remote **at = &gate->noted;
	while (*at != remote)
		at = &(*at)->next_noted;
	*at = remote->next_noted;
	remote->in_noted = false;
	return true;
}

void om_gate_leave(struct om_remote *remote)
{
	struct om_gate *gate = remote->gate;
	pthread_mutex_lock(&gate->lock);
	bool listed = unlist(gate, remote);
	while (gate->taking == remote && !is_receiver(gate))
		pthread_cond_wait(&gate->changed, &gate->lock);
	pthread_mutex_unlock(&gate->lock);
	if (listed)
		om_remote_put(remote);
}

/* The remote stays until `done`. */
static void in_hand(struct om_gate *gate, struct om_remote *remote)
{
	gate->taking = remote;
	remote->references++;
}

static void done(struct om_gate *gate)
{
	pthread_mutex_lock(&gate->lock);
	struct om_remote *remote = gate->taking;
	gate->taking = NULL;
	pthread_cond_broadcast(&gate->changed);
	pthread_mutex_unlock(&gate->lock);
	om_remote_put(remote);
}

static struct om_remote_thread *find(struct om_gate *gate, int32_t tid)
{
	pthread_mutex_lock(&gate->lock);
	struct om_remote_thread *thread = *bucket(gate, tid);
	while (thread && thread->state->tid != tid)
		thread = thread->next;
	if (thread)
		in_hand(gate, thread->remote);
	pthread_mutex_unlock(&gate->lock);
	return thread;
}

/* false: it waits already: a process that got hold of this filter. */
static bool note(struct om_remote_thread *thread, const struct seccomp_notif *arrived)
{
	struct om_remote_thread_state *state = thread->state;
	pthread_mutex_lock(&thread->remote->lock);
	bool its = state->tid == (int32_t)arrived->pid && (!state->call.id || state->call.id == arrived->id);
	if (its)
		state->call = *arrived;
	pthread_mutex_unlock(&thread->remote->lock);
	return its;
}

/* What is in the state. */
static void give(struct om_gate *gate)
{
	struct seccomp_notif *arrived = &gate->state->arrived;
	struct om_remote_thread *thread = find(gate, (int32_t)arrived->pid);
	bool noted = thread && note(thread, arrived);
	if (!noted)
		om_gate_respond(gate, arrived->id, -ENOSYS, 0);
	arrived->id = 0;
	if (noted)
		om_remote_take(thread);
	if (thread)
		done(gate);
}

static void receive(struct om_gate *gate)
{
	struct seccomp_notif *arrived = &gate->state->arrived;
	memset(arrived, 0, sizeof(*arrived)); /* the kernel insists */
	if (ioctl(gate->listener, SECCOMP_IOCTL_NOTIF_RECV, arrived))
		arrived->id = 0; /* ENOENT: killed between poll and here */
	else
		give(gate);
}

static struct om_remote *next_noted(struct om_gate *gate)
{
	pthread_mutex_lock(&gate->lock);
	struct om_remote *remote = gate->noted;
	if (remote) {
		unlist(gate, remote);
		in_hand(gate, remote);
	}
	pthread_mutex_unlock(&gate->lock);
	return remote;
}

static void take_noted(struct om_gate *gate)
{
	struct om_remote *remote;
	uint64_t woken;
	if (read(gate->wake, &woken, sizeof(woken)) < 0)
		return; /* EAGAIN: it was somebody else's */
	while ((remote = next_noted(gate))) {
		om_remote_take_noted(remote);
		done(gate);
		om_remote_put(remote); /* the list's */
	}
}

static void *run(void *argument)
{
	struct om_gate *gate = argument;
	struct pollfd fds[2] = {{.fd = gate->listener, .events = POLLIN}, {.fd = gate->wake, .events = POLLIN}};
	if (gate->state->arrived.id) /* a warden before us did not come to noting whose it is */
		give(gate);
	while (!gate->closed) {
		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[0].revents & (POLLHUP | POLLERR | POLLNVAL))
			fds[0].fd = -1; /* nobody is under this filter any more */
		else if (fds[0].revents)
			receive(gate);
		if (fds[1].revents)
			take_noted(gate);
	}
	om_gate_put(gate);
	return NULL;
}

int om_gate_open(int listener, int state_fd, om_gate **result)
{
	struct om_gate *gate = calloc(1, sizeof(*gate));
	if (!gate)
		return -ENOMEM;
	gate->references = 1;
	pthread_mutex_init(&gate->lock, NULL);
	pthread_cond_init(&gate->changed, NULL);
	gate->listener = fcntl(listener, F_DUPFD_CLOEXEC, 3);
	gate->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int error = gate->listener < 0 || gate->wake < 0 ? -errno : 0;
	if (!error && !(gate->state = om_state_map(state_fd, 0)))
		error = -EINVAL;
	if (error) {
		om_gate_put(gate);
		return error;
	}
	/* Linux 6.6; older ones answer EINVAL and are only slower. */
	ioctl(gate->listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
	*result = gate;
	return 0;
}

int om_gate_start(om_gate *gate)
{
	gate->references++;
	gate->receiving = true;
	int error = om_thread_create(&gate->receiver, "om-gate", run, gate);
	if (error) {
		gate->receiving = false;
		gate->references--;
	}
	return error;
}

void om_gate_close(om_gate *gate)
{
	gate->closed = true;
	wake(gate);
	if (gate->receiving && is_receiver(gate))
		pthread_detach(gate->receiver);
	else if (gate->receiving)
		pthread_join(gate->receiver, NULL);
	om_gate_put(gate);
}
