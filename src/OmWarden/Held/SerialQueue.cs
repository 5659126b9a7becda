namespace OpenMosix.Warden.Held;

/// <summary>Runs what is given to it one after the other, in order, on the thread pool. One a process, so that different keys do not wait
/// for each other.</summary>
internal sealed class SerialQueue
{
    private readonly Lock gate = new();
    private Task last = Task.CompletedTask;

    internal Task<T> Run<T>(Func<T> work)
    {
        lock (gate)
        {
            Task<T> next = last.ContinueWith(_ => work(), CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
            last = next;
            return next;
        }
    }
}
