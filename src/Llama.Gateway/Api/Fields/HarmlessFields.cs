using System.Text.Json;

namespace Llama.Gateway.Api.Fields;

/// <summary>
/// Fields that are taken and do nothing: they tell a provider something that no answer depends on, or they shape what is refused itself.
/// </summary>
internal static class HarmlessFields
{
    private const FieldScope Samplers = FieldScope.Generation | FieldScope.Infill | FieldScope.OllamaOptions;
    private const string Runs = "Says how the model is run, which its cluster decides; the text is the same.";
    private static readonly JsonValueKind[] Flag = [JsonValueKind.True, JsonValueKind.False];
    private static readonly JsonValueKind[] List = [JsonValueKind.Array];
    private static readonly JsonValueKind[] Number = [JsonValueKind.Number];
    private static readonly JsonValueKind[] Object = [JsonValueKind.Object];
    private static readonly JsonValueKind[] Text = [JsonValueKind.String];

    /// <summary>All of them.</summary>
    public static IReadOnlyList<RequestField> All { get; } =
    [
        Field("user", FieldScope.Generation | FieldScope.Embedding, Text, "Tells a provider who its end user is."),
        Field("safety_identifier", FieldScope.Generation, Text, "Tells a provider who its end user is."),
        Field("metadata", FieldScope.Generation, Object, "Labels a stored answer; none is stored."),
        Field("prompt_cache_key", FieldScope.Generation, Text, "Helps a provider find a cached prefix; the prefix cache here needs no help."),
        Field("mirostat_tau", Samplers, Number, Shapes("mirostat")),
        Field("mirostat_eta", Samplers, Number, Shapes("mirostat")),
        Field("dry_base", FieldScope.Generation | FieldScope.Infill, Number, Shapes("dry_multiplier")),
        Field("dry_allowed_length", FieldScope.Generation | FieldScope.Infill, Number, Shapes("dry_multiplier")),
        Field("dry_penalty_last_n", FieldScope.Generation | FieldScope.Infill, Number, Shapes("dry_multiplier")),
        Field("dry_sequence_breakers", FieldScope.Generation | FieldScope.Infill, List, Shapes("dry_multiplier")),
        Field("xtc_threshold", FieldScope.Generation | FieldScope.Infill, Number, Shapes("xtc_probability")),
        Field("dynatemp_exponent", FieldScope.Generation | FieldScope.Infill, Number, Shapes("dynatemp_range")),
        Field("cache_control", FieldScope.Message | FieldScope.ContentPart, Object, "Marks a prefix to cache; every prefix is cached."),
        Field("name", FieldScope.FormatSchema, Text, "Names the schema."),
        Field("description", FieldScope.FormatSchema, Text, "Says what the schema is for; the model is not told."),
        Field("strict", FieldScope.FormatSchema, Flag, "The schema is always followed."),
        Field("disable_fallback", FieldScope.StructuredOutputs, Flag, "Nothing falls back: a grammar is followed or refused."),
        Field("keep_alive", FieldScope.OllamaChat | FieldScope.OllamaGenerate | FieldScope.OllamaEmbed, [JsonValueKind.Number, JsonValueKind.String], "Says how long the model stays loaded; it does."),
        Field("verbose", FieldScope.OllamaShow, Flag, "Asks for more of what is not told."),
        Field("num_keep", FieldScope.OllamaOptions, Number, "Says what is kept of a context that is full; then the answer ends."),
        Field("num_batch", FieldScope.OllamaOptions, Number, Runs),
        Field("num_gpu", FieldScope.OllamaOptions, Number, Runs),
        Field("main_gpu", FieldScope.OllamaOptions, Number, Runs),
        Field("num_thread", FieldScope.OllamaOptions, Number, Runs),
        Field("numa", FieldScope.OllamaOptions, Flag, Runs),
        Field("low_vram", FieldScope.OllamaOptions, Flag, Runs),
        Field("use_mmap", FieldScope.OllamaOptions, Flag, Runs),
        Field("use_mlock", FieldScope.OllamaOptions, Flag, Runs),
        Field("index", FieldScope.ToolCall | FieldScope.CalledFunction, Number, "Calls come in the order of the list; parts of a stream have it."),
        Field("prompt_cache_breakpoint", FieldScope.ContentPart, Object, "Marks a prefix to cache; every prefix is cached."),
    ];

    private static HarmlessField Field(string name, FieldScope scopes, JsonValueKind[] kinds, string why) => new(name, scopes, kinds, why);

    private static string Shapes(string other) => $"Only shapes `{other}`, which is refused unless it asks for nothing.";
}
