// Tasks, garbage, sockets over the loopback, a child: what a service does.
using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;

var kept = new ConcurrentDictionary<int, byte[]>();
var answers = new long[6000];
Parallel.For(0, answers.Length, new ParallelOptions { MaxDegreeOfParallelism = 4 }, number =>
{
    var value = (ulong)number;
    for (var step = 0; step < 200_000; step++)
    {
        value = (value * 6364136223846793005) + 1442695040888963407;
    }

    kept[number % 300] = new byte[60_000];
    var text = string.Concat(Enumerable.Range(0, 500).Select(i => $"{number * i % 9973} "));
    answers[number] = (long)(value >> 33) + text.Length;
});
Console.WriteLine(answers.Aggregate(0L, (total, answer) => ((total * 31) + answer) % 1_000_000_007));

var listener = new TcpListener(IPAddress.Loopback, 0);
listener.Start();
var serving = Enumerable.Range(0, 8).Select(async _ =>
{
    using var client = await listener.AcceptTcpClientAsync();
    using var reader = new StreamReader(client.GetStream());
    using var writer = new StreamWriter(client.GetStream()) { AutoFlush = true };
    while (await reader.ReadLineAsync() is { } line)
    {
        await writer.WriteLineAsync(Convert.ToHexString(SHA256.HashData(Encoding.ASCII.GetBytes(line))));
    }
}).ToArray();
var asking = Enumerable.Range(0, 8).Select(async number =>
{
    using var client = new TcpClient();
    await client.ConnectAsync((IPEndPoint)listener.LocalEndpoint);
    using var reader = new StreamReader(client.GetStream());
    using var writer = new StreamWriter(client.GetStream()) { AutoFlush = true };
    var line = $"{number}";
    for (var turn = 0; turn < 800; turn++)
    {
        await writer.WriteLineAsync(line);
        line = (await reader.ReadLineAsync())!;
    }

    return line;
}).ToArray();
Console.WriteLine(string.Join('\n', await Task.WhenAll(asking)));
await Task.WhenAll(serving);
using var child = Process.Start(new ProcessStartInfo("sort", "-n") { RedirectStandardInput = true, RedirectStandardOutput = true })!;
child.StandardInput.Write(string.Join('\n', Enumerable.Range(0, 20).Select(i => i * 7 % 20)) + "\n");
child.StandardInput.Close();
Console.WriteLine(child.StandardOutput.ReadToEnd().ReplaceLineEndings(" "));
child.WaitForExit();
GC.Collect();
return 18;
