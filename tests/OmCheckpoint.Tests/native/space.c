/* SPDX-License-Identifier: MIT
 *
 * A blank process of a given pid in a pid namespace of its own, for bodies whose threads are to keep their tids. Init
 * takes numbers, one a line, from the fifo of the second argument: each becomes the next pid, and is answered by a byte
 * to the third's. It ends as the blank process does.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int end_of(pid_t child)
{
	int status;

	while (waitpid(child, &status, 0) != child)
		;
	if (WIFSIGNALED(status))
		kill(getpid(), WTERMSIG(status));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 99;
}

static pid_t blank;

/* Its siblings, which have init for a parent, end as they like. */
static void ended(int signo)
{
	int status;

	for (pid_t child; (child = waitpid(-1, &status, WNOHANG)) > 0;)
		if (child == blank)
			_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

static void serve(const char *in, const char *out)
{
	FILE *numbers = fopen(in, "r+"); /* a fifo that is open for both never ends */
	int answers = open(out, O_RDWR), last = open("/proc/sys/kernel/ns_last_pid", O_WRONLY);
	int number;

	for (;;) {
		if (fscanf(numbers, "%d", &number) != 1)
			_exit(98);
		if (lseek(last, 0, SEEK_SET) || dprintf(last, "%d", number - 1) < 0 || write(answers, "x", 1) != 1)
			_exit(97);
	}
}

int main(int argc, char **argv)
{
	if (argc != 4 || unshare(CLONE_NEWPID))
		return 2;
	pid_t init = fork();

	if (init)
		return end_of(init);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGCHLD, ended);
	pid_t pid = blank = atoi(argv[1]);
	struct clone_args arguments = {.exit_signal = SIGCHLD, .set_tid = (uintptr_t)&pid, .set_tid_size = 1};

	if (syscall(SYS_clone3, &arguments, sizeof(arguments)))
		serve(argv[2], argv[3]);
	signal(SIGCHLD, SIG_DFL);
	if (write(1, "blank\n", 6) != 6)
		return 1;
	for (;;)
		pause();
}
