/* SPDX-License-Identifier: MIT
 * One process, several threads, and memory that it could share but with nobody does: MAP_SHARED | MAP_ANONYMOUS, with
 * protections, mremap(2), madvise(2), locks of both kinds in it; and a child that has it for a short time. */
#include "sharers.h"

#define THREADS 4
#define PAGES   16
#define OWN     (PAGES / THREADS * PAGE)
#define ADDS    200

static struct table {
	pthread_barrier_t barrier;
	pthread_mutex_t among_processes, among_threads;
	pthread_cond_t turned;
	uint64_t turn;
	atomic_uint_fast64_t total, by_children;
	atomic_uint word;
	bool over;
} * table;

static unsigned char *region, *read_only;

static void meet(void)
{
	int gave = pthread_barrier_wait(&table->barrier);
	CHECK(gave == 0 || gave == PTHREAD_BARRIER_SERIAL_THREAD);
}

static uint64_t seed_of(uint64_t round, uint64_t thread)
{
	return (round + 1) * 1000003 + thread;
}

/* Each its pages, and then those of the next. */
static void pages(uint64_t round, unsigned int self)
{
	unsigned char *own = region + self * OWN, *next = region + (self + 1) % THREADS * OWN;
	workload_fill(own, OWN, seed_of(round, self));
	CHECK(mprotect(own + PAGE, PAGE, PROT_READ) == 0);
	WRITE_FAULTS(own + PAGE + self, SIGSEGV, SEGV_ACCERR);
	CHECK(mprotect(own + 2 * PAGE, PAGE, PROT_NONE) == 0);
	READ_FAULTS(own + 3 * PAGE - 1, SIGSEGV, SEGV_ACCERR);
	CHECK(mprotect(own + 2 * PAGE, PAGE, PROT_READ | PROT_WRITE) == 0);
	CHECK(madvise(own, OWN, MADV_DONTNEED) == 0);
	meet();
	CHECK_CONTENT(next, OWN, seed_of(round, (self + 1) % THREADS));
	meet();
	CHECK(mprotect(own + PAGE, PAGE, PROT_READ | PROT_WRITE) == 0);
	CHECK(madvise(own + 3 * PAGE, PAGE, MADV_REMOVE) == 0);
	meet();
	CHECK_CONTENT(next, OWN - PAGE, seed_of(round, (self + 1) % THREADS));
	CHECK_CONTENT(next + 3 * PAGE, PAGE, 0);
	meet();
}

static void locks(uint64_t round, unsigned int self)
{
	for (int i = 0; i < ADDS; i++) {
		pthread_mutex_t *mutex = i % 2 ? &table->among_processes : &table->among_threads;
		atomic_fetch_add(&table->total, self + 1);
		CHECK_IS(pthread_mutex_lock(mutex), 0);
		CHECK_IS(pthread_mutex_unlock(mutex), 0);
	}
	CHECK_IS(pthread_mutex_lock(&table->among_processes), 0);
	while (table->turn % THREADS != self)
		CHECK_IS(pthread_cond_wait(&table->turned, &table->among_processes), 0);
	CHECK_IS(table->turn++, round * THREADS + self);
	CHECK_IS(pthread_cond_broadcast(&table->turned), 0);
	CHECK_IS(pthread_mutex_unlock(&table->among_processes), 0);
	await_word(&table->word, (unsigned int)round * THREADS + self);
	say_word(&table->word, (unsigned int)round * THREADS + self + 1);
	meet();
	CHECK_IS(atomic_load(&table->total), (round + 1) * ADDS * 10);
}

static void *go_round(void *number)
{
	for (uint64_t round = 0;; round++) {
		meet();
		if (table->over)
			return number;
		pages(round, (unsigned int)(long)number);
		locks(round, (unsigned int)(long)number);
	}
}

/* Grown behind its end, shrunk, put elsewhere, there twice; never to be written by whoever mapped it to read only. */
static void remapped(uint64_t round)
{
	unsigned char *at = map_shared(4 * PAGE);
	workload_fill(at, 4 * PAGE, seed_of(round, 10));
	at = mremap(at, 4 * PAGE, 6 * PAGE, MREMAP_MAYMOVE);
	CHECK(at != MAP_FAILED);
	READ_FAULTS(at + 4 * PAGE, SIGBUS, BUS_ADRERR);
	CHECK_CONTENT(at, 4 * PAGE, seed_of(round, 10));
	CHECK(mremap(at, 6 * PAGE, 2 * PAGE, 0) == at);
	unsigned char *twin = mremap(at, 0, 4 * PAGE, MREMAP_MAYMOVE);
	CHECK(twin != MAP_FAILED && twin != at);
	CHECK_CONTENT(twin, 4 * PAGE, seed_of(round, 10));
	workload_fill(twin, 2 * PAGE, seed_of(round, 11));
	CHECK_CONTENT(at, 2 * PAGE, seed_of(round, 11));
	CHECK(madvise(at, PAGE, MADV_REMOVE) == 0);
	CHECK_CONTENT(twin, PAGE, 0);
	CHECK(munmap(at, 2 * PAGE) == 0 && mprotect(twin, 4 * PAGE, PROT_READ) == 0);
	WRITE_FAULTS(twin + 3 * PAGE, SIGSEGV, SEGV_ACCERR);
	CHECK(munmap(twin, 4 * PAGE) == 0);
	CHECK_CONTENT(read_only, PAGE, 0);
	WRITE_FAULTS(read_only, SIGSEGV, SEGV_ACCERR);
	CHECK_ERRNO(madvise(region, PAGE, MADV_WIPEONFORK), EINVAL);
}

/* The child has this one thread alone, and all of the memory. */
static void forked_for_a_while(uint64_t round)
{
	unsigned char *last = region + (PAGES - 1) * PAGE;
	CHECK_CONTENT(last, PAGE, 0);
	pid_t child = family_forked(11);
	if (child == 0) {
		CHECK_CONTENT(region, OWN - PAGE, seed_of(round, 0));
		workload_fill(last, PAGE, seed_of(round, 12));
		atomic_fetch_add(&table->by_children, 7);
		CHECK_IS(pthread_mutex_lock(&table->among_processes), 0);
		CHECK_IS(table->turn++, (round + 1) * THREADS);
		CHECK_IS(pthread_mutex_unlock(&table->among_processes), 0);
		_exit(11);
	}
	family_reap(child);
	CHECK_CONTENT(last, PAGE, seed_of(round, 12));
	CHECK_IS(atomic_load(&table->by_children), (round + 1) * 7);
	CHECK_IS(table->turn--, (round + 1) * THREADS + 1);
}

int main(int argc, char **argv)
{
	pthread_t threads[THREADS];
	void *gave;
	family_begin();
	table = map_shared(sizeof(*table));
	region = map_shared(PAGES * PAGE);
	read_only = mmap(NULL, PAGE, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(read_only != MAP_FAILED);
	make_barrier(&table->barrier, THREADS);
	make_mutex(&table->among_processes, PTHREAD_MUTEX_ROBUST, PTHREAD_PRIO_NONE);
	make_condition(&table->turned);
	CHECK(pthread_mutex_init(&table->among_threads, NULL) == 0);
	workload_begin(argc, argv);
	for (long i = 1; i < THREADS; i++)
		CHECK(pthread_create(&threads[i], NULL, go_round, (void *)i) == 0);
	for (uint64_t round = 0;; round++) {
		table->over = !workload_running();
		meet();
		if (table->over)
			break;
		pages(round, 0);
		locks(round, 0);
		/* The others wait meanwhile, in the memory that is forked. */
		remapped(round);
		forked_for_a_while(round);
	}
	for (long i = 1; i < THREADS; i++)
		CHECK(pthread_join(threads[i], &gave) == 0 && gave == (void *)i);
	CHECK(munmap(region, PAGES * PAGE) == 0);
	return workload_ok("sharers_alone");
}
