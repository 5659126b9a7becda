/* SPDX-License-Identifier: MIT
 * What a process says of itself and it stays said: prctl, nice, I/O priority, personality, scheduling, robust list,
 * umask, capabilities' bits, timer slack; changed and found changed, moved or not. */
#include "workload.h"
#include <linux/futex.h>
#include <sched.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>

static void names(uint64_t round)
{
	char wanted[16], got[16];
	snprintf(wanted, sizeof(wanted), "name %lu", (unsigned long)(round % 1000));
	CHECK(prctl(PR_SET_NAME, wanted) == 0);
	usleep(1000);
	CHECK(prctl(PR_GET_NAME, got) == 0 && strcmp(wanted, got) == 0);
	CHECK_ERRNO(prctl(PR_SET_NAME, (char *)8), EFAULT);
}

static void switches(uint64_t round)
{
	int number = 0;
	int signals[2] = {SIGUSR1, 0};
	CHECK(prctl(PR_SET_PDEATHSIG, signals[round % 2]) == 0);
	CHECK(prctl(PR_SET_DUMPABLE, 1) == 0);
	usleep(1000);
	CHECK(prctl(PR_GET_PDEATHSIG, &number) == 0 && number == signals[round % 2]);
	CHECK(prctl(PR_GET_DUMPABLE) == 1 && prctl(PR_GET_KEEPCAPS) == 0 && prctl(PR_GET_SECCOMP) == 0);
	CHECK(prctl(PR_GET_CHILD_SUBREAPER, &number) == 0 && number == 0);
	CHECK(prctl(PR_CAPBSET_READ, 0) >= 0);
	CHECK_ERRNO(prctl(-1, 0, 0, 0, 0), EINVAL);
}

static void scheduling(int base)
{
	struct sched_param parameter = {0};
	CHECK(sched_getscheduler(0) == SCHED_OTHER);
	CHECK(sched_setscheduler(0, SCHED_BATCH, &parameter) == 0 && sched_getscheduler(0) == SCHED_BATCH);
	CHECK(sched_setscheduler(0, SCHED_OTHER, &parameter) == 0);
	errno = 0;
	CHECK(getpriority(PRIO_PROCESS, 0) == base && errno == 0);
	CHECK(sched_get_priority_max(SCHED_FIFO) == 99 && sched_yield() == 0);
	CHECK(syscall(SYS_ioprio_get, 1, 0) >= 0);
	mode_t before = umask(031);
	CHECK(umask(before) == 031);
}

static void registrations(void)
{
	static void *first;
	void *head = NULL;
	size_t length = 0;
	CHECK(syscall(SYS_get_robust_list, 0, &head, &length) == 0 && length == sizeof(struct robust_list_head));
	CHECK(head != NULL && (first == NULL || first == head));
	first = head;
	static int cleared_at_exit;
	CHECK(syscall(SYS_set_tid_address, &cleared_at_exit) == getpid());
	int before = personality(0xffffffff);
	CHECK(before >= 0 && personality((unsigned long)before) == before);
	unsigned int cpu = 99999, node;
	CHECK(syscall(SYS_getcpu, &cpu, &node, NULL) == 0 && cpu < 99999);
	unsigned char random[32] = {0};
	CHECK(syscall(SYS_getrandom, random, sizeof(random), 0) == sizeof(random));
}

int main(int argc, char **argv)
{
	errno = 0;
	int base = getpriority(PRIO_PROCESS, 0);
	CHECK(errno == 0);
	if (base < 19) {
		CHECK(setpriority(PRIO_PROCESS, 0, base + 1) == 0);
		base++;
	}
	workload_begin(argc, argv);
	for (uint64_t round = 0; workload_running(); round++) {
		names(round);
		switches(round);
		scheduling(base);
		registrations();
	}
	return workload_ok("attributes");
}
