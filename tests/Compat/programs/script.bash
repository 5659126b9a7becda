# A shell at work: everything it does that is its own, and what needs a child.
set -eu
trap 'echo "ended with $?"' EXIT
trap 'echo usr1' USR1
declare -A words
declare -a squares
count() { local -n into=$1; into[$2]=$((${into[$2]:-0} + 1)); }
for ((i = 0; i < 120000; i++)); do
	squares[i]=$((i * i % 1009))
	count words "w$((squares[i] % 97))"
done
echo "${#words[@]} words, ${words[w5]} times w5, sum $((${squares[*]/%/ +} 0))"
while read -r line; do total=$((${total:-0} + line)); done < <(for ((i = 0; i < 2000; i++)); do echo $((i * 7)); done)
echo "total $total"
for round in 1 2 3 4 5 6; do
	value=$(for ((i = 0; i < 20000; i++)); do :; done; echo "sub $round $BASH_SUBSHELL")
	echo "$value"
	(for ((i = 0; i < 120000; i++)); do :; done; exit "$round") & pids[round]=$!
done
for round in 1 2 3 4 5 6; do wait "${pids[round]}" && status=0 || status=$?; echo "job $round: $status"; done
kill -USR1 $$
cat <<EOF | tr a-z A-Z
here $((6 * 7))
EOF
coproc doubler { while read -r n; do echo $((n * 2)); done; }
for n in 1 20 300 4000; do echo $n >&"${doubler[1]}"; read -r answer <&"${doubler[0]}"; echo "$answer"; done
text=
for ((i = 0; i < 20000; i++)); do text+="x$i,"; text=${text/x$((i - 50)),/}; done
echo "${#text} ${text:0:30}"
printf '%s\n' "${squares[@]:0:2000}" | sort -n | uniq -c | sort -rn | head -3
exit 7
