/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <sched.h>
#include <signal.h>

#include "handler.h"

static struct shared *shared;

static void on_signal(int signo, siginfo_t *info, void *context)
{
	int64_t n = shared->numbers[0]++;
	shared->numbers[1] = signo;
	shared->numbers[2] = info->si_value.sival_int;
	shared->numbers[3] = info->si_pid;
	if (info->si_code == SI_QUEUE && n < (int64_t)sizeof(shared->bytes))
		shared->bytes[n] = (char)info->si_value.sival_int;
}

void handle(struct shared *s, int signo, int flags)
{
	struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | flags};
	shared = s;
	sigaction(signo, &action, NULL);
}

void queue(pid_t pid, int signo, int value)
{
	union sigval v = {.sival_int = value};
	while (sigqueue(pid, signo, v) && errno == EAGAIN)
		sched_yield();
}
