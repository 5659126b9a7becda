/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>
#include <linux/seccomp.h>

#include "callbacks.h"

static void on_claimed(void *context, uint64_t key, uint32_t epoch)
{
	struct world *w = context;
	*(key == FORKED_KEY ? &w->forked.claimed : &w->claimed) = epoch;
}

static void on_gone(void *context, uint64_t key)
{
	struct world *w = context;
	*(key == FORKED_KEY ? &w->forked.deputy_gone : &w->deputy_gone) = 1;
}

static void on_ask(void *context, uint64_t key, uint64_t call, uint32_t kind, const void *request, uint32_t bytes)
{
	struct world *w = context;
	char reply[64];
	int n = snprintf(reply, sizeof(reply), "%u:%.*s", kind, (int)bytes, (const char *)request);
	om_home_reply(w->home, call, reply, (uint32_t)n);
}

/* rt_sigaction, exit...: here there is nothing to conduct. */
static void on_structural(void *context, uint64_t key, const struct om_structural *call)
{
	struct world *w = context;
	om_remote *remote = key == FORKED_KEY ? w->forked.remote : w->remote;
	if (w->keeps_calls && key == KEY) {
		pthread_mutex_lock(&w->lock);
		w->structural = w->structural_of[call->slot] = *call;
		w->handed_out_of[call->slot]++;
		pthread_mutex_unlock(&w->lock);
		world_add(w, &w->handed_out);
		return;
	}
	om_remote_conduct(remote, call->notification);
	om_remote_answer(remote, call->notification, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
}

static void on_signal(void *context, uint64_t key, uint32_t slot, const struct om_signal *signal, uint64_t notification)
{
	struct world *w = context;
	struct mail *mail = &w->mail[slot];
	if (key == FORKED_KEY) { /* is the test's affair */
		world_add(w, &w->forked.signals);
		return;
	}
	pthread_mutex_lock(&w->lock);
	mail->signals[mail->queued++ % 256] = *signal;
	mail->wanted = true;
	w->queued++;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
	if (!w->holds_tracer)
		world_wake_tracer(w);
}

static void on_due(void *context, uint64_t key, uint32_t slot)
{
	struct world *w = context;
	if (key == FORKED_KEY)
		return;
	pthread_mutex_lock(&w->lock);
	w->mail[slot].wanted = true;
	pthread_mutex_unlock(&w->lock);
	world_add(w, &w->due);
	if (!w->holds_tracer)
		world_wake_tracer(w);
}

static void on_guarded(void *context, uint64_t key, int32_t number)
{
	struct world *w = context;
	(void)number;
	if (key == KEY)
		world_add(w, &w->guarded);
}

static void on_control(void *context, uint64_t key, uint32_t what)
{
	struct world *w = context;
	(key == FORKED_KEY ? w->forked.control : w->control)[what % 8]++;
}

static void on_link(void *context, const char *node, bool up, const char *why)
{
	struct world *w = context;
	pthread_mutex_lock(&w->lock);
	size_t used = strlen(w->log);
	snprintf(w->log + used, sizeof(w->log) - used, "%s %s: %s\n", node, up ? "up" : "down", why);
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
}

struct om_callbacks world_callbacks(struct world *w)
{
	return (struct om_callbacks){
		.context = w,
		.home_claimed = on_claimed,
		.home_deputy_gone = on_gone,
		.home_structural = on_ask,
		.home_guarded = on_guarded,
		.remote_structural = on_structural,
		.remote_signal = on_signal,
		.remote_due = on_due,
		.remote_control = on_control,
		.link_state = on_link,
	};
}
