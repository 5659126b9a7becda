// A node of a test: the real omwarden in a run directory of its own, and a connection to it as a daemon would have.
using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net.Sockets;
using System.Threading.Channels;
using OpenMosix.Protocol.V1;
using OpenMosix.Warden.Control;

namespace OpenMosix.Warden.Tests.Harness;

internal sealed class TestNode : IAsyncDisposable
{
    private readonly Process warden;
    private readonly string directory;
    private readonly ConcurrentDictionary<ulong, TaskCompletionSource<FromWarden>> waiting = new();
    private readonly Channel<FromWarden> events = Channel.CreateUnbounded<FromWarden>();
    private readonly SemaphoreSlim sending = new(1);
    private NetworkStream? stream;
    private Task reading = Task.CompletedTask;
    private long lastId;

    private TestNode(string name, string directory, Process warden)
    {
        Name = name;
        this.directory = directory;
        this.warden = warden;
    }

    internal string Name { get; }
    internal uint LinkPort { get; private set; }
    internal int WardenPid => warden.Id;
    internal ConcurrentQueue<string> Log { get; } = new();

    internal static async Task<TestNode> StartAsync(string name, string root, TestCertificates certificates, CancellationToken cancel)
    {
        string directory = Path.Combine(root, name);
        Directory.CreateDirectory(directory);
        var start = new ProcessStartInfo(Repository.Output("dotnet/bin/OmWarden/release/omwarden")) { RedirectStandardError = true };
        start.ArgumentList.Add("--run");
        start.ArgumentList.Add(directory);
        start.ArgumentList.Add("--debug");
        start.Environment.Remove("JOURNAL_STREAM");
        var ready = new TaskCompletionSource();
        var node = new TestNode(name, directory, new Process { StartInfo = start, EnableRaisingEvents = true });
        node.warden.ErrorDataReceived += (_, line) =>
        {
            if (line.Data is null)
                return;
            node.Log.Enqueue(line.Data);
            if (line.Data.Contains("serving", StringComparison.Ordinal))
                ready.TrySetResult();
        };
        node.warden.Exited += (_, _) => ready.TrySetException(new InvalidOperationException($"omwarden of {name} ended: {string.Join('\n', node.Log)}"));
        node.warden.Start();
        node.warden.BeginErrorReadLine();
        await ready.Task.WaitAsync(cancel);
        await node.ConnectAsync(cancel);
        (string certificate, string key) = certificates.Issue(name);
        await node.DoAsync(new()
        {
            Configure = new()
            {
                Node = name,
                CertificatePath = certificate,
                KeyPath = key,
                CaPath = certificates.CaPath,
                ListenAddress = "127.0.0.1",
            },
        });
        node.LinkPort = (await node.DoAsync(new() { Status = new() })).Status.LinkPort;
        return node;
    }

    internal async Task ConnectAsync(CancellationToken cancel)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(Path.Combine(directory, "omwarden.sock")), cancel);
        stream = new NetworkStream(socket, ownsSocket: true);
        reading = ReadAsync(stream);
    }

    /// <summary>As if the daemon had died.</summary>
    internal async Task DisconnectAsync()
    {
        await stream!.DisposeAsync();
        await reading;
    }

    /// <summary>The reply, whatever it is.</summary>
    internal async Task<FromWarden> AskAsync(ToWarden request)
    {
        request.Id = (ulong)Interlocked.Increment(ref lastId);
        var answer = waiting[request.Id] = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await sending.WaitAsync();
        try
        {
            await stream!.WriteAsync(Frames.Write(request));
        }
        finally
        {
            sending.Release();
        }
        return await answer.Task.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);
    }

    /// <summary>The reply; a failure fails the test, with the warden's log.</summary>
    internal async Task<FromWarden> DoAsync(ToWarden request)
    {
        FromWarden reply = await AskAsync(request);
        if (reply.Failure is { } failure)
            Assert.Fail($"{Name}: {request.RequestCase}: {failure.Stage}: {failure.Message}\n{string.Join('\n', Log)}");
        return reply;
    }

    internal async Task<FromWarden> EventAsync(Func<FromWarden, bool> which)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        limit.CancelAfter(TimeSpan.FromSeconds(30));
        try
        {
            await foreach (FromWarden happened in events.Reader.ReadAllAsync(limit.Token))
                if (which(happened))
                    return happened;
        }
        catch (OperationCanceledException)
        {
            Assert.Fail($"{Name}: the event did not come\n{string.Join('\n', Log)}");
        }
        throw new InvalidOperationException("the connection ended");
    }

    public async ValueTask DisposeAsync()
    {
        if (stream is not null)
            await DisconnectAsync();
        if (!warden.HasExited)
            Kill(15);
        await warden.WaitForExitAsync();
        warden.Dispose();
    }

    private void Kill(int signal)
    {
        using var pidfd = Interop.Processes.OpenPidfd(warden.Id);
        if (pidfd is not null)
            Interop.Processes.SendSignal(pidfd, signal);
    }

    private async Task ReadAsync(NetworkStream from)
    {
        try
        {
            while (await Frames.ReadAsync(from, FromWarden.Parser, CancellationToken.None) is { } message)
                if (message.Id == 0)
                    events.Writer.TryWrite(message);
                else if (waiting.TryRemove(message.Id, out var answer))
                    answer.SetResult(message);
        }
        catch (Exception ended) when (ended is IOException or ObjectDisposedException)
        {
        }
        foreach (TaskCompletionSource<FromWarden> answer in waiting.Values)
            answer.TrySetException(new IOException($"{Name}: the warden closed the connection\n{string.Join('\n', Log)}"));
    }
}
