/* SPDX-License-Identifier: MIT
 *
 * Signals that arrive at the deputy and are meant for the body: signal(7) must hold as if nothing were in between.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/epoll.h>
#include <sys/syscall.h>

#include "handler.h"
#include "tests.h"
#include "tracer.h"

static int pipe_fds[2];

static bool with_pipe(const char *dir, void (*body)(struct shared *), void (*driver)(struct world *))
{
	if (pipe(pipe_fds))
		return false;
	struct world *w = world_open(dir, body);
	driver(w);
	bool good = world_close(w);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	return good;
}

/* ---- EINTR ----------------------------------------------------------------------------------------------- */

static void interrupt_body(struct shared *s)
{
	char byte;
	handle(s, SIGUSR1, 0);
	EXPECT(read(pipe_fds[0], &byte, 1) == -1 && errno == EINTR);
	EXPECT(s->numbers[0] == 1 && s->numbers[1] == SIGUSR1 && s->numbers[2] == 4711);
	EXPECT(s->numbers[3] == syscall(SYS_getppid));
	EXPECT(read(pipe_fds[0], &byte, 1) == 1 && byte == 'x');
}

static void interrupt_driver(struct world *w)
{
	wait_blocked(w, SYS_read);
	queue(w->deputy, SIGUSR1, 4711);
	/* Or the first read could be taken for the second, and get the byte before the signal. */
	while (!*(volatile int64_t *)&w->shared->numbers[0] && !w->shared->failed)
		sched_yield();
	wait_blocked(w, SYS_read);
	if (write(pipe_fds[1], "x", 1) != 1)
		w->shared->failed = 1;
}

static bool read_interrupted(const char *dir)
{
	return with_pipe(dir, interrupt_body, interrupt_driver);
}

/* ---- SA_RESTART ------------------------------------------------------------------------------------------ */

static void restart_body(struct shared *s)
{
	char byte;
	handle(s, SIGUSR1, SA_RESTART);
	EXPECT(read(pipe_fds[0], &byte, 1) == 1 && byte == 'y');
	EXPECT(s->numbers[0] == 1 && s->numbers[2] == 12);
}

static void restart_driver(struct world *w)
{
	wait_blocked(w, SYS_read);
	queue(w->deputy, SIGUSR1, 12);
	while (!*(volatile int64_t *)&w->shared->numbers[0] && !w->shared->failed)
		sched_yield();
	wait_blocked(w, SYS_read);
	if (write(pipe_fds[1], "y", 1) != 1)
		w->shared->failed = 1;
}

static bool read_restarted(const char *dir)
{
	return with_pipe(dir, restart_body, restart_driver);
}

/* ---- a blocked signal does not end a wait, nor lengthen it --------------------------------------------------------
 */

static void blocked_body(struct shared *s)
{
	struct timespec before, after;
	struct pollfd p = {.fd = pipe_fds[0], .events = POLLIN};
	sigset_t set, pending;
	handle(s, SIGUSR1, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	clock_gettime(CLOCK_MONOTONIC, &before);
	EXPECT(poll(&p, 1, 300) == 0);
	clock_gettime(CLOCK_MONOTONIC, &after);
	int64_t ms = (after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000;
	s->numbers[5] = ms;
	EXPECT(ms >= 299);
	EXPECT(s->numbers[0] == 0);
	EXPECT(sigpending(&pending) == 0 && sigismember(&pending, SIGUSR1));
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	EXPECT(s->numbers[0] == 1);
}

static void blocked_driver(struct world *w)
{
	wait_blocked(w, SYS_poll);
	for (int i = 0; i < 5; i++)
		queue(w->deputy, SIGUSR1, i);
}

static bool blocked_signal_waits(const char *dir)
{
	return with_pipe(dir, blocked_body, blocked_driver);
}

/* epoll_wait says EINTR when a handler ran, and only then. */
static void epoll_body(struct shared *s)
{
	struct epoll_event event = {.events = EPOLLIN};
	sigset_t set;
	int epoll = epoll_create1(0);
	EXPECT(epoll >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, pipe_fds[0], &event) == 0);
	handle(s, SIGUSR1, SA_RESTART);
	handle(s, SIGUSR2, SA_RESTART);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	EXPECT(epoll_wait(epoll, &event, 1, -1) == -1 && errno == EINTR);
	EXPECT(s->numbers[0] == 1 && s->numbers[1] == SIGUSR1);
	EXPECT(epoll_wait(epoll, &event, 1, -1) == 1);
}

static void epoll_driver(struct world *w)
{
	wait_blocked(w, SYS_epoll_wait);
	queue(w->deputy, SIGUSR2, 1); /* blocked: the wait goes on */
	queue(w->deputy, SIGUSR1, 2);
	while (!*(volatile int64_t *)&w->shared->numbers[0] && !w->shared->failed)
		sched_yield();
	if (write(pipe_fds[1], "z", 1) != 1)
		w->shared->failed = 1;
}

static bool epoll_interrupted(const char *dir)
{
	return with_pipe(dir, epoll_body, epoll_driver);
}

/* ---- a storm: no byte and no signal is lost ------------------------------------------------------------------------
 */

#define STORM_BYTES   3000
#define STORM_SIGNALS 120

static void storm_body(struct shared *s)
{
	int interrupted = 0;
	handle(s, SIGRTMIN + 1, 0);
	set_stage(s, 3);
	for (int i = 0; i < STORM_BYTES;) {
		unsigned char byte;
		ssize_t n = read(pipe_fds[0], &byte, 1);
		if (n == -1 && errno == EINTR) {
			interrupted++;
			continue;
		}
		EXPECT(n == 1);
		EXPECT(byte == (unsigned char)i);
		i++;
	}
	s->numbers[4] = interrupted;
	while (*(volatile int64_t *)&s->numbers[0] < STORM_SIGNALS)
		syscall(SYS_sched_yield);
	for (int i = 0; i < STORM_SIGNALS; i++)
		EXPECT(s->bytes[i] == (char)i);
}

static void storm_driver(struct world *w)
{
	int sent = 0;
	wait_stage(w->shared, 3);
	for (int i = 0; i < STORM_BYTES; i++) {
		unsigned char byte = (unsigned char)i;
		if (i % (STORM_BYTES / STORM_SIGNALS) == 0 && sent < STORM_SIGNALS)
			queue(w->deputy, SIGRTMIN + 1, sent++);
		if (write(pipe_fds[1], &byte, 1) != 1)
			w->shared->failed = 1;
		if (i % 3 == 0) /* let it run dry now and then, so that reads wait */
			while (w->shared->failed == 0) {
				struct pollfd p = {.fd = pipe_fds[0], .events = POLLIN};
				if (poll(&p, 1, 0) == 0)
					break;
				sched_yield();
			}
	}
	world_wait_body(w);
	printf("storm: %d signals, %lld reads interrupted, %d bytes in order\n", sent, (long long)w->shared->numbers[4],
	       STORM_BYTES);
}

static bool storm(const char *dir)
{
	return with_pipe(dir, storm_body, storm_driver);
}

/* ---- more signals than the ring holds, while nobody can take them ---------------------------------------------------
 */

#define MANY 100

static void many_body(struct shared *s)
{
	char byte;
	handle(s, SIGRTMIN + 2, SA_RESTART);
	EXPECT(read(pipe_fds[0], &byte, 1) == 1);
	while (*(volatile int64_t *)&s->numbers[0] < MANY)
		syscall(SYS_sched_yield);
	for (int i = 0; i < MANY; i++)
		EXPECT(s->bytes[i] == (char)i);
}

static void many_driver(struct world *w)
{
	wait_blocked(w, SYS_read);
	relay_hold(w->relay);
	world_wait_log(w, "pc1 down");
	for (int i = 0; i < MANY; i++)
		queue(w->deputy, SIGRTMIN + 2, i);
	relay_heal(w->relay);
	if (write(pipe_fds[1], "q", 1) != 1)
		w->shared->failed = 1;
}

static bool ring_overflows(const char *dir)
{
	return with_pipe(dir, many_body, many_driver);
}

/* ---- ppoll: blocked, but not while it waits --------------------------------------------------------- */

static void masked_body(struct shared *s)
{
	struct pollfd p = {.fd = pipe_fds[0], .events = POLLIN};
	sigset_t set, none, now;
	handle(s, SIGUSR1, 0);
	sigemptyset(&none);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	EXPECT(ppoll(&p, 1, NULL, &none) == -1 && errno == EINTR);
	EXPECT(s->numbers[0] == 1 && s->numbers[2] == 77);
	sigprocmask(SIG_BLOCK, NULL, &now);
	EXPECT(sigismember(&now, SIGUSR1) == 1 && sigismember(&now, SIGUSR2) == 0);
	EXPECT(ppoll(&p, 1, NULL, &set) == 1);
	EXPECT(s->numbers[0] == 1);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	EXPECT(s->numbers[0] == 2);
}

static void masked_driver(struct world *w)
{
	wait_blocked(w, SYS_ppoll);
	queue(w->deputy, SIGUSR1, 77);
	while (!*(volatile int64_t *)&w->shared->numbers[0] && !w->shared->failed)
		sched_yield();
	wait_blocked(w, SYS_ppoll);
	queue(w->deputy, SIGUSR1, 78);
	if (!world_await(w, &w->delivered, 2) || write(pipe_fds[1], "m", 1) != 1)
		w->shared->failed = 1;
}

static bool ppoll_has_its_mask(const char *dir)
{
	return with_pipe(dir, masked_body, masked_driver);
}

/* ---- stopped without a signal, as a freeze does: the call goes on, with the time it had left ----------- */

static void frozen_body(struct shared *s)
{
	struct timespec before, after;
	struct pollfd p = {.fd = pipe_fds[0], .events = POLLIN};
	struct epoll_event event = {.events = EPOLLIN};
	char byte;
	int epoll = epoll_create1(0);
	EXPECT(epoll >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, pipe_fds[0], &event) == 0);
	clock_gettime(CLOCK_MONOTONIC, &before);
	EXPECT(poll(&p, 1, 300) == 0);
	clock_gettime(CLOCK_MONOTONIC, &after);
	EXPECT((after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000 >= 299);
	EXPECT(epoll_wait(epoll, &event, 1, -1) == 1);
	EXPECT(read(pipe_fds[0], &byte, 1) == 1 && byte == '1');
	EXPECT(read(pipe_fds[0], &byte, 1) == 1 && byte == '2');
}

static bool frozen_good;

static void frozen_driver(struct world *w)
{
	int32_t number = 0;
	uint64_t left = 0, before = 300000000;
	frozen_good = true;
	for (int i = 0; i < 3; i++) {
		wait_blocked(w, SYS_poll);
		frozen_good &= tracer_freeze(w, &number, &left) && number == SYS_poll && left > 0 && left < before;
		before = left;
	}
	wait_blocked(w, SYS_epoll_wait);
	frozen_good &= tracer_freeze(w, &number, &left) && number == SYS_epoll_wait && left == UINT64_MAX;
	frozen_good &= write(pipe_fds[1], "1", 1) == 1;
	wait_blocked(w, SYS_read);
	frozen_good &= tracer_freeze(w, &number, &left) && number == SYS_read && left == UINT64_MAX;
	frozen_good &= write(pipe_fds[1], "2", 1) == 1;
}

static bool frozen_wait_goes_on(const char *dir)
{
	return with_pipe(dir, frozen_body, frozen_driver) && frozen_good;
}

/* ---- no handler -------------------------------------------------------------------------------------- */

static void nothing_body(struct shared *s)
{
	char byte;
	EXPECT(read(pipe_fds[0], &byte, 1) == 1 && byte == 'f');
}

static void terminate_driver(struct world *w)
{
	wait_blocked(w, SYS_read);
	queue(w->deputy, SIGTERM, 0); /* no handler in the body: it ends there */
	world_wait_body(w);
}

static bool default_action_ends_body(const char *dir)
{
	return with_pipe(dir, nothing_body, terminate_driver);
}

static int never_fds[2];

static void read_for_ever_body(struct shared *s)
{
	char byte;
	handle(s, SIGUSR1, 0);
	EXPECT(read(never_fds[0], &byte, 1) == -1 && errno == EINTR);
	EXPECT(s->numbers[0] == 1 && s->numbers[2] == 7);
}

/* Handed out to a warden that dies before it has queued it: home has it still. */
static bool signal_outlives_a_warden(const char *dir)
{
	if (pipe(never_fds))
		return false;
	struct world *w = world_open(dir, read_for_ever_body);
	wait_blocked(w, SYS_read);
	w->holds_tracer = true;
	queue(w->deputy, SIGUSR1, 7);
	pthread_mutex_lock(&w->lock);
	while (w->queued == 0)
		pthread_cond_wait(&w->changed, &w->lock);
	pthread_mutex_unlock(&w->lock);
	world_take_over(w);
	w->holds_tracer = false;
	bool good = om_remote_start(w->remote, 30000) == 0;
	good = world_close(w) && good;
	close(never_fds[0]);
	close(never_fds[1]);
	return good;
}

const struct test signal_tests[] = {
	{"read_interrupted", read_interrupted},
	{"read_restarted", read_restarted},
	{"blocked_signal_waits", blocked_signal_waits},
	{"epoll_interrupted", epoll_interrupted},
	{"ppoll_has_its_mask", ppoll_has_its_mask},
	{"frozen_wait_goes_on", frozen_wait_goes_on},
	{"storm", storm},
	{"ring_overflows", ring_overflows},
	{"default_action_ends_body", default_action_ends_body},
	{"signal_outlives_a_warden", signal_outlives_a_warden},
	{0},
};
