/* SPDX-License-Identifier: MIT
 *
 * steps CMD [ARG]...: runs a command one instruction at a time and prints how many it executed in user space after its
 * last execve. Without address randomization the number is the same each time, so what is in a program's way shows.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	unsigned long steps = 0;
	int status;

	if (argc < 2)
		return 2;
	personality(ADDR_NO_RANDOMIZE);
	pid_t child = fork();
	if (child == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		execvp(argv[1], argv + 1);
		fprintf(stderr, "%s: %s\n", argv[1], strerror(errno));
		_exit(127);
	}
	waitpid(child, &status, 0);
	ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL);
	for (int signal = 0;; steps++) {
		if (ptrace(PTRACE_SINGLESTEP, child, 0, signal))
			return 1;
		waitpid(child, &status, 0);
		if (!WIFSTOPPED(status))
			break;
		if (status >> 8 == (SIGTRAP | PTRACE_EVENT_EXEC << 8))
			steps = 0;
		signal = WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);
	}
	printf("%lu instructions, status %d\n", steps,
	       WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	return 0;
}
