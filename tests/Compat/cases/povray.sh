# what: povray renders a scene with four threads
# packages: povray
run() {
	moved povray +I"$PROGRAMS/scene.pov" +W400 +H300 +WT4 +A0.1 -D +FP +O"$WORK/out.ppm" > log 2>&1
	echo "status $?"
	grep -c 'POV-Ray finished' log
	grep -av "^# " out.ppm | sha256sum
}
