/* SPDX-License-Identifier: MIT
 *
 * Sizes that the table writes as numbers, against the kernel's and the C library's structures.
 */
#include <asm/termios.h>
#include <linux/capability.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/kcmp.h>
#include <linux/landlock.h>
#include <linux/loop.h>
#include <linux/serial.h>
#include <linux/sockios.h>
#include <linux/types.h>
#include <linux/vt.h>
#include <mqueue.h>
#include <asm/ioctls.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/times.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <time.h>
#include <utime.h>

#include "engine/om_argument.h"

static int failures, checks;

/* The memory of argument `k`, when argument `selector` is `value`, has `bytes` bytes an element. */
static void is(long number, int selector, uint64_t value, uint32_t k, size_t bytes, int line)
{
	uint64_t args[6] = {1, 1, 1, 1, 1, 1};
	const struct om_syscall *syscall;
	const struct om_argument *argument;

	if (selector >= 0)
		args[selector] = value;
	syscall = om_syscall_of(number, args);
	argument = &om_syscall_arguments(syscall)[k];
	checks++;
	if (k < syscall->argument_count && argument->kind == OM_ARGUMENT_MEMORY && argument->size == bytes)
		return;
	failures++;
	fprintf(stderr, "line %d: %s argument %u: %u, not %zu bytes\n", line, syscall->name, k, argument->size, bytes);
}

#define IS(number, k, type)                    is(number, -1, 0, k, sizeof(type), __LINE__)
#define CASE(number, selector, value, k, type) is(number, selector, value, k, sizeof(type), __LINE__)
#define IOCTL(request, type)                   is(SYS_ioctl, 1, request, 2, sizeof(type), __LINE__)

int main(void)
{
	IS(SYS_stat, 1, struct stat);
	IS(SYS_newfstatat, 2, struct stat);
	IS(SYS_statfs, 1, struct statfs);
	IS(SYS_statx, 4, struct statx);
	IS(SYS_poll, 0, struct pollfd);
	IS(SYS_ppoll, 2, struct timespec);
	IS(SYS_select, 4, struct timeval);
	IS(SYS_epoll_wait, 1, struct epoll_event);
	IS(SYS_epoll_ctl, 3, struct epoll_event);
	IS(SYS_wait4, 3, struct rusage);
	IS(SYS_waitid, 2, siginfo_t);
	IS(SYS_getrusage, 1, struct rusage);
	IS(SYS_times, 0, struct tms);
	IS(SYS_uname, 0, struct utsname);
	IS(SYS_sysinfo, 0, struct sysinfo);
	IS(SYS_getrlimit, 1, struct rlimit);
	IS(SYS_prlimit64, 2, struct rlimit64);
	IS(SYS_semop, 1, struct sembuf);
	IS(SYS_utime, 1, struct utimbuf);
	IS(SYS_utimensat, 2, struct timespec[2]);
	IS(SYS_adjtimex, 0, struct timex);
	IS(SYS_mq_open, 3, struct mq_attr);
	IS(SYS_mq_notify, 1, struct sigevent);
	IS(SYS_timer_create, 1, struct sigevent);
	IS(SYS_timer_settime, 2, struct itimerspec);
	IS(SYS_timerfd_settime, 2, struct itimerspec);
	IS(SYS_capget, 0, struct __user_cap_header_struct);
	IS(SYS_capget, 1, struct __user_cap_data_struct);
	IS(SYS_rt_sigqueueinfo, 2, siginfo_t);
	IS(SYS_sched_setparam, 1, struct sched_param);
	IS(SYS_pipe, 0, int[2]);
	IS(SYS_socketpair, 3, int[2]);
	CASE(SYS_setitimer, 0, ITIMER_REAL, 1, struct itimerval);
	CASE(SYS_fcntl, 1, F_GETLK, 2, struct flock);
	CASE(SYS_fcntl, 1, F_OFD_SETLKW, 2, struct flock);
	CASE(SYS_fcntl, 1, F_GETOWN_EX, 2, struct f_owner_ex);
	CASE(SYS_semctl, 2, IPC_STAT, 3, struct semid_ds);
	CASE(SYS_semctl, 2, IPC_INFO, 3, struct seminfo);
	CASE(SYS_msgctl, 1, IPC_STAT, 2, struct msqid_ds);
	CASE(SYS_msgctl, 1, IPC_INFO, 2, struct msginfo);
	CASE(SYS_shmctl, 1, IPC_STAT, 2, struct shmid_ds);
	CASE(SYS_shmctl, 1, IPC_INFO, 2, struct shminfo);
	CASE(SYS_shmctl, 1, SHM_INFO, 2, struct shm_info);
	CASE(SYS_kcmp, 2, KCMP_EPOLL_TFD, 4, struct kcmp_epoll_slot);
	CASE(SYS_landlock_add_rule, 1, LANDLOCK_RULE_PATH_BENEATH, 2, struct landlock_path_beneath_attr);
	IOCTL(TCGETS, struct termios);
	IOCTL(TCSETSF, struct termios);
	IOCTL(TIOCGWINSZ, struct winsize);
	IOCTL(TIOCGSERIAL, struct serial_struct);
	IOCTL(TIOCGRS485, struct serial_rs485);
	IOCTL(TIOCGICOUNT, struct serial_icounter_struct);
	IOCTL(SIOCGIFFLAGS, struct ifreq);
	IOCTL(SIOCGARP, struct arpreq);
	IOCTL(SIOCGSTAMP_OLD, struct timeval);
	IOCTL(LOOP_GET_STATUS, struct loop_info);
	IOCTL(LOOP_GET_STATUS64, struct loop_info64);
	IOCTL(LOOP_CONFIGURE, struct loop_config);
	IOCTL(VT_GETMODE, struct vt_mode);
	IOCTL(VT_GETSTATE, struct vt_stat);
	checks += 4;
	failures += sizeof(struct msghdr) != OM_MSG_BYTES || sizeof(struct mmsghdr) != OM_MMSG_BYTES;
	failures += offsetof(struct msghdr, msg_control) != OM_MSG_CONTROL ||
		    offsetof(struct msghdr, msg_flags) != OM_MSG_FLAGS;
	failures += offsetof(struct mmsghdr, msg_len) != OM_MMSG_LEN ||
		    offsetof(struct msghdr, msg_controllen) != OM_MSG_CONTROLLEN;
	failures += sizeof(struct sockaddr_storage) != OM_NAME_MAX;
	printf("%d sizes, %d failures\n", checks, failures);
	return failures != 0;
}
