using System.Text.Json;
using static Llama.Gateway.Api.Fields.FieldKinds;

namespace Llama.Gateway.Api.Fields;

/// <summary>The fields that only <c>/v1/responses</c> has.</summary>
internal static class ResponseFields
{
    private const FieldScope Response = FieldScope.Response;
    private const FieldScope Part = FieldScope.InputPart;
    private const FieldScope Items = FieldScope.InputMessage | FieldScope.InputReasoning | FieldScope.InputCall | FieldScope.InputResult;

    // What is declared below adds itself.
    private static readonly List<RequestField> Honoured = [];

    /// <summary>What is to be answered.</summary>
    public static readonly HonouredField<JsonElement?> Input = Add(FieldKinds.Any(
        "input", Response, "a string or a list of items",
        "What to answer: a user's message, or a list of messages, reasoning, calls of tools and their results; see `input[]`."));

    /// <summary>What the model is told first.</summary>
    public static readonly HonouredField<string?> Instructions = Add(FieldKinds.Text(
        "instructions", Response, "A system message that comes first. Those of the `previous_response_id` are not taken over."));

    /// <summary>The most tokens to generate.</summary>
    public static readonly HonouredField<long?> MaxOutputTokens = Add(FieldKinds.Integer(
        "max_output_tokens", Response, 1, int.MaxValue, "The most tokens to generate, reasoning among them. Default: as many as fit the context."));

    /// <summary>The response that the conversation goes on from.</summary>
    public static readonly HonouredField<string?> PreviousResponse = Add(FieldKinds.Text(
        "previous_response_id", Response, "Goes on from a response that is kept: its conversation and its output come before `input`."));

    /// <summary>Whether the response is kept.</summary>
    public static readonly HonouredField<bool?> Store = Add(FieldKinds.Flag(
        "store", Response, "Keeps the response, for GET, DELETE and `previous_response_id`. Default true."));

    /// <summary>Labels of the response.</summary>
    public static readonly HonouredField<JsonElement?> Metadata = Add(FieldKinds.Object("metadata", Response, "Is told in the response."));

    /// <summary>How text is written.</summary>
    public static readonly HonouredField<JsonElement?> Text = Add(FieldKinds.Object("text", Response, "See `text`."));

    /// <summary>The form of the text.</summary>
    public static readonly HonouredField<JsonElement?> Format = Add(FieldKinds.Object(
        "format", FieldScope.ResponseText, "The form of the text; see `text.format`."));

    /// <summary>What form it is.</summary>
    public static readonly HonouredField<string?> FormatType = Add(FieldKinds.OneOf(
        "type", FieldScope.TextFormat, ["text", "json_object", "json_schema"], "Free text, any JSON object, or JSON that is valid by `schema`."));

    /// <summary>The schema of the form.</summary>
    public static readonly HonouredField<JsonElement?> Schema = Add(FieldKinds.Schema(
        "schema", FieldScope.TextFormat, "The JSON schema that the text is valid by, whether `strict` or not; for the type `json_schema` only."));

    /// <summary>What kind of item it is.</summary>
    public static readonly HonouredField<string?> MessageType = Add(FieldKinds.OneOf(
        "type", FieldScope.InputMessage, ["message"], "`message`, also where it is not given."));

    /// <summary>Whose message it is.</summary>
    public static readonly HonouredField<string?> Role = Add(FieldKinds.Text(
        "role", FieldScope.InputMessage, "`system` (or `developer`), `user` or `assistant`, as the chat template has them."));

    /// <summary>What the message says.</summary>
    public static readonly HonouredField<JsonElement?> Content = Add(FieldKinds.Any(
        "content", FieldScope.InputMessage, "a string or a list of text parts", "What the message says. Parts are joined by line feeds."));

    /// <summary>What kind of part it is.</summary>
    public static readonly HonouredField<string?> PartType = Add(FieldKinds.OneOf(
        "type", Part, ["input_text", "output_text", "text"], "Text, of whomever."));

    /// <summary>What the part says.</summary>
    public static readonly HonouredField<string?> PartText = Add(FieldKinds.Text("text", Part, "What the part says."));

    /// <summary>That the item is reasoning.</summary>
    public static readonly HonouredField<string?> ReasoningType = Add(FieldKinds.OneOf(
        "type", FieldScope.InputReasoning, ["reasoning"], "What the assistant thought before its next message, as a response told it."));

    /// <summary>The reasoning.</summary>
    public static readonly HonouredField<JsonElement?> ReasoningContent = Add(FieldKinds.List(
        "content", FieldScope.InputReasoning, "a list of parts", "The reasoning. Templates of checkpoints that show it do so; others leave it out."));

    /// <summary>That the part is reasoning.</summary>
    public static readonly HonouredField<string?> ThoughtType = Add(FieldKinds.OneOf(
        "type", FieldScope.InputThought, ["reasoning_text"], "A part of the reasoning."));

    /// <summary>A part of the reasoning.</summary>
    public static readonly HonouredField<string?> ThoughtText = Add(FieldKinds.Text("text", FieldScope.InputThought, "What the part says."));

    /// <summary>That the item is a call.</summary>
    public static readonly HonouredField<string?> CallType = Add(FieldKinds.OneOf(
        "type", FieldScope.InputCall, ["function_call"], "A call that the assistant made, as a response told it."));

    /// <summary>That the item is a result.</summary>
    public static readonly HonouredField<string?> ResultType = Add(FieldKinds.OneOf(
        "type", FieldScope.InputResult, ["function_call_output"], "What a call gave."));

    /// <summary>The call of an item.</summary>
    public static readonly HonouredField<string?> CallId = Add(FieldKinds.Text(
        "call_id", FieldScope.InputCall | FieldScope.InputResult, "By which a result names its call."));

    /// <summary>The result.</summary>
    public static readonly HonouredField<JsonElement?> Output = Add(FieldKinds.Any(
        "output", FieldScope.InputResult, "a string or a list of text parts", "What the call gave. Parts are joined by line feeds."));

    /// <summary>All of them.</summary>
    public static IReadOnlyList<RequestField> All { get; } =
    [
        .. Honoured,
        Harmless("user", Response, JsonValueKind.String, "Tells a provider who its end user is."),
        Harmless("safety_identifier", Response, JsonValueKind.String, "Tells a provider who its end user is."),
        Harmless("prompt_cache_key", Response, JsonValueKind.String, "Helps a provider find a cached prefix; the prefix cache here needs no help."),
        Harmless("max_tool_calls", Response, JsonValueKind.Number, "Bounds calls of a provider's own tools; there are none."),
        Harmless("name", FieldScope.TextFormat, JsonValueKind.String, "Names the schema."),
        Harmless("description", FieldScope.TextFormat, JsonValueKind.String, "Says what the schema is for; the model is not told."),
        new HarmlessField("strict", FieldScope.TextFormat, [JsonValueKind.True, JsonValueKind.False], "The schema is always followed."),
        Harmless("id", Items, JsonValueKind.String, "Names the item; what it says is all that counts."),
        Harmless("status", Items, JsonValueKind.String, "Says whether the item was complete."),
        Harmless("summary", FieldScope.InputReasoning, JsonValueKind.Array, "Says the reasoning in short; the model gets the reasoning."),
        Harmless("annotations", Part, JsonValueKind.Array, "Says where the text is from; the model is not told."),
        Harmless("logprobs", Part, JsonValueKind.Array, "Says how probable the text was; the model is not told."),
        Harmless("prompt_cache_breakpoint", Part, JsonValueKind.Object, "Marks a prefix to cache; every prefix is cached."),
        Refused("background", Response, "false"),
        Refused("context_management", Response, "[]"),
        Refused("conversation", Response),
        Refused("include", Response, "[]", "[\"reasoning.encrypted_content\"]"),
        Refused("moderation", Response),
        Refused("n", Response, "1"),
        Refused("prompt_cache_options", Response, "{}", "{\"mode\":\"implicit\"}"),
        Refused("prompt_cache_retention", Response, "\"in_memory\""),
        Refused("reasoning", Response, "{}", "{\"effort\":null}", "{\"effort\":null,\"summary\":null}", "{\"effort\":\"none\"}"),
        Refused("service_tier", Response, "\"auto\"", "\"default\""),
        Refused("stop", Response, "[]"),
        Refused("stream_options", Response, "{}", "{\"include_obfuscation\":false}"),
        Refused("top_logprobs", Response, "0"),
        Refused("truncation", Response, "\"disabled\""),
        Instead("max_completion_tokens", Response, "max_output_tokens"),
        Instead("max_tokens", Response, "max_output_tokens"),
        Instead("messages", Response, "input"),
        Instead("prompt", Response, "input"),
        Instead("response_format", Response, "text"),
        Refused("verbosity", FieldScope.ResponseText, "\"medium\""),
        Refused("encrypted_content", FieldScope.InputReasoning),
        Refused("detail", Part, "\"auto\""),
        Refused("file_data", Part),
        Refused("file_id", Part),
        Refused("file_url", Part),
        Refused("filename", Part),
        Refused("image_url", Part),
        Refused("refusal", Part),
    ];

    private static HonouredField<T> Add<T>(HonouredField<T> field)
    {
        Honoured.Add(field);
        return field;
    }
}
