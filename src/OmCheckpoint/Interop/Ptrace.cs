using System.Runtime.InteropServices;
using OpenMosix.Checkpoint.Tracing;

namespace OpenMosix.Checkpoint.Interop;

/// <summary>sys/ptrace.h. Every call comes from the OS thread that seized the tracee.</summary>
internal static unsafe partial class Ptrace
{
    public const int PTRACE_CONT = 7;
    public const int PTRACE_SINGLESTEP = 9;
    public const int PTRACE_GETREGS = 12;
    public const int PTRACE_SETREGS = 13;
    public const int PTRACE_DETACH = 17;
    public const int PTRACE_SYSCALL = 24;
    public const int PTRACE_SETOPTIONS = 0x4200;
    public const int PTRACE_GETEVENTMSG = 0x4201;
    public const int PTRACE_GETSIGINFO = 0x4202;
    public const int PTRACE_GETREGSET = 0x4204;
    public const int PTRACE_SETREGSET = 0x4205;
    public const int PTRACE_SEIZE = 0x4206;
    public const int PTRACE_INTERRUPT = 0x4207;
    public const int PTRACE_PEEKSIGINFO = 0x4209;
    public const int PTRACE_GETSIGMASK = 0x420a;
    public const int PTRACE_SETSIGMASK = 0x420b;
    public const int PTRACE_GET_RSEQ_CONFIGURATION = 0x420f;

    private const int PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG = 0x4211;
    public const int PTRACE_O_TRACESYSGOOD = 0x1;
    public const int PTRACE_O_TRACEFORK = 0x2;
    public const int PTRACE_O_TRACEVFORK = 0x4;
    public const int PTRACE_O_TRACECLONE = 0x8;
    public const int PTRACE_O_TRACEEXEC = 0x10;
    public const int PTRACE_O_EXITKILL = 0x100000;
    public const int PTRACE_O_SUSPEND_SECCOMP = 0x200000;

    public const int PTRACE_EVENT_FORK = 1;
    public const int PTRACE_EVENT_VFORK = 2;
    public const int PTRACE_EVENT_CLONE = 3;
    public const int PTRACE_EVENT_EXEC = 4;
    public const int PTRACE_EVENT_STOP = 128;
    public const int NT_X86_XSTATE = 0x202;
    public const uint PTRACE_PEEKSIGINFO_SHARED = 1;

    public const int SiginfoBytes = 128;

    [StructLayout(LayoutKind.Sequential)]
    public struct Iovec
    {
        public void* Base;
        public nuint Length;
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct PeekSiginfoArgs
    {
        public ulong Offset;
        public uint Flags;
        public int Count;
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct RseqConfiguration
    {
        public ulong Address;
        public uint Size;
        public uint Signature;
        public uint Flags;
        public uint Pad;
    }

    [LibraryImport("libc", EntryPoint = "ptrace", SetLastError = true)]
    private static partial nint PtraceRaw(int request, int pid, nint address, void* data);

    /// <returns>The result, or -errno.</returns>
    public static long Call(int request, int pid, nint address, void* data)
    {
        var result = PtraceRaw(request, pid, address, data);
        return result < 0 ? -Marshal.GetLastPInvokeError() : result;
    }

    public static long Call(int request, int pid, nint address = 0, nint data = 0) => Call(request, pid, address, (void*)data);

    public static long GetRegisters(int pid, out Registers registers)
    {
        fixed (Registers* pointer = &registers)
        {
            return Call(PTRACE_GETREGS, pid, 0, pointer);
        }
    }

    public static long SetRegisters(int pid, in Registers registers)
    {
        fixed (Registers* pointer = &registers)
        {
            return Call(PTRACE_SETREGS, pid, 0, pointer);
        }
    }

    public static long GetSignalMask(int pid, out ulong mask)
    {
        fixed (ulong* pointer = &mask)
        {
            return Call(PTRACE_GETSIGMASK, pid, sizeof(ulong), pointer);
        }
    }

    public static long SetSignalMask(int pid, ulong mask) => Call(PTRACE_SETSIGMASK, pid, sizeof(ulong), &mask);

    /// <returns>The number of bytes of the set, or -errno.</returns>
    public static long GetRegisterSet(int pid, int type, Span<byte> buffer)
    {
        fixed (byte* pointer = buffer)
        {
            var vector = new Iovec { Base = pointer, Length = (nuint)buffer.Length };
            var result = Call(PTRACE_GETREGSET, pid, type, &vector);
            return result < 0 ? result : (long)vector.Length;
        }
    }

    public static long SetRegisterSet(int pid, int type, ReadOnlySpan<byte> buffer)
    {
        fixed (byte* pointer = buffer)
        {
            var vector = new Iovec { Base = pointer, Length = (nuint)buffer.Length };
            return Call(PTRACE_SETREGSET, pid, type, &vector);
        }
    }

    /// <returns>How many siginfo were copied, or -errno.</returns>
    public static long PeekSiginfo(int pid, bool shared, ulong offset, Span<byte> buffer)
    {
        var args = new PeekSiginfoArgs
        {
            Offset = offset,
            Flags = shared ? PTRACE_PEEKSIGINFO_SHARED : 0,
            Count = buffer.Length / SiginfoBytes,
        };
        fixed (byte* pointer = buffer)
        {
            return Call(PTRACE_PEEKSIGINFO, pid, (nint)(&args), pointer);
        }
    }

    /// <summary>Whether calls of this thread raise SIGSYS instead of being executed (prctl(2), PR_SET_SYSCALL_USER_DISPATCH). False before Linux 6.4.</summary>
    public static bool DispatchesCalls(int pid)
    {
        var configuration = default(SyscallUserDispatch);
        return Call(PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG, pid, sizeof(SyscallUserDispatch), &configuration) == 0 && configuration.Mode != 0;
    }

    /// <summary>struct ptrace_sud_config.</summary>
    private struct SyscallUserDispatch
    {
        public ulong Mode;
        public ulong Selector;
        public ulong Offset;
        public ulong Length;
    }

    public static long GetRseqConfiguration(int pid, out RseqConfiguration configuration)
    {
        fixed (RseqConfiguration* pointer = &configuration)
        {
            return Call(PTRACE_GET_RSEQ_CONFIGURATION, pid, sizeof(RseqConfiguration), pointer);
        }
    }
}
