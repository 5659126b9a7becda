/* SPDX-License-Identifier: MIT
 *
 * Runs the tests named on the command line, or all. One line a test: `ok NAME` or `FAIL NAME`, and what was measured.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <errno.h>
#include <sched.h>
#include <sys/mount.h>

#include "tests.h"

#define HANGS_AFTER_S 60

static const struct test *const all[] = {call_tests,
					 both_tests,
					 signal_tests,
					 conduct_tests,
					 silence_tests,
					 interrupt_tests,
					 pending_tests,
					 held_tests,
					 link_tests,
					 hostile_tests,
					 thread_tests,
					 clone_tests,
					 exit_tests,
					 thread_link_tests,
					 thread_stop_tests,
					 thread_stop_all_tests,
					 thread_signal_tests,
					 thread_conduct_tests,
					 thread_turnover_tests,
					 thread_hostile_tests,
					 scribble_tests,
					 fork_tests,
					 fork_link_tests,
					 guard_tests,
					 NULL};

/* A /tmp of our own, which goes with the last of us however we end. */
static bool own_tmp(void)
{
	return !unshare(CLONE_NEWNS) && !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) &&
	       !mount("tmpfs", "/tmp", "tmpfs", MS_NODEV | MS_NOSUID, NULL);
}

static char hangs[128]; /* what is to be said of the test that runs */
static volatile sig_atomic_t stray;

void kill_if_it_hangs(pid_t pid)
{
	stray = pid;
}

/* The bodies and deputies go with us: PR_SET_PDEATHSIG, but for what a body has forked. */
static void on_alarm(int signo)
{
	if (stray)
		kill(stray, SIGKILL);
	_exit(write(STDOUT_FILENO, hangs, strlen(hangs)) > 0 ? 1 : 2);
}

static bool wanted(const char *name, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], name))
			return true;
	return argc == 1;
}

int main(int argc, char **argv)
{
	int passed = 0, failed = 0;
	setvbuf(stdout, NULL, _IOLBF, 0);
	dup2(STDOUT_FILENO, STDERR_FILENO); /* one stream, for whoever runs us */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGALRM, on_alarm);
	if (argc == 2 && !strcmp(argv[1], "--list")) {
		for (int i = 0; all[i]; i++)
			for (const struct test *t = all[i]; t->name; t++)
				puts(t->name);
		return 0;
	}
	if (geteuid() != 0) {
		puts("skip: these tests install seccomp listeners and trace: root only");
		return 77;
	}
	/* Before /tmp is another: this may lie there. */
	if (!world_find_agent()) {
		printf("the agent: %s\n", strerror(errno));
		return 1;
	}
	if (!own_tmp()) {
		printf("a /tmp of our own: %s\n", strerror(errno));
		return 1;
	}
	for (int i = 0; all[i]; i++)
		for (const struct test *t = all[i]; t->name; t++) {
			char dir[] = "/tmp/om-engine-XXXXXX";
			if (!wanted(t->name, argc, argv) || !mkdtemp(dir))
				continue;
			snprintf(hangs, sizeof(hangs), "FAIL %s: it hangs\n", t->name);
			stray = 0;
			alarm(HANGS_AFTER_S);
			bool good = t->run(dir);
			printf("%s %s\n", good ? "ok" : "FAIL", t->name);
			good ? passed++ : failed++;
		}
	printf("%d passed, %d failed\n", passed, failed);
	return failed ? 1 : 0;
}
