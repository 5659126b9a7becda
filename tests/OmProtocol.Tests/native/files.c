/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <linux/stat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>
#include <utime.h>

#include "harness.h"

static long create(const char *name, const char *text)
{
	long fd = CALL(SYS_openat, AT_FDCWD, name, O_RDWR | O_CREAT | O_TRUNC, 0640);

	if (text)
		note("written %ld", CALL(SYS_write, fd, text, strlen(text)));
	return fd;
}

static void reads_and_writes(void)
{
	char buffer[64] = "untouched untouched untouched untouched untouched";
	long fd = create("file", "the quick brown fox jumps over the lazy dog");

	note("fd %ld", fd);
	note("lseek %ld", CALL(SYS_lseek, fd, 4, SEEK_SET));
	note("read %ld", CALL(SYS_read, fd, buffer, 5));
	note("<%.50s>", buffer);
	after(CALL(SYS_pread64, fd, buffer, 50, 40), "pread %ld <%.50s>", buffer);
	note("pwrite %ld", CALL(SYS_pwrite64, fd, "CAT", 3, 16));
	after(CALL(SYS_pread64, fd, buffer, sizeof(buffer), 0), "pread %ld <%.50s>", buffer);
	note("at end %ld", CALL(SYS_read, fd, buffer, 10) + CALL(SYS_lseek, fd, 0, SEEK_END));
	note("nothing %ld", CALL(SYS_read, fd, buffer, 10));
	note("zero bytes %ld %ld", CALL(SYS_read, fd, buffer, 0), CALL(SYS_write, fd, NULL, 0));
	note("truncate %ld %ld", CALL(SYS_ftruncate, fd, 10), CALL(SYS_lseek, fd, 0, SEEK_END));
	note("truncate by name %ld", CALL(SYS_truncate, "file", 5));
	note("sync %ld %ld", CALL(SYS_fsync, fd), CALL(SYS_fdatasync, fd));
	note("fallocate %ld", CALL(SYS_fallocate, fd, 0, 0, 8192));
	note("negative offset %ld", CALL(SYS_pread64, fd, buffer, 1, -1));
	note("closed %ld %ld", CALL(SYS_close, fd), CALL(SYS_close, fd));
	note("bad fd %ld", CALL(SYS_read, 77, buffer, 4));
}

static void vectors(void)
{
	char a[8] = "aaaaaaa", b[8] = "bbbbbbb", c[8] = "ccccccc";
	struct iovec in[3] = {{"one", 3}, {NULL, 0}, {"twothree", 8}};
	struct iovec out[4] = {{a, 2}, {b, 4}, {(void *)8, 0}, {c, 8}};
	long fd = create("file", NULL);

	note("writev %ld", CALL(SYS_writev, fd, in, 3));
	note("preadv %ld", CALL(SYS_preadv, fd, out, 4, 1, 0));
	note("%.8s %.8s %.8s", a, b, c);
	note("pwritev %ld", CALL(SYS_pwritev, fd, in, 3, 5, 0));
	note("lseek %ld", CALL(SYS_lseek, fd, 0, SEEK_SET));
	note("readv %ld", CALL(SYS_readv, fd, out, 4));
	note("%.8s %.8s %.8s", a, b, c);
	note("preadv2 %ld", CALL(SYS_preadv2, fd, out, 4, -1, 0, 0));
	note("preadv2 nowait %ld", CALL(SYS_preadv2, fd, out, 1, 0, 0, RWF_HIPRI));
	note("pwritev2 append %ld", CALL(SYS_pwritev2, fd, in, 3, 0, 0, RWF_APPEND));
	note("none %ld", CALL(SYS_readv, fd, out, 0));
	note("too many %ld", CALL(SYS_readv, fd, out, 1025));
	note("negative count %ld", CALL(SYS_readv, fd, out, -1));
	out[1].iov_len = (size_t)-5;
	note("negative length %ld", CALL(SYS_readv, fd, out, 4));
	note("no array %ld", CALL(SYS_readv, fd, 16, 3));
	note("no array, null %ld", CALL(SYS_writev, fd, NULL, 3));
	{
		static char bytes[1024];
		struct iovec many[1024];

		for (int i = 0; i < 1024; i++) {
			bytes[i] = (char)i;
			many[i] = (struct iovec){&bytes[i], 1};
		}
		note("many %ld", CALL(SYS_pwritev, fd, many, 1024, 100, 0));
		memset(bytes, 0, sizeof(bytes));
		after(CALL(SYS_preadv, fd, many, 1024, 100, 0), "many %ld %u", sum(bytes, 1024));
	}
}

static void names(void)
{
	char text[4200], *page = guarded(1);
	struct stat st;
	struct statx stx;
	struct statfs sfs;
	struct open_how how = {.flags = O_RDONLY, .resolve = RESOLVE_NO_SYMLINKS};

	create("file", "12345");
	note("mkdir %ld %ld", CALL(SYS_mkdir, "d", 0755), CALL(SYS_mkdirat, AT_FDCWD, "d/e", 0700));
	note("again %ld", CALL(SYS_mkdir, "d", 0755));
	note("link %ld %ld", CALL(SYS_link, "file", "d/hard"),
	     CALL(SYS_linkat, AT_FDCWD, "file", AT_FDCWD, "d/hard2", 0));
	note("symlink %ld %ld", CALL(SYS_symlink, "file", "soft"), CALL(SYS_symlinkat, "../file", AT_FDCWD, "d/soft"));
	memset(text, '#', sizeof(text));
	after(CALL(SYS_readlink, "d/soft", text, sizeof(text)), "readlink %ld %.8s", text);
	memset(text, '#', sizeof(text));
	after(CALL(SYS_readlinkat, AT_FDCWD, "d/soft", text, 3), "readlinkat, short %ld %.8s", text);
	note("readlink, 0 bytes %ld, -1 bytes %ld", CALL(SYS_readlink, "soft", text, 0),
	     CALL(SYS_readlink, "soft", text, -1));
	memset(&st, 7, sizeof(st));
	after(CALL(SYS_stat, "soft", &st), "stat %ld %ld %o %ld", (long)st.st_size, st.st_mode, (long)st.st_nlink);
	after(CALL(SYS_lstat, "soft", &st), "lstat %ld %ld %o", (long)st.st_size, st.st_mode);
	after(CALL(SYS_newfstatat, AT_FDCWD, "d", &st, 0), "newfstatat %ld %o", st.st_mode);
	after(CALL(SYS_stat, "no such file", &st), "fails, nothing written %ld %o", st.st_mode);
	after(CALL(SYS_statx, AT_FDCWD, "file", 0, STATX_BASIC_STATS, &stx), "statx %ld %o %lld", stx.stx_mode,
	      stx.stx_size);
	after(CALL(SYS_statfs, ".", &sfs), "statfs %ld %lx", (long)sfs.f_type);
	note("rename %ld %ld", CALL(SYS_rename, "d/hard", "d/moved"),
	     CALL(SYS_renameat, AT_FDCWD, "d/moved", AT_FDCWD, "d/m2"));
	note("exchange %ld", CALL(SYS_renameat2, AT_FDCWD, "file", AT_FDCWD, "d", RENAME_EXCHANGE));
	note("back %ld", CALL(SYS_renameat2, AT_FDCWD, "file", AT_FDCWD, "d", RENAME_EXCHANGE));
	note("access %ld %ld %ld", CALL(SYS_access, "file", R_OK), CALL(SYS_faccessat, AT_FDCWD, "nope", F_OK),
	     CALL(SYS_faccessat2, AT_FDCWD, "file", F_OK, AT_EACCESS));
	note("chmod %ld %ld", CALL(SYS_chmod, "file", 0600), CALL(SYS_fchmodat, AT_FDCWD, "file", 0604));
	note("chown %ld %ld", CALL(SYS_chown, "file", -1, -1), CALL(SYS_lchown, "soft", -1, -1));
	note("openat2 %ld", CALL(SYS_openat2, AT_FDCWD, "file", &how, sizeof(how)));
	note("openat2 through a link %ld", CALL(SYS_openat2, AT_FDCWD, "soft", &how, sizeof(how)));
	note("openat2, size %ld", CALL(SYS_openat2, AT_FDCWD, "file", &how, 8));
	note("mknod %ld %ld", CALL(SYS_mknod, "fifo", S_IFIFO | 0600, 0),
	     CALL(SYS_mknodat, AT_FDCWD, "fifo", S_IFIFO | 0600, 0));
	note("chdir %ld", CALL(SYS_chdir, "d"));
	memset(text, '#', sizeof(text));
	after(CALL(SYS_getcwd, text, sizeof(text)) > 0, "getcwd %ld %s", text + strlen(text) - 2);
	note("getcwd, short %ld", CALL(SYS_getcwd, text, 4));
	note("unlink %ld %ld %ld", CALL(SYS_unlink, "m2"), CALL(SYS_unlinkat, AT_FDCWD, "e", AT_REMOVEDIR),
	     CALL(SYS_rmdir, "../nope"));

	/* a name that ends with its page, one that never ends, one that is too long */
	strcpy(page + 4096 - 8, "../file");
	note("at the end of a page %ld", CALL(SYS_access, page + 4096 - 8, F_OK));
	page[4095] = 'x';
	note("runs out of the page %ld", CALL(SYS_access, page + 4096 - 8, F_OK));
	memset(text, 'y', sizeof(text));
	note("too long %ld", CALL(SYS_access, text, F_OK));
	text[4095] = 0;
	note("just not too long %ld", CALL(SYS_access, text, F_OK));
	note("empty %ld, null %ld", CALL(SYS_access, "", F_OK), CALL(SYS_access, NULL, F_OK));
}

static void directories(void)
{
	char *buffer = malloc(0x8000);
	long fd, n;
	int names = 0;

	for (int i = 0; i < 300; i++) {
		char name[40];

		snprintf(name, sizeof(name), "entry-with-some-name-%d", i);
		CALL(SYS_close, CALL(SYS_creat, name, 0600));
	}
	fd = CALL(SYS_openat, AT_FDCWD, ".", O_RDONLY | O_DIRECTORY);
	while ((n = CALL(SYS_getdents64, fd, buffer, 0x1000)) > 0)
		for (long at = 0; at < n; at += *(unsigned short *)(buffer + at + 16))
			names++;
	note("%ld %d", n, names);
	CALL(SYS_lseek, fd, 0, SEEK_SET);
	names = 0;
	/* more than any call carries */
	while ((n = CALL(SYS_getdents64, fd, buffer, 0x7000)) > 0)
		for (long at = 0; at < n; at += *(unsigned short *)(buffer + at + 16))
			names++;
	note("%ld %d", n, names);
	note("too small %ld", CALL(SYS_getdents64, fd, buffer, 2));
}

static void times(void)
{
	struct timespec ts[2] = {{1000000000, 5}, {1000000001, 7}};
	struct timeval tv[2] = {{900000000, 5}, {900000001, 7}};
	struct utimbuf ut = {800000000, 800000001};
	struct stat st;
	long fd = create("file", NULL);

	note("utimensat %ld", CALL(SYS_utimensat, AT_FDCWD, "file", ts, 0));
	after(CALL(SYS_fstat, fd, &st), "%ld %ld.%ld", st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
	note("futimens %ld", CALL(SYS_utimensat, fd, NULL, ts, 0));
	note("now %ld", CALL(SYS_utimensat, fd, NULL, NULL, 0));
	note("utimes %ld", CALL(SYS_utimes, "file", tv));
	after(CALL(SYS_fstat, fd, &st), "%ld %ld.%ld", st.st_atim.tv_sec, st.st_atim.tv_nsec);
	note("utime %ld", CALL(SYS_utime, "file", &ut));
	after(CALL(SYS_fstat, fd, &st), "%ld %ld", st.st_mtim.tv_sec);
	note("futimesat %ld", CALL(SYS_futimesat, AT_FDCWD, "file", tv));
}

static void attributes(void)
{
	char value[70000], list[256];
	long fd = create("file", NULL);

	memset(value, '#', sizeof(value));
	note("set %ld", CALL(SYS_setxattr, "file", "user.one", "first", 5, 0));
	note("set %ld", CALL(SYS_fsetxattr, fd, "user.two", "second", 6, 0));
	note("empty %ld", CALL(SYS_setxattr, "file", "user.none", NULL, 0, 0));
	note("size %ld", CALL(SYS_getxattr, "file", "user.two", NULL, 0));
	after(CALL(SYS_getxattr, "file", "user.two", value, sizeof(value)), "get %ld %.8s", value);
	note("small %ld", CALL(SYS_fgetxattr, fd, "user.two", value, 3));
	note("none %ld", CALL(SYS_lgetxattr, "file", "user.three", value, 3));
	note("list %d", CALL(SYS_listxattr, "file", list, sizeof(list)) > 0);
	note("list size %d", CALL(SYS_flistxattr, fd, NULL, 0) > 0);
	note("remove %ld %ld", CALL(SYS_removexattr, "file", "user.one"), CALL(SYS_fremovexattr, fd, "user.one"));
	note("too large %ld", CALL(SYS_setxattr, "file", "user.big", value, sizeof(value), 0));
	note("long name %ld",
	     CALL(SYS_setxattr, "file",
		  "user."
		  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
		  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
		  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
		  "v", 1, 0));
}

static void handles(void)
{
	struct {
		struct file_handle h;
		unsigned char more[128];
	} handle = {.h.handle_bytes = 0};
	int mount = 0;

	create("file", NULL);
	after(CALL(SYS_name_to_handle_at, AT_FDCWD, "file", &handle, &mount, 0), "asks for more %ld %d",
	      handle.h.handle_bytes > 0);
	note("knows the mount %d", mount != 0);
	note("given %ld", CALL(SYS_name_to_handle_at, AT_FDCWD, "file", &handle, &mount, 0));
	note("too much %ld", ({
		     handle.h.handle_bytes = 4000;
		     CALL(SYS_name_to_handle_at, AT_FDCWD, "file", &handle, &mount, 0);
	     }));
}

static void locks(void)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 3, .l_len = 4};
	long fd = create("file", "0123456789"), other;

	note("set %ld", CALL(SYS_fcntl, fd, F_SETLK, &lock));
	lock.l_pid = 5;
	after(CALL(SYS_fcntl, fd, F_GETLK, &lock), "get own %ld %d", lock.l_type == F_UNLCK);
	other = CALL(SYS_openat, AT_FDCWD, "file", O_RDWR);
	lock = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET};
	note("ofd %ld", CALL(SYS_fcntl, other, F_OFD_SETLK, &lock));
	after(CALL(SYS_fcntl, other, F_OFD_GETLK, &lock), "ofd get %ld type %d start %ld len %ld", lock.l_type,
	      (long)lock.l_start, (long)lock.l_len);
	note("flock %ld", CALL(SYS_flock, fd, 2));
	note("flock, held %ld", CALL(SYS_flock, other, 2 | 4));
	note("dup %ld %ld %ld", CALL(SYS_dup, fd), CALL(SYS_dup2, fd, 20), CALL(SYS_dup3, fd, 21, O_CLOEXEC));
	note("fcntl %ld %ld %ld", CALL(SYS_fcntl, fd, F_DUPFD, 30), CALL(SYS_fcntl, 21, F_GETFD),
	     CALL(SYS_fcntl, fd, F_GETFL));
	note("flags %ld %ld", CALL(SYS_fcntl, fd, F_SETFL, O_APPEND), CALL(SYS_fcntl, fd, F_GETFL));
	note("range %ld %ld", CALL(SYS_close_range, 20, 30, 0), CALL(SYS_fcntl, 21, F_GETFD));
	note("hint %ld", CALL(SYS_fcntl, fd, 1036, &(uint64_t){2}));
}

static void copies(void)
{
	char text[32] = "";
	int64_t in = 2, out = 1;
	int p[2];
	long a = create("a", "abcdefghij"), b = create("b", "0123456789");

	after(CALL(SYS_sendfile, b, a, &in, 4), "sendfile %ld %ld", (long)in);
	in = 0;
	after(CALL(SYS_copy_file_range, a, &in, b, &out, 3, 0), "copy_file_range %ld %ld %ld", (long)in, (long)out);
	after(CALL(SYS_pread64, b, text, 20, 0), "%ld %.20s", text);
	after(CALL(SYS_pipe2, p, 0), "pipe %ld %d %d", p[0], p[1]);
	in = 5;
	after(CALL(SYS_splice, a, &in, p[1], NULL, 5, 0), "splice %ld %ld", (long)in);
	memset(text, 0, sizeof(text));
	after(CALL(SYS_read, p[0], text, 20), "%ld %s", text);
	note("memfd %ld", CALL(SYS_memfd_create, "name", 0));
	note("readahead %ld fadvise %ld", CALL(SYS_readahead, a, 0, 10), CALL(SYS_fadvise64, a, 0, 10, 0));
}

static void watches(void)
{
	char buffer[512];
	long fd = CALL(SYS_inotify_init1, IN_NONBLOCK), n;

	note("add %ld", CALL(SYS_inotify_add_watch, fd, ".", IN_CREATE | IN_DELETE));
	CALL(SYS_close, CALL(SYS_creat, "appears", 0600));
	CALL(SYS_unlink, "appears");
	n = CALL(SYS_read, fd, buffer, sizeof(buffer));
	note("%ld", n);
	for (long at = 0; at < n;) {
		struct inotify_event *e = (struct inotify_event *)(buffer + at);

		note("%x %s", e->mask, e->name);
		at += (long)sizeof(*e) + e->len;
	}
	note("empty %ld", CALL(SYS_read, fd, buffer, sizeof(buffer)));
	note("small %ld", ({
		     CALL(SYS_mkdir, "x", 0700);
		     CALL(SYS_read, fd, buffer, 8);
	     }));
}

static void direct(void)
{
	char *memory = mmap(NULL, 0x10000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	long fd = CALL(SYS_openat, AT_FDCWD, "direct", O_RDWR | O_CREAT | O_DIRECT, 0600);

	memset(memory, 'd', 0x4000);
	note("write %ld", CALL(SYS_write, fd, memory, 0x4000));
	memset(memory, 0, 0x4000);
	after(CALL(SYS_pread64, fd, memory, 0x2000, 0x1000), "read %ld %u", sum(memory, 0x2000));
}

const struct scenario file_scenarios[] = {
	{"reads_and_writes", reads_and_writes},
	{"vectors", vectors},
	{"names", names},
	{"directories", directories},
	{"file_times", times},
	{"xattrs", attributes},
	{"handles", handles},
	{"file_locks", locks},
	{"copies", copies},
	{"watches", watches},
	{"direct", direct},
	{0},
};
