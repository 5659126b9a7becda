# A terminal for sys.argv[1], under omrun when this run is the moved one, and someone who types: each line of stdin is one burst of keys (\\e, \\r, \\xNN), `~` a second of rest.
import codecs, os, pty, select, sys, time, struct, fcntl, termios

command = (["omrun", "--"] if os.environ["OMCOMPAT_RUN"] == "moved" else []) + sys.argv[1].split()
keys = [line.strip("\n") for line in sys.stdin]
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(command[0], command)
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))


def show(seconds):
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if select.select([terminal], [], [], left)[0]:
            try:
                data = os.read(terminal, 65536)
            except OSError:  # EIO: nobody has the other end any more
                return False
            sys.stdout.buffer.write(data)
    return True


show(1)
for burst in keys:
    if burst != "~":
        os.write(terminal, codecs.decode(burst.replace("\\e", "\\x1b"), "unicode_escape").encode("latin-1"))
    if not show(1.0 if burst == "~" else 0.5):
        break
# What it has not drawn yet, until it ends.
while show(1):
    pass
sys.stdout.flush()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
