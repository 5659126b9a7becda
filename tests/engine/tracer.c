/* SPDX-License-Identifier: MIT
 *
 * PTRACE_INTERRUPT → om_remote_quiesce → the stop → the agent's batch queues the signal → om_remote_resume → detach.
 * What the warden does in C#, in the smallest form.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

#include "engine/om_syscalls.h"
#include "tracer.h"
#include "world.h"

#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL
#endif
#ifndef PTRACE_O_SUSPEND_SECCOMP
#define PTRACE_O_SUSPEND_SECCOMP (1 << 21)
#endif

struct batch {
	struct om_batch head;
	struct om_call call;
	uint8_t info[128];
};

static void fail(const char *what)
{
	fprintf(stderr, "tracer: %s: %s\n", what, strerror(errno));
	abort();
}

/* false: it has ended. */
static bool wait_stop(struct world *w, int *status)
{
	if (waitpid(w->body, status, __WALL) != w->body)
		fail("waitpid");
	return WIFSTOPPED(*status);
}

/* A signal queued before may be on its way to its handler just now: it goes on, or it would be lost with the detach. */
bool tracer_await(struct world *w)
{
	int status;
	while (wait_stop(w, &status)) {
		if (status >> 16 == PTRACE_EVENT_STOP)
			return true;
		ptrace(PTRACE_CONT, w->body, 0, WSTOPSIG(status));
	}
	return false;
}

static bool queue_in_body(struct world *w, const struct om_signal *signal)
{
	const uint64_t at = AREA + OM_AREA_BLOCK_OFFSET;
	struct om_agent_header header;
	struct user_regs_struct saved, regs;
	struct batch batch = {.head = {.count = 1}};
	uint64_t mask, all = ~(1ull << (SIGTRAP - 1));
	memcpy(batch.info, signal->info, sizeof(batch.info));
	batch.call = (struct om_call){.number = SYS_rt_tgsigqueueinfo,
				      .args = {(uint64_t)w->body, (uint64_t)w->body, (uint64_t)signal->signo,
					       at + offsetof(struct batch, info)}};
	struct iovec local = {&batch, sizeof(batch)}, there = {(void *)at, sizeof(batch)};
	struct iovec local_header = {&header, sizeof(header)}, header_there = {(void *)AREA, sizeof(header)};
	if (process_vm_writev(w->body, &local, 1, &there, 1, 0) < 0 ||
	    process_vm_readv(w->body, &local_header, 1, &header_there, 1, 0) < 0)
		fail("body's memory");
	if (ptrace(PTRACE_GETREGS, w->body, 0, &saved) || ptrace(PTRACE_GETSIGMASK, w->body, 8, &mask) ||
	    ptrace(PTRACE_SETSIGMASK, w->body, 8, &all))
		fail("registers");
	regs = saved;
	regs.rip = AREA + header.batch_entry;
	regs.rdi = at;
	regs.rsp = at + OM_BLOCK_BATCH_STACK;
	regs.orig_rax = (unsigned long long)-1;
	if (ptrace(PTRACE_SETREGS, w->body, 0, &regs) || ptrace(PTRACE_CONT, w->body, 0, 0))
		fail("batch");
	int status;
	if (!wait_stop(w, &status))
		return false;
	if (ptrace(PTRACE_SETREGS, w->body, 0, &saved) || ptrace(PTRACE_SETSIGMASK, w->body, 8, &mask))
		fail("registers back");
	if (process_vm_readv(w->body, &local, 1, &there, 1, 0) < 0 || batch.call.result != 0)
		fail("rt_tgsigqueueinfo");
	return true;
}

/* Signals that wait, but for those that would be gone without a trace when they are taken. */
static uint64_t pending(struct world *w)
{
	static const char *const names[] = {"SigPnd", "ShdPnd", "SigIgn", "SigCgt"};
	const uint64_t by_default_ignored =
		1ull << (SIGCHLD - 1) | 1ull << (SIGCONT - 1) | 1ull << (SIGURG - 1) | 1ull << (SIGWINCH - 1);
	uint64_t sets[4] = {0};
	char path[64], line[256];
	snprintf(path, sizeof(path), "/proc/%d/status", w->body);
	FILE *f = fopen(path, "re");
	if (!f)
		fail(path);
	while (fgets(line, sizeof(line), f))
		for (int i = 0; i < 4; i++)
			if (!strncmp(line, names[i], 6))
				sets[i] = strtoull(line + 7, NULL, 16);
	fclose(f);
	return (sets[0] | sets[1]) & ~sets[2] & (sets[3] | ~by_default_ignored);
}

/* ppoll and its kin: om_remote_mask says what happens here. Returns the signal to detach with. */
static int end_masked_wait(struct world *w)
{
	const uint64_t at = AREA + OM_AREA_BLOCK_OFFSET + OM_BLOCK_DATA_OFFSET;
	struct user_regs_struct saved, regs;
	uint64_t mask;
	if (!om_remote_mask(w->remote, 0, &mask) || !(pending(w) & ~mask))
		return 0;
	struct iovec local = {&mask, sizeof(mask)}, there = {(void *)at, sizeof(mask)};
	if (process_vm_writev(w->body, &local, 1, &there, 1, 0) < 0 || ptrace(PTRACE_GETREGS, w->body, 0, &saved))
		fail("mask");
	regs = saved;
	regs.rip -= 2;
	regs.rax = SYS_rt_sigsuspend;
	regs.rdi = at;
	regs.rsi = sizeof(mask);
	regs.orig_rax = (unsigned long long)-1;
	int status;
	if (ptrace(PTRACE_SETREGS, w->body, 0, &regs) || ptrace(PTRACE_CONT, w->body, 0, 0) || !wait_stop(w, &status))
		fail("rt_sigsuspend");
	saved.rax = (unsigned long long)-EINTR;
	saved.orig_rax = (unsigned long long)-1;
	if (ptrace(PTRACE_SETREGS, w->body, 0, &saved))
		fail("registers of the call");
	return WSTOPSIG(status);
}

bool tracer_seize(struct world *w)
{
	if (ptrace(PTRACE_SEIZE, w->body, 0, 0)) {
		if (errno != ESRCH && errno != EPERM)
			fail("PTRACE_SEIZE");
		return false;
	}
	ptrace(PTRACE_INTERRUPT, w->body, 0, 0);
	return true;
}

void tracer_let_go(struct world *w)
{
	om_remote_resume(w->remote, 0);
	ptrace(PTRACE_DETACH, w->body, 0, 0);
}

int tracer_quiesce(struct world *w, enum om_quiesce why, uint32_t timeout_ms)
{
	int result = om_remote_quiesce(w->remote, 0, why, timeout_ms);
	return result ? result : om_remote_ended(w->remote, 0);
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
	enum om_quiesce why;
	uint32_t timeout_ms;
	int result;
};

static void *stop(void *argument)
{
	struct stop *s = argument;
	if (!tracer_seize(s->w))
		fail("the body has ended");
	s->result = tracer_quiesce(s->w, s->why, s->timeout_ms);
	if (s->result >= 0 && tracer_await(s->w))
		tracer_let_go(s->w);
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
static void run_tracer(void *(*trace)(void *), void *argument)
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

int tracer_stop(struct world *w, enum om_quiesce why, uint32_t timeout_ms)
{
	struct stop s = {.w = w, .why = why, .timeout_ms = timeout_ms};
	run_tracer(stop, &s);
	return s.result;
}

static bool next_signal(struct world *w, struct om_signal *signal)
{
	pthread_mutex_lock(&w->lock);
	bool there = w->delivered != w->queued;
	if (there)
		*signal = w->queue[w->delivered % 256];
	pthread_mutex_unlock(&w->lock);
	return there;
}

/* The kernel says -ERESTARTSYS of a call that nobody had taken from the listener. One that goes on with what is left of
 * it had waited before: what says EINTR whatever SA_RESTART says does so then (RestartRules.NotTaken). */
static void interrupt_rest(struct world *w)
{
	struct user_regs_struct regs;
	int32_t number;
	uint64_t left_ns, done;
	if (!om_remote_left(w->remote, 0, &number, &left_ns, &done))
		return;
	if (ptrace(PTRACE_GETREGS, w->body, 0, &regs))
		fail("registers");
	const uint64_t args[6] = {regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9};
	if ((int64_t)regs.orig_rax != number || (int64_t)regs.rax != -512 ||
	    om_syscall_of(number, args)->restart != EINTR)
		return;
	regs.rax = (unsigned long long)-514;
	if (ptrace(PTRACE_SETREGS, w->body, 0, &regs))
		fail("registers of a rest");
}

/* Everything that has come. What cannot be delivered now is when remote_due says so. */
static void *deliver(void *argument)
{
	struct world *w = argument;
	struct om_signal signal;
	if (!tracer_seize(w))
		return NULL;
	if (tracer_quiesce(w, OM_QUIESCE_HERE, w->patience_ms) < 0) {
		world_add(w, &w->unstoppable);
		return NULL;
	}
	bool alive = tracer_await(w);
	/* Only now that it stands still: what it calls before goes through the filter. */
	if (alive) {
		ptrace(PTRACE_SETOPTIONS, w->body, 0, PTRACE_O_SUSPEND_SECCOMP);
		interrupt_rest(w);
	}
	while (alive && next_signal(w, &signal)) {
		alive = queue_in_body(w, &signal);
		om_remote_queued(w->remote, 0, 1);
		world_add(w, &w->delivered);
	}
	int with = alive ? end_masked_wait(w) : 0;
	om_remote_resume(w->remote, 0);
	if (alive)
		ptrace(PTRACE_DETACH, w->body, 0, with);
	return NULL;
}

void *tracer_run(void *argument)
{
	struct world *w = argument;
	struct pollfd fds[2] = {{.fd = w->body_pidfd, .events = POLLIN}, {.fd = w->wake, .events = POLLIN}};
	while (poll(fds, 2, -1) > 0 && !fds[0].revents) {
		uint64_t count;
		if (read(w->wake, &count, sizeof(count)) < 0)
			fail("wake");
		run_tracer(deliver, w);
	}
	waitpid(w->body, NULL, __WALL); /* unless a tracer has met its end already */
	pthread_mutex_lock(&w->lock);
	w->over = true;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
	return NULL;
}
