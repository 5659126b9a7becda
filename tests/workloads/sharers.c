/* SPDX-License-Identifier: MIT
 * A parent and three children that share anonymous memory, and in it what processes wait for each other with: robust
 * mutexes and conditions, semaphores, barriers, futexes that are not private, and counters that each adds to. */
#include "members.h"
#include <sched.h>

#define TURNS 40
#define SLOTS 8
#define ADDS  500

struct item {
	unsigned int producer;
	uint64_t sequence;
	unsigned char data[48];
};

static struct table {
	pthread_mutex_t lock;
	pthread_cond_t not_full, not_empty;
	struct item ring[SLOTS];
	uint64_t put, taken, next[MEMBERS];
	sem_t turn[MEMBERS];
	uint64_t ball[MEMBERS];
	unsigned int arrived[MEMBERS];
	atomic_uint serial, token, bed, called, returned;
	atomic_uint_fast64_t total, of[MEMBERS];
	pthread_mutex_t inheriting;
	uint64_t plain[2];
} * table;

static void wait_for(pthread_cond_t *condition, bool deadline)
{
	struct timespec late;
	CHECK(clock_gettime(CLOCK_MONOTONIC, &late) == 0);
	late.tv_sec += 36000;
	CHECK_IS(deadline ? pthread_cond_timedwait(condition, &table->lock, &late)
			  : pthread_cond_wait(condition, &table->lock),
		 0);
}

/* Two produce, two consume; what a producer counts in its own memory must agree with what is in everybody's. */
static void ring(uint64_t round)
{
	static uint64_t sent;
	const uint64_t limit = (round + 1) * 2 * TURNS;
	bool produces = (self + round) % MEMBERS < 2;
	for (int i = 0; produces && i < TURNS; i++) {
		struct item item = {.producer = self, .sequence = sent++};
		workload_fill(item.data, sizeof(item.data), seed_of(item.sequence, self, 1));
		CHECK_IS(pthread_mutex_lock(&table->lock), 0);
		while (table->put - table->taken == SLOTS)
			wait_for(&table->not_full, i % 2);
		table->ring[table->put++ % SLOTS] = item;
		CHECK_IS(pthread_cond_signal(&table->not_empty), 0);
		CHECK_IS(pthread_mutex_unlock(&table->lock), 0);
	}
	for (bool more = !produces; more;) {
		struct item item;
		CHECK_IS(pthread_mutex_lock(&table->lock), 0);
		while (table->put == table->taken && table->taken < limit)
			wait_for(&table->not_empty, round % 2);
		more = table->taken < limit;
		if (more) {
			item = table->ring[table->taken++ % SLOTS];
			CHECK(item.producer < MEMBERS);
			CHECK_IS(item.sequence, table->next[item.producer]++);
			CHECK_IS(pthread_cond_signal(&table->not_full), 0);
			if (table->taken == limit)
				CHECK_IS(pthread_cond_broadcast(&table->not_empty), 0);
		}
		CHECK_IS(pthread_mutex_unlock(&table->lock), 0);
		if (more)
			CHECK_CONTENT(item.data, sizeof(item.data), seed_of(item.sequence, item.producer, 1));
	}
	meet();
	CHECK_IS(table->next[self], sent);
	CHECK_IS(table->put, limit);
	CHECK_IS(table->taken, limit);
}

static void semaphores(uint64_t round)
{
	unsigned int partner = self ^ (1 + (unsigned int)(round % 3)), pair = self < partner ? self : partner;
	uint64_t *ball = &table->ball[pair];
	struct timespec soon;
	int left = -1;
	for (unsigned int i = 0; i < TURNS; i++) {
		if (self == pair) {
			*ball = seed_of(round, pair, 2 * i);
			CHECK(sem_post(&table->turn[partner]) == 0);
		}
		CHECK(sem_wait(&table->turn[self]) == 0);
		CHECK_IS(*ball, seed_of(round, pair, 2 * i + (self == pair)));
		if (self != pair) {
			*ball = seed_of(round, pair, 2 * i + 1);
			CHECK(sem_post(&table->turn[partner]) == 0);
		}
	}
	CHECK(sem_getvalue(&table->turn[self], &left) == 0);
	CHECK_IS(left, 0);
	int64_t due = now_ns(CLOCK_MONOTONIC) + 1000000;
	soon = (struct timespec){.tv_sec = due / 1000000000, .tv_nsec = due % 1000000000};
	CHECK_ERRNO(sem_clockwait(&table->turn[self], CLOCK_MONOTONIC, &soon), ETIMEDOUT);
	CHECK(now_ns(CLOCK_MONOTONIC) >= due);
	meet();
}

/* Nobody passes before all have come, and one of them is told so. */
static void barriers(uint64_t round)
{
	for (unsigned int i = 1; i <= TURNS / 8; i++) {
		table->arrived[self] = (unsigned int)round * TURNS + i;
		atomic_fetch_add(&table->serial, meet());
		for (int other = 0; other < MEMBERS; other++)
			CHECK_IS(table->arrived[other], (unsigned int)round * TURNS + i);
		meet();
		CHECK_IS(atomic_load(&table->serial), i);
	}
	meet();
	atomic_store(&table->serial, 0);
	meet();
}

static void futexes(uint64_t round)
{
	unsigned int first = (unsigned int)round * TURNS * MEMBERS;
	for (unsigned int i = 0; i < TURNS; i++) {
		await_word(&table->token, first + i * MEMBERS + self);
		say_word(&table->token, first + i * MEMBERS + self + 1);
	}
	/* Each is woken by its bit, exactly once, in the order they are called. */
	if (self != round % MEMBERS) {
		CHECK_ERRNO(futex(&table->bed, FUTEX_WAIT, 1, 0), EAGAIN);
		CHECK(futex(&table->bed, FUTEX_WAIT_BITSET, 0, 1u << self) == 0);
		CHECK_IS(atomic_load(&table->called), self);
		say_word(&table->returned, atomic_load(&table->returned) + 1);
	}
	for (unsigned int i = 1; self == round % MEMBERS && i < MEMBERS; i++) {
		unsigned int other = (self + i) % MEMBERS;
		long woken = 0;
		atomic_store(&table->called, other);
		for (; woken == 0; sched_yield())
			woken = futex(&table->bed, FUTEX_WAKE_BITSET, INT_MAX, 1u << other);
		CHECK_IS(woken, 1);
		await_word(&table->returned, (unsigned int)round * (MEMBERS - 1) + i);
	}
	meet();
	CHECK_IS(atomic_load(&table->token), first + TURNS * MEMBERS);
	CHECK_IS(atomic_load(&table->returned), (unsigned int)(round + 1) * (MEMBERS - 1));
}

/* Never set to zero: what was added before a move is there after it. */
static void counters(uint64_t round)
{
	for (int i = 0; i < ADDS; i++) {
		atomic_fetch_add(&table->total, self + 1);
		atomic_fetch_add(&table->of[self], 1);
		if (i % 10 != 0)
			continue;
		CHECK_IS(pthread_mutex_lock(&table->inheriting), 0);
		CHECK_IS(table->plain[0], table->plain[1]);
		table->plain[0] += self + 1;
		table->plain[1] += self + 1;
		CHECK_IS(pthread_mutex_unlock(&table->inheriting), 0);
	}
	meet();
	CHECK_IS(atomic_load(&table->total), (round + 1) * ADDS * 10);
	CHECK_IS(table->plain[0], (round + 1) * ADDS);
	for (int i = 0; i < MEMBERS; i++)
		CHECK_IS(atomic_load(&table->of[i]), (round + 1) * ADDS);
}

static void one_round(uint64_t round)
{
	ring(round);
	semaphores(round);
	barriers(round);
	futexes(round);
	counters(round);
}

int main(int argc, char **argv)
{
	family_begin();
	table = map_shared(sizeof(*table));
	make_mutex(&table->lock, PTHREAD_MUTEX_ROBUST, PTHREAD_PRIO_NONE);
	make_mutex(&table->inheriting, PTHREAD_MUTEX_ROBUST, PTHREAD_PRIO_INHERIT);
	make_condition(&table->not_full);
	make_condition(&table->not_empty);
	for (int i = 0; i < MEMBERS; i++)
		CHECK(sem_init(&table->turn[i], 1, 0) == 0);
	workload_begin(argc, argv);
	members_run(NULL, one_round);
	return workload_ok("sharers");
}
