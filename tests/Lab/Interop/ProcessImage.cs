using System.Globalization;

namespace OpenMosix.Lab.Interop;

internal static class ProcessImage
{
    /// <summary>Becomes another program: same process, same descriptors. Throws when it cannot.</summary>
    internal static void Replace(string program, IEnumerable<string> arguments)
    {
        RemoveRuntimeFiles();
        _ = LibC.Execute(program, [program, .. arguments, null]);
        throw new LabException($"{program}: {LibC.LastError()}");
    }

    // The runtime's diagnostic endpoints, which it removes when it ends by itself.
    private static void RemoveRuntimeFiles()
    {
        var pid = Environment.ProcessId.ToString(CultureInfo.InvariantCulture);
        foreach (var pattern in (string[])[$"dotnet-diagnostic-{pid}-*-socket", $"clr-debug-pipe-{pid}-*"])
        {
            foreach (var path in Directory.EnumerateFileSystemEntries(Path.GetTempPath(), pattern))
            {
                File.Delete(path);
            }
        }
    }
}
