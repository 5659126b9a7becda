/* SPDX-License-Identifier: MIT
 *
 * The memory of the body, seen from the engine: process_vm_readv and process_vm_writev (they keep to the protection of
 * its pages, which /proc/PID/mem does not). The agent area is as good as not mapped. Counts are bytes done before the
 * first that could not be; -ESRCH: it is gone.
 */
#ifndef OM_BODY_H
#define OM_BODY_H

#include <stdint.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

struct om_body {
	int32_t pid;
	uint64_t area, area_end;
};

ssize_t om_body_read(const struct om_body *body, uint64_t address, void *data, size_t bytes);
ssize_t om_body_write(const struct om_body *body, uint64_t address, const void *data, size_t bytes);
/* Both arrays have the same lengths, entry by entry. At most OM_BODY_VECTOR entries are moved in one system call; more
 * are allowed. */
#define OM_BODY_VECTOR 1024u
ssize_t om_body_readv(const struct om_body *body, const struct iovec *local, struct iovec *remote, size_t count);
ssize_t om_body_writev(const struct om_body *body, const struct iovec *local, struct iovec *remote, size_t count);

#endif
