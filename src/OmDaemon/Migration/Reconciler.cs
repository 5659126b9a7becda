// Brings what this daemon believes of its processes back together with what the wardens hold: its own warden's status when it connects (the daemon
// or the warden was restarted), another node's when that node comes (back). What a move left behind on the way is thawed, aborted or
// discarded; a process that a move is conducting right now is left alone.
using System.Threading.Channels;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using OpenMosix.Daemon.Cluster;
using OpenMosix.Daemon.Control;
using OpenMosix.Daemon.Hosting;
using OpenMosix.Daemon.Jobs;
using OpenMosix.Daemon.Warden;
using OpenMosix.Grpc;
using OpenMosix.Protocol.V1;
using Role = OpenMosix.Protocol.V1.HeldProcess.Types.Role;

namespace OpenMosix.Daemon.Migration;

internal sealed partial class Reconciler(
    JobRegistry jobs, Mover mover, MoveNodes nodes, HomeDeputy deputy, Errands errands, IClusterView cluster, IPeerChannels channels, IEventFeed feed,
    DaemonOptions options, TimeProvider time, ILogger<Reconciler> log) : BackgroundService, IWardenListener
{
    private const int SIGKILL = 9;

    private static readonly TimeSpan AgainAfter = TimeSpan.FromSeconds(5);

    private readonly Channel<string> _nodes = Channel.CreateUnbounded<string>(new UnboundedChannelOptions { SingleReader = true });

    public async Task WardenConnectedAsync(WardenStatusReply status, CancellationToken cancellationToken)
    {
        var deputies = status.Processes.Where(held => held.Role == Role.Deputy).ToDictionary(held => held.Pid);
        jobs.Refresh();
        foreach (HeldProcess held in deputies.Values.Where(held => !IsBeingForked(held, null) && jobs.Find(held.Pid) is null))
            jobs.AdoptForked(0, held.Pid); // while there was no daemon, and its parent has ended
        foreach (JobProcess process in jobs.Processes)
        {
            if (mover.IsMoving(process) || deputies.TryGetValue(process.Pid, out HeldProcess? begun) && IsBeingForked(begun, process.Residence))
                continue;
            using IDisposable hold = await mover.HoldAsync(process, cancellationToken).ConfigureAwait(false);
            Residence settled = deputies.TryGetValue(process.Pid, out HeldProcess? held)
                ? await SettleAsync(process, held, cancellationToken).ConfigureAwait(false)
                : Residence.AtHome(options.Node);
            if (settled == process.Residence)
                continue;
            process.Residence = settled;
            jobs.Save(process);
            LogFound(process.Pid, settled.Node, settled.Key.ToString("x16"), settled.Epoch);
        }
        foreach (NodeStatus node in cluster.Nodes)
            OnNode(node);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        cluster.NodeChanged += OnNode;
        try
        {
            await foreach (string node in _nodes.Reader.ReadAllAsync(stoppingToken).ConfigureAwait(false))
                await CompareAsync(node, stoppingToken).ConfigureAwait(false);
        }
        finally
        {
            cluster.NodeChanged -= OnNode;
        }
    }

    private void OnNode(NodeStatus node)
    {
        if (node.Alive && node.Info.Node != options.Node)
            _nodes.Writer.TryWrite(node.Info.Node);
    }

    /// <summary>Its body has never been heard of, and no move has sent one: where it will be that node does not know yet either. ProcessBegan tells.</summary>
    private static bool IsBeingForked(HeldProcess deputy, Residence? known) => deputy.Presented == 0 && known is null or { Place: Place.Native };

    private async Task<Residence> SettleAsync(JobProcess process, HeldProcess held, CancellationToken cancellationToken)
    {
        Residence known = process.Residence;
        if (known.Place == Place.Moving && known.Node != options.Node && held.Peer != known.Node)
        {
            // The daemon before us died between Expect and the end of a move from one hosting node on: nobody knows yet whether the target claimed.
            switch (await deputy.TakeBackAsync(held.Key, held.Epoch, known.Node, cancellationToken).ConfigureAwait(false))
            {
                case TakeBack.Gone:
                    return Residence.AtHome(options.Node);
                case TakeBack.Taken:
                    await errands.RunAsync(Errand.Thaw, nodes.For(known.Node), new KeyRequest { Key = held.Key, Epoch = held.Epoch + 1 }).ConfigureAwait(false);
                    return new Residence(Place.Away, known.Node, held.Key, held.Epoch + 1);
            }
        }
        // Repeats what the daemon before us may not have come to.
        await deputy.CommittedAsync(held.Key, cancellationToken).ConfigureAwait(false);
        return new Residence(Place.Away, held.Peer, held.Key, held.Epoch);
    }

    private async Task CompareAsync(string node, CancellationToken stoppingToken)
    {
        // Before the question: whatever changes until the answer is here makes the answer old for that process.
        var before = jobs.Processes.Select(process => (Process: process, process.Residence)).ToArray();
        HeldReply held;
        try
        {
            if (channels.For(node) is not { } channel)
                return;
            held = await channel.CallAsync(MigrationCalls.Held, new HeldRequest(), new CallOptions(MoveDeadlines.Short), stoppingToken).ConfigureAwait(false);
        }
        catch (RpcException said)
        {
            LogSilent(node, said.Status.ToString());
            _ = AgainAsync(node, stoppingToken);
            return;
        }
        HashSet<ulong>? deputies = held.Processes.Any(one => jobs.FindByKey(one.Key) is null) ? await deputy.KeysAsync(stoppingToken).ConfigureAwait(false) : [];
        foreach (HeldProcess one in held.Processes.Where(one => jobs.FindByKey(one.Key) is not null || deputies?.Contains(one.Key) == false))
            await CompareAsync(node, one, before).ConfigureAwait(false);
        foreach ((JobProcess process, Residence residence) in before)
        {
            if (residence.Place == Place.Away && residence.Node == node && ReferenceEquals(process.Residence, residence) && held.Processes.All(one => one.Key != residence.Key))
                Lost(process, node);
        }
    }

    // It is up and its daemon or warden is not ready yet. Once it counts as dead its return is an event.
    private async Task AgainAsync(string node, CancellationToken stoppingToken)
    {
        await Task.Delay(AgainAfter, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (cluster.Find(node) is { } status)
            OnNode(status);
    }

    private async Task CompareAsync(string node, HeldProcess held, (JobProcess Process, Residence Residence)[] before)
    {
        (JobProcess? process, Residence? residence) = before.FirstOrDefault(entry => entry.Residence.Key == held.Key);
        if (process is null && jobs.FindByKey(held.Key) is not null)
            return;
        if (process is not null && (residence!.Place == Place.Moving || !ReferenceEquals(process.Residence, residence)))
            return; // a move has it in hand
        bool bodyIsThere = residence is { Place: Place.Away } && residence.Node == node;
        Errand? errand = held.Role switch
        {
            Role.Restoring => Errand.Abort,
            Role.Frozen when bodyIsThere => Errand.Thaw,
            Role.Remote when bodyIsThere => null,
            _ => Errand.Discard,
        };
        if (errand is not { } needed)
            return;
        LogLeft(held.Key.ToString("x16"), node, held.Role, needed);
        await errands.RunAsync(needed, nodes.For(node), new KeyRequest { Key = held.Key, Epoch = needed == Errand.Thaw ? residence!.Epoch : held.Epoch }).ConfigureAwait(false);
    }

    // The node is there, its warden answers, and the body is not: it went down with the node. The deputy cannot go on without it.
    private void Lost(JobProcess process, string node)
    {
        LogLost(process.Residence.Key.ToString("x16"), process.Pid, node);
        feed.Publish(new WatchEvent { Kind = "failed", Pid = process.Pid, Text = $"process {process.Pid} is lost: node {node}, where it ran, went down", From = node }, process.Job.Uid);
        process.TrySignal(SIGKILL);
    }

    [LoggerMessage(570, LogLevel.Information, "pid {Pid} is on {Node}, key {Key}, epoch {Epoch}")]
    private partial void LogFound(int pid, string node, string key, uint epoch);

    [LoggerMessage(572, LogLevel.Warning, "node {Node} does not say what it holds: {Why}")]
    private partial void LogSilent(string node, string why);

    [LoggerMessage(573, LogLevel.Warning, "key {Key}: node {Node} still holds it ({Role}): {Errand}")]
    private partial void LogLeft(string key, string node, Role role, Errand errand);

    [LoggerMessage(574, LogLevel.Error, "key {Key}: pid {Pid} is lost: node {Node} went down with its body")]
    private partial void LogLost(string key, int pid, string node);
}
