# What it prints does not depend on which thread was first.
import hashlib, queue, sys, threading, time
from concurrent.futures import ThreadPoolExecutor

asked, answers, done, seen = queue.Queue(16), {}, threading.Condition(), [0]
local = threading.local()


def work():
    while (number := asked.get()) is not None:
        local.count = getattr(local, "count", 0) + 1
        value = number
        for _ in range(2000):
            value = (value * 6364136223846793005 + 1442695040888963407) % (1 << 64)
        digest = hashlib.sha256(b"%d" % value * 2000).hexdigest()
        with done:
            answers[number] = digest
            seen[0] += 1
            done.notify_all()


workers = [threading.Thread(target=work) for _ in range(8)]
for worker in workers:
    worker.start()
for number in range(12000):
    asked.put(number)
with done:
    done.wait_for(lambda: seen[0] == 12000)
for _ in workers:
    asked.put(None)
for worker in workers:
    worker.join()
print(hashlib.sha256("".join(answers[n] for n in range(12000)).encode()).hexdigest())

timer, rung = threading.Event(), []
for delay in (0.3, 0.1, 0.2):
    threading.Timer(delay, lambda d=delay: (rung.append(d), len(rung) == 3 and timer.set())).start()
timer.wait()
print(sorted(rung))
with ThreadPoolExecutor(4) as pool:
    print(sum(pool.map(lambda n: sum(i * i for i in range(n)), range(0, 4000, 4))))
barrier = threading.Barrier(4)
turns = []


def meet(number):
    for turn in range(50):
        barrier.wait()
        if number == turn % 4:
            turns.append(turn)
        barrier.wait()


meeting = [threading.Thread(target=meet, args=(n,)) for n in range(4)]
for thread in meeting:
    thread.start()
for thread in meeting:
    thread.join()
print(turns == list(range(50)), threading.active_count())
time.sleep(0.2)
sys.exit(11)
