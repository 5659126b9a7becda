/* SPDX-License-Identifier: MIT
 *
 * What <linux/seccomp.h> of an older distribution does not know yet.
 */
#ifndef OM_SECCOMP_H
#define OM_SECCOMP_H

#include <linux/seccomp.h>

#ifndef SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP /* Linux 6.6 */
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS      SECCOMP_IOW(4, __u64)
#endif

#endif
