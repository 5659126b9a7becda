/* SPDX-License-Identifier: MIT
 * Anonymous memory of a parent and a child whose mappings change: given up in part, grown into what is there and behind
 * its end, elsewhere, twice and three times in one process (mremap(2)), not in the child at all (MADV_DONTFORK).
 *
 *   sharers_remap [MILLISECONDS | eof] [PART...] */
#include "sharers.h"

static sem_t *ready, *go;

/* A child that has the memory as it was mapped first, and checks and writes there in three steps. */
static pid_t watcher(uint64_t seed, unsigned char *at, unsigned char *not_in_child)
{
	CHECK(not_in_child == NULL || madvise(not_in_child, PAGE, MADV_DONTFORK) == 0);
	pid_t child = family_forked(42);
	if (child == 0) {
		unsigned char there;
		if (not_in_child)
			CHECK_ERRNO(mincore(not_in_child, PAGE, &there), ENOMEM);
		for (uint64_t step = 0; step < 3; step++) {
			CHECK(sem_wait(go) == 0);
			CHECK_CONTENT(at + step * PAGE, PAGE, seed + step + 6);
			workload_fill(at + (7 - step) * PAGE, PAGE, seed + step + 9);
			CHECK(sem_post(ready) == 0);
		}
		_exit(42);
	}
	return child;
}

static void remapped(uint64_t seed)
{
	unsigned char *at = map_shared(8 * PAGE), *reserved;
	pid_t child = watcher(seed, at, NULL);
	CHECK(munmap(at + 4 * PAGE, 4 * PAGE) == 0);
	workload_fill(at, PAGE, seed + 6);
	CHECK(sem_post(go) == 0 && sem_wait(ready) == 0);
	READ_FAULTS(at + 7 * PAGE, SIGSEGV, SEGV_MAPERR);

	/* Grows: into the object again, with what the other has written there meanwhile, and behind its end. */
	unsigned char *grown = mremap(at, 4 * PAGE, 9 * PAGE, MREMAP_MAYMOVE);
	CHECK(grown != MAP_FAILED);
	CHECK_CONTENT(grown, PAGE, seed + 6);
	CHECK_CONTENT(grown + 7 * PAGE, PAGE, seed + 9);
	WRITE_FAULTS(grown + 8 * PAGE, SIGBUS, BUS_ADRERR);
	CHECK(mremap(grown, 9 * PAGE, 8 * PAGE, 0) == grown);

	/* Elsewhere, to a place of our choice. */
	reserved = mmap(NULL, 16 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(reserved != MAP_FAILED);
	at = mremap(grown, 8 * PAGE, 8 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, reserved + 3 * PAGE);
	CHECK(at == reserved + 3 * PAGE);
	READ_FAULTS(grown, SIGSEGV, SEGV_MAPERR);
	workload_fill(at + PAGE, PAGE, seed + 7);
	CHECK(sem_post(go) == 0 && sem_wait(ready) == 0);
	CHECK_CONTENT(at + 6 * PAGE, PAGE, seed + 10);
	workload_fill(at + 2 * PAGE, PAGE, seed + 8);
	CHECK(sem_post(go) == 0 && sem_wait(ready) == 0);
	CHECK_CONTENT(at + 5 * PAGE, PAGE, seed + 11);
	family_reap(child);
	CHECK(munmap(reserved, 16 * PAGE) == 0);
}

/* Two and three mappings of one object in one process, of other parts, with other protections, with holes. */
static void mapped_twice(uint64_t seed)
{
	unsigned char *at = map_shared(8 * PAGE), *own = map_shared(PAGE);
	unsigned char *twin = mremap(at, 0, 8 * PAGE, MREMAP_MAYMOVE);
	unsigned char *part = mremap(at + 5 * PAGE, 0, 3 * PAGE, MREMAP_MAYMOVE);
	CHECK(twin != MAP_FAILED && part != MAP_FAILED && twin != at && part != at + 5 * PAGE);
	CHECK(mprotect(part + PAGE, PAGE, PROT_READ) == 0);
	pid_t child = watcher(seed, twin, own);
	for (uint64_t step = 0; step < 3; step++) {
		workload_fill(at + step * PAGE, PAGE, seed + step + 6);
		CHECK_CONTENT(twin + step * PAGE, PAGE, seed + step + 6);
		CHECK(sem_post(go) == 0 && sem_wait(ready) == 0);
		CHECK_CONTENT(at + (7 - step) * PAGE, PAGE, seed + step + 9);
		CHECK_CONTENT(part + (2 - step) * PAGE, PAGE, seed + step + 9);
		if (step == 0) {
			CHECK(munmap(twin + 3 * PAGE, 2 * PAGE) == 0 && munmap(at + PAGE, PAGE) == 0);
			READ_FAULTS(twin + 4 * PAGE, SIGSEGV, SEGV_MAPERR);
			READ_FAULTS(at + PAGE, SIGSEGV, SEGV_MAPERR);
			CHECK_CONTENT(twin + PAGE, PAGE, 0);
			CHECK(mremap(twin + PAGE, 0, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, at + PAGE) == at + PAGE);
		}
	}
	family_reap(child);
	WRITE_FAULTS(part + PAGE, SIGSEGV, SEGV_ACCERR);
	WRITE_FAULTS(twin + 3 * PAGE, SIGSEGV, SEGV_MAPERR);
	CHECK(munmap(at, 8 * PAGE) == 0);
	CHECK_CONTENT(twin + PAGE, PAGE, seed + 7);
	CHECK_CONTENT(part, PAGE, seed + 11);
	CHECK(munmap(twin, 8 * PAGE) == 0 && munmap(part, 3 * PAGE) == 0 && munmap(own, PAGE) == 0);
}

static const struct part parts[] = {{"remapped", remapped}, {"twice", mapped_twice}};

int main(int argc, char **argv)
{
	family_begin();
	ready = map_shared(PAGE);
	go = ready + 1;
	CHECK(sem_init(ready, 1, 0) == 0 && sem_init(go, 1, 0) == 0);
	parts_run(argc, argv, parts, sizeof(parts) / sizeof(parts[0]));
	return workload_ok("sharers_remap");
}
