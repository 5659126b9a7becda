# what: tar: create, compress, list, extract, compare a tree
# packages: tar gzip libc6-dev linux-libc-dev
run() {
	moved tar --sort=name -cf tree.tar -C /usr include && tar -tf tree.tar | sha256sum
	moved tar --sort=name -czf tree.tgz -C /usr include && moved tar -xzf tree.tgz && moved diff -r --no-dereference include /usr/include && echo same
	moved tar -df tree.tar -C /usr && echo 'no difference'
}
