/* SPDX-License-Identifier: MIT
 *
 * A thread beside the leader that blocks signals and reads from stdin: says "ended" when a handler has ended a read,
 * and ends when a read gets something. What it blocks has to stay blocked.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static volatile int handled;

static void on_signal(int signo)
{
	handled++;
}

static void *reads(void *argument)
{
	sigset_t set, now;
	char byte;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_SETMASK, &set, NULL);
	if (write(1, "ready\n", 6) != 6)
		return "write";
	for (int ended = 0;;) {
		ssize_t got = read(0, &byte, 1);

		pthread_sigmask(SIG_SETMASK, NULL, &now);
		if (!sigismember(&now, SIGUSR1) || !sigismember(&now, SIGUSR2) || sigismember(&now, SIGTERM))
			return "mask";
		if (got == 1)
			return NULL;
		if (got != -1 || errno != EINTR || handled != ++ended)
			return "read";
		if (write(1, "ended\n", 6) != 6)
			return "write";
	}
}

int main(void)
{
	struct sigaction action = {.sa_handler = on_signal};
	pthread_t thread;
	void *wrong;
	sigset_t all;

	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGUSR2, &action, NULL);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	pthread_create(&thread, NULL, reads, NULL);
	pthread_join(thread, &wrong);
	printf(wrong ? "FAILED %s\n" : "ok\n", (char *)wrong);
	return !!wrong;
}
