// The deputy's execve. Arguments go to scratch memory mapped for it and freed when the call fails; mask and pending signals are made exact
// first, because the new program inherits them (KERNEL.md 12). That it worked is told by PTRACE_EVENT_EXEC: a silent arena proves nothing.
using System.Buffers.Binary;
using OpenMosix.Checkpoint.Pages;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Warden.Forward;
using OpenMosix.Warden.Held;

namespace OpenMosix.Warden.Structure;

internal static class ExecuteAtHome
{
    private const long SYS_mmap = 9, SYS_munmap = 11, SYS_rt_sigprocmask = 14, SYS_getpid = 39, SYS_kill = 62, SYS_execveat = 322;
    private const ulong SIG_SETMASK = 2;
    private const int EINVAL = 22, EFAULT = 14;

    internal static long Run(HomeProcess process, HomeSide side, uint slot, ReadOnlySpan<byte> bytes)
    {
        if (ExecuteRequest.Read(bytes) is not { } request)
            return -EINVAL;
        if (process.HandsDownGuarded())
            return HomeRequest.ComesHome;
        byte[] scratch = Layout(request, 0, out _, out _, out _);
        ulong length = ((ulong)scratch.Length + 4095) & ~4095ul;
        long mapped = side.Call(slot, SYS_mmap, [0, length, 3, 0x22, ulong.MaxValue, 0]);
        if (mapped < 0)
            return mapped;
        ulong address = (ulong)mapped;
        scratch = Layout(request, address, out ulong path, out ulong argv, out ulong envp);
        int written = PageWriter.Write(process.Pid, new RemoteAddress(address), scratch);
        long result = written != 0 ? -EFAULT : Execute(process, side, slot, request, path, argv, envp);
        if (result < 0)
        {
            SetMask(side, slot, 0);
            side.Call(slot, SYS_munmap, [address, length]);
        }
        return result;
    }

    private static long Execute(HomeProcess process, HomeSide side, uint slot, ExecuteRequest request, ulong path, ulong argv, ulong envp)
    {
        SetMask(side, slot, request.Mask);
        long self = side.Call(slot, SYS_getpid, []);
        for (int signal = 1; signal <= 64; signal++)
            if ((request.Pending >> (signal - 1) & 1) != 0)
                side.Call(slot, SYS_kill, [(ulong)self, (ulong)signal]);
        int? tid = side.Threads().Where(thread => thread.Slot == slot).Select(thread => (int?)thread.Tid).FirstOrDefault();
        ExecWatch? watch = tid is null ? null : ExecWatch.Begin(tid.Value);
        if (watch is null)
            return -EINVAL;
        Task<long> call = Task.Factory.StartNew(() => side.Call(slot, SYS_execveat,
            [(ulong)(long)request.DirectoryFd, path, argv, envp, (ulong)(uint)request.Flags]), TaskCreationOptions.LongRunning);
        if (Task.WaitAny(watch.Happened, call) == 1)
        {
            watch.Dispose();
            return call.Result;
        }
        process.Executed = watch;
        return 0;
    }

    private static void SetMask(HomeSide side, uint slot, ulong mask)
    {
        byte[] set = new byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(set, mask);
        side.Call(slot, SYS_rt_sigprocmask, [SIG_SETMASK, side.DataAddress(slot), 0, 8], set);
    }

    /// <summary>Pointer arrays first, then the texts, as they will lie at address.</summary>
    private static byte[] Layout(ExecuteRequest request, ulong address, out ulong path, out ulong argv, out ulong envp)
    {
        int pointers = (request.Arguments.Count + 1 + request.Environment.Count + 1) * 8;
        int texts = request.Arguments.Concat(request.Environment).Append(request.Path).Sum(text => text.Length + 1);
        byte[] layout = new byte[pointers + texts];
        int at = 0, text = pointers;
        argv = address;
        Put(layout, request.Arguments, address, ref at, ref text);
        envp = address + (ulong)at;
        Put(layout, request.Environment, address, ref at, ref text);
        path = address + (ulong)text;
        request.Path.CopyTo(layout, text);
        return layout;
    }

    private static void Put(byte[] layout, List<byte[]> texts, ulong address, ref int at, ref int text)
    {
        foreach (byte[] one in texts)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(layout.AsSpan(at), address + (ulong)text);
            one.CopyTo(layout, text);
            at += 8;
            text += one.Length + 1;
        }
        at += 8;
    }
}
