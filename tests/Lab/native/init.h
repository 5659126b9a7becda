/* SPDX-License-Identifier: MIT
 *
 * omlab-init: what is shared between its parts. One thread, one epoll loop; everything here is used on it only.
 */
#ifndef OMLAB_INIT_H
#define OMLAB_INIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#define MAX_CGROUPS  16
#define MAX_STORED   16384 /* FileDescriptorStoreMax= of omwarden.service */
#define MAX_FD_NAME  255
#define MAX_SERVICES 2

/* What omlab asked for on the command line. */
struct node_config {
	const char *name;
	const char *state; /* the node's directory on the host: etc/ var/ log/ control hosts */
	const char *bin;   /* where openmosixd and omwarden are */
	const char *cgroups[MAX_CGROUPS];
	int cgroup_count;
	const char *unified;     /* a cgroup v2 directory: processes go into leaves below it */
	const char *dotnet_root; /* where the daemons find .NET, when not in the usual place */
};

enum service_state {
	SERVICE_DEAD,
	SERVICE_WAITING,
	SERVICE_STARTING,
	SERVICE_READY,
	SERVICE_STOPPING,
	SERVICE_RESTARTING
};

struct stored_fd {
	int fd;
	bool watched; /* removed when its peer hangs up, as systemd does unless FDPOLL=0 */
	char name[MAX_FD_NAME + 1];
};

/* One supervised daemon, with the semantics of a Type=notify, KillMode=process unit. */
struct service {
	const char *name;
	struct service *after; /* started only once this one is ready */
	rlim_t files;          /* LimitNOFILE= */
	bool always;           /* Restart=always, else on-failure */
	enum service_state state;
	pid_t pid;
	int timer;  /* timerfd: time to restart, to give up starting, or to give up stopping */
	int log;    /* its stdout and stderr */
	int leaf;   /* cgroup.procs of its own cgroup v2 leaf, or -1 */
	bool again; /* start when it has stopped */
	unsigned restarts;
	unsigned failures; /* in a row, without having been ready in between */
	char status[256];
	struct stored_fd *stored;
	int stored_count;
};

extern struct node_config config;
extern struct service services[MAX_SERVICES];

/* init_mounts.c: on failure says what and returns -1; the caller gives up the whole node. */
int node_mounts(void);

/* init_services.c */
int services_open(void);
void service_start(struct service *service);
void service_stop(struct service *service, bool again, int signal);
void service_became_ready(struct service *service);
void service_exited(pid_t pid, int status);
void service_timer(struct service *service);
struct service *service_named(const char *name);
struct service *service_of_pid(pid_t pid);
const char *service_state_name(const struct service *service);

/* init_store.c: systemd's file descriptor store, imitated. */
void store_add(struct service *service, int fd, const char *name, bool watched);
void store_remove(struct service *service, const char *name);
void store_clear(struct service *service);
void store_hung_up(int fd);

/* init_notify.c: the socket behind $NOTIFY_SOCKET. */
#define NOTIFY_PATH "/run/systemd/notify"
int notify_open(void);
void notify_receive(int socket);

/* control.c: requests from omlab, one packet each; see the file. */
int control_open(const char *path);
void control_accept(int listener);
void control_receive(int client);
void control_service_changed(struct service *service, const char *failure);
/* Answers one request now, or returns false when the answer comes later through control_service_changed. */
bool node_request(char *request, char *reply, size_t size, uint32_t *waits_for);
bool switch_request(char *request, char *reply, size_t size, uint32_t *waits_for);
extern bool (*control_handler)(char *request, char *reply, size_t size, uint32_t *waits_for);

/* loop.c */
enum watch { WATCH_SIGNALS, WATCH_NOTIFY, WATCH_CONTROL, WATCH_CLIENT, WATCH_TIMER, WATCH_STORED };
int loop_open(void);
void loop_watch(enum watch kind, int fd, uint32_t events);
void loop_forget(int fd);
void loop_run(void) __attribute__((noreturn));

/* nft.c: drops frames between pairs of ports of the bridge. 0, or -errno. */
struct port_pair {
	char a[16], b[16];
};
int nft_set_cuts(const struct port_pair *pairs, int count);

void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
void say_to(int fd, const char *format, ...) __attribute__((format(printf, 2, 3)));
#endif
