/* SPDX-License-Identifier: MIT
 *
 * How a test, the body and the world's threads wait for each other.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/futex.h>
#include <sys/syscall.h>

#include "world.h"

/* ---- stages ---------------------------------------------------------------------------------------------- */

void wait_stage(struct shared *s, int stage)
{
	int now;
	while ((now = s->stage) < stage && !s->failed)
		syscall(SYS_futex, &s->stage, FUTEX_WAIT, now, NULL, NULL, 0);
}

void set_stage(struct shared *s, int stage)
{
	s->stage = stage;
	syscall(SYS_futex, &s->stage, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

/* ---- what the threads tell each other -------------------------------------------------------------------- */

void world_add(struct world *w, unsigned int *counter)
{
	pthread_mutex_lock(&w->lock);
	++*counter;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
}

bool world_await(struct world *w, const unsigned int *counter, unsigned int count)
{
	pthread_mutex_lock(&w->lock);
	while (*counter < count && !w->over)
		pthread_cond_wait(&w->changed, &w->lock);
	bool come = *counter >= count;
	pthread_mutex_unlock(&w->lock);
	return come;
}

bool world_logged(struct world *w, const char *text)
{
	pthread_mutex_lock(&w->lock);
	bool found = strstr(w->log, text);
	pthread_mutex_unlock(&w->lock);
	return found;
}

void world_wait_log(struct world *w, const char *text)
{
	pthread_mutex_lock(&w->lock);
	while (!strstr(w->log, text))
		pthread_cond_wait(&w->changed, &w->lock);
	pthread_mutex_unlock(&w->lock);
}

/* ---- of the kernel and the engine ----------------------------------------------------------------------------- */

/* These look again and again: no event tells that another process has begun to wait, that a signal waits for it,
 * that a call has gone out, or that an answer has come. */
void wait_blocked(struct world *w, long number)
{
	char path[64], text[256];
	snprintf(path, sizeof(path), "/proc/%d/syscall", w->deputy);
	while (!w->shared->failed) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t n = read(fd, text, sizeof(text) - 1);
		close(fd);
		if (n > 0) {
			text[n] = 0;
			if (text[0] != 'r' && strtol(text, NULL, 10) == number)
				return;
		}
		sched_yield();
	}
}

void wait_cancelled(struct world *w)
{
	char path[64], line[256];
	snprintf(path, sizeof(path), "/proc/%d/status", w->deputy);
	for (bool there = false; !there && !w->shared->failed; sched_yield()) {
		FILE *f = fopen(path, "re");
		while (f && fgets(line, sizeof(line), f))
			there |= !strncmp(line, "SigPnd:", 7) &&
				 strtoull(line + 7, NULL, 16) & 1ull << (OM_CANCEL_SIGNAL - 1);
		if (f)
			fclose(f);
	}
}

uint64_t wait_sent(struct world *w, uint64_t bytes)
{
	struct om_counters counters;
	while (!om_remote_counters(w->remote, &counters) && counters.bytes_out <= bytes && !w->shared->failed)
		sched_yield();
	return counters.bytes_out;
}

void wait_answered(struct world *w, uint64_t bytes)
{
	struct om_counters counters;
	while (!om_remote_counters(w->remote, &counters) && counters.bytes_in <= bytes && !w->shared->failed)
		sched_yield();
}
