/* SPDX-License-Identifier: MIT
 *
 * What every workload shares. A workload is an ordinary program that checks one group of kernel features on itself,
 * over and over, long enough to be moved many times while it does so:
 *
 *   workload [MILLISECONDS | eof]     default 2500; the round in progress is finished
 *
 * With eof it goes on until its standard input ends: whoever moves it says when it has been moved often enough.
 *
 * It prints only what does not depend on how often it went round, `ok NAME` last, and exits 0. The first thing that is
 * not as the manual page says ends it with status 1 and one line on standard error.
 */
#ifndef WORKLOAD_H
#define WORKLOAD_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHECK(condition)                                                                                               \
	do {                                                                                                           \
		int check_errno = errno;                                                                               \
		if (!(condition)) {                                                                                    \
			fprintf(stderr, "%s:%d: %s (errno %d %s)\n", __FILE__, __LINE__, #condition, check_errno,      \
				strerror(check_errno));                                                                \
			exit(1);                                                                                       \
		}                                                                                                      \
	} while (0)

/* The call must fail with exactly this errno. */
#define CHECK_ERRNO(call, expected)                                                                                    \
	do {                                                                                                           \
		errno = 0;                                                                                             \
		long check_gave = (long)(call);                                                                        \
		if (check_gave != -1 || errno != (expected)) {                                                         \
			fprintf(stderr, "%s:%d: %s gave %ld, errno %d %s, not %s\n", __FILE__, __LINE__, #call,        \
				check_gave, errno, strerror(errno), #expected);                                        \
			exit(1);                                                                                       \
		}                                                                                                      \
	} while (0)

static inline int64_t now_ns(clockid_t clock)
{
	struct timespec now;
	CHECK(clock_gettime(clock, &now) == 0);
	return now.tv_sec * 1000000000ll + now.tv_nsec;
}

static int64_t workload_end_ns;
static bool workload_until_eof;

static inline void workload_begin(int argc, char **argv)
{
	workload_until_eof = argc > 1 && strcmp(argv[1], "eof") == 0;
	long milliseconds = argc > 1 ? strtol(argv[1], NULL, 10) : 2500;
	workload_end_ns = now_ns(CLOCK_MONOTONIC) + milliseconds * 1000000ll;
}

static inline bool workload_running(void)
{
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
	char byte;
	if (workload_until_eof)
		return poll(&input, 1, 0) <= 0 || read(STDIN_FILENO, &byte, 1) != 0;
	return now_ns(CLOCK_MONOTONIC) < workload_end_ns;
}

static inline int workload_ok(const char *name)
{
	printf("ok %s\n", name);
	CHECK(fflush(stdout) == 0);
	return 0;
}

/* A private directory under $TMPDIR, the current directory until workload_leave. */
static char workload_directory[PATH_MAX];

static inline void workload_enter(void)
{
	const char *base = getenv("TMPDIR");
	snprintf(workload_directory, sizeof(workload_directory), "%s/workload-XXXXXX", base ? base : "/tmp");
	CHECK(mkdtemp(workload_directory) != NULL);
	CHECK(chdir(workload_directory) == 0);
}

static inline void workload_leave(void)
{
	CHECK(chdir("/") == 0);
	CHECK(rmdir(workload_directory) == 0);
}

/* A repeatable stream of bytes. */
static inline uint64_t workload_random(uint64_t *state)
{
	uint64_t x = *state;
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return *state = x;
}

static inline void workload_fill(void *buffer, size_t bytes, uint64_t seed)
{
	unsigned char *at = buffer;
	uint64_t state = seed * 0x9e3779b97f4a7c15ull + 1;
	for (size_t i = 0; i < bytes; i++)
		at[i] = (unsigned char)(workload_random(&state) >> 24);
}

static inline bool workload_filled(const void *buffer, size_t bytes, uint64_t seed)
{
	const unsigned char *at = buffer;
	uint64_t state = seed * 0x9e3779b97f4a7c15ull + 1;
	for (size_t i = 0; i < bytes; i++)
		if (at[i] != (unsigned char)(workload_random(&state) >> 24))
			return false;
	return true;
}

#endif
