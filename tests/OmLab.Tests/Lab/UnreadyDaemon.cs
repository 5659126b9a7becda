using System.Diagnostics;
using OpenMosix.Lab.Tests.Running;

namespace OpenMosix.Lab.Tests.Lab;

/// <summary>A folder of programs in which openmosixd never becomes ready, and tells by a fifo that it was started.</summary>
internal sealed class UnreadyDaemon : IDisposable
{
    private readonly DirectoryInfo _folder = System.IO.Directory.CreateTempSubdirectory("lab-bin-");

    internal UnreadyDaemon()
    {
        var fifo = Path.Combine(_folder.FullName, "started");
        using (var made = Process.Start("mkfifo", [fifo]))
        {
            made.WaitForExit();
        }

        File.CreateSymbolicLink(Path.Combine(_folder.FullName, "omwarden"), Path.Combine(Repository.Stub, "omwarden"));
        var daemon = Path.Combine(_folder.FullName, "openmosixd");
        File.WriteAllText(daemon, $"#!/bin/sh\necho started > {fifo}\nexec sleep 1000\n");
        File.SetUnixFileMode(daemon, UnixFileMode.UserRead | UnixFileMode.UserExecute);
    }

    internal string Directory => _folder.FullName;

    /// <summary>Returns when it has been started in one of the nodes.</summary>
    internal Task<string> StartedAsync() => Task.Run(() => File.ReadAllText(Path.Combine(_folder.FullName, "started")));

    public void Dispose() => _folder.Delete(recursive: true);
}
