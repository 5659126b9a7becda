// The files of the jobs: RUN/jobs/ID.json, root only, replaced by rename so that a reader (or a crash) never meets half of one.
// Losing one loses nothing but the daemon's knowledge of that job, which goes on natively: errors are logged, not raised.
using System.Text.Json;
using Microsoft.Extensions.Logging;
using OpenMosix.Daemon.Hosting;

namespace OpenMosix.Daemon.Jobs;

internal sealed partial class JobStore(DaemonOptions options, ILogger<JobStore> log)
{
    private const string Suffix = ".json";

    private readonly string _directory = Path.Combine(options.RunDirectory, "jobs");

    public void Save(JobFile job)
    {
        string path = PathOf(job.Job.Id);
        try
        {
            Directory.CreateDirectory(_directory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            File.WriteAllBytes(path + "~", JsonSerializer.SerializeToUtf8Bytes(job, JobFileJson.Default.JobFile));
            File.Move(path + "~", path, overwrite: true);
        }
        catch (Exception failed) when (failed is IOException or UnauthorizedAccessException)
        {
            LogFailed(path, failed.Message);
        }
    }

    public void Delete(string id)
    {
        try
        {
            File.Delete(PathOf(id));
        }
        catch (Exception failed) when (failed is IOException or UnauthorizedAccessException)
        {
            LogFailed(PathOf(id), failed.Message);
        }
    }

    public IReadOnlyList<JobFile> Load()
    {
        if (!Directory.Exists(_directory))
            return [];
        var jobs = new List<JobFile>();
        foreach (string path in Directory.EnumerateFiles(_directory, "*" + Suffix))
        {
            try
            {
                if (JsonSerializer.Deserialize(File.ReadAllBytes(path), JobFileJson.Default.JobFile) is { Job.Id.Length: > 0, Processes: not null, Groups: not null } job)
                    jobs.Add(job);
            }
            catch (Exception failed) when (failed is IOException or UnauthorizedAccessException or JsonException)
            {
                LogFailed(path, failed.Message);
            }
        }
        return jobs;
    }

    private string PathOf(string id) => Path.Combine(_directory, id + Suffix);

    [LoggerMessage(303, LogLevel.Error, "{Path}: {Why}")]
    private partial void LogFailed(string path, string why);
}
