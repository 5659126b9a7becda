/* SPDX-License-Identifier: MIT
 *
 * Files of which the body has the data (om_home_guard): calls that mean the data of one, or send a descriptor of it,
 * are held and told of, and are wanted back unexecuted; all others go through.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests.h"
#include "tracer.h"

/* The deputy has the same, under the same numbers. */
static int guarded_fd, other_fd, pair[2];

static struct world *open_with_files(const char *dir, void (*body)(struct shared *))
{
	guarded_fd = memfd_create("guarded", 0);
	other_fd = memfd_create("other", 0);
	if (guarded_fd < 0 || other_fd < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		return NULL;
	struct world *w = world_open(dir, body);
	wait_stage(w->shared, 3);
	return w;
}

static bool close_with_files(struct world *w)
{
	bool good = world_close(w);
	close(guarded_fd);
	close(other_fd);
	close(pair[0]);
	close(pair[1]);
	return good;
}

static bool guard(struct world *w, uint32_t count)
{
	struct stat st;
	if (fstat(guarded_fd, &st))
		return false;
	struct om_file_id id = {st.st_dev, st.st_ino};
	return om_home_guard(w->home, &id, count) == 0;
}

static int64_t size_of(int fd)
{
	struct stat st;
	return fstat(fd, &st) ? -1 : st.st_size;
}

/* What does not mean its data, and what means those of another. */
static void harmless_body(struct shared *s)
{
	struct stat st;
	char byte = 'x';
	set_stage(s, 3);
	wait_stage(s, 4);
	EXPECT(write(other_fd, &byte, 1) == 1 && pread(other_fd, &byte, 1, 0) == 1);
	EXPECT(fstat(guarded_fd, &st) == 0 && lseek(guarded_fd, 0, SEEK_CUR) == 0 && fcntl(guarded_fd, F_GETFD) == 0);
	int again = dup(guarded_fd);
	EXPECT(again >= 0 && close(again) == 0);
	EXPECT(read(-1, &byte, 1) == -1 && errno == EBADF);
	EXPECT(send(pair[0], &byte, 1, 0) == 1);
}

static bool others_go_through(const char *dir)
{
	bool good = true;
	struct world *w = open_with_files(dir, harmless_body);
	CHECK(guard(w, 1));
	set_stage(w->shared, 4);
	world_wait_body(w);
	CHECK(w->guarded == 0);
	return close_with_files(w) && good;
}

static void write_file(void)
{
	(void)!write(guarded_fd, "x", 1);
}

static void write_vector(void)
{
	struct iovec parts[] = {{"x", 1}, {"y", 1}};
	(void)!pwritev(guarded_fd, parts, 2, 0);
}

static void send_to_it(void)
{
	off_t from = 0;
	(void)!sendfile(guarded_fd, other_fd, &from, 1);
}

static void cut_it(void)
{
	(void)!ftruncate(guarded_fd, 100);
}

static void give_it(void)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(2 * sizeof(int))];
	} control = {.head = {CMSG_LEN(2 * sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
	int fds[2] = {other_fd, guarded_fd};
	memcpy(CMSG_DATA(&control.head), fds, sizeof(fds));
	struct iovec one = {"x", 1};
	struct msghdr message = {
		.msg_iov = &one, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	(void)!sendmsg(pair[0], &message, 0);
}

static void (*const means_it[])(void) = {write_file, write_vector, send_to_it, cut_it, give_it};
#define WAYS (sizeof(means_it) / sizeof(means_it[0]))
static size_t way;

static void one_call_body(struct shared *s)
{
	set_stage(s, 3);
	wait_stage(s, 4);
	means_it[way]();
}

static bool has_been_sent(void)
{
	char byte;
	return recv(pair[1], &byte, 1, MSG_DONTWAIT) == 1;
}

/* Held, told of, given back as often as it is wanted; and executed when it is not guarded any more. */
static bool call_waits_for_home(const char *dir)
{
	bool good = true;
	for (way = 0; way < WAYS && good; way++) {
		struct om_counters counters;
		struct world *w = open_with_files(dir, one_call_body);
		CHECK(write(other_fd, "o", 1) == 1 && guard(w, 1));
		om_home_counters(w->home, &counters);
		uint64_t before = counters.calls;
		set_stage(w->shared, 4);
		for (unsigned int i = 1; i <= 3; i++) {
			CHECK(world_await(w, &w->guarded, i));
			CHECK(tracer_stop(w, i == 2 ? OM_QUIESCE_MOVE : OM_QUIESCE_HERE, 30000) == 1);
		}
		om_home_counters(w->home, &counters);
		CHECK(counters.calls == before && size_of(guarded_fd) == 0 && !has_been_sent());
		CHECK(world_await(w, &w->guarded, 4) && guard(w, 0));
		CHECK(tracer_stop(w, OM_QUIESCE_HERE, 30000) == 1);
		world_wait_body(w);
		om_home_counters(w->home, &counters);
		CHECK(counters.calls == before + 1 && (size_of(guarded_fd) > 0 || has_been_sent()));
		CHECK(w->guarded == 4);
		good &= close_with_files(w);
	}
	return good;
}

static bool warden_calls_beside_it(const char *dir)
{
	bool good = true;
	int64_t result = 0;
	uint64_t none[6] = {0};
	way = 0;
	struct world *w = open_with_files(dir, one_call_body);
	CHECK(guard(w, 1));
	set_stage(w->shared, 4);
	CHECK(world_await(w, &w->guarded, 1));
	for (int i = 0; i < 3; i++)
		CHECK(om_home_call(w->home, 0, SYS_getpgrp, none, NULL, 0, &result) == 0 && result == w->deputy);
	CHECK(size_of(guarded_fd) == 0 && guard(w, 0));
	CHECK(tracer_stop(w, OM_QUIESCE_HERE, 30000) == 1);
	world_wait_body(w);
	CHECK(size_of(guarded_fd) == 1);
	return close_with_files(w) && good;
}

const struct test guard_tests[] = {
	{"guard_others_go_through", others_go_through},
	{"guard_call_waits_for_home", call_waits_for_home},
	{"guard_warden_calls_beside_it", warden_calls_beside_it},
	{NULL, NULL},
};
