/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "om_syscall_filter.inc"
#include "processes.h"
#include "world.h"

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
		world_die("agent");
	mprotect(code, OM_AREA_CODE_BYTES, PROT_READ | PROT_EXEC);
}

struct kernel_action {
	uint64_t handler, flags, restorer, mask;
};

static struct om_slot *slot_of(uint32_t index)
{
	return (struct om_slot *)(ARENA + OM_ARENA_SLOT_OFFSET(index));
}

static uint64_t tls_of(uint32_t index)
{
	return AREA + OM_AREA_THREADS_OFFSET + (uint64_t)index * OM_THREAD_BYTES + OM_THREAD_TLS;
}

static uint64_t entry(void)
{
	return AREA + ((const struct om_agent_header *)AREA)->deputy_entry;
}

static void set_slot(uint32_t index)
{
	struct om_slot *slot = slot_of(index);
	slot->index = index;
	slot->arena = ARENA;
	slot->data = ARENA + OM_ARENA_SLOT_OFFSET(index) + OM_SLOT_HEADER_BYTES;
}

_Noreturn static void enter(uint32_t index)
{
	__asm__ volatile("mov %0, %%rdi\n mov %1, %%rsi\n mov %1, %%rsp\n jmp *%2"
			 :
			 : "r"(slot_of(index)), "r"(tls_of(index)), "r"(entry())
			 : "rdi", "rsi", "memory");
	__builtin_unreachable();
}

/* The new thread has the registers of this one, its stack apart. */
static void start_thread(uint32_t index)
{
	uint64_t slot = (uint64_t)slot_of(index), tls = tls_of(index), at = entry(), tid;
	register uint64_t thread_slot __asm__("r9") = slot; /* behind all calls, which would change them */
	register uint64_t thread_entry __asm__("r12") = at;
	__asm__ volatile("xor %%edx, %%edx\n xor %%r10d, %%r10d\n xor %%r8d, %%r8d\n syscall\n"
			 "test %%rax, %%rax\n jnz 1f\n"
			 "mov %%r9, %%rdi\n mov %%rsp, %%rsi\n jmp *%%r12\n1:"
			 : "=a"(tid)
			 : "a"(SYS_clone), "D"(THREAD_FLAGS), "S"(tls), "r"(thread_slot), "r"(thread_entry)
			 : "rdx", "r10", "r8", "rcx", "r11", "memory");
	slot_of(index)->tid = (uint32_t)tid;
}

void run_deputy(struct world *w)
{
	const struct om_agent_header *header = (void *)AREA;
	uint64_t all = ~0ull;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpgid(0, 0); /* by which it is told from the body */
	map_agent();
	if (mmap((void *)ARENA, OM_ARENA_BYTES(SLOTS), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE,
		 w->arena_fd, 0) == MAP_FAILED)
		world_die("arena");
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
	((struct om_arena *)ARENA)->slots = SLOTS;
	for (uint32_t i = 0; i < w->threads; i++)
		set_slot(i);
	for (uint32_t i = 1; i < w->threads; i++)
		start_thread(i);
	enter(0);
}

/* ---- the body -------------------------------------------------------------------------------------------- */

/* Of its threads: what they share they have from before the fork. */
static struct world *world;

static void *run_hand(void *argument)
{
	struct shared *s = world->shared;
	uint32_t index = (uint32_t)(uintptr_t)argument;
	s->hands[index].tid = gettid();
	syscall(SYS_futex, &s->hands[index].tid, FUTEX_WAKE, 1, NULL, NULL, 0);
	wait_stage(s, 2);
	world->work(s, index);
	return NULL;
}

static void run_hands(struct world *w, pthread_t *threads)
{
	world = w;
	for (uintptr_t i = 1; i < w->threads; i++) {
		atomic_int *tid = &w->shared->hands[i].tid;
		if (pthread_create(&threads[i], NULL, run_hand, (void *)i))
			world_die("a thread of the body");
		while (!*tid)
			syscall(SYS_futex, tid, FUTEX_WAIT, 0, NULL, NULL, 0);
	}
}

void run_body(struct world *w)
{
	pthread_t threads[SLOTS];
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	map_agent(); /* its batch queues signals */
	run_hands(w, threads);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	struct sock_fprog program = {sizeof(om_syscall_filter) / sizeof(om_syscall_filter[0]),
				     (struct sock_filter *)om_syscall_filter};
	w->shared->listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
					   SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV |
						   SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH,
					   &program);
	w->shared->hands[0].tid = getpid();
	set_stage(w->shared, 1);
	wait_stage(w->shared, 2);
	if (w->function)
		w->function(w->shared);
	else
		w->work(w->shared, 0);
	for (uint32_t i = 1; i < w->threads; i++)
		pthread_join(threads[i], NULL);
	syscall(SYS_exit_group, 0);
	__builtin_unreachable();
}
