/* SPDX-License-Identifier: MIT
 *
 * Makes processes by the call that its argument names, from the first byte on stdin to the second. Each looks at what
 * it began with, says so through a pipe, and ends. "stuck": its only thread is in a vfork until a byte comes.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

struct report {
	int32_t pid;
	int32_t wrong; /* what is not as it should be, a bit each */
};

struct call {
	long number;
	uint64_t args[6];
	long result;
};

static int pipe_fds[2];
static int32_t parent_tid, child_tid;
static volatile unsigned int handled;
static volatile long handled_rax;
static uint64_t blocked;
static unsigned long made, refused, lost;

static void on_signal(int signo, siginfo_t *info, void *context)
{
	handled++;
	handled_rax = ((ucontext_t *)context)->uc_mcontext.gregs[REG_RAX];
}

static uint64_t mask(void)
{
	uint64_t now = 0;

	syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &now, sizeof(now));
	return now;
}

static int changed(const struct call *call, const uint64_t args[6])
{
	int wrong = mask() != blocked;

	for (int i = 0; i < 6; i++)
		wrong |= (call->args[i] != args[i]) << (i + 1);
	return wrong;
}

static __attribute__((noinline)) void child(const struct call *call, const uint64_t args[6], unsigned int before)
{
	struct report report = {(int32_t)syscall(SYS_getpid), changed(call, args)};

	report.wrong |= (handled != before) << 8;
	report.wrong |= (call->number == SYS_clone && child_tid != report.pid) << 9;
	if (write(pipe_fds[1], &report, sizeof(report)) == sizeof(report))
		syscall(SYS_exit_group, 0);
	syscall(SYS_exit_group, 1);
}

/* All that a system call may leave as it was. In the child of a vfork the parent's stack lies above. */
static void execute(struct call *call, unsigned int before)
{
	const uint64_t args[6] = {call->args[0], call->args[1], call->args[2],
				  call->args[3], call->args[4], call->args[5]};
	register uint64_t r10 __asm__("r10") = args[3];
	register uint64_t r8 __asm__("r8") = args[4];
	register uint64_t r9 __asm__("r9") = args[5];
	uint64_t rdi = args[0], rsi = args[1], rdx = args[2];
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result), "+D"(rdi), "+S"(rsi), "+d"(rdx), "+r"(r10), "+r"(r8), "+r"(r9)
			 : "a"(call->number)
			 : "rcx", "r11", "memory");
	*call = (struct call){call->number, {rdi, rsi, rdx, r10, r8, r9}, result};
	if (!result)
		child(call, args, before);
	if (changed(call, args))
		dprintf(1, "FAILED: registers or mask: %x\n", changed(call, args));
}

static void make(long number)
{
	struct call call = {number, {0x1111, 0x2222, 0x3333, 0x4444, 0x5555, 0x6666}, 0};
	struct report report = {0};
	unsigned int before = handled;

	if (pipe(pipe_fds)) {
		dprintf(1, "FAILED: pipe\n");
		return;
	}
	if (number == SYS_clone) {
		call.args[0] = CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD;
		call.args[1] = 0;
		call.args[2] = (uintptr_t)&parent_tid;
		call.args[3] = (uintptr_t)&child_tid;
	}
	execute(&call, before);
	if (handled - before > 1 || (handled != before && handled_rax != call.result))
		dprintf(1, "FAILED: handled %u times, rax %ld\n", handled - before, handled_rax);
	close(pipe_fds[1]);
	ssize_t n = read(pipe_fds[0], &report, sizeof(report));
	close(pipe_fds[0]);
	if (call.result == -EAGAIN && !n)
		refused++;
	else if (call.result <= 0)
		dprintf(1, "FAILED: %ld\n", call.result);
	else if (!n)
		lost++;
	else if (report.pid != call.result || report.wrong)
		dprintf(1, "FAILED: the child of pid %ld is %d: %x\n", call.result, report.pid, report.wrong);
	else
		made++;
	if (number == SYS_clone && call.result > 0 && parent_tid != call.result)
		dprintf(1, "FAILED: CLONE_PARENT_SETTID: %d\n", parent_tid);
}

static int stuck(void)
{
	char byte;

	if (!vfork()) {
		if (write(1, "ready\n", 6) == 6 && read(0, &byte, 1) == 1)
			_exit(0);
		_exit(1);
	}
	dprintf(1, "ok\n");
	return 0;
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
	struct pollfd input = {.fd = 0, .events = POLLIN};
	const char *kind = argc > 1 ? argv[1] : "";
	long number = !strcmp(kind, "fork") ? SYS_fork : !strcmp(kind, "vfork") ? SYS_vfork : SYS_clone;
	sigset_t set;
	char byte;

	if (!strcmp(kind, "stuck"))
		return stuck();
	sigaction(SIGUSR1, &action, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGRTMIN + 3);
	sigprocmask(SIG_BLOCK, &set, NULL);
	blocked = mask();
	if (write(1, "ready\n", 6) != 6 || read(0, &byte, 1) != 1)
		return 4;
	do
		make(number);
	while (poll(&input, 1, 0) == 0);
	dprintf(1, "%lu made, %lu refused, %lu lost, %u handled\n", made, refused, lost, handled);
	dprintf(1, "ok\n");
	return 0;
}
