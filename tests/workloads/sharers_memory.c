/* SPDX-License-Identifier: MIT
 * A parent and three children with the same anonymous memory: a big region of which few pages exist, protections that
 * are each process's own, pages given up by one for itself or for all, system calls whose buffers are shared. */
#include "members.h"

#define SPARSE (256ul << 20)
#define SPOTS  8
#define PROBES 4
#define PIECE  9000

static unsigned char *sparse, *guarded, *given_up, *piece_from, *piece_to;
static int piece_pipe[2];

/* Those below SPOTS stay for ever and are never written again; those above are new in each round. */
static unsigned char *spot(uint64_t round, unsigned int which)
{
	uint64_t state = which < SPOTS ? which + 1 : round * 64 + which;
	for (int i = 0; i < 8; i++)
		workload_random(&state);
	/* The first and the last page, and one on each side of a 2 MiB page's edge. */
	static const uint64_t fixed[] = {0, SPARSE / PAGE - 1, 511, 512};
	uint64_t page = which < 4 ? fixed[which] : SPOTS * 100 + which + state % 1000 * 64;
	return sparse + page * PAGE;
}

static void sparse_region(uint64_t round)
{
	for (unsigned int i = SPOTS; i < 2 * SPOTS; i++)
		if (i % MEMBERS == self)
			workload_fill(spot(round, i), PAGE, seed_of(round, 7, i));
	meet();
	for (unsigned int i = 0; i < 2 * SPOTS; i++)
		CHECK_CONTENT(spot(round, i), PAGE, seed_of(i < SPOTS ? 0 : round, 7, i));
	for (unsigned int i = 2 * SPOTS; i < 2 * SPOTS + PROBES; i++)
		CHECK_CONTENT(spot(round, i), PAGE, 0);
	/* Given up in the round before. */
	for (unsigned int i = SPOTS; round > 0 && i < 2 * SPOTS; i++)
		if (spot(round - 1, i) != spot(round, i))
			CHECK_CONTENT(spot(round - 1, i), PAGE, 0);
	meet();
	/* What was only looked at has pages now, too. */
	for (unsigned int i = SPOTS; i < 2 * SPOTS + PROBES; i++) {
		if (i % MEMBERS != (self + 1) % MEMBERS)
			continue;
		CHECK(madvise(spot(round, i), PAGE, MADV_REMOVE) == 0);
		CHECK(round == 0 || madvise(spot(round - 1, i), PAGE, MADV_REMOVE) == 0);
	}
	meet();
}

/* The first page is read-only in member 3, the second nothing in member 2, for as long as they live. */
static void protections(uint64_t round)
{
	if (self < 2) {
		workload_fill(guarded + self * PAGE, PAGE, seed_of(round, self, 8));
		workload_fill(guarded + self * PAGE + 2 * PAGE, PAGE, seed_of(round, self, 9));
	}
	meet();
	CHECK_CONTENT(guarded, PAGE, seed_of(round, 0, 8));
	if (self == 3)
		WRITE_FAULTS(guarded + 5, SIGSEGV, SEGV_ACCERR);
	if (self == 2) {
		READ_FAULTS(guarded + PAGE + 6, SIGSEGV, SEGV_ACCERR);
		CHECK_ERRNO(write(piece_pipe[1], guarded + PAGE, 8), EFAULT);
	} else {
		CHECK_CONTENT(guarded + PAGE, PAGE, seed_of(round, 1, 8));
	}
	/* And two for a while only, in one of them. */
	if (self == 1) {
		CHECK(mprotect(guarded + 2 * PAGE, 2 * PAGE, PROT_READ) == 0);
		WRITE_FAULTS(guarded + 4 * PAGE - 1, SIGSEGV, SEGV_ACCERR);
	}
	meet();
	CHECK_CONTENT(guarded + 3 * PAGE, PAGE, seed_of(round, 1, 9));
	if (self == 0)
		workload_fill(guarded + 2 * PAGE, PAGE, seed_of(round, 0, 10));
	meet();
	CHECK_CONTENT(guarded + 2 * PAGE, PAGE, seed_of(round, 0, 10));
	CHECK(self != 1 || mprotect(guarded + 2 * PAGE, 2 * PAGE, PROT_READ | PROT_WRITE) == 0);
	meet();
}

/* madvise(2): MADV_DONTNEED takes pages from one process and nothing from the memory, MADV_REMOVE takes it from all. */
static void advice(uint64_t round)
{
	unsigned int taken = (unsigned int)(round % MEMBERS);
	workload_fill(given_up + self * PAGE, PAGE, seed_of(round, self, 11));
	CHECK(madvise(given_up + self * PAGE, PAGE, MADV_DONTNEED) == 0);
	meet();
	CHECK(self == taken || madvise(given_up, MEMBERS * PAGE, MADV_DONTNEED) == 0);
	for (unsigned int i = 0; i < MEMBERS; i++)
		CHECK_CONTENT(given_up + i * PAGE, PAGE, seed_of(round, i, 11));
	meet();
	CHECK(self != taken || madvise(given_up + (self + 1) % MEMBERS * PAGE, PAGE, MADV_REMOVE) == 0);
	meet();
	for (unsigned int i = 0; i < MEMBERS; i++)
		CHECK_CONTENT(given_up + i * PAGE, PAGE, i == (taken + 1) % MEMBERS ? 0 : seed_of(round, i, 11));
	meet();
}

/* What a process has put into the memory is what another's call takes from there, and the other way round. */
static void calls(uint64_t round)
{
	unsigned int role = (self + (unsigned int)round) % MEMBERS;
	if (role == 3)
		workload_fill(piece_from + 77, PIECE, seed_of(round, 3, 12));
	meet();
	if (role == 0)
		CHECK_IS(write(piece_pipe[1], piece_from + 77, PIECE), PIECE);
	for (ssize_t done = 0, more; role == 1 && done < PIECE; done += more) {
		more = read(piece_pipe[0], piece_to + 4000 + done, (size_t)(PIECE - done));
		CHECK(more > 0);
	}
	meet();
	CHECK_CONTENT(piece_to + 4000, PIECE, seed_of(round, 3, 12));
	meet();
	CHECK(role != 2 || madvise(piece_to, 4 * PAGE, MADV_REMOVE) == 0);
	meet();
}

static void one_round(uint64_t round)
{
	sparse_region(round);
	protections(round);
	advice(round);
	calls(round);
}

static void protect_own(void)
{
	CHECK(self != 3 || mprotect(guarded, PAGE, PROT_READ) == 0);
	CHECK(self != 2 || mprotect(guarded + PAGE, PAGE, PROT_NONE) == 0);
}

int main(int argc, char **argv)
{
	family_begin();
	sparse = map_shared(SPARSE);
	guarded = map_shared(4 * PAGE);
	given_up = map_shared(MEMBERS * PAGE);
	piece_from = map_shared(4 * PAGE);
	piece_to = map_shared(4 * PAGE);
	CHECK(pipe(piece_pipe) == 0);
	for (unsigned int i = 0; i < SPOTS; i++)
		workload_fill(spot(0, i), PAGE, seed_of(0, 7, i));
	workload_begin(argc, argv);
	members_run(protect_own, one_round);
	CHECK(munmap(sparse, SPARSE) == 0);
	return workload_ok("sharers_memory");
}
