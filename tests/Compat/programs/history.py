# 6000 commits over 40 files, for git fast-import.
state = 1
files = {f"d{n % 5}/file{n}": [f"row {i}" for i in range(200)] for n in range(40)}
for commit in range(6000):
    state = (state * 6364136223846793005 + 1442695040888963407) % (1 << 64)
    name = f"d{(state >> 33) % 40 % 5}/file{(state >> 33) % 40}"
    files[name][(state >> 40) % 200] = f"row {(state >> 20) % 100000}"
    text = "\n".join(files[name]) + "\n"
    message = f"commit {commit}\n"
    print(f"commit refs/heads/main\ncommitter A <a@example.org> {1700000000 + commit * 60} +0000\ndata {len(message)}\n{message}M 100644 inline {name}\ndata {len(text)}\n{text}")
