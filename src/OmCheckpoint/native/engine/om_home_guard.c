/* SPDX-License-Identifier: MIT
 *
 * Files of which the body has the data, because it has them mapped: home's own are as old as the move. A call that
 * means the data of one, or gives it to somebody else, is held until the body is at home, where it issues it again.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "om_argument.h"
#include "om_home.h"

int om_home_guard(om_home *home, const struct om_file_id *files, uint32_t count)
{
	struct om_file_id *copy = NULL;
	if (count && !(copy = calloc(count, sizeof(*copy))))
		return -ENOMEM;
	if (count)
		memcpy(copy, files, count * sizeof(*copy));
	om_home_enter(home);
	free(home->guarded);
	home->guarded = copy;
	home->guarded_count = count;
	om_home_leave(home);
	return 0;
}

static bool is_guarded(const struct om_home_thread *thread, int32_t descriptor)
{
	const struct om_home *home = thread->home;
	char path[64];
	struct stat st;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/fd/%d", home->pid, thread->state->tid, descriptor);
	if (descriptor < 0 || stat(path, &st))
		return false;
	for (uint32_t i = 0; i < home->guarded_count; i++)
		if (home->guarded[i].device == st.st_dev && home->guarded[i].inode == st.st_ino)
			return true;
	return false;
}

/* unix(7), SCM_RIGHTS. The control data has been checked to lie inside the slot; what is in it is the body's. */
static bool gives_guarded(const struct om_home_thread *thread, const struct om_placed_segment *control)
{
	const uint8_t *at = thread->data + control->offset, *end = at + control->bytes;
	struct cmsghdr head;
	for (; (size_t)(end - at) >= sizeof(head); at += CMSG_ALIGN(head.cmsg_len)) {
		memcpy(&head, at, sizeof(head));
		if (head.cmsg_len < sizeof(head) || head.cmsg_len > (size_t)(end - at))
			return false; /* EINVAL, says the kernel */
		if (head.cmsg_level == SOL_SOCKET && head.cmsg_type == SCM_RIGHTS)
			for (size_t i = sizeof(head); i + sizeof(int32_t) <= head.cmsg_len; i += sizeof(int32_t))
				if (is_guarded(thread, (int32_t)om_get32(at + i)))
					return true;
		if (CMSG_ALIGN(head.cmsg_len) > (size_t)(end - at))
			return false;
	}
	return false;
}

bool om_home_meets_guard(const struct om_home_thread *thread)
{
	const struct om_placed *placed = thread->placed;
	const struct om_argument *arguments = om_syscall_arguments(placed->syscall);
	if (!thread->home->guarded_count)
		return false;
	for (uint32_t i = 0; i < placed->syscall->argument_count; i++)
		if (arguments[i].kind == OM_ARGUMENT_FILE && is_guarded(thread, (int32_t)placed->args[i]))
			return true;
	for (uint32_t i = 0; i < placed->count; i++)
		if (placed->segments[i].role == OM_PLACED_CONTROL && placed->segments[i].flags & OM_SEGMENT_IN &&
		    gives_guarded(thread, &placed->segments[i]))
			return true;
	return false;
}
