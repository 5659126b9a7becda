/* SPDX-License-Identifier: MIT
 *
 * The engine itself: what it is made of, in which order it is opened and closed, and the tables in which a process is
 * found by its key.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/random.h>

#include "om_internal.h"

#define STACK_BYTES (1u << 20)

int om_thread_create(pthread_t *thread, const char *name, void *(*run)(void *), void *argument)
{
	static const int ours[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGTERM, SIGCHLD, SIGCONT, SIGTSTP,
				   SIGTTIN, SIGTTOU, SIGALRM, SIGPIPE, SIGUSR1, SIGUSR2, SIGWINCH};
	sigset_t set, before;
	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		sigaddset(&set, ours[i]);
	pthread_attr_t attributes;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_BYTES);
	pthread_sigmask(SIG_BLOCK, &set, &before);
	int error = pthread_create(thread, &attributes, run, argument);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	if (!error)
		pthread_setname_np(*thread, name);
	return -error;
}

void om_engine_link_state(struct om_engine *engine, const char *node, bool up, const char *why)
{
	if (engine->callbacks.link_state)
		engine->callbacks.link_state(engine->callbacks.context, node, up, why);
}

int om_engine_open(const struct om_engine_options *options, om_engine **result)
{
	char why[256] = "";
	if (!options->node || !options->node[0] || strlen(options->node) >= OM_NODE_ID_BYTES)
		return -EINVAL;
	struct om_engine *engine = calloc(1, sizeof(*engine));
	if (!engine)
		return -ENOMEM;
	snprintf(engine->node, sizeof(engine->node), "%s", options->node);
	engine->callbacks = options->callbacks;
	pthread_mutex_init(&engine->lock, NULL);
	int error = getrandom(&engine->instance, sizeof(engine->instance), 0) < 0 ? -errno : 0;
	if (!error)
		error = om_tls_open(options, &engine->tls, why, sizeof(why));
	if (!error)
		error = om_watch_open(engine, &engine->watch);
	if (!error)
		error = om_listener_open(engine, options->listen_address, options->listen_port, &engine->listener,
					 &engine->port);
	if (error) {
		if (why[0])
			om_engine_link_state(engine, engine->node, false, why);
		om_engine_close(engine);
		return error;
	}
	*result = engine;
	return 0;
}

/* Every process has been closed by its owner before. */
void om_engine_close(om_engine *engine)
{
	if (engine->listener)
		om_listener_close(engine->listener);
	if (engine->watch)
		om_watch_close(engine->watch);
	for (struct om_peer *peer = engine->peers; peer; peer = peer->next)
		om_peer_stop(peer);
	while (engine->peers) {
		struct om_peer *peer = engine->peers;
		engine->peers = peer->next;
		om_peer_free(peer);
	}
	om_home_forget_parked(engine);
	SSL_CTX_free(engine->tls);
	pthread_mutex_destroy(&engine->lock);
	free(engine);
}

int om_engine_port(const om_engine *engine)
{
	return engine->port;
}

int om_engine_peer(om_engine *engine, const char *node, const char *address, uint16_t port)
{
	if (strlen(address) >= sizeof(((struct om_peer *)0)->address) || !port || !strcmp(node, engine->node))
		return -EINVAL;
	struct om_peer *peer = om_peer_find(engine, node, true);
	if (!peer)
		return -ENOMEM;
	int error = om_peer_start(peer);
	if (error)
		return error;
	pthread_mutex_lock(&peer->lock);
	snprintf(peer->address, sizeof(peer->address), "%s", address);
	peer->port = port;
	pthread_mutex_unlock(&peer->lock);
	om_peer_wake(peer);
	return 0;
}
