using System.Text.Json;

namespace Llama.Gateway.Api.Fields;

/// <summary>
/// Fields that are taken and do nothing: they tell a provider something that no answer depends on, or they shape what is refused itself.
/// </summary>
internal static class HarmlessFields
{
    private static readonly JsonValueKind[] Flag = [JsonValueKind.True, JsonValueKind.False];
    private static readonly JsonValueKind[] List = [JsonValueKind.Array];
    private static readonly JsonValueKind[] Number = [JsonValueKind.Number];
    private static readonly JsonValueKind[] Object = [JsonValueKind.Object];
    private static readonly JsonValueKind[] Text = [JsonValueKind.String];

    /// <summary>All of them.</summary>
    public static IReadOnlyList<RequestField> All { get; } =
    [
        Field("user", FieldScope.Scheduled, Text, "Tells a provider who its end user is."),
        Field("safety_identifier", FieldScope.Generation, Text, "Tells a provider who its end user is."),
        Field("metadata", FieldScope.Generation, Object, "Labels a stored answer; none is stored."),
        Field("prompt_cache_key", FieldScope.Generation, Text, "Helps a provider find a cached prefix; the prefix cache here needs no help."),
        Field("mirostat_tau", FieldScope.Generation, Number, Shapes("mirostat")),
        Field("mirostat_eta", FieldScope.Generation, Number, Shapes("mirostat")),
        Field("dry_base", FieldScope.Generation, Number, Shapes("dry_multiplier")),
        Field("dry_allowed_length", FieldScope.Generation, Number, Shapes("dry_multiplier")),
        Field("dry_penalty_last_n", FieldScope.Generation, Number, Shapes("dry_multiplier")),
        Field("dry_sequence_breakers", FieldScope.Generation, List, Shapes("dry_multiplier")),
        Field("xtc_threshold", FieldScope.Generation, Number, Shapes("xtc_probability")),
        Field("dynatemp_exponent", FieldScope.Generation, Number, Shapes("dynatemp_range")),
        Field("cache_control", FieldScope.Message | FieldScope.ContentPart, Object, "Marks a prefix to cache; every prefix is cached."),
        Field("name", FieldScope.FormatSchema, Text, "Names the schema."),
        Field("description", FieldScope.FormatSchema, Text, "Says what the schema is for; the model is not told."),
        Field("strict", FieldScope.FormatSchema, Flag, "The schema is always followed."),
        Field("disable_fallback", FieldScope.StructuredOutputs, Flag, "Nothing falls back: a grammar is followed or refused."),
        Field("index", FieldScope.ToolCall, Number, "Calls come in the order of the list; parts of a stream have it."),
        Field("prompt_cache_breakpoint", FieldScope.ContentPart, Object, "Marks a prefix to cache; every prefix is cached."),
    ];

    private static HarmlessField Field(string name, FieldScope scopes, JsonValueKind[] kinds, string why) => new(name, scopes, kinds, why);

    private static string Shapes(string other) => $"Only shapes `{other}`, which is refused unless it asks for nothing.";
}
