/* SPDX-License-Identifier: MIT
 *
 * The hosting side of a process: opening and closing it, presenting its epoch at home, and what arrives from home.
 * While the link is down nothing is lost: the outstanding call keeps its number and is sent again after the next
 * WELCOME.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
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
	int fds[] = {remote->pidfd, remote->listener, remote->wake};
	for (int i = 0; i < 3; i++)
		if (fds[i] >= 0)
			close(fds[i]);
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

/* ---- from home -------------------------------------------------------------------------------------------------- */

static void welcome_thread(struct om_remote *remote, const struct om_welcome_thread *said, bool first)
{
	struct om_remote_thread *thread = om_remote_thread_of(remote, said->slot);
	if (!thread) /* home has made it, and we have not heard of that yet */
		return;
	struct om_remote_thread_state *state = thread->state;
	/* Home's ring may begin behind what the body has had, if that could not be said; never the other way, unless
	 * home has taken some for a body that came back. */
	if (first && (int32_t)(said->signal_next - state->signals_taken) > 0) {
		state->signals_queued += said->signal_next - state->signals_taken;
		state->signals_taken = said->signal_next;
	}
	/* A call of ours that went down with another warden never got there, or nobody waits for its answer. */
	if (first || (!thread->active && state->phase != OM_PHASE_SENT))
		state->seq = said->last_seq;
}

static int take_welcome(struct om_remote *remote, uint64_t connection, uint32_t last_ask, const uint8_t *payload,
			uint32_t bytes)
{
	struct om_remote_state *state = remote->state;
	struct om_welcome_thread said;
	bool first = !state->welcomed;
	if (bytes % sizeof(said))
		return -EPROTO;
	for (uint32_t at = 0; at < bytes; at += sizeof(said)) {
		memcpy(&said, payload + at, sizeof(said));
		welcome_thread(remote, &said, first);
	}
	if (first) {
		state->ask_seq = last_ask;
		state->welcomed = 1;
	}
	remote->connection = connection;
	for (uint32_t i = 0; i < remote->slots; i++) {
		struct om_remote_thread *thread = om_remote_thread_of(remote, i);
		if (!thread)
			continue;
		om_remote_send(remote, OM_FRAME_SIGNAL_TAKEN, i, thread->state->signals_taken, NULL, 0);
		if (remote->taken_over)
			om_remote_take_over(thread);
	}
	remote->taken_over = false;
	if (!remote->receiving && !remote->closed) {
		remote->references++;
		remote->receiving = !om_thread_create(&remote->receiver, "om-remote", om_remote_receiver, remote);
		if (!remote->receiving) {
			remote->references--;
			return -EAGAIN;
		}
	}
	for (uint32_t i = 0; i < remote->slots; i++) {
		struct om_remote_thread *thread = om_remote_thread_of(remote, i);
		if (thread)
			om_remote_post_again(thread);
	}
	if (remote->asking && !remote->ask_done)
		om_remote_send(remote, OM_FRAME_ASK, 0, state->ask_seq, remote->ask.data + remote->ask.head,
			       (uint32_t)om_buffer_bytes(&remote->ask));
	pthread_cond_broadcast(&remote->changed);
	return 0;
}

static int take_reply(struct om_remote *remote, uint32_t seq, const uint8_t *payload, uint32_t bytes)
{
	if (!remote->asking || remote->ask_done || seq != remote->state->ask_seq)
		return 0; /* a second one, after a reconnect */
	uint8_t *room = om_buffer_room(&remote->ask_reply, bytes);
	if (!room)
		return -ENOMEM;
	memcpy(room, payload, bytes);
	remote->ask_reply.tail += bytes;
	remote->ask_done = true;
	pthread_cond_broadcast(&remote->changed);
	return 0;
}

static void note_handed(struct om_remote_thread *thread, const struct om_signal *signal)
{
	if (signal->signo >= 1 && signal->signo <= 64) /* else the deputy's scribbling, which the kernel will refuse */
		thread->signals_mask |= 1ull << (signal->signo - 1);
}

/* true: it is new and to be handed out. */
static bool take_signal(struct om_remote_thread *thread, uint32_t index, const struct om_signal *signal)
{
	struct om_remote_thread_state *state = thread->state;
	bool fresh = index == state->signals_taken;
	if (fresh) {
		if (index - state->signals_queued < OM_KEPT_SIGNALS)
			state->kept[index % OM_KEPT_SIGNALS] = (struct om_kept_signal){index + 1, *signal};
		state->signals_taken++;
		note_handed(thread, signal);
	}
	om_remote_send(thread->remote, OM_FRAME_SIGNAL_TAKEN, thread->slot, state->signals_taken, NULL, 0);
	return fresh;
}

static void handed(struct om_remote *remote)
{
	pthread_mutex_lock(&remote->lock);
	remote->handing--;
	pthread_cond_broadcast(&remote->changed);
	pthread_mutex_unlock(&remote->lock);
}

/* What the warden before us was handed and did not queue. */
static void hand_out_kept(struct om_remote *remote, uint32_t slot)
{
	const struct om_callbacks *callbacks = &remote->engine->callbacks;
	struct om_signal kept[OM_KEPT_SIGNALS];
	uint32_t count = 0;
	pthread_mutex_lock(&remote->lock);
	struct om_remote_thread *thread = om_remote_thread_of(remote, slot);
	if (thread) {
		struct om_remote_thread_state *state = thread->state;
		for (uint32_t i = state->signals_queued; i != state->signals_taken && count < OM_KEPT_SIGNALS; i++)
			if (state->kept[i % OM_KEPT_SIGNALS].index == i + 1) {
				kept[count] = state->kept[i % OM_KEPT_SIGNALS].signal;
				note_handed(thread, &kept[count++]);
			}
		state->signals_queued = state->signals_taken - count;
	}
	remote->handing++;
	pthread_mutex_unlock(&remote->lock);
	for (uint32_t i = 0; i < count && callbacks->remote_signal; i++)
		callbacks->remote_signal(callbacks->context, remote->key, slot, &kept[i], 0);
	handed(remote);
}

/* What may be told when home is heard again. Of one slot, or of all. */
static void tell_owed(struct om_remote *remote, uint32_t slot)
{
	for (uint32_t i = slot == OM_EVERY_THREAD ? 0 : slot;
	     i < remote->slots && (slot == OM_EVERY_THREAD || i == slot); i++) {
		pthread_mutex_lock(&remote->lock);
		struct om_remote_thread *thread = om_remote_thread_of(remote, i);
		bool due = thread && thread->owed;
		if (due)
			thread->owed = false;
		pthread_mutex_unlock(&remote->lock);
		if (due)
			om_remote_tell_due(remote, i);
	}
}

/* A warden before us had begun these. */
static void begin_again(struct om_remote *remote)
{
	for (uint32_t i = 0; i < remote->slots; i++) {
		pthread_mutex_lock(&remote->lock);
		struct om_remote_thread *thread = om_remote_thread_of(remote, i);
		bool hand_out = thread && thread->hand_out_again;
		if (thread)
			thread->hand_out_again = false;
		pthread_mutex_unlock(&remote->lock);
		if (hand_out)
			om_remote_hand_out(thread);
		if (thread)
			hand_out_kept(remote, i);
	}
}

static int take_signal_frame(struct om_remote *remote, const struct om_frame *frame, const uint8_t *payload,
			     struct om_signal *signal, bool *fresh, uint64_t *notification)
{
	struct om_remote_thread *thread = om_remote_thread_of(remote, frame->slot);
	if (frame->bytes != sizeof(*signal))
		return -EPROTO;
	if (!thread) { /* it has ended meanwhile, or home has heard something late of the one before it */
		remote->signal_missed = true;
		return 0;
	}
	memcpy(signal, payload, sizeof(*signal));
	/* But not one that comes before the answer to a call that is still out: SIGPIPE, and what else a call brings.
	 */
	if (thread->quiesced && thread->why != OM_QUIESCE_HERE && thread->state->phase != OM_PHASE_SENT) {
		thread->signal_missed = true;
		return 0;
	}
	*fresh = take_signal(thread, frame->seq, signal);
	remote->handing += *fresh;
	if (thread->state->phase == OM_PHASE_SENT || thread->state->phase == OM_PHASE_CANCELLED)
		*notification = thread->state->call.id;
	return 0;
}

int om_remote_frame(struct om_peer *peer, struct om_connection *c, const struct om_frame *frame, const uint8_t *payload)
{
	struct om_remote *remote = om_remote_get(peer->engine, frame->key);
	if (!remote)
		return 0;
	const struct om_callbacks *callbacks = &peer->engine->callbacks;
	struct om_remote_thread *thread;
	struct om_signal signal;
	uint64_t notification = 0;
	uint32_t control = 0;
	bool has_signal = false, begins = false, due = false, start_due = false;
	int result = 0;

	pthread_mutex_lock(&remote->lock);
	struct om_remote_state *state = remote->state;
	/* Only home says anything about this process, and what it says of an older epoch is over. */
	if (peer != remote->home || frame->epoch != state->epoch || remote->closed) {
		pthread_mutex_unlock(&remote->lock);
		om_remote_put(remote);
		return 0;
	}
	switch (frame->kind) {
	case OM_FRAME_WELCOME:
		begins = remote->taken_over;
		result = take_welcome(remote, c->id, frame->seq, payload, frame->bytes);
		due = true;
		start_due = remote->start_owed;
		remote->start_owed = false;
		break;
	case OM_FRAME_FENCED:
		control = remote->fenced ? 0 : OM_CONTROL_FENCED;
		remote->fenced = true;
		remote->connection = 0;
		pthread_cond_broadcast(&remote->changed);
		break;
	case OM_FRAME_ANSWER:
		thread = om_remote_thread_of(remote, frame->slot);
		if (!thread)
			break;
		result = om_remote_take_answer(thread, frame->seq, payload, frame->bytes);
		due = !thread->quiesced && (thread->finished || thread->state->phase != OM_PHASE_SENT) && thread->owed;
		break;
	case OM_FRAME_SIGNAL:
		result = take_signal_frame(remote, frame, payload, &signal, &has_signal, &notification);
		break;
	case OM_FRAME_CONTROL:
		control = frame->seq;
		if (control == OM_CONTROL_GONE) {
			remote->gone = true;
			pthread_cond_broadcast(&remote->changed);
		}
		break;
	case OM_FRAME_REPLY:
		result = take_reply(remote, frame->seq, payload, frame->bytes);
		break;
	default:
		result = -EPROTO;
	}
	pthread_mutex_unlock(&remote->lock);
	if (begins)
		begin_again(remote);
	if (start_due)
		om_remote_tell_due(remote, 0);
	if (due)
		tell_owed(remote, frame->kind == OM_FRAME_ANSWER ? frame->slot : OM_EVERY_THREAD);
	if (has_signal) {
		if (callbacks->remote_signal)
			callbacks->remote_signal(callbacks->context, remote->key, frame->slot, &signal, notification);
		handed(remote);
	}
	if (control && callbacks->remote_control)
		callbacks->remote_control(callbacks->context, remote->key, control);
	om_remote_put(remote);
	return result;
}

/* Calls `each` for every remote whose home is this peer. */
static void for_peer(struct om_peer *peer, void (*each)(struct om_remote *, uint64_t), uint64_t connection_id)
{
	struct om_engine *engine = peer->engine;
	for (unsigned int i = 0; i < OM_TABLE_BUCKETS; i++) {
		struct om_remote *batch[16];
		unsigned int count = 0, skip = 0;
		do { /* a bucket longer than the batch is walked again behind what is done */
			unsigned int at = 0;
			count = 0;
			pthread_mutex_lock(&engine->lock);
			for (struct om_remote *r = engine->remotes[i]; r && count < 16; r = r->next)
				if (r->home == peer && at++ >= skip) {
					r->references++;
					batch[count++] = r;
				}
			pthread_mutex_unlock(&engine->lock);
			skip += count;
			for (unsigned int k = 0; k < count; k++) {
				each(batch[k], connection_id);
				om_remote_put(batch[k]);
			}
		} while (count == 16);
	}
}

static void say_hello(struct om_remote *remote, uint64_t connection_id)
{
	pthread_mutex_lock(&remote->lock);
	om_remote_hello(remote, connection_id);
	pthread_mutex_unlock(&remote->lock);
}

static void note_down(struct om_remote *remote, uint64_t connection_id)
{
	pthread_mutex_lock(&remote->lock);
	if (remote->connection == connection_id)
		remote->connection = 0;
	pthread_cond_broadcast(&remote->changed);
	pthread_mutex_unlock(&remote->lock);
}

void om_remote_link_up(struct om_peer *peer, struct om_connection *c)
{
	for_peer(peer, say_hello, c->id);
}

void om_remote_link_down(struct om_peer *peer, uint64_t connection_id)
{
	for_peer(peer, note_down, connection_id);
}

/* ---- what the warden calls -------------------------------------------------------------------------------------- */

static void set_listener_flags(int listener)
{
	/* Linux 6.6; older ones answer EINVAL and are only slower. */
	ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
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
	remote->area = options->area;
	remote->slots = options->slots;
	pthread_mutex_init(&remote->lock, NULL);
	pthread_condattr_t attributes;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&remote->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	remote->pidfd = fcntl(options->pidfd, F_DUPFD_CLOEXEC, 3);
	remote->listener = fcntl(options->listener, F_DUPFD_CLOEXEC, 3);
	remote->wake = eventfd(0, EFD_CLOEXEC);
	int error = remote->pidfd < 0 || remote->listener < 0 || remote->wake < 0 ? -errno : 0;
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
	set_listener_flags(remote->listener);
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
	while (!remote->connection && !remote->fenced && !remote->closed && result != ETIMEDOUT)
		result = pthread_cond_timedwait(&remote->changed, &remote->lock, &until);
	result = remote->fenced ? -ESTALE : remote->closed ? -ECANCELED : remote->connection ? 0 : -ETIMEDOUT;
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
	uint64_t one = 1;
	pthread_mutex_lock(&engine->lock);
	struct om_remote **at = bucket(engine, remote->key);
	while (*at != remote)
		at = &(*at)->next;
	*at = remote->next;
	pthread_mutex_unlock(&engine->lock);

	pthread_mutex_lock(&remote->lock);
	remote->closed = true;
	bool wanting = remote->wanting, receiving = remote->receiving;
	pthread_cond_broadcast(&remote->changed);
	pthread_mutex_unlock(&remote->lock);
	if (write(remote->wake, &one, sizeof(one)) < 0)
		abort(); /* an eventfd's counter cannot be full here */
	om_peer_kick(remote->home);
	if (receiving && pthread_equal(remote->receiver, pthread_self()))
		pthread_detach(remote->receiver);
	else if (receiving)
		pthread_join(remote->receiver, NULL);
	if (wanting)
		om_peer_want(remote->home, -1);
	om_remote_put(remote);
	om_remote_put(remote);
}
