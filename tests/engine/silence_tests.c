/* SPDX-License-Identifier: MIT
 *
 * Home is silent, its link cut or its deputy stopped, when the body is to be stopped. What fails then changes nothing,
 * and what it held up goes on when home is heard again.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>
#include <sys/syscall.h>

#include "handler.h"
#include "tests.h"
#include "tracer.h"

static int pipe_fds[2];

/* How home falls silent, and is heard again. */
struct silence {
	void (*begin)(struct world *w);
	void (*end)(struct world *w);
	int error; /* of om_remote_quiesce */
};

static void hold_link(struct world *w)
{
	relay_hold(w->relay);
	world_wait_log(w, "pc1 down");
}

static void heal_link(struct world *w)
{
	relay_heal(w->relay);
}

static void continue_deputy(struct world *w)
{
	kill(w->deputy, SIGCONT);
}

static const struct silence link_cut = {hold_link, heal_link, -ENOTCONN};
static const struct silence deputy_stopped = {stop_deputy, continue_deputy, -ETIMEDOUT};

static uint64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static struct world *open_with_pipe(const char *dir, void (*body)(struct shared *))
{
	return pipe(pipe_fds) ? NULL : world_open(dir, body);
}

static bool close_with_pipe(struct world *w)
{
	bool good = world_close(w);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	return good;
}

/* ---- a quiesce that fails -------------------------------------------------------------------------------- */

static void read_twice_body(struct shared *s)
{
	char byte;
	EXPECT(read(pipe_fds[0], &byte, 1) == 1 && byte == '1');
	set_stage(s, 3);
	EXPECT(read(pipe_fds[0], &byte, 1) == 1 && byte == '2');
}

#define PATIENCE_MS 100u
#define SOON_MS     8000u /* on a busy machine */

static bool changes_nothing(const char *dir, const struct silence *silence)
{
	static const enum om_quiesce whys[] = {OM_QUIESCE_HERE, OM_QUIESCE_MOVE, OM_QUIESCE_RETURN};
	bool good = true;
	struct world *w = open_with_pipe(dir, read_twice_body);
	wait_blocked(w, SYS_read);
	silence->begin(w);
	for (int i = 0; i < 3; i++) {
		uint64_t before = now_ms();
		CHECK(tracer_stop(w, whys[i], silence->error == -ETIMEDOUT ? PATIENCE_MS : 30000) == silence->error);
		uint64_t took = now_ms() - before;
		CHECK(took < SOON_MS && (silence->error != -ETIMEDOUT || took >= PATIENCE_MS));
	}
	CHECK(write(pipe_fds[1], "1", 1) == 1);
	silence->end(w);
	wait_stage(w->shared, 3);
	wait_blocked(w, SYS_read);
	CHECK(tracer_stop(w, OM_QUIESCE_HERE, 30000) == 1);
	CHECK(write(pipe_fds[1], "2", 1) == 1);
	world_wait_body(w);
	CHECK(w->due == 0); /* nothing had been held up */
	return close_with_pipe(w) && good;
}

static bool stopped_deputy_changes_nothing(const char *dir)
{
	return changes_nothing(dir, &deputy_stopped);
}

static bool cut_link_changes_nothing(const char *dir)
{
	return changes_nothing(dir, &link_cut);
}

struct waiting_stop {
	struct world *w;
	int result;
};

static void *stop_patiently(void *argument)
{
	struct waiting_stop *s = argument;
	s->result = tracer_stop(s->w, OM_QUIESCE_MOVE, 30000);
	return NULL;
}

/* The link goes down under one who waits. */
static bool cut_ends_a_quiesce(const char *dir)
{
	bool good = true;
	pthread_t thread;
	struct world *w = open_with_pipe(dir, read_twice_body);
	struct waiting_stop waiting = {.w = w};
	wait_blocked(w, SYS_read);
	stop_deputy(w);
	uint64_t before = now_ms();
	CHECK(pthread_create(&thread, NULL, stop_patiently, &waiting) == 0);
	wait_cancelled(w);
	hold_link(w);
	pthread_join(thread, NULL);
	CHECK(waiting.result == -ENOTCONN && now_ms() - before < SOON_MS);
	heal_link(w);
	continue_deputy(w);
	CHECK(write(pipe_fds[1], "12", 2) == 2);
	return close_with_pipe(w) && good;
}

/* ---- signals that were handed out ------------------------------------------------------------------------ */

static int flags;

static void owed_body(struct shared *s)
{
	char byte;
	handle(s, SIGUSR1, flags);
	set_stage(s, 3);
	wait_stage(s, 4);
	ssize_t n = read(pipe_fds[0], &byte, 1);
	s->numbers[4] = n < 0 ? -errno : n;
	EXPECT(s->numbers[0] == 1 && s->numbers[2] == 4711);
	if (n < 0)
		EXPECT(read(pipe_fds[0], &byte, 1) == 1);
	EXPECT(byte == 'x');
}

/* A signal comes, and before it is delivered a call has begun that home does not give back. */
static struct world *with_owed_signal(const char *dir, const struct silence *silence)
{
	bool good = true;
	struct world *w = open_with_pipe(dir, owed_body);
	wait_stage(w->shared, 3);
	w->holds_tracer = true;
	queue(w->deputy, SIGUSR1, 4711);
	CHECK(world_await(w, &w->queued, 1));
	set_stage(w->shared, 4);
	wait_blocked(w, SYS_read);
	silence->begin(w);
	w->patience_ms = PATIENCE_MS;
	w->holds_tracer = false;
	world_wake_tracer(w);
	CHECK(world_await(w, &w->unstoppable, 1));
	w->patience_ms = 30000;
	CHECK(w->due == 0 && w->delivered == 0 && w->shared->numbers[0] == 0);
	if (!good)
		w->shared->failed = 1;
	return w;
}

static bool owed_signal(const char *dir, const struct silence *silence, int action_flags)
{
	bool good = true;
	flags = action_flags;
	struct world *w = with_owed_signal(dir, silence);
	silence->end(w);
	CHECK(world_await(w, &w->delivered, 1));
	CHECK(w->due == 1 && w->unstoppable == 1);
	CHECK(write(pipe_fds[1], "x", 1) == 1);
	world_wait_body(w);
	CHECK(w->shared->numbers[4] == (action_flags & SA_RESTART ? 1 : -EINTR));
	CHECK(w->due == 1 && w->delivered == 1);
	return close_with_pipe(w) && good;
}

static bool stopped_deputy_owes_a_signal(const char *dir)
{
	return owed_signal(dir, &deputy_stopped, 0);
}

static bool stopped_deputy_owes_a_restart(const char *dir)
{
	return owed_signal(dir, &deputy_stopped, SA_RESTART);
}

static bool cut_link_owes_a_signal(const char *dir)
{
	return owed_signal(dir, &link_cut, 0);
}

static bool cut_link_owes_a_restart(const char *dir)
{
	return owed_signal(dir, &link_cut, SA_RESTART);
}

/* What home has done in the meantime has been done: that is the call's result, and it waits for the handler to run
 * first. */
static bool cut_link_owes_an_answer(const char *dir)
{
	bool good = true;
	struct om_counters before;
	flags = 0;
	struct world *w = with_owed_signal(dir, &link_cut);
	CHECK(write(pipe_fds[1], "x", 1) == 1);
	wait_blocked(w, SYS_futex);
	om_remote_counters(w->remote, &before);
	w->holds_tracer = true;
	heal_link(w);
	wait_answered(w, before.bytes_in);
	w->holds_tracer = false;
	world_wake_tracer(w);
	world_wait_body(w);
	CHECK(w->shared->numbers[4] == 1);
	CHECK(w->due == 1 && w->delivered == 1);
	return close_with_pipe(w) && good;
}

/* ---- home's word that a body may go on ------------------------------------------------------------------- */

static void ask_body(struct shared *s)
{
	EXPECT(syscall(SYS_getpgrp) > 0);
	set_stage(s, 3);
	wait_stage(s, 4);
	EXPECT(syscall(SYS_getpgrp) > 0);
}

static bool start_is_told_when(const char *dir)
{
	bool good = true;
	struct world *w = world_prepare(dir, ask_body);
	w->holds_tracer = true; /* the body is not to be stopped here, but started */
	om_home_expect(w->home, "pc2", 1, false, 0);
	relay_hold(w->relay);
	CHECK(om_remote_start(w->remote, 50) == -ETIMEDOUT);
	CHECK(om_remote_start(w->remote, 50) == -ETIMEDOUT);
	CHECK(w->due == 0 && w->claimed == 0);
	relay_heal(w->relay);
	CHECK(world_await(w, &w->due, 1));
	CHECK(om_remote_start(w->remote, 0) == 0);
	set_stage(w->shared, 2);
	wait_stage(w->shared, 3);
	hold_link(w); /* and a WELCOME that nobody waits for */
	relay_heal(w->relay);
	set_stage(w->shared, 4);
	world_wait_body(w);
	CHECK(w->due == 1);
	return world_close(w) && good;
}

/* Frozen for a move that did not come about, while home is not heard: it goes on when home says that its epoch is still
 * in force. */
static bool thaw_is_told_when(const char *dir)
{
	bool good = true;
	struct world *w = open_with_pipe(dir, read_twice_body);
	wait_blocked(w, SYS_read);
	w->holds_tracer = true;
	CHECK(tracer_seize(w));
	CHECK(tracer_quiesce(w, OM_QUIESCE_MOVE, 10000) == 1);
	CHECK(tracer_await(w));
	hold_link(w);
	CHECK(om_remote_epoch(w->remote, 1) == 0);
	CHECK(om_remote_start(w->remote, 50) == -ETIMEDOUT);
	CHECK(w->due == 0);
	heal_link(w);
	CHECK(world_await(w, &w->due, 1));
	CHECK(om_remote_start(w->remote, 0) == 0);
	tracer_let_go(w);
	CHECK(write(pipe_fds[1], "12", 2) == 2);
	world_wait_body(w);
	CHECK(w->due == 1);
	return close_with_pipe(w) && good;
}

const struct test silence_tests[] = {
	{"stopped_deputy_changes_nothing", stopped_deputy_changes_nothing},
	{"cut_link_changes_nothing", cut_link_changes_nothing},
	{"cut_ends_a_quiesce", cut_ends_a_quiesce},
	{"stopped_deputy_owes_a_signal", stopped_deputy_owes_a_signal},
	{"stopped_deputy_owes_a_restart", stopped_deputy_owes_a_restart},
	{"cut_link_owes_a_signal", cut_link_owes_a_signal},
	{"cut_link_owes_a_restart", cut_link_owes_a_restart},
	{"cut_link_owes_an_answer", cut_link_owes_an_answer},
	{"start_is_told_when", start_is_told_when},
	{"thaw_is_told_when", thaw_is_told_when},
	{0},
};
