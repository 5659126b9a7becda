// Real applications and stress-ng, natively and while every process of them is moved without end: what stays equal, and what it costs.
// `omcompat apps [CASE]...` writes RESULTS.md, `omcompat stress [STRESSOR]...` STRESS.md; with names only these rows are made anew.
using System.Runtime.InteropServices;
using OpenMosix.Compat.Applications;
using OpenMosix.Compat.Stress;
using OpenMosix.Lab;
using OpenMosix.Lab.Interop;

using var stop = new CancellationTokenSource();
void Stop(PosixSignalContext signal)
{
    signal.Cancel = true; // the lab and the files of the run are removed first
    stop.Cancel();
}

using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
try
{
    if (LibC.EffectiveUserId() != 0)
    {
        throw new LabException("a lab is made of namespaces and cgroups: run as root");
    }

    switch (args)
    {
        case ["apps", .. var cases]:
            return await ApplicationSuite.RunAsync(cases, stop.Token);
        case ["stress", .. var stressors]:
            return await StressSuite.RunAsync(stressors, stop.Token);
        default:
            await Console.Error.WriteLineAsync("usage: omcompat apps [CASE]... | omcompat stress [STRESSOR]...");
            return 2;
    }
}
catch (LabException e)
{
    await Console.Error.WriteLineAsync($"omcompat: {e.Message}");
    return 1;
}
catch (OperationCanceledException) when (stop.IsCancellationRequested)
{
    await Console.Error.WriteLineAsync("omcompat: stopped; nothing is left of it");
    return 130;
}
