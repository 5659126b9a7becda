# what: a pipeline of coreutils in which every member is moved: seq, shuf, sort, uniq, cut, tr, fold, split, cat, tee, sha256sum
# packages: coreutils
run() {
	moved seq 1 2000000 | moved shuf --random-source=<(yes) | moved sort -n -S 16M -T . | moved tee sorted | moved tr 0-9 a-j | moved fold -w 5 | moved cut -c 2-4 |
		moved sort -S 16M -T . | moved uniq -c | moved sha256sum
	echo "${PIPESTATUS[@]}"
	moved split -n l/7 sorted part. && moved cat part.* | moved cmp - sorted && moved wc part.* && moved cksum sorted
	moved rm -r part.a?
	ls
}
