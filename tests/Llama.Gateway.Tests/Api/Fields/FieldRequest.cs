using System.Text.Json.Nodes;
using Llama.Gateway.Api.Fields;

namespace Llama.Gateway.Tests.Api.Fields;

/// <summary>A request that is good, with a place for one more field in one of its objects.</summary>
internal static class FieldRequest
{
    /// <summary>The fields that say how messages are written.</summary>
    public static readonly string[] ChatOptions = ["add_generation_prompt", "continue_final_message", "chat_template_kwargs"];

    /// <summary>The objects, each alone.</summary>
    public static IEnumerable<FieldScope> Scopes => FieldScopes.All;

    /// <summary>Some fields of the table, in each object that they may stand in.</summary>
    public static TheoryData<long, string> Rows(Func<RequestField, bool> which) =>
        new(from scope in Scopes from one in RequestFields.In(scope).Where(which) select ((long)scope, one.Name));

    public static string PathOf(FieldScope scope) => scope switch
    {
        FieldScope.Chat or FieldScope.Message or FieldScope.ContentPart or FieldScope.Tool or FieldScope.ToolFunction or FieldScope.ToolChoice
            or FieldScope.ChosenFunction or FieldScope.ToolCall or FieldScope.CalledFunction => "/v1/chat/completions",
        FieldScope.Tokenize => "/tokenize",
        FieldScope.Detokenize => "/detokenize",
        FieldScope.Template => "/apply-template",
        FieldScope.Infill or FieldScope.InfillFile => "/infill",
        FieldScope.OllamaChat or FieldScope.OllamaMessage => "/api/chat",
        FieldScope.OllamaGenerate or FieldScope.OllamaOptions => "/api/generate",
        FieldScope.OllamaShow => "/api/show",
        FieldScope.OllamaEmbed => "/api/embed",
        FieldScope.CountTokens => "/v1/messages/count_tokens",
        _ when IsResponse(scope) => "/v1/responses",
        _ when IsMessage(scope) => "/v1/messages",
        FieldScope.Embedding => "/v1/embeddings",
        _ => "/v1/completions",
    };

    /// <summary>What a field of the object is called in an error.</summary>
    public static string ParamOf(FieldScope scope, string name) => scope switch
    {
        FieldScope.StreamOptions => $"stream_options.{name}",
        FieldScope.OllamaOptions => $"options.{name}",
        FieldScope.InfillFile => $"input_extra[0].{name}",
        FieldScope.Message or FieldScope.OllamaMessage => $"messages[0].{name}",
        FieldScope.ContentPart => $"messages[0].content[0].{name}",
        FieldScope.ResponseFormat => $"response_format.{name}",
        FieldScope.FormatSchema => $"response_format.json_schema.{name}",
        FieldScope.StructuredOutputs => $"structured_outputs.{name}",
        FieldScope.ResponseText => $"text.{name}",
        FieldScope.TextFormat => $"text.format.{name}",
        FieldScope.InputMessage or FieldScope.InputReasoning or FieldScope.InputCall or FieldScope.InputResult => $"input[0].{name}",
        FieldScope.InputPart or FieldScope.InputThought => $"input[0].content[0].{name}",
        FieldScope.Turn => $"messages[0].{name}",
        FieldScope.TextBlock or FieldScope.ThinkingBlock or FieldScope.UseBlock or FieldScope.ResultBlock => $"messages[0].content[0].{name}",
        FieldScope.OutputConfig => $"output_config.{name}",
        FieldScope.OutputFormat => $"output_config.format.{name}",
        FieldScope.Tool or FieldScope.ResponseTool or FieldScope.MessageTool => $"tools[0].{name}",
        FieldScope.ToolFunction => $"tools[0].function.{name}",
        FieldScope.ToolChoice or FieldScope.ResponseChoice or FieldScope.MessageChoice => $"tool_choice.{name}",
        FieldScope.ChosenFunction => $"tool_choice.function.{name}",
        FieldScope.ToolCall => $"messages[0].tool_calls[0].{name}",
        FieldScope.CalledFunction => $"messages[0].tool_calls[0].function.{name}",
        _ => name,
    };

    /// <summary>The request with the field, or in place of the one that it has.</summary>
    /// <param name="scope">The object that the field stands in.</param>
    /// <param name="name">The field.</param>
    /// <param name="value">Its value as JSON; null for the request without it.</param>
    /// <param name="others">Further fields of the request.</param>
    public static string With(FieldScope scope, string name, string? value, string others = "{}")
    {
        var request = JsonNode.Parse(scope switch
        {
            FieldScope.Completion => """{"prompt":"Hi","seed":5}""",
            FieldScope.Infill => """{"input_prefix":"Hi","seed":5}""",
            FieldScope.InfillFile => """{"input_prefix":"Hi","seed":5,"input_extra":[{"filename":"a","text":"T"}]}""",
            FieldScope.OllamaChat or FieldScope.OllamaMessage => """{"messages":[{"role":"user","content":"Hi"}],"stream":false,"options":{"seed":5}}""",
            FieldScope.OllamaGenerate or FieldScope.OllamaOptions => """{"prompt":"Hi","stream":false,"options":{"seed":5}}""",
            FieldScope.OllamaShow => "{}",
            FieldScope.Template => """{"messages":[{"role":"user","content":"Hi"}]}""",
            FieldScope.Chat or FieldScope.Message => """{"messages":[{"role":"user","content":"Hi"}],"seed":5}""",
            FieldScope.ContentPart => """{"messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]}],"seed":5}""",
            FieldScope.Embedding or FieldScope.OllamaEmbed => """{"input":"Hi"}""",
            FieldScope.StreamOptions => """{"prompt":"Hi","seed":5,"stream_options":{}}""",
            FieldScope.ResponseFormat => """{"prompt":"Hi","seed":5,"response_format":{"type":"text"}}""",
            FieldScope.FormatSchema => """{"prompt":"Hi","seed":5,"response_format":{"type":"json_schema","json_schema":{"schema":{}}}}""",
            FieldScope.StructuredOutputs => """{"prompt":"Hi","seed":5,"structured_outputs":{}}""",
            FieldScope.Response => """{"input":"Hi","seed":5}""",
            FieldScope.ResponseText => """{"input":"Hi","seed":5,"text":{}}""",
            FieldScope.TextFormat => """{"input":"Hi","seed":5,"text":{"format":{"type":"text"}}}""",
            FieldScope.InputMessage => """{"input":[{"role":"user","content":"Hi"}],"seed":5}""",
            FieldScope.InputPart => """{"input":[{"role":"user","content":[{"type":"input_text","text":"Hi"}]}],"seed":5}""",
            FieldScope.InputReasoning or FieldScope.InputThought =>
                """{"input":[{"type":"reasoning","content":[{"type":"reasoning_text","text":"T"}]},{"role":"assistant","content":"Hi"}],"seed":5}""",
            FieldScope.MessageRequest or FieldScope.Turn => """{"messages":[{"role":"user","content":"Hi"}],"max_tokens":8,"seed":5}""",
            FieldScope.CountTokens => """{"messages":[{"role":"user","content":"Hi"}]}""",
            FieldScope.TextBlock => """{"messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]}],"max_tokens":8,"seed":5}""",
            FieldScope.ThinkingBlock =>
                """{"messages":[{"role":"assistant","content":[{"type":"thinking","thinking":"T"}]},{"role":"user","content":"Hi"}],"max_tokens":8,"seed":5}""",
            FieldScope.OutputConfig => """{"messages":[{"role":"user","content":"Hi"}],"max_tokens":8,"seed":5,"output_config":{}}""",
            FieldScope.OutputFormat =>
                """{"messages":[{"role":"user","content":"Hi"}],"max_tokens":8,"seed":5,"output_config":{"format":{"type":"json_schema","schema":{}}}}""",
            FieldScope.ResponseTool or FieldScope.ResponseChoice =>
                """{"input":"Hi","seed":5,"tools":[{"type":"function","name":"f"},{"type":"function","name":"g"}],"tool_choice":{"type":"function","name":"f"}}""",
            FieldScope.InputCall => """{"input":[{"type":"function_call","call_id":"c","name":"f","arguments":"{}"}],"seed":5}""",
            FieldScope.InputResult => """{"input":[{"type":"function_call_output","call_id":"c","output":"O"}],"seed":5}""",
            FieldScope.MessageTool or FieldScope.MessageChoice =>
                """{"messages":[{"role":"user","content":"Hi"}],"max_tokens":8,"seed":5,"tools":[{"name":"f"},{"name":"g"}],"tool_choice":{"type":"tool","name":"f"}}""",
            FieldScope.UseBlock =>
                """{"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"c","name":"f","input":{}}]},{"role":"user","content":"Hi"}],"max_tokens":8,"seed":5}""",
            FieldScope.ResultBlock =>
                """{"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"c","content":"O"}]}],"max_tokens":8,"seed":5}""",
            FieldScope.Tool or FieldScope.ToolFunction or FieldScope.ToolChoice or FieldScope.ChosenFunction =>
                """{"messages":[{"role":"user","content":"Hi"}],"seed":5,"tools":[{"function":{"name":"f"}},{"function":{"name":"g"}}],"tool_choice":{"function":{"name":"f"}}}""",
            FieldScope.ToolCall or FieldScope.CalledFunction =>
                """{"messages":[{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":"{}"}}]}],"seed":5}""",
            FieldScope.Tokenize when name == "messages" => "{}",
            FieldScope.Tokenize when ChatOptions.Contains(name) || name == "tools" => """{"messages":[{"role":"user","content":"Hi"}]}""",
            FieldScope.Tokenize => """{"prompt":"Hi"}""",
            _ => """{"tokens":[72]}""",
        })!.AsObject();
        foreach (var (other, its) in JsonNode.Parse(others)!.AsObject()) (scope == FieldScope.OllamaOptions ? request["options"]! : request)[other] = its?.DeepClone();
        if (value is null) return request.ToJsonString();
        var target = scope switch
        {
            FieldScope.StreamOptions => request["stream_options"]!,
            FieldScope.Message or FieldScope.Turn or FieldScope.OllamaMessage => request["messages"]![0]!,
            FieldScope.OllamaOptions => request["options"]!,
            FieldScope.InfillFile => request["input_extra"]![0]!,
            FieldScope.ResponseText => request["text"]!,
            FieldScope.TextFormat => request["text"]!["format"]!,
            FieldScope.InputMessage or FieldScope.InputReasoning or FieldScope.InputCall or FieldScope.InputResult => request["input"]![0]!,
            FieldScope.InputPart or FieldScope.InputThought => request["input"]![0]!["content"]![0]!,
            FieldScope.OutputConfig => request["output_config"]!,
            FieldScope.OutputFormat => request["output_config"]!["format"]!,
            FieldScope.ResponseFormat => request["response_format"]!,
            FieldScope.FormatSchema => request["response_format"]!["json_schema"]!,
            FieldScope.StructuredOutputs => request["structured_outputs"]!,
            FieldScope.ContentPart or FieldScope.TextBlock or FieldScope.ThinkingBlock or FieldScope.UseBlock or FieldScope.ResultBlock => request["messages"]![0]!["content"]![0]!,
            FieldScope.Tool or FieldScope.ResponseTool or FieldScope.MessageTool => request["tools"]![0]!,
            FieldScope.ToolFunction => request["tools"]![0]!["function"]!,
            FieldScope.ToolChoice or FieldScope.ResponseChoice or FieldScope.MessageChoice => request["tool_choice"]!,
            FieldScope.ChosenFunction => request["tool_choice"]!["function"]!,
            FieldScope.ToolCall => request["messages"]![0]!["tool_calls"]![0]!,
            FieldScope.CalledFunction => request["messages"]![0]!["tool_calls"]![0]!["function"]!,
            _ => request,
        };
        target[name] = JsonNode.Parse(value);
        return request.ToJsonString();
    }

    /// <summary>What of an answer does not differ from time to time.</summary>
    public static string Lasting(string answer)
    {
        var kept = JsonNode.Parse(answer)!.AsObject();
        foreach (var name in (string[])["id", "created", "created_at", "timings", "text", "total_duration", "prompt_eval_duration", "eval_duration"]) kept.Remove(name);
        foreach (var item in kept["output"]?.AsArray() ?? []) item!.AsObject().Remove("id");
        return kept.ToJsonString();
    }

    private static bool IsResponse(FieldScope scope) => scope is FieldScope.Response or FieldScope.ResponseText or FieldScope.TextFormat
        or FieldScope.InputMessage or FieldScope.InputPart or FieldScope.InputReasoning or FieldScope.InputThought
        or FieldScope.InputCall or FieldScope.InputResult or FieldScope.ResponseTool or FieldScope.ResponseChoice;

    private static bool IsMessage(FieldScope scope) => scope is FieldScope.MessageRequest or FieldScope.Turn or FieldScope.TextBlock
        or FieldScope.ThinkingBlock or FieldScope.OutputConfig or FieldScope.OutputFormat or FieldScope.MessageTool or FieldScope.MessageChoice
        or FieldScope.UseBlock or FieldScope.ResultBlock;
}
