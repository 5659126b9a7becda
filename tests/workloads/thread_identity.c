/* SPDX-License-Identifier: MIT
 * What all threads are and what each is alone. Ids of process, group, session and user are the same for all; glibc has
 * a change of the user's made by every thread, which it signals for that, whatever they wait in or block (nptl(7)).
 * Thread id, name, nice value and affinity are one's own (setpriority(2), sched_setaffinity(2), PR_SET_NAME of
 * prctl(2)). */
#include "workload.h"
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#define THREADS 6
#define WAITING 3

static struct identity {
	pid_t pid, parent, group, session;
	uid_t users[3];
	gid_t groups[3];
	int others;
	gid_t list[64];
} all;

static pid_t tids[THREADS];
static pthread_barrier_t together;
static int release_fds[2], usual_nice;
static cpu_set_t allowed;
static atomic_bool enough;

static void look(struct identity *now)
{
	memset(now, 0, sizeof(*now));
	now->pid = getpid();
	now->parent = getppid();
	now->group = getpgrp();
	now->session = getsid(0);
	CHECK(getresuid(&now->users[0], &now->users[1], &now->users[2]) == 0);
	CHECK(getresgid(&now->groups[0], &now->groups[1], &now->groups[2]) == 0);
	now->others = getgroups(64, now->list);
	CHECK(now->others >= 0);
}

static void read_file(char *text, size_t capacity, const char *path)
{
	int fd = open(path, O_RDONLY);
	ssize_t length = read(fd, text, capacity - 1);
	CHECK(fd >= 0 && length >= 0 && close(fd) == 0);
	text[length] = '\0';
}

static void same_for_all(void)
{
	struct identity now;
	char link[64] = "", expected[64];
	look(&now);
	CHECK(memcmp(&now, &all, sizeof(all)) == 0 && syscall(SYS_getpid) == all.pid);
	/* These take the id of a thread too, and mean its process. */
	CHECK(getpgid(gettid()) == all.group && getsid(gettid()) == all.session && kill(gettid(), 0) == 0);
	snprintf(expected, sizeof(expected), "%d/task/%d", all.pid, gettid());
	CHECK(readlink("/proc/thread-self", link, sizeof(link) - 1) > 0 && strcmp(link, expected) == 0);
}

static void own_name(int number, int round)
{
	char name[16], text[64], path[64];
	snprintf(name, sizeof(name), "own %d.%d", number, round % 1000);
	CHECK(prctl(PR_SET_NAME, name) == 0);
	pthread_barrier_wait(&together);
	for (int i = 0; i < THREADS; i++) {
		snprintf(path, sizeof(path), "/proc/self/task/%d/comm", tids[i]);
		snprintf(name, sizeof(name), "own %d.%d\n", i, round % 1000);
		read_file(text, sizeof(text), path);
		CHECK(strcmp(text, name) == 0);
	}
	read_file(text, sizeof(text), "/proc/self/comm");
	CHECK(strncmp(text, "own", 3) != 0); /* which is main's */
	pthread_barrier_wait(&together);
}

/* One of them is nicer than the others. Back again only the privileged may go, so it is one that ends soon. */
static void own_nice(int number)
{
	int nicer = usual_nice < 19 ? usual_nice + 1 : 19;
	if (number == 2)
		CHECK(setpriority(PRIO_PROCESS, 0, nicer) == 0);
	pthread_barrier_wait(&together);
	errno = 0;
	CHECK(getpriority(PRIO_PROCESS, 0) == (number == 2 ? nicer : usual_nice) && errno == 0);
	CHECK(getpriority(PRIO_PROCESS, (id_t)tids[2]) == nicer);
	CHECK(getpriority(PRIO_PROCESS, (id_t)tids[3]) == usual_nice);
	CHECK(getpriority(PRIO_PROCESS, (id_t)all.pid) == usual_nice);
}

/* Every other one confines itself to one CPU, each to another if there are more. */
static void own_affinity(int number, int round)
{
	cpu_set_t own[THREADS], now;
	for (int i = 0; i < THREADS; i++) {
		int cpu = 0;
		for (int seen = -1; seen < (i / 2 + round) % CPU_COUNT(&allowed); cpu++)
			seen += CPU_ISSET(cpu, &allowed) != 0;
		own[i] = allowed;
		if (i % 2 == 0) {
			CPU_ZERO(&own[i]);
			CPU_SET(cpu - 1, &own[i]);
		}
	}
	CHECK(sched_setaffinity(0, sizeof(now), &own[number]) == 0 && CPU_ISSET(sched_getcpu(), &own[number]));
	pthread_barrier_wait(&together);
	for (int i = 0; i < THREADS; i++)
		CHECK(sched_getaffinity(tids[i], sizeof(now), &now) == 0 && CPU_EQUAL(&now, &own[i]));
	CHECK(sched_getaffinity(all.pid, sizeof(now), &now) == 0 && CPU_EQUAL(&now, &allowed));
}

/* Nothing changes, but all threads take part: those that wait, compute, come and go, or make such a change themselves.
 */
static void change_nothing(int number)
{
	switch (number % 3) {
	case 0:
		CHECK(setuid(getuid()) == 0 && setresgid((gid_t)-1, getegid(), (gid_t)-1) == 0);
		break;
	case 1:
		CHECK(seteuid(geteuid()) == 0 && setregid(getgid(), (gid_t)-1) == 0);
		break;
	default:
		CHECK(setresuid((uid_t)-1, (uid_t)-1, (uid_t)-1) == 0 && setgid(getgid()) == 0);
	}
	CHECK(geteuid() != 0 || setgroups((size_t)all.others, all.list) == 0 || errno == EPERM);
	same_for_all();
}

static void *run(void *argument)
{
	static atomic_int rounds;
	int number = (int)(long)argument;
	tids[number] = gettid();
	int round = atomic_fetch_add(&rounds, 1) / THREADS;
	same_for_all();
	pthread_barrier_wait(&together);
	own_name(number, round);
	own_nice(number);
	own_affinity(number, round);
	for (int i = 0; i < 3; i++)
		change_nothing(number + i);
	pthread_barrier_wait(&together); /* the others have seen us */
	return argument;
}

/* With every signal blocked, but for the two of glibc's, which it does not let anyone block. */
static void *wait_in_read(void *argument)
{
	sigset_t every;
	uint64_t blocked = 0;
	char byte;
	CHECK(sigfillset(&every) == 0 && pthread_sigmask(SIG_BLOCK, &every, NULL) == 0);
	CHECK(syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &blocked, sizeof(blocked)) == 0);
	CHECK((blocked >> 31 & 3) == 0 && (blocked & 1 << (SIGUSR1 - 1)));
	CHECK(read(release_fds[0], &byte, 1) == 1 && byte == 'r'); /* no EINTR */
	same_for_all();
	return argument;
}

static void *compute(void *argument)
{
	unsigned char block[1000];
	for (uint64_t seed = 0; !atomic_load(&enough); seed++) {
		workload_fill(block, sizeof(block), seed);
		CHECK(workload_filled(block, sizeof(block), seed));
	}
	return argument;
}

static void *nothing_much(void *argument)
{
	return argument;
}

static void *come_and_go(void *argument)
{
	while (!atomic_load(&enough)) {
		pthread_t thread;
		void *gave;
		CHECK(pthread_create(&thread, NULL, nothing_much, argument) == 0);
		CHECK(pthread_join(thread, &gave) == 0 && gave == argument);
	}
	return argument;
}

int main(int argc, char **argv)
{
	pthread_t threads[THREADS], waiting[WAITING], others[2];
	void *gave;
	CHECK(pipe(release_fds) == 0 && pthread_barrier_init(&together, NULL, THREADS) == 0);
	CHECK(sched_getaffinity(0, sizeof(allowed), &allowed) == 0);
	usual_nice = getpriority(PRIO_PROCESS, 0);
	look(&all);
	CHECK(gettid() == all.pid);
	for (int i = 0; i < WAITING; i++)
		CHECK(pthread_create(&waiting[i], NULL, wait_in_read, NULL) == 0);
	CHECK(pthread_create(&others[0], NULL, compute, NULL) == 0);
	CHECK(pthread_create(&others[1], NULL, come_and_go, NULL) == 0);
	workload_begin(argc, argv);
	while (workload_running()) {
		for (long i = 0; i < THREADS; i++)
			CHECK(pthread_create(&threads[i], NULL, run, (void *)i) == 0);
		same_for_all();
		for (long i = 0; i < THREADS; i++)
			CHECK(pthread_join(threads[i], &gave) == 0 && gave == (void *)i);
		CHECK(getpriority(PRIO_PROCESS, 0) == usual_nice && gettid() == all.pid);
	}
	atomic_store(&enough, true);
	CHECK(write(release_fds[1], "rrr", WAITING) == WAITING);
	for (int i = 0; i < WAITING; i++)
		CHECK(pthread_join(waiting[i], NULL) == 0);
	CHECK(pthread_join(others[0], NULL) == 0 && pthread_join(others[1], NULL) == 0);
	return workload_ok("thread_identity");
}
