/* SPDX-License-Identifier: MIT
 * poll, ppoll, select, pselect and epoll: ready, not ready, for how long, and what is written back. */
#include "workload.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>

static int64_t began;
#define STARTS() (began = now_ns(CLOCK_MONOTONIC))
/* Not sooner than asked for; how much later is the machine's business. */
#define LASTED(ms) CHECK(now_ns(CLOCK_MONOTONIC) - began >= (ms)*1000000ll - 100000)

static void one_round(int fds[2], int event)
{
	struct pollfd polled[3] = {
		{.fd = fds[0], .events = POLLIN}, {.fd = fds[1], .events = POLLOUT}, {.fd = -1, .revents = 77}};
	CHECK(poll(polled, 3, -1) == 1);
	CHECK(polled[0].revents == 0 && polled[1].revents == POLLOUT && polled[2].revents == 0);
	STARTS();
	CHECK(poll(polled, 1, 30) == 0);
	LASTED(30);
	STARTS();
	struct timespec patience = {.tv_nsec = 20000000};
	CHECK(ppoll(polled, 1, &patience, NULL) == 0 && patience.tv_nsec == 20000000);
	LASTED(20);
	polled[0].fd = 999;
	CHECK(poll(polled, 1, 0) == 1 && polled[0].revents == POLLNVAL);

	fd_set reads, writes;
	FD_ZERO(&reads);
	FD_ZERO(&writes);
	FD_SET(fds[0], &reads);
	FD_SET(fds[1], &writes);
	struct timeval timeout = {.tv_sec = 5};
	int highest = fds[0] > fds[1] ? fds[0] : fds[1];
	CHECK(select(highest + 1, &reads, &writes, NULL, &timeout) == 1);
	CHECK(!FD_ISSET(fds[0], &reads) && FD_ISSET(fds[1], &writes));
	CHECK(timeout.tv_sec == 4 || (timeout.tv_sec == 5 && timeout.tv_usec == 0));
	FD_SET(fds[0], &reads);
	timeout = (struct timeval){.tv_usec = 30000};
	STARTS();
	CHECK(select(highest + 1, &reads, NULL, NULL, &timeout) == 0 && !FD_ISSET(fds[0], &reads));
	LASTED(30);
	CHECK(timeout.tv_sec == 0 && timeout.tv_usec == 0);
	FD_ZERO(&reads);
	FD_SET(50, &reads);
	patience = (struct timespec){0};
	CHECK_ERRNO(pselect(51, &reads, NULL, NULL, &patience, NULL), EBADF);

	CHECK(write(fds[1], "abc", 3) == 3);
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	CHECK(epoll >= 0);
	struct epoll_event wanted = {.events = EPOLLIN, .data.u64 = 0x1122334455667788}, ready[8];
	CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, fds[0], &wanted) == 0);
	CHECK_ERRNO(epoll_ctl(epoll, EPOLL_CTL_ADD, fds[0], &wanted), EEXIST);
	wanted = (struct epoll_event){.events = EPOLLIN | EPOLLET, .data.fd = event};
	CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, event, &wanted) == 0);
	CHECK(epoll_wait(epoll, ready, 8, -1) == 1 && ready[0].data.u64 == 0x1122334455667788 &&
	      ready[0].events == EPOLLIN);
	uint64_t count = 5;
	CHECK(write(event, &count, 8) == 8);
	CHECK(epoll_wait(epoll, ready, 8, 1000) == 2);
	CHECK(epoll_pwait(epoll, ready, 8, 0, NULL) == 1);
	CHECK(read(event, &count, 8) == 8 && count == 5);
	char got[3];
	CHECK(read(fds[0], got, 3) == 3);
	STARTS();
	CHECK(epoll_wait(epoll, ready, 8, 25) == 0);
	LASTED(25);
	CHECK(epoll_ctl(epoll, EPOLL_CTL_DEL, fds[0], NULL) == 0);
	CHECK_ERRNO(epoll_ctl(epoll, EPOLL_CTL_MOD, fds[0], &wanted), ENOENT);
	CHECK_ERRNO(epoll_wait(epoll, ready, 0, 0), EINVAL);
	CHECK(close(epoll) == 0);
}

int main(int argc, char **argv)
{
	int fds[2];
	CHECK(pipe(fds) == 0);
	int event = eventfd(0, EFD_NONBLOCK);
	CHECK(event >= 0);
	workload_begin(argc, argv);
	while (workload_running())
		one_round(fds, event);
	return workload_ok("waiting");
}
