/* SPDX-License-Identifier: MIT
 * vfork(2) and what is made of it: a child in its parent's memory until it executes a program or ends, posix_spawn(3)
 * with all it does between the two, from several threads at once, and popen(3). */
#include "children.h"
#include <pthread.h>
#include <spawn.h>

#define SPAWNERS 3

extern char **environ;

static volatile int in_both;
static volatile pid_t child_saw, child_saw_parent;

static void in_one_memory(void)
{
	volatile int on_stack = 1;
	in_both = 1;
	pid_t self = getpid(), child = vfork();
	CHECK(child >= 0);
	if (child == 0) {
		on_stack = 2;
		in_both = 3;
		child_saw = getpid();
		child_saw_parent = getppid();
		_exit(40);
	}
	CHECK(on_stack == 2 && in_both == 3 && child_saw == child && child_saw_parent == self && child != self);
	CHECK_END(child, 40);

	/* Its table of files is its own. */
	int fd = open("/dev/null", O_RDONLY);
	CHECK(fd >= 0);
	child = vfork();
	if (child == 0) {
		in_both = close(fd) == 0 && dup2(0, 90) == 90 ? 4 : 5;
		_exit(41);
	}
	CHECK(in_both == 4);
	CHECK_END(child, 41);
	CHECK(close(fd) == 0);
	CHECK_ERRNO(fcntl(90, F_GETFD), EBADF);

	/* What ends it by force lets its parent go on too. */
	child = vfork();
	if (child == 0) {
		in_both = 6;
		kill(getpid(), SIGKILL);
		_exit(42);
	}
	CHECK(in_both == 6);
	CHECK_END(child, -SIGKILL);
}

/* A handler's signal for the parent waits until its child lets it go. */
static volatile sig_atomic_t taken;

static void take(int signal)
{
	taken = signal;
}

static void signals_wait(void)
{
	struct sigaction action = {.sa_handler = take, .sa_flags = SA_RESTART}, before;
	CHECK(sigaction(SIGUSR1, &action, &before) == 0);
	taken = 0;
	pid_t self = getpid(), child = vfork();
	if (child == 0) {
		in_both = kill(self, SIGUSR1) == 0 && usleep(1000) == 0 && taken == 0 ? 7 : 8;
		_exit(43);
	}
	CHECK(in_both == 7);
	for (int i = 0; taken == 0 && i < 1000; i++)
		usleep(1000);
	CHECK(taken == SIGUSR1);
	CHECK_END(child, 43);
	CHECK(sigaction(SIGUSR1, &before, NULL) == 0);
}

static void executes(void)
{
	in_both = 0;
	int fds[2];
	char text[16] = "";
	CHECK(pipe2(fds, O_CLOEXEC) == 0);
	pid_t child = vfork();
	if (child == 0) {
		in_both = 9;
		if (dup2(fds[1], 1) == 1)
			execl("/proc/self/exe", "vforks", "say", "hello", NULL);
		_exit(44);
	}
	CHECK(in_both == 9 && close(fds[1]) == 0 && read(fds[0], text, sizeof(text)) == 5 &&
	      strcmp(text, "hello") == 0);
	CHECK(at_end(fds[0]) && close(fds[0]) == 0);
	CHECK_END(child, 50);

	volatile int failed = 0;
	child = vfork();
	if (child == 0) {
		execl("/nonexistent/program", "program", NULL);
		failed = errno;
		execl("/etc/passwd", "passwd", NULL);
		in_both = errno;
		_exit(127);
	}
	CHECK(failed == ENOENT && in_both == EACCES);
	CHECK_END(child, 127);

	/* A failure, and then the program. */
	child = vfork();
	if (child == 0) {
		execl("/nonexistent/program", "program", NULL);
		execl("/proc/self/exe", "vforks", "say", "", NULL);
		_exit(45);
	}
	CHECK_END(child, 50);
}

static int checked(int argc, char **argv)
{
	sigset_t mask;
	struct sigaction action;
	char directory[PATH_MAX];
	CHECK(argc == 5 && strcmp(getenv("SPAWNED"), argv[3]) == 0);
	CHECK(getcwd(directory, sizeof(directory)) != NULL && strcmp(directory, argv[2]) == 0);
	CHECK(getppid() == atoi(argv[4]) && getpgrp() == getpid());
	CHECK(sigprocmask(SIG_BLOCK, NULL, &mask) == 0);
	CHECK(sigismember(&mask, SIGUSR2) == 1 && sigismember(&mask, SIGUSR1) == 0);
	CHECK(sigaction(SIGTERM, NULL, &action) == 0 && action.sa_handler == SIG_DFL);
	CHECK(sigaction(SIGHUP, NULL, &action) == 0 && action.sa_handler == SIG_IGN);
	CHECK(sigaction(SIGUSR1, NULL, &action) == 0 && action.sa_handler == SIG_DFL); /* which had a handler */
	CHECK(fcntl(91, F_GETFD) == 0 && get(91) == 4711);
	CHECK_ERRNO(fcntl(92, F_GETFD), EBADF);
	CHECK(write(1, argv[3], strlen(argv[3])) == (ssize_t)strlen(argv[3]));
	return 51;
}

static void *spawn_with_everything(void *argument)
{
	char number[16], variable[32], parent[16], file[PATH_MAX + 16], text[16] = "";
	int in[2], extra = open("/dev/null", O_RDONLY | O_CLOEXEC), status;
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t mask, defaults;
	pid_t child;
	snprintf(number, sizeof(number), "%ld", (long)argument);
	snprintf(variable, sizeof(variable), "SPAWNED=%s", number);
	snprintf(parent, sizeof(parent), "%d", getpid());
	snprintf(file, sizeof(file), "%s/%s", workload_directory, number);
	char *const arguments[] = {"vforks", "check", "/proc", number, parent, NULL};
	char *const environment[] = {variable, NULL};
	CHECK(extra >= 0 && pipe2(in, O_CLOEXEC) == 0);
	put(in[1], 4711);
	CHECK(posix_spawn_file_actions_init(&actions) == 0 && posix_spawnattr_init(&attributes) == 0);
	CHECK(posix_spawn_file_actions_addopen(&actions, 1, file, O_CREAT | O_EXCL | O_WRONLY, 0600) == 0);
	CHECK(posix_spawn_file_actions_adddup2(&actions, in[0], 91) == 0);
	CHECK(posix_spawn_file_actions_adddup2(&actions, extra, 92) == 0);
	CHECK(posix_spawn_file_actions_addclose(&actions, 92) == 0);
	CHECK(posix_spawn_file_actions_addchdir_np(&actions, "/proc") == 0);
	CHECK(sigemptyset(&mask) == 0 && sigaddset(&mask, SIGUSR2) == 0);
	CHECK(sigemptyset(&defaults) == 0 && sigaddset(&defaults, SIGTERM) == 0);
	CHECK(posix_spawnattr_setflags(&attributes,
				       POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP) == 0);
	CHECK(posix_spawnattr_setsigmask(&attributes, &mask) == 0 && posix_spawnattr_setpgroup(&attributes, 0) == 0);
	CHECK(posix_spawnattr_setsigdefault(&attributes, &defaults) == 0);
	CHECK(posix_spawn(&child, "/proc/self/exe", &actions, &attributes, arguments, environment) == 0);
	CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 51);
	CHECK(posix_spawn_file_actions_destroy(&actions) == 0 && posix_spawnattr_destroy(&attributes) == 0);
	CHECK(close(in[0]) == 0 && close(in[1]) == 0 && close(extra) == 0);
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0 && read(fd, text, sizeof(text) - 1) == (ssize_t)strlen(number) && strcmp(text, number) == 0);
	CHECK(close(fd) == 0 && unlink(file) == 0);
	return argument;
}

static void spawn_fails(void)
{
	char *const arguments[] = {"program", NULL};
	posix_spawn_file_actions_t actions;
	int status;
	pid_t child;
	CHECK(posix_spawn(&child, "/nonexistent/program", NULL, NULL, arguments, environ) == ENOENT);
	CHECK(posix_spawnp(&child, "no-such-program-anywhere", NULL, NULL, arguments, environ) == ENOENT);
	CHECK(posix_spawn(&child, "/etc/passwd", NULL, NULL, arguments, environ) == EACCES);
	CHECK(posix_spawn_file_actions_init(&actions) == 0);
	CHECK(posix_spawn_file_actions_addopen(&actions, 1, "/nonexistent/file", O_RDONLY, 0) == 0);
	CHECK(posix_spawn(&child, "/proc/self/exe", &actions, NULL, arguments, environ) == ENOENT);
	CHECK(posix_spawn_file_actions_destroy(&actions) == 0);
	CHECK_ERRNO(waitpid(-1, &status, WNOHANG), ECHILD);
}

static void spawn_many(void)
{
	struct sigaction action = {.sa_handler = take, .sa_flags = SA_RESTART}, usr1, term, hup;
	pthread_t spawners[SPAWNERS];
	void *gave;
	CHECK(sigaction(SIGUSR1, &action, &usr1) == 0);
	action.sa_handler = SIG_IGN;
	CHECK(sigaction(SIGTERM, &action, &term) == 0 && sigaction(SIGHUP, &action, &hup) == 0);
	for (long i = 0; i < SPAWNERS; i++)
		CHECK(pthread_create(&spawners[i], NULL, spawn_with_everything, (void *)i) == 0);
	for (long i = 0; i < SPAWNERS; i++)
		CHECK(pthread_join(spawners[i], &gave) == 0 && gave == (void *)i);
	CHECK(sigaction(SIGUSR1, &usr1, NULL) == 0 && sigaction(SIGTERM, &term, NULL) == 0);
	CHECK(sigaction(SIGHUP, &hup, NULL) == 0);
}

static void through_shell(void)
{
	char line[32];
	FILE *shell = popen("echo popen; exit 6", "re");
	CHECK(shell != NULL && fgets(line, sizeof(line), shell) != NULL && strcmp(line, "popen\n") == 0);
	int status = pclose(shell);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 6);
	status = system("exit 7");
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

int main(int argc, char **argv)
{
	if (argc > 2 && strcmp(argv[1], "say") == 0)
		return write(1, argv[2], strlen(argv[2])) == (ssize_t)strlen(argv[2]) ? 50 : 1;
	if (argc > 2 && strcmp(argv[1], "check") == 0)
		return checked(argc, argv);
	workload_begin(argc, argv);
	workload_enter();
	const char *only = argc > 2 ? argv[2] : "";
	while (workload_running()) {
		if (*only == '\0' || *only == 'm')
			in_one_memory();
		if (*only == '\0' || *only == 's')
			signals_wait();
		if (*only == '\0' || *only == 'e')
			executes();
		if (*only == '\0' || *only == 'f')
			spawn_fails();
		if (*only == '\0' || *only == 'p')
			spawn_many();
		if (*only == '\0' || *only == 'o')
			through_shell();
	}
	workload_leave();
	return workload_ok("vforks");
}
