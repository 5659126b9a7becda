/* SPDX-License-Identifier: MIT
 *
 * The hosting side of a process: opening and closing it, and presenting its epoch at home. While the link is down
 * nothing is lost: the outstanding call keeps its number and is sent again after the next WELCOME.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/mman.h>

#include "om_remote.h"

uint64_t om_now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static struct om_remote **bucket(struct om_engine *engine, uint64_t key)
{
	return &engine->remotes[(key ^ key >> 32) % OM_TABLE_BUCKETS];
}

struct om_remote *om_remote_get(struct om_engine *engine, uint64_t key)
{
	pthread_mutex_lock(&engine->lock);
	struct om_remote *remote = *bucket(engine, key);
	while (remote && remote->key != key)
		remote = remote->next;
	if (remote)
		remote->references++;
	pthread_mutex_unlock(&engine->lock);
	return remote;
}

void om_remote_put(struct om_remote *remote)
{
	if (--remote->references)
		return;
	for (uint32_t i = 0; remote->threads && i < remote->slots; i++)
		if (remote->threads[i])
			om_remote_thread_free(remote->threads[i]);
	free(remote->threads);
	om_marshal_close(&remote->own.of_body);
	om_marshal_close(&remote->own.of_warden);
	if (remote->state)
		munmap(remote->state, OM_STATE_BYTES(remote->slots));
	if (remote->pidfd >= 0)
		close(remote->pidfd);
	om_gate_put(remote->gate);
	om_buffer_free(&remote->ask);
	om_buffer_free(&remote->ask_reply);
	pthread_cond_destroy(&remote->changed);
	pthread_mutex_destroy(&remote->lock);
	free(remote);
}

int om_remote_send(struct om_remote *remote, uint16_t kind, uint32_t slot, uint32_t seq, const void *payload,
		   uint32_t bytes)
{
	if (!remote->connection)
		return -ENOTCONN;
	struct om_frame frame = om_frame_of(kind, remote->key, remote->state->epoch, seq, bytes);
	frame.slot = (uint16_t)slot;
	int result = om_peer_send(remote->home, remote->connection, &frame, payload);
	if (result)
		remote->connection = 0;
	return result;
}

void om_remote_hello(struct om_remote *remote, uint64_t connection_id)
{
	const struct om_remote_state *state = remote->state;
	struct om_frame frame = om_frame_of(OM_FRAME_HELLO, remote->key, state->epoch, 0, 0);
	remote->connection = 0;
	if (remote->wanting && !remote->fenced)
		om_peer_send(remote->home, connection_id, &frame, NULL);
}

int om_remote_open(om_engine *engine, const struct om_remote_options *options, om_remote **result)
{
	if (!options->key || options->pid <= 0 || !options->epoch || !strcmp(options->home, engine->node) ||
	    !options->slots || options->slots > OM_SLOTS_MAX)
		return -EINVAL;
	struct om_peer *home = om_peer_find(engine, options->home, true);
	struct om_remote *remote = calloc(1, sizeof(*remote));
	if (!remote || !home) {
		free(remote);
		return -ENOMEM;
	}
	remote->references = 2; /* the table's, the caller's */
	remote->engine = engine;
	remote->key = options->key;
	remote->pid = options->pid;
	remote->home_pid = options->home_pid;
	remote->home = home;
	remote->gate = options->gate;
	remote->gate->references++;
	remote->area = options->area;
	remote->slots = options->slots;
	pthread_mutex_init(&remote->lock, NULL);
	pthread_condattr_t attributes;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&remote->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	remote->pidfd = fcntl(options->pidfd, F_DUPFD_CLOEXEC, 3);
	int error = remote->pidfd < 0 ? -errno : 0;
	if (!error && !(remote->state = om_state_map(options->state_fd, options->slots)))
		error = -EINVAL;
	if (!error && !(remote->threads = calloc(remote->slots, sizeof(struct om_remote_thread *))))
		error = -ENOMEM;
	if (!error)
		error = om_marshal_open(&remote->own.of_body, options->pid, options->area,
					OM_AREA_BYTES(remote->slots));
	if (!error)
		error = om_marshal_open(&remote->own.of_warden, 0, 0, 0);
	if (!error)
		error = om_peer_start(home);
	if (!error && remote->state->magic == OM_REMOTE_STATE_MAGIC) {
		remote->taken_over = true;
		error = om_remote_threads_taken_over(remote);
	}
	if (error) {
		remote->references = 1;
		om_remote_put(remote);
		return error;
	}
	if (!remote->taken_over)
		*remote->state = (struct om_remote_state){.magic = OM_REMOTE_STATE_MAGIC, .epoch = options->epoch};
	pthread_mutex_lock(&engine->lock);
	struct om_remote **at = bucket(engine, remote->key);
	remote->next = *at;
	*at = remote;
	pthread_mutex_unlock(&engine->lock);
	*result = remote;
	return 0;
}

struct timespec om_deadline(uint32_t timeout_ms)
{
	uint64_t at = om_now_ns() + (uint64_t)timeout_ms * 1000000u;
	return (struct timespec){(time_t)(at / 1000000000u), (long)(at % 1000000000u)};
}

int om_remote_start(om_remote *remote, uint32_t timeout_ms)
{
	struct timespec until = om_deadline(timeout_ms);
	bool want = false;
	int result = 0;
	om_remote_enter(remote);
	if (!remote->wanting) {
		remote->wanting = want = true;
		if (remote->state->welcomed) /* taken over: it counts when home has said so to us */
			remote->connection = 0;
	}
	if (!remote->connection)
		om_remote_hello(remote, 0);
	pthread_mutex_unlock(&remote->lock);
	if (want)
		om_peer_want(remote->home, 1);
	pthread_mutex_lock(&remote->lock);
	while (!remote->connection && !remote->fenced && !remote->closed && !remote->gone && result != ETIMEDOUT)
		result = pthread_cond_timedwait(&remote->changed, &remote->lock, &until);
	result = remote->fenced       ? -ESTALE
		 : remote->closed     ? -ECANCELED
		 : remote->connection ? 0
		 : remote->gone       ? -ESRCH
				      : -ETIMEDOUT;
	remote->start_owed |= result == -ETIMEDOUT;
	om_remote_leave(remote);
	return result;
}

int om_remote_epoch(om_remote *remote, uint32_t epoch)
{
	pthread_mutex_lock(&remote->lock);
	int result = epoch >= remote->state->epoch ? 0 : -ESTALE;
	if (epoch > remote->state->epoch) {
		remote->state->epoch = epoch;
		remote->state->welcomed = 0;
		remote->fenced = false;
	}
	if (!result)
		remote->connection = 0;
	pthread_mutex_unlock(&remote->lock);
	return result;
}

void om_remote_close(om_remote *remote)
{
	struct om_engine *engine = remote->engine;
	pthread_mutex_lock(&engine->lock);
	struct om_remote **at = bucket(engine, remote->key);
	while (*at != remote)
		at = &(*at)->next;
	*at = remote->next;
	pthread_mutex_unlock(&engine->lock);

	pthread_mutex_lock(&remote->lock);
	remote->closed = true;
	bool wanting = remote->wanting;
	om_remote_threads_closed(remote);
	pthread_cond_broadcast(&remote->changed);
	pthread_mutex_unlock(&remote->lock);
	om_peer_kick(remote->home);
	om_gate_leave(remote);
	if (wanting)
		om_peer_want(remote->home, -1);
	om_remote_put(remote);
	om_remote_put(remote);
}
