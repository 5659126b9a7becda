/* SPDX-License-Identifier: MIT
 *
 * What workloads with children share: how a child ended, and values through pipes.
 */
#ifndef CHILDREN_H
#define CHILDREN_H

#include "workload.h"

/* Waits for the child, which must end with exactly this: an exit status, or a signal's number with a minus. */
#define CHECK_END(child, expected)                                                                                     \
	do {                                                                                                           \
		int check_end = end_of(child);                                                                         \
		if (check_end != (expected)) {                                                                         \
			fprintf(stderr, "%s:%d: %s ended with %d, not %s\n", __FILE__, __LINE__, #child, check_end,    \
				#expected);                                                                            \
			exit(1);                                                                                       \
		}                                                                                                      \
	} while (0)

/* -1: of the next one that ends. */
static inline int end_of(pid_t child)
{
	int status;
	pid_t ended = waitpid(child, &status, __WALL);
	CHECK(child == -1 ? ended > 0 : ended == child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static inline pid_t forked(void)
{
	pid_t child = fork();
	CHECK(child >= 0);
	return child;
}

static inline void put(int fd, uint64_t value)
{
	CHECK(write(fd, &value, sizeof(value)) == sizeof(value));
}

static inline uint64_t get(int fd)
{
	uint64_t value;
	CHECK(read(fd, &value, sizeof(value)) == sizeof(value));
	return value;
}

/* All that could write are gone. */
static inline bool at_end(int fd)
{
	char byte;
	return read(fd, &byte, 1) == 0;
}

/* One end of a pipe, the other is closed. */
static inline int keep_end(const int pipe_ends[2], int which)
{
	CHECK(close(pipe_ends[!which]) == 0);
	return pipe_ends[which];
}

#endif
