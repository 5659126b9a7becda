/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "callbacks.h"
#include "certificates.h"
#include "forked.h"
#include "processes.h"
#include "tracer.h"
#include "world.h"

void world_die(const char *what)
{
	fprintf(stderr, "world: %s: %s\n", what, strerror(errno));
	abort();
}

void expect_failed(struct shared *s, const char *file, int line, const char *what)
{
	int error = errno;
	if (!s->failed)
		snprintf(s->why, sizeof(s->why), "%s:%d: %s (errno %d)", file, line, what, error);
	s->failed = 1;
	set_stage(s, INT32_MAX);
	for (uint32_t i = 0; i < SLOTS; i++)
		set_hand(s, i, INT32_MAX);
	syscall(SYS_exit_group, 1);
}

void stop_deputy(struct world *w)
{
	int status;
	if (kill(w->deputy, SIGSTOP) || waitpid(w->deputy, &status, WUNTRACED) != w->deputy || !WIFSTOPPED(status))
		world_die("SIGSTOP");
}

void world_wake_tracer(struct world *w)
{
	uint64_t one = 1;
	if (write(w->wake, &one, sizeof(one)) < 0)
		world_die("wake");
}

/* ---- setting up ------------------------------------------------------------------------------------------ */

int world_memfd(const char *name, size_t bytes)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0 || ftruncate(fd, (off_t)bytes))
		world_die("memfd");
	return fd;
}

void world_engine(struct world *w, const char *node)
{
	char certificate[128], key[128], ca[128];
	snprintf(certificate, sizeof(certificate), "%s/%s.pem", w->dir, node);
	snprintf(key, sizeof(key), "%s/%s.key", w->dir, node);
	snprintf(ca, sizeof(ca), "%s/cluster.ca.pem", w->dir);
	struct om_engine_options options = {
		.node = node,
		.certificate_path = certificate,
		.key_path = key,
		.ca_path = ca,
		.listen_address = "127.0.0.1",
		.callbacks = world_callbacks(w),
	};
	bool is_home = !strcmp(node, "pc1");
	int result = om_engine_open(&options, is_home ? &w->pc1 : &w->pc2);
	if (result) {
		errno = -result;
		world_die(w->log);
	}
	uint16_t port = 0;
	if (is_home) {
		if (w->relay)
			relay_close(w->relay);
		w->relay = relay_open((uint16_t)om_engine_port(w->pc1), &port);
		w->shared->numbers[15] = port;
	}
	if (w->pc2)
		om_engine_peer(w->pc2, "pc1", "127.0.0.1", (uint16_t)w->shared->numbers[15]);
}

void world_home(struct world *w)
{
	struct om_home_options options = {
		.key = KEY,
		.pid = w->deputy,
		.pidfd = w->deputy_pidfd,
		.arena_fd = w->arena_fd,
		.slots = SLOTS,
		.arena_address = ARENA,
		.threads_address = AREA + OM_AREA_THREADS_OFFSET,
		.state_fd = w->home_state,
	};
	int result = om_home_open(w->pc1, &options, &w->home);
	for (uint32_t i = 0; !result && i < w->threads; i++)
		result = om_home_thread(w->home, i, w->deputy_tids[i]);
	errno = -result;
	if (result)
		world_die("home");
}

void world_close_remote(struct world *w)
{
	om_gate_close(w->gate);
	om_remote_close(w->remote);
	if (w->forked.remote)
		forked_close_remote(w);
}

void world_open_body(struct world *w)
{
	struct om_remote_options options = {
		.key = KEY,
		.epoch = 1,
		.pid = w->body,
		.pidfd = w->body_pidfd,
		.gate = w->gate,
		.home = "pc1",
		.area = AREA,
		.slots = SLOTS,
		.state_fd = w->remote_state,
	};
	int result = om_remote_open(w->pc2, &options, &w->remote);
	for (uint32_t i = 0; !result && i < w->threads; i++)
		result = om_remote_thread(w->remote, i, w->tids[i], 0);
	errno = -result;
	if (result)
		world_die("remote");
}

void world_remote(struct world *w)
{
	int result = om_gate_open(w->listener, w->gate_state, &w->gate);
	if (!result) {
		world_open_body(w);
		if (w->forked.body)
			forked_remote(w);
		result = om_gate_start(w->gate);
	}
	errno = -result;
	if (result)
		world_die("gate");
}

void world_take_over(struct world *w)
{
	world_close_remote(w);
	om_engine_close(w->pc2);
	world_engine(w, "pc2");
	world_remote(w);
	pthread_mutex_lock(&w->lock);
	w->delivered = w->queued;
	for (uint32_t i = 0; i < SLOTS; i++)
		w->mail[i].delivered = w->mail[i].queued;
	pthread_mutex_unlock(&w->lock);
}

static struct world *new_world(const char *dir)
{
	struct world *w = calloc(1, sizeof(*w));
	snprintf(w->dir, sizeof(w->dir), "%s", dir);
	w->threads = 1;
	w->patience_ms = 10000;
	w->shared = mmap(NULL, sizeof(*w->shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->changed, NULL);
	return w;
}

static void name_threads(struct world *w)
{
	uint8_t *arena = mmap(NULL, OM_ARENA_BYTES(SLOTS), PROT_READ, MAP_SHARED, w->arena_fd, 0);
	w->tids[0] = w->body;
	w->deputy_tids[0] = w->deputy;
	for (uint32_t i = 1; i < w->threads; i++) {
		const struct om_slot *slot = (struct om_slot *)(arena + OM_ARENA_SLOT_OFFSET(i));
		w->tids[i] = w->shared->hands[i].tid;
		while (!(w->deputy_tids[i] = (pid_t)__atomic_load_n(&slot->tid, __ATOMIC_ACQUIRE)))
			sched_yield();
	}
	munmap(arena, OM_ARENA_BYTES(SLOTS));
}

static void prepare(struct world *w)
{
	static const char *const nodes[] = {"pc1", "pc2", "pc3", NULL};
	const char *dir = w->dir;
	make_cluster(dir, "cluster", nodes);
	w->arena_fd = world_memfd("arena", OM_ARENA_BYTES(SLOTS));
	w->home_state = world_memfd("home", OM_STATE_BYTES(SLOTS));
	w->remote_state = world_memfd("remote", OM_STATE_BYTES(SLOTS));
	w->gate_state = world_memfd("gate", OM_STATE_BYTES(0));
	w->wake = eventfd(0, EFD_CLOEXEC);
	w->deputy = fork();
	if (!w->deputy)
		run_deputy(w);
	w->body = fork();
	if (!w->body)
		run_body(w);
	w->deputy_pidfd = (int)syscall(SYS_pidfd_open, w->deputy, 0);
	w->body_pidfd = (int)syscall(SYS_pidfd_open, w->body, 0);
	wait_stage(w->shared, 1);
	name_threads(w);
	w->listener = (int)syscall(SYS_pidfd_getfd, w->body_pidfd, w->shared->listener, 0);
	if (w->listener < 0)
		world_die("listener");
	world_engine(w, "pc1");
	world_engine(w, "pc2");
	world_home(w);
	world_remote(w);
	pthread_create(&w->tracer, NULL, tracer_run, w);
}

struct world *world_prepare(const char *dir, void (*function)(struct shared *))
{
	struct world *w = new_world(dir);
	w->function = function;
	prepare(w);
	return w;
}

struct world *crew_prepare(const char *dir, uint32_t threads, void (*work)(struct shared *, uint32_t))
{
	struct world *w = new_world(dir);
	w->threads = threads;
	w->work = work;
	prepare(w);
	return w;
}

void world_start(struct world *w)
{
	int result = om_remote_start(w->remote, 10000);
	if (result) {
		errno = -result;
		world_die("start");
	}
	set_stage(w->shared, 2);
}

static struct world *open_prepared(struct world *w)
{
	om_home_expect(w->home, "pc2", 1, false, 0);
	world_start(w);
	return w;
}

struct world *world_open(const char *dir, void (*function)(struct shared *))
{
	return open_prepared(world_prepare(dir, function));
}

struct world *crew_open(const char *dir, uint32_t threads, void (*work)(struct shared *, uint32_t))
{
	return open_prepared(crew_prepare(dir, threads, work));
}

void world_wait_body(struct world *w)
{
	if (!w->ended)
		pthread_join(w->tracer, NULL);
	w->ended = true;
}

bool world_close(struct world *w)
{
	int status;
	world_wait_body(w);
	world_close_remote(w);
	om_home_close(w->home);
	forked_close(w);
	om_engine_close(w->pc2);
	om_engine_close(w->pc1);
	relay_close(w->relay);
	kill(w->deputy, SIGKILL);
	waitpid(w->deputy, &status, 0);
	bool good = !w->shared->failed;
	if (!good)
		fprintf(stderr, "  body: %s\n", w->shared->why);
	int fds[] = {w->deputy_pidfd, w->body_pidfd,   w->listener,   w->arena_fd,
		     w->home_state,   w->remote_state, w->gate_state, w->wake};
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		close(fds[i]);
	munmap(w->shared, sizeof(*w->shared));
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->changed);
	free(w);
	return good;
}
