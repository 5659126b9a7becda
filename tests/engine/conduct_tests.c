/* SPDX-License-Identifier: MIT
 *
 * Calls that are handed out to be conducted, and a body that is stopped meanwhile: whose they are decides whether they
 * are taken back.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

#include "tests.h"
#include "tracer.h"

struct kernel_action {
	uint64_t handler, flags, restorer, mask;
};

/* Each call's answer says what became of the one before. */
static void actions_body(struct shared *s)
{
	const struct kernel_action ignore = {.handler = (uint64_t)(uintptr_t)SIG_IGN};
	struct kernel_action before = {.handler = 1};
	EXPECT(syscall(SYS_rt_sigaction, SIGUSR1, &ignore, &before, 8) == 0);
	EXPECT(before.handler == (uint64_t)(uintptr_t)SIG_DFL);
	EXPECT(syscall(SYS_rt_sigaction, SIGUSR1, NULL, &before, 8) == 0);
	EXPECT(before.handler == (uint64_t)(uintptr_t)SIG_IGN);
}

static bool same_call(const struct om_structural *a, const struct om_structural *b)
{
	return a->number == b->number && !memcmp(a->args, b->args, sizeof(a->args)) &&
	       a->instruction_pointer == b->instruction_pointer && a->tid == b->tid;
}

static bool let_run(struct world *w, const struct om_structural *call)
{
	return om_remote_answer(w->remote, call->notification, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE) == 0;
}

static bool conduct(struct world *w, const struct om_structural *call)
{
	return om_remote_conduct(w->remote, call->notification) == 0 && let_run(w, call);
}

static struct world *with_first_call(const char *dir, struct om_structural *first)
{
	struct world *w = world_prepare(dir, actions_body);
	w->keeps_calls = true;
	om_home_expect(w->home, "pc2", 1, false, 0);
	world_start(w);
	world_await(w, &w->handed_out, 1);
	*first = w->structural;
	return w;
}

/* The body's last calls: the second rt_sigaction, exit_group. */
static bool finish(struct world *w, unsigned int handed_out)
{
	bool good = true;
	CHECK(world_await(w, &w->handed_out, handed_out + 1) && w->structural.args[1] == 0);
	CHECK(good && conduct(w, &w->structural));
	CHECK(good && world_await(w, &w->handed_out, handed_out + 2) && w->structural.number == SYS_exit_group);
	CHECK(good && conduct(w, &w->structural));
	if (!good)
		kill(w->body, SIGKILL);
	world_wait_body(w);
	CHECK(w->handed_out == handed_out + 2);
	return world_close(w) && good;
}

static bool handed_out_is_taken_back(const char *dir)
{
	struct om_structural first;
	bool good = true;
	struct world *w = with_first_call(dir, &first);
	CHECK(first.number == SYS_rt_sigaction && first.args[0] == SIGUSR1);
	CHECK(tracer_seize(w));
	CHECK(tracer_quiesce(w, OM_QUIESCE_HERE, 10000) == 1);
	CHECK(om_remote_conduct(w->remote, first.notification) == -ENOENT);
	CHECK(om_remote_answer(w->remote, first.notification, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE) == -ENOENT);
	CHECK(tracer_await(w));
	CHECK(w->handed_out == 1); /* it stands still: nothing can come before it is let go */
	tracer_let_go(w);
	CHECK(world_await(w, &w->handed_out, 2));
	CHECK(same_call(&w->structural, &first) && w->structural.notification != first.notification);
	CHECK(om_remote_conduct(w->remote, first.notification) == -ENOENT);
	CHECK(conduct(w, &w->structural));
	return finish(w, 2) && good;
}

static bool conducted_is_not_taken_back(const char *dir)
{
	struct om_structural first;
	bool good = true;
	struct world *w = with_first_call(dir, &first);
	CHECK(om_remote_conduct(w->remote, first.notification) == 0);
	CHECK(tracer_seize(w));
	CHECK(tracer_quiesce(w, OM_QUIESCE_HERE, 10000) >= 0);
	CHECK(let_run(w, &first));
	CHECK(tracer_await(w));
	tracer_let_go(w);
	return finish(w, 1) && good;
}

static bool postponed_is_taken_back(const char *dir)
{
	struct om_structural first;
	bool good = true;
	struct world *w = with_first_call(dir, &first);
	CHECK(om_remote_conduct(w->remote, first.notification) == 0);
	om_remote_postpone(w->remote, first.notification);
	CHECK(!let_run(w, &first));
	CHECK(tracer_stop(w, OM_QUIESCE_MOVE, 10000) == 1);
	CHECK(world_await(w, &w->handed_out, 2));
	CHECK(om_remote_conduct(w->remote, first.notification) == -ENOENT);
	CHECK(same_call(&w->structural, &first));
	CHECK(conduct(w, &w->structural));
	return finish(w, 2) && good;
}

const struct test conduct_tests[] = {
	{"handed_out_is_taken_back", handed_out_is_taken_back},
	{"conducted_is_not_taken_back", conducted_is_not_taken_back},
	{"postponed_is_taken_back", postponed_is_taken_back},
	{0},
};
