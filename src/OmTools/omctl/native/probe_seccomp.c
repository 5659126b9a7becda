/* System calls taken by a supervisor: the way forwarded calls leave a body. */
#include "om_probe.h"
#include "probe_child.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5) /* 5.19 */
#endif
#ifndef SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP /* 6.6 */
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS      _IOW('!', 4, uint64_t)
#endif

#define ANSWER 4242

static int install(unsigned int flags)
{
	struct sock_filter program[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = {sizeof(program) / sizeof(program[0]), program};
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	int fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER | flags, &filter);
	return fd < 0 ? -errno : fd;
}

static int answer_one(int listener)
{
	struct seccomp_notif call;
	struct seccomp_notif_resp answer;
	memset(&call, 0, sizeof(call));
	memset(&answer, 0, sizeof(answer));
	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call))
		return -errno;
	answer.id = call.id;
	answer.val = ANSWER;
	return ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer) ? -errno : 0;
}

/* The filter is on the child, which forks a grandchild under it and answers the grandchild's call. */
static int notify_with(unsigned int flags, int sync)
{
	int listener = install(flags);
	if (listener < 0)
		return listener;
	if (sync && ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP))
		return -errno;
	pid_t pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(syscall(SYS_getppid) == ANSWER ? 0 : EIO);
	}
	int ret = answer_one(listener), status;
	if (ret)
		kill(pid, SIGKILL);
	if (waitpid(pid, &status, 0) < 0)
		return -errno;
	return ret ? ret : WIFEXITED(status) ? -WEXITSTATUS(status) : -EIO;
}

static int plain(void)
{
	return notify_with(0, 0);
}

static int killable(void)
{
	return notify_with(SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, 0);
}

static int synchronous(void)
{
	return notify_with(0, 1);
}

int om_probe_seccomp_notify(uint64_t *extras)
{
	int ret = probe_in_child(plain);
	*extras = 0;
	if (ret)
		return ret;
	if (!probe_in_child(killable))
		*extras |= 1;
	if (!probe_in_child(synchronous))
		*extras |= 2;
	return 0;
}
