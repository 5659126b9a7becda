/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "hostile.h"
#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#define NOBODY 65534

sigjmp_buf fault;
static volatile sig_atomic_t guarded;

static void on_fault(int number)
{
	if (!guarded)
		_exit(100 + number);
	siglongjmp(fault, number);
}

static void on_signal(int number)
{
}

void guard(void)
{
	guarded = 1;
}

void unguard(void)
{
	guarded = 0;
}

void scratch_make(const char *path)
{
	if (mmap(SCRATCH, SCRATCH_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) !=
	    SCRATCH)
		_exit(99);
	strcpy(SCRATCH, path);
	strcpy(SCRATCH + SCRATCH_BYTES / 2, path);
}

long raw(long number, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}

/* The handlers have a stack of their own: some damage is to the one in use. */
static void catch_signals(void)
{
	static char stack[65536];
	static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS};
	static const int others[] = {SIGALRM, SIGVTALRM, SIGPIPE, SIGXFSZ, SIGIO, SIGUSR1, SIGUSR2};
	struct sigaction action = {.sa_flags = SA_ONSTACK | SA_NODEFER};
	stack_t alternative = {.ss_sp = stack, .ss_size = sizeof(stack)};

	sigaltstack(&alternative, NULL);
	action.sa_handler = on_fault;
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		sigaction(faults[i], &action, NULL);
	action.sa_handler = on_signal;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		sigaction(others[i], &action, NULL);
}

static void obey(char *line)
{
	char *arguments = strchr(line, ' ');

	if (arguments)
		*arguments++ = 0;
	if (!strcmp(line, "reach"))
		return reach(arguments);
	if (!strcmp(line, "numbers"))
		return numbers(arguments);
	if (!strcmp(line, "number"))
		return one_number(arguments);
	for (const struct damage *damage = damages; damage->name; damage++)
		if (!strcmp(line, damage->name))
			return damage->make();
	exit(98);
}

int main(void)
{
	static char line[16384];

	if (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) || setresuid(NOBODY, NOBODY, NOBODY) ||
	    prctl(PR_SET_DUMPABLE, 1))
		return 97;
	setvbuf(stdout, NULL, _IOLBF, 0);
	catch_signals();
	for (int command = 1; fgets(line, sizeof(line), stdin); command++) {
		line[strcspn(line, "\n")] = 0;
		obey(line);
		printf("done %d\n", command);
	}
	return 0;
}
