using System.Buffers;
using OpenMosix.Grpc.Client;
using OpenMosix.Grpc.Wire;

namespace OpenMosix.Grpc;

/// <summary>
/// Reads the messages of a stream as bytes. A message lies in one piece in the reader's buffer until the next is read; each read asks for the
/// rest of the message and the next prefix and no more, so nothing is ever moved. For one thread at a time.
/// </summary>
public sealed class FrameReader : IAsyncDisposable
{
    private const int FirstBufferBytes = 64 * 1024;

    private readonly ClientCall _call;
    private readonly int _ceilingBytes;
    private byte[] _buffer = ArrayPool<byte>.Shared.Rent(FirstBufferBytes);
    private int _start;
    private int _filled;
    private int _messageEnd;

    internal FrameReader(ClientCall call, int ceilingBytes)
    {
        _call = call;
        _ceilingBytes = ceilingBytes;
    }

    /// <returns>The bytes of the next message, valid until the next call; null at the end, if the status is OK.</returns>
    /// <exception cref="RpcException">The status is not OK, the stream was cut off, or a message is above the ceiling.</exception>
    public async ValueTask<RawMessage?> ReadAsync()
    {
        try
        {
            // What is left of the last read is at most the prefix of this message.
            _buffer.AsSpan(_messageEnd, _filled - _messageEnd).CopyTo(_buffer);
            _filled -= _messageEnd;
            _start = _messageEnd = 0;
            if (!await FillAsync(FramePrefix.Bytes, FramePrefix.Bytes).ConfigureAwait(false))
            {
                _call.Finish();
                return null;
            }

            var length = FramePrefix.Read(_buffer, _ceilingBytes);
            _start = FramePrefix.Bytes;
            _messageEnd = FramePrefix.Bytes + length;
            await FillAsync(_messageEnd, _messageEnd + FramePrefix.Bytes).ConfigureAwait(false);
            return new RawMessage(_buffer.AsMemory(_start, length));
        }
        catch (Exception failure)
        {
            throw _call.Translate(failure);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _call.DisposeAsync().ConfigureAwait(false);
        if (_buffer.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(_buffer);
            _buffer = [];
        }
    }

    /// <returns>False if the stream ended before the first byte.</returns>
    private async ValueTask<bool> FillAsync(int needed, int wanted)
    {
        if (_buffer.Length < wanted)
        {
            var larger = ArrayPool<byte>.Shared.Rent(wanted);
            _buffer.AsSpan(0, _filled).CopyTo(larger);
            ArrayPool<byte>.Shared.Return(_buffer);
            _buffer = larger;
        }

        while (_filled < needed)
        {
            var count = await _call.Body.ReadAsync(_buffer.AsMemory(_filled, wanted - _filled), _call.Token).ConfigureAwait(false);
            if (count == 0)
            {
                if (_filled == 0)
                {
                    return false;
                }

                // The status, if there is one, says more than the place where it broke off.
                _call.Finish();
                throw new RpcException(StatusCode.Internal, "The stream ended inside a message.");
            }

            _filled += count;
        }

        return true;
    }
}
