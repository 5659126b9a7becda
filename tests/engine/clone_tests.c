/* SPDX-License-Identifier: MIT
 *
 * Threads of a deputy that come and go while the body is away.
 */
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <unistd.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "deputy_threads.h"
#include "tests.h"

/* ---- made and ended -------------------------------------------------------------------------------------- */

static bool cloned_thread_has_its_slot(const char *dir)
{
	bool good = true;
	struct world *w = world_open(dir, idle_body);
	uint32_t slots[3] = {0};
	int32_t tids[3] = {w->deputy};
	for (uint32_t i = 1; i < 3; i++) { /* each by the one before */
		CHECK(clone_by(w, slots[i - 1], &slots[i], &tids[i]) == 0 && slots[i] == i);
		CHECK(has_task(w, tids[i]) && tid_in(w, slots[i]) == tids[i]);
	}
	CHECK(tasks(w) == 3 && slots_in_use(w) == 3);
	CHECK(om_home_exit(w->home, 1, 7) == 0);
	wait_tasks(w, 2);
	CHECK(!has_task(w, tids[1]) && slots_in_use(w) == 2);
	CHECK(om_home_exit(w->home, 1, 0) == -ESRCH && tid_in(w, 1) == -ESRCH);
	CHECK(clone_by(w, 1, &slots[1], &tids[1]) == -ESRCH);
	CHECK(clone_by(w, 2, &slots[1], &tids[1]) == 0 && slots[1] == 1);
	for (uint32_t i = 0; i < 3; i++)
		CHECK(tid_in(w, i) == tids[i]);
	return close_idle(w) && good;
}

static bool cycles_leave_nothing(const char *dir)
{
	bool good = true;
	struct world *w = world_open(dir, idle_body);
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
	wait_tasks(w, 1);
	CHECK(slots_in_use(w) == 1 && tid_in(w, 0) == w->deputy);
	return close_idle(w) && good;
}

static bool no_slot_is_free(const char *dir)
{
	bool good = true;
	struct world *w = world_open(dir, idle_body);
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
	return close_idle(w) && good;
}

/* Of a user who has as many as it may. */
static bool clone_is_refused(const char *dir)
{
	const uint64_t nobody[6] = {65534, 65534, 65534};
	const struct rlimit one = {1, 1};
	bool good = true;
	int64_t result = -1;
	struct world *w = world_open(dir, idle_body);
	uint32_t slot = 4711;
	int32_t tid;
	CHECK(om_home_clone(w->home, 0, CLONE_THREAD | CLONE_VM, &slot, &tid) == -EINVAL);
	CHECK(om_home_clone(w->home, SLOTS, THREAD_FLAGS, &slot, &tid) == -ESRCH);
	CHECK(prlimit(w->deputy, RLIMIT_NPROC, &one, NULL) == 0);
	CHECK(om_home_call(w->home, 0, SYS_setresuid, nobody, NULL, 0, &result) == 0 && result == 0);
	CHECK(clone_by(w, 0, &slot, &tid) == -EAGAIN);
	CHECK(slot == 4711 && tasks(w) == 1 && slots_in_use(w) == 1 && tid_in(w, 0) == w->deputy);
	return close_idle(w) && good;
}

const struct test clone_tests[] = {
	{"cloned_thread_has_its_slot", cloned_thread_has_its_slot},
	{"cycles_leave_nothing", cycles_leave_nothing},
	{"no_slot_is_free", no_slot_is_free},
	{"clone_is_refused", clone_is_refused},
	{0},
};
