/* SPDX-License-Identifier: MIT
 * Moved inside a handler: on the alternate stack, nested, with signals pending behind the mask; the interrupted code
 * finds its registers, mask and floating point as they were. What is pending over a move arrives after it, in order,
 * once. */
#include "workload.h"
#include <fenv.h>
#include <sys/time.h>
#include <ucontext.h>

static volatile sig_atomic_t depth, deepest, outer_done, inner_done;
static char alternate[65536];

static bool on_alternate(void)
{
	char here;
	return &here >= alternate && &here < alternate + sizeof(alternate);
}

/* Long enough to be moved in the middle of it, with calls of both kinds. */
static void linger(void)
{
	int null = open("/dev/null", O_WRONLY);
	CHECK(null >= 0);
	for (int i = 0; i < 20; i++) {
		usleep(500);
		CHECK(write(null, "x", 1) == 1 && getpid() > 0);
	}
	CHECK(close(null) == 0);
}

static void inner(int signo, siginfo_t *info, void *context)
{
	CHECK(signo == SIGUSR2 && info->si_code == SI_TKILL && on_alternate());
	depth = depth + 1;
	if (depth > deepest)
		deepest = depth;
	linger();
	inner_done = inner_done + 1;
	depth = depth - 1;
}

static void outer(int signo, siginfo_t *info, void *context)
{
	ucontext_t *frame = context;
	sigset_t blocked;
	CHECK(signo == SIGUSR1 && on_alternate() && frame->uc_mcontext.gregs[REG_RIP] != 0);
	CHECK(sigprocmask(SIG_BLOCK, NULL, &blocked) == 0);
	CHECK(sigismember(&blocked, SIGUSR1) && sigismember(&blocked, SIGTERM) && !sigismember(&blocked, SIGUSR2));
	depth = depth + 1;
	CHECK(fesetround(FE_UPWARD) == 0); /* undone by the return from the handler */
	raise(SIGUSR1);                    /* pending until we return */
	linger();
	raise(SIGUSR2); /* nested, now */
	CHECK(inner_done == outer_done + 1);
	outer_done = outer_done + 1;
	depth = depth - 1;
}

static void nested(void)
{
	stack_t stack = {.ss_sp = alternate, .ss_size = sizeof(alternate)};
	struct sigaction action = {.sa_sigaction = outer, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESETHAND};
	CHECK(sigaltstack(&stack, NULL) == 0);
	CHECK(sigemptyset(&action.sa_mask) == 0 && sigaddset(&action.sa_mask, SIGTERM) == 0);
	CHECK(sigaddset(&action.sa_mask, SIGUSR1) == 0);
	CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
	struct sigaction below = {.sa_sigaction = inner, .sa_flags = SA_SIGINFO | SA_ONSTACK};
	CHECK(sigaction(SIGUSR2, &below, NULL) == 0);
	outer_done = inner_done = depth = deepest = 0;

	/* SA_RESETHAND: the second SIGUSR1, raised inside, would kill us. It is ignored before it can. */
	sigset_t block, before, after;
	CHECK(sigemptyset(&block) == 0 && sigaddset(&block, SIGUSR1) == 0);
	CHECK(sigprocmask(SIG_BLOCK, &block, &before) == 0);
	CHECK(raise(SIGUSR1) == 0);
	usleep(2000);
	CHECK(outer_done == 0 && fesetround(FE_TOWARDZERO) == 0);
	sigset_t open_mask = before;
	CHECK(sigdelset(&open_mask, SIGUSR1) == 0);
	CHECK_ERRNO(sigsuspend(&open_mask), EINTR);
	CHECK(fegetround() == FE_TOWARDZERO && fesetround(FE_TONEAREST) == 0);
	CHECK(outer_done == 1 && inner_done == 1 && deepest == 2 && depth == 0);
	CHECK(sigpending(&after) == 0 && sigismember(&after, SIGUSR1));
	CHECK(signal(SIGUSR1, SIG_IGN) == SIG_DFL && sigpending(&after) == 0 && !sigismember(&after, SIGUSR1));
	CHECK(sigprocmask(SIG_SETMASK, &before, NULL) == 0);
	CHECK(sigaltstack(NULL, &stack) == 0 && stack.ss_flags == 0 && stack.ss_sp == alternate);
}

/* Five real-time signals and a standard one wait behind the mask for a while, then come in the order signal(7) gives.
 */
static void pending_for_long(void)
{
	sigset_t set, before;
	siginfo_t info;
	CHECK(sigemptyset(&set) == 0 && sigaddset(&set, SIGHUP) == 0 && sigaddset(&set, SIGRTMIN + 1) == 0 &&
	      sigaddset(&set, SIGRTMIN + 5) == 0);
	CHECK(sigprocmask(SIG_BLOCK, &set, &before) == 0);
	for (int i = 0; i < 3; i++)
		CHECK(sigqueue(getpid(), SIGRTMIN + 5, (union sigval){.sival_int = 50 + i}) == 0);
	for (int i = 0; i < 2; i++)
		CHECK(sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = 10 + i}) == 0);
	CHECK(kill(getpid(), SIGHUP) == 0);
	for (int i = 0; i < 10; i++)
		usleep(2000);
	CHECK(sigwaitinfo(&set, &info) == SIGHUP && info.si_code == SI_USER && info.si_pid == getpid());
	for (int i = 0; i < 2; i++) {
		CHECK(sigwaitinfo(&set, &info) == SIGRTMIN + 1 && info.si_code == SI_QUEUE);
		CHECK(info.si_value.sival_int == 10 + i && info.si_uid == getuid());
	}
	for (int i = 0; i < 3; i++)
		CHECK(sigwaitinfo(&set, &info) == SIGRTMIN + 5 && info.si_value.sival_int == 50 + i);
	struct timespec none = {0};
	CHECK_ERRNO(sigtimedwait(&set, &info, &none), EAGAIN);
	CHECK(sigprocmask(SIG_SETMASK, &before, NULL) == 0);
}

static volatile sig_atomic_t alarms;

static void on_alarm(int signo)
{
	alarms = alarms + (signo == SIGALRM);
}

/* One set before the moves fires after them; an interval goes on firing; CPU time is counted where it is spent. */
static void timers(void)
{
	struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
	struct itimerval left;
	CHECK(sigaction(SIGALRM, &action, NULL) == 0);
	alarms = 0;
	CHECK(alarm(1000) == 0);
	usleep(3000);
	CHECK(getitimer(ITIMER_REAL, &left) == 0 && left.it_value.tv_sec >= 990 && left.it_value.tv_sec < 1000);
	struct itimerval ticks = {.it_interval.tv_usec = 5000, .it_value.tv_usec = 5000};
	CHECK(setitimer(ITIMER_REAL, &ticks, NULL) == 0);
	while (alarms < 4)
		CHECK_ERRNO(pause(), EINTR);
	ticks = (struct itimerval){0};
	CHECK(setitimer(ITIMER_REAL, &ticks, NULL) == 0);
	int counted = alarms;
	usleep(12000);
	CHECK(alarms <= counted + 1);
}

int main(int argc, char **argv)
{
	workload_begin(argc, argv);
	while (workload_running()) {
		nested();
		pending_for_long();
		timers();
	}
	return workload_ok("handlers");
}
