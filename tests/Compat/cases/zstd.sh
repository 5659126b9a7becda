# what: zstd -T4 there and back
# packages: zstd
prepare() { seq -f 'line %.0f of what is to be packed' 1 3000000 > input; }
run() {
	moved zstd -q -12 -T4 -B1048576 -k input && sha256sum input.zst
	moved zstd -q -dc input.zst | cmp - input && echo same
}
