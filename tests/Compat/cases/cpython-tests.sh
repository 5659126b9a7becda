# what: CPython's own regression tests of processes, threads, signals, waits, descriptors and memory
# packages: python3 libpython3.11-testsuite
# Not among them: test_io, two of whose tests want a write that nothing but a signal's handler cuts short (a move home cuts it, too, as
# SIGSTOP does); test_selectors, which measures how long it waited; test_socket, which waits for ever without a vsock device.
run() {
	moved python3 -m test -v test_posix test_os test_fcntl test_mmap test_select test_epoll test_poll test_signal test_eintr test_thread \
		test_threading test_subprocess test_popen test_pipes test_fork1 test_wait3 test_wait4 test_pty test_openpty test_resource test_fileio
}
# The rest is times, ids, addresses and sizes.
normalise() { grep -E '^(FAIL|ERROR): |^Ran [0-9]+ tests?|^(OK|FAILED)|^Tests result' | sed -E 's/ in [0-9.]+s$//'; }
