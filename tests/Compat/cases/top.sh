# what: top in a terminal: it redraws, sorts, and is told to end
# packages: procps python3
run() {
	python3 "$PROGRAMS/typed.py" 'top -d 0.2' <<-'KEYS' > screen
		~
		M
		~
		1
		~
		P
		~
		q
	KEYS
	echo "top $?"
	tr '\033' '\n' < screen | grep -ac Tasks | awk '{ print ($1 > 5 ? "redrawn" : "drawn " $1) }'
}
