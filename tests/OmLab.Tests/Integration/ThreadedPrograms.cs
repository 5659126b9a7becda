using System.Globalization;
using System.Text;

namespace OpenMosix.Lab.Tests.Integration;

/// <summary>
/// Programs with threads. What they say does not depend on which thread was first: values are put in order, or added up, before they are said.
/// </summary>
internal static class ThreadedPrograms
{
    internal static ProgramCase[] All =>
    [
        new("python3-threads", "python3", """moved python3 -u threads.py""", i => $"portion {i}\n"),
        new("python3-asyncio", "python3", """moved python3 -u loop.py""", i => $"portion {i}\n"),
        // Blocks and jobs of a size of their own: so the compressed bytes are the same however many threads there are, and there is work for all.
        new("xz-threads", "xz", """cat | (moved xz -2 -T4 --block-size=65536 -c) | tee out.xz | xz -dc | sha256sum""", i => Programs.Text(i)[..80000]),
        new("zstd-threads", "zstd", """cat | (moved zstd -q -12 -T4 -B524288 -c) | tee out.zst | zstd -q -dc | sha256sum""", Programs.Text),
        // It takes threads for no less than 128 Ki lines at once; with this buffer it does so several times before its input ends.
        new("sort-threads", "sort", """cat | (moved sort --parallel=4 -S 40M -T .) | sha256sum""", Numbers),
        new("perl-threads", "perl", """
            moved perl -Mthreads -Mthreads::shared -MThread::Queue -e '
                $| = 1; my ($asked, $answers, $calls) = (Thread::Queue->new, Thread::Queue->new, 0); share($calls);
                sub work { while (defined(my $part = $asked->dequeue)) { my ($number, $words) = @$part; my %seen; $seen{$_}++ for split / /, $words;
                    my $x = $number; $x = ($x * 31 + $_) % 1000003 for 1 .. 40000; { lock($calls); $calls++ } $answers->enqueue([$number, $x + keys %seen]) } }
                my @workers = map { threads->create(\&work) } 1 .. 4; my $total = 0;
                while (my $line = <STDIN>) { my ($first, %got) = $. * 8; $asked->enqueue([$first + $_, substr($line, $_ * 1000, 1000)]) for 0 .. 4;
                    for (0 .. 4) { my $answer = $answers->dequeue; $got{$answer->[0]} = $answer->[1] }
                    $total = ($total * 31 + $got{$_}) % 1000003 for $first .. $first + 4; print "$.: $calls $total\n" }
                $asked->end; $_->join for @workers; exit 9'
            """, i => Programs.Text(i).ReplaceLineEndings(" ")[..5000] + "\n", "perl -Mthreads -MThread::Queue -e 1"),
        // Its performance counters would be a writable shared mapping, with which a process is not moved.
        new("java", "javac", """moved java -Xmx64m -XX:-UsePerfData Threads.java""", i => $"portion {i}\n"),
        new("node", "node", """moved node threads.js""", i => $"portion {i}\n"),
    ];

    /// <summary>A pool, queues, a condition, thread-local values, and two threads that write to one database.</summary>
    internal const string PythonThreads = """
        import hashlib, os, queue, sqlite3, sys, threading
        from concurrent.futures import ThreadPoolExecutor, as_completed

        rows, lock, seen = queue.Queue(maxsize=8), threading.Condition(), [0]
        local = threading.local()

        def keep():
            database = sqlite3.connect("kept", timeout=600)
            while (row := rows.get()) is not None:
                with database:
                    database.execute("insert into t values (?, ?, ?)", row)
            database.close()

        def work(number, part, text):
            local.calls = getattr(local, "calls", 0) + 1
            value = number * 8 + part
            for step in range(4000):
                value = (value * 6364136223846793005 + 1442695040888963407) % (1 << 64)
            digest = hashlib.sha256(text * 2000 + value.to_bytes(8, "big")).hexdigest()
            rows.put((number, part, digest))
            with lock:
                seen[0] += 1
                lock.notify_all()
            return value % 1000003, local.calls

        database = sqlite3.connect("kept", timeout=600)
        database.execute("create table t(number integer, part integer, digest text, primary key(number, part))")
        database.commit()
        keepers = [threading.Thread(target=keep) for _ in range(2)]
        for keeper in keepers:
            keeper.start()
        total = 0
        with ThreadPoolExecutor(4) as pool:
            for number, line in enumerate(sys.stdin.buffer):
                tasks = [pool.submit(work, number, part, line) for part in range(4)]
                values = sorted(task.result()[0] for task in as_completed(tasks))
                with lock:
                    lock.wait_for(lambda: seen[0] == 4 * (number + 1))
                total = (total * 31 + sum(values)) % 1000000007
                print(number, values[0], total, flush=True)
        for keeper in keepers:
            rows.put(None)
        for keeper in keepers:
            keeper.join()
        kept = hashlib.sha256()
        for row in database.execute("select * from t order by number, part"):
            kept.update(repr(row).encode())
        print(database.execute("select count(*) from t").fetchone(), kept.hexdigest())
        database.close()
        os.remove("kept")
        sys.exit(total % 100 + 3)
        """;

    /// <summary>An event loop, with timers, that has others compute.</summary>
    internal const string PythonLoop = """
        import asyncio, sys
        from concurrent.futures import ThreadPoolExecutor

        def work(number, part):
            value = number * 8 + part
            for step in range(6000):
                value = (value * 6364136223846793005 + 1442695040888963407) % (1 << 64)
            return value % 1000003

        async def tick(ticks):
            while True:
                await asyncio.sleep(0.002)
                ticks[0] += 1

        async def main():
            loop, reader, ticks, total = asyncio.get_running_loop(), asyncio.StreamReader(), [0], 0
            await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
            ticker = asyncio.create_task(tick(ticks))
            with ThreadPoolExecutor(4) as pool:
                number = 0
                while line := await reader.readline():
                    values = await asyncio.gather(*(loop.run_in_executor(pool, work, number, part) for part in range(6)))
                    away = await asyncio.to_thread(line.decode().split)
                    total = (total * 31 + sum(values) + len(away)) % 1000000007
                    print(number, values, total, flush=True)
                    number += 1
            ticker.cancel()
            return total % 100 + 3 if ticks[0] > 0 else 1

        sys.exit(asyncio.run(main()))
        """;

    /// <summary>A pool, parallel streams, and garbage enough to be collected.</summary>
    internal const string Java = """
        import java.io.BufferedReader;
        import java.io.InputStreamReader;
        import java.util.ArrayList;
        import java.util.concurrent.Executors;
        import java.util.concurrent.Future;
        import java.util.concurrent.atomic.AtomicLong;
        import java.util.stream.IntStream;

        public class Threads {
            static long work(long value) {
                for (var step = 0; step < 200_000; step++) {
                    value = value * 6364136223846793005L + 1442695040888963407L;
                }
                return (value >>> 33) % 1_000_003;
            }

            public static void main(String[] arguments) throws Exception {
                var lines = new BufferedReader(new InputStreamReader(System.in));
                var pool = Executors.newFixedThreadPool(4);
                var calls = new AtomicLong();
                var total = 0L;
                String line;
                for (var number = 0L; (line = lines.readLine()) != null; number++) {
                    var parts = new ArrayList<Future<Long>>();
                    for (var part = 0; part < 6; part++) {
                        var seed = number * 8 + part + line.length();
                        parts.add(pool.submit(() -> {
                            var garbage = new byte[200_000];
                            garbage[(int) (seed % garbage.length)] = (byte) calls.incrementAndGet();
                            return work(seed) + garbage.length;
                        }));
                    }
                    for (var part : parts) {
                        total = (total * 31 + part.get()) % 1_000_000_007;
                    }
                    var base = total;
                    total = (total + IntStream.range(0, 20_000).parallel().mapToLong(i -> (base + i) % 1009).sum()) % 1_000_000_007;
                    System.out.println(number + " " + calls.get() + " " + total);
                }
                pool.shutdown();
                System.exit((int) (total % 100) + 3);
            }
        }
        """;

    /// <summary>Workers with an event loop each, who count in memory that they share.</summary>
    internal const string Node = """
        const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
        if (!isMainThread) {
          const calls = new Int32Array(workerData);
          parentPort.on('message', ({ number, part, length }) => {
            let value = number * 8 + part + length;
            for (let step = 0; step < 200000; step++) value = (Math.imul(value, 1103515245) + 12345) & 0x7fffffff;
            Atomics.add(calls, 0, 1);
            parentPort.postMessage({ part, value });
          });
        } else {
          const shared = new SharedArrayBuffer(4);
          const workers = [0, 1, 2, 3].map(() => new Worker(__filename, { workerData: shared }));
          let total = 0;
          const ask = (worker, question) => new Promise(answer => { worker.once('message', answer); worker.postMessage(question); });
          (async () => {
            let number = 0;
            for await (const line of require('readline').createInterface({ input: process.stdin })) {
              const answers = await Promise.all(workers.map((worker, part) => ask(worker, { number, part, length: line.length })));
              for (const { part, value } of answers) total = (total * 31 + part + value) % 1000003;
              console.log(number, new Int32Array(shared)[0], total);
              number++;
            }
            await Promise.all(workers.map(worker => worker.terminate()));
            process.exitCode = total % 100 + 3;
          })();
        }
        """;

    private static string Numbers(int portion)
    {
        var numbers = new StringBuilder();
        var state = (ulong)portion + 1;
        for (var i = 0; i < 40_000; i++)
        {
            state = (state * 6364136223846793005) + 1442695040888963407;
            numbers.Append(CultureInfo.InvariantCulture, $"{(state >> 33) % 100_000_000}\n");
        }

        return numbers.ToString();
    }
}
