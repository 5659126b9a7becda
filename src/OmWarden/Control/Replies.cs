using OpenMosix.Protocol.Errors;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Warden.Control;

internal static class Replies
{
    internal static FromWarden Done() => new() { Done = new() };

    internal static FromWarden Failed(Failure failure) => new() { Failure = failure };

    internal static FromWarden Failed(string stage, string message, int errno = 0) => Failed(Failures.Broken(stage, message, errno));

    internal static FromWarden Of(Outcome outcome) => outcome.Ok ? Done() : Failed(outcome.Failure!);

    internal static FromWarden WrongState(string stage, object state, string wanted) =>
        Failed(stage, $"the process is {state}; {wanted} is asked for");
}
