using Microsoft.Win32.SafeHandles;
using OpenMosix.Protocol.Errors;

namespace OpenMosix.Checkpoint.Restore;

/// <summary>Where a body is restored into. Every method is for the tracer's thread; failures are thrown as TraceeException.</summary>
internal interface IRestoreTarget
{
    FileStand Files { get; }

    IReadOnlyList<RestoredThread> Threads { get; }

    Outcome<SafeFileHandle?> Finish(FinishOptions options);

    void Run();

    void Abort();
}
