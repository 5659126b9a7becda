/* SPDX-License-Identifier: MIT
 *
 * The slot at home is taken by what the wardens want for themselves, the body's call waits for it, and then is wanted
 * back: nothing of it has been done, and what was done of it before is not forgotten.
 */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
#include <sys/syscall.h>

#include "tests.h"
#include "tracer.h"

static int pipe_fds[2], own_fds[2];

static struct world *open_with_pipes(const char *dir, void (*body)(struct shared *))
{
	return pipe(pipe_fds) || pipe(own_fds) ? NULL : world_open(dir, body);
}

static bool close_with_pipes(struct world *w)
{
	bool good = world_close(w);
	for (int i = 0; i < 2; i++) {
		close(pipe_fds[i]);
		close(own_fds[i]);
	}
	return good;
}

static uint64_t executed(struct world *w)
{
	struct om_counters counters;
	om_home_counters(w->home, &counters);
	return counters.calls;
}

static bool is_empty(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	return poll(&p, 1, 0) == 0;
}

/* A call of a warden's own that waits in the slot until own_fds has a byte. */
struct own_call {
	struct world *w;
	bool of_home, done;
	pthread_t thread;
};

static void *run_own(void *argument)
{
	struct own_call *own = argument;
	char byte = 0;
	int64_t result = 0;
	uint64_t args[6] = {(uint64_t)own_fds[0], (uint64_t)&byte, 1};
	int error;
	if (own->of_home) {
		args[1] = om_home_data_address(own->w->home, 0);
		error = om_home_call(own->w->home, 0, SYS_read, args, &byte, 1, &result);
	} else {
		error = om_remote_call(own->w->remote, 0, SYS_read, args, true, &result);
	}
	own->done = !error && result == 1 && byte == 'o';
	return NULL;
}

static bool begin_own(struct own_call *own)
{
	if (pthread_create(&own->thread, NULL, run_own, own))
		return false;
	wait_blocked(own->w, SYS_read);
	return true;
}

static bool end_own(struct own_call *own)
{
	bool written = write(own_fds[1], "o", 1) == 1;
	pthread_join(own->thread, NULL);
	return written && own->done;
}

/* ---- home's -------------------------------------------------------------------------------------------------- */

static void write_body(struct shared *s)
{
	set_stage(s, 3);
	wait_stage(s, 4);
	EXPECT(write(pipe_fds[1], "x", 1) == 1);
}

/* The body's write has gone out and home holds it. */
static bool taken_back_unexecuted(struct world *w)
{
	bool good = true;
	struct om_counters counters;
	uint64_t before = executed(w);
	om_remote_counters(w->remote, &counters);
	uint64_t sent = counters.bytes_out;
	set_stage(w->shared, 4);
	for (int i = 0; i < 3; i++) {
		sent = wait_sent(w, sent);
		CHECK(tracer_stop(w, i % 2 ? OM_QUIESCE_MOVE : OM_QUIESCE_HERE, 30000) == 1);
	}
	wait_sent(w, sent);
	CHECK(executed(w) == before && is_empty(pipe_fds[0]));
	return good;
}

static bool executed_once(struct world *w, uint64_t before)
{
	char two[2];
	bool good = true;
	world_wait_body(w);
	CHECK(executed(w) == before + 1);
	CHECK(read(pipe_fds[0], two, 2) == 1);
	return good;
}

static bool reserved_slot_gives_call_back(const char *dir)
{
	bool good = true;
	int64_t result = 0;
	uint64_t none[6] = {0};
	struct world *w = open_with_pipes(dir, write_body);
	wait_stage(w->shared, 3);
	uint64_t before = executed(w);
	om_home_reserve(w->home, 0, true);
	CHECK(taken_back_unexecuted(w));
	CHECK(om_home_call(w->home, 0, SYS_getpgrp, none, NULL, 0, &result) == 0 && result == w->deputy);
	CHECK(executed(w) == before && is_empty(pipe_fds[0]));
	om_home_reserve(w->home, 0, false);
	CHECK(executed_once(w, before));
	return close_with_pipes(w) && good;
}

static bool home_call_gives_call_back(const char *dir)
{
	bool good = true;
	struct world *w = open_with_pipes(dir, write_body);
	struct own_call own = {.w = w, .of_home = true};
	wait_stage(w->shared, 3);
	uint64_t before = executed(w);
	CHECK(begin_own(&own));
	CHECK(taken_back_unexecuted(w));
	CHECK(end_own(&own));
	CHECK(executed_once(w, before));
	return close_with_pipes(w) && good;
}

static void read_body(struct shared *s)
{
	char byte;
	EXPECT(read(pipe_fds[0], &byte, 1) == 1 && byte == 'x');
}

/* What waits when the slot is reserved is taken back at home, and held when it comes again. */
static bool reservation_takes_read_back(const char *dir)
{
	bool good = true;
	int64_t result = 0;
	uint64_t none[6] = {0};
	struct world *w = open_with_pipes(dir, read_body);
	wait_blocked(w, SYS_read);
	om_home_reserve(w->home, 0, true);
	for (int i = 0; i < 3; i++)
		CHECK(om_home_call(w->home, 0, SYS_getpgrp, none, NULL, 0, &result) == 0 && result == w->deputy);
	CHECK(tracer_stop(w, OM_QUIESCE_HERE, 30000) == 1);
	CHECK(write(pipe_fds[1], "x", 1) == 1);
	CHECK(tracer_stop(w, OM_QUIESCE_MOVE, 30000) >= 0);
	om_home_reserve(w->home, 0, false);
	return close_with_pipes(w) && good;
}

/* ---- the hosting warden's ------------------------------------------------------------------------------------ */

#define BYTES (1u << 18) /* a pipe holds less */

static uint8_t byte_at(size_t at)
{
	return (uint8_t)(at * 7 + at / 4093);
}

static void long_write_body(struct shared *s)
{
	static uint8_t bytes[BYTES];
	for (size_t i = 0; i < BYTES; i++)
		bytes[i] = byte_at(i);
	EXPECT(write(pipe_fds[1], bytes, BYTES) == BYTES);
}

struct rest {
	int32_t number;
	uint64_t left_ns, done;
};

/* Cut short, and found behind the warden's own call when it is issued again: it is the same rest of a call. */
static bool cut_behind(struct world *w, struct own_call *own, struct rest *before, struct rest *after)
{
	bool good = true;
	CHECK(tracer_seize(w));
	CHECK(tracer_quiesce(w, OM_QUIESCE_HERE, 30000) == 1);
	CHECK(tracer_await(w));
	CHECK(om_remote_left(w->remote, 0, &before->number, &before->left_ns, &before->done));
	CHECK(begin_own(own));
	tracer_let_go(w);
	for (int found = 0; good && !found;) { /* 0: it has not been issued again yet */
		CHECK(tracer_seize(w));
		found = tracer_quiesce(w, OM_QUIESCE_HERE, 30000);
		CHECK(found >= 0 && tracer_await(w));
		CHECK(om_remote_left(w->remote, 0, &after->number, &after->left_ns, &after->done));
		CHECK(after->number == before->number);
		tracer_let_go(w);
	}
	return good;
}

static bool write_behind_own_call_writes_once(const char *dir)
{
	bool good = true;
	static uint8_t bytes[BYTES];
	struct world *w = open_with_pipes(dir, long_write_body);
	struct own_call own = {.w = w};
	struct rest before = {0}, after = {0};
	wait_blocked(w, SYS_write);
	CHECK(cut_behind(w, &own, &before, &after));
	CHECK(before.done > 0 && after.done == before.done);
	CHECK(end_own(&own));
	for (size_t got = 0; good && got < BYTES;) {
		ssize_t n = read(pipe_fds[0], bytes + got, BYTES - got);
		CHECK(n > 0);
		got += n > 0 ? (size_t)n : 0;
	}
	for (size_t i = 0; good && i < BYTES; i++)
		CHECK(bytes[i] == byte_at(i));
	if (!good)
		kill(w->body, SIGKILL);
	world_wait_body(w);
	CHECK(is_empty(pipe_fds[0]));
	return close_with_pipes(w) && good;
}

static void poll_body(struct shared *s)
{
	struct pollfd p = {.fd = pipe_fds[0], .events = POLLIN};
	EXPECT(poll(&p, 1, 60000) == 1);
}

static bool poll_behind_own_call_keeps_its_time(const char *dir)
{
	bool good = true;
	struct world *w = open_with_pipes(dir, poll_body);
	struct own_call own = {.w = w};
	struct rest before = {0}, after = {0};
	wait_blocked(w, SYS_poll);
	CHECK(cut_behind(w, &own, &before, &after));
	CHECK(before.left_ns < 60000000000 && after.left_ns <= before.left_ns);
	CHECK(end_own(&own));
	CHECK(write(pipe_fds[1], "p", 1) == 1);
	return close_with_pipes(w) && good;
}

const struct test held_tests[] = {
	{"reserved_slot_gives_call_back", reserved_slot_gives_call_back},
	{"home_call_gives_call_back", home_call_gives_call_back},
	{"reservation_takes_read_back", reservation_takes_read_back},
	{"write_behind_own_call_writes_once", write_behind_own_call_writes_once},
	{"poll_behind_own_call_keeps_its_time", poll_behind_own_call_keeps_its_time},
	{0},
};
