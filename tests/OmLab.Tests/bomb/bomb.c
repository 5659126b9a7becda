/* SPDX-License-Identifier: MIT
 *
 * A fork bomb: told to by a line on its standard input it forks without end, and so do its children. It leads a process
 * group, so that all of them can be killed. Of what the first one sees it says `ready`, and `refused` when it gets its
 * first EAGAIN.
 *
 *   bomb [LIMIT]     of the user's processes (RLIMIT_NPROC, as a user of its own); else whatever cgroup it is in
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/resource.h>

#define BOMBER 47470u /* nobody else is */

static void say(const char *text)
{
	if (puts(text) < 0 || fflush(stdout))
		exit(1);
}

static void be_limited(const char *limit)
{
	rlim_t processes = strtoul(limit, NULL, 10);
	struct rlimit both = {processes, processes};
	if (setrlimit(RLIMIT_NPROC, &both) || setresgid(BOMBER, BOMBER, BOMBER) || setresuid(BOMBER, BOMBER, BOMBER))
		exit(1);
}

int main(int argc, char **argv)
{
	char line[16];
	bool first = true, refused = false;
	if (argc > 1)
		be_limited(argv[1]);
	if (getpgrp() != getpid() && setpgid(0, 0))
		return 1;
	say("ready");
	if (read(STDIN_FILENO, line, sizeof(line)) <= 0)
		return 1;
	for (;;) {
		pid_t child = fork();
		if (child < 0 && errno != EAGAIN)
			kill(0, SIGABRT); /* none of them is to be left to be taken for the rest */
		first &= child != 0;
		if (child < 0 && first && !refused) {
			say("refused");
			refused = true;
		}
	}
}
