# what: rsync: copy of a tree, then what has changed
# packages: rsync libc6-dev linux-libc-dev
run() {
	moved rsync -a /usr/include/ copy/ && diff -r --no-dereference copy /usr/include && echo same
	find copy -name '*s.h' -delete; echo more >> copy/stdio.h; echo stray > copy/stray
	moved rsync -ac --delete --no-whole-file -i /usr/include/ copy/ | sha256sum
	diff -r --no-dereference copy /usr/include && echo same
}
