/* SPDX-License-Identifier: MIT
 *
 * Each thread of the deputy has a ring of signals, and the body's side has what is in it slot by slot.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "tests.h"
#include "tracee.h"
#include "tracer.h"

#define HANDS 4u
#define MANY  100

static void queue_to(struct world *w, uint32_t slot, int signo, int value)
{
	siginfo_t info = {.si_signo = signo, .si_code = SI_QUEUE};
	info.si_value.sival_int = value;
	while (syscall(SYS_rt_tgsigqueueinfo, w->deputy, w->deputy_tids[slot], signo, &info) && errno == EAGAIN)
		sched_yield();
}

static const volatile struct om_slot *slot_of(struct world *w, uint32_t slot)
{
	static uint8_t *arena;
	if (arena)
		munmap(arena, OM_ARENA_BYTES(SLOTS));
	arena = mmap(NULL, OM_ARENA_BYTES(SLOTS), PROT_READ, MAP_SHARED, w->arena_fd, 0);
	return (struct om_slot *)(arena + OM_ARENA_SLOT_OFFSET(slot));
}

/* Until so many have been taken by this slot's thread and acknowledged by the body's side. */
static void wait_ring(struct world *w, uint32_t slot, uint32_t count)
{
	const volatile struct om_slot *ring = slot_of(w, slot);
	while ((ring->signal_head != count || ring->signal_tail != count) && !w->shared->failed)
		sched_yield();
}

/* ---- the body's handlers --------------------------------------------------------------------------------- */

static struct shared *_Atomic shared;
static __thread volatile uint32_t own_index; /* touched before a handler can run */

/* [0]: how many ran in this thread, [1]: how many were not the next in order. */
static void on_signal(int signo, siginfo_t *info, void *context)
{
	int64_t *numbers = shared->hands[own_index].numbers;
	numbers[1] += info->si_value.sival_int != numbers[0];
	*(volatile int64_t *)&numbers[0] = numbers[0] + 1;
}

static void take_signals(struct shared *s, uint32_t index)
{
	const struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
	shared = s;
	own_index = index;
	EXPECT(sigaction(SIGRTMIN + 1, &action, NULL) == 0);
	set_hand(s, index, 1);
}

static void wait_handled(struct world *w, uint32_t index, int64_t count)
{
	while (*(volatile int64_t *)&w->shared->hands[index].numbers[0] < count && !w->shared->failed)
		sched_yield();
}

static bool handled_in_order(struct world *w, uint32_t index, int64_t count)
{
	return w->shared->hands[index].numbers[0] == count && w->shared->hands[index].numbers[1] == 0;
}

/* Calls all the time, until it has had as many as are meant for it. */
static void calling_work(struct shared *s, uint32_t index)
{
	take_signals(s, index);
	while (s->hands[index].stage < 2)
		EXPECT(syscall(SYS_getppid) > 0);
}

static void end_calling(struct world *w)
{
	for (uint32_t i = 0; i < w->threads; i++)
		set_hand(w->shared, i, 2);
}

/* The last calls nothing: its thread at home goes. */
static void ending_work(struct shared *s, uint32_t index)
{
	if (index < HANDS - 1)
		return calling_work(s, index);
	take_signals(s, index);
	wait_hand(s, index, 2);
}

static struct world *open_with(const char *dir, void (*work)(struct shared *, uint32_t))
{
	struct world *w = crew_open(dir, HANDS, work);
	for (uint32_t i = 0; i < HANDS; i++)
		wait_hand(w->shared, i, 1);
	return w;
}

static struct world *open_calling(const char *dir)
{
	return open_with(dir, calling_work);
}

/* ---- whose it is ----------------------------------------------------------------------------------------- */

static bool signal_comes_to_its_slot(const char *dir)
{
	bool good = true;
	struct world *w = open_calling(dir);
	for (uint32_t i = 0; i < HANDS; i++)
		for (uint32_t k = 0; k <= i; k++)
			queue_to(w, i, SIGRTMIN + 1, (int)k);
	for (uint32_t i = 0; i < HANDS; i++) {
		wait_handled(w, i, i + 1);
		wait_ring(w, i, i + 1);
		CHECK(world_await(w, &w->mail[i].queued, i + 1) && handled_in_order(w, i, i + 1));
	}
	end_calling(w);
	return world_close(w) && good;
}

/* Whichever thread takes it, the handler runs in the body's thread of that slot. */
static bool process_signal_comes_once(const char *dir)
{
	bool good = true;
	union sigval none = {0};
	uint32_t heads = 0;
	unsigned int handled = 0;
	struct world *w = open_calling(dir);
	for (unsigned int i = 0; i < 20; i++) {
		CHECK(sigqueue(w->deputy, SIGRTMIN + 1, none) == 0);
		CHECK(world_await(w, &w->delivered, i + 1));
	}
	end_calling(w);
	world_wait_body(w);
	for (uint32_t i = 0; i < HANDS; i++) {
		CHECK(slot_of(w, i)->signal_head == w->mail[i].queued);
		CHECK(w->shared->hands[i].numbers[0] == w->mail[i].queued);
		heads += slot_of(w, i)->signal_head;
		handled += (unsigned int)w->shared->hands[i].numbers[0];
	}
	CHECK(heads == 20 && handled == 20);
	return world_close(w) && good;
}

static bool storms_of_all_threads(const char *dir)
{
	bool good = true;
	struct world *w = open_calling(dir);
	for (int k = 0; k < MANY; k++) {
		for (uint32_t i = 0; i < HANDS; i++)
			queue_to(w, i, SIGRTMIN + 1, k);
		if (k % 20 == 10)
			relay_cut(w->relay);
	}
	for (uint32_t i = 0; i < HANDS; i++) {
		wait_handled(w, i, MANY);
		wait_ring(w, i, MANY);
	}
	end_calling(w);
	world_wait_body(w);
	for (uint32_t i = 0; i < HANDS; i++)
		CHECK(handled_in_order(w, i, MANY) && w->mail[i].queued == MANY);
	return world_close(w) && good;
}

/* ---- more than a ring holds ------------------------------------------------------------------------------ */

struct overflow {
	struct world *w;
	bool good;
};

/* Frozen for a move, a thread leaves its signals at home; the others go on calling. */
static void *overflow_one(void *argument)
{
	struct overflow *o = argument;
	struct world *w = o->w;
	struct om_counters before, now;
	if (!tracee_seize(w, 1) || tracer_quiesce_slot(w, 1, OM_QUIESCE_MOVE, 30000) < 0 || !tracee_await(w, 1))
		return NULL;
	for (int k = 0; k < MANY; k++)
		queue_to(w, 1, SIGRTMIN + 1, k);
	const volatile struct om_slot *ring = slot_of(w, 1);
	while (ring->signal_head - ring->signal_tail != OM_SIGNAL_RING)
		sched_yield();
	om_remote_counters(w->remote, &before);
	do
		om_remote_counters(w->remote, &now);
	while (now.calls < before.calls + 500 && !w->shared->failed);
	o->good = ring->signal_head - ring->signal_tail == OM_SIGNAL_RING && w->mail[1].queued == 0;
	tracer_let_slot_go(w, 1);
	return NULL;
}

static bool full_ring_holds_up_no_other(const char *dir)
{
	struct world *w = open_calling(dir);
	struct overflow o = {.w = w};
	tracer_alone(overflow_one, &o);
	wait_handled(w, 1, MANY);
	wait_ring(w, 1, MANY);
	end_calling(w);
	world_wait_body(w);
	o.good = handled_in_order(w, 1, MANY) && o.good;
	return world_close(w) && o.good;
}

/* ---- of a thread that the body's side does not know yet -------------------------------------------------- */

static bool signals_of_a_new_thread_wait(const char *dir)
{
	bool good = true;
	uint32_t slot;
	struct world *w = open_with(dir, ending_work);
	CHECK(om_home_exit(w->home, 3, 0) == 0);
	om_remote_thread_gone(w->remote, 3);
	CHECK(om_home_clone(w->home, 0, THREAD_FLAGS, &slot, &w->deputy_tids[3]) == 0 && slot == 3);
	w->holds_tracer = true;
	for (int k = 0; k < 5; k++)
		queue_to(w, 3, SIGRTMIN + 1, k);
	relay_cut(w->relay);
	queue_to(w, 0, SIGRTMIN + 1, 0); /* goes behind them */
	CHECK(world_await(w, &w->mail[0].queued, 1));
	CHECK(w->mail[3].queued == 0 && slot_of(w, 3)->signal_tail == 0);
	CHECK(om_remote_thread(w->remote, 3, w->tids[3], 0) == 0);
	CHECK(world_await(w, &w->mail[3].queued, 5));
	relay_cut(w->relay);
	for (int k = 5; k < 10; k++)
		queue_to(w, 3, SIGRTMIN + 1, k);
	CHECK(world_await(w, &w->mail[3].queued, 10));
	wait_ring(w, 3, 10);
	CHECK(w->mail[3].queued == 10);
	w->holds_tracer = false;
	world_wake_tracer(w);
	wait_handled(w, 3, 10);
	CHECK(handled_in_order(w, 3, 10));
	end_calling(w);
	return world_close(w) && good;
}

/* What a thread had taken when it ends has gone out before anybody is told of its end. */
static bool ending_thread_leaves_its_signals(const char *dir)
{
	bool good = true;
	struct world *w = open_with(dir, ending_work);
	w->holds_tracer = true;
	relay_hold(w->relay);
	world_wait_log(w, "pc1 down");
	for (int k = 0; k < 5; k++)
		queue_to(w, 3, SIGRTMIN + 1, k);
	while (slot_of(w, 3)->signal_head != 5)
		sched_yield();
	relay_heal(w->relay);
	CHECK(om_home_exit(w->home, 3, 0) == 0);
	CHECK(world_await(w, &w->mail[3].queued, 5));
	w->holds_tracer = false;
	end_calling(w);
	return world_close(w) && good;
}

const struct test thread_signal_tests[] = {
	{"signal_comes_to_its_slot", signal_comes_to_its_slot},
	{"process_signal_comes_once", process_signal_comes_once},
	{"storms_of_all_threads", storms_of_all_threads},
	{"full_ring_holds_up_no_other", full_ring_holds_up_no_other},
	{"signals_of_a_new_thread_wait", signals_of_a_new_thread_wait},
	{"ending_thread_leaves_its_signals", ending_thread_leaves_its_signals},
	{0},
};
