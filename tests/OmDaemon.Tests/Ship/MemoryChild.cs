using System.Diagnostics;
using System.Globalization;

namespace OpenMosix.Daemon.Tests.Ship;

/// <summary>A real process with memory at a known address (native/memory_child.c).</summary>
internal sealed class MemoryChild : IDisposable
{
    public const ulong Address = 0x10_0000_0000;

    private readonly Process _process;

    private MemoryChild(Process process, ulong fileAddress, ulong privateAddress)
    {
        _process = process;
        FileAddress = fileAddress;
        PrivateAddress = privateAddress;
    }

    public int Pid => _process.Id;

    public ulong FileAddress { get; }

    public ulong PrivateAddress { get; }

    private static string Program { get; } = Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../../../tests/memory_child"));

    public static MemoryChild Start(ulong bytes, string mode, params string[] file)
    {
        Assert.SkipUnless(File.Exists(Program), $"{Program} is not built (make test builds it): shipping between processes is not tested.");
        var process = Process.Start(new ProcessStartInfo(Program, [$"{Address}", $"{bytes}", mode, .. file])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        })!;
        var words = process.StandardOutput.ReadLine()?.Split(' ') ?? throw new InvalidOperationException("memory_child failed");
        return new MemoryChild(process, Parse(words[1]), Parse(words[2]));
    }

    public ulong Hash(ulong address, ulong bytes)
    {
        _process.StandardInput.WriteLine($"hash {address:x} {bytes:x}");
        _process.StandardInput.Flush();
        return Parse(_process.StandardOutput.ReadLine() ?? throw new InvalidOperationException("memory_child has ended"));
    }

    public void Kill()
    {
        _process.Kill();
        _process.WaitForExit();
    }

    public void Dispose()
    {
        if (!_process.HasExited)
            Kill();
        _process.Dispose();
    }

    private static ulong Parse(string text) =>
        text.StartsWith("0x", StringComparison.Ordinal) ? ulong.Parse(text.AsSpan(2), NumberStyles.HexNumber, CultureInfo.InvariantCulture) : 0;
}
