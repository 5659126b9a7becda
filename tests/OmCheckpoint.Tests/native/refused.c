/* SPDX-License-Identifier: MIT
 *
 * Does one thing that keeps a process at home, says so, and waits.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <linux/aio_abi.h>
#include <linux/if_packet.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TOO_MANY_THREADS 4200

static pid_t shares; /* a process with our memory: ended with us, however that ends */

static void *other_thread(void *argument)
{
	for (;;)
		pause();
	return argument;
}

static int other_process(void *argument)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() == 1)
		return 1;
	other_thread(argument);
	return 0;
}

static void wait_for_end(void)
{
	char byte;

	(void)!read(0, &byte, 1);
}

static void *say_and_wait(void *argument)
{
	char stat[512];
	int fd = open("/proc/self/stat", O_RDONLY);

	/* Until its leader is gone it has not exited. */
	do {
		ssize_t got = pread(fd, stat, sizeof(stat) - 1, 0);

		stat[got > 0 ? got : 0] = 0;
	} while (!strstr(stat, ") Z"));
	(void)!write(1, "ready\n", 6);
	wait_for_end();
	syscall(SYS_exit_group, 0);
	return argument;
}

static long refuse(const char *kind)
{
	if (!strcmp(kind, "threads")) {
		pthread_attr_t small;
		pthread_t thread;
		int error = pthread_attr_init(&small) || pthread_attr_setstacksize(&small, PTHREAD_STACK_MIN);

		for (int i = 0; i < TOO_MANY_THREADS && !error; i++)
			error = pthread_create(&thread, &small, other_thread, NULL);
		return error;
	}
	if (!strcmp(kind, "leader-exited")) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, say_and_wait, NULL))
			return 1;
		syscall(SYS_exit, 0); /* of this thread */
	}
	if (!strcmp(kind, "shared-memory"))
		return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0) == MAP_FAILED;
	if (!strcmp(kind, "sysv-shared-memory")) {
		int id = shmget(IPC_PRIVATE, 4096, 0600);
		void *address = shmat(id, NULL, 0);

		shmctl(id, IPC_RMID, NULL);
		return address == (void *)-1;
	}
	if (!strcmp(kind, "seccomp-filter"))
		return prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
	if (!strcmp(kind, "aio")) {
		aio_context_t context = 0;

		return syscall(SYS_io_setup, 8, &context);
	}
	if (!strcmp(kind, "io-uring")) {
		char parameters[120] = {0};

		return syscall(SYS_io_uring_setup, 4, parameters) < 0;
	}
	if (!strcmp(kind, "userfaultfd"))
		return syscall(SYS_userfaultfd, 1) < 0;
	if (!strcmp(kind, "perf-events")) {
		struct perf_event_attr attributes = {.type = PERF_TYPE_SOFTWARE, .size = sizeof(attributes)};

		return syscall(SYS_perf_event_open, &attributes, 0, -1, -1, 0) < 0;
	}
	if (!strcmp(kind, "shared-address-space")) {
		static char stack[65536];

		if (mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
			return 1;
		shares = clone(other_process, stack + sizeof(stack), CLONE_VM | SIGCHLD, NULL);
		return shares < 0;
	}
	if (!strcmp(kind, "device-mapping")) {
		struct tpacket_req ring = {
			.tp_block_size = 4096, .tp_block_nr = 1, .tp_frame_size = 2048, .tp_frame_nr = 2};
		int packets = socket(AF_PACKET, SOCK_RAW, 0);

		if (setsockopt(packets, SOL_PACKET, PACKET_RX_RING, &ring, sizeof(ring)))
			return 1;
		return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, packets, 0) == MAP_FAILED;
	}
	if (!strcmp(kind, "sealed-memory"))
		return syscall(462, mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 4096, 0);
	return 1;
}

int main(int argc, char **argv)
{
	long error = argc == 2 ? refuse(argv[1]) : 1;

	(void)!write(1, error ? "cannot\n" : "ready\n", error ? 7 : 6);
	wait_for_end();
	if (shares)
		kill(shares, SIGKILL);
	syscall(argc == 2 && !strcmp(argv[1], "seccomp-filter") ? SYS_exit : SYS_exit_group,
		0); /* strict allows no other */
}
