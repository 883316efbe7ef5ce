using System.Text.Json;

namespace Llama.Grains.Hosting;

/// <summary>A call on its way to a grain.</summary>
/// <param name="Id">Pairs the answer with the call on its link.</param>
/// <param name="Grain">Name of the grain's interface.</param>
/// <param name="Key">Which grain.</param>
/// <param name="Method">Which method.</param>
/// <param name="Arguments">Its arguments, the cancellation token left out.</param>
public sealed record GrainCall(long Id, string Grain, string Key, string Method, IReadOnlyList<JsonElement> Arguments);

/// <summary>The answer to a call.</summary>
/// <param name="Id">The call's id.</param>
/// <param name="Result">What the method returned, if anything.</param>
/// <param name="Error">Why it failed; null when it did not.</param>
public sealed record GrainReply(long Id, JsonElement? Result, string? Error);

/// <summary>A call failed in the grain, or never reached it.</summary>
public sealed class GrainCallException : Exception
{
    /// <summary>A call failed.</summary>
    /// <param name="message">The sentence that the other side gave.</param>
    public GrainCallException(string message)
        : base(message)
    {
    }
}
