// The bodies of other nodes' processes on this node, by key. Truth is the warden's status, taken over whenever it connects; in between
// LocalNode writes what it does. Safe from any thread.
using System.Collections.Concurrent;
using OpenMosix.Daemon.Hosting;
using OpenMosix.Daemon.Warden;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Migration;

internal sealed class Guests(DaemonOptions options) : IWardenListener
{
    private readonly ConcurrentDictionary<ulong, Guest> _guests = new();

    /// <summary>False until the warden has told what it holds: "unknown" would not mean "not here".</summary>
    public bool Known { get; private set; }

    public IReadOnlyCollection<Guest> All => (IReadOnlyCollection<Guest>)_guests.Values;

    public ulong ReservedBytes => _guests.Values.Where(guest => guest.State == GuestState.Restoring).Aggregate(0UL, (sum, guest) => sum + guest.Bytes);

    public Guest? Find(ulong key) => _guests.GetValueOrDefault(key);

    public bool TryAdd(Guest guest) => _guests.TryAdd(guest.Key, guest);

    public void Set(ulong key, GuestState state)
    {
        while (_guests.TryGetValue(key, out Guest? guest) && !_guests.TryUpdate(key, guest with { State = state }, guest))
        {
        }
    }

    public void SetEpoch(ulong key, uint epoch)
    {
        while (_guests.TryGetValue(key, out Guest? guest) && !_guests.TryUpdate(key, guest with { Epoch = epoch }, guest))
        {
        }
    }

    /// <summary>What the warden says of one key; null: nothing.</summary>
    public void Correct(ulong key, HeldProcess? held)
    {
        if (held is null || !IsGuest(held))
            Remove(key);
        else if (_guests.TryGetValue(key, out Guest? guest))
            _guests[key] = guest with { Epoch = held.Epoch, State = Guest.Of(held).State };
    }

    public void Remove(ulong key) => _guests.TryRemove(key, out _);

    public Task WardenConnectedAsync(WardenStatusReply status, CancellationToken cancellationToken)
    {
        _guests.Clear();
        foreach (HeldProcess held in status.Processes)
        {
            if (IsGuest(held))
                _guests[held.Key] = Guest.Of(held);
        }
        Known = true;
        return Task.CompletedTask;
    }

    private bool IsGuest(HeldProcess held) => held.Role != HeldProcess.Types.Role.Deputy && held.Peer.Length > 0 && held.Peer != options.Node;

    public Task WardenLostAsync(CancellationToken cancellationToken)
    {
        Known = false;
        return Task.CompletedTask;
    }
}
