using System.Text;
using System.Text.Json;
using Llama.V1;
using Microsoft.Extensions.AI;

namespace Llama.Client;

/// <summary>Turns the parts of an answer into updates.</summary>
internal sealed class ChatUpdates
{
    /// <summary>The answer's id. A gateway that goes on without a record of the answer gives it another one.</summary>
    private string? id;

    private readonly List<(string Id, string Name, StringBuilder Arguments)> calls = [];

    /// <summary>The update of a part.</summary>
    /// <param name="part">The next part.</param>
    public ChatResponseUpdate Create(GenerateResponse part)
    {
        id ??= part.Id;
        var update = new ChatResponseUpdate
        {
            Role = ChatRole.Assistant,
            ResponseId = id,
            MessageId = id,
            ModelId = part.Model,
            CreatedAt = DateTimeOffset.FromUnixTimeSeconds(part.Created),
            RawRepresentation = part,
        };
        if (part.Usage is { } usage) update.Contents.Add(new UsageContent(DetailsOf(usage)));
        if (part.Choice is not { } choice) return update;
        if (choice.Reasoning.Length > 0) update.Contents.Add(new TextReasoningContent(choice.Reasoning));
        if (choice.Text.Length > 0) update.Contents.Add(new TextContent(choice.Text));
        foreach (ToolCallPart call in choice.ToolCalls)
        {
            if (call.Index == calls.Count) calls.Add((call.Id, call.Name, new StringBuilder()));
            calls[call.Index].Arguments.Append(call.Arguments);
        }

        if (!choice.HasFinishReason) return update;
        foreach ((string callId, string name, StringBuilder arguments) in calls)
            update.Contents.Add(FunctionCallContent.CreateFromParsedArguments(arguments.ToString(), callId, name, Parse));
        update.FinishReason = new ChatFinishReason(choice.FinishReason);
        update.AdditionalProperties = new() { ["seed"] = choice.Seed };
        return update;
    }

    /// <summary>Reads arguments; what a limit of tokens cut off is none, which the call then says.</summary>
    private static IDictionary<string, object?>? Parse(string arguments) => (IDictionary<string, object?>?)JsonSerializer.Deserialize(
        arguments, AIJsonUtilities.DefaultOptions.GetTypeInfo(typeof(IDictionary<string, object?>)));

    private static UsageDetails DetailsOf(Usage usage) => new()
    {
        InputTokenCount = usage.PromptTokens,
        OutputTokenCount = usage.CompletionTokens,
        TotalTokenCount = usage.TotalTokens,
        CachedInputTokenCount = usage.CachedTokens,
        ReasoningTokenCount = usage.ReasoningTokens,
    };
}
