using System.Buffers.Binary;
using Microsoft.Win32.SafeHandles;
using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Protocol.Errors;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Checkpoint.Restore;

/// <summary>A blank child that becomes the remote. Killed by the kernel if the tracer ends before Run.</summary>
internal sealed class RemoteTarget : IRestoreTarget
{
    private const ulong PR_SET_NO_NEW_PRIVS = 38;
    private const ulong SECCOMP_SET_MODE_FILTER = 1;
    private const ulong SECCOMP_FILTER_FLAG_TSYNC = 1 << 0;
    private const ulong SECCOMP_FILTER_FLAG_NEW_LISTENER = 1 << 3;
    private const ulong SECCOMP_FILTER_FLAG_TSYNC_ESRCH = 1 << 4;
    private const ulong SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV = 1 << 5;
    private const int InstructionBytes = 8;

    private readonly Agent _agent;
    private readonly ProcessImage _image;
    private readonly Bodies _bodies;

    public RemoteTarget(Tracee leader, ProcessImage image, Action<int>? nextTid, Func<MappedFile, SafeFileHandle?> present)
    {
        _image = image;
        _agent = BlankChild.Clear(leader, image);
        var extents = new ExtentIndex(image);
        var taken = image.Mappings.Select(mapping => (mapping.Start, mapping.End))
            .Append((_agent.Area.Base.Value, _agent.Area.End.Value));
        Files = FileStand.Make(_agent, leader, image, _ => true, present, taken);
        var batch = _agent.NewBatch(stopOnError: true);
        foreach (var mapping in Mappings.OfBody(image))
        {
            Mappings.AddMap(batch, mapping, extents, Mappings.IsFile(mapping) ? Files.Descriptor(mapping) : null);
            Mappings.AddHugePages(batch, mapping, extents);
        }

        _agent.Execute(batch, "mapping memory");
        _bodies = BodyThreads.Make(_agent, leader, image, nextTid);
    }

    public FileStand Files { get; }

    public IReadOnlyList<RestoredThread> Threads =>
        [.. _bodies.All.Select(body => new RestoredThread(body.Image.Tid, body.Tracee.Tid, body.Image.Slot))];

    public Outcome<SafeFileHandle?> Finish(FinishOptions options)
    {
        BodyState.SetMemory(_agent, _image, Files);
        var process = _agent.NewBatch();
        ProcessState.AddProcess(process, _image);
        _agent.Run(process);
        foreach (var (tracee, thread) in _bodies.All)
        {
            var batch = _agent.NewBatch();
            ProcessState.AddNewThread(batch, thread, _image);
            _agent.Run(batch, tracee);
        }

        BodyState.SetThreads(_agent, _bodies, _image);
        foreach (var (tracee, thread) in _bodies.All)
        {
            SignalQueue.ToThread(_agent, tracee, BodyState.Siginfos(thread.Pending));
        }

        SignalQueue.ToProcess(_agent, _bodies.Leader, BodyState.Siginfos(_image.SharedPending));
        var listener = options.SeccompProgram.IsEmpty ? null : Filter(options.SeccompProgram.Span);
        var registers = BodyState.Interrupted(_agent, _bodies, native: options.SeccompProgram.IsEmpty);
        _agent.SetTrap(Dispositions.OfBody(_image, Signals.SIGTRAP));
        BodyState.SetRegisters(_bodies, registers);
        return listener;
    }

    public void Run()
    {
        if (_image.Stopped)
        {
            _ = Kernel.Kill(_bodies.Leader.Tid, Signals.SIGSTOP);
        }

        Tracee.DetachAll(_bodies.All.Select(body => body.Tracee));
    }

    public void Abort() => _ = Kernel.Kill(_bodies.Leader.Tid, Signals.SIGKILL);

    // The listener lies in the child's table for two batches in which nothing else runs; the second runs although the filter would stop it
    // (PTRACE_O_SUSPEND_SECCOMP). All threads get the filter: none has run yet.
    private SafeFileHandle Filter(ReadOnlySpan<byte> program)
    {
        var install = _agent.NewBatch(stopOnError: true);
        Span<byte> descriptor = stackalloc byte[16]; // struct sock_fprog
        BinaryPrimitives.WriteUInt16LittleEndian(descriptor, (ushort)(program.Length / InstructionBytes));
        BinaryPrimitives.WriteUInt64LittleEndian(descriptor[8..], install.Data(program));
        install.Add(CallNumber.prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        var index = install.Add(
            CallNumber.seccomp, SECCOMP_SET_MODE_FILTER,
            SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_TSYNC_ESRCH
                | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
            install.Data(descriptor));
        var listener = (ulong)_agent.Execute(install, "installing the filter")[index];
        var error = Kernel.TakeDescriptor(_bodies.Leader.Tid, (int)listener, out var taken);
        if (error != 0)
        {
            throw new TraceeException("taking the listener", error);
        }

        var close = _agent.NewBatch();
        close.Add(CallNumber.close, listener);
        _agent.Execute(close, "closing the listener in the remote");
        return taken!;
    }
}
