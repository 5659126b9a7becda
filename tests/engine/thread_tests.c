/* SPDX-License-Identifier: MIT
 *
 * Many threads of one process: each has its own call on its way, its own numbers, its own clock, and waits for no
 * other.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "engine/om_home.h"
#include "engine/om_remote.h"
#include "tests.h"

/* ---- who gets which answer ------------------------------------------------------------------------------- */

#define MANY  32u
#define TURNS 40u
#define CHUNK 9000u
#define BIG   ((1u << 20) + 4321u) /* two pieces */

static char dir_path[64];
static uint8_t big[MANY][BIG];

static uint8_t byte_at(uint32_t index, size_t at)
{
	return (uint8_t)(index * 31 + at * 7 + at / 4093);
}

static void fill(uint8_t *bytes, size_t count, uint32_t index)
{
	for (size_t i = 0; i < count; i++)
		bytes[i] = byte_at(index, i);
}

static bool is_filled(const uint8_t *bytes, size_t count, uint32_t index)
{
	for (size_t i = 0; i < count; i++)
		if (bytes[i] != byte_at(index, i))
			return false;
	return true;
}

/* What the deputy's thread says of itself. */
static int64_t deputy_tid(void)
{
	char text[64] = "";
	ssize_t n = readlink("/proc/thread-self", text, sizeof(text) - 1);
	const char *tid = n > 0 ? strrchr(text, '/') : NULL;
	return tid ? strtol(tid + 1, NULL, 10) : -1;
}

static void use_pipe(struct shared *s, uint32_t index)
{
	uint8_t bytes[CHUNK], back[CHUNK];
	int ends[2];
	EXPECT(pipe2(ends, O_CLOEXEC) == 0);
	for (uint32_t turn = 0; turn < TURNS; turn++) {
		size_t count = CHUNK - turn * 100 - index;
		fill(bytes, count, index + turn);
		memset(back, 0, sizeof(back));
		EXPECT(write(ends[1], bytes, count) == (ssize_t)count);
		EXPECT(read(ends[0], back, sizeof(back)) == (ssize_t)count);
		EXPECT(is_filled(back, count, index + turn));
	}
	EXPECT(close(ends[0]) == 0 && close(ends[1]) == 0);
}

static void use_file(struct shared *s, uint32_t index)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/%u", dir_path, index);
	int fd = open(path, O_CREAT | O_RDWR | O_TRUNC, 0600);
	EXPECT(fd >= 0);
	fill(big[index], BIG, index);
	EXPECT(pwrite(fd, big[index], BIG, 0) == BIG);
	memset(big[index], 0, BIG);
	EXPECT(pread(fd, big[index], BIG, 0) == BIG);
	EXPECT(is_filled(big[index], BIG, index));
	for (uint32_t i = 0; i < index * 3; i++) /* and each makes another number of calls */
		EXPECT(lseek(fd, 1000 * index + i, SEEK_SET) == 1000 * index + i);
	EXPECT(close(fd) == 0);
}

static void busy_work(struct shared *s, uint32_t index)
{
	for (uint32_t turn = 0; turn < TURNS; turn++)
		EXPECT((s->hands[index].numbers[0] = deputy_tid()) > 0);
	use_pipe(s, index);
	use_file(s, index);
}

static bool numbers_are_each_threads(struct world *w)
{
	bool good = true;
	uint8_t *home = mmap(NULL, OM_STATE_BYTES(SLOTS), PROT_READ, MAP_SHARED, w->home_state, 0);
	uint8_t *remote = mmap(NULL, OM_STATE_BYTES(SLOTS), PROT_READ, MAP_SHARED, w->remote_state, 0);
	for (uint32_t i = 0; i < MANY; i++) {
		const struct om_home_thread_state *at_home = om_state_of(home, i);
		const struct om_remote_thread_state *here = om_state_of(remote, i);
		CHECK(at_home->last_seq == here->seq);
		CHECK(at_home->last_seq >= TURNS * 3 + i * 3 && at_home->last_seq < TURNS * 3 + i * 3 + 20);
	}
	munmap(home, OM_STATE_BYTES(SLOTS));
	munmap(remote, OM_STATE_BYTES(SLOTS));
	return good;
}

static bool counters_add_up(struct world *w)
{
	static uint64_t calls[OM_NUMBERS], refused[OM_NUMBERS];
	bool good = true;
	struct om_counters here, at_home;
	uint64_t sum = 0;
	CHECK(om_remote_call_counts(w->remote, calls, refused, OM_NUMBERS) == OM_NUMBERS);
	for (uint32_t i = 0; i < OM_NUMBERS; i++)
		sum += calls[i];
	om_remote_counters(w->remote, &here);
	om_home_counters(w->home, &at_home);
	CHECK(here.calls == sum && here.refused == 0 && at_home.refused == 0);
	CHECK(calls[SYS_pipe2] == MANY && calls[SYS_write] == MANY * TURNS && calls[SYS_read] == MANY * TURNS);
	CHECK(calls[SYS_lseek] == 3 * MANY * (MANY - 1) / 2 && calls[SYS_pwrite64] == MANY);
	CHECK(at_home.bytes_in == here.bytes_out && at_home.bytes_out == here.bytes_in);
	return good;
}

static bool many_threads_call(const char *dir)
{
	bool good = true;
	snprintf(dir_path, sizeof(dir_path), "%s", dir);
	struct world *w = crew_open(dir, MANY, busy_work);
	world_wait_body(w);
	for (uint32_t i = 0; i < MANY; i++)
		CHECK(w->shared->hands[i].numbers[0] == w->deputy_tids[i]);
	CHECK(w->shared->failed || numbers_are_each_threads(w));
	CHECK(w->shared->failed || counters_add_up(w));
	return world_close(w) && good;
}

/* ---- one waits, others do not ---------------------------------------------------------------------------- */

#define CALLERS 6u

static int pipe_fds[2], poll_fds[2];

static void wait_or_call(struct shared *s, uint32_t index)
{
	struct pollfd p = {.fd = poll_fds[0], .events = POLLIN};
	char byte;
	switch (index) {
	case 0:
		EXPECT(read(pipe_fds[0], &byte, 1) == 1 && byte == 'r');
		break;
	case 1:
		EXPECT(poll(&p, 1, -1) == 1);
		break;
	default:
		wait_stage(s, 3);
		for (int i = 0; i < 2000; i++)
			EXPECT(syscall(SYS_getppid) > 0);
		set_hand(s, index, 1);
	}
}

static bool blocked_hold_up_nobody(const char *dir)
{
	bool good = true;
	if (pipe(pipe_fds) || pipe(poll_fds))
		return false;
	struct world *w = crew_open(dir, 2 + CALLERS, wait_or_call);
	wait_slot_blocked(w, 0, SYS_read);
	wait_slot_blocked(w, 1, SYS_poll);
	set_stage(w->shared, 3);
	for (uint32_t i = 0; i < CALLERS; i++)
		wait_hand(w->shared, 2 + i, 1);
	wait_slot_blocked(w, 0, SYS_read);
	wait_slot_blocked(w, 1, SYS_poll);
	CHECK(write(pipe_fds[1], "r", 1) == 1 && write(poll_fds[1], "p", 1) == 1);
	good = world_close(w) && good;
	for (int i = 0; i < 2; i++) {
		close(pipe_fds[i]);
		close(poll_fds[i]);
	}
	return good;
}

/* ---- whose time ------------------------------------------------------------------------------------------ */

#define BEFORE_S 1000
#define WORK_NS  150000000u

static uint64_t thread_ns(struct shared *s)
{
	struct timespec t = {0};
	EXPECT(syscall(SYS_clock_gettime, CLOCK_THREAD_CPUTIME_ID, &t) == 0);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t usage_ns(struct shared *s)
{
	struct rusage u = {0};
	EXPECT(syscall(SYS_getrusage, RUSAGE_THREAD, &u) == 0);
	return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000000u +
	       (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000u;
}

/* The second computes, the third had done so on another host, the first waits for both. */
static void compute_work(struct shared *s, uint32_t index)
{
	uint64_t began = thread_ns(s);
	if (index == 1)
		while (thread_ns(s) - began < WORK_NS)
			for (volatile int i = 0; i < 3000000; i++)
				;
	if (index > 0)
		set_hand(s, index, 1);
	for (uint32_t i = 1; index == 0 && i < 3; i++)
		wait_hand(s, i, 1);
	s->hands[index].numbers[0] = (int64_t)thread_ns(s);
	s->hands[index].numbers[1] = (int64_t)usage_ns(s);
	set_hand(s, index, 2);
	wait_stage(s, 3);
}

static bool each_has_its_time(const char *dir)
{
	const int64_t before = BEFORE_S * 1000000000ll;
	bool good = true;
	struct om_usage used[3] = {0};
	const struct om_usage elsewhere = {.user_ns = (uint64_t)before};
	struct world *w = crew_prepare(dir, 3, compute_work);
	struct hand *hands = w->shared->hands;
	om_remote_thread_usage_before(w->remote, 2, &elsewhere);
	CHECK(om_remote_thread_usage(w->remote, 3, &used[0]) == -ESRCH);
	om_home_expect(w->home, "pc2", 1, false, 0);
	world_start(w);
	for (uint32_t i = 0; i < 3; i++)
		wait_hand(w->shared, i, 2);
	for (uint32_t i = 0; i < 3; i++) {
		CHECK(om_remote_thread_usage(w->remote, i, &used[i]) == 0);
		CHECK(hands[i].numbers[1] >= hands[i].numbers[0] - 1000); /* cut to microseconds */
	}
	CHECK(used[1].user_ns + used[1].system_ns >= WORK_NS / 2 && used[0].user_ns + used[0].system_ns < WORK_NS / 2);
	CHECK(hands[1].numbers[0] >= (int64_t)WORK_NS && hands[0].numbers[0] < (int64_t)WORK_NS / 2);
	CHECK(used[2].user_ns >= (uint64_t)before && used[2].user_ns < (uint64_t)before + WORK_NS);
	CHECK(hands[2].numbers[0] >= before && hands[2].numbers[0] < before + (int64_t)WORK_NS);
	set_stage(w->shared, 3);
	return world_close(w) && good;
}

const struct test thread_tests[] = {
	{"many_threads_call", many_threads_call},
	{"blocked_hold_up_nobody", blocked_hold_up_nobody},
	{"each_has_its_time", each_has_its_time},
	{0},
};
