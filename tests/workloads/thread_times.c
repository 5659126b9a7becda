/* SPDX-License-Identifier: MIT
 * CPU time of threads and of their process: getrusage(2) of both kinds, times(2), the clocks of clock_gettime(2) and
 * pthread_getcpuclockid(3). None ever steps back, whoever reads it; what a thread has used its process has used, and
 * still has when the thread is gone; another's clock says what that other has read. */
#include "workload.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/times.h>

#define THREADS 5
#define SHARE   2000000ll /* ns that each computes in a round */

enum {
	SELF_USED, /* and three more */
	THREAD_USED = SELF_USED + 4,
	CHILDREN_USED = THREAD_USED + 4,
	TICKS = CHILDREN_USED + 4, /* and two more */
	THREAD_CLOCK = TICKS + 3,
	PROCESS_CLOCK,
	COUNTS
};

static void usage(int who, int64_t counts[4])
{
	struct rusage used;
	CHECK(getrusage(who, &used) == 0);
	counts[0] = used.ru_utime.tv_sec * 1000000ll + used.ru_utime.tv_usec;
	counts[1] = used.ru_stime.tv_sec * 1000000ll + used.ru_stime.tv_usec;
	counts[2] = used.ru_minflt + used.ru_majflt;
	counts[3] = used.ru_nvcsw + used.ru_nivcsw;
}

/* Reads everything, and finds nothing less than the same thread did last time. */
static void advance(int64_t last[COUNTS])
{
	int64_t now[COUNTS];
	struct tms ticks;
	usage(RUSAGE_SELF, now + SELF_USED);
	usage(RUSAGE_THREAD, now + THREAD_USED);
	usage(RUSAGE_CHILDREN, now + CHILDREN_USED);
	now[TICKS] = times(&ticks);
	now[TICKS + 1] = ticks.tms_utime;
	now[TICKS + 2] = ticks.tms_stime;
	now[THREAD_CLOCK] = now_ns(CLOCK_THREAD_CPUTIME_ID);
	now[PROCESS_CLOCK] = now_ns(CLOCK_PROCESS_CPUTIME_ID);
	for (int i = 0; i < COUNTS; i++)
		CHECK(now[i] >= last[i]);
	CHECK(now[THREAD_CLOCK] > last[THREAD_CLOCK] && now[PROCESS_CLOCK] >= now[THREAD_CLOCK]);
	memcpy(last, now, sizeof(now));
}

static struct {
	pthread_t thread;
	_Atomic int64_t read_last; /* by itself, of its own clock */
	int64_t seen;              /* of it by main */
} workers[THREADS];
static pthread_barrier_t together;

static void *compute(void *argument)
{
	long number = (long)argument;
	int64_t last[COUNTS] = {0};
	clockid_t own;
	CHECK(pthread_getcpuclockid(pthread_self(), &own) == 0);
	pthread_barrier_wait(&together);
	for (int64_t now = 0; now < SHARE;) {
		for (volatile int i = 0; i < 20000; i++)
			;
		advance(last);
		now = now_ns(CLOCK_THREAD_CPUTIME_ID);
		CHECK(now_ns(own) >= now);
		atomic_store(&workers[number].read_last, now);
	}
	pthread_barrier_wait(&together); /* and in between main reads our clock */
	int64_t used = now_ns(CLOCK_THREAD_CPUTIME_ID);
	atomic_store(&workers[number].read_last, used);
	return argument;
}

static void one_round(int64_t last[COUNTS])
{
	clockid_t clocks[THREADS], process;
	int64_t before = now_ns(CLOCK_PROCESS_CPUTIME_ID), sum = 0;
	bool all_done = false;
	void *gave;
	for (long i = 0; i < THREADS; i++) {
		atomic_store(&workers[i].read_last, 0);
		workers[i].seen = 0;
		CHECK(pthread_create(&workers[i].thread, NULL, compute, (void *)i) == 0);
		CHECK(pthread_getcpuclockid(workers[i].thread, &clocks[i]) == 0);
	}
	CHECK(clock_getcpuclockid(getpid(), &process) == 0);
	pthread_barrier_wait(&together);
	while (!all_done) {
		all_done = true;
		for (int i = 0; i < THREADS; i++) {
			int64_t told = atomic_load(&workers[i].read_last), now = now_ns(clocks[i]);
			CHECK(now >= told && now >= workers[i].seen && now_ns(process) >= now);
			workers[i].seen = now;
			all_done = all_done && told >= SHARE;
		}
		advance(last);
		sched_yield();
	}
	pthread_barrier_wait(&together);
	for (long i = 0; i < THREADS; i++) {
		CHECK(pthread_join(workers[i].thread, &gave) == 0 && gave == (void *)i);
		CHECK(atomic_load(&workers[i].read_last) >= workers[i].seen && workers[i].seen >= SHARE);
		sum += atomic_load(&workers[i].read_last);
	}
	CHECK(now_ns(CLOCK_PROCESS_CPUTIME_ID) - before >= sum);
}

int main(int argc, char **argv)
{
	int64_t last[COUNTS] = {0};
	CHECK(pthread_barrier_init(&together, NULL, THREADS + 1) == 0);
	workload_begin(argc, argv);
	while (workload_running())
		one_round(last);
	return workload_ok("thread_times");
}
