using System.ComponentModel;
using System.Diagnostics;
using System.Runtime.ExceptionServices;
using OpenMosix.Lab.Interop;

namespace OpenMosix.Lab.Network;

/// <summary>
/// Runs ip(8) and tc(8) in the network namespace of a process. Only a thread of our own enters it: a namespace is a
/// property of the thread, a program started by that thread inherits it, and the thread ends with the call.
/// </summary>
internal static class NetworkNamespace
{
    /// <summary>All lines by one `ip -batch` or `tc -batch`: the first that fails ends it.</summary>
    internal static void Batch(int pid, string program, params IReadOnlyList<string> lines) =>
        Inside(pid, () => Run(program, ["-batch", "-"], lines));

    private static void Inside(int pid, Action action)
    {
        ExceptionDispatchInfo? failure = null;
        var thread = new Thread(() =>
        {
            try
            {
                using var space = File.OpenHandle($"/proc/{pid}/ns/net");
                if (LibC.SetNamespace(space, LibC.CloneNewNet) != 0)
                {
                    throw new LabException($"setns: {LibC.LastError()}");
                }

                action();
            }
            catch (Exception e)
            {
                // Carried to the caller's thread.
                failure = ExceptionDispatchInfo.Capture(e);
            }
        });
        thread.Start();
        thread.Join();
        failure?.Throw();
    }

    private static void Run(string program, string[] arguments, IReadOnlyList<string> input)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["PATH"] = "/usr/sbin:/sbin:/usr/bin:/bin";
        try
        {
            using var process = Process.Start(start)!;
            input.ToList().ForEach(process.StandardInput.WriteLine);
            process.StandardInput.Close();
            var output = process.StandardOutput.ReadToEndAsync();
            var error = process.StandardError.ReadToEnd();
            process.WaitForExit();
            if (process.ExitCode != 0)
            {
                throw new LabException($"{program}: {error.Trim()} {output.Result.Trim()}\n  in: {string.Join("\n      ", input)}");
            }
        }
        catch (Win32Exception e)
        {
            throw new LabException($"{program} cannot be run ({e.Message}): install iproute2", e);
        }
    }
}
