/* SPDX-License-Identifier: MIT
 *
 * Watches the pidfds of the deputies: one thread for all of them. A deputy that ends is told to its home side by key,
 * so that a process closed meanwhile is simply not found.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "om_internal.h"

struct om_watch {
	struct om_engine *engine;
	pthread_t thread;
	int epoll, wake;
};

#define WAKE 0 /* no process has the key 0 */

static void *run(void *argument)
{
	struct om_watch *w = argument;
	struct epoll_event events[16];
	for (;;) {
		int n = epoll_wait(w->epoll, events, 16, -1);
		for (int i = 0; i < n; i++) {
			if (events[i].data.u64 == WAKE)
				return NULL;
			om_home_deputy_gone(w->engine, events[i].data.u64);
		}
	}
}

int om_watch_open(struct om_engine *engine, struct om_watch **watch)
{
	struct om_watch *w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->engine = engine;
	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	w->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = WAKE};
	int result = 0;
	if (w->epoll < 0 || w->wake < 0 || epoll_ctl(w->epoll, EPOLL_CTL_ADD, w->wake, &event))
		result = -errno;
	if (!result)
		result = om_thread_create(&w->thread, "om-watch", run, w);
	if (result) {
		if (w->epoll >= 0)
			close(w->epoll);
		if (w->wake >= 0)
			close(w->wake);
		free(w);
		return result;
	}
	*watch = w;
	return 0;
}

void om_watch_close(struct om_watch *w)
{
	uint64_t one = 1;
	if (write(w->wake, &one, sizeof(one)) < 0)
		abort(); /* an eventfd's counter cannot be full here */
	pthread_join(w->thread, NULL);
	close(w->epoll);
	close(w->wake);
	free(w);
}

int om_watch_add(struct om_watch *w, int pidfd, uint64_t key)
{
	/* Once: a pidfd stays readable for ever. */
	struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.u64 = key};
	return epoll_ctl(w->epoll, EPOLL_CTL_ADD, pidfd, &event) ? -errno : 0;
}

void om_watch_remove(struct om_watch *w, int pidfd)
{
	epoll_ctl(w->epoll, EPOLL_CTL_DEL, pidfd, NULL);
}
