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
    private const ulong SECCOMP_FILTER_FLAG_NEW_LISTENER = 1 << 3;
    private const ulong SECCOMP_FILTER_FLAG_TSYNC_ESRCH = 1 << 4;
    private const ulong SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV = 1 << 5;
    private const int InstructionBytes = 8;

    private readonly Tracee _tracee;
    private readonly Agent _agent;
    private readonly ProcessImage _image;

    public RemoteTarget(Tracee tracee, ProcessImage image)
    {
        _tracee = tracee;
        _image = image;
        _agent = BlankChild.Clear(tracee, image);
        var extents = new ExtentIndex(image);
        var taken = image.Mappings.Select(mapping => (mapping.Start, mapping.End))
            .Append((image.AgentArea, AgentArea.Of(image).End.Value));
        Files = FileStand.Make(_agent, image, _ => true, taken);
        var batch = _agent.NewBatch(stopOnError: true);
        foreach (var mapping in Mappings.OfBody(image))
        {
            Mappings.AddMap(batch, mapping, extents, Mappings.IsFile(mapping) ? Files.Descriptor(mapping) : null);
            Mappings.AddHugePages(batch, mapping, extents);
        }

        FileStand.Execute(_agent, batch, "mapping memory");
    }

    public FileStand Files { get; }

    public Outcome<SafeFileHandle?> Finish(FinishOptions options)
    {
        BodyState.SetMemory(_agent, _image, Files);
        var process = _agent.NewBatch();
        ProcessState.AddProcess(process, _image);
        _agent.Run(process);
        BodyState.SetThread(_agent, _tracee, _image, options.Signals);
        var listener = options.SeccompProgram.IsEmpty ? null : Filter(options.SeccompProgram.Span);
        var registers = SleepAgain.Prepare(_agent, _tracee, _image, native: options.SeccompProgram.IsEmpty);
        _agent.SetTrap(Dispositions.OfBody(_image, Signals.SIGTRAP));
        BodyState.SetRegisters(_tracee, _image, registers);
        return listener;
    }

    public void Run()
    {
        if (_image.Stopped)
        {
            _ = Kernel.Kill(_tracee.Tid, Signals.SIGSTOP);
        }

        _tracee.Detach();
    }

    public void Abort() => _ = Kernel.Kill(_tracee.Tid, Signals.SIGKILL);

    // The listener lies in the child's table for two batches in which nothing else runs; the second runs although the filter would stop it
    // (PTRACE_O_SUSPEND_SECCOMP).
    private SafeFileHandle Filter(ReadOnlySpan<byte> program)
    {
        var install = _agent.NewBatch(stopOnError: true);
        Span<byte> descriptor = stackalloc byte[16]; // struct sock_fprog
        BinaryPrimitives.WriteUInt16LittleEndian(descriptor, (ushort)(program.Length / InstructionBytes));
        BinaryPrimitives.WriteUInt64LittleEndian(descriptor[8..], install.Data(program));
        install.Add(CallNumber.prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        var index = install.Add(
            CallNumber.seccomp, SECCOMP_SET_MODE_FILTER,
            SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_TSYNC_ESRCH | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
            install.Data(descriptor));
        var listener = (ulong)FileStand.Execute(_agent, install, "installing the filter")[index];
        var error = Kernel.TakeDescriptor(_tracee.Tid, (int)listener, out var taken);
        if (error != 0)
        {
            throw new TraceeException("taking the listener", error);
        }

        var close = _agent.NewBatch();
        close.Add(CallNumber.close, listener);
        FileStand.Execute(_agent, close, "closing the listener in the remote");
        return taken!;
    }
}
