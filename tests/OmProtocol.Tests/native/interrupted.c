/* SPDX-License-Identifier: MIT
 *
 * What the link's other end is not there to show: cancelled calls, time that is left, replies that do not fit, a body
 * that is gone.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "engine/om_marshal.h"

#define MS 1000000ull

static int failures, checks;
static struct om_marshal m;

static void check(bool holds, const char *what, int line)
{
	checks++;
	if (holds)
		return;
	failures++;
	fprintf(stderr, "line %d: %s\n", line, what);
}

#define CHECK(x) check(x, #x, __LINE__)

static int begin(long number, long a, long b, long c, long d, long e, long f)
{
	uint64_t args[6] = {(uint64_t)a, (uint64_t)b, (uint64_t)c, (uint64_t)d, (uint64_t)e, (uint64_t)f};

	return om_marshal_begin(&m, number, args);
}

#define BEGIN_(number, a, b, c, d, e, f, ...)                                                                          \
	begin(number, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
#define BEGIN(...) BEGIN_(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)

static const struct om_request *request(void)
{
	return (const struct om_request *)(const void *)m.request;
}

static const uint8_t *data_of(uint32_t segment)
{
	const struct om_segment *segments =
		(const struct om_segment *)(const void *)(m.request + sizeof(struct om_request));
	const uint8_t *at = (const uint8_t *)(segments + request()->segment_count);

	for (uint32_t i = 0; i < segment; i++)
		if (segments[i].flags & OM_SEGMENT_IN)
			at += (segments[i].bytes + 7) & ~7u;
	return at;
}

static int reply(int64_t result, uint32_t flags)
{
	struct om_reply r = {.result = result, .flags = flags};

	return om_marshal_reply(&m, &r, sizeof(r));
}

static void timeouts(void)
{
	struct pollfd fds[1] = {{0, POLLIN, 0}};
	struct timespec ts = {2, 500 * MS};
	struct timeval tv = {3, 250};
	uint64_t left, mask = 0x1234;

	CHECK(BEGIN(SYS_epoll_wait, 3, fds, 1, 100) == OM_MARSHAL_SEND);
	CHECK(om_marshal_remaining(&m, 30 * MS, &left) && left == 70 * MS);
	CHECK(reply(0, OM_REPLY_CANCELLED) == OM_MARSHAL_CANCELLED);
	CHECK(om_marshal_again(&m, 30 * MS + 1) == OM_MARSHAL_SEND && (int)request()->args[3] == 70);
	CHECK(om_marshal_again(&m, 69 * MS) == OM_MARSHAL_SEND && (int)request()->args[3] == 1);
	CHECK(om_marshal_again(&m, 50 * MS) == OM_MARSHAL_SEND && (int)request()->args[3] == 0);
	CHECK(om_marshal_interrupted(&m, 0) == OM_MARSHAL_DONE && m.result == -EINTR);

	CHECK(BEGIN(SYS_epoll_wait, 3, fds, 1, -1) == OM_MARSHAL_SEND && !om_marshal_remaining(&m, 0, &left));
	CHECK(om_marshal_again(&m, 30 * MS) == OM_MARSHAL_SEND && (int)request()->args[3] == -1);

	CHECK(BEGIN(SYS_ppoll, fds, 1, &ts, &mask, 8) == OM_MARSHAL_SEND && m.has_mask && m.mask == mask &&
	      request()->args[3] == 0);
	CHECK(om_marshal_again(&m, 1000 * MS) == OM_MARSHAL_SEND);
	CHECK(((const struct timespec *)(const void *)data_of(1))->tv_sec == 1);
	CHECK(((const struct timespec *)(const void *)data_of(1))->tv_nsec == (long)(500 * MS));
	CHECK(om_marshal_interrupted(&m, 100 * MS) == OM_MARSHAL_DONE && m.result == -514);
	CHECK(ts.tv_sec == 1 && ts.tv_nsec == (long)(400 * MS));

	CHECK(BEGIN(SYS_select, 0, 0, 0, 0, &tv) == OM_MARSHAL_SEND && !m.has_mask);
	CHECK(om_marshal_interrupted(&m, 1000 * MS) == OM_MARSHAL_DONE && m.result == -514 && tv.tv_sec == 2 &&
	      tv.tv_usec == 250);
	ts = (struct timespec){1, 2000 * (long)MS}; /* not one: the kernel at home says so */
	CHECK(BEGIN(SYS_ppoll, fds, 1, &ts, 0, 8) == OM_MARSHAL_SEND && !om_marshal_remaining(&m, 0, &left));
	CHECK(BEGIN(SYS_read, 0, fds, 8) == OM_MARSHAL_SEND && om_marshal_interrupted(&m, 0) == OM_MARSHAL_DONE &&
	      m.result == -512);
	CHECK(BEGIN(SYS_wait4, -1, 0, 0, 0) == OM_MARSHAL_SEND && om_marshal_interrupted(&m, 0) == OM_MARSHAL_DONE &&
	      m.result == -512);
}

/* A pipe takes two of three pieces; then a signal comes, or a reader goes. */
static void pieces(void)
{
	char *memory = calloc(3, OM_CALL_DATA_MAX);

	for (int end = 0; end < 3; end++) {
		CHECK(BEGIN(SYS_write, 1, memory, 3 * OM_CALL_DATA_MAX) == OM_MARSHAL_SEND);
		CHECK(request()->number == SYS_fstat);
		CHECK(reply(-EBADF, 0) == OM_MARSHAL_SEND && request()->number == SYS_write &&
		      request()->args[2] == OM_CALL_DATA_MAX);
		CHECK(reply(OM_CALL_DATA_MAX, 0) == OM_MARSHAL_SEND);
		CHECK(reply(0, OM_REPLY_CANCELLED) == OM_MARSHAL_CANCELLED &&
		      om_marshal_again(&m, MS) == OM_MARSHAL_SEND);
		CHECK(request()->number == SYS_write);
		CHECK(reply(OM_CALL_DATA_MAX, 0) == OM_MARSHAL_SEND);
		if (end == 0)
			CHECK(reply(0, OM_REPLY_CANCELLED) == OM_MARSHAL_CANCELLED &&
			      om_marshal_interrupted(&m, MS) == OM_MARSHAL_DONE);
		else if (end == 1)
			CHECK(reply(-EPIPE, 0) == OM_MARSHAL_DONE);
		else
			CHECK(reply(5, 0) == OM_MARSHAL_DONE);
		CHECK(m.result == 2 * OM_CALL_DATA_MAX + (end == 2 ? 5 : 0));
	}
	CHECK(BEGIN(SYS_sendto, 1, memory, 2 * OM_CALL_DATA_MAX) == OM_MARSHAL_SEND &&
	      request()->number == SYS_getsockopt);
	CHECK(reply(0, OM_REPLY_CANCELLED) == OM_MARSHAL_CANCELLED &&
	      om_marshal_interrupted(&m, 0) == OM_MARSHAL_DONE && m.result == -512);
	free(memory);
}

static void wrong_replies(void)
{
	char *text = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct {
		struct om_reply reply;
		struct om_reply_part parts[2];
		uint8_t data[64];
	} r = {{.result = 8, .part_count = 1, .data_bytes = 8}, {{0, 8}}, {0}};

	CHECK(BEGIN(SYS_read, 0, text, 8) == OM_MARSHAL_SEND);
	CHECK(om_marshal_reply(&m, &r, 5) == -EPROTO);
	CHECK(om_marshal_reply(&m, &r, sizeof(r.reply)) == -EPROTO);
	r.parts[0].bytes = 9;
	r.reply.data_bytes = 16;
	CHECK(om_marshal_reply(&m, &r, 24 + 8 + 16) == -EPROTO);
	r.parts[0] = (struct om_reply_part){1, 8};
	r.reply.data_bytes = 8;
	CHECK(om_marshal_reply(&m, &r, 24 + 8 + 8) == -EPROTO);
	r.parts[0] = (struct om_reply_part){0, 4};
	r.parts[1] = (struct om_reply_part){0, 4};
	r.reply.part_count = 2;
	r.reply.data_bytes = 16;
	CHECK(om_marshal_reply(&m, &r, 24 + 16 + 16) == -EPROTO);
	r.reply.part_count = UINT32_MAX;
	CHECK(om_marshal_reply(&m, &r, sizeof(r)) == -EPROTO);
	/* nothing may be written to what only goes out */
	CHECK(BEGIN(SYS_write, 1, text, 8) == OM_MARSHAL_SEND);
	r.reply.part_count = 1;
	r.parts[0] = (struct om_reply_part){0, 8};
	r.reply.data_bytes = 8;
	CHECK(om_marshal_reply(&m, &r, 24 + 8 + 8) == -EPROTO);
	/* one that fits */
	CHECK(BEGIN(SYS_read, 0, text, 8) == OM_MARSHAL_SEND);
	memcpy((uint8_t *)&r + 32, "12345678", 8);
	CHECK(om_marshal_reply(&m, &r, 24 + 8 + 8) == OM_MARSHAL_DONE && m.result == 8 &&
	      memcmp(text, "12345678", 8) == 0);
	/* the memory went away meanwhile */
	CHECK(BEGIN(SYS_read, 0, text, 8) == OM_MARSHAL_SEND);
	munmap(text, 4096);
	CHECK(om_marshal_reply(&m, &r, 24 + 8 + 8) == OM_MARSHAL_DONE && m.result == -EFAULT);
}

static void a_body_that_is_gone(void)
{
	struct om_marshal gone;
	char *text = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t args[6] = {1, (uint64_t)(uintptr_t)text, 8};
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	CHECK(om_marshal_open(&gone, pid, 0, 0) == 0);
	CHECK(om_marshal_begin(&gone, SYS_write, args) == OM_MARSHAL_SEND);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	CHECK(om_marshal_begin(&gone, SYS_write, args) == -ESRCH);
	CHECK(om_marshal_begin(&gone, SYS_stat, args) == -ESRCH);
	om_marshal_close(&gone);
}

/* The warden's own calls: its own memory, no process. */
static void own_memory(void)
{
	struct om_marshal own;
	uint64_t args[6] = {0, (uint64_t)(uintptr_t) "/name", 0};

	CHECK(om_marshal_open(&own, 0, 0, UINT64_MAX) == 0);
	CHECK(om_marshal_begin(&own, SYS_openat, args) == OM_MARSHAL_SEND);
	CHECK(strcmp((const char *)own.request + sizeof(struct om_request) + sizeof(struct om_segment), "/name") == 0);
	om_marshal_close(&own);
}

int main(void)
{
	CHECK(om_marshal_open(&m, getpid(), 0x1000, 0x1000) == 0);
	timeouts();
	pieces();
	wrong_replies();
	a_body_that_is_gone();
	own_memory();
	om_marshal_close(&m);
	printf("%d checks, %d failures\n", checks, failures);
	return failures != 0;
}
