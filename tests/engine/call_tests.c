/* SPDX-License-Identifier: MIT
 *
 * Calls without signals: identity, files, pipes, pieces, time limits, and what a call costs.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

#include "listener.h"
#include "tests.h"

static int pipe_fds[2];
static char path[128];

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- identity -------------------------------------------------------------------------------------------- */

static void identity_body(struct shared *s)
{
	s->numbers[0] = syscall(SYS_getpgrp);
	s->numbers[1] = syscall(SYS_getppid);
	EXPECT(syscall(SYS_close, 4000) == -1 && errno == EBADF);
	EXPECT(syscall(1000) == -1 && errno == ENOSYS);
}

static bool identity(const char *dir)
{
	bool good = true;
	struct world *w = world_open(dir, identity_body);
	pid_t deputy = w->deputy;
	struct shared *s = w->shared;
	world_wait_body(w);
	CHECK(s->numbers[0] == deputy);
	CHECK(s->numbers[1] == getpid());
	CHECK(w->claimed == 1);
	struct om_counters counters;
	om_remote_counters(w->remote, &counters);
	CHECK(counters.refused == 1);
	return world_close(w) && good;
}

/* As identity: calls that are forwarded, refused by the table, and local ones. */
static bool answers_outlive_signals(const char *dir)
{
	listener_breaks_off = true;
	bool good = identity(dir);
	listener_breaks_off = false;
	return good;
}

/* ---- a file, in pieces ----------------------------------------------------------------------------------- */

#define BIG (3u * 1024 * 1024 + 12345)
static uint8_t big[BIG];

static void file_body(struct shared *s)
{
	struct stat st;
	int fd = open(path, O_CREAT | O_RDWR | O_TRUNC, 0600);
	EXPECT(fd >= 0);
	for (size_t i = 0; i < BIG; i++)
		big[i] = (uint8_t)(i * 7 + i / 4096);
	EXPECT(write(fd, big, BIG) == BIG);
	EXPECT(fstat(fd, &st) == 0 && st.st_size == BIG);
	memset(big, 0, BIG);
	EXPECT(pread(fd, big, BIG, 0) == BIG);
	for (size_t i = 0; i < BIG; i++)
		EXPECT(big[i] == (uint8_t)(i * 7 + i / 4096));
	EXPECT(lseek(fd, 100, SEEK_SET) == 100);
	EXPECT(read(fd, big, 10) == 10 && big[0] == (uint8_t)700);
	EXPECT(syscall(SYS_read, fd, 8, 10) == -1 && errno == EFAULT);
	EXPECT(syscall(SYS_read, fd, AREA + 100, 10) == -1 && errno == EFAULT);
	EXPECT(close(fd) == 0);
}

static bool file_in_pieces(const char *dir)
{
	bool good = true;
	struct stat st;
	snprintf(path, sizeof(path), "%s/file", dir);
	good = world_close(world_open(dir, file_body));
	CHECK(stat(path, &st) == 0 && st.st_size == BIG);
	return good;
}

/* ---- a pipe that blocks ---------------------------------------------------------------------------------- */

static void pipe_body(struct shared *s)
{
	char bytes[64];
	EXPECT(read(pipe_fds[0], bytes, sizeof(bytes)) == 5);
	EXPECT(!memcmp(bytes, "hello", 5));
	struct pollfd p = {.fd = pipe_fds[0], .events = POLLIN};
	EXPECT(poll(&p, 1, -1) == 1 && p.revents == POLLIN);
	EXPECT(read(pipe_fds[0], bytes, sizeof(bytes)) == 2);
}

static bool pipe_blocks(const char *dir)
{
	if (pipe(pipe_fds))
		return false;
	struct world *w = world_open(dir, pipe_body);
	wait_blocked(w, SYS_read);
	bool good = write(pipe_fds[1], "hello", 5) == 5;
	wait_blocked(w, SYS_poll);
	good &= write(pipe_fds[1], "ab", 2) == 2;
	good &= world_close(w);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	return good;
}

/* ---- the warden's own calls ----------------------------------------------------------------------------------------
 */

static void wait_body(struct shared *s)
{
	set_stage(s, 3);
	wait_stage(s, 4);
	EXPECT(syscall(SYS_getuid) == 0);
}

static bool own_calls(const char *dir)
{
	bool good = true;
	struct world *w = world_open(dir, wait_body);
	struct utsname name;
	char reply[64];
	uint64_t none[6] = {0}, uname_args[6] = {(uint64_t)&name};
	int64_t result = 0;
	wait_stage(w->shared, 3);
	CHECK(om_home_call(w->home, 0, SYS_getpgrp, none, NULL, 0, &result) == 0 && result == w->deputy);
	CHECK(om_remote_call(w->remote, 0, SYS_getpgrp, none, false, &result) == 0 && result == w->deputy);
	memset(&name, 0, sizeof(name));
	CHECK(om_remote_call(w->remote, 0, SYS_uname, uname_args, true, &result) == 0 && result == 0);
	CHECK(!strcmp(name.sysname, "Linux"));
	struct utsname data;
	uint64_t data_args[6] = {om_home_data_address(w->home, 0)};
	CHECK(om_home_call(w->home, 0, SYS_uname, data_args, &data, sizeof(data), &result) == 0 && result == 0);
	CHECK(!strcmp(data.sysname, "Linux"));
	int n = om_remote_ask(w->remote, 7, "please", 6, reply, sizeof(reply));
	CHECK(n == 8 && !memcmp(reply, "7:please", 8));
	set_stage(w->shared, 4);
	return world_close(w) && good;
}

/* ---- what it costs -------------------------------------------------------------------------------------------------
 */

#define TIMES 4000
static uint64_t times[TIMES];

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

static void cost_body(struct shared *s)
{
	for (int i = 0; i < TIMES; i++) {
		uint64_t before = now_ns();
		syscall(SYS_getppid);
		times[i] = now_ns() - before;
	}
	qsort(times, TIMES, sizeof(times[0]), compare);
	s->numbers[0] = (int64_t)times[TIMES / 2];
	s->numbers[1] = (int64_t)times[TIMES / 10];
	s->numbers[2] = (int64_t)times[TIMES * 9 / 10];
	int fd = open(path, O_CREAT | O_RDWR | O_TRUNC, 0600);
	uint64_t before = now_ns();
	for (int i = 0; i < 32; i++)
		EXPECT(pwrite(fd, big, 1 << 20, 0) == 1 << 20);
	s->numbers[3] = (int64_t)(now_ns() - before);
	before = now_ns();
	for (int i = 0; i < 32; i++)
		EXPECT(pread(fd, big, 1 << 20, 0) == 1 << 20);
	s->numbers[4] = (int64_t)(now_ns() - before);
	for (int i = 0; i < 256; i++) {
		before = now_ns();
		EXPECT(pread(fd, big, 4096, 0) == 4096);
		times[i] = now_ns() - before;
	}
	qsort(times, 256, sizeof(times[0]), compare);
	s->numbers[5] = (int64_t)times[128];
}

static bool cost(const char *dir)
{
	snprintf(path, sizeof(path), "%s/file", dir);
	struct world *w = world_prepare(dir, cost_body);
	/* Without the relay in between. */
	om_engine_peer(w->pc2, "pc1", "127.0.0.1", (uint16_t)om_engine_port(w->pc1));
	om_home_expect(w->home, "pc2", 1, false, 0);
	world_start(w);
	world_wait_body(w);
	printf("getppid forwarded over the link: median %.1f us (10%%: %.1f, 90%%: %.1f)\n",
	       (double)w->shared->numbers[0] / 1000, (double)w->shared->numbers[1] / 1000,
	       (double)w->shared->numbers[2] / 1000);
	printf("1 MiB: writes %.0f MiB/s, reads %.0f MiB/s; 4 KiB reads %.1f us\n",
	       32e9 / (double)w->shared->numbers[3], 32e9 / (double)w->shared->numbers[4],
	       (double)w->shared->numbers[5] / 1e3);
	return world_close(w);
}

const struct test call_tests[] = {
	{"identity", identity},
	{"answers_outlive_signals", answers_outlive_signals},
	{"file_in_pieces", file_in_pieces},
	{"pipe_blocks", pipe_blocks},
	{"own_calls", own_calls},
	{"cost", cost},
	{0},
};
