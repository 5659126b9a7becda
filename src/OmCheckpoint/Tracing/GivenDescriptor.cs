using System.Buffers.Binary;
using Microsoft.Win32.SafeHandles;
using OpenMosix.Checkpoint.Interop;

namespace OpenMosix.Checkpoint.Tracing;

/// <summary>
/// Gives a stopped process a descriptor of ours: it makes a pair of sockets, we take one of them and send it there (unix(7), SCM_RIGHTS). The
/// sockets are gone afterwards; closing the descriptor is the caller's affair.
/// </summary>
internal static class GivenDescriptor
{
    private const ulong AF_UNIX = 1;
    private const ulong SOCK_DGRAM = 2;
    private const ulong SOCK_CLOEXEC = 0x80000;
    private const ulong MSG_DONTWAIT = 0x40;
    private const ulong MSG_CMSG_CLOEXEC = 0x40000000;
    private const int ControlBytes = 24; // a cmsghdr and one descriptor
    private const int DescriptorAt = 16;

    /// <returns>Its number there.</returns>
    public static ulong To(Agent agent, int pid, SafeFileHandle descriptor)
    {
        var make = agent.NewBatch();
        var pair = make.Reserve(2 * sizeof(int));
        make.Add(CallNumber.socketpair, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair);
        var made = agent.Execute(make, "making a pair of sockets").Bytes(pair, 2 * sizeof(int));
        var ours = BinaryPrimitives.ReadInt32LittleEndian(made);
        var theirs = BinaryPrimitives.ReadInt32LittleEndian(made[sizeof(int)..]);
        try
        {
            var error = Kernel.TakeDescriptor(pid, ours, out var socket);
            using (socket)
            {
                error = error != 0 ? error : Kernel.SendDescriptor(socket!, descriptor);
            }

            return error == 0 ? Receive(agent, (ulong)theirs) : throw new TraceeException("giving it a descriptor", error);
        }
        finally
        {
            var close = agent.NewBatch();
            close.Add(CallNumber.close, (ulong)ours);
            close.Add(CallNumber.close, (ulong)theirs);
            agent.Run(close);
        }
    }

    private static ulong Receive(Agent agent, ulong socket)
    {
        var receive = agent.NewBatch();
        var body = receive.Reserve(sizeof(ulong));
        var control = receive.Reserve(ControlBytes);
        var vector = receive.Data(Words(body, 1));
        var header = receive.Data(Words(0, 0, vector, 1, control, ControlBytes, 0));
        receive.Add(CallNumber.recvmsg, socket, header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        // What the call wrote into struct msghdr is not needed: without a descriptor the control message is as it was reserved, all zero.
        var came = agent.Execute(receive, "taking a descriptor").Bytes(control, ControlBytes);
        return BinaryPrimitives.ReadUInt64LittleEndian(came) >= DescriptorAt + sizeof(int)
            ? BinaryPrimitives.ReadUInt32LittleEndian(came[DescriptorAt..])
            : throw new TraceeException("taking a descriptor: it has no room for another", Errno.EMFILE);
    }

    private static byte[] Words(params ReadOnlySpan<ulong> words)
    {
        var bytes = new byte[words.Length * sizeof(ulong)];
        for (var i = 0; i < words.Length; i++)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(i * sizeof(ulong)), words[i]);
        }

        return bytes;
    }
}
