using Llama.Gateway.Api.Generation;

namespace Llama.Gateway.Api.Telemetry;

/// <summary>What is measured of one request that generates, from its arrival on.</summary>
/// <param name="time">The clock.</param>
internal sealed class ServedRequest(TimeProvider time)
{
    private readonly long arrived = time.GetTimestamp();
    private long firstAt;
    private long lastAt;
    private int mostPosition;

    /// <summary>The model; null while the request was not understood.</summary>
    public string? Model { get; private set; }

    /// <summary>Tokens of its prompts.</summary>
    public int PromptTokens { get; private set; }

    /// <summary>Tokens of its prompts that were in the cache, of the choice that began last.</summary>
    public int CachedTokens { get; private set; }

    /// <summary>Tokens of all its choices.</summary>
    public int Tokens { get; private set; }

    /// <summary>Why its choice that ended last did.</summary>
    public string? Finish { get; private set; }

    /// <summary>Time from its arrival, in seconds.</summary>
    public double Seconds => time.GetElapsedTime(arrived).TotalSeconds;

    /// <summary>Time from its arrival to the first token, in seconds; null before.</summary>
    public double? SecondsToFirst => Tokens > 0 ? time.GetElapsedTime(arrived, firstAt).TotalSeconds : null;

    /// <summary>Mean time from a token to the next, after the first, in seconds; null where there was no second.</summary>
    public double? SecondsAToken => mostPosition > 0 ? time.GetElapsedTime(firstAt, lastAt).TotalSeconds / mostPosition : null;

    /// <summary>It was understood.</summary>
    /// <param name="promptTokens">Tokens of its prompts.</param>
    /// <param name="model">Of which model.</param>
    public void Plan(int promptTokens, string model) => (Model, PromptTokens) = (model, promptTokens);

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
        if (Tokens++ == 0) firstAt = lastAt;
        if (piece.Position == 0) CachedTokens = piece.Token.CachedTokens;
        mostPosition = Math.Max(mostPosition, piece.Position);
        Finish = piece.Finish ?? Finish;
    }
}
