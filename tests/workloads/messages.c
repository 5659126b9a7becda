/* SPDX-License-Identifier: MIT
 * System V message queues and semaphores, POSIX message queues: with oneself and with an unmoved partner, waiting
 * included. */
#include "workload.h"
#include <mqueue.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>

struct text {
	long type;
	char bytes[2000];
};

static void queues(int queue, uint64_t seed)
{
	static struct text out, in;
	for (long type = 1; type <= 3; type++) {
		out.type = type;
		workload_fill(out.bytes, sizeof(out.bytes), seed + (uint64_t)type);
		CHECK(msgsnd(queue, &out, (size_t)(type * 500), 0) == 0);
	}
	CHECK(msgrcv(queue, &in, sizeof(in.bytes), 3, 0) == 1500 && in.type == 3);
	CHECK(workload_filled(in.bytes, 1500, seed + 3));
	CHECK_ERRNO(msgrcv(queue, &in, 10, 1, 0), E2BIG);
	CHECK(msgrcv(queue, &in, 10, 1, MSG_NOERROR) == 10 && in.type == 1);
	CHECK(msgrcv(queue, &in, sizeof(in.bytes), 0, 0) == 1000 && in.type == 2);
	CHECK_ERRNO(msgrcv(queue, &in, sizeof(in.bytes), 0, IPC_NOWAIT), ENOMSG);
	struct msqid_ds status;
	CHECK(msgctl(queue, IPC_STAT, &status) == 0 && status.msg_qnum == 0 && status.msg_lspid == getpid());
}

static void semaphores(int set)
{
	struct sembuf take[2] = {{0, -2, 0}, {1, 1, 0}}, give = {0, 2, 0}, wait_zero = {0, 0, IPC_NOWAIT};
	struct timespec patience = {.tv_nsec = 10000000};
	union {
		int value;
		unsigned short *array;
	} argument = {.value = 0};
	CHECK(semctl(set, 0, SETVAL, argument) == 0 && semctl(set, 1, SETVAL, argument) == 0);
	CHECK(semop(set, &wait_zero, 1) == 0);
	int64_t began = now_ns(CLOCK_MONOTONIC);
	CHECK_ERRNO(semtimedop(set, take, 2, &patience), EAGAIN);
	CHECK(now_ns(CLOCK_MONOTONIC) - began >= 10000000 && semctl(set, 1, GETVAL) == 0);
	CHECK(semop(set, &give, 1) == 0 && semop(set, take, 2) == 0);
	CHECK(semctl(set, 0, GETVAL) == 0 && semctl(set, 1, GETVAL) == 1 && semctl(set, 0, GETPID) == getpid());
	CHECK_ERRNO(semop(-1, take, 2), EINVAL);
	unsigned short values[2];
	argument.array = values;
	CHECK(semctl(set, 0, GETALL, argument) == 0 && values[0] == 0 && values[1] == 1);
}

/* The partner takes one and gives one back, until it is taken away. */
static void partner(int set)
{
	struct sembuf wait_for = {2, -1, 0}, answer = {3, 1, 0};
	while (semop(set, &wait_for, 1) == 0 && semop(set, &answer, 1) == 0)
		;
	_exit(errno == EIDRM || errno == EINVAL ? 0 : 1);
}

static void posix_queues(const char *name)
{
	struct mq_attr attributes = {.mq_maxmsg = 4, .mq_msgsize = 100}, now;
	mqd_t queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attributes);
	CHECK(queue != (mqd_t)-1 && mq_unlink(name) == 0);
	char got[100];
	unsigned int priority;
	CHECK(mq_send(queue, "low", 4, 1) == 0 && mq_send(queue, "high", 5, 9) == 0);
	CHECK(mq_getattr(queue, &now) == 0 && now.mq_curmsgs == 2 && now.mq_msgsize == 100);
	CHECK(mq_receive(queue, got, sizeof(got), &priority) == 5 && priority == 9 && strcmp(got, "high") == 0);
	CHECK_ERRNO(mq_receive(queue, got, 10, NULL), EMSGSIZE);
	CHECK(mq_receive(queue, got, sizeof(got), &priority) == 4 && priority == 1);
	struct timespec until;
	CHECK(clock_gettime(CLOCK_REALTIME, &until) == 0);
	CHECK_ERRNO(mq_timedreceive(queue, got, sizeof(got), NULL, &until), ETIMEDOUT);
	CHECK(mq_close(queue) == 0);
}

int main(int argc, char **argv)
{
	char name[64];
	int queue = msgget(IPC_PRIVATE, 0600), set = semget(IPC_PRIVATE, 4, 0600);
	CHECK(queue >= 0 && set >= 0);
	snprintf(name, sizeof(name), "/workload-%d", getpid());
	pid_t child = fork();
	CHECK(child >= 0);
	if (child == 0)
		partner(set);
	workload_begin(argc, argv);
	for (uint64_t seed = 1; workload_running(); seed++) {
		struct sembuf ask = {2, 1, 0}, answer = {3, -1, 0};
		queues(queue, seed);
		semaphores(set);
		CHECK(semop(set, &ask, 1) == 0 && semop(set, &answer, 1) == 0);
		posix_queues(name);
	}
	int status;
	CHECK(semctl(set, 0, IPC_RMID) == 0 && msgctl(queue, IPC_RMID, NULL) == 0);
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	return workload_ok("messages");
}
