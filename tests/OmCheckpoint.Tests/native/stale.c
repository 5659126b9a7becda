/* SPDX-License-Identifier: MIT
 *
 * Signals of timers that are no more: one for the leader, whose timer is deleted while the signal waits, and one for
 * the process, whose timer is set anew. Linux drops them when they are taken (6.13), and shows them until then. SIGUSR2
 * waits for the process beside them, and another thread takes it when a byte comes on stdin.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

__attribute__((noreturn)) static void fail(const char *what)
{
	dprintf(1, "FAILED %s, errno %d\n", what, errno);
	_exit(1);
}

static void await_pending(int signo)
{
	sigset_t pending;

	do {
		usleep(1000);
		sigpending(&pending);
	} while (!sigismember(&pending, signo));
}

static void *take(void *nothing)
{
	struct timespec patience = {.tv_sec = 2};
	sigset_t set;
	char byte;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	if (read(0, &byte, 1) != 1)
		fail("read");
	if (sigtimedwait(&set, NULL, &patience) != SIGUSR2)
		fail("SIGUSR2 is lost");
	return NULL;
}

int main(void)
{
	struct itimerspec once = {.it_value.tv_nsec = 1000000}, never = {.it_value.tv_sec = 1000000};
	struct sigevent directed = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN + 1};
	struct sigevent shared = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 2};
	pthread_t thread;
	timer_t timer;
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	if (pthread_create(&thread, NULL, take, NULL))
		fail("pthread_create");
	directed.sigev_notify_thread_id = gettid();
	if (timer_create(CLOCK_MONOTONIC, &directed, &timer) || timer_settime(timer, 0, &once, NULL))
		fail("the thread's timer");
	await_pending(SIGRTMIN + 1);
	timer_delete(timer);
	if (timer_create(CLOCK_MONOTONIC, &shared, &timer) || timer_settime(timer, 0, &once, NULL))
		fail("the process's timer");
	await_pending(SIGRTMIN + 2);
	timer_settime(timer, 0, &never, NULL);
	kill(getpid(), SIGUSR2);
	dprintf(1, "ready\n");
	pthread_join(thread, NULL);
	dprintf(1, "ok\n");
	return 0;
}
