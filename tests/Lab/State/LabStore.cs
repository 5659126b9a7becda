using System.Text.Json;
using System.Text.RegularExpressions;

namespace OpenMosix.Lab.State;

/// <summary>
/// The labs of this machine, under /run/omlab. Names and subnets are given out under one lock; what is done to one lab is done under
/// that lab's lock, which a crashed omlab lets go.
/// </summary>
public sealed partial class LabStore
{
    private const int Subnets = 256;
    private static readonly string[] MountPoints = ["/etc/openmosix", "/var/lib/openmosix"];
    private static string MadeFile => Path.Combine(LabPaths.Root, ".made");

    public static IReadOnlyList<string> Names() =>
        Directory.Exists(LabPaths.Root) ? Directory.GetDirectories(LabPaths.Root).Select(path => Path.GetFileName(path)!).Order().ToArray() : [];

    /// <summary>Plans a lab and takes its lock. What is made after this is found by `down`.</summary>
    internal static (LabRecord Record, FileLock Lock) Create(string name, Func<int, LabRecord> plan)
    {
        if (!ValidName().IsMatch(name))
        {
            throw new LabException($"'{name}' is no name for a lab: 1 to 24 of a-z, 0-9 and -, a letter first");
        }

        Directory.CreateDirectory(LabPaths.Root, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        using var all = LockAll();
        var paths = new LabPaths(name);
        if (Directory.Exists(paths.Directory))
        {
            throw new LabException($"lab '{name}' is up already, or was left by a crash: omlab down --name {name}");
        }

        var taken = Names().Select(Find).OfType<LabRecord>().Select(lab => lab.Subnet).ToHashSet();
        var subnet = Enumerable.Range(0, Subnets).Cast<int?>().FirstOrDefault(free => !taken.Contains(free!.Value))
            ?? throw new LabException($"{Subnets} labs are up already");
        Directory.CreateDirectory(paths.Directory);
        var labLock = new FileLock(paths.Lock);
        MakeMountPoints();
        var record = plan(subnet);
        Save(record);
        return (record, labLock);
    }

    /// <summary>Waits until nobody else works on the lab.</summary>
    internal static FileLock Lock(string name)
    {
        var paths = new LabPaths(name);
        return Directory.Exists(paths.Directory) ? new FileLock(paths.Lock) : throw NoSuchLab(name);
    }

    public static LabRecord Open(string name) => Find(name) ?? throw NoSuchLab(name);

    /// <returns>null: no such lab, or one whose making ended before it was planned.</returns>
    public static LabRecord? Find(string name)
    {
        var path = new LabPaths(name).Record;
        return File.Exists(path) ? JsonSerializer.Deserialize(File.ReadAllText(path), LabJson.Default.LabRecord) : null;
    }

    public static void Save(LabRecord record)
    {
        var paths = new LabPaths(record.Name);
        File.WriteAllText(paths.Record + ".new", JsonSerializer.Serialize(record, LabJson.Default.LabRecord));
        File.Move(paths.Record + ".new", paths.Record, overwrite: true);
    }

    /// <summary>Forgets a lab of which nothing else is left; the last one takes the common directories along.</summary>
    public static void Remove(string name)
    {
        using (LockAll())
        {
            Directory.Delete(new LabPaths(name).Directory, recursive: true);
            if (Names().Count > 0)
            {
                return;
            }

            RemoveMountPoints();
            Directory.Delete(LabPaths.Root, recursive: true);
        }
    }

    // The directories that nodes mount their own over. They have to be there on the host; what was made for it is remembered.
    private static void MakeMountPoints()
    {
        foreach (var directory in MountPoints.Where(directory => !Directory.Exists(directory)))
        {
            File.AppendAllLines(MadeFile, [directory]);
            Directory.CreateDirectory(directory);
        }
    }

    private static void RemoveMountPoints()
    {
        foreach (var directory in File.Exists(MadeFile) ? File.ReadAllLines(MadeFile) : [])
        {
            if (Directory.Exists(directory) && !Directory.EnumerateFileSystemEntries(directory).Any())
            {
                Directory.Delete(directory);
            }
        }
    }

    // The lock file goes with the last lab; whoever waited for it then must not use a directory that is gone.
    private static FileLock LockAll()
    {
        while (true)
        {
            var path = Path.Combine(LabPaths.Root, ".lock");
            Directory.CreateDirectory(LabPaths.Root);
            var all = new FileLock(path);
            if (File.Exists(path))
            {
                return all;
            }

            all.Dispose();
        }
    }

    private static LabException NoSuchLab(string name) =>
        new(Names() is { Count: > 0 } names
            ? $"no lab '{name}' is up (there is {string.Join(", ", names)}: use --name)"
            : $"no lab '{name}' is up: omlab up 3");

    [GeneratedRegex("^[a-z][a-z0-9-]{0,23}$")]
    private static partial Regex ValidName();
}
