/* SPDX-License-Identifier: MIT
 *
 * As many threads as its argument says, every one asleep for ever, half of them with a timeout of a day. Ends when a
 * byte comes on stdin.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define STACK_BYTES 65536

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int stop, asleep;

static void *sleep_on(void *argument)
{
	struct timespec tomorrow;
	int error = 0;

	clock_gettime(CLOCK_REALTIME, &tomorrow);
	tomorrow.tv_sec += 86400;
	pthread_mutex_lock(&lock);
	asleep++;
	while (!stop && !error)
		error = (long)argument % 2 ? pthread_cond_timedwait(&changed, &lock, &tomorrow)
					   : pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
	return (void *)(long)error;
}

int main(int argc, char **argv)
{
	long count = argc > 1 ? atol(argv[1]) : 0, all = 0;
	pthread_t *threads = calloc((size_t)count, sizeof(*threads));
	pthread_attr_t small;
	char byte;

	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, STACK_BYTES);
	for (long i = 0; i < count; i++)
		if (pthread_create(&threads[i], &small, sleep_on, (void *)i))
			return 3;
	while (all < count) {
		pthread_mutex_lock(&lock);
		all = asleep;
		pthread_mutex_unlock(&lock);
	}
	if (write(1, "ready\n", 6) != 6 || read(0, &byte, 1) != 1)
		return 4;
	pthread_mutex_lock(&lock);
	stop = 1;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	for (long i = 0; i < count; i++) {
		void *error;

		if (pthread_join(threads[i], &error) || error) {
			dprintf(1, "FAILED %ld\n", (long)error);
			return 1;
		}
	}
	return write(1, "ok\n", 3) == 3 ? 0 : 1;
}
