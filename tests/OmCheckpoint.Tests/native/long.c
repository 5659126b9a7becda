/* SPDX-License-Identifier: MIT
 *
 * Sleeps for as many seconds as its argument says, without asking what is left, and is content when the sleep succeeds.
 * With a second argument it waits for a signal instead, which nobody sends.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int wait_for_no_signal(const struct timespec *time)
{
	sigset_t set;
	siginfo_t info;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return sigtimedwait(&set, &info, time) == -1 && errno == EAGAIN ? 0 : -1;
}

int main(int argc, char **argv)
{
	struct timespec time = {argc > 1 ? atol(argv[1]) : 0, 0};

	if (write(1, "ready\n", 6) != 6)
		return 1;
	if (argc > 2 ? wait_for_no_signal(&time) : syscall(SYS_nanosleep, &time, NULL)) {
		perror("sleep");
		return 1;
	}
	return write(1, "ok\n", 3) == 3 ? 0 : 1;
}
