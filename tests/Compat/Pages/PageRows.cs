namespace OpenMosix.Compat.Pages;

/// <summary>
/// The rows of a table in a page that was written before, each by its first cell, so that a run of some cases makes only their rows anew; and the
/// remarks below the table, list items that begin with the name of their row.
/// </summary>
internal sealed class PageRows
{
    private readonly Dictionary<string, string> _rows = [];
    private readonly Dictionary<string, string> _remarks = [];

    internal PageRows(string page)
    {
        foreach (var line in File.Exists(page) ? File.ReadLines(page) : [])
        {
            if (line.StartsWith("| ", StringComparison.Ordinal))
            {
                _rows[line.Split('|')[1].Trim()] = line;
            }
            else if (line.StartsWith("- **", StringComparison.Ordinal))
            {
                _remarks[line[4..].Split("**", 2)[0]] = line;
            }
        }
    }

    internal void Set(string name, IEnumerable<string> cells, string? remark)
    {
        _rows[name] = $"| {string.Join(" | ", cells.Prepend(name).Select(Cell))} |";
        _remarks.Remove(name);
        if (remark is not null)
        {
            _remarks[name] = $"- **{name}**: {remark.ReplaceLineEndings(" ")}";
        }
    }

    internal IEnumerable<string> Rows(IEnumerable<string> names) => names.Where(_rows.ContainsKey).Select(name => _rows[name]);

    internal IEnumerable<string> Remarks(IEnumerable<string> names) => names.Where(_remarks.ContainsKey).Select(name => _remarks[name]);

    private static string Cell(string text) => text.ReplaceLineEndings(" ").Replace("|", "\\|", StringComparison.Ordinal);
}
