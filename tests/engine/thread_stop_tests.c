/* SPDX-License-Identifier: MIT
 *
 * A stop of one thread is nobody else's affair.
 */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "engine/om_home.h"
#include "pipes.h"
#include "tests.h"
#include "tracee.h"
#include "tracer.h"

/* ---- of one ---------------------------------------------------------------------------------------------- */

static void note_requests(struct world *w, uint32_t count, uint32_t *requests)
{
	uint8_t *home = mmap(NULL, OM_STATE_BYTES(SLOTS), PROT_READ, MAP_SHARED, w->home_state, 0);
	for (uint32_t i = 0; i < count; i++)
		requests[i] = ((struct om_home_thread_state *)om_state_of(home, i))->last_request;
	munmap(home, OM_STATE_BYTES(SLOTS));
}

static bool stop_is_of_one_thread(const char *dir)
{
	bool good = true;
	uint32_t before[4], after[4];
	if (!pipes_open())
		return false;
	struct world *w = crew_open(dir, 4, pipes_read);
	for (uint32_t i = 0; i < 4; i++)
		wait_slot_blocked(w, i, SYS_read);
	note_requests(w, 4, before);
	for (int i = 0; i < 5; i++) {
		CHECK(tracer_stop_slot(w, 2, OM_QUIESCE_HERE, 30000) == 1);
		for (uint32_t k = 0; k < 4; k++)
			wait_slot_blocked(w, k, SYS_read);
	}
	note_requests(w, 4, after);
	for (uint32_t i = 0; i < 4; i++)
		CHECK(i == 2 ? after[i] >= before[i] + 5 : after[i] == before[i]);
	for (uint32_t i = 0; i < 4; i++) {
		CHECK(om_remote_ended(w->remote, i) == false);
		CHECK(pipes_give(i));
	}
	good = world_close(w) && good;
	pipes_close();
	return good;
}

/* ---- a mask that was of another call --------------------------------------------------------------------- */

static void masked_work(struct shared *s, uint32_t index)
{
	struct pollfd p = {.fd = pipes[index][0], .events = POLLIN};
	const struct timespec long_enough = {600, 0};
	sigset_t none;
	sigemptyset(&none);
	if (index == 0) {
		pipes_read(s, index);
		return;
	}
	EXPECT(ppoll(&p, 1, &long_enough, &none) == 1);
	s->hands[index].numbers[0] = 1;
	while (!s->hands[index].stage)
		;
}

static int quiesce_all(struct world *w, uint32_t timeout_ms)
{
	return om_remote_quiesce(w->remote, OM_EVERY_THREAD, OM_QUIESCE_HERE, timeout_ms);
}

static void stop_slot_of(struct world *w, uint32_t slot, int signo)
{
	char path[64], state = 0;
	syscall(SYS_tgkill, w->deputy, w->deputy_tids[slot], signo);
	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", w->deputy, w->deputy_tids[slot]);
	while (state != 'T' && signo == SIGSTOP) {
		FILE *f = fopen(path, "re");
		if (!f || fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
			abort();
		fclose(f);
		sched_yield();
	}
}

struct masked {
	struct world *w;
	bool good;
};

/* The second's ppoll is given back, the first's read is not; the second is then in user code when it is stopped again.
 */
static void *stop_masked(void *argument)
{
	struct masked *m = argument;
	struct world *w = m->w;
	bool good = true;
	uint64_t mask;
	CHECK(tracee_seize(w, 1));
	CHECK(om_remote_quiesce(w->remote, 1, OM_QUIESCE_HERE, 30000) == 0 && om_remote_ended(w->remote, 1));
	CHECK(om_remote_mask(w->remote, 1, &mask) == 1 && mask == 0);
	stop_slot_of(w, 0, SIGSTOP); /* and with it the process */
	CHECK(quiesce_all(w, 100) == -ETIMEDOUT);
	CHECK(om_remote_mask(w->remote, 1, &mask) == 0);
	stop_slot_of(w, 0, SIGCONT);
	CHECK(tracee_await(w, 1));
	ptrace(PTRACE_DETACH, w->tids[1], 0, 0);
	CHECK(pipes_give(1));
	while (!*(volatile int64_t *)&w->shared->hands[1].numbers[0] && !w->shared->failed)
		sched_yield();
	CHECK(tracee_seize(w, 1));
	CHECK(om_remote_quiesce(w->remote, 1, OM_QUIESCE_HERE, 30000) == 0 && !om_remote_ended(w->remote, 1));
	CHECK(om_remote_mask(w->remote, 1, &mask) == 0);
	CHECK(tracee_await(w, 1));
	tracer_let_slot_go(w, 1);
	m->good = good;
	return NULL;
}

static bool failed_stop_leaves_no_mask(const char *dir)
{
	if (!pipes_open())
		return false;
	struct world *w = crew_open(dir, 2, masked_work);
	struct masked m = {.w = w};
	wait_slot_blocked(w, 0, SYS_read);
	wait_slot_blocked(w, 1, SYS_ppoll);
	tracer_alone(stop_masked, &m);
	set_hand(w->shared, 1, 1);
	m.good = pipes_give(0) && m.good;
	m.good = world_close(w) && m.good;
	pipes_close();
	return m.good;
}

/* ---- signals that another thread's ring has ---------------------------------------------------------------- */

/* For the process: which thread takes them is not the engine's affair, and this one cannot be stopped now. */
static bool failed_stop_is_due_when_home_is_heard(const char *dir)
{
	bool good = true;
	if (!pipes_open())
		return false;
	struct world *w = crew_open(dir, 2, pipes_read);
	for (uint32_t i = 0; i < 2; i++)
		wait_slot_blocked(w, i, SYS_read);
	w->holds_tracer = true;
	syscall(SYS_tgkill, w->deputy, w->deputy_tids[0], SIGURG);
	CHECK(world_await(w, &w->queued, 1));
	stop_deputy(w);
	CHECK(tracer_stop_slot(w, 1, OM_QUIESCE_HERE, 100) == -ETIMEDOUT);
	CHECK(w->due == 0);
	kill(w->deputy, SIGCONT);
	CHECK(world_await(w, &w->due, 1));
	w->holds_tracer = false;
	world_wake_tracer(w);
	for (uint32_t i = 0; i < 2; i++)
		CHECK(pipes_give(i));
	good = world_close(w) && good;
	pipes_close();
	return good;
}

const struct test thread_stop_tests[] = {
	{"failed_stop_is_due_when_home_is_heard", failed_stop_is_due_when_home_is_heard},
	{"stop_is_of_one_thread", stop_is_of_one_thread},
	{"failed_stop_leaves_no_mask", failed_stop_leaves_no_mask},
	{0},
};
