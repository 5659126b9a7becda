/* SPDX-License-Identifier: MIT
 *
 * omlab-init: makes the namespaces of one node of a lab and becomes its pid 1, or those of the lab's switch. omlab
 * starts it and waits for it: status 0 means that the node's control socket answers; otherwise stderr says why, and
 * nothing is left.
 *
 *   omlab-init node --name pc1 --state DIR --bin DIR [--cgroup DIR]... [--unified DIR]
 *   omlab-init switch --name switch --state DIR [--cgroup DIR]... [--unified DIR]
 *
 * Everything is trusted: it runs as root for root.
 */
#define _GNU_SOURCE
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct node_config config;

static void parse_options(int argc, char **argv)
{
	static const struct option options[] = {{"name", 1, NULL, 'n'},    {"state", 1, NULL, 's'},
						{"bin", 1, NULL, 'b'},     {"cgroup", 1, NULL, 'c'},
						{"unified", 1, NULL, 'u'}, {NULL, 0, NULL, 0}};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'n')
			config.name = optarg;
		else if (option == 's')
			config.state = optarg;
		else if (option == 'b')
			config.bin = optarg;
		else if (option == 'u')
			config.unified = optarg;
		else if (option == 'c' && config.cgroup_count < MAX_CGROUPS)
			config.cgroups[config.cgroup_count++] = optarg;
		else
			exit(2);
	}
	config.dotnet_root = getenv("DOTNET_ROOT");
}

static int join_cgroup(const char *directory, const char *leaf)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s%s", directory, leaf);
	if (*leaf && mkdir(path, 0755) && errno != EEXIST)
		return -1;
	strncat(path, "/cgroup.procs", sizeof(path) - strlen(path) - 1);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int written = fd < 0 ? -1 : (int)write(fd, "0", 1);
	if (written < 0)
		say("%s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return written < 0 ? -1 : 0;
}

static int join_cgroups(void)
{
	for (int i = 0; i < config.cgroup_count; i++)
		if (join_cgroup(config.cgroups[i], ""))
			return -1;
	return config.unified ? join_cgroup(config.unified, "/init") : 0;
}

static int loopback_up(void)
{
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int result = fd < 0 ? -1 : ioctl(fd, SIOCSIFFLAGS, &request);

	if (fd >= 0)
		close(fd);
	return result;
}

static int open_control(void)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/control", config.state);
	if (control_open(path) == 0)
		return 0;
	say("%s: %s", path, strerror(errno));
	return -1;
}

static int prepare_node(void)
{
	control_handler = node_request;
	if (loop_open() || open_control() || services_open() || node_mounts())
		return -1;
	if (sethostname(config.name, strlen(config.name)) || loopback_up() || notify_open()) {
		say("%s", strerror(errno));
		return -1;
	}
	return 0;
}

static int prepare_switch(void)
{
	control_handler = switch_request;
	return loop_open() || open_control() ? -1 : 0;
}

/* pid 1. Its stderr becomes the log only when nothing can go wrong any more, so that omlab sees what did. */
static void run(bool node, int ready, int log)
{
	/* The fd store is ours to hold. */
	struct rlimit files;
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	setsid();
	prctl(PR_SET_NAME, node ? "omlab-init" : "omlab-switch");
	if (node ? prepare_node() : prepare_switch())
		exit(1);
	(void)!chdir("/");
	umask(022);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	dup2(null, STDIN_FILENO);
	dup2(log, STDOUT_FILENO);
	dup2(log, STDERR_FILENO);
	/* Whatever else omlab had open: a pipe kept here would never end for its reader. */
	(void)!write(ready, "1", 1);
	close(ready);
	loop_run();
}

int main(int argc, char **argv)
{
	bool node = argc > 1 && !strcmp(argv[1], "node");
	char path[4096], byte;
	int ready[2];

	if (!node && !(argc > 1 && !strcmp(argv[1], "switch"))) {
		fprintf(stderr, "omlab-init: started by omlab only\n");
		return 2;
	}
	parse_options(argc - 1, argv + 1);
	if (!config.name || !config.state || (node && !config.bin))
		return 2;
	close_range(3, ~0u, 0);
	snprintf(path, sizeof(path), "%s/log/init.log", config.state);
	int log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (log < 0 || pipe2(ready, O_CLOEXEC)) {
		say("%s: %s", path, strerror(errno));
		return 1;
	}
	if (join_cgroups())
		return 1;
	if (unshare(node ? CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID : CLONE_NEWNET)) {
		say("unshare: %s (this needs root with CAP_SYS_ADMIN)", strerror(errno));
		return 1;
	}
	pid_t pid = fork();
	if (pid < 0) {
		say("fork: %s", strerror(errno));
		return 1;
	}
	if (pid == 0) {
		close(ready[0]);
		run(node, ready[1], log);
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) == 1)
		return 0;
	waitpid(pid, NULL, 0);
	return 1;
}
