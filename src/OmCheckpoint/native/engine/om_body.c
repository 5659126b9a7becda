/* SPDX-License-Identifier: MIT */
#include "om_body.h"
#include <errno.h>
#include <stdbool.h>

/* How much of [address, address + bytes) comes before the agent area. */
static size_t outside(const struct om_body *body, uint64_t address, size_t bytes)
{
	if (bytes == 0 || address >= body->area_end || address + bytes <= body->area)
		return address + bytes < address ? 0 : bytes;
	return address < body->area ? body->area - address : 0;
}

static ssize_t move(const struct om_body *body, const struct iovec *local, const struct iovec *remote, size_t count,
		    bool write)
{
	ssize_t done = write ? process_vm_writev(body->pid, local, count, remote, count, 0)
			     : process_vm_readv(body->pid, local, count, remote, count, 0);

	if (done >= 0)
		return done;
	return errno == EFAULT ? 0 : -errno;
}

/* The kernel checks the whole vector before it moves anything: one address out of range fails all. So each vector is
 * cut before an entry that cannot be right, and the last one may be shortened. */
static ssize_t movev(const struct om_body *body, const struct iovec *local, struct iovec *remote, size_t count,
		     bool write)
{
	const uint64_t end_of_user = 0x7ffffffff000ull;
	ssize_t total = 0;

	for (size_t begin = 0; begin < count;) {
		struct iovec last_local, last_remote;
		size_t n = 0, wanted = 0;
		ssize_t done;
		bool cut = false;

		while (begin + n < count && n < OM_BODY_VECTOR && !cut) {
			uint64_t address = (uint64_t)(uintptr_t)remote[begin + n].iov_base;
			size_t whole = local[begin + n].iov_len;
			size_t good = outside(body, address, whole);

			if (whole != 0 && (address >= end_of_user || good > end_of_user - address))
				good = address >= end_of_user ? 0 : end_of_user - address;
			remote[begin + n].iov_len = whole;
			if (good < whole) {
				cut = true;
				last_local = (struct iovec){local[begin + n].iov_base, good};
				last_remote = (struct iovec){remote[begin + n].iov_base, good};
				break;
			}
			wanted += whole;
			n++;
		}
		if (n > 0) {
			done = move(body, local + begin, remote + begin, n, write);
			if (done < 0)
				return done;
			total += done;
			if ((size_t)done < wanted)
				return total;
		}
		if (cut) {
			if (last_local.iov_len == 0)
				return total;
			done = move(body, &last_local, &last_remote, 1, write);
			return done < 0 ? done : total + done;
		}
		begin += n;
	}
	return total;
}

ssize_t om_body_readv(const struct om_body *body, const struct iovec *local, struct iovec *remote, size_t count)
{
	return movev(body, local, remote, count, false);
}

ssize_t om_body_writev(const struct om_body *body, const struct iovec *local, struct iovec *remote, size_t count)
{
	return movev(body, local, remote, count, true);
}

ssize_t om_body_read(const struct om_body *body, uint64_t address, void *data, size_t bytes)
{
	struct iovec local = {data, bytes};
	struct iovec remote = {(void *)(uintptr_t)address, bytes};

	return movev(body, &local, &remote, 1, false);
}

ssize_t om_body_write(const struct om_body *body, uint64_t address, const void *data, size_t bytes)
{
	struct iovec local = {(void *)(uintptr_t)data, bytes};
	struct iovec remote = {(void *)(uintptr_t)address, bytes};

	return movev(body, &local, &remote, 1, true);
}
