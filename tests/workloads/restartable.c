/* SPDX-License-Identifier: MIT
 * rseq: a per-CPU counter incremented in restartable sequences; glibc's registration stays in force, the CPU number
 * stays within what the affinity allows. */
#include "workload.h"
#include <linux/rseq.h>
#include <sched.h>

extern const ptrdiff_t __rseq_offset __attribute__((weak));
extern const unsigned int __rseq_size __attribute__((weak));

static struct rseq *area(void)
{
	return (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
}

static int64_t counters[4096];

/* counters[cpu]++, committed by one instruction, started again when interrupted. */
static void increment(struct rseq *rseq)
{
	for (;;) {
		uint32_t cpu = *(volatile uint32_t *)&rseq->cpu_id_start;
		CHECK(cpu < 4096);
		int aborted = 0;
		asm volatile(".pushsection __rseq_cs, \"aw\"\n\t"
			     ".balign 32\n\t"
			     "3: .long 0, 0\n\t"
			     ".quad 1f, 2f - 1f, 4f\n\t"
			     ".popsection\n\t"
			     "lea 3b(%%rip), %%rax\n\t"
			     "mov %%rax, %[cs]\n\t"
			     "1: cmp %[cpu], %[current]\n\t"
			     "jnz 4f\n\t"
			     "mov $40, %%ecx\n\t"
			     "5: dec %%ecx\n\t"
			     "jnz 5b\n\t"
			     "addq $1, %[counter]\n\t"
			     "2: jmp 6f\n\t"
			     ".byte 0x0f, 0xb9, 0x3d\n\t"
			     ".long 0x53053053\n\t"
			     "4: movl $1, %[aborted]\n\t"
			     "6:\n\t"
			     : [cs] "=m"(rseq->rseq_cs), [counter] "+m"(counters[cpu]), [aborted] "+r"(aborted)
			     : [cpu] "r"(cpu), [current] "m"(rseq->cpu_id)
			     : "rax", "rcx", "cc", "memory");
		rseq->rseq_cs = 0;
		if (!aborted)
			return;
	}
}

int main(int argc, char **argv)
{
	workload_begin(argc, argv);
	if (&__rseq_size == NULL || __rseq_size == 0)
		return workload_ok("restartable");
	struct rseq *rseq = area();
	int64_t done = 0;
	while (workload_running()) {
		for (int i = 0; i < 100000; i++) {
			increment(rseq);
			done++;
		}
		CHECK((int32_t) * (volatile uint32_t *)&rseq->cpu_id >= 0);
		int cpu = sched_getcpu();
		CHECK(cpu >= 0);
		int64_t sum = 0;
		for (int i = 0; i < 4096; i++)
			sum += counters[i];
		CHECK(sum == done);
	}
	return workload_ok("restartable");
}
