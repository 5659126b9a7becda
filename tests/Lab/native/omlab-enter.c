/* SPDX-License-Identifier: MIT
 *
 * omlab-enter: runs one command inside a node and is, to its caller, that command: files, signals, exit status; a
 * signal that ended the command ends this process too.
 *
 *   omlab-enter --control SOCKET [--cgroup DIR]... [--path BIN] [--user UID:GID] [--tty yes|no|auto] -- CMD [ARG]...
 *
 * The node is found by who listens on its control socket, held by a pidfd before it is asked to answer, so a recycled
 * pid is never entered. The command gets a session of its own. Status 125: it could not be started inside; 126, 127: as
 * in a shell.
 */
#define _GNU_SOURCE
#include "enter.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_CGROUPS  16
#define CANNOT_START 125

static const char *control, *bin, *tty = "auto", *cgroups[MAX_CGROUPS];
static int cgroup_fds[MAX_CGROUPS], cgroup_count;
static uid_t uid;
static gid_t gid;

static void __attribute__((noreturn)) fail(const char *what)
{
	fprintf(stderr, "omlab exec: %s: %s\n", what, strerror(errno));
	exit(CANNOT_START);
}

static char **parse_options(int argc, char **argv)
{
	static const struct option options[] = {{"control", 1, NULL, 'k'}, {"cgroup", 1, NULL, 'c'},
						{"path", 1, NULL, 'p'},    {"user", 1, NULL, 'u'},
						{"tty", 1, NULL, 't'},     {NULL, 0, NULL, 0}};
	int option;

	while ((option = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		if (option == 'k')
			control = optarg;
		else if (option == 'p')
			bin = optarg;
		else if (option == 't')
			tty = optarg;
		else if (option == 'u' && sscanf(optarg, "%u:%u", &uid, &gid) == 2)
			continue;
		else if (option == 'c' && cgroup_count < MAX_CGROUPS)
			cgroups[cgroup_count++] = optarg;
		else
			exit(CANNOT_START);
	}
	if (!control || !argv[optind]) {
		fprintf(stderr, "omlab-enter: started by omlab only\n");
		exit(CANNOT_START);
	}
	return argv + optind;
}

static int hold_node(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct ucred peer;
	socklen_t length = sizeof(peer);
	char answer[64];

	if (strlen(control) >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		fail(control);
	}
	strcpy(address.sun_path, control);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)))
		fail("the node does not run");
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length))
		fail("SO_PEERCRED");
	int pidfd = (int)syscall(SYS_pidfd_open, peer.pid, 0);
	if (pidfd < 0 || send(fd, "ping", 4, MSG_NOSIGNAL) != 4 || recv(fd, answer, sizeof(answer), 0) <= 0)
		fail("the node does not answer");
	close(fd);
	return pidfd;
}

static void open_cgroups(void)
{
	char path[4096];

	for (int i = 0; i < cgroup_count; i++) {
		mkdir(cgroups[i], 0755); /* a leaf is made by its first command */
		snprintf(path, sizeof(path), "%s/cgroup.procs", cgroups[i]);
		cgroup_fds[i] = open(path, O_WRONLY | O_CLOEXEC);
		if (cgroup_fds[i] < 0)
			fail(path);
	}
}

static void take_terminal(const struct terminal *terminal)
{
	int slave = open(terminal->slave, O_RDWR);

	if (slave < 0 || ioctl(slave, TIOCSCTTY, 0))
		fail(terminal->slave);
	/* Only what was a terminal outside is one inside: `omlab exec pc1 -- ls | cat` writes to the pipe. */
	bool forced = !strcmp(tty, "yes");
	for (int fd = 0; fd < 3; fd++)
		if (forced || fd == 0 || isatty(fd))
			dup2(slave, fd);
	if (slave > 2)
		close(slave);
}

static void __attribute__((noreturn))
become(char **command, const struct terminal *terminal, const char *directory, sigset_t *mask)
{
	char path[8192];

	for (int i = 0; i < cgroup_count; i++)
		if (write(cgroup_fds[i], "0", 1) < 0)
			fail(cgroups[i]);
	setsid();
	if (terminal->master >= 0)
		take_terminal(terminal);
	if (uid && (setgroups(0, NULL) || setresgid(gid, gid, gid) || setresuid(uid, uid, uid)))
		fail("--user");
	if (!directory || chdir(directory))
		(void)!chdir("/");
	if (bin) {
		const char *rest = getenv("PATH");
		snprintf(path, sizeof(path), "%s:%s", bin, rest ? rest : "/usr/sbin:/usr/bin:/sbin:/bin");
		setenv("PATH", path, 1);
	}
	unsetenv("NOTIFY_SOCKET");
	sigprocmask(SIG_SETMASK, mask, NULL);
	execvp(command[0], command);
	int error = errno;
	fprintf(stderr, "omlab exec: %s: %s\n", command[0], strerror(error));
	_exit(error == ENOENT ? 127 : 126);
}

/* Everything that somebody could send us for the command; what is thrown by a fault of our own stays ours. */
static int catch_signals(sigset_t *before)
{
	sigset_t mask;

	sigfillset(&mask);
	for (const int *own =
		     (const int[]){SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS, SIGTTIN, SIGTTOU, 0};
	     *own; own++)
		sigdelset(&mask, *own);
	sigprocmask(SIG_BLOCK, &mask, before);
	/* omlab is a .NET program: its runtime ignores SIGPIPE, and exec keeps that. */
	signal(SIGPIPE, SIG_DFL);
	return signalfd(-1, &mask, SFD_CLOEXEC);
}

static int __attribute__((noreturn)) end_like(int status)
{
	if (WIFEXITED(status))
		exit(WEXITSTATUS(status));
	struct rlimit none = {0, 0};
	sigset_t mask;
	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0);
	sigemptyset(&mask);
	sigaddset(&mask, WTERMSIG(status));
	signal(WTERMSIG(status), SIG_DFL);
	raise(WTERMSIG(status));
	sigprocmask(SIG_UNBLOCK, &mask, NULL);
	exit(128 + WTERMSIG(status));
}

int main(int argc, char **argv)
{
	struct terminal terminal = {.master = -1};
	char **command = parse_options(argc, argv);
	char *directory = getcwd(NULL, 0);
	sigset_t mask;

	int pidfd = hold_node();
	open_cgroups();
	if ((!strcmp(tty, "yes") || (!strcmp(tty, "auto") && isatty(STDIN_FILENO))) && terminal_open(&terminal))
		fail("pseudo terminal");
	int signals = catch_signals(&mask);
	sigemptyset(&mask); /* as a login would: nothing blocked */
	if (setns(pidfd, CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID))
		fail("setns");
	pid_t child = fork();
	if (child < 0)
		fail("fork");
	if (child == 0)
		become(command, &terminal, directory, &mask);
	int status = relay(&terminal, child, signals);
	end_like(status);
}
