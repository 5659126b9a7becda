# what: a program that aborts has a core: file, registers, memory as it was where it ran
# packages: gcc libc6-dev python3
prepare() { gcc -O1 -static -o crash "$PROGRAMS/crash.c"; }
run() {
	ulimit -c unlimited
	(moved ./crash) 2> crashed
	echo "status $?"
	cat < crashed | sed -E 's/^.*(Aborted |Segmentation fault ).*(\(core dumped\)).*$/\1\2/'
	python3 "$PROGRAMS/core.py" core*
}
