/* SPDX-License-Identifier: MIT
 * Anonymous memory of every shape: brk, mmap, mremap, mprotect, madvise, guard pages, deep stacks; all content checked
 * all the time. */
#include "workload.h"
#include <sys/mman.h>

#define BLOCKS 64

struct block {
	unsigned char *at;
	size_t bytes;
	uint64_t seed;
};

static uint64_t state = 88172645463325252ull;

static void make(struct block *block)
{
	block->bytes = 1 + workload_random(&state) % (workload_random(&state) % 8 ? 20000 : 1500000);
	block->seed = workload_random(&state);
	block->at = malloc(block->bytes);
	CHECK(block->at != NULL);
	workload_fill(block->at, block->bytes, block->seed);
}

static int deep(int depth)
{
	volatile unsigned char frame[4096];
	for (size_t i = 0; i < sizeof(frame); i += 64)
		frame[i] = (unsigned char)(depth + (int)i);
	int below = depth > 0 ? deep(depth - 1) : 0;
	for (size_t i = 0; i < sizeof(frame); i += 64)
		CHECK(frame[i] == (unsigned char)(depth + (int)i));
	return below + 1;
}

static void maps(void)
{
	size_t page = 4096;
	unsigned char *map = mmap(NULL, 64 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(map != MAP_FAILED);
	for (size_t i = 0; i < 64; i++)
		map[i * page] = (unsigned char)(i + 1);
	CHECK(mprotect(map + 10 * page, page, PROT_NONE) == 0);
	CHECK(munmap(map + 20 * page, page) == 0);
	unsigned char *moved = mremap(map + 30 * page, 10 * page, 40 * page, MREMAP_MAYMOVE);
	CHECK(moved != MAP_FAILED);
	for (size_t i = 0; i < 10; i++)
		CHECK(moved[i * page] == 31 + i);
	CHECK(moved[20 * page] == 0);
	CHECK(madvise(map, 2 * page, MADV_DONTNEED) == 0 && map[0] == 0 && map[page] == 0 && map[2 * page] == 3);
	CHECK(mprotect(map + 10 * page, page, PROT_READ) == 0 && map[10 * page] == 11);
	unsigned char *fixed =
		mmap(map + 50 * page, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	CHECK(fixed == map + 50 * page && fixed[0] == 0);
	CHECK(munmap(moved, 40 * page) == 0 && munmap(map, 64 * page) == 0);
	unsigned char *huge = mmap(NULL, 64ull << 30, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	CHECK(huge != MAP_FAILED && munmap(huge, 64ull << 30) == 0);
	void *top = sbrk(300000);
	CHECK(top != (void *)-1);
	memset(top, 0x5a, 300000);
	usleep(1000);
	for (size_t i = 0; i < 300000; i += 511)
		CHECK(((unsigned char *)top)[i] == 0x5a);
	CHECK(sbrk(-300000) != (void *)-1);
}

int main(int argc, char **argv)
{
	static struct block blocks[BLOCKS];
	for (int i = 0; i < BLOCKS; i++)
		make(&blocks[i]);
	workload_begin(argc, argv);
	for (int round = 0; workload_running(); round++) {
		struct block *block = &blocks[workload_random(&state) % BLOCKS];
		CHECK(workload_filled(block->at, block->bytes, block->seed));
		free(block->at);
		make(block);
		if (round % 50 == 0) {
			maps();
			CHECK(deep(200 + round / 50 % 1000) > 200);
		}
	}
	for (int i = 0; i < BLOCKS; i++)
		CHECK(workload_filled(blocks[i].at, blocks[i].bytes, blocks[i].seed));
	return workload_ok("memory");
}
