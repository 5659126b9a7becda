/* SPDX-License-Identifier: MIT
 * What the CPU holds and memory does not: x87 stack and control word, MXCSR, YMM, ZMM and mask registers stay in their
 * registers over a stretch of computing in which no call is made. */
#include "workload.h"
#include <immintrin.h>

#define SPIN 20000000ul

static void legacy(void)
{
	unsigned short control = 0x0f7f, got_control = 0; /* round to zero, extended */
	unsigned int csr = 0x1f80 | 0x6000, got_csr = 0;  /* round to zero */
	double first = 3.25, second = -17.5, got_first = 0, got_second = 0;
	asm volatile(
		"fldcw %[control]\n\t"
		"fldl %[first]\n\t"
		"fldl %[second]\n\t"
		"ldmxcsr %[csr]\n\t"
		"mov %[spin], %%rcx\n\t"
		"1: dec %%rcx\n\t"
		"jnz 1b\n\t"
		"stmxcsr %[got_csr]\n\t"
		"fstpl %[got_second]\n\t"
		"fstpl %[got_first]\n\t"
		"fnstcw %[got_control]\n\t"
		"fninit\n\t"
		: [got_csr] "=m"(got_csr), [got_second] "=m"(got_second), [got_first] "=m"(got_first),
		  [got_control] "=m"(got_control)
		: [control] "m"(control), [first] "m"(first), [second] "m"(second), [csr] "m"(csr), [spin] "i"(SPIN)
		: "rcx", "cc", "memory");
	unsigned int normal = 0x1f80;
	asm volatile("ldmxcsr %0" : : "m"(normal));
	CHECK(got_control == control && got_first == first && got_second == second && (got_csr & ~0x3fu) == csr);
}

__attribute__((target("avx2"))) static void avx2(uint64_t seed)
{
	_Alignas(32) unsigned char in[16][32], out[16][32];
	workload_fill(in, sizeof(in), seed);
	asm volatile("vmovdqa (%[in]), %%ymm0\n\tvmovdqa 32(%[in]), %%ymm1\n\tvmovdqa 160(%[in]), %%ymm5\n\t"
		     "vmovdqa 320(%[in]), %%ymm10\n\tvmovdqa 480(%[in]), %%ymm15\n\t"
		     "mov %[spin], %%rcx\n\t1: dec %%rcx\n\tjnz 1b\n\t"
		     "vmovdqa %%ymm0, (%[out])\n\tvmovdqa %%ymm1, 32(%[out])\n\tvmovdqa %%ymm5, 160(%[out])\n\t"
		     "vmovdqa %%ymm10, 320(%[out])\n\tvmovdqa %%ymm15, 480(%[out])\n\tvzeroupper\n\t"
		     :
		     : [in] "r"(in), [out] "r"(out), [spin] "i"(SPIN)
		     : "rcx", "cc", "memory", "xmm0", "xmm1", "xmm5", "xmm10", "xmm15");
	for (int i = 0; i < 16; i += i == 0 ? 1 : i == 1 ? 4 : 5)
		CHECK(memcmp(in[i], out[i], 32) == 0);
}

__attribute__((target("avx512f,avx512bw"))) static void avx512(uint64_t seed)
{
	_Alignas(64) unsigned char in[32][64], out[32][64];
	uint64_t mask = seed * 0x9e3779b97f4a7c15ull, got_mask = 0;
	workload_fill(in, sizeof(in), seed);
	asm volatile(
		"vmovdqa64 (%[in]), %%zmm0\n\tvmovdqa64 960(%[in]), %%zmm15\n\tvmovdqa64 1024(%[in]), %%zmm16\n\t"
		"vmovdqa64 1984(%[in]), %%zmm31\n\tkmovq %[mask], %%k3\n\t"
		"mov %[spin], %%rcx\n\t1: dec %%rcx\n\tjnz 1b\n\t"
		"vmovdqa64 %%zmm0, (%[out])\n\tvmovdqa64 %%zmm15, 960(%[out])\n\tvmovdqa64 %%zmm16, 1024(%[out])\n\t"
		"vmovdqa64 %%zmm31, 1984(%[out])\n\tkmovq %%k3, %[got]\n\tvzeroupper\n\t"
		: [got] "=&r"(got_mask)
		: [in] "r"(in), [out] "r"(out), [mask] "r"(mask), [spin] "i"(SPIN)
		: "rcx", "cc", "memory", "xmm0", "xmm15");
	CHECK(got_mask == mask);
	CHECK(memcmp(in[0], out[0], 64) == 0 && memcmp(in[15], out[15], 64) == 0);
	CHECK(memcmp(in[16], out[16], 64) == 0 && memcmp(in[31], out[31], 64) == 0);
}

int main(int argc, char **argv)
{
	workload_begin(argc, argv);
	for (uint64_t seed = 1; workload_running(); seed++) {
		legacy();
		if (__builtin_cpu_supports("avx2"))
			avx2(seed);
		if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw"))
			avx512(seed);
	}
	return workload_ok("xstate");
}
