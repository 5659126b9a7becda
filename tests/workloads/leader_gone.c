/* SPDX-License-Identifier: MIT
 * The main thread ends with pthread_exit(3) and the others go on: the process stays what it is (its leader is a zombie
 * among its tasks, under which /proc/self shows little: proc(5)), takes signals, forks, is waited for no sooner than
 * its last thread has ended, and has the status that this one gives. */
#include "workload.h"
#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>

#define THREADS 4

static pid_t process;
static pthread_t leader, threads[THREADS];
static pthread_barrier_t step;
static bool ending; /* written while all wait */
static int pipes[THREADS][2];
static sem_t handled;
static atomic_int taken_by;

static void on_signal(int signo)
{
	atomic_store(&taken_by, gettid());
	CHECK(sem_post(&handled) == 0);
}

static char state_of(pid_t task)
{
	char text[512], *end;
	snprintf(text, sizeof(text), "/proc/self/task/%d/stat", task);
	int fd = open(text, O_RDONLY);
	ssize_t length = read(fd, text, sizeof(text) - 1);
	CHECK(fd >= 0 && length > 0 && close(fd) == 0);
	text[length] = '\0';
	CHECK((end = strrchr(text, ')')) != NULL);
	return end[2];
}

static int tasks(void)
{
	DIR *directory = opendir("/proc/self/task");
	int count = 0;
	CHECK(directory != NULL);
	for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
		count += entry->d_name[0] != '.';
	CHECK(closedir(directory) == 0);
	return count;
}

static void file_work(int number, uint64_t round)
{
	char name[16], other[16], block[3000], got[3000];
	snprintf(name, sizeof(name), "file %d", number);
	snprintf(other, sizeof(other), "moved %d", number);
	workload_fill(block, sizeof(block), round);
	int fd = open(name, O_CREAT | O_EXCL | O_RDWR, 0600);
	CHECK(fd >= 0 && write(fd, block, sizeof(block)) == sizeof(block) && rename(name, other) == 0);
	CHECK(pread(fd, got, sizeof(got), 0) == sizeof(got) && memcmp(block, got, sizeof(got)) == 0);
	CHECK(close(fd) == 0 && unlink(other) == 0);
}

/* A number goes round, and everyone adds to it. */
static void pipe_work(int number)
{
	long value = 0;
	for (int i = 0; i < 20; i++) {
		if (number == 0)
			CHECK(write(pipes[0][1], &value, sizeof(value)) == sizeof(value));
		CHECK(read(pipes[number][0], &value, sizeof(value)) == sizeof(value));
		value += number + 1;
		CHECK(write(pipes[(number + 1) % THREADS][1], &value, sizeof(value)) == sizeof(value));
		CHECK(number != 0 || read(pipes[0][0], &value, sizeof(value)) == sizeof(value));
	}
	CHECK(number != 0 || value == 20 * THREADS * (THREADS + 1) / 2);
}

static void signals(void)
{
	sigset_t set;
	CHECK(sigemptyset(&set) == 0 && sigaddset(&set, SIGUSR1) == 0 && sigaddset(&set, SIGUSR2) == 0);
	CHECK(pthread_sigmask(SIG_UNBLOCK, &set, NULL) == 0 && kill(process, SIGUSR1) == 0);
	CHECK(sem_wait(&handled) == 0 && atomic_load(&taken_by) == gettid());
	CHECK(pthread_kill(pthread_self(), SIGUSR2) == 0 && sem_wait(&handled) == 0);
	CHECK(atomic_load(&taken_by) == gettid() && pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
}

static void *end_process(void *fds)
{
	char byte;
	CHECK(read(((int *)fds)[0], &byte, 1) == 1 && byte == 'e');
	_exit(42);
}

/* A child whose leader goes as well, and whose last thread ends with a status, or simply ends, which is a status of 0.
 */
static void children(void)
{
	for (int silent = 0; silent < 2; silent++) {
		int fds[2], status;
		char byte = 0;
		pthread_t thread;
		CHECK(pipe2(fds, O_CLOEXEC) == 0);
		pid_t child = fork();
		CHECK(child >= 0);
		if (child == 0) {
			CHECK(getppid() == process && alarm(80) == 0); /* should the parent fail */
			if (silent)
				CHECK(read(fds[0], &byte, 1) == 1);
			else
				CHECK(pthread_create(&thread, NULL, end_process, fds) == 0);
			pthread_exit((void *)13);
		}
		usleep(500); /* its leader may be gone by now */
		CHECK(waitpid(child, &status, WNOHANG) == 0 && write(fds[1], "e", 1) == 1);
		CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) &&
		      WEXITSTATUS(status) == (silent ? 0 : 42));
		CHECK(close(fds[0]) == 0 && close(fds[1]) == 0);
	}
}

static void *only_look(void *argument)
{
	CHECK(getpid() == process && gettid() != process);
	return argument;
}

static void one_round(int number, uint64_t round)
{
	char link[PATH_MAX];
	pthread_t thread;
	void *gave;
	CHECK(getpid() == process && gettid() != process && syscall(SYS_getpid) == process);
	CHECK(state_of(process) == 'Z' && kill(process, 0) == 0);
	ssize_t length = readlink("/proc/thread-self/cwd", link, sizeof(link) - 1);
	CHECK(length > 0);
	link[length] = '\0';
	CHECK(strcmp(link, workload_directory) == 0);
	file_work(number, round);
	pipe_work(number);
	if (number == (int)(round % THREADS)) {
		signals();
		children();
		CHECK(pthread_create(&thread, NULL, only_look, link) == 0 && pthread_join(thread, &gave) == 0 &&
		      gave == link);
	}
	pthread_barrier_wait(&step);
}

static void *go_on(void *argument)
{
	int number = (int)(long)argument;
	void *gave;
	if (number == 0)
		CHECK(pthread_join(leader, &gave) == 0 && gave == &leader);
	pthread_barrier_wait(&step);
	while (state_of(process) != 'Z') /* a join returns a little before */
		sched_yield();
	for (uint64_t round = 0; !ending; round++) {
		one_round(number, round);
		if (number == 0)
			ending = !workload_running();
		pthread_barrier_wait(&step);
	}
	if (number != 0)
		return argument;
	for (long i = 1; i < THREADS; i++)
		CHECK(pthread_join(threads[i], &gave) == 0 && gave == (void *)i);
	while (tasks() != 2) /* we and the leader */
		sched_yield();
	workload_leave();
	exit(workload_ok("leader_gone"));
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = on_signal};
	sigset_t set;
	process = getpid();
	leader = pthread_self();
	CHECK(sigaction(SIGUSR1, &action, NULL) == 0 && sigaction(SIGUSR2, &action, NULL) == 0);
	CHECK(sigemptyset(&set) == 0 && sigaddset(&set, SIGUSR1) == 0 && sigaddset(&set, SIGUSR2) == 0);
	CHECK(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0 && sem_init(&handled, 0, 0) == 0);
	CHECK(pthread_barrier_init(&step, NULL, THREADS) == 0);
	for (int i = 0; i < THREADS; i++)
		CHECK(pipe(pipes[i]) == 0);
	workload_enter();
	workload_begin(argc, argv);
	for (long i = 0; i < THREADS; i++)
		CHECK(pthread_create(&threads[i], NULL, go_on, (void *)i) == 0);
	pthread_exit(&leader);
}
