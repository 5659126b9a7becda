/* SPDX-License-Identifier: MIT
 * Programs started from threads: posix_spawn, system and popen from several at once, while the main thread computes; a
 * vfork(2) holds up only the thread that made it. And execve(2) by a thread that is not the leader: the new program has
 * the process id and is alone in it. One that fails changes nothing. */
#include "workload.h"
#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>

#define STARTERS 4
#define STARTS   2

extern char **environ;

static atomic_int starters_left;
static int never[2];

/* What a program started here finds of itself: it leads a process of one task. */
static bool alone(void)
{
	char text[4096];
	int fd = open("/proc/self/status", O_RDONLY);
	ssize_t length = read(fd, text, sizeof(text) - 1);
	CHECK(fd >= 0 && length > 0 && close(fd) == 0);
	text[length] = '\0';
	return strstr(text, "\nThreads:\t1\n") != NULL && getpid() == gettid();
}

/* workload spawned|executed|again NUMBER PID: says its number or not, ends with it. */
static int be_started(char **argv)
{
	CHECK(alone());
	if (strcmp(argv[1], "again") == 0) {
		CHECK(getpid() == atoi(argv[3]));
		return workload_ok("thread_execs");
	}
	CHECK(getppid() == atoi(argv[3]));
	if (strcmp(argv[1], "spawned") == 0) {
		CHECK(strcmp(getenv("STARTED_BY"), argv[2]) == 0);
		printf("started %s\n", argv[2]);
	}
	return 20 + atoi(argv[2]);
}

static void spawn_one(int number)
{
	char text[16], parent[16], variable[32], got[32] = "", expected[32];
	char *arguments[] = {"workload", "spawned", text, parent, NULL}, *environment[] = {variable, NULL};
	posix_spawn_file_actions_t actions;
	int fds[2], status;
	pid_t child;
	snprintf(text, sizeof(text), "%d", number);
	snprintf(parent, sizeof(parent), "%d", getpid());
	snprintf(variable, sizeof(variable), "STARTED_BY=%d", number);
	snprintf(expected, sizeof(expected), "started %d\n", number);
	CHECK(pipe2(fds, O_CLOEXEC) == 0 && posix_spawn_file_actions_init(&actions) == 0);
	CHECK(posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO) == 0);
	CHECK(posix_spawn(&child, "/proc/self/exe", &actions, NULL, arguments, environment) == 0);
	CHECK(posix_spawn_file_actions_destroy(&actions) == 0 && close(fds[1]) == 0);
	for (ssize_t part, length = 0; (part = read(fds[0], got + length, sizeof(got) - 1 - (size_t)length)) != 0;) {
		CHECK(part > 0);
		length += part;
	}
	CHECK(strcmp(got, expected) == 0 && close(fds[0]) == 0);
	CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 20 + number);
	CHECK(posix_spawn(&child, "/nonexistent/program", NULL, NULL, arguments, environ) == ENOENT);
}

static int up[STARTERS][2], down[STARTERS][2];

static void *let_go(void *starter)
{
	char byte;
	CHECK(read(up[(long)starter][0], &byte, 1) == 1 && write(down[(long)starter][1], "v", 1) == 1);
	return NULL;
}

/* The child is let go by another thread of its parent, which goes on. */
static void vfork_one(long starter)
{
	int status;
	pthread_t other;
	char byte;
	CHECK(pthread_create(&other, NULL, let_go, (void *)starter) == 0);
	pid_t child = vfork();
	if (child == 0)
		_exit(write(up[starter][1], "v", 1) == 1 && read(down[starter][0], &byte, 1) == 1 ? 9 : 1);
	CHECK(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 9);
	CHECK(pthread_join(other, NULL) == 0);
}

static void *wait_for_ever(void *nothing)
{
	char byte;
	for (volatile unsigned long count = 0; nothing != NULL; count++)
		;
	CHECK(read(never[0], &byte, 1) == 77);
	return NULL;
}

static void *execute(void *arguments)
{
	CHECK(gettid() != getpid());
	CHECK_ERRNO(execv("/nonexistent/program", arguments), ENOENT);
	CHECK_ERRNO(execv("/etc/passwd", arguments), EACCES);
	execv("/proc/self/exe", arguments);
	CHECK(!"exec came back");
}

/* Becomes another program from a thread that is not the leader; the leader waits for it, the others wait or compute. */
static void execute_elsewhere(const char *what, int number, pid_t pid)
{
	char text[16], expected[16];
	char *arguments[] = {"workload", (char *)what, text, expected, NULL};
	pthread_t thread;
	snprintf(text, sizeof(text), "%d", number);
	snprintf(expected, sizeof(expected), "%d", pid);
	for (long i = 0; i < 4; i++)
		CHECK(pthread_create(&thread, NULL, wait_for_ever, (void *)(i % 2)) == 0);
	CHECK(pthread_create(&thread, NULL, execute, arguments) == 0 && pthread_join(thread, NULL) == 0);
	CHECK(!"joined what became a program");
}

static void *start_some(void *starter)
{
	int number = (int)(long)starter;
	char command[64], got[64], expected[64];
	int status;
	for (int i = 0; i < STARTS; i++, number += STARTERS) {
		spawn_one(number);
		vfork_one((long)starter);
		snprintf(command, sizeof(command), "exit %d", 30 + number);
		status = system(command);
		CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 30 + number);
		snprintf(command, sizeof(command), "echo $PPID %d; exit %d", number, 40 + number);
		snprintf(expected, sizeof(expected), "%d %d\n", getpid(), number);
		FILE *shell = popen(command, "re");
		CHECK(shell != NULL && fgets(got, sizeof(got), shell) != NULL && strcmp(got, expected) == 0);
		status = pclose(shell);
		CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 40 + number);
		pid_t parent = getpid(), child = fork();
		CHECK(child >= 0);
		if (child == 0)
			execute_elsewhere("executed", number, parent);
		CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 20 + number);
	}
	atomic_fetch_sub(&starters_left, 1);
	return starter;
}

int main(int argc, char **argv)
{
	static unsigned char block[20000];
	pthread_t threads[STARTERS];
	void *gave;
	if (argc == 4)
		return be_started(argv);
	CHECK(pipe2(never, O_CLOEXEC) == 0);
	for (int i = 0; i < STARTERS; i++)
		CHECK(pipe2(up[i], O_CLOEXEC) == 0 && pipe2(down[i], O_CLOEXEC) == 0);
	workload_begin(argc, argv);
	for (uint64_t seed = 0; workload_running();) {
		atomic_store(&starters_left, STARTERS);
		for (long i = 0; i < STARTERS; i++)
			CHECK(pthread_create(&threads[i], NULL, start_some, (void *)i) == 0);
		do {
			workload_fill(block, sizeof(block), seed);
			CHECK(workload_filled(block, sizeof(block), seed++));
		} while (atomic_load(&starters_left) > 0);
		for (long i = 0; i < STARTERS; i++)
			CHECK(pthread_join(threads[i], &gave) == 0 && gave == (void *)i);
	}
	execute_elsewhere("again", 0, getpid());
}
