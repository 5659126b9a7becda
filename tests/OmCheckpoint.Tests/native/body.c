/* SPDX-License-Identifier: MIT
 *
 * A body that carries one of everything, spins until SIGUSR1, and then looks whether all of it is still there: vector
 * registers, memory of every kind, handlers and their stack, signals that wait, rseq, robust list, clocks, brk,
 * arguments.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <immintrin.h>
#include <linux/rseq.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PATTERN_BYTES (8u << 20)
#define QUEUED        3

static volatile sig_atomic_t go;
static volatile uintptr_t handler_stack;
static volatile int handler_value;
static char alternate[65536];
static pid_t original; /* a move within one pid namespace changes the pid */

static void check(int good, const char *what)
{
	if (good)
		return;
	dprintf(1, "FAILED %s, errno %d\n", what, errno);
	_exit(1);
}

static int64_t now(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void on_usr1(int signo, siginfo_t *info, void *context)
{
	int local = 0;

	handler_stack = (uintptr_t)&local;
	handler_value = info->si_value.sival_int;
	go = 1;
}

static void fill(uint64_t *words, size_t bytes, uint64_t seed)
{
	for (size_t i = 0; i < bytes / 8; i++)
		words[i] = (seed + i) * 0x9e3779b97f4a7c15ull;
}

static int is_filled(const uint64_t *words, size_t bytes, uint64_t seed)
{
	for (size_t i = 0; i < bytes / 8; i++)
		if (words[i] != (seed + i) * 0x9e3779b97f4a7c15ull)
			return 0;
	return 1;
}

__attribute__((target("avx512f,avx512bw"))) static void spin_avx512(void)
{
	static uint8_t in[32 * 64] __attribute__((aligned(64))), out[32 * 64] __attribute__((aligned(64)));
	uint64_t masks[2] = {0, 0};

	fill((uint64_t *)in, sizeof(in), 512);
	__asm__ volatile("mov %2, %%rax\n"
			 "vmovdqa64 0(%%rax), %%zmm0\n vmovdqa64 64(%%rax), %%zmm1\n"
			 "vmovdqa64 448(%%rax), %%zmm7\n vmovdqa64 960(%%rax), %%zmm15\n"
			 "vmovdqa64 1024(%%rax), %%zmm16\n vmovdqa64 1984(%%rax), %%zmm31\n"
			 "mov $0x123456789abcdef0, %%rcx\n kmovq %%rcx, %%k1\n not %%rcx\n kmovq %%rcx, %%k7\n"
			 "1: pause\n cmpl $0, %1\n je 1b\n"
			 "mov %3, %%rax\n"
			 "vmovdqa64 %%zmm0, 0(%%rax)\n vmovdqa64 %%zmm1, 64(%%rax)\n"
			 "vmovdqa64 %%zmm7, 448(%%rax)\n vmovdqa64 %%zmm15, 960(%%rax)\n"
			 "vmovdqa64 %%zmm16, 1024(%%rax)\n vmovdqa64 %%zmm31, 1984(%%rax)\n"
			 "kmovq %%k1, 0(%0)\n kmovq %%k7, 8(%0)\n vzeroupper\n"
			 :
			 : "r"(masks), "m"(go), "r"(in), "r"(out)
			 : "rax", "rcx", "memory", "zmm0", "zmm1", "zmm7", "zmm15", "zmm16", "zmm31", "k1", "k7");
	static const int used[] = {0, 1, 7, 15, 16, 31};
	for (unsigned i = 0; i < sizeof(used) / sizeof(used[0]); i++)
		check(!memcmp(in + 64 * used[i], out + 64 * used[i], 64), "AVX-512 register");
	check(masks[0] == 0x123456789abcdef0ull && masks[1] == ~0x123456789abcdef0ull, "mask registers");
}

__attribute__((target("avx2"))) static void spin_avx2(void)
{
	static uint8_t in[64] __attribute__((aligned(64))), out[64] __attribute__((aligned(64)));

	fill((uint64_t *)in, sizeof(in), 2);
	__asm__ volatile("mov %1, %%rax\n vmovdqa 0(%%rax), %%ymm3\n vmovdqa 32(%%rax), %%ymm12\n"
			 "1: pause\n cmpl $0, %0\n je 1b\n"
			 "mov %2, %%rax\n vmovdqa %%ymm3, 0(%%rax)\n vmovdqa %%ymm12, 32(%%rax)\n vzeroupper\n"
			 :
			 : "m"(go), "r"(in), "r"(out)
			 : "rax", "memory", "xmm3", "xmm12");
	check(!memcmp(in, out, sizeof(in)), "AVX2 register");
}

static void spin(void)
{
	if (__builtin_cpu_supports("avx512bw"))
		spin_avx512();
	else if (__builtin_cpu_supports("avx2"))
		spin_avx2();
	else
		while (!go)
			__builtin_ia32_pause();
}

static uint32_t rseq_cpu(void)
{
	return *(volatile uint32_t *)((char *)__builtin_thread_pointer() + __rseq_offset +
				      offsetof(struct rseq, cpu_id));
}

static void check_signals(const sigset_t *blocked, const stack_t *stack)
{
	struct timespec none = {0, 0};
	struct sigaction action;
	sigset_t mask;
	stack_t seen;

	check(handler_stack >= (uintptr_t)alternate && handler_stack < (uintptr_t)alternate + sizeof(alternate),
	      "altstack used");
	check(handler_value == 4711, "value of the signal");
	check(sigtimedwait(blocked, NULL, &none) == SIGRTMIN + 4,
	      "thread's signal"); /* the thread's own queue comes first */
	for (int i = 0; i < QUEUED; i++) {
		siginfo_t info;

		check(sigtimedwait(blocked, &info, &none) == SIGRTMIN + 3, "queued signal");
		check(info.si_value.sival_int == 100 + i && info.si_code == SI_QUEUE && info.si_pid == original,
		      "its siginfo");
	}
	check(sigtimedwait(blocked, NULL, &none) == -1 && errno == EAGAIN, "no signal more");
	sigprocmask(SIG_SETMASK, NULL, &mask);
	check(sigismember(&mask, SIGRTMIN + 3) == 1 && sigismember(&mask, SIGTERM) == 0, "mask");
	sigaction(SIGUSR1, NULL, &action);
	check(action.sa_sigaction == on_usr1 && (action.sa_flags & SA_ONSTACK), "handler");
	sigaction(SIGPIPE, NULL, &action);
	check(action.sa_handler == SIG_IGN, "ignored signal");
	sigaltstack(NULL, &seen);
	check(seen.ss_sp == stack->ss_sp && seen.ss_size == stack->ss_size, "altstack");
}

int main(int argc, char **argv)
{
	uint64_t *pattern = mmap(NULL, PATTERN_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t *hidden = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t *sparse =
		mmap(NULL, 1u << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	int self = open("/proc/self/exe", O_RDONLY);
	uint64_t *file = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, self, 0);
	const char *shared = mmap(NULL, 4096, PROT_READ, MAP_SHARED, self, 0);
	struct sigaction action = {.sa_sigaction = on_usr1, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
	stack_t stack = {.ss_sp = alternate, .ss_size = sizeof(alternate)};
	char cmdline[256] = {0}, cmdline2[256] = {0}, name[16];
	void *robust, *robust2, *top = sbrk(0);
	size_t robust_bytes;
	sigset_t blocked;
	unsigned cpu, rounding, mxcsr = _mm_getcsr() | 0x6000;

	(void)argc;
	original = getpid();
	fill(pattern, PATTERN_BYTES, 1);
	memset(pattern + 4096, 0, 65536);
	fill(hidden, 65536, 9);
	mprotect(hidden, 65536, PROT_NONE);
	for (int i = 0; i < 16; i++)
		sparse[(size_t)i << 23] = 1000 + i;
	fill(file + 512, 4096, 5);
	close(self);
	mprotect(pattern + 65536, 4096, PROT_READ);
	madvise(sparse, 1u << 30, MADV_NOHUGEPAGE);

	sigaltstack(&stack, NULL);
	sigaction(SIGUSR1, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGRTMIN + 3);
	sigaddset(&blocked, SIGRTMIN + 4);
	sigprocmask(SIG_BLOCK, &blocked, NULL);
	for (int i = 0; i < QUEUED; i++)
		sigqueue(getpid(), SIGRTMIN + 3, (union sigval){.sival_int = 100 + i});
	syscall(SYS_tgkill, getpid(), getpid(), SIGRTMIN + 4);
	prctl(PR_SET_NAME, "one (of) us");
	syscall(SYS_get_robust_list, 0, &robust, &robust_bytes);
	int fd = open("/proc/self/cmdline", O_RDONLY);
	check(read(fd, cmdline, sizeof(cmdline)) > 0, "cmdline");
	close(fd);
	_mm_setcsr(mxcsr);

	int64_t monotonic = now(CLOCK_MONOTONIC), boot = now(CLOCK_BOOTTIME);
	check(write(1, "ready\n", 6) == 6, "write");

	spin();

	check(now(CLOCK_MONOTONIC) >= monotonic && now(CLOCK_BOOTTIME) >= boot, "clocks go on");
	rounding = _mm_getcsr();
	check((rounding & 0x6000) == 0x6000, "MXCSR");
	_mm_setcsr(mxcsr & ~0x6000u);
	check(is_filled(pattern, 4096 * 8, 1), "pattern");
	for (int i = 4096; i < 4096 + 8192; i++)
		check(pattern[i] == 0, "zero pages");
	check(is_filled(pattern + 16384, PATTERN_BYTES - 16384 * 8, 1 + 16384), "rest of the pattern");
	mprotect(hidden, 65536, PROT_READ);
	check(is_filled(hidden, 65536, 9), "memory without permission");
	for (int i = 0; i < 16; i++)
		check(sparse[(size_t)i << 23] == 1000u + i && sparse[((size_t)i << 23) + 4096] == 0, "sparse memory");
	check(is_filled(file + 512, 4096, 5) && !memcmp(file, "\177ELF", 4), "private file");
	check(!memcmp(shared, "\177ELF", 4), "shared file");
	madvise(file, 8192, MADV_DONTNEED);
	check(!memcmp(file, "\177ELF", 4), "file behind the private page");
	check_signals(&blocked, &stack);
	prctl(PR_GET_NAME, name);
	check(!strcmp(name, "one (of) us"), "name");
	syscall(SYS_get_robust_list, 0, &robust2, &robust_bytes);
	check(robust == robust2 && robust_bytes == 24, "robust list");
	check(__rseq_size > 0, "rseq registered");
	do
		syscall(SYS_getcpu, &cpu, NULL, NULL);
	while (cpu != rseq_cpu());
	check(sbrk(0) == top && sbrk(65536) == top, "brk");
	memset(top, 1, 65536);
	check(getauxval(AT_PAGESZ) == 4096, "auxv");
	fd = open("/proc/self/cmdline", O_RDONLY);
	check(fd >= 0 && read(fd, cmdline2, sizeof(cmdline2)) > 0 && !memcmp(cmdline, cmdline2, sizeof(cmdline)),
	      argv[0]);
	char *deep = alloca(1u << 20);
	memset(deep, 7, 1u << 20);
	check(deep[12345] == 7, "stack grows");
	check(write(1, "ok\n", 3) == 3, "write");
	return 0;
}
