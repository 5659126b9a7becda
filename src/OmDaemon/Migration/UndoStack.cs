namespace OpenMosix.Daemon.Migration;

/// <summary>What must be done, last first, if a move does not succeed.</summary>
internal sealed class UndoStack
{
    private readonly Stack<Func<Task>> _steps = new();

    public void Push(Func<Task> step) => _steps.Push(step);

    public void Clear() => _steps.Clear();

    public async Task RunAsync()
    {
        while (_steps.TryPop(out Func<Task>? step))
            await step().ConfigureAwait(false);
    }
}
