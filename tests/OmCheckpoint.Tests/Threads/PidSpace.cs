using System.Globalization;
using System.Runtime.InteropServices;

namespace OpenMosix.Checkpoint.Tests.Threads;

/// <summary>A blank process of a given pid in a pid namespace of its own (native/space.c): its threads can have any tid.</summary>
internal sealed partial class PidSpace : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("om-space-");
    private readonly FileStream _numbers;
    private readonly FileStream _answers;

    public PidSpace(int pid)
    {
        var (numbers, answers) = (Path.Combine(_folder.FullName, "in"), Path.Combine(_folder.FullName, "out"));
        Assert.Equal(0, MkFifo(numbers, 0x180));
        Assert.Equal(0, MkFifo(answers, 0x180));
        Guest = Guest.Start("space", pid.ToString(CultureInfo.InvariantCulture), numbers, answers);
        Guest.Expect("blank");
        _numbers = new FileStream(numbers, FileMode.Open, FileAccess.Write, FileShare.ReadWrite, 0);
        _answers = new FileStream(answers, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, 0);
        Pid = ChildOf(ChildOf(Guest.Pid));
    }

    /// <summary>Has its input and output, and ends as it does.</summary>
    public Guest Guest { get; }

    /// <summary>Of the blank process, here.</summary>
    public int Pid { get; }

    public void NextTid(int tid)
    {
        _numbers.Write(System.Text.Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{tid}\n")));
        Assert.Equal('x', _answers.ReadByte());
    }

    public void Dispose()
    {
        Guest.Dispose();
        _numbers.Dispose();
        _answers.Dispose();
        _folder.Delete(recursive: true);
    }

    private static int ChildOf(int pid) =>
        int.Parse(File.ReadAllText($"/proc/{pid}/task/{pid}/children").Trim(), CultureInfo.InvariantCulture);

    [LibraryImport("libc", EntryPoint = "mkfifo", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int MkFifo(string path, uint mode);
}
