// The bodies of other nodes' processes on this node, by key. Truth is the warden's status, taken over whenever it connects; in between
// LocalNode writes what it does. A guest that waits for its home's next step has a lease, which ends with the guest. Safe from any thread.
using System.Collections.Concurrent;
using OpenMosix.Daemon.Hosting;
using OpenMosix.Daemon.Warden;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Migration;

internal sealed class Guests(DaemonOptions options) : IWardenListener
{
    private readonly ConcurrentDictionary<ulong, Guest> _guests = new();
    private readonly ConcurrentDictionary<ulong, ITimer> _leases = new();

    /// <summary>False until the warden has told what it holds: "unknown" would not mean "not here".</summary>
    public bool Known { get; private set; }

    public IReadOnlyCollection<Guest> All => (IReadOnlyCollection<Guest>)_guests.Values;

    public ulong ReservedBytes => _guests.Values.Where(guest => guest.State == GuestState.Restoring).Aggregate(0UL, (sum, guest) => sum + guest.Bytes);

    /// <summary>A guest has come. Handlers do not block.</summary>
    public event Action? Began;

    public Guest? Find(ulong key) => _guests.GetValueOrDefault(key);

    public bool TryAdd(Guest guest)
    {
        if (!_guests.TryAdd(guest.Key, guest))
            return false;
        Began?.Invoke();
        return true;
    }

    /// <returns>False: it is not here (any more).</returns>
    public bool Set(ulong key, GuestState state)
    {
        while (_guests.TryGetValue(key, out Guest? guest))
        {
            if (_guests.TryUpdate(key, guest with { State = state }, guest))
                return true;
        }
        return false;
    }

    public void SetBytes(ulong key, ulong bytes)
    {
        while (_guests.TryGetValue(key, out Guest? guest) && !_guests.TryUpdate(key, guest with { Bytes = bytes }, guest))
        {
        }
    }

    public void SetEpoch(ulong key, uint epoch)
    {
        while (_guests.TryGetValue(key, out Guest? guest) && !_guests.TryUpdate(key, guest with { Epoch = epoch }, guest))
        {
        }
    }

    /// <summary>A body that runs here, by what the warden holds; nothing of it is known yet.</summary>
    public void Take(ulong key, WardenStatusReply status)
    {
        if (status.Processes.FirstOrDefault(held => held.Key == key && held.Role == HeldProcess.Types.Role.Remote) is { } held)
            TryAdd(Guest.Of(held));
    }

    /// <summary>What the warden says of one key; null: nothing.</summary>
    public void Correct(ulong key, HeldProcess? held)
    {
        if (held is null || !IsGuest(held))
            Remove(key);
        else if (_guests.TryGetValue(key, out Guest? guest))
            _guests[key] = guest with { Epoch = held.Epoch, State = Guest.Of(held).State };
    }

    public void Remove(ulong key)
    {
        _guests.TryRemove(key, out _);
        EndLease(key);
    }

    /// <summary>`lease` is disposed when the guest is removed, gets another lease, or EndLease says so.</summary>
    public void Lease(ulong key, ITimer lease)
    {
        EndLease(key);
        _leases[key] = lease;
        // It may have gone while the lease was made.
        if (!_guests.ContainsKey(key))
            EndLease(key);
    }

    public void EndLease(ulong key)
    {
        if (_leases.TryRemove(key, out ITimer? lease))
            lease.Dispose();
    }

    public Task WardenConnectedAsync(WardenStatusReply status, CancellationToken cancellationToken)
    {
        var held = status.Processes.Where(IsGuest).ToDictionary(one => one.Key, Guest.Of);
        foreach (ulong gone in _guests.Keys.Where(key => !held.ContainsKey(key)))
            Remove(gone);
        foreach ((ulong key, Guest guest) in held)
        {
            Put(guest);
            if (guest.State == GuestState.Running)
                EndLease(key);
        }
        Known = true;
        return Task.CompletedTask;
    }

    public Task WardenSaidAsync(FromWarden happened, CancellationToken cancellationToken)
    {
        if (happened.Began?.Process is { } held && IsGuest(held))
            Put(Guest.Of(held));
        return Task.CompletedTask;
    }

    private void Put(Guest guest)
    {
        _guests[guest.Key] = guest;
        Began?.Invoke();
    }

    private bool IsGuest(HeldProcess held) => held.Role != HeldProcess.Types.Role.Deputy && held.Peer.Length > 0 && held.Peer != options.Node;

    public Task WardenLostAsync(CancellationToken cancellationToken)
    {
        Known = false;
        return Task.CompletedTask;
    }
}
