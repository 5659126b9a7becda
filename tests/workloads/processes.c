/* SPDX-License-Identifier: MIT
 * fork, vfork, exec, wait and every kind of end a child can have; pipes and exit codes through a shell. */
#include "workload.h"
#include <spawn.h>
#include <sys/resource.h>

extern char **environ;

static void one_round(const char *self)
{
	int status;
	pid_t child = fork();
	CHECK(child >= 0);
	if (child == 0)
		_exit(getppid() > 0 ? 42 : 1);
	CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 42);
	child = fork();
	if (child == 0) {
		signal(SIGTERM, SIG_DFL);
		raise(SIGTERM);
		_exit(1);
	}
	CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	child = fork();
	if (child == 0) {
		raise(SIGSTOP);
		_exit(5);
	}
	siginfo_t info = {0};
	CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
	CHECK(kill(child, SIGCONT) == 0);
	struct rusage usage;
	CHECK(wait4(child, &status, 0, &usage) == child && WEXITSTATUS(status) == 5);
	CHECK_ERRNO(waitpid(child, &status, 0), ECHILD);

	pid_t spawned;
	char *const arguments[] = {(char *)self, "exec", "a b", "", NULL};
	CHECK(posix_spawn(&spawned, "/proc/self/exe", NULL, NULL, arguments, environ) == 0);
	CHECK(waitid(P_PID, (id_t)spawned, &info, WEXITED) == 0);
	CHECK(info.si_pid == spawned && info.si_code == CLD_EXITED && info.si_status == 33);
	FILE *shell = popen("echo through a shell; exit 3", "r");
	char line[100];
	CHECK(shell != NULL && fgets(line, sizeof(line), shell) != NULL && strcmp(line, "through a shell\n") == 0);
	status = pclose(shell);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 3);
	CHECK_ERRNO(execl("/nonexistent/program", "program", NULL), ENOENT);
	CHECK_ERRNO(execl("/etc/passwd", "passwd", NULL), EACCES);
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "exec") == 0)
		return strcmp(argv[2], "a b") == 0 && argv[3][0] == '\0' ? 33 : 1;
	if (argc == 3 && strcmp(argv[1], "again") == 0)
		return workload_ok("processes");
	workload_begin(argc, argv);
	while (workload_running())
		one_round(argv[0]);
	CHECK(fflush(stdout) == 0);
	execl("/proc/self/exe", argv[0], "again", "1", NULL);
	CHECK(!"exec came back");
}
