/* Stopping a process, reading and writing it. */
#include "om_probe.h"
#include "probe_child.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef PTRACE_GET_RSEQ_CONFIGURATION
#define PTRACE_GET_RSEQ_CONFIGURATION 0x420f
#endif

static int seize_and_stop(pid_t pid)
{
	if (ptrace(PTRACE_SEIZE, pid, 0, 0) || ptrace(PTRACE_INTERRUPT, pid, 0, 0))
		return -errno;
	int status;
	while (waitpid(pid, &status, __WALL) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFSTOPPED(status) ? 0 : -ESRCH;
}

int om_probe_ptrace(uint64_t *xsave_bytes)
{
	static char xsave[65536];
	pid_t pid = probe_sleeper();
	if (pid < 0)
		return pid;
	int ret = seize_and_stop(pid);
	struct user_regs_struct regs;
	struct iovec general = {&regs, sizeof(regs)}, extended = {xsave, sizeof(xsave)};
	if (!ret && (ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &general) ||
		     ptrace(PTRACE_SETREGSET, pid, NT_PRSTATUS, &general) ||
		     ptrace(PTRACE_GETREGSET, pid, NT_X86_XSTATE, &extended)))
		ret = -errno;
	*xsave_bytes = ret ? 0 : extended.iov_len;
	probe_end(pid);
	return ret;
}

int om_probe_rseq(uint64_t *unused)
{
	char configuration[64];
	pid_t pid = probe_sleeper();
	if (pid < 0)
		return pid;
	int ret = seize_and_stop(pid);
	if (!ret && ptrace(PTRACE_GET_RSEQ_CONFIGURATION, pid, sizeof(configuration), configuration) < 0)
		ret = -errno;
	probe_end(pid);
	return ret;
}

int om_probe_process_vm(uint64_t *unused)
{
	static volatile uint64_t cell = 0x6f70656e6d6f7369;
	uint64_t seen = 0, other = 42, again = 0;
	pid_t pid = probe_sleeper();
	if (pid < 0)
		return pid;
	struct iovec there = {(void *)&cell, sizeof(cell)}, into = {&seen, sizeof(seen)},
		     from = {&other, sizeof(other)}, back = {&again, sizeof(again)};
	int ret = 0;
	if (process_vm_readv(pid, &into, 1, &there, 1, 0) < 0 || process_vm_writev(pid, &from, 1, &there, 1, 0) < 0 ||
	    process_vm_readv(pid, &back, 1, &there, 1, 0) < 0)
		ret = -errno;
	else if (seen != cell || again != other)
		ret = -EIO;
	probe_end(pid);
	return ret;
}

int om_probe_mm_map(uint64_t *unused)
{
	unsigned int bytes = 0;
	return prctl(PR_SET_MM, PR_SET_MM_MAP_SIZE, &bytes, 0, 0) ? -errno : 0;
}

/* Opening through map_files asks for CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN, and for CONFIG_CHECKPOINT_RESTORE
 * before 4.3. */
int om_probe_map_files(uint64_t *unused)
{
	char line[512], path[128] = "";
	unsigned long start, end;
	FILE *maps = fopen("/proc/self/maps", "re");
	if (!maps)
		return -errno;
	while (!path[0] && fgets(line, sizeof(line), maps))
		if (strstr(line, ".so") && sscanf(line, "%lx-%lx", &start, &end) == 2)
			snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx", start, end);
	fclose(maps);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

int om_probe_pidfd(uint64_t *unused)
{
	pid_t pid = probe_sleeper();
	if (pid < 0)
		return pid;
	int ret = 0, taken = -1;
	int fd = syscall(SYS_pidfd_open, pid, 0);
	if (fd < 0 || (taken = syscall(SYS_pidfd_getfd, fd, 0, 0)) < 0 ||
	    syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0))
		ret = -errno;
	struct pollfd ended = {fd, POLLIN, 0};
	if (!ret && poll(&ended, 1, 10000) != 1)
		ret = -EIO;
	if (taken >= 0)
		close(taken);
	if (fd >= 0)
		close(fd);
	probe_end(pid);
	return ret;
}
