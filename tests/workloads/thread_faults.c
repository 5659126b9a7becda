/* SPDX-License-Identifier: MIT
 * What a thread brings upon itself comes to that thread, while others go on: SIGSEGV, SIGBUS, SIGFPE, SIGILL and
 * SIGTRAP, handled on an alternate stack of its own (sigaltstack(2): each thread has one, a new thread none) and left
 * with siglongjmp; SIGPIPE of its own write, SIGABRT of its own raise. */
#include "workload.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <ucontext.h>

#define FAULTY 4
#define OTHERS 2
#define TIMES  25

enum fault { NO_ACCESS, NO_WRITE, BEYOND_FILE, DIVISION, INSTRUCTION, BREAKPOINT, BROKEN_PIPE, OWN_RAISE, FAULTS };

static const int signal_of[FAULTS] = {SIGSEGV, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGPIPE, SIGABRT};

static __thread sigjmp_buf back;
static __thread struct {
	char *stack;
	siginfo_t info;
	int caught;
} mine;

static atomic_bool enough;
static char *none, *constant, *beyond; /* pages for every thread to trip over */

static void on_fault(int signo, siginfo_t *info, void *context)
{
	char here;
	CHECK(&here > mine.stack && &here < mine.stack + 65536);
	mine.info = *info;
	mine.caught++;
	if (signo != SIGPIPE && signo != SIGABRT && signo != SIGTRAP)
		siglongjmp(back, signo);
}

static void commit(enum fault fault, int offset)
{
	static volatile int zero;
	int fds[2];
	switch (fault) {
	case NO_ACCESS:
		*(volatile char *)(none + offset);
		break;
	case NO_WRITE:
		*(volatile char *)(constant + offset) = 1;
		break;
	case BEYOND_FILE:
		*(volatile char *)(beyond + offset) = 1;
		break;
	case DIVISION:
		zero = offset / zero;
		break;
	case INSTRUCTION:
		__builtin_trap(); /* ud2 */
	case BREAKPOINT:
		asm volatile("int3");
		break;
	case BROKEN_PIPE:
		CHECK(pipe(fds) == 0 && close(fds[0]) == 0);
		CHECK_ERRNO(write(fds[1], "x", 1), EPIPE);
		CHECK(mine.caught == 1 && close(fds[1]) == 0); /* it came before the call returned */
		break;
	default:
		CHECK(raise(SIGABRT) == 0);
	}
}

static void check(enum fault fault, int offset)
{
	static const int codes[FAULTS] = {SEGV_ACCERR, SEGV_ACCERR, BUS_ADRERR, FPE_INTDIV,
					  ILL_ILLOPN,  SI_KERNEL,   SI_USER,    SI_TKILL};
	char *const addresses[FAULTS] = {none + offset, constant + offset, beyond + offset};
	CHECK(mine.caught == 1 && mine.info.si_signo == signal_of[fault] && mine.info.si_code == codes[fault]);
	CHECK(fault > BEYOND_FILE || mine.info.si_addr == addresses[fault]);
	CHECK(fault < BROKEN_PIPE || mine.info.si_pid == getpid());
}

static void *be_faulty(void *number)
{
	stack_t stack;
	sigset_t mask;
	CHECK(sigaltstack(NULL, &stack) == 0 && (stack.ss_flags & SS_DISABLE)); /* not inherited */
	stack = (stack_t){.ss_sp = mine.stack = malloc(65536), .ss_size = 65536};
	CHECK(mine.stack && sigaltstack(&stack, NULL) == 0);
	for (volatile int i = 0; i < TIMES; i++)
		for (volatile int j = 0; j < FAULTS; j++) {
			enum fault fault = (enum fault)((j + (long)number) % FAULTS);
			int offset = (int)((long)number * 700 + i);
			mine.caught = 0;
			if (sigsetjmp(back, 1) == 0)
				commit(fault, offset);
			check((enum fault)((j + (long)number) % FAULTS), (int)((long)number * 700 + i));
			CHECK(pthread_sigmask(SIG_BLOCK, NULL, &mask) == 0 && !sigismember(&mask, signal_of[fault]));
		}
	CHECK(sigaltstack(NULL, &stack) == 0 && stack.ss_sp == mine.stack && stack.ss_flags == 0);
	stack.ss_flags = SS_DISABLE;
	CHECK(sigaltstack(&stack, NULL) == 0);
	free(mine.stack);
	return number;
}

static void *go_on(void *fds)
{
	static const double thirds = 3.0;
	char page[512];
	double sum = 0;
	for (uint64_t round = 0; !atomic_load(&enough); round++) {
		workload_fill(page, sizeof(page), round);
		CHECK(write(((int *)fds)[1], page, sizeof(page)) == sizeof(page));
		CHECK(read(((int *)fds)[0], page, sizeof(page)) == sizeof(page) &&
		      workload_filled(page, sizeof(page), round));
		sum = 0;
		for (int i = 0; i < 1000; i++)
			sum += i / thirds;
		CHECK(sum > 166499.99 && sum < 166500.01);
	}
	CHECK(mine.caught == 0);
	return NULL;
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
	pthread_t faulty[FAULTY], others[OTHERS];
	int fds[OTHERS][2];
	for (int i = 0; i < FAULTS; i++)
		CHECK(sigaction(signal_of[i], &action, NULL) == 0);
	int file = memfd_create("short", MFD_CLOEXEC);
	none = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	constant = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	beyond = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
	CHECK(none != MAP_FAILED && constant != MAP_FAILED && beyond != MAP_FAILED);
	for (int i = 0; i < OTHERS; i++) {
		CHECK(pipe(fds[i]) == 0 && pthread_create(&others[i], NULL, go_on, fds[i]) == 0);
	}
	workload_begin(argc, argv);
	while (workload_running()) {
		void *gave;
		for (long i = 0; i < FAULTY; i++)
			CHECK(pthread_create(&faulty[i], NULL, be_faulty, (void *)i) == 0);
		for (long i = 0; i < FAULTY; i++)
			CHECK(pthread_join(faulty[i], &gave) == 0 && gave == (void *)i);
		CHECK(mine.caught == 0);
	}
	atomic_store(&enough, true);
	for (int i = 0; i < OTHERS; i++)
		CHECK(pthread_join(others[i], NULL) == 0);
	return workload_ok("thread_faults");
}
