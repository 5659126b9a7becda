using System.Globalization;
using Spectre.Console;

namespace OpenMosix.Tools.Ctl.Output;

/// <summary>Text for people: columns that fit the terminal, and that are not broken when they go into a pipe.</summary>
internal static class Text
{
    private const int PipeWidth = 1000;
    private const int LeastWidth = 80;

    public static Table Columns(params (string Name, bool Right)[] columns)
    {
        Table table = new Table().Border(TableBorder.None);
        foreach ((string name, bool right) in columns)
        {
            var column = new TableColumn(Markup.Escape(name)) { Padding = new Padding(0, 0, 2, 0), Alignment = right ? Justify.Right : Justify.Left };
            table.AddColumn(column);
        }
        return table;
    }

    public static void Row(this Table table, params string[] cells) => table.AddRow([.. cells.Select(c => new Spectre.Console.Text(Clean(c)))]);

    public static void Print(Table table)
    {
        using var text = new StringWriter();
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(text), Ansi = AnsiSupport.No, ColorSystem = ColorSystemSupport.NoColors });
        console.Profile.Width = Console.IsOutputRedirected ? PipeWidth : Math.Max(Console.WindowWidth, LeastWidth);
        console.Write(table);
        foreach (string line in text.ToString().TrimEnd('\n').Split('\n'))
            Console.WriteLine(line.TrimEnd()); // Spectre fills the last column up
    }

    /// <summary>Commands and names come from others: what would steer the terminal is shown, not sent.</summary>
    public static string Clean(string text) => text.Any(char.IsControl) ? string.Concat(text.Select(c => char.IsControl(c) ? '?' : c)) : text;

    public static string Bytes(ulong bytes) => bytes switch
    {
        >= 10UL << 30 => Number(bytes / (double)(1UL << 30), "0", "GiB"),
        >= 1UL << 30 => Number(bytes / (double)(1UL << 30), "0.0", "GiB"),
        >= 1UL << 20 => Number(bytes / (double)(1UL << 20), "0", "MiB"),
        >= 1UL << 10 => Number(bytes / (double)(1UL << 10), "0", "KiB"),
        _ => Number(bytes, "0", "B"),
    };

    public static string Milliseconds(ulong microseconds) => Number(microseconds / 1000.0, microseconds < 10_000 ? "0.00" : "0.0", "ms");

    public static string Number(double value, string format, string unit) => $"{value.ToString(format, CultureInfo.InvariantCulture)} {unit}";
}
