/* SPDX-License-Identifier: MIT
 *
 * A blank child: the process a body is restored into. It has the pid it is asked to have, its own uid, no capability,
 * no descriptor, default signals, its own session, and waits. The warden seizes it from outside; it is told nothing.
 */
#define _GNU_SOURCE
#include "cell.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct child_failure {
	int error;
	int step;
};

static const char *const step_names[] = {"limits", "session", "ids", "capabilities", "death signal", "descriptors"};

/* Nothing of a remote's makes a core here, holds kernel memory by the queue, or gets the CPU before others. The stack
 * may be as large as it was at home. */
static int limit(void)
{
	static const struct {
		int resource;
		rlim_t most;
	} limits[] = {
		{RLIMIT_CORE, 0},      {RLIMIT_SIGPENDING, 1024}, {RLIMIT_MSGQUEUE, 0},
		{RLIMIT_NOFILE, 1024}, {RLIMIT_RTPRIO, 0},        {RLIMIT_NICE, 0},
	};

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		struct rlimit value = {limits[i].most, limits[i].most}, now;
		if (getrlimit(limits[i].resource, &now))
			return -1;
		if (value.rlim_max > now.rlim_max)
			value.rlim_cur = value.rlim_max = now.rlim_max;
		if (setrlimit(limits[i].resource, &value))
			return -1;
	}
	struct rlimit stack;
	if (getrlimit(RLIMIT_STACK, &stack))
		return -1;
	stack.rlim_cur = stack.rlim_max;
	return setrlimit(RLIMIT_STACK, &stack);
}

static int become_nobody(void)
{
	if (setresgid(OM_CELL_UID_BODY, OM_CELL_UID_BODY, OM_CELL_UID_BODY))
		return -1;
	return setresuid(OM_CELL_UID_BODY, OM_CELL_UID_BODY, OM_CELL_UID_BODY);
}

static int drop_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {{0}, {0}};
	return (int)syscall(SYS_capset, &header, none);
}

_Noreturn static void blank(int told)
{
	struct child_failure failure = {0};
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	if (limit())
		goto failed;
	failure.step++;
	if (setsid() < 0)
		goto failed;
	failure.step++;
	if (become_nobody())
		goto failed;
	failure.step++;
	if (drop_capabilities())
		goto failed;
	failure.step++;
	/* After the ids: changing them clears it (prctl(2)). */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0))
		goto failed;
	failure.step++;
	cell_report(OM_CELL_BORN, getpid(), 0, 0, NULL);
	if (dup2(told, 0) < 0 || close_range(1, ~0u, 0))
		goto failed;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* The end of file says that all is well. */
	close(0);
	for (;;)
		pause();

failed:
	failure.error = errno;
	if (write(told, &failure, sizeof(failure)) < 0)
		_exit(2);
	_exit(1);
}

int cell_spawn(pid_t pid, const char **where)
{
	int told[2];
	struct child_failure failure;

	*where = "pipe";
	if (pipe2(told, O_CLOEXEC))
		return errno;
	struct clone_args arguments = {
		.exit_signal = SIGCHLD,
		.set_tid = (uintptr_t)&pid,
		.set_tid_size = 1,
	};
	*where = "clone3";
	long child = syscall(SYS_clone3, &arguments, sizeof(arguments));
	if (child < 0) {
		int error = errno;
		close(told[0]);
		close(told[1]);
		return error;
	}
	if (child == 0)
		blank(told[1]);
	close(told[1]);
	ssize_t got;
	do
		got = read(told[0], &failure, sizeof(failure));
	while (got < 0 && errno == EINTR);
	close(told[0]);
	if (got == 0) {
		/* A child that was killed meanwhile also ends the pipe; its exit is reported like every other. */
		return 0;
	}
	*where = got == sizeof(failure) && (size_t)failure.step < sizeof(step_names) / sizeof(step_names[0])
			 ? step_names[failure.step]
			 : "child";
	return got == sizeof(failure) ? failure.error : EIO;
}
