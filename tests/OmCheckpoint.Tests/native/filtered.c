/* SPDX-License-Identifier: MIT
 *
 * Under a filter that answers getppid with an error that getppid never gives, as a remote is under one that sends its
 * calls home: counts the answers that were the kernel's. Ends when a byte comes on stdin.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ANSWER EXDEV
#define CALLS  20000

static int filter(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ANSWER),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

int main(void)
{
	struct pollfd end = {0, POLLIN, 0};
	long slipped = 0;

	if (filter())
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("ready\n");
	while (poll(&end, 1, 0) == 0)
		for (int i = 0; i < CALLS; i++)
			slipped += syscall(SYS_getppid) != -1 || errno != ANSWER;
	printf("%ld slipped through\n%s\n", slipped, slipped ? "not ok" : "ok");
	return slipped != 0;
}
