using OpenMosix.Checkpoint.Interop;
using OpenMosix.Protocol.Errors;

namespace OpenMosix.Checkpoint.Tracing;

/// <summary>The border of this library: what went wrong with a tracee leaves it as a failure, everything else as the bug it is.</summary>
internal static class Guard
{
    public static Outcome<T> Run<T>(string stage, Func<Outcome<T>> work)
    {
        try
        {
            return work();
        }
        catch (TraceeGoneException exception)
        {
            return Failures.Broken(stage, exception.Message, Errno.ESRCH);
        }
        catch (RefusedException exception)
        {
            return Failures.Refused(stage, exception.Refusal);
        }
        catch (TraceeException exception)
        {
            return Failures.Broken(stage, exception.Message, exception.Error);
        }
    }
}
