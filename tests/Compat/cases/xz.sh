# what: xz -T4 there and back
# packages: xz-utils
prepare() { seq -f 'line %.0f of what is to be packed' 1 4000000 > input; }
run() {
	moved xz -T4 -3 --block-size=1MiB -k input && sha256sum input.xz
	moved xz -T4 -dc input.xz | cmp - input && echo same
}
