/* SPDX-License-Identifier: MIT
 *
 * Two processes behind one gate, of which one is not served yet, is served no more, or is taken over with the other.
 * And what a body hears whose deputy has become the process again.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "engine/om_remote.h"
#include "forked.h"
#include "pipes.h"
#include "processes.h"
#include "tests.h"

/* ---- not served yet -------------------------------------------------------------------------------------- */

static void read_child(struct shared *s)
{
	s->hands[CHILD].numbers[0] = syscall(SYS_getppid);
	pipes_read(s, 0);
}

static void asking_body(struct shared *s)
{
	fork_in_body(s, read_child);
	for (int stage = 3; !s->failed; stage += 2) {
		wait_stage(s, stage);
		if (s->numbers[1])
			break;
		s->numbers[0] = syscall(SYS_getppid);
		set_stage(s, stage + 1);
	}
	pipes_read(s, 1);
}

static int64_t ask(struct world *w)
{
	int stage = w->shared->stage;
	w->shared->numbers[0] = 0;
	set_stage(w->shared, stage + 1);
	wait_stage(w->shared, stage + 2);
	return w->shared->numbers[0];
}

static void dismiss(struct world *w)
{
	w->shared->numbers[1] = 1;
	set_stage(w->shared, w->shared->stage + 1);
}

static struct om_remote_state *map_state(struct world *w)
{
	return mmap(NULL, OM_STATE_BYTES(SLOTS), PROT_READ | PROT_WRITE, MAP_SHARED, w->forked.remote_state, 0);
}

/* Until the child's call has been noted. */
static void wait_noted(struct om_remote_state *state)
{
	const struct om_remote_thread_state *thread = om_state_of(state, 0);
	while (!__atomic_load_n(&thread->call.id, __ATOMIC_ACQUIRE))
		sched_yield();
}

static bool is_noted(struct om_remote_state *state)
{
	const struct om_remote_thread_state *thread = om_state_of(state, 0);
	return __atomic_load_n(&thread->call.id, __ATOMIC_ACQUIRE) && thread->phase == OM_PHASE_NONE;
}

/* The parent is served all the while, by the same receiver. */
static bool noted_until_the_welcome(const char *dir)
{
	bool good = true;
	CHECK(pipes_open());
	struct world *w = fork_open(dir, asking_body);
	struct om_remote_state *state = map_state(w);
	forked_remote(w);
	set_hand(w->shared, CHILD, 2);
	wait_noted(state);
	for (int i = 0; i < 20; i++)
		CHECK(ask(w) == getpid());
	CHECK(is_noted(state) && w->shared->hands[CHILD].numbers[0] == 0);
	forked_start(w);
	CHECK(pipes_give(0));
	forked_wait_body(w);
	CHECK(w->shared->hands[CHILD].numbers[0] == w->deputy);
	dismiss(w);
	CHECK(pipes_give(1));
	munmap(state, OM_STATE_BYTES(SLOTS));
	good = world_close(w) && good;
	pipes_close();
	return good;
}

/* Home welcomes it before the gate takes anything: nothing waits, and nothing is lost. */
static bool welcomed_before_the_gate(const char *dir)
{
	bool good = true;
	CHECK(pipes_open());
	struct world *w = fork_open_served(dir, asking_body);
	world_close_remote(w);
	CHECK(om_gate_open(w->listener, w->gate_state, &w->gate) == 0);
	world_open_body(w);
	forked_remote(w);
	CHECK(om_remote_start(w->remote, 10000) == 0);
	forked_start(w);
	CHECK(om_gate_start(w->gate) == 0);
	CHECK(ask(w) == getpid());
	dismiss(w);
	CHECK(pipes_give(0) && pipes_give(1));
	forked_wait_body(w);
	CHECK(w->shared->hands[CHILD].numbers[0] == w->deputy);
	good = world_close(w) && good;
	pipes_close();
	return good;
}

/* What is noted of it is issued again when it goes on. */
static bool unserved_is_stopped(const char *dir)
{
	bool good = true;
	int status = 0;
	CHECK(pipes_open());
	struct world *w = fork_open(dir, asking_body);
	struct om_remote_state *state = map_state(w);
	forked_remote(w);
	set_hand(w->shared, CHILD, 2);
	for (int i = 0; i < 3; i++) {
		wait_noted(state);
		CHECK(ptrace(PTRACE_SEIZE, w->forked.body, 0, 0) == 0);
		CHECK(ptrace(PTRACE_INTERRUPT, w->forked.body, 0, 0) == 0);
		CHECK(om_remote_quiesce(w->forked.remote, 0, i ? OM_QUIESCE_MOVE : OM_QUIESCE_HERE, 10000) == 0);
		CHECK(waitpid(w->forked.body, &status, __WALL) == w->forked.body && status >> 16 == PTRACE_EVENT_STOP);
		CHECK(!is_noted(state));
		CHECK(om_remote_resume(w->forked.remote, 0) == 0);
		CHECK(ptrace(PTRACE_DETACH, w->forked.body, 0, 0) == 0);
	}
	wait_noted(state);
	CHECK(ask(w) == getpid());
	forked_start(w);
	CHECK(pipes_give(0));
	forked_wait_body(w);
	CHECK(w->shared->hands[CHILD].numbers[0] == w->deputy);
	dismiss(w);
	CHECK(pipes_give(1));
	munmap(state, OM_STATE_BYTES(SLOTS));
	good = world_close(w) && good;
	pipes_close();
	return good;
}

/* ---- served no more -------------------------------------------------------------------------------------- */

static void wait_reader(pid_t deputy)
{
	char path[64], text[16] = "";
	snprintf(path, sizeof(path), "/proc/%d/syscall", deputy);
	while (strncmp(text, "0 ", 2)) { /* read */
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t n = read(fd, text, sizeof(text) - 1);
		close(fd);
		text[n > 0 ? n : 0] = 0;
		sched_yield();
	}
}

/* With a call of its own at home. */
static bool closed_leaves_the_other(const char *dir)
{
	bool good = true;
	CHECK(pipes_open());
	struct world *w = fork_open_served(dir, asking_body);
	wait_reader(w->forked.deputy);
	forked_close_remote(w);
	for (int i = 0; i < 20; i++)
		CHECK(ask(w) == getpid());
	kill(w->forked.body, SIGKILL);
	forked_wait_body(w);
	CHECK(ask(w) == getpid());
	dismiss(w);
	CHECK(pipes_give(1));
	good = world_close(w) && good;
	pipes_close();
	return good;
}

/* With a call that is noted, and nobody to answer it. */
static bool closed_unserved_leaves_the_other(const char *dir)
{
	bool good = true;
	CHECK(pipes_open());
	struct world *w = fork_open(dir, asking_body);
	struct om_remote_state *state = map_state(w);
	forked_remote(w);
	set_hand(w->shared, CHILD, 2);
	wait_noted(state);
	forked_close_remote(w);
	CHECK(ask(w) == getpid());
	kill(w->forked.body, SIGKILL);
	forked_wait_body(w);
	CHECK(ask(w) == getpid());
	dismiss(w);
	CHECK(pipes_give(1));
	munmap(state, OM_STATE_BYTES(SLOTS));
	good = world_close(w) && good;
	pipes_close();
	return good;
}

/* The gate is not its own: what it has forked goes on. Opened again at the same gate, its call has not been lost. */
static bool first_is_closed_and_opened_again(const char *dir)
{
	bool good = true;
	CHECK(pipes_open());
	struct world *w = fork_open(dir, asking_body);
	forked_remote(w);
	dismiss(w);
	wait_blocked(w, SYS_read);
	om_remote_close(w->remote);
	forked_start(w);
	set_hand(w->shared, CHILD, 2);
	CHECK(pipes_give(0));
	forked_wait_body(w);
	CHECK(w->shared->hands[CHILD].numbers[0] == w->deputy);
	CHECK(pipes_give(1));
	world_open_body(w);
	CHECK(om_remote_start(w->remote, 10000) == 0);
	good = world_close(w) && good;
	pipes_close();
	return good;
}

/* ---- taken over ------------------------------------------------------------------------------------------ */

#define RECORDS 600

struct record {
	uint32_t who, count;
};

static void append(struct shared *s, uint32_t who, int64_t *noted)
{
	for (uint32_t i = 0; i < RECORDS; i++) {
		struct record record = {who, i};
		EXPECT(write(pipes[0][1], &record, sizeof(record)) == sizeof(record));
		*(volatile int64_t *)noted = i;
	}
}

static void append_child(struct shared *s)
{
	append(s, 1, &s->hands[CHILD].numbers[0]);
}

static void appending_body(struct shared *s)
{
	fork_in_body(s, append_child);
	append(s, 0, &s->numbers[0]);
}

/* Until both have come this far: they take turns at two CPUs, and neither waits for the other. */
static void wait_records(struct world *w, int64_t count)
{
	while ((*(volatile int64_t *)&w->shared->numbers[0] < count ||
		*(volatile int64_t *)&w->shared->hands[CHILD].numbers[0] < count) &&
	       !w->shared->failed)
		sched_yield();
}

static bool records_are_whole(void)
{
	bool good = true;
	uint32_t next[2] = {0};
	struct record record;
	CHECK(fcntl(pipes[0][0], F_SETFL, O_NONBLOCK) == 0);
	for (int i = 0; good && i < 2 * RECORDS; i++) {
		CHECK(read(pipes[0][0], &record, sizeof(record)) == sizeof(record));
		CHECK(good && record.who < 2 && record.count == next[record.who]++);
	}
	CHECK(read(pipes[0][0], &record, 1) == -1);
	return good;
}

static bool disturbed(const char *dir, int times, bool (*disturb)(struct world *))
{
	bool good = true;
	CHECK(pipes_open());
	CHECK(fcntl(pipes[0][1], F_SETPIPE_SZ, 1 << 20) > 0);
	struct world *w = fork_open_served(dir, appending_body);
	for (int i = 1; i <= times; i++) {
		wait_records(w, i * (RECORDS / (times + 2)));
		CHECK(disturb(w));
	}
	forked_wait_body(w);
	good = world_close(w) && good;
	good = good && records_are_whole();
	pipes_close();
	return good;
}

static bool cut(struct world *w)
{
	relay_cut(w->relay);
	return true;
}

static bool restart_hosting(struct world *w)
{
	world_close_remote(w);
	om_engine_close(w->pc2);
	world_engine(w, "pc2");
	world_remote(w);
	bool good = om_remote_start(w->remote, 30000) == 0;
	forked_start(w);
	return good;
}

static bool restart_home(struct world *w)
{
	om_home_close(w->home);
	om_home_close(w->forked.home);
	om_engine_close(w->pc1);
	world_engine(w, "pc1");
	world_home(w);
	forked_home(w);
	return om_home_expect(w->home, "pc2", 1, false, 0) == 0;
}

static bool two_are_cut(const char *dir)
{
	return disturbed(dir, 20, cut);
}

static bool two_are_taken_over(const char *dir)
{
	return disturbed(dir, 6, restart_hosting);
}

static bool two_homes_are_taken_over(const char *dir)
{
	return disturbed(dir, 4, restart_home);
}

/* The kernel has handed the child's call to a warden that did not come to noting whose it is. */
static bool arrived_of_the_forked_is_taken_over(const char *dir)
{
	bool good = true;
	CHECK(pipes_open());
	struct world *w = fork_open(dir, asking_body);
	forked_remote(w);
	struct om_remote_state *remote_state = map_state(w);
	struct om_gate_state *state =
		mmap(NULL, OM_STATE_BYTES(0), PROT_READ | PROT_WRITE, MAP_SHARED, w->gate_state, 0);
	world_close_remote(w);
	set_hand(w->shared, CHILD, 2);
	memset(&state->arrived, 0, sizeof(state->arrived));
	CHECK(ioctl(w->listener, SECCOMP_IOCTL_NOTIF_RECV, &state->arrived) == 0);
	CHECK((pid_t)state->arrived.pid == w->forked.body);
	world_remote(w);
	CHECK(om_remote_start(w->remote, 30000) == 0);
	wait_noted(remote_state);
	CHECK(ask(w) == getpid());
	CHECK(is_noted(remote_state) && state->arrived.id == 0);
	forked_start(w);
	CHECK(pipes_give(0));
	forked_wait_body(w);
	CHECK(w->shared->hands[CHILD].numbers[0] == w->deputy);
	dismiss(w);
	CHECK(pipes_give(1));
	munmap(state, OM_STATE_BYTES(0));
	munmap(remote_state, OM_STATE_BYTES(SLOTS));
	good = world_close(w) && good;
	pipes_close();
	return good;
}

/* ---- home again ------------------------------------------------------------------------------------------ */

static void idle_body(struct shared *s)
{
	wait_stage(s, 3);
}

/* A warden that goes leaves its bodies waiting; a process that executes natively has none any more. */
static bool late_body_hears_of_the_end(const char *dir)
{
	bool good = true;
	struct world *w = world_open(dir, idle_body);
	relay_hold(w->relay);
	world_wait_log(w, "pc1 down");
	om_home_close(w->home);
	relay_heal(w->relay);
	CHECK(om_remote_start(w->remote, 50) == -ETIMEDOUT);
	world_home(w); /* its state says who is expected */
	CHECK(om_remote_start(w->remote, 10000) == 0);
	CHECK(!w->control[OM_CONTROL_GONE]);
	relay_hold(w->relay);
	om_home_end(w->home);
	CHECK(om_home_expect(w->home, "pc2", 1, false, 0) == 0);
	CHECK(!w->control[OM_CONTROL_GONE]);
	om_home_close(w->home);
	relay_heal(w->relay); /* and it presents itself again */
	while (!w->control[OM_CONTROL_GONE])
		sched_yield();
	CHECK(om_remote_start(w->remote, 10000) == -ESRCH); /* to ask again would be in vain */
	set_stage(w->shared, 3);
	kill(w->body, SIGKILL); /* which does not get its end through any more */
	world_home(w);
	return world_close(w) && good;
}

const struct test fork_link_tests[] = {
	{"noted_until_the_welcome", noted_until_the_welcome},
	{"welcomed_before_the_gate", welcomed_before_the_gate},
	{"unserved_is_stopped", unserved_is_stopped},
	{"closed_leaves_the_other", closed_leaves_the_other},
	{"closed_unserved_leaves_the_other", closed_unserved_leaves_the_other},
	{"first_is_closed_and_opened_again", first_is_closed_and_opened_again},
	{"two_are_cut", two_are_cut},
	{"two_are_taken_over", two_are_taken_over},
	{"two_homes_are_taken_over", two_homes_are_taken_over},
	{"arrived_of_the_forked_is_taken_over", arrived_of_the_forked_is_taken_over},
	{"late_body_hears_of_the_end", late_body_hears_of_the_end},
	{0},
};
