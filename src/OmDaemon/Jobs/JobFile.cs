// A job as it is kept in the run directory, so that a restarted daemon finds it. /run is emptied at boot; pid and start time together
// tell a process that is still the same from one that got its pid later.
using System.Text.Json.Serialization;

namespace OpenMosix.Daemon.Jobs;

internal sealed record JobFile(Job Job, IReadOnlyList<int> Groups, IReadOnlyList<ProcessEntry> Processes);

internal sealed record ProcessEntry(int Pid, ulong StartTicks, Place Place, string Node, ulong Key, uint Epoch, uint Moves, string LastMove, ulong BodyBytes);

[JsonSourceGenerationOptions(WriteIndented = true, UseStringEnumConverter = true)]
[JsonSerializable(typeof(JobFile))]
internal sealed partial class JobFileJson : JsonSerializerContext;
