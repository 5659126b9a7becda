/* SPDX-License-Identifier: MIT
 * Who takes a signal (signal(7), pthreads(7)): one for the process, the only thread that has it unblocked; one for a
 * thread, that thread, in the middle of a read too, which goes on or ends as SA_RESTART says. Masks and pending signals
 * are each thread's own, and what is pending for the process is pending for all. */
#include "workload.h"
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/time.h>

#define READERS   3
#define EACH      20
#define RESTARTS  (SIGRTMIN + 1) /* has a handler with SA_RESTART, */
#define ENDS_CALL (SIGRTMIN + 2) /* and one without */

static sem_t ready, handled, interrupted;
static atomic_int taken_by, taken_code, taken_value, values_in_order;
static int release_fds[READERS][2];

static void block_all(void)
{
	sigset_t all;
	CHECK(sigfillset(&all) == 0 && pthread_sigmask(SIG_BLOCK, &all, NULL) == 0);
}

static void unblock(int signo)
{
	sigset_t set;
	CHECK(sigemptyset(&set) == 0 && sigaddset(&set, signo) == 0 && pthread_sigmask(SIG_UNBLOCK, &set, NULL) == 0);
}

static void on_interruption(int signo)
{
	CHECK(signo == ENDS_CALL);
}

static void on_signal(int signo, siginfo_t *info, void *context)
{
	atomic_store(&taken_by, gettid());
	atomic_store(&taken_code, info->si_code);
	atomic_store(&taken_value, info->si_value.sival_int);
	if (signo == RESTARTS && info->si_value.sival_int == atomic_load(&values_in_order))
		atomic_fetch_add(&values_in_order, 1);
	CHECK(sem_post(&handled) == 0); /* async-signal-safe */
}

static void await(sem_t *semaphore)
{
	while (sem_wait(semaphore) == -1)
		CHECK(errno == EINTR);
}

static void must_be_taken(pid_t thread, int code)
{
	await(&handled);
	CHECK(atomic_load(&taken_by) == thread && atomic_load(&taken_code) == code);
}

static pid_t tids[READERS];

static void *take(void *nothing)
{
	char byte;
	tids[0] = gettid();
	unsigned int left = alarm(0); /* which another has set */
	CHECK(left > 90 && left <= 100);
	unblock(SIGALRM);
	unblock(SIGUSR1);
	unblock(RESTARTS);
	CHECK(sem_post(&ready) == 0);
	CHECK(read(release_fds[0][0], &byte, 1) == 1); /* all of them restart it */
	return NULL;
}

static void sent_to_the_process(void)
{
	pthread_t taker;
	struct itimerval timer = {.it_value.tv_usec = 3000, .it_interval.tv_usec = 2000}, none = {0};
	CHECK(alarm(100) == 0 && pthread_create(&taker, NULL, take, NULL) == 0);
	await(&ready);
	CHECK(kill(getpid(), SIGUSR1) == 0);
	must_be_taken(tids[0], SI_USER);
	atomic_store(&values_in_order, 0);
	for (int i = 0; i < EACH; i++)
		CHECK(sigqueue(getpid(), RESTARTS, (union sigval){.sival_int = i}) == 0);
	for (int i = 0; i < EACH; i++)
		must_be_taken(tids[0], SI_QUEUE);
	CHECK(atomic_load(&values_in_order) == EACH);
	CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
	for (int i = 0; i < 3; i++)
		must_be_taken(tids[0], SI_KERNEL);
	CHECK(setitimer(ITIMER_REAL, &none, NULL) == 0 && write(release_fds[0][1], "x", 1) == 1);
	CHECK(pthread_join(taker, NULL) == 0);
	/* One more tick may have come before the timer was off, and have been taken or not. */
	siginfo_t info;
	sigset_t alarms;
	struct timespec no_time = {0};
	CHECK(sigemptyset(&alarms) == 0 && sigaddset(&alarms, SIGALRM) == 0);
	sigtimedwait(&alarms, &info, &no_time);
	while (sem_trywait(&handled) == 0)
		;
}

static void *be_interrupted(void *number)
{
	int *fds = release_fds[(long)number];
	char byte;
	tids[(long)number] = gettid();
	unblock(RESTARTS);
	unblock(ENDS_CALL);
	CHECK(sem_post(&ready) == 0);
	CHECK_ERRNO(read(fds[0], &byte, 1), EINTR); /* which RESTARTS alone never does */
	block_all();
	unblock(RESTARTS);
	CHECK(sem_post(&interrupted) == 0);
	CHECK(read(fds[0], &byte, 1) == 1 && byte == 'r');
	return NULL;
}

static void sent_to_a_thread(void)
{
	pthread_t threads[READERS];
	for (long i = 0; i < READERS; i++)
		CHECK(pthread_create(&threads[i], NULL, be_interrupted, (void *)i) == 0);
	for (int i = 0; i < READERS; i++)
		await(&ready);
	for (int twice = 0; twice < 2; twice++) {
		for (int i = 0; i < 3 * READERS; i++) {
			pthread_t thread = threads[i % READERS];
			CHECK(pthread_sigqueue(thread, RESTARTS, (union sigval){.sival_int = i}) == 0);
			must_be_taken(tids[i % READERS], SI_QUEUE);
			CHECK(atomic_load(&taken_value) == i && pthread_kill(thread, RESTARTS) == 0);
			must_be_taken(tids[i % READERS], SI_TKILL);
		}
		/* Again and again: the first may come before it reads. */
		for (int i = 0; i < READERS && twice == 0; i++)
			for (bool done = false; !done;) {
				struct timespec patience;
				CHECK(syscall(SYS_tgkill, getpid(), tids[i], ENDS_CALL) == 0);
				CHECK(clock_gettime(CLOCK_REALTIME, &patience) == 0);
				patience.tv_nsec += 5000000;
				patience.tv_sec += patience.tv_nsec / 1000000000;
				patience.tv_nsec %= 1000000000;
				done = sem_timedwait(&interrupted, &patience) == 0;
			}
	}
	for (int i = 0; i < READERS; i++) {
		CHECK_ERRNO(syscall(SYS_tgkill, tids[i], tids[i], 0), ESRCH); /* no process is called that */
		CHECK(write(release_fds[i][1], "r", 1) == 1 && pthread_join(threads[i], NULL) == 0);
	}
}

static void *see_pending(void *main_thread)
{
	struct timespec none = {0};
	siginfo_t info;
	sigset_t pending, set;
	CHECK(raise(SIGUSR1) == 0 && kill(getpid(), SIGHUP) == 0 &&
	      pthread_kill(*(pthread_t *)main_thread, SIGUSR2) == 0);
	CHECK(sigpending(&pending) == 0 && sigismember(&pending, SIGUSR1) && sigismember(&pending, SIGHUP));
	CHECK(!sigismember(&pending, SIGUSR2));
	CHECK(sigemptyset(&set) == 0 && sigaddset(&set, SIGUSR2) == 0);
	CHECK_ERRNO(sigtimedwait(&set, &info, &none), EAGAIN); /* it is another's */
	return NULL;                                           /* and what is pending for us goes with us */
}

static void pending_signals(void)
{
	pthread_t self = pthread_self(), other;
	sigset_t pending, set;
	siginfo_t info;
	CHECK(pthread_create(&other, NULL, see_pending, &self) == 0 && pthread_join(other, NULL) == 0);
	CHECK(sigpending(&pending) == 0 && sigismember(&pending, SIGHUP) && sigismember(&pending, SIGUSR2));
	CHECK(!sigismember(&pending, SIGUSR1) && sigemptyset(&set) == 0 && sigaddset(&set, SIGHUP) == 0);
	CHECK(sigaddset(&set, SIGUSR2) == 0 && sigwaitinfo(&set, &info) > 0 && sigwaitinfo(&set, &info) > 0);
	CHECK(sigpending(&pending) == 0 && !sigismember(&pending, SIGHUP) && !sigismember(&pending, SIGUSR2));
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
	CHECK(sigaction(SIGUSR1, &action, NULL) == 0 && sigaction(SIGALRM, &action, NULL) == 0);
	CHECK(sigaction(RESTARTS, &action, NULL) == 0);
	action = (struct sigaction){.sa_handler = on_interruption};
	CHECK(sigaction(ENDS_CALL, &action, NULL) == 0);
	CHECK(sem_init(&ready, 0, 0) == 0 && sem_init(&handled, 0, 0) == 0 && sem_init(&interrupted, 0, 0) == 0);
	for (int i = 0; i < READERS; i++)
		CHECK(pipe(release_fds[i]) == 0);
	block_all();
	workload_begin(argc, argv);
	while (workload_running()) {
		sent_to_the_process();
		sent_to_a_thread();
		pending_signals();
	}
	return workload_ok("thread_signals");
}
