/* SPDX-License-Identifier: MIT
 *
 * Home's side of a process: opening and closing it, finding it, and what is said to it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "om_home.h"

static struct om_home **bucket(struct om_engine *engine, uint64_t key)
{
	return &engine->homes[(key ^ key >> 32) % OM_TABLE_BUCKETS];
}

struct om_home *om_home_get_locked(struct om_engine *engine, uint64_t key)
{
	struct om_home *home = *bucket(engine, key);
	while (home && home->key != key)
		home = home->next;
	if (home)
		home->references++;
	return home;
}

struct om_home *om_home_get(struct om_engine *engine, uint64_t key)
{
	pthread_mutex_lock(&engine->lock);
	struct om_home *home = om_home_get_locked(engine, key);
	pthread_mutex_unlock(&engine->lock);
	return home;
}

void om_home_put(struct om_home *home)
{
	if (--home->references)
		return;
	for (uint32_t i = 0; home->threads && i < home->slots; i++)
		if (home->threads[i])
			om_home_thread_free(home->threads[i]);
	free(home->threads);
	free(home->guarded);
	if (home->arena)
		munmap(home->arena, OM_ARENA_BYTES(home->slots));
	if (home->state)
		munmap(home->state, OM_STATE_BYTES(home->slots));
	if (home->pidfd >= 0)
		close(home->pidfd);
	om_buffer_free(&home->ask);
	om_buffer_free(&home->ask_reply);
	pthread_cond_destroy(&home->changed);
	pthread_mutex_destroy(&home->lock);
	free(home);
}

int om_home_send(struct om_home *home, uint16_t kind, uint32_t slot, uint32_t seq, const void *payload, uint32_t bytes)
{
	if (!home->connection)
		return -ENOTCONN;
	struct om_frame frame = om_frame_of(kind, home->key, home->state->epoch, seq, bytes);
	frame.slot = (uint16_t)slot;
	int result = om_peer_send(home->peer, home->connection, &frame, payload);
	if (result)
		home->connection = 0; /* it will present itself again */
	return result;
}

static int take_bound(struct om_home *home, const struct om_frame *frame, const uint8_t *payload)
{
	if (frame->kind == OM_FRAME_ASK)
		return om_home_take_ask(home, frame->seq, payload, frame->bytes);
	struct om_home_thread *thread = om_home_thread_of(home, frame->slot);
	if (!thread) /* what is said of a thread that has just ended may be late; a call cannot */
		return frame->kind == OM_FRAME_CANCEL || frame->kind == OM_FRAME_SIGNAL_TAKEN ? 0 : -EPROTO;
	if (thread->state->quiet) {
		thread->state->quiet = 0;
		om_home_pump(thread);
	}
	switch (frame->kind) {
	case OM_FRAME_CALL:
		return om_home_take_call(thread, frame->seq, payload, frame->bytes);
	case OM_FRAME_CANCEL:
		if (thread->use == OM_SLOT_BODY && thread->state->last_seq == frame->seq)
			om_home_cancel(thread);
		else if (thread->held && thread->held_seq == frame->seq)
			om_home_drop_held(thread);
		return 0;
	case OM_FRAME_SIGNAL_TAKEN:
		return om_home_signals_queued(thread, frame->seq) ? 0 : -EPROTO;
	default:
		return -EPROTO;
	}
}

int om_home_frame(struct om_peer *peer, struct om_connection *c, const struct om_frame *frame, const uint8_t *payload)
{
	if (frame->kind == OM_FRAME_HELLO)
		return om_home_take_hello(peer, c, frame);
	struct om_home *home = om_home_get(peer->engine, frame->key);
	if (!home) /* Closed meanwhile, perhaps for another warden to take over: the body waits. */
		return 0;
	int result = 0;
	pthread_mutex_lock(&home->lock);
	if (home->closed) /* since we looked; it has no connection any more, and its epoch may well be in force */
		result = 0;
	else if (home->connection == c->id && home->peer == peer && home->state->epoch == frame->epoch)
		result = take_bound(home, frame, payload);
	else if (frame->kind !=
		 OM_FRAME_SIGNAL_TAKEN) /* which may cross an expect that is taken back, and runs nothing */
		om_home_send_fenced(peer, c->id, frame->key, frame->epoch);
	const char *complaint = home->complained ? NULL : home->complaint;
	if (complaint)
		home->complained = true;
	pthread_mutex_unlock(&home->lock);
	if (complaint)
		om_engine_link_state(peer->engine, peer->node, true, complaint);
	om_home_put(home);
	return result;
}

int om_home_control(om_home *home, uint32_t what)
{
	pthread_mutex_lock(&home->lock);
	if (what == OM_CONTROL_STOP || what == OM_CONTROL_CONTINUE)
		home->state->stopped = what == OM_CONTROL_STOP;
	int result = om_home_send(home, OM_FRAME_CONTROL, 0, what, NULL, 0);
	pthread_mutex_unlock(&home->lock);
	return result;
}

void om_home_deputy_gone(struct om_engine *engine, uint64_t key)
{
	struct om_home *home = om_home_get(engine, key);
	if (!home)
		return;
	pthread_mutex_lock(&home->lock);
	home->gone = true;
	om_home_wake_exits(home);
	pthread_cond_broadcast(&home->changed);
	om_home_send(home, OM_FRAME_CONTROL, 0, OM_CONTROL_GONE, NULL, 0);
	pthread_mutex_unlock(&home->lock);
	if (engine->callbacks.home_deputy_gone)
		engine->callbacks.home_deputy_gone(engine->callbacks.context, key);
	om_home_put(home);
}

/* A state that is not zero: another warden held this process before. */
static int take_over(struct om_home *home)
{
	if (home->state->magic != OM_HOME_STATE_MAGIC) {
		*home->state = (struct om_home_state){.magic = OM_HOME_STATE_MAGIC};
		return 0;
	}
	for (uint32_t i = 0; i < home->slots; i++) {
		struct om_home_thread_state *state = om_state_of(home->state, i);
		struct om_home_thread *thread;
		if (!state->tid)
			continue;
		int error = om_home_thread_make(home, i, &thread);
		if (error)
			return error;
		if (thread->slot->request != state->last_request) { /* it died between the note and the request */
			if (state->last_use == OM_SLOT_BODY)
				state->last_seq = state->seq_before;
			state->last_request = thread->slot->request;
			state->last_use = OM_SLOT_IDLE;
		}
		thread->use = (enum om_slot_use)state->last_use;
		thread->unplaced = thread->use == OM_SLOT_BODY;
		thread->signal_sent = state->signal_tail;
	}
	return 0;
}

/* A root of one's own has any path: what is anonymous lies where memfds do, too, where nobody but the kernel gives
 * names.
 */
static bool is_anonymous(int fd)
{
	static const char anonymous[] = "/dev/zero (deleted)";
	char path[32], name[sizeof(anonymous) + 1];
	struct stat st, of_kernel;
	int memfd = memfd_create("om-home", MFD_CLOEXEC);
	bool among_memfds = memfd >= 0 && !fstat(memfd, &of_kernel) && !fstat(fd, &st) && st.st_dev == of_kernel.st_dev;
	if (memfd >= 0)
		close(memfd);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ssize_t bytes = readlink(path, name, sizeof(name));
	return among_memfds && bytes == sizeof(anonymous) - 1 && !memcmp(name, anonymous, sizeof(anonymous) - 1);
}

/* Whoever gets hold of a descriptor of it could shrink it under us: SIGBUS. Sealed it stays; and of a shared anonymous
 * mapping nobody gets one but root (/proc/PID/map_files). */
static bool keeps_size(int arena_fd)
{
	if (!fcntl(arena_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW))
		return true;
	int seals = fcntl(arena_fd, F_GET_SEALS); /* -1: a file that knows none */
	return (seals >= 0 && seals & F_SEAL_SHRINK) || is_anonymous(arena_fd);
}

static int map_arena(struct om_home *home, int arena_fd)
{
	struct stat st;
	if (!keeps_size(arena_fd))
		return -EPERM;
	if (fstat(arena_fd, &st)) /* not before: it may have been another size */
		return -errno;
	if (st.st_size < (off_t)OM_ARENA_BYTES(home->slots))
		return -EINVAL;
	void *arena = mmap(NULL, OM_ARENA_BYTES(home->slots), PROT_READ | PROT_WRITE, MAP_SHARED, arena_fd, 0);
	if (arena == MAP_FAILED)
		return -errno;
	home->arena = arena;
	return 0;
}

int om_home_open(om_engine *engine, const struct om_home_options *options, om_home **result)
{
	if (!options->key || options->pid <= 0 || !options->slots || options->slots > OM_SLOTS_MAX)
		return -EINVAL;
	struct om_home *home = calloc(1, sizeof(*home));
	if (!home)
		return -ENOMEM;
	home->references = 2; /* the table's, the caller's */
	home->engine = engine;
	home->key = options->key;
	home->pid = options->pid;
	home->slots = options->slots;
	home->arena_address = options->arena_address;
	home->threads_address = options->threads_address;
	pthread_mutex_init(&home->lock, NULL);
	pthread_cond_init(&home->changed, NULL);
	home->pidfd = fcntl(options->pidfd, F_DUPFD_CLOEXEC, 3);
	int error = home->pidfd < 0 ? -errno : map_arena(home, options->arena_fd);
	if (!error && !(home->state = om_state_map(options->state_fd, home->slots)))
		error = -EINVAL;
	if (!error && !(home->threads = calloc(home->slots, sizeof(struct om_home_thread *))))
		error = -ENOMEM;
	if (!error)
		error = take_over(home);
	if (!error)
		error = om_thread_create(&home->responder, "om-home", om_home_responder, home);
	if (error) {
		home->references = 1;
		om_home_put(home);
		return error;
	}
	pthread_mutex_lock(&engine->lock);
	struct om_home **at = bucket(engine, home->key);
	home->next = *at;
	*at = home;
	om_home_unpark_locked(engine, home);
	pthread_mutex_unlock(&engine->lock);

	pthread_mutex_lock(&home->lock);
	bool claimed = false;
	om_home_pump_all(home);                       /* rung for the warden before us */
	if (home->state->epoch && home->hello_peer) { /* taken over: the state says who is expected */
		struct om_peer *peer = home->hello_peer;
		home->hello_peer = NULL;
		om_home_bind(home, peer, home->hello_connection, home->hello_epoch, &claimed);
	}
	uint32_t epoch = home->state->epoch;
	pthread_mutex_unlock(&home->lock);
	*result = home;
	if (claimed)
		om_home_tell_claimed(home, epoch);
	return om_watch_add(engine->watch, home->pidfd, home->key);
}

void om_home_end(om_home *home)
{
	pthread_mutex_lock(&home->lock);
	home->ended = true;
	pthread_mutex_unlock(&home->lock);
}

void om_home_close(om_home *home)
{
	struct om_engine *engine = home->engine;
	om_watch_remove(engine->watch, home->pidfd);
	pthread_mutex_lock(&home->lock);
	bool over = home->gone || home->ended;
	pthread_mutex_unlock(&home->lock);
	pthread_mutex_lock(&engine->lock);
	struct om_home **at = bucket(engine, home->key);
	while (*at != home)
		at = &(*at)->next;
	*at = home->next;
	if (over) /* a body whose link is down hears it when it is back */
		engine->ended[engine->ended_count++ % OM_ENDED_KEYS] = home->key;
	else
		engine->homes_known = false;
	pthread_mutex_unlock(&engine->lock);

	pthread_mutex_lock(&home->lock);
	home->closed = true;
	home->connection = 0;
	bool asker_runs = home->asker_runs;
	om_home_wake_exits(home);
	pthread_cond_broadcast(&home->changed);
	pthread_mutex_unlock(&home->lock);
	om_home_end_responder(home);
	if (asker_runs && pthread_equal(home->asker, pthread_self()))
		pthread_detach(home->asker);
	else if (asker_runs)
		pthread_join(home->asker, NULL);
	om_home_put(home);
	om_home_put(home);
}
