using System.Text.Json;
using static Llama.Gateway.Api.Fields.FieldKinds;

namespace Llama.Gateway.Api.Fields;

/// <summary>The fields that only <c>/v1/messages</c> and <c>/v1/messages/count_tokens</c> have.</summary>
internal static class MessageFields
{
    private const FieldScope Request = FieldScope.MessageRequest;
    private const FieldScope Turns = FieldScope.Turns;

    // What is declared below adds itself.
    private static readonly List<RequestField> Honoured = [];

    /// <summary>The conversation.</summary>
    public static readonly HonouredField<JsonElement?> Messages = Add(FieldKinds.Any(
        "messages", Turns, "a list of messages",
        "The conversation, at least one message; messages of one role after each other are one. Where the last one is the assistant's, the answer goes on with it; that"
        + " needs a checkpoint with a chat template of its own."));

    /// <summary>What the model is told first.</summary>
    public static readonly HonouredField<JsonElement?> System = Add(FieldKinds.Any(
        "system", Turns, "a string or a list of text blocks", "A system message that comes first. Blocks are joined by line feeds."));

    /// <summary>Texts that end the answer.</summary>
    public static readonly HonouredField<JsonElement?> StopSequences = Add(FieldKinds.List(
        "stop_sequences", Request, "a list of up to 16 strings; none empty", "Ends the answer before the first of these texts, which `stop_sequence` tells."));

    /// <summary>How the answer is written.</summary>
    public static readonly HonouredField<JsonElement?> OutputConfig = Add(FieldKinds.Object("output_config", Request, "See `output_config`."));

    /// <summary>The form of the answer.</summary>
    public static readonly HonouredField<JsonElement?> Format = Add(FieldKinds.Object(
        "format", FieldScope.OutputConfig, "The form of the answer; see `output_config.format`."));

    /// <summary>What form it is.</summary>
    public static readonly HonouredField<string?> FormatType = Add(FieldKinds.OneOf(
        "type", FieldScope.OutputFormat, ["json_schema"], "JSON that is valid by `schema`."));

    /// <summary>The schema of the form.</summary>
    public static readonly HonouredField<JsonElement?> Schema = Add(FieldKinds.Schema(
        "schema", FieldScope.OutputFormat, "The JSON schema that the answer is valid by."));

    /// <summary>Whose message it is.</summary>
    public static readonly HonouredField<string?> Role = Add(FieldKinds.OneOf("role", FieldScope.Turn, ["user", "assistant"], "Who speaks."));

    /// <summary>What the message says.</summary>
    public static readonly HonouredField<JsonElement?> Content = Add(FieldKinds.Any(
        "content", FieldScope.Turn, "a string or a list of content blocks",
        "What the message says. Blocks are of the types `text` (joined by line feeds), `thinking`, `tool_use` and `tool_result`."));

    /// <summary>That the block is text.</summary>
    public static readonly HonouredField<string?> TextType = Add(FieldKinds.OneOf("type", FieldScope.TextBlock, ["text"], "Text."));

    /// <summary>The text.</summary>
    public static readonly HonouredField<string?> Text = Add(FieldKinds.Text("text", FieldScope.TextBlock, "What the block says."));

    /// <summary>That the block is thinking.</summary>
    public static readonly HonouredField<string?> ThinkingType = Add(FieldKinds.OneOf(
        "type", FieldScope.ThinkingBlock, ["thinking"], "What the assistant thought before its message, as an answer told it."));

    /// <summary>The thinking.</summary>
    public static readonly HonouredField<string?> Thinking = Add(FieldKinds.Text(
        "thinking", FieldScope.ThinkingBlock, "The thinking. Templates of checkpoints that show it do so; others leave it out."));

    /// <summary>What kind of tool it is.</summary>
    public static readonly HonouredField<string?> ToolType = Add(FieldKinds.OneOf(
        "type", FieldScope.MessageTool, ["custom"], "`custom`, also where it is not given; no other tools are supported."));

    /// <summary>The schema of a tool's input.</summary>
    public static readonly HonouredField<JsonElement?> InputSchema = Add(FieldKinds.Object(
        "input_schema", FieldScope.MessageTool, "The JSON schema of its input, an object."));

    /// <summary>Whether the model calls tools.</summary>
    public static readonly HonouredField<JsonElement?> ToolChoice = Add(FieldKinds.Object(
        "tool_choice", Turns, "Whether the model calls tools; see `tool_choice`. Default `auto`."));

    /// <summary>How it chooses.</summary>
    public static readonly HonouredField<string?> ChoiceType = Add(FieldKinds.OneOf(
        "type", FieldScope.MessageChoice, ["auto", "any", "tool", "none"],
        "`none` tells it of no tools, `any` and `tool` (the one of `name`) have the answer follow the grammar of a call."));

    /// <summary>Whether an answer may have one call only.</summary>
    public static readonly HonouredField<bool?> IsSingle = Add(FieldKinds.Flag(
        "disable_parallel_tool_use", FieldScope.MessageChoice, "Whether the answer ends with its first call. Default false."));

    /// <summary>That the block is a call.</summary>
    public static readonly HonouredField<string?> UseType = Add(FieldKinds.OneOf(
        "type", FieldScope.UseBlock, ["tool_use"], "A call that the assistant made, as an answer told it."));

    /// <summary>The call's id.</summary>
    public static readonly HonouredField<string?> UseId = Add(FieldKinds.Text("id", FieldScope.UseBlock, "By which its result names it."));

    /// <summary>What a tool was called with.</summary>
    public static readonly HonouredField<JsonElement?> UseInput = Add(FieldKinds.Object("input", FieldScope.UseBlock, "What it was called with."));

    /// <summary>That the block is a result.</summary>
    public static readonly HonouredField<string?> ResultType = Add(FieldKinds.OneOf(
        "type", FieldScope.ResultBlock, ["tool_result"], "What a call gave, in a turn of the user."));

    /// <summary>The call of a result.</summary>
    public static readonly HonouredField<string?> ResultOf = Add(FieldKinds.Text(
        "tool_use_id", FieldScope.ResultBlock, "The `id` of the call."));

    /// <summary>The result.</summary>
    public static readonly HonouredField<JsonElement?> ResultContent = Add(FieldKinds.Any(
        "content", FieldScope.ResultBlock, "a string or a list of text blocks", "What the call gave. Blocks are joined by line feeds."));

    /// <summary>All of them.</summary>
    public static IReadOnlyList<RequestField> All { get; } =
    [
        .. Honoured,
        Harmless(
            "cache_control", Turns | FieldScope.TextBlock | FieldScope.MessageTool | FieldScope.UseBlock | FieldScope.ResultBlock, JsonValueKind.Object, "Marks a prefix to cache; every prefix is cached."),
        Harmless("metadata", Request, JsonValueKind.Object, "Tells a provider who its end user is."),
        Harmless("output_config", FieldScope.CountTokens, JsonValueKind.Object, "Says how the answer is written; the prompt is all that is counted."),
        Harmless("citations", FieldScope.TextBlock, JsonValueKind.Array, "Says where the text is from; the model is not told."),
        Harmless("signature", FieldScope.ThinkingBlock, JsonValueKind.String, "Proves to a provider that the thinking is its model's."),
        new HarmlessField("is_error", FieldScope.ResultBlock, [JsonValueKind.True, JsonValueKind.False], "Says that the call failed, which its content tells."),
        new HarmlessField("eager_input_streaming", FieldScope.MessageTool, [JsonValueKind.True, JsonValueKind.False], "Input is always streamed as it comes."),
        Refused("allowed_callers", FieldScope.MessageTool, "[\"direct\"]"),
        Refused("defer_loading", FieldScope.MessageTool, "false"),
        Refused("input_examples", FieldScope.MessageTool, "[]"),
        Refused("caller", FieldScope.UseBlock, "{\"type\":\"direct\"}"),
        Refused("container", Request),
        Refused("context_management", Turns, "{}", "{\"edits\":[]}"),
        Refused("inference_geo", Request),
        Refused("mcp_servers", Turns, "[]"),
        Refused("n", Request, "1"),
        Refused("service_tier", Request, "\"auto\"", "\"standard_only\""),
        Refused("speed", Turns, "\"standard\""),
        Refused("thinking", Turns, "{\"type\":\"disabled\"}", "{\"type\":\"adaptive\"}"),
        Instead("max_completion_tokens", Request, "max_tokens"),
        Instead("max_tokens_to_sample", Request, "max_tokens"),
        Instead("output_format", Request, "output_config"),
        Instead("response_format", Request, "output_config"),
        Instead("stop", Request, "stop_sequences"),
        Refused("effort", FieldScope.OutputConfig, "\"high\""),
        Refused("task_budget", FieldScope.OutputConfig),
    ];

    private static HonouredField<T> Add<T>(HonouredField<T> field)
    {
        Honoured.Add(field);
        return field;
    }
}
