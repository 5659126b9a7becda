# what: git: clone of a local repository, log, gc --aggressive, fsck
# packages: git
prepare() {
	[ -d "$CACHE/repository.git" ] || { git init -q --bare "$CACHE/repository.git" && python3 "$PROGRAMS/history.py" | git -C "$CACHE/repository.git" fast-import --quiet; } &&
		git config --global --add safe.directory '*'
}
run() {
	moved git clone -q --no-local "$CACHE/repository.git" clone && cd clone || return
	moved git log --stat | sha256sum
	moved git gc -q --aggressive
	echo "gc $?"
	moved git fsck --full && git count-objects -v | grep -E '^(count|in-pack|packs)'
	moved git grep -c 'row 7' | sha256sum; moved git checkout -q -b other HEAD~200 && moved git merge -q main && git rev-parse HEAD && git status --short
}
