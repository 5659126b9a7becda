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
        agent.Execute(strict, "final protections");

        // Advice is advice: what this kernel does not know changes nothing of what the body computes.
        var advice = agent.NewBatch();
        foreach (var mapping in Mappings.OfBody(image))
        {
            Mappings.AddAdvice(advice, mapping);
        }

        agent.Run(advice);
    }

    /// <summary>Dispositions, but SIGTRAP's, timers, and each thread's ties to its memory.</summary>
    public static void SetThreads(Agent agent, Bodies bodies, ProcessImage image)
    {
        var process = agent.NewBatch(stopOnError: true);
        Dispositions.AddForBody(process, image);
        CpuTimers.AddForBody(process, image);
        agent.Execute(process, "handlers and timers");
        foreach (var (tracee, thread) in bodies.All)
        {
            var batch = agent.NewBatch(stopOnError: true);
            ProcessState.AddThread(batch, thread);
            agent.Execute(batch, tracee, $"the state of thread {thread.Tid}");
        }
    }

    public static IEnumerable<byte[]> Siginfos(IEnumerable<PendingSignal> signals) => signals.Select(signal => signal.Siginfo.ToByteArray());

    /// <summary>The registers each thread goes on with. What it was interrupted in is begun and interrupted again where that is needed.</summary>
    /// <param name="native">System calls are executed by this kernel, none by home.</param>
    public static IReadOnlyList<Registers> Interrupted(Agent agent, Bodies bodies, bool native) =>
        [.. bodies.All.Select(body => SleepAgain.Prepare(agent, body.Tracee, body.Image, native))];

    /// <summary>With mask and extended registers. Nothing may be executed in them behind this.</summary>
    public static void SetRegisters(Bodies bodies, IReadOnlyList<Registers> registers)
    {
        for (var i = 0; i < registers.Count; i++)
        {
            var (tracee, thread) = bodies.All[i];
            XsaveLayout.Load(tracee, thread);
            tracee.SignalMask = thread.SignalMask;
            tracee.Registers = registers[i];
        }
    }
}
