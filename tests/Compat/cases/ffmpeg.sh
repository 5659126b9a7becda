# what: ffmpeg encodes H.264 with four threads and AAC, and decodes it
# packages: ffmpeg
run() {
	moved ffmpeg -hide_banner -nostdin -loglevel error -f lavfi -i testsrc2=duration=6:size=640x360:rate=25 -f lavfi -i sine=frequency=440:duration=6 -c:v libx264 -preset medium \
		-threads 4 -c:a aac -fflags +bitexact -flags +bitexact out.mkv || return
	sha256sum < out.mkv
	moved ffmpeg -hide_banner -nostdin -loglevel error -i out.mkv -f framemd5 - | sha256sum
}
