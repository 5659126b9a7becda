/* SPDX-License-Identifier: MIT
 * unshare(2) of CLONE_FS and CLONE_FILES by single threads: from then on each has a working directory, a umask and a
 * table of descriptors of its own, and so have the threads that it makes. The same number means one file here and
 * another there; what was open before is open in both, at one position, until both have closed it. */
#include "workload.h"
#include <pthread.h>
#include <sched.h>

#define APART 3
#define SAME  60 /* a number that means another file to each */

static pthread_barrier_t step;
static bool ending; /* written while all wait */
static pid_t tids[APART + 1];
static int shared_file, pipe_fds[2];
static char directories[APART + 1][PATH_MAX];

static void own_directory(int who)
{
	char now[PATH_MAX], link[64];
	struct stat status;
	CHECK(getcwd(now, sizeof(now)) != NULL && strcmp(now, directories[who]) == 0);
	CHECK(stat("mine", &status) == 0 && status.st_size == who);
	/* Of everyone else it can be seen where he is. */
	for (int i = 0; i <= APART; i++) {
		snprintf(link, sizeof(link), "/proc/self/task/%d/cwd", tids[i]);
		ssize_t length = readlink(link, now, sizeof(now) - 1);
		CHECK(length > 0);
		now[length] = '\0';
		CHECK(strcmp(now, directories[i]) == 0);
	}
}

static void own_umask(int who)
{
	static const mode_t masks[APART + 1] = {022, 077, 007, 000};
	struct stat status;
	mode_t was = umask(masks[who]);
	CHECK(was == masks[who] || (was == masks[0] && who > 0));
	pthread_barrier_wait(&step);
	int fd = open("made", O_CREAT | O_EXCL | O_WRONLY, 0666);
	CHECK(fd >= 0 && fstat(fd, &status) == 0 && (status.st_mode & 0777) == (0666 & ~masks[who]));
	CHECK(close(fd) == 0 && unlink("made") == 0);
	pthread_barrier_wait(&step);
}

/* What it is made by it shares with it. */
static void *child_of(void *who)
{
	char byte = 0, now[PATH_MAX];
	CHECK(getcwd(now, sizeof(now)) != NULL && strcmp(now, directories[(long)who]) == 0);
	CHECK(pread(SAME, &byte, 1, 0) == 1 && byte == 'a' + (long)who);
	CHECK(dup2(SAME, SAME + 1) == SAME + 1); /* found by it */
	return who;
}

static void own_descriptors(int who)
{
	struct stat mine, here;
	char byte = 0;
	pthread_t thread;
	void *gave;
	CHECK(pread(SAME, &byte, 1, 0) == 1 && byte == 'a' + who && fcntl(SAME, F_GETFD) == FD_CLOEXEC);
	CHECK(fstat(SAME, &here) == 0 && stat("mine.letter", &mine) == 0 && here.st_ino == mine.st_ino);
	CHECK_ERRNO(fcntl(SAME + 1, F_GETFD), EBADF);
	pthread_barrier_wait(&step);
	/* Those who make a descriptor in this round, and those who must not see one. */
	if (who % 2 == 0) {
		CHECK(pthread_create(&thread, NULL, child_of, (void *)(long)who) == 0);
		CHECK(pthread_join(thread, &gave) == 0 && gave == (void *)(long)who);
	}
	pthread_barrier_wait(&step);
	if (who % 2 == 0)
		CHECK(fcntl(SAME + 1, F_GETFD) == 0 && close(SAME + 1) == 0);
	else
		CHECK_ERRNO(close(SAME + 1), EBADF);
	pthread_barrier_wait(&step);
}

/* One position for all, since the file was opened before they parted; each takes its turn. */
static void shared_position(int who)
{
	for (int turn = 0; turn <= APART; turn++) {
		char byte;
		CHECK(turn != who || (read(shared_file, &byte, 1) == 1 && byte == "wxyz"[turn]));
		pthread_barrier_wait(&step);
	}
	CHECK(lseek(shared_file, 0, SEEK_CUR) == APART + 1);
	pthread_barrier_wait(&step);
	CHECK(who != 0 || lseek(shared_file, 0, SEEK_SET) == 0);
}

static void one_round(int who)
{
	own_directory(who);
	own_umask(who);
	own_descriptors(who);
	shared_position(who);
}

static void settle(int who)
{
	tids[who] = gettid();
	CHECK(getcwd(directories[who], PATH_MAX) != NULL);
	int fd = open("mine", O_CREAT | O_EXCL | O_WRONLY, 0600);
	CHECK(fd >= 0 && ftruncate(fd, who) == 0 && close(fd) == 0);
	fd = open("mine.letter", O_CREAT | O_EXCL | O_RDWR, 0600);
	CHECK(fd >= 0 && write(fd, &"abcdefg"[who], 1) == 1 && dup3(fd, SAME, O_CLOEXEC) == SAME && close(fd) == 0);
}

static void clear(void)
{
	CHECK(unlink("mine") == 0 && unlink("mine.letter") == 0);
}

static void *apart(void *argument)
{
	int who = (int)(long)argument;
	char name[16];
	CHECK(unshare(CLONE_FS) == 0 && unshare(CLONE_FILES) == 0);
	snprintf(name, sizeof(name), "apart %d", who);
	CHECK(mkdir(name, 0700) == 0 && chdir(name) == 0);
	settle(who);
	CHECK(close(pipe_fds[0]) == 0);
	CHECK(who == 1 || close(pipe_fds[1]) == 0); /* the last writer's end is that of 1 */
	pthread_barrier_wait(&step);
	while (!ending) {
		one_round(who);
		pthread_barrier_wait(&step);
		pthread_barrier_wait(&step);
	}
	clear();
	CHECK(who != 1 || write(pipe_fds[1], "e", 1) == 1);
	return argument; /* and with the thread goes its table */
}

int main(int argc, char **argv)
{
	pthread_t threads[APART + 1];
	char name[16], byte;
	void *gave;
	workload_enter();
	CHECK(umask(022) <= 0777 && pthread_barrier_init(&step, NULL, APART + 1) == 0);
	shared_file = open("shared", O_CREAT | O_EXCL | O_RDWR, 0600);
	CHECK(shared_file >= 0 && write(shared_file, "wxyz", 4) == 4 && lseek(shared_file, 0, SEEK_SET) == 0);
	CHECK(unlink("shared") == 0 && pipe(pipe_fds) == 0);
	for (long i = 1; i <= APART; i++)
		CHECK(pthread_create(&threads[i], NULL, apart, (void *)i) == 0);
	settle(0);
	workload_begin(argc, argv);
	pthread_barrier_wait(&step);
	CHECK(close(pipe_fds[1]) == 0);
	while (!ending) {
		one_round(0);
		pthread_barrier_wait(&step);
		ending = !workload_running();
		pthread_barrier_wait(&step);
	}
	clear();
	CHECK(read(pipe_fds[0], &byte, 1) == 1 && byte == 'e' && read(pipe_fds[0], &byte, 1) == 0);
	for (long i = 1; i <= APART; i++) {
		CHECK(pthread_join(threads[i], &gave) == 0 && gave == (void *)i);
		snprintf(name, sizeof(name), "apart %ld", i);
		CHECK(rmdir(name) == 0);
	}
	workload_leave();
	return workload_ok("thread_unshare");
}
