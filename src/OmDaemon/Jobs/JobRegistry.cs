// The jobs of this node and their processes. One lock; events are raised outside of it. An ended process leaves by its pidfd, at once; new
// descendants are found when somebody asks (Refresh). Every change is put into the job's file, and a restarted daemon begins with those.
using Microsoft.Extensions.Logging;
using OpenMosix.Daemon.Control;
using OpenMosix.Daemon.Hosting;
using OpenMosix.Daemon.Interop;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Jobs;

internal sealed partial class JobRegistry : IDisposable
{
    private const int EndedMost = 4096;

    private readonly ProcessWatch _watch = new();
    private readonly JobStore _store;
    private readonly IEventFeed _feed;
    private readonly DaemonOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger<JobRegistry> _log;
    private readonly Lock _lock = new();
    private readonly Dictionary<string, Members> _jobs = [];
    private readonly Dictionary<int, JobProcess> _processes = [];

    /// <summary>By key, of processes that ended while they were away: a child of theirs may still be heard of.</summary>
    private readonly Dictionary<ulong, Job> _ended = [];

    public JobRegistry(JobStore store, IEventFeed feed, DaemonOptions options, TimeProvider time, ILogger<JobRegistry> log)
    {
        (_store, _feed, _options, _time, _log) = (store, feed, options, time, log);
        Restore();
    }

    /// <summary>On the watch's thread; handlers do not block.</summary>
    public event Action<JobProcess>? Ended;

    /// <summary>A process has come. Under the lock; handlers do not block.</summary>
    public event Action? Began;

    public bool Any
    {
        get
        {
            lock (_lock)
                return _processes.Count > 0;
        }
    }

    /// <summary>In order of pid, as known: Refresh first to see new descendants.</summary>
    public IReadOnlyList<JobProcess> Processes
    {
        get
        {
            lock (_lock)
                return [.. _processes.Values.OrderBy(process => process.Pid)];
        }
    }

    public JobProcess? FindByKey(ulong key)
    {
        lock (_lock)
            return _processes.Values.FirstOrDefault(process => process.Residence.Key == key);
    }

    /// <summary>A process of any job, also one that was not known before.</summary>
    public JobProcess? Find(int pid)
    {
        lock (_lock)
        {
            if (_processes.TryGetValue(pid, out JobProcess? known))
                return known;
        }
        Refresh();
        lock (_lock)
        {
            // A list of children may lack one while another of them ends (proc_tid_children(5)): then upwards.
            if (!_processes.ContainsKey(pid) && ProcessStat.Read(pid) is { } stat && AncestorsJob(stat) is { } members && Adopt(members, stat))
                Save(members);
            return _processes.GetValueOrDefault(pid);
        }
    }

    /// <summary>Makes the process the root of a new job; or leaves it in the job of the nearest ancestor that is in one.</summary>
    /// <returns>Null when it has ended already. The pidfd is taken over in any case.</returns>
    public JobProcess? Register(int pid, Pidfd pidfd, uint uid, string command, bool stay, bool follow = false)
    {
        if (ProcessStat.Read(pid) is not { IsZombie: false } stat)
        {
            pidfd.Dispose();
            return null;
        }
        lock (_lock)
        {
            if (_processes.TryGetValue(pid, out JobProcess? known) && known.StartTicks == stat.StartTicks)
            {
                pidfd.Dispose();
                return known;
            }
            Members members = AncestorsJob(stat) ?? NewJob(stat, uid, command, stay, follow);
            JobProcess process = Add(members, stat, pidfd, Residence.AtHome(_options.Node));
            Save(members);
            return process;
        }
    }

    /// <summary>A process that was forked while its parent is away, which may have ended since.</summary>
    /// <param name="parentKey">0: not known.</param>
    /// <returns>Null when it has ended already.</returns>
    public JobProcess? AdoptForked(ulong parentKey, int pid)
    {
        if (ProcessStat.Read(pid) is not { IsZombie: false } stat || Pidfd.Open(pid) is not { } pidfd)
            return null;
        lock (_lock)
        {
            if (_processes.TryGetValue(pid, out JobProcess? known) && known.StartTicks == stat.StartTicks)
            {
                pidfd.Dispose();
                return known;
            }
            Job? of = _processes.Values.FirstOrDefault(process => parentKey != 0 && process.Residence.Key == parentKey)?.Job ?? _ended.GetValueOrDefault(parentKey);
            Members members = (of is null ? AncestorsJob(stat) : _jobs.GetValueOrDefault(of.Id)) ?? NewJob(stat, of?.Uid ?? stat.Uid(), stat.CommandLine(), of?.Stay ?? false, of?.Follow ?? false);
            JobProcess process = Add(members, stat, pidfd, Residence.AtHome(_options.Node));
            Save(members);
            return process;
        }
    }

    /// <summary>Looks for descendants that were not known.</summary>
    public void Refresh()
    {
        lock (_lock)
        {
            foreach (Members members in _jobs.Values.ToArray())
                Refresh(members);
        }
    }

    /// <summary>After a change of a process's residence or history.</summary>
    public void Save(JobProcess process)
    {
        lock (_lock)
        {
            if (!process.HasEnded && _jobs.TryGetValue(process.Job.Id, out Members? members))
                Save(members);
        }
    }

    public void Dispose()
    {
        _watch.Dispose();
        foreach (JobProcess process in _processes.Values)
            process.End();
    }

    private Members? AncestorsJob(ProcessStat stat)
    {
        for (ProcessStat? at = stat; at is { ParentPid: > 1 }; at = ProcessStat.Read(at.ParentPid))
        {
            if (_processes.TryGetValue(at.ParentPid, out JobProcess? ancestor))
                return _jobs[ancestor.Job.Id];
        }
        return null;
    }

    private Members NewJob(ProcessStat root, uint uid, string command, bool stay, bool follow)
    {
        string id = $"{root.Pid}";
        for (int again = 2; _jobs.ContainsKey(id); again++)
            id = $"{root.Pid}-{again}";
        var members = new Members(new Job(id, uid, command, _time.GetUtcNow(), stay, follow, root.Pid, root.ParentPid));
        _jobs.Add(id, members);
        return members;
    }

    private JobProcess Add(Members members, ProcessStat stat, Pidfd pidfd, Residence residence)
    {
        var process = new JobProcess(members.Job, stat.Pid, stat.StartTicks, pidfd, residence);
        // A known process of this pid has ended, and its callback waits for our lock.
        if (_processes.Remove(stat.Pid, out JobProcess? before))
            Remove(before);
        _processes.Add(stat.Pid, process);
        members.Processes.Add(stat.Pid);
        members.Lead(stat);
        _watch.Watch(pidfd, () => OnEnded(process));
        Began?.Invoke();
        return process;
    }

    private bool Adopt(Members members, ProcessStat stat)
    {
        if (stat.IsZombie || _processes.ContainsKey(stat.Pid) || Pidfd.Open(stat.Pid) is not { } pidfd)
            return false;
        // The pidfd may be of another process than the one whose stat was read.
        if (ProcessStat.Read(stat.Pid) is not { } now || now.StartTicks != stat.StartTicks)
        {
            pidfd.Dispose();
            return false;
        }
        Add(members, now, pidfd, Residence.AtHome(_options.Node));
        return true;
    }

    private bool Refresh(Members members)
    {
        bool changed = false;
        foreach (int pid in members.Processes)
        {
            if (ProcessStat.Read(pid) is { } stat)
                members.Lead(stat);
        }
        if (members.LostSome)
        {
            members.LostSome = false;
            foreach (ProcessStat orphan in ProcessTree.Orphans(members.Job, members.Groups, members.Processes.ToHashSet()).ToArray())
                changed |= Adopt(members, orphan);
        }
        foreach (ProcessStat child in ProcessTree.NewDescendants([.. members.Processes], members.Processes.ToHashSet()).ToArray())
            changed |= Adopt(members, child);
        if (changed)
            Save(members);
        return changed;
    }

    private void OnEnded(JobProcess process)
    {
        bool jobEnded;
        lock (_lock)
        {
            if (process.HasEnded)
                return;
            _processes.Remove(process.Pid);
            jobEnded = Remove(process);
        }
        Ended?.Invoke(process);
        if (jobEnded)
        {
            LogJobEnded(process.Job.Id, process.Job.Command);
            _feed.Publish(new WatchEvent { Kind = "ended", Pid = process.Job.RootPid, Text = $"job {process.Job.Id} ended: {process.Job.Command}" }, process.Job.Uid);
        }
    }

    /// <returns>Whether its job has no process left.</returns>
    private bool Remove(JobProcess process)
    {
        process.End();
        if (process.Residence.Key != 0)
        {
            if (_ended.Count >= EndedMost)
                _ended.Clear();
            _ended[process.Residence.Key] = process.Job;
        }
        Members members = _jobs[process.Job.Id];
        members.Processes.Remove(process.Pid);
        members.LostSome = true;
        if (members.Processes.Count == 0)
            Refresh(members);
        if (members.Processes.Count > 0)
        {
            Save(members);
            return false;
        }
        _jobs.Remove(members.Job.Id);
        _store.Delete(members.Job.Id);
        return true;
    }

    private void Restore()
    {
        lock (_lock)
        {
            foreach (JobFile file in _store.Load())
                Restore(file);
        }
    }

    private void Restore(JobFile file)
    {
        var members = new Members(file.Job) { LostSome = true };
        members.Groups.UnionWith(file.Groups);
        _jobs[file.Job.Id] = members;
        foreach (ProcessEntry entry in file.Processes)
        {
            if (Pidfd.Open(entry.Pid) is not { } pidfd)
                continue;
            if (ProcessStat.Read(entry.Pid) is not { IsZombie: false } stat || stat.StartTicks != entry.StartTicks)
            {
                pidfd.Dispose();
                continue;
            }
            // Moving stays so until the warden's status tells how that move ended (Migration/Reconciler).
            JobProcess process = Add(members, stat, pidfd, new Residence(entry.Place, entry.Node, entry.Key, entry.Epoch));
            (process.Moves, process.LastMove, process.BodyBytes) = (entry.Moves, entry.LastMove, entry.BodyBytes);
        }
        Refresh(members);
        if (members.Processes.Count == 0)
        {
            _jobs.Remove(file.Job.Id);
            _store.Delete(file.Job.Id);
            return;
        }
        Save(members);
        LogRestored(file.Job.Id, file.Job.Command, members.Processes.Count);
    }

    private void Save(Members members) => _store.Save(new JobFile(members.Job, [.. members.Groups], [.. members.Processes.Select(pid =>
    {
        JobProcess process = _processes[pid];
        Residence residence = process.Residence;
        return new ProcessEntry(pid, process.StartTicks, residence.Place, residence.Node, residence.Key, residence.Epoch, process.Moves, process.LastMove, process.BodyBytes);
    })]));

    [LoggerMessage(300, LogLevel.Information, "job {Job} ended: {Command}")]
    private partial void LogJobEnded(string job, string command);

    [LoggerMessage(301, LogLevel.Information, "job {Job} found again, {Processes} processes: {Command}")]
    private partial void LogRestored(string job, string command, int processes);

    private sealed class Members(Job job)
    {
        public Job Job { get; } = job;
        public SortedSet<int> Processes { get; } = [];

        /// <summary>Sessions and process groups that one of its processes leads or has led.</summary>
        public HashSet<int> Groups { get; } = [];

        /// <summary>A process ended since the last look: it may have left orphans.</summary>
        public bool LostSome { get; set; }

        public void Lead(ProcessStat stat)
        {
            if (stat.ProcessGroup == stat.Pid || stat.Session == stat.Pid)
                Groups.Add(stat.Pid);
        }
    }
}
