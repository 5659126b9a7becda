/* SPDX-License-Identifier: MIT
 *
 * Supervision, as systemd would do it for the units in deploy/systemd: Type=notify, Restart=, KillMode=process,
 * FileDescriptorStoreMax=, a limit to failed starts. omwarden first; openmosixd once it is ready. What a service leaves
 * running when it ends stays.
 */
#define _GNU_SOURCE
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define RESTART_MS     100
#define TIMEOUT_MS     90000 /* DefaultTimeoutStartSec, DefaultTimeoutStopSec */
#define START_LIMIT    5
#define FIRST_STORE_FD 3 /* SD_LISTEN_FDS_START */

struct service services[MAX_SERVICES] = {
	{.name = "omwarden", .leaf = -1, .files = 1048576, .always = true},
	{.name = "openmosixd", .leaf = -1, .files = 65536, .after = &services[0]},
};

static void arm(struct service *service, long ms)
{
	struct itimerspec when = {.it_value = {ms / 1000, ms % 1000 * 1000000}};

	timerfd_settime(service->timer, 0, &when, NULL);
}

const char *service_state_name(const struct service *service)
{
	static const char *const names[] = {"dead", "waiting", "starting", "ready", "stopping", "restarting"};

	return names[service->state];
}

struct service *service_named(const char *name)
{
	for (int i = 0; i < MAX_SERVICES; i++)
		if (!strcmp(services[i].name, name))
			return &services[i];
	return NULL;
}

struct service *service_of_pid(pid_t pid)
{
	for (int i = 0; i < MAX_SERVICES; i++)
		if (pid > 0 && services[i].pid == pid)
			return &services[i];
	return NULL;
}

/* Before the mounts hide the host's paths. */
int services_open(void)
{
	char path[4096];

	for (int i = 0; i < MAX_SERVICES; i++) {
		struct service *service = &services[i];

		service->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
		snprintf(path, sizeof(path), "%s/log/%s.log", config.state, service->name);
		service->log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
		if (service->timer < 0 || service->log < 0) {
			say("%s: %s", path, strerror(errno));
			return -1;
		}
		loop_watch(WATCH_TIMER, service->timer, EPOLLIN);
		if (!config.unified)
			continue;
		snprintf(path, sizeof(path), "%s/%s.service", config.unified, service->name);
		mkdir(path, 0755);
		strcat(path, "/cgroup.procs");
		service->leaf = open(path, O_WRONLY | O_CLOEXEC);
		if (service->leaf < 0) {
			say("%s: %s", path, strerror(errno));
			return -1;
		}
	}
	return 0;
}

/* In the child: the stored fds to 3, 4, ..., everything else closed, and the variables of sd_listen_fds(3). */
static void pass_stored(const struct service *service)
{
	int count = service->stored_count;
	char number[16];

	if (count) {
		char *names = calloc((size_t)count, MAX_FD_NAME + 1);
		int *high = calloc((size_t)count, sizeof(int));
		for (int i = 0; i < count; i++) {
			high[i] = fcntl(service->stored[i].fd, F_DUPFD, FIRST_STORE_FD + count);
			strcat(names, i ? ":" : "");
			strcat(names, service->stored[i].name);
		}
		for (int i = 0; i < count; i++)
			dup2(high[i], FIRST_STORE_FD + i);
		snprintf(number, sizeof(number), "%d", count);
		setenv("LISTEN_FDS", number, 1);
		setenv("LISTEN_FDNAMES", names, 1);
		snprintf(number, sizeof(number), "%d", getpid());
		setenv("LISTEN_PID", number, 1);
	}
	close_range((unsigned)(FIRST_STORE_FD + count), ~0u, 0);
}

/* As the units in deploy/systemd say it. The diagnostics' sockets in /tmp would also outlive a node that is killed. */
static void set_environment(void)
{
	setenv("DOTNET_EnableWriteXorExecute", "0", 1);
	setenv("DOTNET_TieredPGO", "0", 1);
	setenv("DOTNET_gcConcurrent", "0", 1);
	setenv("DOTNET_EnableDiagnostics", "0", 1);
	setenv("HOME", "/root", 1);
	setenv("LANG", "C.UTF-8", 1);
	setenv("NOTIFY_SOCKET", NOTIFY_PATH, 1);
	if (config.dotnet_root)
		setenv("DOTNET_ROOT", config.dotnet_root, 1);
}

/* NAME=VALUE lines of /etc/openmosix/SERVICE.env, as EnvironmentFile= of a drop-in would take them. */
static void read_environment_file(const struct service *service)
{
	char path[256], line[4096];

	snprintf(path, sizeof(path), "/etc/openmosix/%s.env", service->name);
	FILE *file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = 0;
		if (strchr(line, '='))
			putenv(strdup(line));
	}
	if (file)
		fclose(file);
}

static void become(const struct service *service)
{
	struct rlimit files;
	char path[4096];
	sigset_t none;

	setsid();
	if (service->leaf >= 0)
		(void)!write(service->leaf, "0", 1);
	dup2(service->log, STDOUT_FILENO);
	dup2(service->log, STDERR_FILENO);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	(void)!chdir("/");
	umask(077);
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = service->files < files.rlim_max ? service->files : files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	clearenv();
	snprintf(path, sizeof(path), "%s:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", config.bin);
	setenv("PATH", path, 1);
	set_environment();
	read_environment_file(service);
	pass_stored(service);
	snprintf(path, sizeof(path), "%s/%s", config.bin, service->name);
	execl(path, service->name, (char *)NULL);
	say_to(STDERR_FILENO, "cannot execute %s: %s", path, strerror(errno));
	_exit(203); /* systemd's EXIT_EXEC */
}

void service_start(struct service *service)
{
	if (service->pid || service->state == SERVICE_STARTING || service->state == SERVICE_READY)
		return;
	if (service->after && service->after->state != SERVICE_READY) {
		service->state = SERVICE_WAITING;
		return;
	}
	pid_t pid = fork();
	if (pid == 0)
		become(service);
	if (pid < 0) {
		say("fork: %s", strerror(errno));
		service->state = SERVICE_DEAD;
		control_service_changed(service, "fork failed");
		return;
	}
	service->pid = pid;
	service->again = false;
	service->state = SERVICE_STARTING;
	service->status[0] = 0;
	arm(service, TIMEOUT_MS);
	say_to(service->log, "%s started, pid %d, %d stored fds", service->name, pid, service->stored_count);
}

void service_became_ready(struct service *service)
{
	if (service->state != SERVICE_STARTING)
		return;
	service->state = SERVICE_READY;
	service->failures = 0;
	arm(service, 0);
	say_to(service->log, "%s is ready", service->name);
	for (int i = 0; i < MAX_SERVICES; i++)
		if (services[i].after == service && services[i].state == SERVICE_WAITING)
			service_start(&services[i]);
	control_service_changed(service, NULL);
}

void service_stop(struct service *service, bool again, int signal)
{
	if (!service->pid) {
		service->state = SERVICE_DEAD;
		if (again) {
			service_start(service);
		} else {
			store_clear(service);
			control_service_changed(service, NULL);
		}
		return;
	}
	service->again = again;
	service->state = SERVICE_STOPPING;
	arm(service, TIMEOUT_MS);
	kill(service->pid, signal);
}

static void describe(int status, char *text, size_t size)
{
	if (WIFSIGNALED(status))
		snprintf(text, size, "was killed by SIG%s", sigabbrev_np(WTERMSIG(status)));
	else
		snprintf(text, size, "exited with status %d", WEXITSTATUS(status));
}

void service_exited(pid_t pid, int status)
{
	struct service *service = service_of_pid(pid);
	char how[64];

	if (!service)
		return; /* an orphan of the node, reaped */
	describe(status, how, sizeof(how));
	say_to(service->log, "%s (pid %d) %s", service->name, pid, how);
	service->pid = 0;
	arm(service, 0);
	bool asked = service->state == SERVICE_STOPPING;
	bool unready = service->state == SERVICE_STARTING;
	service->state = SERVICE_DEAD;
	if (asked && !service->again) {
		store_clear(service); /* FileDescriptorStorePreserve=restart */
		control_service_changed(service, NULL);
	} else if (asked) {
		service->restarts++;
		service_start(service);
	} else {
		if (unready)
			control_service_changed(service, how);
		if ((status == 0 && !service->always) || ++service->failures > START_LIMIT) {
			say_to(service->log, "%s is not started again", service->name);
			store_clear(service);
			control_service_changed(service, how);
			return;
		}
		service->restarts++;
		service->state = SERVICE_RESTARTING;
		arm(service, RESTART_MS);
	}
}

void service_timer(struct service *service)
{
	if (service->state == SERVICE_RESTARTING) {
		service_start(service);
	} else if (service->pid) {
		say_to(service->log, "%s timed out while %s", service->name, service_state_name(service));
		kill(service->pid, SIGKILL);
	}
}
