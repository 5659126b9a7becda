/* SPDX-License-Identifier: MIT
 * clone(2) of processes with what fork does not offer: tables of files and directories that are shared, a pidfd, ids
 * that are stored and cleared, siblings instead of children, other signals at the end or none, one memory. */
#include "children.h"
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/pidfd.h>

#define STACK (64 << 10)

/* As fork, without what the C library does around it. */
static pid_t cloned(unsigned long flags, void *parent_tid, void *child_tid)
{
	pid_t child = (pid_t)syscall(SYS_clone, flags, NULL, parent_tid, child_tid, NULL);
	CHECK(child >= 0);
	return child;
}

static pid_t self_now(void)
{
	return (pid_t)syscall(SYS_getpid);
}

static void shared_files(void)
{
	int to_child[2], to_parent[2];
	CHECK(pipe(to_child) == 0 && pipe(to_parent) == 0);
	pid_t child = cloned(CLONE_FILES | SIGCHLD, NULL, NULL);
	if (child == 0) {
		CHECK(dup2(to_parent[1], 95) == 95 && fcntl(95, F_SETFD, FD_CLOEXEC) == 0);
		put(to_parent[1], 1);
		CHECK(get(to_child[0]) == 2 && fcntl(96, F_GETFD) == 0);
		CHECK_ERRNO(fcntl(95, F_GETFD), EBADF);
		CHECK(close(96) == 0 && open("/dev/null", O_RDONLY) >= 0);
		_exit(1);
	}
	CHECK(get(to_parent[0]) == 1 && fcntl(95, F_GETFD) == FD_CLOEXEC && close(95) == 0);
	CHECK(dup2(to_child[1], 96) == 96);
	put(to_child[1], 2);
	CHECK_END(child, 1);
	CHECK_ERRNO(fcntl(96, F_GETFD), EBADF);
	int next = to_parent[1] + 1; /* /dev/null: the lowest that was free */
	CHECK(fcntl(next, F_GETFD) == 0 && close(next) == 0);
	for (int i = 0; i < 2; i++)
		CHECK(close(to_child[i]) == 0 && close(to_parent[i]) == 0);

	/* A copy: unshare(2) in the child, and then nothing is seen. */
	child = cloned(CLONE_FILES | SIGCHLD, NULL, NULL);
	if (child == 0) {
		CHECK(unshare(CLONE_FILES) == 0 && dup2(0, 97) == 97);
		_exit(2);
	}
	CHECK_END(child, 2);
	CHECK_ERRNO(fcntl(97, F_GETFD), EBADF);
}

static void shared_directory(void)
{
	char directory[PATH_MAX];
	mode_t before = umask(022);
	pid_t child = cloned(CLONE_FS | SIGCHLD, NULL, NULL);
	if (child == 0) {
		CHECK(chdir("/proc") == 0 && umask(077) == 022);
		_exit(3);
	}
	CHECK_END(child, 3);
	CHECK(getcwd(directory, sizeof(directory)) != NULL && strcmp(directory, "/proc") == 0);
	CHECK(umask(before) == 077 && chdir(workload_directory) == 0);
	child = cloned(SIGCHLD, NULL, NULL);
	if (child == 0) {
		CHECK(chdir("/") == 0 && umask(0) == before);
		_exit(4);
	}
	CHECK_END(child, 4);
	CHECK(getcwd(directory, sizeof(directory)) != NULL && strcmp(directory, workload_directory) == 0);
	CHECK(umask(before) == before);
}

/* A child's sibling: it is ours, and its end is told as the child's would be. */
static void sibling(void)
{
	int ids[2];
	CHECK(pipe(ids) == 0);
	pid_t self = self_now(), child = cloned(SIGCHLD, NULL, NULL);
	if (child == 0) {
		pid_t other = cloned(CLONE_PARENT | SIGCHLD, NULL, NULL);
		if (other == 0) {
			CHECK(getppid() == self);
			_exit(6);
		}
		CHECK(other > 0 && getppid() == self);
		CHECK_ERRNO(waitpid(other, NULL, 0), ECHILD);
		put(ids[1], (uint64_t)other);
		_exit(5);
	}
	pid_t other = (pid_t)get(ids[0]);
	CHECK_END(other, 6);
	CHECK_END(child, 5);
	CHECK(close(ids[0]) == 0 && close(ids[1]) == 0);
}

static void by_pidfd(void)
{
	int pidfd = -1, go[2], status;
	siginfo_t info = {0};
	CHECK(pipe(go) == 0);
	pid_t child = cloned(CLONE_PIDFD | SIGCHLD, &pidfd, NULL);
	if (child == 0) {
		CHECK(get(go[0]) == 1);
		_exit(7);
	}
	struct pollfd ended = {.fd = pidfd, .events = POLLIN};
	CHECK(pidfd >= 0 && fcntl(pidfd, F_GETFD) == FD_CLOEXEC && poll(&ended, 1, 0) == 0);
	CHECK(waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG) == 0 && info.si_pid == 0);
	CHECK(pidfd_send_signal(pidfd, 0, NULL, 0) == 0);
	put(go[1], 1);
	CHECK(poll(&ended, 1, -1) == 1 && (ended.revents & POLLIN) != 0);
	CHECK(waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOWAIT) == 0);
	CHECK(info.si_pid == child && info.si_code == CLD_EXITED && info.si_status == 7);
	CHECK(waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) == 0 && info.si_pid == child);
	CHECK_ERRNO(pidfd_send_signal(pidfd, 0, NULL, 0), ESRCH);
	CHECK_ERRNO(waitpid(child, &status, 0), ECHILD);
	CHECK(close(pidfd) == 0 && close(go[0]) == 0 && close(go[1]) == 0);

	child = cloned(CLONE_PIDFD | SIGCHLD, &pidfd, NULL);
	if (child == 0) {
		pause();
		_exit(8);
	}
	CHECK(pidfd_send_signal(pidfd, SIGTERM, NULL, 0) == 0);
	CHECK(waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) == 0 && info.si_code == CLD_KILLED);
	CHECK(info.si_pid == child && info.si_status == SIGTERM && close(pidfd) == 0);
	CHECK_ERRNO(syscall(SYS_clone, CLONE_PIDFD | CLONE_PARENT_SETTID | SIGCHLD, NULL, &pidfd, NULL, NULL), EINVAL);
}

static void stored_ids(void)
{
	pid_t of_parent = -1, of_child = -1;
	pid_t child = cloned(CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD, &of_parent, &of_child);
	if (child == 0) {
		/* The parent's word was stored before or after its memory was copied. */
		CHECK(of_child == self_now() && (of_parent == -1 || of_parent == of_child));
		_exit(9);
	}
	CHECK(of_parent == child && of_child == -1);
	CHECK_END(child, 9);

	/* The memory is the parent's too when it is cleared, and somebody may wait for that. */
	of_child = -1;
	child = (pid_t)vfork();
	CHECK(child >= 0);
	if (child == 0) {
		syscall(SYS_set_tid_address, &of_child);
		of_child = 10;
		_exit(10);
	}
	CHECK(*(volatile pid_t *)&of_child == 0);
	CHECK_END(child, 10);
}

static volatile sig_atomic_t seen;
static siginfo_t seen_info;

static void see(int signal, siginfo_t *info, void *context)
{
	(void)signal, (void)context;
	seen_info = *info;
	seen++;
}

static void end_signals(void)
{
	struct sigaction action = {.sa_sigaction = see, .sa_flags = SA_SIGINFO | SA_RESTART}, usr1, chld;
	sigset_t blocked, mask, now;
	int status;
	CHECK(sigaction(SIGUSR1, &action, &usr1) == 0 && sigaction(SIGCHLD, &action, &chld) == 0);
	CHECK(sigemptyset(&blocked) == 0 && sigaddset(&blocked, SIGUSR1) == 0 && sigaddset(&blocked, SIGCHLD) == 0);
	CHECK(sigprocmask(SIG_BLOCK, &blocked, &mask) == 0);
	seen = 0;
	pid_t child = cloned(0, NULL, NULL); /* which tells nothing */
	if (child == 0)
		_exit(11);
	CHECK_ERRNO(waitpid(child, &status, 0), ECHILD);
	CHECK_ERRNO(waitpid(-1, &status, WNOHANG), ECHILD);
	CHECK(waitpid(child, &status, __WCLONE) == child && WIFEXITED(status) && WEXITSTATUS(status) == 11);
	CHECK(sigpending(&now) == 0 && !sigismember(&now, SIGCHLD) && !sigismember(&now, SIGUSR1));

	child = cloned(SIGUSR1, NULL, NULL);
	if (child == 0)
		_exit(12);
	while (seen == 0)
		CHECK_ERRNO(sigsuspend(&mask), EINTR);
	CHECK(seen == 1 && seen_info.si_signo == SIGUSR1 && seen_info.si_pid == child);
	CHECK(seen_info.si_code == CLD_EXITED && seen_info.si_status == 12);
	CHECK_ERRNO(waitpid(child, &status, WNOHANG), ECHILD);
	CHECK_ERRNO(waitid(P_ALL, 0, &seen_info, WEXITED), ECHILD);
	CHECK_END(child, 12);

	/* A child of that kind which executes a program becomes an ordinary one. */
	child = cloned(SIGUSR1, NULL, NULL);
	if (child == 0) {
		CHECK(sigprocmask(SIG_SETMASK, &mask, NULL) == 0);
		execl("/bin/sh", "sh", "-c", "exit 13", NULL);
		_exit(1);
	}
	siginfo_t info;
	CHECK(sigwaitinfo(&blocked, &info) == SIGCHLD && info.si_pid == child && info.si_status == 13);
	CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 13 && seen == 1);
	CHECK(sigaction(SIGUSR1, &usr1, NULL) == 0 && sigaction(SIGCHLD, &chld, NULL) == 0);
	CHECK(sigprocmask(SIG_SETMASK, &mask, NULL) == 0);
}

struct shared {
	int number;
	pid_t parent;
	int go[2];
};

static int in_one_memory(void *argument)
{
	struct shared *shared = argument;
	if (self_now() == shared->parent || getppid() != shared->parent || get(shared->go[0]) != 1)
		return 1;
	shared->number++;
	return 14;
}

static void one_memory(void)
{
	static char stack[STACK] __attribute__((aligned(16)));
	struct shared shared = {.number = 1, .parent = self_now()};
	pid_t tid = -1;
	CHECK(pipe(shared.go) == 0);
	pid_t child = clone(in_one_memory, stack + STACK, CLONE_VM | CLONE_CHILD_CLEARTID | SIGCHLD, &shared, NULL,
			    NULL, &tid);
	CHECK(child > 0);
	shared.number = 20;
	put(shared.go[1], 1);
	CHECK_END(child, 14);
	CHECK(shared.number == 21 && *(volatile pid_t *)&tid == 0);
	shared.number = 30;
	put(shared.go[1], 1);
	child = clone(in_one_memory, stack + STACK, CLONE_VM | CLONE_VFORK | SIGCHLD, &shared);
	CHECK(child > 0 && shared.number == 31);
	CHECK_END(child, 14);
	/* On a stack of its own, in a copy of the memory. */
	put(shared.go[1], 1);
	child = clone(in_one_memory, stack + STACK, SIGCHLD, &shared);
	CHECK(child > 0);
	CHECK_END(child, 14);
	CHECK(shared.number == 31 && close(shared.go[0]) == 0 && close(shared.go[1]) == 0);
}

/* As the C library does it: clone3(2), and clone(2) where there is none. */
static void by_clone3(void)
{
	struct {
		uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
	} arguments = {.flags = CLONE_PIDFD, .exit_signal = SIGCHLD};
	int pidfd = -1;
	arguments.pidfd = (uintptr_t)&pidfd;
	pid_t child = (pid_t)syscall(SYS_clone3, &arguments, sizeof(arguments));
	if (child == -1) {
		CHECK(errno == ENOSYS);
		child = cloned(CLONE_PIDFD | SIGCHLD, &pidfd, NULL);
	}
	if (child == 0)
		_exit(15);
	siginfo_t info = {0};
	CHECK(child > 0 && waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) == 0);
	CHECK(info.si_pid == child && info.si_status == 15 && close(pidfd) == 0);
}

static void *in_thread(void *nothing)
{
	by_pidfd();
	stored_ids();
	return nothing;
}

static void refused(void)
{
	CHECK_ERRNO(syscall(SYS_clone, CLONE_THREAD | SIGCHLD, NULL, NULL, NULL, NULL), EINVAL);
	CHECK_ERRNO(syscall(SYS_clone, CLONE_SIGHAND | SIGCHLD, NULL, NULL, NULL, NULL), EINVAL);
	CHECK_ERRNO(syscall(SYS_clone, CLONE_NEWNS | CLONE_FS | SIGCHLD, NULL, NULL, NULL, NULL), EINVAL);
}

static const struct {
	const char *name;
	void (*run)(void);
} parts[] = {
	{"files", shared_files}, {"directory", shared_directory}, {"sibling", sibling},  {"pidfd", by_pidfd},
	{"ids", stored_ids},     {"signals", end_signals},        {"clone3", by_clone3}, {"memory", one_memory},
	{"refused", refused},
};

int main(int argc, char **argv)
{
	workload_begin(argc, argv);
	workload_enter();
	const char *only = argc > 2 ? argv[2] : "";
	while (workload_running()) {
		for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
			if (*only == '\0' || strcmp(only, parts[i].name) == 0)
				parts[i].run();
		if (*only == '\0' || strcmp(only, "thread") == 0) {
			pthread_t thread;
			CHECK(pthread_create(&thread, NULL, in_thread, NULL) == 0 && pthread_join(thread, NULL) == 0);
		}
	}
	workload_leave();
	return workload_ok("clones");
}
