/* SPDX-License-Identifier: MIT
 * rseq(2) in many threads: each has a registration of its own, made by glibc, that follows it from CPU to CPU. Counters
 * of which there is one per CPU, incremented without a lock or an atomic instruction, lose nothing: a sequence that is
 * preempted or migrated begins again. */
#include "rseq.h"
#include <pthread.h>
#include <sched.h>

#define THREADS 8
#define TURNS   20000

static int64_t counters[RSEQ_CPUS];
static struct rseq *areas[THREADS];
static pthread_barrier_t together;
static cpu_set_t allowed;

/* To each CPU that it may use in turn: so it is migrated even where there is nothing else to do. */
static void migrate(int turn)
{
	cpu_set_t one;
	int cpu = 0;
	for (int seen = -1; seen < turn % CPU_COUNT(&allowed); cpu++)
		seen += CPU_ISSET(cpu, &allowed) != 0;
	CPU_ZERO(&one);
	CPU_SET(cpu - 1, &one);
	CHECK(sched_setaffinity(0, sizeof(one), &one) == 0);
	CHECK(sched_getcpu() == cpu - 1 && rseq_area()->cpu_id == (uint32_t)cpu - 1);
}

static void *increment(void *argument)
{
	long number = (long)argument;
	struct rseq *rseq = areas[number] = rseq_area();
	CHECK((int32_t)rseq->cpu_id >= 0 && rseq->rseq_cs == 0);
	pthread_barrier_wait(&together);
	for (int i = 0; i < THREADS; i++)
		CHECK(i == number || areas[i] != rseq);
	for (int i = 0; i < TURNS; i++) {
		if (number % 2 == 0 && i % 1000 == 0)
			migrate(i / 1000 + (int)number);
		rseq_increment(rseq, counters);
	}
	CHECK(rseq_area() == rseq && CPU_ISSET((int)rseq->cpu_id, &allowed));
	return argument;
}

int main(int argc, char **argv)
{
	int64_t done = 0;
	workload_begin(argc, argv);
	if (!rseq_registered())
		return workload_ok("thread_restartable");
	CHECK(pthread_barrier_init(&together, NULL, THREADS) == 0);
	CHECK(sched_getaffinity(0, sizeof(allowed), &allowed) == 0);
	while (workload_running()) {
		pthread_t threads[THREADS];
		void *gave;
		for (long i = 0; i < THREADS; i++)
			CHECK(pthread_create(&threads[i], NULL, increment, (void *)i) == 0);
		for (long i = 0; i < THREADS; i++)
			CHECK(pthread_join(threads[i], &gave) == 0 && gave == (void *)i);
		int64_t sum = 0;
		for (int i = 0; i < RSEQ_CPUS; i++)
			sum += counters[i];
		CHECK(sum == (done += THREADS * TURNS));
	}
	return workload_ok("thread_restartable");
}
