/* SPDX-License-Identifier: MIT
 *
 * As many threads as its argument says make threads that end at once, join them, and make the next, until a byte comes
 * on stdin. Each is counted when it is made, when it runs and when it is joined. A thread that cannot be made now
 * (EAGAIN) is made later.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAKERS_MAX  64
#define STACK_BYTES 65536

static volatile int stop;
static unsigned long made, ran, joined, refused;
static pthread_attr_t small;
static __thread unsigned long own;

static void *run(void *argument)
{
	pid_t tid = (pid_t)syscall(SYS_gettid);

	own = (unsigned long)argument;
	__atomic_fetch_add(&ran, 1, __ATOMIC_SEQ_CST);
	if (tid <= 0 || syscall(SYS_gettid) != tid)
		return NULL;
	return (void *)(own + 1);
}

static void *make(void *argument)
{
	unsigned long number = 0;

	for (; !stop; number++) {
		pthread_t thread;
		void *returned;
		int error = pthread_create(&thread, &small, run, (void *)number);

		if (error == EAGAIN) {
			__atomic_fetch_add(&refused, 1, __ATOMIC_SEQ_CST);
			continue;
		}
		if (error)
			return "pthread_create";
		__atomic_fetch_add(&made, 1, __ATOMIC_SEQ_CST);
		if (pthread_join(thread, &returned) || (unsigned long)returned != number + 1)
			return "pthread_join";
		__atomic_fetch_add(&joined, 1, __ATOMIC_SEQ_CST);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	int makers = argc > 1 ? atoi(argv[1]) : 0, failed = 0;
	pthread_t threads[MAKERS_MAX];
	char byte;

	if (makers < 1 || makers > MAKERS_MAX)
		return 2;
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, STACK_BYTES);
	for (int i = 0; i < makers; i++)
		if (pthread_create(&threads[i], &small, make, NULL))
			return 3;
	if (write(1, "ready\n", 6) != 6 || read(0, &byte, 1) != 1)
		return 4;
	stop = 1;
	for (int i = 0; i < makers; i++) {
		void *wrong;

		if (pthread_join(threads[i], &wrong) || wrong) {
			dprintf(1, "FAILED %s\n", wrong ? (char *)wrong : "join");
			failed = 1;
		}
	}
	dprintf(1, "%lu made, %lu ran, %lu joined, %lu refused\n", made, ran, joined, refused);
	failed |= made != ran || made != joined || !made;
	dprintf(1, failed ? "FAILED\n" : "ok\n");
	return failed;
}
