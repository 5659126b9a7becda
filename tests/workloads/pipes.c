/* SPDX-License-Identifier: MIT
 * A pipe in each direction to an unmoved echo process: blocking both ways, buffers larger than the pipe, O_NONBLOCK,
 * FIONREAD, SIGPIPE and EPIPE. */
#include "workload.h"
#include <sys/ioctl.h>

static pid_t echo_child(int from, int to)
{
	pid_t child = fork();
	CHECK(child >= 0);
	if (child != 0)
		return child;
	static char buffer[50000];
	for (;;) {
		ssize_t got = read(from, buffer, sizeof(buffer));
		if (got <= 0)
			_exit(got < 0);
		for (ssize_t at = 0; at < got;) {
			ssize_t put = write(to, buffer + at, (size_t)(got - at));
			if (put < 0)
				_exit(2);
			at += put;
		}
	}
}

static int pipe_signals;

static void on_pipe(int signo)
{
	pipe_signals += signo == SIGPIPE;
}

int main(int argc, char **argv)
{
	int out[2], back[2];
	CHECK(pipe2(out, O_CLOEXEC) == 0 && pipe2(back, O_CLOEXEC) == 0);
	pid_t child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		close(out[1]);
		close(back[0]);
		pid_t echo = echo_child(out[0], back[1]);
		close(out[0]);
		close(back[1]);
		int status;
		_exit(waitpid(echo, &status, 0) == echo && status == 0 ? 0 : 3);
	}
	close(out[0]);
	close(back[1]);
	workload_begin(argc, argv);
	static char wrote[40000], got[40000];
	for (uint64_t seed = 1; workload_running(); seed++) {
		size_t bytes = 1 + seed * 7919 % sizeof(wrote);
		workload_fill(wrote, bytes, seed);
		CHECK(write(out[1], wrote, bytes) == (ssize_t)bytes);
		for (size_t at = 0; at < bytes;) {
			ssize_t part = read(back[0], got + at, bytes - at);
			CHECK(part > 0);
			at += (size_t)part;
		}
		CHECK(memcmp(wrote, got, bytes) == 0);
	}
	close(out[1]);
	CHECK(read(back[0], got, 1) == 0);
	int status;
	CHECK(waitpid(child, &status, 0) == child && status == 0);

	CHECK(signal(SIGPIPE, on_pipe) != SIG_ERR);
	int lone[2];
	CHECK(pipe2(lone, O_NONBLOCK) == 0);
	CHECK_ERRNO(read(lone[0], got, 1), EAGAIN);
	ssize_t filled = 0;
	for (ssize_t part; (part = write(lone[1], wrote, sizeof(wrote))) > 0;)
		filled += part;
	CHECK(errno == EAGAIN && filled > 0 && filled <= fcntl(lone[0], F_GETPIPE_SZ));
	int waiting;
	CHECK(ioctl(lone[0], FIONREAD, &waiting) == 0 && waiting == filled);
	CHECK(close(lone[0]) == 0);
	CHECK_ERRNO(write(lone[1], "x", 1), EPIPE);
	CHECK(pipe_signals == 1);
	return workload_ok("pipes");
}
