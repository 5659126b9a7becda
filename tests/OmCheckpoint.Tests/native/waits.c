/* SPDX-License-Identifier: MIT
 *
 * Waits in the way its argument names, again and again, and checks each time that the wait was what it asked for: the
 * right result, no errno, not a nanosecond too short. Writes a line for each. Ends when a byte comes on stdin.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define WAIT_NS 20000000LL

static const struct timespec wait_time = {0, WAIT_NS};
static int epoll, quiet_pipe[2], semaphores;
static uint32_t word;
static uint64_t first_sum;

static void fail(const char *what, long value)
{
	printf("FAILED %s: %ld, errno %d\n", what, value, errno);
	fflush(stdout);
	exit(1);
}

static int64_t now(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void expect(const char *what, long got, long want)
{
	if (got != want)
		fail(what, got);
}

static void expect_errno(const char *what, long got, int want)
{
	if (got != -1 || errno != want)
		fail(what, got);
}

static void wait_sleep(void)
{
	expect("nanosleep", syscall(SYS_nanosleep, &wait_time, NULL), 0);
}

static void wait_sleep_rmtp(void)
{
	struct timespec left;

	expect("nanosleep with rmtp", syscall(SYS_nanosleep, &wait_time, &left), 0);
}

static void wait_clock(void)
{
	struct timespec left;

	expect("clock_nanosleep", clock_nanosleep(CLOCK_BOOTTIME, 0, &wait_time, &left), 0);
}

static void wait_until(void)
{
	int64_t end = now(CLOCK_MONOTONIC) + WAIT_NS;
	struct timespec time = {end / 1000000000, end % 1000000000};

	expect("clock_nanosleep until", clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL), 0);
}

static void wait_poll(void)
{
	struct pollfd fd = {quiet_pipe[0], POLLIN, 0};

	expect("poll", poll(&fd, 1, WAIT_NS / 1000000), 0);
}

static void wait_select(void)
{
	struct timeval time = {0, WAIT_NS / 1000};
	fd_set set;

	FD_ZERO(&set);
	FD_SET(quiet_pipe[0], &set);
	expect("select", select(quiet_pipe[0] + 1, &set, NULL, NULL, &time), 0);
}

static void wait_epoll(void)
{
	struct epoll_event event;

	expect("epoll_wait", epoll_wait(epoll, &event, 1, WAIT_NS / 1000000), 0);
}

static void wait_epoll_pwait2(void)
{
	struct epoll_event event;

	expect("epoll_pwait2", syscall(SYS_epoll_pwait2, epoll, &event, 1, &wait_time, NULL, 0), 0);
}

static void wait_futex(void)
{
	expect_errno("futex", syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, &wait_time, NULL, 0), ETIMEDOUT);
}

static void wait_timerfd(void)
{
	struct itimerspec time = {{0, 0}, wait_time};
	uint64_t count;
	int fd = timerfd_create(CLOCK_MONOTONIC, 0);

	timerfd_settime(fd, 0, &time, NULL);
	expect("read timerfd", read(fd, &count, sizeof(count)), 8);
	close(fd);
}

static void wait_for_no_signal(siginfo_t *info)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	expect_errno("sigtimedwait", sigtimedwait(&set, info, &wait_time), EAGAIN);
}

static void wait_sigtimedwait(void)
{
	wait_for_no_signal(NULL);
}

static void wait_sigtimedwait_info(void)
{
	siginfo_t info;

	wait_for_no_signal(&info);
}

static void wait_semaphore(void)
{
	struct sembuf operation = {0, -1, 0};

	expect_errno("semtimedop", semtimedop(semaphores, &operation, 1, &wait_time), EAGAIN);
}

static void wait_compute(void)
{
	uint64_t state = 88172645463325252ull, sum = 0;
	int64_t end = now(CLOCK_MONOTONIC) + WAIT_NS;

	do {
		state = 88172645463325252ull, sum = 0;
		for (int i = 0; i < 100000; i++) {
			state ^= state << 13;
			state ^= state >> 7;
			state ^= state << 17;
			sum += state;
		}
		if (!first_sum)
			first_sum = sum;
		expect("computed the same", sum == first_sum, 1);
	} while (now(CLOCK_MONOTONIC) < end);
}

static void wait_calls(void)
{
	int64_t end = now(CLOCK_MONOTONIC) + WAIT_NS;
	pid_t me = getpid();

	do {
		expect("getpid", syscall(SYS_getpid), me);
		expect("read nothing", syscall(SYS_read, -1, NULL, 0), -1);
		expect("errno", errno, EBADF);
	} while (now(CLOCK_MONOTONIC) < end);
}

/* Ends with the byte on stdin, whatever waits for it. */
static void end_read(void)
{
	char byte;

	expect("read", read(0, &byte, 1), 1);
}

static void end_poll(void)
{
	struct pollfd fd = {0, POLLIN, 0};

	expect("poll for ever", poll(&fd, 1, -1), 1);
}

static void end_epoll(void)
{
	struct epoll_event event = {EPOLLIN, {0}};

	epoll_ctl(epoll, EPOLL_CTL_ADD, 0, &event);
	expect("epoll_wait for ever", epoll_wait(epoll, &event, 1, -1), 1);
}

static void end_select(void)
{
	fd_set set;

	FD_ZERO(&set);
	FD_SET(0, &set);
	expect("select for ever", select(1, &set, NULL, NULL, NULL), 1);
}

static const struct {
	const char *name;
	void (*wait)(void);
	int ends;
} kinds[] = {
	{"sleep", wait_sleep, 0},
	{"sleep-rmtp", wait_sleep_rmtp, 0},
	{"clock-sleep", wait_clock, 0},
	{"sleep-until", wait_until, 0},
	{"poll", wait_poll, 0},
	{"select", wait_select, 0},
	{"epoll", wait_epoll, 0},
	{"epoll-pwait2", wait_epoll_pwait2, 0},
	{"futex", wait_futex, 0},
	{"timerfd", wait_timerfd, 0},
	{"sigtimedwait", wait_sigtimedwait, 0},
	{"sigtimedwait-info", wait_sigtimedwait_info, 0},
	{"semtimedop", wait_semaphore, 0},
	{"compute", wait_compute, 0},
	{"calls", wait_calls, 0},
	{"read-forever", end_read, 1},
	{"poll-forever", end_poll, 1},
	{"epoll-forever", end_epoll, 1},
	{"select-forever", end_select, 1},
};

int main(int argc, char **argv)
{
	struct epoll_event event = {EPOLLIN, {0}};

	if (argc != 2 || pipe(quiet_pipe))
		return 2;
	epoll = epoll_create1(0);
	epoll_ctl(epoll, EPOLL_CTL_ADD, quiet_pipe[0], &event);
	/* Outlives the process: made only where it is waited for, and removed at the end. */
	semaphores = strcmp(argv[1], "semtimedop") ? -1 : semget(IPC_PRIVATE, 1, 0600);
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("ready\n");
	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(kinds[i].name, argv[1]))
			continue;
		for (;;) {
			int64_t start = now(CLOCK_MONOTONIC);
			struct pollfd fd = {0, POLLIN, 0};

			kinds[i].wait();
			if (!kinds[i].ends && now(CLOCK_MONOTONIC) - start < WAIT_NS)
				fail("too short", now(CLOCK_MONOTONIC) - start);
			if (kinds[i].ends || poll(&fd, 1, 0) == 1) {
				if (semaphores >= 0)
					semctl(semaphores, 0, IPC_RMID);
				printf("ok\n");
				return 0;
			}
			printf("waited\n");
		}
	}
	return 2;
}
