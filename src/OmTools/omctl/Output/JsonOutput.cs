// JSON by hand: the field names are an interface for scripts and must not follow a renamed property; and it starts fast.
using System.Text.Encodings.Web;
using System.Text.Json;

namespace OpenMosix.Tools.Ctl.Output;

internal static class JsonOutput
{
    private static readonly JavaScriptEncoder s_encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping; // for terminals and jq, not for HTML

    /// <summary>One object, indented.</summary>
    public static void Print(Action<Utf8JsonWriter> fields) => Write(fields, indented: true);

    /// <summary>One object on one line, at once: for streams.</summary>
    public static void PrintLine(Action<Utf8JsonWriter> fields) => Write(fields, indented: false);

    private static void Write(Action<Utf8JsonWriter> fields, bool indented)
    {
        using Stream output = Console.OpenStandardOutput();
        using (var writer = new Utf8JsonWriter(output, new JsonWriterOptions { Indented = indented, Encoder = s_encoder }))
        {
            writer.WriteStartObject();
            fields(writer);
            writer.WriteEndObject();
        }
        output.WriteByte((byte)'\n');
        output.Flush();
    }

    public static void Array<T>(this Utf8JsonWriter writer, string name, IEnumerable<T> items, Action<T> fields)
    {
        writer.WriteStartArray(name);
        foreach (T item in items)
        {
            writer.WriteStartObject();
            fields(item);
            writer.WriteEndObject();
        }
        writer.WriteEndArray();
    }
}
