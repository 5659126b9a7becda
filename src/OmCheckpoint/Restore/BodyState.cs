using OpenMosix.Checkpoint.Cpu;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Checkpoint.Restore;

/// <summary>The last steps of every restore, wherever it goes: what makes a filled address space the body.</summary>
internal static class BodyState
{
    /// <summary>The files are whole, protections as they were, brk and arguments known.</summary>
    public static void SetMemory(Agent agent, ProcessImage image, FileStand files)
    {
        var strict = agent.NewBatch(stopOnError: true);
        files.AddRemoval(strict);
        foreach (var mapping in Mappings.OfBody(image))
        {
            Mappings.AddFinalProtection(strict, mapping);
        }

        ProcessState.AddLayout(strict, image.Memory);
        FileStand.Execute(agent, strict, "final protections");

        // Advice is advice: what this kernel does not know changes nothing of what the body computes.
        var advice = agent.NewBatch();
        foreach (var mapping in Mappings.OfBody(image))
        {
            Mappings.AddAdvice(advice, mapping);
        }

        agent.Run(advice);
    }

    /// <summary>Dispositions and the thread's ties, and the signals that wait. Behind it the agent runs no batch but under the trap's default.</summary>
    public static void SetThread(Agent agent, Tracee tracee, ProcessImage image, IReadOnlyList<byte[]> more)
    {
        var batch = agent.NewBatch(stopOnError: true);
        Dispositions.AddForBody(batch, image);
        ProcessState.AddThread(batch, image.Threads[0]);
        CpuTimers.AddForBody(batch, image);
        FileStand.Execute(agent, batch, "handlers and the thread's state");
        PendingSignals.Queue(agent, tracee, image, more);
    }

    /// <summary>Registers and mask with which it goes on. Nothing may be executed in it behind this.</summary>
    public static void SetRegisters(Tracee tracee, ProcessImage image, in Registers registers)
    {
        var thread = image.Threads[0];
        XsaveLayout.Load(tracee, thread);
        tracee.SignalMask = thread.SignalMask;
        tracee.Registers = registers;
    }
}
