// Owns the run directory: an exclusive flock on openmosixd.lock, held while the daemon lives. The kernel drops it when the daemon
// dies, however it dies, so nothing stale can keep the next one from starting.
using System.Globalization;

namespace OpenMosix.Daemon.Hosting;

public abstract record RunDirectoryResult
{
    private RunDirectoryResult() { }

    public sealed record Taken(RunDirectory Directory) : RunDirectoryResult;
    public sealed record InUse(string Pid) : RunDirectoryResult;
    public sealed record Failed(string Message) : RunDirectoryResult;
}

public sealed class RunDirectory : IDisposable
{
    private readonly FileStream _lock;
    private readonly string _pidFile;

    private RunDirectory(FileStream @lock, string pidFile)
    {
        _lock = @lock;
        _pidFile = pidFile;
    }

    public static RunDirectoryResult Take(DaemonOptions options)
    {
        string lockFile = Path.Combine(options.RunDirectory, "openmosixd.lock");
        string pidFile = Path.Combine(options.RunDirectory, "openmosixd.pid");
        try
        {
            Directory.CreateDirectory(options.RunDirectory);
            FileStream held;
            try
            {
                // FileShare.None is flock(LOCK_EX | LOCK_NB).
                held = new FileStream(lockFile, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException e) when (e is not DirectoryNotFoundException && File.Exists(lockFile))
            {
                return new RunDirectoryResult.InUse(File.Exists(pidFile) ? File.ReadAllText(pidFile).Trim() : "unknown");
            }
            File.WriteAllText(pidFile, Environment.ProcessId.ToString(CultureInfo.InvariantCulture) + "\n");
            return new RunDirectoryResult.Taken(new RunDirectory(held, pidFile));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return new RunDirectoryResult.Failed($"{options.RunDirectory}: {e.Message}");
        }
    }

    public void Dispose()
    {
        File.Delete(_pidFile);
        _lock.Dispose();
    }
}
