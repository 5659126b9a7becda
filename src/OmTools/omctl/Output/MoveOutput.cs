// A move, as migrate and watch show it.
using System.Text.Json;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Tools.Ctl.Output;

internal static class MoveOutput
{
    public static IEnumerable<(string Stage, ulong Microseconds)> Stages(StageTimes times) =>
    [
        ("Freeze", times.FreezeUs), ("Snapshot", times.SnapshotUs), ("Ship", times.ShipUs), ("Restore", times.RestoreUs), ("Commit", times.CommitUs),
    ];

    public static string OneLine(StageTimes times) =>
        string.Join(", ", Stages(times).Select(s => $"{s.Stage} {Text.Milliseconds(s.Microseconds)}"))
        + $"; {Text.Bytes(times.Bytes)} moved; stood still for {Text.Milliseconds(times.StallUs)}";

    public static void Write(Utf8JsonWriter w, StageTimes times)
    {
        w.WriteStartObject("times");
        w.WriteNumber("freeze_us", times.FreezeUs);
        w.WriteNumber("snapshot_us", times.SnapshotUs);
        w.WriteNumber("ship_us", times.ShipUs);
        w.WriteNumber("restore_us", times.RestoreUs);
        w.WriteNumber("commit_us", times.CommitUs);
        w.WriteNumber("stall_us", times.StallUs);
        w.WriteEndObject();
        w.WriteNumber("bytes", times.Bytes);
    }

    public static void Write(Utf8JsonWriter w, string name, Refusal refusal)
    {
        w.WriteStartObject(name);
        w.WriteString("name", refusal.Name);
        w.WriteString("object", refusal.Object);
        w.WriteString("advice", refusal.Advice);
        w.WriteEndObject();
    }

    public static string Sentence(Failure failure)
    {
        if (failure.Refusal is { } refusal)
            return Sentence(refusal);
        string stage = failure.Stage.Length > 0 ? $"{failure.Stage}: " : "";
        return stage + failure.Message + (failure.Errno != 0 ? $" (errno {failure.Errno})" : "");
    }

    public static string Sentence(Refusal refusal)
    {
        string sentence = refusal.Object.Length > 0 ? $"{refusal.Name}: {refusal.Object}" : refusal.Name;
        return refusal.Advice.Length > 0 ? $"{sentence} — {refusal.Advice}" : sentence;
    }
}
