/* SPDX-License-Identifier: MIT
 * pthread_cancel(3) of threads that wait in calls, on a condition, in pthread_join, or compute: deferred and at once,
 * not before it is allowed. Cleanup handlers run in reverse order, then the destructors of keys. What brings it is a
 * signal that glibc sends to the one thread and that ends its call (nptl(7), pthreads(7)). */
#include "workload.h"
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum way {
	IN_READ,
	IN_RECEIVE,
	IN_POLL,
	IN_EPOLL,
	IN_NAP,
	IN_PAUSE,
	IN_SEMAPHORE,
	IN_CONDITION,
	IN_JOIN,
	IN_WRITE,
	COMPUTING,
	NOT_YET,
	WAYS
};

static int empty[2], full[2], late[2], pair[2], epoll;
static sem_t ready, never_posted, lived;
static pthread_mutex_t mutex = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
static pthread_t joined;
static pthread_key_t key;
static struct {
	atomic_int handlers, destructor;
} ended[WAYS];

static void inner(void *way)
{
	CHECK(ended[(long)way].handlers++ == 0 && ended[(long)way].destructor == 0);
	/* POSIX: a wait on a condition takes the mutex again before the first handler is called. */
	CHECK((long)way != IN_CONDITION || pthread_mutex_lock(&mutex) == EDEADLK);
}

static void outer(void *way)
{
	CHECK(ended[(long)way].handlers++ == 1);
	CHECK((long)way != IN_CONDITION || pthread_mutex_unlock(&mutex) == 0);
}

static void destroy(void *way)
{
	CHECK(ended[(long)way - 1].handlers == 2 && ended[(long)way - 1].destructor++ == 0);
}

static long wait_for_ever(enum way way)
{
	struct timespec day = {.tv_sec = 86400};
	struct pollfd polled = {.fd = empty[0], .events = POLLIN};
	struct epoll_event event;
	volatile unsigned long count = 0;
	char byte;
	switch (way) {
	case IN_READ:
		return read(empty[0], &byte, 1);
	case IN_RECEIVE:
		return recv(pair[0], &byte, 1, 0);
	case IN_POLL:
		return poll(&polled, 1, -1);
	case IN_EPOLL:
		return epoll_wait(epoll, &event, 1, -1);
	case IN_NAP:
		return clock_nanosleep(CLOCK_MONOTONIC, 0, &day, NULL);
	case IN_PAUSE:
		return pause();
	case IN_SEMAPHORE:
		return sem_wait(&never_posted);
	case IN_CONDITION:
		for (;;)
			CHECK(pthread_cond_wait(&never, &mutex) == 0);
	case IN_JOIN:
		return pthread_join(joined, NULL);
	case IN_WRITE:
		return write(full[1], "x", 1);
	default:
		for (;;)
			count++;
	}
}

static void *until_cancelled(void *argument)
{
	enum way way = (enum way)(long)argument;
	int old;
	char byte;
	CHECK(pthread_setspecific(key, (void *)((long)way + 1)) == 0);
	pthread_cleanup_push(outer, argument);
	pthread_cleanup_push(inner, argument);
	if (way == IN_CONDITION)
		CHECK(pthread_mutex_lock(&mutex) == 0);
	if (way == NOT_YET)
		CHECK(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old) == 0 && old == PTHREAD_CANCEL_ENABLE);
	if (way == COMPUTING)
		CHECK(pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &old) == 0 && old == PTHREAD_CANCEL_DEFERRED);
	CHECK(sem_post(&ready) == 0);
	if (way == NOT_YET) {
		/* What is read here was written after the cancel. */
		CHECK(read(late[0], &byte, 1) == 1 && byte == 'c' && ended[way].handlers == 0);
		CHECK(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &old) == 0 && old == PTHREAD_CANCEL_DISABLE);
		pthread_testcancel();
	} else {
		wait_for_ever(way);
	}
	CHECK(!"came back");
	pthread_cleanup_pop(0);
	pthread_cleanup_pop(0);
	return NULL;
}

static void *live(void *nothing)
{
	CHECK(sem_wait(&lived) == 0);
	return &joined;
}

static void one_round(unsigned int first)
{
	pthread_t threads[WAYS];
	void *gave;
	memset(ended, 0, sizeof(ended));
	CHECK(pthread_create(&joined, NULL, live, NULL) == 0);
	for (long way = 0; way < WAYS; way++)
		CHECK(pthread_create(&threads[way], NULL, until_cancelled, (void *)way) == 0);
	for (int i = 0; i < WAYS; i++)
		CHECK(sem_wait(&ready) == 0);
	usleep(first % 3 * 1000); /* they are in their calls, or about to be */
	for (unsigned int i = first; i < first + WAYS; i++) {
		enum way way = i % WAYS;
		CHECK(ended[way].handlers == 0 && pthread_cancel(threads[way]) == 0);
		CHECK(way != NOT_YET || write(late[1], "c", 1) == 1);
		CHECK(pthread_join(threads[way], &gave) == 0 && gave == PTHREAD_CANCELED);
		CHECK(ended[way].handlers == 2 && ended[way].destructor == 1);
	}
	CHECK(pthread_mutex_trylock(&mutex) == 0 && pthread_mutex_unlock(&mutex) == 0);
	CHECK(sem_post(&lived) == 0 && pthread_join(joined, &gave) == 0 && gave == &joined);
	int unread;
	CHECK(sem_getvalue(&never_posted, &unread) == 0 && unread == 0);
}

int main(int argc, char **argv)
{
	CHECK(pipe(empty) == 0 && pipe(full) == 0 && pipe(late) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	CHECK(sem_init(&ready, 0, 0) == 0 && sem_init(&never_posted, 0, 0) == 0 && sem_init(&lived, 0, 0) == 0);
	CHECK(pthread_key_create(&key, destroy) == 0);
	epoll = epoll_create1(0);
	struct epoll_event wanted = {.events = EPOLLIN};
	CHECK(epoll >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, empty[0], &wanted) == 0);
	static char page[4096];
	int capacity = fcntl(full[1], F_SETPIPE_SZ, sizeof(page));
	CHECK(capacity == sizeof(page) && write(full[1], page, sizeof(page)) == sizeof(page));
	workload_begin(argc, argv);
	for (unsigned int round = 0; workload_running(); round++)
		one_round(round);
	return workload_ok("thread_cancel");
}
