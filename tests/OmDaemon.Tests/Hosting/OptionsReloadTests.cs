using OpenMosix.Daemon.Hosting;

namespace OpenMosix.Daemon.Tests.Hosting;

public sealed class OptionsReloadTests
{
    private readonly DaemonOptions _started = new() { Node = "pc1" };

    [Fact]
    public void Reload_WhatMayChange_IsInForce()
    {
        var reload = new OptionsReload(_started, () => new OptionsResult.Good(_started with { Accepts = false, Seeds = ["pc9"] }));
        DaemonOptions? told = null;
        reload.Changed += now => told = now;
        Assert.Equal("in force", reload.Reload());
        Assert.False(reload.Current.Accepts);
        Assert.Same(reload.Current, told);
    }

    [Fact]
    public void Reload_WhatMayNotChange_StaysAndIsSaid()
    {
        var reload = new OptionsReload(_started, () => new OptionsResult.Good(_started with { DaemonPort = 1234 }));
        Assert.Contains("needs a restart", reload.Reload(), StringComparison.Ordinal);
        Assert.Equal(_started.DaemonPort, reload.Current.DaemonPort);
    }

    [Fact]
    public void Reload_Mistake_ChangesNothing()
    {
        var reload = new OptionsReload(_started, () => new OptionsResult.Bad(["openmosixd.conf:1: what"]));
        Assert.Contains("openmosixd.conf:1: what", reload.Reload(), StringComparison.Ordinal);
        Assert.Same(_started, reload.Current);
    }
}
