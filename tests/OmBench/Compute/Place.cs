using System.Diagnostics;
using System.Globalization;

namespace OpenMosix.Bench.Compute;

/// <summary>compute.c, running somewhere in the lab.</summary>
internal sealed class Place(string name, Process program) : IDisposable
{
    public string Name => name;

    /// <summary>In pc1. Read once, first.</summary>
    public async Task<string> PidAsync() => await program.StandardOutput.ReadLineAsync() ?? throw new InvalidOperationException($"{name}: it has ended");

    /// <summary>Does one piece of work. Microseconds of user CPU time, and its result.</summary>
    public async Task<(double Us, string Result)> WorkAsync(string kind)
    {
        await program.StandardInput.WriteLineAsync(kind);
        await program.StandardInput.FlushAsync();
        string[] said = (await PidAsync()).Split(' ');
        return (double.Parse(said[0], CultureInfo.InvariantCulture), said[1]);
    }

    public void Dispose()
    {
        program.StandardInput.Close();
        program.WaitForExit();
        program.Dispose();
    }
}
