/* SPDX-License-Identifier: MIT
 * Signals that every thread blocks and one waits for (sigwaitinfo(2), sigwait(3)): real-time ones come each with its
 * value, lowest number first and those of one sender in order, none lost. Timers that signal a certain thread
 * (SIGEV_THREAD_ID) or start one (SIGEV_THREAD) do, while other threads would take the signal as well. */
#include "workload.h"
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

#define SENDERS 4
#define KINDS   3
#define EACH    30
#define TICKERS 3
#define TICKS   4
#define SENT    (SIGRTMIN + 1) /* and the next two */
#define TIMED   (SIGRTMIN + 4)

static sem_t ready, said, notified, ticked[TICKERS];

static sigset_t set_of(int first, int last)
{
	sigset_t set;
	CHECK(sigemptyset(&set) == 0);
	for (int signo = first; signo <= last; signo++)
		CHECK(sigaddset(&set, signo) == 0);
	return set;
}

static int value_of(int sender, int number)
{
	return sender << 16 | number;
}

/* What was sent before it began to wait is in the order of signal(7); what is sent from then on, in that of its sender.
 */
static void *dispatch(void *nothing)
{
	sigset_t set = set_of(SENT, SENT + KINDS - 1);
	struct timespec patience = {.tv_nsec = 3000000};
	int next[SENDERS][KINDS] = {0};
	siginfo_t info;
	CHECK(sigaddset(&set, SIGTERM) == 0);
	for (int kind = 0; kind < KINDS; kind++)
		for (int i = 0; i < EACH; i++) {
			CHECK(sigwaitinfo(&set, &info) == SENT + kind && info.si_value.sival_int == i);
			CHECK(info.si_code == SI_QUEUE && info.si_pid == getpid() && info.si_uid == getuid());
		}
	CHECK(sem_post(&ready) == 0);
	int terms = 0;
	for (int left = SENDERS * KINDS * EACH; left > 0 || terms == 0;) {
		int signo = sigtimedwait(&set, &info, &patience);
		CHECK(signo > 0 || errno == EAGAIN);
		if (signo == SIGTERM) {
			CHECK(info.si_code == SI_USER && ++terms <= SENDERS * EACH);
		} else if (signo > 0) {
			int sender = info.si_value.sival_int >> 16, kind = signo - SENT;
			CHECK(kind >= 0 && kind < KINDS && sender >= 0 && sender < SENDERS);
			CHECK(info.si_value.sival_int == value_of(sender, next[sender][kind]++));
			left--;
		}
	}
	return NULL;
}

static void *send_many(void *number)
{
	for (int i = 0; i < EACH; i++) {
		for (int kind = KINDS - 1; kind >= 0; kind--) {
			union sigval value = {.sival_int = value_of((int)(long)number, i)};
			CHECK(sigqueue(getpid(), SENT + kind, value) == 0);
		}
		CHECK(kill(getpid(), SIGTERM) == 0); /* many of these make one or more */
	}
	return NULL;
}

static void *await_each(void *nothing)
{
	sigset_t set = set_of(SIGUSR2, SIGUSR2);
	int signo;
	for (int i = 0; i < 10; i++)
		CHECK(sigwait(&set, &signo) == 0 && signo == SIGUSR2 && sem_post(&said) == 0);
	return NULL;
}

static void dispatched(void)
{
	pthread_t dispatcher, waiter, senders[SENDERS];
	for (int i = 0; i < EACH; i++)
		for (int kind = KINDS - 1; kind >= 0; kind--)
			CHECK(sigqueue(getpid(), SENT + kind, (union sigval){.sival_int = i}) == 0);
	CHECK(pthread_create(&dispatcher, NULL, dispatch, NULL) == 0 && sem_wait(&ready) == 0);
	CHECK(pthread_create(&waiter, NULL, await_each, NULL) == 0);
	for (long i = 0; i < SENDERS; i++)
		CHECK(pthread_create(&senders[i], NULL, send_many, (void *)i) == 0);
	for (int i = 0; i < 10; i++)
		CHECK(kill(getpid(), SIGUSR2) == 0 && sem_wait(&said) == 0);
	for (int i = 0; i < SENDERS; i++)
		CHECK(pthread_join(senders[i], NULL) == 0);
	CHECK(pthread_join(dispatcher, NULL) == 0 && pthread_join(waiter, NULL) == 0);
	struct timespec none = {0};
	sigset_t set = set_of(SIGTERM, SIGTERM);
	siginfo_t info;
	sigtimedwait(&set, &info, &none); /* the last one may have come too late */
	set = set_of(SENT, SENT + KINDS - 1);
	CHECK_ERRNO(sigtimedwait(&set, &info, &none), EAGAIN);
}

static __thread volatile sig_atomic_t ticks_here, number_here;

static void on_tick(int signo, siginfo_t *info, void *context)
{
	CHECK(info->si_code == SI_TIMER && number_here == info->si_value.sival_int);
	ticks_here = ticks_here + 1;
	CHECK(sem_post(&ticked[number_here - 1]) == 0);
}

static sem_t enough[TICKERS];
static pid_t tids[TICKERS];

static void *be_ticked(void *number)
{
	sigset_t set = set_of(TIMED, TIMED);
	number_here = (int)(long)number + 1;
	tids[(long)number] = gettid();
	CHECK(pthread_sigmask(SIG_UNBLOCK, &set, NULL) == 0 && sem_post(&ready) == 0);
	while (sem_wait(&enough[(long)number]) == -1)
		CHECK(errno == EINTR);
	return (void *)(long)ticks_here;
}

static void on_notification(union sigval value)
{
	sigset_t all;
	/* glibc begins it with nothing blocked. It must not take what is sent to the process later on. */
	CHECK(sigfillset(&all) == 0 && pthread_sigmask(SIG_BLOCK, &all, NULL) == 0);
	CHECK(value.sival_int == 4711 && gettid() != getpid() && sem_post(&notified) == 0);
}

static void timers(void)
{
	pthread_t threads[TICKERS];
	timer_t timer[TICKERS], starting;
	struct itimerspec often = {{.tv_nsec = 1500000}, {.tv_nsec = 1500000}}, once = {.it_value.tv_nsec = 1000000};
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = TIMED};
	sigset_t set = set_of(TIMED, TIMED);
	CHECK(pthread_sigmask(SIG_UNBLOCK, &set, NULL) == 0); /* we would take them as well */
	for (long i = 0; i < TICKERS; i++) {
		CHECK(pthread_create(&threads[i], NULL, be_ticked, (void *)i) == 0 && sem_wait(&ready) == 0);
		event.sigev_value.sival_int = (int)i + 1;
		event.sigev_notify_thread_id = tids[i];
		CHECK(timer_create(i % 2 ? CLOCK_MONOTONIC : CLOCK_REALTIME, &event, &timer[i]) == 0);
		CHECK(timer_settime(timer[i], 0, &often, NULL) == 0);
	}
	event = (struct sigevent){
		.sigev_notify = SIGEV_THREAD, .sigev_value.sival_int = 4711, .sigev_notify_function = on_notification};
	CHECK(timer_create(CLOCK_MONOTONIC, &event, &starting) == 0 && timer_settime(starting, 0, &once, NULL) == 0);
	for (int i = 0; i < TICKERS; i++) {
		void *ticks;
		for (int ticks_left = TICKS; ticks_left > 0; ticks_left--)
			CHECK(sem_wait(&ticked[i]) == 0);
		CHECK(timer_getoverrun(timer[i]) >= 0 && timer_delete(timer[i]) == 0 && sem_post(&enough[i]) == 0);
		CHECK(pthread_join(threads[i], &ticks) == 0 && (long)ticks >= TICKS);
		while (sem_trywait(&ticked[i]) == 0)
			;
	}
	CHECK(sem_wait(&notified) == 0 && timer_delete(starting) == 0);
	CHECK(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_sigaction = on_tick, .sa_flags = SA_SIGINFO};
	sigset_t all;
	CHECK(sigaction(TIMED, &action, NULL) == 0 && sem_init(&ready, 0, 0) == 0 && sem_init(&said, 0, 0) == 0);
	CHECK(sem_init(&notified, 0, 0) == 0);
	for (int i = 0; i < TICKERS; i++)
		CHECK(sem_init(&ticked[i], 0, 0) == 0 && sem_init(&enough[i], 0, 0) == 0);
	CHECK(sigfillset(&all) == 0 && pthread_sigmask(SIG_BLOCK, &all, NULL) == 0);
	workload_begin(argc, argv);
	while (workload_running()) {
		dispatched();
		timers();
	}
	return workload_ok("thread_sigwait");
}
