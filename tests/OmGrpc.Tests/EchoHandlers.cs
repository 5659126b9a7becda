using Google.Protobuf;
using Google.Protobuf.Reflection;
using OpenMosix.Grpc.Tests.Protocol;

namespace OpenMosix.Grpc.Tests;

/// <summary>The service under test. <c>behaviour</c> in a request names what is to happen.</summary>
internal sealed class EchoHandlers
{
    public static readonly ServiceDescriptor Service = EchoReflection.Descriptor.Service("Echo");

    public static readonly GrpcMethod<EchoRequest, EchoReply> Say = new(Service, "Say");
    public static readonly GrpcMethod<EchoRequest, EchoReply> Collect = new(Service, "Collect");
    public static readonly GrpcMethod<EchoRequest, EchoReply> Repeat = new(Service, "Repeat");
    public static readonly GrpcMethod<EchoRequest, EchoReply> Talk = new(Service, "Talk");
    public static readonly GrpcMethod<EchoRequest, EchoReply> Anybody = new(Service, "Anybody");
    public static readonly GrpcMethod<EchoRequest, Block> Bytes = new(Service, "Bytes");
    public static readonly GrpcMethod<EchoRequest, EchoReply> Unbound = new(Service, "Unbound");

    /// <summary>Completes when a handler that waits was told to stop.</summary>
    public TaskCompletionSource Stopped { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public TaskCompletionSource Waiting { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public void Bind(IServiceBinder binder) => binder
        .Unary<EchoRequest, EchoReply>("Say", SayAsync)
        .ClientStreaming<EchoRequest, EchoReply>("Collect", CollectAsync)
        .ServerStreaming<EchoRequest, EchoReply>("Repeat", RepeatAsync)
        .Duplex<EchoRequest, EchoReply>("Talk", TalkAsync)
        .RawServerStreaming<EchoRequest, Block>("Bytes", BytesAsync)
        .AllowAnonymous()
        .Unary<EchoRequest, EchoReply>("Anybody", SayAsync);

    public static byte Pattern(int offset) => (byte)((offset * 31) ^ (offset >> 8));

    private async Task<EchoReply> SayAsync(EchoRequest request, ServerCall call)
    {
        await BehaveAsync(request.Behaviour, call);
        return new EchoReply { Text = request.Text, Peer = call.PeerNode ?? "", Uid = call.UnixPeer?.Uid ?? uint.MaxValue };
    }

    private async Task<EchoReply> CollectAsync(IAsyncEnumerable<EchoRequest> requests, ServerCall call)
    {
        var texts = new List<string>();
        await foreach (var request in requests)
        {
            await BehaveAsync(request.Behaviour, call);
            texts.Add(request.Text);
        }

        return new EchoReply { Text = string.Join(",", texts), Peer = call.PeerNode ?? "" };
    }

    private async Task RepeatAsync(EchoRequest request, IStreamWriter<EchoReply> answers, ServerCall call)
    {
        for (var i = 0; i < request.Times; i++)
        {
            await answers.WriteAsync(new EchoReply { Text = $"{request.Text} {i}" });
        }

        await BehaveAsync(request.Behaviour, call);
    }

    private async Task TalkAsync(IAsyncEnumerable<EchoRequest> requests, IStreamWriter<EchoReply> answers, ServerCall call)
    {
        await foreach (var request in requests)
        {
            await BehaveAsync(request.Behaviour, call);
            await answers.WriteAsync(new EchoReply { Text = request.Text });
        }
    }

    private static async Task BytesAsync(EchoRequest request, FrameWriter frames, ServerCall call)
    {
        var offset = 0;
        for (var i = 0; i < request.Times; i++)
        {
            // Lengths that cross every boundary of the length's varint, and the size of a block.
            var length = (int)Math.Min(1L << (i % 16), 60_000) + (i % 3);
            var header = new Block { Offset = (ulong)offset, Sum = 1 };
            var room = frames.Reserve(header.CalculateSize(), 15, length);
            for (var j = 0; j < length; j++)
            {
                room.Span[j] = Pattern(offset + j);
            }

            header.Sum = (uint)length;
            header.WriteTo(frames.Header);
            frames.Commit(length);
            offset += length;
            if (frames.UnflushedBytes > 100_000)
            {
                await frames.FlushAsync(call.CancellationToken);
            }
        }
    }

    private async Task BehaveAsync(string behaviour, ServerCall call)
    {
        switch (behaviour)
        {
            case "":
                return;
            case "fail":
                call.ResponseTrailers.Add("why", "asked");
                throw new RpcException(StatusCode.FailedPrecondition, "Schlüssel 100% 鍵\nweg");
            case "throw":
                throw new InvalidOperationException("secret");
            case "metadata":
                call.ResponseHeaders.Add("seen", call.RequestHeaders.Get("hello") ?? "nothing");
                call.ResponseTrailers.Add("last-bin", call.RequestHeaders.GetBytes("raw-bin") ?? []);
                return;
            case "wait":
                Waiting.TrySetResult();
                try
                {
                    await Task.Delay(Timeout.Infinite, call.CancellationToken);
                }
                finally
                {
                    Stopped.TrySetResult();
                }

                return;
            default:
                throw new RpcException(StatusCode.InvalidArgument, behaviour);
        }
    }
}
