using System.Buffers;
using Microsoft.AspNetCore.Connections;

namespace OpenMosix.Grpc.Server;

/// <summary>One pool for all of Kestrel, in place of one with 4 KiB blocks per listener.</summary>
internal sealed class PinnedBlockPoolFactory : IMemoryPoolFactory<byte>
{
    private readonly PinnedBlockPool _pool = new();

    public MemoryPool<byte> Create(MemoryPoolOptions? options = null) => _pool;
}
