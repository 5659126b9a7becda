/* SPDX-License-Identifier: MIT
 * fork(2) as programs use it: trees of processes that exchange what they compute through pipes, memory that is each
 * one's own, files and locks that are shared or are not, every way to wait for a child, every way it can end. */
#include "children.h"
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>

#define DEPTH    3
#define BRANCHES 2
#define PRIVATE  (256 << 10)
#define RECORDS  20

static uint64_t step(uint64_t value)
{
	for (int i = 0; i < 2000; i++)
		workload_random(&value);
	return value;
}

/* What a tree of processes below gives, computed alone. */
static uint64_t sum_alone(uint64_t seed, int depth)
{
	uint64_t sum = step(seed);
	for (int i = 0; depth > 0 && i < BRANCHES; i++)
		sum = step(sum ^ sum_alone(seed + (uint64_t)i + 1, depth - 1));
	return sum;
}

static uint64_t sum_in_tree(uint64_t seed, int depth)
{
	int down[BRANCHES], up[BRANCHES];
	pid_t children[BRANCHES], self = getpid();
	for (int i = 0; depth > 0 && i < BRANCHES; i++) {
		int given[2], taken[2];
		CHECK(pipe(given) == 0 && pipe(taken) == 0);
		children[i] = forked();
		if (children[i] == 0) {
			int in = keep_end(given, 0), out = keep_end(taken, 1);
			CHECK(getppid() == self && get(in) == (uint64_t)getpid() && getpid() == gettid());
			put(out, sum_in_tree(get(in), depth - 1));
			CHECK(at_end(in) && getppid() == self);
			_exit(depth);
		}
		down[i] = keep_end(given, 1);
		up[i] = keep_end(taken, 0);
		put(down[i], (uint64_t)children[i]);
		put(down[i], seed + (uint64_t)i + 1);
	}
	uint64_t sum = step(seed);
	for (int i = 0; depth > 0 && i < BRANCHES; i++) {
		sum = step(sum ^ get(up[i]));
		/* Those that were forked later have it too. */
		CHECK(close(down[i]) == 0);
	}
	for (int i = BRANCHES; depth > 0 && i-- > 0;) {
		CHECK_END(children[i], depth);
		CHECK(at_end(up[i]) && close(up[i]) == 0);
	}
	return sum;
}

/* Three generations with the same bytes at first; then everybody has his own. */
static void memory(uint64_t seed)
{
	static unsigned char data[PRIVATE];
	unsigned char *map = mmap(NULL, PRIVATE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int ready[2];
	CHECK(map != MAP_FAILED && pipe(ready) == 0);
	workload_fill(data, PRIVATE, seed);
	workload_fill(map, PRIVATE, seed + 1);
	pid_t child = forked();
	if (child == 0) {
		CHECK(workload_filled(data, PRIVATE, seed) && workload_filled(map, PRIVATE, seed + 1));
		memset(data, 1, PRIVATE / 2);
		pid_t grandchild = forked();
		if (grandchild == 0) {
			CHECK(data[0] == 1 && workload_filled(map, PRIVATE, seed + 1));
			memset(map, 2, PRIVATE);
			put(ready[1], 2);
			_exit(workload_filled(data, PRIVATE, seed) ? 1 : 2);
		}
		CHECK_END(grandchild, 2);
		CHECK(workload_filled(map, PRIVATE, seed + 1) && munmap(map, PRIVATE) == 0);
		_exit(3);
	}
	CHECK(get(ready[0]) == 2 && workload_filled(data, PRIVATE, seed));
	memset(data, 3, PRIVATE);
	CHECK_END(child, 3);
	CHECK(workload_filled(map, PRIVATE, seed + 1) && munmap(map, PRIVATE) == 0 && data[PRIVATE - 1] == 3);
	CHECK(close(ready[0]) == 0 && close(ready[1]) == 0);
}

/* madvise(2): what a child is not to have. */
static void advised(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	unsigned char *map = mmap(NULL, 4 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), there;
	CHECK(map != MAP_FAILED);
	memset(map, 7, 4 * page);
	CHECK(madvise(map, page, MADV_WIPEONFORK) == 0 && madvise(map + 2 * page, page, MADV_DONTFORK) == 0);
	pid_t child = forked();
	if (child == 0) {
		CHECK(map[0] == 0 && map[page - 1] == 0 && map[page] == 7 && map[3 * page] == 7);
		CHECK_ERRNO(mincore(map + 2 * page, page, &there), ENOMEM);
		_exit(4);
	}
	CHECK_END(child, 4);
	CHECK(map[0] == 7 && map[2 * page] == 7 && munmap(map, 4 * page) == 0);
}

/* One open file description: position, flags, and the lock of flock(2); but fcntl(2)'s locks are the process's. */
static void files(void)
{
	char text[16] = "";
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 4};
	int fd = open("file", O_CREAT | O_EXCL | O_RDWR, 0600);
	CHECK(fd >= 0 && write(fd, "abcdefgh", 8) == 8 && lseek(fd, 1, SEEK_SET) == 1);
	CHECK(fcntl(fd, F_SETLK, &lock) == 0 && flock(fd, LOCK_EX) == 0);
	pid_t self = getpid(), child = forked();
	if (child == 0) {
		CHECK(read(fd, text, 3) == 3 && memcmp(text, "bcd", 3) == 0);
		CHECK_ERRNO(fcntl(fd, F_SETLK, &lock), EAGAIN);
		CHECK(fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type == F_WRLCK && lock.l_pid == self);
		CHECK(flock(fd, LOCK_EX | LOCK_NB) == 0); /* which it has with the description */
		int other = open("file", O_RDWR | O_CLOEXEC);
		CHECK(other >= 0 && fcntl(fd, F_SETFL, O_APPEND) == 0);
		CHECK_ERRNO(flock(other, LOCK_SH | LOCK_NB), EWOULDBLOCK);
		_exit(5);
	}
	CHECK_END(child, 5);
	CHECK(lseek(fd, 0, SEEK_CUR) == 4 && (fcntl(fd, F_GETFL) & O_APPEND) != 0);
	CHECK(fcntl(fd, F_SETLK, &lock) == 0);
	child = forked();
	if (child == 0) {
		CHECK(flock(fd, LOCK_UN) == 0 && lseek(fd, 2, SEEK_SET) == 2);
		_exit(6);
	}
	CHECK_END(child, 6);
	int other = open("file", O_RDWR);
	CHECK(other >= 0 && flock(other, LOCK_EX | LOCK_NB) == 0 && read(fd, text, 2) == 2 &&
	      memcmp(text, "cd", 2) == 0);
	CHECK(close(other) == 0 && close(fd) == 0 && unlink("file") == 0);
}

/* Two that wait for a lock of the other, one after the other; the end of a process ends its locks. */
static void locks(void)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int fd = open("lock", O_CREAT | O_EXCL | O_RDWR, 0600), ready[2];
	CHECK(fd >= 0 && pipe(ready) == 0);
	pid_t child = forked();
	if (child == 0) {
		CHECK(fcntl(fd, F_SETLK, &lock) == 0);
		put(ready[1], 1);
		usleep(1000);
		_exit(7);
	}
	CHECK(get(ready[0]) == 1 && fcntl(fd, F_SETLKW, &lock) == 0);
	pid_t second = forked();
	if (second == 0) {
		put(ready[1], 2);
		CHECK(fcntl(fd, F_SETLKW, &lock) == 0);
		_exit(8);
	}
	CHECK(get(ready[0]) == 2);
	usleep(1000);
	lock.l_type = F_UNLCK;
	CHECK(fcntl(fd, F_SETLK, &lock) == 0);
	CHECK_END(second, 8);
	CHECK_END(child, 7);
	CHECK(close(fd) == 0 && unlink("lock") == 0 && close(ready[0]) == 0 && close(ready[1]) == 0);
}

/* Records of several writers, each whole, none lost. */
static void append(void)
{
	pid_t writers[3];
	char record[8];
	int counts[3] = {0};
	int fd = open("log", O_CREAT | O_EXCL | O_RDWR | O_APPEND, 0600);
	CHECK(fd >= 0);
	for (int i = 0; i < 3; i++) {
		writers[i] = forked();
		if (writers[i] == 0) {
			int mine = i == 2 ? open("log", O_WRONLY | O_APPEND) : fd;
			for (int j = 0; j < RECORDS; j++) {
				snprintf(record, sizeof(record), "%d %04d\n", i, j);
				CHECK(write(mine, record, 7) == 7);
			}
			_exit(i);
		}
	}
	for (int i = 0; i < 3; i++)
		CHECK_END(writers[i], i);
	CHECK(lseek(fd, 0, SEEK_SET) == 0);
	for (int i = 0; i < 3 * RECORDS; i++) {
		CHECK(read(fd, record, 7) == 7 && record[0] >= '0' && record[0] <= '2' && record[6] == '\n');
		CHECK(atoi(record + 2) == counts[record[0] - '0']++);
	}
	CHECK(at_end(fd) && close(fd) == 0 && unlink("log") == 0);
}

static void waits(void)
{
	int go[2], status;
	siginfo_t info = {0};
	struct rusage usage;
	CHECK(pipe(go) == 0);
	pid_t child = forked();
	if (child == 0) {
		CHECK(get(go[0]) == 1 && raise(SIGSTOP) == 0 && get(go[0]) == 2);
		_exit(9);
	}
	CHECK(waitpid(child, &status, WNOHANG) == 0 && waitpid(-1, &status, WNOHANG | WUNTRACED | WCONTINUED) == 0);
	CHECK(waitid(P_ALL, 0, &info, WEXITED | WNOHANG) == 0 && info.si_pid == 0 && info.si_signo == 0);
	CHECK_ERRNO(waitpid(-child, &status, WNOHANG), ECHILD);
	put(go[1], 1);
	CHECK(waitid(P_PID, (id_t)child, &info, WSTOPPED | WNOWAIT) == 0 && info.si_code == CLD_STOPPED);
	CHECK(wait4(child, &status, WUNTRACED, &usage) == child && WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
	CHECK(waitpid(child, &status, WNOHANG | WUNTRACED) == 0 && kill(child, SIGCONT) == 0);
	CHECK(waitpid(0, &status, WCONTINUED) == child && WIFCONTINUED(status));
	CHECK(waitpid(child, &status, WNOHANG | WCONTINUED) == 0);
	put(go[1], 2);
	CHECK(waitid(P_PGID, (id_t)getpgrp(), &info, WEXITED | WNOWAIT) == 0);
	CHECK(info.si_signo == SIGCHLD && info.si_pid == child && info.si_uid == getuid());
	CHECK(info.si_code == CLD_EXITED && info.si_status == 9);
	CHECK(wait3(&status, WNOHANG, &usage) == child && WEXITSTATUS(status) == 9);
	CHECK_ERRNO(wait(&status), ECHILD);
	CHECK_ERRNO(waitid(P_PID, (id_t)child, &info, WEXITED), ECHILD);
	CHECK_ERRNO(waitpid(child, &status, 0x100), EINVAL);

	/* A group of its own, and children in any order. */
	pid_t group[3];
	for (int i = 0; i < 3; i++) {
		group[i] = forked();
		if (group[i] == 0) {
			CHECK(get(go[0]) == 3);
			_exit(20);
		}
		CHECK(setpgid(group[i], group[0]) == 0 && getpgid(group[i]) == group[0]);
	}
	for (int i = 0; i < 3; i++)
		put(go[1], 3);
	for (int i = 0; i < 3; i++) {
		child = waitpid(-group[0], &status, 0);
		CHECK((child == group[0] || child == group[1] || child == group[2]) && WEXITSTATUS(status) == 20);
	}
	CHECK_ERRNO(waitpid(-group[0], &status, 0), ECHILD);
	CHECK(close(go[0]) == 0 && close(go[1]) == 0);
}

static volatile sig_atomic_t seen;
static siginfo_t seen_info;

static void see(int signal, siginfo_t *info, void *context)
{
	(void)signal, (void)context;
	seen_info = *info;
	seen++;
}

/* Waits under a mask in which SIGCHLD, blocked otherwise, is let through. */
static void wait_seen(int count, pid_t child, int code, int status)
{
	sigset_t mask;
	CHECK(sigprocmask(SIG_BLOCK, NULL, &mask) == 0 && sigismember(&mask, SIGCHLD) &&
	      sigdelset(&mask, SIGCHLD) == 0);
	while (seen < count)
		CHECK_ERRNO(sigsuspend(&mask), EINTR);
	CHECK(seen == count && seen_info.si_signo == SIGCHLD && seen_info.si_pid == child && seen_info.si_code == code);
	CHECK(seen_info.si_status == status && seen_info.si_uid == getuid());
}

static pid_t forked_and_gone(void)
{
	pid_t child = forked();
	if (child == 0)
		_exit(0);
	return child;
}

static void sigchld(void)
{
	struct sigaction action = {.sa_sigaction = see, .sa_flags = SA_SIGINFO}, before;
	sigset_t chld, mask;
	siginfo_t info;
	int go[2];
	CHECK(pipe(go) == 0 && sigemptyset(&chld) == 0 && sigaddset(&chld, SIGCHLD) == 0);
	CHECK(sigprocmask(SIG_BLOCK, &chld, &mask) == 0 && sigaction(SIGCHLD, &action, &before) == 0);
	seen = 0;
	pid_t child = forked();
	if (child == 0) {
		CHECK(get(go[0]) == 1 && seen == 0);
		_exit(31);
	}
	CHECK(kill(child, SIGSTOP) == 0);
	wait_seen(1, child, CLD_STOPPED, SIGSTOP);
	CHECK(kill(child, SIGCONT) == 0);
	wait_seen(2, child, CLD_CONTINUED, SIGCONT);
	put(go[1], 1);
	wait_seen(3, child, CLD_EXITED, 31);
	CHECK_END(child, 31);

	action.sa_flags |= SA_NOCLDSTOP;
	CHECK(sigaction(SIGCHLD, &action, NULL) == 0);
	child = forked();
	if (child == 0) {
		CHECK(get(go[0]) == 2);
		_exit(32);
	}
	CHECK(kill(child, SIGSTOP) == 0 && waitid(P_PID, (id_t)child, &info, WSTOPPED) == 0);
	CHECK(kill(child, SIGCONT) == 0 && waitid(P_PID, (id_t)child, &info, WCONTINUED) == 0);
	CHECK(sigpending(&chld) == 0 && !sigismember(&chld, SIGCHLD) && kill(child, SIGTERM) == 0);
	wait_seen(4, child, CLD_KILLED, SIGTERM);
	CHECK_END(child, -SIGTERM);

	/* Taken without a handler. */
	child = forked();
	if (child == 0)
		_exit(33);
	CHECK(sigemptyset(&chld) == 0 && sigaddset(&chld, SIGCHLD) == 0 && sigwaitinfo(&chld, &info) == SIGCHLD);
	CHECK(info.si_pid == child && info.si_code == CLD_EXITED && info.si_status == 33 && seen == 4);
	CHECK_END(child, 33);

	/* A read that it does not interrupt, and one that it does, unless it came before: then the alarm. */
	struct itimerval soon = {.it_value.tv_usec = 100000}, never = {0};
	struct sigaction alarm_before;
	CHECK(sigprocmask(SIG_UNBLOCK, &chld, NULL) == 0 && sigaction(SIGALRM, &action, &alarm_before) == 0);
	action.sa_flags |= SA_RESTART;
	CHECK(sigaction(SIGCHLD, &action, NULL) == 0);
	child = forked();
	if (child == 0) {
		CHECK_END(forked_and_gone(), 0);
		usleep(1000);
		put(go[1], 3);
		_exit(34);
	}
	CHECK_END(forked_and_gone(), 0);
	CHECK(get(go[0]) == 3);
	CHECK_END(child, 34);
	CHECK(seen >= 5); /* one signal may stand for both */
	action.sa_flags &= ~SA_RESTART;
	CHECK(sigaction(SIGCHLD, &action, NULL) == 0);
	child = forked();
	if (child == 0) {
		usleep(2000);
		_exit(35);
	}
	CHECK(setitimer(ITIMER_REAL, &soon, NULL) == 0);
	char byte;
	CHECK_ERRNO(read(go[0], &byte, 1), EINTR);
	CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0 && sigaction(SIGALRM, &alarm_before, NULL) == 0);
	int status;
	while (waitpid(child, &status, 0) == -1)
		CHECK(errno == EINTR);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 35 && seen >= 6);
	CHECK(sigaction(SIGCHLD, &before, NULL) == 0 && sigprocmask(SIG_SETMASK, &mask, NULL) == 0);
	CHECK(close(go[0]) == 0 && close(go[1]) == 0);
}

/* SIG_IGN and SA_NOCLDWAIT: nobody waits for a child, and wait(2) returns when the last has gone. */
static void reaped_by_nobody(void)
{
	struct sigaction action = {.sa_handler = SIG_IGN}, before;
	int alive[2], status;
	for (int i = 0; i < 2; i++) {
		if (i == 1)
			action = (struct sigaction){.sa_sigaction = see,
						    .sa_flags = SA_SIGINFO | SA_NOCLDWAIT | SA_RESTART};
		CHECK(sigaction(SIGCHLD, &action, i == 0 ? &before : NULL) == 0 && pipe(alive) == 0);
		seen = 0;
		pid_t first = forked();
		if (first == 0)
			_exit(1);
		pid_t second = forked();
		if (second == 0) {
			pid_t own = forked();
			if (own == 0)
				_exit(1);
			CHECK_ERRNO(waitpid(own, &status, 0), ECHILD);
			_exit(1);
		}
		CHECK(close(alive[1]) == 0 && at_end(alive[0]) && close(alive[0]) == 0);
		CHECK_ERRNO(waitpid(-1, &status, 0), ECHILD);
		CHECK_ERRNO(kill(first, 0), ESRCH);
		CHECK_ERRNO(kill(second, 0), ESRCH);
		CHECK(i == 0 ? seen == 0 : seen >= 1);
	}
	CHECK(sigaction(SIGCHLD, &before, NULL) == 0);
}

static void handler_of_usr1(int signal)
{
	seen = signal;
}

/* What a child inherits and what it does not. */
static void inherited(void)
{
	struct sigaction action = {.sa_handler = handler_of_usr1}, before;
	sigset_t usr2, mask, now;
	struct itimerval timer = {.it_value.tv_sec = 1000};
	CHECK(sigaction(SIGUSR1, &action, &before) == 0 && sigemptyset(&usr2) == 0 && sigaddset(&usr2, SIGUSR2) == 0);
	CHECK(sigprocmask(SIG_BLOCK, &usr2, &mask) == 0 && raise(SIGUSR2) == 0);
	CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
	mode_t umask_before = umask(027);
	seen = 0;
	pid_t child = forked();
	if (child == 0) {
		CHECK(sigpending(&now) == 0 && !sigismember(&now, SIGUSR2));
		CHECK(sigprocmask(SIG_SETMASK, NULL, &now) == 0 && sigismember(&now, SIGUSR2));
		CHECK(getitimer(ITIMER_REAL, &timer) == 0 && timer.it_value.tv_sec == 0 && timer.it_value.tv_usec == 0);
		CHECK(umask(0) == 027 && raise(SIGUSR1) == 0 && seen == SIGUSR1);
		CHECK(kill(getppid(), SIGUSR2) == 0 && kill(getpid(), SIGUSR1) == 0);
		_exit(11);
	}
	CHECK_END(child, 11);
	CHECK(seen == 0 && sigpending(&now) == 0 && sigismember(&now, SIGUSR2) && umask(umask_before) == 027);
	CHECK(getitimer(ITIMER_REAL, &timer) == 0 && timer.it_value.tv_sec > 500);
	timer.it_value = (struct timeval){0};
	CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
	/* One was for the thread, one for the process. */
	siginfo_t info;
	CHECK(sigwaitinfo(&usr2, &info) == SIGUSR2 && info.si_pid == getpid());
	CHECK(sigwaitinfo(&usr2, &info) == SIGUSR2 && info.si_pid == child);
	CHECK(sigprocmask(SIG_SETMASK, &mask, NULL) == 0 && sigaction(SIGUSR1, &before, NULL) == 0);
}

static void end_by(int how)
{
	volatile int *nothing = NULL;
	switch (how) {
	case 0:
		pause();
		break;
	case 1:
		*nothing = 1;
		break;
	case 2:
		abort();
	case 3:
		nothing = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		*nothing = 1;
		break;
	case 4:
		__builtin_trap();
	case 5:
		raise(SIGKILL);
		break;
	case 6:
		CHECK(signal(SIGTERM, SIG_DFL) != SIG_ERR && kill(getpid(), SIGTERM) == 0);
		break;
	case 7:
		exit(255);
	}
	_exit(100);
}

static void ends(void)
{
	static const int expected[] = {SIGKILL, SIGSEGV, SIGABRT, SIGSEGV, SIGILL, SIGKILL, SIGTERM, 0};
	siginfo_t info = {0};
	for (int how = 0; how < 8; how++) {
		pid_t child = forked();
		if (child == 0)
			end_by(how);
		CHECK(how != 0 || kill(child, SIGKILL) == 0);
		CHECK(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT) == 0 && info.si_pid == child);
		if (expected[how] == 0) {
			CHECK(info.si_code == CLD_EXITED && info.si_status == 255);
			CHECK_END(child, 255);
			continue;
		}
		CHECK((info.si_code == CLD_KILLED || info.si_code == CLD_DUMPED) && info.si_status == expected[how]);
		CHECK_END(child, -expected[how]);
	}
}

static const struct {
	const char *name;
	void (*run)(void);
} parts[] = {
	{"advised", advised},     {"files", files}, {"locks", locks},
	{"append", append},       {"waits", waits}, {"sigchld", sigchld},
	{"inherited", inherited}, {"ends", ends},   {"nobody", reaped_by_nobody},
};

int main(int argc, char **argv)
{
	struct rlimit none = {0, 0};
	CHECK(setrlimit(RLIMIT_CORE, &none) == 0);
	workload_begin(argc, argv);
	workload_enter();
	const char *only = argc > 2 ? argv[2] : "";
	for (uint64_t round = 1; workload_running(); round++) {
		if (*only == '\0' || strcmp(only, "tree") == 0)
			CHECK(sum_in_tree(round, DEPTH) == sum_alone(round, DEPTH));
		if (*only == '\0' || strcmp(only, "memory") == 0)
			memory(round);
		for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
			if (*only == '\0' || strcmp(only, parts[i].name) == 0)
				parts[i].run();
	}
	workload_leave();
	return workload_ok("forks");
}
