/* SPDX-License-Identifier: MIT
 * Locks that the kernel has a hand in: robust mutexes, whose owner ends while it holds them (get_robust_list(2),
 * pthread_mutexattr_setrobust(3)); priority inheritance, where the lock word is the owner's thread id (FUTEX_LOCK_PI of
 * futex(2)); process-shared ones in private memory; and waits with a deadline, which are never over before it. */
#include "workload.h"
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#define HELD    3
#define THREADS 6
#define TURNS   100

static sem_t ready, go_on;

static void make(pthread_mutex_t *mutex, int type, int robust, int protocol, int shared)
{
	pthread_mutexattr_t attributes;
	CHECK(pthread_mutexattr_init(&attributes) == 0 && pthread_mutexattr_settype(&attributes, type) == 0);
	CHECK(pthread_mutexattr_setrobust(&attributes, robust) == 0);
	CHECK(pthread_mutexattr_setprotocol(&attributes, protocol) == 0);
	CHECK(pthread_mutexattr_setpshared(&attributes, shared) == 0);
	CHECK(pthread_mutex_init(mutex, &attributes) == 0 && pthread_mutexattr_destroy(&attributes) == 0);
}

static pthread_mutex_t held[HELD];

/* Ends with what it holds; what it has given back is not touched. */
static void *hold_and_end(void *exits)
{
	pthread_mutex_t given_back;
	void *head, *again;
	size_t length;
	make(&given_back, PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_ROBUST, PTHREAD_PRIO_NONE, PTHREAD_PROCESS_PRIVATE);
	CHECK(syscall(SYS_get_robust_list, 0, &head, &length) == 0 && length == sizeof(struct robust_list_head));
	for (int i = 0; i < HELD; i++)
		CHECK(pthread_mutex_lock(&held[i]) == 0);
	CHECK(pthread_mutex_lock(&given_back) == 0 && pthread_mutex_unlock(&given_back) == 0);
	CHECK(pthread_mutex_destroy(&given_back) == 0 && sem_post(&ready) == 0 && sem_wait(&go_on) == 0);
	CHECK(syscall(SYS_get_robust_list, 0, &again, &length) == 0 && head == again);
	if (exits)
		pthread_exit(exits);
	return exits;
}

/* Waits for one while its owner ends; makes it whole again. */
static void *inherit(void *mutex)
{
	CHECK(sem_post(&ready) == 0 && pthread_mutex_lock(mutex) == EOWNERDEAD);
	CHECK(pthread_mutex_consistent(mutex) == 0 && pthread_mutex_unlock(mutex) == 0);
	return mutex;
}

static void robust(int protocol, bool exits)
{
	pthread_t owner, heir;
	void *gave;
	for (int i = 0; i < HELD; i++)
		make(&held[i], PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_ROBUST, protocol, i % 2);
	CHECK(pthread_create(&owner, NULL, hold_and_end, exits ? &owner : NULL) == 0 && sem_wait(&ready) == 0);
	CHECK(pthread_create(&heir, NULL, inherit, &held[0]) == 0 && sem_wait(&ready) == 0);
	for (int i = 0; i < HELD; i++)
		CHECK(pthread_mutex_trylock(&held[i]) == EBUSY);
	CHECK(sem_post(&go_on) == 0 && pthread_join(owner, &gave) == 0 && gave == (exits ? &owner : NULL));
	CHECK(pthread_join(heir, &gave) == 0 && gave == &held[0]);
	CHECK(pthread_mutex_lock(&held[0]) == 0 && pthread_mutex_unlock(&held[0]) == 0);
	CHECK(pthread_mutex_trylock(&held[1]) == EOWNERDEAD && pthread_mutex_consistent(&held[1]) == 0);
	CHECK(pthread_mutex_trylock(&held[1]) == EBUSY && pthread_mutex_unlock(&held[1]) == 0);
	CHECK(pthread_mutex_lock(&held[2]) == EOWNERDEAD && pthread_mutex_unlock(&held[2]) == 0); /* not made whole */
	CHECK(pthread_mutex_lock(&held[2]) == ENOTRECOVERABLE && pthread_mutex_trylock(&held[2]) == ENOTRECOVERABLE);
	for (int i = 0; i < HELD; i++)
		CHECK(pthread_mutex_destroy(&held[i]) == 0);
}

static pthread_mutex_t inheriting, shared;
static pthread_cond_t shared_turn;
static pthread_barrier_t shared_barrier;
static long under_inheriting, under_shared;

static void *contend(void *number)
{
	for (int i = 0; i < TURNS; i++) {
		CHECK(pthread_mutex_lock(&inheriting) == 0);
		CHECK((__atomic_load_n((unsigned int *)&inheriting, __ATOMIC_RELAXED) & FUTEX_TID_MASK) ==
		      (unsigned int)gettid());
		CHECK(pthread_mutex_lock(&inheriting) == EDEADLK);
		under_inheriting++;
		CHECK(pthread_mutex_unlock(&inheriting) == 0 && pthread_mutex_unlock(&inheriting) == EPERM);
	}
	for (int i = 0; i < TURNS / 4; i++) {
		CHECK(pthread_mutex_lock(&shared) == 0);
		while (under_shared % THREADS != (long)number)
			CHECK(pthread_cond_wait(&shared_turn, &shared) == 0);
		under_shared++;
		CHECK(pthread_cond_broadcast(&shared_turn) == 0 && pthread_mutex_unlock(&shared) == 0);
	}
	for (int i = 0; i < 4; i++) {
		int gave = pthread_barrier_wait(&shared_barrier);
		CHECK(gave == 0 || gave == PTHREAD_BARRIER_SERIAL_THREAD);
	}
	return number;
}

static void contended(void)
{
	pthread_t threads[THREADS];
	void *gave;
	under_inheriting = under_shared = 0;
	for (long i = 0; i < THREADS; i++)
		CHECK(pthread_create(&threads[i], NULL, contend, (void *)i) == 0);
	for (long i = 0; i < THREADS; i++)
		CHECK(pthread_join(threads[i], &gave) == 0 && gave == (void *)i);
	CHECK(under_inheriting == THREADS * TURNS && under_shared == THREADS * (TURNS / 4));
}

static pthread_mutex_t plain = PTHREAD_MUTEX_INITIALIZER, own = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t readers = PTHREAD_RWLOCK_INITIALIZER;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
static sem_t nothing_left;

static int wait_until(int way, clockid_t clock, const struct timespec *deadline)
{
	int gave;
	switch (way) {
	case 0:
		return pthread_mutex_clocklock(&plain, clock, deadline);
	case 1:
		return pthread_mutex_timedlock(&inheriting, deadline); /* CLOCK_REALTIME it is */
	case 2:
		return pthread_rwlock_clockwrlock(&readers, clock, deadline);
	case 3:
		return sem_clockwait(&nothing_left, clock, deadline) == -1 ? errno : 0;
	default:
		CHECK(pthread_mutex_lock(&own) == 0);
		do
			gave = pthread_cond_clockwait(&never, &own, clock, deadline);
		while (gave == 0); /* it may wake up for nothing */
		CHECK(pthread_mutex_unlock(&own) == 0);
		return gave;
	}
}

#define WAYS 5

static void *in_vain(void *way)
{
	clockid_t clock = (long)way % 2 ? CLOCK_REALTIME : CLOCK_MONOTONIC;
	for (long ms = 1; ms < 12; ms += 4) {
		int64_t due = now_ns(clock) + (ms + (long)way % 3) * 1000000;
		struct timespec deadline = {.tv_sec = due / 1000000000, .tv_nsec = due % 1000000000};
		CHECK(wait_until((int)(long)way, clock, &deadline) == ETIMEDOUT);
		CHECK(now_ns(clock) >= due && now_ns(clock) < due + 20000000000ll);
	}
	return way;
}

static void *in_time(void *way)
{
	struct timespec deadline;
	CHECK(clock_gettime(CLOCK_REALTIME, &deadline) == 0 && sem_post(&ready) == 0);
	deadline.tv_sec += 3600;
	CHECK(wait_until((int)(long)way, CLOCK_REALTIME, &deadline) == 0);
	CHECK((long)way != 0 || pthread_mutex_unlock(&plain) == 0);
	CHECK((long)way != 1 || pthread_mutex_unlock(&inheriting) == 0);
	CHECK((long)way != 2 || pthread_rwlock_unlock(&readers) == 0);
	return way;
}

static void deadlines(void)
{
	pthread_t threads[WAYS];
	void *gave;
	CHECK(pthread_mutex_lock(&plain) == 0 && pthread_mutex_lock(&inheriting) == 0 &&
	      pthread_rwlock_rdlock(&readers) == 0);
	for (long i = 0; i < WAYS; i++)
		CHECK(pthread_create(&threads[i], NULL, in_vain, (void *)i) == 0);
	for (long i = 0; i < WAYS; i++)
		CHECK(pthread_join(threads[i], &gave) == 0 && gave == (void *)i);
	for (long i = 0; i < WAYS - 1; i++)
		CHECK(pthread_create(&threads[i], NULL, in_time, (void *)i) == 0 && sem_wait(&ready) == 0);
	CHECK(pthread_mutex_unlock(&plain) == 0 && pthread_mutex_unlock(&inheriting) == 0);
	CHECK(pthread_rwlock_unlock(&readers) == 0 && sem_post(&nothing_left) == 0);
	for (long i = 0; i < WAYS - 1; i++)
		CHECK(pthread_join(threads[i], &gave) == 0 && gave == (void *)i);
}

int main(int argc, char **argv)
{
	pthread_condattr_t shared_condition;
	pthread_barrierattr_t among_processes;
	CHECK(sem_init(&ready, 0, 0) == 0 && sem_init(&go_on, 1, 0) == 0 && sem_init(&nothing_left, 0, 0) == 0);
	make(&inheriting, PTHREAD_MUTEX_ERRORCHECK, PTHREAD_MUTEX_STALLED, PTHREAD_PRIO_INHERIT,
	     PTHREAD_PROCESS_PRIVATE);
	make(&shared, PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_STALLED, PTHREAD_PRIO_NONE, PTHREAD_PROCESS_SHARED);
	CHECK(pthread_condattr_init(&shared_condition) == 0);
	CHECK(pthread_condattr_setpshared(&shared_condition, PTHREAD_PROCESS_SHARED) == 0);
	CHECK(pthread_cond_init(&shared_turn, &shared_condition) == 0 &&
	      pthread_barrierattr_init(&among_processes) == 0);
	CHECK(pthread_barrierattr_setpshared(&among_processes, PTHREAD_PROCESS_SHARED) == 0);
	CHECK(pthread_barrier_init(&shared_barrier, &among_processes, THREADS) == 0);
	workload_begin(argc, argv);
	while (workload_running()) {
		robust(PTHREAD_PRIO_NONE, false);
		robust(PTHREAD_PRIO_INHERIT, true);
		contended();
		deadlines();
	}
	return workload_ok("thread_locks");
}
