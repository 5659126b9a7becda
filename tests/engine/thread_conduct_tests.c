/* SPDX-License-Identifier: MIT
 *
 * Calls of several threads that are conducted, and the warden's own beside them.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

#include "tests.h"
#include "tracer.h"

static const uint64_t none[6];
static int pipe_fds[2];

static bool let_run(struct world *w, const struct om_structural *call)
{
	return om_remote_answer(w->remote, call->notification, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE) == 0;
}

static bool conduct(struct world *w, const struct om_structural *call)
{
	return om_remote_conduct(w->remote, call->notification) == 0 && let_run(w, call);
}

/* ---- two at once ----------------------------------------------------------------------------------------- */

struct kernel_action {
	uint64_t handler, flags, restorer, mask;
};

static void action_work(struct shared *s, uint32_t index)
{
	const struct kernel_action ignore = {.handler = (uint64_t)(uintptr_t)SIG_IGN};
	struct kernel_action now = {.handler = 1};
	EXPECT(syscall(SYS_rt_sigaction, SIGUSR1 + (int)index * 2, &ignore, &now, 8) == 0 && now.handler == 0);
	set_hand(s, index, 1);
	wait_stage(s, 3);
}

static struct world *with_both_handed_out(const char *dir)
{
	struct world *w = crew_prepare(dir, 2, action_work);
	w->keeps_calls = true;
	om_home_expect(w->home, "pc2", 1, false, 0);
	world_start(w);
	for (uint32_t i = 0; i < 2; i++)
		world_await(w, &w->handed_out_of[i], 1);
	return w;
}

static bool finish(struct world *w)
{
	for (uint32_t i = 0; i < 2; i++)
		wait_hand(w->shared, i, 1);
	w->keeps_calls = false;
	set_stage(w->shared, 3);
	return world_close(w);
}

static bool each_call_has_its_answer(const char *dir)
{
	bool good = true;
	struct world *w = with_both_handed_out(dir);
	const struct om_structural *calls = w->structural_of;
	for (uint32_t i = 0; i < 2; i++) {
		CHECK(calls[i].slot == i && calls[i].tid == (uint32_t)w->tids[i]);
		CHECK(calls[i].number == SYS_rt_sigaction && calls[i].args[0] == SIGUSR1 + i * 2);
	}
	CHECK(calls[0].notification != calls[1].notification);
	CHECK(!let_run(w, &calls[0]) && !let_run(w, &calls[1])); /* nobody has taken them */
	CHECK(om_remote_conduct(w->remote, calls[1].notification) == 0);
	CHECK(!let_run(w, &calls[0]) && let_run(w, &calls[1]) && !let_run(w, &calls[1]));
	wait_hand(w->shared, 1, 1);
	CHECK(w->shared->hands[0].stage == 0);
	CHECK(conduct(w, &calls[0]));
	return finish(w) && good;
}

static bool postponed_call_is_one_threads(const char *dir)
{
	bool good = true;
	struct world *w = with_both_handed_out(dir);
	struct om_structural first = w->structural_of[0], second = w->structural_of[1];
	CHECK(om_remote_conduct(w->remote, first.notification) == 0);
	CHECK(om_remote_conduct(w->remote, second.notification) == 0);
	om_remote_postpone(w->remote, first.notification);
	CHECK(!let_run(w, &first));
	CHECK(tracer_stop_slot(w, 0, OM_QUIESCE_HERE, 30000) == 1);
	CHECK(world_await(w, &w->handed_out_of[0], 2) && w->handed_out_of[1] == 1);
	CHECK(om_remote_conduct(w->remote, first.notification) == -ENOENT);
	CHECK(let_run(w, &second));
	CHECK(conduct(w, &w->structural_of[0]));
	return finish(w) && good;
}

/* ---- the warden's own calls ------------------------------------------------------------------------------ */

static void own_work(struct shared *s, uint32_t index)
{
	char byte;
	if (index == 0) {
		EXPECT(read(pipe_fds[0], &byte, 1) == 1);
	} else {
		while (s->stage < 3)
			EXPECT(syscall(SYS_getppid) > 0);
	}
}

/* From two wardens' threads, in the slots of threads that call themselves. */
static void *call_often(void *argument)
{
	struct world *w = argument;
	bool good = true;
	int64_t result = 0;
	for (uint32_t i = 0; i < 300; i++) {
		char text[64] = "";
		uint32_t slot = 1 + i % 3;
		const uint64_t args[6] = {(uint64_t) "/proc/thread-self", (uint64_t)text, sizeof(text) - 1};
		CHECK(om_remote_call(w->remote, slot, SYS_readlink, args, true, &result) == 0 && result > 0);
		CHECK(strrchr(text, '/') && atoi(strrchr(text, '/') + 1) == w->deputy_tids[slot]);
		CHECK(om_home_call(w->home, slot, SYS_gettid, none, NULL, 0, &result) == 0);
		CHECK(result == w->deputy_tids[slot]);
	}
	return (void *)(uintptr_t)good;
}

static bool own_calls_go_between(const char *dir)
{
	bool good = true;
	pthread_t threads[2];
	void *each;
	if (pipe(pipe_fds))
		return false;
	struct world *w = crew_open(dir, 4, own_work);
	wait_slot_blocked(w, 0, SYS_read);
	for (int i = 0; i < 2; i++)
		CHECK(pthread_create(&threads[i], NULL, call_often, w) == 0);
	for (int i = 0; i < 2; i++) {
		pthread_join(threads[i], &each);
		CHECK(each);
	}
	wait_slot_blocked(w, 0, SYS_read);
	set_stage(w->shared, 3);
	CHECK(write(pipe_fds[1], "w", 1) == 1);
	good = world_close(w) && good;
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	return good;
}

struct own {
	struct world *w;
	int error;
};

static void *wait_in_the_slot(void *argument)
{
	struct own *own = argument;
	char byte;
	int64_t result;
	const uint64_t args[6] = {(uint64_t)pipe_fds[0], (uint64_t)&byte, 1};
	own->error = om_remote_call(own->w->remote, 1, SYS_read, args, true, &result);
	return NULL;
}

static void quiet_work(struct shared *s, uint32_t index)
{
	wait_stage(s, 3);
}

/* Its answer is nobody's then; others have theirs. */
static bool own_call_ends_with_its_thread(const char *dir)
{
	bool good = true;
	pthread_t thread;
	int64_t result = 0;
	if (pipe(pipe_fds))
		return false;
	struct world *w = crew_open(dir, 2, quiet_work);
	struct own own = {.w = w};
	CHECK(pthread_create(&thread, NULL, wait_in_the_slot, &own) == 0);
	wait_slot_blocked(w, 1, SYS_read);
	om_remote_thread_gone(w->remote, 1);
	pthread_join(thread, NULL);
	CHECK(own.error == -ESRCH);
	CHECK(om_remote_call(w->remote, 1, SYS_getpgrp, none, false, &result) == -ESRCH);
	CHECK(om_remote_call(w->remote, 0, SYS_getpgrp, none, false, &result) == 0 && result == w->deputy);
	CHECK(om_home_exit(w->home, 1, 0) == 0);
	CHECK(om_remote_thread(w->remote, 1, w->tids[1], 0) == 0); /* whose exit is conducted */
	set_stage(w->shared, 3);
	good = world_close(w) && good;
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	return good;
}

const struct test thread_conduct_tests[] = {
	{"each_call_has_its_answer", each_call_has_its_answer},
	{"postponed_call_is_one_threads", postponed_call_is_one_threads},
	{"own_calls_go_between", own_calls_go_between},
	{"own_call_ends_with_its_thread", own_call_ends_with_its_thread},
	{0},
};
