using Microsoft.Win32.SafeHandles;
using OpenMosix.Checkpoint.Interop;
using OpenMosix.Checkpoint.Tracing;

namespace OpenMosix.Checkpoint.Pages;

/// <summary>Reads memory of another process. Any thread; the process may run.</summary>
public static class PageReader
{
    /// <summary>By process_vm_readv; what that may not read (no PROT_READ) by /proc/PID/mem, which ignores protections.</summary>
    /// <returns>0, or errno (EFAULT: not all of it is mapped).</returns>
    public static int Read(int pid, RemoteAddress address, Span<byte> destination)
    {
        int error = RemoteMemory.Read(pid, address, destination, out int done);
        return error is Errno.EFAULT ? ReadUnreadable(pid, address + (ulong)done, destination[done..]) : error;
    }

    private static int ReadUnreadable(int pid, RemoteAddress address, Span<byte> destination)
    {
        if (address.Value > long.MaxValue)
        {
            return Errno.EFAULT; // the kernel's half, where no file offset reaches
        }

        int error = Kernel.OpenRead($"/proc/{pid}/mem", out SafeFileHandle? memory);
        if (error != 0)
        {
            return error;
        }

        using (memory)
        {
            try
            {
                while (!destination.IsEmpty)
                {
                    int got = RandomAccess.Read(memory!, destination, (long)address.Value);
                    if (got == 0)
                    {
                        return Errno.EFAULT;
                    }

                    destination = destination[got..];
                    address += (ulong)got;
                }
            }
            catch (IOException)
            {
                return Errno.EFAULT;
            }
        }

        return 0;
    }
}
