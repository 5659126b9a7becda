/* SPDX-License-Identifier: MIT
 *
 * Home's side of a process: opening and closing it, and who may be its body. The epoch is decided here and nowhere
 * else: the node that om_home_expect named and that presents the newest epoch is the body; its first HELLO is the
 * Commit of the move. A HELLO that comes before its home is open waits while a warden that has just been restarted has
 * not opened all it was left (om_engine_homes_known).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "om_home.h"

#define PARKED_MAX 4096u

static struct om_home **bucket(struct om_engine *engine, uint64_t key)
{
	return &engine->homes[(key ^ key >> 32) % OM_TABLE_BUCKETS];
}

static struct om_home *get_locked(struct om_engine *engine, uint64_t key)
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
	struct om_home *home = get_locked(engine, key);
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

static int send_gone(struct om_peer *peer, uint64_t connection, uint64_t key, uint32_t epoch)
{
	struct om_frame frame = om_frame_of(OM_FRAME_CONTROL, key, epoch, OM_CONTROL_GONE, 0);
	return om_peer_send(peer, connection, &frame, NULL);
}

static void send_fenced(struct om_peer *peer, uint64_t connection, uint64_t key, uint32_t epoch)
{
	struct om_frame frame = om_frame_of(OM_FRAME_FENCED, key, epoch, 0, 0);
	om_peer_send(peer, connection, &frame, NULL);
}

static void send_welcome(struct om_home *home)
{
	struct om_welcome_thread *threads = calloc(home->slots, sizeof(*threads));
	uint32_t count = 0;
	if (!threads) { /* it says HELLO again on the next connection */
		home->connection = 0;
		return;
	}
	for (uint32_t i = 0; i < home->slots; i++) {
		struct om_home_thread *thread = om_home_thread_of(home, i);
		if (thread)
			threads[count++] =
				(struct om_welcome_thread){i, thread->state->last_seq, thread->state->signal_tail, 0};
	}
	om_home_send(home, OM_FRAME_WELCOME, 0, home->ask_seq, threads, count * (uint32_t)sizeof(*threads));
	free(threads);
}

static void bind(struct om_home *home, struct om_peer *peer, uint64_t connection, uint32_t epoch, bool *claimed)
{
	struct om_home_state *state = home->state;
	*claimed = false;
	if (!state->epoch) {
		home->hello_peer = peer;
		home->hello_connection = connection;
		home->hello_epoch = epoch;
		return;
	}
	if (epoch != state->epoch || strcmp(peer->node, state->node)) {
		if (state->claimed || epoch != state->former_epoch || strcmp(peer->node, state->former_node))
			return send_fenced(peer, connection, home->key, epoch);
		/* The next epoch may still be taken back, and then this body goes on: it hears when it is decided. */
		home->fenced_peer = peer;
		home->fenced_connection = connection;
		home->fenced_epoch = epoch;
		return;
	}
	state->presented++;
	*claimed = !state->claimed;
	state->claimed = 1;
	if (home->fenced_peer) {
		send_fenced(home->fenced_peer, home->fenced_connection, home->key, home->fenced_epoch);
		home->fenced_peer = NULL;
	}
	home->peer = peer;
	home->connection = connection;
	for (uint32_t i = 0; i < home->slots; i++) {
		struct om_home_thread *thread = om_home_thread_of(home, i);
		if (thread)
			thread->signal_sent = thread->state->signal_tail;
	}
	send_welcome(home);
	if (state->stopped)
		om_home_send(home, OM_FRAME_CONTROL, 0, OM_CONTROL_STOP, NULL, 0);
	if (home->gone)
		om_home_send(home, OM_FRAME_CONTROL, 0, OM_CONTROL_GONE, NULL, 0);
	om_home_pump_all(home);
	pthread_cond_broadcast(&home->changed);
}

static void tell_claimed(struct om_home *home, uint32_t epoch)
{
	const struct om_callbacks *callbacks = &home->engine->callbacks;
	if (callbacks->home_claimed)
		callbacks->home_claimed(callbacks->context, home->key, epoch);
}

static bool has_ended(const struct om_engine *engine, uint64_t key)
{
	for (unsigned int i = 0; i < OM_ENDED_KEYS && i < engine->ended_count; i++)
		if (engine->ended[i] == key)
			return true;
	return false;
}

/* 0: parked, or told that there is nothing to wait for. The home is looked up under the same lock: it may just be
 * opening, and looks once for what is parked. */
static int park(struct om_peer *peer, struct om_connection *c, const struct om_frame *frame, struct om_home **home)
{
	struct om_engine *engine = peer->engine;
	int result = 0;
	pthread_mutex_lock(&engine->lock);
	*home = get_locked(engine, frame->key);
	if (*home) {
		pthread_mutex_unlock(&engine->lock);
		return 0;
	}
	if (engine->homes_known || has_ended(engine, frame->key)) {
		pthread_mutex_unlock(&engine->lock);
		return send_gone(peer, c->id, frame->key, frame->epoch);
	}
	struct om_parked_hello *parked = engine->parked;
	while (parked && (parked->key != frame->key || parked->peer != peer))
		parked = parked->next;
	if (!parked && engine->parked_count < PARKED_MAX && (parked = calloc(1, sizeof(*parked)))) {
		parked->key = frame->key;
		parked->peer = peer;
		parked->next = engine->parked;
		engine->parked = parked;
		engine->parked_count++;
	}
	if (parked) {
		parked->connection = c->id;
		parked->epoch = frame->epoch;
	} else {
		result = -ENOSPC;
	}
	pthread_mutex_unlock(&engine->lock);
	return result;
}

/* What was parked for this home: the newest. */
static void unpark_locked(struct om_engine *engine, struct om_home *home)
{
	for (struct om_parked_hello **at = &engine->parked; *at;) {
		struct om_parked_hello *parked = *at;
		if (parked->key != home->key) {
			at = &parked->next;
			continue;
		}
		if (parked->epoch >= home->hello_epoch) {
			home->hello_peer = parked->peer;
			home->hello_connection = parked->connection;
			home->hello_epoch = parked->epoch;
		}
		*at = parked->next;
		engine->parked_count--;
		free(parked);
	}
}

static int take_hello(struct om_peer *peer, struct om_connection *c, const struct om_frame *frame)
{
	struct om_home *home;
	bool claimed;
	int result = park(peer, c, frame, &home);
	if (!home)
		return result;
	pthread_mutex_lock(&home->lock);
	bind(home, peer, c->id, frame->epoch, &claimed);
	pthread_mutex_unlock(&home->lock);
	if (claimed)
		tell_claimed(home, frame->epoch);
	om_home_put(home);
	return 0;
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
		return take_hello(peer, c, frame);
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
		send_fenced(peer, c->id, frame->key, frame->epoch);
	const char *complaint = home->complained ? NULL : home->complaint;
	if (complaint)
		home->complained = true;
	pthread_mutex_unlock(&home->lock);
	if (complaint)
		om_engine_link_state(peer->engine, peer->node, true, complaint);
	om_home_put(home);
	return result;
}

uint32_t om_home_presented(om_home *home)
{
	pthread_mutex_lock(&home->lock);
	uint32_t presented = home->state->presented;
	pthread_mutex_unlock(&home->lock);
	return presented;
}

int om_home_expect(om_home *home, const char *node, uint32_t epoch, bool take_back, uint32_t presented)
{
	struct om_home_state *state = home->state;
	bool claimed = false;
	if (!node[0] || strlen(node) >= OM_NODE_ID_BYTES || !epoch)
		return -EINVAL;
	pthread_mutex_lock(&home->lock);
	int result = 0;
	if (take_back && state->claimed)
		result = 1;
	else if (epoch == state->epoch && !strcmp(node, state->node))
		result = 0; /* said again after a restart */
	else if (epoch <= state->epoch)
		result = -ESTALE;
	else if (presented && presented != state->presented)
		result = -EBUSY;
	else {
		if (state->claimed) {
			state->former_epoch = state->epoch;
			memcpy(state->former_node, state->node, sizeof(state->former_node));
		}
		if (home->connection) {
			home->fenced_peer = home->peer;
			home->fenced_connection = home->connection;
			home->fenced_epoch = state->epoch;
			home->connection = 0;
		}
		state->claimed = 0;
		snprintf(state->node, sizeof(state->node), "%s", node);
		state->epoch = epoch;
	}
	if (result == 0 && home->hello_peer) {
		struct om_peer *peer = home->hello_peer;
		home->hello_peer = NULL;
		bind(home, peer, home->hello_connection, home->hello_epoch, &claimed);
	}
	pthread_mutex_unlock(&home->lock);
	if (claimed)
		tell_claimed(home, epoch);
	return result;
}

void om_engine_homes_known(om_engine *engine)
{
	pthread_mutex_lock(&engine->lock);
	struct om_parked_hello *parked = engine->parked;
	engine->parked = NULL;
	engine->parked_count = 0;
	engine->homes_known = true;
	pthread_mutex_unlock(&engine->lock);
	while (parked) {
		struct om_parked_hello *next = parked->next;
		send_gone(parked->peer, parked->connection, parked->key, parked->epoch);
		free(parked);
		parked = next;
	}
}

void om_home_forget_parked(struct om_engine *engine)
{
	while (engine->parked) {
		struct om_parked_hello *parked = engine->parked;
		engine->parked = parked->next;
		free(parked);
	}
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
	unpark_locked(engine, home);
	pthread_mutex_unlock(&engine->lock);

	pthread_mutex_lock(&home->lock);
	bool claimed = false;
	om_home_pump_all(home);                       /* rung for the warden before us */
	if (home->state->epoch && home->hello_peer) { /* taken over: the state says who is expected */
		struct om_peer *peer = home->hello_peer;
		home->hello_peer = NULL;
		bind(home, peer, home->hello_connection, home->hello_epoch, &claimed);
	}
	uint32_t epoch = home->state->epoch;
	pthread_mutex_unlock(&home->lock);
	*result = home;
	if (claimed)
		tell_claimed(home, epoch);
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
