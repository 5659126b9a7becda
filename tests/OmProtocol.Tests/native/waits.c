/* SPDX-License-Identifier: MIT */
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>

#include "harness.h"

static int pipe_[2];

static void fill(void)
{
	CALL(SYS_pipe, pipe_);
}

static void polls(void)
{
	struct pollfd fds[3];
	struct timespec none = {0, 0}, some = {0, 20000000}, wrong = {0, -1}, large = {1000000, 0};
	sigset_t mask;

	fill();
	fds[0] = (struct pollfd){pipe_[0], POLLIN, 0x7f};
	fds[1] = (struct pollfd){pipe_[1], POLLOUT, 0x7f};
	fds[2] = (struct pollfd){77, POLLIN, 0x7f};
	after(CALL(SYS_poll, fds, 3, 100), "poll %ld %x %x %x", fds[0].revents, fds[1].revents, fds[2].revents);
	after(CALL(SYS_poll, fds, 1, 10), "timeout %ld %x", fds[0].revents);
	note("nothing %ld", CALL(SYS_poll, NULL, 0, 5));
	note("too many %ld", CALL(SYS_poll, fds, 10000000, 5));
	note("bad %ld", CALL(SYS_poll, 8, 2, 5));
	sigemptyset(&mask);
	after(CALL(SYS_ppoll, fds, 1, &some, &mask, 8), "ppoll %ld left %ld", some.tv_sec + some.tv_nsec);
	note("ppoll, mask size %ld", CALL(SYS_ppoll, fds, 1, &none, &mask, 7));
	note("ppoll, bad mask %ld", CALL(SYS_ppoll, fds, 1, &none, 8, 8));
	note("ppoll, bad time %ld", CALL(SYS_ppoll, fds, 1, &wrong, NULL, 8));
	CALL(SYS_write, pipe_[1], "x", 1);
	after(CALL(SYS_ppoll, fds, 2, &large, NULL, 0), "ppoll %ld %x, left most %d", fds[0].revents,
	      large.tv_sec > 999990);
}

static void selects(void)
{
	fd_set in, out;
	struct timeval tv = {0, 10000};
	struct timespec ts = {0, 0};
	struct {
		const void *mask;
		size_t size;
	} six = {NULL, 0};
	sigset_t mask;
	uint64_t few[2];

	fill();
	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_SET(pipe_[0], &in);
	FD_SET(pipe_[1], &out);
	after(CALL(SYS_select, 64, &in, &out, NULL, NULL), "select %ld %d %d", FD_ISSET(pipe_[0], &in),
	      FD_ISSET(pipe_[1], &out));
	FD_SET(pipe_[0], &in);
	after(CALL(SYS_select, pipe_[0] + 1, &in, NULL, NULL, &tv), "times out %ld %d left %ld",
	      FD_ISSET(pipe_[0], &in), tv.tv_sec + tv.tv_usec);
	FD_SET(pipe_[0], &in);
	sigfillset(&mask);
	six.mask = &mask;
	six.size = 8;
	note("pselect %ld", CALL(SYS_pselect6, 64, &in, NULL, NULL, &ts, &six));
	six.size = 4;
	note("pselect, size %ld", CALL(SYS_pselect6, 64, &in, NULL, NULL, &ts, &six));
	six.mask = (void *)8;
	six.size = 8;
	note("pselect, bad %ld", CALL(SYS_pselect6, 64, &in, NULL, NULL, &ts, &six));
	note("pselect, bad %ld", CALL(SYS_pselect6, 64, &in, NULL, NULL, &ts, 8));
	note("negative %ld", CALL(SYS_select, -1, &in, NULL, NULL, &tv));
	tv = (struct timeval){0, 0};
	few[0] = few[1] = 0;
	note("many %ld", CALL(SYS_select, 100000000, NULL, NULL, NULL, &tv));
	FD_ZERO(&in);
	FD_SET(60, &in);
	note("closed fd %ld", CALL(SYS_select, 64, &in, NULL, NULL, &tv));
	after(CALL(SYS_select, 65, few, NULL, NULL, &tv), "just large enough %ld %lu", few[1]);
}

static void epolls(void)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = 0x1122334455667788}, got[4];
	struct timespec none = {0, 1000};
	sigset_t mask;
	long fd = CALL(SYS_epoll_create1, 0);

	fill();
	note("add %ld", CALL(SYS_epoll_ctl, fd, EPOLL_CTL_ADD, pipe_[0], &event));
	event.events = EPOLLOUT;
	note("add %ld", CALL(SYS_epoll_ctl, fd, EPOLL_CTL_ADD, pipe_[1], &event));
	note("again %ld", CALL(SYS_epoll_ctl, fd, EPOLL_CTL_ADD, pipe_[1], &event));
	memset(got, '#', sizeof(got));
	after(CALL(SYS_epoll_wait, fd, got, 4, 10), "wait %ld %u", sum(got, sizeof(got)));
	CALL(SYS_write, pipe_[1], "x", 1);
	memset(got, '#', sizeof(got));
	after(CALL(SYS_epoll_wait, fd, got, 4, -1), "wait %ld %u", sum(got, sizeof(got)));
	sigfillset(&mask);
	memset(got, '#', sizeof(got));
	after(CALL(SYS_epoll_pwait, fd, got, 1, -1, &mask, 8), "pwait %ld %u", sum(got, sizeof(got)));
	after(CALL(SYS_epoll_pwait2, fd, got, 4, &none, &mask, 8), "pwait2 %ld %u", sum(got, sizeof(got)));
	note("del %ld %ld", CALL(SYS_epoll_ctl, fd, EPOLL_CTL_DEL, pipe_[1], 8),
	     CALL(SYS_epoll_ctl, fd, EPOLL_CTL_MOD, 50, &event));
	note("bad %ld", CALL(SYS_epoll_ctl, fd, EPOLL_CTL_MOD, pipe_[0], 8));
	note("none %ld", CALL(SYS_epoll_wait, fd, got, 0, 10));
	note("bad %ld", CALL(SYS_epoll_wait, fd, 8, 4, 10));
}

static void timers(void)
{
	struct itimerspec spec = {{0, 0}, {0, 1000000}}, old;
	struct itimerval iv = {{0, 0}, {1000, 0}}, oldv;
	struct sigevent event = {.sigev_notify = SIGEV_NONE};
	uint64_t count = 0;
	int id = -1;
	long fd = CALL(SYS_timerfd_create, CLOCK_MONOTONIC, 0);

	note("settime %ld", CALL(SYS_timerfd_settime, fd, 0, &spec, NULL));
	after(CALL(SYS_read, fd, &count, 8), "%ld %lu", count);
	after(CALL(SYS_timerfd_gettime, fd, &old), "gettime %ld %ld", old.it_value.tv_nsec);
	count = 5;
	fd = CALL(SYS_eventfd2, 3, 0);
	note("eventfd %ld", CALL(SYS_write, fd, &count, 8));
	after(CALL(SYS_read, fd, &count, 8), "%ld %lu", count);
	note("small %ld", CALL(SYS_read, fd, &count, 4));
	after(CALL(SYS_timer_create, CLOCK_MONOTONIC, &event, &id), "timer_create %ld %d", id);
	spec.it_value.tv_sec = 1000;
	after(CALL(SYS_timer_settime, id, 0, &spec, &old), "timer_settime %ld %ld", old.it_value.tv_sec);
	after(CALL(SYS_timer_gettime, id, &old), "timer_gettime %ld %d", old.it_value.tv_sec > 900);
	note("overrun %ld delete %ld again %ld", CALL(SYS_timer_getoverrun, id), CALL(SYS_timer_delete, id),
	     CALL(SYS_timer_delete, 99));
	after(CALL(SYS_setitimer, ITIMER_REAL, &iv, &oldv), "setitimer %ld %ld", oldv.it_value.tv_sec);
	after(CALL(SYS_getitimer, ITIMER_REAL, &oldv), "getitimer %ld %d", oldv.it_value.tv_sec > 900);
	note("alarm %d", CALL(SYS_alarm, 0) > 900);
}

static void system_v(void)
{
	struct {
		long type;
		char text[40];
	} message = {5, "what is in the message"};
	struct sembuf operation = {0, 1, 0}, wait = {0, -1, IPC_NOWAIT};
	struct timespec none = {0, 1000000};
	struct msqid_ds mq;
	struct semid_ds sem;
	struct shmid_ds shm;
	unsigned short values[3] = {4, 5, 6}, got[5] = {9, 9, 9, 9, 9};
	long q = CALL(SYS_msgget, IPC_PRIVATE, 0600), s = CALL(SYS_semget, IPC_PRIVATE, 3, 0600), m;

	note("msgsnd %ld", CALL(SYS_msgsnd, q, &message, 22, 0));
	memset(&message, '#', sizeof(message));
	after(CALL(SYS_msgctl, q, IPC_STAT, &mq), "msgctl %ld %ld", (long)mq.msg_qnum);
	after(CALL(SYS_msgrcv, q, &message, 40, 0, 0), "msgrcv %ld %ld %.40s", message.type, message.text);
	note("empty %ld", CALL(SYS_msgrcv, q, &message, 40, 0, IPC_NOWAIT));
	note("setall %ld", CALL(SYS_semctl, s, 0, SETALL, values));
	after(CALL(SYS_semctl, s, 0, GETALL, got), "getall %ld %d %d %d %d", got[0], got[1], got[2], got[3]);
	note("setval %ld getval %ld", CALL(SYS_semctl, s, 1, SETVAL, 0), CALL(SYS_semctl, s, 0, GETVAL));
	after(CALL(SYS_semctl, s, 0, IPC_STAT, &sem), "stat %ld %ld", (long)sem.sem_nsems);
	note("semop %ld %ld", CALL(SYS_semop, s, &operation, 1), CALL(SYS_semop, s, &wait, 1));
	wait = (struct sembuf){1, -1, 0};
	note("semtimedop %ld", CALL(SYS_semtimedop, s, &wait, 1, &none));
	note("too many %ld", CALL(SYS_semop, s, &wait, 100000));
	note("remove %ld %ld", CALL(SYS_semctl, s, 0, IPC_RMID), CALL(SYS_msgctl, q, IPC_RMID, NULL));
	m = CALL(SYS_shmget, IPC_PRIVATE, 4096, 0600);
	after(CALL(SYS_shmctl, m, IPC_STAT, &shm), "shm %ld %zu", (size_t)shm.shm_segsz);
	note("remove %ld", CALL(SYS_shmctl, m, IPC_RMID, NULL));
}

const struct scenario wait_scenarios[] = {
	{"polls", polls}, {"selects", selects}, {"epolls", epolls}, {"timers", timers}, {"system_v", system_v}, {0},
};
