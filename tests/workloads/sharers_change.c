/* SPDX-License-Identifier: MIT
 * Processes that share memory, and whose number changes: children that come and end in the middle, that are killed with
 * a lock in hand, that leave the memory by munmap(2) or execve(2), a grandchild that outlives its parent, and memory
 * that is mapped later.
 *
 *   sharers_change [MILLISECONDS | eof] [PART...] */
#include "sharers.h"
#include <sched.h>

#define ADDS 200

static struct board {
	pthread_mutex_t lock, lost;
	sem_t ready, go;
	atomic_uint begun;
	atomic_uint_fast64_t total;
	uint64_t half[2]; /* equal whenever nobody has the lock */
} * board;

/* Children that come one after the other while others are at work. */
static void churn(uint64_t seed)
{
	enum { CHILDREN = 6, AT_ONCE = 3 };
	pid_t children[CHILDREN];
	uint64_t before = atomic_load(&board->total), halves = board->half[0], expected = 0;
	for (int i = 0; i < CHILDREN; i++) {
		if (i >= AT_ONCE)
			family_reap(children[i - AT_ONCE]);
		children[i] = family_forked(20 + i);
		expected += (uint64_t)(i + 1) * ADDS;
		for (int j = 0; children[i] == 0 && j < ADDS; j++) {
			atomic_fetch_add(&board->total, (uint64_t)i + 1);
			CHECK_IS(pthread_mutex_lock(&board->lock), 0);
			CHECK_IS(board->half[0], board->half[1]);
			board->half[0] += (uint64_t)i + 1;
			board->half[1] += (uint64_t)i + 1;
			CHECK_IS(pthread_mutex_unlock(&board->lock), 0);
		}
		if (children[i] == 0)
			_exit(20 + i);
	}
	for (int i = CHILDREN - AT_ONCE; i < CHILDREN; i++)
		family_reap(children[i]);
	CHECK_IS(atomic_load(&board->total), before + expected);
	CHECK_IS(board->half[0], halves + expected);
	CHECK_IS(board->half[1], halves + expected);
}

/* The owner of a robust mutex is killed in the middle of what the mutex is for; another waits for it. */
static void killed_owner(uint64_t seed)
{
	uint64_t before = board->half[0];
	pid_t owner = family_forked(-SIGKILL);
	if (owner == 0) {
		CHECK_IS(pthread_mutex_lock(&board->lock), 0);
		board->half[0]++;
		CHECK(sem_post(&board->ready) == 0);
		for (;;)
			pause();
	}
	CHECK(sem_wait(&board->ready) == 0);
	pid_t heir = family_forked(30);
	if (heir == 0) {
		CHECK_IS(pthread_mutex_trylock(&board->lock), EBUSY);
		CHECK(sem_post(&board->ready) == 0);
		CHECK_IS(pthread_mutex_lock(&board->lock), EOWNERDEAD);
		CHECK_IS(board->half[0], board->half[1] + 1);
		board->half[1]++;
		CHECK_IS(pthread_mutex_consistent(&board->lock), 0);
		CHECK_IS(pthread_mutex_unlock(&board->lock), 0);
		_exit(30);
	}
	CHECK(sem_wait(&board->ready) == 0 && kill(owner, SIGKILL) == 0);
	family_reap(heir);
	family_reap(owner);
	CHECK_IS(pthread_mutex_lock(&board->lock), 0);
	CHECK_IS(board->half[0], before + 1);
	CHECK_IS(board->half[1], before + 1);
	CHECK_IS(pthread_mutex_unlock(&board->lock), 0);
}

/* One that ends by itself and leaves a mutex that nobody makes whole; trylock, since wait(2) has said that it is gone.
 */
static void lost_lock(uint64_t seed)
{
	make_mutex(&board->lost, PTHREAD_MUTEX_ROBUST, PTHREAD_PRIO_NONE);
	pid_t owner = family_forked(31);
	if (owner == 0) {
		CHECK_IS(pthread_mutex_lock(&board->lost), 0);
		_exit(31);
	}
	family_reap(owner);
	CHECK_IS(pthread_mutex_trylock(&board->lost), EOWNERDEAD);
	CHECK_IS(pthread_mutex_unlock(&board->lost), 0);
	CHECK_IS(pthread_mutex_lock(&board->lost), ENOTRECOVERABLE);
	CHECK_IS(pthread_mutex_destroy(&board->lost), 0);
}

/* One that has been waited for writes nothing more. */
static void killed_writer(uint64_t seed)
{
	uint64_t before = atomic_load(&board->total), then;
	pid_t writer = family_forked(-SIGKILL);
	while (writer == 0)
		atomic_fetch_add(&board->total, 1);
	while (atomic_load(&board->total) - before < 1000)
		sched_yield();
	CHECK(kill(writer, SIGKILL) == 0);
	family_reap(writer);
	then = atomic_load(&board->total);
	for (int i = 0; i < 2; i++) {
		pid_t child = family_forked(32);
		if (child == 0)
			_exit(atomic_load(&board->total) == then ? 32 : 33);
		family_reap(child);
	}
	CHECK_IS(atomic_load(&board->total), then);
}

/* A grandchild whose parent has ended. */
static void grandchild(uint64_t seed)
{
	int go[2];
	CHECK(pipe(go) == 0 && prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	atomic_store(&board->begun, 0);
	atomic_store(&board->total, seed);
	pid_t child = family_forked(34);
	if (child == 0) {
		if (forked() != 0) {
			await_word(&board->begun, 1);
			_exit(34);
		}
		int in = keep_end(go, 0);
		atomic_fetch_add(&board->total, 1);
		say_word(&board->begun, 1);
		CHECK_IS(get(in), seed);
		atomic_fetch_add(&board->total, 2);
		_exit(35);
	}
	int out = keep_end(go, 1);
	family_reap(child);
	CHECK_IS(atomic_fetch_add(&board->total, 5), seed + 1);
	put(out, seed);
	CHECK_END(-1, 35);
	CHECK_IS(atomic_load(&board->total), seed + 8);
	CHECK(close(out) == 0 && prctl(PR_SET_CHILD_SUBREAPER, 0) == 0);
}

/* A child that gives the memory back goes on with its own, at the same place. */
static void goes_alone(uint64_t seed)
{
	unsigned char *shared = map_shared(3 * PAGE), *own = malloc(PAGE);
	int said[2], go[2];
	CHECK(own != NULL && pipe(said) == 0 && pipe(go) == 0);
	workload_fill(shared, 3 * PAGE, seed);
	pid_t child = family_forked(36);
	if (child == 0) {
		memcpy(own, shared, PAGE);
		CHECK(munmap(board, sizeof(*board)) == 0 && munmap(shared + PAGE, PAGE) == 0);
		READ_FAULTS(shared + PAGE, SIGSEGV, SEGV_MAPERR);
		for (int i = 0; i < 3; i += 2) {
			void *at = mmap(shared + (size_t)i * PAGE, PAGE, PROT_READ | PROT_WRITE,
					MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
			CHECK(at == shared + (size_t)i * PAGE);
			CHECK_CONTENT(shared + (size_t)i * PAGE, PAGE, 0);
		}
		workload_fill(shared, PAGE, seed + 1);
		put(said[1], 1);
		CHECK_IS(get(go[0]), 2);
		CHECK_CONTENT(own, PAGE, seed);
		CHECK_CONTENT(shared, PAGE, seed + 1);
		CHECK_CONTENT(shared + 2 * PAGE, PAGE, 0);
		_exit(36);
	}
	CHECK_IS(get(said[0]), 1);
	CHECK_CONTENT(shared, 3 * PAGE, seed);
	workload_fill(shared, 3 * PAGE, seed + 2);
	put(go[1], 2);
	family_reap(child);
	CHECK_CONTENT(shared, 3 * PAGE, seed + 2);
	for (int i = 0; i < 2; i++)
		CHECK(close(said[i]) == 0 && close(go[i]) == 0);
	CHECK(munmap(shared, 3 * PAGE) == 0);
	free(own);
}

/* One that leaves by execve(2), which gives its robust mutex to the next as its end would. */
static void leaves_by_exec(uint64_t seed)
{
	int go[2];
	CHECK(pipe(go) == 0);
	pid_t child = family_forked(40);
	if (child == 0) {
		CHECK_IS(pthread_mutex_lock(&board->lock), 0);
		board->half[0]++;
		CHECK(sem_post(&board->ready) == 0 && dup2(keep_end(go, 0), STDIN_FILENO) == STDIN_FILENO);
		execl("/proc/self/exe", "sharers_change", "executed", NULL);
		_exit(1);
	}
	int in = keep_end(go, 1);
	CHECK(sem_wait(&board->ready) == 0);
	CHECK_IS(pthread_mutex_lock(&board->lock), EOWNERDEAD);
	CHECK(waitpid(child, NULL, WNOHANG) == 0);
	CHECK_IS(board->half[0], ++board->half[1]);
	CHECK_IS(pthread_mutex_consistent(&board->lock), 0);
	CHECK_IS(pthread_mutex_unlock(&board->lock), 0);
	put(in, 39);
	CHECK(close(in) == 0);
	family_reap(child);
}

/* Memory that is mapped when there have been sharers for long; what one has unmapped is the other's still. */
static void mapped_later(uint64_t seed)
{
	struct {
		sem_t there, back;
		unsigned char content[3 * PAGE];
	} *later = map_shared(sizeof(*later));
	CHECK(sem_init(&later->there, 1, 0) == 0 && sem_init(&later->back, 1, 0) == 0);
	workload_fill(later->content, sizeof(later->content), seed + 3);
	pid_t child = family_forked(41);
	if (child == 0) {
		CHECK_CONTENT(later->content, sizeof(later->content), seed + 3);
		workload_fill(later->content, sizeof(later->content), seed + 4);
		CHECK(sem_post(&later->back) == 0 && sem_wait(&later->there) == 0);
		CHECK_CONTENT(later->content, sizeof(later->content), seed + 5);
		CHECK(sem_post(&board->ready) == 0 && sem_wait(&board->go) == 0);
		CHECK_CONTENT(later->content, sizeof(later->content), seed + 5);
		_exit(41);
	}
	CHECK(sem_wait(&later->back) == 0);
	CHECK_CONTENT(later->content, sizeof(later->content), seed + 4);
	workload_fill(later->content, sizeof(later->content), seed + 5);
	CHECK(sem_post(&later->there) == 0 && sem_wait(&board->ready) == 0);
	CHECK(munmap(later, sizeof(*later)) == 0 && sem_post(&board->go) == 0);
	family_reap(child);
}

static const struct part parts[] = {
	{"churn", churn},           {"killed", killed_owner}, {"lost", lost_lock},      {"writer", killed_writer},
	{"grandchild", grandchild}, {"alone", goes_alone},    {"exec", leaves_by_exec}, {"later", mapped_later},
};

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "executed") == 0)
		return get(STDIN_FILENO) == 39 && at_end(STDIN_FILENO) ? 40 : 1;
	family_begin();
	board = map_shared(sizeof(*board));
	make_mutex(&board->lock, PTHREAD_MUTEX_ROBUST, PTHREAD_PRIO_NONE);
	CHECK(sem_init(&board->ready, 1, 0) == 0 && sem_init(&board->go, 1, 0) == 0);
	parts_run(argc, argv, parts, sizeof(parts) / sizeof(parts[0]));
	return workload_ok("sharers_change");
}
