using System.CommandLine;
using OpenMosix.Lab.Nodes;
using OpenMosix.Lab.State;

namespace OpenMosix.Lab.Commands;

internal static class LogsCommand
{
    internal static Command Create()
    {
        var (node, name) = (Arguments.Node(), Arguments.Name());
        var follow = new Option<bool>("--follow", "-f") { Description = "Go on with what is written from now on, until Ctrl-C" };
        var service = new Option<string?>("--service", "-s") { Description = "daemon or warden only", HelpName = "daemon|warden" };
        var command = new Command("logs", "What a node's init, warden and daemon wrote") { node, follow, service, name };
        command.SetLabAction((parsed, stop) =>
        {
            var lab = LabStore.Open(parsed.GetValue(name)!);
            var paths = new LabPaths(lab.Name);
            var record = lab.Node(parsed.GetValue(node)!);
            var readers = (parsed.GetValue(service) is { } which ? [ServiceStatus.FullName(which)] : NodeLogs.Names)
                .Select(log => new LogReader(log, NodeLogs.File(paths, record.Name, log))).ToArray();
            Array.ForEach(readers, reader => reader.Print());
            if (parsed.GetValue(follow))
            {
                Follow(paths.Logs(record.Name), readers, stop);
            }

            return 0;
        });
        return command;
    }

    private static void Follow(string directory, LogReader[] readers, CancellationToken stop)
    {
        using var changed = new SemaphoreSlim(0);
        using var watcher = new FileSystemWatcher(directory) { NotifyFilter = NotifyFilters.Size | NotifyFilters.FileName };
        watcher.Changed += (_, _) => changed.Release();
        watcher.Created += (_, _) => changed.Release();
        watcher.Deleted += (_, _) => changed.Release();
        watcher.EnableRaisingEvents = true;
        try
        {
            while (Directory.Exists(directory))
            {
                Array.ForEach(readers, reader => reader.Print());
                changed.Wait(stop);
            }
        }
        catch (OperationCanceledException)
        {
            // Ctrl-C is how following ends.
        }
    }

    /// <summary>One log file, printed as far as it goes, line by line, with its name before each line.</summary>
    private sealed class LogReader(string name, string path)
    {
        private long _position;
        private string _unfinished = "";

        internal void Print()
        {
            if (!File.Exists(path))
            {
                return;
            }

            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            file.Position = _position;
            using var reader = new StreamReader(file, leaveOpen: true);
            var lines = (_unfinished + reader.ReadToEnd()).Split('\n');
            _position = file.Position;
            _unfinished = lines[^1];
            foreach (var line in lines[..^1])
            {
                Console.WriteLine($"{name}: {line}");
            }
        }
    }
}
