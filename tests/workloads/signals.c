/* SPDX-License-Identifier: MIT
 * Handlers with siginfo, masks, pending, SA_RESTART against EINTR, sigsuspend, sigtimedwait, alternate stacks, timers,
 * SIGSEGV handlers, and signals from an unmoved process. */
#include "workload.h"
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/time.h>

static volatile sig_atomic_t caught, caught_value, caught_code, caught_pid, order_at;
static volatile sig_atomic_t order[64];

static void on_signal(int signo, siginfo_t *info, void *context)
{
	caught = caught + 1;
	caught_code = info->si_code;
	caught_pid = info->si_pid;
	caught_value = info->si_value.sival_int;
	if (order_at < 64)
		order[order_at++] = signo == SIGRTMIN + 3 ? info->si_value.sival_int : -signo;
}

static void install(int signo, int flags)
{
	struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | flags};
	CHECK(sigaction(signo, &action, NULL) == 0);
}

static void own_signals(void)
{
	install(SIGUSR1, 0);
	caught = 0;
	CHECK(kill(getpid(), SIGUSR1) == 0);
	CHECK(caught == 1 && caught_code == SI_USER && caught_pid == getpid());
	CHECK(raise(SIGUSR1) == 0 && caught == 2 && caught_code == SI_TKILL);
	CHECK(sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 4711}) == 0);
	CHECK(caught == 3 && caught_code == SI_QUEUE && caught_value == 4711);

	sigset_t set, old, pending;
	CHECK(sigemptyset(&set) == 0 && sigaddset(&set, SIGUSR1) == 0 && sigaddset(&set, SIGRTMIN + 3) == 0);
	install(SIGRTMIN + 3, 0);
	CHECK(sigprocmask(SIG_BLOCK, &set, &old) == 0 && !sigismember(&old, SIGUSR1));
	order_at = 0;
	for (int i = 0; i < 10; i++)
		CHECK(sigqueue(getpid(), SIGRTMIN + 3, (union sigval){.sival_int = i}) == 0);
	CHECK(kill(getpid(), SIGUSR1) == 0 && kill(getpid(), SIGUSR1) == 0);
	CHECK(sigpending(&pending) == 0 && sigismember(&pending, SIGUSR1) && sigismember(&pending, SIGRTMIN + 3));
	CHECK(order_at == 0);
	usleep(3000);
	CHECK(sigprocmask(SIG_SETMASK, &old, NULL) == 0);
	int values = 0, users = 0;
	for (int i = 0; i < order_at; i++) {
		if (order[i] == -SIGUSR1)
			users++;
		else
			CHECK(order[i] == values++);
	}
	CHECK(values == 10 && users == 1);

	CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	struct timespec patience = {.tv_nsec = 15000000};
	siginfo_t info;
	int64_t began = now_ns(CLOCK_MONOTONIC);
	CHECK_ERRNO(sigtimedwait(&set, &info, &patience), EAGAIN);
	CHECK(now_ns(CLOCK_MONOTONIC) - began >= 15000000);
	CHECK(sigqueue(getpid(), SIGRTMIN + 3, (union sigval){.sival_int = 99}) == 0);
	CHECK(sigwaitinfo(&set, &info) == SIGRTMIN + 3 && info.si_value.sival_int == 99);
	CHECK(sigprocmask(SIG_SETMASK, &old, NULL) == 0);
	CHECK(signal(SIGUSR2, SIG_IGN) != SIG_ERR && kill(getpid(), SIGUSR2) == 0);
	struct sigaction action;
	CHECK(sigaction(SIGUSR2, NULL, &action) == 0 && action.sa_handler == SIG_IGN);
	CHECK_ERRNO(sigaction(SIGKILL, &action, NULL), EINVAL);
}

/* Ticks go on until we have been interrupted: the first may come before we wait, on a busy machine or in a move. */
static void tick(bool on)
{
	struct itimerval timer = {.it_value.tv_usec = on ? 20000 : 0, .it_interval.tv_usec = on ? 20000 : 0};
	if (on)
		caught = 0;
	CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
	CHECK(on || caught >= 1);
}

static void timers(int nothing)
{
	char byte;
	install(SIGALRM, 0);
	int64_t began = now_ns(CLOCK_MONOTONIC);
	tick(true);
	CHECK_ERRNO(read(nothing, &byte, 1), EINTR);
	CHECK(now_ns(CLOCK_MONOTONIC) - began >= 19900000);
	tick(false);
	struct itimerval left;
	CHECK(getitimer(ITIMER_REAL, &left) == 0 && left.it_value.tv_usec == 0);
	struct pollfd polled = {.fd = nothing, .events = POLLIN};
	tick(true);
	CHECK_ERRNO(poll(&polled, 1, -1), EINTR);
	tick(false);
	sigset_t none;
	CHECK(sigemptyset(&none) == 0);
	tick(true);
	CHECK_ERRNO(sigsuspend(&none), EINTR);
	tick(false);
	struct timespec minute = {.tv_sec = 60}, rest = {0};
	tick(true);
	CHECK_ERRNO(nanosleep(&minute, &rest), EINTR);
	CHECK(rest.tv_sec <= 59 && (rest.tv_sec > 0 || rest.tv_nsec > 0));
	tick(false);
	tick(true);
	CHECK_ERRNO(pause(), EINTR);
	tick(false);
	timer_t posix;
	struct sigevent event = {
		.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 3, .sigev_value.sival_int = 31};
	struct itimerspec soon = {.it_value.tv_nsec = 10000000};
	CHECK(timer_create(CLOCK_MONOTONIC, &event, &posix) == 0 && timer_settime(posix, 0, &soon, NULL) == 0);
	caught = 0;
	while (caught == 0)
		CHECK_ERRNO(pause(), EINTR);
	CHECK(caught_value == 31 && caught_code == SI_TIMER && timer_delete(posix) == 0);
}

/* An unmoved sender signals again and again. Without SA_RESTART one of the signals ends the read; with it none does,
 * and the read goes on until there is something to read. */
static void interrupted_by_another(int fds[2], int flags)
{
	int acknowledge[2], status;
	install(SIGUSR1, flags);
	caught = 0;
	CHECK(pipe(acknowledge) == 0);
	pid_t parent = getpid(), child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		struct pollfd acknowledged = {.fd = acknowledge[0], .events = POLLIN};
		for (int i = 0; flags & SA_RESTART ? i < 4 : 1; i++) {
			if (poll(&acknowledged, 1, 10) == 1)
				break;
			kill(parent, SIGUSR1);
		}
		_exit(write(fds[1], "z", 1) == 1 ? 7 : 1);
	}
	char byte = 0;
	if (!(flags & SA_RESTART)) {
		CHECK_ERRNO(read(fds[0], &byte, 1), EINTR);
		CHECK(signal(SIGUSR1, SIG_IGN) != SIG_ERR && write(acknowledge[1], "a", 1) == 1);
	}
	CHECK(read(fds[0], &byte, 1) == 1 && byte == 'z');
	CHECK(caught >= 1 && caught_pid == child);
	pid_t waited = waitpid(child, &status, 0);
	CHECK(waited == child && WIFEXITED(status) && WEXITSTATUS(status) == 7);
	CHECK(close(acknowledge[0]) == 0 && close(acknowledge[1]) == 0);
}

static sigjmp_buf recover;
static void *volatile fault_address;
static volatile sig_atomic_t on_alternate;
static char alternate[32768];

static void on_fault(int signo, siginfo_t *info, void *context)
{
	char here;
	fault_address = info->si_addr;
	on_alternate = &here >= alternate && &here < alternate + sizeof(alternate);
	siglongjmp(recover, signo);
}

static void faults(void)
{
	stack_t stack = {.ss_sp = alternate, .ss_size = sizeof(alternate)}, was;
	CHECK(sigaltstack(&stack, NULL) == 0 && sigaltstack(NULL, &was) == 0 && was.ss_sp == alternate);
	struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
	CHECK(sigaction(SIGSEGV, &action, NULL) == 0);
	char *guarded = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(guarded != MAP_FAILED);
	volatile int gave = sigsetjmp(recover, 1);
	if (gave == 0)
		*(volatile char *)(guarded + 123) = 1;
	CHECK(gave == SIGSEGV && fault_address == guarded + 123 && on_alternate);
	CHECK(munmap(guarded, 4096) == 0 && signal(SIGSEGV, SIG_DFL) != SIG_ERR);
}

int main(int argc, char **argv)
{
	int fds[2];
	CHECK(pipe(fds) == 0);
	workload_begin(argc, argv);
	while (workload_running()) {
		own_signals();
		timers(fds[0]);
		faults();
		interrupted_by_another(fds, 0);
		interrupted_by_another(fds, SA_RESTART);
	}
	return workload_ok("signals");
}
