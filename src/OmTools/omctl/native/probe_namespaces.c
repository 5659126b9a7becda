/* What a cell is made of. */
#include "om_probe.h"
#include "probe_child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

#define CHOSEN_PID     4711
#define OFFSET_SECONDS 100000
#define CELL           (CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNS)

/* As fork, with flags, and a pid in the (innermost) namespace unless 0. */
static pid_t spawn(uint64_t flags, pid_t chosen)
{
	struct clone_args args;
	memset(&args, 0, sizeof(args));
	args.flags = flags;
	args.exit_signal = SIGCHLD;
	if (chosen) {
		args.set_tid = (uintptr_t)&chosen;
		args.set_tid_size = 1;
	}
	pid_t pid = syscall(SYS_clone3, &args, sizeof(args));
	return pid < 0 ? -errno : pid;
}

static int status_of(pid_t pid)
{
	int status;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EIO;
}

static int spawn_and_end(uint64_t flags)
{
	pid_t pid = spawn(flags, 0);
	if (pid < 0)
		return pid;
	if (pid == 0)
		_exit(0);
	return status_of(pid);
}

int om_probe_user_namespace(uint64_t *unused)
{
	return spawn_and_end(CLONE_NEWUSER);
}

int om_probe_cell_namespaces(uint64_t *unused)
{
	return spawn_and_end(CELL);
}

int om_probe_set_tid(uint64_t *unused)
{
	pid_t init = spawn(CLONE_NEWUSER | CLONE_NEWPID, 0);
	if (init < 0)
		return init;
	if (init == 0) {
		pid_t pid = spawn(0, CHOSEN_PID);
		if (pid == 0)
			_exit(syscall(SYS_getpid) == CHOSEN_PID ? 0 : EIO);
		_exit(pid < 0 ? -pid : -status_of(pid));
	}
	return status_of(init);
}

/* Children made after unshare are in the new namespace, and its offsets are written before the first. */
static int time_namespace(void)
{
	static const char offsets[] = "monotonic 100000 0\n";
	struct timespec before, now;
	if (unshare(CLONE_NEWTIME))
		return -errno;
	int fd = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, offsets, sizeof(offsets) - 1) < 0)
		return -errno;
	close(fd);
	clock_gettime(CLOCK_MONOTONIC, &before);
	pid_t pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		clock_gettime(CLOCK_MONOTONIC, &now); /* through the vDSO, which must know the offset */
		_exit(now.tv_sec - before.tv_sec >= OFFSET_SECONDS ? 0 : EIO);
	}
	return status_of(pid);
}

int om_probe_time_namespace(uint64_t *unused)
{
	return probe_in_child(time_namespace);
}
