# what: configure and make -j4 of Debian's zlib with gcc, and its own tests
# packages: make gcc libc6-dev binutils dpkg-dev
# source: zlib
prepare() { cp -a "$CACHE"/zlib-*/. .; }
normalise() { sed -E '/jobserver|^make|Entering|Leaving/d' | sort; }
run() {
	moved ./configure --static > configured && moved make -j4 > made && moved make test || return
	sha256sum libz.a *.o minigzip
}
