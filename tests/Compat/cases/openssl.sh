# what: openssl speed, alone and with two processes; RSA and digests
# packages: openssl
normalise() { sed -E 's/[0-9]+ [a-z0-9. -]+ (ops|op)?s? ?in [0-9.]+s/N/; s/[0-9]+\.[0-9]+[ks]?/N/g; s/[0-9]+ ([a-zA-Z0-9. -]+)'"'"'s in N/N \1/; s/: [0-9]+ /: N /; s/^\+(R|F|H).*/+/; s/ +/ /g; /^(built on|options|compiler|CPUINFO|version)/d; s/^Got: .*/Got/' | sort -u; }
run() {
	moved openssl speed -seconds 1 -bytes 8192 -evp aes-256-gcm 2>&1 | tee log
	awk '/^AES-256-GCM/ { print int($2) }' log > "$OUT/work"
	moved openssl speed -seconds 1 rsa2048 2>&1
	moved openssl speed -seconds 1 -bytes 1024 -multi 2 sha256 2>&1
	echo "${PIPESTATUS[@]}"
	seq 1 3000000 > input
	moved openssl dgst -sha512 input; moved openssl enc -aes-256-cbc -pbkdf2 -k x -S 0102030405060708 -in input | moved openssl enc -d -aes-256-cbc -pbkdf2 -k x -S 0102030405060708 | cmp - input && echo same
}
