/* SPDX-License-Identifier: MIT
 *
 * System calls by number, known or not, with arguments that no program gives. One line for each number says what came
 * of it with each set: an error, "+" for success, "!" for a fault. Whatever a call has done to this process is undone
 * before the next one: descriptors, the scratch memory, the signal mask, timers.
 */
#define _GNU_SOURCE
#include "hostile.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define SETS  6
#define PID   70 /* somebody's, on every node; in no namespace of ours */
#define OTHER (SCRATCH + SCRATCH_BYTES / 2)
#define PATH  "/etc/passwd" /* is there at home; a cell has no file at all */
#define L(p)  ((long)(p))

static const long sets[SETS][6] = {
	{-1, -1, -1, -1, -1, -1},
	{L(SCRATCH), L(SCRATCH), L(SCRATCH), L(SCRATCH), L(SCRATCH), L(SCRATCH)},
	{L(SCRATCH), 4096, 7, 0x22, -1, 0},
	{PID, 0, L(SCRATCH), 4096, L(OTHER), 0},
	{AT_FDCWD, L(SCRATCH), L(OTHER), 0, 0, 0},
	{L(SCRATCH), L(OTHER), 0, 0, 0, 0},
};

/* Brings the body home, which is tried one at a time elsewhere: with -1, MAP_HUGETLB, MSG_ZEROCOPY, a clock of a
 * process; with descriptor 0, a pipe is mapped. And lsm_list_modules with a size far beyond the memory behind it:
 * natively it does not look that far. */
static bool is_left_out_with(long number, int set)
{
	switch (number) {
	case SYS_mmap:
		return set == 0 || set > 3;
	case SYS_sendto:
	case SYS_sendmsg:
	case SYS_sendmmsg:
		return set == 0;
	case SYS_ioctl: /* a request that does not say how large its argument is */
		return set > 0;
	case SYS_timer_create:
		return set == 0 || set == 4;
	case 461:
		return set == 5;
	default:
		return false;
	}
}

static bool is_left_out(long number)
{
	switch (number) {
	case SYS_rt_sigreturn: /* goes to wherever the stack says */
	case SYS_exit:
	case SYS_exit_group:
	case SYS_clone: /* a process more; see one_number */
	case SYS_fork:
	case SYS_vfork:
	case SYS_clone3:
	case SYS_sync: /* everybody's disk */
	case 335:      /* uretprobe, uprobe: SIGILL natively */
	case 336:
		return true;
	default:
		return false;
	}
}

static void undo(void)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	close_range(3, ~0u, 0);
}

static long attempt(long number, const long *arguments)
{
	/* Ends what waits. */
	struct itimerval soon = {{0, 20000}, {0, 20000}}, never = {0};
	volatile long result = 0;
	int number_of_fault;

	scratch_make(PATH);
	setitimer(ITIMER_REAL, &soon, NULL);
	if ((number_of_fault = sigsetjmp(fault, 1)) == 0) {
		guard();
		result =
			raw(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], arguments[5]);
	} else {
		result = -1000 - number_of_fault;
	}
	unguard();
	setitimer(ITIMER_REAL, &never, NULL);
	if (number == SYS_msgget && result >= 0)
		msgctl((int)result, IPC_RMID, NULL);
	undo();
	return result;
}

static void print(long result)
{
	if (result <= -1000)
		printf(" !%ld", -result - 1000);
	else if (result < 0)
		printf(" %s", strerrorname_np((int)-result) ? strerrorname_np((int)-result) : "?");
	else
		printf(" +");
}

void numbers(char *arguments)
{
	for (char *word = strtok(arguments, " "); word; word = strtok(NULL, " ")) {
		long number = strtol(word, NULL, 0);

		if (is_left_out(number))
			continue;
		printf("%s:", word);
		for (int set = 0; set < SETS; set++)
			if (!is_left_out_with(number, set))
				print(attempt(number, sets[set]));
		printf("\n");
	}
}

void one_number(char *arguments)
{
	static const long flags[6] = {0x10000000 | SIGCHLD, 0, 0, 0, 0, 0}; /* CLONE_NEWUSER, where it is a flag */
	long number = strtol(arguments, NULL, 0);

	if (number == SYS_fork || number == SYS_vfork) {
		long child = raw(SYS_fork, 0, 0, 0, 0, 0, 0);
		if (child == 0)
			_exit(0);
		print(child);
		wait(NULL);
	} else {
		print(attempt(number, number == SYS_unshare || number == SYS_clone3 ? flags : sets[0]));
	}
	printf("\n");
}
