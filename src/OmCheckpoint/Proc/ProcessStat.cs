using System.Globalization;
using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Tracing;

namespace OpenMosix.Checkpoint.Proc;

/// <summary>What /proc/PID/stat says, as far as it is needed. Field numbers as in proc_pid_stat(5).</summary>
internal readonly record struct ProcessStat(
    ulong StartCode, ulong EndCode, ulong StartStack, ulong StartData, ulong EndData, ulong StartBrk,
    ulong ArgStart, ulong ArgEnd, ulong EnvStart, ulong EnvEnd)
{
    public static ProcessStat Read(int pid)
    {
        var text = ProcFile.Read($"/proc/{pid}/stat") ?? throw new TraceeException($"process {pid} is gone", Errno.ESRCH);
        // The second field is the name in parentheses, with anything in it.
        var fields = text[(text.LastIndexOf(')') + 2)..].Split(' ');
        ulong Field(int number) => ulong.Parse(fields[number - 3], CultureInfo.InvariantCulture);
        return new ProcessStat(
            Field(26), Field(27), Field(28), Field(45), Field(46), Field(47), Field(48), Field(49), Field(50), Field(51));
    }
}
