/* SPDX-License-Identifier: MIT
 * inotify, eventfd, timerfd, memfd and pidfd of oneself. */
#include "workload.h"
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/timerfd.h>

static void watch_round(void)
{
	int watcher = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	CHECK(watcher >= 0);
	int watch = inotify_add_watch(watcher, ".", IN_CREATE | IN_DELETE | IN_CLOSE_WRITE);
	CHECK(watch > 0);
	union {
		char bytes[4096];
		struct inotify_event align;
	} buffer;
	CHECK_ERRNO(read(watcher, &buffer, sizeof(buffer)), EAGAIN);
	int fd = open("watched", O_CREAT | O_WRONLY, 0600);
	CHECK(fd >= 0 && close(fd) == 0 && unlink("watched") == 0);
	ssize_t bytes = read(watcher, &buffer, sizeof(buffer));
	uint32_t expected[3] = {IN_CREATE, IN_CLOSE_WRITE, IN_DELETE};
	int events = 0;
	for (ssize_t at = 0; at < bytes; events++) {
		struct inotify_event *event = (struct inotify_event *)(buffer.bytes + at);
		CHECK(events < 3 && event->wd == watch && event->mask == expected[events]);
		CHECK(strcmp(event->name, "watched") == 0);
		at += (ssize_t)(sizeof(*event) + event->len);
	}
	CHECK(events == 3);
	CHECK(inotify_rm_watch(watcher, watch) == 0 && close(watcher) == 0);
}

static void counter_round(void)
{
	int event = eventfd(3, EFD_SEMAPHORE | EFD_CLOEXEC);
	uint64_t value = 2;
	CHECK(event >= 0 && write(event, &value, 8) == 8);
	for (int i = 0; i < 5; i++)
		CHECK(read(event, &value, 8) == 8 && value == 1);
	CHECK_ERRNO(read(event, &value, 4), EINVAL);
	CHECK(close(event) == 0);
	event = eventfd(0, EFD_NONBLOCK);
	CHECK_ERRNO(read(event, &value, 8), EAGAIN);
	value = UINT64_MAX;
	CHECK_ERRNO(write(event, &value, 8), EINVAL);
	CHECK(close(event) == 0);
}

static void timer_round(void)
{
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	struct itimerspec period = {.it_interval.tv_nsec = 10000000, .it_value.tv_nsec = 10000000}, left;
	int64_t began = now_ns(CLOCK_MONOTONIC);
	CHECK(timer >= 0 && timerfd_settime(timer, 0, &period, NULL) == 0);
	uint64_t total = 0, ticks;
	while (total < 5) {
		CHECK(read(timer, &ticks, 8) == 8 && ticks >= 1);
		total += ticks;
	}
	CHECK(now_ns(CLOCK_MONOTONIC) - began >= 49000000);
	CHECK(timerfd_gettime(timer, &left) == 0 && left.it_interval.tv_nsec == 10000000);
	struct timespec now;
	CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
	period = (struct itimerspec){.it_value = {.tv_sec = now.tv_sec, .tv_nsec = now.tv_nsec}};
	CHECK(timerfd_settime(timer, TFD_TIMER_ABSTIME, &period, NULL) == 0);
	CHECK(read(timer, &ticks, 8) == 8 && ticks == 1);
	CHECK(close(timer) == 0);

	int memory = memfd_create("name", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	char got[4];
	CHECK(memory >= 0 && write(memory, "abcd", 4) == 4 && pread(memory, got, 4, 0) == 4);
	CHECK(fcntl(memory, F_ADD_SEALS, F_SEAL_WRITE) == 0 && fcntl(memory, F_GET_SEALS) == F_SEAL_WRITE);
	CHECK_ERRNO(pwrite(memory, "x", 1, 0), EPERM);
	CHECK(close(memory) == 0);
	int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
	struct pollfd polled = {.fd = self, .events = POLLIN};
	CHECK(self >= 0 && poll(&polled, 1, 0) == 0);
	CHECK(syscall(SYS_pidfd_send_signal, self, 0, NULL, 0) == 0 && close(self) == 0);
}

int main(int argc, char **argv)
{
	workload_begin(argc, argv);
	workload_enter();
	while (workload_running()) {
		watch_round();
		counter_round();
		timer_round();
	}
	workload_leave();
	return workload_ok("events");
}
