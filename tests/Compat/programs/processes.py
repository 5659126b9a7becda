# Processes that divide work among them, by fork: pool, queue, pipe, semaphore.
import hashlib, multiprocessing as mp, sys


def work(number):
    value = number
    for _ in range(20000):
        value = (value * 6364136223846793005 + 1442695040888963407) % (1 << 64)
    return value % 1000003


def produce(queue, first):
    for number in range(first, first + 50):
        queue.put((number, work(number)))
    queue.put(None)


def answer(pipe):
    while (question := pipe.recv()) is not None:
        pipe.send(hashlib.sha256(question).hexdigest())


if __name__ == "__main__":
    mp.set_start_method("fork")
    with mp.Pool(4) as pool:
        print(sum(pool.imap_unordered(work, range(3000), chunksize=5)))
    queue = mp.Queue()
    producers = [mp.Process(target=produce, args=(queue, first)) for first in (0, 1000, 2000)]
    for producer in producers:
        producer.start()
    open_, got = 3, []
    while open_:
        item = queue.get()
        if item is None:
            open_ -= 1
        else:
            got.append(item)
    for producer in producers:
        producer.join()
    print(len(got), hashlib.sha256(repr(sorted(got)).encode()).hexdigest(), [p.exitcode for p in producers])
    ours, theirs = mp.Pipe()
    child = mp.Process(target=answer, args=(theirs,))
    child.start()
    digest = b"begin"
    for _ in range(2000):
        ours.send(digest * 50)
        digest = ours.recv().encode()
    ours.send(None)
    child.join()
    print(digest, child.exitcode)
    sys.exit(12)
