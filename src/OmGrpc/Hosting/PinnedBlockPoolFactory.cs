using System.Buffers;
using Microsoft.AspNetCore.Connections;

namespace OpenMosix.Grpc.Server;

/// <summary>One pool for all servers of the process, in place of one with 4 KiB blocks per listener.</summary>
internal sealed class PinnedBlockPoolFactory : IMemoryPoolFactory<byte>
{
    private static readonly PinnedBlockPool Pool = new();

    public MemoryPool<byte> Create(MemoryPoolOptions? options = null) => Pool;
}
