using System.Text.Json;
using Llama.Gateway.Api.Generation;

namespace Llama.Gateway.Api.Responses;

/// <summary>OpenAI's response object.</summary>
/// <param name="request">What was asked.</param>
/// <param name="model">The model's name.</param>
/// <param name="answer">The answer.</param>
internal sealed class ResponseObject(ResponseRequest request, string model, RunningAnswer answer)
{
    /// <summary>Why the answer is complete; null while it is not.</summary>
    public string? Finish { get; set; }

    /// <summary>Its status.</summary>
    public string Status => Finish is null ? "in_progress" : IsIncomplete ? "incomplete" : "completed";

    private bool IsIncomplete => Finish == "length";

    /// <summary>The status of an item of the output that has ended.</summary>
    /// <param name="block">The item's block.</param>
    /// <param name="all">The blocks of the output.</param>
    public string StatusOf(AnswerBlock block, IReadOnlyList<AnswerBlock> all) => IsIncomplete && block == all[^1] ? "incomplete" : "completed";

    /// <summary>Writes it; the output only when it is complete.</summary>
    /// <param name="json">Where to.</param>
    /// <param name="blocks">The blocks of the output.</param>
    public void Write(Utf8JsonWriter json, IReadOnlyList<AnswerBlock> blocks)
    {
        var plan = request.Plan;
        json.WriteStartObject();
        json.WriteString("id", answer.Id);
        json.WriteString("object", "response");
        json.WriteNumber("created_at", answer.Created.ToUnixTimeSeconds());
        json.WriteString("status", Status);
        json.WriteBoolean("background", false);
        json.WriteNull("error");
        if (IsIncomplete)
        {
            json.WriteStartObject("incomplete_details");
            json.WriteString("reason", "max_output_tokens");
            json.WriteEndObject();
        }
        else
        {
            json.WriteNull("incomplete_details");
        }

        json.WriteString("instructions", request.Instructions);
        if (plan.Parameters.MaxTokens is { } most) json.WriteNumber("max_output_tokens", most);
        else json.WriteNull("max_output_tokens");
        json.WriteString("model", model);
        json.WriteStartArray("output");
        if (Finish is not null)
        {
            foreach (var block in blocks) new ResponseItems(answer.Id, block).WriteItem(json, StatusOf(block, blocks));
        }

        json.WriteEndArray();
        json.WriteBoolean("parallel_tool_calls", plan.Parameters.Tools?.Parallel ?? true);
        json.WriteString("previous_response_id", request.PreviousId);
        json.WriteStartObject("reasoning");
        json.WriteNull("effort");
        json.WriteNull("summary");
        json.WriteEndObject();
        json.WriteNumber("seed", (long)plan.Choices[0].Request.Seed);
        json.WriteString("service_tier", "default");
        json.WriteBoolean("store", request.Store);
        json.WriteNumber("temperature", plan.Parameters.Sampling.Temperature);
        json.WritePropertyName("text");
        WriteTextForm(json);
        json.WritePropertyName("tool_choice");
        if (request.ToolChoice is { } choice) choice.WriteTo(json);
        else json.WriteStringValue("auto");
        json.WritePropertyName("tools");
        if (request.Tools is { } tools) tools.WriteTo(json);
        else json.WriteRawValue("[]");
        json.WriteNumber("top_logprobs", 0);
        json.WriteNumber("top_p", plan.Parameters.Sampling.TopP);
        json.WriteString("truncation", "disabled");
        json.WritePropertyName("metadata");
        if (request.Metadata is { } metadata) metadata.WriteTo(json);
        else WriteEmpty(json);
        json.WritePropertyName("usage");
        if (Finish is null) json.WriteNullValue();
        else WriteUsage(json);
        json.WriteEndObject();
    }

    private void WriteTextForm(Utf8JsonWriter json)
    {
        if (request.Text is { } text && text.TryGetProperty("format", out var format) && format.ValueKind != JsonValueKind.Null)
        {
            text.WriteTo(json);
            return;
        }

        json.WriteStartObject();
        json.WriteStartObject("format");
        json.WriteString("type", "text");
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteEmpty(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteEndObject();
    }

    private void WriteUsage(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteNumber("input_tokens", answer.Usage.PromptTokens);
        json.WriteStartObject("input_tokens_details");
        json.WriteNumber("cached_tokens", answer.Usage.CachedTokens);
        json.WriteEndObject();
        json.WriteNumber("output_tokens", answer.Usage.CompletionTokens);
        json.WriteStartObject("output_tokens_details");
        json.WriteNumber("reasoning_tokens", answer.Usage.ReasoningTokens);
        json.WriteEndObject();
        json.WriteNumber("total_tokens", answer.Usage.PromptTokens + answer.Usage.CompletionTokens);
        json.WriteEndObject();
    }
}
