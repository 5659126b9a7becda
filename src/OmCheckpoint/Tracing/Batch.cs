using System.Buffers.Binary;
using System.Runtime.InteropServices;
using OpenMosix.Checkpoint.Interop;

namespace OpenMosix.Checkpoint.Tracing;

/// <summary>System calls to be executed by the agent in one resume, with the data they point at. Results come back in order.</summary>
public sealed class Batch
{
    private const int CallsPerRun = (int)(AgentAbi.BatchBytes - AgentAbi.BatchHeaderBytes) / AgentAbi.CallBytes;

    private readonly AgentArea _area;
    private readonly List<byte[]> _calls = [];
    private readonly byte[] _data = new byte[AgentAbi.DataBytes];
    private int _dataUsed;
    private bool _reads;

    internal Batch(AgentArea area) => _area = area;

    /// <summary>The first call that fails is the last that is executed.</summary>
    public bool StopOnError { get; init; }

    public int Count => _calls.Count;

    /// <summary>Adds a call; returns its index in the results.</summary>
    public int Add(long number, params ReadOnlySpan<ulong> args)
    {
        var call = new byte[AgentAbi.CallBytes];
        BinaryPrimitives.WriteInt64LittleEndian(call, number);
        for (var i = 0; i < args.Length; i++)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(call.AsSpan(8 + (8 * i)), args[i]);
        }

        _calls.Add(call);
        return _calls.Count - 1;
    }

    /// <summary>Puts bytes beside the calls; the returned address may be used in arguments.</summary>
    public ulong Data(ReadOnlySpan<byte> bytes)
    {
        var address = Room(bytes.Length);
        bytes.CopyTo(_data.AsSpan((int)(address - _area.BatchData.Value)));
        return address;
    }

    /// <summary>Room for something a call writes.</summary>
    public ulong Reserve(int bytes)
    {
        _reads = true;
        return Room(bytes);
    }

    /// <summary>Whether data of that size still fits.</summary>
    public bool HasRoom(int bytes) => _dataUsed + bytes + 16 <= _data.Length;

    internal BatchResults Run(Tracee tracee, in Injection injection, Agent agent)
    {
        if (_dataUsed > 0)
        {
            tracee.Write(_area.BatchData, _data.AsSpan(0, _dataUsed));
        }

        var results = new long[_calls.Count];
        var done = 0;
        while (done < _calls.Count)
        {
            var count = Math.Min(_calls.Count - done, CallsPerRun);
            var some = results.AsSpan(done, count);
            var executed = tracee.TrapIgnored ? RunSingly(injection, agent, done, some) : RunSome(tracee, injection, agent, done, some);
            done += executed;
            if (executed < count)
            {
                break;
            }
        }

        if (_reads)
        {
            tracee.Read(_area.BatchData, _data.AsSpan(0, _dataUsed));
        }

        return new BatchResults(results, done, _data, _area.BatchData.Value);
    }

    private int RunSome(Tracee tracee, in Injection injection, Agent agent, int first, Span<long> results)
    {
        var bytes = new byte[AgentAbi.BatchHeaderBytes + (results.Length * AgentAbi.CallBytes)];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, results.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(4), StopOnError ? AgentAbi.StopOnError : 0);
        for (var i = 0; i < results.Length; i++)
        {
            _calls[first + i].CopyTo(bytes, AgentAbi.BatchHeaderBytes + (i * AgentAbi.CallBytes));
        }

        tracee.Write(_area.Batch, bytes);
        agent.RunCalls(injection);
        tracee.Read(_area.Batch, bytes);
        for (var i = 0; i < results.Length; i++)
        {
            results[i] = BinaryPrimitives.ReadInt64LittleEndian(
                bytes.AsSpan(AgentAbi.BatchHeaderBytes + (i * AgentAbi.CallBytes) + AgentAbi.CallResult));
        }

        var executed = BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(AgentAbi.BatchDone));
        if (executed < 0 || executed > results.Length)
        {
            throw new TraceeException("the agent's count of executed calls is impossible");
        }

        // The last one executed may be the one that failed: then nothing after it ran, here or in the rest.
        return StopOnError && executed == results.Length && BatchResults.IsError(results[^1]) ? executed - 1 : executed;
    }

    private int RunSingly(in Injection injection, Agent agent, int first, Span<long> results)
    {
        for (var i = 0; i < results.Length; i++)
        {
            var call = MemoryMarshal.Cast<byte, ulong>(_calls[first + i]);
            results[i] = injection.Call(agent.SyscallInstruction, (long)call[0], call[1..7]);
            if (StopOnError && BatchResults.IsError(results[i]))
            {
                return i;
            }
        }

        return results.Length;
    }

    private ulong Room(int bytes)
    {
        var start = (_dataUsed + 15) & ~15;
        if (start + bytes > _data.Length)
        {
            throw new InvalidOperationException("the data of a batch is larger than the agent's block");
        }

        _dataUsed = start + bytes;
        return _area.BatchData.Value + (ulong)start;
    }
}
