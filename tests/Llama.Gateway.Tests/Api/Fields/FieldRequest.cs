using System.Numerics;
using System.Text.Json.Nodes;
using Llama.Gateway.Api.Fields;

namespace Llama.Gateway.Tests.Api.Fields;

/// <summary>A request that is good, with a place for one more field in one of its objects.</summary>
internal static class FieldRequest
{
    /// <summary>The fields that say how messages are written.</summary>
    public static readonly string[] ChatOptions = ["add_generation_prompt", "continue_final_message", "chat_template_kwargs"];

    /// <summary>The objects, each alone.</summary>
    public static IEnumerable<FieldScope> Scopes => Enum.GetValues<FieldScope>().Where(scope => BitOperations.IsPow2((int)scope));

    /// <summary>Some fields of the table, in each object that they may stand in.</summary>
    public static TheoryData<int, string> Rows(Func<RequestField, bool> which) =>
        new(from scope in Scopes from one in RequestFields.In(scope).Where(which) select ((int)scope, one.Name));

    public static string PathOf(FieldScope scope) => scope switch
    {
        FieldScope.Chat or FieldScope.Message or FieldScope.ContentPart or FieldScope.Tool or FieldScope.ToolFunction or FieldScope.ToolChoice
            or FieldScope.ChosenFunction or FieldScope.ToolCall or FieldScope.CalledFunction => "/v1/chat/completions",
        FieldScope.Tokenize => "/tokenize",
        FieldScope.Detokenize => "/detokenize",
        FieldScope.Embedding => "/v1/embeddings",
        _ => "/v1/completions",
    };

    /// <summary>What a field of the object is called in an error.</summary>
    public static string ParamOf(FieldScope scope, string name) => scope switch
    {
        FieldScope.StreamOptions => $"stream_options.{name}",
        FieldScope.Message => $"messages[0].{name}",
        FieldScope.ContentPart => $"messages[0].content[0].{name}",
        FieldScope.ResponseFormat => $"response_format.{name}",
        FieldScope.FormatSchema => $"response_format.json_schema.{name}",
        FieldScope.StructuredOutputs => $"structured_outputs.{name}",
        FieldScope.Tool => $"tools[0].{name}",
        FieldScope.ToolFunction => $"tools[0].function.{name}",
        FieldScope.ToolChoice => $"tool_choice.{name}",
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
            FieldScope.Chat or FieldScope.Message => """{"messages":[{"role":"user","content":"Hi"}],"seed":5}""",
            FieldScope.ContentPart => """{"messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]}],"seed":5}""",
            FieldScope.Embedding => """{"input":"Hi"}""",
            FieldScope.StreamOptions => """{"prompt":"Hi","seed":5,"stream_options":{}}""",
            FieldScope.ResponseFormat => """{"prompt":"Hi","seed":5,"response_format":{"type":"text"}}""",
            FieldScope.FormatSchema => """{"prompt":"Hi","seed":5,"response_format":{"type":"json_schema","json_schema":{"schema":{}}}}""",
            FieldScope.StructuredOutputs => """{"prompt":"Hi","seed":5,"structured_outputs":{}}""",
            FieldScope.Tool or FieldScope.ToolFunction or FieldScope.ToolChoice or FieldScope.ChosenFunction =>
                """{"messages":[{"role":"user","content":"Hi"}],"seed":5,"tools":[{"function":{"name":"f"}},{"function":{"name":"g"}}],"tool_choice":{"function":{"name":"f"}}}""",
            FieldScope.ToolCall or FieldScope.CalledFunction =>
                """{"messages":[{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":"{}"}}]}],"seed":5}""",
            FieldScope.Tokenize when name == "messages" => "{}",
            FieldScope.Tokenize when ChatOptions.Contains(name) || name == "tools" => """{"messages":[{"role":"user","content":"Hi"}]}""",
            FieldScope.Tokenize => """{"prompt":"Hi"}""",
            _ => """{"tokens":[72]}""",
        })!.AsObject();
        foreach (var (other, its) in JsonNode.Parse(others)!.AsObject()) request[other] = its?.DeepClone();
        if (value is null) return request.ToJsonString();
        var target = scope switch
        {
            FieldScope.StreamOptions => request["stream_options"]!,
            FieldScope.Message => request["messages"]![0]!,
            FieldScope.ResponseFormat => request["response_format"]!,
            FieldScope.FormatSchema => request["response_format"]!["json_schema"]!,
            FieldScope.StructuredOutputs => request["structured_outputs"]!,
            FieldScope.ContentPart => request["messages"]![0]!["content"]![0]!,
            FieldScope.Tool => request["tools"]![0]!,
            FieldScope.ToolFunction => request["tools"]![0]!["function"]!,
            FieldScope.ToolChoice => request["tool_choice"]!,
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
        kept.Remove("id");
        kept.Remove("created");
        return kept.ToJsonString();
    }
}
