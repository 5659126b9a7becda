/* SPDX-License-Identifier: MIT
 *
 * The event loop of omlab-init: signals, the notify socket, omlab's requests, timers, stored fds. One thread.
 */
#define _GNU_SOURCE
#include "init.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int epoll = -1;

void say_to(int fd, const char *format, ...)
{
	char line[1024];
	struct timespec now;
	struct tm tm;
	va_list args;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	size_t length = strftime(line, sizeof(line), "%FT%T", &tm);
	length += snprintf(line + length, sizeof(line) - length, ".%03ldZ omlab-init: ", now.tv_nsec / 1000000);
	va_start(args, format);
	length += vsnprintf(line + length, sizeof(line) - length - 1, format, args);
	va_end(args);
	if (length > sizeof(line) - 2)
		length = sizeof(line) - 2;
	line[length++] = '\n';
	(void)!write(fd, line, length);
}

void say(const char *format, ...)
{
	char text[900];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	say_to(STDERR_FILENO, "%s", text);
}

int loop_open(void)
{
	sigset_t mask;

	epoll = epoll_create1(EPOLL_CLOEXEC);
	if (epoll < 0)
		return -1;
	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	int signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signals < 0)
		return -1;
	loop_watch(WATCH_SIGNALS, signals, EPOLLIN);
	return 0;
}

void loop_watch(enum watch kind, int fd, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.u64 = (uint64_t)kind << 32 | (uint32_t)fd};

	/* A stored fd may be of a kind that epoll does not take (EPERM): then it is just not watched. */
	epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

void loop_forget(int fd)
{
	epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL);
}

static void reap(int signals)
{
	struct signalfd_siginfo drained;
	int status;
	pid_t pid;

	while (read(signals, &drained, sizeof(drained)) > 0)
		;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		service_exited(pid, status);
}

static void timer_fired(int fd)
{
	uint64_t expirations;

	if (read(fd, &expirations, sizeof(expirations)) < 0)
		return;
	for (int i = 0; i < MAX_SERVICES; i++)
		if (services[i].timer == fd)
			service_timer(&services[i]);
}

void loop_run(void)
{
	for (;;) {
		/* One event a round: what it does may close fds that later events of the same round speak of. */
		struct epoll_event event;
		int count = epoll_wait(epoll, &event, 1, -1);

		if (count < 0 && errno != EINTR) {
			say("epoll_wait: %s", strerror(errno));
			exit(1);
		}
		if (count <= 0)
			continue;
		int fd = (int)(uint32_t)event.data.u64;
		switch ((enum watch)(event.data.u64 >> 32)) {
		case WATCH_SIGNALS:
			reap(fd);
			break;
		case WATCH_NOTIFY:
			notify_receive(fd);
			break;
		case WATCH_CONTROL:
			control_accept(fd);
			break;
		case WATCH_CLIENT:
			control_receive(fd);
			break;
		case WATCH_TIMER:
			timer_fired(fd);
			break;
		case WATCH_STORED:
			store_hung_up(fd);
			break;
		}
	}
}
