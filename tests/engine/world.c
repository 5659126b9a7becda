/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "om_syscall_filter.inc"
#include "certificates.h"
#include "tracer.h"
#include "world.h"

static void die(const char *what)
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
	syscall(SYS_exit_group, 1);
}

void stop_deputy(struct world *w)
{
	int status;
	if (kill(w->deputy, SIGSTOP) || waitpid(w->deputy, &status, WUNTRACED) != w->deputy || !WIFSTOPPED(status))
		die("SIGSTOP");
}

/* ---- the deputy ------------------------------------------------------------------------------------------ */

static int agent_fd;

/* out/tests/om_engine_test → out/lib/om_agent.bin */
bool world_find_agent(void)
{
	char path[512];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 32);
	for (int cut = 0; n > 0 && cut < 2; n--)
		cut += path[n - 1] == '/';
	if (n <= 0)
		return false;
	strcpy(path + n, "/lib/om_agent.bin");
	agent_fd = open(path, O_RDONLY | O_CLOEXEC);
	return agent_fd >= 0;
}

static void map_agent(void)
{
	void *code = mmap((void *)AREA, OM_AREA_ARENA_OFFSET(SLOTS), PROT_READ | PROT_WRITE | PROT_EXEC,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (code != (void *)AREA ||
	    pread(agent_fd, code, OM_AREA_CODE_BYTES, 0) < (ssize_t)sizeof(struct om_agent_header))
		die("agent");
	mprotect(code, OM_AREA_CODE_BYTES, PROT_READ | PROT_EXEC);
}

struct kernel_action {
	uint64_t handler, flags, restorer, mask;
};

static void run_deputy(struct world *w)
{
	const struct om_agent_header *header = (void *)AREA;
	uint64_t all = ~0ull;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpgid(0, 0); /* by which it is told from the body */
	map_agent();
	if (mmap((void *)ARENA, OM_ARENA_BYTES(SLOTS), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE,
		 w->arena_fd, 0) == MAP_FAILED)
		die("arena");
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, NULL, 8);
	struct kernel_action action = {
		.handler = AREA + header->signal_handler,
		.flags = SA_SIGINFO | 0x04000000 /* SA_RESTORER */,
		.restorer = AREA + header->signal_restorer,
		.mask = all,
	};
	for (int signo = 1; signo <= 64; signo++)
		if (signo != SIGKILL && signo != SIGSTOP && signo != SIGTSTP && signo != SIGTTIN && signo != SIGTTOU &&
		    signo != SIGCONT)
			syscall(SYS_rt_sigaction, signo, &action, NULL, 8);
	struct om_arena *arena = (void *)ARENA;
	struct om_slot *slot = (void *)(ARENA + OM_ARENA_SLOT_OFFSET(0));
	arena->slots = SLOTS;
	slot->arena = ARENA;
	slot->data = ARENA + OM_ARENA_SLOT_OFFSET(0) + OM_SLOT_HEADER_BYTES;
	__asm__ volatile("mov %0, %%rdi\n mov %1, %%rsi\n mov %1, %%rsp\n jmp *%2"
			 :
			 : "r"(slot), "r"(AREA + OM_AREA_THREADS_OFFSET + OM_THREAD_TLS),
			   "r"(AREA + header->deputy_entry)
			 : "rdi", "rsi", "memory");
	__builtin_unreachable();
}

/* ---- the body -------------------------------------------------------------------------------------------- */

static void run_body(struct world *w)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	map_agent(); /* its batch queues signals */
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	struct sock_fprog program = {sizeof(om_syscall_filter) / sizeof(om_syscall_filter[0]),
				     (struct sock_filter *)om_syscall_filter};
	w->shared->listener =
		(int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
			     SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, &program);
	set_stage(w->shared, 1);
	wait_stage(w->shared, 2);
	w->function(w->shared);
	syscall(SYS_exit_group, 0);
}

void world_wake_tracer(struct world *w)
{
	uint64_t one = 1;
	if (write(w->wake, &one, sizeof(one)) < 0)
		die("wake");
}

/* ---- callbacks ------------------------------------------------------------------------------------------- */

static void on_claimed(void *context, uint64_t key, uint32_t epoch)
{
	((struct world *)context)->claimed = epoch;
}

static void on_gone(void *context, uint64_t key)
{
	((struct world *)context)->deputy_gone = 1;
}

static void on_ask(void *context, uint64_t key, uint64_t call, uint32_t kind, const void *request, uint32_t bytes)
{
	struct world *w = context;
	char reply[64];
	int n = snprintf(reply, sizeof(reply), "%u:%.*s", kind, (int)bytes, (const char *)request);
	om_home_reply(w->home, call, reply, (uint32_t)n);
}

/* rt_sigaction, exit...: here there is nothing to conduct. */
static void on_structural(void *context, uint64_t key, const struct om_structural *call)
{
	struct world *w = context;
	if (w->keeps_calls) {
		pthread_mutex_lock(&w->lock);
		w->structural = *call;
		pthread_mutex_unlock(&w->lock);
		world_add(w, &w->handed_out);
		return;
	}
	om_remote_conduct(w->remote, call->notification);
	om_remote_answer(w->remote, call->notification, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
}

static void on_signal(void *context, uint64_t key, uint32_t slot, const struct om_signal *signal, uint64_t notification)
{
	struct world *w = context;
	pthread_mutex_lock(&w->lock);
	w->queue[w->queued++ % 256] = *signal;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
	if (!w->holds_tracer)
		world_wake_tracer(w);
}

static void on_due(void *context, uint64_t key, uint32_t slot)
{
	struct world *w = context;
	world_add(w, &w->due);
	if (!w->holds_tracer)
		world_wake_tracer(w);
}

static void on_control(void *context, uint64_t key, uint32_t what)
{
	((struct world *)context)->control[what % 8]++;
}

static void on_link(void *context, const char *node, bool up, const char *why)
{
	struct world *w = context;
	pthread_mutex_lock(&w->lock);
	size_t used = strlen(w->log);
	snprintf(w->log + used, sizeof(w->log) - used, "%s %s: %s\n", node, up ? "up" : "down", why);
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
}

/* ---- setting up ------------------------------------------------------------------------------------------ */

static int make_memfd(const char *name, size_t bytes)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0 || ftruncate(fd, (off_t)bytes))
		die("memfd");
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
		.callbacks = {.context = w,
			      .home_claimed = on_claimed,
			      .home_deputy_gone = on_gone,
			      .home_structural = on_ask,
			      .remote_structural = on_structural,
			      .remote_signal = on_signal,
			      .remote_due = on_due,
			      .remote_control = on_control,
			      .link_state = on_link},
	};
	bool is_home = !strcmp(node, "pc1");
	int result = om_engine_open(&options, is_home ? &w->pc1 : &w->pc2);
	if (result) {
		errno = -result;
		die(w->log);
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
	if (!result)
		result = om_home_thread(w->home, 0, w->deputy);
	errno = -result;
	if (result)
		die("home");
}

void world_remote(struct world *w)
{
	struct om_remote_options options = {
		.key = KEY,
		.epoch = 1,
		.pid = w->body,
		.pidfd = w->body_pidfd,
		.listener = w->listener,
		.home = "pc1",
		.area = AREA,
		.slots = SLOTS,
		.state_fd = w->remote_state,
	};
	int result = om_remote_open(w->pc2, &options, &w->remote);
	if (!result)
		result = om_remote_thread(w->remote, 0, w->body, 0);
	errno = -result;
	if (result)
		die("remote");
}

void world_take_over(struct world *w)
{
	om_remote_close(w->remote);
	om_engine_close(w->pc2);
	world_engine(w, "pc2");
	world_remote(w);
	pthread_mutex_lock(&w->lock);
	w->delivered = w->queued;
	pthread_mutex_unlock(&w->lock);
}

struct world *world_prepare(const char *dir, void (*function)(struct shared *))
{
	static const char *const nodes[] = {"pc1", "pc2", "pc3", NULL};
	struct world *w = calloc(1, sizeof(*w));
	snprintf(w->dir, sizeof(w->dir), "%s", dir);
	w->function = function;
	w->patience_ms = 10000;
	w->shared = mmap(NULL, sizeof(*w->shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->changed, NULL);
	make_cluster(dir, "cluster", nodes);
	w->arena_fd = make_memfd("arena", OM_ARENA_BYTES(SLOTS));
	w->home_state = make_memfd("home", OM_STATE_BYTES(SLOTS));
	w->remote_state = make_memfd("remote", OM_STATE_BYTES(SLOTS));
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
	w->listener = (int)syscall(SYS_pidfd_getfd, w->body_pidfd, w->shared->listener, 0);
	if (w->listener < 0)
		die("listener");
	world_engine(w, "pc1");
	world_engine(w, "pc2");
	world_home(w);
	world_remote(w);
	pthread_create(&w->tracer, NULL, tracer_run, w);
	return w;
}

void world_start(struct world *w)
{
	int result = om_remote_start(w->remote, 10000);
	if (result) {
		errno = -result;
		die("start");
	}
	set_stage(w->shared, 2);
}

struct world *world_open(const char *dir, void (*function)(struct shared *))
{
	struct world *w = world_prepare(dir, function);
	om_home_expect(w->home, "pc2", 1, false, 0);
	world_start(w);
	return w;
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
	om_remote_close(w->remote);
	om_home_close(w->home);
	om_engine_close(w->pc2);
	om_engine_close(w->pc1);
	relay_close(w->relay);
	kill(w->deputy, SIGKILL);
	waitpid(w->deputy, &status, 0);
	bool good = !w->shared->failed;
	if (!good)
		fprintf(stderr, "  body: %s\n", w->shared->why);
	int fds[] = {w->deputy_pidfd, w->body_pidfd, w->listener, w->arena_fd, w->home_state, w->remote_state, w->wake};
	for (int i = 0; i < 7; i++)
		close(fds[i]);
	munmap(w->shared, sizeof(*w->shared));
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->changed);
	free(w);
	return good;
}
