/* SPDX-License-Identifier: MIT
 * futex(2) without a library between: who waits, who is woken, how many and by which bits; requeueing; deadlines of
 * both clocks, never over before their time; FUTEX_LOCK_PI; several words at once (futex_waitv). A wait that was woken
 * returns 0 exactly once; nothing here counts on a wait that is interrupted staying in its queue, which it does not. */
#include "workload.h"
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>

#define WAITERS 6

static atomic_uint word, other, bits, many[3], owned;
static atomic_int returned;
static sem_t ready;

/* val2 of some operations stands where others have their timeout. */
static long futex(atomic_uint *at, int operation, unsigned int value, const void *timeout, atomic_uint *second,
		  unsigned int third)
{
	return syscall(SYS_futex, at, operation, value, timeout, second, third);
}

/* Whether they are asleep yet cannot be known: tries until so many were. */
static void wake_exactly(atomic_uint *at, int operation, int wanted, unsigned int mask)
{
	for (int woken = 0; woken < wanted; sched_yield()) {
		long gave = futex(at, operation, 1, NULL, NULL, mask);
		CHECK(gave == 0 || gave == 1);
		woken += (int)gave;
	}
}

static void *wait_once(void *operation)
{
	CHECK(futex(&word, (int)(long)operation, 7, NULL, NULL, FUTEX_BITSET_MATCH_ANY) == 0);
	atomic_fetch_add(&returned, 1);
	CHECK(sem_post(&ready) == 0);
	return NULL;
}

static void wait_and_wake(int wait, int wake)
{
	pthread_t threads[WAITERS];
	atomic_store(&word, 7);
	atomic_store(&returned, 0);
	CHECK_ERRNO(futex(&word, wait, 8, NULL, NULL, FUTEX_BITSET_MATCH_ANY), EAGAIN);
	CHECK(futex(&word, wake, INT_MAX, NULL, NULL, FUTEX_BITSET_MATCH_ANY) == 0);
	for (int i = 0; i < WAITERS; i++)
		CHECK(pthread_create(&threads[i], NULL, wait_once, (void *)(long)wait) == 0);
	for (int i = 1; i <= WAITERS; i++) {
		wake_exactly(&word, wake, 1, FUTEX_BITSET_MATCH_ANY);
		CHECK(sem_wait(&ready) == 0 && atomic_load(&returned) == i);
	}
	for (int i = 0; i < WAITERS; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
}

static void *wait_for_bit(void *bit)
{
	CHECK(futex(&bits, FUTEX_WAIT_BITSET_PRIVATE, 0, NULL, NULL, 1u << (long)bit) == 0);
	atomic_fetch_sub(&returned, 1 << (long)bit);
	CHECK(sem_post(&ready) == 0);
	return NULL;
}

static void woken_by_bits(void)
{
	pthread_t threads[WAITERS];
	int left = (1 << WAITERS) - 1;
	atomic_store(&returned, left);
	for (long i = 0; i < WAITERS; i++)
		CHECK(pthread_create(&threads[i], NULL, wait_for_bit, (void *)i) == 0);
	CHECK_ERRNO(futex(&bits, FUTEX_WAKE_BITSET_PRIVATE, 1, NULL, NULL, 0), EINVAL);
	for (int i = WAITERS - 1; i >= 0; i--) {
		CHECK(futex(&bits, FUTEX_WAKE_BITSET_PRIVATE, INT_MAX, NULL, NULL, 0xff000000) == 0);
		wake_exactly(&bits, FUTEX_WAKE_BITSET_PRIVATE, 1, 1u << i);
		CHECK(sem_wait(&ready) == 0 && atomic_load(&returned) == (left -= 1 << i));
	}
	for (int i = 0; i < WAITERS; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
}

/* As a condition variable does it: a wait may end on either word, and one that was interrupted begins again on the
 * first, which by then has another value. */
static void *wait_on_two(void *nothing)
{
	long gave = futex(&word, FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0);
	CHECK(gave == 0 || errno == EAGAIN);
	while (atomic_load(&other) == 0) {
		gave = futex(&other, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
		CHECK(gave == 0 || errno == EAGAIN);
	}
	atomic_fetch_add(&returned, 1);
	return NULL;
}

static void requeued(bool compare)
{
	pthread_t threads[WAITERS];
	const void *all = (void *)INT_MAX;
	int operation = compare ? FUTEX_CMP_REQUEUE_PRIVATE : FUTEX_REQUEUE_PRIVATE;
	atomic_store(&word, 1);
	atomic_store(&other, 0);
	atomic_store(&returned, 0);
	for (int i = 0; i < WAITERS; i++)
		CHECK(pthread_create(&threads[i], NULL, wait_on_two, NULL) == 0);
	CHECK_ERRNO(futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 1, all, &other, 2), EAGAIN);
	/* One is woken and waits on the second word then; the others are put there. */
	for (long moved = 0; moved < WAITERS; sched_yield()) {
		long gave = futex(&word, operation, moved == 0, all, &other, 1);
		CHECK(gave >= 0 && gave <= WAITERS);
		moved += gave;
	}
	CHECK(atomic_load(&returned) == 0);
	atomic_store(&word, 2);
	atomic_store(&other, 1);
	/* Wakes on the first only what had begun again there; on the second all, if it goes as it should. */
	while (atomic_load(&returned) < WAITERS) {
		CHECK(futex(&word, FUTEX_WAKE_OP_PRIVATE, INT_MAX, all, &other,
			    FUTEX_OP(FUTEX_OP_SET, 1, FUTEX_OP_CMP_EQ, 1)) >= 0);
		sched_yield();
	}
	for (int i = 0; i < WAITERS; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
}

static struct timespec at(int64_t ns)
{
	return (struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
}

static void *wait_in_vain(void *number)
{
	static atomic_uint alone;
	for (int ms = 1; ms < 9; ms += 3) {
		clockid_t clock = (long)number % 2 ? CLOCK_REALTIME : CLOCK_MONOTONIC;
		int64_t due = now_ns(clock) + ms * 1000000;
		struct timespec relative = at(ms * 1000000), absolute = at(due);
		if ((long)number == 2)
			CHECK_ERRNO(futex(&alone, FUTEX_WAIT, 0, &relative, NULL, 0), ETIMEDOUT);
		else
			CHECK_ERRNO(
				futex(&alone,
				      FUTEX_WAIT_BITSET_PRIVATE | (clock == CLOCK_REALTIME ? FUTEX_CLOCK_REALTIME : 0),
				      0, &absolute, NULL, 1),
				ETIMEDOUT);
		CHECK(now_ns(clock) >= due && now_ns(clock) < due + 20000000000ll);
	}
	return NULL;
}

static void deadlines(void)
{
	pthread_t threads[3];
	struct timespec past = {0}, wrong = {.tv_nsec = 1000000000};
	CHECK_ERRNO(futex(&bits, FUTEX_WAIT_BITSET_PRIVATE, 0, &past, NULL, 1), ETIMEDOUT);
	CHECK_ERRNO(futex(&bits, FUTEX_WAIT_PRIVATE, 0, &wrong, NULL, 0), EINVAL);
	CHECK_ERRNO(futex((atomic_uint *)((char *)&bits + 1), FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0), EINVAL);
	CHECK_ERRNO(futex((atomic_uint *)8, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0), EFAULT);
	for (long i = 0; i < 3; i++)
		CHECK(pthread_create(&threads[i], NULL, wait_in_vain, (void *)i) == 0);
	for (int i = 0; i < 3; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
}

static void *own_it_next(void *nothing)
{
	CHECK_ERRNO(futex(&owned, FUTEX_TRYLOCK_PI_PRIVATE, 0, NULL, NULL, 0), EAGAIN);
	CHECK_ERRNO(futex(&owned, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0), EPERM);
	CHECK(sem_post(&ready) == 0 && futex(&owned, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0) == 0);
	CHECK((atomic_load(&owned) & FUTEX_TID_MASK) == (unsigned int)gettid());
	CHECK(futex(&owned, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0) == 0);
	return NULL;
}

static void inherited(void)
{
	pthread_t thread;
	atomic_store(&owned, 0);
	CHECK(futex(&owned, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0) == 0 &&
	      atomic_load(&owned) == (unsigned int)gettid());
	CHECK_ERRNO(futex(&owned, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0), EDEADLK);
	CHECK(pthread_create(&thread, NULL, own_it_next, NULL) == 0 && sem_wait(&ready) == 0);
	while (!(atomic_load(&owned) & FUTEX_WAITERS))
		sched_yield();
	CHECK(atomic_load(&owned) == ((unsigned int)gettid() | FUTEX_WAITERS));
	CHECK(futex(&owned, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0) == 0 && pthread_join(thread, NULL) == 0);
	CHECK(atomic_load(&owned) == 0);
}

#ifdef SYS_futex_waitv
static long wait_for_any(unsigned int value_of_last, const struct timespec *deadline)
{
	struct futex_waitv words[3] = {0};
	for (int i = 0; i < 3; i++)
		words[i] = (struct futex_waitv){.uaddr = (uintptr_t)&many[i], .flags = FUTEX_32 | FUTEX_PRIVATE_FLAG};
	words[2].val = value_of_last;
	return syscall(SYS_futex_waitv, words, 3, 0, deadline, CLOCK_MONOTONIC);
}

static void *wait_for_each(void *nothing)
{
	for (int i = 0; i < 6; i++)
		CHECK(wait_for_any(0, NULL) == i % 3 && sem_post(&ready) == 0);
	return NULL;
}

static void several_at_once(void)
{
	pthread_t thread;
	int64_t due = now_ns(CLOCK_MONOTONIC) + 4000000;
	struct timespec deadline = at(due);
	errno = 0;
	if (wait_for_any(5, NULL) == -1 && errno == ENOSYS)
		return; /* before Linux 5.16 */
	CHECK_ERRNO(wait_for_any(5, NULL), EAGAIN);
	CHECK_ERRNO(wait_for_any(0, &deadline), ETIMEDOUT);
	CHECK(now_ns(CLOCK_MONOTONIC) >= due && pthread_create(&thread, NULL, wait_for_each, NULL) == 0);
	for (int i = 0; i < 6; i++) {
		wake_exactly(&many[i % 3], FUTEX_WAKE_PRIVATE, 1, 0);
		CHECK(sem_wait(&ready) == 0);
	}
	CHECK(pthread_join(thread, NULL) == 0);
}
#else
static void several_at_once(void)
{
}
#endif

int main(int argc, char **argv)
{
	CHECK(sem_init(&ready, 0, 0) == 0);
	workload_begin(argc, argv);
	while (workload_running()) {
		wait_and_wake(FUTEX_WAIT_PRIVATE, FUTEX_WAKE_PRIVATE);
		wait_and_wake(FUTEX_WAIT_BITSET, FUTEX_WAKE); /* as if it were shared between processes */
		woken_by_bits();
		requeued(true);
		requeued(false);
		deadlines();
		inherited();
		several_at_once();
	}
	return workload_ok("thread_futexes");
}
