/* SPDX-License-Identifier: MIT
 *
 * Threads of a deputy that come and go while the body is away, and what comes between.
 */
#include <dirent.h>
#include <errno.h>
#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "tests.h"

static const uint64_t none[6];

static void wait_body(struct shared *s)
{
	wait_stage(s, 3);
}

static bool close_world(struct world *w)
{
	set_stage(w->shared, 3);
	return world_close(w);
}

static int clone_by(struct world *w, uint32_t by, uint32_t *slot, int32_t *tid)
{
	return om_home_clone(w->home, by, THREAD_FLAGS, slot, tid);
}

static int tasks(const struct world *w)
{
	char path[64];
	int count = 0;
	snprintf(path, sizeof(path), "/proc/%d/task", w->deputy);
	DIR *dir = opendir(path);
	for (struct dirent *entry; dir && (entry = readdir(dir));)
		count += entry->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return count;
}

static bool has_task(const struct world *w, int32_t tid)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/task/%d", w->deputy, tid);
	return access(path, F_OK) == 0;
}

static uint32_t slots_in_use(struct world *w)
{
	uint32_t slots[SLOTS];
	int32_t tids[SLOTS];
	return (uint32_t)om_home_threads(w->home, slots, tids, SLOTS);
}

static int64_t tid_in(struct world *w, uint32_t slot)
{
	int64_t tid = 0;
	int error = om_home_call(w->home, slot, SYS_gettid, none, NULL, 0, &tid);
	return error ? error : tid;
}

static struct om_slot *map_slot(struct world *w, uint32_t slot)
{
	uint8_t *arena = mmap(NULL, OM_ARENA_BYTES(SLOTS), PROT_READ | PROT_WRITE, MAP_SHARED, w->arena_fd, 0);
	return (struct om_slot *)(arena + OM_ARENA_SLOT_OFFSET(slot));
}

static void unmap_slot(struct om_slot *slot, uint32_t index)
{
	munmap((uint8_t *)slot - OM_ARENA_SLOT_OFFSET(index), OM_ARENA_BYTES(SLOTS));
}

/* ---- made and ended -------------------------------------------------------------------------------------- */

static bool cloned_thread_has_its_slot(const char *dir)
{
	bool good = true;
	struct world *w = world_open(dir, wait_body);
	uint32_t slots[3] = {0};
	int32_t tids[3] = {w->deputy};
	for (uint32_t i = 1; i < 3; i++) { /* each by the one before */
		CHECK(clone_by(w, slots[i - 1], &slots[i], &tids[i]) == 0 && slots[i] == i);
		CHECK(has_task(w, tids[i]) && tid_in(w, slots[i]) == tids[i]);
	}
	CHECK(tasks(w) == 3 && slots_in_use(w) == 3);
	CHECK(om_home_exit(w->home, 1, 7) == 0);
	CHECK(!has_task(w, tids[1]) && tasks(w) == 2 && slots_in_use(w) == 2);
	CHECK(om_home_exit(w->home, 1, 0) == -ESRCH && tid_in(w, 1) == -ESRCH);
	CHECK(clone_by(w, 1, &slots[1], &tids[1]) == -ESRCH);
	CHECK(clone_by(w, 2, &slots[1], &tids[1]) == 0 && slots[1] == 1);
	for (uint32_t i = 0; i < 3; i++)
		CHECK(tid_in(w, i) == tids[i]);
	return close_world(w) && good;
}

static bool cycles_leave_nothing(const char *dir)
{
	bool good = true;
	struct world *w = world_open(dir, wait_body);
	size_t bytes = 0;
	for (int i = 0; i < 200; i++) {
		uint32_t slot = 0;
		int32_t tid = 0;
		CHECK(clone_by(w, 0, &slot, &tid) == 0 && slot == 1);
		if (i % 3)
			CHECK(tid_in(w, slot) == tid);
		CHECK(om_home_exit(w->home, slot, 0) == 0);
		if (i == 10)
			bytes = mallinfo2().uordblks;
	}
	CHECK(mallinfo2().uordblks <= bytes + 4096);
	CHECK(tasks(w) == 1 && slots_in_use(w) == 1 && tid_in(w, 0) == w->deputy);
	return close_world(w) && good;
}

static bool no_slot_is_free(const char *dir)
{
	bool good = true;
	struct world *w = world_open(dir, wait_body);
	uint32_t slot;
	int32_t tid;
	for (uint32_t i = 1; i < SLOTS; i++)
		CHECK(clone_by(w, i / 2, &slot, &tid) == 0 && slot == i);
	slot = 4711;
	CHECK(clone_by(w, 5, &slot, &tid) == -EAGAIN && slot == 4711);
	CHECK(tasks(w) == SLOTS && slots_in_use(w) == SLOTS);
	for (uint32_t i = 0; i < SLOTS; i++)
		CHECK(tid_in(w, i) > 0);
	CHECK(om_home_exit(w->home, 17, 0) == 0);
	CHECK(clone_by(w, 5, &slot, &tid) == 0 && slot == 17 && tid_in(w, 17) == tid);
	return close_world(w) && good;
}

/* Of a user who has as many as it may. */
static bool clone_is_refused(const char *dir)
{
	const uint64_t nobody[6] = {65534, 65534, 65534};
	const struct rlimit one = {1, 1};
	bool good = true;
	int64_t result = -1;
	struct world *w = world_open(dir, wait_body);
	uint32_t slot = 4711;
	int32_t tid;
	CHECK(om_home_clone(w->home, 0, CLONE_THREAD | CLONE_VM, &slot, &tid) == -EINVAL);
	CHECK(om_home_clone(w->home, SLOTS, THREAD_FLAGS, &slot, &tid) == -ESRCH);
	CHECK(prlimit(w->deputy, RLIMIT_NPROC, &one, NULL) == 0);
	CHECK(om_home_call(w->home, 0, SYS_setresuid, nobody, NULL, 0, &result) == 0 && result == 0);
	CHECK(clone_by(w, 0, &slot, &tid) == -EAGAIN);
	CHECK(slot == 4711 && tasks(w) == 1 && slots_in_use(w) == 1 && tid_in(w, 0) == w->deputy);
	return close_world(w) && good;
}

/* ---- what is on its way when a thread ends --------------------------------------------------------------- */

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
	struct world *w = world_open(dir, wait_body);
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
	return close_world(w) && good;
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
	struct world *w = world_open(dir, wait_body);
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
	return close_world(w) && good;
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
	CHECK(tasks(w) == 1 && slots_in_use(w) == 1);
	CHECK(clone_by(w, 0, &exits.slot, &exits.tid) == 0 && exits.slot == 1 && tid_in(w, 1) == exits.tid);
	return close_world(w) && good;
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
	while (tasks(w) != 3)
		sched_yield();
	make_thread(&again);
	CHECK(again.result == 0 && again.slot == 2 && tasks(w) == 3 && slots_in_use(w) == 3);
	CHECK(tid_in(w, 2) == again.tid && has_task(w, again.tid));
	CHECK(om_home_exit(w->home, 2, 0) == 0 && tasks(w) == 2);
	return close_world(w) && good;
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
	return close_world(w) && good;
}

/* The next warden finds answered what the one before had been told of and had not looked at. */
static bool unheard_answer_is_found(const char *dir)
{
	bool good = true;
	struct world *w = open_with_two(dir);
	struct request calls = {.w = w};
	struct om_slot *slot = map_slot(w, 0);
	struct om_arena *arena = (struct om_arena *)((uint8_t *)slot - OM_ARENA_SLOT_OFFSET(0));
	om_remote_close(w->remote); /* whose HELLO would have all slots looked at */
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
	return close_world(w) && good;
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
	return close_world(w) && good;
}

const struct test clone_tests[] = {
	{"cloned_thread_has_its_slot", cloned_thread_has_its_slot},
	{"cycles_leave_nothing", cycles_leave_nothing},
	{"no_slot_is_free", no_slot_is_free},
	{"clone_is_refused", clone_is_refused},
	{"exit_empties_the_ring", exit_empties_the_ring},
	{"killed_deputy_ends_an_exit", killed_deputy_ends_an_exit},
	{"exit_outlives_a_warden", exit_outlives_a_warden},
	{"clone_outlives_a_warden", clone_outlives_a_warden},
	{"exit_ends_who_waits", exit_ends_who_waits},
	{"unheard_answer_is_found", unheard_answer_is_found},
	{"slot_is_taken", slot_is_taken},
	{0},
};
