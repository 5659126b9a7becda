namespace OpenMosix.Checkpoint.Interop;

/// <summary>om_abi.h as C# believes it. A test compiles the header and compares every one of these.</summary>
public static class AgentAbi
{
    public const uint Version = 2;
    public const ulong Magic = 0x544e_4741_584d_4f01;

    public const uint CodeOffset = 0x00000;
    public const uint CodeBytes = 0x04000;
    public const uint BlockOffset = 0x04000;
    public const uint BlockBytes = 0x20000;
    public const uint ThreadsOffset = 0x24000;

    public const uint BatchOffset = 0x00000;
    public const uint BatchBytes = 0x08000;
    public const uint DataOffset = 0x08000;
    public const uint DataBytes = 0x10000;
    public const uint BatchStack = 0x20000;

    public const uint ThreadBytes = 0x06000;
    public const uint ThreadTls = 0x05000;

    public const uint SlotHeaderBytes = 0x02000;
    public const uint SlotDataBytes = 0x110000;
    public const uint SlotBytes = SlotHeaderBytes + SlotDataBytes;
    public const uint SlotsMax = 4096;
    public const uint ArenaHeaderBytes = 0x01000;
    public const int ArenaSlots = 4;

    public const int HeaderBytes = 48;
    public const int HeaderBatchEntry = 16;
    public const int HeaderDeputyEntry = 20;
    public const int HeaderSignalHandler = 24;
    public const int HeaderSignalRestorer = 28;

    public const int CallBytes = 64;
    public const int CallResult = 56;
    public const int BatchHeaderBytes = 16;
    public const int BatchDone = 8;
    public const uint StopOnError = 1;

    public const int SlotIndex = 12;
    public const int SlotTid = 20;
    public const int SlotData = 96;
    public const int SlotArena = 104;
    public const uint SlotSignalHead = 128;
    public const uint SlotSignalTail = 132;
    public const uint SlotSignals = 144;
    public const uint SignalBytes = 136;
    public const uint SignalInfo = 8;
    public const uint SignalRing = 32;

    /// <summary>The si_code of what breaks off a call of the deputy, but for its sign.</summary>
    public const int CancelCode = 0x4f4d;

    public static ulong ArenaBytes(uint slots) => ArenaHeaderBytes + ((ulong)slots * SlotBytes);

    public static ulong ArenaOffset(uint slots) => ThreadsOffset + ((ulong)slots * ThreadBytes);

    public static ulong AreaBytes(uint slots) => ArenaOffset(slots) + ArenaBytes(slots);

    /// <summary>From the arena's start.</summary>
    public static ulong SlotOffset(uint index) => ArenaHeaderBytes + ((ulong)index * SlotBytes);
}
