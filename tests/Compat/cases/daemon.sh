# what: a daemon that forks twice, leaves its session and terminal, and is ended by a signal
# packages: perl
run() {
	moved perl "$PROGRAMS/daemon.pl"
	echo "started, status $?"
	await test -s pid || return
	sleep 4
	kill -HUP "$(cat pid)"; sleep 1; kill -TERM "$(cat pid)"
	await grep -q ended log
	uniq log | sed -E 's/[0-9]+ turns/N turns/'
}
