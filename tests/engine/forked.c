/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "forked.h"
#include "processes.h"
#include "tests.h"

/* ---- in the body ----------------------------------------------------------------------------------------- */

/* As a cell's init has them: a child of the body's parent. Nothing of the C library, which would make calls of its own
 * before the child is served. */
void fork_in_body(struct shared *s, void (*child)(struct shared *))
{
	long pid = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
	EXPECT(pid >= 0);
	if (pid)
		return;
	s->hands[CHILD].tid = gettid();
	set_hand(s, CHILD, 1);
	wait_hand(s, CHILD, 2);
	child(s);
	syscall(SYS_exit_group, 0);
}

/* ---- at home --------------------------------------------------------------------------------------------- */

static int64_t of_deputy(struct world *w, uint32_t slot, int64_t number, const uint64_t args[6])
{
	int64_t result;
	int error = om_home_call(w->home, slot, number, args, NULL, 0, &result);
	errno = error ? -error : result < 0 && result > -4096 ? -(int)result : 0;
	if (errno)
		world_die("a call of the deputy that forks");
	return result;
}

static void make_ready(int arena_fd)
{
	uint8_t *at = mmap(NULL, OM_ARENA_BYTES(SLOTS), PROT_READ | PROT_WRITE, MAP_SHARED, arena_fd, 0);
	if (at == MAP_FAILED)
		world_die("the child's arena");
	struct om_slot *slot = (struct om_slot *)(at + OM_ARENA_SLOT_OFFSET(0));
	((struct om_arena *)at)->slots = SLOTS;
	slot->arena = ARENA;
	slot->data = ARENA + OM_ARENA_SLOT_OFFSET(0) + OM_SLOT_HEADER_BYTES;
	munmap(at, OM_ARENA_BYTES(SLOTS));
}

void forked_home(struct world *w)
{
	struct forked *f = &w->forked;
	struct om_home_options options = {
		.key = FORKED_KEY,
		.pid = f->deputy,
		.pidfd = f->deputy_pidfd,
		.arena_fd = f->arena_fd,
		.slots = SLOTS,
		.arena_address = ARENA,
		.threads_address = AREA + OM_AREA_THREADS_OFFSET,
		.state_fd = f->home_state,
	};
	int result = om_home_open(w->pc1, &options, &f->home);
	if (!result)
		result = om_home_thread(f->home, 0, f->deputy);
	if (!result)
		result = om_home_expect(f->home, "pc2", 1, false, 0);
	errno = -result;
	if (result)
		world_die("the child's home");
}

uint64_t fork_arena(struct world *w, uint32_t slot)
{
	const uint64_t map[6] = {0, OM_ARENA_BYTES(SLOTS), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, UINT64_MAX};
	char path[128];
	uint64_t at = (uint64_t)of_deputy(w, slot, SYS_mmap, map);
	snprintf(path, sizeof(path), "/proc/%d/map_files/%lx-%lx", w->deputy, (unsigned long)at,
		 (unsigned long)(at + OM_ARENA_BYTES(SLOTS)));
	w->forked.arena_fd = open(path, O_RDWR | O_CLOEXEC);
	if (w->forked.arena_fd < 0)
		world_die(path);
	make_ready(w->forked.arena_fd);
	return at;
}

void fork_unserved(struct world *w, uint32_t slot, uint64_t at)
{
	struct forked *f = &w->forked;
	char path[128];
	f->deputy = (pid_t)of_deputy(w, slot, OM_DEPUTY_FORK, (uint64_t[6]){SIGCHLD, at});
	f->deputy_pidfd = (int)syscall(SYS_pidfd_open, f->deputy, 0);
	snprintf(path, sizeof(path), "/proc/%d/map_files/%lx-%lx", w->deputy, (unsigned long)at,
		 (unsigned long)(at + OM_ARENA_BYTES(SLOTS)));
	if (!access(path, F_OK))
		world_die("the forking deputy keeps its child's arena");
}

static void fork_deputy(struct world *w, uint32_t slot)
{
	static const uint64_t die_with_parent[6] = {PR_SET_PDEATHSIG, SIGKILL};
	struct forked *f = &w->forked;
	int64_t result;
	fork_unserved(w, slot, fork_arena(w, slot));
	f->home_state = world_memfd("forked home", OM_STATE_BYTES(SLOTS));
	forked_home(w);
	if (om_home_call(f->home, 0, SYS_prctl, die_with_parent, NULL, 0, &result) || result)
		world_die("the child's deputy");
}

/* ---- here ------------------------------------------------------------------------------------------------ */

void forked_remote(struct world *w)
{
	struct forked *f = &w->forked;
	struct om_remote_options options = {
		.key = FORKED_KEY,
		.epoch = 1,
		.pid = f->body,
		.pidfd = f->body_pidfd,
		.gate = w->gate,
		.home = "pc1",
		.area = AREA,
		.slots = SLOTS,
		.state_fd = f->remote_state,
	};
	int result = om_remote_open(w->pc2, &options, &f->remote);
	if (!result)
		result = om_remote_thread(f->remote, 0, f->body, 0);
	errno = -result;
	if (result)
		world_die("the child's remote");
}

void forked_start(struct world *w)
{
	int result = om_remote_start(w->forked.remote, 10000);
	errno = -result;
	if (result)
		world_die("the child's start");
}

static void fork_body(struct world *w, uint32_t slot)
{
	struct forked *f = &w->forked;
	const struct om_structural *call = &w->structural_of[slot];
	unsigned int seen = 0;
	do
		if (!world_await(w, &w->handed_out_of[slot], ++seen))
			world_die("the body does not fork");
	while (call->number != SYS_clone);
	w->keeps_calls = false;
	fork_deputy(w, slot);
	om_remote_conduct(w->remote, call->notification);
	om_remote_answer(w->remote, call->notification, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
	wait_hand(w->shared, CHILD, 1);
	f->body = w->shared->hands[CHILD].tid;
	kill_if_it_hangs(f->body);
	f->body_pidfd = (int)syscall(SYS_pidfd_open, f->body, 0);
	f->remote_state = world_memfd("forked remote", OM_STATE_BYTES(SLOTS));
}

static struct world *fork_prepared(struct world *w, uint32_t slot)
{
	w->keeps_calls = true;
	om_home_expect(w->home, "pc2", 1, false, 0);
	world_start(w);
	fork_body(w, slot);
	return w;
}

struct world *fork_open(const char *dir, void (*body)(struct shared *))
{
	return fork_prepared(world_prepare(dir, body), 0);
}

struct world *fork_open_crew(const char *dir, uint32_t threads, void (*work)(struct shared *, uint32_t), uint32_t slot)
{
	return fork_prepared(crew_prepare(dir, threads, work), slot);
}

struct world *fork_open_served(const char *dir, void (*body)(struct shared *))
{
	struct world *w = fork_open(dir, body);
	forked_remote(w);
	forked_start(w);
	set_hand(w->shared, CHILD, 2);
	return w;
}

void forked_close_remote(struct world *w)
{
	om_remote_close(w->forked.remote);
	w->forked.remote = NULL;
}

void forked_wait_body(struct world *w)
{
	int status;
	if (waitpid(w->forked.body, &status, __WALL) == w->forked.body)
		kill_if_it_hangs(0);
}

void forked_close(struct world *w)
{
	struct forked *f = &w->forked;
	if (!f->body)
		return;
	kill(f->body, SIGKILL);
	forked_wait_body(w);
	if (f->home)
		om_home_close(f->home);
	kill(f->deputy, SIGKILL);
	int fds[] = {f->deputy_pidfd, f->body_pidfd, f->arena_fd, f->home_state, f->remote_state};
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		close(fds[i]);
}
