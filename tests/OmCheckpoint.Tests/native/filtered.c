/* SPDX-License-Identifier: MIT
 *
 * Under a filter that sends two calls to a listener, as a remote is under one that sends its calls home: getppid, and
 * the clock of the process's CPU time, for which the vDSO makes the call. The listener answers with an error that they
 * never give; counts the answers that were the kernel's. Ends when a byte comes on stdin.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define ANSWER EXDEV
#define CALLS  200

static int install(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clock_gettime, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, CLOCK_PROCESS_CPUTIME_ID, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -1;
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
}

/* A process of its own, which has our descriptors but is not under the filter. */
static int answer(void *ready)
{
	int listener;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (read(((int *)ready)[0], &listener, sizeof(listener)) != sizeof(listener))
		return 1;
	for (;;) {
		struct seccomp_notif call = {0};
		struct seccomp_notif_resp response = {.error = -ANSWER};

		/* A call that was interrupted is gone, before or after it was received. */
		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call))
			continue;
		response.id = call.id;
		ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
	}
}

int main(void)
{
	static char stack[65536] __attribute__((aligned(16)));
	struct pollfd end = {0, POLLIN, 0};
	struct timespec spent;
	long slipped = 0;
	int ready[2], listener;

	if (pipe(ready) || clone(answer, stack + sizeof(stack), CLONE_FILES | SIGCHLD, ready) < 0)
		return 2;
	listener = install();
	if (listener < 0 || write(ready[1], &listener, sizeof(listener)) != sizeof(listener))
		return 3;
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("ready\n");
	while (poll(&end, 1, 0) == 0)
		for (int i = 0; i < CALLS; i++) {
			slipped += syscall(SYS_getppid) != -1 || errno != ANSWER;
			slipped += clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent) != -1 || errno != ANSWER;
		}
	printf("%ld slipped through\n%s\n", slipped, slipped ? "not ok" : "ok");
	return slipped != 0;
}
