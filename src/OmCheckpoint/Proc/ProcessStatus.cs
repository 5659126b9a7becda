using System.Globalization;
using OpenMosix.Checkpoint.Tracing;

namespace OpenMosix.Checkpoint.Proc;

/// <summary>What /proc/PID/status says, as far as it is needed.</summary>
internal sealed record ProcessStatus
{
    public string Name { get; private init; } = "";

    /// <summary>The letter: R, S, D, T, t, Z, X...</summary>
    public char State { get; private init; }

    public int Threads { get; private init; }

    public int ParentPid { get; private init; }

    public int TracerPid { get; private init; }

    public int Seccomp { get; private init; }

    public bool HasMemory { get; private init; }

    public bool IsKernelThread { get; private init; }

    public ulong ThreadPending { get; private init; }

    public ulong SharedPending { get; private init; }

    public ulong Blocked { get; private init; }

    public ulong Ignored { get; private init; }

    public ulong Caught { get; private init; }

    public ulong AddressSpaceBytes { get; private init; }

    public ulong DataBytes { get; private init; }

    public ulong LockedBytes { get; private init; }

    public ulong ResidentBytes { get; private init; }

    /// <summary>The same process seen from the namespace it lives in.</summary>
    public int InnerPid { get; private init; }

    public int InnerTid { get; private init; }

    /// <summary>Signals that wait, are not blocked and do something: the next thing the thread does is to take one of them.</summary>
    public ulong Deliverable => Taken(Blocked);

    /// <summary>Whether one of them would be taken under this mask.</summary>
    public bool WouldTake(ulong mask) => Taken(mask) != 0;

    private ulong Taken(ulong mask) => (ThreadPending | SharedPending) & ~mask & ~Ignored & (Caught | ~Signals.DefaultIgnored);

    /// <summary>Of a process, or of one of its threads.</summary>
    /// <returns>null: there is no such process.</returns>
    public static ProcessStatus? Read(int pid)
    {
        if (ProcFile.Read($"/proc/{pid}/status") is not { } content)
        {
            return null;
        }

        // The name, the only free text in it, has its newlines escaped.
        var text = '\n' + content;
        string Text(string name)
        {
            var start = text.IndexOf($"\n{name}:", StringComparison.Ordinal);
            return start < 0 ? "" : text[(start + name.Length + 2)..text.IndexOf('\n', start + 1)].Trim();
        }

        int Number(string name) => int.TryParse(Text(name), CultureInfo.InvariantCulture, out var value) ? value : 0;
        ulong Set(string name) => ulong.TryParse(Text(name), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out var value) ? value : 0;
        ulong Bytes(string name) => ulong.TryParse(Text(name).Split(' ')[0], CultureInfo.InvariantCulture, out var kilobytes) ? kilobytes * 1024 : 0;
        int Last(string name) => Text(name).Split('\t', ' ') is [.., var last] && int.TryParse(last, out var value) ? value : pid;

        return new ProcessStatus
        {
            Name = Text("Name"),
            State = Text("State") is [var letter, ..] ? letter : '?',
            Threads = Number("Threads"),
            ParentPid = Number("PPid"),
            TracerPid = Number("TracerPid"),
            Seccomp = Number("Seccomp"),
            HasMemory = Text("VmSize").Length > 0,
            // Before Linux 6.11 it is told by its parent, kthreadd.
            IsKernelThread = Text("Kthread") is var kernels && (kernels.Length > 0 ? kernels == "1" : Number("PPid") == 2 || pid == 2),
            ThreadPending = Set("SigPnd"),
            SharedPending = Set("ShdPnd"),
            Blocked = Set("SigBlk"),
            Ignored = Set("SigIgn"),
            Caught = Set("SigCgt"),
            AddressSpaceBytes = Bytes("VmSize"),
            DataBytes = Bytes("VmData"),
            LockedBytes = Bytes("VmLck"),
            ResidentBytes = Bytes("VmRSS"),
            InnerPid = Last("NStgid"),
            InnerTid = Last("NSpid"),
        };
    }

    public static (int Pid, int Tid) InnermostIds(int pid)
    {
        var status = Read(pid) ?? throw new TraceeException($"process {pid} is gone", Interop.Errno.ESRCH);
        return (status.InnerPid, status.InnerTid);
    }
}
