using System.Text.Json;

namespace Llama.Gateway.Api.Fields;

/// <summary>The fields that only <c>/infill</c> has.</summary>
internal static class InfillFields
{
    // What is declared below adds itself.
    private static readonly List<RequestField> Honoured = [];

    /// <summary>The text before the gap.</summary>
    public static readonly HonouredField<string?> Prefix = Add(FieldKinds.Text("input_prefix", FieldScope.Infill, "The text before the gap. Default none."));

    /// <summary>The text behind the gap.</summary>
    public static readonly HonouredField<string?> Suffix = Add(FieldKinds.Text("input_suffix", FieldScope.Infill, "The text behind the gap. Default none."));

    /// <summary>Text that follows the prefix.</summary>
    public static readonly HonouredField<string?> Prompt = Add(FieldKinds.Text("prompt", FieldScope.Infill, "Goes between `input_prefix` and the gap. Default none."));

    /// <summary>Other files.</summary>
    public static readonly HonouredField<JsonElement?> Extra = Add(FieldKinds.List(
        "input_extra", FieldScope.Infill, "a list of files", "Other files that the model may look at, up to 256; see `input_extra[]`."));

    /// <summary>A file's name.</summary>
    public static readonly HonouredField<string?> FileName = Add(FieldKinds.Text("filename", FieldScope.InfillFile, "The file's name."));

    /// <summary>What a file says.</summary>
    public static readonly HonouredField<string?> FileText = Add(FieldKinds.Text("text", FieldScope.InfillFile, "What the file says."));

    /// <summary>The most tokens to generate.</summary>
    public static readonly HonouredField<long?> NumPredict = Add(FieldKinds.Integer(
        "n_predict", FieldScope.Infill, -1, int.MaxValue, "The most tokens to generate; -1 as many as fit the context. Default -1."));

    /// <summary>All of them.</summary>
    public static IReadOnlyList<RequestField> All => Honoured;

    private static HonouredField<T> Add<T>(HonouredField<T> field)
    {
        Honoured.Add(field);
        return field;
    }
}
