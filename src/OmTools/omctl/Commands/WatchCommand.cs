using System.CommandLine;
using System.Globalization;
using OpenMosix.Protocol.V1;
using OpenMosix.Tools.Ctl.Output;

namespace OpenMosix.Tools.Ctl.Commands;

internal static class WatchCommand
{
    public static Command Make() =>
        Shared.Command("watch", "Show what happens, as it happens, until interrupted. With --json: one object a line").Asks(async (parsed, daemon, cancellation) =>
        {
            bool json = parsed.GetValue(Shared.Json);
            await foreach (WatchEvent happened in daemon.WatchAsync(cancellation).ConfigureAwait(false))
            {
                if (json)
                    PrintJson(happened);
                else
                    PrintText(happened);
            }
            return Problem.Report(json, ExitStatus.NoDaemon, "openmosixd has stopped");
        });

    private static DateTimeOffset Time(WatchEvent happened) => DateTimeOffset.UnixEpoch.AddTicks(happened.TimeNs / 100);

    private static void PrintText(WatchEvent happened)
    {
        string time = Time(happened).ToLocalTime().ToString("HH:mm:ss.fff", CultureInfo.InvariantCulture);
        string pid = happened.Pid != 0 ? $" {happened.Pid}" : "";
        string times = happened.Times is { } stages ? $" [{MoveOutput.OneLine(stages)}]" : "";
        Console.WriteLine($"{time} {happened.Kind}{pid}: {Text.Clean(happened.Text)}{times}");
    }

    private static void PrintJson(WatchEvent happened) => JsonOutput.PrintLine(w =>
    {
        w.WriteString("time", Time(happened).ToString("O", CultureInfo.InvariantCulture));
        w.WriteString("kind", happened.Kind);
        if (happened.Pid != 0)
            w.WriteNumber("pid", happened.Pid);
        w.WriteString("text", happened.Text);
        if (happened.From.Length > 0)
            w.WriteString("from", happened.From);
        if (happened.To.Length > 0)
            w.WriteString("to", happened.To);
        if (happened.Times is { } times)
            MoveOutput.Write(w, times);
    });
}
