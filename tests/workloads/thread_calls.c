/* SPDX-License-Identifier: MIT
 * No thread's call waits for another's. A thread each is blocked in read, write, accept, recv, poll, epoll_wait, open
 * of a fifo, F_SETLKW, F_OFD_SETLKW, flock and sem_wait, one naps again and again; none is let go before others have
 * made all of their short calls. Then each is, by another thread, and is told the right thing while the rest still
 * wait. */
#include "workload.h"
#include <arpa/inet.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/socket.h>

#define SHORT 4
#define CALLS 150

enum way { READ, WRITE, ACCEPT, RECEIVE, POLL, EPOLL, FIFO, RECORD_LOCK, OFD_LOCK, FLOCK, SEMAPHORE, NAP, WAYS };

static int empty[2], full[2], pair[2], polled[2], event, epoll, listener, locked, ours, theirs, rival;
static struct sockaddr_in address = {.sin_family = AF_INET};
static sem_t semaphore;
static atomic_bool napped_enough, returned[WAYS];
static pthread_barrier_t about; /* to block */
static char page[4096];

static int lock_all(int fd, int command, short type)
{
	struct flock lock = {.l_type = type, .l_whence = SEEK_SET};
	return fcntl(fd, command, &lock);
}

/* Another process holds what two of us wait for: r takes and R gives back the record lock, f and F that of flock(2). */
static void be_rival(int commands)
{
	int fd = open("locked", O_RDWR), failed = fd < 0;
	for (char command; !failed && read(commands, &command, 1) == 1;) {
		if (command == 'r' || command == 'R')
			failed = lock_all(fd, F_SETLK, command == 'r' ? F_WRLCK : F_UNLCK) != 0;
		else
			failed = flock(fd, command == 'f' ? LOCK_EX : LOCK_UN) != 0;
		failed |= write(commands, &command, 1) != 1;
	}
	_exit(failed);
}

static void tell_rival(char command)
{
	char answer;
	CHECK(write(rival, &command, 1) == 1 && read(rival, &answer, 1) == 1 && answer == command);
}

static void wait_in(enum way way)
{
	char got[8];
	struct pollfd fds[2] = {{.fd = polled[0], .events = POLLIN}, {.fd = full[1]}};
	struct epoll_event ready[2];
	struct timespec nap = {.tv_nsec = 700000};
	uint64_t count;
	int fd;
	switch (way) {
	case READ:
		CHECK(read(empty[0], got, sizeof(got)) == 1 && got[0] == 'r');
		break;
	case WRITE:
		CHECK(write(full[1], "w", 1) == 1);
		break;
	case ACCEPT:
		fd = accept(listener, NULL, NULL);
		CHECK(fd >= 0 && read(fd, got, 1) == 1 && got[0] == 'a' && read(fd, got, 1) == 0 && close(fd) == 0);
		break;
	case RECEIVE:
		CHECK(recv(pair[0], got, 8, MSG_WAITALL) == 8 && memcmp(got, "received", 8) == 0);
		break;
	case POLL:
		CHECK(poll(fds, 2, -1) == 1 && fds[0].revents == POLLIN && fds[1].revents == 0);
		CHECK(read(polled[0], got, sizeof(got)) == 1 && got[0] == 'p');
		break;
	case EPOLL:
		CHECK(epoll_wait(epoll, ready, 2, -1) == 1 && ready[0].events == EPOLLIN);
		CHECK(ready[0].data.u64 == 4711 && read(event, &count, sizeof(count)) == 8 && count == 31);
		break;
	case FIFO:
		fd = open("fifo", O_RDONLY);
		CHECK(fd >= 0 && read(fd, got, 1) == 1 && got[0] == 'f' && read(fd, got, 1) == 0 && close(fd) == 0);
		break;
	case RECORD_LOCK:
		CHECK(lock_all(locked, F_SETLKW, F_WRLCK) == 0 && lock_all(locked, F_SETLK, F_UNLCK) == 0);
		break;
	case OFD_LOCK:
		CHECK(lock_all(theirs, F_OFD_SETLKW, F_WRLCK) == 0 && lock_all(theirs, F_OFD_SETLK, F_UNLCK) == 0);
		break;
	case FLOCK:
		CHECK(flock(locked, LOCK_EX) == 0 && flock(locked, LOCK_UN) == 0);
		break;
	case SEMAPHORE:
		CHECK(sem_wait(&semaphore) == 0);
		break;
	default:
		while (!atomic_load(&napped_enough))
			CHECK(nanosleep(&nap, NULL) == 0);
	}
}

static void release(enum way way)
{
	uint64_t count = 31;
	int fd;
	switch (way) {
	case READ:
		CHECK(write(empty[1], "r", 1) == 1);
		break;
	case WRITE:
		CHECK(read(full[0], page, sizeof(page)) == sizeof(page));
		break;
	case ACCEPT:
		fd = socket(AF_INET, SOCK_STREAM, 0);
		CHECK(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
		CHECK(write(fd, "a", 1) == 1 && close(fd) == 0);
		break;
	case RECEIVE:
		CHECK(send(pair[1], "received", 8, 0) == 8);
		break;
	case POLL:
		CHECK(write(polled[1], "p", 1) == 1);
		break;
	case EPOLL:
		CHECK(write(event, &count, sizeof(count)) == sizeof(count));
		break;
	case FIFO:
		fd = open("fifo", O_WRONLY);
		CHECK(fd >= 0 && write(fd, "f", 1) == 1 && close(fd) == 0);
		break;
	case RECORD_LOCK:
		tell_rival('R');
		break;
	case OFD_LOCK:
		CHECK(lock_all(ours, F_OFD_SETLK, F_UNLCK) == 0);
		break;
	case FLOCK:
		tell_rival('F');
		break;
	case SEMAPHORE:
		CHECK(sem_post(&semaphore) == 0);
		break;
	default:
		atomic_store(&napped_enough, true);
	}
}

static void *blocked(void *way)
{
	pthread_barrier_wait(&about);
	wait_in((enum way)(long)way);
	atomic_store(&returned[(long)way], true);
	return way;
}

static void *short_calls(void *number)
{
	char name[20], got[20], directory[PATH_MAX];
	int fds[2];
	struct stat status;
	long made = 0;
	snprintf(name, sizeof(name), "short %ld", (long)number);
	int file = open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
	CHECK(file >= 0 && pipe(fds) == 0);
	for (int i = 0; i < CALLS; i++) {
		CHECK(pwrite(file, name, 8, i * 8) == 8 && pread(file, got, 8, i * 8) == 8 &&
		      memcmp(got, name, 8) == 0);
		CHECK(fstat(file, &status) == 0 && status.st_size == i * 8 + 8 &&
		      lseek(file, 0, SEEK_END) == i * 8 + 8);
		CHECK(write(fds[1], &made, sizeof(made)) == sizeof(made) && read(fds[0], got, 8) == 8);
		CHECK(memcmp(got, &made, 8) == 0 && stat("locked", &status) == 0 && status.st_size == 0);
		CHECK(getcwd(directory, sizeof(directory)) && strcmp(directory, workload_directory) == 0);
		made++;
	}
	CHECK(close(file) == 0 && close(fds[0]) == 0 && close(fds[1]) == 0 && unlink(name) == 0);
	return (void *)made;
}

static void one_round(unsigned int first)
{
	pthread_t waiting[WAYS], callers[SHORT];
	void *gave;
	atomic_store(&napped_enough, false);
	tell_rival('r');
	tell_rival('f');
	CHECK(lock_all(ours, F_OFD_SETLK, F_WRLCK) == 0);
	CHECK(write(full[1], page, sizeof(page)) == sizeof(page));
	for (long way = 0; way < WAYS; way++) {
		atomic_store(&returned[way], false);
		CHECK(pthread_create(&waiting[way], NULL, blocked, (void *)way) == 0);
	}
	pthread_barrier_wait(&about);
	for (long i = 0; i < SHORT; i++)
		CHECK(pthread_create(&callers[i], NULL, short_calls, (void *)i) == 0);
	for (int i = 0; i < SHORT; i++)
		CHECK(pthread_join(callers[i], &gave) == 0 && gave == (void *)CALLS);
	for (unsigned int i = first; i < first + WAYS; i++) {
		for (unsigned int j = i; j < first + WAYS; j++)
			CHECK(!atomic_load(&returned[j % WAYS]));
		release(i % WAYS);
		CHECK(pthread_join(waiting[i % WAYS], &gave) == 0 && gave == (void *)(long)(i % WAYS));
	}
	CHECK(read(full[0], page, sizeof(page)) == 1 && page[0] == 'w');
}

int main(int argc, char **argv)
{
	workload_enter();
	locked = open("locked", O_RDWR | O_CREAT, 0600);
	CHECK(locked >= 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	pid_t child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		close(pair[0]);
		be_rival(pair[1]);
	}
	rival = pair[0];
	CHECK(close(pair[1]) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	CHECK((ours = open("owned", O_RDWR | O_CREAT, 0600)) >= 0 && (theirs = open("owned", O_RDWR)) >= 0);
	CHECK(mkfifo("fifo", 0600) == 0 && pipe(empty) == 0 && pipe(full) == 0 && pipe(polled) == 0);
	CHECK(fcntl(full[1], F_SETPIPE_SZ, sizeof(page)) == sizeof(page) && (event = eventfd(0, 0)) >= 0);
	struct epoll_event wanted = {.events = EPOLLIN, .data.u64 = 4711};
	CHECK((epoll = epoll_create1(0)) >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, event, &wanted) == 0);
	socklen_t length = sizeof(address);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CHECK((listener = socket(AF_INET, SOCK_STREAM, 0)) >= 0);
	CHECK(bind(listener, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(listener, 4) == 0);
	CHECK(getsockname(listener, (struct sockaddr *)&address, &length) == 0);
	CHECK(sem_init(&semaphore, 0, 0) == 0 && pthread_barrier_init(&about, NULL, WAYS + 1) == 0);
	workload_begin(argc, argv);
	for (unsigned int round = 0; workload_running(); round++)
		one_round(round);
	int status;
	CHECK(close(rival) == 0 && waitpid(child, &status, 0) == child && status == 0);
	CHECK(unlink("locked") == 0 && unlink("owned") == 0 && unlink("fifo") == 0);
	workload_leave();
	return workload_ok("thread_calls");
}
