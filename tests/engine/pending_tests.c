/* SPDX-License-Identifier: MIT
 *
 * Waits with a signal mask of their own, and signals that wait already when they begin: no new one comes that would end
 * the wait, so the engine has to say that one is due.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/syscall.h>

#include "handler.h"
#include "tests.h"

static int pipe_fds[2];
static const struct timespec long_enough = {30, 0}; /* to fail, not to hang */

static bool with_pipe(const char *dir, void (*body)(struct shared *), bool (*driver)(struct world *))
{
	if (pipe(pipe_fds))
		return false;
	struct world *w = world_open(dir, body);
	bool good = driver(w);
	good &= world_close(w);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	return good;
}

static sigset_t block(int signo)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, signo);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return set;
}

/* Stages 3, 4: a signal is wanted, is pending; 5, 6: another... */
static void want_signal(struct shared *s, int n)
{
	set_stage(s, 3 + 2 * n);
	wait_stage(s, 4 + 2 * n);
}

static bool send_wanted(struct world *w, int signo, int n)
{
	wait_stage(w->shared, 3 + 2 * n);
	queue(w->deputy, signo, n);
	bool come = world_await(w, &w->delivered, (unsigned int)n + 1);
	set_stage(w->shared, 4 + 2 * n);
	return come;
}

/* ---- a handler ------------------------------------------------------------------------------------------- */

static void expect_interrupted(struct shared *s, int result, int n)
{
	sigset_t now;
	EXPECT(result == -1 && errno == EINTR);
	EXPECT(s->numbers[0] == n + 1 && s->numbers[2] == n);
	sigprocmask(SIG_BLOCK, NULL, &now);
	EXPECT(sigismember(&now, SIGUSR1) == 1 && sigismember(&now, SIGUSR2) == 0);
}

static void masks_body(struct shared *s)
{
	const struct timespec short_time = {0, 20000000};
	struct pollfd p = {.fd = pipe_fds[0], .events = POLLIN};
	struct epoll_event event = {.events = EPOLLIN};
	sigset_t none, usr1 = block(SIGUSR1);
	fd_set readable;
	int epoll = epoll_create1(0);
	sigemptyset(&none);
	handle(s, SIGUSR1, SA_RESTART); /* which these do not heed */
	EXPECT(epoll >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, pipe_fds[0], &event) == 0);

	want_signal(s, 0);
	EXPECT(s->numbers[0] == 0);
	expect_interrupted(s, ppoll(&p, 1, &long_enough, &none), 0);

	want_signal(s, 1);
	FD_ZERO(&readable);
	FD_SET(pipe_fds[0], &readable);
	expect_interrupted(s, pselect(pipe_fds[0] + 1, &readable, NULL, NULL, &long_enough, &none), 1);

	want_signal(s, 2);
	expect_interrupted(s, epoll_pwait(epoll, &event, 1, (int)long_enough.tv_sec * 1000, &none), 2);

	want_signal(s, 3); /* and one that none lets through */
	EXPECT(ppoll(&p, 1, &short_time, &usr1) == 0);
	EXPECT(ppoll(&p, 1, &short_time, NULL) == 0);
	EXPECT(s->numbers[0] == 3);
}

static bool masks_driver(struct world *w)
{
	bool good = true;
	for (int n = 0; n < 4; n++)
		CHECK(send_wanted(w, SIGUSR1, n));
	world_wait_body(w);
	CHECK(w->due == 3);
	return good;
}

static bool pending_signal_ends_masked_wait(const char *dir)
{
	return with_pipe(dir, masks_body, masks_driver);
}

/* ---- no handler ------------------------------------------------------------------------------------------ */

static void ignored_body(struct shared *s)
{
	const struct timespec some_time = {0, 300000000};
	struct pollfd p = {.fd = pipe_fds[0], .events = POLLIN};
	sigset_t none;
	sigemptyset(&none);
	block(SIGCHLD);
	want_signal(s, 0);
	EXPECT(ppoll(&p, 1, &some_time, &none) == 0);
}

/* Nothing would come of stopping the body for it, and it would be there again when the call is issued again. */
static bool ignored_driver(struct world *w)
{
	bool good = true;
	CHECK(send_wanted(w, SIGCHLD, 0));
	world_wait_body(w);
	CHECK(w->due == 0);
	return good;
}

static bool ignored_signal_is_not_due(const char *dir)
{
	return with_pipe(dir, ignored_body, ignored_driver);
}

static void terminated_body(struct shared *s)
{
	struct pollfd p = {.fd = pipe_fds[0], .events = POLLIN};
	sigset_t none;
	sigemptyset(&none);
	block(SIGTERM);
	want_signal(s, 0);
	ppoll(&p, 1, &long_enough, &none);
	EXPECT(!"still here");
}

static bool terminated_driver(struct world *w)
{
	bool good = true;
	CHECK(send_wanted(w, SIGTERM, 0));
	world_wait_body(w);
	CHECK(w->due == 1);
	return good;
}

static bool pending_signal_ends_the_body(const char *dir)
{
	return with_pipe(dir, terminated_body, terminated_driver);
}

const struct test pending_tests[] = {
	{"pending_signal_ends_masked_wait", pending_signal_ends_masked_wait},
	{"ignored_signal_is_not_due", ignored_signal_is_not_due},
	{"pending_signal_ends_the_body", pending_signal_ends_the_body},
	{0},
};
