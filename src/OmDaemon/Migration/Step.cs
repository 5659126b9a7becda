using OpenMosix.Daemon.Warden;
using OpenMosix.Protocol.Errors;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Migration;

internal enum Sureness
{
    Done,
    Refused, // it answered: nothing was changed
    NotSent, // it was never asked
    Unknown, // it was asked and did not answer: done or not
}

/// <summary>What became of one step of a move, on this node or another.</summary>
internal sealed record Step<T>(Sureness Sureness, T? Value, Failure? Failure)
    where T : class
{
    public bool Ok => Sureness == Sureness.Done;

    public static implicit operator Step<T>(T value) => new(Sureness.Done, value, null);

    public static Step<T> Refused(Failure failure) => new(Sureness.Refused, null, failure);

    public static Step<T> NotSent(Failure failure) => new(Sureness.NotSent, null, failure);

    public static Step<T> Unknown(Failure failure) => new(Sureness.Unknown, null, failure);

    public Step<TOther> Cast<TOther>()
        where TOther : class => new(Sureness, null, Failure);
}

internal static class Steps
{
    /// <summary>The warden's answer as a step of `stage`; `take` picks the expected reply out of it.</summary>
    public static Step<T> Of<T>(WardenAnswer answer, string stage, Func<FromWarden, T?> take)
        where T : class
    {
        switch (answer)
        {
            case WardenAnswer.Replied replied:
                return take(replied.Reply) is { } value
                    ? value
                    : Step<T>.Unknown(Failures.Broken(stage, $"the warden answered with {replied.Reply.ReplyCase}"));
            case WardenAnswer.Failed failed:
                if (failed.Failure.Stage.Length == 0)
                    failed.Failure.Stage = stage;
                return Step<T>.Refused(failed.Failure);
            default:
                return Step<T>.Unknown(answer.AsFailure(stage)!);
        }
    }
}
