/* SPDX-License-Identifier: MIT
 *
 * The link is cut and wardens are replaced under the calls of many threads: each call is executed once, whoever asks
 * for it and however often.
 */
#include <fcntl.h>
#include <signal.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "engine/om_remote.h"
#include "tests.h"

/* ---- records of many threads ----------------------------------------------------------------------------- */

#define HANDS   16u
#define RECORDS 400u
#define PIPED   3000u /* bytes of a piped record: fewer than are written at once */

struct record {
	uint32_t hand, count;
};

static char path[128];
static int pipe_fds[2];

static void note(struct shared *s, uint32_t index, uint32_t count)
{
	*(volatile int64_t *)&s->hands[index].numbers[0] = count;
}

/* Even ones append to a file; of the others each has a pipe of its own, and has back what it writes. */
static void append_work(struct shared *s, uint32_t index)
{
	int fd = open(path, O_CREAT | O_WRONLY | O_APPEND, 0600);
	EXPECT(fd >= 0);
	for (uint32_t i = 0; i < RECORDS; i++) {
		struct record record = {index, i};
		EXPECT(write(fd, &record, sizeof(record)) == sizeof(record));
		note(s, index, i + 1);
	}
	EXPECT(close(fd) == 0);
}

static void pipe_work(struct shared *s, uint32_t index)
{
	uint32_t record[PIPED / 4];
	int ends[2];
	EXPECT(pipe(ends) == 0);
	for (uint32_t i = 0; i < RECORDS; i++) {
		for (uint32_t k = 0; k < PIPED / 4; k++)
			record[k] = i * 1000 + k;
		EXPECT(write(ends[1], record, sizeof(record)) == sizeof(record));
		memset(record, 0, sizeof(record));
		EXPECT(read(ends[0], record, sizeof(record)) == sizeof(record));
		for (uint32_t k = 0; k < PIPED / 4; k++)
			EXPECT(record[k] == i * 1000 + k);
		note(s, index, i + 1);
	}
	EXPECT(fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0);
	EXPECT(read(ends[0], record, 1) == -1);
}

static void record_work(struct shared *s, uint32_t index)
{
	index % 2 ? pipe_work(s, index) : append_work(s, index);
}

static bool records_are_whole(void)
{
	static struct record records[HANDS / 2 * RECORDS + 1];
	uint32_t next[HANDS] = {0};
	bool good = true;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(read(fd, records, sizeof(records)) == sizeof(records) - sizeof(records[0]));
	close(fd);
	for (uint32_t i = 0; good && i < HANDS / 2 * RECORDS; i++)
		CHECK(records[i].hand < HANDS && records[i].count == next[records[i].hand]++);
	return good;
}

/* Until all together have come this far. */
static void wait_records(struct world *w, uint32_t count)
{
	for (int64_t sum = 0; sum < (int64_t)count && !w->shared->failed; sched_yield()) {
		sum = 0;
		for (uint32_t i = 0; i < HANDS; i++)
			sum += *(volatile int64_t *)&w->shared->hands[i].numbers[0];
	}
}

static bool disturbed(const char *dir, uint32_t times, bool (*disturb)(struct world *))
{
	bool good = true;
	snprintf(path, sizeof(path), "%s/records", dir);
	struct world *w = crew_open(dir, HANDS, record_work);
	for (uint32_t i = 1; i <= times; i++) {
		wait_records(w, i * (HANDS * RECORDS / (times + 2)));
		CHECK(disturb(w));
	}
	good = world_close(w) && good;
	return good && records_are_whole();
}

static bool cut(struct world *w)
{
	relay_cut(w->relay);
	return true;
}

static void forget_log(struct world *w)
{
	pthread_mutex_lock(&w->lock);
	w->log[0] = 0;
	pthread_mutex_unlock(&w->lock);
}

/* Until it is up again: what is down says so once. */
static bool hold(struct world *w)
{
	relay_hold(w->relay);
	world_wait_log(w, "pc1 down");
	forget_log(w);
	relay_heal(w->relay);
	world_wait_log(w, "pc1 up");
	forget_log(w);
	return true;
}

static bool restart_home(struct world *w)
{
	om_home_close(w->home);
	om_engine_close(w->pc1);
	world_engine(w, "pc1");
	world_home(w);
	return om_home_expect(w->home, "pc2", 1, false, 0) == 0;
}

static bool reopen_remote(struct world *w)
{
	world_close_remote(w);
	world_remote(w);
	return om_remote_start(w->remote, 30000) == 0;
}

static bool restart_remote(struct world *w)
{
	world_close_remote(w);
	om_engine_close(w->pc2);
	world_engine(w, "pc2");
	world_remote(w);
	return om_remote_start(w->remote, 30000) == 0;
}

static bool restart_both(struct world *w)
{
	world_close_remote(w);
	bool good = restart_home(w);
	world_remote(w);
	return om_remote_start(w->remote, 30000) == 0 && good;
}

static bool many_calls_cut(const char *dir)
{
	return disturbed(dir, 30, cut);
}

static bool many_calls_held(const char *dir)
{
	return disturbed(dir, 8, hold);
}

static bool many_calls_home_restarted(const char *dir)
{
	return disturbed(dir, 4, restart_home);
}

static bool many_calls_remote_reopened(const char *dir)
{
	return disturbed(dir, 8, reopen_remote);
}

static bool many_calls_remote_restarted(const char *dir)
{
	return disturbed(dir, 4, restart_remote);
}

static bool many_calls_both_restarted(const char *dir)
{
	return disturbed(dir, 4, restart_both);
}

/* ---- in the middle of one -------------------------------------------------------------------------------- */

#define LONG ((2u << 20) + 777u)

static uint8_t bytes[LONG];

static uint8_t byte_at(size_t at)
{
	return (uint8_t)(at * 7 + at / 4093);
}

static void long_write_work(struct shared *s, uint32_t index)
{
	if (index != 1)
		return;
	for (size_t i = 0; i < LONG; i++)
		bytes[i] = byte_at(i);
	for (size_t done = 0; done < LONG;) {
		ssize_t n = write(pipe_fds[1], bytes + done, LONG - done);
		EXPECT(n > 0);
		done += (size_t)n;
	}
}

/* What home was asked about the file is known to the next warden: it does not ask with the number of the first piece.
 */
static bool first_piece_is_taken_over(const char *dir)
{
	static uint8_t got[65536];
	bool good = true;
	if (pipe(pipe_fds))
		return false;
	struct world *w = crew_open(dir, 2, long_write_work);
	wait_slot_blocked(w, 1, SYS_write);
	CHECK(reopen_remote(w));
	for (size_t at = 0; good && at < LONG;) {
		ssize_t n = read(pipe_fds[0], got, sizeof(got));
		CHECK(n > 0);
		for (ssize_t i = 0; good && i < n; i++)
			CHECK(got[i] == byte_at(at + (size_t)i));
		at += n > 0 ? (size_t)n : 0;
	}
	if (!good)
		kill(w->body, SIGKILL);
	world_wait_body(w);
	CHECK(fcntl(pipe_fds[0], F_SETFL, O_NONBLOCK) == 0 && read(pipe_fds[0], got, 1) == -1);
	good = world_close(w) && good;
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	return good;
}

static void one_record_work(struct shared *s, uint32_t index)
{
	struct record record = {index, 0};
	if (index != 1)
		return;
	wait_hand(s, index, 1);
	EXPECT(write(pipe_fds[1], &record, sizeof(record)) == sizeof(record));
}

/* The kernel has handed it to a warden that has not done anything about it. */
static bool arrived_is_taken_over(const char *dir)
{
	struct record record = {0};
	bool good = true;
	if (pipe(pipe_fds))
		return false;
	struct world *w = crew_open(dir, 2, one_record_work);
	struct om_gate_state *state =
		mmap(NULL, OM_STATE_BYTES(0), PROT_READ | PROT_WRITE, MAP_SHARED, w->gate_state, 0);
	world_close_remote(w);
	set_hand(w->shared, 1, 1);
	/* The other threads' last calls come here, too. */
	CHECK(ioctl(w->listener, SECCOMP_IOCTL_NOTIF_RECV, &state->arrived) == 0);
	world_remote(w);
	CHECK(om_remote_start(w->remote, 30000) == 0);
	CHECK(read(pipe_fds[0], &record, sizeof(record)) == sizeof(record) && record.hand == 1);
	munmap(state, OM_STATE_BYTES(0));
	world_wait_body(w);
	CHECK(fcntl(pipe_fds[0], F_SETFL, O_NONBLOCK) == 0 && read(pipe_fds[0], &record, 1) == -1);
	good = world_close(w) && good;
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	return good;
}

const struct test thread_link_tests[] = {
	{"many_calls_cut", many_calls_cut},
	{"many_calls_held", many_calls_held},
	{"many_calls_home_restarted", many_calls_home_restarted},
	{"many_calls_remote_reopened", many_calls_remote_reopened},
	{"many_calls_remote_restarted", many_calls_remote_restarted},
	{"many_calls_both_restarted", many_calls_both_restarted},
	{"first_piece_is_taken_over", first_piece_is_taken_over},
	{"arrived_is_taken_over", arrived_is_taken_over},
	{0},
};
