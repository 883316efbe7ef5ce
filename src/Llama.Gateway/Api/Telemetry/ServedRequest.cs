using Llama.Gateway.Api.Generation;

namespace Llama.Gateway.Api.Telemetry;

/// <summary>What is measured of one request that generates, from its arrival on.</summary>
/// <param name="time">The clock.</param>
internal sealed class ServedRequest(TimeProvider time)
{
    private readonly long arrived = time.GetTimestamp();
    private AnswerUsage? usage;
    private int embeddedTokens;
    private long firstAt;
    private long lastAt;
    private int mostPosition;

    /// <summary>The model; null while the request was not understood.</summary>
    public string? Model { get; private set; }

    /// <summary>Tokens of its prompts.</summary>
    public int PromptTokens => usage?.PromptTokens ?? embeddedTokens;

    /// <summary>Tokens of its prompts that were in the cache.</summary>
    public int CachedTokens => usage?.CachedTokens ?? 0;

    /// <summary>Tokens of all its choices.</summary>
    public int Tokens => usage?.CompletionTokens ?? 0;

    /// <summary>Why its choice that ended last did.</summary>
    public string? Finish { get; private set; }

    /// <summary>Time from its arrival, in seconds.</summary>
    public double Seconds => time.GetElapsedTime(arrived).TotalSeconds;

    /// <summary>Time from its arrival to the first token, in seconds; null before.</summary>
    public double? SecondsToFirst => Tokens > 0 ? time.GetElapsedTime(arrived, firstAt).TotalSeconds : null;

    /// <summary>Mean time from a token to the next, after the first, in seconds; null where there was no second.</summary>
    public double? SecondsAToken => mostPosition > 0 ? time.GetElapsedTime(firstAt, lastAt).TotalSeconds / mostPosition : null;

    /// <summary>It was understood, and asks for vectors.</summary>
    /// <param name="promptTokens">Tokens of its texts.</param>
    /// <param name="model">Of which model.</param>
    public void Plan(int promptTokens, string model) => (Model, embeddedTokens) = (model, promptTokens);

    /// <summary>It was understood.</summary>
    /// <param name="plan">What it asks for.</param>
    /// <param name="model">Of which model.</param>
    /// <returns>What its answer takes, which is counted as <see cref="CountAsync"/> is read.</returns>
    public AnswerUsage Plan(GenerationPlan plan, string model)
    {
        Model = model;
        return usage = new AnswerUsage(plan);
    }

    /// <summary>Counts the tokens of its answer as they are read.</summary>
    /// <param name="pieces">The tokens.</param>
    public async IAsyncEnumerable<ChoicePiece> CountAsync(IAsyncEnumerable<ChoicePiece> pieces)
    {
        await foreach (var piece in pieces)
        {
            Count(piece);
            yield return piece;
        }
    }

    private void Count(ChoicePiece piece)
    {
        lastAt = time.GetTimestamp();
        if (Tokens == 0) firstAt = lastAt;
        usage!.Count(piece);
        mostPosition = Math.Max(mostPosition, piece.Position);
        Finish = piece.Finish ?? Finish;
    }
}
