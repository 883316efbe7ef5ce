using System.Text.Json;

namespace Llama.Gateway.Api.Fields;

/// <summary>The fields that only Ollama's routes have, and what they have in common with llama.cpp's.</summary>
internal static class OllamaFields
{
    private const FieldScope Ask = FieldScope.OllamaChat | FieldScope.OllamaGenerate;
    private const FieldScope Options = FieldScope.OllamaOptions;
    private const FieldScope Message = FieldScope.OllamaMessage;

    // What is declared below adds itself.
    private static readonly List<RequestField> Honoured = [];

    /// <summary>The conversation.</summary>
    public static readonly HonouredField<JsonElement?> Messages = Add(FieldKinds.List(
        "messages", FieldScope.OllamaChat, "a list of messages", "The conversation; none asks whether the model is loaded. See `messages[] (Ollama)`."));

    /// <summary>Whose message it is.</summary>
    public static readonly HonouredField<string?> Role = Add(FieldKinds.Text(
        "role", Message, "`system`, `user`, `assistant` or `tool`, as the chat template has them."));

    /// <summary>What the message says.</summary>
    public static readonly HonouredField<string?> Content = Add(FieldKinds.Text("content", Message, "What the message says, or what a tool gave."));

    /// <summary>What the assistant thought before its message.</summary>
    public static readonly HonouredField<string?> Thinking = Add(FieldKinds.Text(
        "thinking", Message, "What the assistant thought before its message, as an answer told it."));

    /// <summary>The tool whose result it is.</summary>
    public static readonly HonouredField<string?> ToolName = Add(FieldKinds.Text(
        "tool_name", Message, "The function whose result a message of the role `tool` is."));

    /// <summary>The text to answer.</summary>
    public static readonly HonouredField<string?> Prompt = Add(FieldKinds.Text(
        "prompt", FieldScope.OllamaGenerate, "What to answer, as a user's message in the chat template; none asks whether the model is loaded."));

    /// <summary>The text behind a gap.</summary>
    public static readonly HonouredField<string?> Suffix = Add(FieldKinds.Text(
        "suffix", FieldScope.OllamaGenerate, "The text behind a gap that the answer fills; `prompt` is the text before it. For models that were trained to fill gaps."));

    /// <summary>What the model is told first.</summary>
    public static readonly HonouredField<string?> System = Add(FieldKinds.Text("system", FieldScope.OllamaGenerate, "A system message before the prompt."));

    /// <summary>Whether the prompt is all that the model reads.</summary>
    public static readonly HonouredField<bool?> Raw = Add(FieldKinds.Flag("raw", FieldScope.OllamaGenerate, "Goes on with the prompt, without the chat template."));

    /// <summary>Answer line by line.</summary>
    public static readonly HonouredField<bool?> Stream = Add(FieldKinds.Flag("stream", Ask, "Answers with an object a line, as they come. Default true."));

    /// <summary>What form the answer has.</summary>
    public static readonly HonouredField<JsonElement?> Format = Add(new HonouredField<JsonElement?>(
        "format", Ask, "\"json\" or a JSON schema",
        (JsonElement value, out JsonElement? result) => value.ValueKind == JsonValueKind.String
            ? (result = value) is not null && value.GetString() is "json" or ""
            : FieldKinds.TryReadSchema(value, out result),
        "The answer is any JSON object, or JSON that is valid by the schema."));

    /// <summary>How tokens are sampled.</summary>
    public static readonly HonouredField<JsonElement?> AllOptions = Add(FieldKinds.Object("options", Ask, "How tokens are sampled; see `options`."));

    /// <summary>Whether the model thinks before it answers.</summary>
    public static readonly HonouredField<bool?> Think = Add(FieldKinds.Flag(
        "think", Ask, "A model that thinks before it answers tells that in `thinking`: true is for such a model, and false for others, for thinking cannot be turned off."));

    /// <summary>The most tokens to generate.</summary>
    public static readonly HonouredField<long?> NumPredict = Add(FieldKinds.Integer(
        "num_predict", Options, -2, int.MaxValue, "The most tokens to generate; 0, -1 and -2 as many as fit the context. Default -1."));

    /// <summary>The context that is needed.</summary>
    public static readonly HonouredField<long?> NumContext = Add(FieldKinds.Integer(
        "num_ctx", Options, 1, int.MaxValue, "Tokens that the context must have room for; more than it has are refused."));

    /// <summary>The penalty for tokens of prompt and answer, by llama.cpp's name.</summary>
    public static readonly HonouredField<double?> RepeatPenalty = Add(FieldKinds.Number(
        "repeat_penalty", Options | FieldScope.Infill, 0.01, 100, "a number from 0.01 to 100", "The same as `repetition_penalty`. Default 1."));

    /// <summary>The model's name, as older clients call it.</summary>
    public static readonly HonouredField<string?> Name = Add(FieldKinds.Text("name", FieldScope.OllamaShow, "The older name of `model`."));

    /// <summary>All of them.</summary>
    public static IReadOnlyList<RequestField> All => Honoured;

    private static HonouredField<T> Add<T>(HonouredField<T> field)
    {
        Honoured.Add(field);
        return field;
    }
}
