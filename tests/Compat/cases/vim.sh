# what: vim in a terminal: typed text, substitutions, macros, a filter, undo
# packages: vim python3
run() {
	seq -f 'line %.0f of text' 1 3000 > text
	python3 "$PROGRAMS/typed.py" 'vim -u NONE -n text' <<-'KEYS' > screen
		:set nocompatible\r
		ggOfirst typed\e
		:%s/line \\(\\d\\+\\)/row \\1/g\r
		gg3jqaI- \ejq40@a
		:100,200!sort -r\r
		Glast typed\e
		GoEnd of it\e
		uu\x12
		:g/7 of/m0\r
		:1,50w part\r
		ggdG
		u
		:wq\r
	KEYS
	echo "vim $?"
	sha256sum text part
	grep -ac 'row' screen | sed 's/^[1-9].*/drawn/'
}
