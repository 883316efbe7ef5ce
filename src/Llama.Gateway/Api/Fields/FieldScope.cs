using System.Numerics;

namespace Llama.Gateway.Api.Fields;

/// <summary>The JSON objects that a field may stand in.</summary>
[Flags]
internal enum FieldScope : long
{
    /// <summary>A request to <c>/v1/completions</c>.</summary>
    Completion = 1,

    /// <summary>A request to <c>/v1/chat/completions</c>.</summary>
    Chat = 2,

    /// <summary>A request to <c>/tokenize</c>.</summary>
    Tokenize = 4,

    /// <summary>A request to <c>/detokenize</c>.</summary>
    Detokenize = 8,

    /// <summary>The object <c>stream_options</c>.</summary>
    StreamOptions = 16,

    /// <summary>An element of <c>messages</c>.</summary>
    Message = 32,

    /// <summary>An element of a message's <c>content</c>.</summary>
    ContentPart = 64,

    /// <summary>The object <c>response_format</c>.</summary>
    ResponseFormat = 1 << 16,

    /// <summary>The object <c>response_format.json_schema</c>.</summary>
    FormatSchema = 1 << 17,

    /// <summary>The object <c>structured_outputs</c>.</summary>
    StructuredOutputs = 1 << 18,

    /// <summary>A request to <c>/v1/responses</c>.</summary>
    Response = 1L << 32,

    /// <summary>The object <c>text</c> of a request to <c>/v1/responses</c>.</summary>
    ResponseText = 1L << 33,

    /// <summary>The object <c>text.format</c>.</summary>
    TextFormat = 1L << 34,

    /// <summary>An element of <c>input</c> that is a message.</summary>
    InputMessage = 1L << 35,

    /// <summary>An element of the content of a message in <c>input</c>.</summary>
    InputPart = 1L << 36,

    /// <summary>An element of <c>input</c> that is reasoning.</summary>
    InputReasoning = 1L << 37,

    /// <summary>An element of the content of reasoning in <c>input</c>.</summary>
    InputThought = 1L << 38,

    /// <summary>An element of <c>tools</c> of <c>/v1/responses</c>.</summary>
    ResponseTool = 1L << 39,

    /// <summary>The object <c>tool_choice</c> of <c>/v1/responses</c>.</summary>
    ResponseChoice = 1L << 40,

    /// <summary>An element of <c>input</c> that is a call of a tool.</summary>
    InputCall = 1L << 41,

    /// <summary>An element of <c>input</c> that is a tool's result.</summary>
    InputResult = 1L << 42,

    /// <summary>A request to <c>/v1/messages</c>.</summary>
    MessageRequest = 1L << 44,

    /// <summary>A request to <c>/v1/messages/count_tokens</c>.</summary>
    CountTokens = 1L << 45,

    /// <summary>An element of <c>messages</c> of <c>/v1/messages</c>.</summary>
    Turn = 1L << 46,

    /// <summary>A block of text, in <c>system</c> or in a turn's <c>content</c>.</summary>
    TextBlock = 1L << 47,

    /// <summary>A block of thinking in a turn's <c>content</c>.</summary>
    ThinkingBlock = 1L << 48,

    /// <summary>The object <c>output_config</c>.</summary>
    OutputConfig = 1L << 49,

    /// <summary>The object <c>output_config.format</c>.</summary>
    OutputFormat = 1L << 50,

    /// <summary>An element of <c>tools</c> of <c>/v1/messages</c>.</summary>
    MessageTool = 1L << 56,

    /// <summary>The object <c>tool_choice</c> of <c>/v1/messages</c>.</summary>
    MessageChoice = 1L << 57,

    /// <summary>A block in a turn's <c>content</c> that calls a tool.</summary>
    UseBlock = 1L << 58,

    /// <summary>A block in a turn's <c>content</c> with a tool's result.</summary>
    ResultBlock = 1L << 59,

    /// <summary>A request to <c>/v1/embeddings</c>.</summary>
    Embedding = 1 << 20,

    /// <summary>An element of <c>tools</c>.</summary>
    Tool = 1 << 24,

    /// <summary>The object <c>function</c> of a tool.</summary>
    ToolFunction = 1 << 25,

    /// <summary>The object <c>tool_choice</c>.</summary>
    ToolChoice = 1 << 26,

    /// <summary>The object <c>function</c> of <c>tool_choice</c>.</summary>
    ChosenFunction = 1 << 27,

    /// <summary>An element of a message's <c>tool_calls</c>.</summary>
    ToolCall = 1 << 28,

    /// <summary>The object <c>function</c> of such a call.</summary>
    CalledFunction = 1 << 29,

    /// <summary>A request to Ollama's <c>/api/show</c>.</summary>
    OllamaShow = 1L << 51,

    /// <summary>A request to Ollama's <c>/api/embed</c>.</summary>
    OllamaEmbed = 1L << 43,

    /// <summary>A request to <c>/apply-template</c>.</summary>
    Template = 1L << 52,

    /// <summary>A request to <c>/infill</c>.</summary>
    Infill = 1L << 53,

    /// <summary>An element of <c>input_extra</c>.</summary>
    InfillFile = 1L << 54,

    /// <summary>An element of <c>messages</c> of Ollama's <c>/api/chat</c>.</summary>
    OllamaMessage = 1L << 55,

    /// <summary>A request to Ollama's <c>/api/chat</c>.</summary>
    OllamaChat = 1L << 60,

    /// <summary>A request to Ollama's <c>/api/generate</c>.</summary>
    OllamaGenerate = 1L << 61,

    /// <summary>The object <c>options</c> of Ollama's requests.</summary>
    OllamaOptions = 1L << 62,

    /// <summary>A request that generates choices.</summary>
    Generation = Completion | Chat,

    /// <summary>A request that generates.</summary>
    Sampled = Generation | Response | MessageRequest | Infill,

    /// <summary>Says how tokens are sampled, in whatever form.</summary>
    Sampling = Sampled | OllamaOptions,

    /// <summary>Ollama's requests.</summary>
    Ollama = OllamaChat | OllamaGenerate | OllamaShow | OllamaEmbed,

    /// <summary>A conversation in Anthropic's form.</summary>
    Turns = MessageRequest | CountTokens,

    /// <summary>A request that may have messages.</summary>
    Messages = Chat | Tokenize | Template,

    /// <summary>A request that is scheduled.</summary>
    Scheduled = Sampled | Embedding,

    /// <summary>Any request.</summary>
    Request = Scheduled | Tokenize | Detokenize | CountTokens | Template | Ollama,
}

/// <summary>Names the objects.</summary>
internal static class FieldScopes
{
    /// <summary>The objects, each alone.</summary>
    public static IReadOnlyList<FieldScope> All { get; } = [.. Enum.GetValues<FieldScope>().Where(scope => BitOperations.IsPow2((long)scope))];

    /// <summary>What clients know an object by.</summary>
    /// <param name="scope">One object.</param>
    public static string NameOf(FieldScope scope) => scope switch
    {
        FieldScope.Completion => "/v1/completions",
        FieldScope.Chat => "/v1/chat/completions",
        FieldScope.Tokenize => "/tokenize",
        FieldScope.Detokenize => "/detokenize",
        FieldScope.Template => "/apply-template",
        FieldScope.Infill => "/infill",
        FieldScope.InfillFile => "input_extra[]",
        FieldScope.OllamaChat => "/api/chat",
        FieldScope.OllamaGenerate => "/api/generate",
        FieldScope.OllamaOptions => "options",
        FieldScope.OllamaMessage => "messages[] (Ollama)",
        FieldScope.OllamaShow => "/api/show",
        FieldScope.OllamaEmbed => "/api/embed",
        FieldScope.Embedding => "/v1/embeddings",
        FieldScope.StreamOptions => "stream_options",
        FieldScope.Message => "messages[]",
        FieldScope.ContentPart => "messages[].content[]",
        FieldScope.ResponseFormat => "response_format",
        FieldScope.FormatSchema => "response_format.json_schema",
        FieldScope.StructuredOutputs => "structured_outputs",
        FieldScope.Response => "/v1/responses",
        FieldScope.ResponseText => "text",
        FieldScope.TextFormat => "text.format",
        FieldScope.InputMessage => "input[] (message)",
        FieldScope.InputPart => "input[].content[]",
        FieldScope.InputReasoning => "input[] (reasoning)",
        FieldScope.InputThought => "input[].content[] (reasoning)",
        FieldScope.MessageRequest => "/v1/messages",
        FieldScope.CountTokens => "/v1/messages/count_tokens",
        FieldScope.Turn => "messages[] (Anthropic)",
        FieldScope.TextBlock => "content[] (text)",
        FieldScope.ThinkingBlock => "content[] (thinking)",
        FieldScope.OutputConfig => "output_config",
        FieldScope.OutputFormat => "output_config.format",
        FieldScope.ResponseTool => "tools[] (responses)",
        FieldScope.ResponseChoice => "tool_choice (responses)",
        FieldScope.InputCall => "input[] (function_call)",
        FieldScope.InputResult => "input[] (function_call_output)",
        FieldScope.MessageTool => "tools[] (Anthropic)",
        FieldScope.MessageChoice => "tool_choice (Anthropic)",
        FieldScope.UseBlock => "content[] (tool_use)",
        FieldScope.ResultBlock => "content[] (tool_result)",
        FieldScope.Tool => "tools[]",
        FieldScope.ToolFunction => "tools[].function",
        FieldScope.ToolChoice => "tool_choice",
        FieldScope.ChosenFunction => "tool_choice.function",
        FieldScope.ToolCall => "messages[].tool_calls[]",
        FieldScope.CalledFunction => "messages[].tool_calls[].function",
        _ => throw new ArgumentOutOfRangeException(nameof(scope), scope, "names no single object"),
    };
}
