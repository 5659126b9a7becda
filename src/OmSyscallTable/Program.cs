// omsyscalls TABLE OUTPUT-DIRECTORY: writes everything that is generated from the system-call table. A file is replaced whole, and only
// when it changes, so that a build in progress never reads half of one and nothing is compiled again without need.
using OpenMosix.Tables;

if (args.Length != 2)
{
    Console.Error.WriteLine("usage: omsyscalls TABLE OUTPUT-DIRECTORY");
    return 2;
}
try
{
    var entries = TableReader.Read(args[0]);
    Directory.CreateDirectory(args[1]);
    Replace("om_syscalls.inc", NativeTables.ToInclude(entries));
    Replace("om_syscall_filter.inc", SeccompFilter.ToInclude(entries));
    Replace("SyscallTable.g.cs", ManagedTable.ToSource(entries));
    Replace("SYSCALLS.md", MarkdownPage.ToText(entries));
    File.WriteAllText(Path.Combine(args[1], "syscalls.stamp"), "");
    return 0;
}
catch (Exception e) when (e is TableException or IOException)
{
    Console.Error.WriteLine($"error: {e.Message}");
    return 1;
}

void Replace(string name, string content)
{
    var path = Path.Combine(args[1], name);
    if (File.Exists(path) && File.ReadAllText(path) == content)
    {
        return;
    }
    var temporary = $"{path}.{Environment.ProcessId}";
    File.WriteAllText(temporary, content);
    File.Move(temporary, path, overwrite: true);
}
