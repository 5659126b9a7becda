/* SPDX-License-Identifier: MIT
 * signalfd: blocked signals read as a file, polled, queued with values. A process that has one stays at home until it
 * is closed, and goes there to make one. */
#include "workload.h"
#include <sys/signalfd.h>

int main(int argc, char **argv)
{
	sigset_t set;
	CHECK(sigemptyset(&set) == 0 && sigaddset(&set, SIGUSR1) == 0 && sigaddset(&set, SIGRTMIN + 2) == 0);
	CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	workload_begin(argc, argv);
	while (workload_running()) {
		int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
		CHECK(fd >= 0);
		struct signalfd_siginfo info[4];
		CHECK_ERRNO(read(fd, info, sizeof(info)), EAGAIN);
		for (int i = 0; i < 3; i++)
			CHECK(sigqueue(getpid(), SIGRTMIN + 2, (union sigval){.sival_int = i}) == 0);
		struct pollfd polled = {.fd = fd, .events = POLLIN};
		CHECK(poll(&polled, 1, 5000) == 1 && polled.revents == POLLIN);
		CHECK(read(fd, info, sizeof(info)) == 3 * (ssize_t)sizeof(info[0]));
		for (int i = 0; i < 3; i++)
			CHECK(info[i].ssi_signo == (uint32_t)(SIGRTMIN + 2) && info[i].ssi_int == i &&
			      info[i].ssi_code == SI_QUEUE);
		CHECK(kill(getpid(), SIGUSR1) == 0);
		CHECK(poll(&polled, 1, 5000) == 1 && read(fd, info, sizeof(info)) == sizeof(info[0]));
		CHECK(info[0].ssi_signo == SIGUSR1 && info[0].ssi_pid == (uint32_t)getpid());
		CHECK(close(fd) == 0);
		for (int i = 0; i < 20; i++)
			usleep(2000);
	}
	return workload_ok("signalfds");
}
