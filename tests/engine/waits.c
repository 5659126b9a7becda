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

static void wait_word(struct shared *s, atomic_int *word, int value)
{
	int now;
	while ((now = *word) < value && !s->failed)
		syscall(SYS_futex, word, FUTEX_WAIT, now, NULL, NULL, 0);
}

static void set_word(atomic_int *word, int value)
{
	*word = value;
	syscall(SYS_futex, word, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

void wait_stage(struct shared *s, int stage)
{
	wait_word(s, &s->stage, stage);
}

void set_stage(struct shared *s, int stage)
{
	set_word(&s->stage, stage);
}

void wait_hand(struct shared *s, uint32_t index, int stage)
{
	wait_word(s, &s->hands[index].stage, stage);
}

void set_hand(struct shared *s, uint32_t index, int stage)
{
	set_word(&s->hands[index].stage, stage);
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
void wait_slot_blocked(struct world *w, uint32_t slot, long number)
{
	char path[64], text[256];
	snprintf(path, sizeof(path), "/proc/%d/task/%d/syscall", w->deputy, w->deputy_tids[slot]);
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

void wait_blocked(struct world *w, long number)
{
	wait_slot_blocked(w, 0, number);
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
