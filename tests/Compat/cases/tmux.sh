# what: tmux: server, a window with a shell, keys, capture, a client in a terminal
# packages: tmux python3
run() {
	local tmux="tmux -S $TMPDIR/tmux -f /dev/null"
	moved $tmux new-session -d -x 80 -y 24 'PS1="> " bash --norc --noprofile'
	echo "new $?"
	await sh -c "$tmux capture-pane -p | grep -q '^>'"
	$tmux send-keys 'for i in 1 2 3 4 5 6; do echo turn $i; sleep 0.5; done; echo $((6 * 7))' Enter
	await sh -c "$tmux capture-pane -p | grep -q ^42"
	$tmux split-window -h 'seq 1 5; sleep 30'
	python3 "$PROGRAMS/typed.py" "$tmux attach" <<-'KEYS' > screen
		~
		\x02o
		~
		echo typed\r
		~
		\x02d
	KEYS
	echo "attach $?"
	$tmux capture-pane -pJ -t 0.0 | grep -E '^(turn|42|typed)'
	$tmux capture-pane -p -t 0.1 | sed '/^$/d'
	$tmux list-panes -F '#{pane_index} #{pane_width}x#{pane_height}'
	$tmux kill-server
}
