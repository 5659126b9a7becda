using System.Buffers;
using System.Collections.Concurrent;

namespace OpenMosix.Grpc.Server;

/// <summary>
/// Blocks of 64 KiB that the collector never moves, so that system calls and TLS read and write them in place. What is returned beyond
/// the number kept is left to the collector: a daemon at rest is small again after a move. Safe from any thread.
/// </summary>
internal sealed class PinnedBlockPool : MemoryPool<byte>
{
    private const int BlockBytes = 64 * 1024;
    private const int KeptBlocks = 128;

    private readonly ConcurrentQueue<byte[]> _free = new();
    private int _freeCount;

    public override int MaxBufferSize => BlockBytes;

    public override IMemoryOwner<byte> Rent(int minBufferSize = -1)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(minBufferSize, BlockBytes);
        if (_free.TryDequeue(out var block))
        {
            Interlocked.Decrement(ref _freeCount);
            return new Block(this, block);
        }

        return new Block(this, GC.AllocateUninitializedArray<byte>(BlockBytes, pinned: true));
    }

    // Shared by all listeners and by connections that outlive them; it ends with the process.
    protected override void Dispose(bool disposing)
    {
    }

    private void Return(byte[] block)
    {
        if (Interlocked.Increment(ref _freeCount) <= KeptBlocks)
        {
            _free.Enqueue(block);
        }
        else
        {
            Interlocked.Decrement(ref _freeCount);
        }
    }

    private sealed class Block(PinnedBlockPool pool, byte[] array) : IMemoryOwner<byte>
    {
        private byte[]? _array = array;

        public Memory<byte> Memory => _array ?? throw new ObjectDisposedException(nameof(Block));

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _array, null) is { } block)
            {
                pool.Return(block);
            }
        }
    }
}
