using OpenMosix.Protocol.V1;

namespace OpenMosix.Checkpoint.Tracing;

/// <summary>Found deep inside a stage that the process cannot move. Inside this library only: Guard turns it into a refusal.</summary>
internal sealed class RefusedException(Refusal refusal) : Exception(refusal.Name)
{
    public Refusal Refusal { get; } = refusal;
}
