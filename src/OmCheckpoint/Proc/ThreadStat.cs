using System.Globalization;

namespace OpenMosix.Checkpoint.Proc;

/// <summary>What /proc/PID/task/TID/stat says, as far as it is needed. (/proc/TID/stat adds up all threads of the process.)</summary>
internal readonly record struct ThreadStat(char State, int Nice, int Processor)
{
    private const int NiceField = 19;
    private const int ProcessorField = 39;

    /// <returns>null: there is no such thread.</returns>
    public static ThreadStat? Read(int pid, int tid)
    {
        if (ProcFile.Read($"/proc/{pid}/task/{tid}/stat") is not { } text)
        {
            return null;
        }

        // The second field is the name in parentheses, with anything in it.
        var fields = text[(text.LastIndexOf(')') + 2)..].Split(' ');
        int Field(int number) => int.Parse(fields[number - 3], CultureInfo.InvariantCulture);
        return new ThreadStat(fields[0][0], Field(NiceField), Field(ProcessorField));
    }
}
