using System.Runtime.InteropServices;
using OpenMosix.Checkpoint.Interop;

namespace OpenMosix.Checkpoint.Tracing;

/// <summary>
/// One seized thread; trap is the same for all of its process. Every method is for its TracerThread. Between injections the thread stands in a stop inside the kernel's signal code
/// with its own registers, so that a detach, deliberate or not, lets it go on as if nothing had been (a restart of
/// its system call included: only there does the kernel look at -ERESTART*).
/// </summary>
internal sealed class Tracee(int tid, TrapState trap)
{
    private readonly List<byte[]> _heldSignals = [];

    public int Tid { get; } = tid;

    /// <summary>The process ignores SIGTRAP: forcing one on it would reset that to the default.</summary>
    public bool TrapIgnored
    {
        get => trap.Ignored;
        set => trap.Ignored = value;
    }

    /// <summary>SIGSTOP came while it was held: it is sent again when it goes on.</summary>
    public bool HeldStop { get; private set; }

    /// <summary>Signals that had to be taken off the queue (a SIGTRAP someone sent): to be queued again.</summary>
    public IReadOnlyList<byte[]> HeldSignals => _heldSignals;

    /// <returns>0 or errno.</returns>
    public int Seize(int options) => (int)-Ptrace.Call(Ptrace.PTRACE_SEIZE, Tid, 0, options);

    /// <summary>The new thread or process at a PTRACE_EVENT_CLONE of this one: seized as this one is.</summary>
    public unsafe Tracee Born()
    {
        ulong born;
        Check(Ptrace.Call(Ptrace.PTRACE_GETEVENTMSG, Tid, 0, &born), "PTRACE_GETEVENTMSG");
        return new Tracee((int)born, trap);
    }

    public void SetOptions(int options) => Check(Ptrace.Call(Ptrace.PTRACE_SETOPTIONS, Tid, 0, options), "PTRACE_SETOPTIONS");

    public void Interrupt() => Check(Ptrace.Call(Ptrace.PTRACE_INTERRUPT, Tid), "PTRACE_INTERRUPT");

    public void Resume(int request, int signal = 0) => Check(Ptrace.Call(request, Tid, 0, signal), "resume");

    public void Detach(int signal = 0) => Check(Ptrace.Call(Ptrace.PTRACE_DETACH, Tid, 0, signal), "PTRACE_DETACH");

    /// <summary>Lets all threads of a process go. The first may take a signal by which the others end before they are let go: they are gone
    /// as they would be without us.</summary>
    public static void DetachAll(IEnumerable<Tracee> tracees)
    {
        var goesOn = false;
        foreach (var tracee in tracees)
        {
            var result = Ptrace.Call(Ptrace.PTRACE_DETACH, tracee.Tid);
            if (!goesOn || result != -Errno.ESRCH)
            {
                Check(result, "PTRACE_DETACH");
            }

            goesOn = true;
        }
    }

    public Registers Registers
    {
        get
        {
            Check(Ptrace.GetRegisters(Tid, out var registers), "PTRACE_GETREGS");
            return registers;
        }

        set => Check(Ptrace.SetRegisters(Tid, value), "PTRACE_SETREGS");
    }

    public ulong SignalMask
    {
        get
        {
            Check(Ptrace.GetSignalMask(Tid, out var mask), "PTRACE_GETSIGMASK");
            return mask;
        }

        set => Check(Ptrace.SetSignalMask(Tid, value), "PTRACE_SETSIGMASK");
    }

    /// <summary>Waits for the next stop. Only where it is near: what the tracee does meanwhile never sleeps.</summary>
    public WaitStatus WaitStop()
    {
        var result = Wait.For(Tid, Wait.WALL, out var word);
        if (result < 0)
        {
            throw new TraceeException("waitpid", -result);
        }

        var status = new WaitStatus(word);
        return status.IsGone ? throw new TraceeGoneException(status) : status;
    }

    /// <summary>Waits for its end, where that is near.</summary>
    public WaitStatus WaitEnd()
    {
        Check(Wait.For(Tid, Wait.WALL, out var word), "waitpid");
        return new WaitStatus(word);
    }

    /// <summary>Resumes until the stop that is wanted. A stop for another reason is gone through: a trap for a SIGCONT that came, a SIGSTOP
    /// (kept for later), a SIGTRAP somebody sent (kept too). A fault of what runs is an error.</summary>
    public WaitStatus ResumeUntil(int request, Func<WaitStatus, bool> wanted)
    {
        while (true)
        {
            Resume(request);
            var status = WaitStop();
            if (wanted(status))
            {
                return status;
            }

            if (status.IsSignalDelivery && status.StopSignal == Signals.SIGSTOP)
            {
                HeldStop = true;
            }
            else if (status.IsSignalDelivery && status.StopSignal == Signals.SIGTRAP)
            {
                Hold();
            }
            else if (!status.IsEventStop)
            {
                throw new TraceeException($"unexpected stop while injected code ran: {status} at {new RemoteAddress(Registers.Rip)}");
            }
        }
    }

    /// <summary>The siginfo of a stop for a signal.</summary>
    public unsafe byte[] PendingSiginfo()
    {
        var info = new byte[Ptrace.SiginfoBytes];
        fixed (byte* pointer = info)
        {
            Check(Ptrace.Call(Ptrace.PTRACE_GETSIGINFO, Tid, 0, pointer), "PTRACE_GETSIGINFO");
        }

        return info;
    }

    /// <summary>Keeps the signal of this stop for later.</summary>
    public void Hold() => _heldSignals.Add(PendingSiginfo());

    public List<byte[]> TakeHeldSignals()
    {
        List<byte[]> held = [.. _heldSignals];
        _heldSignals.Clear();
        return held;
    }

    public void Read(RemoteAddress address, Span<byte> destination)
    {
        var error = RemoteMemory.Read(Tid, address, destination, out _);
        if (error != 0)
        {
            throw new TraceeException($"reading {destination.Length} bytes at {address}", error);
        }
    }

    public void Write(RemoteAddress address, ReadOnlySpan<byte> source)
    {
        var error = RemoteMemory.Write(Tid, address, source, out _);
        if (error != 0)
        {
            throw new TraceeException($"writing {source.Length} bytes at {address}", error);
        }
    }

    /// <summary>Reads a structure, or says that it is not there: the address came from the process, which may have been wrong.</summary>
    public bool TryRead<T>(RemoteAddress address, out T value)
        where T : unmanaged
    {
        value = default;
        return RemoteMemory.Read(Tid, address, MemoryMarshal.AsBytes(new Span<T>(ref value)), out _) == 0;
    }

    public static void Check(long result, string what)
    {
        if (result < 0)
        {
            throw new TraceeException(what, (int)-result);
        }
    }
}
