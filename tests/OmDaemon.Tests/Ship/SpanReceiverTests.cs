using System.Runtime.InteropServices;
using Google.Protobuf;
using OpenMosix.Checkpoint.Pages;
using OpenMosix.Daemon.Ship;
using OpenMosix.Grpc;
using OpenMosix.Protocol.Errors;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Tests.Ship;

/// <summary>What a hostile or broken source may send. The memory that is written to is this process's own.</summary>
public sealed unsafe class SpanReceiverTests : IDisposable
{
    private const int Page = 4096;
    private const int Pages = 16;

    private readonly byte* _memory = (byte*)NativeMemory.AlignedAlloc(Pages * Page, Page);
    private readonly SpanReceiver _receiver;

    public SpanReceiverTests()
    {
        new Span<byte>(_memory, Pages * Page).Fill(0xee);
        PageSpan[] asked = [Span(2, 4), Span(8, 2)];
        _receiver = new SpanReceiver(asked, new PageDestination(new ProcessImage(), new WardenRestoring { MemoryPid = Environment.ProcessId }));
    }

    private ulong Start => (ulong)_memory;

    [Fact]
    public void Take_WhatWasAskedFor_IsWrittenAndComplete()
    {
        Assert.True(Take(Data(2, 3)).Ok);
        Assert.False(_receiver.IsComplete);
        Assert.True(Take(Data(5, 1)).Ok);
        Assert.True(Take(new PageChunk { Offset = Start + (8 * Page), ZeroBytes = 2 * Page }).Ok);
        Assert.True(_receiver.IsComplete);
        Assert.Equal((4UL * Page, 2UL * Page), (_receiver.DataBytes, _receiver.ZeroBytes));
        Assert.Equal((0xee, 0x11, 0x11, 0xee), (_memory[(2 * Page) - 1], _memory[2 * Page], _memory[(6 * Page) - 1], _memory[6 * Page]));
        Refuses(Data(8, 1), "out of turn");
    }

    [Fact]
    public void Take_TheSameTwice_Refused()
    {
        Assert.True(Take(Data(2, 2)).Ok);
        Refuses(Data(2, 2), "out of turn");
    }

    [Fact]
    public void Take_WithAGap_Refused() => Refuses(Data(3, 1), "out of turn");

    [Fact]
    public void Take_AnotherFile_Refused()
    {
        PageChunk chunk = Data(2, 1);
        chunk.File = 1;
        Refuses(chunk, "out of turn");
    }

    [Fact]
    public void Take_BeyondTheSpan_Refused() => Refuses(Data(2, 5), "not what was asked for");

    [Fact]
    public void Take_ZerosBeyondTheSpan_Refused() => Refuses(new PageChunk { Offset = Start + (2 * Page), ZeroBytes = ulong.MaxValue - Page + 1 }, "not what was asked for");

    [Fact]
    public void Take_HalfAPage_Refused()
    {
        PageChunk chunk = Data(2, 1);
        chunk.Data = ByteString.CopyFrom(chunk.Data.Span[..100]);
        Refuses(chunk, "not what was asked for");
    }

    [Fact]
    public void Take_NothingAtAll_Refused() => Refuses(new PageChunk { Offset = Start + (2 * Page) }, "not what was asked for");

    [Fact]
    public void Take_DataAndZeros_Refused()
    {
        PageChunk chunk = Data(2, 1);
        chunk.ZeroBytes = Page;
        Refuses(chunk, "not what was asked for");
    }

    [Fact]
    public void Take_OneBitFlipped_Refused()
    {
        PageChunk chunk = Data(2, 1);
        var bytes = chunk.Data.ToByteArray();
        bytes[1000] ^= 4;
        chunk.Data = ByteString.CopyFrom(bytes);
        Refuses(chunk, "damaged");
    }

    [Fact]
    public void Take_Garbage_Refused()
    {
        Outcome outcome = _receiver.Take(new RawMessage((byte[])[0x0b, 0xff]));
        Assert.Contains("malformed", outcome.Failure!.Message, StringComparison.Ordinal);
    }

    public void Dispose() => NativeMemory.AlignedFree(_memory);

    private PageSpan Span(int page, int pages) => new() { Offset = Start + ((ulong)page * Page), Bytes = (ulong)pages * Page };

    private PageChunk Data(int page, int pages)
    {
        var bytes = new byte[pages * Page];
        bytes.AsSpan().Fill(0x11);
        return new PageChunk { Offset = Start + ((ulong)page * Page), Data = ByteString.CopyFrom(bytes), Crc32C = Crc32C.Compute(bytes) };
    }

    private Outcome Take(PageChunk chunk) => _receiver.Take(new RawMessage(chunk.ToByteArray()));

    private void Refuses(PageChunk chunk, string why)
    {
        Outcome outcome = Take(chunk);
        Assert.False(outcome.Ok);
        Assert.Contains(why, outcome.Failure.Message, StringComparison.Ordinal);
    }
}
