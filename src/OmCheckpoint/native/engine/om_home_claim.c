/* SPDX-License-Identifier: MIT
 *
 * Who may be the body of a process of home. The epoch is decided here and nowhere else: the node that om_home_expect
 * named and that presents the newest epoch is the body; its first HELLO is the Commit of the move. A HELLO that comes
 * before its home is open waits while a warden that has just been restarted has not opened all it was left
 * (om_engine_homes_known).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "om_home.h"

#define PARKED_MAX 4096u

static int send_gone(struct om_peer *peer, uint64_t connection, uint64_t key, uint32_t epoch)
{
	struct om_frame frame = om_frame_of(OM_FRAME_CONTROL, key, epoch, OM_CONTROL_GONE, 0);
	return om_peer_send(peer, connection, &frame, NULL);
}

void om_home_send_fenced(struct om_peer *peer, uint64_t connection, uint64_t key, uint32_t epoch)
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

void om_home_bind(struct om_home *home, struct om_peer *peer, uint64_t connection, uint32_t epoch, bool *claimed)
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
			return om_home_send_fenced(peer, connection, home->key, epoch);
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
		om_home_send_fenced(home->fenced_peer, home->fenced_connection, home->key, home->fenced_epoch);
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

void om_home_tell_claimed(struct om_home *home, uint32_t epoch)
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
	*home = om_home_get_locked(engine, frame->key);
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
void om_home_unpark_locked(struct om_engine *engine, struct om_home *home)
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

int om_home_take_hello(struct om_peer *peer, struct om_connection *c, const struct om_frame *frame)
{
	struct om_home *home;
	bool claimed;
	int result = park(peer, c, frame, &home);
	if (!home)
		return result;
	pthread_mutex_lock(&home->lock);
	om_home_bind(home, peer, c->id, frame->epoch, &claimed);
	pthread_mutex_unlock(&home->lock);
	if (claimed)
		om_home_tell_claimed(home, frame->epoch);
	om_home_put(home);
	return 0;
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
		om_home_bind(home, peer, home->hello_connection, home->hello_epoch, &claimed);
	}
	pthread_mutex_unlock(&home->lock);
	if (claimed)
		om_home_tell_claimed(home, epoch);
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
