/* SPDX-License-Identifier: MIT
 * The registration of restartable sequences that glibc made for this thread, and one sequence (rseq(2), linux/rseq.h).
 */
#ifndef WORKLOAD_RSEQ_H
#define WORKLOAD_RSEQ_H

#include "workload.h"
#include <linux/rseq.h>

#define RSEQ_CPUS 4096

extern const ptrdiff_t __rseq_offset __attribute__((weak));
extern const unsigned int __rseq_size __attribute__((weak));

static inline bool rseq_registered(void)
{
	return &__rseq_size != NULL && __rseq_size != 0;
}

static inline struct rseq *rseq_area(void)
{
	return (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
}

/* counters[cpu]++, with time to be interrupted between the load and the store, which commits it. */
static inline void rseq_increment(struct rseq *rseq, int64_t counters[RSEQ_CPUS])
{
	for (;;) {
		uint32_t cpu = *(volatile uint32_t *)&rseq->cpu_id_start;
		CHECK(cpu < RSEQ_CPUS);
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
			     "mov %[counter], %%rdx\n\t"
			     "inc %%rdx\n\t"
			     "mov $40, %%ecx\n\t"
			     "5: dec %%ecx\n\t"
			     "jnz 5b\n\t"
			     "mov %%rdx, %[counter]\n\t"
			     "2: jmp 6f\n\t"
			     ".byte 0x0f, 0xb9, 0x3d\n\t"
			     ".long 0x53053053\n\t"
			     "4: movl $1, %[aborted]\n\t"
			     "6:\n\t"
			     : [cs] "=m"(rseq->rseq_cs), [counter] "+m"(counters[cpu]), [aborted] "+r"(aborted)
			     : [cpu] "r"(cpu), [current] "m"(rseq->cpu_id)
			     : "rax", "rcx", "rdx", "cc", "memory");
		rseq->rseq_cs = 0;
		if (!aborted)
			return;
	}
}

#endif
