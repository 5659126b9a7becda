/* SPDX-License-Identifier: MIT
 *
 * Starts the cell's program, its first argument, as the warden does, and has it choose the number of what is made next.
 */
#define _GNU_SOURCE
#include "cell/om_cell.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define FIRST_ID 700000

static int control[2];

static void fail(const char *what, long value)
{
	printf("FAILED %s: %ld, errno %d\n", what, value, errno);
	exit(1);
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		fail(path, fd);
	close(fd);
}

static struct om_cell_report next(uint32_t op)
{
	struct om_cell_report report;

	if (recv(control[0], &report, sizeof(report), 0) != sizeof(report) || report.op != op)
		fail(report.where, report.op);
	return report;
}

static void map(pid_t pid, const char *kind)
{
	char path[64], text[64];

	snprintf(path, sizeof(path), "/proc/%d/%s_map", pid, kind);
	snprintf(text, sizeof(text), "0 %d 2\n", FIRST_ID);
	put(path, text);
}

static pid_t only_child(void)
{
	FILE *children = fopen("/proc/thread-self/children", "r");
	pid_t pid = 0;

	if (!children || fscanf(children, "%d", &pid) != 1)
		fail("children", pid);
	fclose(children);
	return pid;
}

static int next_tid(pid_t tid)
{
	struct om_cell_spawn ask = {.op = OM_CELL_NEXT_TID, .pid = tid};

	if (send(control[0], &ask, sizeof(ask), 0) != sizeof(ask))
		fail("send", tid);
	struct om_cell_report report = next(OM_CELL_NEXT);
	if (report.pid != tid)
		fail("answer for", report.pid);
	return report.error;
}

/* What is made in the namespace now. */
static pid_t make(pid_t init)
{
	char path[64];
	int status, told[2];
	pid_t inside = 0, child;

	if (pipe(told))
		fail("pipe", 0);
	snprintf(path, sizeof(path), "/proc/%d/ns/pid", init);
	child = fork();
	if (child == 0) {
		if (setns(open(path, O_RDONLY), CLONE_NEWPID))
			_exit(1);
		pid_t made = fork();
		if (made == 0) {
			inside = getpid();
			_exit(write(told[1], &inside, sizeof(inside)) != sizeof(inside));
		}
		_exit(waitpid(made, &status, 0) != made || status);
	}
	if (waitpid(child, &status, 0) != child || status || read(told[0], &inside, sizeof(inside)) != sizeof(inside))
		fail("making a process inside", status);
	return inside;
}

int main(int argc, char **argv)
{
	static const pid_t wanted[] = {400000, 4711, 4000000, 4712};
	struct om_cell_start start = {.op = OM_CELL_START, .hostname = "home"};
	struct om_cell_spawn end = {.op = OM_CELL_END};
	pid_t launcher, init;

	if (argc != 2 || socketpair(AF_UNIX, SOCK_SEQPACKET, 0, control))
		return 2;
	launcher = fork();
	if (launcher == 0) {
		dup2(control[1], OM_CELL_CONTROL_FD);
		execl(argv[1], argv[1], NULL);
		_exit(127);
	}
	close(control[1]);
	next(OM_CELL_UNSHARED);
	map(launcher, "uid");
	map(launcher, "gid");
	if (send(control[0], &start, sizeof(start), 0) != sizeof(start))
		fail("send", 0);
	next(OM_CELL_READY);
	waitpid(launcher, NULL, 0);
	init = only_child();
	for (unsigned i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		if (next_tid(wanted[i]))
			fail("next tid", wanted[i]);
		pid_t made = make(init);
		if (made != wanted[i])
			fail("made", made);
	}
	if (next_tid(0) != EINVAL || next_tid(-5) != EINVAL || next_tid(1) != EINVAL)
		fail("a tid there is not", 0);
	send(control[0], &end, sizeof(end), 0);
	if (waitpid(init, NULL, 0) != init)
		fail("its end", init);
	printf("ok\n");
	return 0;
}
