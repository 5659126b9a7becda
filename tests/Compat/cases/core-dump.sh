# what: a program that aborts, eight times, has a core: file, registers, memory as it was where it ran
# packages: gcc libc6-dev python3
prepare() { gcc -O1 -static -o crash "$PROGRAMS/crash.c"; }
run() {
	ulimit -c unlimited
	for turn in 1 2 3 4 5 6 7 8; do
		(moved ./crash) 2> crashed
		echo "status $?"
		sed -E 's/^.*(Aborted|Segmentation fault) *(\(core dumped\))?.*$/\1 \2/' crashed
		python3 "$PROGRAMS/core.py" core*
		rm -f core*
	done
}
