using OpenMosix.Warden.Hosting;

switch (OptionsReader.Read(args, Environment.GetEnvironmentVariable))
{
    case OptionsResult.Print print:
        Console.Out.WriteLine(print.Text);
        return 0;
    case OptionsResult.Bad bad:
        Console.Error.WriteLine($"omwarden: {bad.Message}");
        return 2;
    case OptionsResult.Good good:
        return await WardenApplication.RunAsync(good.Options).ConfigureAwait(false);
    default:
        return 1;
}
