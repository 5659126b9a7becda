/* SPDX-License-Identifier: MIT
 *
 * A deputy that writes into the arena what it likes: whatever comes of it is that process's affair, and neither the
 * warden's nor the link's, which is that of others, too.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "tests.h"

typedef void scribble_function(struct om_arena *arena, unsigned int *seed);

struct scribbler {
	struct world *w;
	scribble_function *_Atomic scribble;
	atomic_bool stop;
	atomic_uint turns;
	struct om_arena *arena;
	pthread_t thread;
};

static void *run_scribbler(void *argument)
{
	struct scribbler *s = argument;
	unsigned int seed = 4711;
	while (!s->stop) {
		scribble_function *now = s->scribble;
		now(s->arena, &seed);
		s->turns++;
	}
	return NULL;
}

static void begin_scribbling(struct scribbler *s)
{
	s->arena = mmap(NULL, OM_ARENA_BYTES(SLOTS), PROT_READ | PROT_WRITE, MAP_SHARED, s->w->arena_fd, 0);
	if (pthread_create(&s->thread, NULL, run_scribbler, s))
		abort();
}

static void wait_scribbled(struct scribbler *s, unsigned int turns)
{
	for (turns += s->turns; s->turns < turns;)
		sched_yield();
}

static void end_scribbling(struct scribbler *s)
{
	s->stop = true;
	pthread_join(s->thread, NULL);
	munmap(s->arena, OM_ARENA_BYTES(SLOTS));
}

static struct om_slot *slot_in(struct om_arena *arena, uint32_t index)
{
	return (struct om_slot *)((uint8_t *)arena + OM_ARENA_SLOT_OFFSET(index));
}

#define CREW 4u

/* What the deputy itself needs of its own slots it leaves alone, or it would not go on. */
static void scribble(struct om_arena *arena, unsigned int *seed)
{
	uint32_t index = (uint32_t)rand_r(seed) % SLOTS, value = (uint32_t)rand_r(seed);
	struct om_slot *slot = slot_in(arena, index);
	arena->slots = value;
	arena->rung[value % (OM_SLOTS_MAX / 64)] = ~0ull;
	arena->rung[0] |= ~0ull << CREW;
	__atomic_store_n(&arena->doorbell, value, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, &arena->doorbell, FUTEX_WAKE, 1, NULL, NULL, 0);
	if (index >= CREW) {
		memset(slot, (int)value, sizeof(*slot));
		return;
	}
	arena->rung[0] |= 1ull << index;
	slot->gone = slot->tid = value;
	slot->answer_flags = value >> 3;
	slot->result = (int64_t)value << value % 33;
	slot->cancel = value;
	if (value % 4 == 0)
		__atomic_store_n(&slot->answer, slot->request, __ATOMIC_SEQ_CST);
}

/* And signals, which nobody delivers: the answers behind them are held. */
static void scribble_signals(struct om_arena *arena, unsigned int *seed)
{
	uint32_t value = (uint32_t)rand_r(seed);
	struct om_slot *slot = slot_in(arena, value % CREW);
	if (value % 64 == 1)
		slot->signal_head += value % 40;
	if (value % 64 == 2)
		slot->signal_head -= value % 40;
	slot->signals[value % OM_SIGNAL_RING].signo = (int32_t)value;
	scribble(arena, seed);
}

static void wait_executed(struct world *w, uint64_t calls)
{
	struct om_counters counters;
	do
		om_home_counters(w->home, &counters);
	while (counters.calls < calls && !w->shared->failed);
}

/* Its answers are worth nothing. */
static void careless_work(struct shared *s, uint32_t index)
{
	char bytes[3000];
	while (s->stage < 3) {
		int fd = open("/proc/self/status", 0);
		syscall(SYS_read, fd, bytes, sizeof(bytes));
		syscall(SYS_getppid);
		syscall(SYS_poll, NULL, 0, 0);
		syscall(SYS_readlink, "/proc/self/exe", bytes, sizeof(bytes));
		syscall(SYS_close, fd);
	}
}

static bool scribbled_arena_harms_nobody(const char *dir)
{
	bool good = true;
	struct world *w = crew_prepare(dir, CREW, careless_work);
	struct scribbler s = {.w = w, .scribble = scribble};
	w->holds_tracer = true;
	om_home_expect(w->home, "pc2", 1, false, 0);
	world_start(w);
	begin_scribbling(&s);
	wait_executed(w, 500);
	s.scribble = scribble_signals;
	wait_scribbled(&s, 50000);
	kill(w->body, SIGKILL);
	world_wait_body(w);
	om_home_close(w->home); /* while it goes on */
	CHECK(!world_logged(w, "down"));
	world_home(w);
	wait_scribbled(&s, 1000);
	end_scribbling(&s);
	return world_close(w) && good;
}

static void storm(struct om_arena *arena, unsigned int *seed)
{
	arena->rung[0] = ~0ull;
	__atomic_fetch_add(&arena->doorbell, 1, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, &arena->doorbell, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void quick_work(struct shared *s, uint32_t index)
{
	EXPECT(syscall(SYS_getppid) > 0);
}

static void busy_work(struct shared *s, uint32_t index)
{
	for (int i = 0; i < 300; i++)
		EXPECT(syscall(SYS_getppid) > 0);
}

static bool doorbell_storm_is_borne(const char *dir)
{
	struct world *w = crew_prepare(dir, CREW, busy_work);
	struct scribbler s = {.w = w, .scribble = storm};
	begin_scribbling(&s);
	om_home_expect(w->home, "pc2", 1, false, 0);
	world_start(w);
	world_wait_body(w);
	for (int i = 0; i < 20; i++) {
		om_home_close(w->home);
		world_home(w);
	}
	end_scribbling(&s);
	return world_close(w);
}

/* Whoever waits for another number waits long. */
static void hold_doorbell(struct om_arena *arena, unsigned int *seed)
{
	__atomic_store_n(&arena->doorbell, 7, __ATOMIC_SEQ_CST);
	if (rand_r(seed) % 16 == 0)
		syscall(SYS_futex, &arena->doorbell, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static bool held_doorbell_ends_too(const char *dir)
{
	struct world *w = crew_prepare(dir, 1, quick_work);
	struct scribbler s = {.w = w, .scribble = hold_doorbell};
	begin_scribbling(&s);
	for (int i = 0; i < 200; i++) {
		om_home_close(w->home);
		world_home(w);
	}
	end_scribbling(&s);
	om_home_expect(w->home, "pc2", 1, false, 0);
	world_start(w);
	return world_close(w);
}

/* That a thread has not ended the deputy may say as long as it lives. */
static void keep_thread(struct om_arena *arena, unsigned int *seed)
{
	struct om_slot *slot = slot_in(arena, 1);
	if (slot->tid)
		__atomic_store_n(&slot->gone, slot->tid, __ATOMIC_SEQ_CST);
}

static void *end_thread(void *argument)
{
	return (void *)(intptr_t)om_home_exit(((struct world *)argument)->home, 1, 0);
}

/* The second time the one is found that a warden before had asked to end. It may be seen to end all the same. */
static bool kept_thread_ends_with_its_deputy(const char *dir)
{
	bool good = true;
	void *result;
	pthread_t thread;
	struct world *w = crew_prepare(dir, 2, quick_work);
	struct scribbler s = {.w = w, .scribble = keep_thread};
	om_home_expect(w->home, "pc2", 1, false, 0);
	world_start(w);
	world_wait_body(w);
	begin_scribbling(&s);
	for (int i = 0; i < 2; i++) {
		CHECK(pthread_create(&thread, NULL, end_thread, w) == 0);
		while (__atomic_load_n(&slot_in(s.arena, 1)->number, __ATOMIC_ACQUIRE) != OM_DEPUTY_EXIT)
			sched_yield();
		wait_scribbled(&s, 1000);
		if (i == 0) {
			om_home_close(w->home);
			world_home(w);
		} else {
			kill(w->deputy, SIGKILL);
		}
		pthread_join(thread, &result);
		CHECK((intptr_t)result == -ESRCH || (intptr_t)result == 0);
	}
	end_scribbling(&s);
	return world_close(w) && good;
}

const struct test scribble_tests[] = {
	{"scribbled_arena_harms_nobody", scribbled_arena_harms_nobody},
	{"doorbell_storm_is_borne", doorbell_storm_is_borne},
	{"held_doorbell_ends_too", held_doorbell_ends_too},
	{"kept_thread_ends_with_its_deputy", kept_thread_ends_with_its_deputy},
	{0},
};
