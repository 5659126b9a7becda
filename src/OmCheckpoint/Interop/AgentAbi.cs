namespace OpenMosix.Checkpoint.Interop;

/// <summary>om_abi.h as C# believes it. A test compiles the header and compares every one of these.</summary>
public static class AgentAbi
{
    public const uint Version = 1;
    public const ulong Magic = 0x544e_4741_584d_4f01;

    public const uint CodeOffset = 0x00000;
    public const uint CodeBytes = 0x04000;
    public const uint BlockOffset = 0x04000;
    public const uint BlockBytes = 0x20000;
    public const uint ArenaOffset = 0x24000;

    public const uint BatchOffset = 0x00000;
    public const uint BatchBytes = 0x08000;
    public const uint DataOffset = 0x08000;
    public const uint DataBytes = 0x10000;
    public const uint BatchStack = 0x1a000;
    public const uint DeputyStack = 0x1f000;
    public const uint DeputyTls = 0x1f000;

    public const uint SlotHeaderBytes = 0x02000;
    public const uint SlotDataBytes = 0x110000;
    public const uint SlotBytes = SlotHeaderBytes + SlotDataBytes;
    public const uint ArenaSlots = 1;
    public const uint ArenaBytes = ArenaSlots * SlotBytes;
    public const uint AreaBytes = ArenaOffset + ArenaBytes;

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

    public const int SlotTid = 20;
    public const int SlotData = 96;
    public const uint SlotSignalHead = 128;
    public const uint SlotSignals = 144;
    public const uint SignalBytes = 136;
    public const uint SignalInfo = 8;
    public const uint SignalRing = 32;
}
