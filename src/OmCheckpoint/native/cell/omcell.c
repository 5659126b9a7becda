/* SPDX-License-Identifier: MIT
 *
 * omcell: the cell of one process that runs away from its home. Started by omwarden as root with the control socket as
 * descriptor 3. The launcher makes the namespaces and leaves; init (pid 1 inside) starts blank children, reaps them and
 * tells how they ended. When the socket closes, init ends, and the kernel kills everything inside with it: nothing is
 * left behind even if omwarden is killed outright. A warden that is being replaced leaves the socket's other end in
 * systemd's fd store, so the cell never notices.
 */
#define _GNU_SOURCE
#include "cell.h"
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

void cell_report(uint32_t op, pid_t pid, int status, int error, const char *where)
{
	struct om_cell_report report = {.op = op, .pid = pid, .status = status, .error = error};

	if (where)
		strncpy(report.where, where, sizeof(report.where) - 1);
	/* Blocks when the warden is being replaced and many exits are waiting: right, nothing else is to be done then.
	 */
	if (send(OM_CELL_CONTROL_FD, &report, sizeof(report), MSG_NOSIGNAL) < 0)
		_exit(1);
}

void cell_fail(const char *where)
{
	cell_report(OM_CELL_FAILED, 0, 0, errno, where);
	_exit(1);
}

static ssize_t receive(void *message, size_t bytes)
{
	ssize_t got;

	do
		got = recv(OM_CELL_CONTROL_FD, message, bytes, 0);
	while (got < 0 && errno == EINTR);
	return got;
}

static void reap(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG | __WALL)) > 0)
		cell_report(OM_CELL_EXITED, pid, status, 0, NULL);
}

/* Returns false when the cell is to end. What it does not know it ignores: an older cell under a newer warden. */
static bool serve(void)
{
	union {
		uint32_t op;
		struct om_cell_spawn spawn;
		char room[256];
	} message;
	ssize_t got = receive(&message, sizeof(message));

	if (got <= 0)
		return false;
	if (got < (ssize_t)sizeof(message.spawn))
		return true;
	if (message.op == OM_CELL_END)
		return false;
	if (message.op == OM_CELL_SPAWN) {
		const char *where;
		int error = cell_spawn(message.spawn.pid, &where);
		cell_report(OM_CELL_SPAWNED, message.spawn.pid, 0, error, error ? where : NULL);
	}
	if (message.op == OM_CELL_NEXT_TID)
		cell_report(OM_CELL_NEXT, message.spawn.pid, 0, cell_next_tid(message.spawn.pid), NULL);
	return true;
}

_Noreturn static void init(const struct om_cell_start *start)
{
	sigset_t children;

	sigemptyset(&children);
	sigaddset(&children, SIGCHLD);
	if (sigprocmask(SIG_BLOCK, &children, NULL))
		cell_fail("sigprocmask");
	cell_open_tids();
	cell_empty_root();
	cell_hostname(start->hostname);
	if (setsid() < 0)
		cell_fail("setsid");
	cell_keep_capabilities();
	int exits = signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
	if (exits < 0)
		cell_fail("signalfd");
	cell_report(OM_CELL_READY, getpid(), 0, 0, NULL);

	struct pollfd wait[2] = {{.fd = OM_CELL_CONTROL_FD, .events = POLLIN}, {.fd = exits, .events = POLLIN}};
	for (;;) {
		if (poll(wait, 2, -1) < 0) {
			if (errno == EINTR)
				continue;
			_exit(1);
		}
		if (wait[1].revents) {
			struct signalfd_siginfo ignored;
			while (read(exits, &ignored, sizeof(ignored)) > 0)
				;
			reap();
		}
		if (wait[0].revents && !serve())
			_exit(0);
	}
}

int main(void)
{
	struct om_cell_start start;

	if (close_range(OM_CELL_CONTROL_FD + 1, ~0u, 0))
		return 1;
	for (int fd = 0; fd < OM_CELL_CONTROL_FD; fd++)
		close(fd);
	cell_unshare();
	cell_report(OM_CELL_UNSHARED, getpid(), 0, 0, NULL);
	if (receive(&start, sizeof(start)) != sizeof(start) || start.op != OM_CELL_START ||
	    !memchr(start.hostname, 0, sizeof(start.hostname)))
		return 1;
	/* Before the ids change: that makes the process undumpable, and its files in /proc root's. */
	cell_write_clocks(&start);
	cell_become_root_inside();
	cell_limit_cpus(start.cpus);
	/* CLONE_PARENT: init becomes the warden's own child, which can wait for it. */
	long pid = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
	if (pid < 0)
		cell_fail("clone init");
	if (pid == 0)
		init(&start);
	return 0;
}
