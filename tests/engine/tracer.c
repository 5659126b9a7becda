/* SPDX-License-Identifier: MIT
 *
 * PTRACE_INTERRUPT → om_remote_quiesce → the stop → the agent's batch queues the signal → om_remote_resume → detach.
 * What the warden does in C#, in the smallest form.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "tracee.h"
#include "tracer.h"

#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL
#endif
#ifndef PTRACE_O_SUSPEND_SECCOMP
#define PTRACE_O_SUSPEND_SECCOMP (1 << 21)
#endif

static void fail(const char *what)
{
	fprintf(stderr, "tracer: %s: %s\n", what, strerror(errno));
	abort();
}

bool tracer_seize(struct world *w)
{
	return tracee_seize(w, 0);
}

bool tracer_await(struct world *w)
{
	return tracee_await(w, 0);
}

void tracer_let_slot_go(struct world *w, uint32_t slot)
{
	om_remote_resume(w->remote, slot);
	ptrace(PTRACE_DETACH, w->tids[slot], 0, 0);
}

void tracer_let_go(struct world *w)
{
	tracer_let_slot_go(w, 0);
}

int tracer_quiesce_slot(struct world *w, uint32_t slot, enum om_quiesce why, uint32_t timeout_ms)
{
	int result = om_remote_quiesce(w->remote, slot, why, timeout_ms);
	return result ? result : om_remote_ended(w->remote, slot);
}

int tracer_quiesce(struct world *w, enum om_quiesce why, uint32_t timeout_ms)
{
	return tracer_quiesce_slot(w, 0, why, timeout_ms);
}

bool tracer_freeze(struct world *w, int32_t *number, uint64_t *left_ns)
{
	if (!tracer_seize(w) || tracer_quiesce(w, OM_QUIESCE_MOVE, 10000) < 0 || !tracer_await(w))
		fail("freeze");
	uint64_t done;
	bool left = om_remote_left(w->remote, 0, number, left_ns, &done) == 1;
	tracer_let_go(w);
	return left;
}

struct stop {
	struct world *w;
	uint32_t slot;
	enum om_quiesce why;
	uint32_t timeout_ms;
	int result;
};

static void *stop(void *argument)
{
	struct stop *s = argument;
	if (!tracee_seize(s->w, s->slot))
		fail("the body has ended");
	s->result = tracer_quiesce_slot(s->w, s->slot, s->why, s->timeout_ms);
	if (s->result >= 0 && tracee_await(s->w, s->slot))
		tracer_let_slot_go(s->w, s->slot);
	return NULL;
}

struct run {
	void *(*trace)(void *);
	void *argument;
	int pidfd;
};

static void *run(void *argument)
{
	struct run *r = argument;
	r->pidfd = (int)syscall(SYS_pidfd_open, gettid(), PIDFD_THREAD);
	return r->pidfd < 0 ? NULL : r->trace(r->argument);
}

/* Nothing but the tracer's end gives up a seizure that has not come to a stop: PTRACE_DETACH wants a stopped tracee.
 * The kernel wakes pthread_join before it has let go of the tracee, the pidfd behind that. */
void tracer_alone(void *(*trace)(void *), void *argument)
{
	struct run r = {.trace = trace, .argument = argument};
	pthread_t thread;
	if (pthread_create(&thread, NULL, run, &r))
		fail("a thread");
	pthread_join(thread, NULL);
	struct pollfd end = {.fd = r.pidfd, .events = POLLIN};
	if (r.pidfd < 0 || poll(&end, 1, -1) != 1)
		fail("a thread's end");
	close(r.pidfd);
}

int tracer_stop_slot(struct world *w, uint32_t slot, enum om_quiesce why, uint32_t timeout_ms)
{
	struct stop s = {.w = w, .slot = slot, .why = why, .timeout_ms = timeout_ms};
	tracer_alone(stop, &s);
	return s.result;
}

int tracer_stop(struct world *w, enum om_quiesce why, uint32_t timeout_ms)
{
	return tracer_stop_slot(w, 0, why, timeout_ms);
}

static bool next_signal(struct world *w, uint32_t slot, struct om_signal *signal)
{
	struct mail *mail = &w->mail[slot];
	pthread_mutex_lock(&w->lock);
	bool there = mail->delivered != mail->queued;
	if (there)
		*signal = mail->signals[mail->delivered % 256];
	pthread_mutex_unlock(&w->lock);
	return there;
}

static void note_delivered(struct world *w, uint32_t slot)
{
	om_remote_queued(w->remote, slot, 1);
	pthread_mutex_lock(&w->lock);
	w->mail[slot].delivered++;
	pthread_mutex_unlock(&w->lock);
	world_add(w, &w->delivered);
}

struct delivery {
	struct world *w;
	uint32_t slot;
};

/* Everything that has come. What cannot be delivered now is when remote_due says so. */
static void *deliver(void *argument)
{
	const struct delivery *delivery = argument;
	struct world *w = delivery->w;
	uint32_t slot = delivery->slot;
	struct om_signal signal;
	if (!tracee_seize(w, slot))
		return NULL;
	if (tracer_quiesce_slot(w, slot, OM_QUIESCE_HERE, w->patience_ms) < 0) {
		world_add(w, &w->unstoppable);
		return NULL;
	}
	bool alive = tracee_await(w, slot);
	/* Only now that it stands still: what it calls before goes through the filter. */
	if (alive) {
		ptrace(PTRACE_SETOPTIONS, w->tids[slot], 0, PTRACE_O_SUSPEND_SECCOMP);
		tracee_interrupt_rest(w, slot);
	}
	while (alive && next_signal(w, slot, &signal)) {
		alive = tracee_queue(w, slot, &signal);
		note_delivered(w, slot);
	}
	int with = alive ? tracee_end_masked_wait(w, slot) : 0;
	om_remote_resume(w->remote, slot);
	if (alive)
		ptrace(PTRACE_DETACH, w->tids[slot], 0, with);
	return NULL;
}

static bool wanted(struct world *w, uint32_t slot)
{
	pthread_mutex_lock(&w->lock);
	bool is = w->mail[slot].wanted;
	w->mail[slot].wanted = false;
	pthread_mutex_unlock(&w->lock);
	return is;
}

void *tracer_run(void *argument)
{
	struct world *w = argument;
	struct pollfd fds[2] = {{.fd = w->body_pidfd, .events = POLLIN}, {.fd = w->wake, .events = POLLIN}};
	while (poll(fds, 2, -1) > 0 && !fds[0].revents) {
		uint64_t count;
		if (read(w->wake, &count, sizeof(count)) < 0)
			fail("wake");
		for (uint32_t slot = 0; slot < SLOTS; slot++)
			if (wanted(w, slot))
				tracer_alone(deliver, &(struct delivery){w, slot});
	}
	waitpid(w->body, NULL, __WALL); /* unless a tracer has met its end already */
	pthread_mutex_lock(&w->lock);
	w->over = true;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
	return NULL;
}
