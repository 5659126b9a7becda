/* SPDX-License-Identifier: MIT
 *
 * Threads that come and go on the body's side, and at home with them.
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

static bool conduct(struct world *w, const struct om_structural *call)
{
	return om_remote_conduct(w->remote, call->notification) == 0 &&
	       om_remote_answer(w->remote, call->notification, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE) == 0;
}

/* 1: call, and say in numbers[0] what came of it. Each is asked for by an odd stage and told by an even one. */
static void asked_work(struct shared *s, uint32_t index)
{
	for (int stage = 1; index > 0; stage += 2) {
		wait_hand(s, index, stage);
		if (s->hands[index].numbers[1])
			return;
		int64_t result = syscall(SYS_getppid);
		s->hands[index].numbers[0] = result < 0 ? -errno : result;
		set_hand(s, index, stage + 1);
	}
}

static int64_t ask(struct world *w, uint32_t index)
{
	struct hand *hand = &w->shared->hands[index];
	int stage = hand->stage;
	set_hand(w->shared, index, stage + 1);
	wait_hand(w->shared, index, stage + 2);
	return hand->numbers[0];
}

static void dismiss(struct world *w, uint32_t index)
{
	w->shared->hands[index].numbers[1] = 1;
	set_hand(w->shared, index, w->shared->hands[index].stage + 1);
}

static bool unknown_thread_is_refused(const char *dir)
{
	bool good = true;
	uint32_t slots[SLOTS];
	int32_t tids[SLOTS];
	struct world *w = crew_open(dir, 3, asked_work);
	CHECK(ask(w, 1) == getpid() && ask(w, 2) == getpid());
	for (int i = 0; i < 20; i++) {
		uint32_t slot;
		om_remote_thread_gone(w->remote, 1);
		CHECK(ask(w, 1) == -ENOSYS && ask(w, 2) == getpid());
		CHECK(om_remote_threads(w->remote, slots, tids, SLOTS) == 2 && slots[1] == 2 && tids[1] == w->tids[2]);
		CHECK(om_home_exit(w->home, 1, 0) == 0);
		CHECK(om_home_clone(w->home, i % 2 ? 2 : 0, THREAD_FLAGS, &slot, &w->deputy_tids[1]) == 0 && slot == 1);
		CHECK(om_remote_thread(w->remote, 1, w->tids[1], 0) == 0);
		CHECK(ask(w, 1) == getpid() && ask(w, 2) == getpid());
	}
	dismiss(w, 1);
	dismiss(w, 2);
	return world_close(w) && good;
}

/* Others, that make no calls, in the same bucket as the tids of those that do. */
static bool tids_of_one_bucket(const char *dir)
{
	bool good = true;
	struct world *w = crew_open(dir, 3, asked_work);
	for (uint32_t slot = 3; slot < 23; slot++)
		CHECK(om_remote_thread(w->remote, slot, w->tids[1 + slot % 2] + 256 * (int32_t)slot, 0) == 0);
	CHECK(ask(w, 1) == getpid() && ask(w, 2) == getpid());
	for (uint32_t slot = 3; slot < 23; slot += 3)
		om_remote_thread_gone(w->remote, slot);
	CHECK(ask(w, 1) == getpid() && ask(w, 2) == getpid());
	om_remote_thread_gone(w->remote, 1);
	CHECK(ask(w, 1) == -ENOSYS && ask(w, 2) == getpid());
	CHECK(om_remote_thread(w->remote, 3, w->tids[1], 0) == 0); /* in a slot that home does not have */
	om_remote_thread_gone(w->remote, 3);
	CHECK(om_remote_thread(w->remote, 1, w->tids[1], 0) == 0);
	CHECK(om_home_exit(w->home, 1, 0) == 0);
	CHECK(om_home_thread(w->home, 1, w->deputy_tids[1]) == 0); /* numbers begin anew on both sides */
	dismiss(w, 1);
	CHECK(ask(w, 2) == getpid());
	dismiss(w, 2);
	return world_close(w) && good;
}

/* ---- made and ended while the body is away --------------------------------------------------------------- */

#define CYCLES 20

static void *made_thread(void *argument)
{
	struct shared *s = argument;
	struct hand *hand = &s->hands[1];
	int stage = hand->stage;
	char text[64] = "";
	hand->tid = gettid();
	set_hand(s, 1, stage + 1);
	wait_hand(s, 1, stage + 2);
	EXPECT(readlink("/proc/thread-self", text, sizeof(text) - 1) > 0);
	hand->numbers[0] = atoi(strrchr(text, '/') + 1);
	return NULL;
}

static void making_body(struct shared *s)
{
	for (int i = 0; i < CYCLES; i++) {
		pthread_t thread;
		EXPECT(pthread_create(&thread, NULL, made_thread, s) == 0);
		EXPECT(pthread_join(thread, NULL) == 0);
	}
}

/* The C library has signal handlers to set before its first thread. */
static bool await_clone(struct world *w, unsigned int *seen)
{
	while (world_await(w, &w->handed_out_of[0], ++*seen) && w->structural_of[0].number != SYS_clone)
		conduct(w, &w->structural_of[0]);
	return w->structural_of[0].number == SYS_clone;
}

static bool conduct_clone(struct world *w, unsigned int cycle, unsigned int *seen)
{
	bool good = true;
	uint32_t slot;
	struct hand *hand = &w->shared->hands[1];
	CHECK(await_clone(w, seen));
	CHECK(good && om_home_clone(w->home, 0, THREAD_FLAGS, &slot, &w->deputy_tids[1]) == 0 && slot == 1);
	CHECK(good && conduct(w, &w->structural_of[0]));
	wait_hand(w->shared, 1, (int)cycle * 2 - 1);
	w->tids[1] = hand->tid;
	CHECK(good && om_remote_thread(w->remote, 1, w->tids[1], 0) == 0);
	set_hand(w->shared, 1, (int)cycle * 2);
	return good;
}

static bool conduct_exit(struct world *w, unsigned int cycle)
{
	bool good = true;
	CHECK(world_await(w, &w->handed_out_of[1], cycle) && w->structural_of[1].number == SYS_exit);
	CHECK(good && w->shared->hands[1].numbers[0] == w->deputy_tids[1]);
	CHECK(good && om_home_exit(w->home, 1, 0) == 0);
	w->keeps_calls = cycle < CYCLES;
	CHECK(good && conduct(w, &w->structural_of[1]));
	om_remote_thread_gone(w->remote, 1);
	return good;
}

static bool threads_are_made_while_away(const char *dir)
{
	bool good = true;
	struct world *w = world_prepare(dir, making_body);
	w->keeps_calls = true;
	om_home_expect(w->home, "pc2", 1, false, 0);
	world_start(w);
	for (unsigned int i = 1, seen = 0; good && i <= CYCLES; i++)
		good = conduct_clone(w, i, &seen) && conduct_exit(w, i);
	if (!good)
		kill(w->body, SIGKILL);
	return world_close(w) && good;
}

const struct test thread_turnover_tests[] = {
	{"unknown_thread_is_refused", unknown_thread_is_refused},
	{"tids_of_one_bucket", tids_of_one_bucket},
	{"threads_are_made_while_away", threads_are_made_while_away},
	{0},
};
