/* SPDX-License-Identifier: MIT
 * fork(2) in a program with threads. In the child lives the thread that forked and no other, with its mask, its name
 * and its thread-local storage; memory is as it was and its own from then on; pthread_atfork(3) handlers keep a lock
 * whole. Any thread waits for any child (wait(2): but not with __WNOTHREAD), and the others go on all the time. */
#include "workload.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/prctl.h>

#define FORKERS  3
#define CHILDREN 3
#define BLOCK    100000

static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static long left, right; /* equal, but for who has the guard */
static atomic_int prepared, went_on;
static int born_as; /* only ever set in a child */
static atomic_int forkers_left;
static __thread long number_here;
static unsigned char block[BLOCK];

static void prepare(void)
{
	CHECK(pthread_mutex_lock(&guard) == 0);
	atomic_fetch_add(&prepared, 1);
}

static void in_parent(void)
{
	atomic_fetch_add(&went_on, 1);
	CHECK(pthread_mutex_unlock(&guard) == 0);
}

static void in_child(void)
{
	born_as = born_as == 0 ? getpid() : -1;
	CHECK(pthread_mutex_unlock(&guard) == 0);
}

static bool only_task(void)
{
	char text[4096];
	int fd = open("/proc/self/status", O_RDONLY);
	ssize_t length = read(fd, text, sizeof(text) - 1);
	CHECK(fd >= 0 && length > 0 && close(fd) == 0);
	text[length] = '\0';
	return strstr(text, "\nThreads:\t1\n") != NULL;
}

static void *count_one(void *count)
{
	(*(int *)count)++;
	return count;
}

struct child {
	pid_t pid, parent;
	long number;
	int release[2];
};

static void be_child(const struct child *self, pthread_t forker)
{
	char name[16], expected[16], byte;
	sigset_t mask;
	pthread_t thread;
	int count = 0;
	CHECK(getpid() == gettid() && born_as == getpid() && getpid() != self->parent && getppid() == self->parent);
	CHECK(pthread_equal(pthread_self(), forker) && number_here == self->number && only_task());
	snprintf(expected, sizeof(expected), "forker %ld", self->number);
	CHECK(prctl(PR_GET_NAME, name) == 0 && strcmp(name, expected) == 0);
	CHECK(pthread_sigmask(SIG_BLOCK, NULL, &mask) == 0);
	CHECK(sigismember(&mask, SIGUSR1) == (self->number == 1) && sigismember(&mask, SIGUSR2) == (self->number != 1));
	CHECK(sigpending(&mask) == 0 && !sigismember(&mask, SIGUSR1) && !sigismember(&mask, SIGUSR2));
	CHECK(pthread_mutex_lock(&guard) == 0 && left == right && pthread_mutex_unlock(&guard) == 0);
	CHECK(alarm(80) == 0);      /* ends it should the parent fail */
	memset(block, 0xaa, BLOCK); /* which the parent never sees */
	CHECK(pthread_create(&thread, NULL, count_one, &count) == 0 && pthread_join(thread, NULL) == 0 && count == 1);
	CHECK(read(self->release[0], &byte, 1) == 1 && byte == 'r');
	_exit(10 + (int)self->number);
}

static void *wait_for(void *argument)
{
	struct child *child = argument;
	int status;
	CHECK_ERRNO(waitpid(child->pid, &status, WNOHANG | __WNOTHREAD), ECHILD); /* another thread's */
	CHECK(waitpid(child->pid, &status, 0) == child->pid && WIFEXITED(status));
	CHECK(WEXITSTATUS(status) == 10 + child->number);
	CHECK_ERRNO(waitpid(child->pid, &status, 0), ECHILD);
	return argument;
}

static void *fork_some(void *argument)
{
	struct child children[CHILDREN];
	pthread_t waiting[CHILDREN];
	sigset_t mask;
	char name[16];
	void *gave;
	int status;
	number_here = (long)argument;
	CHECK(sigemptyset(&mask) == 0 && sigaddset(&mask, number_here == 1 ? SIGUSR1 : SIGUSR2) == 0);
	CHECK(pthread_sigmask(SIG_SETMASK, &mask, NULL) == 0 && raise(number_here == 1 ? SIGUSR1 : SIGUSR2) == 0);
	snprintf(name, sizeof(name), "forker %ld", number_here);
	CHECK(prctl(PR_SET_NAME, name) == 0);
	for (int i = 0; i < CHILDREN; i++) {
		struct child *child = &children[i];
		*child = (struct child){.parent = getpid(), .number = number_here};
		CHECK(pipe2(child->release, O_CLOEXEC) == 0);
		child->pid = fork();
		CHECK(child->pid >= 0);
		if (child->pid == 0)
			be_child(child, pthread_self());
		CHECK(pthread_create(&waiting[i], NULL, wait_for, child) == 0);
	}
	for (int i = 0; i < CHILDREN; i++) {
		CHECK(kill(children[i].pid, 0) == 0 && write(children[i].release[1], "r", 1) == 1);
		CHECK(pthread_join(waiting[i], &gave) == 0 && gave == &children[i]);
		CHECK(close(children[i].release[0]) == 0 && close(children[i].release[1]) == 0);
	}
	CHECK_ERRNO(waitpid(-1, &status, __WNOTHREAD), ECHILD);
	CHECK(born_as == 0);
	atomic_fetch_sub(&forkers_left, 1);
	return argument;
}

/* Has the guard most of the time, so that a fork without handlers would find it taken. */
static void *keep_equal(void *nothing)
{
	while (atomic_load(&forkers_left) > 0) {
		CHECK(pthread_mutex_lock(&guard) == 0 && left == right);
		left++;
		for (volatile int i = 0; i < 2000; i++)
			;
		right++;
		CHECK(pthread_mutex_unlock(&guard) == 0);
		sched_yield();
	}
	return NULL;
}

static void one_round(uint64_t seed)
{
	pthread_t threads[FORKERS], keeper;
	void *gave;
	atomic_store(&prepared, 0);
	atomic_store(&went_on, 0);
	atomic_store(&forkers_left, FORKERS);
	CHECK(pthread_create(&keeper, NULL, keep_equal, NULL) == 0);
	for (long i = 0; i < FORKERS; i++)
		CHECK(pthread_create(&threads[i], NULL, fork_some, (void *)i) == 0);
	do {
		workload_fill(block, BLOCK, seed);
		CHECK(workload_filled(block, BLOCK, seed++));
	} while (atomic_load(&forkers_left) > 0);
	for (long i = 0; i < FORKERS; i++)
		CHECK(pthread_join(threads[i], &gave) == 0 && gave == (void *)i);
	CHECK(pthread_join(keeper, NULL) == 0 && left == right);
	CHECK(atomic_load(&prepared) == FORKERS * CHILDREN && atomic_load(&went_on) == FORKERS * CHILDREN);
}

int main(int argc, char **argv)
{
	CHECK(pthread_atfork(prepare, in_parent, in_child) == 0);
	workload_begin(argc, argv);
	for (uint64_t round = 0; workload_running(); round++)
		one_round(round * 1000);
	return workload_ok("thread_forks");
}
