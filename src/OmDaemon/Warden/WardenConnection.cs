// One connection to the warden: frames in and out, replies matched with requests by id, events put into a channel in order.
// The warden is trusted as root, but its bytes are checked all the same: a length above the ceiling, a message that does not parse, or a
// reply nobody asked for ends the connection. Whatever ends it, every waiting request gets its answer (unknown).
using System.Buffers;
using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.IO.Pipelines;
using System.Threading.Channels;
using Google.Protobuf;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Warden;

internal sealed class WardenConnection(Stream stream, ChannelWriter<WardenHappening> events) : IAsyncDisposable
{
    /// <summary>An image of a process with a million extents has about 30 MB.</summary>
    public const int FrameCeilingBytes = 64 << 20;

    private const int HeaderBytes = sizeof(uint);

    private readonly ConcurrentDictionary<ulong, TaskCompletionSource<WardenAnswer>> _waiting = new();
    private readonly SemaphoreSlim _writing = new(1, 1);
    private ulong _lastId;
    private volatile string? _ended;

    public async Task<WardenAnswer> AskAsync(ToWarden request, CancellationToken cancellationToken)
    {
        ToWarden sent = request.Clone();
        sent.Id = Interlocked.Increment(ref _lastId);
        byte[] frame = new byte[HeaderBytes + sent.CalculateSize()];
        if (frame.Length - HeaderBytes > FrameCeilingBytes)
            return new WardenAnswer.Failed(new Failure { Message = "the request is too large for the warden" });
        BinaryPrimitives.WriteUInt32LittleEndian(frame, (uint)(frame.Length - HeaderBytes));
        sent.WriteTo(frame.AsSpan(HeaderBytes));

        var answered = new TaskCompletionSource<WardenAnswer>(TaskCreationOptions.RunContinuationsAsynchronously);
        _waiting[sent.Id] = answered;
        // After the entry is there: either End sees it, or we see that it ended.
        if (_ended is { } why)
        {
            _waiting.TryRemove(sent.Id, out _);
            return new WardenAnswer.Failed(new Failure { Message = why });
        }
        try
        {
            await WriteAsync(frame).WaitAsync(cancellationToken).ConfigureAwait(false);
            return await answered.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            return new WardenAnswer.Unknown($"the warden did not answer {sent.RequestCase} in time");
        }
        catch (Exception broken) when (broken is IOException or ObjectDisposedException)
        {
            return new WardenAnswer.Unknown($"the connection to the warden ended: {broken.Message}");
        }
        finally
        {
            _waiting.TryRemove(sent.Id, out _);
        }
    }

    /// <summary>Reads until the connection ends; returns why.</summary>
    public async Task<string> ReadAsync(CancellationToken cancellationToken)
    {
        PipeReader reader = PipeReader.Create(stream, new StreamPipeReaderOptions(leaveOpen: true));
        string why;
        try
        {
            why = await ReadFramesAsync(reader, cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            why = "the daemon stops";
        }
        catch (IOException broken) // InvalidProtocolBufferException is one, too
        {
            why = broken.Message;
        }
        await reader.CompleteAsync().ConfigureAwait(false);
        End(why);
        return why;
    }

    public async ValueTask DisposeAsync()
    {
        End("the connection to the warden was closed");
        await stream.DisposeAsync().ConfigureAwait(false);
    }

    // Without the caller's token: half a frame would end the connection for everyone.
    private async Task WriteAsync(byte[] frame)
    {
        await _writing.WaitAsync().ConfigureAwait(false);
        try
        {
            await stream.WriteAsync(frame).ConfigureAwait(false);
        }
        finally
        {
            _writing.Release();
        }
    }

    private async Task<string> ReadFramesAsync(PipeReader reader, CancellationToken cancellationToken)
    {
        while (true)
        {
            ReadResult read = await reader.ReadAsync(cancellationToken).ConfigureAwait(false);
            ReadOnlySequence<byte> rest = read.Buffer;
            while (true)
            {
                if (rest.Length < HeaderBytes)
                    break;
                uint length = Length(rest);
                if (length > FrameCeilingBytes)
                    return $"a frame of {length} bytes; the ceiling is {FrameCeilingBytes}";
                if (rest.Length < HeaderBytes + length)
                    break;
                FromWarden message = FromWarden.Parser.ParseFrom(rest.Slice(HeaderBytes, length));
                rest = rest.Slice(HeaderBytes + length);
                if (Take(message) is { } nonsense)
                    return nonsense;
            }
            reader.AdvanceTo(rest.Start, rest.End);
            if (read.IsCompleted)
                return rest.IsEmpty ? "the warden closed the connection" : "the warden closed the connection within a frame";
        }
    }

    private string? Take(FromWarden message)
    {
        if (message.Id == 0)
        {
            if (message.EventCase == FromWarden.EventOneofCase.None)
                return "an event that says nothing";
            events.TryWrite(new WardenHappening.Said(message));
            return null;
        }
        if (message.Id > Volatile.Read(ref _lastId))
            return $"a reply to request {message.Id}, which was never made";
        // No entry: its caller has stopped waiting.
        if (_waiting.TryRemove(message.Id, out TaskCompletionSource<WardenAnswer>? waiting))
        {
            waiting.TrySetResult(message.Failure is { } failure
                ? new WardenAnswer.Failed(failure)
                : new WardenAnswer.Replied(message));
        }
        return null;
    }

    private void End(string why)
    {
        _ended ??= why;
        foreach (ulong id in _waiting.Keys)
        {
            if (_waiting.TryRemove(id, out TaskCompletionSource<WardenAnswer>? waiting))
                waiting.TrySetResult(new WardenAnswer.Unknown($"the connection to the warden ended: {why}"));
        }
    }

    private static uint Length(ReadOnlySequence<byte> from)
    {
        Span<byte> header = stackalloc byte[HeaderBytes];
        from.Slice(0, HeaderBytes).CopyTo(header);
        return BinaryPrimitives.ReadUInt32LittleEndian(header);
    }
}
