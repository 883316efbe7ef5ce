namespace Llama.Gateway.Api.Fields;

/// <summary>The JSON objects that a field may stand in.</summary>
[Flags]
internal enum FieldScope
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

    /// <summary>A request that generates.</summary>
    Generation = Completion | Chat,

    /// <summary>A request that may have messages.</summary>
    Messages = Chat | Tokenize,

    /// <summary>A request that is scheduled.</summary>
    Scheduled = Generation | Embedding,

    /// <summary>Any request.</summary>
    Request = Scheduled | Tokenize | Detokenize,
}

/// <summary>Names the objects.</summary>
internal static class FieldScopes
{
    /// <summary>What clients know an object by.</summary>
    /// <param name="scope">One object.</param>
    public static string NameOf(FieldScope scope) => scope switch
    {
        FieldScope.Completion => "/v1/completions",
        FieldScope.Chat => "/v1/chat/completions",
        FieldScope.Tokenize => "/tokenize",
        FieldScope.Detokenize => "/detokenize",
        FieldScope.Embedding => "/v1/embeddings",
        FieldScope.StreamOptions => "stream_options",
        FieldScope.Message => "messages[]",
        FieldScope.ContentPart => "messages[].content[]",
        FieldScope.ResponseFormat => "response_format",
        FieldScope.FormatSchema => "response_format.json_schema",
        FieldScope.StructuredOutputs => "structured_outputs",
        FieldScope.Tool => "tools[]",
        FieldScope.ToolFunction => "tools[].function",
        FieldScope.ToolChoice => "tool_choice",
        FieldScope.ChosenFunction => "tool_choice.function",
        FieldScope.ToolCall => "messages[].tool_calls[]",
        FieldScope.CalledFunction => "messages[].tool_calls[].function",
        _ => throw new ArgumentOutOfRangeException(nameof(scope), scope, "names no single object"),
    };
}
