using Llama.V1;
using Microsoft.Extensions.AI;

namespace Llama.Client;

/// <summary>Turns the parts of an answer into updates.</summary>
internal sealed class ChatUpdates
{
    /// <summary>The answer's id. A gateway that goes on without a record of the answer gives it another one.</summary>
    private string? id;

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
        if (!choice.HasFinishReason) return update;
        update.FinishReason = new ChatFinishReason(choice.FinishReason);
        update.AdditionalProperties = new() { ["seed"] = choice.Seed };
        return update;
    }

    private static UsageDetails DetailsOf(Usage usage) => new()
    {
        InputTokenCount = usage.PromptTokens,
        OutputTokenCount = usage.CompletionTokens,
        TotalTokenCount = usage.TotalTokens,
        CachedInputTokenCount = usage.CachedTokens,
        ReasoningTokenCount = usage.ReasoningTokens,
    };
}
