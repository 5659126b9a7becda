/* SPDX-License-Identifier: MIT
 *
 * A stop of all threads ends each one's call for itself, or changes nothing.
 */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <linux/seccomp.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "pipes.h"
#include "tests.h"
#include "tracee.h"
#include "tracer.h"

#define MOST PIPES

enum {
	SPINS,     /* in user code */
	READS,     /* waits at home */
	POLLS,     /* the same, with a time limit */
	HANDED,    /* its call waits to be conducted */
	CONDUCTED, /* its call is conducted */
	QUEUED,    /* its call waits behind the warden's own */
	KINDS,
};

struct kernel_action {
	uint64_t handler, flags, restorer, mask;
};

static uint32_t kind_of(uint32_t index)
{
	return index == MOST - 1 ? QUEUED : index % QUEUED;
}

static void make_structural_call(struct shared *s, uint32_t index)
{
	struct kernel_action before = {.handler = 1};
	EXPECT(syscall(SYS_rt_sigaction, SIGUSR1, NULL, &before, 8) == 0);
	EXPECT(before.handler == 0);
}

/* Stage 1 of each: go on. */
static void kinds_work(struct shared *s, uint32_t index)
{
	struct pollfd p = {.fd = pipes[index][0], .events = POLLIN};
	switch (kind_of(index)) {
	case SPINS:
		while (!s->hands[index].stage)
			s->hands[index].numbers[0]++;
		break;
	case READS:
		pipes_read(s, index);
		break;
	case POLLS:
		EXPECT(poll(&p, 1, 600000) == 1);
		break;
	case QUEUED:
		wait_hand(s, index, 1);
		EXPECT(write(pipes[index][1], "q", 1) == 1);
		break;
	default:
		make_structural_call(s, index);
	}
	s->hands[index].numbers[1]++;
	wait_stage(s, 4); /* none ends while all are to be stopped */
}

/* The warden's own call in the last slot, which waits until the pipe of the first has a byte. */
static void *own_call(void *argument)
{
	struct world *w = argument;
	char byte = 0;
	int64_t result = 0;
	const uint64_t args[6] = {(uint64_t)pipes[0][0], (uint64_t)&byte, 1};
	int error = om_remote_call(w->remote, MOST - 1, SYS_read, args, true, &result);
	return (void *)(uintptr_t)(!error && result == 1 && byte == 'a');
}

static struct world *open_kinds(const char *dir, pthread_t *own)
{
	struct world *w = crew_prepare(dir, MOST, kinds_work);
	uint64_t sent;
	struct om_counters counters;
	w->keeps_calls = true;
	om_home_expect(w->home, "pc2", 1, false, 0);
	world_start(w);
	for (uint32_t i = 0; i < MOST - 1; i++) {
		if (kind_of(i) == READS || kind_of(i) == POLLS)
			wait_slot_blocked(w, i, kind_of(i) == READS ? SYS_read : SYS_poll);
		else if (kind_of(i) != SPINS)
			world_await(w, &w->handed_out_of[i], 1);
		else
			while (!*(volatile int64_t *)&w->shared->hands[i].numbers[0] && !w->shared->failed)
				sched_yield();
		if (kind_of(i) == CONDUCTED && om_remote_conduct(w->remote, w->structural_of[i].notification))
			abort();
	}
	if (pthread_create(own, NULL, own_call, w))
		abort();
	wait_slot_blocked(w, MOST - 1, SYS_read);
	om_remote_counters(w->remote, &counters);
	sent = counters.calls;
	set_hand(w->shared, MOST - 1, 1);
	while (!om_remote_counters(w->remote, &counters) && counters.calls == sent)
		sched_yield();
	return w;
}

struct stop_of_all {
	struct world *w;
	uint32_t timeout_ms;
	int result;
	bool ended[MOST], good;
};

/* What is conducted does not stop before it is answered. */
static bool stop_all(struct stop_of_all *stop)
{
	struct world *w = stop->w;
	bool good = true;
	for (uint32_t i = 0; i < MOST; i++)
		CHECK(tracee_seize(w, i));
	stop->result = om_remote_quiesce(w->remote, OM_EVERY_THREAD, OM_QUIESCE_HERE, stop->timeout_ms);
	if (stop->result)
		return good;
	for (uint32_t i = 0; i < MOST; i++) {
		stop->ended[i] = om_remote_ended(w->remote, i);
		if (kind_of(i) == CONDUCTED)
			CHECK(om_remote_answer(w->remote, w->structural_of[i].notification, 0,
					       SECCOMP_USER_NOTIF_FLAG_CONTINUE) == 0);
		CHECK(tracee_await(w, i));
	}
	om_remote_resume(w->remote, OM_EVERY_THREAD);
	for (uint32_t i = 0; i < MOST; i++)
		ptrace(PTRACE_DETACH, w->tids[i], 0, 0);
	return good;
}

static void *run_stop_all(void *argument)
{
	struct stop_of_all *stop = argument;
	stop->good = stop_all(stop);
	return NULL;
}

static bool conduct(struct world *w, uint32_t slot)
{
	const struct om_structural *call = &w->structural_of[slot];
	return om_remote_conduct(w->remote, call->notification) == 0 &&
	       om_remote_answer(w->remote, call->notification, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE) == 0;
}

/* Each goes on from where it was, once. */
static bool all_go_on(struct world *w, pthread_t own, unsigned int handed_out)
{
	bool good = true;
	void *own_good;
	for (uint32_t i = 0; i < MOST; i++) {
		if (kind_of(i) == SPINS)
			set_hand(w->shared, i, 1);
		else if (kind_of(i) == READS || kind_of(i) == POLLS)
			CHECK(pipes_give(i));
		else if (kind_of(i) == HANDED && world_await(w, &w->handed_out_of[i], handed_out))
			conduct(w, i);
	}
	CHECK(pipes_give(0));
	pthread_join(own, &own_good);
	CHECK(own_good);
	w->keeps_calls = false;
	set_stage(w->shared, 4);
	world_wait_body(w);
	for (uint32_t i = 0; i < MOST; i++) {
		struct pollfd p = {.fd = pipes[i][0], .events = POLLIN};
		CHECK(w->shared->hands[i].numbers[1] == 1);
		CHECK(poll(&p, 1, 0) == (kind_of(i) == POLLS || kind_of(i) == QUEUED));
	}
	char two[2];
	CHECK(good && read(pipes[MOST - 1][0], two, 2) == 1);
	good = world_close(w) && good;
	pipes_close();
	return good;
}

static bool stop_is_of_all_threads(const char *dir)
{
	bool good = true;
	pthread_t own;
	if (!pipes_open())
		return false;
	struct world *w = open_kinds(dir, &own);
	struct stop_of_all stop = {.w = w, .timeout_ms = 30000};
	/* Nothing is asked for again before the test has seen it. */
	tracer_alone(run_stop_all, &stop);
	CHECK(stop.good && stop.result == 0);
	for (uint32_t i = 0; i < MOST; i++)
		CHECK(stop.ended[i] == (kind_of(i) != SPINS));
	return all_go_on(w, own, 2) && good;
}

/* The threads in READS and POLLS cannot be given back. */
static bool stopped_deputy_changes_nothing_of_all(const char *dir)
{
	bool good = true;
	pthread_t own;
	if (!pipes_open())
		return false;
	struct world *w = open_kinds(dir, &own);
	struct stop_of_all stop = {.w = w, .timeout_ms = 200};
	stop_deputy(w);
	tracer_alone(run_stop_all, &stop);
	CHECK(stop.good && stop.result == -ETIMEDOUT);
	for (uint32_t i = 0; i < MOST; i++) {
		CHECK(!om_remote_ended(w->remote, i));
		if (kind_of(i) == CONDUCTED)
			CHECK(om_remote_answer(w->remote, w->structural_of[i].notification, 0,
					       SECCOMP_USER_NOTIF_FLAG_CONTINUE) == 0);
		CHECK(w->shared->hands[i].numbers[1] == 0 || kind_of(i) == CONDUCTED);
	}
	kill(w->deputy, SIGCONT);
	return all_go_on(w, own, 2) && good;
}

const struct test thread_stop_all_tests[] = {
	{"stop_is_of_all_threads", stop_is_of_all_threads},
	{"stopped_deputy_changes_nothing_of_all", stopped_deputy_changes_nothing_of_all},
	{0},
};
