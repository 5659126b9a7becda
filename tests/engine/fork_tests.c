/* SPDX-License-Identifier: MIT
 *
 * A process forks while its body is away: two processes under one filter, each with a deputy, a link and calls of its
 * own. And which arenas home maps.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "engine/om_remote.h"
#include "forked.h"
#include "handler.h"
#include "pipes.h"
#include "processes.h"
#include "tests.h"

#define CALLS 50

/* ---- each its own ---------------------------------------------------------------------------------------- */

static void ask_child(struct shared *s)
{
	for (int i = 0; i < CALLS; i++)
		s->hands[CHILD].numbers[i % 2] = syscall(SYS_getppid);
	s->hands[CHILD].numbers[2] = syscall(SYS_getpgrp);
	pipes_read(s, 0);
}

static void ask(struct shared *s)
{
	for (int i = 0; i < CALLS; i++)
		s->numbers[i % 2] = syscall(SYS_getppid);
	s->numbers[2] = syscall(SYS_getpgrp);
	pipes_read(s, 1);
}

static void asking_body(struct shared *s)
{
	fork_in_body(s, ask_child);
	ask(s);
}

static bool hears_of_its_own(struct world *w)
{
	bool good = true;
	const int64_t *child = w->shared->hands[CHILD].numbers, *parent = w->shared->numbers;
	CHECK(child[0] == w->deputy && child[1] == w->deputy && child[2] == w->deputy);
	CHECK(parent[0] == getpid() && parent[1] == getpid() && parent[2] == w->deputy);
	return good;
}

static bool forked_body_has_its_own_deputy(const char *dir)
{
	bool good = true;
	struct om_counters mine, others;
	CHECK(pipes_open());
	struct world *w = fork_open_served(dir, asking_body);
	while (!w->forked.claimed) /* told right after the body has been */
		sched_yield();
	CHECK(w->forked.claimed == 1 && w->forked.deputy != w->deputy && w->forked.body != w->body);
	CHECK(pipes_give(0));
	forked_wait_body(w); /* whose parent waits in a call all the while */
	CHECK(om_remote_counters(w->forked.remote, &mine) == 0 && mine.calls == CALLS + 3); /* exit_group */
	CHECK(pipes_give(1));
	world_wait_body(w);
	CHECK(om_remote_counters(w->remote, &others) == 0 && others.calls == CALLS + 4); /* clone */
	CHECK(hears_of_its_own(w));
	good = world_close(w) && good;
	pipes_close();
	return good;
}

static void forking_work(struct shared *s, uint32_t index)
{
	if (index == 1)
		fork_in_body(s, ask_child);
	if (index == 1)
		ask(s);
	else
		wait_stage(s, 3);
}

/* The child's only thread has slot 0, whichever its maker had. */
static bool forked_by_another_thread(const char *dir)
{
	bool good = true;
	CHECK(pipes_open());
	struct world *w = fork_open_crew(dir, 3, forking_work, 1);
	forked_remote(w);
	forked_start(w);
	set_hand(w->shared, CHILD, 2);
	CHECK(pipes_give(0) && pipes_give(1));
	forked_wait_body(w);
	wait_slot_blocked(w, 1, SYS_futex);
	set_stage(w->shared, 3);
	world_wait_body(w);
	CHECK(hears_of_its_own(w));
	good = world_close(w) && good;
	pipes_close();
	return good;
}

/* ---- signals and ends ------------------------------------------------------------------------------------ */

static void read_child(struct shared *s)
{
	pipes_read(s, 0);
}

static void parting_body(struct shared *s)
{
	fork_in_body(s, read_child);
	pipes_read(s, 1);
}

/* What the child's deputy gets is the child's. Its slot, stack and ring are its own. */
static bool signal_comes_to_the_forked(const char *dir)
{
	bool good = true;
	CHECK(pipes_open());
	struct world *w = fork_open_served(dir, parting_body);
	for (int i = 1; i <= 2 * (int)OM_SIGNAL_RING; i++)
		queue(w->forked.deputy, SIGRTMIN + 1, i);
	CHECK(world_await(w, &w->forked.signals, 2 * OM_SIGNAL_RING));
	CHECK(om_remote_signals(w->forked.remote, 0) == 2 * OM_SIGNAL_RING);
	om_remote_queued(w->forked.remote, 0, 2 * OM_SIGNAL_RING);
	queue(w->deputy, SIGWINCH, 1);
	CHECK(world_await(w, &w->delivered, 1));
	CHECK(w->queued == 1 && w->forked.signals == 2 * OM_SIGNAL_RING);
	CHECK(pipes_give(0) && pipes_give(1));
	forked_wait_body(w);
	return world_close(w) && good;
}

static void wait_for_child(struct shared *s)
{
	int status = 0;
	fork_in_body(s, read_child);
	int64_t pid = syscall(SYS_wait4, -1, &status, 0, NULL);
	s->numbers[0] = pid < 0 ? -errno : pid;
	s->numbers[1] = status;
	EXPECT(syscall(SYS_wait4, -1, &status, 0, NULL) == -1 && errno == ECHILD);
	pipes_read(s, 1);
}

/* The child's deputy is killed: its parent waits for it at home, and has its SIGCHLD; its own body hears that it is
 * gone, and the parent's goes on. */
static bool forked_deputy_ends_alone(const char *dir)
{
	bool good = true;
	CHECK(pipes_open());
	struct world *w = fork_open_served(dir, wait_for_child);
	wait_blocked(w, SYS_wait4);
	kill(w->forked.deputy, SIGKILL);
	CHECK(world_await(w, &w->delivered, 1) && w->mail[0].signals[0].signo == SIGCHLD);
	wait_blocked(w, SYS_read);
	while (!w->forked.control[OM_CONTROL_GONE] || !w->forked.deputy_gone)
		sched_yield();
	CHECK(!w->control[OM_CONTROL_GONE] && !w->deputy_gone);
	CHECK(pipes_give(1));
	world_wait_body(w);
	CHECK(w->shared->numbers[0] == w->forked.deputy && WIFSIGNALED((int)w->shared->numbers[1]));
	good = world_close(w) && good;
	pipes_close();
	return good;
}

/* ---- the arena ------------------------------------------------------------------------------------------- */

static int open_arena(struct world *w, int arena_fd)
{
	struct om_home_options options = {
		.key = KEY + 1,
		.pid = w->deputy,
		.pidfd = w->deputy_pidfd,
		.arena_fd = arena_fd,
		.slots = SLOTS,
		.arena_address = ARENA,
		.threads_address = AREA + OM_AREA_THREADS_OFFSET,
		.state_fd = -1,
	};
	om_home *home;
	int result = om_home_open(w->pc1, &options, &home);
	if (!result)
		om_home_close(home);
	return result;
}

static int refused(struct world *w, int arena_fd)
{
	int result = arena_fd < 0 || ftruncate(arena_fd, OM_ARENA_BYTES(SLOTS)) ? -errno : open_arena(w, arena_fd);
	close(arena_fd);
	return result;
}

static void idle_body(struct shared *s)
{
	wait_stage(s, 3);
}

static int shared_anonymous(size_t bytes)
{
	char path[128];
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx", (unsigned long)at, (unsigned long)at + bytes);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	munmap(at, bytes);
	return fd;
}

static bool arena_keeps_its_size(const char *dir)
{
	bool good = true;
	char path[128];
	struct world *w = world_open(dir, idle_body);
	CHECK(refused(w, memfd_create("unsealed", MFD_CLOEXEC)) == -EPERM);
	CHECK(refused(w, memfd_create("/dev/zero (deleted)", MFD_CLOEXEC)) == -EPERM);
	snprintf(path, sizeof(path), "%s/arena", dir);
	CHECK(refused(w, open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600)) == -EPERM);
	int fd = shared_anonymous(OM_ARENA_BYTES(SLOTS));
	CHECK(open_arena(w, fd) == 0);
	close(fd);
	fd = shared_anonymous(OM_ARENA_BYTES(SLOTS) - 4096);
	CHECK(open_arena(w, fd) == -EINVAL);
	close(fd);
	fd = memfd_create("sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	CHECK(ftruncate(fd, OM_ARENA_BYTES(SLOTS)) == 0 && open_arena(w, fd) == 0);
	CHECK(ftruncate(fd, 0) == -1 && errno == EPERM);
	close(fd);
	set_stage(w->shared, 3);
	return world_close(w) && good;
}

/* A file system that knows no seals. */
static bool arena_without_seals(const char *dir)
{
	bool good = true;
	char path[128];
	struct world *w = world_open(dir, idle_body);
	CHECK(mount("none", dir, "ramfs", 0, NULL) == 0);
	snprintf(path, sizeof(path), "%s/arena", dir);
	CHECK(refused(w, open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600)) == -EPERM);
	CHECK(umount2(dir, MNT_DETACH) == 0);
	set_stage(w->shared, 3);
	return world_close(w) && good;
}

/* Whoever may have a root of its own has any path it likes. */
static int make_lookalike(const char *root)
{
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("tmpfs", root, "tmpfs", 0, NULL) || chdir(root) || syscall(SYS_pivot_root, ".", ".") ||
	    umount2(".", MNT_DETACH) || mkdir("/dev", 0700))
		return -1;
	int fd = open("/dev/zero", O_RDWR | O_CREAT, 0600);
	return fd >= 0 && !unlink("/dev/zero") ? fd : -1;
}

static bool arena_that_looks_anonymous(const char *dir)
{
	bool good = true;
	char told, path[64], name[64] = "";
	struct world *w = world_open(dir, idle_body);
	int pair[2], fd = -1;
	CHECK(pipe(pair) == 0);
	pid_t maker = fork();
	if (!maker) {
		fd = make_lookalike(dir);
		_exit(write(pair[1], &(char){(char)fd}, 1) != 1 || pause());
	}
	close(pair[1]);
	int pidfd = (int)syscall(SYS_pidfd_open, maker, 0);
	if (read(pair[0], &told, 1) == 1 && told > 0)
		fd = (int)syscall(SYS_pidfd_getfd, pidfd, told, 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	CHECK(readlink(path, name, sizeof(name) - 1) > 0 && !strcmp(name, "/dev/zero (deleted)"));
	CHECK(refused(w, fd) == -EPERM);
	kill(maker, SIGKILL);
	waitpid(maker, NULL, 0);
	close(pair[0]);
	close(pidfd);
	set_stage(w->shared, 3);
	return world_close(w) && good;
}

/* Whether it runs already or is only going to be made. */
static bool abandoned_child_ends(const char *dir)
{
	bool good = true;
	struct world *w = world_open(dir, idle_body);
	struct forked *f = &w->forked;
	for (int before = 0; before < 2; before++) {
		uint64_t at = fork_arena(w, 0);
		int64_t result = 0;
		if (before)
			CHECK(om_arena_abandon(f->arena_fd) == 0);
		fork_unserved(w, 0, at);
		if (!before)
			CHECK(om_arena_abandon(f->arena_fd) == 0);
		struct pollfd ended = {.fd = f->deputy_pidfd, .events = POLLIN};
		CHECK(poll(&ended, 1, 10000) == 1);
		kill(f->deputy, SIGKILL); /* of one that has ended nothing comes: it has not been waited for */
		const uint64_t wait[6] = {(uint64_t)f->deputy, 0, __WALL};
		CHECK(om_home_call(w->home, 0, SYS_wait4, wait, NULL, 0, &result) == 0 && result == f->deputy);
		close(f->deputy_pidfd);
		close(f->arena_fd);
	}
	set_stage(w->shared, 3);
	return world_close(w) && good;
}

const struct test fork_tests[] = {
	{"abandoned_child_ends", abandoned_child_ends},
	{"forked_body_has_its_own_deputy", forked_body_has_its_own_deputy},
	{"forked_by_another_thread", forked_by_another_thread},
	{"signal_comes_to_the_forked", signal_comes_to_the_forked},
	{"forked_deputy_ends_alone", forked_deputy_ends_alone},
	{"arena_keeps_its_size", arena_keeps_its_size},
	{"arena_without_seals", arena_without_seals},
	{"arena_that_looks_anonymous", arena_that_looks_anonymous},
	{0},
};
