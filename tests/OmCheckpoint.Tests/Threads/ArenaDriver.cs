using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Tracing;

namespace OpenMosix.Checkpoint.Tests.Threads;

/// <summary>The warden's end of an arena, as far as a test needs it: one call at a time.</summary>
internal sealed unsafe partial class ArenaDriver : IDisposable
{
    private const int FUTEX_WAIT = 0;
    private const int FUTEX_WAKE = 1;
    private const int SlotAnswer = 4;
    private const int SlotGone = 8;
    private const int SlotNumber = 32;
    private const int SlotResult = 88;
    private const int Rung = 64;

    private readonly AgentArea _area;
    private readonly byte* _arena;

    public ArenaDriver(SafeFileHandle arena, AgentArea area)
    {
        _area = area;
        _arena = MMap(null, (nuint)area.ArenaBytes, 3, 1, arena, 0);
        Assert.NotEqual(-1, (nint)_arena);
    }

    public long Call(uint slot, long number, params ReadOnlySpan<ulong> args)
    {
        var at = Begin(slot, number, args);
        uint bell;
        while (Volatile.Read(ref Word(at + SlotAnswer)) != Word(at))
        {
            bell = Volatile.Read(ref Word(_arena));
            if (Volatile.Read(ref Word(at + SlotAnswer)) != Word(at))
            {
                Futex(_arena, FUTEX_WAIT, bell);
            }
        }

        Assert.NotEqual(0UL, Volatile.Read(ref *(ulong*)(_arena + Rung + (slot / 64 * 8))) & (1UL << (int)(slot % 64)));
        return *(long*)(at + SlotResult);
    }

    /// <summary>OM_DEPUTY_CLONE by the thread of one slot for another.</summary>
    public long Clone(uint by, uint slot)
    {
        var at = At(slot);
        Word(at + SlotAnswer) = Word(at); // the end of a thread before has no answer
        *(uint*)(at + AgentAbi.SlotIndex) = slot;
        *(ulong*)(at + AgentAbi.SlotData) = _area.DataOf(slot).Value;
        *(ulong*)(at + AgentAbi.SlotArena) = _area.Arena.Value;
        const ulong Flags = 0x50f00;
        return Call(by, -2, Flags, _area.Slot(slot).Value, (_area.Tls(slot) - AgentAbi.ThreadTls).Value);
    }

    /// <summary>OM_DEPUTY_EXIT.</summary>
    public void Exit(uint slot)
    {
        var at = At(slot);
        Word(at + SlotGone) = uint.MaxValue;
        Begin(slot, -3, [0]);
        for (uint gone; (gone = Volatile.Read(ref Word(at + SlotGone))) != 0;)
        {
            Futex(at + SlotGone, FUTEX_WAIT, gone);
        }
    }

    /// <summary>How many signals the handler has ever put into its ring.</summary>
    public uint Signals(uint slot) => Volatile.Read(ref Word(At(slot) + AgentAbi.SlotSignalHead));

    public void Dispose() => Assert.Equal(0, MUnmap(_arena, (nuint)_area.ArenaBytes));

    private byte* Begin(uint slot, long number, ReadOnlySpan<ulong> args)
    {
        var at = At(slot);
        *(long*)(at + SlotNumber) = number;
        for (var i = 0; i < args.Length; i++)
        {
            ((ulong*)(at + SlotNumber))[1 + i] = args[i];
        }

        Volatile.Write(ref Word(at), Word(at) + 1);
        Futex(at, FUTEX_WAKE, 1);
        return at;
    }

    private byte* At(uint slot) => _arena + AgentAbi.SlotOffset(slot);

    private static ref uint Word(byte* address) => ref *(uint*)address;

    private static void Futex(byte* address, int operation, uint value) => SystemCall(CallNumber.futex, address, operation, (nint)value, 0);

    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    private static partial byte* MMap(void* address, nuint bytes, int protection, int flags, SafeFileHandle file, long offset);

    [LibraryImport("libc", EntryPoint = "munmap", SetLastError = true)]
    private static partial int MUnmap(void* address, nuint bytes);

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial nint SystemCall(nint number, void* address, nint operation, nint value, nint timeout);
}
