using System.Text.Json;
using Llama.Gateway.Api.Generation;
using Llama.Model.Chat;

namespace Llama.Gateway.Api.Responses;

/// <summary>What a request to <c>/v1/responses</c> asks for.</summary>
internal sealed record ResponseRequest
{
    /// <summary>How it is generated: one choice.</summary>
    public required GenerationPlan Plan { get; init; }

    /// <summary>The conversation that is answered, without the instructions.</summary>
    public required IReadOnlyList<ChatMessage> Conversation { get; init; }

    /// <summary>Who asks; see <see cref="Reading.ClientName"/>.</summary>
    public required string Client { get; init; }

    /// <summary>Whether the response is kept.</summary>
    public bool Store { get; init; }

    /// <summary>What the model is told first, or null.</summary>
    public string? Instructions { get; init; }

    /// <summary>The response that it goes on from, or null.</summary>
    public string? PreviousId { get; init; }

    /// <summary>Labels, or null.</summary>
    public JsonElement? Metadata { get; init; }

    /// <summary>The tools as they were sent, or null.</summary>
    public JsonElement? Tools { get; init; }

    /// <summary>Whether they are called, as it was sent, or null.</summary>
    public JsonElement? ToolChoice { get; init; }

    /// <summary>How text is written, or null.</summary>
    public JsonElement? Text { get; init; }
}
