/* SPDX-License-Identifier: MIT
 *
 * A parent and its children that share memory from before the fork to their end, and go through each round together.
 */
#ifndef MEMBERS_H
#define MEMBERS_H

#include "sharers.h"

#define MEMBERS 4

static struct {
	pthread_barrier_t barrier;
	bool over;
} * members;

/* 0 is the parent. */
static unsigned int self;

/* Waits for the others; true in one of them. */
static inline bool meet(void)
{
	int gave = pthread_barrier_wait(&members->barrier);
	CHECK(gave == 0 || gave == PTHREAD_BARRIER_SERIAL_THREAD);
	return gave != 0;
}

static inline uint64_t seed_of(uint64_t round, uint64_t who, uint64_t which)
{
	return (round + 1) * 1000003 + who * 1009 + which;
}

static inline void members_go_round(void (*one_round)(uint64_t round))
{
	for (uint64_t round = 0;; round++) {
		if (self == 0)
			members->over = !workload_running();
		meet();
		if (members->over)
			return;
		one_round(round);
	}
}

/* What is mapped before is shared. Begin may be NULL: what each member does first. */
static inline void members_run(void (*begin)(void), void (*one_round)(uint64_t round))
{
	pid_t children[MEMBERS];
	members = map_shared(sizeof(*members));
	make_barrier(&members->barrier, MEMBERS);
	for (unsigned int i = 1; i < MEMBERS; i++) {
		children[i] = family_forked(10 + (int)i);
		if (children[i] != 0)
			continue;
		self = i;
		if (begin)
			begin();
		members_go_round(one_round);
		_exit(10 + (int)i);
	}
	if (begin)
		begin();
	members_go_round(one_round);
	for (unsigned int i = 1; i < MEMBERS; i++)
		family_reap(children[i]);
}

#endif
