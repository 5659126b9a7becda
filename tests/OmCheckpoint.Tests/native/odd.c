/* SPDX-License-Identifier: MIT
 *
 * Odd places to be stopped in. "trap": ignores SIGTRAP, which every breakpoint forces. "rseq": spins in a restartable
 * sequence, and prints its start, end and abort address first. "vfork": waits for a child that has its memory. "exec":
 * a thread executes the program again and again. Ends when a byte comes on stdin.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/rseq.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/rseq.h>
#include <sys/wait.h>
#include <unistd.h>

static int ended(void)
{
	struct pollfd fd = {0, POLLIN, 0};

	return poll(&fd, 1, 0) == 1;
}

static int trap(void)
{
	struct sigaction action;

	signal(SIGTRAP, SIG_IGN);
	printf("ready\n");
	while (!ended()) {
		sigaction(SIGTRAP, NULL, &action);
		if (action.sa_handler != SIG_IGN)
			return 1;
		raise(SIGTRAP);
	}
	return 0;
}

static int sequence(void)
{
	static struct rseq_cs section __attribute__((aligned(32)));
	volatile uint64_t *current = (volatile uint64_t *)((char *)__builtin_thread_pointer() + __rseq_offset +
							   offsetof(struct rseq, rseq_cs));
	uint64_t start, end, abort;

	__asm__("lea 1f(%%rip), %0\n lea 2f(%%rip), %1\n lea 3f(%%rip), %2\n"
		"jmp 4f\n"
		"1: pause\n jmp 1b\n"
		"2: ud2\n"
		".byte 0x0f, 0xb9, 0x3d\n .long 0x53053053\n" /* RSEQ_SIG stands before an abort address */
		"3: ret\n"
		"4:"
		: "=r"(start), "=r"(end), "=r"(abort));
	section.start_ip = start;
	section.post_commit_offset = end - start;
	section.abort_ip = abort;
	printf("%lx %lx %lx\nready\n", start, end, abort);
	while (!ended()) {
		*current = (uint64_t)&section;
		/* Into the sequence; the only way out is its abort, which returns here. */
		__asm__ volatile("sub $128, %%rsp\n call *%0\n add $128, %%rsp" : : "r"(start) : "memory", "cc");
	}
	return 0;
}

static int parent(void)
{
	printf("ready\n");
	pid_t child = vfork();

	if (child == 0) {
		char byte;

		(void)!read(0, &byte, 1);
		_exit(0);
	}
	return waitpid(child, NULL, 0) != child;
}

static void *sleep_on(void *argument)
{
	for (;;)
		pause();
	return argument;
}

static char **again;

static void *execute(void *argument)
{
	if (!ended())
		execv("/proc/self/exe", again);
	return argument;
}

/* Its threads end while one executes the program anew, under the leader's number. */
static int program(char **argv)
{
	pthread_t thread;

	if (!getenv("AGAIN")) {
		setenv("AGAIN", "1", 1);
		printf("ready\n");
	}
	again = argv;
	for (int i = 0; i < 4; i++)
		if (pthread_create(&thread, NULL, i == 3 ? execute : sleep_on, NULL))
			return 1;
	return pthread_join(thread, NULL);
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	int failed = argc != 2                  ? 1
		     : !strcmp(argv[1], "trap") ? trap()
		     : !strcmp(argv[1], "rseq") ? sequence()
		     : !strcmp(argv[1], "exec") ? program(argv)
						: parent();

	printf(failed ? "FAILED\n" : "ok\n");
	return failed;
}
