/* SPDX-License-Identifier: MIT
 *
 * Relative timeouts: a call that is sent again waits only for what is left. What the body gave and the kernel would
 * refuse is passed on as it is, for the kernel at home to refuse.
 */
#include "om_marshal_private.h"

#define NS_A_SECOND 1000000000ull
#define NS_A_MS     1000000ull

void om_time_stage(struct om_marshal *m)
{
	struct om_marshal_private *p = m->priv;
	uint32_t k = m->syscall->timeout_argument, unit = m->syscall->timeout_kind == OM_TIMEOUT_TIMEVAL ? 1000 : 1;
	uint64_t seconds, fraction;

	p->timed = false;
	p->retimed = false;
	switch (m->syscall->timeout_kind) {
	case OM_TIMEOUT_NONE:
		return;
	case OM_TIMEOUT_MS:
		p->timed = (int32_t)m->args[k] >= 0;
		p->timeout_ns = (uint64_t)(uint32_t)m->args[k] * NS_A_MS;
		return;
	default:
		for (uint32_t s = 0; s < p->count; s++) {
			if (p->role[s] != OM_ROLE_MEMORY || p->argument[s] != k)
				continue;
			seconds = om_get64(om_stage_data(p, (int)s));
			fraction = om_get64(om_stage_data(p, (int)s) + 8);
			if (fraction >= NS_A_SECOND / unit || seconds > UINT32_MAX)
				return;
			p->timed = true;
			p->time_segment = s;
			p->timeout_ns = seconds * NS_A_SECOND + fraction * unit;
		}
	}
}

static void put_time(const struct om_marshal *m, uint64_t ns, uint8_t *pair)
{
	uint64_t unit = m->syscall->timeout_kind == OM_TIMEOUT_TIMEVAL ? 1000 : 1;

	om_put64(pair, ns / NS_A_SECOND);
	om_put64(pair + 8, ns % NS_A_SECOND / unit);
}

bool om_marshal_remaining(const struct om_marshal *m, uint64_t elapsed_ns, uint64_t *remaining_ns)
{
	const struct om_marshal_private *p = m->priv;

	if (!p->timed || p->question != OM_QUESTION_NONE)
		return false;
	*remaining_ns = elapsed_ns < p->timeout_ns ? p->timeout_ns - elapsed_ns : 0;
	return true;
}

void om_time_reduce(struct om_marshal *m, uint64_t elapsed_ns)
{
	struct om_marshal_private *p = m->priv;
	uint64_t left;

	if (!om_marshal_remaining(m, elapsed_ns, &left))
		return;
	p->timeout_ns = left;
	p->retimed = true;
	if (m->syscall->timeout_kind == OM_TIMEOUT_MS)
		om_put64(m->request + offsetof(struct om_request, args) + m->syscall->timeout_argument * 8,
			 (left + NS_A_MS - 1) / NS_A_MS);
	else
		put_time(m, left, om_stage_data(p, (int)p->time_segment));
}

void om_time_write_back(struct om_marshal *m, uint64_t elapsed_ns)
{
	struct om_marshal_private *p = m->priv;
	uint8_t flags = p->arguments[m->syscall->timeout_argument].flags, pair[16];
	uint64_t left;

	if (m->syscall->timeout_kind < OM_TIMEOUT_TIMESPEC || !(flags & OM_ARGUMENT_ALWAYS) ||
	    !om_marshal_remaining(m, elapsed_ns, &left))
		return;
	put_time(m, left, pair);
	/* The kernel does not mind, either, when this cannot be written. */
	om_body_write(&p->body, m->args[m->syscall->timeout_argument], pair, sizeof(pair));
}
