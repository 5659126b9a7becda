using OpenMosix.Tools.Ctl;

return await OmCtl.RunAsync(args).ConfigureAwait(false);
