/* SPDX-License-Identifier: MIT
 *
 * As many threads as its argument says (a multiple of the kinds below), each busy or asleep in its own way and with a
 * name, a mask, an alternate stack, thread-local data and vector registers of its own, which it looks at again after
 * every turn. "ready" when each has had a turn; ends when a byte comes on stdin, for which the leader waits.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <immintrin.h>
#include <linux/futex.h>
#include <linux/rseq.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define THREADS_MAX 4096
#define STACK_BYTES 65536
#define NICE        3

struct worker {
	pthread_t thread;
	pid_t tid;
	int index;
	int alternate_used;
	unsigned long turns;
	unsigned long signals;
	void *alternate;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned long given, taken; /* of a pair's first */
	uint32_t word;
	uint64_t robust;
};

static struct worker workers[THREADS_MAX];
static int count;
static volatile int stop;
static pthread_barrier_t begun;
static pthread_mutex_t shared_lock;
static unsigned long shared_value, shared_twin;
static __thread struct {
	struct worker *me;
	uint64_t pattern[64];
} own;

__attribute__((noreturn)) static void fail(const char *what, long value)
{
	dprintf(1, "FAILED thread %d: %s: %ld, errno %d\n", own.me ? own.me->index : -1, what, value, errno);
	_exit(1);
}

static void expect(int good, const char *what)
{
	if (!good)
		fail(what, 0);
}

static int64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void on_signal(int signo, siginfo_t *info, void *context)
{
	uintptr_t here = (uintptr_t)&here, from;

	if (!own.me)
		return;
	from = (uintptr_t)own.me->alternate;
	own.me->signals++;
	own.me->alternate_used = here >= from && here < from + STACK_BYTES;
}

static int own_blocked(int index)
{
	return SIGRTMIN + 1 + index % 20;
}

static void set_own(struct worker *me)
{
	stack_t stack = {.ss_sp = me->alternate = malloc(STACK_BYTES), .ss_size = STACK_BYTES};
	char name[16];
	sigset_t set;

	own.me = me;
	me->tid = (pid_t)syscall(SYS_gettid);
	for (int i = 0; i < 64; i++)
		own.pattern[i] = (uint64_t)me->index << 32 | (unsigned)i;
	sigaltstack(&stack, NULL);
	sigemptyset(&set);
	sigaddset(&set, own_blocked(me->index));
	sigaddset(&set, SIGUSR2); /* the leader's */
	pthread_sigmask(SIG_SETMASK, &set, NULL);
	snprintf(name, sizeof(name), "worker %d\\", me->index);
	prctl(PR_SET_NAME, name);
	setpriority(PRIO_PROCESS, 0, me->index % 2 ? NICE : 0);
	void *robust;
	size_t bytes;
	syscall(SYS_get_robust_list, 0, &robust, &bytes);
	me->robust = (uint64_t)robust;
}

static void check_own(struct worker *me)
{
	char name[16], wanted[16];
	unsigned cpu, seen;
	sigset_t mask;
	stack_t stack;
	void *robust;
	size_t bytes;

	expect(own.me == me, "thread-local pointer");
	for (int i = 0; i < 64; i++)
		expect(own.pattern[i] == ((uint64_t)me->index << 32 | (unsigned)i), "thread-local data");
	expect(syscall(SYS_gettid) == me->tid, "tid");
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	for (int i = 0; i < 20; i++)
		expect(sigismember(&mask, SIGRTMIN + 1 + i) == (SIGRTMIN + 1 + i == own_blocked(me->index)), "mask");
	sigaltstack(NULL, &stack);
	expect(stack.ss_sp == me->alternate && stack.ss_size == STACK_BYTES, "alternate stack");
	snprintf(wanted, sizeof(wanted), "worker %d\\", me->index);
	prctl(PR_GET_NAME, name);
	expect(!strcmp(name, wanted), "name");
	errno = 0;
	expect(getpriority(PRIO_PROCESS, 0) == (me->index % 2 ? NICE : 0), "nice value");
	syscall(SYS_get_robust_list, 0, &robust, &bytes);
	expect((uint64_t)robust == me->robust, "robust list");
	do {
		syscall(SYS_getcpu, &cpu, NULL, NULL);
		seen = *(volatile uint32_t *)((char *)__builtin_thread_pointer() + __rseq_offset +
					      offsetof(struct rseq, cpu_id));
	} while (cpu != seen);
}

/* Two threads hand a number to and fro. */
static void pair(struct worker *first, int gives)
{
	struct timespec soon;

	pthread_mutex_lock(&first->lock);
	while (!stop && (first->given == first->taken) != gives) {
		clock_gettime(CLOCK_REALTIME, &soon);
		soon.tv_sec += 100;
		pthread_cond_timedwait(&first->changed, &first->lock, &soon);
	}
	expect(first->given - first->taken <= 1, "number handed over");
	if (!stop)
		(*(gives ? &first->given : &first->taken))++;
	pthread_cond_broadcast(&first->changed);
	pthread_mutex_unlock(&first->lock);
}

static void turn_gives(struct worker *me)
{
	pair(me, 1);
}

static void turn_takes(struct worker *me)
{
	pair(me - 1, 0);
}

static void turn_sleeps(struct worker *me)
{
	struct timespec time = {0, 3000000};
	int64_t start = now();
	long result = syscall(SYS_nanosleep, &time, NULL);

	if (result || now() - start < 3000000)
		fail("nanosleep", result);
}

static void turn_waits(struct worker *me)
{
	struct timespec time = {0, 4000000};
	int64_t start = now();

	if (syscall(SYS_futex, &me->word, FUTEX_WAIT_PRIVATE, 0, &time, NULL, 0) != -1 || errno != ETIMEDOUT ||
	    now() - start < 4000000)
		fail("futex", now() - start);
}

static void turn_polls(struct worker *me)
{
	int64_t start = now();
	int result = poll(NULL, 0, 5);

	if (result || now() - start < 5000000)
		fail("poll", result);
}

/* With a handler on its alternate stack, for a signal that is for this thread only. */
static void turn_signals(struct worker *me)
{
	unsigned long before = me->signals;

	me->alternate_used = 0;
	if (pthread_kill(me->thread, SIGUSR1))
		fail("pthread_kill", 0);
	expect(me->signals == before + 1 && me->alternate_used, "its own signal");
	sched_yield();
}

static void turn_locks(struct worker *me)
{
	int error = pthread_mutex_lock(&shared_lock);

	if (error)
		fail("robust mutex", error);
	expect(shared_value == shared_twin, "what the mutex guards");
	shared_value++;
	shared_twin++;
	pthread_mutex_unlock(&shared_lock);
	sched_yield();
}

__attribute__((target("avx2"))) static void turn_computes(struct worker *me)
{
	uint64_t in[8] __attribute__((aligned(32))), out[8] __attribute__((aligned(32)));
	unsigned rounds = 20000;

	for (int i = 0; i < 8; i++)
		in[i] = own.pattern[i] * 0x9e3779b97f4a7c15ull;
	if (!__builtin_cpu_supports("avx2"))
		return;
	__asm__ volatile("vmovdqa 0(%1), %%ymm3\n vmovdqa 32(%1), %%ymm12\n"
			 "1: pause\n dec %0\n jnz 1b\n"
			 "vmovdqa %%ymm3, 0(%2)\n vmovdqa %%ymm12, 32(%2)\n vzeroupper\n"
			 : "+r"(rounds)
			 : "r"(in), "r"(out)
			 : "memory", "xmm3", "xmm12");
	expect(!memcmp(in, out, sizeof(in)), "vector registers");
}

static void (*const turns[])(struct worker *me) = {
	turn_gives, turn_takes, turn_sleeps, turn_waits, turn_polls, turn_signals, turn_locks, turn_computes,
};
#define KINDS (int)(sizeof(turns) / sizeof(turns[0]))

static void *work(void *argument)
{
	struct worker *me = argument;

	set_own(me);
	while (!stop) {
		turns[me->index % KINDS](me);
		check_own(me);
		if (!me->turns++)
			pthread_barrier_wait(&begun);
	}
	return me;
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
	pthread_mutexattr_t robust;
	pthread_attr_t small;
	void *returned;
	char byte;

	count = argc > 1 ? atoi(argv[1]) : 0;
	if (count < KINDS || count > THREADS_MAX || count % KINDS)
		return 2;
	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGUSR2, &action, NULL);
	pthread_mutexattr_init(&robust);
	pthread_mutexattr_setrobust(&robust, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&shared_lock, &robust);
	pthread_barrier_init(&begun, NULL, (unsigned)count + 1);
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, STACK_BYTES);
	for (int i = 0; i < count; i++) {
		workers[i].index = i;
		pthread_mutex_init(&workers[i].lock, NULL);
		pthread_cond_init(&workers[i].changed, NULL);
		if (pthread_create(&workers[i].thread, &small, work, &workers[i]))
			return 3;
	}
	pthread_barrier_wait(&begun);
	expect(write(1, "ready\n", 6) == 6, "write");
	expect(read(0, &byte, 1) == 1, "read");
	stop = 1;
	for (int i = 0; i < count; i++) {
		if (i % KINDS == 0) {
			pthread_mutex_lock(&workers[i].lock);
			pthread_cond_broadcast(&workers[i].changed);
			pthread_mutex_unlock(&workers[i].lock);
		}
		expect(!pthread_join(workers[i].thread, &returned) && returned == &workers[i], "join");
	}
	expect(write(1, "ok\n", 3) == 3, "write");
	return 0;
}
