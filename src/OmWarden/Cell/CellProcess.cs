// The walls of one cell: omcell's init, its control socket and its cgroup. Create() runs on the caller's thread and either returns a cell with a
// blank child, or has undone everything. End() ends all that is inside and returns when nothing of it exists; a tracer of
// a process inside must have let go before (a traced zombie keeps its pid namespace alive).
using System.Collections.Concurrent;
using Microsoft.Win32.SafeHandles;
using OpenMosix.Protocol.V1;
using OpenMosix.Warden.Interop;

namespace OpenMosix.Warden.Cell;

internal sealed class CellProcess
{
    private const int ControlDescriptor = 3;
    private const int SIGKILL = 9;
    // A cell that does not answer within this is broken; it is ended and the Restore fails with its name.
    private static readonly TimeSpan AnswerWithin = TimeSpan.FromSeconds(10);

    private readonly Cgroup cgroup;
    private readonly BlockingCollection<(CellReport Report, int Sender)> answers = [];
    private readonly Lock gate = new();
    private bool watched, ended;

    private CellProcess(SafeFileHandle control, SafeFileHandle initPidfd, int initPid, Cgroup cgroup, CellClock clock)
    {
        Control = control;
        InitPidfd = initPidfd;
        InitPid = initPid;
        Clock = clock;
        this.cgroup = cgroup;
    }

    internal SafeFileHandle Control { get; }
    internal SafeFileHandle InitPidfd { get; }
    internal int InitPid { get; }
    /// <summary>The blank child, later the remote; in the warden's pid namespace. Its pidfd is the caller's. Of a cell that has just been made.</summary>
    internal int BodyPid { get; private init; }
    internal SafeFileHandle? BodyPidfd { get; private init; }
    internal CellClock Clock { get; }
    internal string CgroupName => cgroup.Name;

    internal MemoryGuard? GuardMemory(Action pressed) => MemoryGuard.Start(cgroup, pressed);

    /// <summary>IOException: more is in use.</summary>
    internal void LimitMemory(ulong bytes) => cgroup.LimitMemory(bytes);

    internal void LimitPids(ulong count) => cgroup.LimitPids(count);

    internal static CellProcess Create(CellOptions options, CgroupTree tree)
    {
        Cgroup cgroup = Cgroup.Create(tree, Cgroup.NameOf(options.Instance, options.Name), options.Limits);
        SafeFileHandle? control = null, initPidfd = null;
        int launcher = 0;
        try
        {
            (control, SafeFileHandle theirs) = Sockets.Pair();
            Sockets.SetReceiveTimeout(control, AnswerWithin);
            using (theirs)
                launcher = Spawn.WithDescriptor(options.Helper, theirs, ControlDescriptor);
            if (launcher < 0)
                throw new CellException($"starting {options.Helper}", -launcher);
            Await(control, CellOperation.Unshared, out _);
            SubordinateIds.Map(launcher, options.FirstId);
            cgroup.Enter(launcher);
            Send(control, CellMessages.Start(options.Limits.Cpus, options.Clock.MonotonicOffsetNs, options.Clock.BoottimeOffsetNs, options.Hostname));
            Await(control, CellOperation.Ready, out int initPid);
            Processes.Reap(launcher);
            launcher = 0;
            initPidfd = Processes.OpenPidfd(initPid) ?? throw new CellException("init of the cell has ended", 0);
            Send(control, CellMessages.Spawn(options.InnerPid));
            Await(control, CellOperation.Born, out int bodyPid);
            SafeFileHandle bodyPidfd = ChildOf(bodyPid, initPid);
            Await(control, CellOperation.Spawned, out _);
            Sockets.SetReceiveTimeout(control, TimeSpan.Zero);
            // It has inherited the warden's, which is among the last to go. When this node is out of memory a guest goes first.
            File.WriteAllText($"/proc/{bodyPid}/oom_score_adj", "1000");
            return new(control, initPidfd, initPid, cgroup, options.Clock) { BodyPid = bodyPid, BodyPidfd = bodyPidfd };
        }
        catch
        {
            control?.Dispose(); // the end of the socket is what ends omcell, whatever state it is in
            if (launcher > 0)
                Processes.Reap(launcher);
            if (initPidfd is not null)
                EndInit(initPidfd);
            cgroup.Delete();
            throw;
        }
    }

    /// <summary>A cell that an earlier warden made and left in the fd store.</summary>
    internal static CellProcess Adopt(SafeFileHandle control, SafeFileHandle initPidfd, int initPid, string cgroupName, CgroupTree tree, CellClock clock) =>
        new(control, initPidfd, initPid, Cgroup.Adopt(tree, cgroupName), clock);

    /// <summary>From now on each end of a process inside is told, on a thread of its own, until the cell itself has ended. Nothing when it has been ended already.</summary>
    internal void Watch(string name, Action<CellReport> exited)
    {
        lock (gate)
        {
            if (ended)
                return;
            watched = true;
        }
        var thread = new Thread(() => Receive(exited), 256 << 10) { IsBackground = true, Name = $"cell {name}" };
        thread.Start();
    }

    /// <summary>The next process or thread that is made inside gets this id. The cell has to be watched. One caller at a time.</summary>
    internal void NextTid(int tid)
    {
        Send(Control, CellMessages.NextTid(tid));
        CellReport report = Answer(CellOperation.Next, out _);
        if (report.Pid != tid)
            throw new CellException("the next id", 0);
    }

    /// <summary>Another blank child, with this pid inside. The cell has to be watched. One caller at a time.</summary>
    internal int AddBlank(int innerPid, out SafeFileHandle pidfd)
    {
        while (answers.TryTake(out _))
        {
            // Of one that failed halfway.
        }
        Send(Control, CellMessages.Spawn(innerPid));
        Answer(CellOperation.Born, out int pid);
        pidfd = ChildOf(pid, InitPid);
        try
        {
            Answer(CellOperation.Spawned, out _);
            File.WriteAllText($"/proc/{pid}/oom_score_adj", "1000");
            return pid;
        }
        catch
        {
            Processes.SendSignal(pidfd, SIGKILL);
            pidfd.Dispose();
            throw;
        }
    }

    private CellReport Answer(CellOperation expected, out int sender)
    {
        if (!answers.TryTake(out (CellReport Report, int Sender) answer, Timeout.Infinite))
            throw new CellException("the cell has ended", 0);
        (CellReport report, sender) = answer;
        return report.Operation == expected && report.Error == 0
            ? report
            : throw new CellException(report.Where.Length > 0 ? report.Where : $"{report.Operation} instead of {expected}", report.Error);
    }

    /// <summary>Ends everything inside. False when the cgroup could not be removed (it is swept at the next start).</summary>
    internal bool End()
    {
        bool receives;
        lock (gate)
        {
            ended = true;
            receives = watched;
        }
        EndInit(InitPidfd);
        bool removed = cgroup.Delete();
        InitPidfd.Dispose();
        if (!receives)
            Control.Dispose();
        return removed;
    }

    // The socket is this thread's once it runs: it reads until nobody inside is left to write.
    private void Receive(Action<CellReport> exited)
    {
        Span<byte> message = stackalloc byte[CellReport.Bytes];
        while (Sockets.Receive(Control, message, out Sockets.Credentials sender) == CellReport.Bytes)
        {
            CellReport report = CellReport.Read(message);
            if (report.Operation == CellOperation.Exited)
                exited(report);
            if (report.Operation is CellOperation.Next or CellOperation.Born or CellOperation.Spawned)
                answers.Add((report, sender.pid));
        }
        answers.CompleteAdding();
        Control.Dispose();
    }

    private static void EndInit(SafeFileHandle pidfd)
    {
        Processes.SendSignal(pidfd, SIGKILL);
        Processes.WaitForEnd(pidfd);
    }

    private static SafeFileHandle ChildOf(int pid, int parent)
    {
        SafeFileHandle? pidfd = Processes.OpenPidfd(pid);
        // It could have died and its number been given to another process between its message and the line above.
        if (pidfd is not null && IsChildOf(pid, parent))
            return pidfd;
        pidfd?.Dispose();
        throw new CellException("the blank child has ended", 0);
    }

    private static bool IsChildOf(int pid, int parent)
    {
        try
        {
            return File.ReadLines($"/proc/{pid}/status").Any(line => line == $"PPid:\t{parent}");
        }
        catch (IOException)
        {
            return false;
        }
    }

    private static void Send(SafeFileHandle control, byte[] message)
    {
        int result;
        try
        {
            result = Sockets.Send(control, message);
        }
        catch (ObjectDisposedException)
        {
            throw new CellException("the cell has ended", 0);
        }
        if (result < 0)
            throw new CellException("telling the cell", -result);
    }

    private static void Await(SafeFileHandle control, CellOperation expected, out int senderPid)
    {
        Span<byte> message = stackalloc byte[CellReport.Bytes];
        int got = Sockets.Receive(control, message, out Sockets.Credentials sender);
        if (got != CellReport.Bytes)
            throw new CellException($"waiting for {expected}", got < 0 ? -got : 0);
        CellReport report = CellReport.Read(message);
        if (report.Operation != expected || report.Error != 0)
            throw new CellException(report.Where.Length > 0 ? report.Where : $"{report.Operation} instead of {expected}", report.Error);
        senderPid = sender.pid;
    }
}
