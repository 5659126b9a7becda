/* SPDX-License-Identifier: MIT
 *
 * The seccomp filter against the table it was made from. First by interpretation, for every number and for arguments
 * drawn and taken from the table's own conditions: allowed if and only if the table says local. Then installed in a
 * child, the kernel being the judge.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/om_syscalls.h"
#include "om_syscall_filter.inc"

#define LENGTH (sizeof(om_syscall_filter) / sizeof(om_syscall_filter[0]))
#define ANSWER 4711

static int failures;

static uint32_t interpret(const struct seccomp_data *data)
{
	uint32_t a = 0;

	for (size_t pc = 0; pc < LENGTH; pc++) {
		const struct sock_filter *f = &om_syscall_filter[pc];

		switch (f->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			memcpy(&a, (const char *)data + f->k, 4);
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= f->k;
			break;
		case BPF_JMP | BPF_JA:
			pc += f->k;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			pc += a == f->k ? f->jt : f->jf;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			pc += a >= f->k ? f->jt : f->jf;
			break;
		case BPF_RET | BPF_K:
			return f->k;
		default:
			abort();
		}
	}
	abort();
}

static void check(int number, const uint64_t args[6])
{
	struct seccomp_data data = {.nr = number, .arch = AUDIT_ARCH_X86_64};
	const struct om_syscall *syscall = om_syscall_of(number, args);
	uint32_t wanted = syscall->side == OM_SIDE_LOCAL ? SECCOMP_RET_ALLOW : SECCOMP_RET_USER_NOTIF, got;

	memcpy(data.args, args, sizeof(data.args));
	got = interpret(&data);
	if (got != wanted && failures++ < 10)
		fprintf(stderr, "%d %s: 0x%x, not 0x%x\n", number, syscall->name, got, wanted);
}

static void by_interpretation(void)
{
	static const uint64_t corners[] = {0,
					   1,
					   2,
					   3,
					   0x20,
					   0x22,
					   0x40000,
					   0x40020,
					   0x80000000,
					   0xffffffff,
					   0x100000000,
					   0xffffffff00000000,
					   15,
					   16,
					   22,
					   29,
					   30,
					   38,
					   41,
					   59,
					   0x4002,
					   0x5001,
					   0x41555856,
					   0x53564d41,
					   0x53564d4100000000};
	const size_t count = sizeof(corners) / sizeof(corners[0]);
	struct seccomp_data other = {.nr = 0, .arch = AUDIT_ARCH_I386},
			    x32 = {.nr = 0x40000000, .arch = AUDIT_ARCH_X86_64};

	for (int number = -1; number < 600; number++) {
		uint64_t args[6];

		for (size_t i = 0; i < count * 6; i++) {
			for (int k = 0; k < 6; k++)
				args[k] = corners[(i * 7 + (size_t)k * 5 + i / count) % count];
			args[i / count] = corners[i % count];
			check(number >= 0 ? number : 0x3fffffff, args);
		}
	}
	if (interpret(&other) != SECCOMP_RET_KILL_PROCESS || interpret(&x32) != (SECCOMP_RET_ERRNO | ENOSYS))
		failures++;
}

static long raw(long number, long a, long b, long c, long d, long e, long f)
{
	long result = syscall(number, a, b, c, d, e, f);

	return result == -1 ? -errno : result;
}

static void must(long result, long wanted, const char *what)
{
	if (result == wanted)
		return;
	fprintf(stderr, "%s: %ld, not %ld\n", what, result, wanted);
	_exit(1);
}

/* The way in of 32-bit programs. Where the kernel has none, this is an ordinary fault. */
static void other_architecture(void)
{
	__asm__ volatile("int $0x80" : : "a"(20) : "memory", "r8", "r9", "r10", "r11");
}

static bool has_other_architecture(void)
{
	int status = 0;
	pid_t child = fork();

	if (child == 0) {
		other_architecture();
		_exit(0);
	}
	waitpid(child, &status, 0);
	return status == 0;
}

/* Under the filter. Whatever goes to the listener is answered with ANSWER. */
static void confined(int file)
{
	long memory;
	char name[16];

	must(raw(SYS_getpid, 0, 0, 0, 0, 0, 0) == getpid(), 1, "getpid runs");
	must(raw(SYS_getuid, 0, 0, 0, 0, 0, 0), ANSWER, "getuid goes home");
	must(raw(SYS_read, file, (long)name, 1, 0, 0, 0), ANSWER, "read goes home");
	memory = raw(SYS_mmap, 0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(memory > 0 && memory != ANSWER, 1, "anonymous mmap runs");
	must(raw(SYS_mprotect, memory, 4096, PROT_READ, 0, 0, 0), 0, "mprotect runs");
	must(raw(SYS_madvise, memory, 4096, MADV_DONTNEED, 0, 0, 0), 0, "madvise runs");
	must(raw(SYS_munmap, memory, 4096, 0, 0, 0, 0), 0, "munmap runs");
	must(raw(SYS_mmap, 0, 4096, PROT_READ, MAP_PRIVATE, file, 0), ANSWER, "mmap of a file is both's");
	must(raw(SYS_mmap, 0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0), ANSWER, "huge pages");
	must(raw(SYS_prctl, PR_GET_NAME, (long)name, 0, 0, 0, 0), 0, "PR_GET_NAME runs");
	must(raw(SYS_prctl, PR_SET_NAME, (long)"x", 0, 0, 0, 0), ANSWER, "PR_SET_NAME is both's");
	must(raw(SYS_prctl, PR_SET_SECCOMP, 1, 0, 0, 0, 0), ANSWER, "PR_SET_SECCOMP goes home");
	must(raw(SYS_setitimer, 0, 0, 0, 0, 0, 0), ANSWER, "ITIMER_REAL goes home");
	must(raw(SYS_setitimer, 1, 8, 0, 0, 0, 0), -EFAULT, "ITIMER_VIRTUAL runs");
	must(raw(SYS_clone3, 0, 0, 0, 0, 0, 0), ANSWER, "clone3");
	must(raw(SYS_fork, 0, 0, 0, 0, 0, 0), ANSWER, "fork");
	must(raw(999, 0, 0, 0, 0, 0, 0), ANSWER, "a number nobody knows");
	must(raw(0x40000000 | 39, 0, 0, 0, 0, 0, 0), -ENOSYS, "x32");
	other_architecture();
	_exit(2);
}

static void installed(void)
{
	struct sock_fprog program = {LENGTH, (struct sock_filter *)(uintptr_t)om_syscall_filter};
	int status = 0, listener, pidfd, notifications = 0, death = has_other_architecture() ? SIGSYS : SIGSEGV;
	/* futex is local: so the child can tell which descriptor the listener is. */
	int *told = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t child;

	child = fork();
	if (child == 0) {
		int file = open("/proc/self/exe", O_RDONLY);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		__atomic_store_n(
			told, syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program),
			__ATOMIC_RELEASE);
		syscall(SYS_futex, told, FUTEX_WAKE, 1, NULL, NULL, 0);
		if (*told < 0)
			_exit(3);
		confined(file);
	}
	syscall(SYS_futex, told, FUTEX_WAIT, 0, NULL, NULL, 0);
	pidfd = (int)syscall(SYS_pidfd_open, child, 0);
	listener = (int)syscall(SYS_pidfd_getfd, pidfd, *told, 0);
	for (;;) {
		struct pollfd fds[2] = {{listener, POLLIN, 0}, {pidfd, POLLIN, 0}};
		struct seccomp_notif notification;
		struct seccomp_notif_resp answer;

		if (listener < 0 || poll(fds, 2, -1) < 0 || !(fds[0].revents & POLLIN))
			break;
		memset(&notification, 0, sizeof(notification));
		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &notification))
			break;
		answer = (struct seccomp_notif_resp){.id = notification.id, .val = ANSWER};
		/* What a child that found something wrong does last. */
		if (notification.data.nr == SYS_write || notification.data.nr == SYS_exit_group)
			answer = (struct seccomp_notif_resp){.id = notification.id,
							     .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
		else
			notifications++;
		ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
	}
	waitpid(child, &status, 0);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != death || notifications != 10) {
		fprintf(stderr, "installed: status 0x%x after %d notifications\n", status, notifications);
		failures++;
	}
}

int main(void)
{
	by_interpretation();
	installed();
	printf("filter of %zu instructions: %d failures\n", LENGTH, failures);
	return failures != 0;
}
