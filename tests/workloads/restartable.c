/* SPDX-License-Identifier: MIT
 * rseq: a per-CPU counter incremented in restartable sequences; glibc's registration stays in force, the CPU number
 * stays within what the affinity allows. */
#include "rseq.h"
#include <sched.h>

static int64_t counters[RSEQ_CPUS];

int main(int argc, char **argv)
{
	workload_begin(argc, argv);
	if (!rseq_registered())
		return workload_ok("restartable");
	struct rseq *rseq = rseq_area();
	int64_t done = 0;
	while (workload_running()) {
		for (int i = 0; i < 100000; i++) {
			rseq_increment(rseq, counters);
			done++;
		}
		CHECK((int32_t) * (volatile uint32_t *)&rseq->cpu_id >= 0);
		int cpu = sched_getcpu();
		CHECK(cpu >= 0);
		int64_t sum = 0;
		for (int i = 0; i < RSEQ_CPUS; i++)
			sum += counters[i];
		CHECK(sum == done);
	}
	return workload_ok("restartable");
}
