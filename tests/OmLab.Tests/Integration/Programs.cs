using System.Globalization;
using System.Text;

namespace OpenMosix.Lab.Tests.Integration;

/// <summary>
/// A real program that reads its work from stdin. The test hands out one portion after the other while it moves the program, so that it is at
/// work or waiting for more at every move, however fast the machine; the whole input is the same each time.
/// </summary>
/// <param name="Needs">What must be on PATH, besides what every Debian has.</param>
/// <param name="Probe">Null, or a shell command that fails where the program was built without what is wanted of it.</param>
internal sealed record ProgramCase(string Name, string Needs, string Script, Func<int, string> Portion, string? Probe = null);

internal static class Programs
{
    internal static readonly ProgramCase[] All =
    [
        new("python3", "python3", """moved python3 -u table.py""", i => $"portion {i}\n"),
        new("gzip", "gzip", """cat | (moved gzip -9c) | tee out.gz | gzip -dc | sha256sum""", Text),
        new("xz", "xz", """cat | (moved xz -2c) | xz -dc | sha256sum""", i => Text(i)[..40000]),
        new("sqlite3", "sqlite3", """moved sqlite3 -batch data.sqlite; rm -f data.sqlite-journal; sqlite3 data.sqlite .dump > dump; rm data.sqlite""", Sql),
        new("perl", "perl", """
            moved perl -ne 'BEGIN { $| = 1; $total = 0 } chomp; my %seen; $seen{$_}++ for split / /; $total += keys %seen;
            $x = 0; $x = ($x * 31 + $_) % 1000003 for 1 .. 150000; print "$.: ", scalar(keys %seen), " $x\n"; END { print "total $total\n"; $? = 9 }'
            """, i => Text(i).ReplaceLineEndings(" ")[..5000] + "\n"),
        new("bc", "bc", """moved bc -ql""", i => $"scale={60 + (i * 7)}\n4*a(1/{i + 1})\nl({i + 2})\nscale=0\n{i + 3}^{200 + i}%1000000007\n"),
        new("awk", "awk", """
            moved awk '{ for (i = 1; i <= NF; i++) count[$i]++; x = 0; for (i = 0; i < 150000; i++) x = (x * 17 + i) % 65521; print NR, NF, x > "lines" }
            END { for (word in count) total += count[word]; print "words", total; exit 4 }'
            """, i => Text(i).ReplaceLineEndings(" ")[..3000] + "\n"),
        .. ThreadedPrograms.All,
    ];

    /// <summary>What lies beside the script.</summary>
    internal static readonly IReadOnlyDictionary<string, string> Files = new Dictionary<string, string>
    {
        ["table.py"] = Table,
        ["threads.py"] = ThreadedPrograms.PythonThreads,
        ["loop.py"] = ThreadedPrograms.PythonLoop,
        ["Threads.java"] = ThreadedPrograms.Java,
        ["threads.js"] = ThreadedPrograms.Node,
    };

    /// <summary>How many pairs of lines Tree is given.</summary>
    internal const int Trees = 3;

    /// <summary>For python: a line is a tree of processes that wait for the next line, compute and exchange what they have through pipes, between them brothers too.</summary>
    internal const string Tree = """
        import hashlib, os, sys
        def work(text, steps):
            digest = text.encode()
            for step in range(steps):
                digest = hashlib.sha256(digest + b"%d" % step).digest()
            return digest.hex()
        def child(depth, name, down, up, left, right):
            words = [os.fdopen(down).readline().strip(), name]
            words.append(work(" ".join(words), 30000))
            os.write(right, (words[2][:8] + "\n").encode())
            words.append(os.fdopen(left).readline().strip())
            words += tree(depth - 1, words[2]) if depth else []
            with os.fdopen(up, "w") as out:
                out.write("\n".join(words) + "\n")
            os._exit(len(words) % 200)
        def tree(depth, seed):
            branches = 3
            ring = [os.pipe() for _ in range(branches)]
            down, up = [os.pipe() for _ in range(branches)], [os.pipe() for _ in range(branches)]
            pids, words = [], []
            for i in range(branches):
                pid = os.fork()
                if pid == 0:
                    keep = {down[i][0], up[i][1], ring[i][0], ring[(i + 1) % branches][1]}
                    for ends in ring + down + up:
                        for end in ends:
                            if end not in keep:
                                os.close(end)
                    child(depth, f"{depth}.{i}", down[i][0], up[i][1], ring[i][0], ring[(i + 1) % branches][1])
                pids.append(pid)
            for ends in ring:
                os.close(ends[0]), os.close(ends[1])
            if depth == 1:
                sys.stdin.readline()
            for i in range(branches):
                os.close(down[i][0]), os.close(up[i][1])
                os.write(down[i][1], f"{seed} {i}\n".encode())
            for i in range(branches):
                words += os.fdopen(up[i][0]).read().split("\n")
                os.close(down[i][1])
                gone, status = os.waitpid(pids[i], 0)
                words.append(f"ended {gone == pids[i]} {status}")
            return words
        total = ""
        for line in iter(sys.stdin.readline, ""):
            words = tree(1, line.strip())
            total = work(total + "\n".join(words), 10)
            print(line.strip(), len(words), total, flush=True)
        sys.exit(len(total) % 100)
        """;

    /// <summary>For python: computes, writes files, and imports what it had not loaded before.</summary>
    internal const string Table = """
        import sys
        names = ["json", "decimal", "fractions", "statistics", "difflib", "textwrap", "calendar", "colorsys", "bisect", "heapq",
                 "html.parser", "configparser", "csv", "email.message", "zipfile", "tarfile", "sqlite3", "hashlib", "xml.dom.minidom", "uuid"]
        table, total = {}, 0
        out = open("results", "w")
        for number, line in enumerate(sys.stdin):
            value = number + 1
            for step in range(60000):
                value = (value * 6364136223846793005 + 1442695040888963407) % (1 << 64)
                if step % 64 == 0:
                    table[value % 100003] = (value >> 40, line)
            total = (total * 31 + value) % 1000000007
            if number % 2 == 0:
                module = __import__(names[number // 2 % len(names)])
                out.write(f"{number} {module.__name__} {len(table)}\n")
                out.flush()
            print(number, value, total, flush=True)
        out.write("%d\n" % sum(key * (row[0] % 997) for key, row in sorted(table.items())))
        out.close()
        sys.exit(total % 100 + 3)
        """;

    // Words that compress, but not to nothing.
    internal static string Text(int portion)
    {
        var text = new StringBuilder();
        var state = (ulong)portion + 1;
        while (text.Length < 120_000)
        {
            state = (state * 6364136223846793005) + 1442695040888963407;
            text.Append(CultureInfo.InvariantCulture, $"word{(state >> 33) % 5000} ").Append((state >> 60) == 0 ? "\n" : "");
        }

        return text.ToString();
    }

    // With all portions, a thousand transactions: each its own, with fsync and locks.
    private static string Sql(int portion)
    {
        var sql = new StringBuilder(portion == 0 ? "create table t(id integer primary key, a text, b integer);\n" : "");
        for (var i = 0; i < 25; i++)
        {
            var id = (portion * 25) + i;
            sql.Append(CultureInfo.InvariantCulture, $"begin; insert into t values({id}, 'row {id * 7919 % 1000}', {id}); update t set b = b + 1 where id % 7 = {id % 7}; commit;\n");
        }

        return sql.Append(CultureInfo.InvariantCulture, $"select count(*), sum(b) from t;\n").ToString();
    }
}
