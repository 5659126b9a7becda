/* SPDX-License-Identifier: MIT
 * fcntl record locks, OFD locks and flock against an unmoved rival, waiting for a lock included; leases of none. */
#include "workload.h"
#include <sys/file.h>
#include <sys/socket.h>

static struct flock range(short type, off_t start, off_t length)
{
	return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
}

/* The rival does one command at a time: l lock 0..9, u unlock, f flock, g release flock, h hold for 40 ms then unlock.
 */
static void rival(int commands)
{
	int fd = open("locked", O_RDWR);
	char command, done = '.';
	while (read(commands, &command, 1) == 1) {
		struct flock lock = range(command == 'l' || command == 'h' ? F_WRLCK : F_UNLCK, 0, 10);
		int answer = 0;
		if (command == 'f' || command == 'g')
			answer = flock(fd, command == 'f' ? LOCK_EX : LOCK_UN);
		else
			answer = fcntl(fd, F_SETLKW, &lock);
		if (write(commands, answer == 0 ? &done : "!", 1) != 1)
			_exit(1);
		if (command == 'h') {
			usleep(40000);
			lock = range(F_UNLCK, 0, 10);
			fcntl(fd, F_SETLK, &lock);
		}
	}
	_exit(0);
}

static void tell(int commands, char command)
{
	char answer;
	CHECK(write(commands, &command, 1) == 1 && read(commands, &answer, 1) == 1 && answer == '.');
}

static void one_round(int fd, int commands, pid_t child)
{
	tell(commands, 'l');
	struct flock lock = range(F_WRLCK, 5, 1);
	errno = 0;
	CHECK(fcntl(fd, F_SETLK, &lock) == -1 && (errno == EAGAIN || errno == EACCES));
	CHECK(fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type == F_WRLCK && lock.l_pid == child);
	CHECK(lock.l_start == 0 && lock.l_len == 10);
	lock = range(F_WRLCK, 10, 5);
	CHECK(fcntl(fd, F_SETLK, &lock) == 0);
	tell(commands, 'u');
	tell(commands, 'h');
	lock = range(F_WRLCK, 0, 20);
	CHECK(fcntl(fd, F_SETLKW, &lock) == 0);
	lock.l_type = F_UNLCK;
	CHECK(fcntl(fd, F_SETLK, &lock) == 0);
	lock = range(F_RDLCK, 0, 0);
	CHECK(fcntl(fd, F_OFD_SETLK, &lock) == 0);
	lock = range(F_UNLCK, 0, 0);
	CHECK(fcntl(fd, F_OFD_SETLK, &lock) == 0);
	tell(commands, 'f');
	CHECK_ERRNO(flock(fd, LOCK_EX | LOCK_NB), EWOULDBLOCK);
	tell(commands, 'g');
	CHECK(flock(fd, LOCK_SH) == 0 && flock(fd, LOCK_UN) == 0);
	CHECK(fcntl(fd, F_GETFL) == O_RDWR + (fcntl(fd, F_GETFL) & ~O_RDWR));
	CHECK(fcntl(fd, F_SETFL, O_APPEND) == 0 && (fcntl(fd, F_GETFL) & O_APPEND));
	CHECK(fcntl(fd, F_SETFL, 0) == 0);
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 50);
	CHECK(copy >= 50 && fcntl(copy, F_GETFD) == FD_CLOEXEC);
	CHECK(flock(fd, LOCK_EX) == 0 && flock(copy, LOCK_EX | LOCK_NB) == 0 && flock(copy, LOCK_UN) == 0);
	CHECK(close(copy) == 0);
}

int main(int argc, char **argv)
{
	workload_enter();
	int fd = open("locked", O_RDWR | O_CREAT, 0600);
	int pair[2];
	CHECK(fd >= 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	pid_t child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		close(pair[0]);
		rival(pair[1]);
	}
	CHECK(close(pair[1]) == 0);
	workload_begin(argc, argv);
	while (workload_running())
		one_round(fd, pair[0], child);
	int status;
	CHECK(close(pair[0]) == 0 && waitpid(child, &status, 0) == child && status == 0);
	CHECK(close(fd) == 0 && unlink("locked") == 0);
	workload_leave();
	return workload_ok("locks");
}
