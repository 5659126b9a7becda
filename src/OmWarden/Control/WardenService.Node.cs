// Who this node is and where the others are: said by the daemon, and kept for the next warden, which serves what is away before any daemon speaks to it.
using Microsoft.Extensions.Logging;
using OpenMosix.Protocol.Errors;
using OpenMosix.Protocol.V1;
using OpenMosix.Warden.Forward;
using OpenMosix.Warden.Handover;
using OpenMosix.Warden.Held;

namespace OpenMosix.Warden.Control;

internal sealed partial class WardenService
{
    private const string NodeKind = "node";

    private Record<HandoverNode>? nodeRecord;
    private HandoverNode node = new();

    /// <summary>Takes over what an earlier warden left in the fd store. Returns the cgroups that are in use.</summary>
    internal HashSet<string> TakeOver()
    {
        var cgroups = new HashSet<string>();
        if (context.Store.Take(NodeKind, "self", "record") is { } memfd)
        {
            nodeRecord = new(memfd);
            node = nodeRecord.Read(HandoverNode.Parser) ?? new();
            if (node.Configure is { } configure && Open(configure) is { } refused)
                LogNoLinks(refused.Message);
            foreach (WardenPeer peer in node.Peers)
                context.Engine?.Peer(peer.Node, peer.Address, (ushort)peer.Port);
        }
        if (context.Engine is null)
            return cgroups;
        bool allServed = true;
        List<HomeProcess> deputies = [.. context.Store.Keys(HomeProcess.StoreKind).Select(key => HomeProcess.Adopt(key, context)).OfType<HomeProcess>()];
        foreach (HomeProcess process in deputies)
        {
            held.TryAdd(process);
            if (!process.TakeOver(out int errno))
            {
                allServed = false; // its body waits for the next warden
                LogNotServed(process.Key, errno);
            }
            LogTakenOver("deputy", process.Key, process.Pid);
        }
        if (allServed)
            context.Engine.HomesKnown();
        // A move that was under way when the last warden ended has no daemon any more that would finish it here. Its group's leader is known by now.
        foreach (HomeProcess process in deputies)
            process.Queue.Run(() =>
            {
                process.UndoMove();
                return true;
            });
        TakeOverCells(cgroups);
        return cgroups;
    }

    /// <summary>Nothing that arrives may be of a body that is not known yet: first all bodies, then their cells.</summary>
    private void TakeOverCells(HashSet<string> cgroups)
    {
        var cells = new Dictionary<string, SharedCell>();
        foreach (string name in context.Store.Keys(SharedCell.StoreKind))
            if (SharedCell.Adopt(context, name) is { } cell)
                cells.Add(name, cell);
        List<GuestProcess> guests = [.. context.Store.Keys(GuestProcess.StoreKind).Select(key => GuestProcess.Adopt(key, context, cells.GetValueOrDefault)).OfType<GuestProcess>()];
        foreach (GuestProcess process in guests)
        {
            held.TryAdd(process);
            cgroups.Add(process.Cell.CgroupName);
            process.Reopen();
            LogTakenOver("remote", process.Key, process.BodyPid);
        }
        foreach (SharedCell cell in cells.Values)
            cell.TakeOver();
        foreach (GuestProcess process in guests)
            process.Queue.Run(() =>
            {
                process.TakeOver();
                return true;
            });
    }

    /// <summary>SIGTERM: moves that are not committed are undone. With nobody to keep descriptors remotes end too; otherwise they are left as they are.</summary>
    internal async Task LeaveAsync()
    {
        foreach (Held.HeldProcess process in held.All)
            await process.Queue.Run(() =>
            {
                process.Leave();
                if (!context.Store.Keeps && process is GuestProcess guest)
                    guest.EndFromHome("the warden ended and nobody keeps its descriptors");
                return true;
            }).ConfigureAwait(false);
    }

    private FromWarden Configure(WardenConfigure request)
    {
        if (context.Engine is { } old)
        {
            var same = request.Clone();
            if (same.ListenPort == 0)
                same.ListenPort = node.Configure.ListenPort;
            if (node.Configure.Equals(same))
                return Replies.Done();
            if (!held.IsEmpty)
                return Replies.Failed(Stage.Forward, "certificates cannot change while processes are away or here");
            old.Dispose();
            context.Engine = null;
        }
        if (Open(request) is { } failure)
            return Replies.Failed(failure);
        if (!context.Store.Keys(HomeProcess.StoreKind).Any()) // else they were left to a warden that could open its links
            context.Engine!.HomesKnown();
        node.Configure = request.Clone();
        node.Configure.ListenPort = (uint)context.Engine!.Port;
        if (nodeRecord is null)
        {
            nodeRecord = Record<HandoverNode>.Create("om-node");
            context.Store.Keep(NodeKind, "self", "record", nodeRecord.Memfd);
        }
        nodeRecord.Write(node);
        return Replies.Done();
    }

    private Failure? Open(WardenConfigure request)
    {
        LinkEngine? engine = LinkEngine.Open(request, this, out int errno);
        if (engine is null)
            return Failures.Broken(Stage.Forward,
                $"opening links as {request.Node} on {request.ListenAddress}:{request.ListenPort}: {System.Runtime.InteropServices.Marshal.GetPInvokeErrorMessage(errno)}", errno);
        context.Node = request.Node;
        context.Engine = engine;
        LogConfigured(request.Node, engine.Port);
        return null;
    }

    private FromWarden Peer(WardenPeer request)
    {
        if (context.Engine is null)
            return Replies.Failed(Stage.Forward, "no link yet: configure comes first");
        int result = context.Engine.Peer(request.Node, request.Address, (ushort)request.Port);
        if (result != 0)
            return Replies.Failed(Stage.Forward, $"peer {request.Node} at {request.Address}", -result);
        WardenPeer? known = node.Peers.FirstOrDefault(peer => peer.Node == request.Node);
        if (known?.Equals(request) == true)
            return Replies.Done();
        if (known is not null)
            node.Peers.Remove(known);
        node.Peers.Add(request.Clone());
        nodeRecord?.Write(node);
        return Replies.Done();
    }

    [LoggerMessage(EventId = 120, Level = LogLevel.Information, Message = "links of {Node} on port {Port}")]
    private partial void LogConfigured(string node, int port);

    [LoggerMessage(EventId = 124, Level = LogLevel.Error, Message = "links of the warden before could not be opened again: {Why}")]
    private partial void LogNoLinks(string why);

    [LoggerMessage(EventId = 125, Level = LogLevel.Error, Message = "key {Key:x16}: the deputy is not served: errno {Errno}")]
    private partial void LogNotServed(ulong key, int errno);

    [LoggerMessage(EventId = 126, Level = LogLevel.Information, Message = "{What} of key {Key:x16}, pid {Pid}, taken over")]
    private partial void LogTakenOver(string what, ulong key, int pid);
}
