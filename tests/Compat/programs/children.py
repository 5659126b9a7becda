# Children of all kinds: fed, read, timed out, killed, chained.
import hashlib, signal, subprocess, sys

for number in range(120):
    text = "".join(f"{(i * 7919 + number) % 10007}\n" for i in range(4000))
    result = subprocess.run(["sort", "-n"], input=text, capture_output=True, text=True, check=True)
    assert result.stdout == "".join(f"{v}\n" for v in sorted(int(line) for line in text.split()))
print("sorted")
first = subprocess.Popen(["seq", "1", "300000"], stdout=subprocess.PIPE)
second = subprocess.Popen(["gzip", "-nc"], stdin=first.stdout, stdout=subprocess.PIPE)
first.stdout.close()
print(hashlib.sha256(second.communicate()[0]).hexdigest(), first.wait(), second.returncode)
try:
    subprocess.run(["sleep", "60"], timeout=0.7)
except subprocess.TimeoutExpired as e:
    print("timed out after", round(e.timeout, 1))
sleeper = subprocess.Popen(["sh", "-c", "trap 'echo got it; exit 5' TERM; echo ready; while :; do sleep 0.05; done"], stdout=subprocess.PIPE, text=True)
print(sleeper.stdout.readline().strip())
sleeper.send_signal(signal.SIGTERM)
print(sleeper.communicate()[0].strip(), sleeper.returncode)
killed = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
killed.kill()
print(killed.wait())
shell = subprocess.Popen(["sh"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
total = 0
for number in range(1000):
    shell.stdin.write(f"echo $(({number} * 3))\n")
    total += int(shell.stdout.readline())
shell.stdin.close()
print(total, shell.wait())
print(subprocess.getoutput("for i in 1 2 3; do echo $i | tr 123 abc; done").split())
sys.exit(13)
