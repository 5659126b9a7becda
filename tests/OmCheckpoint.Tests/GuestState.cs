namespace OpenMosix.Checkpoint.Tests;

/// <summary>Waits until the kernel shows a process in a state: nothing announces that one has come to stop.</summary>
internal static class GuestState
{
    public static void WaitFor(int pid, char state)
    {
        while (true)
        {
            var stat = File.ReadAllText($"/proc/{pid}/stat");
            if (stat[stat.LastIndexOf(')') + 2] == state)
            {
                return;
            }

            Thread.Yield();
        }
    }
}
