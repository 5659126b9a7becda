/* SPDX-License-Identifier: MIT
 *
 * What is on its way when a thread of the deputy is made or ends, and who comes between.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/syscall.h>

#include "deputy_threads.h"
#include "tests.h"

static void queue_to(pid_t pid, pid_t tid, int signo, int value)
{
	siginfo_t info = {.si_signo = signo, .si_code = SI_QUEUE};
	info.si_value.sival_int = value;
	syscall(SYS_rt_tgsigqueueinfo, pid, tid, signo, &info);
}

/* The body does not know of it, so nobody takes its signals. */
static bool exit_empties_the_ring(const char *dir)
{
	bool good = true;
	struct world *w = world_open(dir, idle_body);
	struct om_slot *slot = map_slot(w, 1);
	uint32_t index;
	int32_t tid;
	for (int i = 0; i < 5; i++) {
		CHECK(clone_by(w, 0, &index, &tid) == 0 && index == 1);
		CHECK(__atomic_load_n(&slot->signal_head, __ATOMIC_ACQUIRE) == 0);
		for (uint32_t k = 1; k <= 3; k++) {
			queue_to(w->deputy, tid, SIGRTMIN + 1, (int)k);
			while (__atomic_load_n(&slot->signal_head, __ATOMIC_ACQUIRE) != k)
				sched_yield();
		}
		CHECK(om_home_exit(w->home, 1, 0) == 0);
	}
	CHECK(w->queued == 0);
	unmap_slot(slot, 1);
	return close_idle(w) && good;
}

/* What the warden asks of a thread while the deputy is stopped. */
struct request {
	struct world *w;
	int result;
	uint32_t slot;
	int32_t tid;
	pthread_t thread;
};

static void *end_thread(void *argument)
{
	struct request *r = argument;
	r->result = om_home_exit(r->w->home, r->slot, 0);
	return NULL;
}

static void *make_thread(void *argument)
{
	struct request *r = argument;
	r->result = om_home_clone(r->w->home, 0, THREAD_FLAGS, &r->slot, &r->tid);
	return NULL;
}

static void *call_thread(void *argument)
{
	struct request *r = argument;
	r->result = (int)tid_in(r->w, r->slot);
	return NULL;
}

/* Stops the deputy, and waits until the request is in the slot of `by`. */
static void begin_request(struct request *r, void *(*run)(void *), uint32_t by)
{
	struct om_slot *slot = map_slot(r->w, by);
	uint32_t before = slot->request;
	stop_deputy(r->w);
	if (pthread_create(&r->thread, NULL, run, r))
		abort();
	while (__atomic_load_n(&slot->request, __ATOMIC_ACQUIRE) == before)
		sched_yield();
	unmap_slot(slot, by);
}

static struct world *open_with_two(const char *dir)
{
	uint32_t slot;
	int32_t tid;
	struct world *w = world_open(dir, idle_body);
	if (clone_by(w, 0, &slot, &tid) || slot != 1)
		abort();
	return w;
}

static bool killed_deputy_ends_an_exit(const char *dir)
{
	bool good = true;
	struct world *w = open_with_two(dir);
	struct request exits = {.w = w, .slot = 1};
	begin_request(&exits, end_thread, 1);
	kill(w->deputy, SIGKILL);
	pthread_join(exits.thread, NULL);
	CHECK(exits.result == -ESRCH);
	return close_idle(w) && good;
}

/* Home's warden goes while it waits for this, and the next one has the state. */
static void replace_home(struct world *w)
{
	om_home_close(w->home);
	world_home(w);
	om_home_expect(w->home, "pc2", 1, false, 0);
}

static bool exit_outlives_a_warden(const char *dir)
{
	bool good = true;
	struct world *w = open_with_two(dir);
	struct request exits = {.w = w, .slot = 1};
	begin_request(&exits, end_thread, 1);
	replace_home(w);
	pthread_join(exits.thread, NULL);
	CHECK(exits.result == -ESRCH);
	CHECK(tid_in(w, 1) == -ESRCH); /* it takes no call any more */
	kill(w->deputy, SIGCONT);
	CHECK(om_home_exit(w->home, 1, 0) == 0);
	wait_tasks(w, 1);
	CHECK(slots_in_use(w) == 1);
	CHECK(clone_by(w, 0, &exits.slot, &exits.tid) == 0 && exits.slot == 1 && tid_in(w, 1) == exits.tid);
	return close_idle(w) && good;
}

/* It is asked for again, and made once. */
static bool clone_outlives_a_warden(const char *dir)
{
	bool good = true;
	struct world *w = open_with_two(dir);
	struct request makes = {.w = w}, again = {.w = w};
	begin_request(&makes, make_thread, 0);
	replace_home(w);
	pthread_join(makes.thread, NULL);
	CHECK(makes.result == -ESRCH);
	kill(w->deputy, SIGCONT);
	wait_tasks(w, 3);
	make_thread(&again);
	CHECK(again.result == 0 && again.slot == 2 && tasks(w) == 3 && slots_in_use(w) == 3);
	CHECK(tid_in(w, 2) == again.tid && has_task(w, again.tid));
	CHECK(om_home_exit(w->home, 2, 0) == 0);
	wait_tasks(w, 2);
	return close_idle(w) && good;
}

/* Who waits for the slot when its thread ends has nobody to wait for. */
static bool exit_ends_who_waits(const char *dir)
{
	bool good = true;
	struct world *w = open_with_two(dir);
	struct request exits = {.w = w, .slot = 1}, calls = {.w = w, .slot = 1};
	begin_request(&exits, end_thread, 1);
	CHECK(pthread_create(&calls.thread, NULL, call_thread, &calls) == 0);
	kill(w->deputy, SIGCONT);
	pthread_join(exits.thread, NULL);
	pthread_join(calls.thread, NULL);
	CHECK(exits.result == 0 && calls.result == -ESRCH);
	return close_idle(w) && good;
}

/* The next warden finds answered what the one before had been told of and had not looked at. */
static bool unheard_answer_is_found(const char *dir)
{
	bool good = true;
	struct world *w = open_with_two(dir);
	struct request calls = {.w = w};
	struct om_slot *slot = map_slot(w, 0);
	struct om_arena *arena = (struct om_arena *)((uint8_t *)slot - OM_ARENA_SLOT_OFFSET(0));
	world_close_remote(w); /* whose HELLO would have all slots looked at */
	begin_request(&calls, call_thread, 0);
	om_home_close(w->home);
	pthread_join(calls.thread, NULL);
	CHECK(calls.result == -ESRCH);
	kill(w->deputy, SIGCONT);
	while (__atomic_load_n(&slot->answer, __ATOMIC_ACQUIRE) != slot->request ||
	       !__atomic_load_n(&arena->rung[0], __ATOMIC_ACQUIRE))
		sched_yield();
	__atomic_store_n(&arena->rung[0], 0, __ATOMIC_RELEASE);
	world_home(w);
	CHECK(tid_in(w, 0) == w->deputy);
	unmap_slot(slot, 0);
	om_home_expect(w->home, "pc2", 1, false, 0);
	world_remote(w);
	CHECK(om_remote_start(w->remote, 10000) == 0);
	return close_idle(w) && good;
}

static bool slot_is_taken(const char *dir)
{
	bool good = true;
	struct world *w = open_with_two(dir);
	CHECK(om_home_thread(w->home, 0, w->deputy) == 0);
	CHECK(om_home_thread(w->home, 1, w->deputy) == -EEXIST);
	CHECK(om_home_thread(w->home, SLOTS, w->deputy) == -EINVAL);
	CHECK(om_remote_thread(w->remote, 0, w->body, 0) == 0);
	CHECK(om_remote_thread(w->remote, 0, w->body + 1, 0) == -EEXIST);
	CHECK(om_remote_thread(w->remote, SLOTS, w->body, 0) == -EINVAL);
	return close_idle(w) && good;
}

const struct test exit_tests[] = {
	{"exit_empties_the_ring", exit_empties_the_ring},
	{"killed_deputy_ends_an_exit", killed_deputy_ends_an_exit},
	{"exit_outlives_a_warden", exit_outlives_a_warden},
	{"clone_outlives_a_warden", clone_outlives_a_warden},
	{"exit_ends_who_waits", exit_ends_who_waits},
	{"unheard_answer_is_found", unheard_answer_is_found},
	{"slot_is_taken", slot_is_taken},
	{0},
};
