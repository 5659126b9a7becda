/* SPDX-License-Identifier: MIT
 * 64 threads, all the time. What they share is kept whole by mutexes of each type, condition variables, barriers,
 * read-write locks, semaphores and a futex lock of the program's own (pthreads(7), futex(7)). What is one thread's
 * alone stays its own: thread-local storage, keys, errno, rounding mode, ids, name. */
#include "workload.h"
#include <fenv.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>

#define THREADS 64
#define TURNS   12
#define BLOCK   2048
#define PERMITS 3

static struct worker {
	pthread_t thread;
	pid_t tid;
	int *errno_at;
	unsigned char block[BLOCK];
} workers[THREADS];

static pthread_barrier_t rounds, together; /* with main, and without */
static bool ending;                        /* written by main while all wait */

static pthread_mutex_t plain = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t recursive = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static pthread_mutex_t checking = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
static long counted[3]; /* one under each; not atomic on purpose */

static void mutexes(void)
{
	for (int i = 0; i < TURNS; i++) {
		CHECK(pthread_mutex_lock(&plain) == 0);
		long before = counted[0];
		if (i % 4 == 0)
			sched_yield(); /* others find it taken */
		counted[0] = before + 1;
		CHECK(pthread_mutex_unlock(&plain) == 0);
		CHECK(pthread_mutex_lock(&recursive) == 0 && pthread_mutex_trylock(&recursive) == 0);
		counted[1]++;
		CHECK(pthread_mutex_unlock(&recursive) == 0 && pthread_mutex_unlock(&recursive) == 0);
		CHECK(pthread_mutex_lock(&checking) == 0 && pthread_mutex_lock(&checking) == EDEADLK);
		counted[2]++;
		CHECK(pthread_mutex_unlock(&checking) == 0 && pthread_mutex_unlock(&checking) == EPERM);
	}
}

/* The lock of "Futexes Are Tricky": 0 free, 1 taken, 2 taken and somebody may wait. It guards a block of memory that
 * each holder finds as the last one left it. */
static atomic_uint own_lock;
static unsigned char shared_block[BLOCK];
static uint64_t shared_seed;

static void own_locks(void)
{
	for (int i = 0; i < TURNS / 4; i++) {
		unsigned int state = 0;
		if (!atomic_compare_exchange_strong(&own_lock, &state, 1))
			for (state = atomic_exchange(&own_lock, 2); state != 0; state = atomic_exchange(&own_lock, 2))
				syscall(SYS_futex, &own_lock, FUTEX_WAIT_PRIVATE, 2, NULL, NULL, 0);
		CHECK(workload_filled(shared_block, BLOCK, shared_seed));
		workload_fill(shared_block, BLOCK, ++shared_seed);
		if (atomic_exchange(&own_lock, 0) == 2)
			CHECK(syscall(SYS_futex, &own_lock, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0) >= 0);
	}
}

/* A token goes round all of them, in order. */
static pthread_mutex_t ring_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turn_of[THREADS];
static long passed;

static void ring(int number)
{
	for (int lap = 0; lap < TURNS / 2; lap++) {
		CHECK(pthread_mutex_lock(&ring_lock) == 0);
		while (passed % THREADS != number)
			CHECK(pthread_cond_wait(&turn_of[number], &ring_lock) == 0);
		passed++;
		CHECK(pthread_cond_signal(&turn_of[passed % THREADS]) == 0);
		CHECK(pthread_mutex_unlock(&ring_lock) == 0);
	}
}

/* Half of them put numbers into a short queue, half take them out: of each producer in order, none lost, none double.
 */
static pthread_mutex_t queue_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t not_full = PTHREAD_COND_INITIALIZER, not_empty = PTHREAD_COND_INITIALIZER;
static long queue[5][2], put, taken, next_of[THREADS]; /* producer, number */

static void produce_or_consume(int number, long round)
{
	for (int i = 0; i < TURNS; i++) {
		CHECK(pthread_mutex_lock(&queue_lock) == 0);
		if (number % 2) {
			while (put - taken == 5)
				CHECK(pthread_cond_wait(&not_full, &queue_lock) == 0);
			queue[put % 5][0] = number;
			queue[put++ % 5][1] = round * TURNS + i;
			CHECK(pthread_cond_signal(&not_empty) == 0);
		} else {
			while (put == taken)
				CHECK(pthread_cond_wait(&not_empty, &queue_lock) == 0);
			CHECK(queue[taken % 5][1] == next_of[queue[taken % 5][0]]++);
			taken++;
			CHECK(pthread_cond_broadcast(&not_full) == 0);
		}
		CHECK(pthread_mutex_unlock(&queue_lock) == 0);
	}
}

/* All have arrived before any goes on, and exactly one is told that it is the one. */
static atomic_long arrived, serial;

static void barriers(long round)
{
	for (long i = 1; i <= 4; i++) {
		atomic_fetch_add(&arrived, 1);
		for (int twice = 0; twice < 2; twice++) {
			int gave = pthread_barrier_wait(&together);
			CHECK(gave == 0 || gave == PTHREAD_BARRIER_SERIAL_THREAD);
			atomic_fetch_add(&serial, gave != 0);
			CHECK(twice == 1 || atomic_load(&arrived) == THREADS * (round * 4 + i));
		}
	}
}

static pthread_rwlock_t both_ways = PTHREAD_RWLOCK_INITIALIZER;
static atomic_int readers;
static long left, right; /* equal, but for a writer */

static void read_and_write(int number)
{
	for (int i = 0; i < TURNS; i++) {
		if ((number + i) % 8 == 0) {
			CHECK(pthread_rwlock_wrlock(&both_ways) == 0 && atomic_load(&readers) == 0);
			left++;
			sched_yield();
			CHECK(++right == left);
		} else {
			CHECK(pthread_rwlock_rdlock(&both_ways) == 0);
			atomic_fetch_add(&readers, 1);
			CHECK(left == right);
			atomic_fetch_sub(&readers, 1);
		}
		CHECK(pthread_rwlock_unlock(&both_ways) == 0);
	}
}

static sem_t permits;
static atomic_int inside;

static void few_at_a_time(void)
{
	for (int i = 0; i < TURNS; i++) {
		CHECK(sem_wait(&permits) == 0);
		CHECK(atomic_fetch_add(&inside, 1) < PERMITS);
		sched_yield();
		atomic_fetch_sub(&inside, 1);
		CHECK(sem_post(&permits) == 0);
	}
}

static __thread long magic = 4711, own_rounds;
static pthread_key_t key;

static void its_own(int number, long round)
{
	static const int modes[4] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
	struct worker *self = &workers[number], *other = &workers[(number + 1) % THREADS];
	char name[16], got[16];
	CHECK(round != 0 || fesetround(modes[number % 4]) == 0);
	CHECK(fegetround() == modes[number % 4] && magic == 4711 && own_rounds++ == round);
	CHECK(pthread_getspecific(key) == self && pthread_equal(pthread_self(), self->thread));
	CHECK(gettid() == self->tid && syscall(SYS_gettid) == self->tid && getpid() != self->tid);
	CHECK(&errno == self->errno_at && workload_filled(self->block, BLOCK, (uint64_t)(round * THREADS + number)));
	workload_fill(self->block, BLOCK, (uint64_t)((round + 1) * THREADS + number));
	for (int i = 0; i < TURNS; i++) {
		int expected = number % 2 ? EBADF : ENOENT;
		CHECK((number % 2 ? close(-1) : open("/nonexistent/file", O_RDONLY)) == -1);
		sched_yield(); /* the others fail with something else meanwhile */
		CHECK(errno == expected);
	}
	snprintf(name, sizeof(name), "%d in %ld", number, round % 100000);
	CHECK(pthread_setname_np(pthread_self(), name) == 0);
	pthread_barrier_wait(&together);
	CHECK(pthread_getname_np(pthread_self(), got, sizeof(got)) == 0 && strcmp(got, name) == 0);
	snprintf(name, sizeof(name), "%d in %ld", (number + 1) % THREADS, round % 100000);
	CHECK(pthread_getname_np(other->thread, got, sizeof(got)) == 0 && strcmp(got, name) == 0);
	pthread_barrier_wait(&together);
}

static void *work(void *worker)
{
	struct worker *self = worker;
	int number = (int)(self - workers);
	self->tid = gettid();
	self->errno_at = &errno;
	CHECK(pthread_setspecific(key, self) == 0);
	workload_fill(self->block, BLOCK, (uint64_t)number);
	pthread_barrier_wait(&rounds);
	for (long round = 0; !ending; round++) {
		mutexes();
		own_locks();
		ring(number);
		produce_or_consume(number, round);
		barriers(round);
		read_and_write(number);
		few_at_a_time();
		its_own(number, round);
		pthread_barrier_wait(&rounds);
		pthread_barrier_wait(&rounds);
	}
	return self;
}

int main(int argc, char **argv)
{
	CHECK(pthread_key_create(&key, NULL) == 0 && sem_init(&permits, 0, PERMITS) == 0);
	CHECK(pthread_barrier_init(&rounds, NULL, THREADS + 1) == 0);
	CHECK(pthread_barrier_init(&together, NULL, THREADS) == 0);
	workload_fill(shared_block, BLOCK, shared_seed);
	workload_begin(argc, argv);
	for (int i = 0; i < THREADS; i++) {
		CHECK(pthread_cond_init(&turn_of[i], NULL) == 0);
		CHECK(pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0);
	}
	pthread_barrier_wait(&rounds);
	for (long done = 1; !ending; done++) {
		int value;
		pthread_barrier_wait(&rounds);
		for (int i = 0; i < 3; i++)
			CHECK(counted[i] == done * THREADS * TURNS);
		CHECK(shared_seed == (uint64_t)(done * THREADS * TURNS / 4) && passed == done * THREADS * (TURNS / 2));
		CHECK(put == done * THREADS / 2 * TURNS && taken == put && atomic_load(&serial) == done * 8);
		CHECK(left == done * (THREADS * TURNS / 8) && right == left && atomic_load(&readers) == 0);
		CHECK(sem_getvalue(&permits, &value) == 0 && value == PERMITS && magic == 4711 && own_rounds == 0);
		ending = !workload_running();
		pthread_barrier_wait(&rounds);
	}
	void *gave;
	for (int i = 0; i < THREADS; i++)
		CHECK(pthread_join(workers[i].thread, &gave) == 0 && gave == &workers[i]);
	return workload_ok("threads");
}
