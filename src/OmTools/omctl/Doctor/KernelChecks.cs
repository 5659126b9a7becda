using OpenMosix.Tools.Ctl.Interop;

namespace OpenMosix.Tools.Ctl.Doctor;

/// <summary>What the kernel does when asked, not what its version promises.</summary>
internal static class KernelChecks
{
    private delegate int NativeProbe(out ulong value);

    private const ulong WpAsync = 1 << 15;

    public static IEnumerable<Check> All { get; } =
    [
        new("ptrace", true, "stopping a process and reading its registers (Freeze, Snapshot)", () => Native(LibOmProbe.om_probe_ptrace, v => $"xsave area of {v} bytes")),
        new("ptrace-rseq", false, "moving programs that use restartable sequences (glibc 2.35 does)", () => Native(LibOmProbe.om_probe_rseq)),
        new("process-vm", true, "copying pages out of and into processes", () => Native(LibOmProbe.om_probe_process_vm)),
        new("map-files", false, "reading mapped files that were deleted or replaced", () => Native(LibOmProbe.om_probe_map_files)),
        new("mm-map", true, "giving a restored process its brk, arguments and auxiliary vector (CONFIG_CHECKPOINT_RESTORE)", () => Native(LibOmProbe.om_probe_mm_map)),
        new("pidfd", true, "holding processes without races on their ids", () => Native(LibOmProbe.om_probe_pidfd)),
        new("seccomp-notify", true, "taking a body's system calls to be executed at home (Forward)", () => Native(LibOmProbe.om_probe_seccomp_notify)),
        new("seccomp-wait-killable", true, "a signal never loses the result of a forwarded call (Linux 5.19)", () => SeccompExtra(1)),
        new("seccomp-sync-wake-up", false, "a forwarded call costs 4 µs to take instead of 45 (Linux 6.6)", () => SeccompExtra(2)),
        new("user-namespace", true, "a hosted body has no rights on this node", () => Native(LibOmProbe.om_probe_user_namespace)),
        new("cell-namespaces", true, "a hosted body sees no process, file, network or IPC of this node", () => Native(LibOmProbe.om_probe_cell_namespaces)),
        new("time-namespace", true, "a body's monotonic clock goes on where it was", () => Native(LibOmProbe.om_probe_time_namespace)),
        new("clone3-set-tid", true, "a restored process has its own pid and tids", () => Native(LibOmProbe.om_probe_set_tid)),
        new("pagemap-scan", false, "finding the pages of 1 GiB in under 1 ms (Linux 6.7); slower without", () => Native(LibOmProbe.om_probe_pagemap_scan)),
        new("userfaultfd", false, "a body starts before all of its pages are there", () => Native(LibOmProbe.om_probe_uffd, v => $"features {v:x}")),
        new("userfaultfd-wp-async", false, "pages are sent while the program runs on, so that it stands still for less (Linux 6.7)", WriteProtectAsync),
        new("soft-dirty", false, "the same on older kernels (CONFIG_MEM_SOFT_DIRTY); not needed beside userfaultfd-wp-async", () => Native(LibOmProbe.om_probe_soft_dirty)),
    ];

    private static Finding WriteProtectAsync() =>
        LibOmProbe.om_probe_uffd(out ulong features) == 0 && (features & WpAsync) == 0
            ? Finding.Missing("this kernel's userfaultfd does not offer it")
            : Native(LibOmProbe.om_probe_uffd_wp_async);

    private static Finding SeccompExtra(ulong bit) =>
        LibOmProbe.om_probe_seccomp_notify(out ulong extras) is not 0 and var error ? Finding.OfResult(error) : Finding.Of((extras & bit) != 0);

    private static Finding Native(NativeProbe probe, Func<ulong, string>? describe = null)
    {
        int result = probe(out ulong value);
        return Finding.OfResult(result, result == 0 && describe is not null ? describe(value) : "");
    }
}
