using System.Text;
using Microsoft.Win32.SafeHandles;
using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Pages;
using OpenMosix.Checkpoint.Proc;
using OpenMosix.Checkpoint.Tracing;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Checkpoint.Restore;

/// <summary>
/// The memfds that stand for the image's files, made in the process itself, each mapped shared at a staging address until its content is there:
/// so the pages are charged to where the process lives, and whoever fills them needs no descriptor (decision 0004). Shared memory that is there
/// already, at home or with another process of the group, is given to it instead.
/// </summary>
internal sealed class FileStand
{
    private const ulong MFD_CLOEXEC = 1;

    private readonly List<(RemoteAddress Address, ulong Bytes)> _staging = [];
    private readonly ulong?[] _descriptors;

    private FileStand(int files)
    {
        _descriptors = new ulong?[files];
        Bases = new ulong[files];
    }

    /// <summary>Per file: where its offset 0 lies, modulo 2^64; 0: not wanted.</summary>
    public ulong[] Bases { get; }

    public ulong? Descriptor(Mapping mapping) => _descriptors[mapping.File - 1];

    /// <summary>Makes those for which wanted is true.</summary>
    /// <param name="present">Shared memory of the image that is there already, the caller's to close; null: it is not.</param>
    public static FileStand Make(
        Agent agent, Tracee tracee, ProcessImage image, Func<int, bool> wanted, Func<MappedFile, SafeFileHandle?> present,
        IEnumerable<(ulong Start, ulong End)> taken)
    {
        var stand = new FileStand(image.Files.Count);
        try
        {
            stand.Fill(agent, tracee, image, wanted, present, taken);
            return stand;
        }
        catch (TraceeException)
        {
            var removal = agent.NewBatch();
            stand.AddRemoval(removal);
            agent.Run(removal);
            throw;
        }
    }

    private void Fill(
        Agent agent, Tracee tracee, ProcessImage image, Func<int, bool> wanted, Func<MappedFile, SafeFileHandle?> present,
        IEnumerable<(ulong Start, ulong End)> taken)
    {
        var files = Enumerable.Range(0, image.Files.Count).Where(wanted).ToList();
        var occupied = taken.ToList();
        var given = new HashSet<int>();
        foreach (var file in files.Where(file => image.Files[file].Memory))
        {
            using var memory = present(image.Files[file]);
            if (memory is not null)
            {
                _descriptors[file] = GivenDescriptor.To(agent, tracee.Tid, memory);
                given.Add(file);
            }
            else if (image.Files[file].Held)
            {
                throw new TraceeException($"{image.Files[file].Path} is not where it should be", Errno.ENOENT);
            }
        }

        foreach (var some in files.Except(given).Chunk(64))
        {
            var create = agent.NewBatch(stopOnError: true);
            foreach (var file in some)
            {
                create.Add(
                    CallNumber.memfd_create, create.Data(Encoding.UTF8.GetBytes(RemoteFileName.Encode(image.Files[file]) + '\0')), MFD_CLOEXEC);
            }

            var made = agent.Execute(create, "making memory files");
            for (var i = 0; i < some.Length; i++)
            {
                _descriptors[some[i]] = (ulong)made[i];
            }
        }

        var fill = agent.NewBatch(stopOnError: true);
        foreach (var file in files)
        {
            var mapped = image.Files[file];
            if (!given.Contains(file))
            {
                fill.Add(CallNumber.ftruncate, _descriptors[file]!.Value, mapped.SizeBytes);
            }

            if (mapped.Ranges.Count == 0)
            {
                continue;
            }

            var start = mapped.Ranges.Min(range => range.Offset);
            var end = mapped.Ranges.Max(range => range.Offset + range.Bytes);
            var address = AddressSpace.Free(occupied, end - start);
            occupied.Add((address.Value, address.Value + (end - start)));
            fill.Add(
                CallNumber.mmap, address.Value, end - start, Mappings.PROT_READ | Mappings.PROT_WRITE,
                Mappings.MAP_SHARED | Mappings.MAP_FIXED | Mappings.MAP_NORESERVE, _descriptors[file]!.Value, start);
            _staging.Add((address, end - start));
            Bases[file] = unchecked(address.Value - start);
        }

        agent.Execute(fill, "staging the files' content");
    }

    /// <summary>The content is there, or never will be: descriptors and staging are not needed any more. Once.</summary>
    public void AddRemoval(Batch batch)
    {
        foreach (var (address, bytes) in _staging)
        {
            batch.Add(CallNumber.munmap, address.Value, bytes);
        }

        foreach (var descriptor in _descriptors.OfType<ulong>())
        {
            batch.Add(CallNumber.close, descriptor);
        }

        _staging.Clear();
        Array.Clear(_descriptors);
    }
}
